// SPDX-License-Identifier: MIT
// The writers' lock. header.lock holds the number of the writer inside, and a writer proves that
// it lives by an OFD lock on the byte LAYOUT_WRITERS_AT + number, which the kernel drops when the
// last copy of its description closes, kill -9 included. Who finds the lock taken and that byte
// free takes the byte for a moment (so that nobody can register that number meanwhile) and the
// lock over; who registers a number that still stands in the word releases it. A pthread mutex in
// front keeps threads of one process apart, since they share a number.
//
// A commit sets header.dirty first and clears it last; whoever takes the lock and finds it set
// voids what the dead writer stamped above the epoch.
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "vars/table_priv.h"

enum { LOCK_SPINS = 200 };
#define LOCK_NAP_NS (2 * NS_PER_MS) // a sleeper looks for a dead holder that often

long
vars_futex(_Atomic uint32_t *word, int op, uint32_t value, uint64_t timeout_ns)
{
	struct timespec ts = {.tv_sec = (time_t)(timeout_ns / NS_PER_S),
			      .tv_nsec = (long)(timeout_ns % NS_PER_S)};
	return syscall(SYS_futex, word, op, value, op == FUTEX_WAIT ? &ts : NULL, NULL, 0);
}

static bool
own_byte(int fd, uint32_t number, short type)
{
	struct flock l = {.l_type = type,
			  .l_whence = SEEK_SET,
			  .l_start = LAYOUT_WRITERS_AT + number,
			  .l_len = 1};
	int r;
	do {
		r = fcntl(fd, F_OFD_SETLK, &l);
	} while (r < 0 && errno == EINTR);
	return r == 0;
}

