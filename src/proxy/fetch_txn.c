// SPDX-License-Identifier: MIT
// Fetches of what only a transaction of this proxy knows: its timers and time-outs, both
// connections, the request line as it came. Elsewhere (a test, a command) they give no sample.
#include "proxy/fetch_txn.h"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/module.h"
#include "expr/expr.h"
#include "expr/logfmt.h"
#include "proxy/accesslog.h"
#include "proxy/client_header.h"
#include "proxy/conns.h"
#include "proxy/host.h"
#include "proxy/proxy.h"
#include "proxy/retry.h"
#include "proxy/txn.h"

static const struct txn *
txn_of(const struct sample_ctx *ctx)
{
	return ctx->host == &proxy_sample_host ? ctx->host_data : NULL;
}

// Where no backend is chosen yet the frontend speaks for it, as in HAProxy.
static const struct proxy *
backend_of(const struct txn *t)
{
	return t->backend != NULL ? t->backend : t->frontend;
}

#define FETCH(name)                                                                          \
	static bool fetch_##name(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, \
				 struct sample *out)
// A number of the transaction `t`.
#define NUMBER(name, expression)                            \
	FETCH(name)                                         \
	{                                                   \
		const struct txn *t = txn_of(ctx);          \
		if (t == NULL)                              \
			return false;                       \
		sample_set_int(out, (int64_t)(expression)); \
		return true;                                \
	}

// --- time-outs and tries -----------------------------------------------------------------------

NUMBER(nbproc, 1)
NUMBER(be_connect, backend_of(t)->timeouts.connect_ns / NS_PER_MS)
NUMBER(be_queue, backend_of(t)->timeouts.queue_ns / NS_PER_MS)
NUMBER(be_server, backend_of(t)->timeouts.server_ns / NS_PER_MS)
NUMBER(be_tarpit, backend_of(t)->timeouts.tarpit_ns / NS_PER_MS)
NUMBER(be_tunnel, backend_of(t)->timeouts.tunnel_ns / NS_PER_MS)
NUMBER(fe_client, t->frontend->timeouts.client_ns / NS_PER_MS)
NUMBER(fe_tarpit, t->frontend->timeouts.tarpit_ns / NS_PER_MS)
NUMBER(cur_client, TXN_TIMEOUT(t, t->frontend, client_ns) / NS_PER_MS)
NUMBER(cur_connect, TXN_TIMEOUT(t, backend_of(t), connect_ns) / NS_PER_MS)
NUMBER(cur_queue, TXN_TIMEOUT(t, backend_of(t), queue_ns) / NS_PER_MS)
NUMBER(cur_server, TXN_TIMEOUT(t, backend_of(t), server_ns) / NS_PER_MS)
NUMBER(cur_tarpit, TXN_TIMEOUT(t, backend_of(t), tarpit_ns) / NS_PER_MS)
NUMBER(cur_tunnel, TXN_TIMEOUT(t, backend_of(t), tunnel_ns) / NS_PER_MS)
NUMBER(be_retries, backend_of(t)->retries)
NUMBER(cur_retries, retry_most(t, backend_of(t)->retries))

// --- timers ------------------------------------------------------------------------------------

// One of the log's times by now; -1 for what did not come.
static bool
give_timer(struct sample_ctx *ctx, size_t offset, struct sample *out)
{
	const struct txn *t = txn_of(ctx);
	struct log_values v;
	int64_t ms;
	if (t == NULL)
		return false;
	accesslog_values(t, &v);
	__builtin_memcpy(&ms, (const char *)&v + offset, sizeof(ms));
	sample_set_int(out, ms);
	return true;
}

#define TIMER(name, field)                                                       \
	FETCH(name)                                                              \
	{                                                                        \
		return give_timer(ctx, offsetof(struct log_values, field), out); \
	}
TIMER(timer_handshake, th_ms)
TIMER(timer_total, tt_ms)
TIMER(timer_connect, tc_ms)
TIMER(timer_idle, ti_ms)
TIMER(timer_tq, tq_ms)
TIMER(timer_hdr, tr_ms)
TIMER(timer_queue, tw_ms)
TIMER(timer_res_hdr, tr_res_ms)
TIMER(timer_data, td_ms)
TIMER(timer_txn, ta_ms)
TIMER(timer_user, tu_ms)

