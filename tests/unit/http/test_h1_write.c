// SPDX-License-Identifier: MIT
// http/h1_write together with http/head_edit: what goes out, byte by byte and in how many pieces.
#include "base/arena.h"
#include "feed.h"
#include "tap.h"

#define GET "GET / HTTP/1.1\r\n"
#define H   "Host: a\r\n"
#define END "\r\n"

static char written[4096];
static size_t n_iov;

static const char *
write_out(const struct feed *f, unsigned flags, const char *extra)
{
	struct h1_write w = {.flags = flags, .extra = str_from_c(extra)};
	struct iovec iov[H1_WRITE_IOV(FEED_FIELDS)];
	size_t at = 0;
	n_iov = f->head.flags & HTTP_HEAD_RESPONSE
		    ? h1_write_response(&f->head, &w, iov, ARRAY_LEN(iov))
		    : h1_write_request(&f->head, &w, iov, ARRAY_LEN(iov));
	for (size_t i = 0; i < n_iov; i++) {
		memcpy(written + at, iov[i].iov_base, iov[i].iov_len);
		at += iov[i].iov_len;
	}
	written[at] = '\0';
	return written;
}

static void
parse(struct feed *f, const char *in, enum http_method method)
{
	feed_init(f, str_from_c(in), strlen(in), strlen(in), strncmp(in, "HTTP/", 5) == 0, method);
	OK(f->status == H1_OK);
}

// What goes in comes out, in one piece, when nobody touches it.
static void
test_untouched(void)
{
	static const char *const heads[] = {
	    GET H END,
	    "OPTIONS * HTTP/1.1\r\n" H END,
	    "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n" END,
	    "POST /x?y HTTP/1.1\r\n" H
	    "Expect: 100-continue\r\nX:  odd \t\r\nContent-Length: 3\r\ny:\r\n" END,
	    "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n" END,
	    "HTTP/1.1 200 OK\r\n" END,
	    "HTTP/1.1 404 \r\nServer: x\r\nTransfer-Encoding: chunked\r\n" END,
	    "HTTP/1.1 204 X\r\nA: b\r\n" END,
	};
	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		struct feed f;
		parse(&f, heads[i], HTTP_METHOD_GET);
		http_head_strip_hop_by_hop(&f.head, false);
		IS_STR(write_out(&f, 0, NULL), heads[i]);
		IS_INT(n_iov, 1);
		feed_fini(&f);
	}
}

struct line_row {
	const char *in, *out;
};

// Start lines that are not passed on as they came.
static void
test_lines(void)
{
	static const struct line_row rows[] = {
	    {"GET / HTTP/1.0\r\n" H END, GET H END},
	    {"GET / HTTP/1.0\r\n" END, GET "Host: \r\n" END},
	    {"GET /x HTTP/1.9\r\n" H END, "GET /x HTTP/1.1\r\n" H END},
	    {"\r\n" GET H END, GET H END},
	    {"GET http://b/x?y HTTP/1.1\r\nX: y\r\n" H "Z:z\r\n" END,
	     "GET /x?y HTTP/1.1\r\nX: y\r\nHost: b\r\nZ:z\r\n" END},
	    {"GET http://b HTTP/1.1\r\n" H END, GET "Host: b\r\n" END},
	    {"GET http://a?q HTTP/1.1\r\n" H END, "GET /?q HTTP/1.1\r\n" H END},
	    {"OPTIONS http://a HTTP/1.1\r\n" H END, "OPTIONS * HTTP/1.1\r\n" H END},
	    {"OPTIONS http://a/ HTTP/1.1\r\n" H END, "OPTIONS / HTTP/1.1\r\n" H END},
	    {"GET http://b/ HTTP/1.0\r\n" END, GET "Host: b\r\n" END},
	    {"CONNECT b:1 HTTP/1.1\r\n" H END, "CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\n" END},
	    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: ,Chunked\r\nX: y\r\n" END,
	     "POST / HTTP/1.1\r\n" H "X: y\r\nTransfer-Encoding: chunked\r\n" END},
	    {"HTTP/1.0 200 OK\r\nA: b\r\n" END, "HTTP/1.1 200 OK\r\nA: b\r\n" END},
	    {"HTTP/1.1 200\r\nA: b\r\n" END, "HTTP/1.1 200 \r\nA: b\r\n" END},
	    {"HTTP/1.1 204 X\r\nContent-Length: 0\r\nA: b\r\n" END,
	     "HTTP/1.1 204 X\r\nA: b\r\n" END},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct feed f;
		parse(&f, rows[i].in, HTTP_METHOD_GET);
		IS_STR(write_out(&f, 0, NULL), rows[i].out);
		feed_fini(&f);
	}
}

