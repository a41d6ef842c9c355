// SPDX-License-Identifier: MIT
// What the fields of a head say about its connection and its body: Host, Connection, Upgrade,
// Expect, TE, Content-Length, Transfer-Encoding, and the verdict over all of them once the head is
// complete (RFC 9112 sections 3.2, 6.3, 9.3). Whatever two readers could understand differently
// is refused.
#include "http/h1_priv.h"

#include "http/host_priv.h"
#include "http/names_priv.h"

static enum h1_status
note_host(struct h1_parser *p, const char *buf, struct http_head *h, struct http_field *f)
{
	if (h->flags & HTTP_HEAD_RESPONSE)
		return H1_OK;
	if (p->seen & H1_SEEN_HOST)
		return h1_bad(p, (size_t)(f->name - buf), HTTP_REASON_HOST_DUPLICATE);
	p->seen |= H1_SEEN_HOST;
	struct str value = http_field_value(f);
	if (UNLIKELY(!http_host_is_plain(value, buf))) {
		struct http_host parts;
		size_t bad = http_host_check(value, &parts);
		// "Host: :80" has a port of nothing; only a wholly empty Host is meant by RFC 9112.
		if (bad == SIZE_MAX && parts.name.n == 0 && value.n > 0)
			bad = 0;
		if (bad != SIZE_MAX)
			return h1_bad(p, (size_t)(f->value - buf) + bad, HTTP_REASON_HOST_INVALID);
	}
	if (h->form == HTTP_FORM_ORIGIN || h->form == HTTP_FORM_ASTERISK)
		h->host = value;
	return H1_OK;
}

static bool
token_is(struct str s, const char *known, size_t n)
{
	return s.n == n && name_is(s.p, n, known);
}
#define TOKEN_IS(s, literal) token_is((s), (literal), sizeof(literal) - 1)

static void
note_connection(struct h1_parser *p, struct http_head *h, struct http_field *f)
{
	struct str rest = http_field_value(f), token;
	while (str_next(&rest, ',', &token)) {
		token = str_trim(token);
		if (TOKEN_IS(token, "keep-alive"))
			p->seen |= H1_SEEN_KEEP_ALIVE;
		else if (TOKEN_IS(token, "close"))
			p->seen |= H1_SEEN_CLOSE;
		else if (TOKEN_IS(token, "Upgrade"))
			p->seen |= H1_SEEN_UPGRADE;
		else if (!TOKEN_IS(token, "TE"))
			h->flags |= HTTP_HEAD_CONN_NAMES;
	}
}

// HTTP/2 in clear text would tunnel requests past the rules: such an upgrade is not honoured.
static void
note_upgrade(struct h1_parser *p, struct http_field *f)
{
	p->seen |= H1_SEEN_UPGRADE_FIELD;
	struct str rest = http_field_value(f), protocol;
	while (str_next(&rest, ',', &protocol)) {
		protocol = str_trim(protocol);
		if (str_eq_nocase(protocol, STR("h2c")) || str_eq_nocase(protocol, STR("h2")))
			p->seen |= H1_SEEN_UPGRADE_H2C;
	}
}

static enum h1_status
note_length(struct h1_parser *p, const char *buf, struct http_head *h, struct http_field *f)
{
	if (p->seen & H1_SEEN_LENGTH)
		return h1_bad(p, (size_t)(f->name - buf), HTTP_REASON_LENGTH_CONFLICT);
	p->seen |= H1_SEEN_LENGTH;
	uint64_t v = 0;
	size_t i = 0;
	for (; i < f->value_n && char_is(f->value[i], CHAR_DIGIT); i++)
		if (__builtin_mul_overflow(v, 10u, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(f->value[i] - '0'), &v) || v > INT64_MAX)
			break;
	if (i < f->value_n || i == 0)
		return h1_bad(p, (size_t)(f->value - buf) + i, HTTP_REASON_LENGTH_INVALID);
	h->content_length = v;
	h->flags |= HTTP_HEAD_HAS_LENGTH;
	return H1_OK;
}

