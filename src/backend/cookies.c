// SPDX-License-Identifier: MIT
// A hash table of chains: servers that share a value stand in one, in their order.
#include "backend/cookies.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "backend/backend.h"
#include "base/hash.h"
#include "base/mem.h"

#define HEX_DIGITS 16
#define NOBODY     UINT32_MAX

struct backend_cookies {
	size_t mask;
	uint32_t *first; // mask + 1 chains: indexes of servers
	struct entry {
		struct str value; // .n 0: none
		uint32_t next;
		char made[HEX_DIGITS];
	} entry[]; // of each server
};

static bool
add_address(const struct addr *a, unsigned char *to, size_t *n)
{
	const void *ip = a->sa.sa_family == AF_INET    ? (const void *)&a->in.sin_addr
			 : a->sa.sa_family == AF_INET6 ? (const void *)&a->in6.sin6_addr
						       : NULL;
	size_t bytes =
	    a->sa.sa_family == AF_INET ? sizeof(a->in.sin_addr) : sizeof(a->in6.sin6_addr);
	uint32_t port = htonl(addr_port(a));
	if (ip == NULL)
		return false;
	memcpy(to + *n, ip, bytes);
	memcpy(to + *n + bytes, &port, sizeof(port));
	*n += bytes + sizeof(port);
	return true;
}

// XXH64 of key, address and port, in hexadecimal. No address, no value.
static struct str
make_value(struct str key, const struct addr *a, char *out)
{
	unsigned char text[COOKIE_KEY_MAX + sizeof(struct in6_addr) + sizeof(uint32_t)];
	size_t n = key.n;
	ASSERT(n <= COOKIE_KEY_MAX);
	memcpy(text, key.p, n);
	if (!add_address(a, text, &n))
		return STR_NULL;
	uint64_t hash = XXH64(text, n, 0);
	for (int i = 0; i < HEX_DIGITS; i++)
		out[i] = "0123456789abcdef"[hash >> (60 - 4 * i) & 15];
	return str_of(out, HEX_DIGITS);
}

static void
fill(struct backend_cookies *c, const struct backend *b)
{
	const struct cookie_making *how = &b->cookie_making;
	for (size_t i = b->n_servers; i-- > 0;) { // so that the first of a value leads its chain
		const struct server *s = b->servers[i];
		struct entry *e = &c->entry[i];
		e->value = s->cookie;
		if (s->cookie.n == 0 && how->dynamic && how->key.n > 0)
			e->value = make_value(how->key, &server_addr(s)->addr, e->made);
		if (e->value.n == 0)
			continue;
		uint32_t *chain = &c->first[hash_str(e->value) & c->mask];
		e->next = *chain;
		*chain = (uint32_t)i;
	}
}

const struct backend_cookies *
backend_cookies_publish(struct backend *b)
{
	size_t slots = 2;
	while (slots < 2 * b->n_servers)
		slots *= 2;
	size_t entries = b->n_servers * sizeof(struct entry);
	struct backend_cookies *c = mem_zalloc(sizeof(*c) + entries + slots * sizeof(uint32_t));
	c->mask = slots - 1;
	c->first = (uint32_t *)(void *)((char *)c->entry + entries);
	memset(c->first, 0xff, slots * sizeof(uint32_t)); // NOBODY
	fill(c, b);
	return atomic_exchange_explicit(&b->cookies, c, memory_order_acq_rel);
}

void
backend_cookies_free(const struct backend_cookies *c)
{
	mem_free((void *)(uintptr_t)c);
}

static const struct backend_cookies *
table_of(const struct backend *b)
{
	return atomic_load_explicit(&b->cookies, memory_order_acquire);
}

struct str
server_cookie(const struct server *s)
{
	const struct backend_cookies *c = table_of(s->backend);
	return c != NULL ? c->entry[s->index].value : STR("");
}

struct server *
backend_cookie_find(const struct backend *b, struct str value, bool down_too, bool *down)
{
	const struct backend_cookies *c = table_of(b);
	*down = false;
	if (c == NULL || value.n == 0)
		return NULL;
	uint32_t i = c->first[hash_str(value) & c->mask];
	for (; i != NOBODY; i = c->entry[i].next) {
		if (!str_eq(c->entry[i].value, value))
			continue;
		struct server *s = b->servers[i];
		if (down_too || server_is_up(s))
			return s;
		*down = true;
	}
	return NULL;
}
