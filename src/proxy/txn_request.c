// SPDX-License-Identifier: MIT
// The steps of a request until a server is needed: head, the frontend's rules, routing, the
// backend's rules, and what this hop changes in the head.
#include "expr/acl.h"
#include "proxy/bad_message.h"
#include "proxy/conns.h"
#include "proxy/host.h"
#include "proxy/count.h"
#include "proxy/proxy.h"
#include "proxy/stick.h"
#include "proxy/tcp.h"
#include "proxy/txn.h"

static uint64_t
first_of(uint64_t a, uint64_t b)
{
	return a != 0 ? a : b;
}

// --- read-head -------------------------------------------------------------------------------

// More of the head is needed: make room, ask.
static enum step_verdict
await_more_head(struct txn *t)
{
	struct conn *c = &t->client->conn;
	const struct proxy_timeouts *to = &t->frontend->timeouts;
	if (conn_receiving(c))
		return STEP_WAIT;
	if (conn_room(c) == 0) {
		const char *from = conn_data(c);
		size_t n = conn_unread(c);
		if (!conn_new_rbuf(c)) {
			enum http_reason_id why = t->client_codec->too_big(&t->req_in, &t->req);
			t->http_reason = (uint8_t)why;
			count_bad_request(t, why, n);
			return txn_fail(t, http_reason(why)->status, "PR");
		}
		t->client_codec->moved(&t->req_in, &t->req, from, n, conn_data(c));
	}
	uint64_t limit = first_of(to->http_request_ns, to->client_ns);
	if (limit != 0)
		conn_deadline(c, t->times.idle_ns + limit);
	conn_recv(c);
	return STEP_WAIT;
}

static enum step_verdict
refuse_request(struct txn *t)
{
	uint64_t offset;
	enum http_reason_id why = t->client_codec->reason(&t->req_in, &offset);
	t->http_reason = (uint8_t)why;
	count_bad_request(t, why, offset);
	bad_message_keep(t, false, why, offset);
	return txn_fail(t, http_reason(why)->status, "PR");
}

// It will not be whole: who tracks clients counts it nevertheless, and as an error if it was left.
static void
note_unfinished(struct txn *t, bool late)
{
	if (LIKELY(t->worker->set->tables == NULL) || conn_unread(&t->client->conn) == 0)
		return;
	if (late)
		stick_count_request(t);
	else
		stick_count_bad_request(t);
}

static enum step_verdict
leave_head(struct txn *t)
{
	bool late = t->seen & SEEN_CLIENT_TIMEOUT && !(t->seen & SEEN_CLIENT_FAILED);
	note_unfinished(t, late);
	return late ? txn_fail(t, 408, "cR") : txn_cut(t, "CR");
}

static enum step_verdict
run_read_head(struct txn *t)
{
	struct conn *c = &t->client->conn;
	if (t->seen & (SEEN_CLIENT_FAILED | SEEN_CLIENT_TIMEOUT))
		return leave_head(t);
	enum codec_status st =
	    t->client_codec->read_request(&t->req_in, conn_data(c), conn_unread(c), &t->req);
	if (st == CODEC_MORE)
		return t->seen & SEEN_CLIENT_EOF ? leave_head(t) : await_more_head(t);
	if (st == CODEC_BAD)
		return refuse_request(t);
	t->req_buf = rbuf_ref(c->in);
	t->asked_method = t->req.method;
	size_t n = t->client_codec->head_bytes(&t->req_in);
	t->bytes_in += n;
	conn_consume(c, (uint32_t)n);
	conn_deadline(c, 0);
	t->client->n_requests++;
	count_request(t);
	t->times.head_ns = loop_now_ns(t->worker->loop);
	if (!(t->req.flags & HTTP_HEAD_KEEP_ALIVE) || t->worker->stopping ||
	    t->frontend->options & PROXY_OPT_HTTP_CLOSE)
		t->flags |= TXN_CLIENT_CLOSE;
	if (UNLIKELY(t->frontend->request_captures.n > 0))
		capture_headers(t, false);
	return txn_go(t, &step_frontend_rules);
}

const struct txn_step step_read_head = {"read-head", run_read_head};

// --- rules and routing ------------------------------------------------------------------------

// Who was denied, for the log.
static void
note_cookies(struct txn *t)
{
	const struct proxy *b = t->backend != NULL ? t->backend : t->frontend;
	if (b->looks_at_cookies | t->frontend->looks_at_cookies)
		(void)cookie_read_request(t); // without room it is not told
}

static void
note_refused(struct txn *t)
{
	note_cookies(t);
	if (UNLIKELY(t->worker->set->tables != NULL))
		stick_count_refused(t);
}

