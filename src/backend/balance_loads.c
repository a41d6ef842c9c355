// SPDX-License-Identifier: MIT
// leastconn: the server with the fewest requests for its weight, of all workers together; of equal
// ones the one that this worker chose least recently. The counts are the servers' own (limit_used),
// which all workers change; each worker keeps a tree of winners over what it last saw of them.
// Before it chooses it looks at REFRESH servers in turn, and at the winner itself until that is as
// busy as the tree says. So the choice is exact where there are no more servers than that, and
// costs O(log n) where there are: then a server that became less busy by what other workers did is
// noticed after n / REFRESH choices at the latest, and one that became busier before it is chosen.
#include "backend/balance_tree.h"
#include "base/mem.h"

#define REFRESH 16
#define FULL    (UINT32_MAX - 1)
#define HIDDEN  UINT32_MAX

struct leaf {
	struct server *server;
	uint32_t parts; // of its weight (slowstart.h)
	uint32_t load;  // as last seen
	uint64_t stamp; // of when it was last chosen
};

struct balance_loads {
	uint32_t n;  // leaves
	uint32_t at; // the next to be looked at
	uint64_t stamp;
	struct balance_tree tree;
	struct leaf leaf[];
};

void
balance_loads_free(struct balance_loads **t)
{
	if (*t != NULL)
		balance_tree_fini(&(*t)->tree);
	mem_free(*t);
	*t = NULL;
}

static bool
is_less_busy(const void *of, uint16_t a, uint16_t b)
{
	const struct balance_loads *t = of;
	const struct leaf *x = &t->leaf[a], *y = &t->leaf[b];
	return y->load != x->load ? y->load < x->load : y->stamp < x->stamp;
}

static void
play(struct balance_loads *t, uint32_t leaf)
{
	balance_tree_play(&t->tree, leaf, is_less_busy, t);
}

// HAProxy's measure: idle ones are equal whatever they weigh, the others are compared as they
// would be with one request more.
static uint32_t
load_of(const struct leaf *l)
{
	const struct server *s = l->server;
	uint64_t used = limit_used(&s->limit);
	if (!balance_has_room(s))
		return FULL;
	uint32_t weight = atomic_load_explicit(&s->weight, memory_order_relaxed);
	uint64_t load = used == 0 ? 0
				  : (used + 1) * BACKEND_WEIGHT_MAX * SLOWSTART_WHOLE /
					(MAX(weight, 1u) * l->parts);
	return (uint32_t)MIN(load, (uint64_t)FULL - 1);
}

// True when it had changed.
static bool
look_at(struct balance_loads *t, uint32_t leaf)
{
	uint32_t load = load_of(&t->leaf[leaf]);
	if (load == t->leaf[leaf].load)
		return false;
	t->leaf[leaf].load = load;
	play(t, leaf);
	return true;
}

static void
build_loads(struct backend_worker *w, struct balance_candidate *c, size_t n)
{
	balance_loads_free(&w->loads);
	struct balance_loads *t = mem_zalloc(sizeof(*t) + n * sizeof(t->leaf[0]));
	t->n = (uint32_t)n;
	t->stamp = n;
	for (uint32_t i = 0; i < n; i++) {
		struct leaf *l = &t->leaf[i];
		l->server = w->backend->servers[c[i].index];
		l->parts = c[i].parts;
		l->load = load_of(l);
		l->stamp = (i + n - w->id % n) % n; // worker k begins with the kth
	}
	balance_tree_init(&t->tree, n, is_less_busy, t);
	w->loads = t;
	w->n_turn = (uint32_t)n;
}

static uint32_t
least_of(struct balance_loads *t)
{
	uint32_t least = balance_tree_best(&t->tree);
	for (uint32_t i = 0; i < t->n && look_at(t, least); i++)
		least = balance_tree_best(&t->tree);
	return least;
}

// The best of the others.
static uint32_t
least_but(struct balance_loads *t, uint32_t avoided)
{
	t->leaf[avoided].load = HIDDEN;
	play(t, avoided);
	uint32_t least = balance_tree_best(&t->tree);
	(void)look_at(t, avoided);
	return least;
}

static struct server *
choose_least(struct backend_worker *w, const struct backend_ask *ask)
{
	struct balance_loads *t = w->loads;
	for (uint32_t i = 0; i < MIN(t->n, REFRESH); i++) {
		(void)look_at(t, t->at);
		t->at = t->at + 1 == t->n ? 0 : t->at + 1;
	}
	uint32_t least = least_of(t);
	if (UNLIKELY(t->leaf[least].server == ask->avoid))
		least = least_but(t, least);
	t->leaf[least].stamp = t->stamp++;
	play(t, least);
	return t->leaf[least].server;
}

const struct balance_table balance_loads = {build_loads, choose_least, true};
