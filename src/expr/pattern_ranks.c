// SPDX-License-Identifier: MIT
// Building what pattern_ranks.h looks into.

#include "expr/pattern_ranks.h"

#include <string.h>

#include "base/mem.h"

#define BUCKET_KEYS 4u // on average
#define MOST_KEYS   8u // in a bucket for which a seed is looked for

void
pattern_ranks_sort(struct pattern_ranks *x, struct rank_key *v, size_t n)
{
	x->n_lines = (uint32_t)(n / (BUCKET_KEYS * RANK_BUCKETS) + 1);
	x->line = mem_large((x->n_lines + (size_t)1) * sizeof(*x->line));
	size_t n_buckets = (size_t)x->n_lines * RANK_BUCKETS;
	uint32_t *next = mem_zalloc((n_buckets + 1) * sizeof(*next));
	struct rank_key *sorted = mem_alloc((n + 1) * sizeof(*sorted));
	for (size_t i = 0; i < n; i++)
		next[ranks_bucket(x, v[i].hash) + 1]++;
	for (size_t i = 0; i < n_buckets; i++)
		next[i + 1] += next[i];
	for (size_t i = 0; i < n; i++)
		sorted[next[ranks_bucket(x, v[i].hash)]++] = v[i];
	memcpy(v, sorted, n * sizeof(*v));
	mem_free(sorted);
	mem_free(next);
}

// The seed that gives each of the keys another place.
static uint8_t
find_seed(const struct rank_key *v, uint32_t n)
{
	uint32_t hash[MOST_KEYS];
	for (uint32_t i = 0; n <= MOST_KEYS && i < n; i++)
		hash[i] = rank_hash(v[i].hash);
	for (uint32_t seed = 0; n <= MOST_KEYS && seed < RANK_UNKNOWN; seed++) {
		uint32_t taken = 0, i = 0, bit;
		for (; i < n; i++, taken |= bit) {
			bit = 1u << rank_place(hash[i], seed, n);
			if (taken & bit)
				break;
		}
		if (i == n)
			return (uint8_t)seed;
	}
	return RANK_UNKNOWN;
}

static uint8_t
fill_bucket(struct rank_key *v, uint32_t n)
{
	struct rank_key old[MOST_KEYS];
	uint8_t seed = find_seed(v, n);
	for (uint32_t i = 0; seed != RANK_UNKNOWN && i < n; i++)
		old[i] = v[i];
	for (uint32_t i = 0; seed != RANK_UNKNOWN && i < n; i++)
		v[rank_place(rank_hash(old[i].hash), seed, n)] = old[i];
	return seed;
}

void
pattern_ranks_fill(struct pattern_ranks *x, struct rank_key *v, size_t n)
{
	size_t at = 0, bucket = 0;
	for (size_t i = 0; i < x->n_lines; i++) {
		struct rank_line *line = &x->line[i];
		line->first = (uint32_t)at;
		for (size_t k = 0; k < RANK_BUCKETS; k++, bucket++) {
			size_t from = at;
			while (at < n && ranks_bucket(x, v[at].hash) == bucket)
				at++;
			line->end[k] = (uint8_t)MIN(at - line->first, RANK_MANY);
			line->seed[k] = RANK_UNKNOWN;
			if (line->end[k] < RANK_MANY)
				line->seed[k] = fill_bucket(v + from, (uint32_t)(at - from));
		}
	}
	ASSERT(at == n);
	x->line[x->n_lines].first = (uint32_t)n;
	x->tag = mem_large(n + 1);
	for (size_t i = 0; i < n; i++)
		x->tag[i] = (uint8_t)v[i].hash;
}

void
pattern_ranks_fini(struct pattern_ranks *x)
{
	mem_free(x->line);
	mem_free(x->tag);
	*x = (struct pattern_ranks){0};
}
