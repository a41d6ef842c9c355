// SPDX-License-Identifier: MIT
// Connections, as far as both engines agree: starting and refusing operations, buffers, and the
// delivery of events. An event is a pending bit in conn.flags; conn_deliver turns bits into calls,
// one after the other, and stops at once when the owner closes the conn in between.
#include "net/conn.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/addr.h"
#include "net/loop_priv.h"
#include "net/reason.h"

static void
on_timer(struct timer *t)
{
	conn_post(CONTAINER_OF(t, struct conn, timer), CONN_P_TIMEOUT);
}

void
conn_init(struct conn *c, struct loop *loop, conn_event_f on_event)
{
	*c = (struct conn){.magic = CONN_MAGIC, .fd = -1, .loop = loop, .on_event = on_event};
	timer_init(&c->timer, on_timer);
}

void
conn_post(struct conn *c, uint32_t pending)
{
	struct loop *l = c->loop;
	c->flags |= pending;
	if ((c->flags & CONN_F_READY) != 0)
		return;
	c->flags |= CONN_F_READY;
	c->ready_next = NULL;
	*l->ready_tail = c;
	l->ready_tail = &c->ready_next;
}

bool
conn_lend(struct conn *c)
{
	bool bulk = (c->flags & CONN_F_BULK) != 0;
	c->in = rbuf_new(bulk ? &c->loop->bulk : &c->loop->rbufs);
	c->in_at = c->in_end = 0;
	return c->in != NULL;
}

static void
deliver_closed(struct conn *c)
{
	ASSERT((c->flags & CONN_F_READY) == 0);
	c->magic = 0;
	c->on_event(c, CONN_CLOSED, NULL);
}

void
conn_deliver(struct conn *c)
{
	static const struct {
		uint32_t ends; // the operation the event completes
		enum conn_event event;
	} rows[] = {
	    {CONN_F_CONNECT, CONN_CONNECTED},
	    {CONN_F_SEND, CONN_SENT},
	    {CONN_F_SEND, CONN_SEND_FAILED},
	    {CONN_F_RECV, CONN_RECV},
	    {CONN_F_RECV, CONN_EOF},
	    {CONN_F_RECV | CONN_F_CONNECT, CONN_ERROR},
	    {0, CONN_TIMEOUT},
	    {0, CONN_CLOSED},
	};
	uint32_t pending;
	while ((pending = c->flags & CONN_P_ALL) != 0) {
		unsigned bit = (unsigned)__builtin_ctz(pending);
		unsigned row = bit - (unsigned)__builtin_ctz(CONN_F_ENGINE);
		const struct reason *why = NULL;

		c->flags &= ~((UINT32_C(1) << bit) | rows[row].ends);
		switch (rows[row].event) {
		case CONN_CLOSED:
			if ((c->flags & CONN_F_READY) == 0)
				deliver_closed(c);
			else
				c->flags |= CONN_P_CLOSED; // from the ready list, then
			return;
		case CONN_TIMEOUT:
			why = reason_get(REASON_TIMEOUT);
			break;
		case CONN_EOF:
		case CONN_ERROR:
			why = c->why;
			break;
		case CONN_SEND_FAILED:
			why = c->send_why;
			break;
		default:
			break;
		}
		c->on_event(c, rows[row].event, why);
		if ((c->flags & CONN_F_CLOSING) != 0)
			return; // conn_close has posted, or will, whatever is left
	}
}

void
conn_open(struct conn *c, int fd)
{
	CHECK_MAGIC(c, CONN_MAGIC);
	ASSERT(c->fd < 0 && fd >= 0);
	c->fd = fd;
	c->loop->n_conns++;
	c->loop->engine->open(c);
}

static int
make_socket(const struct addr *to, const struct addr *from, int flags)
{
	int on = 1;
	int fd = socket(to->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	if (fd < 0)
		return -1;
	// Neither option is worth a refused connection.
	if (!addr_is_unix(to))
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (from == NULL || from->len == 0)
		return fd;
	// Lets ports be shared between destinations: the kernel picks one at connect.
	if (!addr_is_unix(to) && addr_port(from) == 0)
		(void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, &from->sa, from->len) == 0)
		return fd;
	int err = errno;
	(void)close(fd); // nothing was sent; the bind's error is what counts
	errno = err;
	return -1;
}

