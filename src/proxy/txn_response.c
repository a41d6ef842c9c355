// SPDX-License-Identifier: MIT
// The steps from a response head to the end: rules, the head and the body's first bytes in one
// send, then relaying until both bodies are through.
#include "proxy/accesslog.h"
#include "proxy/conns.h"
#include "proxy/count.h"
#include "proxy/proxy.h"
#include "proxy/tcp.h"
#include "proxy/txn.h"

// --- response-rules ----------------------------------------------------------------------------

static enum rule_verdict
run_lists(struct txn *t, const struct rule_list *backend, const struct rule_list *frontend)
{
	enum rule_verdict v = RULE_NEXT;
	if (backend != NULL && backend != frontend)
		v = rule_list_run(backend, t);
	if (v == RULE_NEXT || v == RULE_ALLOW)
		v = rule_list_run(frontend, t);
	return v;
}

enum rule_verdict
txn_after_response_rules(struct txn *t)
{
	const struct rule_list *b = t->backend != NULL ? &t->backend->http_after_response : NULL;
	return run_lists(t, b, &t->frontend->http_after_response);
}

enum rule_verdict
txn_response_rules(struct txn *t)
{
	const struct rule_list *b = t->backend != NULL ? &t->backend->http_response : NULL;
	return run_lists(t, b, &t->frontend->http_response);
}

// 100, 102, 103...: passed on as they are, then the next head is awaited. 101 is final.
static bool
is_interim(const struct txn *t)
{
	return t->res.status < 200 && t->res.framing != HTTP_BODY_TUNNEL;
}

// What is left of the request's body, beside the answer. False: it breaks the framing.
static bool
relay_request(struct txn *t)
{
	if (t->up.state != FLOW_ON || t->seen & SEEN_SERVER_SEND_FAILED)
		return true;
	switch (flow_pump(&t->up)) {
	case FLOW_WAITS:
	case FLOW_FINISHED:
		return true;
	case FLOW_CUT:
		t->up.state = FLOW_DONE; // the client gave up; the answer still goes out
		return true;
	case FLOW_BAD:
		break;
	}
	txn_count_bad_body(t);
	return false;
}

static inline bool
judge_cookies(struct txn *t)
{
	return LIKELY(!(t->backend->looks_at_cookies | t->frontend->looks_at_cookies)) ||
	       cookie_judge_response(t);
}

static enum step_verdict
run_response_rules(struct txn *t)
{
	if (is_interim(t))
		return txn_go(t, &step_send_response);
	// A rule waits: the server may need the rest of the request to go on.
	if (UNLIKELY(t->waiting_list != NULL) && !relay_request(t))
		return txn_cut(t, "PH");
	enum rule_verdict v = RULE_NEXT;
	if (UNLIKELY(t->backend->tcp_response.first != NULL))
		v = tcp_judge_response(t);
	if (v == RULE_CUT && t->reply.denied)
		return txn_cut(t, "PD"); // HAProxy's, though nothing of a body was sent
	if (LIKELY(v == RULE_NEXT || v == RULE_ALLOW))
		v = run_lists(t, &t->backend->http_response, &t->frontend->http_response);
	if (v == RULE_NEXT || v == RULE_ALLOW)
		v = judge_cookies(t) ? txn_after_response_rules(t) : RULE_FAIL;
	if (v == RULE_WAIT)
		return STEP_WAIT;
	if (v == RULE_CUT)
		return txn_cut(t, t->reply.denied ? "PH" : "CH");
	if (v == RULE_REPLY)
		return txn_reply(t, t->reply.denied ? "PH" : "LH");
	if (v == RULE_FAIL)
		return txn_fail(t, 500, "PH");
	return txn_go(t, &step_send_response);
}

const struct txn_step step_response_rules = {"response-rules", run_response_rules};

// --- send-response -----------------------------------------------------------------------------

// An HTTP/1.0 client knows no chunks: it gets the payload until we close (RFC 9112 section 7).
static bool
must_decode(const struct txn *t)
{
	return t->res.framing == HTTP_BODY_CHUNKED && t->req.version == 0;
}

static void
set_client_persistence(struct txn *t)
{
	bool decode = must_decode(t);
	if (decode)
		http_head_set_framing(&t->res, HTTP_BODY_CLOSE, 0);
	else if (t->req.version == 0 && http_head_has_id(&t->res, HTTP_FIELD_TRANSFER_ENCODING))
		http_head_set_framing(&t->res, HTTP_BODY_NONE,
				      0); // of a HEAD, where it frames nothing
	bool awaits_body = t->up.state == FLOW_ON && !t->up.ended;
	if (t->res.framing == HTTP_BODY_CLOSE || awaits_body || t->worker->stopping)
		t->flags |= TXN_CLIENT_CLOSE;
	if (awaits_body)
		t->flags |= TXN_CLIENT_LINGER;
	if (t->res.framing == HTTP_BODY_TUNNEL) {
		t->flags |= TXN_TUNNEL | TXN_CLIENT_CLOSE;
		if (t->res.status == 101)
			t->res_out.head.flags |= H1_WRITE_UPGRADE;
	} else if (t->flags & TXN_CLIENT_CLOSE) {
		t->res_out.head.flags |= H1_WRITE_CLOSE;
	} else if (t->req.version == 0) {
		t->res_out.head.flags |= H1_WRITE_KEEP_ALIVE;
	}
	t->server_codec->begin_body(&t->res_in, &t->res, false);
	if (decode)
		t->server_codec->begin_body(&t->res_in,
					    &(struct http_head){.framing = HTTP_BODY_CHUNKED},
					    true);
}

