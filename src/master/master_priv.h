// SPDX-License-Identifier: MIT
// The master's parts see each other here. One thread: its loop's.
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
	unsigned n_reloads, n_failed_reloads, n_deaths;
	unsigned failures; // starts that failed, or deaths soon after one, in a row
	struct timer restart, last_resort, look;
	struct timer hangs;     // for `retiring`
	unsigned looks;         // since somebody let go of the sockets
	struct child *retiring; // the reload is answered when it accepts no more
	uint64_t started_ns;
	struct master_cli *cli;    // NULL: none
	struct instance *instance; // NULL: no state directory
	bool given_away;           // a successor serves
	int program_fd;
	int exit_status;
};

// Asks for a reload; w (may be NULL) hears how it ended. Requests that come while one is under way
// become one more.
void master_reload(struct master *m, struct reload_waiter *w);
void master_stop(struct master *m, enum master_end how);

// notify.c: a line for the service manager; without one nothing happens.
void master_notify(const char *fmt, ...) PRINTF_LIKE(1, 2);
