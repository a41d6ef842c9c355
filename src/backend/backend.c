// SPDX-License-Identifier: MIT
// Servers: built once, then only their weight, admin bits and address change, by atomics.
#include "backend/backend.h"

#include "backend/check.h"
#include "base/clock.h"
#include "base/mem.h"

#define BACKEND_MAGIC 0xba5e0001

// --- addresses -----------------------------------------------------------------------------------

static const struct server_addr *
make_addr(const struct addr *a, uint32_t epoch)
{
	struct server_addr *made = MEM_NEW(struct server_addr);
	made->addr = *a;
	made->epoch = epoch;
	(void)addr_text(a, made->text); // fits
	return made;
}

const struct server_addr *
server_addr_publish(struct server *s, const struct addr *a)
{
	CHECK_MAGIC(s, SERVER_MAGIC);
	const struct server_addr *before = server_addr(s);
	atomic_store_explicit(&s->addr, make_addr(a, before->epoch + 1), memory_order_release);
	return before;
}

void
server_addr_free(const struct server *s, const struct server_addr *before)
{
	if (before != s->addr_configured) // which is there for comparing
		mem_free((void *)(uintptr_t)before);
}

// --- building ------------------------------------------------------------------------------------

static void
free_server(struct server *s)
{
	server_addr_free(s, server_addr(s));
	mem_free((void *)(uintptr_t)s->addr_configured);
	check_free(&s->check);
	check_free(&s->agent);
	mem_free(s->observed);
	s->magic = 0;
	mem_free(s);
}

struct backend *
backend_new(struct str name, uint32_t index)
{
	struct backend *b = MEM_NEW(struct backend);
	b->magic = BACKEND_MAGIC;
	b->name = name;
	b->index = index;
	b->reuse = BACKEND_REUSE_SAFE;
	b->pool_max_idle = 64;
	b->pool_purge_ns = 5 * NS_PER_S;
	b->balance.row = &balance_rows[0];
	b->balance.table = balance_rows[0].table;
	atomic_init(&b->epoch, 1);
	return b;
}

void
backend_free(struct backend **b)
{
	if (*b == NULL)
		return;
	CHECK_MAGIC(*b, BACKEND_MAGIC);
	for (size_t i = 0; i < (*b)->n_servers; i++)
		free_server((*b)->servers[i]);
	backend_cookies_free((*b)->cookies);
	mem_free((*b)->cookie_making.set_key);
	(*b)->magic = 0;
	mem_free((*b)->servers);
	mem_free(*b);
	*b = NULL;
}

struct server *
backend_find_server(const struct backend *b, struct str name)
{
	CHECK_MAGIC(b, BACKEND_MAGIC);
	for (size_t i = 0; i < b->n_servers; i++)
		if (str_eq(b->servers[i]->name, name))
			return b->servers[i];
	return NULL;
}

struct server *
backend_add_server(struct backend *b, struct str name, const struct addr *addr, struct err *err)
{
	if (backend_find_server(b, name) != NULL) {
		err_set(err, "backend '%.*s' has a server '%.*s' already", STR_ARG(b->name),
			STR_ARG(name));
		return NULL;
	}
	if (b->n_servers == UINT16_MAX) {
		err_set(err, "backend '%.*s' has more than %u servers", STR_ARG(b->name),
			(unsigned)UINT16_MAX);
		return NULL;
	}
	VEC_GROW(b->servers, b->cap_servers, b->n_servers);
	struct server *s = MEM_NEW(struct server);
	s->magic = SERVER_MAGIC;
	s->name = name;
	s->addr_configured = make_addr(addr, 0);
	atomic_init(&s->addr, s->addr_configured);
	s->backend = b;
	s->index = (uint32_t)b->n_servers;
	s->id = s->index + 1;
	s->weight_configured = 1;
	s->max_requests = UINT32_MAX;
	atomic_init(&s->weight, 1);
	atomic_init(&s->changed_real_ns, clock_real_ns());
	b->servers[b->n_servers++] = s;
	return s;
}

void
backend_set_balance(struct backend *b, const struct balance *how)
{
	CHECK_MAGIC(b, BACKEND_MAGIC);
	b->balance = *how;
	if (!how->table->counts)
		return;
	for (size_t i = 0; i < b->n_servers; i++)
		b->servers[i]->limit.counts = true;
	atomic_store_explicit(&b->limited, true, memory_order_relaxed);
}

// --- changing ------------------------------------------------------------------------------------

void
backend_changed(struct backend *b)
{
	// Release: who sees the new epoch sees the weights and bits stored before it.
	atomic_fetch_add_explicit(&b->epoch, 1, memory_order_release);
	if (b->changed != NULL)
		b->changed(b);
	if (b->host != NULL) // it serves
		backend_note_usable(b);
	limit_wake(&b->waits); // a server may have come back for who waits
	for (size_t i = 0; i < b->n_servers; i++)
		limit_wake_all(&b->servers[i]->waits); // theirs may have left
}

bool
server_is_usable(const struct server *s)
{
	return atomic_load_explicit(&s->admin, memory_order_relaxed) == 0 &&
	       atomic_load_explicit(&s->weight, memory_order_relaxed) > 0;
}

uint32_t
backend_usable_servers(const struct backend *b)
{
	uint32_t active = 0, backup = 0;
	for (size_t i = 0; i < b->n_servers; i++)
		if (server_is_usable(b->servers[i]))
			b->servers[i]->is_backup ? backup++ : active++;
	return active > 0 ? active : backup;
}

bool
server_set_weight(struct server *s, struct str weight, struct err *err)
{
	CHECK_MAGIC(s, SERVER_MAGIC);
	bool relative = weight.n > 0 && weight.p[weight.n - 1] == '%';
	int64_t n;
	if (!str_to_int(relative ? str_slice(weight, 0, weight.n - 1) : weight, &n) || n < 0 ||
	    n > (relative ? 100 * BACKEND_WEIGHT_MAX : BACKEND_WEIGHT_MAX))
		return err_set(err,
			       "weight '%.*s' is neither 0 to %d nor a share of the configured "
			       "one, 0%% to %d%%",
			       STR_ARG(weight), BACKEND_WEIGHT_MAX, 100 * BACKEND_WEIGHT_MAX);
	if (relative)
		n = MIN((int64_t)s->weight_configured * n / 100, (int64_t)BACKEND_WEIGHT_MAX);
	atomic_store_explicit(&s->weight, (uint32_t)n, memory_order_relaxed);
	backend_changed(s->backend);
	return true;
}