// The response is all here: its server may serve somebody else while the client is sent to.
static void
release_early(struct txn *t)
{
	struct conn *s = &t->server_conn->conn;
	// A body that broke off is over for us, yet the server waits for the rest of it.
	bool reuse = t->res.flags & HTTP_HEAD_KEEP_ALIVE && t->up.state == FLOW_DONE &&
		     t->up.ended && !(t->flags & TXN_TUNNEL) &&
		     !(t->req_out.head.flags & H1_WRITE_CLOSE) &&
		     conn_unread(s) == t->down.sending && !conn_sending(s);
	if (reuse)
		conn_consume(s, t->down.sending); // the bytes live on in down.held
	else if (conn_sending(s))
		return; // an early answer: step_relay sorts it out
	t->down.bytes += t->down.sending;
	t->down.sending = 0;
	t->down.from = NULL;
	txn_release_server(t, reuse);
}

// A rule made a HEAD of the request, or something else of a HEAD: the client still awaits an answer
// to what it sent, with a body or without.
static void
fit_to_asked_method(struct txn *t)
{
	struct http_head *h = &t->res;
	bool none = h->framing == HTTP_BODY_NONE;
	if (t->asked_method == HTTP_METHOD_HEAD && !none && h->framing != HTTP_BODY_TUNNEL) {
		h->framing = HTTP_BODY_NONE;
		h->flags &= (uint16_t)~HTTP_HEAD_KEEP_ALIVE; // the body stays unread
	} else if (t->req.method == HTTP_METHOD_HEAD && none && h->status != 204 &&
		   h->status != 304) {
		http_head_set_framing(h, HTTP_BODY_LENGTH, 0);
	}
}

static struct iovec *
write_response_head(struct txn *t, size_t *n)
{
	struct iovec *iov = t->res_iov;
	txn_add_date(t);
	*n = t->client_codec->write_response(&t->res_out, &t->res, iov, TXN_IOV - 1);
	if (LIKELY(*n > 0))
		return iov;
	size_t max = H1_WRITE_IOV(t->res.n_fields);
	iov = arena_alloc(&t->arena, (max + 1) * sizeof(*iov), alignof(struct iovec));
	if (iov == NULL || max + 1 > CONN_MAX_IOV)
		return NULL;
	*n = t->client_codec->write_response(&t->res_out, &t->res, iov, max);
	return *n > 0 ? iov : NULL;
}

static void
client_deadline(struct txn *t)
{
	uint64_t limit = TXN_TIMEOUT(t, t->frontend, client_ns);
	conn_deadline(&t->client->conn, limit != 0 ? loop_now_ns(t->worker->loop) + limit : 0);
}

// From here on bytes of both directions are opaque.
static void
begin_tunnel(struct txn *t)
{
	struct http_head raw = {.framing = HTTP_BODY_TUNNEL};
	t->client_codec->begin_body(&t->req_in, &raw, false);
	bool eof = t->up.eof;
	t->bytes_in += t->up.bytes;
	flow_init(&t->up, &t->client->conn, &t->server_conn->conn, &t->req_in, false);
	t->up.eof = eof;
}

static enum step_verdict run_interim(struct txn *t);
static const struct txn_step step_interim = {"interim-response", run_interim};

static enum step_verdict
run_send_response(struct txn *t)
{
	struct conn *c = &t->client->conn;
	bool interim = is_interim(t);
	if (conn_sending(c))
		return STEP_WAIT; // an interim response is still on its way
	if (interim && t->req.version == 0)
		return txn_go(t, &step_interim); // HTTP/1.0 has none: dropped
	http_head_strip_hop_by_hop(&t->res, t->res.status == 101);
	if (UNLIKELY(t->asked_method != t->req.method) && !interim)
		fit_to_asked_method(t);
	if (!interim)
		set_client_persistence(t);
	if (t->flags & TXN_TUNNEL && t->up.state == FLOW_ON)
		return txn_fail(t, 502, "PH"); // switched before it had the request
	size_t n;
	struct iovec *iov = write_response_head(t, &n);
	if (iov == NULL)
		return txn_fail(t, 502, "PH");
	for (size_t i = 0; i < n; i++)
		t->bytes_out += iov[i].iov_len;
	client_deadline(t);
	if (interim) {
		conn_send(c, iov, (unsigned)n, 0);
		return txn_go(t, &step_interim);
	}
	bool no_body = t->res.framing == HTTP_BODY_NONE ||
		       (t->res.framing == HTTP_BODY_LENGTH && t->res.content_length == 0);
	flow_init(&t->down, &t->server_conn->conn, c, &t->res_in, no_body);
	t->down.eof = t->seen & (SEEN_SERVER_EOF | SEEN_SERVER_FAILED);
	t->down.failed = t->seen & SEEN_SERVER_FAILED;
	enum flow_result result = FLOW_WAITS;
	flow_take_behind(&t->down, iov, &n, &result);
	if (result == FLOW_BAD)
		return txn_fail(t, 502, "PH");
	t->flags |= TXN_RESPONSE_SENT;
	if (UNLIKELY(t->frontend->options & PROXY_OPT_LOGASAP))
		accesslog_write_early(t);
	conn_send(c, iov, (unsigned)n, 0);
	if (t->flags & TXN_TUNNEL)
		begin_tunnel(t);
	else if (t->down.ended)
		release_early(t);
	return txn_go(t, &step_relay);
}

