// SPDX-License-Identifier: MIT
// Reading of rates.
#include "metrics/rate.h"

static uint64_t
of_worker(uint64_t v, uint64_t now_ns)
{
	uint64_t age = (rate_second(now_ns) - (v >> 2 * RATE_BITS)) & 0xffffff;
	uint64_t now = v >> RATE_BITS & RATE_MAX, before = v & RATE_MAX;
	uint64_t left_ms = 1000 - now_ns % NS_PER_S / NS_PER_MS;
	if (age > 1)
		return 0;
	if (age == 1) {
		before = now;
		now = 0;
	}
	// One event in two seconds is still one: rounding would hide it.
	return now == 0 && before == 1 ? 1 : now + before * left_ms / 1000;
}

uint64_t
rate_read(const struct metric_blocks *b, size_t offset, uint64_t now_ns)
{
	uint64_t sum = 0;
	for (unsigned w = 0; w < b->n_workers; w++) {
		const struct metric *m =
		    (const struct metric *)((const char *)metrics_of(b, w) + offset);
		sum += of_worker(METRIC_GET(m), now_ns);
	}
	return sum;
}
