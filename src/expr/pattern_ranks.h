// SPDX-License-Identifier: MIT
// From a hash to the one item that may have it, when items stand in an order that hashes give: a
// minimal perfect hash of small buckets. No reference is kept. A bucket knows where its items
// begin, and the number by which hashing again sends each of its few items to a place of its own;
// where none was found (for about one key in nine), all of them are looked at. That is four bits an
// item: what leads to a million of them stays in the nearer caches, where sixteen bytes each would
// be fetched from memory as the item is. Eight more bits of each hash stand apart: they are read
// while the item is on its way, and mostly tell that the key is absent before it arrives.
// After "RecSplit: Minimal Perfect Hashing via Recursive Splitting" (Esposito, Graf, Vigna; ALENEX
// 2020): its leaves alone, and buckets that are not split. Immutable once filled; any thread looks.
#pragma once

#include "base/base.h"

#define RANK_BUCKETS 30u  // of a line
#define RANK_UNKNOWN 255u // no seed: all items of the bucket
#define RANK_MANY    255u

// A line of the cache. Its items stand from `first` on; those of bucket i end before
// first + end[i]; RANK_MANY: with the line.
struct rank_line {
	uint32_t first;
	uint8_t end[RANK_BUCKETS];
	uint8_t seed[RANK_BUCKETS];
};
_Static_assert(sizeof(struct rank_line) == CACHE_LINE, "a lookup fetches one line");

struct pattern_ranks {
	struct rank_line *line; // one more than n_lines, which tells where the last one ends
	uint8_t *tag;           // of each item
	uint32_t n_lines;
};

struct rank_key {
	uint64_t hash;
	uint32_t item;
	uint32_t last; // for whoever builds
};

// Makes room for n keys and sorts them by buckets; those of a bucket stay in the order in which
// they are given.
void pattern_ranks_sort(struct pattern_ranks *x, struct rank_key *v, size_t n);
// Then, once: the sorted keys, or those of them that are to be found. Sorts them into the order in
// which their items have to stand: v[i] is found as i.
void pattern_ranks_fill(struct pattern_ranks *x, struct rank_key *v, size_t n);
void pattern_ranks_fini(struct pattern_ranks *x);

// The first 32 bits of a hash tell the bucket, the last 32 the place in it.
static inline size_t
ranks_bucket(const struct pattern_ranks *x, uint64_t hash)
{
	return (hash >> 32) * ((uint64_t)x->n_lines * RANK_BUCKETS) >> 32;
}

static inline uint32_t
rank_hash(uint64_t hash)
{
	return (uint32_t)hash * 0x85ebca6bu;
}

static inline uint32_t
rank_place(uint32_t hash, uint32_t seed, uint32_t n)
{
	hash += seed * 0x9e3779b9u;
	hash = (hash ^ hash >> 15) * 0xc2b2ae35u;
	return (uint32_t)((uint64_t)hash * n >> 32);
}

static inline void
ranks_prefetch(const struct pattern_ranks *x, uint64_t hash)
{
	__builtin_prefetch(&x->line[ranks_bucket(x, hash) / RANK_BUCKETS]);
}

// The items that may have a hash: n from first on.
struct rank_range {
	uint32_t first, n;
};

static inline struct rank_range
ranks_find(const struct pattern_ranks *x, uint64_t hash)
{
	size_t bucket = ranks_bucket(x, hash), i = bucket % RANK_BUCKETS;
	const struct rank_line *line = &x->line[bucket / RANK_BUCKETS];
	uint32_t from = i > 0 ? line->end[i - 1] : 0, end = line->end[i];
	if (UNLIKELY(end == RANK_MANY))
		end = line[1].first - line->first;
	struct rank_range all = {line->first + from, end - from};
	if (line->seed[i] == RANK_UNKNOWN || all.n == 0)
		return all;
	return (struct rank_range){all.first + rank_place(rank_hash(hash), line->seed[i], all.n),
				   1};
}

static inline bool
ranks_tag_is(const struct pattern_ranks *x, uint32_t item, uint64_t hash)
{
	return x->tag[item] == (uint8_t)hash;
}
