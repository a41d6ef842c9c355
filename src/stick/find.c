// SPDX-License-Identifier: MIT
// Places: looked up, taken for a new key, kept, freed. The orders of memory: a mark is made before
// what stands under it is written, and a live word stored behind that, so whoever reads the same
// live word before and behind has read one key's. Marks, lanes and the looks at each other's are
// sequentially consistent.
#include <sched.h>

#include "base/clock.h"
#include "stick/table_priv.h"

// --- patience ------------------------------------------------------------------------------------

#define SPINS   64u
#define YIELDS  200u
#define WAIT_NS (50 * NS_PER_MS) // a yield may take a whole turn of each of many others

struct wait {
	unsigned n;
	uint64_t until_ns, word; // of the busy place that is waited for; 0: of none in particular
};

// For another thread that is between two words of a key. False: it has no processor, or was killed
// in another process; a request goes on uncounted rather than wait for that.
static bool
wait_a_bit(struct wait *w)
{
	if (++w->n <= SPINS)
		return true;
	uint64_t now = clock_mono_ns();
	if (w->until_ns == 0)
		w->until_ns = now + WAIT_NS;
	(void)sched_yield(); // cannot fail
	return w->n < SPINS + YIELDS && now < w->until_ns;
}

// --- looking -------------------------------------------------------------------------------------

enum look { LOOK_NONE, LOOK_FOUND, LOOK_UNSETTLED };

static inline uint64_t
load(const struct stick_table *t, uint64_t place)
{
	return atomic_load_explicit(&t->index[place], memory_order_seq_cst);
}

static inline bool
is_key(const struct stick_entry *e, const struct stick_key *k)
{
	for (uint32_t i = 0; i < k->n_words; i++)
		if (atomic_load_explicit(&e->words[i], memory_order_relaxed) != k->words[i])
			return false;
	return true;
}

// Somebody writes there: it may be this key that comes, or that goes or stays.
static SELDOM bool
concerns(const struct stick_table *t, uint64_t place, uint64_t word, uint64_t tag,
	 const struct stick_key *k)
{
	return word >> 48 == tag ||
	       (place_state(word) == PLACE_REPLACING && is_key(entry_at(t, place), k));
}

static inline enum look
look_in(const struct stick_table *t, uint64_t first, uint64_t tag, const struct stick_key *k,
	uint64_t *place, uint64_t *word)
{
	const uint64_t live = tag << 4 | PLACE_LIVE;
	enum look result = LOOK_NONE;
	for (uint64_t p = first; p < first + STICK_WAYS; p++) {
		uint64_t w = load(t, p);
		if (w >> 44 == live && is_key(entry_at(t, p), k)) {
			*place = p;
			*word = w;
			return LOOK_FOUND;
		}
		if (UNLIKELY(place_is_busy(w)) && concerns(t, p, w, tag, k)) {
			*word = w;
			result = LOOK_UNSETTLED;
		}
	}
	return result;
}

static inline enum look
look(const struct stick_table *t, const struct stick_home *h, const struct stick_key *k,
     uint64_t *place, uint64_t *word)
{
	enum look a = look_in(t, h->bucket[0] * STICK_WAYS, h->tag, k, place, word);
	if (LIKELY(a == LOOK_FOUND))
		return a;
	enum look b = look_in(t, h->bucket[1] * STICK_WAYS, h->tag, k, place, word);
	return b != LOOK_NONE ? b : a;
}

static inline bool
is_over(const struct stick_table *t, const struct stick_entry *e, uint64_t now)
{
	return UNLIKELY(is_expired(t, e, now)) && !is_held(e);
}

static inline bool
mark_free(struct stick_table *t, uint64_t place, uint64_t word)
{
	uint64_t none = place_word(0, PLACE_FREE, 0, word + 1);
	return atomic_compare_exchange_strong_explicit(&t->index[place], &word, none,
						       memory_order_seq_cst, memory_order_relaxed);
}

bool
stick_free_lost(struct stick_table *t, uint64_t place, uint64_t word)
{
	if (!mark_free(t, place, word))
		return false;
	if (place_state(word) == PLACE_REPLACING) // it was counted
		atomic_fetch_sub_explicit(&t->h->used, 1, memory_order_relaxed);
	return true;
}

