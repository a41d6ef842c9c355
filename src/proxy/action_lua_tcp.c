// SPDX-License-Identifier: MIT
// A service on a raw connection: tcp-request content use-service lua.NAME. The script takes bytes
// from the client's receive buffer and gives pieces to be sent, one at a time; where it finds none,
// or no room, it waits for the connection's next event. So a fast client, or one that reads slowly,
// costs a buffer in each direction.
#include <string.h>

#include "expr/acl.h"
#include "proxy/action_lua_priv.h"
#include "proxy/conns.h"
#include "proxy/proxy.h"
#include "proxy/txn.h"

static bool
has_ended(const struct txn *t)
{
	return (t->seen & SEEN_CLIENT_EOF) != 0;
}

// The script looks, and will wait if it finds nothing: for what happens from now on.
static void
note_look(const struct txn *t)
{
	t->lua_call->awaits = false;
	t->lua_call->looked_at = t->lua_call->events;
}

// A long stretch may be cut short between a look and its wait; what happened meanwhile counts.
static bool
goes_on(const struct lua_call *c)
{
	bool awaited = c->awaits && c->events != c->looked_at;
	return !c->answered && (!c->active || c->due || awaited);
}

bool
lua_call_take(struct txn *t, size_t most, struct str *bytes)
{
	struct conn *c = &t->client->conn;
	note_look(t);
	size_t n = conn_unread(c);
	*bytes = str_of(conn_data(c), n < most ? n : most);
	conn_consume(c, (uint32_t)bytes->n);
	t->bytes_in += bytes->n;
	return bytes->n > 0 || has_ended(t);
}

// A line that fills the buffer is given in pieces.
bool
lua_call_line(struct txn *t, struct str *line)
{
	const struct conn *c = &t->client->conn;
	size_t n = conn_unread(c), at = str_find_byte(str_of(conn_data(c), n), '\n');
	bool whole = at < n;
	*line = STR("");
	note_look(t);
	if (!whole && !has_ended(t) && (c->in == NULL || n < c->in->cap))
		return false;
	return lua_call_take(t, whole ? at + 1 : n, line);
}

bool
lua_call_send(struct txn *t, struct str bytes)
{
	struct lua_call *c = t->lua_call;
	struct conn *client = &t->client->conn;
	note_look(t);
	if (conn_sending(client))
		return false;
	if (c->piece == NULL)
		c->piece = arena_alloc(&t->arena, LUA_PIECE_BYTES, 1);
	if (c->piece == NULL || bytes.n == 0)
		return bytes.n == 0;
	ASSERT(bytes.n <= LUA_PIECE_BYTES);
	memcpy(c->piece, bytes.p, bytes.n);
	c->iov = (struct iovec){c->piece, bytes.n};
	t->bytes_out += bytes.n;
	conn_send(client, &c->iov, 1, 0);
	return true;
}

void
lua_call_await(struct txn *t)
{
	t->lua_call->awaits = true;
}

// Room for what comes next; a full buffer waits for the script.
static void
hear_client(struct txn *t)
{
	struct conn *c = &t->client->conn;
	if (has_ended(t) || conn_receiving(c))
		return;
	if (conn_unread(c) == 0)
		conn_drop_rbuf(c);
	else if (conn_room(c) == 0 && !conn_new_rbuf(c))
		return;
	conn_recv(c);
}

static void
serve_on(const struct lua_rule *l, struct lua_call *c)
{
	c->due = true;
	c->run.may_wait = c->run.sliced = true;
	c->run.limit_ns = policy_limits(l->fn)->service_ns;
	// When it fails, that was logged and counted; what it sent is sent.
	c->answered = lua_call_once(l, c) != POLICY_RUN_WAITS;
	acl_forget(&c->txn->ctx, MEMO_OUTSIDE);
}

static struct lua_call *
begin_service(struct txn *t)
{
	t->flags |= TXN_SERVICE;
	t->ctx.req = NULL; // its bytes go away
	return t->lua_call != NULL ? t->lua_call : lua_call_new(t);
}

static enum step_verdict
run_tcp_service(struct txn *t)
{
	const struct lua_rule *l = t->last_rule->args;
	struct conn *client = &t->client->conn;
	uint64_t limit = t->frontend->timeouts.client_ns;
	struct lua_call *c = t->flags & TXN_SERVICE ? t->lua_call : begin_service(t);
	if (c == NULL)
		return txn_cut(t, "PD");
	if (t->seen & SEEN_CLIENT_FAILED)
		return txn_cut(t, "CD");
	if (t->seen & SEEN_CLIENT_TIMEOUT)
		return txn_cut(t, "cD");
	c->events++;
	for (int i = 0; i < 2 && goes_on(c);
	     i++) // behind the first its look is of now, or a timer runs
		serve_on(l, c);
	if (c->answered && !conn_sending(client)) {
		if (!has_ended(t)) // a reset for what it still sends would overtake the answer
			t->flags |= TXN_CLIENT_LINGER;
		return STEP_DONE;
	}
	hear_client(t);
	bool idle = c->awaits || c->answered; // the client's turn, not the script's
	conn_deadline(client, idle && limit != 0 ? loop_now_ns(t->worker->loop) + limit : 0);
	return STEP_WAIT;
}

const struct txn_step step_tcp_service = {"tcp-service", run_tcp_service};
