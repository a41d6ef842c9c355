// SPDX-License-Identifier: MIT
// Threads and messages on both engines: every message runs once, in order, on its target; a
// broadcast ends on the keeper; a start that fails leaves nothing behind. Run it under SAN=thread.
#include "net/worker.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "net_test.h"

// Thread sanitizers keep signals back until the thread calls a function of the C library.
#if defined(__SANITIZE_THREAD__)
#define KEEPS_SIGNALS 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define KEEPS_SIGNALS 1
#endif
#endif
#ifndef KEEPS_SIGNALS
#define KEEPS_SIGNALS 0
#endif

#define WORKERS 3
#define EACH    2000

static _Atomic unsigned n_started, n_stopped, wrong;

static bool
on_start(struct worker *w, void *arg, struct err *err)
{
	sigset_t mask;
	char name[16]; // as top shows it
	(void)arg;
	(void)err;
	atomic_fetch_add(&n_started, 1);
	(void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
	if (worker_self != w || loop_self() != w->loop || sigismember(&mask, SIGTERM) != 1 ||
	    pthread_getname_np(pthread_self(), name, sizeof(name)) != 0 ||
	    strcmp(name, w->name) != 0)
		atomic_fetch_add(&wrong, 1);
	return true;
}

static void
on_stop(struct worker *w, void *arg)
{
	(void)arg;
	atomic_fetch_add(&n_stopped, 1);
	if (worker_self != w)
		atomic_fetch_add(&wrong, 1);
}

// A message that hops over all workers, each time a fixed number of hops.
struct hopper {
	struct msg msg;
	struct workers *ws;
	unsigned hops;
	unsigned at;
};
static _Atomic unsigned n_arrived;

static void
on_hop(struct msg *m)
{
	struct hopper *h = CONTAINER_OF(m, struct hopper, msg);
	if (worker_self->id != h->at)
		atomic_fetch_add(&wrong, 1);
	if (h->hops-- == 0) {
		mem_free(h);
		atomic_fetch_add(&n_arrived, 1);
		return;
	}
	h->at = (h->at + 1) % (WORKERS + 1);
	worker_post(workers_get(h->ws, h->at), m);
}

// Numbered messages of one poster: they must run in order.
struct numbered {
	struct msg msg;
	unsigned number;
};
static unsigned last_number; // worker 1's
static _Atomic unsigned n_numbered;

static void
on_number(struct msg *m)
{
	struct numbered *n = CONTAINER_OF(m, struct numbered, msg);
	if (n->number != ++last_number || worker_self->id != 1)
		atomic_fetch_add(&wrong, 1);
	atomic_fetch_add(&n_numbered, 1);
}

static void
wait_for(_Atomic unsigned *what, unsigned value)
{
	uint64_t end = clock_mono_ns() + 20 * NS_PER_S;
	while (atomic_load(what) != value && clock_mono_ns() < end)
		(void)poll(NULL, 0, 1);
	IS_INT(atomic_load(what), value);
}

static _Atomic unsigned n_each, n_done, each_mask;

static void
on_each(struct worker *w, void *arg)
{
	if (arg != &n_each || worker_self != w)
		atomic_fetch_add(&wrong, 1);
	atomic_fetch_add(&n_each, 1);
	atomic_fetch_or(&each_mask, 1u << w->id);
}

static void
on_done(struct worker *w, void *arg)
{
	(void)arg;
	if (w->id != 0 || atomic_load(&n_each) % WORKERS != 0)
		atomic_fetch_add(&wrong, 1);
	atomic_fetch_add(&n_done, 1);
}

static void
test_messages(enum net_engine engine)
{
	struct err err = {{0}};
	struct workers_spec spec = {.net = {.engine = engine, .nbthread = WORKERS},
				    .start = on_start,
				    .stop = on_stop};
	static struct numbered numbers[EACH];
	n_started = n_stopped = n_arrived = n_numbered = n_each = n_done = each_mask = 0;
	last_number = 0;
	struct workers *ws = workers_start(&spec, &err);
	if (!OK_MSG(ws != NULL, net_engine_name(engine))) {
		printf("# %s\n", err.text);
		return;
	}
	IS_INT(n_started, WORKERS + 1);
	IS_INT(workers_count(ws), WORKERS);
	OK(workers_engine(ws) == engine);
	IS_STR(workers_get(ws, 0)->name, "keeper");
	IS_STR(workers_get(ws, 2)->name, "worker 2");
	for (unsigned i = 0; i < 50; i++) {
		struct hopper *h = MEM_NEW(struct hopper);
		*h = (struct hopper){.msg.fn = on_hop, .ws = ws, .hops = 200, .at = i % 4};
		worker_post(workers_get(ws, h->at), &h->msg);
	}
	for (unsigned i = 0; i < EACH; i++) {
		numbers[i] = (struct numbered){.msg.fn = on_number, .number = i + 1};
		worker_post(workers_get(ws, 1), &numbers[i].msg);
	}
	wait_for(&n_numbered, EACH);
	wait_for(&n_arrived, 50);
	for (unsigned i = 1; i <= 20; i++) {
		worker_broadcast(ws, on_each, on_done, &n_each);
		wait_for(&n_done, i);
	}
	IS_INT(n_each, 20 * WORKERS);
	IS_INT(each_mask, 0xe);
	workers_stop(&ws);
	OK(ws == NULL);
	IS_INT(n_stopped, WORKERS + 1);
	IS_INT(wrong, 0);
}

static bool
fail_second(struct worker *w, void *arg, struct err *err)
{
	(void)arg;
	return w->id != 2 || err_set(err, "no luck");
}

static void
test_failed_start(enum net_engine engine)
{
	struct err err = {{0}};
	struct workers_spec spec = {.net = {.engine = engine, .nbthread = WORKERS},
				    .start = fail_second,
				    .stop = on_stop};
	n_stopped = 0;
	OK(workers_start(&spec, &err) == NULL);
	IS_STR(err.text, "worker 2: no luck");
	IS_INT(n_stopped, 2); // the keeper and worker 1
}

// A child whose worker runs fn once: its status, and its last words.
static int
run_apart(enum net_engine engine, void (*fn)(struct msg *m), char *said, size_t room)
{
	int words[2], status = -1;
	if (pipe(words) != 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		struct err err;
		struct msg m = {.fn = fn};
		struct workers_spec spec = {.net = {.engine = engine, .nbthread = 1},
					    .stuck_ns = 200000000};
		(void)dup2(words[1], 2);
		(void)close(words[0]);
		struct workers *ws = workers_start(&spec, &err);
		if (ws == NULL)
			_exit(9);
		worker_post(workers_get(ws, 1), &m);
		while (!atomic_load(&n_arrived))
			(void)usleep(1000);
		workers_stop(&ws);
		_exit(0);
	}
	(void)close(words[1]);
	ssize_t n = read(words[0], said, room - 1);
	said[n > 0 ? n : 0] = '\0';
	(void)close(words[0]);
	return waitpid(pid, &status, 0) == pid ? status : -1;
}

static void
no_end(struct msg *m)
{
	(void)m;
	thread_context.txn_id = 42;
	thread_context.step = "nowhere";
	for (;;)
		__asm__ volatile("" ::: "memory"); // what stands above is seen
}

// Much longer than a turn may compute, and as long as several looks.
static void
only_waits(struct msg *m)
{
	(void)m;
	(void)usleep(1000000);
	atomic_fetch_add(&n_arrived, 1);
}

static void
test_stuck(enum net_engine engine)
{
	char said[512];
	n_arrived = 0;
	int status = run_apart(engine, no_end, said, sizeof(said));
	OK_MSG(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "an endless loop is ended");
	OK_MSG(strstr(said, "an endless loop: it does not come back (thread worker 1, txn 42, step "
			    "nowhere)") != NULL,
	       said);
	status = run_apart(engine, only_waits, said, sizeof(said));
	OK_MSG(WIFEXITED(status) && WEXITSTATUS(status) == 0 && said[0] == '\0',
	       "who waits is not stuck");
}

int
main(void)
{
	static const enum net_engine engines[] = {NET_ENGINE_EPOLL, NET_ENGINE_URING};
	char why[160];
	for (unsigned i = 0; i < ARRAY_LEN(engines); i++) {
		if (engines[i] == NET_ENGINE_URING && !net_uring_usable(why, sizeof(why))) {
			printf("# io_uring is not tested here: %s\n", why);
			continue;
		}
		test_messages(engines[i]);
		test_failed_start(engines[i]);
		if (!KEEPS_SIGNALS)
			test_stuck(engines[i]);
	}
	return tap_done();
}
