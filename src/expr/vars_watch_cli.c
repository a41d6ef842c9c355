// SPDX-License-Identifier: MIT
// `watch var`: prints variables whenever they change, until the client stirs. The session waits
// for vars_watch and for the next time to live; between two looks only the last value counts, and
// a client that does not read is told the newest when it does.
#include "base/clock.h"
#include "base/mem.h"
#include "expr/vars_cli_priv.h"
#include "vars/list.h"
#include "expr/vars_watch.h"
#include "net/loop.h"
#include "net/timer.h"

#define SLOW_NS (100 * NS_PER_MS) // until a client that does not read is looked after again

struct watching {
	struct vars_watcher watcher;
	struct timer timer;
	struct loop *loop;
	struct tidevars *table;
	struct cli_ref ref;
	size_t n;
	bool json;
	uint32_t handle[CLI_MAX_ARGS];
	struct tidevars_value last[CLI_MAX_ARGS], now[CLI_MAX_ARGS];
};

static void
free_watching(void *arg)
{
	struct watching *w = arg;
	vars_watch_remove(&w->watcher);
	loop_timer_stop(w->loop, &w->timer);
	mem_free(w);
}

static void
print(struct cli_session *s, const struct watching *w, size_t i)
{
	char text[VARS_VALUE_BYTES];
	const char *name = tidevars_name(w->table, w->handle[i]);
	struct sbuf b;
	sbuf_init(&b, VARS_LIST_BYTES);
	(void)tidevars_format(&w->now[i], text, sizeof(text)); // fits any value
	str_tame(text, "");
	if (w->json)
		vars_list_value(&b, name, &w->now[i]);
	else
		sbuf_printf(&b, "%s %s\n", name, text);
	cli_add(s, sbuf_str(&b));
	sbuf_fini(&b);
}

// Prints what reads otherwise than when it was last printed, and sets the time of the next look.
static void
look(struct cli_session *s, struct watching *w)
{
	uint64_t now = clock_boot_ns(), wait = UINT64_MAX;
	bool printed = false;
	(void)tidevars_read_many(w->table, w->handle, w->n, now, w->now); // known handles
	for (size_t i = 0; i < w->n; i++) {
		bool differs = !tidevars_value_eq(&w->now[i], &w->last[i]);
		if (differs && cli_room(s) == 0) {
			wait = MIN(wait, SLOW_NS);
			continue;
		}
		if (differs)
			print(s, w, i);
		printed |= differs;
		w->last[i] = w->now[i];
		if (w->now[i].until_boot_ns != TIDEVARS_NEVER)
			wait = MIN(wait, w->now[i].until_boot_ns - now);
	}
	loop_timer_set(w->loop, &w->timer, wait < UINT64_MAX ? loop_now_ns(w->loop) + wait : 0);
	if (printed)
		cli_flush(s); // w may be gone
}

static void
look_again(struct watching *w)
{
	struct cli_session *s = cli_deref(w->ref);
	if (s != NULL)
		look(s, w);
}

static void
on_change(struct vars_watcher *x)
{
	look_again(CONTAINER_OF(x, struct watching, watcher));
}

static void
on_time(struct timer *t)
{
	look_again(CONTAINER_OF(t, struct watching, timer));
}

static bool
find_all(struct vars_command *c, struct watching *w)
{
	int n = c->args->argc;
	w->json = n > 1 && str_eq(c->args->argv[n - 1], STR("json"));
	for (int i = 0; i < n - w->json; i++) {
		if (!vars_command_find(c, c->args->argv[i]))
			return false;
		if (c->proc)
			return err_set(&c->err, "only variables of shm. can be watched");
		w->handle[w->n++] = c->handle;
	}
	return true;
}

enum cli_status
vars_run_watch(struct cli_session *s, const struct cli_args *args)
{
	struct vars_command c;
	struct vars_watch *watch = cli_bound(s, "vars-watch");
	struct loop *loop = loop_self();
	if (!vars_command_init(&c, s, args, args->argc))
		return vars_command_refuse(&c);
	if (watch == NULL || loop == NULL)
		return cli_error(s, "variables cannot be watched here");
	struct watching *w = MEM_NEW(struct watching);
	w->table = c.table;
	w->loop = loop;
	w->ref = cli_ref(s);
	timer_init(&w->timer, on_time);
	cli_continue(s, NULL, w, free_watching);
	if (!find_all(&c, w))
		return vars_command_refuse(&c);
	look(s, w);
	vars_watch_add(watch, &w->watcher, on_change);
	return CLI_WAIT;
}