const struct txn_step step_send_response = {"send-response", run_send_response};

// Behind an interim response: once it is sent, its bytes may go and the next head is awaited.
static enum step_verdict
run_interim(struct txn *t)
{
	if (t->seen & (SEEN_CLIENT_FAILED | SEEN_CLIENT_TIMEOUT))
		return txn_cut(t, t->seen & SEEN_CLIENT_FAILED ? "CH" : "cH");
	if (t->seen & SEEN_SERVER_TIMEOUT)
		return txn_fail(t, 504, "sH");
	if (conn_sending(&t->client->conn))
		return STEP_WAIT;
	conn_deadline(&t->client->conn, 0); // it was for the interim response
	uint16_t max = t->res.max_fields;
	rbuf_unref(&t->res_buf);
	t->ctx.res = NULL;
	http_head_init(&t->res, t->fields + max, max);
	t->server_codec->begin(&t->res_in);
	return txn_go(t, &step_await_response);
}

// --- relay -------------------------------------------------------------------------------------

static enum step_verdict
relay_timed_out(struct txn *t)
{
	return txn_cut(t, t->seen & SEEN_CLIENT_TIMEOUT ? "cD" : "sD");
}

// Each direction's timer runs while that side is waited for.
static void
relay_deadlines(struct txn *t)
{
	uint64_t now = loop_now_ns(t->worker->loop);
	uint64_t client_ns = TXN_TIMEOUT(t, t->frontend, client_ns);
	uint64_t server_ns = TXN_TIMEOUT(t, t->backend, server_ns);
	if (t->flags & TXN_TUNNEL && TXN_TIMEOUT(t, t->backend, tunnel_ns) != 0)
		client_ns = server_ns = TXN_TIMEOUT(t, t->backend, tunnel_ns);
	struct conn *c = &t->client->conn;
	bool on_client = conn_sending(c) || (t->flags & TXN_TUNNEL);
	conn_deadline(c, on_client && client_ns != 0 ? now + client_ns : 0);
	if (t->server_conn == NULL)
		return;
	struct conn *s = &t->server_conn->conn;
	bool on_server = conn_receiving(s) || conn_sending(s);
	conn_deadline(s, on_server && server_ns != 0 ? now + server_ns : 0);
}

void
txn_close_half(struct flow *f)
{
	if (f->to != NULL && !(f->to->flags & CONN_F_SHUT) && !conn_closing(f->to))
		conn_shutdown(f->to);
}

static enum step_verdict
relay_tunnel(struct txn *t)
{
	enum flow_result up = flow_pump(&t->up), down = flow_pump(&t->down);
	if (down == FLOW_CUT) { // a reset travels on as one
		t->flags |= TXN_RESET_CLIENT;
		return txn_cut(t, "SD");
	}
	if (up == FLOW_FINISHED)
		txn_close_half(&t->up);
	if (down == FLOW_FINISHED)
		txn_close_half(&t->down);
	if (up == FLOW_FINISHED && down == FLOW_FINISHED)
		return STEP_DONE;
	relay_deadlines(t);
	return STEP_WAIT;
}

static enum step_verdict
run_relay(struct txn *t)
{
	struct flow *down = &t->down;
	if (t->seen & SEEN_CLIENT_FAILED)
		return txn_cut(t, "CD");
	if (t->seen & (SEEN_CLIENT_TIMEOUT | SEEN_SERVER_TIMEOUT))
		return relay_timed_out(t);
	if (t->flags & TXN_TUNNEL)
		return relay_tunnel(t);
	if (down->from == NULL) // the server has been released: only the send is left
		return conn_sending(&t->client->conn) ? STEP_WAIT : STEP_DONE;
	if (!relay_request(t))
		return txn_cut(t, "PD");
	switch (flow_pump(down)) {
	case FLOW_WAITS:
		relay_deadlines(t);
		return STEP_WAIT;
	case FLOW_BAD:
		count_bad_response(t, t->res_in.body.reason, down->bytes);
		return txn_cut(t, "PD");
	case FLOW_CUT:
		return txn_cut(t, "SD");
	case FLOW_FINISHED:
		break;
	}
	release_early(t);
	return STEP_DONE;
}

const struct txn_step step_relay = {"relay", run_relay};
