// SPDX-License-Identifier: MIT
// Fetches about the connection and about who handles it: addresses, ports, names, numbers.

#include "expr/expr_priv.h"

static bool
give_addr(const struct sample_addr *a, struct sample *out)
{
	if (a == NULL || (a->family != 4 && a->family != 6))
		return false;
	out->type = a->family == 4 ? SMP_IP4 : SMP_IP6;
	memcpy(out->ip, a->ip, 16);
	return true;
}

static bool
give_port(const struct sample_addr *a, struct sample *out)
{
	if (a == NULL || (a->family != 4 && a->family != 6))
		return false;
	sample_set_int(out, a->port);
	return true;
}

static bool
server_end(struct sample_ctx *ctx, bool local, struct sample_addr *a)
{
	return ctx->host != NULL && ctx->host->server_end != NULL &&
	       ctx->host->server_end(ctx, local, a);
}

#define ADDR_FETCHES(field)                                                                   \
	static bool fetch_##field(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, \
				  struct sample *out)                                         \
	{                                                                                     \
		return give_addr(ctx->field, out);                                            \
	}                                                                                     \
	static bool fetch_##field##_port(const struct expr_arg *args UNUSED,                  \
					 struct sample_ctx *ctx, struct sample *out)          \
	{                                                                                     \
		return give_port(ctx->field, out);                                            \
	}
ADDR_FETCHES(src)
ADDR_FETCHES(dst)

#define SERVER_END_FETCHES(name, local)                                                      \
	static bool fetch_##name(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, \
				 struct sample *out)                                         \
	{                                                                                    \
		struct sample_addr a;                                                        \
		return server_end(ctx, local, &a) && give_addr(&a, out);                     \
	}                                                                                    \
	static bool fetch_##name##_port(const struct expr_arg *args UNUSED,                  \
					struct sample_ctx *ctx, struct sample *out)          \
	{                                                                                    \
		struct sample_addr a;                                                        \
		return server_end(ctx, local, &a) && give_port(&a, out);                     \
	}
SERVER_END_FETCHES(bc_src, true)
SERVER_END_FETCHES(bc_dst, false)

static bool
give_text(struct sample_ctx *ctx, enum sample_text what, struct sample *out)
{
	if (ctx->host == NULL || ctx->host->text == NULL)
		return false;
	struct str s = ctx->host->text(ctx, what);
	sample_set_str(out, s);
	return s.p != NULL;
}

static bool
give_number(struct sample_ctx *ctx, enum sample_number what, struct sample *out)
{
	int64_t n;
	if (ctx->host == NULL || ctx->host->number == NULL || !ctx->host->number(ctx, what, &n))
		return false;
	sample_set_int(out, n);
	return true;
}

#define TEXT_FETCH(name, what)                                                             \
	static bool fetch_##name(const struct expr_arg *args UNUSED, struct sample_ctx *c, \
				 struct sample *out)                                       \
	{                                                                                  \
		return give_text(c, what, out);                                            \
	}
#define NUMBER_FETCH(name, what)                                                           \
	static bool fetch_##name(const struct expr_arg *args UNUSED, struct sample_ctx *c, \
				 struct sample *out)                                       \
	{                                                                                  \
		return give_number(c, what, out);                                          \
	}
#define BOOL_FETCH(name, what)                                                             \
	static bool fetch_##name(const struct expr_arg *args UNUSED, struct sample_ctx *c, \
				 struct sample *out)                                       \
	{                                                                                  \
		if (!give_number(c, what, out))                                            \
			return false;                                                      \
		sample_set_bool(out, out->i != 0);                                         \
		return true;                                                               \
	}

TEXT_FETCH(fe_name, SMP_TEXT_FRONTEND)
TEXT_FETCH(be_name, SMP_TEXT_BACKEND)
TEXT_FETCH(srv_name, SMP_TEXT_SERVER)
TEXT_FETCH(so_name, SMP_TEXT_LISTENER)
TEXT_FETCH(fe_defbe, SMP_TEXT_DEFAULT_BACKEND)
TEXT_FETCH(unique_id, SMP_TEXT_UNIQUE_ID)
TEXT_FETCH(rule_file, SMP_TEXT_RULE_FILE)
TEXT_FETCH(term_state, SMP_TEXT_TERM_STATE)
NUMBER_FETCH(rule_line, SMP_NUM_RULE_LINE)
NUMBER_FETCH(fe_id, SMP_NUM_FRONTEND_ID)
NUMBER_FETCH(be_id, SMP_NUM_BACKEND_ID)
NUMBER_FETCH(srv_id, SMP_NUM_SERVER_ID)
NUMBER_FETCH(so_id, SMP_NUM_LISTENER_ID)
NUMBER_FETCH(thread, SMP_NUM_WORKER)
NUMBER_FETCH(retries, SMP_NUM_RETRIES)
NUMBER_FETCH(bytes_in, SMP_NUM_BYTES_IN)
NUMBER_FETCH(bytes_out, SMP_NUM_BYTES_OUT)
NUMBER_FETCH(uptime, SMP_NUM_UPTIME_S)
NUMBER_FETCH(act_conn, SMP_NUM_ACT_CONN)
NUMBER_FETCH(server_status, SMP_NUM_SERVER_STATUS)
BOOL_FETCH(first_req, SMP_NUM_FIRST_REQUEST)
BOOL_FETCH(redispatched, SMP_NUM_REDISPATCHED)
BOOL_FETCH(stopping, SMP_NUM_STOPPING)