static enum step_verdict
run_request_rules(struct txn *t, const struct proxy *p, const struct txn_step *next)
{
	enum rule_verdict verdict = RULE_NEXT;
	if (UNLIKELY(p->tcp_content.first != NULL))
		verdict = tcp_judge_request(t, p);
	if (LIKELY(verdict == RULE_NEXT || verdict == RULE_ALLOW)) {
		if (UNLIKELY(t->worker->set->tables != NULL))
			stick_count_request(t);
		verdict = rule_list_run(&p->http_request, t);
	}
	if (verdict == RULE_NEXT || verdict == RULE_ALLOW)
		verdict = rule_list_run(&p->redirects, t);
	switch (verdict) {
	case RULE_NEXT:
	case RULE_ALLOW:
		return txn_go(t, next);
	case RULE_REPLY:
		if (t->reply.denied || t->reply.tarpit)
			note_refused(t);
		if (UNLIKELY(t->reply.tarpit))
			return txn_tarpit(t);
		return txn_reply(t, t->reply.denied ? "PR" : "LR");
	case RULE_WAIT:
		return STEP_WAIT;
	case RULE_CUT:
		return txn_cut(t, t->reply.denied ? "PR" : "CR");
	case RULE_MORE:
	case RULE_FAIL:
		break;
	}
	return txn_fail(t, 500, "PR");
}

static bool
is_monitor_request(const struct txn *t)
{
	const struct proxy *p = t->frontend;
	return p->monitor_uri.n > 0 && str_eq(t->req.target, p->monitor_uri);
}

// Who balances load in front learns first that we are about to go.
static enum step_verdict
answer_monitor(struct txn *t)
{
	if (t->worker->stopping)
		return txn_fail(t, 503, "LR");
	t->reply = (struct reply){.status = 200,
				  .content_type = STR("text/html"),
				  .body = STR("<html><body><h1>200 OK</h1>\n"
					      "Service ready.\n</body></html>\n")};
	return txn_reply(t, "LR");
}

static enum step_verdict
run_frontend_rules(struct txn *t)
{
	if (UNLIKELY(is_monitor_request(t)))
		return answer_monitor(t);
	return run_request_rules(t, t->frontend, &step_route);
}

const struct txn_step step_frontend_rules = {"frontend-rules", run_frontend_rules};

static enum step_verdict
run_route(struct txn *t)
{
	const struct proxy *b = txn_choose_backend(t);
	if (UNLIKELY(t->ctx.failed))
		return txn_fail(t, 500, "PR");
	if (b == NULL)
		return txn_fail(t, 503, "SC");
	t->backend = b;
	count_routed(t);
	if (b->disabled)
		return txn_fail(t, 503, "SC");
	if (UNLIKELY(b->persist_rules != NULL) && !cookie_judge_persistence(t))
		return txn_fail(t, 500, "PR");
	return txn_go(t, b == t->frontend ? txn_behind_rules(t) : &step_backend_rules);
}

const struct txn_step step_route = {"route", run_route};

static enum step_verdict
run_backend_rules(struct txn *t)
{
	return run_request_rules(t, t->backend, txn_behind_rules(t));
}

const struct txn_step step_backend_rules = {"backend-rules", run_backend_rules};

// Listens to a client whose request is complete, to hear that it left. What it pipelines meanwhile
// fills one buffer; then it is heard again with its next request. Costs nothing: the receive is
// the one that the connection needs anyway.
void
txn_watch_client(struct txn *t)
{
	struct conn *c = &t->client->conn;
	if (conn_unread(c) > 0 || conn_receiving(c) || t->seen & SEEN_CLIENT_EOF)
		return;
	conn_drop_rbuf(c); // the head lives on in req_buf
	conn_recv(c);
}

bool
txn_client_gave_up(const struct txn *t)
{
	return UNLIKELY(t->seen & SEEN_CLIENT_EOF) && t->up.state == FLOW_DONE &&
	       t->backend->options & PROXY_OPT_ABORTONCLOSE;
}

// --- prepare ---------------------------------------------------------------------------------

// The proxy whose word counts for an option that both may have, often from one defaults section:
// the backend's, and it is done once. NULL: neither.
static const struct proxy *
who_has(const struct txn *t, unsigned option)
{
	return t->backend->options & option    ? t->backend
	       : t->frontend->options & option ? t->frontend
					       : NULL;
}

// Added behind what the client sent, as HAProxy does.
static bool
add_address(struct txn *t, struct str name, const struct sample_addr *addr)
{
	struct sample ip = {.type = addr->family == 4 ? SMP_IP4 : SMP_IP6};
	__builtin_memcpy(ip.ip, addr->ip, sizeof(ip.ip));
	char text[64];
	size_t n = sample_print_ip(&ip, text, sizeof(text));
	return http_head_add(&t->req, &t->arena, name, str_of(text, n)) == HTTP_EDIT_OK;
}

