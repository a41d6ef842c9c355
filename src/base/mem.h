// SPDX-License-Identifier: MIT
// The only door to malloc. Fixed structures, whose number limits bound, come from here and the
// process ends cleanly when there is no memory; what a peer can make grow uses mem_try_*.
#pragma once

#include "base/base.h"

// Never NULL; aborts with a message when there is no memory. mem_zalloc zeroes.
void *mem_alloc(size_t bytes) MUST_CHECK;
void *mem_zalloc(size_t bytes) MUST_CHECK;
void *mem_realloc(void *p, size_t bytes) MUST_CHECK;
// Zeroed, at an alignment that is a power of two. Never NULL; end with mem_free.
void *mem_aligned(size_t align, size_t bytes) MUST_CHECK;
// Zeroed, at a cache line's beginning; from LARGE_PAGE bytes on in large pages, where the system
// has them: for tables that are looked into all over, where a small page's miss of the address
// cache costs as much as the data's. Never NULL; end with mem_free.
#define LARGE_PAGE ((size_t)2 << 20)
void *mem_large(size_t bytes) MUST_CHECK;
// NULL when there is no memory or the test shim says so.
void *mem_try_realloc(void *p, size_t bytes) MUST_CHECK;
char *mem_strdup(const char *s) MUST_CHECK;
// NULL is fine.
void mem_free(void *p);
// Gives free pages back to the system, those between live ones too: some milliseconds for each
// hundred MiB.
void mem_trim(void);

// A zeroed struct of the type.
#define MEM_NEW(type) ((type *)mem_zalloc(sizeof(type)))

// Makes room for one more element in a growing array: `ptr` and `cap` are updated, n is the
// number in use. For set-up paths; never on the way of a request.
#define VEC_GROW(ptr, cap, n)                                                                \
	((n) < (cap) ? (void)0                                                               \
		     : (void)((ptr) = mem_realloc((ptr), ((cap) = (cap) > 0 ? (cap)*2 : 8) * \
							     sizeof(*(ptr)))))

// Test shim: the nth following mem_try_* call fails (1 = the next; 0 = none). Per process.
void mem_fail_after(unsigned nth);
