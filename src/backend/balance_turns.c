// SPDX-License-Identifier: MIT
// Tables in which servers stand in turns, each as often as it weighs, spread as evenly as can be:
// roundrobin walks one; map-based hashing takes the place that the hash names, and static-rr walks
// that same table; random takes any place; first has each server once, by its id. Workers start at
// different places so that a restart does not send the first N requests to one server.
#include <stdlib.h>

#include "backend/balance_tree.h"
#include "base/mem.h"

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

// Weights divided, and scaled down where the sum would be above max. Returns the sum.
static uint32_t
scale(struct balance_candidate *c, size_t n, uint32_t divisor, uint32_t max)
{
	uint32_t total = 0, scaled = 0;
	for (size_t i = 0; i < n; i++)
		total += c[i].weight = (c[i].weight + divisor - 1) / divisor;
	if (total <= max)
		return total;
	for (size_t i = 0; i < n; i++) {
		c[i].weight = MAX((uint32_t)((uint64_t)c[i].weight * max / total), 1u);
		scaled += c[i].weight;
	}
	return scaled;
}

static void
make_room(struct backend_worker *w, uint32_t total)
{
	w->turn = mem_realloc(w->turn, total * sizeof(*w->turn));
	w->n_turn = total;
}

static inline struct server *
take_turn(struct backend_worker *w)
{
	struct server *s = w->backend->servers[w->turn[w->at]];
	w->at = w->at + 1 == w->n_turn ? 0 : w->at + 1;
	return s;
}

static struct server *
choose_turn(struct backend_worker *w, const struct backend_ask *ask)
{
	struct server *s = take_turn(w);
	for (uint32_t i = 0; UNLIKELY(s == ask->avoid) && i < w->n_turn; i++)
		s = take_turn(w);
	return s;
}

// The place itself, or the next one of another server.
static struct server *
at_place(const struct backend_worker *w, uint32_t at, const struct server *avoid)
{
	struct server *s = w->backend->servers[w->turn[at]];
	for (uint32_t i = 0; UNLIKELY(s == avoid) && i < w->n_turn; i++) {
		at = at + 1 == w->n_turn ? 0 : at + 1;
		s = w->backend->servers[w->turn[at]];
	}
	return s;
}

// --- roundrobin ----------------------------------------------------------------------------------

// At each turn everyone gains its weight, the richest serves and pays the total.
static void
fill_turns(uint16_t *turn, uint32_t total, struct balance_candidate *c, size_t n)
{
	for (uint32_t t = 0; t < total; t++) {
		size_t best = 0;
		for (size_t i = 0; i < n; i++) {
			c[i].score += c[i].weight;
			if (c[i].score > c[best].score)
				best = i;
		}
		c[best].score -= total;
		turn[t] = c[best].index;
	}
}

// All weigh the same: that order, without its square of steps where thousands come and go.
static bool
fill_equal(uint16_t *turn, uint32_t total, const struct balance_candidate *c, size_t n)
{
	for (size_t i = 0; total == n && i < n; i++)
		turn[i] = c[i].index;
	return total == n;
}

static void
build_turns(struct backend_worker *w, struct balance_candidate *c, size_t n)
{
	uint32_t divisor = 0;
	for (size_t i = 0; i < n; i++) {
		c[i].weight *= c[i].parts;
		divisor = common_divisor(c[i].weight, divisor);
	}
	make_room(w, scale(c, n, divisor, BALANCE_TURN_MAX));
	if (!fill_equal(w->turn, w->n_turn, c, n))
		fill_turns(w->turn, w->n_turn, c, n);
}

const struct balance_table balance_turns = {build_turns, choose_turn, false};

// --- map-based -----------------------------------------------------------------------------------

// HAProxy's order: all gain as above, but who is due (or a whole round overdue) comes first in the
// order of the configuration, not in that of its riches. So a server's rank at turn T is the number
// of turns that T * weight / total makes due to it, without those that it had: each is raised
// weight times in all, at turns known beforehand, and a tree of winners has the highest at its top.
struct ranks {
	struct balance_candidate *c; // score: the rank
	uint32_t total;
	struct balance_tree highest;
	uint16_t *due;    // by turn: the first who is raised then, or NOBODY
	uint16_t *next;   // who is raised at the same turn
	uint32_t *raised; // how often
};

static bool
is_higher(const void *of, uint16_t a, uint16_t b)
{
	const struct ranks *r = of;
	return r->c[b].score > r->c[a].score;
}

static void
change_rank(struct ranks *r, uint16_t i, int by)
{
	r->c[i].score += by;
	balance_tree_play(&r->highest, i, is_higher, r);
}

// To be raised at turn ceil(k * total / weight), for the kth time.
static void
await_raise(struct ranks *r, uint16_t i)
{
	uint64_t k = r->raised[i] + 1;
	uint64_t turn = (k * r->total + r->c[i].weight - 1) / r->c[i].weight;
	if (turn > r->total)
		return;
	r->next[i] = r->due[turn];
	r->due[turn] = i;
}

