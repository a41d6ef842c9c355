// SPDX-License-Identifier: MIT
// Counters that outlive their process: the blocks of all objects in one mapped file, with a
// directory that names kinds, counters and objects. Workers count in it as in any memory. Whoever
// comes after finds objects and counters by their names, whatever the layout was: what an ended
// process counted is added to the new one's base; what one that still drains counts is read where
// it stands.
//
//     header | kinds | counters of kinds | objects | names | blocks of each kind
//
// A kind's blocks are arrays in the order of its objects, each on cache lines of its own: the
// bases, those of worker 1, of worker 2, ...
//
// Native byte order: a ledger does not leave its machine. Nothing in a foreign ledger is believed:
// places and sizes are checked once at opening, and it may be cut or of another version.
#pragma once

#include "base/err.h"
#include "metrics/metrics.h"

#define LEDGER_VERSION 2
#define LEDGER_OLDEST  1 // that is understood: each object has lines of its own

struct ledger_kind {
	const char *name;              // "frontend"; at most 23 bytes
	const struct metric_row *rows; // names of at most 55 bytes
	size_t block_bytes;
};

struct ledger_object {
	const struct ledger_kind *kind;
	struct str name;              // unique in its kind
	struct metric_blocks *blocks; // set up by ledger_new, until ledger_free
};

struct ledger; // of this process, or of another

// How many bytes ledger_new needs.
uint64_t ledger_bytes(const struct ledger_object *objects, size_t n, unsigned n_workers);
// Lays out the ledger of this process in an empty file, zeroed. NULL with a cause. fd stays the
// caller's and may be closed.
struct ledger *ledger_new(int fd, const struct ledger_object *objects, size_t n, unsigned n_workers,
			  struct err *err);
// Another process's, only read. NULL with a cause.
struct ledger *ledger_open(int fd, struct err *err);
// Blocks of ours are the callers' no more; those of `before` must not be read any longer.
void ledger_free(struct ledger **l);

// Objects of `before` that `own` has no object for: told by kind and name. May be NULL.
typedef void (*ledger_lost_f)(void *arg, struct str kind, struct str name);
// `over`: its process has ended; its counters are added to own's, gauges are not. Else they are
// read in place, and `before` must live as long as own.
void ledger_join(struct ledger *own, const struct ledger *before, bool over, ledger_lost_f lost,
		 void *arg);
// The sum of one counter of one object in a ledger. False: there is no such thing.
bool ledger_get(const struct ledger *l, struct str kind, struct str name, const char *counter,
		uint64_t *out);
// The same of n gauges in a row, of which `counter` names the first.
bool ledger_get_all(const struct ledger *l, struct str kind, struct str name, const char *counter,
		    uint64_t *out, size_t n);
