// SPDX-License-Identifier: MIT
// The watching thread: take a ticket, have the keeper look, sleep until something is written after
// that ticket. What is written between the ticket and the look is seen by the look, what is written
// later ends the sleep, so nothing is missed.
#include "expr/vars_watch.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/loop.h"
#include "tidegate/vars.h"

#define WATCH_MAGIC   0x7c5a0201u
#define WATCH_REST_NS NS_PER_MS          // between two wakes
#define WATCH_SICK_NS NS_PER_S           // between two looks at a damaged table
#define WATCH_WAIT_NS (86400 * NS_PER_S) // a sleep without a write; nothing happens after it

struct vars_watch {
	uint32_t magic;
	bool running; // the loop's thread
	struct tidevars *table;
	struct loop *loop;
	struct list watchers;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	unsigned wanted; // watchers; mutex
	bool stop;       // mutex
	struct msg msg;
	_Atomic bool posted; // the message is under way
};

// ---- the loop's thread

static void
look(struct msg *m)
{
	struct vars_watch *w = CONTAINER_OF(m, struct vars_watch, msg);
	CHECK_MAGIC(w, WATCH_MAGIC);
	// Before anybody reads: a write from now on posts again.
	atomic_store(&w->posted, false);
	LIST_FOREACH_SAFE (it, &w->watchers) {
		struct vars_watcher *x = LIST_ENTRY(it, struct vars_watcher, node);
		x->fn(x);
	}
}

static void
count(struct vars_watch *w, int by)
{
	(void)pthread_mutex_lock(&w->mutex);
	w->wanted += (unsigned)by;
	(void)pthread_cond_signal(&w->cond);
	(void)pthread_mutex_unlock(&w->mutex);
}

void
vars_watch_add(struct vars_watch *w, struct vars_watcher *x, vars_watcher_f fn)
{
	CHECK_MAGIC(w, WATCH_MAGIC);
	if (x->watch != NULL)
		return;
	x->watch = w;
	x->fn = fn;
	list_append(&w->watchers, &x->node);
	count(w, 1);
	// A thread that sleeps for others takes a ticket anew, and has everybody look.
	tidevars_poke(w->table);
}

void
vars_watch_remove(struct vars_watcher *x)
{
	if (x->watch == NULL)
		return;
	CHECK_MAGIC(x->watch, WATCH_MAGIC);
	list_remove(&x->node);
	count(x->watch, -1);
	x->watch = NULL;
}

// ---- its own thread

// False: stop.
static bool
await_watchers(struct vars_watch *w)
{
	(void)pthread_mutex_lock(&w->mutex);
	while (w->wanted == 0 && !w->stop)
		(void)pthread_cond_wait(&w->cond, &w->mutex);
	bool go_on = !w->stop;
	(void)pthread_mutex_unlock(&w->mutex);
	return go_on;
}

static void
rest(struct vars_watch *w, uint64_t ns)
{
	struct timespec until;
	(void)clock_gettime(CLOCK_MONOTONIC, &until); // this clock is always there
	uint64_t at = (uint64_t)until.tv_nsec + ns;
	until.tv_sec += (time_t)(at / NS_PER_S);
	until.tv_nsec = (long)(at % NS_PER_S);
	(void)pthread_mutex_lock(&w->mutex);
	while (!w->stop && pthread_cond_timedwait(&w->cond, &w->mutex, &until) == 0)
		continue;
	(void)pthread_mutex_unlock(&w->mutex);
}

// Sleeps until something is written after that ticket, which was taken with that many commits seen.
// The table's sleeps end by themselves now and then, for a writer that was killed before it woke
// anybody; the commits tell.
static int
sleep_on(struct tidevars *t, uint32_t ticket, uint64_t seen)
{
	int status;
	do
		status = tidevars_wait_ticket(t, ticket, WATCH_WAIT_NS);
	while (status == TIDEVARS_OK && tidevars_ticket(t) == ticket &&
	       tidevars_changes(t) == seen);
	return status;
}

static void *
watch(void *arg)
{
	struct vars_watch *w = arg;
	thread_name("vars watch");
	for (;;) {
		// First of all: who asks to stop, pokes afterwards.
		uint32_t ticket = tidevars_ticket(w->table);
		uint64_t seen = tidevars_changes(w->table);
		if (!await_watchers(w))
			return NULL;
		if (!atomic_exchange(&w->posted, true))
			loop_post(w->loop, &w->msg);
		int status = sleep_on(w->table, ticket, seen);
		rest(w, status == TIDEVARS_DAMAGED ? WATCH_SICK_NS : WATCH_REST_NS);
	}
}

// ---- life

struct vars_watch *
vars_watch_new(struct tidevars *table)
{
	struct vars_watch *w = MEM_NEW(struct vars_watch);
	pthread_condattr_t attr;
	w->magic = WATCH_MAGIC;
	w->table = table;
	w->msg.fn = look;
	list_init(&w->watchers);
	(void)pthread_condattr_init(&attr); // cannot fail on Linux, nor can the four below
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_mutex_init(&w->mutex, NULL);
	(void)pthread_cond_init(&w->cond, &attr);
	(void)pthread_condattr_destroy(&attr);
	return w;
}

void
vars_watch_start(struct vars_watch *w, struct loop *loop)
{
	CHECK_MAGIC(w, WATCH_MAGIC);
	w->loop = loop;
	int error = pthread_create(&w->thread, NULL, watch, w);
	w->running = error == 0;
	if (error != 0)
		log_msg(LOG_WARNING, "changes of variables are not watched: no thread: %s",
			strerror(error));
}

void
vars_watch_stop(struct vars_watch *w)
{
	CHECK_MAGIC(w, WATCH_MAGIC);
	if (!w->running)
		return;
	(void)pthread_mutex_lock(&w->mutex);
	w->stop = true;
	(void)pthread_cond_signal(&w->cond);
	(void)pthread_mutex_unlock(&w->mutex);
	tidevars_poke(w->table);
	(void)pthread_join(w->thread, NULL); // ours, and joined once
	w->running = false;
}

void
vars_watch_free(struct vars_watch **wp)
{
	struct vars_watch *w = *wp;
	*wp = NULL;
	if (w == NULL)
		return;
	CHECK_MAGIC(w, WATCH_MAGIC);
	ASSERT(!w->running);
	(void)pthread_cond_destroy(&w->cond);
	(void)pthread_mutex_destroy(&w->mutex);
	w->magic = 0;
	mem_free(w);
}
