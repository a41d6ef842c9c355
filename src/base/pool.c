// SPDX-License-Identifier: MIT
// Free lists of equal objects.
#include "base/pool.h"

#include <string.h>

#include "base/mem.h"

void
pool_init(struct pool *p, size_t object_bytes, uint32_t keep)
{
	*p = (struct pool){.object_bytes = MAX(object_bytes, sizeof(void *)), .keep = keep};
}

void *
pool_grow(struct pool *p)
{
	void *o = mem_try_realloc(NULL, p->object_bytes);
	if (o != NULL)
		p->n_live++;
	return o;
}

void
pool_put(struct pool *p, void *object)
{
	ASSERT(p->n_live > 0);
	p->n_live--;
	if (p->n_free >= p->keep) {
		p->n_returned++;
		mem_free(object);
		return;
	}
	memcpy(object, &p->free, sizeof(p->free));
	p->free = object;
	p->n_free++;
}

void
pool_fini(struct pool *p)
{
	ASSERT(p->n_live == 0);
	while (p->free != NULL) {
		void *o = p->free;
		memcpy(&p->free, o, sizeof(p->free));
		mem_free(o);
	}
	p->n_free = 0;
}