// Its writer was killed, in another process: the place is free then. A word has a number that is
// no other's, so what is seen there is still the dead one's.
static bool
free_if_dead(struct stick_table *t, const struct stick_home *h, uint64_t word)
{
	if (!stick_lane_is_dead(t, place_lane(word)))
		return false;
	for (unsigned i = 0; i < 2 * STICK_WAYS; i++) {
		uint64_t p = h->bucket[i / STICK_WAYS] * STICK_WAYS + i % STICK_WAYS;
		if (load(t, p) == word)
			(void)stick_free_lost(t, p, word); // or another thread did
	}
	return true;
}

// False: not settled in time. A place is waited for in vain once, and not by every request.
static SELDOM bool
wait_for_place(struct stick_table *t, const struct stick_home *h, struct wait *w)
{
	uint64_t word = w->word;
	_Atomic uint64_t *lost = &t->lost[word % STICK_LOST];
	w->word = 0;
	if (word != 0 && atomic_load_explicit(lost, memory_order_relaxed) == word)
		return false;
	if (wait_a_bit(w))
		return true;
	if (word == 0)
		return false;
	if (free_if_dead(t, h, word)) {
		*w = (struct wait){0};
		return true;
	}
	atomic_store_explicit(lost, word, memory_order_relaxed);
	return false;
}

bool
stick_value_of(struct stick_table *t, const struct stick_key *k, unsigned data, unsigned i,
	       uint64_t now, uint64_t *out)
{
	struct stick_home h = home_of(t, k->hash);
	uint64_t place = 0, word = 0;
	struct wait wait = {0};
	do {
		enum look l = look(t, &h, k, &place, &word);
		if (l == LOOK_NONE)
			return false;
		if (l == LOOK_UNSETTLED) {
			wait.word = word;
			continue;
		}
		const struct stick_entry *e = entry_at(t, place);
		if (is_over(t, e, now))
			return false;
		*out = stick_entry_value(t, e, data, i, now);
		atomic_thread_fence(memory_order_acquire);
		if (LIKELY(load(t, place) == word))
			return true;
	} while (wait_for_place(t, &h, &wait));
	return false;
}

// --- freeing -------------------------------------------------------------------------------------

static bool
mark(struct stick_table *t, uint64_t place, uint64_t old, uint64_t tag)
{
	enum place_state state = place_state(old) == PLACE_LIVE ? PLACE_REPLACING : PLACE_FILLING;
	uint64_t mine = place_word(tag, state, t->lane, old + 1);
	if (!atomic_compare_exchange_strong_explicit(&t->index[place], &old, mine,
						     memory_order_seq_cst, memory_order_relaxed))
		return false;
	atomic_thread_fence(memory_order_release);
	return true;
}

static void
put(struct stick_table *t, uint64_t place, uint64_t word)
{
	atomic_store_explicit(&t->index[place], word, memory_order_seq_cst);
}

bool
stick_free_place(struct stick_table *t, uint64_t place, uint64_t word, bool expired, uint64_t now)
{
	const struct stick_entry *e = entry_at(t, place);
	if (is_held(e) || !mark(t, place, word, word >> 48))
		return false;
	bool free = !is_held(e) && (!expired || is_expired(t, e, now));
	if (free)
		atomic_fetch_sub_explicit(&t->h->used, 1, memory_order_relaxed);
	put(t, place, free ? place_word(0, PLACE_FREE, 0, word + 1) : word);
	return free;
}

bool
stick_remove(struct stick_table *t, const struct stick_key *k, uint64_t now, bool *kept)
{
	struct stick_home h = home_of(t, k->hash);
	uint64_t place = 0, word = 0;
	struct wait wait = {0};
	*kept = false;
	do {
		enum look l = look(t, &h, k, &place, &word);
		if (l == LOOK_NONE)
			return false;
		wait.word = l == LOOK_UNSETTLED ? word : 0;
		*kept = l == LOOK_FOUND && n_keepers(entry_at(t, place)) > 0;
		if (*kept)
			return false;
		if (l == LOOK_FOUND && stick_free_place(t, place, word, false, now))
			return true;
	} while (wait_for_place(t, &h, &wait));
	*kept = true;
	return false;
}

