// SPDX-License-Identifier: MIT
// The memory of one Lua state: one mapping with an allocator of its own, so that a state's cap
// is the mapping's size and throwing a state away, in whatever condition, is one munmap.
// Private to policy. One thread at a time.
//
// Two-level segregated fit: constant time, coalescing at once, nothing outside the mapping but
// struct region. Every byte of the mapping belongs to a block; a block is a size word followed by
// its payload, aligned to 8; two free blocks are never neighbours.
#pragma once

#include "base/base.h"

#define REGION_FIRST_BITS  28 // largest block: 2^(REGION_FIRST_BITS + 7) bytes
#define REGION_SECOND_BITS 4
#define REGION_SECOND      (1u << REGION_SECOND_BITS)

struct region_block;

struct region {
	char *base; // NULL: not mapped
	size_t bytes;
	size_t used, peak; // bytes in blocks that are handed out
	uint64_t failures; // requests refused for lack of room
	uint32_t first_map;
	uint32_t second_map[REGION_FIRST_BITS];
	struct region_block *free[REGION_FIRST_BITS][REGION_SECOND];
};

// False when the kernel has no room. `bytes` is rounded up to a page.
bool region_map(struct region *r, size_t bytes);
void region_unmap(struct region *r);
// The signature of lua_Alloc: `ud` is the region. NULL at the cap; shrinking never fails.
void *region_realloc(void *ud, void *p, size_t old_bytes, size_t bytes);
// True when the blocks and lists agree; for tests.
bool region_check(const struct region *r);
