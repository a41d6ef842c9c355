// SPDX-License-Identifier: MIT
// A worker process as its master sees it: born by fork and exec (so that one that takes another's
// place does not share its address layout), heard through a channel, watched through a pidfd.
// The master's thread.
//
//     starting --READY--> serving --another is ready--> draining --> ended
//         |                  |                              ^
//         |                  '-- it dies: ended             '-- too many, or the master stops:
//         '-- it ends: ended                                    ending
#pragma once

#include <sys/types.h>

#include "base/list.h"
#include "base/sbuf.h"
#include "master/channel.h"
#include "master/heritage.h"
#include "master/link.h"
#include "net/loop.h"

enum child_state {
	CHILD_STARTING, // reads the configuration, binds
	CHILD_SERVING,
	CHILD_DRAINING, // another serves, or the service stops
	CHILD_ENDING,   // told to end at once
	CHILD_ENDED,
	CHILD_STATES,
};
const char *child_state_name(enum child_state state); // "starting"

#define CHILD_MAGIC 0x74c40003u

struct child {
	uint32_t magic;
	enum child_state state;
	enum master_start start;
	unsigned number;
	pid_t pid;
	int pidfd, channel;
	struct watch on_end, on_message;
	unsigned watches; // of the two, that still stand
	uint64_t started_ns, state_ns;
	uint64_t heard_ns; // its last message, or since when it has its state
	struct link_terms terms;
	int wait_status;         // once ended, as of waitpid
	struct heritage made;    // until it is ready
	struct sbuf log, status; // what it said while it started; what it is doing
	struct list node;
	void *owner;
	void (*message)(struct child *c, struct channel_msg *m); // NULL: one was lost
	void (*ended)(struct child *c); // all that it said was heard before
};

struct child_spec {
	struct loop *loop;
	const char *program; // path
	int program_fd;      // the same, for when the path is gone
	char *const *argv;
	enum master_start start;
	unsigned number;
	const struct heritage *kept;
	void *owner;
	void (*message)(struct child *c, struct channel_msg *m);
	void (*ended)(struct child *c);
};

// NULL with a cause.
struct child *child_start(const struct child_spec *spec, struct err *err);
void child_set_state(struct child *c, enum child_state state);
// Never to a number that is another's by now: through the pidfd.
void child_signal(struct child *c, int sig);
// False: it does not listen any more.
bool child_tell(struct child *c, enum channel_type type, uint32_t kind, uint32_t number,
		struct str text);
// "ended with status 1", "was ended by signal 9 (Killed)".
void child_describe_end(const struct child *c, char *text, size_t n);
// Ended ones only; the memory goes in a later turn of the loop.
void child_free(struct child **c);
