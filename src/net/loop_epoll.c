// SPDX-License-Identifier: MIT
// The epoll engine: imitates completions. Each socket is registered once, edge-triggered, for
// everything; two bits per conn remember what the edges said. A receive happens only after an
// edge, and a short one means that the socket is drained, so no call is made to be told EAGAIN.
// Sends wait in the ready list until all events of the turn have been served, and then follow each
// other: the code of either kind stays in the caches, and a peer that sleeps is woken once for what
// it gets in one turn (3 to 4 % of a proxied request's CPU).
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/addr.h"
#include "net/listener_priv.h"
#include "net/loop_priv.h"
#include "net/reason.h"

#define EVENTS_PER_WAIT 256

// Straight system calls: those of libc are cancellation points, which costs some 30 instructions
// each in a process with threads, and this is done five times a request. Nobody cancels our
// threads.
static ssize_t
sys_recv(int fd, void *p, size_t n, int flags)
{
	return syscall(SYS_recvfrom, fd, p, n, flags, NULL, NULL);
}

static ssize_t
sys_send(int fd, const void *p, size_t n, int flags)
{
	return syscall(SYS_sendto, fd, p, n, flags, NULL, 0);
}

static ssize_t
sys_sendmsg(int fd, const struct msghdr *m, int flags)
{
	return syscall(SYS_sendmsg, fd, m, flags);
}

static int
sys_epoll_wait(int fd, struct epoll_event *events, int n, int timeout_ms)
{
	return (int)syscall(SYS_epoll_pwait, fd, events, n, timeout_ms, NULL, 0);
}

// conn.engine
enum {
	EP_READABLE = 1u << 0, // an edge came and no short receive since
	EP_WRITABLE = 1u << 1, // no short send since the last edge
	EP_HUP = 1u << 2,      // the peer's end is in the queue: a short receive is not the last
};

struct epoll_state {
	int fd;
	struct epoll_event events[EVENTS_PER_WAIT];
};

static int
epoll_fd(struct loop *l)
{
	return ((struct epoll_state *)l->state)->fd;
}

static void
add_fd(struct loop *l, int fd, uint32_t events, void *object, enum tag tag)
{
	struct epoll_event e = {.events = events, .data.u64 = (uint64_t)(uintptr_t)object | tag};
	int r = epoll_ctl(epoll_fd(l), EPOLL_CTL_ADD, fd, &e);
	// ENOMEM and ENOSPC are the only ones that a correct caller can meet.
	if (UNLIKELY(r != 0))
		panic_oom(sizeof(e));
}

static void
del_fd(struct loop *l, int fd)
{
	int r = epoll_ctl(epoll_fd(l), EPOLL_CTL_DEL, fd, NULL);
	ASSERT(r == 0);
}

static bool
ep_init(struct loop *l, const struct net_config *cfg, struct err *err)
{
	struct epoll_state *st;
	(void)cfg; // nothing in it concerns this engine
	int fd = epoll_create1(EPOLL_CLOEXEC);
	if (fd < 0)
		return err_set(err, "epoll_create1: %s", strerror(errno));
	st = MEM_NEW(struct epoll_state);
	st->fd = fd;
	l->state = st;
	return true;
}

static void
ep_fini(struct loop *l)
{
	(void)close(epoll_fd(l)); // holds nothing that could be lost
	mem_free(l->state);
	l->state = NULL;
}

static void
register_conn(struct conn *c)
{
	add_fd(c->loop, c->fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, c, TAG_NONE);
}

static void
ep_open(struct conn *c)
{
	c->engine = EP_WRITABLE;
	register_conn(c);
}

static void
ep_connect(struct conn *c, const struct addr *to)
{
	c->engine = 0;
	if (connect(c->fd, &to->sa, to->len) == 0) {
		c->engine = EP_WRITABLE;
		conn_post(c, CONN_P_CONNECTED);
	} else if (errno != EINPROGRESS) {
		conn_fail_connect(c, errno);
		return;
	}
	register_conn(c);
}

