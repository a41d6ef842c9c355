// SPDX-License-Identifier: MIT
// Commands on variables: set, get, unset, add, hold, release, show vars, show vars-log. They run
// on the keeper; the table's lock is waited for at most WAIT_MS.

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "expr/vars_conf_priv.h"
#include "tidegate/vars.h"

#define WAIT_MS     100
#define VALUE_BYTES (TIDEVARS_TEXT_MAX * 6 + 64)
#define ARENA_BYTES 65536

// What stands behind the fixed words: "ttl 30m reason why".
struct options {
	uint64_t ttl_ns;
	const char *owner, *reason;
};

static bool
parse_options(const struct cli_args *args, int from, struct options *o, struct err *err)
{
	*o = (struct options){0};
	for (int i = from; i < args->argc; i += 2) {
		struct str word = args->argv[i], value = args->argv[i + 1];
		uint64_t us;
		if (i + 1 >= args->argc)
			return err_set(err, "a value is missing behind '%.*s'", STR_ARG(word));
		if (str_eq(word, STR("ttl")) || str_eq(word, STR("for"))) {
			if (!str_to_time_us(value, 1000000, &us) || us == 0 ||
			    us > UINT64_MAX / 1000)
				return err_set(err, "'%.*s' is not a time", STR_ARG(value));
			o->ttl_ns = us * 1000;
		} else if (str_eq(word, STR("owner"))) {
			o->owner = value.p;
		} else if (str_eq(word, STR("reason"))) {
			o->reason = value.p;
		} else {
			return err_set(err,
				       "unknown word '%.*s'; ttl, for, owner, reason are known",
				       STR_ARG(word));
		}
	}
	return true;
}

// One command at work.
struct command {
	struct cli_session *s;
	const struct cli_args *args;
	struct expr_set *set;
	struct tidevars *table;
	struct str name; // without the scope
	bool proc;
	uint32_t handle;
	struct options options;
	struct tidevars_writer writer;
	char who[TIDEVARS_WHO_MAX + 1];
	struct err err;
};

static void
fill_writer(struct command *c)
{
	const struct cli_peer *peer = cli_peer(c->s);
	struct str who = cli_who(c->s);
	(void)snprintf(c->who, sizeof(c->who), "%.*s", STR_ARG(who)); // cut where too long
	c->writer = (struct tidevars_writer){
	    .who = c->who,
	    .reason = c->options.reason,
	    .source = TIDEVARS_FROM_CLI,
	    .uid = peer->uid,
	    .gid = peer->gid,
	    .pid = (uint32_t)peer->pid,
	    .wait_ms = WAIT_MS,
	};
}

// "shm.maint", "maint" or "proc.x".
static bool
find_name(struct command *c, struct str text)
{
	struct tidevars_error why;
	c->proc = str_starts(text, STR("proc."));
	c->name = c->proc                         ? text
		  : str_starts(text, STR("shm.")) ? str_slice(text, 4, text.n)
						  : text;
	if (c->proc)
		return true;
	if (c->table == NULL)
		return err_set(&c->err, "there is no shared table");
	if (tidevars_find(c->table, c->name.p, c->name.n, &c->handle, &why) == TIDEVARS_OK)
		return true;
	c->handle = TIDEVARS_NO_HANDLE;
	return err_set(&c->err, "%s", why.text);
}

// fixed: how many words belong to the command itself, the name being the first.
static bool
begin(struct command *c, struct cli_session *s, const struct cli_args *args, int fixed)
{
	*c = (struct command){.s = s, .args = args};
	c->set = cli_bound(s, "expr");
	c->table = cli_bound(s, "vars");
	if (!parse_options(args, fixed, &c->options, &c->err))
		return false;
	fill_writer(c);
	return find_name(c, args->argv[0]);
}

static enum cli_status
refuse(struct command *c)
{
	return cli_error(c->s, "%s", c->err.text);
}

static enum cli_status
finish(struct command *c, int status, const struct tidevars_error *why)
{
	return status == TIDEVARS_OK ? CLI_DONE : cli_error(c->s, "%s", why->text);
}

// ---- values

// An expression is told from a literal by a fetch's name and its parenthesis: "int(1)".
static bool
is_expression(const struct command *c, struct str text)
{
	size_t paren = str_find_byte(text, '(');
	return c->set != NULL && paren != SIZE_MAX &&
	       expr_set_fetch(c->set, str_slice(text, 0, paren)) != NULL;
}

