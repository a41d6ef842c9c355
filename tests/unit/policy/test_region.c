// SPDX-License-Identifier: MIT
// A state's memory: what is handed out keeps its bytes and overlaps nothing, the blocks agree at
// any time, and all of the mapping can be had again whatever came before.
#include "policy/region.h"

#include <stdlib.h>
#include <string.h>

#include "tap.h"

#define BYTES  ((size_t)256 << 10)
#define SLOTS  512
#define ROUNDS 40000

static struct {
	unsigned char *p;
	size_t n;
	unsigned char mark;
} slots[SLOTS];

static uint32_t seed = 1;

static unsigned
any(unsigned n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

static bool
holds(unsigned i)
{
	for (size_t k = 0; k < slots[i].n; k++)
		if (slots[i].p[k] != slots[i].mark)
			return false;
	return true;
}

// Mostly small, as Lua asks.
static size_t
some_bytes(void)
{
	switch (any(8)) {
	case 0:
		return 1 + any(5000);
	case 1:
		return 100 + any(60); // about where blocks no longer wait
	default:
		return 1 + any(100);
	}
}

static bool
change(struct region *r, unsigned i, size_t n)
{
	bool ok = holds(i);
	size_t both = MIN(n, slots[i].n);
	unsigned char *p = region_realloc(r, slots[i].p, slots[i].n, n);
	if (p == NULL && n > 0)
		return ok && (slots[i].p == NULL || n > slots[i].n); // full: as before
	for (size_t k = 0; slots[i].p != NULL && k < both; k++)
		ok &= p[k] == slots[i].mark;
	ok &= (uintptr_t)p % 8 == 0;
	slots[i].p = p;
	slots[i].n = n;
	slots[i].mark = (unsigned char)any(256);
	if (n > 0)
		memset(p, slots[i].mark, n);
	return ok;
}

static void
test_random(void)
{
	struct region r;
	unsigned bad = 0, disagree = 0;
	OK(region_map(&r, BYTES));
	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned at = any(SLOTS);
		bad += !change(&r, at, slots[at].p != NULL && any(2) ? 0 : some_bytes());
		disagree += i % 16 == 0 && !region_check(&r);
	}
	IS_INT(bad, 0);
	IS_INT(disagree, 0);
	OK(r.failures > 0 && r.peak <= BYTES); // it was full, too
	for (unsigned i = 0; i < SLOTS; i++)
		bad += !change(&r, i, 0);
	IS_INT(bad, 0);
	IS_INT(r.used, 0);
	OK(region_check(&r));
	void *all = region_realloc(&r, NULL, 0, BYTES - BYTES / 8);
	OK(all != NULL); // small blocks that wait are no loss
	OK(region_realloc(&r, NULL, 0, BYTES / 8) == NULL);
	region_unmap(&r);
}

// The last one given back is the next one handed out; not more wait than may.
static void
test_small(void)
{
	struct region r;
	void *p[2 * REGION_QUICK_MOST];
	OK(region_map(&r, BYTES));
	void *first = region_realloc(&r, NULL, 0, 40);
	(void)region_realloc(&r, first, 40, 0);
	IS_INT(r.used, 0);
	OK(region_realloc(&r, NULL, 0, 33) == first);
	for (unsigned i = 0; i < ARRAY_LEN(p); i++)
		p[i] = region_realloc(&r, NULL, 0, 40);
	size_t used = r.used;
	for (unsigned i = 0; i < ARRAY_LEN(p); i++)
		(void)region_realloc(&r, p[i], 40, 0);
	IS_INT(used - r.used, 48 * ARRAY_LEN(p));
	OK(region_check(&r));
	OK(region_realloc(&r, NULL, 0, 40) == p[REGION_QUICK_MOST - 1]);
	OK(region_check(&r));
	region_unmap(&r);
}

static void
test_hopeless(void)
{
	struct region r;
	OK(region_map(&r, BYTES));
	OK(region_realloc(&r, NULL, 0, SIZE_MAX) == NULL);
	OK(region_realloc(&r, NULL, 0, SIZE_MAX - 8) == NULL);
	OK(region_realloc(&r, NULL, 0, BYTES) == NULL);
	void *p = region_realloc(&r, NULL, 0, 10);
	OK(region_realloc(&r, p, 10, SIZE_MAX - 8) == NULL);
	OK(region_check(&r));
	region_unmap(&r);
}

int
main(void)
{
	test_random();
	test_small();
	test_hopeless();
	return tap_done();
}
