// SPDX-License-Identifier: MIT
// The master's parts see each other here. One thread: its loop's.
//     master.c   the whole: set-up, signals, a successor, tear-down
//     reload.c   who asked for a reload, and what he is told
//     start.c    the start of a worker process: ready, come to nothing, tried again
//     retire.c   the old one lets go of its sockets; how many drain
//     keep.c     what children made, took, and what is forgotten
//     hear.c     what children say
//     end.c      ends of children and of the service
//     child.c    a worker process as such: birth, hearing, signals
//     notify.c   what the service manager is told
#pragma once

#include "base/list.h"
#include "master/child.h"
#include "master/heritage.h"
#include "master/master.h"
#include "net/timer.h"

#define MASTER_MAGIC 0x74c40004u

// Who wants to know how a reload ended. In the asker's memory until done is called.
struct reload_waiter {
	struct reload_waiter *next;
	void (*done)(struct reload_waiter *w, bool good, struct str log);
};

enum master_end { MASTER_GOES_ON, MASTER_DRAINS, MASTER_ENDS };

struct master {
	uint32_t magic;
	enum master_end end;
	const struct master_spec *spec;
	struct loop *loop;
	struct watch signals;
	struct list children;   // the eldest first
	struct child *serving;  // NULL: it died, or none was ready yet
	struct child *starting; // at most one
	struct heritage kept;
	struct reload_waiter *waiting;      // for `starting`
	struct reload_waiter *waiting_next; // for the one after it
	bool reload_again;
	bool was_ready;
	unsigned last_number, last_number_before; // the latter: of the predecessor's children
	struct link_terms terms;                  // the serving one's; at first the configuration's
	uint64_t longest_start_ns;                // of those that came to serve
	unsigned n_reloads, n_failed_reloads, n_deaths;
	unsigned failures; // starts that failed, or deaths soon after one, in a row
	struct timer restart, last_resort, look;
	struct timer slow;      // for `starting`
	struct timer hangs;     // for `retiring`
	unsigned looks;         // since somebody let go of the sockets
	struct child *retiring; // the reload is answered when it accepts no more
	struct timer save;      // of maps whose files could not be written
	bool save_fails;
	uint64_t started_ns;
	struct master_cli *cli;    // NULL: none
	struct instance *instance; // NULL: no state directory
	bool given_away;           // a successor serves
	int program_fd;
	int exit_status;
};

// --- reload.c ------------------------------------------------------------------------------------

// Asks for a reload; w (may be NULL) hears how it ended. Requests that come while one is under way
// become one more.
void master_reload(struct master *m, struct reload_waiter *w);
void master_child_asks_reload(struct child *c, struct channel_msg *msg);
// Its operators asked for a reload that is not decided.
bool master_child_waits(const struct master *m, const struct child *c);
// The start that was under way is decided.
void master_reload_done(struct master *m, bool good, struct str log);
// A successor that had it all has ended: reloads go on. arg: the master.
void master_stays(void *arg);
// All that wait: the service stops.
void master_reload_refuse(struct master *m);

// --- start.c -------------------------------------------------------------------------------------

void master_start(struct master *m, enum master_start start);
void master_start_ready(struct child *c, struct str what);
// `how` it ended, as a text.
void master_start_failed(struct master *m, struct child *c, const char *how);
// At once after one that served for long, else after a while.
void master_restart_later(struct master *m);
void master_on_restart(struct timer *t);
// Nobody serves while one starts: it gets less time.
void master_hurry(struct master *m);
void master_on_slow(struct timer *t);

// --- retire.c ------------------------------------------------------------------------------------

// Another one serves, or a successor.
void master_retire(struct master *m, struct child *old);
// The same in a reload, which is answered when the old one has let go.
void master_succeed(struct master *m, struct child *old);
// `c` accepts no more, or is gone: all that comes is the serving one's, which is what a reload
// promises.
void master_let_go(struct master *m, const struct child *c);
void master_on_hangs(struct timer *t);
// A process let go of sockets: the serving one looks at its own again. arg: the master.
void master_look(void *arg);
void master_on_look(struct timer *t);

// --- keep.c --------------------------------------------------------------------------------------

// Takes the message's descriptor.
void master_child_made(struct child *c, struct channel_msg *msg);
void master_child_took(struct child *c, const struct channel_msg *msg);
// What the new one neither took nor made has no place in the configuration any more.
void master_take_over(struct master *m, struct child *c);
// Its start came to nothing.
void master_forget_made(struct master *m, struct child *c);
// Once more what could not be written; true: all is.
bool master_save_maps(struct master *m);
void master_on_save(struct timer *t);
// What processes first..last counted counts no further: the next one adds it up.
void master_stats_ended(struct master *m, unsigned first, unsigned last);

// --- hear.c --------------------------------------------------------------------------------------

// NULL: a message was lost.
void master_child_says(struct child *c, struct channel_msg *msg);

// --- end.c ---------------------------------------------------------------------------------------

// At once; it is killed when it does not.
void master_end_child(struct child *c);
// It drains from now on: it is killed when it does not keep its own bound.
void master_bound_end(struct child *c);
void master_on_last_resort(struct timer *t);
void master_child_ended(struct child *c);
void master_stop(struct master *m, enum master_end how);

// --- notify.c ------------------------------------------------------------------------------------

// A line for the service manager; without one nothing happens.
void master_notify(const char *fmt, ...) PRINTF_LIKE(1, 2);
