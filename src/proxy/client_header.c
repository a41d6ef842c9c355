// SPDX-License-Identifier: MIT
// While the header is awaited the connection's events come here, so that nobody else pays for it.
// HAProxy takes only a header that comes in one piece; here it may come in any.
#include "proxy/client_header.h"

#include "base/module.h"
#include "net/proxy_header.h"
#include "net/reason.h"
#include "proxy/accesslog.h"
#include "proxy/action_priv.h"
#include "proxy/conf_priv.h"
#include "proxy/conns.h"
#include "proxy/host.h"
#include "proxy/tcp.h"

// --- refused -------------------------------------------------------------------------------------

// With HAProxy's numbers (its fc_err).
static const char *const errors[] = {
    [CLIENT_NO_ERROR] = "Success",
    [CLIENT_HEADER_EMPTY] = "Connection closed while waiting for PROXY protocol header",
    [CLIENT_HEADER_ABORT] = "Connection error while waiting for PROXY protocol header",
    [CLIENT_HEADER_TIMEOUT] = "Timeout while waiting for PROXY protocol header",
    [CLIENT_HEADER_TRUNCATED] = "Truncated PROXY protocol header received",
    [CLIENT_HEADER_NONE] = "Received something which does not look like a PROXY protocol header",
    [CLIENT_HEADER_BAD] = "Received an invalid PROXY protocol header",
    [CLIENT_HEADER_BAD_PROTOCOL] = "Received an unhandled protocol in the PROXY protocol header",
};

// Its fc_err_name, of 3.x.
static const char *const error_names[] = {
    [CLIENT_NO_ERROR] = "",
    [CLIENT_HEADER_EMPTY] = "PRX_EMPTY",
    [CLIENT_HEADER_ABORT] = "PRX_ABORT",
    [CLIENT_HEADER_TIMEOUT] = "PRX_TIMEOUT",
    [CLIENT_HEADER_TRUNCATED] = "PRX_TRUNCATED",
    [CLIENT_HEADER_NONE] = "PRX_NOT_HDR",
    [CLIENT_HEADER_BAD] = "PRX_BAD_HDR",
    [CLIENT_HEADER_BAD_PROTOCOL] = "PRX_BAD_PROTO",
};

static void
refuse(struct client *c, enum client_error error)
{
	c->error = (uint8_t)error;
	c->conn.on_event = client_event;
	accesslog_write_refused(c, str_from_c(errors[error]));
	conn_close(&c->conn);
}

// --- taken ---------------------------------------------------------------------------------------

// NULL: no memory.
static struct client_header *
make_header(struct client *c, struct str tlvs)
{
	if (session_vars(c) == NULL)
		return NULL;
	struct arena *a = &c->session->arena;
	a->cap_bytes += tlvs.n; // they take nothing of what variables may have
	struct client_header *made = ARENA_NEW(a, struct client_header);
	char *p = tlvs.n > 0 ? arena_alloc(a, tlvs.n, 1) : NULL;
	if (made == NULL || (tlvs.n > 0 && p == NULL))
		return NULL;
	if (tlvs.n > 0)
		memcpy(p, tlvs.p, tlvs.n);
	made->tlvs = str_of(p, tlvs.n);
	made->src = c->src;
	made->dst = c->dst;
	made->took_ns = loop_now_ns(c->worker->loop) - c->accept_ns;
	return made;
}

static void
take(struct client *c, const struct proxy_header *h)
{
	struct conn *conn = &c->conn;
	c->header = make_header(c, h->tlvs);
	if (c->header == NULL) {
		conn_close(conn);
		return;
	}
	if (h->src.len != 0) {
		client_sample_addr(&h->src, &c->src);
		client_sample_addr(&h->dst, &c->dst);
	}
	conn_consume(conn, (uint32_t)h->bytes);
	if (conn_unread(conn) == 0)
		conn_drop_rbuf(conn);
	conn->on_event = client_event;
	conn_deadline(conn, 0);
	tcp_greeted(c);
}

static void
read_header(struct client *c)
{
	static const enum client_error refusals[] = {
	    [PROXY_HEADER_NONE] = CLIENT_HEADER_NONE,
	    [PROXY_HEADER_BAD] = CLIENT_HEADER_BAD,
	    [PROXY_HEADER_BAD_PROTOCOL] = CLIENT_HEADER_BAD_PROTOCOL,
	};
	struct conn *conn = &c->conn;
	struct proxy_header h;
	enum proxy_header_status st =
	    proxy_header_parse(str_of(conn_data(conn), conn_unread(conn)), &h);
	if (st == PROXY_HEADER_OK)
		take(c, &h);
	else if (st != PROXY_HEADER_MORE)
		refuse(c, refusals[st]);
	else if (conn_room(conn) == 0 && !conn_new_rbuf(conn))
		refuse(c, CLIENT_HEADER_TRUNCATED); // more than a buffer
	else
		conn_recv(conn);
}

static void
header_event(struct conn *conn, enum conn_event ev, const struct reason *why)
{
	struct client *c = CONTAINER_OF(conn, struct client, conn);
	switch (ev) {
	case CONN_RECV:
		read_header(c);
		break;
	case CONN_TIMEOUT:
		refuse(c, CLIENT_HEADER_TIMEOUT);
		break;
	case CONN_EOF:
		refuse(c, conn_unread(conn) > 0 ? CLIENT_HEADER_TRUNCATED : CLIENT_HEADER_EMPTY);
		break;
	case CONN_ERROR:
		refuse(c, CLIENT_HEADER_ABORT);
		break;
	case CONN_CONNECTED:
	case CONN_SENT:
	case CONN_SEND_FAILED:
	case CONN_CLOSED:
		client_event(conn, ev, why);
		break;
	}
}

