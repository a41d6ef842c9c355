// SPDX-License-Identifier: MIT
// The turn of the loop: messages, timers, what is ready, then one system call that submits and
// waits, whose completions the engine hands back. Here is what both engines share.
#include "net/loop.h"

#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/listener_priv.h"
#include "net/loop_priv.h"

// Ready conns served in one turn before the kernel is asked again, so that a connection whose
// operations complete at once cannot keep the others waiting.
#define READY_PER_TURN 512
#define POOL_KEEP      512
#define BULK_KEEP      16
// So many buffers given back make it worth while, so long behind the first of them.
#define TRIM_FROM     1024
#define TRIM_AFTER_NS (2 * NS_PER_S)

static _Thread_local struct loop *self;

static const char *const engine_names[] = {"auto", "uring", "epoll"};

const char *
net_engine_name(enum net_engine engine)
{
	return engine_names[engine];
}

bool
net_engine_parse(const char *name, enum net_engine *out)
{
	for (unsigned i = 0; i < ARRAY_LEN(engine_names); i++) {
		if (strcmp(name, engine_names[i]) == 0) {
			*out = (enum net_engine)i;
			return true;
		}
	}
	return false;
}

enum net_engine
net_engine_choose(enum net_engine wanted)
{
	char why[160];
	if (wanted != NET_ENGINE_AUTO)
		return wanted;
	if (net_uring_usable(why, sizeof(why)))
		return NET_ENGINE_URING;
	log_msg(LOG_NOTICE, "io-engine: io_uring cannot be used here (%s); using epoll", why);
	return NET_ENGINE_EPOLL;
}

// Malloc keeps what is freed between live objects, and with io_uring buffers that lie ready stand
// among those of every connection: 5,000 half-sent heads left 60 MB behind, which grew with each
// such wave.
static void
on_trim(struct timer *t)
{
	struct loop *l = CONTAINER_OF(t, struct loop, trim);
	l->n_trimmed = l->rbufs.pool.n_returned;
	mem_trim();
}

static void
on_wake(struct watch *w)
{
	(void)w; // the inbox is looked at in every turn; the counter is never read, only its edges
}

struct loop *
loop_new(const struct net_config *cfg, struct err *err)
{
	struct loop *l = mem_aligned(CACHE_LINE, sizeof(*l));
	l->magic = LOOP_MAGIC;
	l->engine = net_engine_choose(cfg->engine) == NET_ENGINE_URING ? &loop_uring : &loop_epoll;
	l->now_ns = clock_mono_ns();
	l->ready_tail = &l->ready_head;
	timer_init(&l->trim, on_trim);
	list_init(&l->acceptors);
	timer_wheel_init(&l->wheel, l->now_ns);
	rbuf_pool_init(&l->rbufs, cfg->bufsize != 0 ? cfg->bufsize : NET_BUFSIZE, POOL_KEEP);
	rbuf_pool_init(&l->bulk, MAX(CONN_BULK_BYTES, l->rbufs.cap), BULK_KEEP);
	int wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (wake < 0) {
		err_set(err, "eventfd: %s", strerror(errno));
		mem_free(l);
		return NULL;
	}
	bool made = l->engine->init(l, cfg, err);
	if (!made && cfg->or_epoll && l->engine == &loop_uring) {
		log_msg(LOG_WARNING, "io-engine: %s; this thread uses epoll", err->text);
		l->engine = &loop_epoll;
		made = l->engine->init(l, cfg, err);
	}
	if (!made) {
		(void)close(wake); // an eventfd's close cannot fail in a way that matters
		mem_free(l);
		return NULL;
	}
	loop_watch(l, &l->wake, wake, on_wake);
	self = l;
	return l;
}

void
loop_free(struct loop **loop)
{
	struct loop *l = *loop;
	*loop = NULL;
	if (l == NULL)
		return;
	CHECK_MAGIC(l, LOOP_MAGIC);
	ASSERT(l->n_conns == 0);
	l->engine->fini(l);
	LIST_FOREACH_SAFE (it, &l->acceptors)
		acceptor_free(LIST_ENTRY(it, struct acceptor, node));
	(void)close(l->wake.fd); // as above
	rbuf_pool_fini(&l->rbufs);
	rbuf_pool_fini(&l->bulk);
	if (self == l)
		self = NULL;
	l->magic = 0;
	mem_free(l);
}

uint32_t
loop_n_conns(const struct loop *l)
{
	return l->n_conns;
}

struct loop *
loop_self(void)
{
	return self;
}

uint64_t
loop_now_ns(const struct loop *l)
{
	return l->now_ns;
}

uint64_t
loop_real_ns(struct loop *l)
{
	if (l->real_ns == 0)
		l->real_ns = clock_real_ns();
	return l->real_ns;
}

uint64_t
loop_boot_ns(struct loop *l)
{
	if (l->boot_ns == 0)
		l->boot_ns = clock_boot_ns();
	return l->boot_ns;
}

unsigned
loop_n_acceptors(const struct loop *l)
{
	return atomic_load_explicit(&l->n_acceptors, memory_order_acquire);
}

enum net_engine
loop_engine(const struct loop *l)
{
	return l->engine->kind;
}

struct rbuf_pool *
loop_rbufs(struct loop *l)
{
	return &l->rbufs;
}

const struct loop_stats *
loop_stats(const struct loop *l)
{
	return &l->stats;
}

void
loop_timer_set(struct loop *l, struct timer *t, uint64_t due_ns)
{
	timer_set(&l->wheel, t, due_ns);
}

