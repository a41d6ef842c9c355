// SPDX-License-Identifier: MIT
// libtidevars: the shared variable table of tidegate. A table is a file (or a memfd) that any
// number of processes map; reading a variable is a few loads, writing takes a lock that outlives
// no process. The byte layout is documented in doc/vars-layout.md. Link with -ltidevars.
//
// Units    times are nanoseconds: *_boot_ns of CLOCK_BOOTTIME, *_real_ns since 1970, durations
//          *_ns. Texts are bytes with a length; where a char array is NUL-terminated, it says so.
// Errors   functions that can fail return a status: TIDEVARS_OK (0), or another TIDEVARS_* code,
//          and fill *err (which may be NULL) with a sentence. An error changes nothing.
// Threads  one `struct tidevars` serves all threads of a process. Reads never lock, never make a
//          system call and never wait for a writer. Writes take a lock inside the process and
//          one in the table, both for well under a microsecond; the wait for them is bounded.
// Fork     a child may go on using the table; it becomes a writer of its own at its first write.
// Lifetime a handle names one variable as long as the table exists: variables are never evicted,
//          and a handle never changes its type. Strings passed in are copied.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TIDEVARS_API __attribute__((visibility("default")))

// ---- statuses ------------------------------------------------------------------------------

enum {
	TIDEVARS_OK = 0,
	TIDEVARS_UNKNOWN,  // no variable of that name or handle
	TIDEVARS_TYPE,     // the operation or the text does not fit the variable's type
	TIDEVARS_BOUNDS,   // below min, above max, too long, or a sum beyond 64 bits
	TIDEVARS_FULL,     // the table has no room for one more variable, or the hold for a holder
	TIDEVARS_BUSY,     // the lock was not free within the time allowed
	TIDEVARS_REFUSED,  // writable-by does not let this writer, or the table is open read only
	TIDEVARS_CONFLICT, // cas: the value was not the expected one; declare: stored otherwise
	TIDEVARS_BAD_NAME, // not [A-Za-z_][A-Za-z0-9_.]* of at most 63 bytes
	TIDEVARS_BAD_FILE, // truncated, foreign, newer, corrupt, or on a network file system
	TIDEVARS_DAMAGED,  // the file shrank under a running process (see tidevars_guard_sigbus)
	TIDEVARS_SYSTEM,   // a system call failed: err->sys_errno
	TIDEVARS_TIMEOUT,  // tidevars_wait: nothing changed in time
	TIDEVARS_NOT_HELD, // release, extend: this owner holds nothing
	TIDEVARS_BAD_CALL  // arguments that make no sense together
};

struct tidevars_error {
	int32_t status;    // TIDEVARS_*
	int32_t sys_errno; // for TIDEVARS_SYSTEM, else 0
	char text[488];    // NUL-terminated sentence, names the variable or the file
};

// "unknown", "bounds"...; never NULL.
TIDEVARS_API const char *tidevars_status_name(int status);

// ---- types and limits ----------------------------------------------------------------------

enum {
	TIDEVARS_NONE = 0,
	TIDEVARS_INT,     // int64
	TIDEVARS_BOOL,    // 0 or 1
	TIDEVARS_FLOAT,   // double, never nan or infinite
	TIDEVARS_STRING,  // at most TIDEVARS_TEXT_MAX bytes, any bytes
	TIDEVARS_COUNTER, // int64 with an atomic add that never locks; no TTL, no bounds
	TIDEVARS_HOLD,    // up to TIDEVARS_HOLDS_MAX named holds; its value is how many stand
	TIDEVARS_GAUGE,   // double with an exponentially smoothed twin
	TIDEVARS_N_TYPES
};

#define TIDEVARS_NAME_MAX   63
#define TIDEVARS_TEXT_MAX   255
#define TIDEVARS_WHO_MAX    31 // writer's or hold owner's name
#define TIDEVARS_REASON_MAX 95
#define TIDEVARS_DESC_MAX   95
#define TIDEVARS_HOLDS_MAX  16
#define TIDEVARS_OPS_MAX    64 // operations in one commit
#define TIDEVARS_NEVER      UINT64_MAX
#define TIDEVARS_NO_HANDLE  UINT32_MAX

