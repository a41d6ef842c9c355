// SPDX-License-Identifier: MIT
// Clocks as one number each.
#include "base/clock.h"

#include <time.h>

static uint64_t
read_clock(clockid_t id)
{
	struct timespec t;
	int r = clock_gettime(id, &t);
	ASSERT(r == 0);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

uint64_t
clock_mono_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t
clock_boot_ns(void)
{
	return read_clock(CLOCK_BOOTTIME);
}

uint64_t
clock_real_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

uint64_t
clock_thread_ns(void)
{
	return read_clock(CLOCK_THREAD_CPUTIME_ID);
}