// --- a place for a new key -----------------------------------------------------------------------

// A place, and what its word was when it was chosen: nothing else may be replaced.
struct spot {
	uint64_t place, word;
};

// The best so far.
struct choice {
	struct spot free[2]; // a free place of each bucket
	unsigned n_free[2];
	struct spot oldest; // among those that nobody holds
	uint64_t used_ms;   // of that
	bool some, expired;
};

static void
consider(const struct stick_table *t, struct choice *c, unsigned b, uint64_t place, uint64_t now)
{
	uint64_t w = load(t, place);
	if (place_state(w) == PLACE_FREE && c->n_free[b]++ == 0)
		c->free[b] = (struct spot){place, w};
	if (place_state(w) != PLACE_LIVE)
		return;
	const struct stick_entry *e = entry_at(t, place);
	uint64_t used = atomic_load_explicit(&e->used_ms, memory_order_relaxed);
	if ((c->some && (int64_t)(used - c->used_ms) >= 0) || is_held(e))
		return;
	c->some = true;
	c->oldest = (struct spot){place, w};
	c->used_ms = used;
	c->expired = is_expired(t, e, now);
}

// In the emptier bucket, unless the table is full.
static bool
choose(const struct stick_table *t, const struct stick_home *h, uint64_t now, struct spot *spot)
{
	struct choice c = {0};
	for (unsigned b = 0; b < 2; b++)
		for (uint64_t i = 0; i < STICK_WAYS; i++)
			consider(t, &c, b, h->bucket[b] * STICK_WAYS + i, now);
	unsigned emptier = c.n_free[1] > c.n_free[0];
	bool has_free = c.n_free[emptier] > 0;
	bool full = stick_used(t) >= t->def.size;
	if (c.some && (c.expired || (!t->def.nopurge && (full || !has_free))))
		*spot = c.oldest;
	else if (has_free && !(full && t->def.nopurge))
		*spot = c.free[emptier];
	else
		return false;
	return true;
}

enum rival { RIVAL_NONE, RIVAL_WINS, RIVAL_UNSETTLED };

// Who else brings the key, or one that looks like it: what lives counts, then the first place.
static enum rival
rival_at(const struct stick_table *t, uint64_t place, uint64_t own, uint64_t tag,
	 const struct stick_key *k)
{
	uint64_t w = load(t, place);
	if (place_state(w) == PLACE_LIVE && w >> 48 == tag && is_key(entry_at(t, place), k))
		return RIVAL_WINS;
	if (!place_is_busy(w) || !concerns(t, place, w, tag, k))
		return RIVAL_NONE;
	return place < own || w >> 48 != tag ? RIVAL_WINS : RIVAL_UNSETTLED;
}

static bool
wins(const struct stick_table *t, const struct stick_home *h, uint64_t own,
     const struct stick_key *k)
{
	struct wait wait = {0};
	for (unsigned i = 0; i < 2 * STICK_WAYS; i++) {
		uint64_t place = h->bucket[i / STICK_WAYS] * STICK_WAYS + i % STICK_WAYS;
		enum rival r = RIVAL_NONE;
		while (place != own && (r = rival_at(t, place, own, h->tag, k)) == RIVAL_UNSETTLED)
			if (!wait_a_bit(&wait))
				return false;
		if (r == RIVAL_WINS)
			return false;
	}
	return true;
}

static void
fill(const struct stick_table *t, struct stick_entry *e, const struct stick_key *k, uint64_t now)
{
	uint32_t i = 0;
	for (; i < k->n_words; i++)
		atomic_store_explicit(&e->words[i], k->words[i], memory_order_relaxed);
	for (; i < t->key_words + t->n_values; i++)
		atomic_store_explicit(&e->words[i], 0, memory_order_relaxed);
	atomic_store_explicit(&e->cur_base, 0, memory_order_relaxed);
	atomic_store_explicit(&e->used_ms, now, memory_order_relaxed);
}

enum taken { TAKEN, TAKEN_BY_OTHERS, TAKEN_NONE };

