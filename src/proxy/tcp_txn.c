// SPDX-License-Identifier: MIT
// Mode tcp: one connection is one transaction. Its bytes stay in the receive buffer while rules
// look at them, so what was inspected is relayed as it came; choosing and connecting to a server
// are the steps that HTTP has. A buffer that is full, an end of input or the end of the
// inspection delay make the rules decide on what is there.
#include "proxy/tcp.h"

#include "proxy/accesslog.h"
#include "proxy/action_lua.h"
#include "proxy/client_header.h"
#include "proxy/conns.h"
#include "proxy/cookie.h"
#include "proxy/count.h"
#include "proxy/proxy.h"
#include "proxy/stick.h"
#include "proxy/txn.h"

// --- at accept -----------------------------------------------------------------------------------

static bool
admits(struct client *c, struct txn *t, const struct rule_list *list)
{
	enum rule_verdict v = rule_list_run(list, t);
	struct sample_addr src = *t->ctx.src, dst = *t->ctx.dst; // of set-src and its kin
	c->src = src;
	c->dst = dst;
	return v == RULE_NEXT || v == RULE_ALLOW;
}

bool
tcp_admits_connection(struct client *c, struct txn *t)
{
	return admits(c, t, &c->bind->frontend->tcp_connection);
}

bool
tcp_admits_session(struct client *c, struct txn *t)
{
	bool admitted = admits(c, t, &c->bind->frontend->tcp_session);
	if (admitted)
		stick_count_session(c);
	return admitted;
}

// Rules of a session see who the client is, which a header may yet have to tell.
static bool
admits_for_now(struct client *c, struct txn *t)
{
	return tcp_admits_connection(c, t) && (c->expects_header || tcp_admits_session(c, t));
}

// The rules see a transaction, which is gone again before the connection's first one. False: the
// connection is refused.
static bool
is_admitted(struct client *c, bool (*rules)(struct client *c, struct txn *t))
{
	struct txn *t = txn_new(c);
	bool admitted = t != NULL && rules(c, t);
	if (t != NULL)
		txn_forget(t);
	if (!admitted)
		conn_abort(&c->conn);
	return admitted;
}

static const struct txn_step step_tcp_inspect;

void
tcp_begin(struct txn *t)
{
	t->flags |= TXN_TCP | TXN_CLIENT_CLOSE;
	t->ctx.req = NULL;
	t->step = &step_tcp_inspect;
}

// False: it speaks HTTP.
static bool
enter_relay(struct client *c)
{
	if (c->bind->frontend->mode != PROXY_TCP)
		return false;
	struct txn *t = txn_new(c);
	if (t == NULL) {
		conn_close(&c->conn);
		return true;
	}
	tcp_begin(t);
	txn_run(t);
	return true;
}

bool
tcp_enter(struct client *c)
{
	const struct proxy *p = c->bind->frontend;
	bool judged = p->tcp_connection.first != NULL || p->tcp_session.first != NULL;
	c->expects_header = c->bind->accept_proxy;
	if (judged && !is_admitted(c, admits_for_now))
		return true;
	if (!c->expects_header)
		return enter_relay(c);
	client_header_await(c);
	return true;
}

void
tcp_greeted(struct client *c)
{
	const struct proxy *p = c->bind->frontend;
	bool judged = p->tcp_connection.first != NULL || p->tcp_session.first != NULL;
	if (judged && !is_admitted(c, tcp_admits_session))
		return;
	if (!enter_relay(c))
		client_next(c);
}

// --- inspect -------------------------------------------------------------------------------------

// The next bytes go behind those that are there.
static void
hear(struct conn *c)
{
	if (!conn_receiving(c) && (c->in == NULL || conn_room(c) > 0))
		conn_recv(c);
}

static bool
is_full(const struct conn *c)
{
	return c->in != NULL && conn_room(c) == 0;
}

