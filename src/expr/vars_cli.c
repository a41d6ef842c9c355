// SPDX-License-Identifier: MIT
// Commands on variables: their rows, and those that read or write one. They run on the keeper; the
// table's lock is waited for at most WAIT_MS.

#include <stdio.h>

#include "base/clock.h"
#include "expr/vars_cli_priv.h"
#include "vars/list.h"

#define WAIT_MS       100
#define ARENA_BYTES   65536
#define REFUSED_BURST 10         // lines a second
#define NOBODY        UINT32_MAX // a peer whom the kernel does not know

static bool
parse_options(const struct cli_args *args, int from, struct vars_options *o, struct err *err)
{
	*o = (struct vars_options){0};
	for (int i = from; i < args->argc; i += 2) {
		struct str word = args->argv[i], value = args->argv[i + 1];
		uint64_t us;
		if (i + 1 >= args->argc)
			return err_set(err, "a value is missing behind '%.*s'", STR_ARG(word));
		if (str_eq(word, STR("ttl")) || str_eq(word, STR("for"))) {
			if (!str_to_time_us(value, 1000000, &us) || us == 0 ||
			    us > UINT64_MAX / 1000)
				return err_set(
				    err,
				    "'%.*s' is not a time above 0: a number with ms, s, m, h or d",
				    STR_ARG(value));
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

static void
fill_writer(struct vars_command *c)
{
	const struct cli_peer *peer = cli_peer(c->s);
	struct str who = cli_who(c->s);
	(void)snprintf(c->who, sizeof(c->who), "%.*s", STR_ARG(who)); // cut where too long
	c->writer = (struct tidevars_writer){
	    .who = c->who,
	    .reason = c->options.reason,
	    .source = TIDEVARS_FROM_CLI,
	    .uid = peer->known ? peer->uid : NOBODY,
	    .gid = peer->known ? peer->gid : NOBODY,
	    .pid = peer->known ? (uint32_t)peer->pid : NOBODY,
	    .wait_ms = WAIT_MS,
	};
}

bool
vars_command_find(struct vars_command *c, struct str text)
{
	struct tidevars_error why;
	c->proc = str_starts(text, STR("proc."));
	c->name = c->proc                         ? text
		  : str_starts(text, STR("shm.")) ? str_slice(text, 4, text.n)
						  : text;
	c->handle = TIDEVARS_NO_HANDLE;
	if (c->proc)
		return true;
	if (c->table == NULL)
		return err_set(&c->err, "there is no shared table");
	if (tidevars_find(c->table, c->name.p, c->name.n, &c->handle, &why) == TIDEVARS_OK)
		return true;
	c->handle = TIDEVARS_NO_HANDLE;
	return err_set(&c->err, "%s", why.text);
}

bool
vars_command_init(struct vars_command *c, struct cli_session *s, const struct cli_args *args,
		  int fixed)
{
	*c = (struct vars_command){.s = s, .args = args, .handle = TIDEVARS_NO_HANDLE};
	c->set = cli_bound(s, "expr");
	c->table = cli_bound(s, "vars");
	bool good = parse_options(args, fixed, &c->options, &c->err);
	fill_writer(c);
	return good;
}

bool
vars_command_begin(struct vars_command *c, struct cli_session *s, const struct cli_args *args,
		   int fixed)
{
	return vars_command_init(c, s, args, fixed) && vars_command_find(c, args->argv[0]);
}

// ---- writing

enum cli_status
vars_command_refuse(struct vars_command *c)
{
	struct vars_tx *tx = vars_tx_of(c->s);
	if (tx != NULL)
		vars_tx_spoil(tx);
	return cli_error(c->s, "%s", c->err.text);
}

static void
log_refused(struct vars_command *c, const char *why)
{
	struct log_rate *rate = &c->set->refusals;
	uint64_t now = clock_mono_ns();
	uint32_t missed = log_rate_missed(rate);
	if (missed > 0)
		log_msg(LOG_WARNING, "%u more writes to variables refused", missed);
	if (log_rate_ok(rate, now, REFUSED_BURST))
		log_msg(LOG_WARNING, "write to a variable refused: %s, pid %d at %s", why,
			cli_peer(c->s)->pid, cli_peer(c->s)->from);
}

enum cli_status
vars_command_finish(struct vars_command *c, int status, const struct tidevars_error *why)
{
	if (status == TIDEVARS_REFUSED && c->set != NULL)
		log_refused(c, why->text);
	return status == TIDEVARS_OK ? CLI_DONE : cli_error(c->s, "%s", why->text);
}

void
vars_command_as_group(struct vars_command *c, uint32_t handle)
{
	struct tidevars_info info;
	if (tidevars_info(c->table, handle, 0, &info, NULL) == TIDEVARS_OK &&
	    (info.writable_by & TIDEVARS_BY_GID) != 0 &&
	    cli_peer_in_group(cli_peer(c->s), info.writable_gid))
		c->writer.gid = info.writable_gid;
}

enum cli_status
vars_command_perform(struct vars_command *c, struct tidevars_op *op)
{
	struct tidevars_error why;
	struct vars_tx *tx = vars_tx_of(c->s);
	op->handle = c->handle;
	op->owner = c->options.owner;
	op->ttl_ns = c->options.ttl_ns;
	if (tx != NULL)
		return vars_tx_add(c, tx, op);
	vars_command_as_group(c, c->handle);
	return vars_command_finish(c, tidevars_commit(c->table, op, 1, &c->writer, &why), &why);
}

// ---- values

// An expression is told from a literal by a fetch's name and its parenthesis: "int(1)".
static bool
is_expression(const struct vars_command *c, struct str text)
{
	size_t paren = str_find_byte(text, '(');
	return c->set != NULL && paren != SIZE_MAX &&
	       expr_set_fetch(c->set, str_slice(text, 0, paren)) != NULL;
}

static bool
eval(struct vars_command *c, struct str text, struct arena *arena, struct sample *out)
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
value_text(struct vars_command *c, struct str text, struct arena *arena, struct str *out)
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
make_undeclared(struct vars_command *c, struct str value)
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
set_proc(struct vars_command *c, struct arena *arena)
{
	struct expr_env env = {.set = c->set, .place = &EXPR_AT_CLI, .file = "command"};
	struct sample_ctx ctx = {.arena = arena};
	struct var_ref ref;
	struct sample value;
	if (!is_expression(c, c->args->argv[1]))
		return cli_error(c->s, "an expression is needed, as in int(%.*s) or str(%.*s)",
				 STR_ARG(c->args->argv[1]), STR_ARG(c->args->argv[1]));
	if (!eval(c, c->args->argv[1], arena, &value) || !var_parse(&env, c->name, &ref, &c->err))
		return vars_command_refuse(c);
	if (!var_set(&ref, &ctx, &value))
		return cli_error(c->s, "the value is longer than %d bytes", VAR_PROC_BYTES);
	return CLI_DONE;
}

// The text as a value of the variable's type.
static bool
parse_value(struct vars_command *c, struct str text, struct tidevars_value *v)
{
	struct tidevars_error why;
	uint32_t type = tidevars_type(c->table, c->handle);
	return tidevars_parse(type, text.p, text.n, v, &why) == TIDEVARS_OK ||
	       err_set(&c->err, "'%.*s': %s", STR_ARG(c->name), why.text);
}

static enum cli_status
write_value(struct vars_command *c, uint32_t kind, struct str text)
{
	struct tidevars_op op = {.kind = kind};
	return parse_value(c, text, &op.value) ? vars_command_perform(c, &op)
					       : vars_command_refuse(c);
}

static bool
not_in_transaction(struct vars_command *c)
{
	return vars_tx_of(c->s) == NULL ||
	       err_set(&c->err, "a transaction is over variables of shm.");
}

// Commands that proc. does not have.
static bool
begin_shm(struct vars_command *c, struct cli_session *s, const struct cli_args *args, int fixed)
{
	if (!vars_command_begin(c, s, args, fixed))
		return false;
	return !c->proc ||
	       err_set(&c->err, "only variables of shm. can be %s", (const char *)args->row->arg);
}

static enum cli_status
run_set(struct cli_session *s, const struct cli_args *args)
{
	struct vars_command c;
	struct arena arena;
	struct str text;
	enum cli_status status;
	arena_init(&arena, ARENA_BYTES);
	bool found = vars_command_begin(&c, s, args, 2);
	if (found && c.proc && !not_in_transaction(&c))
		status = vars_command_refuse(&c);
	else if (found && c.proc)
		status = c.set != NULL ? set_proc(&c, &arena) : cli_error(s, "not available");
	else if (!value_text(&c, args->argv[1], &arena, &text) ||
		 (!found && !make_undeclared(&c, text)))
		status = vars_command_refuse(&c);
	else
		status = write_value(&c, TIDEVARS_SET, text);
	arena_fini(&arena);
	return status;
}

static enum cli_status
run_add(struct cli_session *s, const struct cli_args *args)
{
	struct vars_command c;
	return begin_shm(&c, s, args, 2) ? write_value(&c, TIDEVARS_ADD, args->argv[1])
					 : vars_command_refuse(&c);
}

// cas var NAME EXPECTED VALUE
static enum cli_status
run_cas(struct cli_session *s, const struct cli_args *args)
{
	struct vars_command c;
	struct tidevars_op op = {.kind = TIDEVARS_CAS};
	if (!begin_shm(&c, s, args, 3) || !parse_value(&c, args->argv[1], &op.expect) ||
	    !parse_value(&c, args->argv[2], &op.value))
		return vars_command_refuse(&c);
	return vars_command_perform(&c, &op);
}

static enum cli_status
get_proc(struct vars_command *c)
{
	struct expr_env env = {.set = c->set, .place = &EXPR_AT_CLI, .file = "command"};
	struct sample_ctx ctx = {0};
	struct arena arena;
	struct var_ref ref;
	struct sample v = {.flags = 0};
	struct str text;
	if (c->set == NULL || !var_parse(&env, c->name, &ref, &c->err))
		return vars_command_refuse(c);
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

// Several variables are read as of one commit, each on its line with its name; behind them may
// stand `json`.
static enum cli_status
get_many(struct cli_session *s, const struct cli_args *args)
{
	struct vars_command c;
	uint32_t handle[CLI_MAX_ARGS];
	struct tidevars_value v[CLI_MAX_ARGS];
	char text[VARS_VALUE_BYTES];
	bool json = str_eq(args->argv[args->argc - 1], STR("json"));
	size_t n = (size_t)args->argc - json;
	struct sbuf b;
	(void)vars_command_init(&c, s, args, args->argc); // no options to refuse
	for (size_t i = 0; i < n; i++) {
		if (!vars_command_find(&c, args->argv[i]))
			return vars_command_refuse(&c);
		if (c.proc)
			return cli_error(s, "only variables of shm. are read together");
		handle[i] = c.handle;
	}
	(void)tidevars_read_many(c.table, handle, n, clock_boot_ns(), v); // the handles are good
	sbuf_init(&b, VARS_LIST_BYTES * CLI_MAX_ARGS);
	for (size_t i = 0; i < n; i++) {
		const char *name = tidevars_name(c.table, handle[i]);
		(void)tidevars_format(&v[i], text, sizeof(text)); // fits any value
		str_tame(text, "");
		if (json)
			vars_list_value(&b, name, &v[i]);
		else
			sbuf_printf(&b, "%s %s\n", name, text);
	}
	cli_add(s, sbuf_str(&b));
	sbuf_fini(&b);
	return CLI_DONE;
}

static enum cli_status
run_get(struct cli_session *s, const struct cli_args *args)
{
	struct vars_command c;
	struct tidevars_value v;
	char text[VARS_VALUE_BYTES];
	if (args->argc > 1)
		return get_many(s, args);
	if (!vars_command_begin(&c, s, args, 1))
		return vars_command_refuse(&c);
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
	struct vars_command c;
	struct tidevars_op op = {.kind = TIDEVARS_UNSET};
	if (!vars_command_begin(&c, s, args, 1) || (c.proc && !not_in_transaction(&c)))
		return vars_command_refuse(&c);
	if (!c.proc)
		return vars_command_perform(&c, &op);
	struct expr_env env = {.set = c.set, .place = &EXPR_AT_CLI, .file = "command"};
	struct sample_ctx ctx = {0};
	struct var_ref ref;
	if (c.set == NULL || !var_parse(&env, c.name, &ref, &c.err))
		return vars_command_refuse(&c);
	(void)var_unset(&ref, &ctx); // of proc. it cannot fail
	return CLI_DONE;
}

// hold, extend, release: the row says which.
static enum cli_status
run_hold(struct cli_session *s, const struct cli_args *args)
{
	struct vars_command c;
	struct tidevars_op op = {.kind = str_eq(str_from_c(args->row->words), STR("hold"))
					     ? TIDEVARS_TAKE
					     : TIDEVARS_RELEASE};
	if (str_eq(str_from_c(args->row->words), STR("extend")))
		op.kind = TIDEVARS_EXTEND;
	return begin_shm(&c, s, args, 1) ? vars_command_perform(&c, &op) : vars_command_refuse(&c);
}

// What begin_shm says where a variable of proc. is named.
static const char added[] = "added to", compared[] = "compared", held[] = "held";

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
     .args = "NAME... [json]",
     .min_args = 1,
     .max_args = CLI_ANY_ARGS,
     .run = run_get,
     .help = "print a variable's present value; several are read as of one commit"},
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
     .arg = added,
     .help = "add to a counter, int, float or gauge"},
    {.words = "cas var",
     .level = CLI_OPERATOR,
     .args = "NAME EXPECTED VALUE [ttl TIME] [reason TEXT]",
     .min_args = 3,
     .max_args = 7,
     .run = run_cas,
     .arg = compared,
     .help = "write a variable if it reads as expected, else refuse and say how it reads"},
    {.words = "begin",
     .level = CLI_OPERATOR,
     .args = "[reason TEXT]",
     .max_args = 2,
     .run = vars_run_begin,
     .help = "keep this session's writes to variables back until commit"},
    {.words = "commit",
     .level = CLI_OPERATOR,
     .args = "[reason TEXT]",
     .max_args = 2,
     .run = vars_run_commit,
     .help = "perform what was kept back since begin: all at once, or nothing"},
    {.words = "abort",
     .level = CLI_OPERATOR,
     .run = vars_run_abort,
     .help = "forget what was kept back since begin"},
    {.words = "hold",
     .level = CLI_OPERATOR,
     .args = "NAME [owner WHO] [for TIME] [reason TEXT]",
     .min_args = 1,
     .max_args = 7,
     .run = run_hold,
     .arg = held,
     .help = "hold a flag up; it stands while anybody holds it"},
    {.words = "extend",
     .level = CLI_OPERATOR,
     .args = "NAME [owner WHO] [for TIME] [reason TEXT]",
     .min_args = 1,
     .max_args = 7,
     .run = run_hold,
     .arg = held,
     .help = "hold on for so long from now; refused when one holds nothing"},
    {.words = "release",
     .level = CLI_OPERATOR,
     .args = "NAME [owner WHO] [reason TEXT]",
     .min_args = 1,
     .max_args = 5,
     .run = run_hold,
     .arg = held,
     .help = "give one's own hold back"},
    {.words = "watch var",
     .level = CLI_OPERATOR,
     .args = "NAME... [json]",
     .min_args = 1,
     .max_args = CLI_ANY_ARGS,
     .flags = CLI_ENDLESS,
     .run = vars_run_watch,
     .help = "print variables now and whenever they change, until something is sent"},
    {.words = "rate var",
     .level = CLI_OPERATOR,
     .args = "NAME [PERIOD]",
     .min_args = 1,
     .max_args = 2,
     .run = vars_run_rate,
     .help = "by how much a counter or int grew in the last period (default 1s)"},
    {.words = "show var",
     .level = CLI_USER,
     .args = "NAME [json]",
     .min_args = 1,
     .max_args = 2,
     .run = vars_run_show_one,
     .help = "one shared variable: value, default, last writer, holds"},
    {.words = "show vars",
     .level = CLI_USER,
     .args = "[json]",
     .max_args = 1,
     .run = vars_run_show,
     .help = "list the shared variables: value, default, last writer"},
    {.words = "show holds",
     .level = CLI_USER,
     .args = "[NAME] [json]",
     .max_args = 2,
     .run = vars_run_show_holds,
     .help = "list who holds what, since when, for how long and why"},
    {.words = "show vars-log",
     .level = CLI_USER,
     .args = "[json]",
     .max_args = 1,
     .run = vars_run_show_log,
     .help = "list the last writes: who, when, from where, why"},
    {.words = NULL},
};
