// SPDX-License-Identifier: MIT
// Lists of variables, of holds and of the write log, as text and as JSON.
#include <inttypes.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "expr/vars_cli_priv.h"

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

// One hold; `name` goes first where the variable is not told otherwise.
static void
add_hold_text(struct cli_session *s, const char *name, const struct tidevars_hold *h, uint64_t now)
{
	cli_printf(s, "%s held by %s", name, h->owner);
	add_remaining(s, h->until_boot_ns, now);
	cli_add(s, STR(" since "));
	add_time(s, h->taken_real_ns);
	cli_printf(s, "%s%s\n", h->reason[0] != '\0' ? " reason " : "", h->reason);
}

static void
add_hold_json(struct cli_session *s, const char *name, const struct tidevars_hold *h, uint64_t now)
{
	cli_add(s, STR("{"));
	if (name != NULL)
		cli_printf(s, "\"name\":\"%s\",", name);
	cli_add(s, STR("\"owner\":"));
	cli_add_json(s, str_from_c(h->owner));
	cli_add(s, STR(",\"reason\":"));
	cli_add_json(s, str_from_c(h->reason));
	cli_printf(s, ",\"taken_ms\":%" PRIu64, h->taken_real_ns / NS_PER_MS);
	if (h->until_boot_ns != TIDEVARS_NEVER)
		cli_printf(s, ",\"left_ms\":%" PRIu64, (h->until_boot_ns - now) / NS_PER_MS);
	cli_add(s, STR("}"));
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
			add_hold_text(s, " ", &holds[i], now);
			continue;
		}
		cli_add(s, i > 0 ? STR(",") : STR(""));
		add_hold_json(s, NULL, &holds[i], now);
	}
	if (json)
		cli_add(s, STR("]"));
}

static void
add_info_text(struct cli_session *s, struct tidevars *t, uint32_t h, const struct tidevars_info *i,
	      uint64_t now)
{
	char value[VARS_VALUE_BYTES], initial[VARS_VALUE_BYTES];
	(void)tidevars_format(&i->value, value, sizeof(value));       // fits any value
	(void)tidevars_format(&i->initial, initial, sizeof(initial)); // the same
	str_tame(value, "");
	str_tame(initial, "");
	cli_printf(s, "%s %s %s default %s", i->name, tidevars_type_name(i->type), value, initial);
	if (i->type == TIDEVARS_GAUGE && i->half_life_ns > 0)
		cli_printf(s, " smooth %g", i->value.smooth);
	if (i->value.flags & TIDEVARS_IS_STALE)
		cli_add(s, STR(" stale"));
	add_remaining(s, i->deadline_boot_ns, now);
	if (i->written_real_ns != 0) {
		cli_add(s, STR(" written "));
		add_time(s, i->written_real_ns);
		if (i->who[0] != '\0')
			cli_printf(s, " by %s (%s)", i->who, tidevars_source_name(i->source));
		else
			cli_add(s, STR(" by an add"));
	}
	cli_printf(s, "%s%s", i->reason[0] != '\0' ? " reason " : "", i->reason);
	if (i->expired > 0)
		cli_printf(s, " expired %" PRIu64, i->expired);
	if (i->refused > 0)
		cli_printf(s, " refused %" PRIu64, i->refused);
	cli_add(s, STR("\n"));
	if (i->type == TIDEVARS_HOLD)
		add_holds(s, t, h, now, false);
}

static void
add_info_json(struct cli_session *s, struct tidevars *t, uint32_t h, const struct tidevars_info *i,
	      uint64_t now)
{
	char value[VARS_VALUE_BYTES], initial[VARS_VALUE_BYTES];
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
	cli_printf(s, ",\"expired\":%" PRIu64 ",\"refused\":%" PRIu64, i->expired, i->refused);
	if (i->type == TIDEVARS_GAUGE)
		cli_printf(s, ",\"smooth\":%.17g", i->value.smooth);
	if (i->deadline_boot_ns != TIDEVARS_NEVER)
		cli_printf(s, ",\"left_ms\":%" PRIu64, (i->deadline_boot_ns - now) / NS_PER_MS);
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
	char after[VARS_VALUE_BYTES];
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
	char after[VARS_VALUE_BYTES];
	const char *name = tidevars_name(t, e->handle);
	(void)tidevars_format(&e->after, after, sizeof(after)); // fits any value
	str_tame(after, "");
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
	if (args->argc == 2) {
		add_info_json(s, c.table, c.handle, &info, now);
		cli_add(s, STR("\n"));
	} else {
		add_info_text(s, c.table, c.handle, &info, now);
	}
	return CLI_DONE;
}

static void
list_holds(struct cli_session *s, struct tidevars *t, uint32_t handle, bool json, bool *first)
{
	struct tidevars_hold holds[TIDEVARS_HOLDS_MAX];
	uint64_t now = clock_boot_ns();
	size_t n;
	if (tidevars_read_holds(t, handle, now, holds, &n) != TIDEVARS_OK)
		return; // another type, or forgotten
	for (size_t i = 0; i < n; i++) {
		if (!json) {
			add_hold_text(s, tidevars_name(t, handle), &holds[i], now);
			continue;
		}
		cli_add(s, *first ? STR("[") : STR(",\n"));
		add_hold_json(s, tidevars_name(t, handle), &holds[i], now);
		*first = false;
	}
}

static enum cli_status
more_holds(struct cli_session *s, void *arg)
{
	struct list_state *l = arg;
	for (; l->at < tidevars_count(l->table); l->at++) {
		if (cli_room(s) == 0)
			return CLI_MORE;
		list_holds(s, l->table, (uint32_t)l->at, l->json, &l->first);
	}
	if (l->json)
		cli_add(s, l->first ? STR("[]\n") : STR("]\n"));
	return CLI_DONE;
}

enum cli_status
vars_run_show_holds(struct cli_session *s, const struct cli_args *args)
{
	struct vars_command c;
	bool json = is_json(args), first = true;
	if (args->argc == 0 || (args->argc == 1 && json))
		return run_list(s, args, more_holds);
	if (args->argc == 2 && !json)
		return cli_usage(s, args);
	if (!vars_command_init(&c, s, args, args->argc) || !vars_command_find(&c, args->argv[0]))
		return vars_command_refuse(&c);
	if (c.proc || tidevars_type(c.table, c.handle) != TIDEVARS_HOLD)
		return cli_error(s, "'%.*s' is not a hold", STR_ARG(c.name));
	list_holds(s, c.table, c.handle, json, &first);
	if (json)
		cli_add(s, first ? STR("[]\n") : STR("]\n"));
	return CLI_DONE;
}
