// SPDX-License-Identifier: MIT
// Inside of a pattern list: entries in order of appearance, and one searchable form over them.
#pragma once

#include <stdatomic.h>

#include "expr/expr_priv.h"

struct pattern_range {
	int64_t min, max;
};

struct pattern_net {
	uint8_t ip[16]; // host bits are zero
	uint8_t bits;
	bool v6;
};

struct pattern_item {
	struct pattern_entry entry;
	atomic_bool dead; // of a named set's base: ended since it was built
	struct str text;  // key as it is compared: lowered, decoded, without delimiters
	union {
		struct pattern_range range;
		struct pattern_net net;
		struct regex *regex;
		uint32_t next_same; // pattern_trie.c: number + 1 of the next of this text
	};
};

// One whole string in the hash.
struct pattern_slot {
	uint64_t hash;
	const struct pattern_item *item; // NULL: free
};

// Sorted. `parent` is the longest other network that holds this one: what holds an address is on
// the chain of its predecessor.
struct pattern_net_node {
	uint64_t high, low; // v4: low alone
	const struct pattern_item *item;
	uint32_t parent;
	uint8_t bits; // counted from the left of 128, so 96 more for v4
};

// Disjoint, ascending.
struct pattern_range_node {
	int64_t min, max;
	const struct pattern_item *item;
};

struct pattern_list {
	pattern_match_f match;           // in everything
	pattern_match_f own;             // in the items alone
	struct pattern_use *const *uses; // named sets that belong to it
	size_t n_uses;
	struct arena *arena;
	struct pattern_opts opts;
	struct pattern_item *items;
	size_t n_items, cap_items;
	// one of these, by match
	struct pattern_slot *slots;
	size_t n_slots;
	struct pattern_trie *trie;
	struct pattern_range_node *ranges;
	size_t n_ranges;
	struct pattern_nets {
		struct pattern_net_node *net;
		size_t n;
		// Of many: where the nodes of each value of 16 bits begin, behind `skip` bits that
		// all have in common.
		uint32_t *index;
		unsigned skip;
	} nets[2]; // v4, v6
};

static inline bool
item_is_live(const struct pattern_item *item)
{
	return !atomic_load_explicit(&item->dead, memory_order_relaxed);
}

// pattern_trie.c: for beg, end, sub, dir, dom. The text is folded.
#define PATTERN_MAX_TRIE ((size_t)1 << 24) // items
struct pattern_trie;
void pattern_trie_build(struct pattern_list *l);
void pattern_trie_free(struct pattern_trie **trie); // NULL is fine
const struct pattern_entry *pattern_trie_match(const struct pattern_list *l, struct str text);

const struct pattern_entry *pattern_build_none(const struct pattern_list *l, const struct sample *s,
					       struct sample_ctx *ctx);
