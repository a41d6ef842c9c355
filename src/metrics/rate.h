// SPDX-License-Identifier: MIT
// How often something happened in the last second, as a metric: one word holds the present second,
// how often in it, and how often in the one before. Written by the worker that owns the block,
// read by any thread.
#pragma once

#include "base/clock.h"
#include "metrics/metrics.h"

// second (24 bits) | in it (20) | in the one before (20); counts stop at their greatest.
#define RATE_BITS 20
#define RATE_MAX  ((UINT64_C(1) << RATE_BITS) - 1)

static inline uint64_t
rate_second(uint64_t now_ns)
{
	return now_ns / NS_PER_S & 0xffffff;
}

// One more, by the owner. now_ns: monotonic.
static inline void
rate_count(struct metric *m, uint64_t now_ns)
{
	uint64_t v = METRIC_GET(m), second = rate_second(now_ns);
	uint64_t age = (second - (v >> 2 * RATE_BITS)) & 0xffffff;
	uint64_t now = v >> RATE_BITS & RATE_MAX, before = v & RATE_MAX;
	if (age != 0) {
		before = age == 1 ? now : 0;
		now = 0;
	}
	now += now < RATE_MAX;
	METRIC_SET(m, second << 2 * RATE_BITS | now << RATE_BITS | before);
}

// In the second that ends at now_ns, all workers together: what this second has, and of the one
// before as much as still belongs to it, as HAProxy reckons.
uint64_t rate_read(const struct metric_blocks *b, size_t offset, uint64_t now_ns);
