// SPDX-License-Identifier: MIT
// The io_uring engine. One ring per loop, made on its thread (single issuer, deferred task
// running), restricted to the operations used here before it is enabled; one io_uring_enter a turn.
//
// Receives on a conn without a buffer are multishot and take theirs from a ring of provided
// buffers, which are rbufs and change hands whole; a replacement goes into the ring at once. What
// arrives before the owner asks waits in conn.backlog; a backlog that grows means a bulk transfer:
// the multishot is called back and the conn goes on one receive at a time, so that the peer feels
// the owner's pace. Receives behind unread bytes are single and go to the buffer's free tail. A
// body in full flow is polled for, and moved by plain calls: see recv_now.
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <stdio.h>
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

#define DEFAULT_SQ   1024u
#define DEFAULT_BUFS 256u
#define CQ_PER_SQ    4u
#define BUF_GROUP    0
// Buffers that may wait unasked before a multishot is called back.
#define BACKLOG_MOST 2
// A turn with so many receives was a busy one: the next may gather.
#define GATHER_FROM 8
// Longer sends may find the socket full and take their time.
#define SHORT_SEND 4096

// Linux 6.12, younger than liburing 2.3: a first deadline for all completions that are waited for,
// behind which any one will do.
#define FEAT_MIN_TIMEOUT (1u << 15)
struct getevents_arg {
	uint64_t sigmask;
	uint32_t sigmask_n;
	uint32_t min_wait_us;
	uint64_t timeout;
};
_Static_assert(sizeof(struct getevents_arg) == sizeof(struct io_uring_getevents_arg), "the same");

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

// Lives from the preparation of its submission to the system call that submits it.
union scratch {
	struct msghdr msg;
	struct addr addr;
};

struct uring_state {
	struct io_uring ring;
	struct io_uring_buf_ring *bufs;
	uint32_t n_bufs;
	int n_added;            // to be shown to the kernel at the next enter
	uint32_t n_absent;      // of the ring's buffers, for want of memory
	uint32_t gather_us;     // 0: one completion ends a wait
	uint32_t n_short_sends; // prepared since the last enter
	uint32_t n_recvs;       // completions of the last turn that were no sends
	struct rbuf **lent;     // by buffer id; NULL: absent
	union scratch *scratch; // by place in the submission queue
};

static struct uring_state *
state_of(const struct loop *l)
{
	return l->state;
}

// Set-up

// liburing 2.3 declares functions for these two but its shared library lacks them.
static bool
ring_register(struct io_uring *ring, unsigned op, void *arg, unsigned n)
{
	return syscall(__NR_io_uring_register, ring->ring_fd, op, arg, n) == 0;
}

static bool
restrict_ring(struct io_uring *ring, struct err *err)
{
	static const uint8_t ops[] = {
	    IORING_OP_RECV,   IORING_OP_SEND,     IORING_OP_SENDMSG,      IORING_OP_CONNECT,
	    IORING_OP_ACCEPT, IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL,
	};
	struct io_uring_restriction rows[ARRAY_LEN(ops) + 1] = {0};
	for (unsigned i = 0; i < ARRAY_LEN(ops); i++) {
		rows[i].opcode = IORING_RESTRICTION_SQE_OP;
		rows[i].sqe_op = ops[i];
	}
	rows[ARRAY_LEN(ops)].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
	rows[ARRAY_LEN(ops)].sqe_flags = IOSQE_BUFFER_SELECT | IOSQE_CQE_SKIP_SUCCESS;
	if (ring_register(ring, IORING_REGISTER_RESTRICTIONS, rows, ARRAY_LEN(rows)))
		return true;
	return err_set(err, "io_uring restrictions: %s", strerror(errno));
}