// What came so far may be the head of an HTTP request: then conditions on it can be told.
static void
read_as_http(struct txn *t)
{
	const struct conn *c = &t->client->conn;
	if (t->ctx.req != NULL || t->ctx.not_http || conn_unread(c) == 0)
		return;
	enum codec_status st =
	    t->client_codec->read_request(&t->req_in, conn_data(c), conn_unread(c), &t->req);
	if (st == CODEC_OK)
		t->ctx.req = &t->req;
	t->ctx.not_http = st == CODEC_BAD;
}

// The delay runs from the first look at a list on, by the client's deadline.
static void
begin_look(struct txn *t, const struct proxy *p)
{
	if (t->inspect_end_ns == 0)
		t->inspect_end_ns = loop_now_ns(t->worker->loop) + p->inspect_request_ns;
	t->seen &= ~(uint32_t)SEEN_CLIENT_TIMEOUT;
}

// True: the rules are through.
static bool
end_look(struct txn *t, enum rule_verdict v)
{
	bool through = v != RULE_MORE && v != RULE_WAIT;
	if (through)
		t->inspect_end_ns = 0;
	conn_deadline(&t->client->conn, t->inspect_end_ns);
	return through;
}

enum rule_verdict
tcp_judge_request(struct txn *t, const struct proxy *p)
{
	if (t->waiting_list != NULL && t->waiting_list != &p->tcp_content)
		return RULE_NEXT; // a rule behind these waits, maybe by the same deadline
	begin_look(t, p);
	enum rule_verdict v = rule_list_walk(&p->tcp_content, t);
	(void)end_look(t, v); // the caller looks at v
	return v;
}

enum rule_verdict
tcp_judge_response(struct txn *t)
{
	const struct proxy *p = t->backend;
	struct conn *s = &t->server_conn->conn;
	if (t->waiting_list != NULL && t->waiting_list != &p->tcp_response)
		return RULE_NEXT;
	if (t->inspect_end_ns == 0)
		t->inspect_end_ns = loop_now_ns(t->worker->loop) + p->inspect_response_ns;
	bool waited = t->waiting_list != NULL;
	enum rule_verdict v = rule_list_walk(&p->tcp_response, t);
	if (waited || v == RULE_WAIT)
		conn_deadline(s, v == RULE_WAIT ? t->inspect_end_ns : 0);
	if (t->seen & SEEN_SERVER_TIMEOUT) { // of the rules' patience only
		t->seen &= ~(uint32_t)SEEN_SERVER_TIMEOUT;
		t->reason = NULL;
	}
	return v;
}

static enum step_verdict
inspect(struct txn *t, const struct proxy *p, const struct txn_step *next)
{
	struct conn *c = &t->client->conn;
	if (t->seen & SEEN_CLIENT_FAILED)
		return txn_cut(t, "CR");
	begin_look(t, p);
	if (p->tcp_content.first != NULL)
		read_as_http(t);
	t->ctx.more = loop_now_ns(t->worker->loop) < t->inspect_end_ns &&
		      !(t->seen & SEEN_CLIENT_EOF) && !is_full(c);
	t->ctx.memo_known = 0; // of fewer bytes
	enum rule_verdict v = rule_list_inspect(&p->tcp_content, t);
	if (!end_look(t, v)) {
		if (!(t->seen & SEEN_CLIENT_EOF))
			hear(c);
		return STEP_WAIT;
	}
	t->ctx.more = false;
	if (v == RULE_REPLY)
		return txn_go(t, &step_tcp_service);
	if (v == RULE_CUT && !t->reply.denied)
		return txn_cut(t, "CR");
	return v == RULE_NEXT || v == RULE_ALLOW ? txn_go(t, next) : txn_cut(t, "PR");
}

static const struct txn_step step_tcp_route;

static enum step_verdict
run_tcp_inspect(struct txn *t)
{
	return inspect(t, t->frontend, &step_tcp_route);
}

static const struct txn_step step_tcp_inspect = {"tcp-inspect", run_tcp_inspect};

// --- route ---------------------------------------------------------------------------------------

