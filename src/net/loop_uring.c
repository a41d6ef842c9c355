// SPDX-License-Identifier: MIT
// The io_uring engine: one ring per loop, one io_uring_enter a turn (uring_ring.c, uring_conn.c).
// Here are its watches and acceptors, how it waits, and its vtable.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/listener_priv.h"
#include "net/uring_priv.h"

// A turn with so many receives was a busy one: the next may gather.
#define GATHER_FROM 8

// io_uring_enter's argument with a first deadline for all completions that are waited for, behind
// which any one will do: Linux 6.12, younger than liburing 2.3.
struct getevents_arg {
	uint64_t sigmask;
	uint32_t sigmask_n;
	uint32_t min_wait_us;
	uint64_t timeout;
};
_Static_assert(sizeof(struct getevents_arg) == sizeof(struct io_uring_getevents_arg), "the same");

// Watches and acceptors

static void
uring_watch(struct watch *w)
{
	struct io_uring_sqe *sqe = uring_sqe(w->loop);
	io_uring_prep_poll_multishot(sqe, w->fd, POLLIN);
	uring_tag(sqe, w, TAG_WATCH);
	w->in_kernel = true;
}

static void
uring_unwatch(struct watch *w)
{
	if (w->in_kernel)
		uring_cancel(w->loop, w, TAG_WATCH);
	else
		watch_gone(w);
}

static void
watch_event(struct watch *w, const struct io_uring_cqe *cqe)
{
	w->in_kernel = (cqe->flags & IORING_CQE_F_MORE) != 0;
	if (w->state == WATCH_ON && cqe->res > 0)
		w->fn(w);
	if (w->in_kernel)
		return;
	if (w->state == WATCH_STOPPING)
		watch_gone(w);
	else if (w->state == WATCH_ON && cqe->res >= 0)
		uring_watch(w);
}

static void
uring_accept_on(struct acceptor *a)
{
	if (a->on)
		return;
	struct io_uring_sqe *sqe = uring_sqe(a->loop);
	int flags = fcntl(a->fd, F_GETFL);
	a->polls = flags >= 0 && (flags & O_NONBLOCK) != 0;
	if (a->polls)
		io_uring_prep_poll_add(sqe, a->fd, POLLIN);
	else
		io_uring_prep_multishot_accept(sqe, a->fd, NULL, NULL, SOCK_CLOEXEC);
	uring_tag(sqe, a, TAG_ACCEPT);
	a->on = true;
}

static void
uring_accept_off(struct acceptor *a)
{
	if (a->on && !a->cancelling) {
		a->cancelling = true;
		uring_cancel(a->loop, a, TAG_ACCEPT);
	}
	if (!a->on && a->stopping && !a->gone)
		acceptor_gone(a);
}

static void
accept_event(struct acceptor *a, const struct io_uring_cqe *cqe)
{
	if ((cqe->flags & IORING_CQE_F_MORE) == 0)
		a->on = a->cancelling = false;
	if (a->polls && cqe->res > 0)
		acceptor_drain(a);
	else if (!a->polls && cqe->res >= 0)
		acceptor_took(a, cqe->res);
	else if (cqe->res < 0)
		acceptor_failed(a, -cqe->res);
	if (a->on)
		return;
	if (a->stopping)
		uring_accept_off(a);
	else if (acceptor_wants(a))
		uring_accept_on(a);
}

static void
dispatch(const struct io_uring_cqe *cqe)
{
	void *object = (void *)(uintptr_t)(cqe->user_data & ~(uint64_t)TAG_MASK);
	switch ((enum tag)(cqe->user_data & TAG_MASK)) {
	case TAG_RECV:
		uring_recv_done(object, cqe);
		break;
	case TAG_SEND:
		uring_send_done(object, cqe->res);
		break;
	case TAG_CONNECT:
		uring_connect_done(object, cqe->res);
		break;
	case TAG_WATCH:
		watch_event(object, cqe);
		break;
	case TAG_ACCEPT:
		accept_event(object, cqe);
		break;
	case TAG_NONE: // a cancel that came too late: the operation's own completion tells
		break;
	}
}

