// SPDX-License-Identifier: MIT
// Answers of our own: what rules return, and what went wrong as an error page. One send, then the
// transaction is over.
#include "proxy/conns.h"
#include "proxy/cookie.h"
#include "proxy/count.h"
#include "proxy/txn.h"

#define PAGE(status, sentence)                         \
	{                                              \
		status,                                \
		{                                      \
			sentence, sizeof(sentence) - 1 \
		}                                      \
	}
static const struct {
	uint16_t status;
	struct str sentence;
} pages[] = {
    PAGE(400, "The request is not valid HTTP."),
    PAGE(401, "A user name and a password are needed here."),
    PAGE(403, "Access to this resource is denied by the rules of this service."),
    PAGE(408, "The request was not complete in time."),
    PAGE(414, "The request target is too long."),
    PAGE(421, "This server does not answer for that host."),
    PAGE(429, "Too many requests."),
    PAGE(431, "The request header is too large."),
    PAGE(500, "The service met an internal error."),
    PAGE(501, "The request asks for something this service does not implement."),
    PAGE(502, "The server gave an invalid or incomplete answer."),
    PAGE(503, "No server is available to handle this request."),
    PAGE(504, "The server did not answer in time."),
    PAGE(505, "The HTTP version of the request is not supported."),
};

static const struct reply_header no_cache = {
    .name = {"cache-control", 13},
    .value = {"no-cache", 8},
};

static struct str
built_in_page(struct txn *t, unsigned status)
{
	struct str sentence = STR("The request could not be served.");
	for (size_t i = 0; i < ARRAY_LEN(pages); i++)
		if (pages[i].status == status)
			sentence = pages[i].sentence;
	char *text = arena_printf(&t->arena, "<html><body><h1>%u %.*s</h1>\n%.*s\n</body></html>\n",
				  status, STR_ARG(http_status_reason(status)), STR_ARG(sentence));
	return text != NULL ? str_from_c(text) : STR_NULL;
}

static const struct reply *
configured_page(const struct proxy *p, unsigned status)
{
	if (p != NULL)
		for (size_t i = 0; i < p->n_pages; i++)
			if (p->pages[i].status == status)
				return p->pages[i].reply;
	return NULL;
}

void
txn_error_page(struct txn *t, unsigned status)
{
	const struct reply *page = configured_page(t->backend, status);
	if (page == NULL)
		page = configured_page(t->frontend, status);
	if (page != NULL)
		t->reply = *page;
	else
		t->reply = (struct reply){.status = (uint16_t)status,
					  .content_type = STR("text/html"),
					  .body = built_in_page(t, status),
					  .headers = &no_cache};
}

// True when a response of our own can still be given.
static bool
can_answer(const struct txn *t)
{
	return !(t->flags & (TXN_RESPONSE_SENT | TXN_TCP)) && !(t->seen & SEEN_CLIENT_FAILED) &&
	       !conn_sending(&t->client->conn);
}

static void
note_end(struct txn *t, const char *term)
{
	t->term_state[0] = term[0];
	t->term_state[1] = term[1];
}

enum step_verdict
txn_cut(struct txn *t, const char *term)
{
	note_end(t, term);
	t->flags |= TXN_CLIENT_CLOSE | TXN_CUT;
	// Its client takes the end of the connection for the end of the body: RFC 9112 section 8.
	if (t->flags & TXN_RESPONSE_SENT && t->res.framing == HTTP_BODY_CLOSE)
		t->flags |= TXN_RESET_CLIENT;
	t->flags &= ~(uint32_t)TXN_CLIENT_LINGER;
	return STEP_DONE;
}

enum step_verdict
txn_fail(struct txn *t, unsigned status, const char *term)
{
	if (!can_answer(t))
		return txn_cut(t, term);
	t->arena.cap_bytes = TXN_ARENA_BYTES + TXN_ANSWER_BYTES;
	bool bad_request = status == 400 || status == 408 || status == 414 || status == 431 ||
			   status == 501 || status == 505;
	txn_error_page(t, status);
	t->reply.close = bad_request;
	note_end(t, term);
	return txn_go(t, &step_reply);
}

enum step_verdict
txn_reply(struct txn *t, const char *term)
{
	if (!can_answer(t))
		return txn_cut(t, term);
	note_end(t, term);
	return txn_go(t, &step_reply);
}

// --- tarpit --------------------------------------------------------------------------------------

// The client is kept waiting for an answer that is already decided; it costs a timer.
enum step_verdict
txn_tarpit(struct txn *t)
{
	const struct proxy *p = t->backend != NULL ? t->backend : t->frontend;
	uint64_t limit = TXN_TIMEOUT(t, p, tarpit_ns);
	if (limit == 0)
		limit = TXN_TIMEOUT(t, p, connect_ns);
	if (limit == 0)
		return txn_reply(t, "PT");
	conn_deadline(&t->client->conn, loop_now_ns(t->worker->loop) + limit);
	txn_watch_client(t);
	return txn_go(t, &step_tarpit);
}

static enum step_verdict
run_tarpit(struct txn *t)
{
	const uint32_t over = SEEN_CLIENT_FAILED | SEEN_CLIENT_TIMEOUT | SEEN_CLIENT_EOF;
	return t->seen & over ? txn_reply(t, "PT") : STEP_WAIT;
}

const struct txn_step step_tarpit = {"tarpit", run_tarpit};

// --- reply ---------------------------------------------------------------------------------------

// What the client awaits an answer to; of a head that was refused, as far as it was read.
static unsigned
asked_method(const struct txn *t)
{
	return t->times.head_ns != 0 ? t->asked_method : t->req.method;
}

