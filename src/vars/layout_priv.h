// SPDX-License-Identifier: MIT
// The bytes of a table, as doc/vars-layout.md describes them: little endian, no pointers, every
// offset pinned below. A change here is a change of the layout's version.
//
//   header | slots: one per variable | data: strings and holds | write log
//
// Invariant: a variable's current value is the record with the largest stamp that is neither 0
// nor above header.epoch; there is always one. Records, log entries, epoch, dirty, n_slots and
// data_used are written by the holder of header.lock alone; counters by anybody.
#pragma once

#include "base/base.h"

#define LAYOUT_MARK        "TIDEVARS"
#define LAYOUT_MAJOR       1
#define LAYOUT_MINOR       1
#define LAYOUT_PAGE        4096
#define LAYOUT_SUMMED      120 // bytes of the header under its sum
#define LAYOUT_MAX_SIZE    (1U << 20)
#define LAYOUT_TEXT_BYTES  256
#define LAYOUT_N_HOLDS     16
#define LAYOUT_SPARE_HOLDS 64 // hold variables that a table full of strings has room for besides
// Byte number + this is what a writer of that number keeps locked.
#define LAYOUT_WRITERS_AT  (INT64_C(1) << 40)
#define LAYOUT_MAX_WRITERS 65535
#define LAYOUT_LOCK_NUMBER 0x7fffffffU // of header.lock
#define LAYOUT_LOCK_WAITED 0x80000000U // somebody waits on the futex
#define LAYOUT_MAX_EPOCH   (UINT64_C(1) << 62)

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the layout is little endian");

struct layout_header {
	char magic[8];
	uint32_t major, minor;
	uint32_t header_bytes, slot_bytes, log_bytes;
	uint32_t features; // bits a reader must know to go on
	uint32_t size, log_size;
	uint64_t slots_at, data_at, data_bytes, log_at, file_bytes;
	uint64_t created_real_ns;
	uint8_t id[16];
	uint64_t reserved1[2];
	uint64_t sum; // FNV-1a of the bytes before it
	uint8_t reserved2[128];
	// Stored by every commit. A read of one variable leaves this line alone (LAYOUT_HOT_DONE).
	_Atomic uint64_t epoch;    // number of the last commit
	_Atomic uint64_t declared; // goes up with every declaration
	uint8_t reserved3[48];
	// The writers' line.
	_Atomic uint32_t lock;     // writer number, LAYOUT_LOCK_WAITED; a futex
	_Atomic uint32_t lock_pid; // of the last holder, for messages
	_Atomic uint32_t dirty;    // a commit is under way
	_Atomic uint32_t n_slots;
	_Atomic uint64_t data_used;
	_Atomic uint64_t log_last;   // seq of the newest entry
	_Atomic uint64_t boot_id[2]; // of the boot that the *_boot_ns belong to
	uint8_t reserved4[16];
	// The waiters' line.
	_Atomic uint32_t changes; // goes up when `waiting` was set; a futex
	_Atomic uint32_t waiting;
	uint8_t reserved5[56];
	// Kept for the fleet.
	_Atomic uint64_t fleet_revision;
	uint8_t reserved6[56];
	// Since 1.1. Loaded by every read, stored by declarations alone.
	_Atomic uint64_t redeclared; // follows `declared`
	uint8_t reserved7[LAYOUT_PAGE - 520];
};

enum {                          // layout_hot.flags
	LAYOUT_HOT_DEFAULT = 1, // unset; the value is the declared default
	LAYOUT_HOT_DONE = 2     // since 1.1: the epoch has reached the stamp
};

// What a read needs. One cache line.
struct layout_hot {
	_Atomic uint64_t stamp;         // number of the commit that wrote it; 0 is void
	_Atomic uint64_t value;         // int, double's bits, text length, number of holds
	_Atomic uint64_t deadline_boot; // the value ends; UINT64_MAX never. HOLD: first expiry
	_Atomic uint64_t written_boot;  // modulo 2^64: may lie before the boot
	_Atomic uint64_t deadline_real;
	_Atomic uint64_t written_real;
	_Atomic uint64_t smooth; // GAUGE: double's bits
	_Atomic uint32_t flags;
	_Atomic uint32_t writer; // number
};

// Who and why. Copied in words.
struct layout_cold {
	char who[32];
	char reason[96];
	uint32_t source, uid, pid, gid;
	uint64_t log_seq;
	uint64_t data_sum; // FNV-1a of the string or the holds
	uint64_t reserved[4];
};

struct layout_hold {
	char owner[32];
	char reason[96];
	uint64_t until_boot, until_real, taken_real;
	uint64_t reserved;
};

