// SPDX-License-Identifier: MIT
// Timers of one loop: a hierarchical wheel of millisecond ticks, five levels of 64 slots, whose
// cost depends on the timers that come due and never on those that wait. Moving a timer later is
// one store: the wheel looks again at the moment it was first filed under, and files it anew.
// Never fires early; fires at most one tick and one turn of the loop late. One thread.
#pragma once

#include "base/list.h"

struct timer;
typedef void (*timer_f)(struct timer *t);

// Embedded in its owner; zero is not a valid timer, call timer_init. The owner may free it from
// its own callback, and any time after timer_stop.
struct timer {
	struct list node;  // in a slot of the wheel, or in itself
	uint64_t due_ns;   // monotonic; 0: not wanted (it may still be filed)
	uint64_t filed_ns; // due times from here on need no new filing; UINT64_MAX: not filed
	timer_f fn;
};

#define TIMER_LEVELS    5
#define TIMER_SLOT_BITS 6
#define TIMER_SLOTS     (1u << TIMER_SLOT_BITS)

struct timer_wheel {
	uint64_t now_tick;           // everything up to and including this tick was looked at
	uint64_t used[TIMER_LEVELS]; // bit per slot that is not empty
	struct list slot[TIMER_LEVELS][TIMER_SLOTS];
};

void timer_wheel_init(struct timer_wheel *w, uint64_t now_ns);
// Calls what is due at now_ns, each with due_ns already cleared. Callbacks may set, stop and free
// any timers. Returns how many were called.
unsigned timer_wheel_run(struct timer_wheel *w, uint64_t now_ns);
// Nanoseconds until the wheel must look again; UINT64_MAX when it is empty. A lower bound: it
// may wake for a timer that was moved later or stopped lazily.
uint64_t timer_wheel_wait_ns(const struct timer_wheel *w, uint64_t now_ns);
void timer_file(struct timer_wheel *w, struct timer *t);

void timer_init(struct timer *t, timer_f fn);

// Fires once at due_ns (monotonic; 0 cancels lazily: the timer stays in the wheel until its slot
// comes round, so it must not be freed before timer_stop). Any earlier setting is forgotten.
static inline void
timer_set(struct timer_wheel *w, struct timer *t, uint64_t due_ns)
{
	t->due_ns = due_ns;
	if (due_ns < t->filed_ns && due_ns != 0)
		timer_file(w, t);
}

// Out of the wheel; afterwards its memory may go.
void timer_stop(struct timer_wheel *w, struct timer *t);