// The request's head may never have been complete: then persistence is out of the question.
static void
decide_persistence(struct txn *t)
{
	// Behind a CONNECT the client may take 2xx of ours for a tunnel: nothing more is read from
	// it.
	if (t->reply.close || t->times.head_ns == 0 || asked_method(t) == HTTP_METHOD_CONNECT)
		t->flags |= TXN_CLIENT_CLOSE | TXN_CLIENT_LINGER;
	else if (!txn_discard_request_body(t))
		t->flags |= TXN_CLIENT_CLOSE | TXN_CLIENT_LINGER;
}

static inline bool
add(struct txn *t, const struct http_field *line, struct str name, struct str value)
{
	enum http_edit e = LIKELY(line != NULL) ? http_head_add_made(&t->res, line)
						: http_head_add(&t->res, &t->arena, name, value);
	return e == HTTP_EDIT_OK;
}

static bool
build_head(struct txn *t)
{
	const struct reply *r = &t->reply;
	struct http_head *h = &t->res;
	uint16_t max = t->req.max_fields;
	http_head_init_response(h, t->fields + max, max, r->status);
	h->method = (uint8_t)asked_method(t);
	bool ok = r->reason.n == 0 ||
		  http_head_set_status(h, &t->arena, r->status, r->reason) == HTTP_EDIT_OK;
	if (r->type_line != NULL || r->content_type.n > 0)
		ok = ok && add(t, r->type_line, STR("content-type"), r->content_type);
	for (const struct reply_header *f = r->headers; f != NULL; f = f->next)
		ok = ok && add(t, f->line, f->name, f->value);
	http_head_set_framing(h, HTTP_BODY_LENGTH, r->body.n);
	if (r->status == 204 || r->status == 304)
		http_head_set_framing(h, HTTP_BODY_NONE, 0);
	return ok;
}

static bool
has_body(const struct txn *t)
{
	return t->reply.body.n > 0 && asked_method(t) != HTTP_METHOD_HEAD &&
	       t->res.framing == HTTP_BODY_LENGTH;
}

void
txn_add_date(struct txn *t)
{
	struct proxy_worker *w = t->worker;
	struct str *extra = &t->res_out.head.extra;
	bool lacks = t->res.status >= 200 && !http_head_has_id(&t->res, HTTP_FIELD_DATE);
	*extra = lacks ? http_date_line(&w->date, loop_real_ns(w->loop) / NS_PER_S, t->date_line)
		       : STR_NULL;
}

static size_t
write_reply(struct txn *t, struct iovec *iov, size_t max)
{
	if (t->worker->stopping) // since the request came
		t->flags |= TXN_CLIENT_CLOSE;
	if (t->flags & TXN_CLIENT_CLOSE)
		t->res_out.head.flags |= H1_WRITE_CLOSE;
	else if (t->req.version == 0)
		t->res_out.head.flags |= H1_WRITE_KEEP_ALIVE;
	return t->client_codec->write_response(&t->res_out, &t->res, iov, max);
}

// The rules on responses; those of http-response for a service's answer only, which they may
// replace by another.
static enum rule_verdict
judge(struct txn *t, bool *ok)
{
	enum rule_verdict v = RULE_NEXT;
	if (t->flags & TXN_SERVICE) {
		v = txn_response_rules(t);
		if (v == RULE_NEXT || v == RULE_ALLOW)
			*ok = *ok && cookie_judge_response(t);
	}
	if (v == RULE_REPLY) {
		*ok = build_head(t);
		v = RULE_NEXT;
	}
	return v == RULE_NEXT || v == RULE_ALLOW ? txn_after_response_rules(t) : v;
}

bool
txn_judge_reply(struct txn *t)
{
	bool ok = build_head(t);
	t->ctx.res = &t->res;
	enum rule_verdict v = judge(t, &ok);
	return ok && v != RULE_FAIL && v != RULE_REPLY && v != RULE_CUT;
}

static enum step_verdict
run_reply(struct txn *t)
{
	txn_release_server(t, false);
	t->seen &= ~(uint32_t)SEEN_CLIENT_TIMEOUT; // answered by what follows
	decide_persistence(t);
	t->flags |= TXN_REPLIED | TXN_RESPONSE_SENT;
	uint64_t limit = TXN_TIMEOUT(t, t->frontend, client_ns);
	conn_deadline(&t->client->conn, limit != 0 ? loop_now_ns(t->worker->loop) + limit : 0);
	if (!txn_judge_reply(t))
		return txn_cut(t, "PR");
	txn_add_date(t);
	size_t max = H1_WRITE_IOV(t->res.n_fields);
	struct iovec *iov = t->res_iov;
	size_t n = write_reply(t, iov, TXN_IOV - 1);
	if (n == 0) {
		iov = max < CONN_MAX_IOV
			  ? arena_alloc(&t->arena, (max + 1) * sizeof(*iov), alignof(struct iovec))
			  : NULL;
		n = iov != NULL ? write_reply(t, iov, max) : 0;
		if (n == 0)
			return txn_cut(t, "PR");
	}
	if (has_body(t))
		iov[n++] = (struct iovec){(void *)(uintptr_t)t->reply.body.p, t->reply.body.n};
	for (size_t i = 0; i < n; i++)
		t->bytes_out += iov[i].iov_len;
	conn_send(&t->client->conn, iov, (unsigned)n, 0);
	return txn_go(t, &step_reply_sent);
}

const struct txn_step step_reply = {"reply", run_reply};

static enum step_verdict
run_reply_sent(struct txn *t)
{
	if (t->seen & (SEEN_CLIENT_FAILED | SEEN_CLIENT_TIMEOUT))
		return txn_cut(t, "CD");
	if (conn_sending(&t->client->conn))
		return STEP_WAIT;
	return STEP_DONE;
}

const struct txn_step step_reply_sent = {"reply-sent", run_reply_sent};
