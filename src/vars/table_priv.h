// SPDX-License-Identifier: MIT
// One process's view of a table, and what the files of vars/ offer each other. Nothing read from
// the mapping is trusted: geometry, names, types and bounds are checked and copied at open (or
// when another process declares), lengths and counts are loaded once and clamped.
#pragma once

#include <pthread.h>

#include "tidegate/vars.h"

#include "base/hash.h"
#include "vars/layout_priv.h"

#define VARS_MAGIC 0x7a8e51d3U

// A slot's definition. Immutable once published in tidevars.meta; a replaced one lives on until
// the table is closed, since a reader may still look at it.
struct vars_meta {
	uint32_t type;
	uint32_t flags; // TIDEVARS_HAS_*, TIDEVARS_UNDECLARED
	struct layout_slot *slot;
	uint8_t *data[2];            // STRING, HOLD: payload of each record
	uint64_t initial, stale_use; // words as layout_hot.value
	uint64_t stale_after;
	uint64_t min, max, ttl, half_life;
	uint32_t writable_by, writable_uid, writable_gid;
	uint32_t handle;
	bool forgotten;
	bool plain; // its word is its value, and nothing but its deadline alters it
	uint8_t initial_n, stale_n;
	uint8_t none[4]; // the texts are aligned to words, with no hidden padding before them
	char name[TIDEVARS_NAME_MAX + 1];
	char description[TIDEVARS_DESC_MAX + 1];
	_Alignas(8) char initial_text[LAYOUT_TEXT_BYTES];
	char stale_text[LAYOUT_TEXT_BYTES];
	struct vars_meta *older;
};

struct tidevars {
	uint32_t magic;
	uint32_t flags; // TIDEVARS_READ_ONLY, TIDEVARS_SYNC
	struct layout_header *hdr;
	_Atomic(struct vars_meta *) *meta; // size entries; stores under index_mutex
	uint8_t *slots, *data, *log;       // into the mapping
	uint32_t size, log_size, slot_bytes, log_bytes;
	uint64_t data_bytes;
	_Atomic uint64_t declared_seen;   // header.declared that meta reflects; index_mutex
	_Atomic uint64_t redeclared_seen; // header.redeclared of that moment; index_mutex
	_Atomic uint32_t n_known;         // slots in meta; index_mutex
	_Atomic bool damaged;
	size_t map_bytes;
	int fd;
	char *path;                  // NULL: memfd or inherited
	pthread_mutex_t index_mutex; // names, meta, declared_seen, n_known
	struct hash_map names;       // to handle + 1
	struct vars_meta *old_meta;
	// Written by every commit of this process: away from what its readers load.
	_Alignas(CACHE_LINE) pthread_mutex_t write_mutex; // one writer; lock_fd, number
	int lock_fd;            // its description holds the lock on our number; -1 none yet
	uint32_t number;        // 0: none yet, or forked
	uint32_t pid, uid, gid; // as of the registration
};

_Static_assert(offsetof(struct vars_meta, initial_text) ==
		   offsetof(struct vars_meta, description) + TIDEVARS_DESC_MAX + 1,
	       "padding would be compared");

// A record as found by vars_pick.
struct vars_record {
	uint64_t stamp, value, deadline, written;
	uint32_t flags;
	unsigned which;
};

