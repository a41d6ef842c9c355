// SPDX-License-Identifier: MIT
// Items that are found by a hash of their whole key (pattern_ranks.h): texts and networks.

#include "base/hash.h"
#include "base/mem.h"
#include "expr/pattern_priv.h"

static uint64_t
hash_of(const struct pattern_list *l, const struct pattern_item *item)
{
	return l->opts.match == PAT_IP ? pattern_net_hash(l, &item->net)
				       : pattern_text_hash(l, item_text(item));
}

static bool
same_key(const struct pattern_list *l, const struct pattern_item *a, const struct pattern_item *b)
{
	if (l->opts.match != PAT_IP)
		return str_eq(item_text(a), item_text(b));
	return a->net.v6 == b->net.v6 && a->net.bits == b->net.bits &&
	       memcmp(a->net.ip, b->net.ip, sizeof(a->net.ip)) == 0;
}

// What equals the key among v[from..to); NULL: nothing.
static struct rank_key *
find_same(const struct pattern_list *l, struct rank_key *v, size_t from, size_t to,
	  const struct rank_key *key)
{
	for (size_t i = from; i < to; i++)
		if (v[i].hash == key->hash &&
		    same_key(l, &l->items[v[i].item], &l->items[key->item]))
			return &v[i];
	return NULL;
}

// The first of equal keys stay, and lead to the others, which go to *others. Returns how many stay.
static size_t
join_same(struct pattern_list *l, struct rank_key *v, size_t n, uint32_t *others)
{
	size_t kept = 0, begin = 0, n_others = 0, last = SIZE_MAX;
	for (size_t i = 0; i < n; i++) {
		struct rank_key key = v[i];
		size_t bucket = ranks_bucket(&l->ranks, key.hash);
		begin = bucket == last ? begin : kept;
		last = bucket;
		struct rank_key *first = find_same(l, v, begin, kept, &key);
		if (first != NULL) {
			atomic_init(&l->items[first->last].same, key.item + 1);
			first->last = others[n_others++] = key.item;
		} else {
			key.last = key.item;
			v[kept++] = key;
		}
	}
	return kept;
}

// Those that are found, then those that they lead to.
static void
order_items(struct pattern_list *l, struct rank_key *v)
{
	uint32_t *from = mem_alloc((l->n_items + 1) * sizeof(*from));
	uint32_t *others = mem_alloc((l->n_items + 1) * sizeof(*others));
	pattern_ranks_sort(&l->ranks, v, l->n_items);
	size_t n = join_same(l, v, l->n_items, others);
	pattern_ranks_fill(&l->ranks, v, n);
	for (size_t i = 0; i < n; i++)
		from[i] = v[i].item;
	memcpy(from + n, others, (l->n_items - n) * sizeof(*from));
	pattern_list_order(l, from);
	mem_free(others);
	mem_free(from);
}

void
pattern_hash_build(struct pattern_list *l)
{
	struct rank_key *v = mem_alloc((l->n_items + 1) * sizeof(*v));
	for (uint32_t i = 0; i < l->n_items; i++)
		v[i] = (struct rank_key){.hash = hash_of(l, &l->items[i]), .item = i};
	order_items(l, v);
	mem_free(v);
}