// "int", "bool"...; NULL for a number that is no type. And back: TIDEVARS_NONE when unknown.
TIDEVARS_API const char *tidevars_type_name(uint32_t type);
TIDEVARS_API uint32_t tidevars_type_of(const char *name, size_t n);
// 1 when the n bytes are a valid variable name; an owner for a new hold (no control bytes).
TIDEVARS_API int tidevars_name_ok(const char *name, size_t n);
TIDEVARS_API int tidevars_owner_ok(const char *name, size_t n);

// ---- values --------------------------------------------------------------------------------

enum {                           // tidevars_value.flags
	TIDEVARS_IS_DEFAULT = 1, // never set, unset, or the time to live has passed
	TIDEVARS_IS_EXPIRED = 2, // the time to live has passed
	TIDEVARS_IS_STALE = 4,   // last write older than stale-after: this is the substitute
	TIDEVARS_IS_DAMAGED = 8  // the table is damaged: this is the declared default
};

// One reading. `text` is valid for TIDEVARS_STRING only; readings are NUL-terminated.
struct tidevars_value {
	uint32_t type;  // TIDEVARS_INT...; what is valid below
	uint32_t flags; // TIDEVARS_IS_*
	union {
		int64_t i; // INT, COUNTER, BOOL (0 or 1), HOLD (number of holds)
		double f;  // FLOAT, GAUGE
	} u;
	double smooth;            // GAUGE: the smoothed value; equals u.f without a half-life
	uint64_t version;         // changes with every write of the variable; a counter's value
	uint64_t until_boot_ns;   // from then on the reading differs without a write; or NEVER
	uint64_t written_boot_ns; // modulo 2^64: age = now_boot_ns - written_boot_ns
	uint32_t text_n;          // STRING: length in bytes
	uint32_t reserved;
	char text[TIDEVARS_TEXT_MAX + 1];
};

// Reads text as a value of `type`: "1", "-7", "on", "0.5"; for TIDEVARS_HOLD and BOOL the words
// on/off/yes/no/true/false and 1/0; a string is taken as it is. TYPE or BOUNDS on failure.
TIDEVARS_API int tidevars_parse(uint32_t type, const char *text, size_t n,
				struct tidevars_value *out, struct tidevars_error *err);
// Writes the value as text ("on" is 1) or as JSON (strings quoted, bytes that are not UTF-8
// replaced). Like snprintf: returns the length the whole needs, NUL-terminates within `room`.
TIDEVARS_API size_t tidevars_format(const struct tidevars_value *v, char *buf, size_t room);
TIDEVARS_API size_t tidevars_format_json(const struct tidevars_value *v, char *buf, size_t room);
// 1 when both have the same type and the same value (flags, version and times aside).
TIDEVARS_API int tidevars_value_eq(const struct tidevars_value *a, const struct tidevars_value *b);

// ---- opening -------------------------------------------------------------------------------

struct tidevars; // one process's view of a table

enum {                          // tidevars_options.flags
	TIDEVARS_CREATE = 1,    // make the file when there is none
	TIDEVARS_READ_ONLY = 2, // map without write permission
	TIDEVARS_SYNC = 4       // each write is on the disk before it is confirmed (power loss)
};

// Zeroed fields mean the default. path NULL makes a memfd, which lives as long as a process
// holds it. size, log_size, mode and gid matter only to the one that creates the table.
struct tidevars_options {
	const char *path;
	uint32_t flags;
	uint32_t size;     // variables; default 1024, at most 1048576
	uint32_t log_size; // entries of the write log; default 1024
	uint32_t mode;     // of a new file, default 0600
	uint32_t set_gid;  // 1: a new file gets the group `gid`
	uint32_t gid;
	uint32_t reserved[4]; // zero
};

// Opens or creates. On failure *out is NULL. A file that is truncated, foreign, of a newer
// layout, corrupt or on a network file system is refused with BAD_FILE and left untouched.
TIDEVARS_API int tidevars_open(struct tidevars **out, const struct tidevars_options *options,
			       struct tidevars_error *err);
// The table behind a descriptor that was inherited or received (a memfd or a file). The caller
// keeps and closes fd. Needs /proc, since a writer needs an open file description of its own.
TIDEVARS_API int tidevars_open_fd(struct tidevars **out, int fd, uint32_t flags,
				  struct tidevars_error *err);
