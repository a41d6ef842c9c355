// SPDX-License-Identifier: MIT
// Limits that hold for all workers together (maxconn), and the workers that wait for room in
// them. A place is taken and given back by one atomic operation; whoever finds none says so in a
// wait set and tries once more; whoever gives a place back wakes one worker of the set.
//
// No wake-up is lost: the waiter stores its bit before its second try, the giver lowers the count
// before it looks at the bits, all of it sequentially consistent, so at least one of the two sees
// the other. Nobody starves: the set is woken in turn, and a worker that is woken and has nobody
// waiting any more passes the wake-up on (limit_wait_pass).
#pragma once

#include <stdatomic.h>

#include "net/loop.h"

// A count and its bound. Zeroed: no bound, nothing is counted, and taking costs two loads.
struct limit {
	_Atomic uint32_t max; // 0: none; any thread may change it
	_Atomic uint32_t used;
	bool counts; // also without a bound; set before the threads
};

enum limit_result {
	LIMIT_NONE,  // no bound: nothing to give back
	LIMIT_TAKEN, // to be given back once
	LIMIT_FULL,
};

enum limit_result limit_take_bounded(struct limit *l, uint32_t max);

// Any thread.
static inline enum limit_result
limit_take(struct limit *l)
{
	uint32_t max = atomic_load_explicit(&l->max, memory_order_relaxed);
	if (LIKELY(max == 0 && !l->counts))
		return LIMIT_NONE;
	return limit_take_bounded(l, max != 0 ? max : UINT32_MAX);
}

static inline uint32_t
limit_used(const struct limit *l)
{
	return atomic_load_explicit(&l->used, memory_order_relaxed);
}

// limit_take would answer LIMIT_FULL now. In the order of limit_wait, as that is.
static inline bool
limit_is_full(const struct limit *l)
{
	uint32_t max = atomic_load_explicit(&l->max, memory_order_relaxed);
	return max != 0 && atomic_load_explicit(&l->used, memory_order_seq_cst) >= max;
}

#define LIMIT_MAX_WORKERS 64

// How a worker of a wait set is told: fn runs on its thread. Must live until all threads ended.
struct limit_waker {
	struct msg msg;
	struct loop *loop;
	void (*fn)(struct limit_waker *);
	atomic_bool posted;
};

// The workers that wait for room in any of a group of limits (a backend's servers; a frontend and
// its binds).
struct limit_waits {
	_Atomic uint64_t workers;                     // one bit each
	_Atomic uint32_t turn;                        // whose turn to be woken
	struct limit_waker *waker[LIMIT_MAX_WORKERS]; // set by each worker at its start
};

// Worker `id` (0..63) on its own thread, before it waits for the first time.
void limit_waker_init(struct limit_waits *ws, uint32_t id, struct limit_waker *w, struct loop *loop,
		      void (*fn)(struct limit_waker *));

// Is anybody waiting? Newcomers queue behind.
static inline bool
limit_waited_for(const struct limit_waits *ws)
{
	return UNLIKELY(atomic_load_explicit(&ws->workers, memory_order_seq_cst) != 0);
}

// Worker `id` waits from now on: it tries once more, or calls limit_wake, behind this.
void limit_wait(struct limit_waits *ws, uint32_t id);
// Nobody waits on worker `id` any more. A wake-up that it got and did not use goes to the next.
void limit_wait_pass(struct limit_waits *ws, uint32_t id);
// There may be room: wakes one worker. Any thread.
void limit_wake(struct limit_waits *ws);
// Everybody who waits may look. Any thread.
void limit_wake_all(struct limit_waits *ws);
// Gives back what limit_take gave.
void limit_give(struct limit *l, struct limit_waits *ws);
// Another bound, 0: none. Raised: everybody may look.
void limit_set(struct limit *l, uint32_t max, struct limit_waits *ws);