enum unit { UNIT_S, UNIT_MS, UNIT_US };

// "s", "ms" or "us" of the first argument into its .i, `dflt` when left out.
static bool
check_unit(struct expr_arg *args, enum unit dflt, enum unit least, struct err *err)
{
	static const struct str units[] = {{"s", 1}, {"ms", 2}, {"us", 2}};
	args[0].i = dflt;
	for (int i = (int)least; args[0].given && i <= UNIT_US; i++) {
		if (str_eq(args[0].s, units[i])) {
			args[0].i = i;
			return true;
		}
	}
	return !args[0].given || err_set(err, "unit '%.*s' is none of %sms, us", STR_ARG(args[0].s),
					 least == UNIT_S ? "s, " : "");
}

static bool
check_date(struct expr_arg *args, struct expr_env *env UNUSED, enum sample_type *out UNUSED,
	   struct err *err)
{
	return check_unit(args, UNIT_S, UNIT_S, err);
}

static bool
give_date(const struct expr_arg *args, uint64_t mono_ns, const struct sample_ctx *ctx,
	  struct sample *out)
{
	static const uint64_t per[] = {NS_PER_S, NS_PER_MS, 1000};
	uint64_t ns = ctx->now_real_ns - (ctx->now_mono_ns - mono_ns);
	sample_set_int(out, (int64_t)(ns / per[args[0].i]));
	return true;
}

static bool
fetch_accept_date(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out)
{
	const struct txn *t = txn_of(ctx);
	return t != NULL && give_date(args, t->times.accept_ns, ctx, out);
}

static bool
fetch_request_date(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out)
{
	const struct txn *t = txn_of(ctx);
	return t != NULL && give_date(args, t->times.idle_ns, ctx, out);
}

// --- connections -------------------------------------------------------------------------------

NUMBER(id32, (uint32_t)t->id)
NUMBER(req_bytes_in, t->bytes_in + t->up.bytes)
NUMBER(res_bytes_out, t->bytes_out + t->down.bytes)
NUMBER(res_bytes_in,
       (t->res_buf != NULL ? t->server_codec->head_bytes(&t->res_in) : 0) + t->down.bytes)
NUMBER(queued_before, t->queued_before)
NUMBER(fc_http_major, 1)

// The head is written once more, to be measured: it is not edited behind its sending.
static size_t
sent_head_bytes(const struct txn *t, struct sample_ctx *ctx)
{
	size_t max = H1_WRITE_IOV(t->req.n_fields), total = 0;
	struct codec_out out = t->req_out;
	struct iovec *iov = arena_alloc(ctx->arena, max * sizeof(*iov), alignof(struct iovec));
	ctx->failed |= iov == NULL;
	size_t n = iov != NULL ? t->server_codec->write_request(&out, &t->req, iov, max) : 0;
	for (size_t i = 0; i < n; i++)
		total += iov[i].iov_len;
	return total;
}

FETCH(req_bytes_out)
{
	const struct txn *t = txn_of(ctx);
	if (t == NULL || t->times.connected_ns == 0)
		return false;
	size_t head = txn_has_request(t) ? sent_head_bytes(t, ctx) : 0;
	sample_set_int(out, (int64_t)(head + t->up.bytes));
	return true;
}

FETCH(bc_http_major)
{
	const struct txn *t = txn_of(ctx);
	sample_set_int(out, 1);
	return t != NULL && t->server != NULL;
}

FETCH(bc_reused)
{
	const struct txn *t = txn_of(ctx);
	if (t == NULL || t->server == NULL)
		return false;
	sample_set_bool(out, (t->flags & TXN_REUSED) != 0);
	return true;
}

// The connection's own ends, whatever rules said of them since.
static bool
give_end(const struct sample_addr *a, bool port, struct sample *out)
{
	if (a == NULL || (a->family != 4 && a->family != 6))
		return false;
	if (port) {
		sample_set_int(out, a->port);
		return true;
	}
	out->type = a->family == 4 ? SMP_IP4 : SMP_IP6;
	__builtin_memcpy(out->ip, a->ip, sizeof(out->ip));
	return true;
}

