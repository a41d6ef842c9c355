// SPDX-License-Identifier: MIT
// Conns on io_uring. Receives on a conn without a buffer are multishot and take theirs from the
// ring of provided buffers. What arrives before the owner asks waits in conn.backlog; a backlog
// that grows means a bulk transfer: the multishot is called back and the conn goes on one receive
// at a time, so that the peer feels the owner's pace. Receives behind unread bytes are single and
// go to the buffer's free tail. A body in full flow is polled for, and moved by plain calls: see
// recv_now.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "net/reason.h"
#include "net/uring_priv.h"

// Buffers that may wait unasked before a multishot is called back.
#define BACKLOG_MOST 2
// Longer sends may find the socket full and take their time.
#define SHORT_SEND 4096

// conn.engine
enum {
	UR_RECV = 1u << 0,   // a receive is in the kernel
	UR_MULTI = 1u << 1,  // it is multishot
	UR_CANCEL = 1u << 2, // it has been called back
	UR_HAS = 1u << 3,    // the socket held more bytes after the last receive
	UR_BULK = 1u << 4,   // one receive at a time
	UR_FIXED = 1u << 5,  // O_NONBLOCK was taken off
	UR_POLL = 1u << 6,   // what is in the kernel is a poll: the receive follows by itself
};

// A body in full flow is received and sent on one connection at a time, while its bytes are in the
// cache: receives of a whole turn completed together had pushed each other's out before they were
// sent. The ring tells only that there are bytes.
static void
arm_poll(struct conn *c)
{
	struct io_uring_sqe *sqe = uring_sqe(c->loop);
	io_uring_prep_poll_add(sqe, c->fd, POLLIN | POLLRDHUP);
	uring_tag(sqe, c, TAG_RECV);
	c->engine |= UR_RECV | UR_POLL;
	c->n_ops++;
}

// One piece of such a body, if the socket has it.
static void
recv_now(struct conn *c)
{
	if (c->in == NULL && !conn_lend(c)) {
		conn_fail_recv(c, reason_of_recv(ENOMEM));
		return;
	}
	uint32_t room = conn_room(c);
	ssize_t n = recv(c->fd, c->in->data + c->in_end, room, MSG_DONTWAIT);
	if (n > 0) {
		stat_add(&c->loop->stats.recvs, 1);
		stat_add(&c->loop->stats.recv_bytes, (uint64_t)n);
		c->in_end += (uint32_t)n;
		c->engine &= ~(uint32_t)UR_HAS;
		c->engine |= (uint32_t)n == room ? UR_HAS : 0;
		c->flags |= CONN_P_RECV;
		return;
	}
	if (conn_unread(c) == 0)
		rbuf_unref(&c->in);
	if (n == 0) {
		c->why = reason_get(REASON_PEER_CLOSED);
		c->flags |= CONN_F_EOF | CONN_P_EOF;
	} else if (errno == EAGAIN || errno == EINTR) {
		arm_poll(c);
	} else {
		conn_fail_recv(c, reason_of_recv(errno));
	}
}

static void
arm_recv(struct conn *c)
{
	if ((c->flags & CONN_F_BULK) != 0) {
		if ((c->engine & UR_HAS) != 0)
			conn_post(c, 0);
		else
			arm_poll(c);
		return;
	}
	struct io_uring_sqe *sqe = uring_sqe(c->loop);
	if (c->in != NULL) {
		io_uring_prep_recv(sqe, c->fd, c->in->data + c->in_end, conn_room(c), 0);
	} else {
		if ((c->engine & UR_BULK) != 0) {
			io_uring_prep_recv(sqe, c->fd, NULL, 0, 0);
		} else {
			io_uring_prep_recv_multishot(sqe, c->fd, NULL, 0, 0);
			c->engine |= UR_MULTI;
		}
		io_uring_sqe_set_flags(sqe, IOSQE_BUFFER_SELECT);
		sqe->buf_group = URING_BUF_GROUP;
	}
	if ((c->engine & UR_HAS) == 0)
		sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
	uring_tag(sqe, c, TAG_RECV);
	c->engine |= UR_RECV;
	c->n_ops++;
}

// Bytes come in bulk: one receive at a time from here on.
static void
call_back_multishot(struct conn *c)
{
	if ((c->engine & (UR_MULTI | UR_CANCEL)) != UR_MULTI)
		return;
	c->engine |= UR_CANCEL | UR_BULK;
	uring_cancel(c->loop, c, TAG_RECV);
}

void
uring_recv(struct conn *c)
{
	if (c->backlog != NULL)
		conn_post(c, 0);
	else if ((c->engine & UR_RECV) == 0)
		arm_recv(c);
	else if (UNLIKELY((c->flags & CONN_F_BULK) != 0))
		call_back_multishot(c);
}

