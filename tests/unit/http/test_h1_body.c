// SPDX-License-Identifier: MIT
// http/h1_body: bodies that must be taken and bodies that must be refused, scanned and decoded,
// whole and cut at every byte; both ways must agree.
#include "base/mem.h"
#include "http/h1.h"
#include "tap.h"

#define IN(lit)   (lit), sizeof(lit) - 1
#define DATA_ROOM 512

struct result {
	enum h1_status status;
	enum http_reason_id reason;
	size_t used; // in all
	uint64_t total;
	char data[DATA_ROOM];
	size_t data_n;
	bool may_end;
};

// Feeds the input in pieces: `first` bytes, then `step` bytes each, every piece a copy of its own.
static void
feed(struct result *r, struct str in, size_t first, size_t step, enum http_framing framing,
     uint64_t length, bool decode)
{
	struct h1_body b;
	*r = (struct result){.status = H1_MORE};
	h1_body_init_framing(&b, framing, length, NULL);
	if (h1_body_is_done(&b))
		r->status = H1_OK;
	for (size_t at = 0, to = first; at < in.n && r->status == H1_MORE; at = to, to += step) {
		to = MIN(to, in.n);
		char *piece = mem_alloc(to - at);
		memcpy(piece, in.p + at, to - at);
		for (size_t off = 0; off < to - at && r->status == H1_MORE;) {
			size_t used;
			struct str data = STR_NULL;
			size_t left = to - at - off;
			r->status = decode ? h1_body_next(&b, piece + off, left, &used, &data)
					   : h1_body_scan(&b, piece + off, left, &used);
			if (data.n > 0)
				memcpy(r->data + r->data_n, data.p, data.n);
			r->data_n += data.n;
			r->used += used;
			off += used;
		}
		mem_free(piece);
	}
	r->total = b.total;
	r->reason = b.reason;
	r->may_end = h1_body_eof(&b);
}

static bool
same(const struct result *a, const struct result *b)
{
	return a->status == b->status && a->reason == b->reason && a->used == b->used &&
	       a->total == b->total;
}

// All cuts, both modes; leaves the whole-fed decoded answer in *r.
static bool
feed_all_ways(struct result *r, struct str in, enum http_framing framing, uint64_t length)
{
	bool all = true;
	feed(r, in, in.n, 1, framing, length, true);
	for (size_t cut = 0; cut <= in.n; cut++)
		for (int decode = 0; decode < 2; decode++) {
			struct result split;
			feed(&split, in, cut == 0 ? 1 : cut, cut == 0 ? 1 : in.n, framing, length,
			     decode);
			all &= same(r, &split);
			if (decode)
				all &= split.data_n == r->data_n &&
				       memcmp(split.data, r->data, r->data_n) == 0;
		}
	return all && r->data_n == r->total;
}

struct good_row {
	const char *what;
	const char *in;
	size_t n;
	const char *data;
	size_t used;
};

#define ALL SIZE_MAX

static const struct good_row good[] = {
    {"empty", IN("0\r\n\r\n"), "", ALL},
    {"one chunk", IN("5\r\nhello\r\n0\r\n\r\n"), "hello", ALL},
    {"two chunks and the next message", IN("5\r\nhello\r\n1\r\n!\r\n0\r\n\r\nGET /"), "hello!", 21},
    {"hexadecimal in both cases", IN("a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n"),
     "01234567890123456789a", ALL},
    {"leading zeros", IN("0005\r\nhello\r\n0000\r\n\r\n"), "hello", ALL},
    {"CRLF as data", IN("4\r\n\r\n\r\n\r\n0\r\n\r\n"), "\r\n\r\n", ALL},
    {"extensions", IN("5;a\r\nhello\r\n0;b=c;d=\"e;\\\"f\"\r\n\r\n"), "hello", ALL},
    {"white space where the grammar has it", IN("1 ;\ta = b ; c\r\nx\r\n0\r\n\r\n"), "x", ALL},
    {"trailers", IN("1\r\nx\r\n0\r\nX-Sum: 1\r\nEmpty:\r\n\r\n"), "x", ALL},
};

struct bad_row {
	const char *what;
	const char *in;
	size_t n;
	enum http_reason_id reason;
	size_t at;
};