static void
test_tail(void)
{
	struct feed f;
	parse(&f, GET H END, HTTP_METHOD_GET);
	IS_STR(write_out(&f, 0, "X-Forwarded-For: 1\r\n"), GET H "X-Forwarded-For: 1\r\n" END);
	IS_INT(n_iov, 3);
	IS_STR(write_out(&f, H1_WRITE_CLOSE, NULL), GET H "Connection: close\r\n" END);
	IS_INT(n_iov, 2);
	IS_STR(write_out(&f, H1_WRITE_KEEP_ALIVE, "A: b\r\n"),
	       GET H "A: b\r\nConnection: keep-alive\r\n" END);
	IS_STR(write_out(&f, H1_WRITE_UPGRADE, NULL), GET H "Connection: upgrade\r\n" END);
	struct h1_write w = {.extra = STR("A: b\r\n")};
	struct iovec iov[2];
	OK_MSG(h1_write_request(&f.head, &w, iov, 2) == 0, "too few entries are told");
	feed_fini(&f);
}

// Hop-by-hop fields end here, those that Connection lists included.
static void
test_strip(void)
{
	struct feed f;
	const char *in = GET "Connection: keep-alive, X-Gone, Host, Content-Length\r\n" H
			     "X-Stays: 1\r\nx-gone: 2\r\nKeep-Alive: 5\r\nTE: trailers\r\n"
			     "Proxy-Connection: close\r\nUpgrade: foo\r\nContent-Length: 3\r\n"
			     "X-Gone: 4\r\n" END;
	parse(&f, in, HTTP_METHOD_GET);
	http_head_strip_hop_by_hop(&f.head, false);
	IS_STR(write_out(&f, 0, NULL), GET H "X-Stays: 1\r\nContent-Length: 3\r\n" END);
	OK(n_iov <= 4);
	feed_fini(&f);

	in = GET H "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: websocket\r\nHTTP2-Settings: "
		   "x\r\n" END;
	parse(&f, in, HTTP_METHOD_GET);
	http_head_strip_hop_by_hop(&f.head, true);
	IS_STR(write_out(&f, H1_WRITE_UPGRADE, NULL),
	       GET H "Upgrade: websocket\r\nConnection: upgrade\r\n" END);
	feed_fini(&f);

	in = "POST / HTTP/1.1\r\n" H
	     "Connection: transfer-encoding, close\r\nTransfer-Encoding: chunked\r\n" END;
	parse(&f, in, HTTP_METHOD_GET);
	http_head_strip_hop_by_hop(&f.head, false);
	IS_STR(write_out(&f, 0, NULL),
	       "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n" END);
	feed_fini(&f);
}

// Who lists a field in Connection takes his own away, never one that our rules have put there.
static void
test_strip_keeps_ours(void)
{
	struct feed f;
	struct arena a;
	struct http_name cookie = http_name_of(STR("cookie"));
	arena_init(&a, 8192);
	parse(&f,
	      GET H "Connection: X-User, X-Other, Cookie\r\nX-User: forged\r\nX-Other: b\r\n"
		    "Cookie: c\r\n" END,
	      HTTP_METHOD_GET);
	OK(http_head_add(&f.head, &a, STR("x-user"), STR("real")) == HTTP_EDIT_OK);
	OK(http_head_set(&f.head, &a, &cookie, STR("d")) == HTTP_EDIT_OK);
	http_head_strip_hop_by_hop(&f.head, false);
	IS_STR(write_out(&f, 0, NULL), GET H "x-user: real\r\ncookie: d\r\n" END);
	OK(http_head_has_id(&f.head, HTTP_FIELD_COOKIE));
	feed_fini(&f);
	arena_fini(&a);
}

static enum http_edit
add_line(struct http_head *h, struct str line)
{
	struct http_field made = http_field_of_line(line);
	return http_head_add_made(h, &made);
}