// The descriptor of the table, to be handed to another process; owned by t, close-on-exec.
TIDEVARS_API int tidevars_fd(const struct tidevars *t);
// Unmaps and nulls *t. No thread may be inside another call on it. NULL is fine.
TIDEVARS_API void tidevars_close(struct tidevars **t);

// Installs (once per process, any number of calls) a SIGBUS handler: when a mapped table's file
// was cut short, the table is replaced by zeroed private memory and marked damaged; its reads
// then give declared defaults with TIDEVARS_IS_DAMAGED and its writes fail with DAMAGED. Other
// SIGBUS go to the handler that stood before. Returns OK or SYSTEM.
TIDEVARS_API int tidevars_guard_sigbus(struct tidevars_error *err);
// 1 once the table was found damaged.
TIDEVARS_API int tidevars_damaged(const struct tidevars *t);

// ---- looking around ------------------------------------------------------------------------

// The handle of a name; UNKNOWN with a suggestion. Sees what other processes declared meanwhile.
// Not for the way of a request: keep the handle.
TIDEVARS_API int tidevars_find(struct tidevars *t, const char *name, size_t n, uint32_t *handle,
			       struct tidevars_error *err);
// Handles are 0 .. count-1; a forgotten one among them gives UNKNOWN from tidevars_info.
TIDEVARS_API uint32_t tidevars_count(struct tidevars *t);
// Room for variables.
TIDEVARS_API uint32_t tidevars_size(const struct tidevars *t);
// NUL-terminated, valid until tidevars_close; NULL for no handle.
TIDEVARS_API const char *tidevars_name(const struct tidevars *t, uint32_t handle);
TIDEVARS_API uint32_t tidevars_type(const struct tidevars *t, uint32_t handle);

enum {                             // tidevars_writer.source
	TIDEVARS_FROM_PROGRAM = 0, // a program with libtidevars
	TIDEVARS_FROM_CLI,
	TIDEVARS_FROM_LUA,
	TIDEVARS_FROM_RULE,   // http-request set-var
	TIDEVARS_FROM_CONFIG, // declarations, -s NAME=VALUE
	TIDEVARS_FROM_FLEET,
	TIDEVARS_FROM_EXPIRY, // nobody: a time to live passed
	TIDEVARS_N_SOURCES
};
// "program", "cli"...
TIDEVARS_API const char *tidevars_source_name(uint32_t source);

// ---- reading -------------------------------------------------------------------------------

// The time reads and writes compare with; a loop reads it once a turn.
TIDEVARS_API uint64_t tidevars_now_boot_ns(void);
// One variable as of now. OK, or UNKNOWN (out->type is then NONE). Wait-free in practice: it
// retries only when two commits passed between two of its loads.
TIDEVARS_API int tidevars_read(struct tidevars *t, uint32_t handle, uint64_t now_boot_ns,
			       struct tidevars_value *out);
// Several variables as of one commit: all or none of it is seen. Counters are read one by one.
TIDEVARS_API int tidevars_read_many(struct tidevars *t, const uint32_t *handles, size_t n,
				    uint64_t now_boot_ns, struct tidevars_value *out);
// tidevars_value.version alone; 0 for no handle. An equal one: the same reading, up to its until.
TIDEVARS_API uint64_t tidevars_version(struct tidevars *t, uint32_t handle);

struct tidevars_hold {
	char owner[TIDEVARS_WHO_MAX + 1];     // NUL-terminated
	char reason[TIDEVARS_REASON_MAX + 1]; // NUL-terminated
	uint64_t until_boot_ns;               // NEVER: until released
	uint64_t taken_real_ns;
};
// The holds that stand now, oldest first; *n gets their number. UNKNOWN, TYPE.
TIDEVARS_API int tidevars_read_holds(struct tidevars *t, uint32_t handle, uint64_t now_boot_ns,
				     struct tidevars_hold out[TIDEVARS_HOLDS_MAX], size_t *n);

// ---- writing -------------------------------------------------------------------------------

// Who writes. NULL for a writer means this process by name, uid and pid. Texts may be NULL; they
// are cut to their limits.
struct tidevars_writer {
	const char *who;        // a person, a script, a host: "ops@10.0.0.7"
	const char *reason;     // why
	uint32_t source;        // TIDEVARS_FROM_*
	uint32_t uid, gid, pid; // of whom it writes for; pid 0: this process's own, all three
	// Longest wait for the lock; default 1000. A dead holder costs a few milliseconds; BUSY
	// means that one is alive and got no CPU for so long. Nothing was written then: try again.
	uint32_t wait_ms;
	uint64_t now_boot_ns; // 0: read the clocks here
	uint64_t now_real_ns;
};

