// SPDX-License-Identifier: MIT
// The two kinds of connections: a client's, which serves one transaction after the other, and a
// server's, which is lent to a transaction and rests in its worker's pool between two. Both stay
// small: an idle one holds no buffer.
#pragma once

#include "expr/sample.h"
#include "expr/var.h"
#include "net/conn.h"
#include "net/listener.h"
#include "proxy/stick.h"
#include "proxy/worker.h"

struct bind;
struct client_header;
struct listener_counters;
struct server;
struct txn;

struct session {
	struct arena arena;
	struct var_scope vars;
	struct stick_refs tracked; // by rules on the connection
};

// Why a connection was refused before its first request, with HAProxy's numbers (fc_err).
enum client_error {
	CLIENT_NO_ERROR,
	CLIENT_HEADER_EMPTY = 11,
	CLIENT_HEADER_ABORT,
	CLIENT_HEADER_TIMEOUT,
	CLIENT_HEADER_TRUNCATED,
	CLIENT_HEADER_NONE,
	CLIENT_HEADER_BAD,
	CLIENT_HEADER_BAD_PROTOCOL
};

struct client {
	uint32_t magic;
	uint32_t n_requests;
	struct conn conn;
	struct proxy_worker *worker;
	const struct bind *bind;
	struct listener_counters *listener; // of bind, this worker's
	struct txn *txn;                    // NULL while idle
	struct list in_worker;
	uint64_t accept_ns;   // monotonic
	uint8_t places;       // for gate_give
	uint8_t error;        // enum client_error
	bool expects_header;  // of the PROXY protocol; settled before the first request
	uint32_t linger_left; // bytes still thrown away before closing; 0: not lingering
	struct sample_addr src, dst;
	const struct client_header *header; // client_header.h; NULL: none came
	struct session *session; // sess. variables, tracked keys; NULL until there is one
};

struct server_conn {
	uint32_t magic;
	uint32_t n_requests;
	struct conn conn;
	struct proxy_worker *worker;
	struct server *server;
	uint32_t addr_epoch;     // of the server's address that it goes to
	struct sample_addr peer; // the same address, for logs
	struct txn *txn;         // NULL while idle or closing
	struct list idle;        // in the pool
	// With a PROXY header (server_header.h): the ends that it named; one request, then it goes.
	struct sample_addr for_src, for_dst;
	bool for_one;
};

// An address as fetches and logs see it.
void client_sample_addr(const struct addr *a, struct sample_addr *out);
// And back; len 0 of what is no IP.
void client_addr_of(const struct sample_addr *a, struct addr *out);
// accept_f of every bind; the acceptor's argument is the struct bind.
void client_accept(struct acceptor *a, int fd);
// The transaction is over and the connection goes on: next request or wait for it.
void client_next(struct client *c);
// The transaction is over and so is the connection; `linger` reads on for a while, so that the
// answer is not lost to a reset (RFC 9112 section 9.6).
void client_end(struct client *c, bool linger);
// What happens on its connection, once it may speak.
void client_event(struct conn *conn, enum conn_event ev, const struct reason *why);
// A connection that has its places (gate.h). Closes fd when there is no memory.
void client_open(struct proxy_worker *w, const struct bind *b, int fd, uint8_t places);
void client_close_all(struct proxy_worker *w);

// The sess. variables of a connection, made when first asked for; they live as long as it does.
// NULL: no memory.
struct var_scope *session_vars(struct client *c);
// Its end, if there is one.
void session_end(struct client *c);

// An idle connection of this worker to the server, or NULL. `ask` the kernel whether the server has
// closed it: for requests that cannot be sent again.
struct server_conn *server_conn_from_pool(struct proxy_worker *w, struct server *s, bool ask);
// The same of those that `fits` says yes to.
struct server_conn *
server_conn_find_idle(struct proxy_worker *w, struct server *s, bool ask,
		      bool (*fits)(const struct server_conn *sc, const void *arg), const void *arg);
// A new one that starts connecting; its events go to the transaction. NULL: no memory.
struct server_conn *server_conn_new(struct proxy_worker *w, struct server *s, struct txn *t);
// Takes it off the transaction and rests it in the pool, or closes it.
void server_conn_release(struct server_conn *sc, bool reuse);
void server_conn_close_idle(struct proxy_worker *w);
// Those to another address than the server has now.
void server_conn_close_moved(struct proxy_worker *w, const struct server *s);
