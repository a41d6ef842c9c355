// SPDX-License-Identifier: MIT
// From one worker process to the next: the old one accepts no more, its sockets are looked at
// again, and only so many drain at a time.
#include <signal.h>

#include "base/log.h"
#include "master/master_priv.h"

// From "another serves" until its listening sockets are let go of, which takes milliseconds.
#define DEAF_NS (10 * NS_PER_S)
#define LOOKS   10
#define LOOK_NS (25 * NS_PER_MS) // then twice that, and so on: 13 s in all

// --- sockets that two processes had --------------------------------------------------------------

// Again and again, at longer and longer intervals: what a process has let go of is the kernel's
// business for a moment more, which on a busy machine is seconds. Until then it may take the one
// wake-up that a connection in the queue brings.
void
master_on_look(struct timer *t)
{
	struct master *m = CONTAINER_OF(t, struct master, look);
	if (m->serving != NULL)
		(void)child_tell(m->serving, CHANNEL_LOOK, 0, 0, STR_NULL); // dying: another comes
	uint64_t wait_ns = LOOK_NS << m->looks++;
	if (m->looks < LOOKS)
		loop_timer_set(m->loop, t, loop_now_ns(m->loop) + wait_ns);
}

void
master_look(void *arg)
{
	struct master *m = arg;
	m->looks = 0;
	master_on_look(&m->look);
}

// --- the old one ---------------------------------------------------------------------------------

// One whose operators wait for this reload's answer, or the next one's, stays until they have it.
static bool
may_be_ended(const struct master *m, const struct child *c)
{
	return c->state == CHILD_DRAINING && !master_child_waits(m, c);
}

// The oldest first, when there are more than the bound.
static void
bound_draining(struct master *m)
{
	unsigned n = 0;
	LIST_FOREACH (it, &m->children)
		n += may_be_ended(m, LIST_ENTRY(it, struct child, node));
	LIST_FOREACH (it, &m->children) {
		struct child *c = LIST_ENTRY(it, struct child, node);
		if (n <= m->terms.most_draining)
			return;
		if (!may_be_ended(m, c))
			continue;
		log_msg(LOG_WARNING, "worker process %u (%d) still drains, but %u do: it is ended",
			c->number, (int)c->pid, n);
		master_end_child(c);
		n--;
	}
}

void
master_retire(struct master *m, struct child *old)
{
	child_set_state(old, CHILD_DRAINING);
	master_bound_end(old);
	if (!child_tell(old, CHANNEL_RETIRE, 0, 0, STR_NULL))
		master_end_child(old); // it does not listen
	bound_draining(m);
}

void
master_succeed(struct master *m, struct child *old)
{
	m->retiring = old;
	master_retire(m, old);
	loop_timer_set(m->loop, &m->hangs, loop_now_ns(m->loop) + DEAF_NS);
}

void
master_let_go(struct master *m, const struct child *c)
{
	master_look(m);
	if (c != m->retiring)
		return;
	m->retiring = NULL;
	loop_timer_set(m->loop, &m->hangs, 0);
	if (m->serving != NULL)
		master_reload_done(m, true, sbuf_str(&m->serving->log));
	else
		master_reload_done(m, false, STR("the new worker process ended while it served\n"));
}

// It accepts connections and answers none of them.
void
master_on_hangs(struct timer *t)
{
	struct master *m = CONTAINER_OF(t, struct master, hangs);
	if (m->retiring == NULL)
		return;
	log_msg(LOG_ALERT,
		"worker process %u (%d) does not let go of its listening sockets: it is killed",
		m->retiring->number, (int)m->retiring->pid);
	child_signal(m->retiring, SIGKILL);
}
