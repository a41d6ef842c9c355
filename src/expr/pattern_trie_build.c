// SPDX-License-Identifier: MIT
// Building the trie of pattern_trie.h: of sorted texts, each shares its longest beginning with one
// beside it.

#include <stdlib.h>

#include "base/mem.h"
#include "expr/pattern_trie.h"

struct sorted {
	uint64_t head; // first eight bytes, big endian: most comparisons end here
	uint32_t item;
	uint32_t common; // bytes shared with the one before
};

struct builder {
	struct pattern_list *l;
	struct pattern_trie *trie;
	bool back;
	struct sorted *v; // and one that shares nothing
	uint32_t n;
	struct rank_key *keys; // of each
	uint64_t *on;          // names that others follow
	size_t n_on, cap_on;
};

// How many bytes a and b have in common.
static size_t
common(struct str a, struct str b, bool back)
{
	size_t n = MIN(a.n, b.n), i = 0;
	while (i + STEP <= n && step_at(a, i, back) == step_at(b, i, back))
		i += STEP;
	while (i < n && byte_at(a, i, back) == byte_at(b, i, back))
		i++;
	return i;
}

// The first eight, of a short text with zeroes behind.
static uint64_t
first_head(struct str s, bool back)
{
	uint64_t head = 0;
	for (size_t i = 0; i < sizeof(head); i++)
		head = head << 8 | (i < s.n ? byte_at(s, i, back) : 0);
	return head;
}

static int
by_text(const void *a, const void *b, void *builder)
{
	const struct sorted *x = a, *y = b;
	const struct builder *k = builder;
	if (x->head != y->head)
		return x->head < y->head ? -1 : 1;
	struct str s = item_text(&k->l->items[x->item]), t = item_text(&k->l->items[y->item]);
	size_t n = common(s, t, k->back);
	if (n < s.n && n < t.n)
		return byte_at(s, n, k->back) < byte_at(t, n, k->back) ? -1 : 1;
	if (s.n != t.n)
		return s.n < t.n ? -1 : 1;
	return (x->item > y->item) - (x->item < y->item); // the first of the list stays first
}

// Of equal texts the first one stays, from which the others are reached.
static void
join_same(struct builder *b)
{
	struct pattern_list *l = b->l;
	uint32_t n = b->n;
	b->n = 0;
	for (uint32_t i = 0, last = 0; i < n; last = b->v[i++].item) {
		struct str t = item_text(&l->items[b->v[i].item]), before = STR_NULL;
		if (i > 0)
			before = item_text(&l->items[last]);
		if (i > 0 && str_eq(before, t)) {
			atomic_init(&l->items[last].same, b->v[i].item + 1);
			continue;
		}
		b->v[i].common = (uint32_t)common(before, t, b->back);
		b->v[b->n++] = b->v[i];
	}
	b->v[b->n].common = 0;
}

// Words must have bytes.
static void
sort_items(struct builder *b)
{
	struct pattern_list *l = b->l;
	bool words = l->opts.match == PAT_DIR || l->opts.match == PAT_DOM;
	b->v = mem_alloc((l->n_items + 1) * sizeof(*b->v));
	for (uint32_t i = 0; i < l->n_items; i++) {
		struct str t = item_text(&l->items[i]);
		if (t.n > 0 || !words)
			b->v[b->n++] = (struct sorted){first_head(t, b->back), i, 0};
	}
	qsort_r(b->v, b->n, sizeof(*b->v), by_text, b);
	join_same(b);
}

// How many steps somebody shares with the i-th text.
static uint32_t
shared_steps(const struct builder *b, uint32_t i)
{
	return MAX(b->v[i].common, b->v[i + 1].common) / STEP;
}

static void
make_ends(struct builder *b)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < b->n; i++)
		n = MAX(n, shared_steps(b, i) + 1);
	b->trie->n_steps = n;
	b->trie->ends = mem_zalloc(n + 1);
}

