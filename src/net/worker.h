// SPDX-License-Identifier: MIT
// The threads of the process: N workers that serve and one keeper that serves the operators. Each
// owns one loop and everything on it; they talk by messages only. All signals are blocked in
// them: the main thread handles signals.
#pragma once

#include "net/loop.h"

struct err;
struct workers;

#define WORKER_SLOTS 16

struct worker {
	unsigned id;   // 1..n; the keeper is 0
	char name[16]; // "worker 1", "keeper"
	struct loop *loop;
	struct workers *all;
	void *slot[WORKER_SLOTS]; // one per module, see enum worker_slot; the worker's thread only
};

// Who owns which slot; one line per module that keeps data per worker.
enum worker_slot {
	WORKER_SLOT_PROXY,
	WORKER_SLOT_BACKEND,
	WORKER_SLOT_POLICY,
	WORKER_SLOT_EXPR,
	WORKER_SLOT_METRICS,
	WORKER_SLOT_CLI,
	WORKER_SLOT_TEST,
};

// This thread's worker; NULL on the main thread.
extern _Thread_local struct worker *worker_self;

struct workers_spec {
	struct net_config net; // the engine is resolved here once for all
	// On each new thread (the keeper first, then the workers) when its loop stands: make the
	// module data, start acceptors. False with a cause ends the start. May be NULL.
	bool (*start)(struct worker *w, void *arg, struct err *err);
	// On each thread when its loop has stopped: undo it. May be NULL.
	void (*stop)(struct worker *w, void *arg);
	// On the caller's thread when all are set up and none turns yet: by what they find each
	// other has its value before anybody asks. May be NULL.
	void (*made)(struct workers *ws, void *arg);
	void *arg;
	// Of CPU time in one turn of a worker's loop: it is stuck, and the process aborts. 0:
	// NET_STUCK_NS.
	uint64_t stuck_ns;
};

// Starts all threads; returns when every start hook is through, and only then does any loop turn.
// NULL with the first cause when one failed; the others have been stopped then.
struct workers *workers_start(const struct workers_spec *spec, struct err *err);
// Asks every loop to stop, workers first, then the keeper; joins the threads; frees. Main thread.
void workers_stop(struct workers **ws);
unsigned workers_count(const struct workers *ws);            // without the keeper
struct worker *workers_get(struct workers *ws, unsigned id); // 0: the keeper
enum net_engine workers_engine(const struct workers *ws);
// Memory that all their rings lock with io_uring, bytes; see net_uring_locked_bytes.
uint64_t workers_locked_bytes(const struct net_config *net);

// m->fn runs on that worker's thread; see loop_post. Any thread.
static inline void
worker_post(struct worker *to, struct msg *m)
{
	loop_post(to->loop, m);
}

// Runs fn once on every worker (not on the keeper), then done once on the keeper, when all have
// run. Any thread. fn and done get arg; done may be NULL.
typedef void (*worker_each_f)(struct worker *w, void *arg);
void worker_broadcast(struct workers *ws, worker_each_f fn, worker_each_f done, void *arg);
