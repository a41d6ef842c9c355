// SPDX-License-Identifier: MIT
// Heads back onto the wire as iovecs. Received lines stand one behind the other in the receive
// buffer, so the writer walks the fields and opens a new entry only where the next line does not
// follow the last: a head that nobody touched is one entry.
#include "http/h1.h"

#include "http/names_priv.h"

// Entries under construction. `left` counts down; a push beyond it marks overflow.
struct out {
	struct iovec *iov;
	size_t n, max;
	bool full;
};

// Appends bytes; those that follow the last entry in memory extend it.
static inline void
push(struct out *o, const char *p, size_t n)
{
	if (n == 0)
		return;
	if (o->n > 0) {
		struct iovec *last = &o->iov[o->n - 1];
		if ((const char *)last->iov_base + last->iov_len == p) {
			last->iov_len += n;
			return;
		}
	}
	if (o->n == o->max) {
		o->full = true;
		return;
	}
	o->iov[o->n++] = (struct iovec){.iov_base = (void *)(uintptr_t)p, .iov_len = n};
}

static inline void
push_str(struct out *o, struct str s)
{
	push(o, s.p, s.n);
}

static void
push_field(struct out *o, const struct http_field *f)
{
	if (UNLIKELY(f->flags & HTTP_FIELD_DETACHED)) {
		push(o, f->name, f->name_n);
		push_str(o, STR(": "));
		push(o, f->value, f->value_n);
		push_str(o, STR("\r\n"));
		return;
	}
	const char *eol = f->value + f->value_n;
	while (*eol != '\n') // white space behind the value, CR
		eol++;
	push(o, f->name, (size_t)(eol + 1 - f->name));
}

// The fields of a head of which some were touched.
static void
push_fields(struct out *o, const struct http_head *h)
{
	for (unsigned i = 0; i < h->n_fields; i++)
		if (!(h->field[i].flags & HTTP_FIELD_DROP))
			push_field(o, &h->field[i]);
}

// The length line of a body that was framed anew.
static void
push_length(struct out *o, const struct http_head *h, struct h1_write *w)
{
	char *at = w->length_line + sizeof(w->length_line) - 2;
	uint64_t v = h->content_length;
	memcpy(at, "\r\n", 2);
	do
		*--at = (char)('0' + v % 10);
	while ((v /= 10) > 0);
	at -= 16;
	memcpy(at, "Content-Length: ", 16);
	push(o, at, (size_t)(w->length_line + sizeof(w->length_line) - at));
}

// What follows the fields: extra lines, framing, Connection, the empty line. One entry in the
// common cases.
static void
push_tail(struct out *o, const struct http_head *h, struct h1_write *w)
{
	push_str(o, w->extra);
	if (h->flags & HTTP_HEAD_FRAMING_SET) {
		if (h->framing == HTTP_BODY_LENGTH)
			push_length(o, h, w);
		else if (h->framing == HTTP_BODY_CHUNKED)
			push_str(o, STR("Transfer-Encoding: chunked\r\n"));
	}
	if (w->flags & H1_WRITE_UPGRADE)
		push_str(o, STR("Connection: upgrade\r\n\r\n"));
	else if (w->flags & H1_WRITE_CLOSE)
		push_str(o, STR("Connection: close\r\n\r\n"));
	else if (w->flags & H1_WRITE_KEEP_ALIVE)
		push_str(o, STR("Connection: keep-alive\r\n\r\n"));
	else if (h->fields_end != NULL)
		push(o, h->fields_end, 2); // extends the fields' entry when nothing came between
	else
		push_str(o, STR("\r\n"));
}

// The received start line and, as long as nobody touched them, all fields with it.
static void
push_received(struct out *o, const struct http_head *h)
{
	if (LIKELY(!(h->flags & HTTP_HEAD_FIELDS_EDITED))) {
		push(o, h->raw.p, (size_t)(h->fields_end - h->raw.p));
		return;
	}
	const char *eol = memchr(h->raw.p, '\n', h->raw.n);
	push(o, h->raw.p, (size_t)(eol + 1 - h->raw.p));
	push_fields(o, h);
}

// Fields behind a start line made here.
static void
push_all_fields(struct out *o, const struct http_head *h)
{
	if (!(h->flags & HTTP_HEAD_FIELDS_EDITED) && h->n_fields > 0)
		push(o, h->field[0].name, (size_t)(h->fields_end - h->field[0].name));
	else
		push_fields(o, h);
}

// The target as an origin server wants it.
static void
push_target(struct out *o, const struct http_head *h)
{
	if (h->form != HTTP_FORM_ABSOLUTE) {
		push_str(o, h->target);
		return;
	}
	size_t at = str_find(h->target, STR("://")) + 3;
	while (at < h->target.n && h->target.p[at] != '/' && h->target.p[at] != '?')
		at++;
	if (at == h->target.n && h->method == HTTP_METHOD_OPTIONS)
		push_str(o, STR("*")); // RFC 9112 section 3.2.4
	else if (at == h->target.n || h->target.p[at] == '?')
		push_str(o, STR("/"));
	push(o, h->target.p + at, h->target.n - at);
}

static size_t
entries(const struct out *o)
{
	return o->full ? 0 : o->n;
}

size_t
h1_write_request(const struct http_head *h, struct h1_write *w, struct iovec *iov, size_t max)
{
	struct out o = {.iov = iov, .max = max};
	if (h->raw.p != NULL && h->form != HTTP_FORM_ABSOLUTE &&
	    !(h->flags & HTTP_HEAD_LINE_EDITED)) {
		push_received(&o, h);
	} else {
		push_str(&o, h->method_text);
		const char *behind = h->method_text.p + h->method_text.n;
		if (behind + 1 == h->target.p && h->form != HTTP_FORM_ABSOLUTE)
			push(&o, behind, 1); // method, space and target as received
		else
			push_str(&o, STR(" "));
		push_target(&o, h);
		push_str(&o, STR(" HTTP/1.1\r\n"));
		push_all_fields(&o, h);
	}
	// A request of HTTP/1.0 may lack what HTTP/1.1 demands (RFC 9112 section 3.2).
	if (UNLIKELY(!http_head_has_id(h, HTTP_FIELD_HOST)))
		push_str(&o, STR("Host: \r\n"));
	push_tail(&o, h, w);
	return entries(&o);
}

size_t
h1_write_response(const struct http_head *h, struct h1_write *w, struct iovec *iov, size_t max)
{
	struct out o = {.iov = iov, .max = max};
	if (h->raw.p != NULL && !(h->flags & HTTP_HEAD_LINE_EDITED)) {
		push_received(&o, h);
	} else {
		memcpy(w->status_line, "HTTP/1.1 000 ", 13);
		w->status_line[9] = (char)('0' + h->status / 100);
		w->status_line[10] = (char)('0' + h->status / 10 % 10);
		w->status_line[11] = (char)('0' + h->status % 10);
		push(&o, w->status_line, 13);
		push_str(&o, h->reason);
		push_str(&o, STR("\r\n"));
		push_all_fields(&o, h);
	}
	push_tail(&o, h, w);
	return entries(&o);
}

size_t
h1_chunk_header(char *buf, uint64_t size, bool first)
{
	char digits[16];
	size_t n = 0, at = 0;
	do
		digits[n++] = "0123456789abcdef"[size & 15];
	while ((size >>= 4) > 0);
	if (!first) {
		buf[at++] = '\r';
		buf[at++] = '\n';
	}
	while (n > 0)
		buf[at++] = digits[--n];
	buf[at++] = '\r';
	buf[at++] = '\n';
	return at;
}