static bool
is_ip(const struct sample_addr *addr)
{
	return addr->family != 0 && addr->family != 1;
}

// if-none holds when each proxy that has the option says so.
static bool
add_forwarded_for(struct txn *t)
{
	const struct sample_addr *src = t->ctx.src;
	const struct proxy *p = who_has(t, PROXY_OPT_FORWARDFOR);
	if (p == NULL || !is_ip(src) ||
	    proxy_address_excepted(t->frontend->forwardfor_except, src) ||
	    proxy_address_excepted(t->backend->forwardfor_except, src))
		return true;
	struct http_name name = http_name_of(p->forwardfor_header);
	const unsigned both = PROXY_OPT_FORWARDFOR | PROXY_OPT_FORWARDFOR_IF_NONE;
	bool always = (t->frontend->options & both) == PROXY_OPT_FORWARDFOR ||
		      (t->backend->options & both) == PROXY_OPT_FORWARDFOR;
	if (!always && http_head_find(&t->req, &name, NULL) != NULL)
		return true;
	return add_address(t, p->forwardfor_header, src);
}

static bool
add_original_to(struct txn *t)
{
	const struct sample_addr *dst = t->ctx.dst;
	const struct proxy *p = who_has(t, PROXY_OPT_ORIGINALTO);
	if (p == NULL || !is_ip(dst) ||
	    proxy_address_excepted(t->frontend->originalto_except, dst) ||
	    proxy_address_excepted(t->backend->originalto_except, dst))
		return true;
	return add_address(t, p->originalto_header, dst);
}

static bool
add_unique_id(struct txn *t)
{
	struct str id = proxy_unique_id(t);
	return id.n == 0 || t->frontend->unique_id_header.n == 0 ||
	       http_head_add(&t->req, &t->arena, t->frontend->unique_id_header, id) == HTTP_EDIT_OK;
}

static bool
add_own_fields(struct txn *t)
{
	const unsigned adding = PROXY_OPT_HTTP_VIA | PROXY_OPT_FORWARDFOR | PROXY_OPT_ORIGINALTO;
	if (LIKELY(who_has(t, adding) == NULL && t->frontend->unique_id == NULL))
		return true;
	const struct proxy *p = who_has(t, PROXY_OPT_HTTP_VIA);
	if (p != NULL && http_head_add(&t->req, &t->arena, STR("via"), p->via_name) != HTTP_EDIT_OK)
		return false;
	return (t->frontend->unique_id == NULL || add_unique_id(t)) && add_forwarded_for(t) &&
	       add_original_to(t);
}

static bool
has_no_body(const struct http_head *h)
{
	return h->framing == HTTP_BODY_NONE ||
	       (h->framing == HTTP_BODY_LENGTH && h->content_length == 0);
}

static enum step_verdict
run_prepare(struct txn *t)
{
	const struct proxy *p = t->backend;
	bool no_body = has_no_body(&t->req);
	enum step_verdict verdict;
	if (UNLIKELY(t->req.method == HTTP_METHOD_OPTIONS || t->req.method == HTTP_METHOD_TRACE) &&
	    !txn_lower_max_forwards(t, &verdict))
		return verdict;
	if (no_body && http_method_is_idempotent(t->req.method))
		t->flags |= TXN_REPLAYABLE;
	http_head_strip_hop_by_hop(&t->req, t->req.flags & HTTP_HEAD_UPGRADE);
	if (t->req.flags & HTTP_HEAD_UPGRADE)
		t->req_out.head.flags |= H1_WRITE_UPGRADE;
	if ((p->options | t->frontend->options) &
	    (PROXY_OPT_HTTP_SERVER_CLOSE | PROXY_OPT_HTTP_CLOSE))
		t->req_out.head.flags |= H1_WRITE_CLOSE;
	if (UNLIKELY(p->looks_at_cookies | t->frontend->looks_at_cookies) &&
	    !cookie_read_request(t))
		return txn_fail(t, 431, "PR");
	if (UNLIKELY(p->sticking != NULL))
		stick_choose(t);
	if (!add_own_fields(t))
		return txn_fail(t, 431, "PR");
	acl_forget(&t->ctx, MEMO_REQ);
	t->client_codec->begin_body(&t->req_in, &t->req, false);
	flow_init(&t->up, &t->client->conn, NULL, &t->req_in, no_body);
	if (no_body)
		txn_watch_client(t);
	return txn_go(t, &step_connect);
}

const struct txn_step step_prepare = {"prepare", run_prepare};
