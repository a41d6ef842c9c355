// SPDX-License-Identifier: MIT
// Items that are found by a hash of their whole key (pattern_ranks.h): texts, and hosts among
// networks.

#include "base/hash.h"
#include "base/mem.h"
#include "expr/pattern_priv.h"

#define MANY_HOSTS 256 // so many are found faster by a hash of their own than among networks

uint64_t
pattern_hash_host(const uint8_t ip[16], bool v6)
{
	return hash_bytes(ip, v6 ? 16 : 4, v6);
}

static uint64_t
hash_of(const struct pattern_list *l, const struct pattern_item *item)
{
	return l->opts.match == PAT_IP ? pattern_hash_host(item->net.ip, item->net.v6)
				       : hash_str(item_text(item));
}

static bool
same_key(const struct pattern_list *l, const struct pattern_item *a, const struct pattern_item *b)
{
	if (l->opts.match != PAT_IP)
		return str_eq(item_text(a), item_text(b));
	return a->net.v6 == b->net.v6 && memcmp(a->net.ip, b->net.ip, sizeof(a->net.ip)) == 0;
}

static bool
is_hashed(const struct pattern_list *l, const struct pattern_item *item)
{
	return l->opts.match != PAT_IP || item->net.bits == (item->net.v6 ? 128 : 32);
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

// Those that are found, those that they lead to, those that are found otherwise.
static void
order_items(struct pattern_list *l, struct rank_key *v)
{
	uint32_t *from = mem_alloc((l->n_items + 1) * sizeof(*from));
	uint32_t *others = mem_alloc((l->n_hashed + 1) * sizeof(*others));
	pattern_ranks_sort(&l->ranks, v, l->n_hashed);
	size_t n = join_same(l, v, l->n_hashed, others);
	pattern_ranks_fill(&l->ranks, v, n);
	for (size_t i = 0; i < n; i++)
		from[i] = v[i].item;
	memcpy(from + n, others, (l->n_hashed - n) * sizeof(*from));
	n = l->n_hashed;
	for (size_t i = 0; i < l->n_items && n < l->n_items; i++)
		if (!is_hashed(l, &l->items[i]))
			from[n++] = (uint32_t)i;
	pattern_list_order(l, from);
	for (size_t i = 0; l->opts.match == PAT_IP && i < l->n_hashed; i++)
		l->any_host[l->items[i].net.v6] = true;
	mem_free(others);
	mem_free(from);
}

void
pattern_hash_build(struct pattern_list *l)
{
	struct rank_key *v = mem_alloc((l->n_items + 1) * sizeof(*v));
	size_t n = 0;
	for (uint32_t i = 0; i < l->n_items; i++) {
		const struct pattern_item *item = &l->items[i];
		if (is_hashed(l, item))
			v[n++] = (struct rank_key){.hash = hash_of(l, item), .item = i};
	}
	if (l->opts.match != PAT_IP || n >= MANY_HOSTS) {
		l->n_hashed = n;
		order_items(l, v);
	}
	mem_free(v);
}
