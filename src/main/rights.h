// SPDX-License-Identifier: MIT
// What the serving process may do, and how it gives up the rest. Main thread, before any other
// thread runs: threads inherit what is settled here.
#pragma once

#include "base/err.h"

struct sbuf;

struct rights {
	struct str user, group, root; // empty: stay as they are
	bool filter;                  // system calls are filtered
};

// Takes group, user and root folder, gives up capabilities, and the ways to get any back.
// Everything that needs them (ports below 1024, files of others, limits) has been opened before.
bool rights_drop(const struct rights *r, struct err *err);
// What a master keeps: enough to read, bind, and start worker processes that drop the rest. No new
// privileges for it and them either.
bool rights_drop_master(struct err *err);
// Only the system calls of seccomp.c from now on; io_uring's where `uring`.
bool rights_filter(const struct rights *r, bool uring, struct err *err);
// For `tidegate -vv`: a line for each right, as r would have it; r may be NULL.
void rights_describe(const struct rights *r, struct sbuf *out);

// seccomp.c
bool seccomp_install(bool uring, struct err *err);
// Does this kernel filter system calls? Not in builds whose sanitizers need calls of their own.
bool seccomp_usable(void);
unsigned seccomp_n_calls(void); // how many are permitted without io_uring's
