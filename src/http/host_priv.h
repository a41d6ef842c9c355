// SPDX-License-Identifier: MIT
// "host[:port]" taken apart and checked.
#pragma once

#include "base/str.h"
#include "base/vec16.h"

struct http_host {
	struct str name; // IP literals with their brackets; may be empty
	struct str port; // .p NULL without ':'; may be empty; at most 65535
};

// SIZE_MAX when well-formed, else the index of the first byte that is not.
size_t http_host_check(struct str s, struct http_host *out);

// True for a name of at most 16 letters, digits, '.' and '-' that ends at least 16 bytes behind
// readable memory's start `lo`: nearly every Host, at one look. False says nothing.
static inline bool
http_host_is_plain(struct str s, const char *lo)
{
	if (s.n - 1 > 15 || s.p + s.n - lo < 16)
		return false;
	vec16 v = vec16_load(s.p + s.n - 16);
	vec16 letter = vec16_below((v | vec16_all(0x20)) - vec16_all('a'), 26);
	vec16 rest = vec16_below(v - vec16_all('0'), 10) | vec16_below(v - vec16_all('-'), 2);
	return (uint16_t)~vec16_mask(letter | rest) >> (16 - s.n) == 0;
}
