// SPDX-License-Identifier: MIT
// Consistent hashing: each server has 16 points for each unit of its weight (fewer in slowstart) on
// a ring of 2^32, and a request goes to the server of the point nearest to its hash. A server that
// leaves takes only its own points away. A point's place follows from the server's id alone, as in
// HAProxy, so two proxies with the same ids agree.
#include "backend/balance_priv.h"
#include "base/hash_text.h"
#include "base/mem.h"

#define POINTS_PER_WEIGHT SLOWSTART_WHOLE
#define POINTS_PER_ID     (BACKEND_WEIGHT_MAX * POINTS_PER_WEIGHT)

// A point: its place above, the server's index below. Sorted by place; those of one place, which
// only ids above a million can have, in the order of the configuration.
static inline uint32_t
place_of(uint64_t point)
{
	return (uint32_t)(point >> 32);
}

// By the byte at `shift`; stable.
static void
sort_pass(const uint64_t *from, uint64_t *to, size_t n, unsigned shift)
{
	uint32_t start[257] = {0};
	for (size_t i = 0; i < n; i++)
		start[(from[i] >> shift & 255) + 1]++;
	for (size_t i = 0; i < 255; i++)
		start[i + 1] += start[i];
	for (size_t i = 0; i < n; i++)
		to[start[from[i] >> shift & 255]++] = from[i];
}

static void
sort(uint64_t *points, size_t n)
{
	uint64_t *other = mem_alloc(n * sizeof(*other));
	sort_pass(points, other, n, 32);
	sort_pass(other, points, n, 40);
	sort_pass(points, other, n, 48);
	sort_pass(other, points, n, 56);
	mem_free(other);
}

static uint32_t
points_of(const struct balance_candidate *c, uint64_t total)
{
	uint64_t points = (uint64_t)c->weight * c->parts;
	return (uint32_t)(total > BALANCE_RING_MAX ? MAX(points * BALANCE_RING_MAX / total, 1u)
						   : points);
}

static void
build_ring(struct backend_worker *w, struct balance_candidate *c, size_t n)
{
	uint64_t total = 0;
	for (size_t i = 0; i < n; i++)
		total += (uint64_t)c[i].weight * c[i].parts;
	uint32_t n_points = 0, at = 0;
	for (size_t i = 0; i < n; i++)
		n_points += points_of(&c[i], total);
	w->points = mem_realloc(w->points, n_points * sizeof(*w->points));
	w->n_turn = n_points;
	for (size_t i = 0; i < n; i++) {
		uint32_t id = w->backend->servers[c[i].index]->id;
		for (uint32_t k = 0; k < points_of(&c[i], total); k++)
			w->points[at++] =
			    (uint64_t)hash_avalanche(id * POINTS_PER_ID + k) << 32 | c[i].index;
	}
	sort(w->points, n_points);
}

// The first point at or behind the place, round the end.
static uint32_t
first_behind(const struct backend_worker *w, uint32_t place)
{
	uint32_t low = 0, high = w->n_turn;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (place_of(w->points[middle]) < place)
			low = middle + 1;
		else
			high = middle;
	}
	return low == w->n_turn ? 0 : low;
}

static uint32_t
nearest(const struct backend_worker *w, uint32_t place)
{
	uint32_t next = first_behind(w, place);
	uint32_t before = next == 0 ? w->n_turn - 1 : next - 1;
	uint32_t to_before = place - place_of(w->points[before]);
	uint32_t to_next = place_of(w->points[next]) - place;
	return to_before <= to_next ? before : next;
}

// Without a key, point by point.
static struct server *
choose_on_ring(struct backend_worker *w, const struct backend_ask *ask)
{
	uint32_t at = w->at;
	if (ask->has_hash)
		at = nearest(w, ask->hash);
	struct server *s = w->backend->servers[(uint16_t)w->points[at]];
	for (uint32_t i = 0; UNLIKELY(s == ask->avoid) && i < w->n_turn; i++) {
		at = at + 1 == w->n_turn ? 0 : at + 1;
		s = w->backend->servers[(uint16_t)w->points[at]];
	}
	if (!ask->has_hash)
		w->at = at + 1 == w->n_turn ? 0 : at + 1;
	return s;
}

const struct balance_table balance_ring = {build_ring, choose_on_ring, false};