static enum step_verdict
run_tcp_connect(struct txn *t)
{
	if (!(t->seen & SEEN_CLIENT_EOF))
		hear(&t->client->conn); // to hear when it leaves; one buffer at most
	if (UNLIKELY(t->backend->sticking != NULL))
		stick_choose(t);
	return txn_go(t, &step_connect);
}

const struct txn_step step_tcp_connect = {"tcp-connect", run_tcp_connect};

static enum step_verdict
run_tcp_backend_inspect(struct txn *t)
{
	return inspect(t, t->backend, txn_behind_rules(t));
}

static const struct txn_step step_tcp_backend_inspect = {"tcp-backend-inspect",
							 run_tcp_backend_inspect};

static enum step_verdict
run_tcp_route(struct txn *t)
{
	const struct proxy *b = txn_choose_backend(t);
	t->times.head_ns = loop_now_ns(t->worker->loop);
	if (UNLIKELY(t->ctx.failed))
		return txn_cut(t, "PR");
	if (b == NULL)
		return txn_cut(t, "SC");
	t->backend = b;
	count_routed(t);
	if (b->disabled)
		return txn_cut(t, "SC");
	if (UNLIKELY(b->persist_rules != NULL) && !cookie_judge_persistence(t))
		return txn_cut(t, "PR");
	return txn_go(t, b == t->frontend ? txn_behind_rules(t) : &step_tcp_backend_inspect);
}

static const struct txn_step step_tcp_route = {"tcp-route", run_tcp_route};

// --- relay ---------------------------------------------------------------------------------------

static const struct txn_step step_tcp_relay;

static enum step_verdict
run_tcp_begin(struct txn *t)
{
	static const struct http_head raw = {.framing = HTTP_BODY_TUNNEL};
	struct conn *c = &t->client->conn, *s = &t->server_conn->conn;
	t->times.connected_ns = loop_now_ns(t->worker->loop);
	t->flags |= TXN_TUNNEL;
	if (UNLIKELY(t->to_stick != NULL))
		stick_store(t);
	t->ctx.req = NULL; // its bytes go away
	t->client_codec->begin_body(&t->req_in, &raw, false);
	t->server_codec->begin_body(&t->res_in, &raw, false);
	flow_init(&t->up, c, s, &t->req_in, false);
	flow_init(&t->down, s, c, &t->res_in, false);
	t->up.eof = (t->seen & SEEN_CLIENT_EOF) != 0;
	t->inspect_end_ns = t->times.connected_ns + t->backend->inspect_response_ns;
	if (t->backend->tcp_response.first == NULL)
		t->flags |= TXN_JUDGED;
	if (UNLIKELY(t->frontend->options & PROXY_OPT_LOGASAP))
		accesslog_write_early(t);
	return txn_go(t, &step_tcp_relay);
}

const struct txn_step step_tcp_begin = {"tcp-begin", run_tcp_begin};

// The tcp-response rules, once there is something to judge. MORE, WAIT: not yet.
static enum rule_verdict
judge_response(struct txn *t)
{
	const struct proxy *p = t->backend;
	struct conn *s = &t->server_conn->conn;
	bool ended = (t->seen & (SEEN_SERVER_EOF | SEEN_SERVER_FAILED)) != 0;
	bool late = loop_now_ns(t->worker->loop) >= t->inspect_end_ns;
	bool silent = conn_unread(s) == 0 && (late || p->inspect_response_ns == 0);
	bool same = !late && t->judged_bytes == conn_unread(s) + 1; // an event of the other side
	if (t->waiting_list == NULL && !ended && (silent || same)) {
		hear(s);
		return RULE_MORE;
	}
	t->ctx.more = !late && !ended && !is_full(s);
	t->ctx.not_http = true;
	t->ctx.memo_known = 0;
	enum rule_verdict v = rule_list_inspect(&p->tcp_response, t);
	t->judged_bytes = v == RULE_MORE ? conn_unread(s) + 1 : 0;
	if ((v == RULE_MORE || v == RULE_WAIT) && !ended)
		hear(s);
	t->ctx.more = false;
	return v;
}

