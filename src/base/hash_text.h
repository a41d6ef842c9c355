// SPDX-License-Identifier: MIT
// The string hashes that HAProxy balances with and offers as converters, of 32 bits. They are for
// being the same everywhere, not for tables (base/hash.h): a client that wants to can make them
// collide.
#pragma once

#include "base/str.h"

// Of sdbm (public domain, Ozan Yigit 1990), going on from h; it begins with 0.
uint32_t hash_sdbm_more(uint32_t h, struct str s);
uint32_t hash_sdbm(struct str s);
uint32_t hash_djb2(struct str s); // Dan Bernstein, comp.lang.c: times 33, beginning with 5381
uint32_t hash_wt6(struct str s);  // HAProxy's own
uint32_t hash_crc32(struct str s);
// RFC 3720 appendix B.4; the first goes on from the crc of what stands before, 0 before the first.
uint32_t hash_crc32c_more(uint32_t crc, struct str s);
uint32_t hash_crc32c(struct str s);
// Bob Jenkins' integer mixing (burtleburtle.net/bob/hash/integer.html), then a multiplication
// by a prime near 3/4 of the range, as HAProxy spreads hashes. One to one.
uint32_t hash_avalanche(uint32_t a);
