// SPDX-License-Identifier: MIT
// core.tcp() of HAProxy's dialect. A socket belongs to the call that opened it (an action's, a
// service's, a task's or a command's) and ends with it, so with its transaction and generation. The
// script asks; where there is nothing yet it waits, and the connection's next event wakes it
// (policy_run_poke). One buffer in each direction holds what is on its way, and no wait is without
// end. Scripts name a socket by number, for which nothing is found once it is gone.
#include "proxy/lua_socket.h"

#include "base/mem.h"
#include "net/addr.h"
#include "net/conn.h"
#include "net/loop.h"
#include "policy/run.h"
#include "proxy/policy_host_priv.h"
#include "proxy/policy_op_priv.h"
#include "proxy/proxy.h"
#include "proxy/worker.h"

#define SOCKET_MAGIC    0x7c5a0110u
#define MOST_OF_RUN     32
#define PIECE_BYTES     16384 // lua/haproxy.lua has it too
#define MOST_TIMEOUT_MS INT32_MAX

struct lua_socket {
	uint32_t magic;
	struct conn conn;
	struct list in_worker;
	struct proxy_worker *worker;
	struct policy_run *owner; // NULL: it is being closed
	int64_t id;
	bool begun, connected; // conn_connect was called; and it is there
	bool ended, broken;    // nothing more is received; is sent
	bool awaited;
	uint32_t events, looked_at; // how many there were; when the script last found nothing
	struct iovec iov;
	char *piece; // PIECE_BYTES, or NULL
	char name[ADDR_TEXT_BYTES];
};

// ---- life -------------------------------------------------------------------------------------

static void
free_socket(struct lua_socket *s)
{
	list_remove(&s->in_worker);
	s->worker->n_lua_sockets--;
	s->magic = 0;
	mem_free(s->piece);
	mem_free(s);
}

static void
end(struct lua_socket *s)
{
	s->owner = NULL;
	if (s->begun)
		conn_close(&s->conn);
	else
		free_socket(s);
}

void
lua_sockets_run_over(void *data, struct policy_run *run)
{
	(void)data;
	struct proxy_worker *w = worker_self != NULL ? worker_self->slot[WORKER_SLOT_PROXY] : NULL;
	if (w == NULL || LIKELY(w->n_lua_sockets == 0))
		return;
	LIST_FOREACH_SAFE (it, &w->lua_sockets) {
		struct lua_socket *s = LIST_ENTRY(it, struct lua_socket, in_worker);
		CHECK_MAGIC(s, SOCKET_MAGIC);
		if (s->owner == run)
			end(s);
	}
}

void
lua_sockets_end(struct proxy_worker *w)
{
	LIST_FOREACH_SAFE (it, &w->lua_sockets)
		end(LIST_ENTRY(it, struct lua_socket, in_worker));
}

static void
on_event(struct conn *conn, enum conn_event ev, const struct reason *why)
{
	struct lua_socket *s = CONTAINER_OF(conn, struct lua_socket, conn);
	CHECK_MAGIC(s, SOCKET_MAGIC);
	(void)why;
	if (ev == CONN_CLOSED) {
		free_socket(s);
		return;
	}
	s->events++;
	s->connected |= ev == CONN_CONNECTED;
	s->ended |= ev == CONN_EOF || ev == CONN_ERROR || ev == CONN_TIMEOUT;
	s->broken |= ev == CONN_ERROR || ev == CONN_SEND_FAILED || ev == CONN_TIMEOUT;
	if (s->awaited && s->owner != NULL)
		policy_run_poke(s->worker->policy, s->owner);
}

// ---- what scripts ask -------------------------------------------------------------------------

static struct proxy_worker *
own_worker(struct err *err)
{
	struct proxy_worker *w = worker_self != NULL ? worker_self->slot[WORKER_SLOT_PROXY] : NULL;
	if (w == NULL || w->policy == NULL || policy_run_now(w->policy) == NULL) {
		err_set(err, "sockets are for actions, services, tasks and commands, which may "
			     "wait; what answers at once (fetches, converters, predicates, the "
			     "script's own lines) reads a variable that a task has written");
		return NULL;
	}
	return w;
}

