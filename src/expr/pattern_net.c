// SPDX-License-Identifier: MIT
// Networks: sorted by address, each knowing the longest other one that holds it. What holds an
// address stands on the chain of the last network that does not begin beyond it. That one is found
// by its first bits through samples: each level has the first key of each line of the level below,
// so a lookup reads a line of the cache a level, of which all but the last two stay there.

#include <stdlib.h>

#include "base/mem.h"
#include "expr/pattern_priv.h"

#define V4_LINE    (CACHE_LINE / sizeof(uint32_t))
#define V6_LINE    (CACHE_LINE / sizeof(uint64_t))
#define MAX_LEVELS 9 // of PATTERN_MAX_TRIE keys

struct net_addr {
	uint64_t high, low; // v4: the last 32 bits of high
};

// Level 0 has each network's key, ascending: all of a v4 address, the first 64 bits of a v6 one.
// Lines are filled up with ones.
struct pattern_nets {
	union net_keys {
		uint32_t *v4;
		uint64_t *v6;
	} key[MAX_LEVELS];
	size_t n_keys[MAX_LEVELS];
	unsigned n_levels;
	uint64_t *low; // v6: the other 64 bits; v4: NULL
	struct net_place {
		uint32_t item : 24, bits : 8;
		uint32_t parent; // number + 1; 0: none
	} * place;
};

static struct net_addr
net_addr(const uint8_t ip[16], bool v6)
{
	struct net_addr a = {0, 0};
	for (int i = 0; i < (v6 ? 8 : 4); i++)
		a.high = a.high << 8 | ip[i];
	for (int i = 8; i < (v6 ? 16 : 8); i++)
		a.low = a.low << 8 | ip[i];
	return a;
}

static inline size_t
line_keys(const struct pattern_nets *s)
{
	return s->low != NULL ? V6_LINE : V4_LINE;
}

static inline uint64_t
key_at(const struct pattern_nets *s, unsigned level, size_t i)
{
	return s->low != NULL ? s->key[level].v6[i] : s->key[level].v4[i];
}

// ---- building

struct net_sorted {
	struct net_addr from;
	uint32_t item;
	uint32_t bits;
};

// A shorter network before those that it holds; of equal ones the first of the list last.
static int
net_order(const void *a, const void *b)
{
	const struct net_sorted *x = a, *y = b;
	if (x->from.high != y->from.high)
		return x->from.high < y->from.high ? -1 : 1;
	if (x->from.low != y->from.low)
		return x->from.low < y->from.low ? -1 : 1;
	if (x->bits != y->bits)
		return x->bits < y->bits ? -1 : 1;
	return (x->item < y->item) - (x->item > y->item);
}

static uint32_t
sort_nets(const struct pattern_list *l, bool v6, struct net_sorted *v)
{
	uint32_t n = 0;
	for (uint32_t i = (uint32_t)l->n_hashed; i < l->n_items; i++) {
		const struct pattern_net *net = &l->items[i].net;
		if (net->v6 == v6)
			v[n++] = (struct net_sorted){net_addr(net->ip, v6), i, net->bits};
	}
	qsort(v, n, sizeof(*v), net_order);
	return n;
}

// Room for n keys.
static void
add_level(struct pattern_nets *s, size_t n)
{
	size_t lines = (n + line_keys(s) - 1) / line_keys(s);
	ASSERT(s->n_levels < MAX_LEVELS);
	s->key[s->n_levels].v4 = mem_large(lines * CACHE_LINE);
	memset(s->key[s->n_levels].v4, 0xff, lines * CACHE_LINE);
	s->n_keys[s->n_levels++] = n;
}

static void
set_key(struct pattern_nets *s, unsigned level, size_t i, uint64_t key)
{
	if (s->low != NULL)
		s->key[level].v6[i] = key;
	else
		s->key[level].v4[i] = (uint32_t)key;
}

static void
add_samples(struct pattern_nets *s)
{
	size_t step = line_keys(s), n = s->n_keys[0];
	while (n > step) {
		unsigned below = s->n_levels - 1;
		n = (n + step - 1) / step;
		add_level(s, n);
		for (size_t i = 0; i < n; i++)
			set_key(s, below + 1, i, key_at(s, below, i * step));
	}
}

