// SPDX-License-Identifier: MIT
// Ways to balance: exact shares, spread evenly, that follow weights, states and backups; loads;
// what a ring keeps when a server leaves. That hashes choose HAProxy's servers is for scenario
// B050.
#include "backend/backend.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/hash_text.h"

#include "tap.h"

static struct backend *backend;
static struct backend_worker worker;

static struct server *
add(const char *name, const char *weight, bool backup)
{
	struct addr a = {0};
	struct err err;
	struct server *s = backend_add_server(backend, str_from_c(name), &a, &err);
	OK(s != NULL && server_set_weight(s, str_from_c(weight), &err));
	s->is_backup = backup;
	return s;
}

static struct server *
next(const struct server *avoid)
{
	struct backend_ask ask = {.avoid = avoid};
	return backend_next(&worker, &ask);
}

static char names[200][8]; // outlive their servers

static void
fresh(void)
{
	backend_free(&backend);
	backend = backend_new(STR("app"), 0);
}

// Picks n times; the names in order.
static const char *
picks(int n)
{
	static char text[256];
	text[0] = '\0';
	for (int i = 0; i < n; i++) {
		struct server *s = next(NULL);
		size_t at = strlen(text);
		struct str name = s != NULL ? s->name : STR("-");
		snprintf(text + at, sizeof(text) - at, "%.*s", STR_ARG(name));
	}
	return text;
}

static void
test_shares(void)
{
	fresh();
	add("a", "5", false);
	add("b", "1", false);
	add("c", "1", false);
	backend_worker_init(&worker, backend, 0);
	IS_STR(picks(7), "aabacaa"); // a's turns are spread, none starves
	int count[3] = {0};
	for (int i = 0; i < 7000; i++)
		count[next(NULL)->index]++;
	IS_INT(count[0], 5000);
	IS_INT(count[1], 1000);
	IS_INT(count[2], 1000);
}

static void
test_states(void)
{
	struct err err;
	struct server *a = backend_find_server(backend, STR("a"));
	OK(server_set_state(a, STR("drain"), &err));
	IS_STR(server_state_name(a), "DRAIN");
	int of_a = 0;
	for (int i = 0; i < 100; i++)
		of_a += next(NULL) == a;
	IS_INT(of_a, 0);
	IS_INT(backend_usable_servers(backend), 2);
	OK(server_set_state(a, STR("ready"), &err));
	IS_INT(backend_usable_servers(backend), 3);
	OK(!server_set_state(a, STR("maintenance"), &err));
	OK(strstr(err.text, "'maintenance'") != NULL);
	OK(!server_set_weight(a, STR("257"), &err));
	OK(!server_set_weight(a, STR("-1"), &err));
	OK(!server_set_weight(a, STR("x%"), &err));
	a->weight_configured = 10;
	OK(server_set_weight(a, STR("50%"), &err) && a->weight == 5);
	OK(server_set_weight(a, STR("0"), &err));
	OK(!server_is_usable(a));
}

static void
test_backups(void)
{
	struct err err;
	backend_worker_fini(&worker);
	fresh();
	struct server *a = add("a", "1", false);
	add("x", "1", true);
	add("y", "9", true);
	backend_worker_init(&worker, backend, 3);
	for (int i = 0; i < 4; i++)
		OK(next(NULL) == a);
	OK(server_set_state(a, STR("maint"), &err));
	OK_MSG(str_eq(next(NULL)->name, STR("x")), "the first backup serves");
	OK_MSG(str_eq(next(NULL)->name, STR("x")), "and it alone");
	for (size_t i = 1; i < 3; i++)
		OK(server_set_state(backend->servers[i], STR("maint"), &err));
	OK(next(NULL) == NULL);
	OK(!backend_add_server(backend, STR("a"), &(struct addr){0}, &err));
	OK(strstr(err.text, "has a server 'a' already") != NULL);
}

static void
test_avoid_and_many(void)
{
	backend_worker_fini(&worker);
	fresh();
	struct server *a = add("a", "1", false), *b = add("b", "1", false);
	backend_worker_init(&worker, backend, 0);
	for (int i = 0; i < 6; i++)
		OK(next(a) == b);
	backend_worker_fini(&worker);
	fresh();
	for (int i = 0; i < 200; i++) {
		snprintf(names[i], sizeof(names[i]), "s%u", (unsigned)i % 1000);
		add(names[i], i % 2 ? "255" : "256", false);
	}
	backend_worker_init(&worker, backend, 0);
	int count[200] = {0}, least = 1 << 30, most = 0;
	for (int i = 0; i < 200 * 200; i++)
		count[next(NULL)->index]++;
	for (int i = 0; i < 200; i++) {
		least = MIN(least, count[i]);
		most = MAX(most, count[i]);
	}
	OK_MSG(least > 0 && most <= least * 2, "200 servers of nearly equal weight share alike");
	backend_worker_fini(&worker);
}