enum {                    // tidevars_op.kind
	TIDEVARS_SET = 1, // value; on a HOLD: not 0 takes, 0 releases what the writer holds itself
	TIDEVARS_UNSET,   // back to the default; on a HOLD: releases all
	TIDEVARS_ADD,     // INT, FLOAT, GAUGE, COUNTER: adds value (of the variable's type)
	TIDEVARS_CAS,     // value, if the present reading equals expect
	TIDEVARS_TAKE,    // HOLD: takes for `owner`, or renews what that owner holds; a renewal
			  // that gives no reason keeps the old one
	TIDEVARS_RELEASE, // HOLD: gives back what `owner` holds; NOT_HELD
	TIDEVARS_EXPIRE,  // in the log only: a time to live or a hold has run out
	TIDEVARS_FORGET,  // in the log only
	TIDEVARS_EXTEND   // HOLD: what `owner` holds stands for ttl_ns from now; NOT_HELD
};
// "set", "unset"...
TIDEVARS_API const char *tidevars_kind_name(uint32_t kind);

struct tidevars_op {
	uint32_t handle;
	uint32_t kind;
	struct tidevars_value value, expect; // type must be the variable's
	uint64_t ttl_ns;   // 0: as declared (ADD: what is left, if so); TIDEVARS_NEVER: none
	const char *owner; // TAKE, EXTEND, RELEASE; NULL: the writer's name; no control bytes
};

// All operations in one commit, or none and an error that names the variable. A variable may be
// named once. A commit that only adds to counters takes no lock, unless its source is
// CLI: that is logged. A counter wraps at 64 bits. CAS on a counter must stand alone.
TIDEVARS_API int tidevars_commit(struct tidevars *t, const struct tidevars_op *ops, size_t n,
				 const struct tidevars_writer *writer, struct tidevars_error *err);
// The same, trying each lock once: BUSY at once instead of a wait. For threads that must not
// block. Never syncs.
TIDEVARS_API int tidevars_try_commit(struct tidevars *t, const struct tidevars_op *ops, size_t n,
				     const struct tidevars_writer *writer,
				     struct tidevars_error *err);

// Single operations, as commits of one.
TIDEVARS_API int tidevars_set(struct tidevars *t, uint32_t handle,
			      const struct tidevars_value *value, uint64_t ttl_ns,
			      const struct tidevars_writer *writer, struct tidevars_error *err);
TIDEVARS_API int tidevars_unset(struct tidevars *t, uint32_t handle,
				const struct tidevars_writer *writer, struct tidevars_error *err);
TIDEVARS_API int tidevars_add(struct tidevars *t, uint32_t handle,
			      const struct tidevars_value *value,
			      const struct tidevars_writer *writer, struct tidevars_error *err);
TIDEVARS_API int tidevars_take(struct tidevars *t, uint32_t handle, const char *owner,
			       uint64_t ttl_ns, const struct tidevars_writer *writer,
			       struct tidevars_error *err);
TIDEVARS_API int tidevars_extend(struct tidevars *t, uint32_t handle, const char *owner,
				 uint64_t ttl_ns, const struct tidevars_writer *writer,
				 struct tidevars_error *err);
TIDEVARS_API int tidevars_release(struct tidevars *t, uint32_t handle, const char *owner,
				  const struct tidevars_writer *writer, struct tidevars_error *err);
// Adds to a counter: one atomic instruction, any thread. UNKNOWN, TYPE, REFUSED (read only or
// writable-by something else than any).
TIDEVARS_API int tidevars_count_up(struct tidevars *t, uint32_t handle, int64_t by,
				   uint64_t now_boot_ns);
// For scripts and monitors: finds, parses, sets. Name and text are NUL-terminated.
TIDEVARS_API int tidevars_set_text(struct tidevars *t, const char *name, const char *text,
				   uint64_t ttl_ns, const struct tidevars_writer *writer,
				   struct tidevars_error *err);

#ifdef __cplusplus
}
#endif

#include "tidegate/vars_admin.h" // declarations, details, the write log
#include "tidegate/vars_wait.h"  // waiting for a change
