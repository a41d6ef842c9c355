// SPDX-License-Identifier: MIT
// The unit tests' few words, in TAP: each OK(...) is one numbered line; a failed one names its
// file and line and the test goes on. main() ends with `return tap_done();`.
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int tap_n, tap_failed;

static inline bool
tap_ok(bool good, const char *what, const char *file, int line)
{
	tap_n++;
	if (good) {
		printf("ok %d - %s\n", tap_n, what);
	} else {
		tap_failed++;
		printf("not ok %d - %s\n# at %s:%d\n", tap_n, what, file, line);
	}
	fflush(stdout);
	return good;
}

// What must be true.
#define OK(cond) tap_ok((cond), #cond, __FILE__, __LINE__)
// The same with a sentence instead of the expression.
#define OK_MSG(cond, msg) tap_ok((cond), (msg), __FILE__, __LINE__)
// Two C strings equal; prints both when not.
#define IS_STR(got, want)                                                         \
	do {                                                                      \
		const char *tap_g = (got), *tap_w = (want);                       \
		if (!tap_ok(strcmp(tap_g, tap_w) == 0, #got, __FILE__, __LINE__)) \
			printf("#  got: %s\n# want: %s\n", tap_g, tap_w);         \
	} while (0)
// Two integers equal; prints both when not.
#define IS_INT(got, want)                                                           \
	do {                                                                        \
		long long tap_g = (long long)(got), tap_w = (long long)(want);      \
		if (!tap_ok(tap_g == tap_w, #got " == " #want, __FILE__, __LINE__)) \
			printf("#  got: %lld\n# want: %lld\n", tap_g, tap_w);       \
	} while (0)

static inline int
tap_done(void)
{
	printf("1..%d\n", tap_n);
	return tap_failed > 0 || tap_n == 0;
}