static const struct bad_row bad[] = {
    {"no size", IN("\r\n"), HTTP_REASON_CHUNK_SIZE, 0},
    {"sign", IN("+5\r\n"), HTTP_REASON_CHUNK_SIZE, 0},
    {"0x", IN("0x5\r\n"), HTTP_REASON_CHUNK_SIZE, 1},
    {"space in front", IN(" 5\r\n"), HTTP_REASON_CHUNK_SIZE, 0},
    {"space behind", IN("5 \r\n"), HTTP_REASON_CHUNK_EXT, 2},
    {"letter", IN("5g\r\n"), HTTP_REASON_CHUNK_SIZE, 1},
    {"underscore", IN("1_0\r\n"), HTTP_REASON_CHUNK_SIZE, 1},
    {"NUL", IN("5\0\r\n"), HTTP_REASON_NUL, 1},
    {"2^63", IN("8000000000000000\r\n"), HTTP_REASON_CHUNK_OVERFLOW, 15},
    {"17 digits", IN("00000000000000001\r\n"), HTTP_REASON_CHUNK_OVERFLOW, 16},
    {"bare LF behind the size", IN("5\nhello\r\n"), HTTP_REASON_BARE_LF, 1},
    {"bare CR behind the size", IN("5\rhello\r\n"), HTTP_REASON_BARE_CR, 2},
    {"two CR behind the size", IN("5\r\r\nhello\r\n"), HTTP_REASON_BARE_CR, 2},
    {"data too long", IN("5\r\nhello!\r\n"), HTTP_REASON_CHUNK_END, 8},
    {"bare LF behind the data", IN("5\r\nhello\n0\r\n"), HTTP_REASON_CHUNK_END, 8},
    {"bare CR behind the data", IN("5\r\nhello\r0\r\n"), HTTP_REASON_CHUNK_END, 9},
    {"bare LF in an extension", IN("5;a\nb\r\n"), HTTP_REASON_BARE_LF, 3},
    {"bare CR in an extension", IN("5;a\rb\r\n"), HTTP_REASON_BARE_CR, 4},
    {"LF in a quoted extension", IN("5;a=\"\n\"\r\n"), HTTP_REASON_BARE_LF, 5},
    {"CR in a quoted extension", IN("5;a=\"\r\n\"\r\n"), HTTP_REASON_CHUNK_EXT, 5},
    {"quoted LF", IN("5;a=\"\\\n\"\r\n"), HTTP_REASON_BARE_LF, 6},
    {"extension without name", IN("5;\r\n"), HTTP_REASON_CHUNK_EXT, 2},
    {"extension without value", IN("5;a=\r\n"), HTTP_REASON_CHUNK_EXT, 4},
    {"white space behind an extension", IN("5;a=b \r\n"), HTTP_REASON_CHUNK_EXT, 6},
    {"token behind a quoted value", IN("5;a=\"b\"c\r\n"), HTTP_REASON_CHUNK_EXT, 7},
    {"bare LF ends the body", IN("0\r\n\n"), HTTP_REASON_BARE_LF, 3},
    {"bare CR ends the body", IN("0\r\n\rX"), HTTP_REASON_BARE_CR, 4},
    {"trailer without name", IN("0\r\n: a\r\n\r\n"), HTTP_REASON_TRAILER, 3},
    {"folded trailer", IN("0\r\nA: b\r\n c\r\n\r\n"), HTTP_REASON_TRAILER, 9},
    {"space before the colon", IN("0\r\nA : b\r\n"), HTTP_REASON_TRAILER, 4},
    {"trailer without colon", IN("0\r\nA\r\n"), HTTP_REASON_TRAILER, 4},
    {"bare LF in a trailer", IN("0\r\nA: b\n"), HTTP_REASON_BARE_LF, 7},
    {"bare CR in a trailer", IN("0\r\nA: b\rc\r\n"), HTTP_REASON_BARE_CR, 8},
    {"NUL in a trailer", IN("0\r\nA: \0\r\n"), HTTP_REASON_NUL, 6},
    {"control in a trailer", IN("0\r\nA: \x01\r\n"), HTTP_REASON_TRAILER, 6},
    {"length as a trailer", IN("0\r\ncontent-length: 5\r\n\r\n"), HTTP_REASON_TRAILER_FORBIDDEN,
     17},
    {"coding as a trailer", IN("0\r\nTransfer-Encoding: chunked\r\n\r\n"),
     HTTP_REASON_TRAILER_FORBIDDEN, 20},
    {"cookie as a trailer", IN("0\r\nSet-Cookie: a=b\r\n\r\n"), HTTP_REASON_TRAILER_FORBIDDEN, 13},
};

