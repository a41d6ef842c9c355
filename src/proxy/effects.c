// SPDX-License-Identifier: MIT
// A timer of the keeper that runs one effect a turn of the loop, and sleeps until the next is due
// or a variable is written that one waits for: commands and other timers have their turn between
// any two.
#include "proxy/effects.h"

#include "base/mem.h"
#include "expr/vars_watch.h"
#include "net/timer.h"
#include "net/worker.h"
#include "policy/policy.h"
#include "proxy/proxy.h"

#define EFFECTS_MAGIC 0x7c5a0107

struct effects {
	uint32_t magic;
	struct timer timer;
	struct policy_engine *policies;
	struct loop *loop;
	struct vars_watch *watch; // may be NULL
	struct vars_watcher watcher;
};

// A variable was written.
static void
on_write(struct vars_watcher *x)
{
	effects_wake(CONTAINER_OF(x, struct effects, watcher));
}

static void
run(struct timer *t)
{
	struct effects *e = CONTAINER_OF(t, struct effects, timer);
	CHECK_MAGIC(e, EFFECTS_MAGIC);
	bool watches;
	uint64_t next = policy_effects_run(e->policies, loop_now_ns(e->loop), &watches);
	if (!watches)
		vars_watch_remove(&e->watcher);
	else if (e->watch != NULL)
		vars_watch_add(e->watch, &e->watcher, on_write);
	loop_timer_set(e->loop, t, next == UINT64_MAX ? 0 : next);
}

void
effects_wake(struct effects *e)
{
	CHECK_MAGIC(e, EFFECTS_MAGIC);
	loop_timer_set(e->loop, &e->timer, loop_now_ns(e->loop));
}

struct effects *
effects_start(struct proxy_set *set, struct worker *keeper)
{
	struct effects *e = MEM_NEW(struct effects);
	*e = (struct effects){.magic = EFFECTS_MAGIC,
			      .policies = set->policies,
			      .watch = set->watch,
			      .loop = keeper->loop};
	timer_init(&e->timer, run);
	effects_wake(e);
	return e;
}

void
effects_stop(struct effects **e)
{
	if (*e == NULL)
		return;
	CHECK_MAGIC(*e, EFFECTS_MAGIC);
	vars_watch_remove(&(*e)->watcher);
	loop_timer_stop((*e)->loop, &(*e)->timer);
	(*e)->magic = 0;
	mem_free(*e);
	*e = NULL;
}
