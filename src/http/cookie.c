// SPDX-License-Identifier: MIT
// A piece is read in one walk from its delimiter to the next one.
#include "http/cookie.h"

static bool
is_space(char c)
{
	return c == ' ' || c == '\t';
}

static uint32_t
skip_spaces(struct str s, uint32_t at)
{
	while (at < s.n && is_space(s.p[at]))
		at++;
	return at;
}

// The delimiter behind a value, outside of quotes; a backslash inside of them hides one byte.
static uint32_t
value_end(struct str s, uint32_t at)
{
	bool quoted = false;
	for (; at < s.n; at++) {
		char c = s.p[at];
		if (quoted && c == '\\')
			at++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == ';' || c == ','))
			return at;
	}
	return (uint32_t)s.n;
}

static void
read_value(struct str s, struct http_cookie *c)
{
	c->value = skip_spaces(s, c->equal + 1);
	c->to = value_end(s, c->value);
	c->value_end = c->to;
	while (c->value_end > c->value && is_space(s.p[c->value_end - 1]))
		c->value_end--;
}

// The piece whose name begins at `at` or behind spaces there.
static void
read_piece(struct str s, uint32_t at, bool comma_ends, struct http_cookie *c)
{
	c->name = c->name_end = at = skip_spaces(s, at);
	for (; at < s.n && s.p[at] != '=' && s.p[at] != ';' && !(comma_ends && s.p[at] == ',');
	     at++)
		if (!is_space(s.p[at]))
			c->name_end = at + 1;
	c->equal = at;
	if (at < s.n && s.p[at] == '=')
		read_value(s, c);
	else
		c->value = c->value_end = c->to = at;
}

bool
http_cookie_first(struct str field, struct http_cookie *c)
{
	c->from = 0;
	read_piece(field, 0, true, c);
	return field.n > 0;
}

bool
http_cookie_next(struct str field, struct http_cookie *c)
{
	if (c->to >= field.n)
		return false;
	c->from = c->to;
	read_piece(field, c->from + 1, true, c);
	return true;
}

bool
http_cookie_set(struct str field, struct http_cookie *c)
{
	c->from = 0;
	read_piece(field, 0, false, c);
	return field.n > 0;
}

// The three slices of "name=value".
struct parts {
	struct str part[3];
};

static struct parts
parts_of(struct str field, const struct http_cookie *c)
{
	return (struct parts){{http_cookie_name(field, c),
			       str_of(field.p + c->equal, http_cookie_has_value(c)),
			       http_cookie_value(field, c)}};
}

bool
http_cookie_begins(struct str field, const struct http_cookie *c, struct str with)
{
	struct parts parts = parts_of(field, c);
	for (size_t i = 0; i < ARRAY_LEN(parts.part) && with.n > 0; i++) {
		size_t n = MIN(with.n, parts.part[i].n);
		if (!str_eq(str_slice(with, 0, n), str_slice(parts.part[i], 0, n)))
			return false;
		with = str_slice(with, n, with.n);
	}
	return with.n == 0;
}

size_t
http_cookie_copy(struct str field, const struct http_cookie *c, char *out, size_t most)
{
	struct parts parts = parts_of(field, c);
	size_t n = 0;
	for (size_t i = 0; i < ARRAY_LEN(parts.part); i++) {
		size_t k = MIN(most - n, parts.part[i].n);
		if (k > 0)
			memcpy(out + n, parts.part[i].p, k);
		n += k;
	}
	return n;
}
