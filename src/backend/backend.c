// SPDX-License-Identifier: MIT
// Servers: built once, then only their weight, admin bits and address change, by atomics.
#include "backend/backend.h"

#include "backend/check.h"
#include "base/clock.h"
#include "base/mem.h"

#define BACKEND_MAGIC 0xba5e0001
#define SERVER_MAGIC  0xba5e0002

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
	atomic_init(&s->weight, 1);
	atomic_init(&s->changed_real_ns, clock_real_ns());
	b->servers[b->n_servers++] = s;
	return s;
}

// --- counting ------------------------------------------------------------------------------------

// NULL before they are made.
static struct check_counters *
counters_of(const struct metric_blocks *b)
{
	return b->magic != 0 ? metrics_of(b, 0) : NULL;
}

uint64_t
check_count_at(const struct metric_blocks *blocks, size_t offset)
{
	const struct metric_row row = {.offset = offset, .kind = METRIC_COUNTER};
	return blocks->magic != 0 ? metrics_read(blocks, &row) : 0;
}

static uint64_t
ms_since(const _Atomic uint64_t *real_ns)
{
	uint64_t now = clock_real_ns(), at = atomic_load_explicit(real_ns, memory_order_relaxed);
	return now > at ? (now - at) / NS_PER_MS : 0;
}

// Out of service or back: counts it.
static void
count_turn(const struct metric_blocks *b, _Atomic uint64_t *changed_real_ns, bool out)
{
	struct check_counters *c = counters_of(b);
	if (c != NULL && out)
		METRIC_ADD(&c->downs, 1);
	else if (c != NULL)
		METRIC_ADD(&c->down_ms, ms_since(changed_real_ns));
	uint64_t now = clock_real_ns();
	atomic_store_explicit(changed_real_ns, now, memory_order_relaxed);
	if (c != NULL)
		METRIC_SET(&c->changed_real_ns, now);
}

static bool
is_out(uint32_t bits)
{
	return (bits & (SERVER_MAINT | SERVER_DOWN)) != 0;
}

void
server_put_bits(struct server *s, uint32_t bits)
{
	uint32_t before = atomic_load_explicit(&s->admin, memory_order_relaxed);
	atomic_store_explicit(&s->admin, bits, memory_order_relaxed);
	if (is_out(bits) != is_out(before))
		count_turn(&s->checked, &s->changed_real_ns, is_out(bits));
	else if (bits != before && !is_out(bits)) // a stay outside is one
		atomic_store_explicit(&s->changed_real_ns, clock_real_ns(), memory_order_relaxed);
}

void
server_count_failure(struct server *s)
{
	struct check_counters *c = counters_of(&s->checked);
	if (c != NULL)
		METRIC_ADD(&c->failures, 1);
}

uint64_t
server_down_ms(const struct server *s)
{
	uint64_t ms = check_count(&s->checked, down_ms);
	bool out = is_out(atomic_load_explicit(&s->admin, memory_order_relaxed));
	return out ? ms + ms_since(&s->changed_real_ns) : ms;
}

uint64_t
backend_down_ms(const struct backend *b)
{
	uint64_t ms = check_count(&b->checked, down_ms);
	bool out =
	    b->n_servers > 0 && atomic_load_explicit(&b->n_usable, memory_order_relaxed) == 0;
	return out ? ms + ms_since(&b->changed_real_ns) : ms;
}

// --- changing ------------------------------------------------------------------------------------

void
backend_begin(struct backend *b)
{
	atomic_store_explicit(&b->n_usable, backend_usable_servers(b), memory_order_relaxed);
	if (atomic_load_explicit(&b->changed_real_ns, memory_order_relaxed) == 0)
		atomic_store_explicit(&b->changed_real_ns, clock_real_ns(), memory_order_relaxed);
}

// Whether any server is there at all is the backend's own state.
static void
note_usable(struct backend *b)
{
	uint32_t now = backend_usable_servers(b);
	uint32_t before = atomic_exchange_explicit(&b->n_usable, now, memory_order_relaxed);
	if ((now == 0) == (before == 0))
		return;
	count_turn(&b->checked, &b->changed_real_ns, now == 0);
	if (now == 0 && b->emptied != NULL)
		b->emptied(b->emptied_arg, b);
}

void
backend_changed(struct backend *b)
{
	// Release: who sees the new epoch sees the weights and bits stored before it.
	atomic_fetch_add_explicit(&b->epoch, 1, memory_order_release);
	if (b->changed != NULL)
		b->changed(b);
	if (b->emptied != NULL) // it serves
		note_usable(b);
	limit_wake(&b->waits); // a server may have come back for who waits
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

static const struct {
	struct str name;
	uint32_t bits;
} states[] = {
    {{"ready", 5}, 0},
    {{"drain", 5}, SERVER_DRAIN},
    {{"maint", 5}, SERVER_MAINT},
};

// What it was before its maintenance says nothing any more.
static uint32_t
begin_health_anew(struct server *s, uint32_t bits)
{
	check_drop(s->check);
	s->check->health.points = bits & SERVER_MAINT ? 0 : s->check->health.rise;
	return bits & ~(uint32_t)SERVER_HEALTH_BITS;
}

bool
server_set_state(struct server *s, struct str state, struct err *err)
{
	CHECK_MAGIC(s, SERVER_MAGIC);
	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		if (!str_eq(states[i].name, state))
			continue;
		uint32_t before = atomic_load_explicit(&s->admin, memory_order_relaxed);
		uint32_t after = (before & SERVER_HEALTH_BITS) | states[i].bits;
		if (s->check != NULL && (before ^ after) & SERVER_MAINT)
			after = begin_health_anew(s, after);
		server_put_bits(s, after);
		backend_changed(s->backend);
		return true;
	}
	return err_set(err,
		       "'set server <srv> state' expects 'ready', 'drain' or 'maint', not '%.*s'",
		       STR_ARG(state));
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

const char *
server_state_name(const struct server *s)
{
	uint32_t bits = atomic_load_explicit(&s->admin, memory_order_relaxed);
	if (bits & SERVER_MAINT)
		return "MAINT";
	if (bits & SERVER_DOWN)
		return "DOWN";
	if (bits & SERVER_DRAIN)
		return "DRAIN";
	if (bits & SERVER_STOPPING)
		return "NOLB";
	return "UP";
}