// Texts of less than two bytes may go on with any.
static void
add_lead(struct pattern_trie *trie, struct str t, uint8_t bit, bool back)
{
	if (t.n >= 2)
		trie->lead[lead_place(byte_at(t, 0, back), byte_at(t, 1, back))] |= bit;
	for (unsigned i = 0; i < 256 && t.n == 1; i++)
		trie->lead[lead_place(byte_at(t, 0, back), (uint8_t)i)] |= bit;
	for (unsigned i = 0; i < LEADS && t.n == 0; i++)
		trie->lead[i] |= bit;
}

static void
add_end(struct builder *b, struct str t, uint32_t steps)
{
	uint8_t bit = (uint8_t)(1u << (t.n - (size_t)steps * STEP));
	b->trie->ends[steps] |= bit;
	if (steps == 0)
		add_lead(b->trie, t, bit, b->back);
}

static void
add_on(struct builder *b, uint64_t hash)
{
	VEC_GROW(b->on, b->cap_on, b->n_on);
	b->on[b->n_on++] = hash;
}

// The text's name, and those on the way to it that are the first text's of those that share them.
static void
add_text(struct builder *b, uint32_t i)
{
	struct str t = item_text(&b->l->items[b->v[i].item]);
	uint32_t steps = 0, shared = shared_steps(b, i);
	uint64_t hash = b->l->seed;
	while (steps < shared) {
		hash = hash_step(hash, step_at(t, (size_t)steps * STEP, b->back), STEP);
		if (++steps > b->v[i].common / STEP)
			add_on(b, hash);
	}
	size_t depth = (size_t)steps * STEP, left = t.n - depth;
	if (left >= STEP) {
		hash = hash_step(hash, step_at(t, depth, b->back), STEP);
	} else {
		uint64_t few = few_at(t, depth, left, b->back);
		hash = hash_step(hash, step_cut(few, (unsigned)left, b->back), (unsigned)left);
		add_end(b, t, steps);
	}
	b->keys[i] = (struct rank_key){.hash = hash, .item = b->v[i].item};
}

static void
make_filter(struct builder *b)
{
	struct pattern_filter f = pattern_filter_new(b->n + b->n_on);
	for (size_t i = 0; i < b->n; i++)
		filter_add_item(f, b->keys[i].hash);
	for (size_t i = 0; i < b->n_on; i++)
		*filter_word(f, b->on[i]) |= filter_any(b->on[i]) | filter_on(b->on[i]);
	b->trie->filter = f;
}

// Those that are found come first, as their hashes say, then the others.
static void
order_items(struct builder *b)
{
	struct pattern_list *l = b->l;
	uint32_t *from = mem_alloc((l->n_items + 1) * sizeof(*from));
	bool *seen = mem_zalloc(l->n_items + 1);
	size_t n = 0;
	for (size_t i = 0; i < b->n; i++)
		seen[from[n++] = b->keys[i].item] = true;
	for (size_t i = 0; i < l->n_items; i++) {
		if (!seen[i])
			from[n++] = (uint32_t)i;
	}
	pattern_list_order(l, from);
	mem_free(from);
	mem_free(seen);
}

void
pattern_trie_build(struct pattern_list *l)
{
	struct builder b = {.l = l, .trie = MEM_NEW(struct pattern_trie)};
	b.back = l->opts.match == PAT_END;
	sort_items(&b);
	make_ends(&b);
	b.keys = mem_alloc((b.n + 1) * sizeof(*b.keys));
	for (uint32_t i = 0; i < b.n; i++)
		add_text(&b, i);
	make_filter(&b);
	pattern_ranks_sort(&l->ranks, b.keys, b.n);
	pattern_ranks_fill(&l->ranks, b.keys, b.n);
	order_items(&b);
	l->trie = b.trie;
	mem_free(b.v);
	mem_free(b.keys);
	mem_free(b.on);
}

void
pattern_trie_free(struct pattern_trie **trie)
{
	if (*trie != NULL) {
		mem_free((*trie)->filter.word);
		mem_free((*trie)->ends);
	}
	mem_free(*trie);
	*trie = NULL;
}
