// SPDX-License-Identifier: MIT
// Stick tables: what is remembered of each key (a client's address, a user, a session), in memory
// of a fixed size that all workers of all processes of a service share and that outlives them.
// Nobody takes a lock: what counts, counts by atomic operations, and looking a key up is reading.
//
//     header | index: buckets of one cache line | entries
//
// A key's hash names two buckets of eight places and a tag; each place of the index has its entry.
// A place is a word: free, being written by somebody, or live, with the tag and a number that is
// another one for each key that ever lived there. So a lookup reads one or two cache lines of the
// index and the entry; who reads values reads the word again behind them, and who keeps an entry
// (a counter tracked by a session) adds himself to it first and looks at the word then, while who
// evicts marks the word first and looks for keepers then: one of both sees the other.
//
// A new key takes a free place of its two buckets; in a full table, or where both buckets are
// full, that of the key used longest ago. An entry that is kept is neither evicted nor does it
// expire. Two threads that bring the same new key mark a place each, see the other, and the first
// place counts. All waiting is for the few instructions in which another copies a key, and bounded:
// where that one has lost its processor, the key is not had this time.
//
// How many keep an entry is counted for each process apart ("lanes"): what a killed process had is
// forgotten by the next that opens the table, exactly; so are places it was writing, which also the
// living free when they come across them: each is waited for in vain once. Killed at any
// instruction, it leaves no key half written and no value torn. Times are those of the table, which
// go on over a reboot.
//
// Nothing in a file is believed before it was checked: definition, sum of the header, every word of
// the index, every key's place. Later no place or size is read from it.
#pragma once

#include "stick/data.h"

#define STICK_LANES     8u // processes at once; those beyond share the last
#define STICK_KEY_WORDS (STICK_KEY_BYTES / 8 + 1)

struct stick_table;
struct stick_entry;

// --- opening: set-up, one thread -----------------------------------------------------------------

// Bytes of a table's file. The definition was checked.
uint64_t stick_table_bytes(const struct stick_def *def);
// Of an empty file of that many bytes that nobody else has, or -1: private memory. Else what `fd`
// holds is looked at: NULL with a cause when it is no table of that definition; *fresh tells
// whether it began empty. fd stays the caller's and may be closed. Times in nanoseconds.
struct stick_table *stick_table_open(const struct stick_def *def, int fd, bool *fresh,
				     struct err *err);
// Everything kept must have been let go.
void stick_table_close(struct stick_table **t);
const struct stick_def *stick_table_def(const struct stick_table *t);

// --- keys ----------------------------------------------------------------------------------------

struct stick_key {
	uint64_t hash;
	uint32_t n_words;
	uint64_t words[STICK_KEY_WORDS]; // n_words of them are set
};
// IP: 4 bytes, IPV6: 16, in network order; INTEGER: a uint32_t; STRING: cut at the table's length;
// BINARY: cut, or filled up with zeros.
void stick_key_make(const struct stick_table *t, struct str bytes, struct stick_key *k);
// The bytes, from its words; for a string of `cap` bytes at least, which is STICK_KEY_BYTES.
struct str stick_key_bytes(const struct stick_table *t, const uint64_t *words, char *buf);

// --- entries: any thread -------------------------------------------------------------------------

// Kept by whoever has it: neither evicted nor expired. A zero struct keeps nothing.
struct stick_ref {
	struct stick_table *table;
	struct stick_entry *entry;
};

// The table's time, in ms, at a time of CLOCK_BOOTTIME.
uint64_t stick_now(const struct stick_table *t, uint64_t boot_ns);
// Keeps the key's entry, which is made where there is none. False: there is no room (nopurge, or
// all that might be evicted is kept), or who brings the same key is stopped in the middle. For
// long: counted as conn_cur. stick_let_go ends it.
bool stick_keep(struct stick_table *t, const struct stick_key *k, uint64_t now,
		struct stick_ref *out);
void stick_let_go(struct stick_ref *r, uint64_t now);
// The same for a few instructions, not counted. make: else false where there is none.
bool stick_pin(struct stick_table *t, const struct stick_key *k, bool make, uint64_t now,
	       struct stick_ref *out);
void stick_unpin(struct stick_ref *r);
// True: it is gone. False: there is none, or it is kept (*kept).
bool stick_remove(struct stick_table *t, const struct stick_key *k, uint64_t now, bool *kept);

// What else there is to ask of an entry.
enum stick_asked {
	STICK_TRACKERS = STICK_N_DATA, // how many keep it
	STICK_LEFT,                    // ms until it expires
	STICK_IDLE,                    // ms since it was used
	STICK_N_ASKED
};
// A value now; the i-th of an array. `data` is stored. Of an entry that is kept or pinned.
uint64_t stick_value(const struct stick_ref *r, unsigned data, unsigned i, uint64_t now);
// The same of a key that nobody needs to keep; writes nothing. False: there is no such key.
bool stick_value_of(struct stick_table *t, const struct stick_key *k, unsigned data, unsigned i,
		    uint64_t now, uint64_t *out);
// One event more of a counter or rate (or n): the entry is used by it.
void stick_add(const struct stick_ref *r, enum stick_data data, unsigned i, uint64_t n,
	       uint64_t now);
uint64_t stick_add_get(const struct stick_ref *r, enum stick_data data, unsigned i, uint64_t n,
		       uint64_t now); // and what it is then
void stick_set(const struct stick_ref *r, enum stick_data data, unsigned i, uint64_t value,
	       uint64_t now);
// It is used now.
void stick_touch(const struct stick_ref *r, uint64_t now);
// The entry's key, as words.
void stick_ref_key(const struct stick_ref *r, struct stick_key *k);
// How many keys, about: expired ones count until the sweep finds them.
uint64_t stick_used(const struct stick_table *t);

// --- all of them: one thread ---------------------------------------------------------------------

#define STICK_MAX_WORDS 512 // of values

// A moment's view of one entry.
struct stick_view {
	uint64_t place; // where to look next; begins with 0
	uint64_t until; // where not to look any more; 0: to the end
	bool more;      // there is more behind it
	const void *id;
	uint64_t key[STICK_KEY_WORDS];
	uint64_t trackers, left_ms;
	uint64_t values[STICK_MAX_WORDS]; // in the order of the data types, arrays in theirs
};
// The next entry from v->place on; false at v->until or, without v->more, at the end.
bool stick_next(struct stick_table *t, uint64_t now, struct stick_view *v);
// Of one key.
bool stick_look(struct stick_table *t, const struct stick_key *k, uint64_t now,
		struct stick_view *v);
// Frees expired places from *place on, looks at n at most, and goes round. Never waits.
void stick_sweep(struct stick_table *t, uint64_t now, uint64_t *place, uint64_t n);
