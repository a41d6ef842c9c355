// SPDX-License-Identifier: MIT
// Threads. Each creates its loop itself (io_uring wants that), runs the owner's start hook, reports
// once, and waits; the main thread takes the reports one after the other, so start hooks never run
// at the same time. When all are through, every loop turns until told to stop: whoever serves may
// count on all others being there.
#include "net/worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "net/stuck.h"
#include "net/timer.h"

// The keeper's loop has few connections: operators, scripts, checks.
#define KEEPER_SQ   128u
#define KEEPER_BUFS 32u

_Thread_local struct worker *worker_self;

struct seat {
	struct worker worker; // first: workers_get hands it out
	pthread_t thread;
	bool running;        // a thread was made and is to be joined
	atomic_bool watched; // its loop runs
	struct stuck stuck;
};

struct workers {
	struct workers_spec spec;
	unsigned n; // without the keeper
	// What a starting thread reports; guarded by lock, told through told.
	pthread_mutex_t lock;
	pthread_cond_t told;
	bool reported;
	bool good;
	struct err err;
	enum { GATE_SHUT, GATE_OPEN, GATE_GIVEN_UP } gate; // all have started, or one failed
	struct timer look;                                 // the keeper's
	struct seat seats[];                               // [0] is the keeper
};

static void
report(struct workers *ws, bool good, const struct err *err)
{
	// Locking a plain mutex that we do not hold cannot fail.
	(void)pthread_mutex_lock(&ws->lock);
	ws->reported = true;
	ws->good = good;
	if (!good)
		ws->err = *err;
	(void)pthread_cond_broadcast(&ws->told); // others wait at the gate
	(void)pthread_mutex_unlock(&ws->lock);
}

static struct net_config
keepers(const struct net_config *workers)
{
	struct net_config net = *workers;
	net.sq_entries = KEEPER_SQ;
	net.lent_bufs = KEEPER_BUFS;
	return net;
}

uint64_t
workers_locked_bytes(const struct net_config *net)
{
	struct net_config keeper = keepers(net);
	return net_uring_locked_bytes(&keeper) + net->nbthread * net_uring_locked_bytes(net);
}

static bool
set_up(struct worker *w, struct err *err)
{
	const struct workers_spec *s = &w->all->spec;
	struct net_config net = w->id == 0 ? keepers(&s->net) : s->net;
	w->loop = loop_new(&net, err);
	if (w->loop == NULL)
		return err_wrap(err, "%s", w->name);
	if (s->start != NULL && !s->start(w, s->arg, err))
		return err_wrap(err, "%s", w->name);
	return true;
}

static void
set_gate(struct workers *ws, unsigned gate)
{
	(void)pthread_mutex_lock(&ws->lock); // as above
	ws->gate = gate;
	(void)pthread_cond_broadcast(&ws->told);
	(void)pthread_mutex_unlock(&ws->lock);
}

static bool
wait_at_gate(struct workers *ws)
{
	(void)pthread_mutex_lock(&ws->lock); // as above
	while (ws->gate == GATE_SHUT)
		(void)pthread_cond_wait(&ws->told, &ws->lock);
	bool open = ws->gate == GATE_OPEN;
	(void)pthread_mutex_unlock(&ws->lock);
	return open;
}

// --- workers that do not come back ---------------------------------------------------------------

static void
look_again(struct workers *ws)
{
	struct loop *keeper = ws->seats[0].worker.loop;
	loop_timer_set(keeper, &ws->look, loop_now_ns(keeper) + ws->spec.stuck_ns / 4);
}

static void
on_look(struct timer *t)
{
	struct workers *ws = CONTAINER_OF(t, struct workers, look);
	for (unsigned i = 1; i <= ws->n; i++)
		if (atomic_load_explicit(&ws->seats[i].watched, memory_order_relaxed))
			stuck_look(&ws->seats[i].stuck, ws->seats[i].worker.loop,
				   ws->spec.stuck_ns);
	look_again(ws);
}

static void
watch_over(struct workers *ws)
{
	for (unsigned i = 1; i <= ws->n; i++)
		ws->seats[i].watched = stuck_init(&ws->seats[i].stuck, ws->seats[i].thread);
	timer_init(&ws->look, on_look);
	look_again(ws);
}

// --- life ----------------------------------------------------------------------------------------

static void *
thread_main(void *arg)
{
	struct worker *w = arg;
	struct workers *ws = w->all;
	struct err err = {{0}};
	worker_self = w;
	thread_name(w->name);
	bool good = set_up(w, &err);
	report(ws, good, &err);
	if (!good)
		return NULL;
	bool open = wait_at_gate(ws);
	if (open && w->id == 0)
		watch_over(ws); // all have started
	if (open)
		loop_run(w->loop);
	// What ends a thread may take longer, under valgrind far longer, and is no turn.
	atomic_store_explicit(&CONTAINER_OF(w, struct seat, worker)->watched, false,
			      memory_order_relaxed);
	if (ws->spec.stop != NULL)
		ws->spec.stop(w, ws->spec.arg);
	return NULL; // workers_stop frees the loop: other threads may still post to it
}

