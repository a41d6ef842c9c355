// SPDX-License-Identifier: MIT
// Heads: making, moving, looking up, and the parts of a target. Edits are in head_edit.c.
#include "http/head.h"

#include "base/arena.h"
#include "http/names_priv.h"

void
http_head_init(struct http_head *h, struct http_field *table, uint16_t max_fields)
{
	*h = (struct http_head){.field = table, .max_fields = max_fields};
}

void
http_head_init_response(struct http_head *h, struct http_field *table, uint16_t max_fields,
			unsigned status)
{
	http_head_init(h, table, max_fields);
	h->flags = HTTP_HEAD_RESPONSE | HTTP_HEAD_KEEP_ALIVE | HTTP_HEAD_LINE_EDITED |
		   HTTP_HEAD_FIELDS_EDITED;
	h->version = 1;
	h->status = (uint16_t)status;
	h->reason = http_status_reason(status);
}

static void
move(const char **p, const char *from, size_t n, const char *to)
{
	if (*p != NULL && (uintptr_t)*p - (uintptr_t)from < n)
		*p = to + (*p - from);
}

void
http_head_rebase(struct http_head *h, const char *from, size_t n, const char *to)
{
	for (unsigned i = 0; i < h->n_fields; i++) {
		move(&h->field[i].name, from, n, to);
		move(&h->field[i].value, from, n, to);
	}
	struct str *slices[] = {&h->method_text, &h->target, &h->reason, &h->host,
				&h->raw,         &h->path,   &h->query};
	for (size_t i = 0; i < ARRAY_LEN(slices); i++)
		move(&slices[i]->p, from, n, to);
	move(&h->fields_end, from, n, to);
}

// --- the target's parts --------------------------------------------------------------------

// Where path and query begin in the target.
static size_t
authority_end(const struct http_head *h)
{
	if (h->form == HTTP_FORM_AUTHORITY)
		return h->target.n;
	if (h->form != HTTP_FORM_ABSOLUTE)
		return 0;
	size_t at = str_find(h->target, STR("://")) + 3;
	while (at < h->target.n && h->target.p[at] != '/' && h->target.p[at] != '?')
		at++;
	return at;
}

void
http_head_split_target(struct http_head *h)
{
	struct str pathq = str_slice(h->target, authority_end(h), h->target.n);
	size_t mark = str_find_byte(pathq, '?');
	h->path = str_slice(pathq, 0, mark);
	h->query = mark != SIZE_MAX ? str_slice(pathq, mark + 1, pathq.n) : STR_NULL;
	if (h->form == HTTP_FORM_ABSOLUTE && h->path.n == 0)
		h->path = STR("/");
	h->flags |= HTTP_HEAD_PARTS;
}

struct str
http_head_pathq(struct http_head *h)
{
	struct str pathq = str_slice(h->target, authority_end(h), h->target.n);
	return pathq.n == 0 && h->form == HTTP_FORM_ABSOLUTE ? STR("/") : pathq;
}

struct str
http_head_base(struct http_head *h, struct arena *a)
{
	struct str path = http_head_path(h);
	if (path.n > 0 && path.p[0] != '/') // "*"
		path.n = 0;
	char *p = arena_alloc(a, h->host.n + path.n + 1, 1);
	if (p == NULL)
		return STR_NULL;
	if (h->host.n > 0)
		memcpy(p, h->host.p, h->host.n);
	if (path.n > 0)
		memcpy(p + h->host.n, path.p, path.n);
	return str_of(p, h->host.n + path.n);
}

// --- lookup ------------------------------------------------------------------------------------

struct http_field *
http_head_find(const struct http_head *h, const struct http_name *name,
	       const struct http_field *after)
{
	if (name->id != HTTP_FIELD_OTHER)
		return http_head_find_id(h, name->id, after);
	struct http_field *f = NULL;
	while ((f = http_head_find_id(h, HTTP_FIELD_OTHER, after)) != NULL) {
		if (str_eq_nocase(str_of(f->name, f->name_n), name->text))
			return f;
		after = f;
	}
	return NULL;
}

