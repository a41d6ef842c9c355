// SPDX-License-Identifier: MIT
// What expressions see of a transaction: one row for each name or number.
#include "proxy/host.h"

#include <limits.h>
#include <unistd.h>

#include "expr/logfmt.h"
#include "policy/run.h"
#include "proxy/accesslog.h"
#include "proxy/action_lua.h"
#include "proxy/conns.h"
#include "proxy/txn.h"

static struct str
host_text(const struct sample_ctx *ctx, enum sample_text what)
{
	const struct txn *t = ctx->host_data;
	switch (what) {
	case SMP_TEXT_FRONTEND:
		return t->frontend->name;
	case SMP_TEXT_BACKEND:
		return t->backend != NULL ? t->backend->name : STR_NULL;
	case SMP_TEXT_SERVER:
		return t->server != NULL ? t->server->name : STR_NULL;
	case SMP_TEXT_LISTENER:
		return t->client != NULL ? t->client->bind->name : STR_NULL;
	case SMP_TEXT_UNIQUE_ID:
		return proxy_unique_id(t);
	case SMP_TEXT_RULE_FILE:
		return t->last_rule != NULL ? str_from_c(t->last_rule->file) : STR_NULL;
	case SMP_TEXT_TERM_STATE:
		return str_of(t->term_state, sizeof(t->term_state));
	case SMP_TEXT_DEFAULT_BACKEND:
		return t->frontend->default_backend != NULL ? t->frontend->default_backend->name
							    : STR_NULL;
	case SMP_TEXT_HOSTNAME:
		return t->worker->set->hostname;
	}
	return STR_NULL;
}

static bool
host_number(const struct sample_ctx *ctx, enum sample_number what, int64_t *out)
{
	const struct txn *t = ctx->host_data;
	const struct proxy_set *set = t->worker->set;
	switch (what) {
	case SMP_NUM_RULE_LINE:
		*out = t->last_rule != NULL ? t->last_rule->line : 0;
		return t->last_rule != NULL;
	case SMP_NUM_FIRST_REQUEST:
		*out = !(t->flags & TXN_NOT_FIRST);
		return true;
	case SMP_NUM_WORKER:
		*out = t->worker->id + 1;
		return true;
	case SMP_NUM_FRONTEND_ID:
		*out = t->frontend->id;
		return true;
	case SMP_NUM_BACKEND_ID:
		*out = t->backend != NULL ? t->backend->id : 0;
		return t->backend != NULL;
	case SMP_NUM_SERVER_ID:
		*out = t->server != NULL ? t->server->id : 0;
		return t->server != NULL;
	case SMP_NUM_LISTENER_ID:
		*out = t->client != NULL ? t->client->bind->id : 0;
		return t->client != NULL;
	case SMP_NUM_RETRIES:
		*out = t->retries;
		return true;
	case SMP_NUM_REDISPATCHED:
		*out = (t->flags & TXN_REDISPATCHED) != 0;
		return true;
	case SMP_NUM_BYTES_IN:
		*out = (int64_t)(t->bytes_in + t->up.bytes);
		return true;
	case SMP_NUM_BYTES_OUT:
		*out = (int64_t)(t->bytes_out + t->down.bytes);
		return true;
	case SMP_NUM_UPTIME_S:
		*out = (int64_t)((ctx->now_mono_ns - set->started_mono_ns) / NS_PER_S);
		return true;
	case SMP_NUM_STOPPING:
		*out = t->worker->stopping;
		return true;
	case SMP_NUM_ACT_CONN:
		*out = (int64_t)proxy_current_connections(set);
		return true;
	case SMP_NUM_LOG_COUNT:
		*out = (int64_t)accesslog_count(t->frontend);
		return true;
	case SMP_NUM_SERVER_STATUS:
		*out = t->server_status;
		return t->server_status != 0;
	}
	return false;
}

// Filled once per rendering; lives in the transaction's arena.
static const struct log_values *
host_log(const struct sample_ctx *ctx)
{
	struct txn *t = ctx->host_data;
	struct log_values *v = ARENA_NEW(&t->arena, struct log_values);
	if (v != NULL)
		accesslog_values(t, v);
	return v;
}

static struct var_scope *
host_session(const struct sample_ctx *ctx)
{
	const struct txn *t = ctx->host_data;
	return t->client != NULL ? session_vars(t->client) : NULL;
}

static bool
host_payload(const struct sample_ctx *ctx, bool response, struct str *bytes)
{
	const struct txn *t = ctx->host_data;
	const struct conn *c = NULL;
	if (!(t->flags & TXN_TCP) || t->flags & TXN_JUDGED)
		return false;
	if (response)
		c = t->server_conn != NULL ? &t->server_conn->conn : NULL;
	else if (t->client != NULL && !(t->flags & TXN_TUNNEL))
		c = &t->client->conn;
	if (c == NULL)
		return false;
	*bytes = str_of(conn_data(c), conn_unread(c));
	return true;
}

static bool
host_server_end(const struct sample_ctx *ctx, bool local, struct sample_addr *out)
{
	const struct txn *t = ctx->host_data;
	*out = (struct sample_addr){0};
	if (t->server == NULL || (t->server_conn == NULL && t->times.connected_ns == 0))
		return false;
	if (!local)
		*out = t->server_peer;
	else if (t->server_conn != NULL)
		txn_server_local(t, out);
	else if (t->server_local != NULL)
		*out = *t->server_local;
	return out->family != 0;
}

const struct sample_host proxy_sample_host = {
    .server_end = host_server_end,
    .payload = host_payload,
    .text = host_text,
    .number = host_number,
    .log = host_log,
    .shm_write = proxy_shm_write,
    .session = host_session,
};

bool
proxy_address_excepted(const struct address_range *list, const struct sample_addr *addr)
{
	for (const struct address_range *r = list; r != NULL; r = r->next) {
		if (r->family != addr->family)
			continue;
		unsigned whole = r->prefix / 8, rest = r->prefix % 8;
		if (memcmp(r->ip, addr->ip, whole) != 0)
			continue;
		unsigned mask = 0xff00u >> rest;
		if (rest == 0 || ((r->ip[whole] ^ addr->ip[whole]) & mask & 0xff) == 0)
			return true;
	}
	return false;
}

struct str
proxy_unique_id(const struct txn *t)
{
	struct txn *own = t->ctx.host_data;
	const struct logfmt *format = t->frontend->unique_id;
	if (format == NULL || !(t->flags & TXN_TCP || txn_has_request(t)))
		return STR_NULL; // what was no request has none
	if (own->unique_id.p != NULL)
		return own->unique_id;
	// The format may hold %-aliases, whose values hold the id: inside itself it is empty.
	own->unique_id = STR("");
	struct str id;
	if (logfmt_render(format, &own->ctx, &id))
		own->unique_id = id;
	return own->unique_id;
}

void
proxy_host_unpin(struct txn *t)
{
	lua_call_end(t);
	if (t->flags & TXN_LUA_KEEPS)
		policy_forget(t->worker->policy, t->policy_view, (int64_t)t->id);
	if (t->policy_view != NULL)
		policy_unpin(t->worker->policy, &t->policy_view);
}
