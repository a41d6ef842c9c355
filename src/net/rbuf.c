// SPDX-License-Identifier: MIT
// Receive buffers: a pool of one size, counted references.
#include "net/rbuf.h"

void
rbuf_pool_init(struct rbuf_pool *p, uint32_t cap_bytes, uint32_t keep)
{
	p->cap = cap_bytes;
	pool_init(&p->pool, sizeof(struct rbuf) + cap_bytes, keep);
}

void
rbuf_pool_fini(struct rbuf_pool *p)
{
	pool_fini(&p->pool);
}

struct rbuf *
rbuf_new(struct rbuf_pool *p)
{
	struct rbuf *b = pool_get(&p->pool);
	if (UNLIKELY(b == NULL))
		return NULL;
	b->refs = 1;
	b->cap = p->cap;
	b->at = 0;
	b->end = 0;
	b->from = p;
	b->next = NULL;
	return b;
}

void
rbuf_free(struct rbuf *b)
{
	ASSERT(b->refs == 0);
	pool_put(&b->from->pool, b);
}