static void
received(struct conn *c, size_t room, ssize_t n)
{
	c->in_end += (uint32_t)n;
	if ((size_t)n < room && (c->engine & EP_HUP) == 0)
		c->engine &= ~(uint32_t)EP_READABLE;
	c->flags |= CONN_P_RECV;
	stat_add(&c->loop->stats.recvs, 1);
	stat_add(&c->loop->stats.recv_bytes, (uint64_t)n);
}

// The caller delivers.
static void
do_recv(struct conn *c)
{
	bool lent = c->in == NULL;
	ssize_t n;
	if (lent && !conn_lend(c)) {
		conn_fail_recv(c, reason_get(REASON_NO_MEMORY));
		return;
	}
	size_t room = conn_room(c);
	do {
		n = sys_recv(c->fd, c->in->data + c->in_end, room, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (LIKELY(n > 0)) {
		received(c, room, n);
		return;
	}
	int err = n < 0 ? errno : 0;
	if (lent)
		rbuf_unref(&c->in);
	if (n < 0 && err == EAGAIN) {
		c->engine &= ~(uint32_t)EP_READABLE;
	} else if (n < 0) {
		conn_fail_recv(c, reason_of_recv(err));
	} else {
		c->why = reason_get(REASON_PEER_CLOSED);
		c->flags |= CONN_F_EOF | CONN_P_EOF;
	}
}

static bool
wants_recv(const struct conn *c)
{
	return (c->flags & (CONN_F_RECV | CONN_P_RECV | CONN_P_EOF | CONN_P_ERROR)) == CONN_F_RECV;
}

static void
ep_recv(struct conn *c)
{
	if ((c->engine & EP_READABLE) != 0)
		conn_post(c, 0);
}

// One system call: what is left of a buffer sent in part goes alone, so that the owner's array
// is never changed or copied.
static ssize_t
send_some(struct conn *c, size_t *want)
{
	int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
	flags |= (c->flags & CONN_F_MORE) != 0 ? MSG_MORE : 0;
	if (c->out_n == 1 || c->out_at > 0) {
		*want = c->out->iov_len - c->out_at;
		flags |= c->out_n > 1 ? MSG_MORE : 0;
		return sys_send(c->fd, (const char *)c->out->iov_base + c->out_at, *want, flags);
	}
	// The kernel does not write through msg_iov.
	struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)c->out, .msg_iovlen = c->out_n};
	*want = 0;
	for (unsigned i = 0; i < c->out_n; i++)
		*want += c->out[i].iov_len;
	return sys_sendmsg(c->fd, &m, flags);
}

static bool
wants_send(const struct conn *c)
{
	return (c->flags & (CONN_F_SEND | CONN_P_SENT | CONN_P_SEND_FAILED)) == CONN_F_SEND;
}

// Sends what the kernel takes, until that is all of it or a short send says that it is full.
static void
do_send(struct conn *c)
{
	while ((c->engine & EP_WRITABLE) != 0) {
		size_t want;
		ssize_t n = send_some(c, &want);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN) {
			conn_fail_send(c, reason_of_send(errno));
			return;
		}
		if (n < 0 || (size_t)n < want)
			c->engine &= ~(uint32_t)EP_WRITABLE;
		if (n <= 0)
			continue;
		stat_add(&c->loop->stats.send_bytes, (uint64_t)n);
		if (conn_advance(c, (size_t)n)) {
			stat_add(&c->loop->stats.sends, 1);
			c->flags |= CONN_P_SENT;
			return;
		}
	}
}

static void
ep_send(struct conn *c)
{
	if ((c->engine & EP_WRITABLE) != 0)
		conn_post(c, 0);
}

static void
ep_ready(struct conn *c)
{
	if (wants_send(c))
		do_send(c);
	if (wants_recv(c) && (c->engine & EP_READABLE) != 0)
		do_recv(c);
}

static void
ep_close(struct conn *c)
{
	conn_gone(c); // closing the fd takes it out of the set
}