static const struct sample_addr *
own_end(const struct sample_ctx *ctx, bool dst)
{
	const struct txn *t = txn_of(ctx);
	const struct client *c = t != NULL ? t->client : NULL;
	if (c == NULL)
		return NULL;
	if (c->header != NULL)
		return dst ? &c->header->dst : &c->header->src;
	return dst ? &c->dst : &c->src;
}

#define END(name, dst, port)                                     \
	FETCH(name)                                              \
	{                                                        \
		return give_end(own_end(ctx, dst), (port), out); \
	}
END(fc_src, false, false)
END(fc_src_port, false, true)
END(fc_dst, true, false)
END(fc_dst_port, true, true)

// Whether the host has that address: then a socket can be bound to it. Asked of the kernel each
// time, as addresses come and go.
static bool
is_local(const struct sample_addr *a)
{
	struct addr addr;
	client_addr_of(a, &addr);
	addr_set_port(&addr, 0);
	int fd = socket(addr.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool local = fd >= 0 && bind(fd, &addr.sa, addr.len) == 0;
	if (fd >= 0)
		(void)close(fd); // nothing was sent
	return local;
}

static bool
give_local(const struct sample_addr *a, struct sample *out)
{
	if (a == NULL || (a->family != 4 && a->family != 6))
		return false;
	sample_set_bool(out, is_local(a));
	return true;
}

FETCH(src_is_local)
{
	return give_local(ctx->src, out);
}

FETCH(dst_is_local)
{
	return give_local(ctx->dst, out);
}

FETCH(fc_src_is_local)
{
	return give_local(own_end(ctx, false), out);
}

FETCH(fc_dst_is_local)
{
	return give_local(own_end(ctx, true), out);
}

// HAProxy's numbers of what becomes of a connection before its first byte. A client's has no such
// beginning here, without TLS and the PROXY protocol, so it never fails there.
static const struct {
	uint8_t reason; // enum reason_id; NONE: of all others
	uint8_t number;
	const char *name, *text;
} conn_errors[] = {
    {REASON_NO_FDS, 3, "SYS_FDLIM", "Too many sockets on the system"},
    {REASON_NO_MEMORY, 4, "SYS_MEMLIM", "Out of system buffers"},
    {REASON_NO_PORTS, 9, "FREE_PORTS", "Out of local source ports on the system"},
    {REASON_NONE, 0, "", "Success"},
};

static size_t
conn_error_of(const struct txn *t)
{
	size_t i = 0;
	while (conn_errors[i].reason != REASON_NONE &&
	       (t->reason == NULL || t->reason->id != conn_errors[i].reason))
		i++;
	return i;
}

NUMBER(bc_err, conn_errors[conn_error_of(t)].number)

FETCH(bc_err_name)
{
	const struct txn *t = txn_of(ctx);
	if (t == NULL)
		return false;
	sample_set_str(out, str_from_c(conn_errors[conn_error_of(t)].name));
	return true;
}

FETCH(bc_err_str)
{
	const struct txn *t = txn_of(ctx);
	if (t == NULL)
		return false;
	sample_set_str(out, str_from_c(conn_errors[conn_error_of(t)].text));
	return true;
}

// What a connection without TLS and without the PROXY protocol has not.
FETCH(no)
{
	sample_set_bool(out, false);
	return txn_of(ctx) != NULL;
}

FETCH(nothing)
{
	(void)ctx;
	(void)out;
	return false;
}

static bool
check_rtt(struct expr_arg *args, struct expr_env *env UNUSED, enum sample_type *out UNUSED,
	  struct err *err)
{
	return check_unit(args, UNIT_MS, UNIT_MS, err);
}

// What the kernel measured; no sample where it does not know, as on a unix socket.
static bool
give_rtt(const struct expr_arg *args, const struct conn *c, bool variance, struct sample *out)
{
	struct tcp_info info;
	socklen_t n = sizeof(info);
	if (c->fd < 0 || getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &n) != 0)
		return false;
	uint32_t us = variance ? info.tcpi_rttvar : info.tcpi_rtt;
	sample_set_int(out, args[0].i == UNIT_US ? us : us / 1000);
	return true;
}

