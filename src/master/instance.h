// SPDX-License-Identifier: MIT
// One service for one state directory. Whoever serves holds a lock on the file `lock` in it, and
// listens on the socket `control`, through which a successor asks for all that outlives a process:
// the lock itself goes with it (it belongs to the open file, which both then have), so that there
// is no moment in which nobody, or another, holds it. No signal is ever sent, and no number read
// from a file is believed: the kernel says who listens on `control`.
//
//     successor                        predecessor
//     TAKE                     -->
//                              <--     MADE with a descriptor, for each item; READY
//     (its worker serves)
//     RETIRE                   -->     drains, or ends
//                              <--     DEAF, later the end: look at the sockets again
#pragma once

#include "base/err.h"
#include "master/heritage.h"
#include "net/loop.h"

struct instance;

struct instance_spec {
	const char *path;    // of the state directory, made when it is missing
	bool take_over;      // from whoever serves; else that is an error
	bool end_at_once;    // and he shall not drain
	const int64_t *pids; // who is expected to serve; others are named and left alone
	size_t n_pids;
};

// Waits for the predecessor, where there is one, and adds what he hands over to *kept. NULL with a
// cause. Main thread, before the loop turns.
struct instance *instance_enter(const struct instance_spec *spec, struct heritage *kept,
				struct err *err);
// Serves `control`. taken(arg, end_at_once): a successor serves; everything handed over is his, and
// shall only be closed. look(arg): the predecessor let go of sockets.
struct instance_hooks {
	void (*taken)(void *arg, bool end_at_once);
	void (*look)(void *arg);
	// Is a worker process starting? What it makes would not be among what is handed over: a
	// successor waits until instance_hand_over.
	bool (*starts)(void *arg);
	void (*stays)(void *arg); // a successor that had it all has ended before he served
	void (*gone)(void *arg);  // he has ended, with all his processes
	void *arg;
};
void instance_serve(struct instance *in, struct loop *loop, struct heritage *kept,
		    const struct instance_hooks *hooks);
// No worker process starts any more: hands over to who waits for that.
void instance_hand_over(struct instance *in);
// A successor has all that there is now, and does not serve yet: nothing shall change.
bool instance_is_handing_over(const struct instance *in);
// The first worker serves: the predecessor may go.
void instance_ready(struct instance *in);
// After `taken`: our clients are served by the successor alone.
void instance_deaf(struct instance *in);
// What stands for us in the state directory may have been removed: it is made again, and told.
void instance_look(struct instance *in);
// A file in the state directory, whole or not at all.
bool instance_save(struct instance *in, const char *name, struct str text, struct err *err);
int instance_dir(const struct instance *in); // descriptor of the state directory
// Lets go of the lock and, unless a successor has it, removes the socket.
void instance_leave(struct instance **in);