static bool
eval(struct command *c, struct str text, struct arena *arena, struct sample *out)
{
	struct expr_env env = {.set = c->set, .place = &EXPR_AT_CLI, .file = "command"};
	struct sample_ctx ctx = {
	    .arena = arena,
	    .shm = c->table,
	    .now_mono_ns = clock_mono_ns(),
	    .now_boot_ns = clock_boot_ns(),
	    .now_real_ns = clock_real_ns(),
	    .rand_state = clock_mono_ns(),
	};
	struct expr *e = expr_parse(&env, text, &c->err);
	if (e == NULL)
		return false;
	return expr_eval(e, &ctx, out) || err_set(&c->err, "'%.*s' has no value", STR_ARG(text));
}

// The text of a literal or of an expression's value, NUL-terminated in the arena.
static bool
value_text(struct command *c, struct str text, struct arena *arena, struct str *out)
{
	struct sample_ctx ctx = {.arena = arena};
	struct sample s;
	*out = text;
	if (!is_expression(c, text))
		return true;
	return eval(c, text, arena, &s) &&
	       (sample_text(&s, &ctx, out) || err_set(&c->err, "the value is too long"));
}

// Where undeclared names are allowed: an integer when it reads as one, else a string.
static bool
make_undeclared(struct command *c, struct str value)
{
	struct tidevars_error why;
	int64_t n;
	struct tidevars_decl d = {
	    .name = c->name.p,
	    .type = str_to_int(value, &n) ? TIDEVARS_INT : TIDEVARS_STRING,
	    .flags = TIDEVARS_UNDECLARED,
	};
	if (c->proc || c->table == NULL || c->set == NULL || !c->set->allow_undeclared)
		return false;
	if (tidevars_declare(c->table, &d, &c->handle, &why) == TIDEVARS_OK)
		return true;
	return err_set(&c->err, "%s", why.text);
}

static enum cli_status
set_proc(struct command *c, struct arena *arena)
{
	struct expr_env env = {.set = c->set, .place = &EXPR_AT_CLI, .file = "command"};
	struct sample_ctx ctx = {.arena = arena};
	struct var_ref ref;
	struct sample value;
	if (!is_expression(c, c->args->argv[1]))
		return cli_error(c->s, "an expression is needed, as in int(%.*s) or str(%.*s)",
				 STR_ARG(c->args->argv[1]), STR_ARG(c->args->argv[1]));
	if (!eval(c, c->args->argv[1], arena, &value) || !var_parse(&env, c->name, &ref, &c->err))
		return refuse(c);
	if (!var_set(&ref, &ctx, &value))
		return cli_error(c->s, "the value is longer than %d bytes", VAR_PROC_BYTES);
	return CLI_DONE;
}

static enum cli_status
set_shm(struct command *c, struct str text, bool add)
{
	struct tidevars_error why;
	struct tidevars_value v;
	uint32_t type = tidevars_type(c->table, c->handle);
	int status = tidevars_parse(type, text.p, text.n, &v, &why);
	if (status != TIDEVARS_OK)
		return cli_error(c->s, "'%.*s': %s", STR_ARG(c->name), why.text);
	if (add)
		status = tidevars_add(c->table, c->handle, &v, &c->writer, &why);
	else
		status = tidevars_set(c->table, c->handle, &v, c->options.ttl_ns, &c->writer, &why);
	return finish(c, status, &why);
}

static enum cli_status
run_set(struct cli_session *s, const struct cli_args *args)
{
	struct command c;
	struct arena arena;
	struct str text;
	enum cli_status status;
	arena_init(&arena, ARENA_BYTES);
	bool found = begin(&c, s, args, 2);
	if (found && c.proc)
		status = c.set != NULL ? set_proc(&c, &arena) : cli_error(s, "not available");
	else if (!value_text(&c, args->argv[1], &arena, &text) ||
		 (!found && !make_undeclared(&c, text)))
		status = refuse(&c);
	else
		status = set_shm(&c, text, false);
	arena_fini(&arena);
	return status;
}

static enum cli_status
run_add(struct cli_session *s, const struct cli_args *args)
{
	struct command c;
	if (!begin(&c, s, args, 2))
		return refuse(&c);
	if (c.proc)
		return cli_error(s, "only variables of shm. can be added to");
	return set_shm(&c, args->argv[1], true);
}

