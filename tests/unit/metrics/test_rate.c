// SPDX-License-Identifier: MIT
// Rates: what counts in the second that ends now.
#include "metrics/rate.h"
#include "../tap.h"

static uint64_t
at_ms(uint64_t ms)
{
	return UINT64_C(1000) * NS_PER_S + ms * NS_PER_MS;
}

int
main(void)
{
	struct metric_blocks b;
	metrics_init(&b, sizeof(struct metric), 2);
	struct metric *first = metrics_of(&b, 0), *second = metrics_of(&b, 1);
	OK(rate_read(&b, 0, at_ms(0)) == 0);
	for (int i = 0; i < 10; i++)
		rate_count(first, at_ms(100));
	for (int i = 0; i < 4; i++)
		rate_count(second, at_ms(900));
	OK(rate_read(&b, 0, at_ms(900)) == 14);
	OK(rate_read(&b, 0, at_ms(1000)) == 14);
	OK(rate_read(&b, 0, at_ms(1500)) == 7);
	OK(rate_read(&b, 0, at_ms(1999)) == 0);
	rate_count(first, at_ms(1500));
	OK(rate_read(&b, 0, at_ms(1500)) == 1 + 5 + 2);
	OK(rate_read(&b, 0, at_ms(2999)) == 1);
	OK(rate_read(&b, 0, at_ms(3000)) == 0);
	rate_count(first, at_ms(9000));
	OK(rate_read(&b, 0, at_ms(9000)) == 1);
	METRIC_SET(first, rate_second(at_ms(9000)) << 2 * RATE_BITS | RATE_MAX << RATE_BITS);
	rate_count(first, at_ms(9001));
	OK(rate_read(&b, 0, at_ms(9001)) == RATE_MAX);
	metrics_fini(&b);
	return tap_done();
}
