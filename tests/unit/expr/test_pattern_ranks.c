// SPDX-License-Identifier: MIT
// Every key is among the items that its hash leads to: few and many, equal hashes, hashes that
// crowd in one bucket or one line, and some taken out between sorting and filling.

#include "expr/pattern_ranks.h"
#include "expr_fixture.h"

#define MAX_KEYS 60000

static uint64_t
random_hash(void)
{
	static uint64_t state = 88172645463325252u; // a hash must be better than fix_below is
	state ^= state << 13;
	state ^= state >> 7;
	return state ^= state << 17;
}

enum crowd { SPREAD, EQUAL_HASHES, ONE_PLACE, ONE_BUCKET, HALF_IN_ONE };

static uint64_t
hash_for(enum crowd c, size_t i)
{
	static uint64_t last;
	uint64_t hash = random_hash();
	if (c == EQUAL_HASHES && i > 0 && fix_below(3) == 0)
		hash = last;
	if (c == ONE_PLACE)
		hash &= ~(uint64_t)UINT32_MAX;
	if (c == ONE_BUCKET || (c == HALF_IN_ONE && i % 2 == 0))
		hash &= UINT32_MAX;
	return last = hash;
}

static bool
leads_to(const struct pattern_ranks *x, uint64_t hash, uint32_t item)
{
	struct rank_range r = ranks_find(x, hash);
	return item >= r.first && item < r.first + r.n && ranks_tag_is(x, item, hash);
}

static void
test_ranks(size_t n, enum crowd c, bool drop)
{
	static struct rank_key v[MAX_KEYS], before[MAX_KEYS];
	static bool seen[MAX_KEYS];
	struct pattern_ranks x = {0};
	size_t unsorted = 0, wrong = 0, found = 0, kept = 0, looked = 0;
	for (size_t i = 0; i < n; i++)
		v[i] = (struct rank_key){.hash = hash_for(c, i), .item = (uint32_t)i};
	memcpy(before, v, sizeof(v));
	pattern_ranks_sort(&x, v, n);
	for (size_t i = 1; i < n; i++) {
		size_t a = ranks_bucket(&x, v[i - 1].hash), b = ranks_bucket(&x, v[i].hash);
		unsorted += a > b || (a == b && v[i - 1].item > v[i].item);
	}
	OK(unsorted == 0);
	for (size_t i = 0; i < n; i++)
		if (!drop || fix_below(4) != 0)
			v[kept++] = v[i];
	pattern_ranks_fill(&x, v, kept);
	memset(seen, 0, sizeof(seen));
	for (size_t i = 0; i < kept; i++) {
		wrong += seen[v[i].item] || v[i].hash != before[v[i].item].hash;
		seen[v[i].item] = true;
		wrong += !leads_to(&x, v[i].hash, (uint32_t)i);
		looked += ranks_find(&x, v[i].hash).n;
	}
	OK(wrong == 0);
	OK(c != SPREAD || looked <= kept * 2); // else no seed was found where there is one
	for (size_t i = 0; i < 1000; i++) {    // whatever is asked for, no item beyond the last
		struct rank_range r = ranks_find(&x, random_hash());
		found += r.n;
		wrong += r.first + r.n > kept;
	}
	OK(wrong == 0);
	OK(c != SPREAD || n < 1000 || found > 500);
	pattern_ranks_fini(&x);
}

int
main(void)
{
	static const size_t sizes[] = {0, 1, 5, 119, 300, 5000, MAX_KEYS};
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		for (int c = SPREAD; c <= HALF_IN_ONE; c++)
			for (int drop = 0; drop < 2; drop++)
				test_ranks(sizes[i], (enum crowd)c, drop);
	return tap_done();
}