static enum cli_status
get_proc(struct command *c)
{
	struct expr_env env = {.set = c->set, .place = &EXPR_AT_CLI, .file = "command"};
	struct sample_ctx ctx = {0};
	struct arena arena;
	struct var_ref ref;
	struct sample v = {.flags = 0};
	struct str text;
	if (c->set == NULL || !var_parse(&env, c->name, &ref, &c->err))
		return refuse(c);
	arena_init(&arena, ARENA_BYTES);
	ctx.arena = &arena;
	bool is_set = var_get(&ref, &ctx, &v);
	const char *type = sample_type_name(is_set ? (enum sample_type)v.type : SMP_ANY);
	if (!is_set)
		cli_printf(c->s, "%.*s: undefined\n", STR_ARG(c->name));
	else if (sample_text(&v, &ctx, &text))
		cli_printf(c->s, "%.*s: type=%s value=<%.*s>\n", STR_ARG(c->name), type,
			   STR_ARG(text));
	arena_fini(&arena);
	return CLI_DONE;
}

static enum cli_status
run_get(struct cli_session *s, const struct cli_args *args)
{
	struct command c;
	struct tidevars_value v;
	char text[VALUE_BYTES];
	if (!begin(&c, s, args, 1))
		return refuse(&c);
	if (c.proc)
		return get_proc(&c);
	(void)tidevars_read(c.table, c.handle, clock_boot_ns(), &v); // the handle is good
	(void)tidevars_format(&v, text, sizeof(text));               // fits any value
	cli_printf(s, "%s\n", text);
	return CLI_DONE;
}

static enum cli_status
run_unset(struct cli_session *s, const struct cli_args *args)
{
	struct command c;
	struct tidevars_error why;
	if (!begin(&c, s, args, 1))
		return refuse(&c);
	if (!c.proc)
		return finish(&c, tidevars_unset(c.table, c.handle, &c.writer, &why), &why);
	struct expr_env env = {.set = c.set, .place = &EXPR_AT_CLI, .file = "command"};
	struct sample_ctx ctx = {0};
	struct var_ref ref;
	if (c.set == NULL || !var_parse(&env, c.name, &ref, &c.err))
		return refuse(&c);
	(void)var_unset(&ref, &ctx); // of proc. it cannot fail
	return CLI_DONE;
}

static enum cli_status
run_hold(struct cli_session *s, const struct cli_args *args)
{
	struct command c;
	struct tidevars_error why;
	if (!begin(&c, s, args, 1))
		return refuse(&c);
	if (c.proc)
		return cli_error(s, "only variables of shm. can be held");
	return finish(&c,
		      tidevars_take(c.table, c.handle, c.options.owner, c.options.ttl_ns, &c.writer,
				    &why),
		      &why);
}

static enum cli_status
run_release(struct cli_session *s, const struct cli_args *args)
{
	struct command c;
	struct tidevars_error why;
	if (!begin(&c, s, args, 1))
		return refuse(&c);
	if (c.proc)
		return cli_error(s, "only variables of shm. can be held");
	return finish(&c, tidevars_release(c.table, c.handle, c.options.owner, &c.writer, &why),
		      &why);
}

// ---- lists

// Where a list stopped; freed by the session.
struct list_state {
	struct tidevars *table;
	uint64_t at; // next handle, or last entry of the log
	bool json, first;
};

static void
free_state(void *state)
{
	mem_free(state);
}

static void
add_time(struct cli_session *s, uint64_t real_ns)
{
	time_t t = (time_t)(real_ns / NS_PER_S);
	struct tm tm;
	char text[32] = "-";
	if (real_ns != 0 && gmtime_r(&t, &tm) != NULL)
		(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm); // it fits
	cli_add(s, str_from_c(text));
}

static void
add_remaining(struct cli_session *s, uint64_t until_boot_ns, uint64_t now)
{
	if (until_boot_ns != TIDEVARS_NEVER && until_boot_ns > now)
		cli_printf(s, " for %" PRIu64 "s more", (until_boot_ns - now) / NS_PER_S);
}

static void
add_holds(struct cli_session *s, struct tidevars *t, uint32_t handle, uint64_t now, bool json)
{
	struct tidevars_hold holds[TIDEVARS_HOLDS_MAX];
	size_t n = 0;
	if (tidevars_read_holds(t, handle, now, holds, &n) != TIDEVARS_OK)
		return;
	if (json)
		cli_add(s, STR(",\"holds\":["));
	for (size_t i = 0; i < n; i++) {
		if (!json) {
			cli_printf(s, "  held by %s", holds[i].owner);
			add_remaining(s, holds[i].until_boot_ns, now);
			cli_printf(s, "%s%s\n", holds[i].reason[0] != '\0' ? " reason " : "",
				   holds[i].reason);
			continue;
		}
		cli_printf(s, "%s{\"owner\":", i > 0 ? "," : "");
		cli_add_json(s, str_from_c(holds[i].owner));
		cli_add(s, STR(",\"reason\":"));
		cli_add_json(s, str_from_c(holds[i].reason));
		cli_add(s, STR("}"));
	}
	if (json)
		cli_add(s, STR("]"));
}