// Each address is whole, counted, and read until it is freed.
static void
test_addresses(void)
{
	struct err err;
	struct addr there;
	fresh();
	struct server *a = add("a", "1", false);
	const struct server_addr *first = server_addr(a);
	OK(first == a->addr_configured && first->epoch == 0);
	IS_STR(first->text, "-");
	const struct server_addr *before = first;
	for (uint32_t i = 1; i < 4; i++) {
		char text[32];
		snprintf(text, sizeof(text), "[::1]:%u", i);
		OK(addr_parse(&there, str_from_c(text), 0, &err));
		const struct server_addr *old = server_addr_publish(a, &there);
		OK(old == before);
		before = server_addr(a);
		IS_INT(before->epoch, i);
		IS_STR(before->text, text);
		OK(addr_eq(&before->addr, &there));
		server_addr_free(a, old);
	}
	OK_MSG(a->addr_configured == first && first->epoch == 0, "what was configured stays");
	add("b", "1", false);
}

// Servers a, b, c... of these weights, balanced so; n names of them.
static void
farm(const struct balance_table *table, const char *const *weights, size_t n, uint32_t worker_id)
{
	fresh();
	for (size_t i = 0; i < n; i++) {
		snprintf(names[i], sizeof(names[i]), "%c", (int)('a' + i));
		add(names[i], weights[i], false);
	}
	struct balance how = {.row = balance_rows, .table = table, .draws = 2};
	backend_set_balance(backend, &how);
	backend_worker_init(&worker, backend, worker_id);
}

// A request that stays.
static struct server *
stay(const struct server *avoid)
{
	struct server *s = next(avoid);
	OK(limit_take(&s->limit) == LIMIT_TAKEN);
	return s;
}

static void
leave(size_t server)
{
	backend_give(backend->servers[server]);
}

static void
test_map(void)
{
	static const char *const weights[] = {"4", "10", "6"};
	farm(&balance_map, weights, 3, 0);
	IS_STR(picks(10), "abbcabcbbc"); // as haproxy 2.6 does, static-rr
	struct backend_ask ask = {.has_hash = true};
	int count[3] = {0};
	for (uint32_t h = 0; h < 1000; h++) {
		ask.hash = h;
		struct server *s = backend_next(&worker, &ask);
		OK(s == backend_next(&worker, &ask));
		count[s->index]++;
		ask.avoid = s;
		OK(backend_next(&worker, &ask) != s);
		ask.avoid = NULL;
	}
	IS_INT(count[0], 200);
	IS_INT(count[1], 500);
	IS_INT(count[2], 300);
	backend_worker_fini(&worker);
}

// The order as it is defined: at each turn all gain their weight; of those with the most whole
// totals the first serves, and pays one.
static void
fill_slowly(uint16_t *turn, uint32_t total, struct balance_candidate *c, size_t n)
{
	for (uint32_t t = 0; t < total; t++) {
		size_t best = 0;
		int64_t most = -1;
		for (size_t i = 0; i < n; i++) {
			c[i].score += c[i].weight;
			if ((c[i].score + total) / total > most) {
				best = i;
				most = (c[i].score + total) / total;
			}
		}
		c[best].score -= total;
		turn[t] = c[best].index;
	}
}

static void
test_map_order(void)
{
	static uint16_t quick[40 * 256], slow[40 * 256];
	struct balance_candidate c[2][40];
	uint32_t seed = 1;
	for (int round = 0; round < 200; round++) {
		size_t n = 1 + (seed = seed * 1103515245 + 12345) / 65536 % 40;
		uint32_t total = 0, most = round % 3 == 0 ? 256 : 9;
		for (size_t i = 0; i < n; i++) {
			seed = seed * 1103515245 + 12345;
			c[0][i] = (struct balance_candidate){.index = (uint16_t)i,
							     .weight = 1 + seed / 65536 % most};
			c[1][i] = c[0][i];
			total += c[0][i].weight;
		}
		balance_fill_map(quick, total, c[0], n);
		fill_slowly(slow, total, c[1], n);
		OK_MSG(memcmp(quick, slow, total * sizeof(quick[0])) == 0, "the order as defined");
	}
}

