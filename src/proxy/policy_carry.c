// SPDX-License-Identifier: MIT
// The engine's messages and timers, on workers' queues and loops.
#include "net/timer.h"
#include "net/worker.h"
#include "policy/run.h"
#include "proxy/policy_host_priv.h"

// ---- messages -----------------------------------------------------------------------------------

struct carried {
	struct msg msg;
	struct policy_msg *what;
};
_Static_assert(sizeof(struct carried) <= sizeof(((struct policy_msg *)0)->host), "it fits");

static void
deliver(struct msg *m)
{
	struct carried *c = CONTAINER_OF(m, struct carried, msg);
	policy_msg_run(c->what);
}

// Only threads of the engine's own post once there are any; before, and in tests, there is one.
void
policy_host_post(void *data, int to, struct policy_msg *m)
{
	(void)data;
	if (worker_self == NULL) {
		policy_msg_run(m);
		return;
	}
	struct carried *c = (struct carried *)(void *)m->host;
	*c = (struct carried){.msg.fn = deliver, .what = m};
	worker_post(workers_get(worker_self->all, (unsigned)(to + 1)), &c->msg);
}

// ---- timers of calls that wait ------------------------------------------------------------------

struct wake_up {
	struct timer timer;
	struct loop *loop; // NULL until first set
};
_Static_assert(sizeof(struct wake_up) <= sizeof(((struct policy_run *)0)->host), "it fits");

static void
wake_due(struct timer *timer)
{
	struct wake_up *u = CONTAINER_OF(timer, struct wake_up, timer);
	struct policy_run *run = (struct policy_run *)(void *)u;
	_Static_assert(offsetof(struct policy_run, host) == 0, "it begins with the host's part");
	run->woken(run);
}

void
policy_host_wake_at(void *data, struct policy_run *run, uint64_t mono_ns)
{
	struct wake_up *u = (struct wake_up *)(void *)run->host;
	(void)data;
	if (mono_ns == 0) {
		if (u->loop != NULL)
			loop_timer_stop(u->loop, &u->timer);
		return;
	}
	if (u->loop == NULL) {
		u->loop = loop_self();
		timer_init(&u->timer, wake_due);
	}
	loop_timer_set(u->loop, &u->timer, mono_ns);
}