void
client_header_await(struct client *c)
{
	const struct proxy_timeouts *to = &c->bind->frontend->timeouts;
	uint64_t limit = to->client_ns != 0 ? to->client_ns : to->http_request_ns;
	c->conn.on_event = header_event;
	conn_deadline(&c->conn, limit != 0 ? loop_now_ns(c->worker->loop) + limit : 0);
	conn_recv(&c->conn);
}

// --- rows ----------------------------------------------------------------------------------------

static bool
parse_expect(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
	     struct err *err)
{
	struct str layer;
	(void)conf;
	(void)r;
	if (!action_word(line, at, "'layer4'", &layer, err))
		return false;
	return str_eq(layer, STR("layer4")) ||
	       err_set(err, "'%.*s': only 'expect-proxy layer4' is there", STR_ARG(layer));
}

static enum rule_verdict
run_expect(const struct rule *r, struct txn *t)
{
	(void)r;
	t->client->expects_header = true;
	return RULE_NEXT;
}

static const struct action_row actions[] = {
    {"expect-proxy", RULE_TCP_CONNECTION, parse_expect, run_expect, ACTION_KEEPS,
     "expect-proxy layer4",
     "The connection begins with a header of the PROXY protocol, as with 'accept-proxy'."},
    {.name = NULL},
};

static const struct client *
client_of(const struct sample_ctx *ctx)
{
	const struct txn *t = ctx->host == &proxy_sample_host ? ctx->host_data : NULL;
	return t != NULL ? t->client : NULL;
}

static bool
fetch_rcvd(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	const struct client *c = client_of(ctx);
	sample_set_bool(out, c != NULL && c->header != NULL);
	return c != NULL;
}

static bool
give_tlv(struct sample_ctx *ctx, uint8_t type, struct sample *out)
{
	const struct client *c = client_of(ctx);
	if (c == NULL || c->header == NULL)
		return false;
	struct str value = proxy_header_tlv(c->header->tlvs, type);
	sample_set_str(out, value);
	return value.p != NULL;
}

static bool
fetch_unique_id(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	return give_tlv(ctx, PROXY_TLV_UNIQUE_ID, out);
}

static bool
fetch_authority(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	return give_tlv(ctx, PROXY_TLV_AUTHORITY, out);
}

static bool
fetch_tlv(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out)
{
	return give_tlv(ctx, (uint8_t)args[0].i, out);
}

static bool
check_tlv(struct expr_arg *args, struct expr_env *env UNUSED, enum sample_type *out UNUSED,
	  struct err *err)
{
	args[0].i = proxy_header_tlv_type(args[0].s);
	return args[0].i >= 0 ||
	       err_set(err,
		       "'%.*s' is no type of a TLV: write 0 to 255, or ALPN, AUTHORITY, CRC32C, "
		       "NOOP, UNIQUE_ID, SSL, NETNS",
		       STR_ARG(args[0].s));
}

static bool
fetch_err(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	const struct client *c = client_of(ctx);
	sample_set_int(out, c != NULL ? c->error : CLIENT_NO_ERROR);
	return c != NULL;
}

static bool
fetch_err_str(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	const struct client *c = client_of(ctx);
	sample_set_str(out, str_from_c(errors[c != NULL ? c->error : CLIENT_NO_ERROR]));
	return c != NULL;
}

static bool
fetch_err_name(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	const struct client *c = client_of(ctx);
	sample_set_str(out, str_from_c(error_names[c != NULL ? c->error : CLIENT_NO_ERROR]));
	return c != NULL;
}

static const struct arg_spec tlv_arg[] = {{ARG_STR, .name = "type", .flags = ARG_NOT_EMPTY},
					  {.type = ARG_END}};

#define ROW(n, o, f, h)                                                                          \
	{                                                                                        \
		.name = (n), .out = (o), .needs = SMP_NEED_CONN, .fetch = fetch_##f, .help = (h) \
	}
static const struct fetch_row fetches[] = {
    ROW("fc_rcvd_proxy", SMP_BOOL, rcvd,
	"true when the connection began with a header of the PROXY protocol"),
    ROW("fc_pp_unique_id", SMP_STR, unique_id, "the unique id of that header, if it has one"),
    ROW("fc_pp_authority", SMP_STR, authority,
	"the authority of that header, a host's name, if it has one"),
    {.name = "fc_pp_tlv",
     .args = tlv_arg,
     .out = SMP_STR,
     .needs = SMP_NEED_CONN,
     .fetch = fetch_tlv,
     .check = check_tlv,
     .help =
	 "the last TLV of that type in that header: 0 to 255, or ALPN, AUTHORITY, CRC32C, NOOP, "
	 "UNIQUE_ID, SSL, NETNS"},
    ROW("fc_err", SMP_INT, err,
	"HAProxy's number of why the connection was refused before its first request; 0: it was "
	"not"),
    ROW("fc_err_name", SMP_STR, err_name, "fc_err by HAProxy's name; empty: it was not"),
    ROW("fc_err_str", SMP_STR, err_str, "fc_err in words"),
    {0},
};

const struct module proxy_header_module = {
    .name = "proxy-header",
    .actions = actions,
    .fetches = fetches,
};
