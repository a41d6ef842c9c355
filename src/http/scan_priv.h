// SPDX-License-Identifier: MIT
// The codec's inner loops: how far a run of harmless bytes goes, sixteen bytes at a time. `lo` is
// the start of readable memory before p: a tail shorter than sixteen bytes is read together with
// bytes before it, never beyond `end`. SSE4.2 and AVX2 were not worth a call through a pointer:
// values are mostly shorter than two vectors.
#pragma once

#include "base/vec16.h"

// Control bytes but HTAB: what neither a field value nor a reason phrase may hold.
static inline bool
byte_is_control(char c)
{
	unsigned char u = (unsigned char)c;
	return (u < 0x20 && u != '\t') || u == 0x7f;
}

static inline uint32_t
control_mask(vec16 v)
{
	return vec16_mask(vec16_below(v, 0x20) | vec16_eq(v, 0x7f));
}

// First control byte, HTAB too, or end.
static inline const char *
scan_printable(const char *p, const char *end, const char *lo)
{
	ptrdiff_t at = p - end;
	for (; at <= -16; at += 16) {
		uint32_t m = control_mask(vec16_load(end + at));
		if (m != 0)
			return end + at + __builtin_ctz(m);
	}
	if (at < 0 && end - lo >= 16) {
		uint32_t m = control_mask(vec16_load(end - 16)) >> (16 + at);
		return m != 0 ? end + at + __builtin_ctz(m) : end;
	}
	p = end + at;
	while (p < end && (unsigned char)*p >= 0x20 && *p != 0x7f)
		p++;
	return p;
}

// First control byte but HTAB, or end. HTAB is rare: the loop above need not know it.
static inline const char *
scan_text(const char *p, const char *end, const char *lo)
{
	p = scan_printable(p, end, lo);
	while (UNLIKELY(p < end && *p == '\t'))
		p = scan_printable(p + 1, end, lo);
	return p;
}

// Bytes that are not a letter, digit or '-', of which nearly all field names are made.
static inline uint32_t
odd_in_name_mask(vec16 v)
{
	vec16 letter = (v | vec16_all(0x20)) - vec16_all('a'), digit = v - vec16_all('0');
	return 0xffff ^ vec16_mask(vec16_below(letter, 'z' - 'a' + 1) | vec16_below(digit, 10) |
				   vec16_eq(v, '-'));
}

// What a request target may not hold: anything but 0x21..0x7e, and '#', which would hide the rest
// from servers that take it for a fragment.
static inline bool
byte_ends_target(char c)
{
	return (unsigned char)(c - 0x21) > 0x7e - 0x21 || c == '#';
}

static inline uint32_t
target_mask(vec16 v)
{
	return vec16_mask(vec16_above(v - vec16_all(0x21), 0x7e - 0x21) | vec16_eq(v, '#'));
}

// First byte that cannot stand in a request target, or end.
static inline const char *
scan_target(const char *p, const char *end, const char *lo)
{
	ptrdiff_t at = p - end;
	for (; at <= -16; at += 16) {
		uint32_t m = target_mask(vec16_load(end + at));
		if (m != 0)
			return end + at + __builtin_ctz(m);
	}
	if (at < 0 && end - lo >= 16) {
		uint32_t m = target_mask(vec16_load(end - 16)) >> (16 + at);
		return m != 0 ? end + at + __builtin_ctz(m) : end;
	}
	p = end + at;
	while (p < end && !byte_ends_target(*p))
		p++;
	return p;
}