static void
test_edit_fields(void)
{
	struct feed f;
	struct arena a;
	struct http_name b = http_name_of(STR("b")), host = http_name_of(STR("host"));
	struct http_name length = http_name_of(STR("content-length"));
	arena_init(&a, 8192);
	parse(&f, "POST / HTTP/1.1\r\n" H "B: 1\r\nC: 2\r\nb: 3\r\nContent-Length: 4\r\n" END,
	      HTTP_METHOD_GET);
	OK(http_head_add(&f.head, &a, STR("D"), STR(" x ")) == HTTP_EDIT_OK);
	IS_STR(write_out(&f, 0, NULL),
	       "POST / HTTP/1.1\r\n" H "B: 1\r\nC: 2\r\nb: 3\r\nContent-Length: 4\r\nD: x\r\n" END);
	OK(http_head_set(&f.head, &a, &b, STR("9")) == HTTP_EDIT_OK);
	OK(http_head_replace(&f.head, &a, &f.table[2], STR("two")) == HTTP_EDIT_OK);
	OK(http_head_set(&f.head, &a, &host, STR("new")) == HTTP_EDIT_OK);
	OK(str_eq(f.head.host, STR("new")));
	IS_STR(write_out(&f, 0, NULL), "POST / HTTP/1.1\r\nC: two\r\nContent-Length: 4\r\nD: x\r\n"
				       "b: 9\r\nhost: new\r\n" END);
	OK(http_head_del(&f.head, &b) == 1 && http_head_del(&f.head, &b) == 0);
	OK_MSG(http_head_del(&f.head, &length) == 0, "framing is not to be deleted");
	OK(add_line(&f.head, STR("Via: us\r\n")) == HTTP_EDIT_OK);
	OK(http_head_has_id(&f.head, HTTP_FIELD_VIA));
	IS_STR(write_out(&f, 0, NULL), "POST / HTTP/1.1\r\nC: two\r\nContent-Length: 4\r\nD: x\r\n"
				       "host: new\r\nVia: us\r\n" END);

	uint16_t n = f.head.n_fields;
	OK(http_head_add(&f.head, &a, STR("a b"), STR("x")) == HTTP_EDIT_INVALID);
	OK(http_head_add(&f.head, &a, STR("a"), STR("x\r\ny: z")) == HTTP_EDIT_INVALID);
	OK(http_head_add(&f.head, &a, STR("Transfer-Encoding"), STR("x")) == HTTP_EDIT_INVALID);
	OK(http_head_replace(&f.head, &a, &f.table[2], STR("\n")) == HTTP_EDIT_INVALID);
	char big[9000];
	memset(big, 'x', sizeof(big));
	OK(http_head_set(&f.head, &a, &host, str_of(big, sizeof(big))) == HTTP_EDIT_FULL);
	OK_MSG(f.head.n_fields == n && str_eq(f.head.host, STR("new")), "and nothing changed");
	while (f.head.n_fields < FEED_FIELDS)
		OK(http_head_add(&f.head, &a, STR("E"), STR("")) == HTTP_EDIT_OK);
	OK(http_head_add(&f.head, &a, STR("E"), STR("")) == HTTP_EDIT_FULL);
	OK(add_line(&f.head, STR("E:\r\n")) == HTTP_EDIT_FULL);
	arena_fini(&a);
	feed_fini(&f);
}