static bool
open_ring(struct uring_state *st, unsigned sq, struct err *err)
{
	struct io_uring_params p = {
	    .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
		     IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE |
		     IORING_SETUP_R_DISABLED,
	    .cq_entries = sq * CQ_PER_SQ,
	};
	int r = io_uring_queue_init_params(sq, &st->ring, &p);
	if (r != 0)
		return err_set(err, "io_uring_setup: %s", strerror(-r));
	// Saves a descriptor look-up in each enter; the engine works without it.
	(void)io_uring_register_ring_fd(&st->ring);
	struct io_uring_buf_reg reg = {
	    .ring_addr = (uint64_t)(uintptr_t)st->bufs,
	    .ring_entries = st->n_bufs,
	    .bgid = BUF_GROUP,
	};
	r = io_uring_register_buf_ring(&st->ring, &reg, 0);
	if (r != 0) {
		err_set(err, "io_uring buffer ring: %s", strerror(-r));
		goto out;
	}
	if (!restrict_ring(&st->ring, err))
		goto out;
	if (ring_register(&st->ring, IORING_REGISTER_ENABLE_RINGS, NULL, 0))
		return true;
	err_set(err, "io_uring enable: %s", strerror(errno));
out:
	io_uring_queue_exit(&st->ring);
	return false;
}

static void
make_buf_ring(struct uring_state *st, uint32_t n_bufs)
{
	st->n_bufs = n_bufs;
	st->bufs = mem_aligned(4096, n_bufs * sizeof(struct io_uring_buf));
	io_uring_buf_ring_init(st->bufs);
}

bool
net_uring_usable(char *why, size_t n)
{
	struct uring_state st = {0};
	struct err err;
	make_buf_ring(&st, 8);
	bool good = open_ring(&st, 8, &err);
	if (good)
		io_uring_queue_exit(&st.ring);
	else
		(void)snprintf(why, n, "%s", err.text);
	mem_free(st.bufs);
	return good;
}

static void
lend_buf(struct loop *l, uint32_t id)
{
	struct uring_state *st = state_of(l);
	struct rbuf *b = rbuf_new(&l->rbufs);
	st->lent[id] = b;
	if (b == NULL) {
		st->n_absent++;
		return;
	}
	io_uring_buf_ring_add(st->bufs, b->data, b->cap, (unsigned short)id,
			      io_uring_buf_ring_mask(st->n_bufs), st->n_added++);
}

static bool
ur_init(struct loop *l, const struct net_config *cfg, struct err *err)
{
	unsigned sq = cfg->sq_entries != 0 ? cfg->sq_entries : DEFAULT_SQ;
	uint32_t n_bufs = cfg->lent_bufs != 0 ? cfg->lent_bufs : DEFAULT_BUFS;
	if ((n_bufs & (n_bufs - 1)) != 0 || n_bufs > 32768)
		return err_set(err, "%u lent buffers: not a power of two up to 32768", n_bufs);
	struct uring_state *st = MEM_NEW(struct uring_state);
	make_buf_ring(st, n_bufs);
	if (!open_ring(st, sq, err)) {
		mem_free(st->bufs);
		mem_free(st);
		return false;
	}
	l->state = st;
	if ((st->ring.features & FEAT_MIN_TIMEOUT) != 0 &&
	    st->ring.enter_ring_fd != st->ring.ring_fd)
		st->gather_us = (uint32_t)(cfg->gather_ns / 1000);
	st->scratch = mem_zalloc(st->ring.sq.ring_entries * sizeof(*st->scratch));
	st->lent = mem_zalloc(n_bufs * sizeof(struct rbuf *));
	for (uint32_t i = 0; i < n_bufs; i++)
		lend_buf(l, i);
	return true;
}

static void
ur_fini(struct loop *l)
{
	struct uring_state *st = state_of(l);
	io_uring_queue_exit(&st->ring);
	for (uint32_t i = 0; i < st->n_bufs; i++)
		rbuf_unref(&st->lent[i]);
	mem_free(st->lent);
	mem_free(st->scratch);
	mem_free(st->bufs);
	mem_free(st);
	l->state = NULL;
}

// Submissions

static struct io_uring_sqe *
get_sqe(struct loop *l)
{
	struct io_uring *ring = &state_of(l)->ring;
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	while (UNLIKELY(sqe == NULL)) {
		int r = io_uring_submit(ring);
		ASSERT(r >= 0 || r == -EINTR || r == -EAGAIN || r == -EBUSY);
		stat_add(&l->stats.enters, 1);
		sqe = io_uring_get_sqe(ring);
	}
	return sqe;
}

