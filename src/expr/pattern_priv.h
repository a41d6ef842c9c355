// SPDX-License-Identifier: MIT
// Inside of a pattern list: entries in order of appearance, and one searchable form over them.
#pragma once

#include <stdatomic.h>

#include "base/hash.h"
#include "expr/expr_priv.h"
#include "expr/pattern_ranks.h"

struct pattern_range {
	int64_t min, max;
};

struct pattern_net {
	uint8_t ip[16]; // host bits are zero
	uint8_t bits;
	bool v6;
};

// Two lines of the cache: what a lookup compares, and what it gives. Texts that fit stand inside.
#define PATTERN_INSIDE 56u
#define PATTERN_DEAD   0x80000000u
struct pattern_item {
	union {
		struct pattern_range range;
		struct pattern_net net;
		struct regex *regex;
		// the key as it is compared: lowered, decoded, without delimiters
		char inside[PATTERN_INSIDE];
		const char *outside; // when it is longer
	};
	uint32_t n_text;
	// Index + 1 of the next item of the same text, and PATTERN_DEAD: of a named set's base,
	// ended since it was built.
	_Atomic uint32_t same;
	struct pattern_entry entry;
};
_Static_assert(sizeof(struct pattern_item) == 2 * CACHE_LINE, "a lookup fetches two lines");

static inline struct str
item_text(const struct pattern_item *item)
{
	return str_of(item->n_text <= PATTERN_INSIDE ? item->inside : item->outside, item->n_text);
}

// Disjoint, ascending.
struct pattern_range_node {
	int64_t min, max;
	const struct pattern_item *item;
};

struct pattern_list {
	_Atomic(pattern_match_f) match;  // in everything
	pattern_match_f own;             // in the items alone
	struct pattern_use *const *uses; // named sets that belong to it
	size_t n_uses;
	const struct pattern_use *turned; // what its items became; read by match_turned alone
	struct arena *arena;
	struct pattern_opts opts;
	uint64_t seed;              // of hashes: clients may choose keys, by rules that add them
	struct pattern_item *items; // as they came, or as a lookup finds them: then
	uint32_t *place;            // where each stands now; NULL: as they came
	size_t n_items, cap_items;
	// one of these, by match
	struct pattern_ranks ranks;
	struct pattern_trie *trie;
	struct pattern_range_node *ranges;
	size_t n_ranges;
	struct pattern_nets *nets;
};

static inline bool
item_is_live(const struct pattern_item *item)
{
	return !(atomic_load_explicit(&item->same, memory_order_relaxed) & PATTERN_DEAD);
}

// The way of pattern_match, for who asks often. acquire: with the function comes what it reads.
static ALWAYS_INLINE const struct pattern_entry *
pattern_list_match(const struct pattern_list *l, const struct sample *s, struct sample_ctx *ctx)
{
	return atomic_load_explicit(&l->match, memory_order_acquire)(l, s, ctx);
}

// The first of its text that lives; NULL: none does.
static inline const struct pattern_item *
item_living(const struct pattern_list *l, const struct pattern_item *item)
{
	uint32_t same;
	while ((same = atomic_load_explicit(&item->same, memory_order_relaxed)) & PATTERN_DEAD) {
		if ((same &= ~PATTERN_DEAD) == 0)
			return NULL;
		item = &l->items[same - 1];
	}
	return item;
}

// While the list is built: from[i] is the item that comes to stand at i; each item once.
void pattern_list_order(struct pattern_list *l, const uint32_t *from);

// Both lines of an item, for they are needed together.
static inline void
item_prefetch(const struct pattern_item *item)
{
	__builtin_prefetch(item);
	__builtin_prefetch(&item->entry);
}

// Of the items that may have a hash: one is fetched while its tag is; of more, those whose tags
// fit.
static inline void
items_prefetch(const struct pattern_list *l, struct rank_range r, uint64_t hash)
{
	for (uint32_t i = r.first; i < r.first + r.n; i++)
		if (r.n == 1 || ranks_tag_is(&l->ranks, i, hash))
			item_prefetch(&l->items[i]);
}

static inline uint64_t
pattern_text_hash(const struct pattern_list *l, struct str text)
{
	return hash_bytes(text.p, text.n, l->seed);
}

// pattern_hash.c: for str, bin and ip. Of equal keys the first is found and leads to the others.
void pattern_hash_build(struct pattern_list *l);

// pattern_net.c: for ip, beside the hash.
uint64_t pattern_net_hash(const struct pattern_list *l, const struct pattern_net *net);
struct pattern_nets *pattern_nets_build(const struct pattern_list *l);
void pattern_nets_free(struct pattern_nets **nets); // NULL is fine
bool pattern_nets_any(const struct pattern_nets *nets, bool v6);
// The longest living network that holds the address, of which v4 is the first four bytes.
const struct pattern_entry *pattern_nets_match(const struct pattern_list *l, const uint8_t ip[16],
					       bool v6);

// pattern_trie.c: for beg, end, sub, dir, dom. The text is folded.
#define PATTERN_MAX_TRIE ((size_t)1 << 24) // items
struct pattern_trie;
void pattern_trie_build(struct pattern_list *l);
void pattern_trie_free(struct pattern_trie **trie); // NULL is fine
const struct pattern_entry *pattern_trie_match(const struct pattern_list *l, struct str text);

const struct pattern_entry *pattern_build_none(const struct pattern_list *l, const struct sample *s,
					       struct sample_ctx *ctx);
