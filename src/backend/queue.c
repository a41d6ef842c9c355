// SPDX-License-Identifier: MIT
// Requests that wait for a server below its maxconn: a queue per worker for each server that a hash
// chose, and one for those that any server of the backend may serve; in order of class, then of
// arrival. A place at a server that becomes free wakes one worker of those that wait for it and one
// of the backend's, which give it to their first, whoever comes first.
#include "backend/backend.h"
#include "base/clock.h"
#include "base/mem.h"

uint32_t
server_maxconn_now(const struct server *s)
{
	const struct backend *b = s->backend;
	uint32_t max = atomic_load_explicit(&s->limit.max, memory_order_relaxed);
	if (LIKELY(!s->ramps) || max == 0)
		return max;
	uint32_t n = atomic_load_explicit(&b->n_requests, memory_order_relaxed);
	if (s->min_conn != 0 && s->min_conn < max && n < b->full_conn)
		max = MAX(s->min_conn, (uint32_t)((uint64_t)n * max / b->full_conn));
	return slowstart_maxconn(s, max);
}

static enum limit_result
take_ramping(struct server *s)
{
	uint32_t max = server_maxconn_now(s);
	return max != 0 ? limit_take_bounded(&s->limit, max) : limit_take(&s->limit);
}

// The server, with a place at it; NULL: full, or not to be used.
static struct server *
try_server(struct server *s, bool *counted)
{
	enum limit_result r = LIKELY(!s->ramps) ? limit_take(&s->limit) : take_ramping(s);
	*counted = r == LIMIT_TAKEN;
	return r != LIMIT_FULL ? s : NULL;
}

// When the one whose turn it is has no place: any other of its kind.
static struct server *
any_other(const struct backend *b, const struct server *tried, const struct server *avoid,
	  bool *counted)
{
	for (size_t i = 1; i < b->n_servers; i++) {
		struct server *s = b->servers[(tried->index + i) % b->n_servers];
		if (s == avoid || s->is_backup != tried->is_backup || !server_is_usable(s))
			continue;
		if (try_server(s, counted) != NULL)
			return s;
	}
	return NULL;
}

// The queue of those that want this server; NULL: any.
static struct backend_queue *
queue_of(struct backend_worker *w, const struct server *wanted)
{
	return &w->queues[wanted != NULL ? wanted->index : w->backend->n_servers];
}

static struct limit_waits *
waits_of(const struct backend_queue *q)
{
	return q->server != NULL ? &q->server->waits : &q->worker->backend->waits;
}

// Newcomers stand behind those that wait.
static bool
must_line_up(struct backend_worker *w, const struct server *wanted)
{
	const struct backend_queue *q = queue_of(w, wanted);
	return limit_waited_for(waits_of(q)) && !q->serving;
}

// Wanted, or by its hash: this one, however long it takes.
static bool
take_chosen(struct backend_worker *w, struct server *s, struct backend_place *out)
{
	out->server = s;
	return !must_line_up(w, s) && try_server(s, &out->counted) != NULL;
}

static bool
take_any(struct backend_worker *w, const struct backend_ask *ask, struct server *first,
	 struct backend_place *out)
{
	out->server = NULL;
	if (must_line_up(w, NULL))
		return false;
	out->server = try_server(first, &out->counted);
	if (out->server == NULL)
		out->server = any_other(w->backend, first, ask->avoid, &out->counted);
	return out->server != NULL;
}

// Until it is down, unless who asks is faithful; then balancing chooses.
static inline struct server *
who_is_wanted(const struct backend_ask *ask)
{
	bool stays = ask->wanted == NULL || ask->faithful || server_is_up(ask->wanted);
	return LIKELY(stays) ? ask->wanted : NULL;
}

bool
backend_take(struct backend_worker *w, const struct backend_ask *ask, struct backend_place *out)
{
	struct server *wanted = who_is_wanted(ask);
	out->server = LIKELY(wanted == NULL) ? backend_next(w, ask) : wanted;
	out->counted = false;
	if (out->server == NULL ||
	    !atomic_load_explicit(&w->backend->limited, memory_order_relaxed))
		return true;
	return wanted != NULL || ask->has_hash ? take_chosen(w, out->server, out)
					       : take_any(w, ask, out->server, out);
}

void
backend_give(struct server *s)
{
	limit_give(&s->limit, &s->waits);
	limit_wake(&s->backend->waits);
}

static void line_up(struct backend_queue *q, struct backend_waiter *waiter);

