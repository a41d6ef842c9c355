// SPDX-License-Identifier: MIT
// Free list of equal objects: the one given back last is handed out first, warm in the cache.
// Belongs to one thread. Objects come back with their old content: the owner initialises.
#pragma once

#include "base/base.h"

struct pool {
	void *free;          // first free object; its first word points at the next
	size_t object_bytes; // rounded up to a cache line when asked for
	uint32_t n_free;
	uint32_t keep; // free objects beyond this go back to malloc
	uint32_t n_live;
	uint32_t n_returned; // to malloc, ever; wraps
};

void pool_init(struct pool *p, size_t object_bytes, uint32_t keep);
// Frees the free objects; live ones must have come back.
void pool_fini(struct pool *p);
void *pool_grow(struct pool *p);
void pool_put(struct pool *p, void *object);

// NULL when there is no memory.
static inline void *
pool_get(struct pool *p)
{
	void *o = p->free;
	if (UNLIKELY(o == NULL))
		return pool_grow(p);
	__builtin_memcpy(&p->free, o, sizeof(p->free));
	p->n_free--;
	p->n_live++;
	return o;
}