#define RTT(name, side, variance)                                                     \
	static bool fetch_##name(const struct expr_arg *args, struct sample_ctx *ctx, \
				 struct sample *out)                                  \
	{                                                                             \
		const struct txn *t = txn_of(ctx);                                    \
		return t != NULL && t->side != NULL &&                                \
		       give_rtt(args, &t->side->conn, variance, out);                 \
	}
RTT(fc_rtt, client, false)
RTT(fc_rttvar, client, true)
RTT(bc_rtt, server_conn, false)
RTT(bc_rttvar, server_conn, true)

// --- lines as they came ------------------------------------------------------------------------

// Word `i` of the request line: method, target, version.
static bool
give_word(struct sample_ctx *ctx, int i, struct sample *out)
{
	const struct txn *t = txn_of(ctx);
	struct str word;
	if (t == NULL || !txn_has_request(t))
		return false;
	struct str line = str_slice(t->req.raw, 0, str_find_byte(t->req.raw, '\r'));
	for (int k = 0; k <= i; k++)
		if (!str_next(&line, ' ', &word))
			return false;
	sample_set_str(out, word);
	return true;
}

FETCH(capture_method)
{
	return give_word(ctx, 0, out);
}

// From its first slash on, as HAProxy gives it: without scheme and host.
FETCH(capture_uri)
{
	if (!give_word(ctx, 1, out))
		return false;
	size_t scheme = str_find(out->s, STR("://"));
	if (out->s.p[0] != '/' && scheme != SIZE_MAX) {
		struct str rest = str_slice(out->s, scheme + 3, out->s.n);
		out->s = str_slice(rest, str_find_byte(rest, '/'), rest.n);
	}
	return out->s.n > 0 && out->s.p[0] == '/';
}

FETCH(capture_req_ver)
{
	return give_word(ctx, 2, out);
}

FETCH(capture_res_ver)
{
	sample_set_str(out, ctx->res != NULL && ctx->res->version == 0 ? STR("HTTP/1.0")
								       : STR("HTTP/1.1"));
	return ctx->res != NULL;
}

// --- rows --------------------------------------------------------------------------------------

static const struct arg_spec unit_arg[] = {{.type = ARG_STR, .name = "unit", .flags = ARG_OPTIONAL},
					   {.type = ARG_END}};

#define ROW(n, al, a, o, nd, f, c, h)                                                 \
	{                                                                             \
		.name = (n), .aliases = (al), .args = (a), .out = (o), .needs = (nd), \
		.flags = ROW_VOLATILE, .fetch = fetch_##f, .check = (c), .help = (h)  \
	}
#define INT(n, nd, f, h) ROW(n, NULL, NULL, SMP_INT, SMP_NEED_##nd, f, NULL, h)

