// SPDX-License-Identifier: MIT
// A commit on its way: its writer and moment, its operations as they were checked, and how they are
// stored. For write.c (the doors), write_check.c, write_store.c and hold.c, and for declarations,
// which keep to the same bounds and stand in the same log.
#pragma once

#include "vars/table_priv.h"

// ---- write.c
struct vars_commit {
	struct tidevars *t;
	struct tidevars_error *err;
	uint64_t now_boot, now_real, stamp;
	struct layout_cold who; // who, reason, source, uid, gid, pid
	bool restores;          // rights are not asked for
	bool *named;            // by handle, of a commit of many; else NULL
};
// The writer and the moment, normalised. The lock is held: t->uid and so on are this process's.
void vars_commit_init(struct vars_commit *c, struct tidevars *t,
		      const struct tidevars_writer *writer, struct tidevars_error *err);
enum vars_how {
	VARS_WAIT,
	VARS_TRY,
	VARS_RESTORE // any number of operations, and no rights asked for
};
int vars_commit_ops(struct tidevars *t, const struct tidevars_op *ops, size_t n,
		    const struct tidevars_writer *writer, enum vars_how how,
		    struct tidevars_error *err);

// ---- write_check.c
// One operation, checked.
struct vars_change {
	const struct tidevars_op *op;
	struct vars_meta *m;
	struct vars_record cur; // in force now; stamp 0 when the slot is damaged
	bool live;              // cur is neither unset nor expired
	bool skip;              // nothing to store: counters, and expiries that are none
	uint64_t word, smooth, deadline_boot, deadline_real;
	uint32_t flags;
	const char *text; // STRING
};
// Fills all[at], whose op is set and the rest 0, of a commit of n; those before it were checked.
// The lock is held. A status.
int vars_check_op(const struct vars_commit *c, struct vars_change *all, size_t at, size_t n);
// BOUNDS or TYPE when v cannot be m's value.
int vars_check_value(const struct vars_meta *m, const struct tidevars_value *v,
		     struct tidevars_error *err);
// v's bits as layout_hot.value (a string's length).
uint64_t vars_value_word(const struct tidevars_value *v);
// now + ttl, NEVER when that is beyond 64 bits or ttl is NEVER.
uint64_t vars_after(uint64_t now, uint64_t ttl_ns);

// ---- hold.c
// The holds that stand at `now_boot` after `op` (a checked one), and how many had run out.
struct vars_holds {
	struct layout_hold h[LAYOUT_N_HOLDS];
	size_t n, ran_out;
	char gone[LAYOUT_N_HOLDS][TIDEVARS_WHO_MAX + 1]; // whose had run out
};
int vars_holds_apply(const struct vars_commit *c, const struct vars_meta *m,
		     const struct tidevars_op *op, struct vars_holds *out);

// ---- write_store.c
// Stores them all and moves the epoch. The lock is held. OK, or CONFLICT of a counter's cas, which
// stands alone.
int vars_store_all(struct vars_commit *c, struct vars_change *changes, size_t n);
// An entry about m with the commit's who and when.
void vars_log_start(const struct vars_commit *c, const struct vars_meta *m, uint32_t kind,
		    struct layout_log *e);

static inline void
vars_put(_Atomic uint64_t *to, uint64_t word)
{
	atomic_store_explicit(to, word, memory_order_relaxed);
}

// A counter grows without the lock. Its value before.
static inline uint64_t
vars_counter_add(const struct vars_meta *m, uint64_t by, uint64_t now)
{
	uint64_t before = atomic_fetch_add(&m->slot->live.counter, by);
	vars_put(&m->slot->live.counter_boot, now);
	return before;
}

// Requests and programs add too often to be told one by one; people are told.
static inline bool
vars_is_silent_add(uint32_t kind, uint32_t source)
{
	return kind == TIDEVARS_ADD && source != TIDEVARS_FROM_CLI;
}
