// SPDX-License-Identifier: MIT
// The cookies of a Cookie or Set-Cookie field, one by one, with the place of each of their parts,
// so that one can be taken out or rewritten where it stands. Lenient as HAProxy's reading, not RFC
// 6265's: a value may be quoted with delimiters inside, spaces may stand around '=', a comma ends a
// cookie of a request too, and a piece without '=' is a piece. Any bytes are taken. O(n) for all
// pieces of a field together; no allocation. What expressions see (http_cookies_next) is RFC
// 6265's.
#pragma once

#include "base/str.h"
#include "http/head.h"

// Offsets in the field's value: from <= name <= name_end <= equal <= value <= value_end <= to.
struct http_cookie {
	uint32_t from;           // its delimiter; of the field's first: 0
	uint32_t name, name_end; // without spaces around it; may be empty
	uint32_t equal;          // the '='; == to: it has none
	uint32_t value, value_end;
	uint32_t to; // the delimiter behind it, or the end
};

// The first piece of a Cookie field's value. False: it is empty.
bool http_cookie_first(struct str field, struct http_cookie *c);
// The one behind *c, which becomes it. False: *c was the last.
bool http_cookie_next(struct str field, struct http_cookie *c);
// What a Set-Cookie field sets; its attributes are the rest: c->to is where they begin, or the end.
// False: it is empty.
bool http_cookie_set(struct str field, struct http_cookie *c);

static inline bool
http_cookie_has_value(const struct http_cookie *c)
{
	return c->equal != c->to;
}

static inline struct str
http_cookie_name(struct str field, const struct http_cookie *c)
{
	return str_of(field.p + c->name, c->name_end - c->name);
}

static inline struct str
http_cookie_value(struct str field, const struct http_cookie *c)
{
	return str_of(field.p + c->value, c->value_end - c->value);
}

// Spaces stand beside the '='.
static inline bool
http_cookie_is_loose(const struct http_cookie *c)
{
	return c->name_end != c->equal || c->value > c->equal + 1;
}

// An attribute of the cookie in front of it ("$Path", RFC 2109).
static inline bool
http_cookie_is_attribute(struct str field, const struct http_cookie *c)
{
	return c->name < field.n && field.p[c->name] == '$';
}

// "name=value" without spaces around '=' begins with these bytes.
bool http_cookie_begins(struct str field, const struct http_cookie *c, struct str with);
// The first bytes of "name=value" without spaces around '=', at most `most` of them, into out;
// returns how many.
size_t http_cookie_copy(struct str field, const struct http_cookie *c, char *out, size_t most);

// --- editing a Cookie field ------------------------------------------------------------------

// One walk over a field's pieces, each of which is kept or dropped. Nothing is copied as long as
// all are kept as they are; from the first change on they are written into a line of the arena,
// which is never longer than the field was.
struct http_cookie_edit {
	struct str in; // the field's value as it was
	struct arena *arena;
	struct http_field *field;
	char *out;     // NULL: all of in[0..n) stands as it is so far
	size_t n;      // bytes written
	bool dropping; // the pieces in front of this one are dropped
	bool keeps;    // some piece is worth the field
	bool full;     // no room
};

void http_cookie_edit_init(struct http_cookie_edit *e, struct arena *a, struct http_field *f);
// Keeps a piece without its bytes [cut, cut_to), which lie in its value, and without spaces around
// its '='.
void http_cookie_keep(struct http_cookie_edit *e, const struct http_cookie *c, uint32_t cut,
		      uint32_t cut_to);
void http_cookie_drop(struct http_cookie_edit *e);
// An attribute, which shares the fate of the piece in front of it.
void http_cookie_follow(struct http_cookie_edit *e, const struct http_cookie *c);
// Behind the last piece: the field in h is what was kept, or is dropped. FULL: it is as it was.
enum http_edit http_cookie_edit_end(struct http_cookie_edit *e, struct http_head *h);