static union scratch *
scratch_of(struct loop *l, const struct io_uring_sqe *sqe)
{
	struct uring_state *st = state_of(l);
	return &st->scratch[sqe - st->ring.sq.sqes];
}

static void
tag_sqe(struct io_uring_sqe *sqe, void *object, enum tag tag)
{
	io_uring_sqe_set_data64(sqe, (uint64_t)(uintptr_t)object | tag);
}

static void
cancel(struct loop *l, void *object, enum tag tag)
{
	struct io_uring_sqe *sqe = get_sqe(l);
	io_uring_prep_cancel64(sqe, (uint64_t)(uintptr_t)object | tag, 0);
	io_uring_sqe_set_flags(sqe, IOSQE_CQE_SKIP_SUCCESS);
	tag_sqe(sqe, NULL, TAG_NONE);
}

// A body in full flow is received and sent on one connection at a time, while its bytes are in the
// cache: receives of a whole turn completed together had pushed each other's out before they were
// sent. The ring tells only that there are bytes.
static void
arm_poll(struct conn *c)
{
	struct io_uring_sqe *sqe = get_sqe(c->loop);
	io_uring_prep_poll_add(sqe, c->fd, POLLIN | POLLRDHUP);
	tag_sqe(sqe, c, TAG_RECV);
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
	struct io_uring_sqe *sqe = get_sqe(c->loop);
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
		sqe->buf_group = BUF_GROUP;
	}
	if ((c->engine & UR_HAS) == 0)
		sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
	tag_sqe(sqe, c, TAG_RECV);
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
	cancel(c->loop, c, TAG_RECV);
}

static void
ur_recv(struct conn *c)
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
static void
ur_send(struct conn *c)
{
	if (send_now(c))
		return;
	struct io_uring_sqe *sqe = get_sqe(c->loop);
	int flags = MSG_NOSIGNAL | MSG_WAITALL;
	if (c->out->iov_len <= SHORT_SEND && c->out[c->out_n - 1].iov_len <= SHORT_SEND)
		state_of(c->loop)->n_short_sends++;
	flags |= (c->flags & CONN_F_MORE) != 0 ? MSG_MORE : 0;
	if (c->out_n == 1 || c->out_at > 0) {
		flags |= c->out_n > 1 ? MSG_MORE : 0;
		io_uring_prep_send(sqe, c->fd, (const char *)c->out->iov_base + c->out_at,
				   c->out->iov_len - c->out_at, flags);
	} else {
		struct msghdr *m = &scratch_of(c->loop, sqe)->msg;
		// The kernel does not write through msg_iov.
		*m = (struct msghdr){.msg_iov = (struct iovec *)(uintptr_t)c->out,
				     .msg_iovlen = c->out_n};
		io_uring_prep_sendmsg(sqe, c->fd, m, (unsigned)flags);
	}
	tag_sqe(sqe, c, TAG_SEND);
	c->n_ops++;
}

static void
ur_open(struct conn *c)
{
	c->engine = UR_HAS; // a fresh connection usually brings its request along
}

static void
ur_connect(struct conn *c, const struct addr *to)
{
	struct io_uring_sqe *sqe = get_sqe(c->loop);
	struct addr *a = &scratch_of(c->loop, sqe)->addr;
	*a = *to;
	c->engine = 0;
	io_uring_prep_connect(sqe, c->fd, &a->sa, a->len);
	tag_sqe(sqe, c, TAG_CONNECT);
	c->n_ops++;
}

static void
ur_close(struct conn *c)
{
	if (c->n_ops == 0) {
		conn_gone(c);
		return;
	}
	struct io_uring_sqe *sqe = get_sqe(c->loop);
	io_uring_prep_cancel_fd(sqe, c->fd, IORING_ASYNC_CANCEL_ALL);
	tag_sqe(sqe, NULL, TAG_NONE);
}

// Completions

static struct rbuf *
take_lent(struct loop *l, uint32_t cqe_flags)
{
	uint32_t id = cqe_flags >> IORING_CQE_BUFFER_SHIFT;
	struct rbuf *b = state_of(l)->lent[id];
	ASSERT(b != NULL);
	lend_buf(l, id);
	return b;
}

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

