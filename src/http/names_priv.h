// SPDX-License-Identifier: MIT
// The field name lookup, inline for the parser: a hash of length and last four bytes gives
// the one candidate, then one comparison without regard to case. Names of two and three letters
// are tried one by one. The constants come from names.py.
#pragma once

#include "base/vec16.h"
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

#define NAME_HASH 0xd6b5cb35u

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

// The only known name that n (at least 4) bytes at p can be.
static inline unsigned
name_candidate(const char *p, size_t n)
{
	uint32_t key = (word4(p + n - 4) | 0x20202020u) ^ (uint32_t)n;
	return http_name_slots[key * NAME_HASH >> 24];
}

static inline enum http_field_id
name_lookup(const char *p, size_t n)
{
	static const uint8_t short_ids[] = {HTTP_FIELD_TE, HTTP_FIELD_VIA, HTTP_FIELD_AGE};
	if (n >= 4 && n <= NAME_ROW_BYTES) {
		unsigned id = name_candidate(p, n);
		const struct http_name_row *row = &http_name_rows[id];
		if (row->n == n && name_is(p, n, row->text))
			return (enum http_field_id)id;
	}
	for (size_t i = 0; n < 4 && i < ARRAY_LEN(short_ids); i++) {
		const struct http_name_row *row = &http_name_rows[short_ids[i]];
		if (row->n == n && name_is(p, n, row->text))
			return (enum http_field_id)short_ids[i];
	}
	return HTTP_FIELD_OTHER;
}

// The same for a line's first 16 bytes at p, already loaded, of which n (4..15) are the name and
// `below` has their bits.
static inline enum http_field_id
name_lookup_near(const char *p, size_t n, vec16 line, uint32_t below)
{
	unsigned id = name_candidate(p, n);
	const struct http_name_row *row = &http_name_rows[id];
	vec16 known = vec16_load(row->text);
	vec16 differ = (line ^ known) & ~((known & vec16_all(0x40)) >> 1);
	bool same = (below & ~vec16_mask(vec16_eq(differ, 0))) == 0;
	return same && row->n == n ? (enum http_field_id)id : HTTP_FIELD_OTHER;
}
