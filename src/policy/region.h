// SPDX-License-Identifier: MIT
// The memory of one Lua state: one mapping with an allocator of its own, so that a state's cap
// is the mapping's size and throwing a state away, in whatever condition, is one munmap.
// Private to policy. One thread at a time.
//
// Two-level segregated fit: constant time, coalescing at once, nothing outside the mapping but
// struct region. A small block that is given back waits, as if in use, on a list of its size for
// the next one like it (most of what Lua allocates is strings); when there is no room, all of them
// are joined first. Every byte of the mapping belongs to a block; a block is a size word followed
// by its payload, aligned to 8; two free blocks are never neighbours.
#pragma once

#include "base/base.h"

#define REGION_FIRST_BITS  28 // largest block: 2^(REGION_FIRST_BITS + 7) bytes
#define REGION_SECOND_BITS 4
#define REGION_SECOND      (1u << REGION_SECOND_BITS)
#define REGION_QUICK_BYTES 128u  // the largest block that waits
#define REGION_QUICK_MOST  1024u // blocks of one size that wait

struct region_block;

struct region {
	char *base; // NULL: not mapped
	size_t bytes;
	size_t used, peak; // bytes in blocks that are handed out
	uint64_t failures; // requests refused for lack of room
	uint32_t first_map;
	uint32_t second_map[REGION_FIRST_BITS];
	struct region_quick { // by size in units
		struct region_block *first;
		unsigned n;
	} quick[REGION_QUICK_BYTES / 16 + 1];
	struct region_block *free[REGION_FIRST_BITS][REGION_SECOND];
};

// False when the kernel has no room. `bytes` is rounded up to a page.
bool region_map(struct region *r, size_t bytes);
void region_unmap(struct region *r);
// The signature of lua_Alloc: `ud` is the region. NULL at the cap; shrinking never fails.
void *region_realloc(void *ud, void *p, size_t old_bytes, size_t bytes);
// True when the blocks and lists agree; for tests.
bool region_check(const struct region *r);
