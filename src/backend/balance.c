// SPDX-License-Identifier: MIT
// Which servers take requests, the worker's table of them, and the ways to balance as rows.
#include "backend/balance.h"

#include "backend/backend.h"
#include "backend/balance_priv.h"
#include "base/clock.h"
#include "base/mem.h"

void
backend_worker_init(struct backend_worker *w, struct backend *b, uint32_t worker_id)
{
	*w = (struct backend_worker){.backend = b, .id = worker_id, .at = worker_id};
	w->random = clock_mono_ns() * 2 + worker_id * UINT64_C(0x9e3779b97f4a7c15);
	w->servers = mem_zalloc(b->n_servers * sizeof(*w->servers));
	for (size_t i = 0; i < b->n_servers; i++)
		list_init(&w->servers[i].idle);
}

void
backend_worker_fini(struct backend_worker *w)
{
	mem_free(w->servers);
	mem_free(w->turn);
	mem_free(w->points);
	balance_loads_free(&w->loads);
	w->servers = NULL; // the rest stays: other threads may still wake it
	w->turn = NULL;
	w->points = NULL;
}

uint32_t
balance_parts(const struct server *s)
{
	bool stands = s->backend->balance.table == &balance_map;
	return stands ? SLOWSTART_WHOLE : slowstart_parts(s);
}

// Servers that take requests: the active ones, or, when there is none, the first usable backup
// (as HAProxy does without `option allbackups`).
static size_t
collect(const struct backend *b, struct balance_candidate *out)
{
	size_t n = 0;
	const struct server *backup = NULL;
	for (size_t i = 0; i < b->n_servers; i++) {
		const struct server *s = b->servers[i];
		if (!server_is_usable(s))
			continue;
		if (s->is_backup) {
			backup = backup != NULL ? backup : s;
			continue;
		}
		// A weight that fell to 0 between two loads counts as the least.
		uint32_t weight = atomic_load_explicit(&s->weight, memory_order_relaxed);
		out[n++] =
		    (struct balance_candidate){(uint16_t)i, MAX(weight, 1u), balance_parts(s), 0};
	}
	if (n == 0 && backup != NULL)
		out[n++] =
		    (struct balance_candidate){(uint16_t)backup->index, 1, SLOWSTART_WHOLE, 0};
	return n;
}

// Out of line: once in a change.
static void __attribute__((noinline)) rebuild(struct backend_worker *w, uint32_t epoch)
{
	struct backend *b = w->backend;
	struct balance_candidate *c = mem_alloc(b->n_servers * sizeof(*c));
	size_t n = collect(b, c);
	w->n_turn = 0;
	if (n > 0)
		b->balance.table->build(w, c, n);
	mem_free(c);
	w->at = w->n_turn > 0 ? w->at % w->n_turn : 0;
	w->epoch_seen = epoch;
}

struct server *
backend_next(struct backend_worker *w, const struct backend_ask *ask)
{
	uint32_t epoch = atomic_load_explicit(&w->backend->epoch, memory_order_acquire);
	if (UNLIKELY(epoch != w->epoch_seen))
		rebuild(w, epoch);
	if (w->n_turn == 0)
		return NULL;
	return w->backend->balance.table->choose(w, ask);
}

const struct balance_row balance_rows[] = {
    {"roundrobin", NULL, &balance_turns, false},
    {"static-rr", NULL, &balance_map, false},
    {"leastconn", NULL, &balance_loads, false},
    {"first", NULL, &balance_order, false},
    {"random", NULL, &balance_random, false},
    {"source", balance_key_source, NULL, false},
    {"uri", balance_key_uri, NULL, true},
    {"url_param", balance_key_param, NULL, true},
    {"hdr", balance_key_header, NULL, true},
    {"hash", balance_key_expr, NULL, false},
    {.name = NULL},
};
