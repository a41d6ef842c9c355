// SPDX-License-Identifier: MIT
// What is not in a set, told without a look at the set: beginnings of texts (pattern_trie.h) and
// networks (pattern_net.c) are names, hashes of 64 bits, and a filter knows which names there are.
// It has 13 bits for each, so that it stays in the caches where the items do not, and a lookup that
// could find any of many names asks for all of them there, but fetches only what is found.
//
// A word is shared by five names. Three bits of it tell that there is such a name, which is wrong
// for one in a hundred others; a fourth, that an item has it; three more, that others follow. After
// "Cache-, Hash- and Space-Efficient Bloom Filters" (Putze, Sanders, Singler; WEA 2007).
#pragma once

#include "base/base.h"

struct pattern_filter {
	uint64_t *word;
	uint64_t n;
};

// Room for n names. mem_free(f.word) ends it.
struct pattern_filter pattern_filter_new(size_t n);

// Of n bytes, or bits, behind those that have the hash `before`: both halves of a product, as
// wyhash and foldhash have it. Nothing has the list's seed: with one that is known, steps that lead
// to the same hash are found by subtraction.
static inline uint64_t
hash_step(uint64_t before, uint64_t step, unsigned n)
{
	unsigned __int128 m =
	    (unsigned __int128)(step ^ (before + n * UINT64_C(0xa0761d6478bd642f))) *
	    UINT64_C(0xd6e8feb86659fd93);
	return (uint64_t)(m >> 64) ^ (uint64_t)m;
}

// Where the name's bits are.
static inline uint64_t *
filter_word(struct pattern_filter f, uint64_t hash)
{
	return &f.word[(hash >> 32) * f.n >> 32];
}

static inline uint64_t
filter_any(uint64_t hash)
{
	return UINT64_C(1) << (hash & 63) | UINT64_C(1) << (hash >> 6 & 63) |
	       UINT64_C(1) << (hash >> 12 & 63);
}

static inline uint64_t
filter_item(uint64_t hash)
{
	return UINT64_C(1) << (hash >> 18 & 63);
}

static inline uint64_t
filter_on(uint64_t hash)
{
	return UINT64_C(1) << (hash >> 24 & 63) | UINT64_C(1) << (hash >> 30 & 63) |
	       UINT64_C(1) << (hash >> 36 & 63);
}

static inline void
filter_add_item(struct pattern_filter f, uint64_t hash)
{
	*filter_word(f, hash) |= filter_any(hash) | filter_item(hash);
}

static inline bool
filter_has_item(struct pattern_filter f, uint64_t hash)
{
	uint64_t bits = filter_any(hash) | filter_item(hash);
	return (*filter_word(f, hash) & bits) == bits;
}
