// SPDX-License-Identifier: MIT
// Time bounds of Lua calls. Private to policy.
//
// A thread that calls Lua owns a struct guard, attached to the watchdog for as long as it may
// call. Inside a call `seq` is odd. The watchdog looks at all guards each millisecond; a call
// that used up its budget of CPU time gets the thread signalled: first softly (a count hook on
// the running Lua thread raises an error), a millisecond of CPU time later hard (the handler
// jumps back to the call's entry; the Lua state is then rubbish and is thrown away).
// A thread that is inside a host function postpones both until it leaves it.
//
// The watchdog thread lives while any guard is attached, and parks while no call is made. The
// caller's part costs a few stores.
#pragma once

#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "base/jump.h"
#include "base/list.h"

struct lua_State;

#define POLICY_SIGNAL    (SIGRTMIN + POLICY_SIGNAL_OFFSET)
#define GUARD_TICK_NS    UINT64_C(1000000)
#define GUARD_HARD_NS    UINT64_C(1000000) // hard stop this much CPU time after the soft one
#define GUARD_PARK_TICKS 50                // quiet ticks before the watchdog parks

enum guard_stop { GUARD_GO, GUARD_SOFT, GUARD_HARD };

struct watchdog {
	pthread_mutex_t lock; // guards list, thread, running
	struct list guards;
	pthread_t thread;
	bool running;
	bool membarrier;         // the kernel has it: parking without a timeout is sound
	_Atomic uint32_t parked; // futex word: 1 while the watchdog sleeps for a call
	_Atomic uint32_t epoch;  // of the thread that shall run; an older one ends
};

struct guard {
	// Written by the owner; the watchdog reads.
	alignas(CACHE_LINE) _Atomic uint64_t seq; // odd inside a call
	_Atomic uint64_t budget_ns;               // of the present call; stored before seq
	// Owner and its signal handler only.
	struct lua_State *volatile running; // the thread or coroutine that executes
	volatile sig_atomic_t postponed;    // inside a host function
	volatile sig_atomic_t pending;      // enum guard_stop that came meanwhile
	volatile sig_atomic_t softly;       // a hook is set: the call was stopped softly
	bool outside; // what runs since this was false dealt with more than its own state
	struct watchdog *dog;
	struct jump entry;
	// Watchdog to handler: seq << 2 | enum guard_stop.
	alignas(CACHE_LINE) _Atomic uint64_t stop;
	// The watchdog's own, under its lock.
	uint64_t seen, cpu_ns, hard_ns;
	bool hard_sent;
	pthread_t thread;
	clockid_t clock;
	struct list link;
	bool was_blocked;    // the signal, before attach
	struct guard *outer; // the thread's guard before; it rests while this one is attached
};

void watchdog_init(struct watchdog *dog);
void watchdog_fini(struct watchdog *dog); // no guard is attached any more

// watchdog.c, for guard_attach, guard_detach and a call that finds the watchdog parked.
void watchdog_add(struct watchdog *dog, struct guard *g);
void watchdog_remove(struct watchdog *dog, struct guard *g);
void watchdog_wake(struct watchdog *dog);

// For the calling thread, which from then on can call. Guards of a thread nest; the innermost
// counts.
void guard_attach(struct guard *g, struct watchdog *dog);
void guard_detach(struct guard *g);

enum guard_end { GUARD_OK, GUARD_ERROR, GUARD_MEMORY, GUARD_STOPPED, GUARD_DEAD };
// lua_pcall(L, n_args, n_results, 0) under the budget. OK: results on the stack. ERROR, MEMORY,
// STOPPED (softly): an error object instead. DEAD: L must not be touched again, only unmapped.
enum guard_end guard_pcall(struct guard *g, struct lua_State *L, int n_args, int n_results,
			   uint64_t budget_ns);

// lua_resume(co, from, n_args) under the budget. OK: *n_results values are on co's stack, and
// *yielded says whether it will go on. Otherwise as guard_pcall, the error object on co's stack.
enum guard_end guard_resume_run(struct guard *g, struct lua_State *co, struct lua_State *from,
				int n_args, int *n_results, bool *yielded, uint64_t budget_ns);

// Around a host function. _resume may not return: a stop that came meanwhile is served then.
static inline void
guard_postpone(struct guard *g)
{
	g->outside = true;
	g->postponed = 1;
	atomic_signal_fence(memory_order_seq_cst);
}

void guard_serve_pending(struct guard *g);
static inline void
guard_resume(struct guard *g)
{
	atomic_signal_fence(memory_order_seq_cst);
	g->postponed = 0;
	if (UNLIKELY(g->pending))
		guard_serve_pending(g);
}

// A coroutine starts (`co`) and has ended (back to L); the stop follows into and out of it.
void guard_switch(struct guard *g, struct lua_State *to);

static inline bool
guard_inside(const struct guard *g)
{
	return atomic_load_explicit(&g->seq, memory_order_relaxed) & 1;
}