static void
raise_due(struct ranks *r, uint32_t turn)
{
	for (uint16_t i = r->due[turn]; i != BALANCE_NOBODY;) {
		uint16_t next = r->next[i];
		change_rank(r, i, 1);
		r->raised[i]++;
		await_raise(r, i);
		i = next;
	}
}

static void
begin_ranks(struct ranks *r, size_t n)
{
	balance_tree_init(&r->highest, n, is_higher, r);
	r->due = mem_alloc((r->total + 1) * sizeof(*r->due));
	r->next = mem_alloc(n * sizeof(*r->next));
	r->raised = mem_zalloc(n * sizeof(*r->raised));
	for (uint32_t i = 0; i <= r->total; i++)
		r->due[i] = BALANCE_NOBODY;
	for (uint16_t i = 0; i < n; i++)
		await_raise(r, i);
}

void
balance_fill_map(uint16_t *turn, uint32_t total, struct balance_candidate *c, size_t n)
{
	struct ranks r = {.c = c, .total = total};
	begin_ranks(&r, n);
	for (uint32_t t = 0; t < total; t++) {
		raise_due(&r, t + 1);
		uint16_t best = balance_tree_best(&r.highest);
		turn[t] = c[best].index;
		change_rank(&r, best, -1);
	}
	balance_tree_fini(&r.highest);
	mem_free(r.due);
	mem_free(r.next);
	mem_free(r.raised);
}

// Of all servers, usable or not, so that a map is as long as HAProxy's in each state of them.
static uint32_t
divisor_of_all(const struct backend *b)
{
	uint32_t divisor = 0;
	for (size_t i = 0; i < b->n_servers; i++) {
		const struct server *s = b->servers[i];
		divisor = common_divisor(s->weight_configured, divisor);
		divisor =
		    common_divisor(atomic_load_explicit(&s->weight, memory_order_relaxed), divisor);
	}
	return MAX(divisor, 1u);
}

static void
build_map(struct backend_worker *w, struct balance_candidate *c, size_t n)
{
	make_room(w, scale(c, n, divisor_of_all(w->backend), BALANCE_MAP_MAX));
	if (!fill_equal(w->turn, w->n_turn, c, n))
		balance_fill_map(w->turn, w->n_turn, c, n);
}

static struct server *
choose_in_map(struct backend_worker *w, const struct backend_ask *ask)
{
	if (!ask->has_hash)
		return choose_turn(w, ask);
	return at_place(w, ask->hash % w->n_turn, ask->avoid);
}

const struct balance_table balance_map = {build_map, choose_in_map, false};

// --- random --------------------------------------------------------------------------------------

// xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift generators", 2016).
static uint32_t
draw(struct backend_worker *w)
{
	uint64_t x = w->random | (w->random == 0);
	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	w->random = x;
	return (uint32_t)(x * UINT64_C(0x2545f4914f6cdd1d) >> 32);
}

// Has the first more to do than the second, each by its weight?
static bool
is_busier(const struct server *a, const struct server *b)
{
	uint64_t of_a = limit_used(&a->limit), of_b = limit_used(&b->limit);
	return of_a * atomic_load_explicit(&b->weight, memory_order_relaxed) >
	       of_b * atomic_load_explicit(&a->weight, memory_order_relaxed);
}

// The least busy of some draws (Mitzenmacher, "The power of two choices", 2001).
static struct server *
choose_random(struct backend_worker *w, const struct backend_ask *ask)
{
	struct server *best = NULL;
	uint32_t left = w->backend->balance.draws;
	do {
		uint32_t at = (uint32_t)((uint64_t)draw(w) * w->n_turn >> 32);
		struct server *s = at_place(w, at, ask->avoid);
		if (best == NULL || is_busier(best, s))
			best = s;
	} while (left-- > 1);
	return best;
}

const struct balance_table balance_random = {build_turns, choose_random, true};

// --- first ---------------------------------------------------------------------------------------

static int
by_id(const void *a, const void *b)
{
	const struct balance_candidate *x = a, *y = b;
	return (x->score > y->score) - (x->score < y->score);
}

static void
build_order(struct backend_worker *w, struct balance_candidate *c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		c[i].score = w->backend->servers[c[i].index]->id;
	qsort(c, n, sizeof(*c), by_id);
	make_room(w, (uint32_t)n);
	for (size_t i = 0; i < n; i++)
		w->turn[i] = c[i].index;
}

// The first with room: as many steps as there are full ones before it.
static struct server *
choose_first(struct backend_worker *w, const struct backend_ask *ask)
{
	for (uint32_t i = 0; i < w->n_turn; i++) {
		struct server *s = w->backend->servers[w->turn[i]];
		if (s != ask->avoid && balance_has_room(s))
			return s;
	}
	return at_place(w, 0, ask->avoid);
}

const struct balance_table balance_order = {build_order, choose_first, false};