void
loop_timer_stop(struct loop *l, struct timer *t)
{
	timer_stop(&l->wheel, t);
}

static void
wake_up(struct loop *l)
{
	// Sequentially consistent with sleep_begin: either the sleeper sees what was posted or we
	// see that it sleeps. Whoever clears the flag writes; later posters need not.
	if (!atomic_load_explicit(&l->asleep, memory_order_seq_cst) ||
	    !atomic_exchange_explicit(&l->asleep, false, memory_order_seq_cst))
		return;
	uint64_t one = 1;
	ssize_t r = write(l->wake.fd, &one, sizeof(one));
	ASSERT(r == (ssize_t)sizeof(one) || errno == EAGAIN);
}

void
loop_post(struct loop *l, struct msg *m)
{
	struct msg *head = atomic_load_explicit(&l->inbox, memory_order_relaxed);
	do {
		m->next = head;
	} while (!atomic_compare_exchange_weak_explicit(&l->inbox, &head, m, memory_order_seq_cst,
							memory_order_relaxed));
	if (l != self)
		wake_up(l);
}

void
loop_stop(struct loop *l)
{
	atomic_store_explicit(&l->stopping, true, memory_order_seq_cst);
	if (l != self)
		wake_up(l);
}

static void
run_messages(struct loop *l)
{
	struct msg *m, *in_order = NULL;
	if (atomic_load_explicit(&l->inbox, memory_order_relaxed) == NULL)
		return;
	m = atomic_exchange_explicit(&l->inbox, NULL, memory_order_acquire);
	while (m != NULL) {
		struct msg *older = m->next;
		m->next = in_order;
		in_order = m;
		m = older;
	}
	while (in_order != NULL) {
		m = in_order;
		in_order = m->next;
		m->fn(m);
	}
}

static void
free_acceptors(struct loop *l)
{
	l->acceptor_gone = false;
	LIST_FOREACH_SAFE (it, &l->acceptors) {
		struct acceptor *a = LIST_ENTRY(it, struct acceptor, node);
		if (a->gone)
			acceptor_free(a);
	}
}

static void
run_ready(struct loop *l)
{
	unsigned n = 0;
	while (l->ready_head != NULL && n++ < READY_PER_TURN) {
		struct conn *c = l->ready_head;
		l->ready_head = c->ready_next;
		if (l->ready_head == NULL)
			l->ready_tail = &l->ready_head;
		c->flags &= ~(uint32_t)CONN_F_READY;
		if ((c->flags & CONN_F_CLOSING) == 0)
			l->engine->ready(c);
		conn_deliver(c);
	}
	if (l->acceptor_gone)
		free_acceptors(l);
	while (l->stopped_watches != NULL) {
		struct watch *w = l->stopped_watches;
		l->stopped_watches = w->next;
		w->state = WATCH_OFF;
		if (w->on_stopped != NULL)
			w->on_stopped(w);
	}
}

// How long the wait may last. A loop with a bound of 0 does not sleep and need not be woken.
static uint64_t
sleep_begin(struct loop *l, uint64_t wait_ns)
{
	if (l->ready_head != NULL || l->stopped_watches != NULL || l->acceptor_gone)
		return 0;
	wait_ns = MIN(wait_ns, timer_wheel_wait_ns(&l->wheel, l->now_ns));
	if (wait_ns == 0)
		return 0;
	atomic_store_explicit(&l->asleep, true, memory_order_seq_cst);
	if (atomic_load_explicit(&l->inbox, memory_order_seq_cst) != NULL ||
	    atomic_load_explicit(&l->stopping, memory_order_seq_cst))
		return 0;
	return wait_ns;
}

void
loop_turn(struct loop *l, uint64_t wait_ns)
{
	run_messages(l);
	(void)timer_wheel_run(&l->wheel, l->now_ns);
	run_ready(l);
	if (UNLIKELY(l->rbufs.pool.n_returned - l->n_trimmed >= TRIM_FROM) && l->trim.due_ns == 0)
		timer_set(&l->wheel, &l->trim, l->now_ns + TRIM_AFTER_NS);
	wait_ns = sleep_begin(l, wait_ns);
	l->engine->wait(l, wait_ns);
	stat_add(&l->stats.turns, 1);
}

void
loop_woken(struct loop *l)
{
	atomic_store_explicit(&l->asleep, false, memory_order_relaxed);
	l->now_ns = clock_mono_ns();
	l->real_ns = 0;
	l->boot_ns = 0;
}

void
loop_run(struct loop *l)
{
	CHECK_MAGIC(l, LOOP_MAGIC);
	while (!atomic_load_explicit(&l->stopping, memory_order_relaxed))
		loop_turn(l, UINT64_MAX);
	run_messages(l);
	atomic_store_explicit(&l->stopping, false, memory_order_relaxed);
}

void
loop_watch(struct loop *l, struct watch *w, int fd, watch_f fn)
{
	*w = (struct watch){.magic = WATCH_MAGIC, .fd = fd, .loop = l, .fn = fn, .state = WATCH_ON};
	l->engine->watch(w);
}

void
loop_unwatch(struct watch *w, watch_f on_stopped)
{
	CHECK_MAGIC(w, WATCH_MAGIC);
	ASSERT(w->state == WATCH_ON);
	w->on_stopped = on_stopped;
	w->state = WATCH_STOPPING;
	w->loop->engine->unwatch(w);
}

void
watch_gone(struct watch *w)
{
	w->next = w->loop->stopped_watches;
	w->loop->stopped_watches = w;
}
