// SPDX-License-Identifier: MIT
// http/head: target parts, lookups, lists, cookies and query parameters.
#include "http/head.h"

#include "base/arena.h"
#include "feed.h"
#include "tap.h"

static void
parse(struct feed *f, struct str in, bool response)
{
	feed_init(f, in, in.n, in.n, response, HTTP_METHOD_GET);
	OK(f->status == H1_OK);
}

struct target_row {
	const char *request_line;
	const char *path, *query, *pathq, *base; // query NULL: none
};

static const struct target_row targets[] = {
    {"GET /a/b?c=d HTTP/1.1", "/a/b", "c=d", "/a/b?c=d", "h:1/a/b"},
    {"GET / HTTP/1.1", "/", NULL, "/", "h:1/"},
    {"GET /? HTTP/1.1", "/", "", "/?", "h:1/"},
    {"GET //x?y?z HTTP/1.1", "//x", "y?z", "//x?y?z", "h:1//x"},
    {"GET http://o/p?q HTTP/1.1", "/p", "q", "/p?q", "o/p"},
    {"GET http://o HTTP/1.1", "/", NULL, "/", "o/"},
    {"GET http://o?q HTTP/1.1", "/", "q", "?q", "o/"},
    {"OPTIONS * HTTP/1.1", "*", NULL, "*", "h:1"},
    {"CONNECT o:1 HTTP/1.1", "", NULL, "", "o:1"},
};

static void
test_targets(void)
{
	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		const struct target_row *r = &targets[i];
		struct arena a;
		struct feed f;
		arena_init(&a, 4096);
		const char *in = arena_printf(&a, "%s\r\nHost: h:1\r\n\r\n", r->request_line);
		parse(&f, str_from_c(in), false);
		OK(str_eq(http_head_path(&f.head), str_from_c(r->path)));
		struct str query = http_head_query(&f.head);
		OK((query.p != NULL) == (r->query != NULL) && str_eq(query, str_from_c(r->query)));
		OK(str_eq(http_head_pathq(&f.head), str_from_c(r->pathq)));
		OK(str_eq(http_head_base(&f.head, &a), str_from_c(r->base)));
		feed_fini(&f);
		arena_fini(&a);
	}
}

static bool
value_is(const struct feed *f, const char *name, bool full, int nth, const char *want)
{
	struct http_name n = http_name_of(str_from_c(name));
	struct str v;
	if (!http_value_at(&f->head, &n, full, nth, &v))
		return want == NULL;
	return want != NULL && str_eq(v, str_from_c(want));
}

static void
test_values(void)
{
	struct feed f;
	parse(&f,
	      STR("GET / HTTP/1.1\r\nHost: h\r\nX-A: 1, 2 ,\"3,\\\",4\"\r\nx-b: q\r\n"
		  "X-A:5\r\nAccept: a,,b\r\nVia:\r\n\r\n"),
	      false);
	struct http_name a = http_name_of(STR("x-a")), none = http_name_of(STR("x-c"));
	struct http_name via = http_name_of(STR("via")), accept = http_name_of(STR("accept"));
	IS_INT(http_value_count(&f.head, &a, false), 4);
	IS_INT(http_value_count(&f.head, &a, true), 2);
	IS_INT(http_value_count(&f.head, &none, false), 0);
	OK(value_is(&f, "x-a", false, 1, "1") && value_is(&f, "X-A", false, 2, "2"));
	OK(value_is(&f, "x-a", false, 3, "\"3,\\\",4\"") && value_is(&f, "x-a", false, 4, "5"));
	OK(value_is(&f, "x-a", false, 5, NULL) && value_is(&f, "x-a", false, -5, NULL));
	OK(value_is(&f, "x-a", false, 0, "5") && value_is(&f, "x-a", false, -4, "1"));
	OK(value_is(&f, "x-a", true, 1, "1, 2 ,\"3,\\\",4\"") &&
	   value_is(&f, "x-a", true, -1, "5"));
	OK(value_is(&f, "host", false, 1, "h") && value_is(&f, "x-c", true, 1, NULL));
	IS_INT(http_value_count(&f.head, &accept, false), 3);
	OK(value_is(&f, "accept", false, 2, ""));
	IS_INT(http_value_count(&f.head, &via, true), 1);
	OK(http_head_find_id(&f.head, HTTP_FIELD_VIA, NULL) == &f.table[5]);
	OK(http_head_find_id(&f.head, HTTP_FIELD_COOKIE, NULL) == NULL);
	OK(http_head_find(&f.head, &a, &f.table[1]) == &f.table[3]);
	http_head_drop(&f.head, &f.table[1]);
	OK(http_head_find(&f.head, &a, NULL) == &f.table[3]);
	IS_INT(http_value_count(&f.head, &a, false), 1);
	feed_fini(&f);
}

static void
test_cookies(void)
{
	struct feed f;
	struct str v;
	parse(&f,
	      STR("GET / HTTP/1.1\r\nHost: h\r\nCookie: a=1; b=\"x y\" ;c; =d\r\nCookie: "
		  "e=f=g\r\n\r\n"),
	      false);
	OK(http_cookie_get(&f.head, STR("a"), &v) && str_eq(v, STR("1")));
	OK(http_cookie_get(&f.head, STR("b"), &v) && str_eq(v, STR("\"x y\"")));
	OK(http_cookie_get(&f.head, STR("e"), &v) && str_eq(v, STR("f=g")));
	OK(!http_cookie_get(&f.head, STR("c"), &v) && !http_cookie_get(&f.head, STR("A"), &v));
	feed_fini(&f);
	parse(&f, STR("HTTP/1.1 204 X\r\nSet-Cookie: a=1; Path=/\r\nSet-Cookie: b=2\r\n\r\n"),
	      true);
	OK(http_cookie_get(&f.head, STR("b"), &v) && str_eq(v, STR("2")));
	OK(!http_cookie_get(&f.head, STR("Path"), &v));
	feed_fini(&f);
}

static void
test_query(void)
{
	struct str v, q = STR("a=1&b=&c&&d=x=y;e=2&a=3");
	OK(http_query_param(q, STR("a"), STR(""), &v) && str_eq(v, STR("1")));
	OK(http_query_param(q, STR("b"), STR(""), &v) && v.n == 0);
	OK(http_query_param(q, STR("c"), STR(""), &v) && v.n == 0);
	OK(http_query_param(q, STR("d"), STR(""), &v) && str_eq(v, STR("x=y;e=2")));
	OK(http_query_param(q, STR("d"), STR("&;"), &v) && str_eq(v, STR("x=y")));
	OK(http_query_param(q, STR("e"), STR("&;"), &v) && str_eq(v, STR("2")));
	OK(!http_query_param(q, STR("e"), STR(""), &v) &&
	   !http_query_param(q, STR(""), STR(""), &v));
	OK(!http_query_param(STR_NULL, STR("a"), STR(""), &v));
}

int
main(void)
{
	test_targets();
	test_values();
	test_cookies();
	test_query();
	return tap_done();
}
