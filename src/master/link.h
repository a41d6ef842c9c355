// SPDX-License-Identifier: MIT
// The worker process's end of its master: what it was born with, and what it tells. Set-up and the
// main thread; link_send_* also from the keeper.
#pragma once

#include "base/log.h"
#include "master/channel.h"
#include "master/heritage.h"

// Why a worker process was started.
enum master_start {
	MASTER_FIRST,
	MASTER_RELOAD,  // from the files, as they are now
	MASTER_RESTART, // another one died: with the texts in force, not with the files
	MASTER_STARTS,
};
const char *master_start_name(enum master_start start); // "first"

#define LINK_MAGIC 0x74c40002u
struct link {
	uint32_t magic;
	int fd;          // the channel
	unsigned number; // of this process, from 1; never used again
	enum master_start start;
	struct heritage kept;
	struct listener_keeper keeper; // for listening sockets
	atomic_bool telling;           // its log; any thread
};

// How a worker is told at exec: "NUMBER START CHANNEL HERITAGE", the last two descriptors.
#define LINK_ENV "TIDEGATE_WORKER"

// True with NULL: this process has no master.
bool link_open(struct link **out, struct err *err);
void link_free(struct link **l);

// A kept item, told to the master as in use: the descriptor stays the link's until link_free;
// link_take gives it away. -1: there is none.
int link_use(struct link *l, enum heritage_kind kind, unsigned slot, struct str name);
int link_take(struct link *l, enum heritage_kind kind, unsigned slot, struct str name);
// Something the master shall keep; the descriptor stays the caller's.
void link_made(struct link *l, enum heritage_kind kind, unsigned slot, struct str name, int fd);
// The same of a text.
bool link_made_text(struct link *l, enum heritage_kind kind, unsigned slot, struct str name,
		    struct str text, struct err *err);
// From now on the log goes to the master too, so that whoever asked for this start sees it; until
// link_ready.
void link_log_begin(struct link *l);
// What this process's configuration says to the master.
struct link_terms {
	uint64_t hard_stop_ns; // from "drain" to this process's end; 0: no bound
	uint64_t
	    start_timeout_ns;   // of processes after this one, from birth to "ready"; 0: no bound
	uint64_t most_draining; // processes at once
};
void link_ready(struct link *l, const struct link_terms *terms, struct str text);
void link_tell(struct link *l, enum channel_type type, uint32_t number, struct str text);
