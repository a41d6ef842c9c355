// SPDX-License-Identifier: MIT
#include "net/limit.h"

enum limit_result
limit_take_bounded(struct limit *l, uint32_t max)
{
	uint32_t used = atomic_load_explicit(&l->used, memory_order_seq_cst);
	while (used < max) {
		if (atomic_compare_exchange_weak_explicit(&l->used, &used, used + 1,
							  memory_order_seq_cst,
							  memory_order_seq_cst))
			return LIMIT_TAKEN;
	}
	return LIMIT_FULL;
}

static void
waker_run(struct msg *m)
{
	struct limit_waker *w = CONTAINER_OF(m, struct limit_waker, msg);
	// Before looking: what becomes free from here on posts again.
	atomic_store_explicit(&w->posted, false, memory_order_seq_cst);
	w->fn(w);
}

void
limit_waker_init(struct limit_waits *ws, uint32_t id, struct limit_waker *w, struct loop *loop,
		 void (*fn)(struct limit_waker *))
{
	ASSERT(id < LIMIT_MAX_WORKERS);
	w->msg.fn = waker_run;
	w->loop = loop;
	w->fn = fn;
	atomic_init(&w->posted, false);
	ws->waker[id] = w; // seen by others with the bit of limit_wait
}

static void
post(struct limit_waker *w)
{
	if (!atomic_exchange_explicit(&w->posted, true, memory_order_seq_cst))
		loop_post(w->loop, &w->msg);
}

void
limit_wait(struct limit_waits *ws, uint32_t id)
{
	atomic_fetch_or_explicit(&ws->workers, UINT64_C(1) << id, memory_order_seq_cst);
}

void
limit_wait_pass(struct limit_waits *ws, uint32_t id)
{
	atomic_fetch_and_explicit(&ws->workers, ~(UINT64_C(1) << id), memory_order_seq_cst);
	limit_wake(ws);
}

// The first waiting worker at or behind the turn, round the end.
static uint32_t
next_of(uint64_t workers, uint32_t turn)
{
	uint64_t behind = workers & (~UINT64_C(0) << (turn % LIMIT_MAX_WORKERS));
	return (uint32_t)__builtin_ctzll(behind != 0 ? behind : workers);
}

void
limit_wake(struct limit_waits *ws)
{
	uint64_t workers = atomic_load_explicit(&ws->workers, memory_order_seq_cst);
	if (LIKELY(workers == 0))
		return;
	uint32_t id = next_of(workers, atomic_load_explicit(&ws->turn, memory_order_relaxed));
	// relaxed: two givers that read the same turn wake the same worker, which then takes both
	atomic_store_explicit(&ws->turn, id + 1, memory_order_relaxed);
	post(ws->waker[id]);
}

void
limit_give(struct limit *l, struct limit_waits *ws)
{
	uint32_t before = atomic_fetch_sub_explicit(&l->used, 1, memory_order_seq_cst);
	ASSERT(before > 0);
	limit_wake(ws);
}

void
limit_wake_all(struct limit_waits *ws)
{
	uint64_t workers = atomic_load_explicit(&ws->workers, memory_order_seq_cst);
	for (; workers != 0; workers &= workers - 1)
		post(ws->waker[__builtin_ctzll(workers)]);
}

void
limit_set(struct limit *l, uint32_t max, struct limit_waits *ws)
{
	atomic_store_explicit(&l->max, max, memory_order_seq_cst);
	limit_wake_all(ws);
}