static bool
net_holds(const struct pattern_nets *s, size_t i, struct net_addr a)
{
	unsigned bits = s->place[i].bits;
	uint64_t high = key_at(s, 0, i) ^ a.high;
	if (s->low == NULL)
		return bits == 0 || high >> (32 - bits) == 0;
	if (bits > 64)
		return high == 0 && (s->low[i] ^ a.low) >> (128 - bits) == 0;
	return bits == 0 || high >> (64 - bits) == 0;
}

static void
set_place(struct pattern_nets *s, uint32_t i, const struct net_sorted *v)
{
	uint32_t up = i;
	set_key(s, 0, i, v->from.high);
	if (s->low != NULL)
		s->low[i] = v->from.low;
	while (up > 0 && !net_holds(s, up - 1, v->from))
		up = s->place[up - 1].parent;
	s->place[i] = (struct net_place){v->item & 0xffffffu, v->bits & 0xffu, up};
}

struct pattern_nets *
pattern_nets_build(const struct pattern_list *l, bool v6)
{
	struct net_sorted *v = mem_alloc((l->n_items + 1) * sizeof(*v));
	uint32_t n = sort_nets(l, v6, v);
	struct pattern_nets *s = n > 0 ? MEM_NEW(struct pattern_nets) : NULL;
	if (n > 0) {
		s->low = v6 ? mem_large(n * sizeof(*s->low)) : NULL;
		s->place = mem_large(n * sizeof(*s->place));
		add_level(s, n);
		for (uint32_t i = 0; i < n; i++)
			set_place(s, i, &v[i]);
		add_samples(s);
	}
	mem_free(v);
	return s;
}

void
pattern_nets_free(struct pattern_nets **sp)
{
	struct pattern_nets *s = *sp;
	*sp = NULL;
	if (s == NULL)
		return;
	for (unsigned i = 0; i < s->n_levels; i++)
		mem_free(s->key[i].v4);
	mem_free(s->low);
	mem_free(s->place);
	mem_free(s);
}

// ---- looking

// A comparison of vectors each: the number of keys in the line that are not beyond x.
static inline size_t
count_in_line(const struct pattern_nets *s, unsigned level, size_t line, uint64_t x)
{
	uint32_t n = 0;
	if (s->low == NULL) {
		const uint32_t *key = s->key[level].v4 + line * V4_LINE, y = (uint32_t)x;
		for (size_t i = 0; i < V4_LINE; i++)
			n += key[i] <= y;
	} else {
		const uint64_t *key = s->key[level].v6 + line * V6_LINE;
		for (size_t i = 0; i < V6_LINE; i++)
			n += key[i] <= x;
	}
	return n;
}

// How many networks begin at x's first bits or before.
static size_t
count_to(const struct pattern_nets *s, uint64_t x)
{
	size_t at = 0, step = line_keys(s);
	for (unsigned level = s->n_levels; level-- > 0;) {
		for (size_t i = 0; level == 0 && i < step; i += CACHE_LINE / sizeof(*s->place))
			__builtin_prefetch(&s->place[at * step + i]);
		size_t n = count_in_line(s, level, at, x);
		if (n == 0)
			return 0; // before all of them
		at = MIN(at * step + n, s->n_keys[level]) - 1;
	}
	return at + 1;
}

// Of the networks with the same first 64 bits those that begin beyond the others do not count.
static size_t
count_to_low(const struct pattern_nets *s, struct net_addr a, size_t high)
{
	size_t low = a.high > 0 ? count_to(s, a.high - 1) : 0;
	while (low < high) {
		size_t mid = (low + high) / 2;
		if (s->low[mid] > a.low)
			high = mid;
		else
			low = mid + 1;
	}
	return high;
}

const struct pattern_entry *
pattern_nets_match(const struct pattern_list *l, const struct pattern_nets *s, const uint8_t ip[16])
{
	if (s == NULL)
		return NULL;
	struct net_addr a = net_addr(ip, s->low != NULL);
	size_t n = count_to(s, a.high);
	if (s->low != NULL && n > 0 && key_at(s, 0, n - 1) == a.high && s->low[n - 1] > a.low)
		n = count_to_low(s, a, n);
	for (; n > 0; n = s->place[n - 1].parent) {
		const struct pattern_item *item = &l->items[s->place[n - 1].item];
		item_prefetch(item);
		if (net_holds(s, n - 1, a) && item_is_live(item))
			return &item->entry;
	}
	return NULL;
}
