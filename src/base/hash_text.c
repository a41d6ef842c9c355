// SPDX-License-Identifier: MIT
#include "base/hash_text.h"

uint32_t
hash_avalanche(uint32_t a)
{
	a = (a + 0x7ed55d16u) + (a << 12);
	a = (a ^ 0xc761c23cu) ^ (a >> 19);
	a = (a + 0x165667b1u) + (a << 5);
	a = (a + 0xd3a2646cu) ^ (a << 9);
	a = (a + 0xfd7046c5u) + (a << 3);
	a = (a ^ 0xb55a4f09u) ^ (a >> 16);
	return a * 3221225473u;
}

// Bit by bit is slow, but what asks for it is rare.
static uint32_t
crc_reflected(uint32_t before, struct str s, uint32_t poly)
{
	uint32_t crc = ~before;
	for (size_t i = 0; i < s.n; i++) {
		crc ^= (uint8_t)s.p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (poly & (0u - (crc & 1)));
	}
	return ~crc;
}

uint32_t
hash_crc32(struct str s)
{
	return crc_reflected(0, s, 0xedb88320u);
}

uint32_t
hash_crc32c_more(uint32_t crc, struct str s)
{
	return crc_reflected(crc, s, 0x82f63b78u);
}

uint32_t
hash_crc32c(struct str s)
{
	return hash_crc32c_more(0, s);
}

uint32_t
hash_djb2(struct str s)
{
	uint32_t h = 5381;
	for (size_t i = 0; i < s.n; i++)
		h = h * 33 + (uint8_t)s.p[i];
	return h;
}

uint32_t
hash_sdbm_more(uint32_t h, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		h = h * 65599 + (uint8_t)s.p[i];
	return h;
}

uint32_t
hash_sdbm(struct str s)
{
	return hash_sdbm_more(0, s);
}

static uint32_t
rotate(uint32_t v, unsigned by)
{
	return by == 0 ? v : v << by | v >> (32 - by);
}

uint32_t
hash_wt6(struct str s)
{
	uint32_t h0 = 0xa53c965au, h1 = 0x5ca6953au;
	unsigned step0 = 6, step1 = 18;
	for (size_t i = 0; i < s.n; i++) {
		uint32_t byte = (uint8_t)s.p[i];
		h0 = ~(h0 ^ byte);
		h1 = ~(h1 + byte);
		uint32_t next0 = rotate(h1, step0);
		h1 = rotate(h0, step1);
		h0 = next0;
		uint32_t steps = ((h0 >> 16) ^ h1) & 0xffff;
		step0 = steps & 31;
		step1 = steps >> 11;
	}
	return h0 ^ h1;
}