static void
ur_ready(struct conn *c)
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
		// More arrived in one turn than buffers lay ready: they have been replaced
		// meanwhile.
		stat_add(&c->loop->stats.no_bufs, 1);
		again = st->n_absent < st->n_bufs;
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

static void
recv_done(struct conn *c, const struct io_uring_cqe *cqe)
{
	struct rbuf *b = NULL;
	bool polled = (c->engine & UR_POLL) != 0;
	if ((cqe->flags & IORING_CQE_F_MORE) == 0) {
		c->engine &= ~(uint32_t)(UR_RECV | UR_MULTI | UR_CANCEL | UR_POLL);
		c->n_ops--;
	}
	if ((cqe->flags & IORING_CQE_F_BUFFER) != 0)
		b = take_lent(c->loop, cqe->flags);
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

static void
send_done(struct conn *c, int res)
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
		ur_send(c);
	}
	conn_deliver(c);
}

static void
connect_done(struct conn *c, int res)
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

// Watches and acceptors

static void
ur_watch(struct watch *w)
{
	struct io_uring_sqe *sqe = get_sqe(w->loop);
	io_uring_prep_poll_multishot(sqe, w->fd, POLLIN);
	tag_sqe(sqe, w, TAG_WATCH);
	w->in_kernel = true;
}

static void
ur_unwatch(struct watch *w)
{
	if (w->in_kernel)
		cancel(w->loop, w, TAG_WATCH);
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
		ur_watch(w);
}

static void
ur_accept_on(struct acceptor *a)
{
	if (a->on)
		return;
	struct io_uring_sqe *sqe = get_sqe(a->loop);
	int flags = fcntl(a->fd, F_GETFL);
	a->polls = flags >= 0 && (flags & O_NONBLOCK) != 0;
	if (a->polls)
		io_uring_prep_poll_add(sqe, a->fd, POLLIN);
	else
		io_uring_prep_multishot_accept(sqe, a->fd, NULL, NULL, SOCK_CLOEXEC);
	tag_sqe(sqe, a, TAG_ACCEPT);
	a->on = true;
}

static void
ur_accept_off(struct acceptor *a)
{
	if (a->on && !a->cancelling) {
		a->cancelling = true;
		cancel(a->loop, a, TAG_ACCEPT);
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
		ur_accept_off(a);
	else if (acceptor_wants(a))
		ur_accept_on(a);
}

static void
dispatch(const struct io_uring_cqe *cqe)
{
	void *object = (void *)(uintptr_t)(cqe->user_data & ~(uint64_t)TAG_MASK);
	switch ((enum tag)(cqe->user_data & TAG_MASK)) {
	case TAG_RECV:
		recv_done(object, cqe);
		break;
	case TAG_SEND:
		send_done(object, cqe->res);
		break;
	case TAG_CONNECT:
		connect_done(object, cqe->res);
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

static void
lend_absent(struct loop *l)
{
	struct uring_state *st = state_of(l);
	uint32_t n = st->n_absent;
	for (uint32_t i = 0; i < st->n_bufs && n > 0; i++) {
		if (st->lent[i] != NULL)
			continue;
		st->n_absent--;
		n--;
		lend_buf(l, i);
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
ur_wait(struct loop *l, uint64_t wait_ns)
{
	struct uring_state *st = state_of(l);
	struct io_uring_cqe *cqe;
	unsigned head, n = 0, n_sends = 0;

	if (UNLIKELY(st->n_absent > 0))
		lend_absent(l);
	if (st->n_added > 0)
		io_uring_buf_ring_advance(st->bufs, st->n_added);
	st->n_added = 0;
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
    .init = ur_init,
    .fini = ur_fini,
    .wait = ur_wait,
    .open = ur_open,
    .connect = ur_connect,
    .recv = ur_recv,
    .send = ur_send,
    .close = ur_close,
    .ready = ur_ready,
    .watch = ur_watch,
    .unwatch = ur_unwatch,
    .accept_on = ur_accept_on,
    .accept_off = ur_accept_off,
};