// NULL without an error: it is gone.
static struct lua_socket *
find(const struct proxy_worker *w, int64_t id)
{
	LIST_FOREACH (it, &w->lua_sockets) {
		struct lua_socket *s = LIST_ENTRY(it, struct lua_socket, in_worker);
		if (s->id == id && s->owner != NULL)
			return s;
	}
	return NULL;
}

// The socket that the first argument names, of the run that asks; NULL with an error.
static struct lua_socket *
socket_of(struct op_call *c)
{
	const struct proxy_worker *w = own_worker(c->err);
	if (w == NULL)
		return NULL;
	struct policy_run *run = policy_run_now(w->policy);
	struct lua_socket *s = find(w, c->args[0].i);
	policy_run_watch(run);
	if (s == NULL || s->owner != run) {
		err_set(c->err, "the socket is closed: it ends with the call that opened it");
		return NULL;
	}
	if (s->awaited) // a time-out bounds a wait, not the rest between two questions
		conn_deadline(&s->conn, 0);
	s->awaited = false;
	return s;
}

// Nothing yet: what happens from now on counts.
static bool
nothing_yet(struct lua_socket *s)
{
	s->looked_at = s->events;
	return true;
}

static bool
op_new(struct op_call *c)
{
	struct proxy_worker *w = own_worker(c->err);
	unsigned n = 0;
	if (w == NULL)
		return false;
	struct policy_run *run = policy_run_now(w->policy);
	LIST_FOREACH (it, &w->lua_sockets)
		n += LIST_ENTRY(it, struct lua_socket, in_worker)->owner == run;
	if (n >= MOST_OF_RUN || w->n_lua_sockets >= w->set->lua_sockets_most || w->draining)
		return err_set(c->err,
			       "more than %d open sockets, or %u of the thread, as the limit of "
			       "file descriptors allows",
			       MOST_OF_RUN, w->set->lua_sockets_most);
	struct lua_socket *s = mem_aligned(alignof(struct lua_socket), sizeof(*s));
	*s = (struct lua_socket){.magic = SOCKET_MAGIC,
				 .worker = w,
				 .owner = run,
				 .id = ++w->last_lua_socket};
	conn_init(&s->conn, w->loop, on_event);
	list_append(&w->lua_sockets, &s->in_worker);
	w->n_lua_sockets++;
	return policy_give_int(c->out, s->id);
}

static bool
op_close(struct op_call *c)
{
	// Also by the collector, at any time and on any thread.
	struct proxy_worker *w = worker_self != NULL ? worker_self->slot[WORKER_SLOT_PROXY] : NULL;
	struct lua_socket *s = w != NULL ? find(w, c->args[0].i) : NULL;
	if (s == NULL)
		return true;
	if (s->awaited && s->owner != policy_run_now(w->policy)) // another call waits for it
		policy_run_poke(w->policy, s->owner);
	end(s);
	return true;
}

static bool
op_connect(struct op_call *c)
{
	struct lua_socket *s = socket_of(c);
	struct addr to;
	struct err why = {0};
	if (s == NULL)
		return false;
	if (s->begun)
		return err_set(c->err, "it was connected before: core.tcp() makes another");
	if (c->args[1].type != POLICY_T_STR || c->args[2].i < 0 || c->args[2].i > UINT16_MAX)
		return err_set(c->err, "an address and a port are expected");
	uint16_t port = (uint16_t)c->args[2].i;
	if (!addr_parse(&to, c->args[1].s, port, &why))
		return err_set(c->err, "%s; names are not looked up here, as that would wait",
			       why.text);
	if (!addr_is_unix(&to) && port > 0)
		addr_set_port(&to, port);
	if (!addr_is_unix(&to) && addr_port(&to) == 0)
		return err_set(c->err, "'%.*s' has no port", STR_ARG(c->args[1].s));
	s->begun = true;
	conn_connect(&s->conn, &to, NULL);
	return nothing_yet(s);
}

// True, or false; nothing: not yet.
static bool
op_connected(struct op_call *c)
{
	struct lua_socket *s = socket_of(c);
	if (s == NULL)
		return false;
	if (s->connected || s->ended)
		return policy_give_bool(c->out, s->connected);
	return nothing_yet(s);
}

