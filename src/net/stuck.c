// SPDX-License-Identifier: MIT
// The last word is the thread's own, whose transaction and step stand in its thread_context.
#include "net/stuck.h"

#include <signal.h>

#include "base/clock.h"

bool
stuck_init(struct stuck *s, pthread_t thread)
{
	s->thread = thread;
	s->turns = UINT64_MAX;
	return pthread_getcpuclockid(thread, &s->cpu) == 0;
}

static void
on_stuck(int signal_number UNUSED)
{
	panic_stuck();
}

void
stuck_look(struct stuck *s, const struct loop *loop, uint64_t limit_ns)
{
	struct timespec t;
	uint64_t turns = atomic_load_explicit(&loop_stats(loop)->turns, memory_order_relaxed);
	if (turns != s->turns) {
		s->turns = turns;
		s->cpu_ns = UINT64_MAX;
		return;
	}
	if (clock_gettime(s->cpu, &t) != 0)
		return; // it has ended
	uint64_t now = (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
	s->cpu_ns = MIN(s->cpu_ns, now);
	if (now - s->cpu_ns < limit_ns)
		return;
	struct sigaction act = {.sa_handler = on_stuck};
	(void)sigaction(SIGABRT, &act, NULL);   // a known number
	(void)pthread_kill(s->thread, SIGABRT); // it is in the middle of a turn
	s->cpu_ns = now;                        // and may take a while to be told
}