static const struct fetch_row fetches[] = {
    INT("nbproc", TXN, nbproc, "1: how many processes serve"),
    INT("be_connect_timeout", TXN, be_connect, "the backend's 'timeout connect' in milliseconds"),
    INT("be_queue_timeout", TXN, be_queue, "the backend's 'timeout queue' in milliseconds"),
    INT("be_server_timeout", TXN, be_server, "the backend's 'timeout server' in milliseconds"),
    INT("be_tarpit_timeout", TXN, be_tarpit, "the backend's 'timeout tarpit' in milliseconds"),
    INT("be_tunnel_timeout", TXN, be_tunnel, "the backend's 'timeout tunnel' in milliseconds"),
    INT("fe_client_timeout", TXN, fe_client, "the frontend's 'timeout client' in milliseconds"),
    INT("fe_tarpit_timeout", TXN, fe_tarpit, "the frontend's 'timeout tarpit' in milliseconds"),
    INT("cur_client_timeout", TXN, cur_client,
	"the client's time-out for this transaction, after set-timeout"),
    INT("cur_connect_timeout", TXN, cur_connect,
	"the connect time-out for this transaction, after set-timeout"),
    INT("cur_queue_timeout", TXN, cur_queue,
	"the queue's time-out for this transaction, after set-timeout"),
    INT("cur_server_timeout", TXN, cur_server,
	"the server's time-out for this transaction, after set-timeout"),
    INT("cur_tarpit_timeout", TXN, cur_tarpit,
	"the tarpit's time for this transaction, after set-timeout"),
    INT("cur_tunnel_timeout", TXN, cur_tunnel,
	"the tunnel's time-out for this transaction, after set-timeout"),
    INT("be_max_retries", TXN, be_retries, "the backend's 'retries'"),
    INT("cur_max_retries", TXN, cur_retries,
	"how often connecting may be tried again, after set-retries"),
    INT("fc.timer.handshake", TXN, timer_handshake,
	"milliseconds of the client's handshakes, as %Th"),
    INT("fc.timer.total", LOG, timer_total, "milliseconds since the connection came, as %Tt"),
    INT("bc.timer.connect", RES, timer_connect, "milliseconds to connect to the server, as %Tc"),
    INT("req.timer.idle", TXN, timer_idle, "milliseconds before the request began, as %Ti"),
    INT("req.timer.tq", TXN, timer_tq,
	"milliseconds from the connection to the whole request head, as %Tq"),
    INT("req.timer.hdr", TXN, timer_hdr, "milliseconds that the request head took, as %TR"),
    INT("req.timer.queue", RES, timer_queue, "milliseconds in queues, as %Tw"),
    INT("res.timer.hdr", RES, timer_res_hdr,
	"milliseconds until the response head was there, as %Tr"),
    INT("res.timer.data", LOG, timer_data, "milliseconds of the response's body, as %Td"),
    INT("txn.timer.total", LOG, timer_txn, "milliseconds from the request to the end, as %Ta"),
    INT("txn.timer.user", LOG, timer_user, "milliseconds as the user waits for them, as %Tu"),
    ROW("accept_date", NULL, unit_arg, SMP_INT, SMP_NEED_TXN, accept_date, check_date,
	"when the connection came, since 1970 in s (default), ms or us"),
    ROW("request_date", NULL, unit_arg, SMP_INT, SMP_NEED_TXN, request_date, check_date,
	"when the request began, since 1970 in s (default), ms or us"),
    INT("txn.id32", TXN, id32, "a number of this transaction, 32 bits"),
    INT("req.bytes_in", TXN, req_bytes_in, "bytes received from the client so far"),
    INT("req.bytes_out", RES, req_bytes_out, "bytes of the request sent to the server so far"),
    INT("res.bytes_in", RES, res_bytes_in, "bytes of the response received and passed on so far"),
    INT("res.bytes_out", TXN, res_bytes_out, "bytes sent to the client so far"),
    INT("bc_be_queue", RES, queued_before, "requests that waited when this one came to the queue"),
    INT("bc_srv_queue", RES, queued_before, "as bc_be_queue: queues are a backend's"),
    INT("fc_http_major", TXN, fc_http_major, "the HTTP version that the client speaks"),
    INT("bc_http_major", RES, bc_http_major, "the HTTP version that the server speaks"),
    ROW("bc_reused", NULL, NULL, SMP_BOOL, SMP_NEED_RES, bc_reused, NULL,
	"true when the server's connection served a request before"),
    ROW("fc_src", NULL, NULL, SMP_ADDR, SMP_NEED_TXN, fc_src, NULL,
	"the client's address, as the connection has it"),
    INT("fc_src_port", TXN, fc_src_port, "the client's port, as the connection has it"),
    ROW("fc_dst", NULL, NULL, SMP_ADDR, SMP_NEED_TXN, fc_dst, NULL,
	"the address the client connected to, as the connection has it"),
    INT("fc_dst_port", TXN, fc_dst_port,
	"the port the client connected to, as the connection has it"),
    ROW("src_is_local", NULL, NULL, SMP_BOOL, SMP_NEED_CONN, src_is_local, NULL,
	"true when the client's address is one of this host"),
    ROW("dst_is_local", NULL, NULL, SMP_BOOL, SMP_NEED_CONN, dst_is_local, NULL,
	"true when the address that the client wanted is one of this host"),
    ROW("fc_src_is_local", NULL, NULL, SMP_BOOL, SMP_NEED_CONN, fc_src_is_local, NULL,
	"as src_is_local, of the address that the connection has"),
    ROW("fc_dst_is_local", NULL, NULL, SMP_BOOL, SMP_NEED_CONN, fc_dst_is_local, NULL,
	"as dst_is_local, of the address that the connection has"),
    INT("bc_err", RES, bc_err,
	"HAProxy's number of why connecting to the server failed; 0: it did not"),
    ROW("bc_err_name", NULL, NULL, SMP_STR, SMP_NEED_RES, bc_err_name, NULL,
	"bc_err by HAProxy's name; empty: it did not"),
    ROW("bc_err_str", NULL, NULL, SMP_STR, SMP_NEED_RES, bc_err_str, NULL, "bc_err in words"),
    ROW("ssl_fc", NULL, NULL, SMP_BOOL, SMP_NEED_CONN, no, NULL,
	"false: clients do not speak TLS here"),
    ROW("ssl_bc", NULL, NULL, SMP_BOOL, SMP_NEED_RES, no, NULL,
	"false: TLS is not spoken to servers here"),
    ROW("ssl_fc_is_resumed", NULL, NULL, SMP_BOOL, SMP_NEED_CONN, no, NULL, "false: as ssl_fc"),
    ROW("ssl_fc_has_crt", NULL, NULL, SMP_BOOL, SMP_NEED_CONN, nothing, NULL,
	"never there: as ssl_fc"),
    ROW("ssl_c_used", NULL, NULL, SMP_BOOL, SMP_NEED_CONN, nothing, NULL, "never there: as ssl_fc"),
    INT("ssl_fc_err", CONN, nothing, "never there: as ssl_fc"),
    INT("ssl_c_err", CONN, nothing, "never there: as ssl_fc"),
    INT("ssl_c_ca_err", CONN, nothing, "never there: as ssl_fc"),
    ROW("ssl_fc_sni", NULL, NULL, SMP_STR, SMP_NEED_CONN, nothing, NULL, "never there: as ssl_fc"),
    ROW("ssl_fc_protocol", NULL, NULL, SMP_STR, SMP_NEED_CONN, nothing, NULL,
	"never there: as ssl_fc"),
    ROW("ssl_fc_cipher", NULL, NULL, SMP_STR, SMP_NEED_CONN, nothing, NULL,
	"never there: as ssl_fc"),
    ROW("fc_rtt", NULL, unit_arg, SMP_INT, SMP_NEED_TXN, fc_rtt, check_rtt,
	"the round-trip time to the client that the kernel measured, in ms (default) or us"),
    ROW("fc_rttvar", NULL, unit_arg, SMP_INT, SMP_NEED_TXN, fc_rttvar, check_rtt,
	"how much that varies"),
    ROW("bc_rtt", NULL, unit_arg, SMP_INT, SMP_NEED_RES, bc_rtt, check_rtt,
	"the round-trip time to the server that the kernel measured, in ms (default) or us"),
    ROW("bc_rttvar", NULL, unit_arg, SMP_INT, SMP_NEED_RES, bc_rttvar, check_rtt,
	"how much that varies"),
    ROW("capture.req.method", NULL, NULL, SMP_STR, SMP_NEED_TXN, capture_method, NULL,
	"the request's method as it came"),
    ROW("capture.req.uri", NULL, NULL, SMP_STR, SMP_NEED_TXN, capture_uri, NULL,
	"the request's path and query as they came"),
    ROW("capture.req.ver", NULL, NULL, SMP_STR, SMP_NEED_TXN, capture_req_ver, NULL,
	"the request's version as it came: HTTP/1.1"),
    ROW("capture.res.ver", NULL, NULL, SMP_STR, SMP_NEED_RES, capture_res_ver, NULL,
	"the response's version: HTTP/1.1"),
    {.name = NULL},
};

const struct module proxy_fetch_module = {.name = "transaction", .fetches = fetches};
