// SPDX-License-Identifier: MIT
// maxconn of frontends and bind lines, for all workers together. A connection that comes when the
// limit is reached stands in its bind's gate and the acceptor pauses, so that the next ones wait
// in the kernel's queue; a place that becomes free wakes one worker that has somebody at a gate.
#include "proxy/gate.h"

#include "base/mem.h"
#include "net/listener.h"
#include "net/worker.h"
#include "proxy/conns.h"

enum place { OF_BIND = 1, OF_FRONTEND = 2 };

// False: no room. *places: what is to be given back.
static bool
take_places(const struct bind *b, uint8_t *places)
{
	struct frontend_limit *f = b->frontend->limit;
	*places = 0;
	enum limit_result r = limit_take(b->limit);
	if (r == LIMIT_FULL)
		return false;
	*places |= r == LIMIT_TAKEN ? OF_BIND : 0;
	r = limit_take(&f->conns);
	if (r == LIMIT_FULL) {
		gate_give(b, *places);
		*places = 0;
		return false;
	}
	*places |= r == LIMIT_TAKEN ? OF_FRONTEND : 0;
	return true;
}

void
gate_give(const struct bind *b, uint8_t places)
{
	struct frontend_limit *f = b->frontend->limit;
	if (places & OF_FRONTEND)
		limit_give(&f->conns, &f->waits);
	if (places & OF_BIND)
		limit_give(b->limit, &f->waits);
}

static struct gate *
gate_of(struct proxy_worker *w, const struct bind *b)
{
	return &w->gates[b->index];
}

bool
gate_enter(struct proxy_worker *w, const struct bind *b, int fd, uint8_t *places)
{
	// Of those that the kernel gave us before we stopped listening, none is left standing.
	if (LIKELY(take_places(b, places)) || w->draining)
		return true;
	struct gate *g = gate_of(w, b);
	ASSERT(g->fd < 0); // the acceptor pauses while somebody stands here
	g->fd = fd;
	proxy_worker_pause(w, b->index, true);
	limit_wait(&b->frontend->limit->waits, w->id);
	// A place given back before that bit was seen is found by the worker woken here.
	limit_wake(&b->frontend->limit->waits);
	return false;
}

bool
gate_is_shut(const struct proxy_worker *w, size_t bind_index)
{
	return w->gates[bind_index].fd >= 0;
}

// True: nobody stands there any more.
static bool
open_gate(struct proxy_worker *w, struct gate *g)
{
	uint8_t places;
	if (g->fd < 0)
		return true;
	if (!take_places(g->bind, &places))
		return false;
	int fd = g->fd;
	g->fd = -1;
	if (!w->accepts_paused)
		proxy_worker_pause(w, g->bind->index, false);
	client_open(w, g->bind, fd, places);
	return g->fd < 0;
}

static void
there_may_be_room(struct limit_waker *waker)
{
	struct gatekeeper *k = CONTAINER_OF(waker, struct gatekeeper, waker);
	bool empty = true;
	if (k->worker->draining)
		return; // its gates are empty, and its bits are gone
	for (const struct bind *b = k->frontend->binds; b != NULL; b = b->next)
		empty &= open_gate(k->worker, gate_of(k->worker, b));
	if (empty)
		limit_wait_pass(&k->frontend->limit->waits, k->worker->id);
}

void
gates_start(struct proxy_worker *w)
{
	struct proxy_set *set = w->set;
	w->gates = mem_zalloc((set->n_binds + 1) * sizeof(*w->gates));
	w->gatekeepers = mem_zalloc(set->n_all * sizeof(*w->gatekeepers));
	for (size_t i = 0; i < set->n_all; i++) {
		struct proxy *p = set->all[i];
		struct gatekeeper *k = &w->gatekeepers[i];
		k->worker = w;
		k->frontend = p;
		limit_waker_init(&p->limit->waits, w->id, &k->waker, w->loop, there_may_be_room);
		for (const struct bind *b = p->binds; b != NULL; b = b->next)
			w->gates[b->index] = (struct gate){.bind = b, .fd = -1};
	}
}

void
gates_empty(struct proxy_worker *w)
{
	struct proxy_set *set = w->set;
	for (size_t i = 0; i < set->n_binds; i++) {
		int fd = w->gates[i].fd;
		w->gates[i].fd = -1;
		if (fd >= 0)
			client_open(w, w->gates[i].bind, fd, 0);
	}
	for (size_t i = 0; i < set->n_all; i++)
		limit_wait_pass(&set->all[i]->limit->waits, w->id);
}

void
gates_free(struct proxy_worker *w)
{
	mem_free(w->gates);
	mem_free(w->gatekeepers);
}
