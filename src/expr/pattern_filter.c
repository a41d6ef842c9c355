// SPDX-License-Identifier: MIT
// Making the filter of pattern_filter.h.

#include "expr/pattern_filter.h"

#include "base/mem.h"

#define NAMES_IN_WORD 5

struct pattern_filter
pattern_filter_new(size_t n)
{
	struct pattern_filter f = {.n = n / NAMES_IN_WORD + 1};
	f.word = mem_large(f.n * sizeof(*f.word));
	return f;
}