static void
note_coding(struct h1_parser *p, struct http_field *f)
{
	if ((p->seen & H1_SEEN_CODING_FIELD) || f->value_n != 7 ||
	    memcmp(f->value, "chunked", 7) != 0)
		p->seen |= H1_SEEN_CODING_ODD;
	p->seen |= H1_SEEN_CODING_FIELD;
	struct str rest = http_field_value(f), coding;
	while (str_next(&rest, ',', &coding)) {
		coding = str_trim(coding);
		if (coding.n == 0)
			continue;
		bool chunked = TOKEN_IS(coding, "chunked");
		if (p->seen & H1_SEEN_CHUNKED)
			p->seen |= chunked ? H1_SEEN_CHUNKED_TWICE : H1_SEEN_CHUNKED_EARLY;
		p->seen |= chunked ? H1_SEEN_CHUNKED : H1_SEEN_CODING;
	}
}

static void
note_te(struct http_head *h, struct http_field *f)
{
	struct str rest = http_field_value(f), coding;
	while (str_next(&rest, ',', &coding))
		if (TOKEN_IS(str_trim(coding), "trailers"))
			h->flags |= HTTP_HEAD_TE_TRAILERS;
}

enum h1_status
h1_note_field(struct h1_parser *p, const char *buf, struct http_head *h)
{
	struct http_field *f = &h->field[h->n_fields - 1];
	switch (f->id) {
	case HTTP_FIELD_HOST:
		return note_host(p, buf, h, f);
	case HTTP_FIELD_CONTENT_LENGTH:
		return note_length(p, buf, h, f);
	case HTTP_FIELD_CONNECTION:
		note_connection(p, h, f);
		return H1_OK;
	case HTTP_FIELD_TRANSFER_ENCODING:
		note_coding(p, f);
		return H1_OK;
	case HTTP_FIELD_UPGRADE:
		note_upgrade(p, f);
		return H1_OK;
	case HTTP_FIELD_EXPECT:
		if (h->version > 0 && str_eq_nocase(http_field_value(f), STR("100-continue")))
			h->flags |= HTTP_HEAD_EXPECT_CONTINUE;
		return H1_OK;
	case HTTP_FIELD_TE:
		note_te(h, f);
		return H1_OK;
	default:
		return H1_OK;
	}
}

static enum h1_status
bad_field(struct h1_parser *p, const char *buf, struct http_head *h, enum http_field_id id,
	  enum http_reason_id why)
{
	const struct http_field *f = http_head_find_id(h, id, NULL);
	return h1_bad(p, (size_t)(f->name - buf), why);
}

// Only "Transfer-Encoding: chunked" alone, in HTTP/1.1, without Content-Length.
static enum h1_status
check_coding(struct h1_parser *p, const char *buf, struct http_head *h)
{
	enum http_reason_id why = HTTP_REASON_NONE;
	if (h->version == 0)
		why = HTTP_REASON_CODING_IN_HTTP10;
	else if (p->seen & H1_SEEN_LENGTH)
		why = HTTP_REASON_LENGTH_AND_CODING;
	else if (p->seen & H1_SEEN_CHUNKED_TWICE)
		why = HTTP_REASON_CODING_REPEATED;
	else if (!(p->seen & H1_SEEN_CHUNKED) || (p->seen & H1_SEEN_CHUNKED_EARLY))
		why = HTTP_REASON_CODING_NOT_FINAL;
	else if (p->seen & H1_SEEN_CODING)
		why = HTTP_REASON_CODING_UNKNOWN;
	if (why != HTTP_REASON_NONE)
		return bad_field(p, buf, h, HTTP_FIELD_TRANSFER_ENCODING, why);
	return H1_OK;
}

static void
finish_connection(struct h1_parser *p, struct http_head *h)
{
	bool keep = h->version > 0 || (p->seen & H1_SEEN_KEEP_ALIVE);
	if (keep && !(p->seen & H1_SEEN_CLOSE))
		h->flags |= HTTP_HEAD_KEEP_ALIVE;
	if (h->version > 0 && (p->seen & H1_SEEN_UPGRADE) && (p->seen & H1_SEEN_UPGRADE_FIELD) &&
	    !(p->seen & H1_SEEN_UPGRADE_H2C))
		h->flags |= HTTP_HEAD_UPGRADE;
}

static void
set_chunked(struct h1_parser *p, struct http_head *h)
{
	if (p->seen & H1_SEEN_CODING_ODD)
		http_head_set_framing(h, HTTP_BODY_CHUNKED, 0);
	else
		h->framing = HTTP_BODY_CHUNKED;
}

