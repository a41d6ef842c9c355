// SPDX-License-Identifier: MIT
// Connections to servers: made for a transaction, rested in the worker's pool, lent again, the one
// that rested least first. A resting one keeps a receive pending (without a buffer), so it hears
// when the server leaves.
#include "proxy/conns.h"
#include "proxy/txn.h"

#define SERVER_CONN_MAGIC 0x7c5a0003

static struct server_worker *
pool_of(struct proxy_worker *w, const struct server *s)
{
	return &w->backends[s->backend->index].servers[s->index];
}

static void
leave_pool(struct server_conn *sc)
{
	if (list_empty(&sc->idle))
		return;
	list_remove(&sc->idle);
	pool_of(sc->worker, sc->server)->n_idle--;
}

static void
close_resting(struct server_conn *sc)
{
	leave_pool(sc);
	conn_close(&sc->conn);
}

static void
server_conn_closed(struct server_conn *sc)
{
	struct proxy_worker *w = sc->worker;
	if (sc->txn != NULL)
		txn_server_closed(sc->txn);
	leave_pool(sc);
	w->n_server_conns--;
	sc->magic = 0;
	pool_put(&w->server_conns, sc);
}

static void
server_conn_event(struct conn *conn, enum conn_event ev, const struct reason *why)
{
	struct server_conn *sc = CONTAINER_OF(conn, struct server_conn, conn);
	CHECK_MAGIC(sc, SERVER_CONN_MAGIC);
	if (ev == CONN_CLOSED) {
		server_conn_closed(sc);
		return;
	}
	if (sc->txn != NULL) {
		txn_server_event(sc->txn, ev, why);
		return;
	}
	// At rest: it was closed, rested too long, or the server speaks unasked (RFC 9112 9.2).
	close_resting(sc);
}

// It goes to another address than the server has now.
static bool
has_moved(const struct server_conn *sc)
{
	return sc->addr_epoch != server_addr(sc->server)->epoch;
}

struct server_conn *
server_conn_from_pool(struct proxy_worker *w, struct server *s, bool ask)
{
	struct server_worker *sw = pool_of(w, s);
	while (!list_empty(&sw->idle)) {
		struct server_conn *sc = LIST_ENTRY(sw->idle.next, struct server_conn, idle);
		CHECK_MAGIC(sc, SERVER_CONN_MAGIC);
		leave_pool(sc);
		bool quiet = ask ? conn_is_quiet_now(&sc->conn) : conn_is_quiet(&sc->conn);
		if (LIKELY(quiet && !has_moved(sc)))
			return sc;
		conn_close(&sc->conn); // it spoke or left in this very turn, or the server moved
	}
	return NULL;
}

struct server_conn *
server_conn_find_idle(struct proxy_worker *w, struct server *s, bool ask,
		      bool (*fits)(const struct server_conn *sc, const void *arg), const void *arg)
{
	struct list *idle = &pool_of(w, s)->idle;
	LIST_FOREACH_SAFE (it, idle) {
		struct server_conn *sc = LIST_ENTRY(it, struct server_conn, idle);
		if (!fits(sc, arg))
			continue;
		leave_pool(sc);
		bool quiet = ask ? conn_is_quiet_now(&sc->conn) : conn_is_quiet(&sc->conn);
		if (LIKELY(quiet && !has_moved(sc)))
			return sc;
		conn_close(&sc->conn);
	}
	return NULL;
}

struct server_conn *
server_conn_new(struct proxy_worker *w, struct server *s, struct txn *t)
{
	struct server_conn *sc = pool_get(&w->server_conns);
	if (sc == NULL)
		return NULL;
	*sc = (struct server_conn){.magic = SERVER_CONN_MAGIC, .worker = w, .server = s, .txn = t};
	list_init(&sc->idle);
	w->n_server_conns++;
	const struct server_addr *to = server_addr(s);
	sc->addr_epoch = to->epoch;
	client_sample_addr(&to->addr, &sc->peer);
	conn_init(&sc->conn, w->loop, server_conn_event);
	conn_connect(&sc->conn, &to->addr, server_source(s, &to->addr));
	return sc;
}

void
server_conn_release(struct server_conn *sc, bool reuse)
{
	CHECK_MAGIC(sc, SERVER_CONN_MAGIC);
	struct server *s = sc->server;
	const struct backend *b = s->backend;
	struct server_worker *sw = pool_of(sc->worker, s);
	sc->n_requests++;
	bool keep = reuse && !sc->worker->draining && b->reuse != BACKEND_REUSE_NEVER &&
		    sw->n_idle < b->pool_max_idle && sc->n_requests < s->max_requests &&
		    conn_is_quiet(&sc->conn) && !has_moved(sc) && !sc->for_one;
	if (!keep) {
		conn_close(&sc->conn);
		return;
	}
	list_prepend(&sw->idle, &sc->idle);
	sw->n_idle++;
	uint64_t rest_ns = b->pool_purge_ns;
	conn_deadline(&sc->conn, rest_ns != 0 ? loop_now_ns(sc->worker->loop) + rest_ns : 0);
	if (conn_receiving(&sc->conn))
		return;
	conn_drop_rbuf(&sc->conn);
	conn_recv(&sc->conn);
}

void
server_conn_close_moved(struct proxy_worker *w, const struct server *s)
{
	struct list *idle = &pool_of(w, s)->idle;
	LIST_FOREACH_SAFE (it, idle) {
		struct server_conn *sc = LIST_ENTRY(it, struct server_conn, idle);
		if (has_moved(sc))
			close_resting(sc);
	}
}

void
server_conn_close_idle(struct proxy_worker *w)
{
	for (size_t i = 0; i < w->set->n_backends; i++) {
		struct backend_worker *bw = &w->backends[i];
		for (size_t s = 0; s < bw->backend->n_servers; s++) {
			struct list *idle = &bw->servers[s].idle;
			LIST_FOREACH_SAFE (it, idle) {
				close_resting(LIST_ENTRY(it, struct server_conn, idle));
			}
		}
	}
}
