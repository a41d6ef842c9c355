// SPDX-License-Identifier: MIT
// The rest of libtidevars (tidegate/vars.h includes this): declaring variables, their details,
// expiry and the write log. What is said there of units, errors and threads holds here.
#pragma once

#include "tidegate/vars.h"

#ifdef __cplusplus
extern "C" {
#endif

// ---- declaring -----------------------------------------------------------------------------

enum {                        // tidevars_decl.flags
	TIDEVARS_HAS_MIN = 1, // INT, FLOAT, GAUGE: `min` counts
	TIDEVARS_HAS_MAX = 2,
	TIDEVARS_HAS_STALE = 4,  // stale_after_ns and stale_use count
	TIDEVARS_UNDECLARED = 8, // made by a write, not by a declaration; keeps a stored definition
	TIDEVARS_REPLACE = 16    // where the stored type differs, forget the stored variable
};

enum { // tidevars_decl.writable_by; a writer needs one that fits; 0: any
	TIDEVARS_BY_ANY = 1,
	TIDEVARS_BY_UID = 2, // writer's uid equals writable_uid
	TIDEVARS_BY_GID = 4, // writer's gid is writable_gid; of this process any of its groups
	TIDEVARS_BY_LUA = 8, // writer's source is TIDEVARS_FROM_LUA
	TIDEVARS_BY_CLI = 16 // writer's source is TIDEVARS_FROM_CLI
};

// A variable's definition. Values are given in the variable's own type; a zeroed default is 0,
// 0.0, off or "". Texts are NUL-terminated.
struct tidevars_decl {
	const char *name;
	uint32_t type;
	uint32_t flags;
	struct tidevars_value initial;   // the default; counts when its type is not NONE
	struct tidevars_value min, max;  // as flags say
	struct tidevars_value stale_use; // what a stale variable reads as
	uint64_t stale_after_ns;
	uint64_t ttl_ns;       // time to live of a write that names none; 0: for ever
	uint64_t half_life_ns; // GAUGE: of the smoothed value; 0: not smoothed
	uint32_t writable_by;  // TIDEVARS_BY_*
	uint32_t writable_uid, writable_gid;
	const char *description; // may be NULL; cut at TIDEVARS_DESC_MAX
};

// Creates the variable or verifies it: a stored one keeps its value and takes over the new
// bounds, default and so on. CONFLICT, with the way out in err->text, when the stored type
// differs or the stored value lies outside the new bounds; FULL; BAD_NAME.
TIDEVARS_API int tidevars_declare(struct tidevars *t, const struct tidevars_decl *decl,
				  uint32_t *handle, struct tidevars_error *err);
// Takes a variable out of the table: its name becomes free, its handle reads as the default for
// ever. Its room is not reused.
TIDEVARS_API int tidevars_forget(struct tidevars *t, uint32_t handle, struct tidevars_error *err);
// Differs whenever some process has declared or forgotten a variable: while it stands, a handle
// found by name is that name's. A load; any thread.
TIDEVARS_API uint64_t tidevars_declared(const struct tidevars *t);

// ---- details and expiry --------------------------------------------------------------------

// Everything about one variable, for people.
struct tidevars_info {
	char name[TIDEVARS_NAME_MAX + 1];
	char description[TIDEVARS_DESC_MAX + 1];
	uint32_t type, flags; // flags: TIDEVARS_HAS_*, TIDEVARS_UNDECLARED
	struct tidevars_value value, initial, min, max, stale_use;
	uint64_t stale_after_ns, ttl_ns, half_life_ns;
	uint32_t writable_by, writable_uid, writable_gid;
	uint64_t deadline_boot_ns; // when the value ends; NEVER
	uint64_t written_real_ns;
	uint64_t expired; // times a time to live (or a hold) was found to have passed
	uint64_t refused; // writes that writable_by did not allow
	// The last writer. `who` empty and source none of them: a counter was added to, by
	// requests or programs.
	uint32_t source, uid, pid;
	char who[TIDEVARS_WHO_MAX + 1];
	char reason[TIDEVARS_REASON_MAX + 1];
};
TIDEVARS_API int tidevars_info(struct tidevars *t, uint32_t handle, uint64_t now_boot_ns,
			       struct tidevars_info *out, struct tidevars_error *err);

// Logs and counts what has expired and stores the defaults (readers see them without this). To
// be called by one long-lived process, at *next_boot_ns or earlier (NEVER: nothing pending now).
TIDEVARS_API int tidevars_sweep(struct tidevars *t, uint64_t now_boot_ns, uint64_t *next_boot_ns,
				struct tidevars_error *err);

// ---- the write log -------------------------------------------------------------------------

// One write. Adds to counters are not logged, but those of source CLI; their sets are.
struct tidevars_log_entry {
	uint64_t seq; // 1, 2, 3... without gaps but for writers killed in between
	uint64_t boot_ns, real_ns;
	uint64_t deadline_boot_ns; // NEVER
	uint32_t handle;
	uint32_t type;
	uint32_t kind; // TIDEVARS_SET...
	uint32_t source, uid, pid;
	struct tidevars_value before, after; // a string's `before` is empty, `after` cut
	char text[48];                       // STRING: `after`; HOLD: the owner, of an EXPIRE
					     // whose hold it was; NUL-terminated
	char who[TIDEVARS_WHO_MAX + 1];
	char reason[TIDEVARS_REASON_MAX + 1];
};
// The oldest entry still there whose seq is above `after_seq` (0: from the start). 1 and *out,
// or 0 when there is none. No lock; a writer may overtake, then older entries are skipped.
TIDEVARS_API int tidevars_log_next(struct tidevars *t, uint64_t after_seq,
				   struct tidevars_log_entry *out);
// seq of the newest entry; 0 when nothing was written yet.
TIDEVARS_API uint64_t tidevars_log_last(const struct tidevars *t);

// For who fills a table from a copy: as tidevars_commit, but any number of operations in the one
// commit (the lock is held for about a microsecond each), and writable_by does not bind, which
// whoever declares may lift anyway.
TIDEVARS_API int tidevars_restore(struct tidevars *t, const struct tidevars_op *ops, size_t n,
				  const struct tidevars_writer *writer, struct tidevars_error *err);

// Looks whether another program has written over the header or a declaration: DAMAGED, and err says
// what. Nothing changes by it: reads go on by what this process has learnt before.
TIDEVARS_API int tidevars_inspect(struct tidevars *t, struct tidevars_error *err);

#ifdef __cplusplus
}
#endif
