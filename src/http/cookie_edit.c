// SPDX-License-Identifier: MIT
// Cookies taken out of their field, joined as HAProxy joins what is left.
#include "http/cookie.h"

static bool
is_space(char c)
{
	return c == ' ' || c == '\t';
}

void
http_cookie_edit_init(struct http_cookie_edit *e, struct arena *a, struct http_field *f)
{
	*e = (struct http_cookie_edit){.in = http_field_value(f), .arena = a, .field = f};
}

static bool
begin_copy(struct http_cookie_edit *e)
{
	if (e->out != NULL)
		return true;
	e->out = http_head_replace_begin(e->arena, e->field, e->in.n);
	if (e->out == NULL) {
		e->full = true;
		return false;
	}
	memcpy(e->out, e->in.p, e->n);
	return true;
}

static void
put(struct http_cookie_edit *e, const char *p, size_t n)
{
	if (!begin_copy(e))
		return;
	ASSERT(n <= e->in.n - e->n);
	memcpy(e->out + e->n, p, n);
	e->n += n;
}

static void
put_range(struct http_cookie_edit *e, uint32_t from, uint32_t to)
{
	if (e->out == NULL && from == e->n)
		e->n = to;
	else if (to > from)
		put(e, e->in.p + from, to - from);
}

// Behind pieces dropped: one delimiter with one space, or nothing in front of the first. Returns
// where the piece goes on.
static uint32_t
join(struct http_cookie_edit *e, uint32_t from)
{
	uint32_t delimiter = from++;
	while (from < e->in.n && is_space(e->in.p[from]))
		from++;
	e->dropping = false;
	if (!begin_copy(e) || e->n == 0)
		return from;
	while (e->n > 0 && is_space(e->out[e->n - 1]))
		e->n--;
	put(e, e->in.p + delimiter, 1);
	put(e, " ", 1);
	return from;
}

void
http_cookie_keep(struct http_cookie_edit *e, const struct http_cookie *c, uint32_t cut,
		 uint32_t cut_to)
{
	uint32_t from = e->dropping ? join(e, c->from) : c->from;
	e->keeps = true;
	if (!http_cookie_has_value(c)) {
		put_range(e, MIN(from, c->to), c->to);
		return;
	}
	put_range(e, from, c->name_end);
	put_range(e, c->equal, c->equal + 1);
	put_range(e, c->value, cut);
	put_range(e, cut_to, c->to);
}

void
http_cookie_drop(struct http_cookie_edit *e)
{
	e->dropping = true;
}

void
http_cookie_follow(struct http_cookie_edit *e, const struct http_cookie *c)
{
	if (!e->dropping)
		put_range(e, c->from, c->to);
}

enum http_edit
http_cookie_edit_end(struct http_cookie_edit *e, struct http_head *h)
{
	bool empty = e->n == 0 && e->in.n > 0;
	bool same = e->out == NULL && e->n == e->in.n;
	if (e->full || !(same || empty || begin_copy(e)))
		return HTTP_EDIT_FULL;
	if (empty || (e->dropping && !e->keeps))
		http_head_drop(h, e->field);
	else if (!same)
		http_head_replace_end(h, e->field, e->out, e->n);
	return HTTP_EDIT_OK;
}