#define KEYS 20000
static uint16_t owner[KEYS];

// How many keys go elsewhere than before, or than to `left`, which took all its own along.
static int
moved(const struct server *left)
{
	struct backend_ask ask = {.has_hash = true};
	int n = 0;
	for (uint32_t i = 0; i < KEYS; i++) {
		ask.hash = hash_avalanche(i * 7919);
		struct server *s = backend_next(&worker, &ask);
		n += s->index != owner[i] && (left == NULL || owner[i] != left->index);
		owner[i] = (uint16_t)s->index;
	}
	return n;
}

static void
test_ring(void)
{
	static const char *const weights[] = {"100", "100", "50", "100", "100"};
	struct err err;
	farm(&balance_ring, weights, 5, 0);
	(void)moved(NULL);
	int count[5] = {0};
	for (uint32_t i = 0; i < KEYS; i++)
		count[owner[i]]++;
	for (size_t i = 0; i < 5; i++) {
		int due = KEYS / 9 * (i == 2 ? 1 : 2);
		OK_MSG(abs(count[i] - due) < due / 5, "shares follow weights");
	}
	struct server *b = backend->servers[1];
	OK(server_set_state(b, STR("maint"), &err));
	OK_MSG(moved(b) == 0, "who was not at the one that left stays");
	OK(server_set_state(b, STR("ready"), &err));
	IS_INT(moved(NULL), count[1]); // and its own come back
	OK(server_set_weight(b, STR("99"), &err));
	OK_MSG(moved(NULL) < KEYS / 100, "a little less weight moves a few");
	OK(server_set_weight(b, STR("256"), &err));
	backend->servers[0]->id = UINT32_MAX; // far beyond where places are distinct
	(void)moved(NULL);
	backend_worker_fini(&worker);
}

// Bounded: what the configuration may ask for at most.
static void
test_many_points(void)
{
	fresh();
	for (int i = 0; i < 200; i++) {
		snprintf(names[i], sizeof(names[i]), "s%u", (unsigned)i % 1000);
		add(names[i], i == 0 ? "1" : "256", false);
	}
	struct balance how = {.row = balance_rows, .table = &balance_ring};
	backend_set_balance(backend, &how);
	backend_worker_init(&worker, backend, 0);
	(void)next(NULL);
	OK(worker.n_turn <= 1u << 20);
	for (uint32_t i = 1; i < worker.n_turn; i++)
		if (worker.points[i - 1] > worker.points[i])
			OK_MSG(false, "points are sorted");
	backend_worker_fini(&worker);
}

static void
test_leastconn(void)
{
	static const char *const alike[] = {"1", "1", "1"}, *const weights[] = {"1", "4", "2"};
	farm(&balance_loads, alike, 3, 0);
	IS_STR(picks(7), "abcabca"); // nobody stays: they take turns
	for (int i = 0; i < 2; i++)
		(void)stay(NULL);
	IS_INT(backend->servers[0]->limit.used, 0); // b and c have one each
	OK(next(NULL) == backend->servers[0]);
	OK_MSG(next(backend->servers[0]) != backend->servers[0], "the least busy is avoided");
	leave(1);
	(void)stay(backend->servers[0]);
	IS_INT(backend->servers[1]->limit.used, 1);
	backend_worker_fini(&worker);
	farm(&balance_loads, weights, 3, 1);
	for (int i = 0; i < 70; i++)
		(void)stay(NULL);
	IS_INT(backend->servers[0]->limit.used, 10);
	IS_INT(backend->servers[1]->limit.used, 40);
	IS_INT(backend->servers[2]->limit.used, 20);
	server_set_maxconn(backend->servers[1], 40);
	for (int i = 0; i < 30; i++)
		OK_MSG(stay(NULL) != backend->servers[1], "a full one is not chosen");
	backend_worker_fini(&worker);
	fresh();
	for (int i = 0; i < 200; i++) {
		snprintf(names[i], sizeof(names[i]), "s%u", (unsigned)i % 1000);
		add(names[i], "3", false);
	}
	struct balance how = {.row = balance_rows, .table = &balance_loads};
	backend_set_balance(backend, &how);
	backend_worker_init(&worker, backend, 5);
	for (int i = 0; i < 2000; i++)
		(void)stay(NULL);
	for (size_t i = 0; i < 200; i++)
		IS_INT(backend->servers[i]->limit.used, 10);
	for (int i = 0; i < 10; i++)
		leave(77); // as if another worker did
	bool seen = false;
	for (int i = 0; i < 13; i++)
		seen |= stay(NULL) == backend->servers[77];
	OK_MSG(seen, "one that became idle elsewhere is noticed in n / 16 choices");
	backend_worker_fini(&worker);
}

