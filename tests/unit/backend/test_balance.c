// SPDX-License-Identifier: MIT
// Weighted round robin: exact shares, spread evenly, that follow weights, states and backups.
#include "backend/backend.h"

#include <stdio.h>

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
		struct server *s = backend_next(&worker, NULL);
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
		count[backend_next(&worker, NULL)->index]++;
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
		of_a += backend_next(&worker, NULL) == a;
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
		OK(backend_next(&worker, NULL) == a);
	OK(server_set_state(a, STR("maint"), &err));
	OK_MSG(str_eq(backend_next(&worker, NULL)->name, STR("x")), "the first backup serves");
	OK_MSG(str_eq(backend_next(&worker, NULL)->name, STR("x")), "and it alone");
	for (size_t i = 1; i < 3; i++)
		OK(server_set_state(backend->servers[i], STR("maint"), &err));
	OK(backend_next(&worker, NULL) == NULL);
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
		OK(backend_next(&worker, a) == b);
	backend_worker_fini(&worker);
	fresh();
	for (int i = 0; i < 200; i++) {
		snprintf(names[i], sizeof(names[i]), "s%u", (unsigned)i % 1000);
		add(names[i], i % 2 ? "255" : "256", false);
	}
	backend_worker_init(&worker, backend, 0);
	int count[200] = {0}, least = 1 << 30, most = 0;
	for (int i = 0; i < 200 * 200; i++)
		count[backend_next(&worker, NULL)->index]++;
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

int
main(void)
{
	test_shares();
	test_states();
	test_backups();
	test_avoid_and_many();
	test_addresses();
	backend_free(&backend);
	return tap_done();
}
