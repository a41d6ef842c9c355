// SPDX-License-Identifier: MIT
// A capped bump allocator: a transaction's scratch memory. Everything in it dies at once, at
// arena_reset. At its cap it answers NULL and the owner answers its peer (431, 413, 500).
// One thread.
#pragma once

#include "base/base.h"

struct arena_block;

struct arena {
	char *at;                  // next free byte of the newest block
	char *end;                 // its end
	struct arena_block *block; // newest; linked to the older
	size_t used_bytes;         // sum of all blocks' sizes
	size_t cap_bytes;          // limit of used_bytes
	bool must;                 // without memory the process ends, as mem_alloc does
};

// No memory is taken before the first allocation.
void arena_init(struct arena *a, size_t cap_bytes);
// The same for what set-up makes and the process cannot be without.
void arena_init_must(struct arena *a, size_t cap_bytes);
// Frees all; the arena can be used again.
void arena_fini(struct arena *a);
// Forgets all allocations; keeps one block to start with warm memory.
void arena_reset(struct arena *a);
void *arena_grow(struct arena *a, size_t bytes, size_t align);
// Gives back what was allocated since a->at was `mark`; nobody may use it any more. What an older
// block had left by then is lost, the newest block is all free.
void arena_rewind(struct arena *a, char *mark);
// Text made by printf, NUL-terminated; NULL at the cap.
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

// NULL at the cap. `align` is a power of two.
static inline void *
arena_alloc(struct arena *a, size_t bytes, size_t align)
{
	uintptr_t p = ((uintptr_t)a->at + (align - 1)) & ~(uintptr_t)(align - 1);
	if (UNLIKELY(a->at == NULL || p > (uintptr_t)a->end || bytes > (uintptr_t)a->end - p))
		return arena_grow(a, bytes, align);
	a->at = (char *)(p + bytes);
	return (void *)p;
}

#define ARENA_NEW(arena, type) ((type *)arena_zalloc((arena), sizeof(type), alignof(type)))
void *arena_zalloc(struct arena *a, size_t bytes, size_t align);
