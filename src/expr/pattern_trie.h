// SPDX-License-Identifier: MIT
// Beginnings, ends, parts and words: all texts of a list in one trie, entered wherever a match may
// begin, so that the cost of a lookup does not grow with the number of texts. A letter of it is a
// step of eight bytes, and no node stands anywhere. The hash of a step, and of those before it, is
// a node's name; a filter in the caches knows which there are (pattern_filter.h). So a
// lookup goes down without fetching anything from memory, and only the texts that match are fetched
// (pattern_ranks.h), all of them at once.
//
// A beginning of whole steps that several texts share is a node that goes on. A text is entered
// behind the longest one that it shares: with one more step, when nobody else has that, or with the
// few bytes that are left, 0 to 7. Of these, a lookup tries as many as texts there have: all texts
// behind the same number of steps tell by bits how many bytes were left; at the first step, where a
// part may begin at each byte, those with about the same two bytes first.
#pragma once

#include "expr/pattern_filter.h"
#include "expr/pattern_priv.h"

#define STEP  8u
#define LEADS 1024u // of first two bytes; many share one

struct pattern_trie {
	struct pattern_filter filter;
	uint32_t n_steps;    // behind fewer than this many, texts are entered
	uint8_t *ends;       // behind i steps: bit n is set when a text is entered with n bytes
	uint8_t lead[LEADS]; // the same behind none, by the first two bytes
};

static inline uint8_t
byte_at(struct str s, size_t i, bool from_end)
{
	return (uint8_t)s.p[from_end ? s.n - 1 - i : i];
}

// The eight bytes from `at` on, in the order of the text.
static inline uint64_t
step_at(struct str s, size_t at, bool back)
{
	uint64_t step;
	memcpy(&step, s.p + (back ? s.n - at - STEP : at), STEP);
	return step;
}

// The n < 8 bytes from `at` on, as if others followed.
static inline uint64_t
few_at(struct str s, size_t at, size_t n, bool back)
{
	uint64_t step = 0;
	if (n == 0)
		return 0;
	memcpy((char *)&step + (back ? STEP - n : 0), s.p + (back ? s.n - at - n : at), n);
	return step;
}

// What the first n < 8 bytes of a step are, whatever follows.
static inline uint64_t
step_cut(uint64_t step, unsigned n, bool back)
{
	bool first_is_low = (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) != back;
	unsigned others = 8 * (STEP - n) % 64;
	step = n == 0 ? 0 : step;
	return first_is_low ? step << others : step >> others;
}

static inline uint32_t
lead_place(uint8_t first, uint8_t second)
{
	return (uint32_t)(first << 5 ^ second) % LEADS;
}