void
http_values_init(struct http_values *it, const struct http_head *h, const struct http_name *name,
		 bool full)
{
	*it = (struct http_values){.head = h, .name = name, .full = full};
}

// Length of the list element at the start of s: up to a comma outside of quotes.
static size_t
element_length(struct str s)
{
	bool quoted = false;
	for (size_t i = 0; i < s.n; i++) {
		if (quoted && s.p[i] == '\\' && i + 1 < s.n)
			i++;
		else if (s.p[i] == '"')
			quoted = !quoted;
		else if (s.p[i] == ',' && !quoted)
			return i;
	}
	return s.n;
}

bool
http_values_next(struct http_values *it, struct str *value)
{
	if (it->rest.p == NULL) {
		it->field = http_head_find(it->head, it->name, it->field);
		if (it->field == NULL)
			return false;
		it->rest = http_field_value(it->field);
	}
	if (it->full) {
		*value = it->rest;
		it->rest = STR_NULL;
		return true;
	}
	size_t n = element_length(it->rest);
	*value = str_trim(str_of(it->rest.p, n));
	it->rest = n < it->rest.n ? str_slice(it->rest, n + 1, it->rest.n) : STR_NULL;
	return true;
}

unsigned
http_value_count(const struct http_head *h, const struct http_name *name, bool full)
{
	struct http_values it;
	struct str value;
	unsigned n = 0;
	http_values_init(&it, h, name, full);
	while (http_values_next(&it, &value))
		n++;
	return n;
}

bool
http_value_at(const struct http_head *h, const struct http_name *name, bool full, int nth,
	      struct str *value)
{
	struct http_values it;
	if (nth == 0)
		nth = -1;
	if (nth < 0) {
		nth += 1 + (int)http_value_count(h, name, full);
		if (nth <= 0)
			return false;
	}
	http_values_init(&it, h, name, full);
	while (http_values_next(&it, value))
		if (--nth == 0)
			return true;
	return false;
}

// --- cookies and query parameters ------------------------------------------------------------

void
http_cookies_init(struct http_cookies *it, const struct http_head *h)
{
	*it = (struct http_cookies){.head = h};
}

// The next piece of a Cookie or Set-Cookie field; of the latter only the first counts.
static bool
next_cookie_piece(struct http_cookies *it, struct str *piece)
{
	bool response = it->head->flags & HTTP_HEAD_RESPONSE;
	if (response || it->rest.p == NULL) {
		it->field = http_head_find_id(it->head,
					      response ? HTTP_FIELD_SET_COOKIE : HTTP_FIELD_COOKIE,
					      it->field);
		if (it->field == NULL)
			return false;
		it->rest = http_field_value(it->field);
	}
	return str_next(&it->rest, ';', piece);
}

bool
http_cookies_next(struct http_cookies *it, struct str *name, struct str *value)
{
	struct str piece;
	while (next_cookie_piece(it, &piece)) {
		size_t eq = str_find_byte(piece, '=');
		if (eq == SIZE_MAX)
			continue;
		*name = str_trim(str_slice(piece, 0, eq));
		*value = str_trim(str_slice(piece, eq + 1, piece.n));
		if (name->n > 0)
			return true;
	}
	return false;
}

bool
http_cookie_get(const struct http_head *h, struct str name, struct str *value)
{
	struct http_cookies it;
	struct str found;
	http_cookies_init(&it, h);
	while (http_cookies_next(&it, &found, value))
		if (str_eq(found, name))
			return true;
	return false;
}

bool
http_query_param(struct str query, struct str name, struct str delims, struct str *value)
{
	if (delims.n == 0)
		delims = STR("&");
	for (size_t from = 0, at; from <= query.n; from = at + 1) {
		at = from;
		while (at < query.n && str_find_byte(delims, query.p[at]) == SIZE_MAX)
			at++;
		struct str pair = str_slice(query, from, at);
		size_t eq = MIN(str_find_byte(pair, '='), pair.n);
		if (at > from && str_eq(str_slice(pair, 0, eq), name)) {
			*value = str_slice(pair, eq + 1, pair.n);
			return true;
		}
	}
	return false;
}
