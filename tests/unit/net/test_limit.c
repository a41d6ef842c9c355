// SPDX-License-Identifier: MIT
// Limits shared by workers: never more places out than the bound, nobody forgotten, though bounds
// change meanwhile and waiters give up. Run it under SAN=thread.
#include "net/limit.h"

#include <unistd.h>

#include "net/worker.h"
#include "net_test.h"

#define WORKERS 4
#define JOBS    20000 // of each worker

static struct limit limit;
static struct limit_waits waits;
static _Atomic unsigned out, most, done, wrong;

// Jobs come in bursts; each takes a place for one turn of the loop.
struct station {
	struct limit_waker waker;
	struct msg arrive, leave;
	struct worker *worker;
	unsigned arrived, waiting, holding, uncounted, gave_up;
};
static struct station stations[WORKERS];

static uint32_t
id_of(const struct station *s)
{
	return (uint32_t)(s - stations);
}

static void
hold(struct station *s, enum limit_result r)
{
	if (r == LIMIT_NONE) {
		s->uncounted++;
	} else {
		unsigned now = atomic_fetch_add(&out, 1) + 1;
		unsigned seen = atomic_load(&most);
		while (now > seen && !atomic_compare_exchange_weak(&most, &seen, now))
			;
		s->holding++;
	}
	if (s->holding + s->uncounted == 1)
		worker_post(s->worker, &s->leave);
}

static void
serve(struct limit_waker *w)
{
	struct station *s = CONTAINER_OF(w, struct station, waker);
	enum limit_result r;
	if (worker_self != s->worker)
		atomic_fetch_add(&wrong, 1);
	while (s->waiting > 0 && (r = limit_take(&limit)) != LIMIT_FULL) {
		s->waiting--;
		hold(s, r);
	}
	if (s->waiting == 0)
		limit_wait_pass(&waits, id_of(s));
}

static void
on_leave(struct msg *m)
{
	struct station *s = CONTAINER_OF(m, struct station, leave);
	unsigned held = s->holding, free = s->uncounted;
	s->holding = s->uncounted = 0;
	for (unsigned i = 0; i < held; i++) {
		atomic_fetch_sub(&out, 1);
		limit_give(&limit, &waits);
	}
	atomic_fetch_add(&done, held + free);
}

static void
come(struct station *s)
{
	enum limit_result r = limit_waited_for(&waits) ? LIMIT_FULL : limit_take(&limit);
	if (r != LIMIT_FULL) {
		hold(s, r);
		return;
	}
	s->waiting++;
	limit_wait(&waits, id_of(s));
	limit_wake(&waits);
}

// The last to come leaves again: a wake-up meant for it must not be lost for others.
static void
give_up(struct station *s)
{
	if (s->waiting == 0)
		return;
	s->waiting--;
	s->gave_up++;
	atomic_fetch_add(&done, 1);
	if (s->waiting == 0)
		limit_wait_pass(&waits, id_of(s));
}

static void
on_arrive(struct msg *m)
{
	struct station *s = CONTAINER_OF(m, struct station, arrive);
	unsigned burst = 1 + s->arrived % 7;
	for (unsigned i = 0; i < burst && s->arrived < JOBS; i++, s->arrived++)
		come(s);
	if (s->arrived % 5 == 0)
		give_up(s);
	if (s->arrived < JOBS)
		worker_post(s->worker, &s->arrive);
}

static bool
on_start(struct worker *w, void *arg, struct err *err)
{
	(void)arg;
	(void)err;
	if (w->id == 0)
		return true;
	struct station *s = &stations[w->id - 1];
	*s = (struct station){.worker = w, .arrive.fn = on_arrive, .leave.fn = on_leave};
	limit_waker_init(&waits, id_of(s), &s->waker, w->loop, serve);
	return true;
}

// All jobs of all stations end, however the bound moves.
static void
test_engine(enum net_engine engine, uint32_t bound, bool moves)
{
	struct workers_spec spec = {.net = {.engine = engine, .nbthread = WORKERS, .bufsize = 4096},
				    .start = on_start};
	struct err err = {{0}};
	limit = (struct limit){0};
	waits = (struct limit_waits){0};
	atomic_store(&done, 0);
	atomic_store(&most, 0);
	atomic_init(&limit.max, bound);
	struct workers *ws = workers_start(&spec, &err);
	OK_MSG(ws != NULL, err.text);
	for (unsigned i = 0; i < WORKERS; i++)
		worker_post(stations[i].worker, &stations[i].arrive);
	for (int i = 0; i < 20000 && atomic_load(&done) < WORKERS * JOBS; i++) {
		if (moves)
			limit_set(&limit, (uint32_t)i % 3 * bound, &waits);
		(void)usleep(1000);
	}
	IS_INT(atomic_load(&done), WORKERS * JOBS);
	OK(moves || (atomic_load(&most) <= bound && atomic_load(&most) > 0));
	IS_INT(atomic_load(&limit.used), 0);
	OK(!limit_waited_for(&waits));
	workers_stop(&ws);
}

int
main(void)
{
	test_engine(NET_ENGINE_EPOLL, 1, false);
	test_engine(NET_ENGINE_EPOLL, 3, false);
	test_engine(NET_ENGINE_EPOLL, 2, true);
	if (net_engine_choose(NET_ENGINE_AUTO) == NET_ENGINE_URING)
		test_engine(NET_ENGINE_URING, 2, false);
	IS_INT(atomic_load(&wrong), 0);
	return tap_done();
}