static void
add_info_text(struct cli_session *s, struct tidevars *t, uint32_t h, const struct tidevars_info *i,
	      uint64_t now)
{
	char value[VALUE_BYTES], initial[VALUE_BYTES];
	(void)tidevars_format(&i->value, value, sizeof(value));       // fits any value
	(void)tidevars_format(&i->initial, initial, sizeof(initial)); // the same
	cli_printf(s, "%s %s %s default %s", i->name, tidevars_type_name(i->type), value, initial);
	if (i->value.flags & TIDEVARS_IS_STALE)
		cli_add(s, STR(" stale"));
	add_remaining(s, i->deadline_boot_ns, now);
	if (i->written_real_ns != 0) {
		cli_add(s, STR(" written "));
		add_time(s, i->written_real_ns);
		cli_printf(s, " by %s (%s)", i->who, tidevars_source_name(i->source));
	}
	cli_printf(s, "%s%s\n", i->reason[0] != '\0' ? " reason " : "", i->reason);
	if (i->type == TIDEVARS_HOLD)
		add_holds(s, t, h, now, false);
}

static void
add_info_json(struct cli_session *s, struct tidevars *t, uint32_t h, const struct tidevars_info *i,
	      uint64_t now)
{
	char value[VALUE_BYTES], initial[VALUE_BYTES];
	(void)tidevars_format_json(&i->value, value, sizeof(value));       // fits any value
	(void)tidevars_format_json(&i->initial, initial, sizeof(initial)); // the same
	cli_printf(s, "{\"name\":\"%s\",\"type\":\"%s\",\"value\":%s,\"default\":%s", i->name,
		   tidevars_type_name(i->type), value, initial);
	cli_printf(s, ",\"stale\":%s,\"written_ms\":%" PRIu64 ",\"source\":\"%s\",\"who\":",
		   i->value.flags & TIDEVARS_IS_STALE ? "true" : "false",
		   i->written_real_ns / NS_PER_MS, tidevars_source_name(i->source));
	cli_add_json(s, str_from_c(i->who));
	cli_add(s, STR(",\"reason\":"));
	cli_add_json(s, str_from_c(i->reason));
	cli_add(s, STR(",\"description\":"));
	cli_add_json(s, str_from_c(i->description));
	if (i->type == TIDEVARS_HOLD)
		add_holds(s, t, h, now, true);
	cli_add(s, STR("}"));
}

static enum cli_status
more_vars(struct cli_session *s, void *arg)
{
	struct list_state *l = arg;
	struct tidevars_info info;
	uint64_t now = clock_boot_ns();
	for (; l->at < tidevars_count(l->table); l->at++) {
		if (cli_room(s) == 0)
			return CLI_MORE;
		if (tidevars_info(l->table, (uint32_t)l->at, now, &info, NULL) != TIDEVARS_OK)
			continue; // forgotten
		if (l->json) {
			cli_add(s, l->first ? STR("[") : STR(",\n"));
			add_info_json(s, l->table, (uint32_t)l->at, &info, now);
		} else {
			add_info_text(s, l->table, (uint32_t)l->at, &info, now);
		}
		l->first = false;
	}
	if (l->json)
		cli_add(s, l->first ? STR("[]\n") : STR("]\n"));
	return CLI_DONE;
}

static void
add_entry_json(struct cli_session *s, struct tidevars *t, const struct tidevars_log_entry *e)
{
	char after[VALUE_BYTES];
	const char *name = tidevars_name(t, e->handle);
	(void)tidevars_format_json(&e->after, after, sizeof(after)); // fits any value
	cli_printf(s,
		   "{\"seq\":%" PRIu64 ",\"written_ms\":%" PRIu64 ",\"name\":\"%s\",\"value\":%s",
		   e->seq, e->real_ns / NS_PER_MS, name != NULL ? name : "", after);
	cli_printf(s, ",\"source\":\"%s\",\"uid\":%u,\"pid\":%u,\"who\":",
		   tidevars_source_name(e->source), e->uid, e->pid);
	cli_add_json(s, str_from_c(e->who));
	cli_add(s, STR(",\"reason\":"));
	cli_add_json(s, str_from_c(e->reason));
	cli_add(s, STR("}"));
}

