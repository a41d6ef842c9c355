// SPDX-License-Identifier: MIT
// A client's connection between and around its transactions: accept, wait for a request, hand
// over to the transaction, wait again, close. Idle it holds neither buffer nor transaction.
#include "proxy/conns.h"
#include "proxy/count.h"
#include "proxy/gate.h"
#include "proxy/tcp.h"
#include "proxy/txn.h"

#include <string.h>
#include <unistd.h>

#define CLIENT_MAGIC 0x7c5a0002

// How long and how much we read on from a client that was refused in the middle of sending.
// What is under way when our answer reaches it is a socket buffer at most.
#define LINGER_NS    (5 * NS_PER_S)
#define LINGER_BYTES (8u << 20)

void
client_sample_addr(const struct addr *a, struct sample_addr *out)
{
	*out = (struct sample_addr){0};
	if (a->len == 0)
		return;
	switch (a->sa.sa_family) {
	case AF_INET:
		out->family = 4;
		out->port = addr_port(a);
		memcpy(out->ip, &a->in.sin_addr, 4);
		break;
	case AF_INET6:
		out->family = 6;
		out->port = addr_port(a);
		memcpy(out->ip, &a->in6.sin6_addr, 16);
		break;
	case AF_UNIX:
		out->family = 1;
		break;
	default:
		break;
	}
}

void
client_addr_of(const struct sample_addr *a, struct addr *out)
{
	*out = (struct addr){0};
	if (a->family == 4) {
		out->len = sizeof(out->in);
		out->in.sin_family = AF_INET;
		memcpy(&out->in.sin_addr, a->ip, 4);
	} else if (a->family == 6) {
		out->len = sizeof(out->in6);
		out->in6.sin6_family = AF_INET6;
		memcpy(&out->in6.sin6_addr, a->ip, 16);
	}
	if (out->len != 0)
		addr_set_port(out, a->port);
}

static void
arm_idle(struct client *c)
{
	const struct proxy_timeouts *to = &c->bind->frontend->timeouts;
	uint64_t limit = to->client_ns;
	if (c->n_requests > 0 && to->http_keep_alive_ns != 0)
		limit = to->http_keep_alive_ns;
	else if (to->http_request_ns != 0)
		limit = to->http_request_ns;
	conn_deadline(&c->conn, limit != 0 ? loop_now_ns(c->worker->loop) + limit : 0);
}

static void
begin_transaction(struct client *c)
{
	struct txn *t = txn_new(c);
	if (t == NULL) {
		conn_close(&c->conn);
		return;
	}
	txn_run(t);
}

static void
client_closed(struct client *c)
{
	struct proxy_worker *w = c->worker;
	if (c->txn != NULL)
		txn_client_closed(c->txn);
	count_connection_end(c);
	list_remove(&c->in_worker);
	gate_give(w->set, c->bind, c->places);
	atomic_store_explicit(&w->n_clients, w->n_clients - 1, memory_order_relaxed);
	session_end(c);
	c->magic = 0;
	pool_put(&w->clients, c);
}

static void
linger_event(struct client *c, enum conn_event ev)
{
	if (ev != CONN_RECV) {
		conn_close(&c->conn);
		return;
	}
	uint32_t n = conn_unread(&c->conn);
	if (n >= c->linger_left) {
		conn_close(&c->conn);
		return;
	}
	c->linger_left -= n;
	conn_drop_rbuf(&c->conn);
	conn_recv(&c->conn);
}

void
client_event(struct conn *conn, enum conn_event ev, const struct reason *why)
{
	struct client *c = CONTAINER_OF(conn, struct client, conn);
	CHECK_MAGIC(c, CLIENT_MAGIC);
	if (ev == CONN_CLOSED)
		client_closed(c);
	else if (c->txn != NULL)
		txn_client_event(c->txn, ev, why);
	else if (c->linger_left > 0)
		linger_event(c, ev);
	else if (ev == CONN_RECV)
		begin_transaction(c);
	else
		conn_close(conn); // it left, or stayed silent too long
}

static void
note_addresses(struct client *c)
{
	struct addr a;
	conn_peer(&c->conn, &a);
	client_sample_addr(&a, &c->src);
	if (c->bind->addr_is_exact) { // no need to ask the kernel
		client_sample_addr(&c->bind->addr, &c->dst);
		return;
	}
	conn_local(&c->conn, &a);
	client_sample_addr(&a, &c->dst);
}

void
client_accept(struct acceptor *a, int fd)
{
	const struct bind *bind = acceptor_arg(a);
	struct proxy_worker *w = worker_self->slot[WORKER_SLOT_PROXY];
	uint8_t places;
	if (LIKELY(gate_enter(w, bind, fd, &places)))
		client_open(w, bind, fd, places);
}

void
client_open(struct proxy_worker *w, const struct bind *bind, int fd, uint8_t places)
{
	struct client *c = pool_get(&w->clients);
	if (c == NULL) {
		gate_give(w->set, bind, places);
		(void)close(fd); // out of memory: the peer sees a closed connection
		return;
	}
	*c = (struct client){.magic = CLIENT_MAGIC,
			     .worker = w,
			     .bind = bind,
			     .listener = metrics_of(&bind->stats, w->id),
			     .places = places};
	conn_init(&c->conn, w->loop, client_event);
	conn_open(&c->conn, fd);
	c->accept_ns = loop_now_ns(w->loop);
	note_addresses(c);
	list_append(&w->all_clients, &c->in_worker);
	atomic_store_explicit(&w->n_clients, w->n_clients + 1, memory_order_relaxed);
	count_connection(c);
	if (LIKELY(!bind->frontend->at_accept) || !tcp_enter(c)) {
		arm_idle(c);
		conn_recv(&c->conn);
	}
}

void
client_next(struct client *c)
{
	CHECK_MAGIC(c, CLIENT_MAGIC);
	arm_idle(c);
	if (conn_unread(&c->conn) > 0) {
		begin_transaction(c); // pipelined
		return;
	}
	if (conn_receiving(&c->conn))
		return;
	conn_drop_rbuf(&c->conn);
	conn_recv(&c->conn);
}

void
client_end(struct client *c, bool linger)
{
	CHECK_MAGIC(c, CLIENT_MAGIC);
	struct conn *conn = &c->conn;
	if (!linger || conn_sending(conn) || conn_closing(conn)) {
		conn_close(conn);
		return;
	}
	c->linger_left = LINGER_BYTES;
	conn_shutdown(conn);
	conn_deadline(conn, loop_now_ns(c->worker->loop) + LINGER_NS);
	if (conn_receiving(conn))
		return;
	conn_drop_rbuf(conn);
	conn_recv(conn);
}

void
client_close_all(struct proxy_worker *w)
{
	LIST_FOREACH_SAFE (it, &w->all_clients)
		conn_close(&LIST_ENTRY(it, struct client, in_worker)->conn);
}