#define CONN_ROW(n, o, nd, f, h)                                                  \
	{                                                                         \
		.name = (n), .out = (o), .needs = (nd), .fetch = (f), .help = (h) \
	}

const struct fetch_row expr_fetches_conn[] = {
    CONN_ROW("src", SMP_ADDR, SMP_NEED_CONN, fetch_src, "the client's address"),
    CONN_ROW("src_port", SMP_INT, SMP_NEED_CONN, fetch_src_port, "the client's port"),
    CONN_ROW("dst", SMP_ADDR, SMP_NEED_CONN, fetch_dst, "the address the client connected to"),
    CONN_ROW("dst_port", SMP_INT, SMP_NEED_CONN, fetch_dst_port,
	     "the port the client connected to"),
    CONN_ROW("bc_src", SMP_ADDR, SMP_NEED_RES | SMP_NEED_BC, fetch_bc_src,
	     "our address on the server's side"),
    CONN_ROW("bc_src_port", SMP_INT, SMP_NEED_RES | SMP_NEED_BC, fetch_bc_src_port,
	     "our port on the server's side"),
    CONN_ROW("bc_dst", SMP_ADDR, SMP_NEED_RES, fetch_bc_dst, "the server's address"),
    CONN_ROW("bc_dst_port", SMP_INT, SMP_NEED_RES, fetch_bc_dst_port, "the server's port"),
    CONN_ROW("fe_name", SMP_STR, SMP_NEED_CONN, fetch_fe_name, "the frontend's name"),
    CONN_ROW("fe_id", SMP_INT, SMP_NEED_CONN, fetch_fe_id, "the frontend's number"),
    CONN_ROW("fe_defbe", SMP_STR, SMP_NEED_CONN, fetch_fe_defbe,
	     "the name of the frontend's default backend"),
    CONN_ROW("so_name", SMP_STR, SMP_NEED_CONN, fetch_so_name,
	     "the name of the listening address, as `bind ... name` gave it"),
    CONN_ROW("so_id", SMP_INT, SMP_NEED_CONN, fetch_so_id, "the number of the listening address"),
    CONN_ROW("be_name", SMP_STR, SMP_NEED_TXN, fetch_be_name, "the backend's name"),
    CONN_ROW("be_id", SMP_INT, SMP_NEED_TXN, fetch_be_id, "the backend's number"),
    CONN_ROW("srv_name", SMP_STR, SMP_NEED_RES, fetch_srv_name, "the server's name"),
    CONN_ROW("srv_id", SMP_INT, SMP_NEED_RES, fetch_srv_id, "the server's number"),
    CONN_ROW("server_status", SMP_INT, SMP_NEED_RES, fetch_server_status,
	     "the status as the server sent it"),
    CONN_ROW("unique-id", SMP_STR, SMP_NEED_TXN, fetch_unique_id,
	     "the request's identifier as unique-id-format makes it"),
    CONN_ROW("http_first_req", SMP_BOOL, SMP_NEED_TXN, fetch_first_req,
	     "true for the first request of its connection"),
    CONN_ROW("last_rule_file", SMP_STR, SMP_NEED_TXN, fetch_rule_file,
	     "the file of the last rule that ended its rule set"),
    CONN_ROW("last_rule_line", SMP_INT, SMP_NEED_TXN, fetch_rule_line,
	     "the line of the last rule that ended its rule set"),
    CONN_ROW("txn.sess_term_state", SMP_STR, SMP_NEED_LOG, fetch_term_state,
	     "how the transaction ended, as logs show it"),
    CONN_ROW("txn.conn_retries", SMP_INT, SMP_NEED_RES, fetch_retries,
	     "how often connecting to a server was tried again"),
    CONN_ROW("txn.redispatched", SMP_BOOL, SMP_NEED_RES, fetch_redispatched,
	     "true when another server than the first was taken"),
    CONN_ROW("bytes_in", SMP_INT, SMP_NEED_LOG, fetch_bytes_in, "bytes sent by the client"),
    CONN_ROW("bytes_out", SMP_INT, SMP_NEED_LOG, fetch_bytes_out, "bytes sent to the client"),
    CONN_ROW("thread", SMP_INT, 0, fetch_thread, "the worker's number"),
    CONN_ROW("uptime", SMP_INT, 0, fetch_uptime, "seconds since the process started"),
    CONN_ROW("stopping", SMP_BOOL, 0, fetch_stopping, "true while the process drains"),
    CONN_ROW("act_conn", SMP_INT, 0, fetch_act_conn, "connections now in this process"),
    {.name = NULL},
};
