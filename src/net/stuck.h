// SPDX-License-Identifier: MIT
// A worker that does not come back: a turn of a loop takes micro- or milliseconds, and one that
// used up whole seconds of the processor is an endless loop, which serves nobody. HAProxy's
// watchdog is the model. What counts is the CPU time of the thread within one turn: a loaded
// machine, a debugger, SIGSTOP or a suspended machine let none pass. Scripts are bounded apart, and
// sooner (policy/watchdog.c).
#pragma once

#include <pthread.h>
#include <time.h>

#include "net/loop.h"

#define NET_STUCK_NS (UINT64_C(5) * 1000000000)

// Of one thread.
struct stuck {
	pthread_t thread;
	clockid_t cpu;          // of the thread; once it has ended, it cannot be read any more
	uint64_t turns, cpu_ns; // of its loop when it was last seen to move on
};

// The thread's, once it runs; false where the system has no such clock: it is not watched.
bool stuck_init(struct stuck *s, pthread_t thread);
// Looks at it. Once the turn has used up `limit_ns`, that thread says what it does and aborts: a
// master starts another process. Keeper.
void stuck_look(struct stuck *s, const struct loop *loop, uint64_t limit_ns);
