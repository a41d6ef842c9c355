// SPDX-License-Identifier: MIT
// TLS hellos: what one says, byte by byte; cut, joined from records, and broken in every place.
#include "base/arena.h"
#include "expr/tls_hello.h"
#include "../tap.h"

static struct arena arena;

#define SNI                        \
	"\0\0\0\x0d\0\x0b\0\0\x08" \
	"a.exampl"
#define ALPN "\0\x10\0\x0e\0\x0c\x02h2\x08http/1.1"
#define REST "\0\x0a\0\x04\0\x02\0\x1d\0\x0d\0\x04\0\x02\x04\x03\0\x23\0\x01x"
#define LIST SNI ALPN REST
#define BODY                               \
	"\x03\x03"                         \
	"0123456789abcdef0123456789abcdef" \
	"\x02id"                           \
	"\0\x04\x13\x01\x13\x02"           \
	"\x01\0"

// Record and handshake headers in front of version .. compression, extensions behind them.
static struct str
make(char *out, const char *ext, size_t ext_n)
{
	size_t body_n = sizeof(BODY) - 1 + 2 + ext_n;
	char head[] = {22,
		       3,
		       1,
		       (char)((body_n + 4) >> 8),
		       (char)(body_n + 4),
		       1,
		       0,
		       (char)(body_n >> 8),
		       (char)body_n};
	char *p = out;
	memcpy(p, head, sizeof(head));
	p += sizeof(head);
	memcpy(p, BODY, sizeof(BODY) - 1);
	p += sizeof(BODY) - 1;
	*p++ = (char)(ext_n >> 8);
	*p++ = (char)ext_n;
	memcpy(p, ext, ext_n);
	return str_of(out, (size_t)(p - out) + ext_n);
}

static bool
is_whole(const struct tls_hello *h)
{
	return h->type == 1 && h->version == 0x0303 && str_eq(h->sni, STR("a.exampl")) &&
	       str_eq(h->alpn, STR("h2")) && h->ciphers.n == 4 && h->has_ec &&
	       str_eq(h->groups, STR("\0\x1d")) && str_eq(h->sigalgs, STR("\x04\x03")) &&
	       h->ticket == 2;
}

static void
test_whole(void)
{
	char bytes[512];
	struct tls_hello h;
	struct str s = make(bytes, LIST, sizeof(LIST) - 1);
	OK(tls_hello_parse(s, &arena, &h) == TLS_HELLO_OK && is_whole(&h));
	OK(tls_hello_version(&h) == 0x30003);
	bool more = true;
	for (size_t n = 0; n < s.n; n++)
		more &= tls_hello_parse(str_slice(s, 0, n), &arena, &h) == TLS_HELLO_MORE;
	OK(more);
	s = make(bytes, "", 0);
	OK(tls_hello_parse(s, &arena, &h) == TLS_HELLO_OK && h.sni.p == NULL && h.ticket == 0);
}

// The same message in two records, cut wherever the header of the message stays whole.
static void
test_records(void)
{
	char bytes[512], cut[600];
	struct tls_hello h;
	struct str s = make(bytes, LIST, sizeof(LIST) - 1);
	bool good = true, more = true;
	for (size_t at = 4; at < s.n - 5; at++) {
		size_t rest = s.n - 5 - at;
		char second[] = {22, 3, 1, (char)(rest >> 8), (char)rest};
		memcpy(cut, bytes, 5 + at);
		cut[3] = (char)(at >> 8);
		cut[4] = (char)at;
		memcpy(cut + 5 + at, second, 5);
		memcpy(cut + 10 + at, bytes + 5 + at, rest);
		good &= tls_hello_parse(str_of(cut, s.n + 5), &arena, &h) == TLS_HELLO_OK &&
			is_whole(&h);
		more &= tls_hello_parse(str_of(cut, s.n + 4), &arena, &h) == TLS_HELLO_MORE;
	}
	OK(good);
	OK(more);
	OK(tls_hello_parse(str_of(cut, s.n + 5), NULL, &h) == TLS_HELLO_BAD);
}

// What comes in small pieces is looked at many times, and takes room once.
static void
test_in_pieces(void)
{
	struct arena small;
	char bytes[512], cut[600];
	struct tls_hello h;
	struct str s = make(bytes, LIST, sizeof(LIST) - 1);
	char second[] = {22, 3, 1, (char)((s.n - 45) >> 8), (char)(s.n - 45)};
	arena_init(&small, 512);
	memcpy(cut, bytes, 45);
	cut[3] = 0;
	cut[4] = 40;
	memcpy(cut + 45, second, 5);
	memcpy(cut + 50, bytes + 45, s.n - 45);
	bool more = true;
	for (size_t n = 0; n < s.n + 5; n++)
		more &= tls_hello_parse(str_of(cut, n), &small, &h) == TLS_HELLO_MORE;
	OK(more);
	OK(tls_hello_parse(str_of(cut, s.n + 5), &small, &h) == TLS_HELLO_OK && is_whole(&h));
	arena_fini(&small);
}

static void
test_broken(void)
{
	char bytes[512];
	struct tls_hello h;
	struct str s = make(bytes, LIST, sizeof(LIST) - 1);
	OK(tls_hello_parse(STR("GET / HTTP/1.1"), &arena, &h) == TLS_HELLO_BAD);
	OK(tls_hello_parse(STR("\x16\x02"), &arena, &h) == TLS_HELLO_BAD);
	OK(tls_hello_parse(STR("\x16\x03\x01\xff\xff"), &arena, &h) == TLS_HELLO_BAD);
	OK(tls_hello_parse(STR("\x16\x03\x01\0\0"), &arena, &h) == TLS_HELLO_BAD);
	bytes[9] = 2; // version 2.x
	OK(tls_hello_parse(s, &arena, &h) == TLS_HELLO_BAD);
	s = make(bytes, LIST, sizeof(LIST) - 1);
	size_t list = s.n - (sizeof(LIST) - 1);
	bytes[list + 3] = 0x7f; // the first extension is longer than all
	OK(tls_hello_parse(s, &arena, &h) == TLS_HELLO_BAD);
	s = make(bytes, LIST, sizeof(LIST) - 1);
	bytes[list + 8] = 0x7f; // a name that leaves its list is no name
	OK(tls_hello_parse(s, &arena, &h) == TLS_HELLO_OK && h.sni.p == NULL);
	s = make(bytes, LIST, sizeof(LIST) - 1);
	bytes[5] = 2; // a server hello: its type and no more
	OK(tls_hello_parse(s, &arena, &h) == TLS_HELLO_OK && h.type == 2 && h.sni.p == NULL);
}

int
main(void)
{
	arena_init(&arena, 1 << 20);
	test_whole();
	test_records();
	test_in_pieces();
	test_broken();
	arena_fini(&arena);
	return tap_done();
}
