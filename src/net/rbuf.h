// SPDX-License-Identifier: MIT
// Counted receive buffers of one fixed size, from a pool of the loop's thread. A conn holds one
// only while there is something to read; a transaction whose head points into one holds a
// reference of its own. With io_uring these are the very buffers the kernel fills. One thread:
// a reference never crosses to another.
#pragma once

#include "base/pool.h"

struct rbuf_pool {
	struct pool pool;
	uint32_t cap; // of each buffer's data, bytes
};

struct rbuf {
	uint32_t refs;
	uint32_t cap;     // bytes of data[]
	uint32_t at, end; // engine's: unread bytes while it waits in a backlog
	struct rbuf_pool *from;
	struct rbuf *next; // engine's: backlog link
	char data[];
};

void rbuf_pool_init(struct rbuf_pool *p, uint32_t cap_bytes, uint32_t keep);
// All buffers must have come back.
void rbuf_pool_fini(struct rbuf_pool *p);
// One reference; NULL when there is no memory.
struct rbuf *rbuf_new(struct rbuf_pool *p);
void rbuf_free(struct rbuf *b);

static inline struct rbuf *
rbuf_ref(struct rbuf *b)
{
	b->refs++;
	return b;
}

// Drops a reference and nulls the caller's pointer; NULL is fine.
static inline void
rbuf_unref(struct rbuf **b)
{
	struct rbuf *r = *b;
	*b = NULL;
	if (r != NULL && --r->refs == 0)
		rbuf_free(r);
}
