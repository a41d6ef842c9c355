// SPDX-License-Identifier: MIT
// The timing wheel. A slot of level n spans 64^n ticks and is looked at when its first tick comes:
// what is due fires, what is not is filed anew, one level finer (or wherever its owner moved it
// meanwhile). So a timer is touched once per level at most, and only near its time.
#include "net/timer.h"

#include "base/clock.h"

#define SLOT_MASK (TIMER_SLOTS - 1)
// Beyond the last level's reach a timer waits in its farthest slot and is filed anew from there.
#define REACH_TICKS ((UINT64_C(1) << (TIMER_LEVELS * TIMER_SLOT_BITS)) - TIMER_SLOTS)

static uint64_t
tick_of_due(uint64_t due_ns)
{
	return due_ns / NS_PER_MS + (due_ns % NS_PER_MS != 0);
}

void
timer_wheel_init(struct timer_wheel *w, uint64_t now_ns)
{
	w->now_tick = now_ns / NS_PER_MS;
	for (unsigned l = 0; l < TIMER_LEVELS; l++) {
		w->used[l] = 0;
		for (unsigned s = 0; s < TIMER_SLOTS; s++)
			list_init(&w->slot[l][s]);
	}
}

void
timer_init(struct timer *t, timer_f fn)
{
	list_init(&t->node);
	t->due_ns = 0;
	t->filed_ns = UINT64_MAX;
	t->fn = fn;
}

void
timer_file(struct timer_wheel *w, struct timer *t)
{
	uint64_t tick = tick_of_due(t->due_ns);
	tick = MAX(tick, w->now_tick + 1);
	tick = MIN(tick, w->now_tick + REACH_TICKS);
	uint64_t delta = tick - w->now_tick;
	unsigned bit = 63 - (unsigned)__builtin_clzll(delta);
	unsigned level = bit / TIMER_SLOT_BITS;
	unsigned shift = level * TIMER_SLOT_BITS;
	unsigned slot = (unsigned)(tick >> shift) & SLOT_MASK;

	list_remove(&t->node);
	list_append(&w->slot[level][slot], &t->node);
	w->used[level] |= UINT64_C(1) << slot;
	// The earliest due time that this slot still serves.
	t->filed_ns = (((tick >> shift) << shift) - 1) * NS_PER_MS + 1;
}

void
timer_stop(struct timer_wheel *w, struct timer *t)
{
	(void)w; // its slot's bit stays set and is cleared when the slot comes round
	list_remove(&t->node);
	t->due_ns = 0;
	t->filed_ns = UINT64_MAX;
}

// The first tick after now_tick at which a slot in use begins; UINT64_MAX if none.
static uint64_t
next_tick(const struct timer_wheel *w)
{
	uint64_t best = UINT64_MAX;
	for (unsigned l = 0; l < TIMER_LEVELS; l++) {
		uint64_t used = w->used[l];
		if (used == 0)
			continue;
		unsigned shift = l * TIMER_SLOT_BITS;
		uint64_t at = w->now_tick >> shift;
		unsigned turn = (unsigned)(at + 1) & SLOT_MASK;
		uint64_t ahead = turn == 0 ? used : (used >> turn) | (used << (64 - turn));
		uint64_t start = (at + 1 + (unsigned)__builtin_ctzll(ahead)) << shift;
		best = MIN(best, start);
	}
	return best;
}

static unsigned
look_at_slot(struct timer_wheel *w, unsigned level, unsigned slot)
{
	unsigned n_fired = 0;
	struct list batch;
	struct list *head = &w->slot[level][slot];

	w->used[level] &= ~(UINT64_C(1) << slot);
	list_insert_before(head, &batch); // takes the ring over: callbacks may remove any of it
	list_remove(head);
	while (!list_empty(&batch)) {
		struct timer *t = LIST_ENTRY(batch.next, struct timer, node);
		list_remove(&t->node);
		t->filed_ns = UINT64_MAX;
		if (t->due_ns == 0)
			continue;
		if (tick_of_due(t->due_ns) > w->now_tick) {
			timer_file(w, t);
			continue;
		}
		t->due_ns = 0;
		n_fired++;
		t->fn(t);
	}
	return n_fired;
}

unsigned
timer_wheel_run(struct timer_wheel *w, uint64_t now_ns)
{
	uint64_t target = now_ns / NS_PER_MS;
	unsigned n_fired = 0;

	while (w->now_tick < target) {
		uint64_t next = next_tick(w);
		if (next > target) {
			w->now_tick = target;
			break;
		}
		w->now_tick = next;
		for (unsigned l = TIMER_LEVELS; l-- > 0;) {
			unsigned shift = l * TIMER_SLOT_BITS;
			if ((next & ((UINT64_C(1) << shift) - 1)) != 0)
				continue;
			unsigned slot = (unsigned)(next >> shift) & SLOT_MASK;
			if ((w->used[l] >> slot & 1) != 0)
				n_fired += look_at_slot(w, l, slot);
		}
	}
	return n_fired;
}

uint64_t
timer_wheel_wait_ns(const struct timer_wheel *w, uint64_t now_ns)
{
	uint64_t next = next_tick(w);
	if (next == UINT64_MAX)
		return UINT64_MAX;
	uint64_t at_ns = next * NS_PER_MS;
	return at_ns > now_ns ? at_ns - now_ns : 0;
}
