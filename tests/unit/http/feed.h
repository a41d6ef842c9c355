// SPDX-License-Identifier: MIT
// Feeds a head to the parser whole, cut in two at every byte, and byte by byte, and says whether
// all answers are the same. Bytes that were not fed yet are garbage, in memory of the exact size.
#pragma once

#include "base/mem.h"
#include "http/h1.h"

#define FEED_FIELDS 16

struct feed {
	enum h1_status status;
	struct h1_parser parser;
	struct http_head head;
	struct http_field table[FEED_FIELDS];
	char *buf; // holds the input; slices of head point here
	size_t n;
};

static inline enum h1_status
feed_parse(struct feed *f, size_t n, bool response, enum http_method method)
{
	return response ? h1_parse_response(&f->parser, f->buf, n, &f->head, method)
			: h1_parse_request(&f->parser, f->buf, n, &f->head);
}

// Feeds in steps of `step` bytes, the first `first` bytes long. End with feed_fini.
static inline void
feed_init(struct feed *f, struct str in, size_t first, size_t step, bool response,
	  enum http_method method)
{
	*f = (struct feed){.buf = mem_alloc(in.n), .n = in.n, .status = H1_MORE};
	http_head_init(&f->head, f->table, FEED_FIELDS);
	h1_parser_init(&f->parser);
	memset(f->buf, ':', in.n);
	for (size_t at = 0, to = first; f->status == H1_MORE; at = to, to += step) {
		to = to < in.n ? to : in.n;
		memcpy(f->buf + at, in.p + at, to - at);
		f->status = feed_parse(f, to, response, method);
		if (to == in.n)
			break;
	}
}

static inline void
feed_fini(struct feed *f)
{
	mem_free(f->buf);
}

static inline size_t
feed_offset(const struct feed *f, const char *p)
{
	return p != NULL ? (size_t)(p - f->buf) : SIZE_MAX;
}

static inline bool
feed_same(const struct feed *a, const struct feed *b)
{
	if (a->status != b->status)
		return false;
	if (a->status == H1_BAD)
		return a->parser.reason == b->parser.reason && a->parser.bad_at == b->parser.bad_at;
	if (a->status == H1_MORE)
		return true;
	bool same = a->parser.consumed == b->parser.consumed &&
		    a->head.n_fields == b->head.n_fields && a->head.flags == b->head.flags &&
		    a->head.framing == b->head.framing && a->head.form == b->head.form &&
		    a->head.content_length == b->head.content_length &&
		    a->head.present == b->head.present && str_eq(a->head.host, b->head.host) &&
		    str_eq(a->head.target, b->head.target);
	for (unsigned i = 0; same && i < a->head.n_fields; i++) {
		const struct http_field *x = &a->table[i], *y = &b->table[i];
		same = x->id == y->id && x->flags == y->flags && x->name_n == y->name_n &&
		       str_eq(http_field_value(x), http_field_value(y)) &&
		       memcmp(x->name, y->name, x->name_n) == 0;
	}
	return same;
}

// Leaves the whole-fed answer in *f (end with feed_fini).
static inline bool
feed_all_ways(struct feed *f, struct str in, bool response, enum http_method method)
{
	feed_init(f, in, in.n, in.n, response, method);
	for (size_t cut = 0; cut <= in.n; cut++) {
		struct feed split;
		// cut 0: byte by byte
		feed_init(&split, in, cut == 0 ? 1 : cut, cut == 0 ? 1 : in.n, response, method);
		bool same = feed_same(f, &split);
		feed_fini(&split);
		if (!same)
			return false;
	}
	return true;
}
