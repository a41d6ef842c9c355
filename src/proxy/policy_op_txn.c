// SPDX-License-Identifier: MIT
// What a script's action or service does to its transaction whatever it carries: variables, what is
// kept of it, its place among those that wait; and the bytes of a service's own connection.
#include "expr/call.h"
#include "proxy/action_lua.h"
#include "proxy/action_queue.h"
#include "proxy/conns.h"
#include "proxy/policy_host_priv.h"
#include "proxy/policy_op_priv.h"
#include "proxy/txn.h"

static bool
op_set_var(struct op_call *c)
{
	struct str name;
	struct sample s;
	bool if_exists = c->n > 2 && c->args[2].b;
	if (!policy_op_text(c, 0, &name) || !policy_op_sample(c, &c->args[1], &c->txn->ctx, &s))
		return false;
	int done = expr_calls_set_var(c->host->calls, name, if_exists ? VAR_IF_EXISTS : 0,
				      &c->txn->ctx, &s, c->err);
	return done >= 0 && policy_give_bool(c->out, done > 0);
}

static bool
op_unset_var(struct op_call *c)
{
	struct str name;
	if (!policy_op_text(c, 0, &name))
		return false;
	int done = expr_calls_set_var(c->host->calls, name, 0, &c->txn->ctx, NULL, c->err);
	return done >= 0 && policy_give_bool(c->out, done > 0);
}

static bool
op_set_log_level(struct op_call *c)
{
	if (c->args[0].type != POLICY_T_INT || c->args[0].i < 0 || c->args[0].i > 7)
		return err_set(c->err, "a level is core.emerg to core.debug");
	c->txn->log_level = (int8_t)(1 + c->args[0].i);
	return policy_give_bool(c->out, true);
}

// The number that private data are kept under until the transaction ends.
static bool
op_keep(struct op_call *c)
{
	c->txn->flags |= TXN_LUA_KEEPS;
	return policy_give_int(c->out, (int64_t)c->txn->id);
}

static bool
op_is_http(struct op_call *c)
{
	return policy_give_bool(c->out, !(c->txn->flags & TXN_TCP));
}

static bool
int_arg(struct op_call *c, int64_t *n)
{
	*n = c->args[0].i;
	return c->args[0].type == POLICY_T_INT || err_set(c->err, "a whole number is expected");
}

// Bits: 1, more bytes may come; 2, the buffer has no room for them.
static bool
op_channel_state(struct op_call *c)
{
	const struct txn *t = c->txn;
	bool response = c->args[0].b;
	uint32_t gone =
	    response ? SEEN_SERVER_EOF | SEEN_SERVER_FAILED : SEEN_CLIENT_EOF | SEEN_CLIENT_FAILED;
	const struct conn *conn = !response                ? &t->client->conn
				  : t->server_conn != NULL ? &t->server_conn->conn
							   : NULL;
	bool full = conn != NULL && conn->in != NULL && conn_room(conn) == 0;
	bool comes = conn != NULL && !(t->seen & gone) && !full;
	return policy_give_int(c->out, comes + 2 * full);
}

static bool
op_priority_class(struct op_call *c)
{
	int64_t n;
	if (!int_arg(c, &n))
		return false;
	txn_set_priority_class(c->txn, n);
	return true;
}

static bool
op_priority_offset(struct op_call *c)
{
	int64_t n;
	if (!int_arg(c, &n))
		return false;
	txn_set_priority_offset(c->txn, n);
	return true;
}

// --- raw connections -----------------------------------------------------------------------------

// Nothing: not there yet.
static bool
op_tcp_take(struct op_call *c)
{
	struct str bytes;
	if (c->args[0].type != POLICY_T_INT || c->args[0].i <= 0)
		return err_set(c->err, "a number of bytes is expected");
	return !lua_call_take(c->txn, (size_t)c->args[0].i, &bytes) ||
	       policy_op_give_text(c, bytes);
}

static bool
op_tcp_line(struct op_call *c)
{
	struct str line;
	return !lua_call_line(c->txn, &line) || policy_op_give_text(c, line);
}

static bool
op_tcp_send(struct op_call *c)
{
	struct str bytes;
	if (!policy_op_text(c, 0, &bytes))
		return false;
	if (bytes.n > LUA_PIECE_BYTES)
		return err_set(c->err, "more than a piece");
	return policy_give_bool(c->out, lua_call_send(c->txn, bytes));
}

static bool
op_tcp_await(struct op_call *c)
{
	lua_call_await(c->txn);
	return true;
}

const struct op_row policy_op_txn[] = {
    {"set_var", ANY_TXN, 2, 3, op_set_var},
    {"unset_var", ANY_TXN, 1, 1, op_unset_var},
    {"keep", ANY_TXN, 0, 0, op_keep},
    {"is_http", ANY_TXN, 0, 0, op_is_http},
    {"set_log_level", ANY_TXN, 1, 1, op_set_log_level},
    {"channel_state", ANY_TXN, 1, 1, op_channel_state},
    {"set_priority_class", ANY_TXN, 1, 1, op_priority_class},
    {"set_priority_offset", ANY_TXN, 1, 1, op_priority_offset},
    {"tcp_take", TCP_SERVICE, 1, 1, op_tcp_take},
    {"tcp_line", TCP_SERVICE, 0, 0, op_tcp_line},
    {"tcp_send", TCP_SERVICE, 1, 1, op_tcp_send},
    {"tcp_await", TCP_SERVICE, 0, 0, op_tcp_await},
    {.name = NULL},
};
