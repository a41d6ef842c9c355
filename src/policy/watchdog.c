// SPDX-License-Identifier: MIT
// The thread that watches calls into Lua (see guard.h). It ticks each millisecond while calls are
// made, and in between when a stop falls due; it parks on a futex after a while without any. It
// must run when the others keep all processors busy, so it asks for real-time scheduling, or where
// that is not allowed for short slices, which come first too. The one store-load race of parking (a
// call enters while the watchdog goes to sleep) is settled by membarrier, which costs the callers
// nothing; where the kernel refuses it, the watchdog sleeps in short turns instead.
#include <errno.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "policy/guard.h"
#include "policy/policy.h"

#define SLOW_TICK_NS (10 * GUARD_TICK_NS)
#define LEAST_NAP_NS UINT64_C(50000)
#define SLICE_NS     UINT64_C(100000) // the kernel's least

static long
membarrier_call(int command)
{
	return syscall(SYS_membarrier, command, 0, 0);
}

void
watchdog_init(struct watchdog *dog)
{
	*dog = (struct watchdog){0};
	int r = pthread_mutex_init(&dog->lock, NULL);
	ASSERT(r == 0);
	list_init(&dog->guards);
	dog->membarrier = membarrier_call(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0;
}

void
watchdog_fini(struct watchdog *dog)
{
	ASSERT(list_empty(&dog->guards) && !dog->running);
	(void)pthread_mutex_destroy(&dog->lock); // nobody can hold it
}

static uint64_t
cpu_of(struct guard *g)
{
	struct timespec t;
	if (clock_gettime(g->clock, &t) != 0)
		return 0;
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

// True when the signal is on its way. Each kind is sent once a call: signals of this kind queue,
// and a thread that waits for a processor meanwhile would get them all at once, one on top of the
// other on its stack. Once is enough, as one that comes inside a host function is remembered there.
static bool
stop_call(struct guard *g, uint64_t seq, enum guard_stop kind)
{
	atomic_store_explicit(&g->stop, seq << 2 | kind, memory_order_release);
	int r = pthread_kill(g->thread, POLICY_SIGNAL);
	// EAGAIN: the queue of signals is full; the next tick asks again.
	ASSERT(r == 0 || r == EAGAIN);
	return r == 0;
}

// When the call that runs must be looked at again. CPU time passes no faster than the clock, so a
// stop is never due earlier.
static uint64_t
judge(struct guard *g, uint64_t seq, uint64_t spent)
{
	uint64_t budget = atomic_load_explicit(&g->budget_ns, memory_order_relaxed);
	if (spent < budget)
		return budget - spent;
	if (spent >= g->hard_ns) {
		g->hard_sent = g->hard_sent || stop_call(g, seq, GUARD_HARD);
		return GUARD_TICK_NS;
	}
	// A tick that comes late still stops softly first.
	if (g->hard_ns == UINT64_MAX) {
		g->hard_ns = spent + GUARD_HARD_NS;
		(void)stop_call(g, seq, GUARD_SOFT); // without it the hard stop comes
	}
	return g->hard_ns - spent;
}

// True when the guard was used since the last look. *due_ns: lowered to when it wants the next.
static bool
look_at(struct guard *g, uint64_t *due_ns)
{
	uint64_t seq = atomic_load_explicit(&g->seq, memory_order_acquire);
	bool used = seq != g->seen || (seq & 1);
	if (!(seq & 1)) {
		g->seen = seq;
		return used;
	}
	uint64_t now = cpu_of(g);
	if (seq != g->seen) {
		g->seen = seq;
		g->cpu_ns = now;
		g->hard_ns = UINT64_MAX;
		g->hard_sent = false;
	}
	*due_ns = MIN(*due_ns, judge(g, seq, now - g->cpu_ns));
	return true;
}

static bool
look_at_all(struct watchdog *dog, uint64_t *due_ns)
{
	bool used = false;
	*due_ns = GUARD_TICK_NS;
	int r = pthread_mutex_lock(&dog->lock);
	ASSERT(r == 0);
	LIST_FOREACH (it, &dog->guards)
		used |= look_at(LIST_ENTRY(it, struct guard, link), due_ns);
	r = pthread_mutex_unlock(&dog->lock);
	ASSERT(r == 0);
	return used;
}

static void
nap(uint64_t ns)
{
	struct timespec t = {.tv_nsec = (long)ns};
	(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL); // cut short is fine
}

// Returns when a call was made, or may have been.
static void
park(struct watchdog *dog, uint32_t epoch)
{
	if (!dog->membarrier) {
		nap(SLOW_TICK_NS);
		return;
	}
	atomic_store(&dog->parked, 1);
	if (membarrier_call(MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0) { // the kernel has no memory
		atomic_store(&dog->parked, 0);
		nap(SLOW_TICK_NS);
		return;
	}
	uint64_t due_ns;
	if (!look_at_all(dog, &due_ns) && atomic_load(&dog->epoch) == epoch)
		(void)syscall(SYS_futex, &dog->parked, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);
	atomic_store(&dog->parked, 0);
}

void
watchdog_wake(struct watchdog *dog)
{
	int saved = errno;
	if (atomic_exchange(&dog->parked, 0) != 0)
		(void)syscall(SYS_futex, &dog->parked, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	errno = saved;
}

struct watch_start {
	struct watchdog *dog;
	uint32_t epoch;
};

// The watchdog works for microseconds in a millisecond: it may go first. Linux's own struct, which
// libc gained late; with SCHED_OTHER the runtime is the slice (since Linux 6.12).
static void
ask_for_precedence(void)
{
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime_ns, deadline_ns, period_ns;
	} slice = {.size = sizeof(slice), .runtime_ns = SLICE_NS};
	struct sched_param first = {.sched_priority = 1};
	if (pthread_setschedparam(pthread_self(), SCHED_FIFO | SCHED_RESET_ON_FORK, &first) == 0)
		return;
	(void)syscall(SYS_sched_setattr, 0, &slice, 0); // older kernels: an ordinary thread then
	// Wake-ups of a thread that sleeps a millisecond may be late by 50 us by default.
	(void)prctl(PR_SET_TIMERSLACK, 1);
}

// Runs until the epoch is no longer its own.
static void *
watch(void *arg)
{
	struct watchdog *dog = ((struct watch_start *)arg)->dog;
	uint32_t epoch = ((struct watch_start *)arg)->epoch;
	mem_free(arg);
	thread_name("watchdog");
	ask_for_precedence();
	for (unsigned quiet = 0; atomic_load(&dog->epoch) == epoch;) {
		uint64_t due_ns;
		quiet = look_at_all(dog, &due_ns) ? 0 : quiet + 1;
		if (quiet > GUARD_PARK_TICKS)
			park(dog, epoch);
		else
			nap(MAX(due_ns, LEAST_NAP_NS));
	}
	return NULL;
}

// All signals stay with the threads that expect them.
static void
start(struct watchdog *dog)
{
	sigset_t all, old;
	sigfillset(&all);
	int r = pthread_sigmask(SIG_BLOCK, &all, &old);
	ASSERT(r == 0);
	struct watch_start *arg = MEM_NEW(struct watch_start);
	*arg = (struct watch_start){.dog = dog, .epoch = atomic_load(&dog->epoch)};
	r = pthread_create(&dog->thread, NULL, watch, arg);
	if (r != 0)
		panic_lack("the thread that stops runaway scripts", r);
	dog->running = true;
	r = pthread_sigmask(SIG_SETMASK, &old, NULL);
	ASSERT(r == 0);
}

void
watchdog_add(struct watchdog *dog, struct guard *g)
{
	int r = pthread_mutex_lock(&dog->lock);
	ASSERT(r == 0);
	list_append(&dog->guards, &g->link);
	if (!dog->running)
		start(dog);
	r = pthread_mutex_unlock(&dog->lock);
	ASSERT(r == 0);
}

void
watchdog_remove(struct watchdog *dog, struct guard *g)
{
	int r = pthread_mutex_lock(&dog->lock);
	ASSERT(r == 0);
	list_remove(&g->link);
	bool last = list_empty(&dog->guards);
	pthread_t thread = dog->thread;
	if (last) {
		atomic_fetch_add(&dog->epoch, 1); // a thread started meanwhile has a later one
		dog->running = false;
	}
	r = pthread_mutex_unlock(&dog->lock);
	ASSERT(r == 0);
	if (!last)
		return;
	watchdog_wake(dog);
	r = pthread_join(thread, NULL);
	ASSERT(r == 0);
}
