// SPDX-License-Identifier: MIT
// Sessions on connections. Two buffers take turns: the session fills one while the other is being
// sent. Bytes a session does not take yet stay in the connection's receive buffer, and nothing
// more is received meanwhile, except that an end or a reset still ends the session. After its
// last answer a session closes its side, and drops what the client still sends for a short while:
// closing at once could destroy the answer under way.
#include "cli/server.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/cli_priv.h"
#include "net/conn.h"
#include "net/listener.h"
#include "net/loop.h"

#define CLIENT_MAGIC 0xc11a0003u
#define SERVER_MAGIC 0xc11a0004u
#define LINGER_NS    (2 * NS_PER_S)
#define STOP_TURNS   1000
#define STOP_TURN_NS (10 * NS_PER_MS)

struct cli_socket {
	const struct cli_socket_conf *conf;
	struct listener *listener;
	struct acceptor *acceptor;
	struct cli_server *srv;
};

struct cli_server {
	uint32_t magic;
	struct cli *cli;
	const struct cli_conf *conf;
	struct loop *loop;
	struct cli_socket *sockets;
	size_t n_sockets;
	struct listener *
	    *lost; // whose paths were removed; until the end, as acceptors may use them
	size_t n_lost, cap_lost;
	struct list clients;
	_Atomic unsigned n_clients; // relaxed; the keeper writes
	bool paused;
};

struct client {
	uint32_t magic;
	bool eof, sent_fin;
	struct conn conn;
	struct cli_server *srv;
	struct cli_session *session; // NULL: over, what comes is dropped
	struct sbuf out;             // being sent
	struct iovec iov;
	struct list node;
};

static void pump(struct client *cl);

static void
set_deadline(struct client *cl)
{
	uint64_t timeout = LINGER_NS;
	if (cl->session != NULL) {
		timeout = cli_session_timeout_ns(cl->session);
		if (timeout == 0)
			timeout = cl->srv->conf->timeout_ns;
		if (cli_session_waits(cl->session) && !conn_sending(&cl->conn))
			timeout = 0;
	}
	conn_deadline(&cl->conn, timeout > 0 ? loop_now_ns(cl->srv->loop) + timeout : 0);
}

static void
pause_all(struct cli_server *srv, bool pause)
{
	if (srv->paused == pause)
		return;
	srv->paused = pause;
	for (size_t i = 0; i < srv->n_sockets; i++) {
		if (srv->sockets[i].acceptor == NULL)
			continue;
		if (pause)
			acceptor_pause(srv->sockets[i].acceptor);
		else
			acceptor_resume(srv->sockets[i].acceptor);
	}
}

static void
close_client(struct client *cl)
{
	if (conn_closing(&cl->conn))
		return;
	if (cl->session != NULL)
		cli_session_close(&cl->session);
	conn_close(&cl->conn);
}

static void
free_client(struct client *cl)
{
	struct cli_server *srv = cl->srv;
	list_remove(&cl->node);
	sbuf_fini(&cl->out);
	cl->magic = 0;
	mem_free(cl);
	srv->n_clients--;
	if (srv->loop != NULL && srv->n_clients < (unsigned)srv->conf->maxconn)
		pause_all(srv, false);
}

static void
feed(struct client *cl)
{
	struct conn *c = &cl->conn;
	while (c->in != NULL && c->in_at < c->in_end) {
		size_t n = c->in_end - c->in_at;
		if (cl->session != NULL && !cl->eof)
			n = cli_session_feed(cl->session, str_of(c->in->data + c->in_at, n));
		if (n == 0)
			return;
		conn_consume(c, (uint32_t)n);
	}
	if (c->in != NULL && !conn_receiving(c))
		conn_drop_rbuf(c);
}

// The last answer has gone: say so, and drop what the client still sends.
static void
finish(struct client *cl)
{
	if (cl->session != NULL)
		cli_session_close(&cl->session);
	if (!cl->sent_fin)
		conn_shutdown(&cl->conn);
	cl->sent_fin = true;
	if (cl->eof)
		close_client(cl);
}

static void
send_output(struct client *cl)
{
	if (cl->session == NULL || conn_sending(&cl->conn))
		return;
	sbuf_clear(&cl->out);
	if (!cli_session_take(cl->session, &cl->out))
		return;
	cl->iov = (struct iovec){.iov_base = cl->out.p, .iov_len = cl->out.n};
	conn_send(&cl->conn, &cl->iov, 1, 0);
}

// Moves whatever can move, then asks for what is missing.
static void
pump(struct client *cl)
{
	struct conn *c = &cl->conn;
	if (conn_closing(c))
		return;
	feed(cl);
	send_output(cl);
	feed(cl);
	if (cl->session != NULL && cli_session_over(cl->session) && !conn_sending(c))
		finish(cl);
	else if (cl->session == NULL && cl->eof)
		close_client(cl);
	if (conn_closing(c))
		return;
	// With bytes that the session cannot take yet, another receive would find no room.
	if (!cl->eof && !conn_receiving(c) && c->in == NULL)
		conn_recv(c);
	set_deadline(cl);
}