static void
connect_done(struct conn *c, uint32_t events)
{
	int err = 0;
	socklen_t n = sizeof(err);
	if ((events & (EPOLLERR | EPOLLHUP)) != 0 &&
	    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &n) != 0)
		err = errno;
	if (err != 0)
		conn_fail_connect(c, err);
	else
		c->flags |= CONN_P_CONNECTED;
}

static void
conn_event(struct conn *c, uint32_t events)
{
	uint32_t f = c->flags;
	if (UNLIKELY((f & CONN_F_CLOSING) != 0))
		return;
	if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
		c->engine |= EP_READABLE;
	if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
		c->engine |= EP_HUP;
	if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) {
		c->engine |= EP_WRITABLE;
		if ((f & (CONN_F_CONNECT | CONN_P_CONNECTED | CONN_P_ERROR)) == CONN_F_CONNECT)
			connect_done(c, events);
		if (wants_send(c))
			do_send(c);
	}
	if (wants_recv(c) && (c->engine & EP_READABLE) != 0)
		do_recv(c);
	conn_deliver(c);
}

static void
ep_watch(struct watch *w)
{
	add_fd(w->loop, w->fd, EPOLLIN | EPOLLET, w, TAG_WATCH);
}

static void
ep_unwatch(struct watch *w)
{
	del_fd(w->loop, w->fd);
	watch_gone(w);
}

static void
ep_accept_on(struct acceptor *a)
{
	if (a->on)
		return;
	a->on = true;
	// The flag belongs to the open file, so a process that shares the socket sees it as well;
	// every engine can live with it.
	int flags = fcntl(a->fd, F_GETFL);
	if (flags >= 0 && (flags & O_NONBLOCK) == 0)
		(void)fcntl(a->fd, F_SETFL, flags | O_NONBLOCK); // cannot fail for a socket
	// Exclusive: a socket that several workers share wakes one of them, not all.
	add_fd(a->loop, a->fd, EPOLLIN | EPOLLEXCLUSIVE, a, TAG_ACCEPT);
}

static void
ep_accept_off(struct acceptor *a)
{
	if (a->on)
		del_fd(a->loop, a->fd);
	a->on = false;
	if (a->stopping)
		acceptor_gone(a);
}

static void
dispatch(const struct epoll_event *e)
{
	void *object = (void *)(uintptr_t)(e->data.u64 & ~(uint64_t)TAG_MASK);
	switch ((enum tag)(e->data.u64 & TAG_MASK)) {
	case TAG_WATCH: {
		struct watch *w = object;
		if (w->state == WATCH_ON)
			w->fn(w);
		break;
	}
	case TAG_ACCEPT:
		acceptor_drain(object);
		break;
	default:
		conn_event(object, e->events);
	}
}

static int
wait_ms(uint64_t wait_ns)
{
	if (wait_ns == UINT64_MAX)
		return -1;
	uint64_t ms = wait_ns / NS_PER_MS + (wait_ns % NS_PER_MS != 0);
	return (int)MIN(ms, (uint64_t)INT32_MAX);
}

static void
ep_wait(struct loop *l, uint64_t wait_ns)
{
	struct epoll_state *st = l->state;
	int n = sys_epoll_wait(st->fd, st->events, EVENTS_PER_WAIT, wait_ms(wait_ns));
	ASSERT(n >= 0 || errno == EINTR);
	loop_woken(l);
	stat_add(&l->stats.enters, 1);
	// Closed conns, watches and acceptors are freed in a later turn, so every pointer of this
	// batch is alive.
	for (int i = 0; i < n; i++)
		dispatch(&st->events[i]);
}

const struct loop_engine loop_epoll = {
    .kind = NET_ENGINE_EPOLL,
    .socket_flags = SOCK_NONBLOCK,
    .init = ep_init,
    .fini = ep_fini,
    .wait = ep_wait,
    .open = ep_open,
    .connect = ep_connect,
    .recv = ep_recv,
    .send = ep_send,
    .close = ep_close,
    .ready = ep_ready,
    .watch = ep_watch,
    .unwatch = ep_unwatch,
    .accept_on = ep_accept_on,
    .accept_off = ep_accept_off,
};
