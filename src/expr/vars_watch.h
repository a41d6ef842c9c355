// SPDX-License-Identifier: MIT
// Who wants to be told when variables change. A thread sleeps on the table's futex while anybody
// watches, and sends the keeper one message for whatever was written meanwhile: nobody polls, and
// a burst of writes is looked at once in WATCH_REST_NS. Writers pay for a wake only then.
#pragma once

#include "base/list.h"

struct loop;
struct tidevars;
struct vars_watch;
struct vars_watcher;

// On the keeper, after any write of any process; it reads what it cares for. It is also called
// without a change, once after vars_watch_add among others. A time to live that passes is no
// write: see until_boot_ns.
typedef void (*vars_watcher_f)(struct vars_watcher *w);

struct vars_watcher {
	struct list node;
	struct vars_watch *watch; // NULL: not watching
	vars_watcher_f fn;
};

// Makes it; nothing runs yet. The table outlives it.
struct vars_watch *vars_watch_new(struct tidevars *table);
// Starts the thread; messages go to this loop, whose thread is the caller. When the thread cannot
// be had, that is logged and watchers are never called.
void vars_watch_start(struct vars_watch *w, struct loop *loop);
// Ends the thread; watchers may still be removed. On the loop's thread.
void vars_watch_stop(struct vars_watch *w);
// After the loop has ended. Nulls; NULL is fine.
void vars_watch_free(struct vars_watch **w);

// On the loop's thread. Adding one that is there already changes nothing; so does removing one
// that is not.
void vars_watch_add(struct vars_watch *w, struct vars_watcher *x, vars_watcher_f fn);
void vars_watch_remove(struct vars_watcher *x);
