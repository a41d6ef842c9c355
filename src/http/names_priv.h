// SPDX-License-Identifier: MIT
// The field name lookup, inline for the parser: hash of length and three bytes, then one
// comparison without regard to case. The constants come from names.py.
#pragma once

#include "http/names.h"

#define NAME_ROW_BYTES 31

struct http_name_row {
	char text[NAME_ROW_BYTES]; // usual spelling
	uint8_t n;
};
extern const struct http_name_row http_name_rows[HTTP_FIELDS];
extern const uint8_t http_name_slots[256];

// tchar, and what may stand in a host, a hexadecimal number
#define CHAR_TOKEN 0x01
#define CHAR_HOST  0x02 // reg-name without pct-encoded: unreserved, sub-delims
#define CHAR_HEX   0x04
#define CHAR_DIGIT 0x08
extern const uint8_t http_char_class[256];

static inline bool
char_is(char c, unsigned class)
{
	return (http_char_class[(unsigned char)c] & class) != 0;
}

#define NAME_HASH_N      3501u
#define NAME_HASH_FIRST  3605u
#define NAME_HASH_MIDDLE 917u
#define NAME_HASH_LAST   2051u

static inline uint64_t
word8(const char *p)
{
	uint64_t w;
	memcpy(&w, p, sizeof(w));
	return w;
}

static inline uint32_t
word4(const char *p)
{
	uint32_t w;
	memcpy(&w, p, sizeof(w));
	return w;
}

// Nonzero when the 8 bytes differ in more than the case of letters. `known` holds only letters
// and '-'; a letter is known by its bit 0x40, and there alone bit 0x20 is ignored.
static inline uint64_t
differ8(const char *p, const char *known)
{
	uint64_t k = word8(known);
	return (word8(p) ^ k) & ~((k & UINT64_C(0x4040404040404040)) >> 1);
}

static inline uint32_t
differ4(const char *p, const char *known)
{
	uint32_t k = word4(known);
	return (word4(p) ^ k) & ~((k & 0x40404040u) >> 1);
}

// Equal but for case; `known` as above.
static inline bool
name_is(const char *p, size_t n, const char *known)
{
	if (n >= 8) {
		uint64_t d = differ8(p, known) | differ8(p + n - 8, known + n - 8);
		if (n > 16)
			d |= differ8(p + 8, known + 8) | differ8(p + n - 16, known + n - 16);
		return d == 0;
	}
	if (n >= 4)
		return (differ4(p, known) | differ4(p + n - 4, known + n - 4)) == 0;
	for (size_t i = 0; i < n; i++)
		if ((p[i] ^ known[i]) & ~((known[i] & 0x40) >> 1))
			return false;
	return true;
}

static inline enum http_field_id
name_lookup(const char *p, size_t n)
{
	if (n == 0 || n > NAME_ROW_BYTES)
		return HTTP_FIELD_OTHER;
	uint32_t h = (uint32_t)n * NAME_HASH_N + ((unsigned char)p[0] | 0x20u) * NAME_HASH_FIRST +
		     ((unsigned char)p[n / 2] | 0x20u) * NAME_HASH_MIDDLE +
		     ((unsigned char)p[n - 1] | 0x20u) * NAME_HASH_LAST;
	unsigned id = http_name_slots[(h >> 4) & 255];
	const struct http_name_row *row = &http_name_rows[id];
	return row->n == n && name_is(p, n, row->text) ? (enum http_field_id)id : HTTP_FIELD_OTHER;
}
