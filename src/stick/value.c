// SPDX-License-Identifier: MIT
// What an entry counts. Plain numbers are a word each. A rate is two: the begin of the present
// period with what it has so far, and what the one before it had:
//     now     begin (ms, 32 bits) | events (32)
//     before  begin of the period behind it (32) | events (32)
// `before` counts while its begin is that of `now`. Who begins a period writes `before` first,
// with the begin to come, and then exchanges `now`; each only if it is still what he read, with
// `before` read first. So the one who succeeds has handed over exactly the events that he ends,
// and one killed in between has done nothing that counts: a period that is over needs no `before`.
#include "stick/table_priv.h"

#define EVENTS UINT32_MAX

static inline uint64_t
pair(uint32_t begin, uint64_t events)
{
	return (uint64_t)begin << 32 | MIN(events, (uint64_t)EVENTS);
}

static inline uint64_t
get(const _Atomic uint64_t *w)
{
	return atomic_load_explicit(w, memory_order_acquire);
}

static inline bool
exchange(_Atomic uint64_t *w, uint64_t old, uint64_t new)
{
	return atomic_compare_exchange_strong_explicit(w, &old, new, memory_order_acq_rel,
						       memory_order_relaxed);
}

// --- rates ---------------------------------------------------------------------------------------

// Workers' clocks are some milliseconds apart: what is that much ahead is of now.
#define SKEW_MS 1000u

static inline uint32_t
age_of(uint64_t word, uint32_t period, uint32_t now_ms)
{
	uint32_t begin = (uint32_t)(word >> 32);
	return begin - now_ms <= MIN(SKEW_MS, period) ? 0 : now_ms - begin;
}

static void
rate_add(_Atomic uint64_t *rate, uint32_t period, uint64_t n, uint32_t now_ms)
{
	for (;;) {
		uint64_t before = get(&rate[1]), now = get(&rate[0]);
		uint32_t begin = (uint32_t)(now >> 32), age = age_of(now, period, now_ms);
		if (LIKELY(age < period)) {
			if (LIKELY(exchange(&rate[0], now, pair(begin, (now & EVENTS) + n))))
				return;
			continue;
		}
		bool follows = age - period < period;
		uint32_t next = follows ? begin + period : now_ms;
		if (exchange(&rate[1], before, pair(next, follows ? now & EVENTS : 0)) &&
		    exchange(&rate[0], now, pair(next, n)))
			return;
	}
}

// What the period has, and of the one before as much as the window still covers, as HAProxy
// reckons; one event in two periods is still one.
static uint64_t
rate_get(const _Atomic uint64_t *rate, uint32_t period, uint32_t now_ms)
{
	uint64_t before = get(&rate[1]), now = get(&rate[0]);
	uint64_t events = now & EVENTS, past = before >> 32 == now >> 32 ? before & EVENTS : 0;
	uint32_t age = age_of(now, period, now_ms), left = period - age;
	if (age > period) {
		past = age - period <= period ? events : 0;
		left = 2 * period - age;
		events = 0;
	}
	if (events == 0 && past <= 1)
		return past;
	return events + past * left / period;
}

// --- values --------------------------------------------------------------------------------------

static inline unsigned
words_each(enum stick_data data)
{
	return stick_data_rows[data].kind == STICK_RATE ? 2 : 1;
}

static inline const _Atomic uint64_t *
word_at(const struct stick_table *t, const struct stick_entry *e, enum stick_data data, unsigned i)
{
	return &e->words[t->at[data] + i * words_each(data)];
}

// Those who keep it, and what a command has set beside them.
static uint64_t
current(const struct stick_entry *e)
{
	int64_t n = (int64_t)(get(&e->cur_base) + n_keepers(e));
	return n > 0 ? (uint64_t)n : 0;
}

static uint64_t
asked(const struct stick_table *t, const struct stick_entry *e, enum stick_asked what, uint64_t now)
{
	int64_t age = (int64_t)(now - atomic_load_explicit(&e->used_ms, memory_order_relaxed));
	if (what == STICK_TRACKERS)
		return n_keepers(e);
	age = MAX(age, 0);
	if (what == STICK_IDLE)
		return (uint64_t)age;
	return t->def.expire_ms > (uint64_t)age ? t->def.expire_ms - (uint64_t)age : 0;
}

uint64_t
stick_entry_value(const struct stick_table *t, const struct stick_entry *e, unsigned data,
		  unsigned i, uint64_t now)
{
	if (UNLIKELY(data >= STICK_N_DATA))
		return asked(t, e, (enum stick_asked)data, now);
	const _Atomic uint64_t *w = word_at(t, e, (enum stick_data)data, i);
	switch (stick_data_rows[data].kind) {
	case STICK_RATE:
		return rate_get(w, t->def.data[data].period_ms, (uint32_t)now);
	case STICK_CURRENT:
		return current(e);
	case STICK_VALUE:
		return get(w) & UINT32_MAX;
	case STICK_WIDE:
	case STICK_NAME:
		break;
	}
	return get(w);
}

uint64_t
stick_value(const struct stick_ref *r, unsigned data, unsigned i, uint64_t now)
{
	return stick_entry_value(r->table, r->entry, data, i, now);
}

static _Atomic uint64_t *
writable(const struct stick_ref *r, enum stick_data data, unsigned i)
{
	return (_Atomic uint64_t *)(uintptr_t)word_at(r->table, r->entry, data, i);
}

void
stick_touch(const struct stick_ref *r, uint64_t now)
{
	_Atomic uint64_t *used = &r->entry->used_ms;
	if (atomic_load_explicit(used, memory_order_relaxed) != now)
		atomic_store_explicit(used, now, memory_order_relaxed);
}

uint64_t
stick_add_get(const struct stick_ref *r, enum stick_data data, unsigned i, uint64_t n, uint64_t now)
{
	_Atomic uint64_t *w = writable(r, data, i);
	stick_touch(r, now);
	if (stick_data_rows[data].kind != STICK_RATE)
		return atomic_fetch_add_explicit(w, n, memory_order_relaxed) + n;
	rate_add(w, r->table->def.data[data].period_ms, n, (uint32_t)now);
	return stick_value(r, data, i, now);
}

void
stick_add(const struct stick_ref *r, enum stick_data data, unsigned i, uint64_t n, uint64_t now)
{
	_Atomic uint64_t *w = writable(r, data, i);
	stick_touch(r, now);
	if (stick_data_rows[data].kind == STICK_RATE)
		rate_add(w, r->table->def.data[data].period_ms, n, (uint32_t)now);
	else
		atomic_fetch_add_explicit(w, n, memory_order_relaxed);
}

// A rate's period begins with it, so that the value is what is read.
void
stick_set(const struct stick_ref *r, enum stick_data data, unsigned i, uint64_t value, uint64_t now)
{
	_Atomic uint64_t *w = writable(r, data, i);
	stick_touch(r, now);
	switch (stick_data_rows[data].kind) {
	case STICK_RATE:
		atomic_store_explicit(&w[1], 0, memory_order_release);
		atomic_store_explicit(&w[0], pair((uint32_t)now, value), memory_order_release);
		break;
	case STICK_CURRENT:
		atomic_store_explicit(&r->entry->cur_base, value - n_keepers(r->entry),
				      memory_order_relaxed);
		break;
	case STICK_VALUE:
	case STICK_WIDE:
	case STICK_NAME:
		atomic_store_explicit(w, value, memory_order_relaxed);
	}
}
