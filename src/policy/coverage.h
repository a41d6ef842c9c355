// SPDX-License-Identifier: MIT
// Which lines of scripts their self-tests ran. Lines that hold an instruction are read out of the
// compiled chunk, whether a function was ever made of them or not; the lines of `test` blocks do
// not count. One thread at a time: whoever runs the tests.
#pragma once

#include "base/base.h"

enum {
	COVERAGE_CODE = 1, // an instruction stands there
	COVERAGE_RAN = 2,
	COVERAGE_TEST = 4, // inside a `test` block
};

struct coverage_file {
	char *name;     // as in errors
	uint8_t *lines; // [1 .. n_lines - 1]
	size_t n_lines;
};

// Zeroed by the caller, filled by tests whose sink names it (policy.h), in the order of loading.
struct coverage {
	struct coverage_file *files;
	size_t n_files, cap_files;
};

void coverage_fini(struct coverage *c);
// Lines that count, and those of them that ran.
void coverage_count(const struct coverage_file *f, size_t *code, size_t *ran);
// The first run of lines from `from` on that count and never ran, blanks between them included:
// false when there is none.
bool coverage_missed(const struct coverage_file *f, size_t from, size_t *first, size_t *last);