static uint64_t
first_set(uint64_t a, uint64_t b)
{
	return a != 0 ? a : b;
}

static uint64_t
in(const struct txn *t, uint64_t ns)
{
	return ns != 0 ? loop_now_ns(t->worker->loop) + ns : 0;
}

// Bytes in either direction show that both ends are alive.
static void
set_deadlines(struct txn *t)
{
	const struct proxy_timeouts *f = &t->frontend->timeouts, *b = &t->backend->timeouts;
	uint64_t client_ns = first_set(b->tunnel_ns, f->client_ns);
	uint64_t server_ns = first_set(b->tunnel_ns, b->server_ns);
	if (t->up.state == FLOW_DONE || t->down.state == FLOW_DONE) {
		client_ns = first_set(f->client_fin_ns, client_ns);
		server_ns = first_set(b->server_fin_ns, server_ns);
	}
	conn_deadline(&t->client->conn, in(t, client_ns));
	uint64_t now = loop_now_ns(t->worker->loop), end = in(t, server_ns);
	uint64_t judge = t->inspect_end_ns;
	t->flags &= ~(uint32_t)TXN_INSPECTS;
	if (!(t->flags & TXN_JUDGED) && judge > now && (end == 0 || judge < end)) {
		t->flags |= TXN_INSPECTS;
		end = judge;
	}
	conn_deadline(&t->server_conn->conn, end);
}

// A server that takes no more may still have something to say.
static enum flow_result
pump_up(struct txn *t)
{
	if (UNLIKELY(t->seen & SEEN_SERVER_SEND_FAILED) && t->up.state == FLOW_ON) {
		t->up.state = FLOW_DONE;
		t->up.failed = true;
	}
	return flow_pump(&t->up);
}

static enum step_verdict
relay(struct txn *t)
{
	enum flow_result up = pump_up(t), down = FLOW_WAITS;
	if (LIKELY(t->flags & TXN_JUDGED))
		down = flow_pump(&t->down);
	if (down == FLOW_CUT) { // a reset travels on as one
		t->flags |= TXN_RESET_CLIENT;
		return txn_cut(t, "SD");
	}
	if (up == FLOW_FINISHED)
		txn_close_half(&t->up);
	if (down == FLOW_FINISHED)
		txn_close_half(&t->down);
	if (down == FLOW_FINISHED && t->flags & TXN_RULE_CLOSES)
		return STEP_DONE;
	if (down == FLOW_FINISHED && up == FLOW_FINISHED)
		return t->up.failed ? txn_cut(t, "SD") : STEP_DONE;
	set_deadlines(t);
	return STEP_WAIT;
}

static bool
has_timed_out(struct txn *t)
{
	if (t->flags & TXN_INSPECTS && t->seen & SEEN_SERVER_TIMEOUT) {
		t->seen &= ~(uint32_t)SEEN_SERVER_TIMEOUT; // of the rules' patience only
		t->reason = NULL;
	}
	return (t->seen & (SEEN_CLIENT_TIMEOUT | SEEN_SERVER_TIMEOUT)) != 0;
}

static enum step_verdict
run_tcp_relay(struct txn *t)
{
	if (t->seen & SEEN_CLIENT_FAILED)
		return txn_cut(t, "CD");
	if (UNLIKELY(has_timed_out(t)))
		return txn_cut(t, t->seen & SEEN_CLIENT_TIMEOUT ? "cD" : "sD");
	if (UNLIKELY(!(t->flags & TXN_JUDGED))) {
		enum rule_verdict v = judge_response(t);
		if (v == RULE_NEXT || v == RULE_ALLOW)
			t->flags |= TXN_JUDGED;
		else if (v != RULE_MORE && v != RULE_WAIT)
			return txn_cut(t, "PD");
	}
	return relay(t);
}

static const struct txn_step step_tcp_relay = {"tcp-relay", run_tcp_relay};