// How many completions end the wait. Behind a busy turn a few more microseconds bring many more
// requests, which then share one wake-up, one system call and warm caches. Sends mostly complete
// while they are submitted and would end the wait at once, so they are counted in; one that finds
// its socket full delays the others by gather_us, no more. With 32 connections a proxied request
// took 17.9 us of CPU without gathering and 15.1 with it. Behind a quiet turn one completion is
// enough: the kernel's timer would cost more than it saves.
static unsigned
worth_waking(const struct uring_state *st)
{
	if (st->gather_us == 0 || st->n_recvs < GATHER_FROM)
		return 1;
	return MIN(st->n_short_sends + 2 * st->n_recvs, *st->ring.cq.kring_entries / 2);
}

// io_uring_submit_and_wait_timeout with a first deadline.
static int
gather(struct uring_state *st, unsigned n, const struct __kernel_timespec *ts)
{
	struct io_uring *ring = &st->ring;
	struct io_uring_sq *sq = &ring->sq;
	struct getevents_arg arg = {.min_wait_us = st->gather_us, .timeout = (uintptr_t)ts};
	unsigned mask = *sq->kring_mask, tail = sq->sqe_tail;
	for (; sq->sqe_head != tail; sq->sqe_head++)
		sq->array[sq->sqe_head & mask] = sq->sqe_head & mask;
	__atomic_store_n(sq->ktail, tail, __ATOMIC_RELEASE);
	unsigned flags =
	    IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG | IORING_ENTER_REGISTERED_RING;
	unsigned n_submit = tail - __atomic_load_n(sq->khead, __ATOMIC_ACQUIRE);
	long r = syscall(__NR_io_uring_enter, ring->enter_ring_fd, n_submit, n, flags, &arg,
			 sizeof(arg));
	return r < 0 ? -errno : (int)r;
}

static void
enter(struct loop *l, uint64_t wait_ns)
{
	struct uring_state *st = state_of(l);
	struct io_uring *ring = &st->ring;
	struct io_uring_cqe *cqe;
	unsigned n = worth_waking(st);
	int r;
	st->n_short_sends = 0;
	if (wait_ns == 0) {
		r = io_uring_submit_and_get_events(ring);
	} else if (n > 1) {
		wait_ns = MIN(wait_ns, 3600 * NS_PER_S); // the kernel wants some second deadline
		struct __kernel_timespec ts = {.tv_sec = (int64_t)(wait_ns / NS_PER_S),
					       .tv_nsec = (long long)(wait_ns % NS_PER_S)};
		r = gather(st, n, &ts);
	} else {
		struct __kernel_timespec ts = {.tv_sec = (int64_t)(wait_ns / NS_PER_S),
					       .tv_nsec = (long long)(wait_ns % NS_PER_S)};
		r = io_uring_submit_and_wait_timeout(ring, &cqe, 1,
						     wait_ns == UINT64_MAX ? NULL : &ts, NULL);
	}
	// EBUSY: the completion queue has overflowed and is emptied now; what was not submitted
	// stays in the queue for the next turn.
	ASSERT(r >= 0 || r == -ETIME || r == -EINTR || r == -EAGAIN || r == -EBUSY);
	stat_add(&l->stats.enters, 1);
}

static void
uring_wait(struct loop *l, uint64_t wait_ns)
{
	struct uring_state *st = state_of(l);
	struct io_uring_cqe *cqe;
	unsigned head, n = 0, n_sends = 0;

	uring_lend(l);
	enter(l, wait_ns);
	loop_woken(l);
	// Closed conns, watches and acceptors are freed in a later turn, so every pointer of this
	// batch is alive.
	io_uring_for_each_cqe(&st->ring, head, cqe)
	{
		n_sends += (cqe->user_data & TAG_MASK) == TAG_SEND;
		dispatch(cqe);
		n++;
	}
	st->n_recvs = n - n_sends;
	io_uring_cq_advance(&st->ring, n);
}

const struct loop_engine loop_uring = {
    .kind = NET_ENGINE_URING,
    .init = uring_init,
    .fini = uring_fini,
    .wait = uring_wait,
    .open = uring_open,
    .connect = uring_connect,
    .recv = uring_recv,
    .send = uring_send,
    .close = uring_close,
    .ready = uring_ready,
    .watch = uring_watch,
    .unwatch = uring_unwatch,
    .accept_on = uring_accept_on,
    .accept_off = uring_accept_off,
};