// A definition; two per slot, so that a change is one store (live.desc_now).
struct layout_desc {
	uint32_t flags;
	uint32_t writable_by, writable_uid, writable_gid;
	uint64_t min, max, initial, stale_use; // as layout_hot.value
	uint64_t stale_after, ttl, half_life;
	uint64_t initial_at, stale_at; // STRING: offset in data of 256 bytes, 0 when empty
	uint64_t fleet_flags;
	uint64_t reserved[4];
	char description[96];
	uint64_t reserved2[3];
	uint64_t sum; // FNV-1a of the bytes before it
};

struct layout_live {
	_Atomic uint64_t counter;
	_Atomic uint64_t counter_boot; // last add or set
	_Atomic uint64_t expired;      // times a time to live or a hold ran out
	_Atomic uint32_t desc_now;     // 0 or 1: the desc that counts
	uint32_t reserved0;
	_Atomic uint64_t fleet_revision;
	_Atomic uint64_t refused; // writes that writable_by did not allow
	uint64_t reserved[2];
};

enum layout_state { LAYOUT_FREE = 0, LAYOUT_LIVE = 1, LAYOUT_FORGOTTEN = 2 };

struct layout_ident {
	_Atomic uint32_t state;
	uint32_t type;
	uint64_t data_at;    // offset in data of record 0's payload, record 1's behind it
	uint32_t data_bytes; // of one payload
	uint32_t name_n;
	uint64_t created_real;
	uint64_t sum; // FNV-1a of type, data_at, data_bytes, name_n, created_real and name
	uint64_t reserved[3];
	char name[64];
};

struct layout_slot {
	struct layout_hot hot[2];
	struct layout_live live;
	struct layout_ident ident;
	struct layout_cold cold[2];
	struct layout_desc desc[2];
	uint8_t reserved[192];
};

struct layout_log {
	_Atomic uint64_t stamp; // as layout_hot.stamp
	uint64_t seq, boot, real, deadline_boot;
	uint32_t slot;
	uint16_t kind, type;
	uint32_t source, uid, pid, flags; // flags: 1 before, 2 after is the default
	uint64_t before, after;
	char who[32];
	char reason[96];
	uint16_t text_n;
	char text[46];
};

#define PIN(type, member, at) _Static_assert(offsetof(struct type, member) == (at), "layout")
PIN(layout_header, slots_at, 40);
PIN(layout_header, sum, 120);
PIN(layout_header, epoch, 256);
PIN(layout_header, lock, 320);
PIN(layout_header, boot_id, 352);
PIN(layout_header, changes, 384);
PIN(layout_header, fleet_revision, 448);
PIN(layout_header, redeclared, 512);
_Static_assert(sizeof(struct layout_header) == LAYOUT_PAGE, "layout");
_Static_assert(sizeof(struct layout_hot) == 64, "layout");
_Static_assert(sizeof(struct layout_cold) == 192, "layout");
_Static_assert(sizeof(struct layout_hold) == 160, "layout");
_Static_assert(sizeof(struct layout_live) == 64, "layout");
_Static_assert(sizeof(struct layout_ident) == 128, "layout");
_Static_assert(sizeof(struct layout_log) == 256, "layout");
_Static_assert(sizeof(struct layout_desc) == 256, "layout");
PIN(layout_desc, min, 16);
PIN(layout_desc, stale_after, 48);
PIN(layout_desc, description, 128);
PIN(layout_desc, sum, 248);
PIN(layout_slot, live, 128);
PIN(layout_slot, ident, 192);
PIN(layout_slot, cold, 320);
PIN(layout_slot, desc, 704);
PIN(layout_ident, name, 64);
PIN(layout_log, slot, 40);
PIN(layout_log, before, 64);
PIN(layout_log, who, 80);
PIN(layout_log, text_n, 208);
_Static_assert(sizeof(struct layout_slot) == 1408 && sizeof(struct layout_slot) % 128 == 0,
	       "layout");
#undef PIN

// FNV-1a, 64 bits: also what outside programs compute.
static inline uint64_t
layout_sum(uint64_t sum, const void *p, size_t n)
{
	const unsigned char *at = p;
	for (size_t i = 0; i < n; i++)
		sum = (sum ^ at[i]) * UINT64_C(0x100000001b3);
	return sum;
}
#define LAYOUT_SUM_START UINT64_C(0xcbf29ce484222325)

// The mapping is shared with strangers: bytes are moved as relaxed atomic words. n_bytes is a
// multiple of 8, both sides are 8-aligned.
typedef uint64_t __attribute__((may_alias)) layout_word;

static inline void
layout_load(void *to, const volatile void *from, size_t n_bytes)
{
	layout_word *d = to;
	const volatile layout_word *s = from;
	for (size_t i = 0; i < n_bytes / 8; i++)
		d[i] = __atomic_load_n(&s[i], __ATOMIC_RELAXED);
}

static inline void
layout_store(volatile void *to, const void *from, size_t n_bytes)
{
	volatile layout_word *d = to;
	const layout_word *s = from;
	for (size_t i = 0; i < n_bytes / 8; i++)
		__atomic_store_n(&d[i], s[i], __ATOMIC_RELAXED);
}