void
conn_connect(struct conn *c, const struct addr *to, const struct addr *from)
{
	CHECK_MAGIC(c, CONN_MAGIC);
	ASSERT(c->fd < 0 && (c->flags & (CONN_F_CONNECT | CONN_F_CLOSING)) == 0);
	c->flags |= CONN_F_CONNECT;
	c->loop->n_conns++;
	c->fd = make_socket(to, from, c->loop->engine->socket_flags);
	if (c->fd < 0)
		conn_fail_connect(c, errno);
	else
		c->loop->engine->connect(c, to);
}

static void
start_recv(struct conn *c, uint32_t bulk)
{
	CHECK_MAGIC(c, CONN_MAGIC);
	ASSERT((c->flags & (CONN_F_RECV | CONN_F_CONNECT | CONN_F_CLOSING)) == 0);
	ASSERT(c->fd >= 0 && (c->in == NULL || conn_room(c) > 0));
	c->flags = (c->flags & ~(uint32_t)CONN_F_BULK) | CONN_F_RECV | bulk;
	if (UNLIKELY((c->flags & (CONN_F_EOF | CONN_F_BROKEN)) != 0 && c->backlog == NULL))
		conn_post(c, (c->flags & CONN_F_BROKEN) != 0 ? CONN_P_ERROR : CONN_P_EOF);
	else
		c->loop->engine->recv(c);
}

void
conn_recv(struct conn *c)
{
	start_recv(c, 0);
}

void
conn_recv_on(struct conn *c)
{
	bool full = c->in != NULL && c->in_end >= c->loop->rbufs.cap;
	conn_drop_rbuf(c);
	start_recv(c, full ? CONN_F_BULK : 0);
}

void
conn_send(struct conn *c, const struct iovec *iov, unsigned n, unsigned flags)
{
	CHECK_MAGIC(c, CONN_MAGIC);
	ASSERT((c->flags & (CONN_F_SEND | CONN_F_CONNECT | CONN_F_CLOSING | CONN_F_SHUT)) == 0);
	ASSERT(c->fd >= 0 && n >= 1 && n <= CONN_MAX_IOV);
	c->flags |= CONN_F_SEND;
	c->flags &= ~(uint32_t)CONN_F_MORE;
	if ((flags & CONN_SEND_MORE) != 0)
		c->flags |= CONN_F_MORE;
	c->out = iov;
	c->out_n = (uint16_t)n;
	c->out_at = 0;
	if (UNLIKELY((c->flags & CONN_F_SEND_BROKEN) != 0))
		conn_post(c, CONN_P_SEND_FAILED);
	else if (UNLIKELY(iov->iov_len == 0) && conn_advance(c, 0))
		conn_post(c, CONN_P_SENT);
	else
		c->loop->engine->send(c);
}

bool
conn_advance(struct conn *c, size_t n)
{
	while (c->out_n > 0) {
		size_t left = c->out->iov_len - c->out_at;
		if (n < left) {
			c->out_at += (uint32_t)n;
			return false;
		}
		n -= left;
		c->out++;
		c->out_n--;
		c->out_at = 0;
	}
	ASSERT(n == 0);
	return true;
}

void
conn_shutdown(struct conn *c)
{
	CHECK_MAGIC(c, CONN_MAGIC);
	ASSERT((c->flags & (CONN_F_SEND | CONN_F_CLOSING)) == 0);
	if (c->fd < 0 || (c->flags & CONN_F_SHUT) != 0)
		return;
	c->flags |= CONN_F_SHUT;
	(void)shutdown(c->fd, SHUT_WR); // ENOTCONN: the peer was faster, nothing is left to tell
}

void
conn_close(struct conn *c)
{
	CHECK_MAGIC(c, CONN_MAGIC);
	if ((c->flags & CONN_F_CLOSING) != 0)
		return;
	c->flags |= CONN_F_CLOSING;
	c->flags &= ~(CONN_P_ALL | CONN_F_RECV | CONN_F_SEND | CONN_F_CONNECT);
	timer_stop(&c->loop->wheel, &c->timer);
	if (c->fd < 0)
		conn_gone(c);
	else
		c->loop->engine->close(c);
}

