// SPDX-License-Identifier: MIT
// For measurements on a machine that others use.
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

// What a thread has waited for a processor, nanoseconds; schedstat: its /proc/.../schedstat, open.
static inline uint64_t
waited_ns(int schedstat)
{
	char text[100] = "";
	unsigned long long ran, waited = 0;
	if (pread(schedstat, text, sizeof(text) - 1, 0) > 0)
		(void)sscanf(text, "%llu %llu", &ran, &waited);
	return waited;
}