// The authority of the target stands for Host, whatever the field says (RFC 9112 section 3.2.2).
static enum h1_status
replace_host(struct h1_parser *p, struct http_head *h)
{
	struct http_field *f = http_head_find_id(h, HTTP_FIELD_HOST, NULL);
	if (f != NULL && str_eq(http_field_value(f), h->host))
		return H1_OK;
	if (f == NULL) {
		if (h->n_fields == h->max_fields)
			return h1_bad(p, p->line, HTTP_REASON_TOO_MANY_FIELDS);
		f = &h->field[h->n_fields++];
		struct str name = http_field_name(HTTP_FIELD_HOST);
		*f = (struct http_field){.name = name.p,
					 .name_n = (uint16_t)name.n,
					 .id = HTTP_FIELD_HOST};
		h->present |= UINT64_C(1) << HTTP_FIELD_HOST;
	}
	f->value = h->host.p;
	f->value_n = (uint32_t)h->host.n;
	f->flags = HTTP_FIELD_ADDED | HTTP_FIELD_DETACHED;
	h->flags |= HTTP_HEAD_FIELDS_EDITED;
	return H1_OK;
}

enum h1_status
h1_finish_request(struct h1_parser *p, const char *buf, struct http_head *h)
{
	if (h->version > 0 && !(p->seen & H1_SEEN_HOST))
		return h1_bad(p, p->line, HTTP_REASON_HOST_MISSING);
	bool authority = h->form == HTTP_FORM_ABSOLUTE || h->form == HTTP_FORM_AUTHORITY;
	if (authority && replace_host(p, h) != H1_OK)
		return H1_BAD;
	if (p->seen & H1_SEEN_CODING_FIELD) {
		if (check_coding(p, buf, h) != H1_OK)
			return H1_BAD;
		set_chunked(p, h);
	} else if (h->content_length > 0) {
		h->framing = HTTP_BODY_LENGTH;
	}
	if (h->framing != HTTP_BODY_NONE &&
	    (h->method == HTTP_METHOD_CONNECT || h->method == HTTP_METHOD_TRACE))
		return h1_bad(p, p->line, HTTP_REASON_BODY_FORBIDDEN);
	finish_connection(p, h);
	return H1_OK;
}

// The head describes no body of this response: framing fields here only confuse (RFC 9110
// sections 8.6, 9.3.6; RFC 9112 section 6.1).
static void
drop_framing(struct http_head *h, enum http_framing framing)
{
	if (http_head_has_id(h, HTTP_FIELD_CONTENT_LENGTH) ||
	    http_head_has_id(h, HTTP_FIELD_TRANSFER_ENCODING)) {
		http_head_set_framing(h, framing, 0);
		h->flags &= (uint16_t)~HTTP_HEAD_HAS_LENGTH;
	}
	h->framing = (uint8_t)framing;
}

enum h1_status
h1_finish_response(struct h1_parser *p, const char *buf, struct http_head *h)
{
	if ((p->seen & H1_SEEN_CODING_FIELD) && check_coding(p, buf, h) != H1_OK)
		return H1_BAD;
	finish_connection(p, h);
	if (h->status == 101)
		drop_framing(h, HTTP_BODY_TUNNEL);
	else if (h->status < 200 || h->status == 204)
		drop_framing(h, HTTP_BODY_NONE);
	else if (h->method == HTTP_METHOD_CONNECT && h->status < 300)
		drop_framing(h, HTTP_BODY_TUNNEL);
	else if (h->method == HTTP_METHOD_HEAD || h->status == 304)
		h->framing = HTTP_BODY_NONE;
	else if (p->seen & H1_SEEN_CODING_FIELD)
		set_chunked(p, h);
	else if (p->seen & H1_SEEN_LENGTH)
		h->framing = h->content_length > 0 ? HTTP_BODY_LENGTH : HTTP_BODY_NONE;
	else
		h->framing = HTTP_BODY_CLOSE;
	if (h->framing == HTTP_BODY_CLOSE || h->framing == HTTP_BODY_TUNNEL)
		h->flags &= (uint16_t)~HTTP_HEAD_KEEP_ALIVE;
	return H1_OK;
}