// A place for the key, with its lane raised by `unit` before anybody can see it.
static enum taken
take(struct stick_table *t, const struct stick_home *h, const struct stick_key *k, uint32_t unit,
     uint64_t now, uint64_t *place)
{
	struct spot spot;
	if (!choose(t, h, now, &spot))
		return TAKEN_NONE;
	*place = spot.place;
	uint64_t old = spot.word;
	struct stick_entry *e = entry_at(t, *place);
	bool was_live = place_state(old) == PLACE_LIVE;
	if (!mark(t, *place, old, h->tag))
		return TAKEN_BY_OTHERS;
	if ((was_live && is_held(e)) || !wins(t, h, *place, k)) {
		put(t, *place, old);
		return TAKEN_BY_OTHERS;
	}
	fill(t, e, k, now);
	atomic_fetch_add_explicit(&e->lanes[t->lane], unit, memory_order_relaxed);
	put(t, *place, place_word(h->tag, PLACE_LIVE, 0, old + 1));
	if (!was_live)
		atomic_fetch_add_explicit(&t->h->used, 1, memory_order_relaxed);
	return TAKEN;
}

// --- holding -------------------------------------------------------------------------------------

// False: it is another key's by now, or goes.
static inline bool
hold_at(struct stick_table *t, uint64_t place, uint64_t word, uint32_t unit)
{
	lane_t *lane = &entry_at(t, place)->lanes[t->lane];
	atomic_fetch_add_explicit(lane, unit, memory_order_seq_cst);
	if (LIKELY(load(t, place) == word))
		return true;
	atomic_fetch_sub_explicit(lane, unit, memory_order_seq_cst);
	return false;
}

static enum taken
hold_once(struct stick_table *t, const struct stick_home *h, const struct stick_key *k, bool make,
	  uint32_t unit, uint64_t now, uint64_t *place, uint64_t *busy)
{
	uint64_t word = 0;
	enum look l = look(t, h, k, place, &word);
	if (LIKELY(l == LOOK_FOUND)) {
		if (LIKELY(!is_over(t, entry_at(t, *place), now)))
			return hold_at(t, *place, word, unit) ? TAKEN : TAKEN_BY_OTHERS;
		if (!make)
			return TAKEN_NONE;
		(void)stick_free_place(t, *place, word, true, now); // else it is held again
		return TAKEN_BY_OTHERS;
	}
	*busy = word;
	if (l == LOOK_UNSETTLED)
		return TAKEN_BY_OTHERS;
	return make ? take(t, h, k, unit, now, place) : TAKEN_NONE;
}

static bool
hold(struct stick_table *t, const struct stick_key *k, bool make, uint32_t unit, uint64_t now,
     struct stick_ref *out)
{
	struct stick_home h = home_of(t, k->hash);
	uint64_t place = 0;
	struct wait wait = {0};
	enum taken r;
	do
		r = hold_once(t, &h, k, make, unit, now, &place, &wait.word);
	while (UNLIKELY(r == TAKEN_BY_OTHERS) && wait_for_place(t, &h, &wait));
	if (r != TAKEN)
		return false;
	*out = (struct stick_ref){.table = t, .entry = entry_at(t, place)};
	return true;
}

bool
stick_keep(struct stick_table *t, const struct stick_key *k, uint64_t now, struct stick_ref *out)
{
	CHECK_MAGIC(t, STICK_MAGIC);
	if (!hold(t, k, true, LANE_KEEP, now, out))
		return false;
	stick_touch(out, now);
	return true;
}

bool
stick_pin(struct stick_table *t, const struct stick_key *k, bool make, uint64_t now,
	  struct stick_ref *out)
{
	CHECK_MAGIC(t, STICK_MAGIC);
	return hold(t, k, make, LANE_PIN, now, out);
}

// Release: what the holder wrote is there before somebody may take the place.
static void
let_go(struct stick_ref *r, uint32_t unit)
{
	lane_t *lane = &r->entry->lanes[r->table->lane];
	atomic_fetch_sub_explicit(lane, unit, memory_order_seq_cst);
	*r = (struct stick_ref){0};
}

void
stick_let_go(struct stick_ref *r, uint64_t now)
{
	stick_touch(r, now);
	let_go(r, LANE_KEEP);
}

void
stick_unpin(struct stick_ref *r)
{
	let_go(r, LANE_PIN);
}