// A description of our own: t->fd may be shared with a parent or a child.
static int
open_description(const struct tidevars *t)
{
	char proc[32];
	(void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", t->fd);
	int fd = open(proc, O_RDWR | O_CLOEXEC);
	if (fd >= 0 || t->path == NULL)
		return fd;
	struct stat a, b;
	fd = open(t->path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return fd;
	if (fstat(t->fd, &a) == 0 && fstat(fd, &b) == 0 && a.st_dev == b.st_dev &&
	    a.st_ino == b.st_ino)
		return fd;
	(void)close(fd); // another file took the place; nothing was written
	errno = ESTALE;
	return -1;
}

// Gives this process a writer number, for as long as it lives.
static int
register_writer(struct tidevars *t, struct tidevars_error *err)
{
	int fd = open_description(t);
	if (fd < 0)
		return vars_fail_sys(err, "cannot open the variable table again to lock it");
	for (uint32_t n = 1; n <= LAYOUT_MAX_WRITERS; n++) {
		if (own_byte(fd, n, F_WRLCK)) {
			t->lock_fd = fd;
			t->number = n;
			break;
		}
		if (errno != EAGAIN && errno != EACCES)
			break;
	}
	if (t->number == 0) {
		int status = vars_fail_sys(err, "no writer number to be had");
		(void)close(fd); // the first failure is the one to report
		return status;
	}
	t->pid = (uint32_t)getpid();
	t->uid = (uint32_t)geteuid();
	t->gid = (uint32_t)getegid();
	// The number's last owner died inside; with its byte ours, nobody else can be at this.
	uint32_t w = atomic_load(&t->hdr->lock);
	while ((w & LAYOUT_LOCK_NUMBER) == t->number) {
		if (atomic_compare_exchange_weak(&t->hdr->lock, &w, 0)) {
			(void)vars_futex(&t->hdr->lock, FUTEX_WAKE, 1, 0);
			break;
		}
	}
	return TIDEVARS_OK;
}

// The holder is dead: `mine` replaces it. False: it lives, or somebody else was quicker.
static bool
take_over(struct tidevars *t, uint32_t holder, uint32_t mine)
{
	bool other = holder != t->number; // our own number can only be somebody's scribble
	if (other && !own_byte(t->lock_fd, holder, F_WRLCK))
		return false;
	uint32_t w = atomic_load(&t->hdr->lock);
	bool taken = false;
	while (!taken && (w & LAYOUT_LOCK_NUMBER) == holder)
		taken = atomic_compare_exchange_weak(&t->hdr->lock, &w, mine);
	if (other)
		(void)own_byte(t->lock_fd, holder, F_UNLCK); // cannot fail: it is ours
	return taken;
}

static bool
try_word(struct tidevars *t, uint32_t mine)
{
	uint32_t w = atomic_load_explicit(&t->hdr->lock, memory_order_relaxed);
	while ((w & LAYOUT_LOCK_NUMBER) == 0) {
		if (atomic_compare_exchange_weak_explicit(&t->hdr->lock, &w,
							  mine | (w & LAYOUT_LOCK_WAITED),
							  memory_order_acquire,
							  memory_order_relaxed))
			return true;
	}
	return false;
}

static bool
wait_word(struct tidevars *t, uint64_t until_ns)
{
	// Once asleep, always wake the next: there may be more sleepers.
	uint32_t mine = t->number | LAYOUT_LOCK_WAITED;
	for (;;) {
		for (int i = 0; i < LOCK_SPINS; i++)
			if (try_word(t, t->number))
				return true;
		uint32_t w = atomic_load(&t->hdr->lock);
		uint32_t holder = w & LAYOUT_LOCK_NUMBER;
		if (holder == 0)
			continue;
		if (take_over(t, holder, mine))
			return true;
		if (clock_mono_ns() >= until_ns)
			return false;
		if ((w & LAYOUT_LOCK_WAITED) == 0 &&
		    !atomic_compare_exchange_strong(&t->hdr->lock, &w, w | LAYOUT_LOCK_WAITED))
			continue;
		(void)vars_futex(&t->hdr->lock, FUTEX_WAIT, holder | LAYOUT_LOCK_WAITED,
				 LOCK_NAP_NS); // woken, timed out or changed: look again
		if (try_word(t, mine))
			return true;
	}
}

// Voids records above the epoch. A slot that has no other is damaged, or a power cut kept two newer
// records and an old header: the newest stands then.
static void
settle_slot(struct layout_slot *s, uint64_t epoch)
{
	uint64_t stamps[2] = {atomic_load(&s->hot[0].stamp), atomic_load(&s->hot[1].stamp)};
	int newest = stamps[1] > stamps[0], other = 1 - newest;
	if (stamps[newest] <= epoch)
		return;
	bool stands = stamps[other] == 0 || stamps[other] > epoch;
	if (stamps[other] > epoch)
		atomic_store(&s->hot[other].stamp, 0);
	atomic_store(&s->hot[newest].stamp, stands ? epoch : 0);
}

void
vars_recover(struct tidevars *t)
{
	uint64_t epoch = vars_epoch(t);
	uint32_t n = atomic_load(&t->hdr->n_slots);
	for (uint32_t i = 0; i < MIN(n, t->size); i++)
		settle_slot(vars_slot(t, i), epoch);
	for (uint32_t i = 0; i < t->log_size; i++) {
		struct layout_log *e = (void *)(t->log + (size_t)i * t->log_bytes);
		if (atomic_load(&e->stamp) > epoch)
			atomic_store(&e->stamp, 0);
	}
	atomic_store(&t->hdr->dirty, 0);
}

static int
lock_mutex(struct tidevars *t, uint32_t wait_ms)
{
	if (wait_ms == 0)
		return pthread_mutex_trylock(&t->write_mutex);
	uint64_t until = clock_real_ns() + wait_ms * NS_PER_MS;
	struct timespec ts = {.tv_sec = (time_t)(until / NS_PER_S),
			      .tv_nsec = (long)(until % NS_PER_S)};
	return pthread_mutex_timedlock(&t->write_mutex, &ts);
}

int
vars_lock(struct tidevars *t, uint32_t wait_ms, struct tidevars_error *err)
{
	if ((t->flags & TIDEVARS_READ_ONLY) != 0)
		return vars_fail(err, TIDEVARS_REFUSED, "the variable table is open read only");
	if (lock_mutex(t, wait_ms) != 0)
		return vars_fail(err, TIDEVARS_BUSY,
				 "another thread is writing the variable table");
	int status = TIDEVARS_OK;
	if (t->number == 0)
		status = register_writer(t, err);
	if (status == TIDEVARS_OK && !try_word(t, t->number) &&
	    (wait_ms == 0 || !wait_word(t, clock_mono_ns() + wait_ms * NS_PER_MS)))
		status = vars_fail(err, TIDEVARS_BUSY,
				   "writer %u (last known as pid %u) holds the variable table",
				   atomic_load(&t->hdr->lock) & LAYOUT_LOCK_NUMBER,
				   atomic_load(&t->hdr->lock_pid));
	if (status != TIDEVARS_OK) {
		(void)pthread_mutex_unlock(&t->write_mutex);
		return status;
	}
	atomic_store_explicit(&t->hdr->lock_pid, t->pid, memory_order_relaxed);
	if (UNLIKELY(atomic_load_explicit(&t->hdr->dirty, memory_order_relaxed) != 0))
		vars_recover(t);
	if (UNLIKELY(tidevars_damaged(t))) {
		vars_unlock(t);
		return vars_fail(err, TIDEVARS_DAMAGED,
				 "the variable table's file was cut short under this process");
	}
	return TIDEVARS_OK;
}

void
vars_unlock(struct tidevars *t)
{
	// Release, so that the next writer sees our stores; sequential, so that vars_wake looks for
	// waiters only after the commit can be seen.
	uint32_t w = atomic_exchange(&t->hdr->lock, 0);
	if ((w & LAYOUT_LOCK_WAITED) != 0)
		(void)vars_futex(&t->hdr->lock, FUTEX_WAKE, 1,
				 0); // sleepers also look by themselves
	(void)pthread_mutex_unlock(&t->write_mutex);
}

void
vars_lock_fini(struct tidevars *t)
{
	if (t->lock_fd >= 0)
		(void)close(t->lock_fd); // gives the number back
	t->lock_fd = -1;
	t->number = 0;
}

// `waiting` is cleared before the wake, so a waiter that was killed costs one wake-up at most.
void
vars_wake(struct tidevars *t)
{
	struct layout_header *h = t->hdr;
	if (LIKELY(atomic_load(&h->waiting) == 0))
		return;
	atomic_store(&h->waiting, 0);
	atomic_fetch_add(&h->changes, 1);
	(void)vars_futex(&h->changes, FUTEX_WAKE, INT32_MAX, 0); // none asleep is fine
}

void
tidevars_poke(struct tidevars *t)
{
	CHECK_MAGIC(t, VARS_MAGIC);
	if ((t->flags & TIDEVARS_READ_ONLY) != 0)
		return;
	atomic_store(&t->hdr->waiting, 1);
	vars_wake(t);
}

// A reader without write permission cannot ask to be woken: it looks by itself.
static uint64_t
ask_to_be_woken(struct tidevars *t)
{
	if ((t->flags & TIDEVARS_READ_ONLY) != 0)
		return 50 * NS_PER_MS;
	atomic_store(&t->hdr->waiting, 1);
	return NS_PER_S;
}

uint32_t
tidevars_ticket(struct tidevars *t)
{
	CHECK_MAGIC(t, VARS_MAGIC);
	uint32_t changes = atomic_load(&t->hdr->changes);
	(void)ask_to_be_woken(t);
	return changes;
}

int
tidevars_wait_ticket(struct tidevars *t, uint32_t ticket, uint64_t timeout_ns)
{
	CHECK_MAGIC(t, VARS_MAGIC);
	struct layout_header *h = t->hdr;
	bool silent = (t->flags & TIDEVARS_READ_ONLY) != 0;
	uint64_t nap = MIN(silent ? 50 * NS_PER_MS : NS_PER_S, timeout_ns);
	if (atomic_load(&h->changes) == ticket)
		(void)vars_futex(&h->changes, FUTEX_WAIT, ticket, nap);
	// After a nap: whoever was killed before its wake, or nobody; the caller reads and sees.
	bool look = nap < timeout_ns || atomic_load(&h->changes) != ticket;
	return tidevars_damaged(t) ? TIDEVARS_DAMAGED : look ? TIDEVARS_OK : TIDEVARS_TIMEOUT;
}

// What tidevars_wait waits for.
static uint64_t
version_now(struct tidevars *t, uint32_t handle)
{
	return handle == TIDEVARS_NO_HANDLE ? vars_epoch(t) : tidevars_version(t, handle);
}

int
tidevars_wait(struct tidevars *t, uint32_t handle, uint64_t version, uint64_t timeout_ns)
{
	CHECK_MAGIC(t, VARS_MAGIC);
	struct layout_header *h = t->hdr;
	uint64_t start = clock_mono_ns();
	for (;;) {
		uint32_t changes = atomic_load(&h->changes);
		uint64_t nap = ask_to_be_woken(t);
		if (version_now(t, handle) != version)
			return TIDEVARS_OK;
		if (tidevars_damaged(t))
			return TIDEVARS_DAMAGED;
		uint64_t gone = clock_mono_ns() - start;
		if (gone >= timeout_ns)
			return TIDEVARS_TIMEOUT;
		(void)vars_futex(&h->changes, FUTEX_WAIT, changes, MIN(nap, timeout_ns - gone));
	}
}
