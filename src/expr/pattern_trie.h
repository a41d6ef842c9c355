// SPDX-License-Identifier: MIT
// Beginnings, ends, parts and words: all texts of a list in one compressed trie, entered wherever
// a match may begin. A lookup follows at most one path for each such place, so its cost does not
// grow with the number of texts. On the way down only the bytes that tell entries apart are looked
// at; one comparison with an entry below then says how far the path was right, and a second walk
// over the same nodes, now in the cache, visits the entries that end within that length.
//
// Where many texts part, eight bytes are gone at once: a wide node leads by a hash of them, and of
// itself, straight to what follows. Mostly that is a single text: its item then stands where the
// hash says (pattern_ranks.h), so one item is fetched from memory and hardly anything else. Nodes
// that follow are found in a table. Texts that end within the eight bytes have a tree of their own
// there. The root is such a node.
//
// A reference is an index into the pool, or a leaf: LEAF, seven bits that most other texts have
// not, and the number of the only item below. A node is
//     number of kids, and ENDS when an item ends here; or WIDE
//     how many bytes all below have in common: the next one tells the kids apart
//     number of some item below
//     ENDS: number of the item that ends here; WIDE: the tree of short texts, and no more
//     up to eight kids: their labels in two words, a reference for each label
//     more: a reference for each class of bytes; a byte that stands in no text has class 0
#pragma once

#include "expr/pattern_priv.h"

#define LEAF        0x80000000u
#define ITEM_MASK   0x00ffffffu
#define CHECK_SHIFT 24
#define CHECK_NONE  0x7fu // too few bytes are left to be checked
#define CHECK_BYTES 3u
#define ENDS        0x200u
#define WIDE        0x400u
#define FEW_KIDS    8u
#define LABEL_WORDS 2u
#define HEAD_WORDS  3u
#define HEAD_BYTES  8u  // that a wide node takes
#define WIDE_FROM   256 // items

_Static_assert(PATTERN_MAX_TRIE == ITEM_MASK + 1, "a leaf holds an item's number");

struct pattern_trie {
	uint8_t class[256];
	uint32_t n_classes; // class 0 included
	uint32_t *pool;
	uint32_t root;
	struct pattern_index nodes; // that follow eight bytes behind a wide node; items: l->ranks
	bool any_nodes;
	uint64_t *filter; // sub, dir, dom: three bits for each of both, in a word for five
	uint32_t n_filter;
};

static inline uint8_t
byte_at(struct str s, size_t i, bool from_end)
{
	return (uint8_t)s.p[from_end ? s.n - 1 - i : i];
}

// The eight bytes from `at` on.
static inline uint64_t
head_at(struct str s, size_t at, bool back)
{
	uint64_t head;
	memcpy(&head, s.p + (back ? s.n - at - HEAD_BYTES : at), HEAD_BYTES);
	bool little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
	return little == back ? head : __builtin_bswap64(head);
}

// Both halves of a product, as wyhash and foldhash have it.
static inline uint64_t
hash_head(uint64_t head, uint32_t wide)
{
	unsigned __int128 m =
	    (unsigned __int128)(head ^ UINT64_C(0x9e3779b97f4a7c15) * (wide + 1u)) *
	    UINT64_C(0xd6e8feb86659fd93);
	return (uint64_t)(m >> 64) ^ (uint64_t)m;
}

// How many bytes a and b have in common, `least` being known.
static inline size_t
common(struct str a, struct str b, size_t least, bool back)
{
	size_t n = MIN(a.n, b.n), i = least;
	while (i < n && byte_at(a, i, back) == byte_at(b, i, back))
		i++;
	return i;
}

static inline uint32_t
check_of(struct str s, size_t depth, bool back)
{
	if (s.n < depth + CHECK_BYTES)
		return CHECK_NONE;
	uint32_t h = byte_at(s, depth, back) * 31u + byte_at(s, depth + 1, back);
	h = h * 31u + byte_at(s, depth + 2, back);
	return (h * 2654435761u >> 16) % CHECK_NONE;
}

static inline uint64_t
filter_bits(uint64_t hash)
{
	return UINT64_C(1) << (hash & 63) | UINT64_C(1) << (hash >> 6 & 63) |
	       UINT64_C(1) << (hash >> 12 & 63);
}

// In a word of 64 bits that five of them share: one in a hundred others passes.
static inline size_t
filter_place(const struct pattern_trie *trie, uint64_t hash)
{
	return (hash >> 32) * trie->n_filter >> 32;
}
