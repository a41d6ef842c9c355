// SPDX-License-Identifier: MIT
// The wheel against a naive model: a plain array of due times looked through at every step.
#include "net/timer.h"

#include <stdlib.h>

#include "base/clock.h"
#include "tap.h"

#define N 300

static struct timer_wheel wheel;
static struct timer timers[N];
static uint64_t model[N]; // due, 0: off
static unsigned fired_wrong, n_fired;
static uint64_t now;
static uint64_t seed = 88172645463325252u;

static uint64_t
rnd(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

static void
on_fire(struct timer *t)
{
	unsigned i = (unsigned)(t - timers);
	n_fired++;
	// Never early, at most one tick after its time as the model knows it.
	if (model[i] == 0 || model[i] > now || t->due_ns != 0)
		fired_wrong++;
	model[i] = 0;
}

static uint64_t
some_delay(void)
{
	static const uint64_t scales[] = {1, 70, 5000, 300000, 20000000, 2000000000};
	return rnd(scales[rnd(ARRAY_LEN(scales))] * NS_PER_MS) + 1;
}

static void
test_against_model(void)
{
	unsigned late = 0;
	now = 12345678901234567u;
	timer_wheel_init(&wheel, now);
	for (unsigned i = 0; i < N; i++)
		timer_init(&timers[i], on_fire);
	for (unsigned step = 0; step < 20000; step++) {
		unsigned i = (unsigned)rnd(N);
		switch (rnd(8)) {
		case 0:
			timer_stop(&wheel, &timers[i]);
			model[i] = 0;
			break;
		case 1:
			timer_set(&wheel, &timers[i], 0);
			model[i] = 0;
			break;
		default:
			model[i] = now + some_delay();
			timer_set(&wheel, &timers[i], model[i]);
		}
		// Never told to sleep past the first due time's tick.
		uint64_t first = UINT64_MAX;
		for (unsigned k = 0; k < N; k++)
			first = model[k] != 0 ? MIN(first, model[k]) : first;
		uint64_t wait = timer_wheel_wait_ns(&wheel, now);
		if (first != UINT64_MAX &&
		    (wait == UINT64_MAX || now + wait >= first + 2 * NS_PER_MS))
			late++;
		now += rnd(4) == 0 ? some_delay() : MIN(wait, NS_PER_S);
		(void)timer_wheel_run(&wheel, now);
		for (unsigned k = 0; k < N; k++)
			late += model[k] != 0 && now >= model[k] + 2 * NS_PER_MS;
	}
	IS_INT(fired_wrong, 0);
	IS_INT(late, 0);
	OK(n_fired > 1000);
}

// Moving later is a store: the place in the wheel does not change until it comes round.
static void
test_later_is_lazy(void)
{
	now = 1000 * NS_PER_S;
	timer_wheel_init(&wheel, now);
	timer_init(&timers[0], on_fire);
	n_fired = 0;
	model[0] = now + 50 * NS_PER_MS;
	timer_set(&wheel, &timers[0], model[0]);
	struct list *before = timers[0].node.prev;
	model[0] = now + 30 * NS_PER_S;
	timer_set(&wheel, &timers[0], model[0]);
	OK(timers[0].node.prev == before);
	OK(timer_wheel_wait_ns(&wheel, now) <= 50 * NS_PER_MS);
	now += 60 * NS_PER_MS;
	IS_INT(timer_wheel_run(&wheel, now), 0);
	OK(timers[0].node.prev != before);
	now += 30 * NS_PER_S;
	IS_INT(timer_wheel_run(&wheel, now), 1);
	IS_INT(n_fired, 1);
	OK(timer_wheel_wait_ns(&wheel, now) == UINT64_MAX);
}

static unsigned n_chain;

static void
on_chain(struct timer *t)
{
	n_chain++;
	timer_stop(&wheel, &timers[1]); // due in the same slot
	timer_set(&wheel, t, now);      // overdue again: in the next tick, not in this run
}

static void
test_callbacks_may_change_timers(void)
{
	now = 5 * NS_PER_S;
	timer_wheel_init(&wheel, now);
	timer_init(&timers[0], on_chain);
	timer_init(&timers[1], on_chain);
	timer_set(&wheel, &timers[0], now + NS_PER_MS);
	timer_set(&wheel, &timers[1], now + NS_PER_MS);
	now += NS_PER_MS;
	IS_INT(timer_wheel_run(&wheel, now), 1);
	IS_INT(n_chain, 1);
	IS_INT(timer_wheel_run(&wheel, now), 0);
	now += NS_PER_MS;
	IS_INT(timer_wheel_run(&wheel, now), 1);
	timer_stop(&wheel, &timers[0]);
	now += 10 * NS_PER_S;
	IS_INT(timer_wheel_run(&wheel, now), 0);
}

int
main(void)
{
	test_against_model();
	test_later_is_lazy();
	test_callbacks_may_change_timers();
	return tap_done();
}
