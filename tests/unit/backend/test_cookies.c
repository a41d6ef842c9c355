// SPDX-License-Identifier: MIT
// backend/cookies: whom a value names, values made of address and key, and the place at a server
// that is wanted.
#include "backend/backend.h"

#include "tap.h"

static struct backend *backend;

static struct server *
add(const char *name, const char *cookie, uint16_t port)
{
	struct addr a = {.len = sizeof(a.in)};
	struct err err;
	a.in.sin_family = AF_INET;
	a.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a.in.sin_port = htons(port);
	struct server *s = backend_add_server(backend, str_from_c(name), &a, &err);
	OK(s != NULL);
	s->cookie = str_from_c(cookie);
	return s;
}

static void
publish(void)
{
	backend_cookies_free(backend_cookies_publish(backend));
}

static struct server *
find(const char *value, bool down_too, bool *down)
{
	return backend_cookie_find(backend, str_from_c(value), down_too, down);
}

static void
put_down(struct server *s, uint32_t bits)
{
	atomic_store(&s->admin, bits);
}

static void
test_find(void)
{
	bool down;
	backend = backend_new(STR("app"), 0);
	struct server *a = add("a", "x", 1), *b = add("b", "y", 2), *c = add("c", "x", 3);
	struct server *none = add("none", "", 4);
	OK(find("x", false, &down) == NULL && !down); // not published
	OK(server_cookie(a).n == 0);
	publish();
	OK(find("x", false, &down) == a && find("y", false, &down) == b);
	OK(find("z", false, &down) == NULL && !down);
	OK(find("", true, &down) == NULL && !down);
	OK(str_eq(server_cookie(c), STR("x")) && server_cookie(none).n == 0);
	put_down(a, SERVER_MAINT);
	OK(find("x", false, &down) == c && down);
	OK(find("x", true, &down) == a);
	put_down(c, SERVER_DOWN);
	OK(find("x", false, &down) == NULL && down);
	put_down(c, SERVER_DRAIN); // takes those who come back
	OK(find("x", false, &down) == c);
	put_down(c, SERVER_STOPPING);
	OK(find("x", false, &down) == c);
	backend_free(&backend);
}

static void
test_many(void)
{
	static char names[3000][8];
	size_t found = 0;
	bool down;
	backend = backend_new(STR("app"), 0);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(names[i], sizeof(names[i]), "s%zu", i);
		if (i % 100 == 0)
			(void)add(names[i], names[i], 1);
	}
	publish();
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct server *s = find(names[i], false, &down);
		found += s != NULL && s == backend->servers[i / 100] && i % 100 == 0;
	}
	OK(found == 30);
	backend_free(&backend);
}

// What Debian's haproxy gives a server at 127.0.0.1:1 for the keys "other" and "xx".
static void
test_made(void)
{
	bool down;
	backend = backend_new(STR("app"), 0);
	struct server *a = add("a", "", 1), *own = add("own", "mine", 1);
	backend->cookie_making = (struct cookie_making){.dynamic = true};
	publish();
	OK(server_cookie(a).n == 0); // no key
	backend->cookie_making.key = STR("other");
	publish();
	OK(str_eq(server_cookie(a), STR("b9188d2daf41d8c6")));
	OK(str_eq(server_cookie(own), STR("mine")));
	OK(find("b9188d2daf41d8c6", false, &down) == a);
	backend->cookie_making.key = STR("xx");
	publish();
	OK(str_eq(server_cookie(a), STR("b5432feb30548ba8")));
	OK(find("b9188d2daf41d8c6", false, &down) == NULL);
	backend->cookie_making.dynamic = false;
	publish();
	OK(server_cookie(a).n == 0 && find("mine", false, &down) == own);
	backend_free(&backend);
}

static void
test_wanted(void)
{
	struct backend_worker w;
	struct backend_place place;
	backend = backend_new(STR("app"), 0);
	struct server *a = add("a", "x", 1), *b = add("b", "y", 2);
	atomic_store(&b->weight, 0);
	backend_worker_init(&w, backend, 0);
	struct backend_ask ask = {.wanted = b};
	OK(backend_take(&w, &ask, &place) && place.server == b); // whatever its weight
	put_down(b, SERVER_MAINT);
	OK(backend_take(&w, &ask, &place) && place.server == a);
	ask.faithful = true;
	OK(backend_take(&w, &ask, &place) && place.server == b && !place.counted);
	put_down(b, 0);
	backend_worker_fini(&w);
	backend_free(&backend);
}

int
main(void)
{
	test_find();
	test_many();
	test_made();
	test_wanted();
	return tap_done();
}
