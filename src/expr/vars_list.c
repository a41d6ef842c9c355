// SPDX-License-Identifier: MIT
// Lists of variables, of holds and of the write log, as text and as JSON.
#include "base/clock.h"
#include "base/mem.h"
#include "expr/vars_cli_priv.h"
#include "vars/list.h"

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

// Gives what `b` gathered to the session, and empties it.
static void
pass_on(struct cli_session *s, struct sbuf *b)
{
	cli_add(s, sbuf_str(b));
	sbuf_clear(b);
}

// The beginning of one more object of a list, or its end.
static void
add_between(struct cli_session *s, struct list_state *l)
{
	if (l->json)
		cli_add(s, l->first ? STR("[") : STR(",\n"));
	l->first = false;
}

static enum cli_status
end_list(struct cli_session *s, const struct list_state *l)
{
	if (l->json)
		cli_add(s, l->first ? STR("[]\n") : STR("]\n"));
	return CLI_DONE;
}

static enum cli_status
more_vars(struct cli_session *s, void *arg)
{
	struct list_state *l = arg;
	struct tidevars_info info;
	struct sbuf b;
	uint64_t now = clock_boot_ns();
	sbuf_init(&b, VARS_LIST_BYTES);
	for (; l->at < tidevars_count(l->table) && cli_room(s) > 0; l->at++) {
		if (tidevars_info(l->table, (uint32_t)l->at, now, &info, NULL) != TIDEVARS_OK)
			continue; // forgotten
		add_between(s, l);
		vars_list_info(&b, l->table, (uint32_t)l->at, &info, now, l->json);
		pass_on(s, &b);
	}
	sbuf_fini(&b);
	return l->at < tidevars_count(l->table) ? CLI_MORE : end_list(s, l);
}

static enum cli_status
more_log(struct cli_session *s, void *arg)
{
	struct list_state *l = arg;
	struct tidevars_log_entry e;
	struct sbuf b;
	enum cli_status status = CLI_MORE;
	sbuf_init(&b, VARS_LIST_BYTES);
	while (status == CLI_MORE && cli_room(s) > 0) {
		if (tidevars_log_next(l->table, l->at, &e) != 1) {
			status = end_list(s, l);
			break;
		}
		add_between(s, l);
		vars_list_entry(&b, l->table, &e, l->json);
		pass_on(s, &b);
		l->at = e.seq;
	}
	sbuf_fini(&b);
	return status;
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

enum cli_status
vars_run_show(struct cli_session *s, const struct cli_args *args)
{
	return run_list(s, args, more_vars);
}

enum cli_status
vars_run_show_log(struct cli_session *s, const struct cli_args *args)
{
	return run_list(s, args, more_log);
}

// Whether the list is of JSON, and the name that may stand before that word.
static bool
is_json(const struct cli_args *args)
{
	return args->argc > 0 && str_eq(args->argv[args->argc - 1], STR("json"));
}

enum cli_status
vars_run_show_one(struct cli_session *s, const struct cli_args *args)
{
	struct vars_command c;
	struct tidevars_info info;
	uint64_t now = clock_boot_ns();
	if (args->argc == 2 && !is_json(args))
		return cli_usage(s, args);
	if (!vars_command_init(&c, s, args, args->argc) || !vars_command_find(&c, args->argv[0]))
		return vars_command_refuse(&c);
	if (c.proc)
		return cli_error(s, "only variables of shm. have details; see 'get var'");
	if (tidevars_info(c.table, c.handle, now, &info, NULL) != TIDEVARS_OK)
		return cli_error(s, "the variable is gone");
	struct sbuf b;
	sbuf_init(&b, VARS_LIST_BYTES);
	vars_list_info(&b, c.table, c.handle, &info, now, args->argc == 2);
	sbuf_add(&b, args->argc == 2 ? STR("\n") : STR(""));
	pass_on(s, &b);
	sbuf_fini(&b);
	return CLI_DONE;
}

static void
list_holds(struct cli_session *s, struct list_state *l, uint32_t handle)
{
	struct tidevars_hold holds[TIDEVARS_HOLDS_MAX];
	uint64_t now = clock_boot_ns();
	struct sbuf b;
	size_t n = 0;
	(void)tidevars_read_holds(l->table, handle, now, holds, &n); // none of another type
	sbuf_init(&b, VARS_LIST_BYTES);
	for (size_t i = 0; i < n; i++) {
		add_between(s, l);
		vars_list_hold(&b, tidevars_name(l->table, handle), &holds[i], now, l->json);
		pass_on(s, &b);
	}
	sbuf_fini(&b);
}

static enum cli_status
more_holds(struct cli_session *s, void *arg)
{
	struct list_state *l = arg;
	for (; l->at < tidevars_count(l->table); l->at++) {
		if (cli_room(s) == 0)
			return CLI_MORE;
		list_holds(s, l, (uint32_t)l->at);
	}
	return end_list(s, l);
}

enum cli_status
vars_run_show_holds(struct cli_session *s, const struct cli_args *args)
{
	struct vars_command c;
	bool json = is_json(args);
	if (args->argc == 0 || (args->argc == 1 && json))
		return run_list(s, args, more_holds);
	if (args->argc == 2 && !json)
		return cli_usage(s, args);
	if (!vars_command_init(&c, s, args, args->argc) || !vars_command_find(&c, args->argv[0]))
		return vars_command_refuse(&c);
	if (c.proc || tidevars_type(c.table, c.handle) != TIDEVARS_HOLD)
		return cli_error(s, "'%.*s' is not a hold", STR_ARG(c.name));
	struct list_state one = {.table = c.table, .json = json, .first = true};
	list_holds(s, &one, c.handle);
	return end_list(s, &one);
}
