// SPDX-License-Identifier: MIT
// malloc with one policy: what must exist aborts cleanly, what may fail says so.
#include "base/mem.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static _Atomic unsigned fail_countdown; // test shim only; 0 = off

void *
mem_alloc(size_t bytes)
{
	void *p = malloc(MAX(bytes, (size_t)1));
	if (UNLIKELY(p == NULL))
		panic_oom(bytes);
	return p;
}

void *
mem_zalloc(size_t bytes)
{
	void *p = calloc(1, MAX(bytes, (size_t)1));
	if (UNLIKELY(p == NULL))
		panic_oom(bytes);
	return p;
}

void *
mem_aligned(size_t align, size_t bytes)
{
	void *p;
	size_t rounded = (bytes + align - 1) & ~(align - 1);
	if (UNLIKELY(posix_memalign(&p, MAX(align, sizeof(void *)), rounded) != 0))
		panic_oom(bytes);
	memset(p, 0, rounded);
	return p;
}

void *
mem_large(size_t bytes)
{
	void *p;
	if (bytes < LARGE_PAGE)
		return mem_aligned(CACHE_LINE, bytes);
	size_t rounded = (bytes + LARGE_PAGE - 1) & ~(LARGE_PAGE - 1);
	if (UNLIKELY(posix_memalign(&p, LARGE_PAGE, rounded) != 0))
		panic_oom(bytes);
	(void)madvise(p, rounded, MADV_HUGEPAGE); // a wish: small pages do as well
	memset(p, 0, rounded);
	return p;
}

void *
mem_realloc(void *p, size_t bytes)
{
	void *q = realloc(p, MAX(bytes, (size_t)1));
	if (UNLIKELY(q == NULL))
		panic_oom(bytes);
	return q;
}

static bool
shim_says_fail(void)
{
	unsigned n = atomic_load_explicit(&fail_countdown, memory_order_relaxed);
	if (LIKELY(n == 0))
		return false;
	atomic_store_explicit(&fail_countdown, n - 1, memory_order_relaxed);
	return n == 1;
}

void *
mem_try_realloc(void *p, size_t bytes)
{
	if (UNLIKELY(shim_says_fail()))
		return NULL;
	return realloc(p, MAX(bytes, (size_t)1));
}

char *
mem_strdup(const char *s)
{
	size_t n = strlen(s) + 1;
	return memcpy(mem_alloc(n), s, n);
}

void
mem_free(void *p)
{
	free(p);
}

void
mem_fail_after(unsigned nth)
{
	atomic_store_explicit(&fail_countdown, nth, memory_order_relaxed);
}

void
mem_trim(void)
{
	(void)malloc_trim(0); // whether anything went is of no interest
}
