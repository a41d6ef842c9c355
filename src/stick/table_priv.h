// SPDX-License-Identifier: MIT
// The parts of a table see each other here.
//     open.c    the file: laid out, checked, joined by a process, mended behind a killed one
//     find.c    places: looked up, taken, kept, freed
//     value.c   what an entry counts
//     walk.c    all entries: shown, swept
#pragma once

#include "stick/table.h"

#define STICK_MAGIC  0x57c40001u
#define STICK_LAYOUT 1u
#define STICK_WAYS   8u // places of a bucket: one cache line

// --- a place's word: tag (16 bits) | state (4) | who writes (4) | number (40) --------------------

enum place_state {
	PLACE_FREE,
	PLACE_FILLING,   // from free
	PLACE_REPLACING, // from live: what stands there is whole as long as nobody wrote
	PLACE_LIVE,
	PLACE_NONE = 15, // beyond a small table's size
};
#define PLACE_NUMBER ((UINT64_C(1) << 40) - 1)

static inline uint64_t
place_word(uint64_t tag, enum place_state state, unsigned lane, uint64_t number)
{
	return tag << 48 | (uint64_t)state << 44 | (uint64_t)lane << 40 | (number & PLACE_NUMBER);
}

static inline enum place_state
place_state(uint64_t word)
{
	return (enum place_state)(word >> 44 & 15);
}

// Of a busy one: whose it is.
static inline unsigned
place_lane(uint64_t word)
{
	return (unsigned)(word >> 40 & 15);
}

static inline bool
place_is_busy(uint64_t word)
{
	return place_state(word) == PLACE_FILLING || place_state(word) == PLACE_REPLACING;
}

// --- the file ------------------------------------------------------------------------------------

// Of one process: who keeps (24 bits) | who pins (8 bits).
typedef _Atomic uint32_t lane_t;
#define LANE_KEEP 256u
#define LANE_PIN  1u

struct stick_entry {
	_Atomic uint64_t used_ms;  // last, in the table's time
	_Atomic uint64_t cur_base; // conn_cur is this and all who keep; changed by commands
	lane_t lanes[STICK_LANES];
	_Atomic uint64_t words[]; // key, values
};

struct stick_header {
	char magic[8];
	uint32_t layout, key_type, key_bytes, size;
	uint64_t n_buckets, stride, bytes;
	struct stick_stored data[STICK_N_DATA];
	uint64_t seed;
	uint64_t sum; // of all before
	// Below: what changes.
	alignas(CACHE_LINE) char boot_id[40];
	_Atomic uint64_t shift_ms; // the table's time is CLOCK_BOOTTIME and this
	_Atomic uint64_t real_ms;  // CLOCK_REALTIME at the table's time 0
	_Atomic uint32_t in_use;   // bit i: lane i was joined, and not left in order
	alignas(CACHE_LINE) _Atomic uint64_t used;
};

#define STICK_LOST 8u

struct stick_table {
	uint32_t magic;
	struct stick_def def;
	int fd; // holds our lane; -1: private memory
	unsigned lane;
	struct stick_header *h;
	_Atomic uint64_t *index;
	char *entries;
	uint64_t n_buckets, stride, bytes, seed, shift_ms;
	uint32_t ways; // of each bucket, that exist
	uint32_t key_words, n_values;
	uint16_t at[STICK_N_DATA]; // word of the first value, among an entry's words
	atomic_bool asks;          // one of our threads tries others' locks
	_Atomic uint64_t
	    lost[STICK_LOST]; // busy places' words that were waited for in vain; relaxed
};

static inline struct stick_entry *
entry_at(const struct stick_table *t, uint64_t place)
{
	return (struct stick_entry *)(void *)(t->entries + place * t->stride);
}

static inline uint64_t
n_places(const struct stick_table *t)
{
	return t->n_buckets * STICK_WAYS;
}

// Where a key may be.
struct stick_home {
	uint64_t bucket[2];
	uint64_t tag;
};
static inline struct stick_home
home_of(const struct stick_table *t, uint64_t hash)
{
	struct stick_home h = {.tag = hash & 0xffff};
	h.bucket[0] = ((hash & UINT32_MAX) * t->n_buckets) >> 32;
	h.bucket[1] = ((hash >> 32) * t->n_buckets) >> 32;
	if (h.bucket[1] == h.bucket[0])
		h.bucket[1] = (h.bucket[0] + 1) % t->n_buckets;
	return h;
}

static inline bool
is_held(const struct stick_entry *e)
{
	uint32_t any = 0;
	for (unsigned i = 0; i < STICK_LANES; i++)
		any |= atomic_load_explicit(&e->lanes[i], memory_order_seq_cst);
	return any != 0;
}

static inline uint64_t
n_keepers(const struct stick_entry *e)
{
	uint64_t n = 0;
	for (unsigned i = 0; i < STICK_LANES; i++)
		n += atomic_load_explicit(&e->lanes[i], memory_order_relaxed) / LANE_KEEP;
	return n;
}

static inline bool
is_expired(const struct stick_table *t, const struct stick_entry *e, uint64_t now)
{
	int64_t age = (int64_t)(now - atomic_load_explicit(&e->used_ms, memory_order_relaxed));
	return t->def.expire_ms != 0 && age >= (int64_t)t->def.expire_ms;
}

// find.c: frees a live place whose word is `word`, unless somebody holds it. With `expired`: only
// then.
bool stick_free_place(struct stick_table *t, uint64_t place, uint64_t word, bool expired,
		      uint64_t now);
// Frees a busy place whose owner is dead. False: somebody else did.
bool stick_free_lost(struct stick_table *t, uint64_t place, uint64_t word);
// value.c
uint64_t stick_entry_value(const struct stick_table *t, const struct stick_entry *e, unsigned data,
			   unsigned i, uint64_t now);
// open.c: of a key's words.
uint64_t stick_hash(const struct stick_table *t, const uint64_t *words, uint32_t n);
// No process has that lane: its last owner was killed. Any thread; two to five system calls. False
// also when nobody can tell: it joins, or is one of those that share a lane.
bool stick_lane_is_dead(struct stick_table *t, unsigned lane);
