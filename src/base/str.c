// SPDX-License-Identifier: MIT
// Byte strings: comparing, cutting, parsing numbers, and "did you mean".
#include "base/str.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/arena.h"

bool
str_unhex(struct str hex, char *out)
{
	if (hex.n % 2 != 0)
		return false;
	for (size_t i = 0; i < hex.n; i += 2) {
		int high = byte_hex(hex.p[i]), low = byte_hex(hex.p[i + 1]);
		if (high < 0 || low < 0)
			return false;
		out[i / 2] = (char)(high * 16 + low);
	}
	return true;
}

bool
str_eq_nocase(struct str a, struct str b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (byte_lower((unsigned char)a.p[i]) != byte_lower((unsigned char)b.p[i]))
			return false;
	return true;
}

int
str_cmp(struct str a, struct str b)
{
	size_t n = MIN(a.n, b.n);
	int r = n > 0 ? memcmp(a.p, b.p, n) : 0;
	if (r != 0)
		return r;
	return a.n < b.n ? -1 : a.n > b.n;
}

bool
str_starts(struct str s, struct str prefix)
{
	return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

bool
str_ends(struct str s, struct str suffix)
{
	return s.n >= suffix.n &&
	       (suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

size_t
str_find(struct str s, struct str needle)
{
	if (needle.n == 0)
		return 0;
	if (s.n == 0)
		return SIZE_MAX;
	const char *hit = memmem(s.p, s.n, needle.p, needle.n);
	return hit != NULL ? (size_t)(hit - s.p) : SIZE_MAX;
}

size_t
str_find_byte(struct str s, char c)
{
	const char *hit = s.n > 0 ? memchr(s.p, c, s.n) : NULL;
	return hit != NULL ? (size_t)(hit - s.p) : SIZE_MAX;
}

struct str
str_slice(struct str s, size_t from, size_t to)
{
	from = MIN(from, s.n);
	to = MAX(from, MIN(to, s.n));
	return str_of(s.p != NULL ? s.p + from : NULL, to - from);
}

void
str_tame(char *text, const char *but)
{
	for (unsigned char *c = (unsigned char *)text; *c != '\0'; c++) {
		if ((*c < ' ' || *c == 0x7f) && strchr(but, *c) == NULL)
			*c = '?';
		else if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
			c[0] = c[1] = '?';
	}
}

struct str
str_trim(struct str s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = str_of(s.p + 1, s.n - 1);
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

bool
str_next(struct str *rest, char sep, struct str *piece)
{
	if (rest->p == NULL)
		return false;
	size_t at = str_find_byte(*rest, sep);
	if (at == SIZE_MAX) {
		*piece = *rest;
		*rest = STR_NULL;
		return true;
	}
	*piece = str_of(rest->p, at);
	*rest = str_of(rest->p + at + 1, rest->n - at - 1);
	return true;
}

bool
str_to_int(struct str s, int64_t *out)
{
	bool negative = s.n > 0 && s.p[0] == '-';
	size_t i = s.n > 0 && (s.p[0] == '-' || s.p[0] == '+');
	if (i == s.n)
		return false;
	int64_t v = 0;
	for (; i < s.n; i++) {
		int digit = s.p[i] - '0';
		if (digit < 0 || digit > 9)
			return false;
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_sub_overflow(v, digit, &v)) // negative side: it reaches INT64_MIN
			return false;
	}
	if (!negative && __builtin_mul_overflow(v, -1, &v))
		return false;
	*out = v;
	return true;
}

bool
str_to_double(struct str s, double *out)
{
	char text[64];
	if (s.n == 0 || s.n >= sizeof(text))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (strchr("+-.eE0123456789", s.p[i]) == NULL || s.p[i] == '\0')
			return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	char *end;
	errno = 0;
	double v = strtod(text, &end);
	if (*end != '\0' || !isfinite(v))
		return false;
	*out = v;
	return true;
}

struct unit {
	struct str name;
	uint64_t factor;
};

static bool
parse_with_unit(struct str s, const struct unit *units, size_t n_units, uint64_t *out)
{
	size_t digits = 0;
	while (digits < s.n && s.p[digits] >= '0' && s.p[digits] <= '9')
		digits++;
	int64_t v;
	if (digits == 0 || !str_to_int(str_of(s.p, digits), &v))
		return false;
	struct str name = str_slice(s, digits, s.n);
	for (size_t i = 0; i < n_units; i++)
		if (str_eq_nocase(units[i].name, name))
			return !__builtin_mul_overflow((uint64_t)v, units[i].factor, out);
	return false;
}

bool
str_to_time_us(struct str s, uint64_t unit_us, uint64_t *us)
{
	const struct unit units[] = {
	    {STR(""), unit_us},      {STR("us"), 1},       {STR("ms"), 1000},
	    {STR("s"), 1000000},     {STR("m"), 60000000}, {STR("h"), 3600000000},
	    {STR("d"), 86400000000},
	};
	return parse_with_unit(s, units, ARRAY_LEN(units), us);
}

bool
str_to_size(struct str s, uint64_t *bytes)
{
	static const struct unit units[] = {{{"", 0}, 1},
					    {{"k", 1}, 1 << 10},
					    {{"m", 1}, 1 << 20},
					    {{"g", 1}, 1 << 30}};
	return parse_with_unit(s, units, ARRAY_LEN(units), bytes);
}

bool
str_to_bool(struct str s, bool *out)
{
	static const struct {
		struct str word;
		bool value;
	} words[] = {
	    {{"on", 2}, true},   {{"off", 3}, false},   {{"yes", 3}, true}, {{"no", 2}, false},
	    {{"true", 4}, true}, {{"false", 5}, false}, {{"1", 1}, true},   {{"0", 1}, false},
	};
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (str_eq_nocase(s, words[i].word)) {
			*out = words[i].value;
			return true;
		}
	return false;
}

char *
str_to_c(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1, 1);
	if (p == NULL)
		return NULL;
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return p;
}

struct str
str_copy(struct arena *a, struct str s)
{
	if (s.n == 0)
		return str_of("", 0);
	char *p = arena_alloc(a, s.n, 1);
	if (p == NULL)
		return STR_NULL;
	memcpy(p, s.p, s.n);
	return str_of(p, s.n);
}

#define SUGGEST_MAX 64

// Optimal string alignment distance over three rows: a swap of neighbours, the commonest slip, is
// one edit. SUGGEST_MAX stands for "far".
static size_t
edit_distance(struct str a, struct str b)
{
	size_t rows[3][SUGGEST_MAX + 1];
	size_t *older = rows[0], *old = rows[1], *row = rows[2];
	if (a.n >= SUGGEST_MAX || b.n >= SUGGEST_MAX)
		return SUGGEST_MAX;
	for (size_t j = 0; j <= b.n; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		size_t *free_row = older;
		older = old;
		old = row;
		row = free_row;
		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			size_t change = old[j - 1] + (a.p[i - 1] != b.p[j - 1]);
			row[j] = MIN(change, MIN(row[j - 1], old[j]) + 1);
			if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1])
				row[j] = MIN(row[j], older[j - 2] + 1);
		}
	}
	return row[b.n];
}

const char *
str_suggest(struct str word, str_candidates_f next, void *iter)
{
	const char *best = NULL;
	size_t best_distance = MAX((size_t)1, word.n / 3) + 1;
	for (const char *c; (c = next(iter)) != NULL;) {
		size_t d = edit_distance(word, str_from_c(c));
		if (d < best_distance) {
			best = c;
			best_distance = d;
		}
	}
	return best;
}

size_t
str_utf8_len(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	static const struct {
		unsigned char lo, hi, second_lo, second_hi, len;
	} forms[] = {
	    {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
	    {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
	    {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
	};
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		if (s.n == 0 || p[0] < forms[i].lo || p[0] > forms[i].hi)
			continue;
		if (s.n < forms[i].len)
			return 0;
		if (forms[i].len > 1 && (p[1] < forms[i].second_lo || p[1] > forms[i].second_hi))
			return 0;
		for (size_t k = 2; k < forms[i].len; k++)
			if ((p[k] & 0xc0) != 0x80)
				return 0;
		return forms[i].len;
	}
	return 0;
}