static bool
need_connection(const struct lua_socket *s, struct err *err)
{
	return s->connected || err_set(err, "it is not connected");
}

// Bytes; an empty text at the end; nothing: not yet.
static bool
op_take(struct op_call *c)
{
	struct lua_socket *s = socket_of(c);
	if (s == NULL || !need_connection(s, c->err))
		return false;
	struct conn *conn = &s->conn;
	uint32_t n = conn_unread(conn);
	if (n > 0) { // lent until the next question
		struct str bytes = str_of(conn_data(conn), n);
		conn_consume(conn, n);
		return policy_op_give_text(c, bytes);
	}
	if (s->ended)
		return policy_op_give_text(c, STR(""));
	if (!conn_receiving(conn)) {
		conn_drop_rbuf(conn);
		conn_recv(conn);
	}
	return nothing_yet(s);
}

// True: a copy is on its way. False: nothing can be sent any more. Nothing: the piece before is
// still on its way.
static bool
op_send(struct op_call *c)
{
	struct lua_socket *s = socket_of(c);
	if (s == NULL || !need_connection(s, c->err))
		return false;
	struct str bytes = c->args[1].type == POLICY_T_STR ? c->args[1].s : STR_NULL;
	if (bytes.n == 0 || bytes.n > PIECE_BYTES)
		return err_set(c->err, "1 to %d bytes are expected", PIECE_BYTES);
	if (s->broken)
		return policy_give_bool(c->out, false);
	if (conn_sending(&s->conn))
		return nothing_yet(s);
	if (s->piece == NULL)
		s->piece = mem_alloc(PIECE_BYTES);
	memcpy(s->piece, bytes.p, bytes.n);
	s->iov = (struct iovec){s->piece, bytes.n};
	conn_send(&s->conn, &s->iov, 1, 0);
	return policy_give_bool(c->out, true);
}

// What was sent is with the kernel: true. False: it was not, and never will be. Nothing: not yet.
static bool
op_sent(struct op_call *c)
{
	struct lua_socket *s = socket_of(c);
	if (s == NULL)
		return false;
	if (s->broken || !conn_sending(&s->conn))
		return policy_give_bool(c->out, !s->broken);
	return nothing_yet(s);
}

// Behind an answer "not yet", before waiting so many milliseconds: true when there is no need to.
static bool
op_await(struct op_call *c)
{
	struct lua_socket *s = socket_of(c);
	if (s == NULL)
		return false;
	int64_t ms = c->args[1].i;
	if (ms < 1 || ms > MOST_TIMEOUT_MS)
		return err_set(c->err, "a time is 1 to %d ms", MOST_TIMEOUT_MS);
	s->awaited = true;
	conn_deadline(&s->conn, loop_now_ns(s->worker->loop) + (uint64_t)ms * NS_PER_MS);
	return policy_give_bool(c->out, s->events != s->looked_at);
}

// The peer's address, or (second argument) our own; nothing without a connection.
static bool
op_name(struct op_call *c)
{
	struct lua_socket *s = socket_of(c);
	struct addr a;
	if (s == NULL)
		return false;
	if (!s->connected || s->conn.fd < 0)
		return true;
	if (c->args[1].b)
		conn_local(&s->conn, &a);
	else
		conn_peer(&s->conn, &a);
	(void)addr_text(&a, s->name);
	return a.len == 0 || policy_op_give_text(c, str_from_c(s->name));
}

const struct op_row policy_op_sockets[] = {
    {"socket_new", ANYWHERE, 0, 0, op_new},
    {"socket_close", ANYWHERE, 1, 1, op_close},
    {"socket_connect", ANYWHERE, 3, 3, op_connect},
    {"socket_connected", ANYWHERE, 1, 1, op_connected},
    {"socket_take", ANYWHERE, 1, 1, op_take},
    {"socket_send", ANYWHERE, 2, 2, op_send},
    {"socket_sent", ANYWHERE, 1, 1, op_sent},
    {"socket_await", ANYWHERE, 2, 2, op_await},
    {"socket_name", ANYWHERE, 2, 2, op_name},
    {.name = NULL},
};
