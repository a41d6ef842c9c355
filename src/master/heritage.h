// SPDX-License-Identifier: MIT
// What one tidegate hands to the next: descriptors by kind, name and slot. Listening sockets, the
// variable table, counters, and texts that are in force (configuration, scripts), each in a file
// of memory. The master keeps it; a worker process gets it with its birth, takes from it, and tells
// the master of what it makes. One thread.
//
// As text, for the way through exec, one line each: "KIND SLOT FD NAME\n", headed by a version.
#pragma once

#include "base/err.h"
#include "net/listener.h"

struct sbuf;

enum heritage_kind {
	HERITAGE_SOCKET, // listening; name: its address, slot: its number there
	HERITAGE_VARS,   // the variable table without a file
	HERITAGE_STATS, // counters of a process; slot: its number, name: of its file, if it has one
	HERITAGE_ENDED, // the same of a process that has ended
	HERITAGE_MAP,   // a map or list that was changed at run time
	HERITAGE_DIR,   // the state directory
	HERITAGE_CONFIG, // the text of a configuration file; name: its path, slot: its place
	HERITAGE_POLICY, // the live source of a policy; name: the policy
	HERITAGE_MASTER, // a socket of the master itself; name: its address
	HERITAGE_LOCK,   // of a state directory; only on the way to a successor, as is the next
	HERITAGE_CONTROL,
	HERITAGE_VARS_FILE, // the variable table's file, in case that it is removed; name: its path
	HERITAGE_STICK,     // a stick table; name: as its file's, if it has one
	HERITAGE_KINDS,
};
const char *heritage_kind_name(enum heritage_kind kind); // "socket"

enum heritage_mark {
	HERITAGE_KEPT,  // from before
	HERITAGE_TAKEN, // and in use now
	HERITAGE_MADE,  // new
};

// Of files of counters in a state directory.
#define HERITAGE_STATS_PREFIX "stats-"
// And of maps; the item's name stands behind it.
#define HERITAGE_MAP_PREFIX "map-"
// And of stick tables.
#define HERITAGE_STICK_PREFIX "stick-"

struct heritage_item {
	enum heritage_kind kind;
	enum heritage_mark mark;
	unsigned slot;
	bool unsaved; // the master's: its file could not be written
	int fd;       // -1: went away
	char *name;
};

struct heritage {
	struct heritage_item *items;
	size_t n, cap;
};

void heritage_init(struct heritage *h);
// Closes everything.
void heritage_fini(struct heritage *h);
// The descriptor is the heritage's from here on. A name with a newline, or longer than
// HERITAGE_NAME_MAX, is refused (-1 keeps the descriptor the caller's).
#define HERITAGE_NAME_MAX 4096
bool heritage_add(struct heritage *h, enum heritage_kind kind, unsigned slot, struct str name,
		  int fd, enum heritage_mark mark);
// The first that is not taken yet, or NULL.
struct heritage_item *heritage_find(struct heritage *h, enum heritage_kind kind, unsigned slot,
				    struct str name);
// Removes it and closes its descriptor. A socket's path goes with it when `unlink_path`.
void heritage_drop(struct heritage *h, size_t i, bool unlink_path);
// Everything of `from` is moved to the end of `to`.
void heritage_move(struct heritage *to, struct heritage *from);
// Of the kind.
size_t heritage_count(const struct heritage *h, enum heritage_kind kind);

// Text with the descriptors' numbers as they are in this process.
void heritage_write(const struct heritage *h, struct sbuf *out);
// The other way: the descriptors are open in this process under those numbers, and become
// close-on-exec.
bool heritage_read(struct heritage *h, struct str text, struct err *err);

// A sealed file of memory with the text; -1 with a cause.
int heritage_text_new(const char *name, struct str text, struct err *err);
// The text of one, copied; the caller frees out->p (mem_free). At most `most` bytes.
bool heritage_text_read(int fd, size_t most, struct str *out, struct err *err);