static void
on_event(struct conn *c, enum conn_event event, const struct reason *why)
{
	(void)why; // an operator who hangs up is no event worth a line
	struct client *cl = CONTAINER_OF(c, struct client, conn);
	CHECK_MAGIC(cl, CLIENT_MAGIC);
	switch (event) {
	case CONN_CLOSED:
		free_client(cl);
		return;
	case CONN_EOF:
		feed(cl);
		cl->eof = true;
		if (cl->session != NULL)
			cli_session_eof(cl->session);
		break;
	case CONN_ERROR:
	case CONN_SEND_FAILED:
	case CONN_TIMEOUT:
		close_client(cl);
		return;
	case CONN_CONNECTED:
	case CONN_RECV:
	case CONN_SENT:
		break;
	}
	pump(cl);
}

static void
on_wake(struct cli_session *s, void *owner)
{
	(void)s;
	struct client *cl = owner;
	CHECK_MAGIC(cl, CLIENT_MAGIC);
	pump(cl);
}

static void
identify(struct cli_peer *peer, const struct cli_socket *socket, int fd)
{
	char text[ADDR_TEXT_BYTES];
	struct addr from;
	addr_of_peer(&from, fd);
	if (!addr_is_unix(&from)) {
		snprintf(peer->from, sizeof(peer->from), "tcp:%s", addr_text(&from, text));
		return;
	}
	snprintf(peer->from, sizeof(peer->from), "%s",
		 addr_text(listener_addr(socket->listener), text));
	struct ucred cred;
	socklen_t n = sizeof(cred);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) != 0)
		return;
	peer->known = true;
	peer->uid = cred.uid;
	peer->gid = cred.gid;
	peer->pid = cred.pid;
	// Beyond the room there would be ERANGE: then only the peer's own group counts.
	n = sizeof(peer->groups);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, peer->groups, &n) == 0)
		peer->n_groups = (uint32_t)(n / sizeof(peer->groups[0]));
}

static void
open_client(struct cli_server *srv, int fd, enum cli_level level, const struct cli_peer *peer)
{
	CHECK_MAGIC(srv, SERVER_MAGIC);
	struct client *cl = MEM_NEW(struct client);
	cl->magic = CLIENT_MAGIC;
	cl->srv = srv;
	sbuf_init(&cl->out, 1);
	list_append(&srv->clients, &cl->node);
	conn_init(&cl->conn, srv->loop, on_event);
	conn_open(&cl->conn, fd);
	cl->session = cli_session_open(srv->cli, level, peer, on_wake, cl);
	if (++srv->n_clients >= (unsigned)srv->conf->maxconn)
		pause_all(srv, true);
	pump(cl);
}

static void
on_accept(struct acceptor *a, int fd)
{
	const struct cli_socket *socket = acceptor_arg(a);
	struct cli_peer peer = {.known = false};
	identify(&peer, socket, fd);
	open_client(socket->srv, fd, socket->conf->level, &peer);
}

void
cli_server_adopt(struct cli_server *srv, int fd, enum cli_level level, const struct cli_peer *peer)
{
	open_client(srv, fd, level, peer);
}

unsigned
cli_server_sessions(const struct cli_server *srv)
{
	return atomic_load_explicit(&srv->n_clients, memory_order_relaxed);
}

static void
list_sockets(struct cli_session *s, void *arg)
{
	struct cli_server *srv = arg;
	char text[ADDR_TEXT_BYTES];
	for (size_t i = 0; i < srv->n_sockets; i++)
		if (srv->sockets[i].listener != NULL)
			cli_printf(s, "%s %s all\n",
				   addr_text(listener_addr(srv->sockets[i].listener), text),
				   cli_level_name(srv->sockets[i].conf->level));
}

static bool
bind_socket(struct cli_socket *socket, struct err *err)
{
	const struct cli_socket_conf *conf = socket->conf;
	struct listener_spec spec = {
	    .inherited_fd = conf->addr.kind == CONF_ADDR_FD ? conf->addr.fd : -1,
	    .n_slots = 1,
	    .keeper = socket->srv->conf->listeners,
	    .mode = conf->mode,
	    .uid = (int)conf->uid,
	    .gid = (int)conf->gid,
	    .patience_ns = LISTENER_PATIENCE_NS,
	};
	ASSERT(conf->addr.sa_len <= sizeof(spec.addr) - offsetof(struct addr, sa));
	spec.addr.len = conf->addr.sa_len;
	memcpy(&spec.addr.sa, &conf->addr.sa, conf->addr.sa_len);
	socket->listener = listener_new(&spec, err);
	return socket->listener != NULL || err_wrap(err, "stats socket");
}