// What was received by recv_now goes at once while its bytes are warm; true when the socket took
// all of it.
static bool
send_now(struct conn *c)
{
	if (c->out_n != 1 || c->out_at > 0 || c->out->iov_len <= c->loop->rbufs.cap)
		return false;
	int flags = MSG_NOSIGNAL | MSG_DONTWAIT | ((c->flags & CONN_F_MORE) != 0 ? MSG_MORE : 0);
	ssize_t n = send(c->fd, c->out->iov_base, c->out->iov_len, flags);
	if (n <= 0)
		return false;
	stat_add(&c->loop->stats.send_bytes, (uint64_t)n);
	if (!conn_advance(c, (size_t)n))
		return false;
	stat_add(&c->loop->stats.sends, 1);
	conn_post(c, CONN_P_SENT);
	return true;
}

// What is left of a buffer sent in part goes alone, so that the owner's array is never changed.
void
uring_send(struct conn *c)
{
	if (send_now(c))
		return;
	struct io_uring_sqe *sqe = uring_sqe(c->loop);
	int flags = MSG_NOSIGNAL | MSG_WAITALL;
	if (c->out->iov_len <= SHORT_SEND && c->out[c->out_n - 1].iov_len <= SHORT_SEND)
		state_of(c->loop)->n_short_sends++;
	flags |= (c->flags & CONN_F_MORE) != 0 ? MSG_MORE : 0;
	if (c->out_n == 1 || c->out_at > 0) {
		flags |= c->out_n > 1 ? MSG_MORE : 0;
		io_uring_prep_send(sqe, c->fd, (const char *)c->out->iov_base + c->out_at,
				   c->out->iov_len - c->out_at, flags);
	} else {
		struct msghdr *m = &uring_scratch(c->loop, sqe)->msg;
		// The kernel does not write through msg_iov.
		*m = (struct msghdr){.msg_iov = (struct iovec *)(uintptr_t)c->out,
				     .msg_iovlen = c->out_n};
		io_uring_prep_sendmsg(sqe, c->fd, m, (unsigned)flags);
	}
	uring_tag(sqe, c, TAG_SEND);
	c->n_ops++;
}

void
uring_open(struct conn *c)
{
	c->engine = UR_HAS; // a fresh connection usually brings its request along
}

void
uring_connect(struct conn *c, const struct addr *to)
{
	struct io_uring_sqe *sqe = uring_sqe(c->loop);
	struct addr *a = &uring_scratch(c->loop, sqe)->addr;
	*a = *to;
	c->engine = 0;
	io_uring_prep_connect(sqe, c->fd, &a->sa, a->len);
	uring_tag(sqe, c, TAG_CONNECT);
	c->n_ops++;
}

void
uring_close(struct conn *c)
{
	if (c->n_ops == 0) {
		conn_gone(c);
		return;
	}
	struct io_uring_sqe *sqe = uring_sqe(c->loop);
	io_uring_prep_cancel_fd(sqe, c->fd, IORING_ASYNC_CANCEL_ALL);
	uring_tag(sqe, NULL, TAG_NONE);
}

// Completions

static bool
wants_recv(const struct conn *c)
{
	return (c->flags & (CONN_F_RECV | CONN_P_RECV | CONN_P_EOF | CONN_P_ERROR)) == CONN_F_RECV;
}

// Hands the oldest waiting bytes to the owner, who asked for them; the caller delivers.
static void
feed(struct conn *c)
{
	struct rbuf *b = c->backlog;
	if (c->in == NULL) {
		c->backlog = b->next;
		b->next = NULL;
		c->in = b;
		c->in_at = b->at;
		c->in_end = b->end;
	} else {
		uint32_t n = MIN(b->end - b->at, conn_room(c));
		memcpy(c->in->data + c->in_end, b->data + b->at, n);
		c->in_end += n;
		b->at += n;
		if (b->at == b->end) {
			c->backlog = b->next;
			rbuf_unref(&b);
		}
	}
	c->flags |= CONN_P_RECV;
}

void
uring_ready(struct conn *c)
{
	if (!wants_recv(c))
		return;
	if (c->backlog != NULL)
		feed(c);
	else if ((c->flags & CONN_F_BULK) != 0 && (c->engine & UR_RECV) == 0)
		recv_now(c);
}

static void
keep_in_backlog(struct conn *c, struct rbuf *b)
{
	unsigned n = 1;
	struct rbuf **at = &c->backlog;
	for (; *at != NULL; at = &(*at)->next)
		n++;
	*at = b;
	if (n >= BACKLOG_MOST)
		call_back_multishot(c);
}