static void
add_entry_text(struct cli_session *s, struct tidevars *t, const struct tidevars_log_entry *e)
{
	char after[VALUE_BYTES];
	const char *name = tidevars_name(t, e->handle);
	(void)tidevars_format(&e->after, after, sizeof(after)); // fits any value
	cli_printf(s, "%" PRIu64 " ", e->seq);
	add_time(s, e->real_ns);
	cli_printf(s, " %s %s by %s (%s uid %u pid %u)%s%s\n", name != NULL ? name : "?", after,
		   e->who, tidevars_source_name(e->source), e->uid, e->pid,
		   e->reason[0] != '\0' ? " reason " : "", e->reason);
}

static enum cli_status
more_log(struct cli_session *s, void *arg)
{
	struct list_state *l = arg;
	struct tidevars_log_entry e;
	while (cli_room(s) > 0) {
		if (tidevars_log_next(l->table, l->at, &e) != 1) {
			if (l->json)
				cli_add(s, l->first ? STR("[]\n") : STR("]\n"));
			return CLI_DONE;
		}
		if (l->json) {
			cli_add(s, l->first ? STR("[") : STR(",\n"));
			add_entry_json(s, l->table, &e);
		} else {
			add_entry_text(s, l->table, &e);
		}
		l->first = false;
		l->at = e.seq;
	}
	return CLI_MORE;
}

static enum cli_status
run_list(struct cli_session *s, const struct cli_args *args, cli_more_f more)
{
	struct tidevars *table = cli_bound(s, "vars");
	if (table == NULL)
		return cli_error(s, "there is no shared table");
	if (args->argc > 0 && !str_eq(args->argv[0], STR("json")))
		return cli_usage(s, args);
	struct list_state *l = MEM_NEW(struct list_state);
	*l = (struct list_state){.table = table, .json = args->argc > 0, .first = true};
	cli_continue(s, more, l, free_state);
	return more(s, l);
}

static enum cli_status
run_show_vars(struct cli_session *s, const struct cli_args *args)
{
	return run_list(s, args, more_vars);
}

static enum cli_status
run_show_log(struct cli_session *s, const struct cli_args *args)
{
	return run_list(s, args, more_log);
}

const struct cli_command expr_commands[] = {
    {.words = "set var",
     .level = CLI_OPERATOR,
     .args = "NAME VALUE [ttl TIME] [reason TEXT]",
     .min_args = 2,
     .max_args = 6,
     .run = run_set,
     .help = "write a variable (shm.NAME or proc.NAME); VALUE is a literal or an expression"},
    {.words = "get var",
     .level = CLI_OPERATOR,
     .args = "NAME",
     .min_args = 1,
     .max_args = 1,
     .run = run_get,
     .help = "print a variable's present value"},
    {.words = "unset var",
     .level = CLI_OPERATOR,
     .args = "NAME [reason TEXT]",
     .min_args = 1,
     .max_args = 3,
     .run = run_unset,
     .help = "give a variable its default again"},
    {.words = "add var",
     .level = CLI_OPERATOR,
     .args = "NAME NUMBER [reason TEXT]",
     .min_args = 2,
     .max_args = 4,
     .run = run_add,
     .help = "add to a counter, int, float or gauge"},
    {.words = "hold",
     .level = CLI_OPERATOR,
     .args = "NAME [owner WHO] [for TIME] [reason TEXT]",
     .min_args = 1,
     .max_args = 7,
     .run = run_hold,
     .help = "hold a flag up; it stands while anybody holds it"},
    {.words = "release",
     .level = CLI_OPERATOR,
     .args = "NAME [owner WHO] [reason TEXT]",
     .min_args = 1,
     .max_args = 5,
     .run = run_release,
     .help = "give one's own hold back"},
    {.words = "show vars",
     .level = CLI_USER,
     .args = "[json]",
     .max_args = 1,
     .run = run_show_vars,
     .help = "list the shared variables: value, default, last writer"},
    {.words = "show vars-log",
     .level = CLI_USER,
     .args = "[json]",
     .max_args = 1,
     .run = run_show_log,
     .help = "list the last writes: who, when, from where, why"},
    {.words = NULL},
};
