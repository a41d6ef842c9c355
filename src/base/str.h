// SPDX-License-Identifier: MIT
// Byte strings by value: a pointer and a length, never owning, not NUL-terminated. A zero struct
// is the empty string. Nothing here allocates except where an arena is named.
#pragma once

#include <string.h>

#include "base/base.h"

struct arena;

struct str {
	const char *p;
	size_t n;
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
#define STR_NULL     ((struct str){NULL, 0})
// For printf: "%.*s", STR_ARG(s).
#define STR_ARG(s) (int)(s).n, ((s).p != NULL ? (s).p : "")

static inline struct str
str_of(const char *p, size_t n)
{
	return (struct str){p, n};
}

static inline struct str
str_from_c(const char *c)
{
	return c != NULL ? (struct str){c, strlen(c)} : STR_NULL;
}

static inline bool
str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

// ASCII lower case of one byte; other bytes unchanged, whatever the locale.
static inline unsigned char
byte_lower(unsigned char c)
{
	return (unsigned char)(c - 'A') < 26 ? (unsigned char)(c | 0x20) : c;
}

// 0..15; -1: no hexadecimal digit.
static inline int
byte_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)byte_lower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// The bytes that hexadecimal digits stand for, two each, into hex.n / 2 bytes. False: an odd number
// of them, or a byte that is none.
bool str_unhex(struct str hex, char *out);
bool str_eq_nocase(struct str a, struct str b);
// <0, 0, >0 like memcmp, the shorter first on a tie.
int str_cmp(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
// Index of the first occurrence, or SIZE_MAX.
size_t str_find(struct str s, struct str needle);
size_t str_find_byte(struct str s, char c);
// [from, to) clamped to the string.
struct str str_slice(struct str s, size_t from, size_t to);
// For a terminal's eyes: control characters (of 8 bits too, in UTF-8) become '?', in place; those
// of `but` stay.
void str_tame(char *text, const char *but);
// Without leading and trailing spaces and tabs.
struct str str_trim(struct str s);
// Cuts the next piece up to `sep` off *rest; false when *rest is exhausted. "a,,b" gives a, "", b.
bool str_next(struct str *rest, char sep, struct str *piece);

// Length of the UTF-8 sequence at the beginning (RFC 3629: no overlong forms, no surrogates), or 0.
size_t str_utf8_len(struct str s);

// Decimal with optional sign, the whole string; false on rubbish or overflow.
bool str_to_int(struct str s, int64_t *out);
// Decimal fraction, the whole string; false on rubbish, nan, inf or overflow.
bool str_to_double(struct str s, double *out);
// HAProxy's time: a number with us, ms, s, m, h, d, or none (then `unit_us` microseconds each).
// False on rubbish or beyond 64 bits.
bool str_to_time_us(struct str s, uint64_t unit_us, uint64_t *us);
// A number with k, m, g (1024-based) or none.
bool str_to_size(struct str s, uint64_t *bytes);
// "on/yes/true/1" and "off/no/false/0", any case.
bool str_to_bool(struct str s, bool *out);

// NUL-terminated copy in the arena; NULL when the arena is at its cap.
char *str_to_c(struct arena *a, struct str s);
// Copy in the arena; .p == NULL when the arena is at its cap (unless s is empty).
struct str str_copy(struct arena *a, struct str s);

// The candidate closest to `word` (edit distance, at most a third of its length), or NULL.
// `next` yields candidates one after the other and NULL at the end.
typedef const char *(*str_candidates_f)(void *iter);
const char *str_suggest(struct str word, str_candidates_f next, void *iter);
