// SPDX-License-Identifier: MIT
// Weighted round robin in constant time: the smooth order (each server gets weight/total of the
// turns, spread as evenly as can be) is computed once when weights or states change and then
// walked. Each worker has its own table and its own place in it; workers start at different
// places so that a restart does not send the first N requests to one server.
#include "backend/backend.h"
#include "base/mem.h"

// Weights are divided by their common divisor first; a table that would still be longer is scaled
// down, which keeps shares exact to 1/4096.
#define TURN_MAX 4096

void
backend_worker_init(struct backend_worker *w, struct backend *b, uint32_t worker_id)
{
	*w = (struct backend_worker){.backend = b, .id = worker_id, .at = worker_id};
	w->servers = mem_zalloc(b->n_servers * sizeof(*w->servers));
	for (size_t i = 0; i < b->n_servers; i++)
		list_init(&w->servers[i].idle);
}

void
backend_worker_fini(struct backend_worker *w)
{
	mem_free(w->servers);
	mem_free(w->turn);
	w->servers = NULL; // the rest stays: other threads may still wake it
	w->turn = NULL;
}

static uint32_t
common_divisor(uint32_t a, uint32_t b)
{
	while (b != 0) {
		uint32_t r = a % b;
		a = b;
		b = r;
	}
	return a;
}

struct candidate {
	uint16_t index;
	uint32_t weight;
	int64_t current;
};

// Servers that take requests: the active ones, or, when there is none, the first usable backup
// (as HAProxy does without `option allbackups`).
static size_t
collect(const struct backend *b, struct candidate *out)
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
		out[n++] =
		    (struct candidate){(uint16_t)i,
				       atomic_load_explicit(&s->weight, memory_order_relaxed), 0};
	}
	if (n == 0 && backup != NULL)
		out[n++] = (struct candidate){(uint16_t)backup->index, 1, 0};
	return n;
}

static uint32_t
scale(struct candidate *c, size_t n)
{
	uint32_t divisor = 0, total = 0;
	for (size_t i = 0; i < n; i++) {
		// A weight that fell to 0 between two loads counts as the least.
		c[i].weight = MAX(c[i].weight, 1u);
		divisor = common_divisor(c[i].weight, divisor);
	}
	for (size_t i = 0; i < n; i++)
		total += c[i].weight /= divisor;
	if (total <= TURN_MAX)
		return total;
	uint32_t scaled = 0;
	for (size_t i = 0; i < n; i++) {
		c[i].weight = MAX(c[i].weight * TURN_MAX / total, 1u);
		scaled += c[i].weight;
	}
	return scaled;
}

// Smooth weighted order: at each turn everyone gains its weight, the richest serves and pays the
// total.
static void
fill_turns(uint16_t *turn, uint32_t total, struct candidate *c, size_t n)
{
	// All weigh the same: that order, without its square of steps where thousands come and go.
	if (total == n) {
		for (size_t i = 0; i < n; i++)
			turn[i] = c[i].index;
		return;
	}
	for (uint32_t t = 0; t < total; t++) {
		size_t best = 0;
		for (size_t i = 0; i < n; i++) {
			c[i].current += c[i].weight;
			if (c[i].current > c[best].current)
				best = i;
		}
		c[best].current -= total;
		turn[t] = c[best].index;
	}
}

static void
rebuild(struct backend_worker *w, uint32_t epoch)
{
	struct backend *b = w->backend;
	struct candidate *c = mem_alloc(b->n_servers * sizeof(*c));
	size_t n = collect(b, c);
	uint32_t total = n > 0 ? scale(c, n) : 0;
	w->turn = mem_realloc(w->turn, total * sizeof(*w->turn));
	fill_turns(w->turn, total, c, n);
	mem_free(c);
	w->n_turn = total;
	w->at = total > 0 ? w->at % total : 0;
	w->epoch_seen = epoch;
}

static struct server *
take_turn(struct backend_worker *w)
{
	struct server *s = w->backend->servers[w->turn[w->at]];
	w->at = w->at + 1 == w->n_turn ? 0 : w->at + 1;
	return s;
}

struct server *
backend_next(struct backend_worker *w, const struct server *avoid)
{
	uint32_t epoch = atomic_load_explicit(&w->backend->epoch, memory_order_acquire);
	if (UNLIKELY(epoch != w->epoch_seen))
		rebuild(w, epoch);
	if (w->n_turn == 0)
		return NULL;
	struct server *s = take_turn(w);
	for (uint32_t i = 0; UNLIKELY(s == avoid) && i < w->n_turn; i++)
		s = take_turn(w);
	return s;
}
