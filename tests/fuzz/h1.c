// SPDX-License-Identifier: MIT
// The HTTP/1 codec on any bytes: they are read as a request, as a response and as a chunked body.
// Asserted: fed whole or cut, the answer is the same; scanning and decoding a body agree; what was
// accepted can be written, and what is written is understood as the same message. The corpus is
// plain messages; where to cut is drawn from their hash.
#include "base/hash.h"
#include "http/h1.h"
#include "../unit/http/feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct body_end {
	enum h1_status status;
	uint8_t reason;
	size_t used;
	uint64_t total, hash;
};

// Takes the body in steps of `step` bytes; the data's hash is a running one over single bytes, so
// that it does not depend on the slices.
static struct body_end
run_body(struct str in, enum http_framing framing, uint64_t length, size_t step, bool decode)
{
	struct h1_body b;
	struct body_end e = {.status = H1_MORE, .hash = 1469598103934665603u};
	h1_body_init_framing(&b, framing, length, NULL);
	while (e.status == H1_MORE && e.used < in.n) {
		size_t used, give = MIN(step, in.n - e.used);
		char *piece = mem_alloc(give); // of the exact size, for the sanitizer
		struct str out = STR_NULL;
		memcpy(piece, in.p + e.used, give);
		e.status = decode ? h1_body_next(&b, piece, give, &used, &out)
				  : h1_body_scan(&b, piece, give, &used);
		ASSERT(used <= give && out.n <= used);
		for (size_t i = 0; i < out.n; i++)
			e.hash = (e.hash ^ (unsigned char)out.p[i]) * 1099511628211u;
		e.used += used;
		mem_free(piece);
	}
	e.reason = b.reason;
	e.total = b.total;
	return e;
}

static bool
same_end(const struct body_end *a, const struct body_end *b)
{
	return a->status == b->status && a->reason == b->reason && a->used == b->used &&
	       a->total == b->total;
}

static void
check_body(struct str in, enum http_framing framing, uint64_t length, size_t step)
{
	struct body_end scan = run_body(in, framing, length, in.n, false);
	struct body_end scan_cut = run_body(in, framing, length, step, false);
	struct body_end next = run_body(in, framing, length, in.n, true);
	struct body_end next_cut = run_body(in, framing, length, step, true);
	ASSERT(same_end(&scan, &scan_cut) && same_end(&scan, &next) && same_end(&scan, &next_cut));
	ASSERT(next.hash == next_cut.hash);
}

static struct str
write_head(struct http_head *h, unsigned flags, char *room, size_t room_n)
{
	struct iovec iov[H1_WRITE_IOV(FEED_FIELDS)];
	struct h1_write w = {.flags = flags};
	size_t n = h->flags & HTTP_HEAD_RESPONSE ? h1_write_response(h, &w, iov, ARRAY_LEN(iov))
						 : h1_write_request(h, &w, iov, ARRAY_LEN(iov));
	ASSERT(n > 0);
	size_t at = 0;
	for (size_t i = 0; i < n; i++) {
		ASSERT(at + iov[i].iov_len <= room_n);
		memcpy(room + at, iov[i].iov_base, iov[i].iov_len);
		at += iov[i].iov_len;
	}
	return str_of(room, at);
}

// What goes out must be what came in, for whoever reads it next.
static void
check_write(struct feed *f, bool response, enum http_method method)
{
	size_t room_n = f->n + 512;
	char *room = mem_alloc(room_n);
	struct str out = write_head(&f->head, 0, room, room_n);
	unsigned edited = HTTP_HEAD_LINE_EDITED | HTTP_HEAD_FIELDS_EDITED;
	if (!(f->head.flags & edited) && f->head.form != HTTP_FORM_ABSOLUTE &&
	    (response || http_head_has_id(&f->head, HTTP_FIELD_HOST)))
		ASSERT(str_eq(out, f->head.raw));
	bool upgrade = f->head.flags & HTTP_HEAD_UPGRADE;
	http_head_strip_hop_by_hop(&f->head, upgrade);
	out = write_head(&f->head, upgrade ? H1_WRITE_UPGRADE : 0, room, room_n);

	struct http_field table[FEED_FIELDS + 3];
	struct http_head again;
	struct h1_parser p;
	http_head_init(&again, table, ARRAY_LEN(table));
	h1_parser_init(&p);
	enum h1_status s = response ? h1_parse_response(&p, out.p, out.n, &again, method)
				    : h1_parse_request(&p, out.p, out.n, &again);
	ASSERT(s == H1_OK && p.consumed == out.n);
	ASSERT(again.framing == f->head.framing && again.status == f->head.status);
	ASSERT(again.framing != HTTP_BODY_LENGTH || again.content_length == f->head.content_length);
	ASSERT(str_eq(again.host, f->head.host) && again.method == f->head.method);
	bool star = again.form == HTTP_FORM_ASTERISK; // OPTIONS of an absolute-form without path
	ASSERT(star || str_eq(http_head_path(&again), http_head_path(&f->head)));
	ASSERT(str_eq(http_head_query(&again), http_head_query(&f->head)));
	mem_free(room);
}

static void
check_head(struct str in, size_t step, bool response, enum http_method method)
{
	struct feed whole, cut, bytes;
	feed_init(&whole, in, in.n, 1, response, method);
	feed_init(&cut, in, step, in.n, response, method);
	feed_init(&bytes, in, step, step, response, method);
	ASSERT(feed_same(&whole, &cut) && feed_same(&whole, &bytes));
	if (whole.status == H1_BAD)
		ASSERT(whole.parser.bad_at < in.n &&
		       http_reason(whole.parser.reason)->status >= 400);
	if (whole.status == H1_OK) {
		struct str body = str_slice(in, whole.parser.consumed, in.n);
		check_body(body, whole.head.framing, whole.head.content_length, step);
		check_write(&whole, response, method);
	}
	feed_fini(&whole);
	feed_fini(&cut);
	feed_fini(&bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str in = str_of((const char *)data, n);
	if (n == 0 || n > 4096)
		return 0;
	size_t step = 1 + hash_str(in) % n;
	check_head(in, step, false, HTTP_METHOD_GET);
	check_head(in, step, true, HTTP_METHOD_GET);
	check_head(in, step, true, HTTP_METHOD_CONNECT);
	check_body(in, HTTP_BODY_CHUNKED, 0, step);
	return 0;
}
