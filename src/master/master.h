// SPDX-License-Identifier: MIT
// Supervision: the process that serves no client. It keeps what outlives a worker process (sockets,
// variables, counters, the texts in force), starts one worker process, starts another when that one
// dies, and lets a new one take over for another configuration. It never reads the configuration
// itself: a worker does, and is only let in when it serves.
#pragma once

#include "base/err.h"
#include "master/instance.h"
#include "master/link.h"

struct master_spec {
	const char *program; // path of this program
	char *const *argv;   // as given to it
	bool quiet;
	struct link_terms terms;                  // until a worker process says them
	const char *cli;                          // -S: address of its runtime socket; NULL: none
	struct instance_spec instance;            // .path NULL: no state directory
	struct str (*map_title)(struct str text); // what the text of a kept map calls it
	void (*ready)(void *arg);                 // once, when the first worker serves
	void (*over)(void *arg);                  // at the end, unless a successor serves
	void *arg;
};

// Until the service is stopped. Main thread, no other may run. Signals: TERM and INT end everything
// at once, USR1 gracefully, USR2 and HUP reload. The exit status: 0 after a stop; 1, or the first
// worker process's, when that never served; when one did not end as it was asked to, its status, or
// 128 and the number of the signal that ended it.
int master_run(const struct master_spec *spec);
