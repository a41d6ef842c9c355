// SPDX-License-Identifier: MIT
// A timer of the keeper that runs one effect a turn of the loop, and sleeps until the next is due:
// commands and other timers have their turn between any two.
#include "proxy/effects.h"

#include "base/mem.h"
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
};

static void
run(struct timer *t)
{
	struct effects *e = CONTAINER_OF(t, struct effects, timer);
	CHECK_MAGIC(e, EFFECTS_MAGIC);
	uint64_t next = policy_effects_run(e->policies, loop_now_ns(e->loop));
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
	loop_timer_stop((*e)->loop, &(*e)->timer);
	(*e)->magic = 0;
	mem_free(*e);
	*e = NULL;
}