static void
received(struct conn *c, struct rbuf *b, uint32_t n, uint32_t cqe_flags)
{
	stat_add(&c->loop->stats.recvs, 1);
	stat_add(&c->loop->stats.recv_bytes, n);
	c->engine &= ~(uint32_t)UR_HAS;
	if ((cqe_flags & IORING_CQE_F_SOCK_NONEMPTY) != 0)
		c->engine |= UR_HAS;
	else if (b != NULL && n < b->cap)
		c->engine &= ~(uint32_t)UR_BULK; // drained: the next bytes may be a while
	if (b == NULL) {                         // went to the tail of c->in
		c->in_end += n;
		c->flags |= CONN_P_RECV;
		return;
	}
	b->at = 0;
	b->end = n;
	if (LIKELY(wants_recv(c) && c->backlog == NULL && c->in == NULL)) {
		c->in = b;
		c->in_at = 0;
		c->in_end = n;
		c->flags |= CONN_P_RECV;
		return;
	}
	keep_in_backlog(c, b);
	if (wants_recv(c))
		feed(c);
}

// A socket in non-blocking mode fails instead of waiting; the mode is taken off once.
static bool
make_blocking(struct conn *c)
{
	int flags = fcntl(c->fd, F_GETFL);
	if ((c->engine & UR_FIXED) != 0 || flags < 0)
		return false;
	c->engine |= UR_FIXED;
	return fcntl(c->fd, F_SETFL, flags & ~O_NONBLOCK) == 0;
}

static void
recv_failed(struct conn *c, int err)
{
	struct uring_state *st = state_of(c->loop);
	bool again = err == ECANCELED || err == EINTR;
	if (err == ENOBUFS) {
		// More arrived in one turn than buffers lay ready: they are replaced, and more
		// will be there.
		stat_add(&c->loop->stats.no_bufs, 1);
		st->starved = true;
		again = st->n_absent < st->n_wanted;
		c->engine |= UR_HAS;
	} else if (err == EAGAIN) {
		again = make_blocking(c);
	}
	if (!again)
		conn_fail_recv(c, reason_of_recv(err));
	else if (wants_recv(c) && c->backlog == NULL && (c->engine & UR_RECV) == 0)
		arm_recv(c);
}

// True when the conn is closing, and then takes it a step nearer to its end.
static bool
closing(struct conn *c)
{
	if (LIKELY((c->flags & CONN_F_CLOSING) == 0))
		return false;
	if (c->n_ops == 0)
		conn_gone(c);
	return true;
}

void
uring_recv_done(struct conn *c, const struct io_uring_cqe *cqe)
{
	struct rbuf *b = NULL;
	bool polled = (c->engine & UR_POLL) != 0;
	if ((cqe->flags & IORING_CQE_F_MORE) == 0) {
		c->engine &= ~(uint32_t)(UR_RECV | UR_MULTI | UR_CANCEL | UR_POLL);
		c->n_ops--;
	}
	if ((cqe->flags & IORING_CQE_F_BUFFER) != 0)
		b = uring_take_lent(c->loop, cqe->flags);
	if (b != NULL && (cqe->res <= 0 || (c->flags & CONN_F_CLOSING) != 0))
		rbuf_unref(&b);
	if (closing(c))
		return;
	if (polled && cqe->res > 0) {
		if (wants_recv(c) && c->backlog == NULL)
			recv_now(c);
	} else if (cqe->res > 0) {
		received(c, b, (uint32_t)cqe->res, cqe->flags);
	} else if (cqe->res < 0) {
		recv_failed(c, -cqe->res);
	} else {
		c->why = reason_get(REASON_PEER_CLOSED);
		c->flags |= CONN_F_EOF;
		if (wants_recv(c) && c->backlog == NULL)
			c->flags |= CONN_P_EOF;
	}
	conn_deliver(c);
}

void
uring_send_done(struct conn *c, int res)
{
	c->n_ops--;
	if (closing(c))
		return;
	if (res < 0 && res != -EINTR && (res != -EAGAIN || !make_blocking(c))) {
		conn_fail_send(c, reason_of_send(-res));
	} else if (res > 0 && conn_advance(c, (size_t)res)) {
		stat_add(&c->loop->stats.sends, 1);
		stat_add(&c->loop->stats.send_bytes, (uint64_t)res);
		c->flags |= CONN_P_SENT;
	} else {
		stat_add(&c->loop->stats.send_bytes, (uint64_t)MAX(res, 0));
		uring_send(c);
	}
	conn_deliver(c);
}

void
uring_connect_done(struct conn *c, int res)
{
	c->n_ops--;
	if (closing(c))
		return;
	if (res == 0)
		c->flags |= CONN_P_CONNECTED;
	else
		conn_fail_connect(c, -res);
	conn_deliver(c);
}