static void
test_chunked(void)
{
	struct result r;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		const struct good_row *g = &good[i];
		bool agree = feed_all_ways(&r, str_of(g->in, g->n), HTTP_BODY_CHUNKED, 0);
		OK_MSG(r.status == H1_OK && r.used == (g->used == ALL ? g->n : g->used) &&
			   r.may_end && r.data_n == strlen(g->data) &&
			   memcmp(r.data, g->data, r.data_n) == 0,
		       g->what);
		OK_MSG(agree, "and the same however it is cut, scanned or decoded");
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		bool agree = feed_all_ways(&r, str_of(bad[i].in, bad[i].n), HTTP_BODY_CHUNKED, 0);
		bool ok = r.status == H1_BAD && r.reason == bad[i].reason && r.used == bad[i].at;
		OK_MSG(ok, bad[i].what);
		if (!ok)
			printf("# status %d, %s at %zu\n", r.status, http_reason(r.reason)->name,
			       r.used);
		OK_MSG(agree, "and the same however it is cut, scanned or decoded");
	}
}

static void
test_length_and_close(void)
{
	struct result r;
	struct str in = STR("helloGET");
	OK(feed_all_ways(&r, in, HTTP_BODY_LENGTH, 5) && r.status == H1_OK && r.used == 5);
	OK(feed_all_ways(&r, in, HTTP_BODY_LENGTH, 9) && r.status == H1_MORE && !r.may_end);
	OK(feed_all_ways(&r, in, HTTP_BODY_LENGTH, 0) && r.status == H1_OK && r.used == 0);
	OK(feed_all_ways(&r, in, HTTP_BODY_NONE, 0) && r.status == H1_OK && r.used == 0);
	OK(feed_all_ways(&r, in, HTTP_BODY_CLOSE, 0) && r.status == H1_MORE && r.used == 8);
	OK_MSG(r.may_end, "a body until close may end at any byte");
	OK(feed_all_ways(&r, in, HTTP_BODY_TUNNEL, 0) && r.status == H1_MORE && r.may_end);
	OK(feed_all_ways(&r, STR("5\r\nhel"), HTTP_BODY_CHUNKED, 0) && r.status == H1_MORE);
	OK_MSG(!r.may_end, "a chunked body that was cut short is not whole");
	feed(&r, STR("1\r\nx\r\n0\r\n"), 99, 1, HTTP_BODY_CHUNKED, 0, false);
	OK_MSG(!r.may_end, "nor without its last empty line");
}

static enum h1_status
scan_one(struct h1_body *b, struct str in)
{
	size_t used;
	return h1_body_scan(b, in.p, in.n, &used);
}

static void
test_limits(void)
{
	static const struct h1_limits small = {.max_trailers_bytes = 12,
					       .max_trailers = 2,
					       .max_chunk_ext_bytes = 4};
	struct h1_body b;
	h1_body_init_framing(&b, HTTP_BODY_CHUNKED, 0, &small);
	OK(scan_one(&b, STR("0;abc\r\n\r\n")) == H1_OK);
	h1_body_init_framing(&b, HTTP_BODY_CHUNKED, 0, &small);
	OK(scan_one(&b, STR("0;abcd\r\n\r\n")) == H1_BAD);
	IS_INT(b.reason, HTTP_REASON_CHUNK_EXT_TOO_BIG);
	h1_body_init_framing(&b, HTTP_BODY_CHUNKED, 0, &small);
	OK(scan_one(&b, STR("0\r\na:123\r\nb:\r\n\r\n")) == H1_BAD);
	IS_INT(b.reason, HTTP_REASON_TRAILERS_TOO_BIG);
	h1_body_init_framing(&b, HTTP_BODY_CHUNKED, 0, &small);
	OK(scan_one(&b, STR("0\r\na:\r\nb:\r\n\r\n")) == H1_OK);
	h1_body_init_framing(&b, HTTP_BODY_CHUNKED, 0, &small);
	OK(scan_one(&b, STR("0\r\na:\r\nb:\r\nc:\r\n\r\n")) == H1_BAD);
	OK(scan_one(&b, STR("0")) == H1_BAD); // a refused body stays refused
	h1_body_init_framing(&b, HTTP_BODY_CHUNKED, 0, NULL);
	OK(scan_one(&b, STR("7fffffffffffffff\r\n")) == H1_MORE && b.left == INT64_MAX);
	char name[300];
	memset(name, 'n', sizeof(name));
	h1_body_init_framing(&b, HTTP_BODY_CHUNKED, 0, NULL);
	OK(scan_one(&b, STR("0\r\n")) == H1_MORE);
	OK(scan_one(&b, str_of(name, sizeof(name))) == H1_MORE);
	OK(scan_one(&b, STR(":\r\n\r\n")) == H1_OK);
}

int
main(void)
{
	test_chunked();
	test_length_and_close();
	test_limits();
	return tap_done();
}