static void
test_edit_line(void)
{
	struct feed f;
	struct arena a;
	arena_init(&a, 8192);
	parse(&f, "GET /a?b HTTP/1.1\r\n" H END, HTTP_METHOD_GET);
	OK(http_head_set_method(&f.head, &a, STR("PUT")) == HTTP_EDIT_OK);
	OK(f.head.method == HTTP_METHOD_PUT);
	IS_STR(write_out(&f, 0, NULL), "PUT /a?b HTTP/1.1\r\n" H END);
	OK(http_head_set_path(&f.head, &a, STR("/c")) == HTTP_EDIT_OK);
	IS_STR(write_out(&f, 0, NULL), "PUT /c?b HTTP/1.1\r\n" H END);
	OK(http_head_set_query(&f.head, &a, STR("d=e")) == HTTP_EDIT_OK);
	OK(str_eq(http_head_query(&f.head), STR("d=e")));
	OK(http_head_set_query(&f.head, &a, STR("")) == HTTP_EDIT_OK);
	IS_STR(write_out(&f, 0, NULL), "PUT /c HTTP/1.1\r\n" H END);
	OK(http_head_set_pathq(&f.head, &a, STR("/p?q")) == HTTP_EDIT_OK);
	OK(str_eq(http_head_path(&f.head), STR("/p")));
	OK(http_head_set_uri(&f.head, &a, STR("http://z:9/u?v")) == HTTP_EDIT_OK);
	IS_STR(write_out(&f, 0, NULL), "PUT /u?v HTTP/1.1\r\nHost: z:9\r\n" END);
	OK(str_eq(http_head_path(&f.head), STR("/u")) && str_eq(f.head.host, STR("z:9")));

	OK(http_head_set_method(&f.head, &a, STR("A B")) == HTTP_EDIT_INVALID);
	OK(http_head_set_method(&f.head, &a, STR("CONNECT")) == HTTP_EDIT_INVALID);
	OK(http_head_set_path(&f.head, &a, STR("x")) == HTTP_EDIT_INVALID);
	OK(http_head_set_path(&f.head, &a, STR("/x y")) == HTTP_EDIT_INVALID);
	OK(http_head_set_path(&f.head, &a, STR("/x?y")) == HTTP_EDIT_INVALID);
	OK(http_head_set_query(&f.head, &a, STR("\r\n")) == HTTP_EDIT_INVALID);
	OK(http_head_set_uri(&f.head, &a, STR("ftp://x/")) == HTTP_EDIT_INVALID);
	OK(http_head_set_uri(&f.head, &a, STR("http://u@x/")) == HTTP_EDIT_INVALID);
	OK(http_head_set_uri(&f.head, &a, STR("")) == HTTP_EDIT_INVALID);
	feed_fini(&f);

	parse(&f, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nA: b\r\n" END, HTTP_METHOD_GET);
	OK(http_head_set_status(&f.head, &a, 418, STR("Tea")) == HTTP_EDIT_OK);
	IS_STR(write_out(&f, 0, NULL), "HTTP/1.1 418 Tea\r\nContent-Length: 5\r\nA: b\r\n" END);
	OK(http_head_set_status(&f.head, &a, 503, STR("")) == HTTP_EDIT_OK);
	IS_STR(write_out(&f, 0, NULL),
	       "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 5\r\nA: b\r\n" END);
	OK(http_head_set_status(&f.head, &a, 99, STR("")) == HTTP_EDIT_INVALID);
	OK(http_head_set_status(&f.head, &a, 200, STR("a\nb")) == HTTP_EDIT_INVALID);
	http_head_set_framing(&f.head, HTTP_BODY_CHUNKED, 0);
	IS_STR(write_out(&f, 0, NULL),
	       "HTTP/1.1 503 Service Unavailable\r\nA: b\r\nTransfer-Encoding: chunked\r\n" END);
	feed_fini(&f);
	arena_fini(&a);
}

// Another status must not move the message's end: RFC 9112 section 6.3.
static void
test_status_and_framing(void)
{
	struct feed f;
	struct arena a;
	arena_init(&a, 8192);
	const char *const none[] = {"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n" END,
				    "HTTP/1.1 204 No Content\r\n" END};
	for (size_t i = 0; i < ARRAY_LEN(none); i++) {
		parse(&f, none[i], HTTP_METHOD_GET);
		OK(http_head_set_status(&f.head, &a, 200, STR("")) == HTTP_EDIT_OK);
		IS_STR(write_out(&f, 0, NULL), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" END);
		feed_fini(&f);
	}
	parse(&f, none[0], HTTP_METHOD_HEAD);
	OK(http_head_set_status(&f.head, &a, 200, STR("")) == HTTP_EDIT_OK);
	IS_STR(write_out(&f, 0, NULL), "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n" END);
	feed_fini(&f);

	parse(&f, "HTTP/1.1 200 OK\r\n" END, HTTP_METHOD_CONNECT);
	OK(http_head_set_status(&f.head, &a, 403, STR("")) == HTTP_EDIT_INVALID);
	feed_fini(&f);
	parse(&f, "HTTP/1.1 403 No\r\nContent-Length: 2\r\n" END, HTTP_METHOD_CONNECT);
	OK(http_head_set_status(&f.head, &a, 200, STR("")) == HTTP_EDIT_INVALID);
	OK(http_head_set_status(&f.head, &a, 404, STR("")) == HTTP_EDIT_OK);
	feed_fini(&f);
	arena_fini(&a);
}

static void
test_own_response(void)
{
	struct feed f = {0};
	struct arena a;
	arena_init(&a, 4096);
	http_head_init_response(&f.head, f.table, FEED_FIELDS, 503);
	OK(add_line(&f.head, STR("Retry-After: 5\r\n")) == HTTP_EDIT_OK);
	http_head_set_framing(&f.head, HTTP_BODY_LENGTH, UINT64_MAX);
	IS_STR(write_out(&f, H1_WRITE_CLOSE, NULL),
	       "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n"
	       "Content-Length: 18446744073709551615\r\nConnection: close\r\n" END);
	http_head_set_framing(&f.head, HTTP_BODY_LENGTH, 0);
	IS_STR(write_out(&f, 0, NULL), "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n"
				       "Content-Length: 0\r\n" END);
	http_head_init_response(&f.head, f.table, FEED_FIELDS, 100);
	IS_STR(write_out(&f, 0, NULL), "HTTP/1.1 100 Continue\r\n" END);
	arena_fini(&a);
}

static void
test_chunk_header(void)
{
	char buf[H1_CHUNK_HEADER_BYTES];
	OK(str_eq(str_of(buf, h1_chunk_header(buf, 1, true)), STR("1\r\n")));
	OK(str_eq(str_of(buf, h1_chunk_header(buf, 0xabc, false)), STR("\r\nabc\r\n")));
	OK(str_eq(str_of(buf, h1_chunk_header(buf, UINT64_MAX, false)),
		  STR("\r\nffffffffffffffff\r\n")));
}

int
main(void)
{
	test_untouched();
	test_lines();
	test_tail();
	test_strip();
	test_strip_keeps_ours();
	test_edit_fields();
	test_edit_line();
	test_status_and_framing();
	test_own_response();
	test_chunk_header();
	return tap_done();
}