static bool
start_one(struct workers *ws, struct seat *s)
{
	ws->reported = false;
	int r = pthread_create(&s->thread, NULL, thread_main, &s->worker);
	if (r != 0)
		return err_set(&ws->err, "%s: pthread_create: %s", s->worker.name, strerror(r));
	(void)pthread_mutex_lock(&ws->lock);
	while (!ws->reported)
		(void)pthread_cond_wait(&ws->told, &ws->lock);
	(void)pthread_mutex_unlock(&ws->lock);
	if (ws->good) {
		s->running = true;
		return true;
	}
	(void)pthread_join(s->thread, NULL); // it has reported and is returning
	return false;
}

static void
stop_one(struct seat *s)
{
	if (!s->running)
		return;
	loop_stop(s->worker.loop);
	(void)pthread_join(s->thread, NULL); // joinable, and not ourselves
	s->running = false;
}

struct workers *
workers_start(const struct workers_spec *spec, struct err *err)
{
	sigset_t all, before;
	unsigned n = MIN(MAX(spec->net.nbthread, 1), NET_MAX_WORKERS);
	struct workers *ws = mem_zalloc(sizeof(*ws) + (n + 1) * sizeof(ws->seats[0]));
	ws->spec = *spec;
	ws->spec.net.engine = net_engine_choose(spec->net.engine);
	ws->spec.stuck_ns = spec->stuck_ns != 0 ? spec->stuck_ns : NET_STUCK_NS;
	ws->n = n;
	(void)pthread_mutex_init(&ws->lock, NULL);
	(void)pthread_cond_init(&ws->told, NULL);
	(void)sigfillset(&all);
	// A fault of the thread itself: blocked, it would end the process without the handlers of
	// the variable table or of a debugger's.
	static const int faults[] = {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
	for (size_t i = 0; i < ARRAY_LEN(faults); i++)
		(void)sigdelset(&all, faults[i]);          // known numbers
	(void)pthread_sigmask(SIG_SETMASK, &all, &before); // threads inherit it
	bool good = true;
	for (unsigned i = 0; i <= n && good; i++) {
		struct worker *w = &ws->seats[i].worker;
		w->id = i;
		w->all = ws;
		(void)snprintf(w->name, sizeof(w->name), i == 0 ? "keeper" : "worker %u", i);
		good = start_one(ws, &ws->seats[i]);
	}
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (good && spec->made != NULL)
		spec->made(ws, spec->arg);
	set_gate(ws, good ? GATE_OPEN : GATE_GIVEN_UP);
	if (!good) {
		if (err != NULL)
			*err = ws->err;
		workers_stop(&ws);
	}
	return ws;
}

void
workers_stop(struct workers **workers)
{
	struct workers *ws = *workers;
	if (ws == NULL)
		return;
	for (unsigned i = 1; i <= ws->n; i++)
		stop_one(&ws->seats[i]);
	stop_one(&ws->seats[0]);
	*workers = NULL; // not before: they look there until they have ended
	for (unsigned i = 0; i <= ws->n; i++) {
		// A hard stop leaves connections open: their loop stays until the process ends.
		struct worker *w = &ws->seats[i].worker;
		if (w->loop != NULL && loop_n_conns(w->loop) == 0)
			loop_free(&w->loop);
	}
	(void)pthread_cond_destroy(&ws->told);
	(void)pthread_mutex_destroy(&ws->lock);
	mem_free(ws);
}

unsigned
workers_count(const struct workers *ws)
{
	return ws->n;
}

struct worker *
workers_get(struct workers *ws, unsigned id)
{
	ASSERT(id <= ws->n);
	return &ws->seats[id].worker;
}

enum net_engine
workers_engine(const struct workers *ws)
{
	return ws->spec.net.engine;
}

// One message per worker, and one for the keeper by whoever runs last. The memory belongs to the
// broadcast and goes when done has run.
struct broadcast {
	struct workers *ws;
	worker_each_f fn, done;
	void *arg;
	_Atomic unsigned left; // decremented with release by each worker, acquired by the last
	struct errand {
		struct msg msg;
		struct broadcast *of;
	} errands[];
};

static void
broadcast_done(struct msg *m)
{
	struct broadcast *b = CONTAINER_OF(m, struct errand, msg)->of;
	if (b->done != NULL)
		b->done(worker_self, b->arg);
	mem_free(b);
}

static void
broadcast_run(struct msg *m)
{
	struct errand *e = CONTAINER_OF(m, struct errand, msg);
	struct broadcast *b = e->of;
	b->fn(worker_self, b->arg);
	if (atomic_fetch_sub_explicit(&b->left, 1, memory_order_acq_rel) != 1)
		return;
	m->fn = broadcast_done;
	worker_post(workers_get(b->ws, 0), m);
}

void
worker_broadcast(struct workers *ws, worker_each_f fn, worker_each_f done, void *arg)
{
	struct broadcast *b = mem_zalloc(sizeof(*b) + ws->n * sizeof(b->errands[0]));
	b->ws = ws;
	b->fn = fn;
	b->done = done;
	b->arg = arg;
	atomic_init(&b->left, ws->n);
	for (unsigned i = 0; i < ws->n; i++) {
		b->errands[i].of = b;
		b->errands[i].msg.fn = broadcast_run;
		worker_post(workers_get(ws, i + 1), &b->errands[i].msg);
	}
}
