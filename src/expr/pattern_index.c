// SPDX-License-Identifier: MIT
// From hashes to references: eight bytes each, so that a lookup costs one miss of the cache.

#include "base/mem.h"
#include "expr/pattern_priv.h"

void
pattern_index_init(struct pattern_index *x, size_t n)
{
	unsigned bits = 4;
	while (((size_t)1 << bits) < n * 2)
		bits++;
	x->shift = 64 - bits;
	x->slot = mem_large(sizeof(*x->slot) << bits);
}

void
pattern_index_add(struct pattern_index *x, uint64_t hash, uint32_t ref)
{
	size_t at = index_place(x, hash), mask = SIZE_MAX >> x->shift;
	while (x->slot[at & mask] != 0)
		at++;
	x->slot[at & mask] = (hash & UINT32_MAX) << 32 | ref;
}