void
conn_abort(struct conn *c)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};
	if (c->fd >= 0 && (c->flags & CONN_F_CLOSING) == 0)
		(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)); // unix: no use
	conn_close(c);
}

void
conn_gone(struct conn *c)
{
	ASSERT(c->n_ops == 0 && (c->flags & CONN_F_CLOSING) != 0);
	rbuf_unref(&c->in);
	c->in_at = c->in_end = 0;
	while (c->backlog != NULL) {
		struct rbuf *b = c->backlog;
		c->backlog = b->next;
		rbuf_unref(&b);
	}
	if (c->fd >= 0)
		(void)close(c->fd); // errors of earlier writes were reported by the operations
	// conn_connect counts the conn even when it gets no socket; conn_init alone does not.
	if (c->fd >= 0 || (c->flags & CONN_F_BROKEN) != 0)
		c->loop->n_conns--;
	c->fd = -1;
	conn_post(c, CONN_P_CLOSED);
}

void
conn_deadline(struct conn *c, uint64_t mono_ns)
{
	if ((c->flags & CONN_F_CLOSING) != 0)
		return;
	c->flags &= ~(uint32_t)CONN_P_TIMEOUT;
	timer_set(&c->loop->wheel, &c->timer, mono_ns);
}

void
conn_fail_recv(struct conn *c, const struct reason *why)
{
	c->why = why;
	c->flags |= CONN_F_BROKEN;
	if ((c->flags & CONN_F_RECV) != 0)
		conn_post(c, CONN_P_ERROR);
}

void
conn_fail_send(struct conn *c, const struct reason *why)
{
	c->send_why = why;
	c->flags |= CONN_F_SEND_BROKEN;
	if ((c->flags & CONN_F_SEND) != 0)
		conn_post(c, CONN_P_SEND_FAILED);
}

void
conn_fail_connect(struct conn *c, int err)
{
	c->why = c->send_why = reason_of_connect(err);
	c->flags |= CONN_F_BROKEN | CONN_F_SEND_BROKEN;
	conn_post(c, CONN_P_ERROR);
}

void
conn_drop_rbuf(struct conn *c)
{
	ASSERT(c->in == NULL || (c->flags & CONN_F_RECV) == 0);
	rbuf_unref(&c->in);
	c->in_at = c->in_end = 0;
}

bool
conn_new_rbuf(struct conn *c)
{
	uint32_t n = conn_unread(c);
	ASSERT((c->flags & CONN_F_RECV) == 0);
	if (c->in != NULL && n == c->in->cap)
		return false;
	if (c->in != NULL && c->in->refs == 1) {
		memmove(c->in->data, c->in->data + c->in_at, n);
	} else {
		struct rbuf_pool *usual = &c->loop->rbufs;
		struct rbuf *fresh = rbuf_new(n < usual->cap ? usual : c->in->from);
		if (fresh == NULL)
			return false;
		if (n > 0)
			memcpy(fresh->data, c->in->data + c->in_at, n);
		rbuf_unref(&c->in);
		c->in = fresh;
	}
	c->in_at = 0;
	c->in_end = n;
	return true;
}

bool
conn_is_quiet(const struct conn *c)
{
	const uint32_t told = CONN_P_ALL | CONN_F_EOF | CONN_F_BROKEN | CONN_F_SEND_BROKEN;
	return conn_unread(c) == 0 && c->backlog == NULL &&
	       (c->flags & (told | CONN_F_CLOSING)) == 0;
}

bool
conn_is_quiet_now(const struct conn *c)
{
	char byte;
	return conn_is_quiet(c) && recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
	       (errno == EAGAIN || errno == EINTR);
}

void
conn_peer(const struct conn *c, struct addr *out)
{
	addr_of_peer(out, c->fd);
}

void
conn_local(const struct conn *c, struct addr *out)
{
	addr_of_local(out, c->fd);
}
