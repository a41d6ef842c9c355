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

// The first of a second, and what is beyond the greatest.
static SELDOM void
rate_begin(struct metric *m, uint64_t second)
{
	uint64_t v = METRIC_GET(m), now = v >> RATE_BITS & RATE_MAX;
	uint64_t age = (second - (v >> 2 * RATE_BITS)) & 0xffffff;
	if (age != 0)
		METRIC_SET(m, second << 2 * RATE_BITS | UINT64_C(1) << RATE_BITS |
				  (age == 1 ? now : 0));
}

// One more, by the owner. now_ns: monotonic.
static inline void
rate_count(struct metric *m, uint64_t now_ns)
{
	const uint64_t one = UINT64_C(1) << RATE_BITS, most = RATE_MAX << RATE_BITS;
	uint64_t v = METRIC_GET(m), second = rate_second(now_ns);
	if (LIKELY(v >> 2 * RATE_BITS == second && (v & most) != most))
		METRIC_SET(m, v + one);
	else
		rate_begin(m, second);
}

// In the second that ends at now_ns, all workers together: what this second has, and of the one
// before as much as still belongs to it, as HAProxy reckons.
uint64_t rate_read(const struct metric_blocks *b, size_t offset, uint64_t now_ns);