static void
leave_line(struct backend_queue *q, struct backend_waiter *waiter)
{
	list_remove(&waiter->in_queue);
	if (q->server != NULL)
		atomic_fetch_sub_explicit(&q->server->n_queued, 1, memory_order_relaxed);
}

// Finds a place for the queue's first, or another queue: what a hash chooses may be another server
// by now, and one that was wanted may be down. False: neither.
static bool
serve_first(struct backend_queue *q, struct backend_waiter *first)
{
	struct backend_worker *w = q->worker;
	bool taken = backend_take(w, &first->ask, &first->place);
	const struct server *chosen = first->place.server;
	if (taken && chosen != NULL) {
		leave_line(q, first);
		atomic_fetch_sub_explicit(&w->backend->n_queued, 1, memory_order_relaxed);
		first->ready(first);
		return true;
	}
	if (taken || chosen == q->server)
		return false;
	leave_line(q, first);
	line_up(queue_of(w, chosen), first);
	return true;
}

// On the waiting worker: as many of its first as find a place.
static void
serve_queue(struct limit_waker *waker)
{
	struct backend_queue *q = CONTAINER_OF(waker, struct backend_queue, waker);
	q->serving = true;
	while (!list_empty(&q->waiters) &&
	       serve_first(q, LIST_ENTRY(q->waiters.next, struct backend_waiter, in_queue)))
		;
	q->serving = false;
	if (list_empty(&q->waiters))
		limit_wait_pass(waits_of(q), q->worker->id);
}

void
backend_queue_init(struct backend_worker *w, struct loop *loop)
{
	const struct backend *b = w->backend;
	w->queues = mem_zalloc((b->n_servers + 1) * sizeof(*w->queues));
	for (size_t i = 0; i <= b->n_servers; i++) {
		struct backend_queue *q = &w->queues[i];
		list_init(&q->waiters);
		q->worker = w;
		q->server = i < b->n_servers ? b->servers[i] : NULL;
		limit_waker_init(waits_of(q), w->id, &q->waker, loop, serve_queue);
	}
}

void
backend_queue_fini(struct backend_worker *w)
{
	mem_free(w->queues);
	w->queues = NULL;
}

static bool
goes_before(const struct backend_waiter *a, const struct backend_waiter *b)
{
	return a->class != b->class ? a->class < b->class : a->due_ns < b->due_ns;
}

// Behind the last of those that are served before it.
static void
line_up(struct backend_queue *q, struct backend_waiter *waiter)
{
	struct list *next = &q->waiters;
	while (next->prev != &q->waiters &&
	       goes_before(waiter, LIST_ENTRY(next->prev, struct backend_waiter, in_queue)))
		next = next->prev;
	list_append(next, &waiter->in_queue); // in front of it
	waiter->queue = q;
	if (q->server != NULL)
		atomic_fetch_add_explicit(&q->server->n_queued, 1, memory_order_relaxed);
	limit_wait(waits_of(q), q->worker->id);
	// A place given back before that bit was seen is found by the worker woken here.
	limit_wake(waits_of(q));
}

uint32_t
backend_wait(struct backend_worker *w, struct backend_waiter *waiter, const struct server *wanted,
	     uint64_t now_ns)
{
	// A clock that has run for less than the offset is not passed below its zero.
	int64_t due = (int64_t)now_ns + waiter->offset_ms * (int64_t)NS_PER_MS;
	waiter->due_ns = due > 0 ? (uint64_t)due : 0;
	line_up(queue_of(w, wanted), waiter);
	return atomic_fetch_add_explicit(&w->backend->n_queued, 1, memory_order_relaxed);
}

void
backend_wait_end(struct backend_worker *w, struct backend_waiter *waiter)
{
	struct backend_queue *q = waiter->queue;
	leave_line(q, waiter);
	atomic_fetch_sub_explicit(&w->backend->n_queued, 1, memory_order_relaxed);
	if (list_empty(&q->waiters))
		limit_wait_pass(waits_of(q), w->id);
}

uint32_t
backend_queued(const struct backend *b)
{
	return atomic_load_explicit(&b->n_queued, memory_order_relaxed);
}

void
server_set_maxconn(struct server *s, uint32_t maxconn)
{
	if (maxconn > 0)
		atomic_store_explicit(&s->backend->limited, true, memory_order_relaxed);
	limit_set(&s->limit, maxconn, &s->waits);
	limit_wake_all(&s->backend->waits);
	if (s->backend->changed != NULL)
		s->backend->changed(s->backend);
}