static void
test_first(void)
{
	static const char *const weights[] = {"1", "200", "1"};
	farm(&balance_order, weights, 3, 1);
	backend->servers[0]->id = 9;
	server_set_maxconn(backend->servers[1], 2);
	IS_STR(picks(3), "bbb"); // the lowest id
	(void)stay(NULL);
	(void)stay(NULL);
	IS_STR(picks(3), "ccc");
	OK(next(backend->servers[2]) == backend->servers[0]);
	leave(1);
	IS_STR(picks(2), "bb");
	backend_worker_fini(&worker);
}

static void
test_random(void)
{
	static const char *const weights[] = {"1", "2", "1"};
	farm(&balance_random, weights, 3, 0);
	backend->balance.draws = 1;
	int count[3] = {0};
	for (int i = 0; i < 40000; i++)
		count[next(NULL)->index]++;
	for (size_t i = 0; i < 3; i++)
		OK_MSG(abs(count[i] - (i == 1 ? 20000 : 10000)) < 600, "draws follow weights");
	for (int i = 0; i < 100; i++)
		OK(next(backend->servers[1]) != backend->servers[1]);
	backend->balance.draws = 2;
	for (int i = 0; i < 400; i++)
		(void)stay(NULL);
	for (size_t i = 0; i < 3; i++) { // one draw would stray by 10 and more
		int used = (int)backend->servers[i]->limit.used;
		OK_MSG(abs(used - (i == 1 ? 200 : 100)) < 12, "two draws even out");
	}
	backend_worker_fini(&worker);
}

// As if it had come back so many sixteenths of 160 s ago, and half of one.
static void
came_back(struct server *s, uint64_t sixteenths)
{
	s->slowstart.ns = 160 * NS_PER_S;
	uint64_t ago = (sixteenths * 10 + 5) * NS_PER_S;
	atomic_store_explicit(&s->slowstart.since_ns, clock_mono_ns() - ago, memory_order_relaxed);
	backend_changed(backend);
}

static uint32_t
places_of(uint16_t index)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < worker.n_turn; i++)
		n += (worker.points != NULL ? (uint16_t)worker.points[i] : worker.turn[i]) == index;
	return n;
}

static void
test_slowstart(void)
{
	static const char *const rows[] = {"roundrobin", "random", "static-rr"};
	backend_worker_fini(&worker);
	fresh();
	struct server *a = add("a", "3", false);
	add("b", "1", false);
	backend_worker_init(&worker, backend, 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct balance_row *row = balance_rows;
		while (strcmp(row->name, rows[i]) != 0)
			row++;
		backend->balance = (struct balance){.row = row, .table = row->table, .draws = 1};
		came_back(a, 0);
		(void)next(NULL);
		bool stands = row->table == &balance_map;
		IS_INT(places_of(0), 3);
		IS_INT(places_of(1), stands ? 1 : 16);
		came_back(a, 7);
		(void)next(NULL);
		IS_INT(places_of(0), 3);
		IS_INT(places_of(1), stands ? 1 : 2);
		IS_INT(balance_parts(a), stands ? 16 : 8);
		came_back(a, 16);
		(void)next(NULL);
		IS_INT(places_of(1), 1);
	}
	backend->balance.table = &balance_ring;
	came_back(a, 3);
	(void)next(NULL);
	IS_INT(places_of(0), 3 * 4);
	IS_INT(places_of(1), 16);
	came_back(a, 0);
	IS_INT(slowstart_maxconn(a, 10), 1);
	came_back(a, 8);
	IS_INT(slowstart_maxconn(a, 10), 5);
	came_back(a, 20);
	IS_INT(slowstart_maxconn(a, 10), 10);
}

int
main(void)
{
	test_shares();
	test_states();
	test_backups();
	test_avoid_and_many();
	test_map();
	test_map_order();
	test_ring();
	test_many_points();
	test_leastconn();
	test_first();
	test_random();
	test_addresses();
	test_slowstart();
	backend_free(&backend);
	return tap_done();
}
