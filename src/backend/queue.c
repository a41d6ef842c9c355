// SPDX-License-Identifier: MIT
// Requests that wait for a server below its maxconn: a queue per backend and worker, in order of
// class, then of arrival. A place at a server that becomes free wakes one worker, which gives it to
// its first.
#include "backend/backend.h"
#include "base/clock.h"

// The server, with a place at it; NULL: full, or not to be used.
static struct server *
try_server(struct server *s, bool *counted)
{
	enum limit_result r = limit_take(&s->limit);
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

bool
backend_take(struct backend_worker *w, const struct backend_ask *ask, struct backend_place *out)
{
	out->server = backend_next(w, ask);
	out->counted = false;
	if (out->server == NULL ||
	    !atomic_load_explicit(&w->backend->limited, memory_order_relaxed))
		return true;
	if (limit_waited_for(&w->backend->waits) && !w->serving_queue)
		return false;
	struct server *first = out->server;
	out->server = try_server(first, &out->counted);
	if (out->server == NULL)
		out->server = any_other(w->backend, first, ask->avoid, &out->counted);
	return out->server != NULL;
}

void
backend_give(struct server *s)
{
	limit_give(&s->limit, &s->backend->waits);
}

// On the waiting worker: as many of its first as find a place.
static void
serve_queue(struct limit_waker *waker)
{
	struct backend_worker *w = CONTAINER_OF(waker, struct backend_worker, waker);
	w->serving_queue = true;
	while (!list_empty(&w->queue)) {
		struct backend_waiter *first =
		    LIST_ENTRY(w->queue.next, struct backend_waiter, in_queue);
		if (!backend_take(w, &first->ask, &first->place) || first->place.server == NULL)
			break;
		list_remove(&first->in_queue);
		w->n_queued--;
		atomic_fetch_sub_explicit(&w->backend->n_queued, 1, memory_order_relaxed);
		first->ready(first);
	}
	w->serving_queue = false;
	if (list_empty(&w->queue))
		limit_wait_pass(&w->backend->waits, w->id);
}

void
backend_queue_init(struct backend_worker *w, struct loop *loop)
{
	list_init(&w->queue);
	limit_waker_init(&w->backend->waits, w->id, &w->waker, loop, serve_queue);
}

static bool
goes_before(const struct backend_waiter *a, const struct backend_waiter *b)
{
	return a->class != b->class ? a->class < b->class : a->due_ns < b->due_ns;
}

// Behind the last of those that are served before it.
static void
line_up(struct backend_worker *w, struct backend_waiter *waiter)
{
	struct list *next = &w->queue;
	while (next->prev != &w->queue &&
	       goes_before(waiter, LIST_ENTRY(next->prev, struct backend_waiter, in_queue)))
		next = next->prev;
	list_append(next, &waiter->in_queue); // in front of it
}

uint32_t
backend_wait(struct backend_worker *w, struct backend_waiter *waiter, uint64_t now_ns)
{
	// A clock that has run for less than the offset is not passed below its zero.
	int64_t due = (int64_t)now_ns + waiter->offset_ms * (int64_t)NS_PER_MS;
	waiter->due_ns = due > 0 ? (uint64_t)due : 0;
	line_up(w, waiter);
	w->n_queued++;
	limit_wait(&w->backend->waits, w->id);
	// A place given back before that bit was seen is found by the worker woken here.
	limit_wake(&w->backend->waits);
	return atomic_fetch_add_explicit(&w->backend->n_queued, 1, memory_order_relaxed);
}

void
backend_wait_end(struct backend_worker *w, struct backend_waiter *waiter)
{
	list_remove(&waiter->in_queue);
	w->n_queued--;
	atomic_fetch_sub_explicit(&w->backend->n_queued, 1, memory_order_relaxed);
	if (list_empty(&w->queue))
		limit_wait_pass(&w->backend->waits, w->id);
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
	limit_set(&s->limit, maxconn, &s->backend->waits);
	if (s->backend->changed != NULL)
		s->backend->changed(s->backend);
}