// text.c: fills err, returns status.
int vars_fail(struct tidevars_error *err, int status, const char *fmt, ...) PRINTF_LIKE(3, 4);
// The same for a failed system call, from errno.
int vars_fail_sys(struct tidevars_error *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

// guard.c: tables that the SIGBUS and fork handlers know.
bool vars_guard_add(struct tidevars *t);
void vars_guard_remove(struct tidevars *t);

// table.c: the boot's id in two words; false when the system does not tell.
bool vars_boot_id(uint64_t id[2]);
// Makes the file of options; a status.
int vars_create_file(const struct tidevars_options *o, struct tidevars_error *err);

// open.c: the file of options; *fd is the caller's.
int vars_open_path(const struct tidevars_options *o, int *fd, struct tidevars_error *err);
// The failure of making a table's file; errno says why.
int vars_cannot_create(const char *path, struct tidevars_error *err);

// index.c
// At open: refuses damage. `cut`: the power may have been cut, so that a record above the epoch
// will do (vars_recover).
int vars_index_load(struct tidevars *t, bool cut, struct tidevars_error *err);
void vars_index_refresh(struct tidevars *t);     // takes index_mutex
void vars_index_try_refresh(struct tidevars *t); // not when somebody else is at it
// Announces a change of one slot made under the lock, and takes it over.
void vars_index_own(struct tidevars *t, uint32_t handle);
int vars_index_find(struct tidevars *t, struct str name, uint32_t *handle); // no suggestion
void vars_index_fini(struct tidevars *t);
uint64_t vars_desc_sum(const struct layout_desc *d);
uint64_t vars_ident_sum(const struct layout_ident *i);

// lock.c. vars_lock fails with BUSY, SYSTEM, DAMAGED or REFUSED; after it the caller is the only
// writer of the table, and no stamp is above the epoch. wait_ms 0 tries once.
int vars_lock(struct tidevars *t, uint32_t wait_ms, struct tidevars_error *err);
void vars_unlock(struct tidevars *t);
void vars_lock_fini(struct tidevars *t);
// Under the lock: voids what a writer that died within its commit left behind, or a power cut.
void vars_recover(struct tidevars *t);
long vars_futex(_Atomic uint32_t *word, int op, uint32_t value, uint64_t timeout_ns);
// Wakes tidevars_wait; after a commit, without the lock.
void vars_wake(struct tidevars *t);

// read.c
void vars_default(const struct vars_meta *m, struct tidevars_value *out);
void vars_word_value(const struct vars_meta *m, uint64_t word, struct tidevars_value *out);
// Record, who and why of one moment. False when the table is damaged.
bool vars_copy_cold(struct tidevars *t, const struct vars_meta *m, struct vars_record *r,
		    struct layout_cold *cold);
// The holds of one moment, sanitised; *n of them.
bool vars_copy_holds(struct tidevars *t, const struct vars_meta *m, struct vars_record *r,
		     struct layout_hold out[LAYOUT_N_HOLDS], size_t *n);

// log.c: one entry of the commit `stamp`; the lock is held, dirty is set. Fills seq and stamp.
uint64_t vars_log_append(struct tidevars *t, struct layout_log *entry, uint64_t stamp);

int vars_sync(struct tidevars *t, struct tidevars_error *err);

static inline struct layout_slot *
vars_slot(const struct tidevars *t, uint32_t handle)
{
	return (struct layout_slot *)(void *)(t->slots + (size_t)handle * t->slot_bytes);
}

// NULL for no handle.
static inline struct vars_meta *
vars_meta(const struct tidevars *t, uint32_t handle)
{
	return handle < t->size ? atomic_load_explicit(&t->meta[handle], memory_order_acquire)
				: NULL;
}

static inline uint64_t
vars_word_of_double(double f)
{
	uint64_t w;
	__builtin_memcpy(&w, &f, sizeof(w));
	return w;
}

static inline double
vars_double_of_word(uint64_t w)
{
	double f;
	__builtin_memcpy(&f, &w, sizeof(f));
	return f;
}

// The smoothed value of a gauge's record.
static inline uint64_t
vars_smooth(const struct layout_slot *slot, const struct vars_record *r)
{
	return atomic_load_explicit(&slot->hot[r->which].smooth, memory_order_relaxed);
}

static inline void
vars_copy_hot(const struct layout_hot *h, struct vars_record *r)
{
	r->value = atomic_load_explicit(&h->value, memory_order_relaxed);
	r->deadline = atomic_load_explicit(&h->deadline_boot, memory_order_relaxed);
	r->written = atomic_load_explicit(&h->written_boot, memory_order_relaxed);
	// Acquire: who sees LAYOUT_HOT_DONE sees the epoch that it stands for.
	r->flags = atomic_load_explicit(&h->flags, memory_order_acquire);
}

// The record that counts as of commit `epoch`, its hot words copied. False: none was found, since
// two commits passed (or the table is damaged): begin again with a newer epoch. Whoever copies
// more of the record asks vars_still afterwards.
static inline bool
vars_pick(const struct layout_slot *slot, uint64_t epoch, struct vars_record *r)
{
	// Acquire: what is copied below was stored before the stamp.
	uint64_t a = atomic_load_explicit(&slot->hot[0].stamp, memory_order_acquire);
	uint64_t b = atomic_load_explicit(&slot->hot[1].stamp, memory_order_acquire);
	if (a > epoch)
		a = 0;
	if (b > epoch)
		b = 0;
	r->which = b > a;
	r->stamp = b > a ? b : a;
	if (UNLIKELY(r->stamp == 0))
		return false;
	vars_copy_hot(&slot->hot[r->which], r);
	return true;
}

// The newest record, if it tells by itself that it counts: LAYOUT_HOT_DONE is stored behind the
// epoch. No newer one counted when the stamps were loaded, so this is the value of a moment
// within the read, and the line of the epoch, which every commit takes away from the readers'
// cores, need not be fetched. False: ask vars_pick. As there, whoever copies more of the record,
// or uses this one at all, asks vars_still afterwards: value and flags may belong to the next
// record that is written here.
static inline bool
vars_pick_done(const struct layout_slot *slot, struct vars_record *r)
{
	// Acquire: what is copied below was stored before the stamp, or is newer.
	uint64_t a = atomic_load_explicit(&slot->hot[0].stamp, memory_order_acquire);
	uint64_t b = atomic_load_explicit(&slot->hot[1].stamp, memory_order_acquire);
	r->which = b > a;
	r->stamp = b > a ? b : a;
	vars_copy_hot(&slot->hot[r->which], r);
	return (r->flags & LAYOUT_HOT_DONE) != 0;
}

// Nothing copied since vars_pick was being overwritten. The fence pairs with the release fence
// that a writer puts between voiding the stamp and filling the record.
static inline bool
vars_still(const struct layout_slot *slot, const struct vars_record *r)
{
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&slot->hot[r->which].stamp, memory_order_relaxed) == r->stamp;
}

static inline uint64_t
vars_epoch(const struct tidevars *t)
{
	// Acquire: the records of that commit are seen.
	return atomic_load_explicit(&t->hdr->epoch, memory_order_acquire);
}

// So many attempts of a reader mean that the mapping is no longer ours to understand.
#define VARS_READ_ATTEMPTS 65536