struct cli_server *
cli_server_new(struct cli *cli, const struct cli_conf *conf, struct err *err)
{
	struct cli_server *srv = MEM_NEW(struct cli_server);
	srv->magic = SERVER_MAGIC;
	srv->cli = cli;
	srv->conf = conf;
	list_init(&srv->clients);
	size_t n = 0, cap = 0;
	for (const struct cli_socket_conf *c = conf->first; c != NULL; c = c->next) {
		VEC_GROW(srv->sockets, cap, n);
		srv->sockets[n] = (struct cli_socket){.conf = c, .srv = srv};
		srv->n_sockets = n + 1;
		if (!bind_socket(&srv->sockets[n++], err)) {
			cli_server_free(&srv);
			return NULL;
		}
	}
	cli_set_max_payload(cli, (size_t)conf->max_payload);
	cli->list_sockets = list_sockets;
	cli->list_sockets_arg = srv;
	return srv;
}

void
cli_server_start(struct cli_server *srv, struct loop *loop)
{
	CHECK_MAGIC(srv, SERVER_MAGIC);
	srv->loop = loop;
	for (size_t i = 0; i < srv->n_sockets; i++) {
		struct cli_socket *s = &srv->sockets[i];
		s->acceptor = acceptor_start(s->listener, 0, loop, on_accept, s);
	}
}

void
cli_server_look(struct cli_server *srv)
{
	CHECK_MAGIC(srv, SERVER_MAGIC);
	for (size_t i = 0; i < srv->n_sockets; i++)
		if (srv->sockets[i].acceptor != NULL)
			acceptor_look(srv->sockets[i].acceptor);
}

static void
relisten(struct cli_socket *s)
{
	struct cli_server *srv = s->srv;
	struct listener *old = s->listener;
	struct err err;
	if (!bind_socket(s, &err)) {
		log_msg(LOG_WARNING, "%s", err.text);
		s->listener = old;
		return;
	}
	VEC_GROW(srv->lost, srv->cap_lost, srv->n_lost);
	srv->lost[srv->n_lost++] = old;
	acceptor_stop(&s->acceptor);
	s->acceptor = acceptor_start(s->listener, 0, srv->loop, on_accept, s);
	if (srv->paused)
		acceptor_pause(s->acceptor);
	log_msg(LOG_NOTICE, "the runtime socket's path had been removed: it is there again");
}

void
cli_server_relisten(struct cli_server *srv)
{
	CHECK_MAGIC(srv, SERVER_MAGIC);
	for (size_t i = 0; i < srv->n_sockets; i++)
		if (srv->sockets[i].acceptor != NULL &&
		    listener_out_of_reach(listener_addr(srv->sockets[i].listener)))
			relisten(&srv->sockets[i]);
}

void
cli_server_retire(struct cli_server *srv)
{
	CHECK_MAGIC(srv, SERVER_MAGIC);
	for (size_t i = 0; i < srv->n_sockets; i++)
		if (srv->sockets[i].acceptor != NULL)
			acceptor_stop(&srv->sockets[i].acceptor);
}

void
cli_server_close_sockets(struct cli_server *srv)
{
	CHECK_MAGIC(srv, SERVER_MAGIC);
	for (size_t i = 0; i < srv->n_sockets; i++) {
		ASSERT(srv->sockets[i].acceptor == NULL);
		if (srv->sockets[i].listener != NULL)
			listener_free(&srv->sockets[i].listener);
	}
}

void
cli_server_stop(struct cli_server *srv)
{
	CHECK_MAGIC(srv, SERVER_MAGIC);
	if (srv->loop == NULL)
		return;
	cli_server_retire(srv);
	LIST_FOREACH_SAFE (it, &srv->clients)
		close_client(LIST_ENTRY(it, struct client, node));
	for (int i = 0; i < STOP_TURNS && srv->n_clients > 0; i++)
		loop_turn(srv->loop, STOP_TURN_NS);
	srv->loop = NULL;
}

void
cli_server_free(struct cli_server **sp)
{
	struct cli_server *srv = *sp;
	*sp = NULL;
	if (srv == NULL)
		return;
	CHECK_MAGIC(srv, SERVER_MAGIC);
	ASSERT(srv->n_clients == 0);
	if (srv->cli->list_sockets_arg == srv)
		srv->cli->list_sockets = NULL;
	for (size_t i = 0; i < srv->n_sockets; i++)
		if (srv->sockets[i].listener != NULL)
			listener_free(&srv->sockets[i].listener);
	for (size_t i = 0; i < srv->n_lost; i++)
		listener_free(&srv->lost[i]);
	mem_free(srv->lost);
	mem_free(srv->sockets);
	srv->magic = 0;
	mem_free(srv);
}
