// SPDX-License-Identifier: MIT
// maxconn of the process, of frontends and of bind lines, for all workers together. A connection
// that comes when a limit is reached stands in its bind's gate and the acceptor pauses, so that the
// next ones wait in the kernel's queue; a place that becomes free wakes one worker that has
// somebody at a gate for it. Two atomic operations for each connection, none for a request.
#include "proxy/gate.h"

#include "base/mem.h"
#include "net/listener.h"
#include "net/worker.h"
#include "proxy/conns.h"
#include "proxy/frontend.h"

enum place { OF_PROCESS = 1, OF_BIND = 2, OF_FRONTEND = 4 };

static bool
take(struct limit *l, enum place place, uint8_t *places)
{
	enum limit_result r = limit_take(l);
	if (r == LIMIT_TAKEN)
		*places = (uint8_t)(*places | place);
	return LIKELY(r != LIMIT_FULL);
}

// NULL, and *places is to be given back; or who is told when there may be room.
static struct limit_waits *
take_places(const struct proxy_set *set, const struct bind *b, uint8_t *places)
{
	struct conn_limit *f = b->frontend->limit;
	*places = 0;
	if (!take(&set->limit->conns, OF_PROCESS, places))
		return &set->limit->waits;
	// A place that is taken and given back wakes who waits for both, which may be we, without
	// end.
	if (!limit_is_full(b->limit) && !limit_is_full(&f->conns) &&
	    take(b->limit, OF_BIND, places) && take(&f->conns, OF_FRONTEND, places))
		return NULL;
	gate_give(set, b, *places);
	*places = 0;
	return &f->waits;
}

void
gate_give(const struct proxy_set *set, const struct bind *b, uint8_t places)
{
	struct conn_limit *f = b->frontend->limit;
	if (places & OF_FRONTEND)
		limit_give(&f->conns, &f->waits);
	if (places & OF_BIND)
		limit_give(b->limit, &f->waits);
	if (places & OF_PROCESS)
		limit_give(&set->limit->conns, &set->limit->waits);
}

static void
stand(struct proxy_worker *w, struct gate *g, struct limit_waits *waits)
{
	g->waits = waits;
	limit_wait(waits, w->id);
	// A place given back before that bit was seen is found by the worker woken here.
	limit_wake(waits);
}

bool
gate_enter(struct proxy_worker *w, const struct bind *b, int fd, uint8_t *places)
{
	struct limit_waits *waits = take_places(w->set, b, places);
	// Of those that the kernel gave us before we stopped listening, none is left standing.
	if (LIKELY(waits == NULL) || w->draining || frontend_is_closed(b->frontend))
		return true;
	struct gate *g = &w->gates[b->index];
	ASSERT(g->fd < 0); // the acceptor pauses while somebody stands here
	g->fd = fd;
	proxy_worker_pause(w, b->index, true);
	stand(w, g, waits);
	return false;
}

// True: it was let in.
static bool
open_gate(struct proxy_worker *w, struct gate *g)
{
	uint8_t places;
	struct limit_waits *waits = take_places(w->set, g->bind, &places);
	if (waits == g->waits)
		return false;
	if (waits != NULL) { // there is room, but not at the other limit
		stand(w, g, waits);
		return false;
	}
	int fd = g->fd;
	g->fd = -1;
	g->waits = NULL;
	if (!frontend_is_closed(g->bind->frontend))
		proxy_worker_pause(w, g->bind->index, false);
	client_open(w, g->bind, fd, places);
	return true;
}

// In turn, so that a busy address does not keep the others waiting.
static void
there_may_be_room(struct limit_waker *waker)
{
	struct gatekeeper *k = CONTAINER_OF(waker, struct gatekeeper, waker);
	struct proxy_worker *w = k->worker;
	size_t n = w->set->n_binds, first = k->turn;
	bool some_wait = false;
	if (w->draining)
		return; // its gates are empty, and its bits are gone
	for (size_t i = 0; i < n; i++) {
		struct gate *g = &w->gates[(first + i) % n];
		if (g->waits == k->waits && open_gate(w, g))
			k->turn = first + i + 1;
		some_wait |= g->waits == k->waits;
	}
	if (!some_wait)
		limit_wait_pass(k->waits, w->id);
}

static void
keeper_start(struct proxy_worker *w, struct gatekeeper *k, struct conn_limit *limit)
{
	k->worker = w;
	k->waits = &limit->waits;
	limit_waker_init(k->waits, w->id, &k->waker, w->loop, there_may_be_room);
}

void
gates_start(struct proxy_worker *w)
{
	struct proxy_set *set = w->set;
	w->gates = mem_zalloc((set->n_binds + 1) * sizeof(*w->gates));
	w->gatekeepers = mem_zalloc((set->n_all + 1) * sizeof(*w->gatekeepers));
	keeper_start(w, &w->gatekeepers[set->n_all], set->limit);
	for (size_t i = 0; i < set->n_all; i++) {
		const struct proxy *p = set->all[i];
		keeper_start(w, &w->gatekeepers[i], p->limit);
		for (const struct bind *b = p->binds; b != NULL; b = b->next)
			w->gates[b->index] = (struct gate){.bind = b, .fd = -1};
	}
}

void
gates_empty(struct proxy_worker *w)
{
	struct proxy_set *set = w->set;
	for (size_t i = 0; i < set->n_binds; i++) {
		struct gate *g = &w->gates[i];
		int fd = g->fd;
		g->fd = -1;
		g->waits = NULL;
		if (fd >= 0)
			client_open(w, g->bind, fd, 0);
	}
	for (size_t i = 0; i <= set->n_all; i++)
		limit_wait_pass(w->gatekeepers[i].waits, w->id);
}

void
gates_free(struct proxy_worker *w)
{
	mem_free(w->gates);
	mem_free(w->gatekeepers);
}
