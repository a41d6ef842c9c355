// SPDX-License-Identifier: MIT
// Bump allocation over blocks that double in size up to a cap.
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define ARENA_BLOCK_MIN_BYTES 2048u

struct arena_block {
	struct arena_block *older;
	size_t bytes; // of data, behind this header
	alignas(16) char data[];
};

void
arena_init(struct arena *a, size_t cap_bytes)
{
	*a = (struct arena){.cap_bytes = cap_bytes};
}

void
arena_init_must(struct arena *a, size_t cap_bytes)
{
	*a = (struct arena){.cap_bytes = cap_bytes, .must = true};
}

static void
free_blocks(struct arena_block *b)
{
	while (b != NULL) {
		struct arena_block *older = b->older;
		mem_free(b);
		b = older;
	}
}

void
arena_fini(struct arena *a)
{
	free_blocks(a->block);
	*a = (struct arena){.cap_bytes = a->cap_bytes, .must = a->must};
}

void
arena_reset(struct arena *a)
{
	struct arena_block *keep = a->block;
	if (keep == NULL)
		return;
	free_blocks(keep->older);
	keep->older = NULL;
	a->at = keep->data;
	a->used_bytes = keep->bytes;
}

void
arena_rewind(struct arena *a, char *mark)
{
	struct arena_block *b = a->block;
	if (b == NULL)
		return;
	bool here = (uintptr_t)mark >= (uintptr_t)b->data && (uintptr_t)mark <= (uintptr_t)a->end;
	a->at = here ? mark : b->data;
}

void *
arena_grow(struct arena *a, size_t bytes, size_t align)
{
	size_t want =
	    MAX((size_t)ARENA_BLOCK_MIN_BYTES, a->block != NULL ? a->block->bytes * 2 : 0);
	if (bytes > a->cap_bytes)
		return NULL;
	want = MAX(want, bytes + align);
	size_t left = a->cap_bytes - a->used_bytes;
	if (want > left)
		want = left;
	if (want < bytes + align - 1)
		return NULL;
	struct arena_block *b = mem_try_realloc(NULL, sizeof(*b) + want);
	if (b == NULL && a->must)
		panic_oom(want);
	if (b == NULL)
		return NULL;
	*b = (struct arena_block){.older = a->block, .bytes = want};
	a->block = b;
	a->used_bytes += want;
	a->at = b->data;
	a->end = b->data + want;
	return arena_alloc(a, bytes, align);
}

void *
arena_zalloc(struct arena *a, size_t bytes, size_t align)
{
	void *p = arena_alloc(a, bytes, align);
	return p != NULL ? memset(p, 0, bytes) : NULL;
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	char *p = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1, 1);
	if (p != NULL)
		(void)vsnprintf(p, (size_t)n + 1, fmt, again); // sized by the first pass
	va_end(again);
	return p;
}
