// SPDX-License-Identifier: MIT
// Sixteen bytes at a time, on the compiler's vector types: compare with a byte, combine the results
// with & | ~, and turn them into a bit mask whose bit i is byte i. Every x86-64 has the
// instructions (SSE2); elsewhere the mask is gathered in words.
#pragma once

#include <string.h>

#include "base/base.h"

typedef unsigned char vec16 __attribute__((vector_size(16)));

// 16 bytes at any address.
static inline vec16
vec16_load(const char *p)
{
	vec16 v;
	memcpy(&v, p, sizeof(v));
	return v;
}

static inline vec16
vec16_all(unsigned char c)
{
	return (vec16){c, c, c, c, c, c, c, c, c, c, c, c, c, c, c, c};
}

// 0xff in each byte that equals c, is below c (unsigned), is above c; 0 in the others.
static inline vec16
vec16_eq(vec16 v, unsigned char c)
{
	return (vec16)(v == vec16_all(c));
}

static inline vec16
vec16_below(vec16 v, unsigned char c)
{
	return (vec16)(v < vec16_all(c));
}

static inline vec16
vec16_above(vec16 v, unsigned char c)
{
	return (vec16)(v > vec16_all(c));
}

#ifdef __SSE2__
#include <emmintrin.h>

// Bit i is set when byte i of a comparison's result is 0xff.
static inline uint32_t
vec16_mask(vec16 comparison)
{
	return (uint32_t)_mm_movemask_epi8((__m128i)comparison);
}

#else

static inline uint32_t
vec16_mask(vec16 comparison)
{
	uint32_t mask = 0;
	for (unsigned i = 0; i < 16; i++)
		mask |= (uint32_t)(comparison[i] & 1) << i;
	return mask;
}

#endif
