// SPDX-License-Identifier: MIT
// Rules that wait. A body for rules: wait-for-body (and `option http-buffer-request`, which is that
// rule in front of all others) receives until it stands in its connection's buffer, and the fetches
// read it there (fetch_body.c). Nothing is taken off the connection: the body goes on as it came.
// pause only waits.
#include "proxy/action_wait.h"

#include "base/clock.h"
#include "base/module.h"
#include "expr/expr.h"
#include "proxy/action_priv.h"
#include "proxy/conf_priv.h"
#include "proxy/conns.h"
#include "proxy/count.h"
#include "proxy/fetch_body.h"

struct body_args {
	uint64_t time_ns;  // 0: timeout http-request's
	uint64_t at_least; // bytes that are enough; 0: the whole body
};

// --- wait-for-body -----------------------------------------------------------------------------

static bool
parse_wait(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
	   struct err *err)
{
	struct body_args *a = r->args = CONF_NEW(conf, struct body_args);
	struct str word;
	uint64_t us;
	bool timed = false;
	for (; *at + 1 < line->argc; *at += 2) {
		word = line->argv[*at + 1];
		if (str_eq(line->argv[*at], STR("time"))) {
			if (!str_to_time_us(word, 1000, &us) || us == 0 || us > INT32_MAX * 1000ull)
				return err_set(err, "'%.*s' is no time", STR_ARG(word));
			a->time_ns = us * 1000;
			timed = true;
		} else if (str_eq(line->argv[*at], STR("at-least"))) {
			if (!str_to_size(word, &a->at_least))
				return err_set(err, "'%.*s' is no size", STR_ARG(word));
		} else {
			break;
		}
	}
	return timed || err_set(err, "'time TIME' is missing: how long to wait at most");
}

static enum rule_verdict
answer(struct txn *t, unsigned status)
{
	conn_deadline(&t->client->conn, 0);
	t->seen &= ~(uint32_t)SEEN_CLIENT_TIMEOUT;
	txn_error_page(t, status);
	t->reply.close = true; // what is left of the body will not be read
	return RULE_REPLY;
}

// A client that waits for it hears "100 Continue" from us, and its server will not be asked to.
static bool
greet(struct txn *t)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
	const struct http_name expect = http_name_of(STR("expect"));
	struct conn *c = &t->client->conn;
	if (http_head_find(&t->req, &expect, NULL) == NULL || conn_unread(c) > 0)
		return false;
	(void)http_head_del(&t->req, &expect); // it is there
	if (t->req.version == 0)
		return false;
	t->res_iov[0] = (struct iovec){(void *)(uintptr_t)text, sizeof(text) - 1};
	conn_send(c, t->res_iov, 1, 0);
	return true;
}

// Room behind what stands in the buffer; false: it is full, and what is there has to do.
static bool
make_room(struct conn *c)
{
	return c->in == NULL || conn_room(c) > 0 || conn_new_rbuf(c);
}

static void
begin_wait(const struct body_args *a, struct txn *t, struct conn *c)
{
	const struct proxy_timeouts *to = &t->frontend->timeouts;
	uint64_t limit = a->time_ns != 0            ? a->time_ns
			 : to->http_request_ns != 0 ? to->http_request_ns
						    : to->client_ns;
	t->flags |= TXN_PAUSED;
	conn_deadline(c, limit != 0 ? loop_now_ns(t->worker->loop) + limit : 0);
}

static enum rule_verdict
end_wait(struct txn *t, struct conn *c)
{
	if (t->flags & TXN_PAUSED)
		conn_deadline(c, 0);
	t->flags &= ~(uint32_t)TXN_PAUSED;
	return RULE_NEXT;
}

// True: bytes are awaited now. False: the buffer is full.
static bool
receive_more(struct conn *c)
{
	if (conn_receiving(c))
		return true;
	if (!make_room(c))
		return false;
	conn_recv(c);
	return true;
}

static enum rule_verdict
await_request(const struct body_args *a, struct txn *t)
{
	struct conn *c = &t->client->conn;
	if (t->seen & SEEN_CLIENT_FAILED)
		return RULE_CUT;
	if (t->seen & SEEN_CLIENT_EOF)
		return answer(t, 400);
	if (t->seen & SEEN_CLIENT_TIMEOUT)
		return answer(t, 408);
	bool first = !(t->flags & TXN_PAUSED);
	if (first)
		begin_wait(a, t, c);
	if ((first && greet(t)) || conn_sending(c))
		return RULE_WAIT;
	return receive_more(c) ? RULE_WAIT : end_wait(t, c);
}

static enum rule_verdict
run_wait_request(const struct rule *r, struct txn *t)
{
	const struct body_args *a = r->args;
	struct body b = body_look(t, false);
	if (b.status == CODEC_BAD) {
		count_bad_request(t, b.why, 0);
		return answer(t, 400);
	}
	if (b.status == CODEC_OK || (a->at_least > 0 && b.n >= a->at_least))
		return conn_sending(&t->client->conn) ? RULE_WAIT : end_wait(t, &t->client->conn);
	return await_request(a, t);
}

// A server that has ended or failed said all that there is; what is broken in it shows when it is
// relayed.
static enum rule_verdict
await_response(const struct body_args *a, struct txn *t)
{
	struct conn *s = &t->server_conn->conn;
	if (t->seen & SEEN_CLIENT_FAILED)
		return RULE_CUT;
	if (t->seen & SEEN_SERVER_TIMEOUT) {
		t->seen &= ~(uint32_t)SEEN_SERVER_TIMEOUT;
		txn_error_page(t, 504);
		return RULE_REPLY;
	}
	if (t->seen & (SEEN_SERVER_EOF | SEEN_SERVER_FAILED))
		return end_wait(t, s);
	if (!(t->flags & TXN_PAUSED))
		begin_wait(a, t, s);
	return receive_more(s) ? RULE_WAIT : end_wait(t, s);
}

// An answer of our own has its body already.
static enum rule_verdict
run_wait_response(const struct rule *r, struct txn *t)
{
	const struct body_args *a = r->args;
	if (t->server_conn == NULL || t->flags & (TXN_SERVICE | TXN_REPLIED))
		return RULE_NEXT;
	struct body b = body_look(t, true);
	if (b.status == CODEC_BAD) {
		count_bad_response(t, b.why, 0);
		txn_error_page(t, 502);
		return RULE_REPLY;
	}
	if (b.status == CODEC_OK || (a->at_least > 0 && b.n >= a->at_least))
		return end_wait(t, &t->server_conn->conn);
	return await_response(a, t);
}

static enum rule_verdict
run_wait(const struct rule *r, struct txn *t)
{
	return r->where == RULE_HTTP_RESPONSE ? run_wait_response(r, t) : run_wait_request(r, t);
}

// --- pause -------------------------------------------------------------------------------------

struct pause_args {
	uint64_t ns;
	struct expr *expr; // milliseconds
};

static bool
parse_pause(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
	    struct err *err)
{
	struct pause_args *a = r->args = CONF_NEW(conf, struct pause_args);
	uint64_t us;
	if (*at >= line->argc)
		return err_set(err, "a time is missing");
	if (str_to_time_us(line->argv[*at], 1000, &us) && us <= INT32_MAX * 1000ull) {
		++*at;
		a->ns = us * 1000;
		return true;
	}
	a->expr = action_expr(r, line, at, err);
	return a->expr != NULL;
}

static uint64_t
pause_ns(const struct pause_args *a, struct txn *t)
{
	struct sample s;
	if (a->expr == NULL)
		return a->ns;
	bool good = expr_eval(a->expr, &t->ctx, &s) && sample_cast(&s, SMP_INT, &t->ctx) &&
		    s.i > 0 && s.i <= INT32_MAX;
	return good ? (uint64_t)s.i * NS_PER_MS : 0;
}

// The client's deadline is the clock; a client that leaves meanwhile is not waited for.
static enum rule_verdict
run_pause(const struct rule *r, struct txn *t)
{
	struct conn *c = &t->client->conn;
	if (t->seen & SEEN_CLIENT_FAILED)
		return RULE_CUT;
	if (t->flags & TXN_SERVICE)
		return RULE_NEXT; // its answer is written in one step
	if (!(t->flags & TXN_PAUSED)) {
		uint64_t ns = pause_ns(r->args, t);
		if (ns == 0)
			return RULE_NEXT;
		t->flags |= TXN_PAUSED;
		conn_deadline(c, loop_now_ns(t->worker->loop) + ns);
		return RULE_WAIT;
	}
	if (!(t->seen & SEEN_CLIENT_TIMEOUT))
		return RULE_WAIT;
	t->seen &= ~(uint32_t)SEEN_CLIENT_TIMEOUT;
	return end_wait(t, c);
}

enum { PAUSE, WAIT_FOR_BODY };
static const struct action_row actions[] = {
    [PAUSE] = {"pause", RULE_HTTP_REQUEST | RULE_HTTP_RESPONSE, parse_pause, run_pause,
	       ACTION_KEEPS, "pause <time>|<expr>", "Waits; an expression gives milliseconds."},
    [WAIT_FOR_BODY] =
	{"wait-for-body", RULE_HTTP_REQUEST | RULE_HTTP_RESPONSE, parse_wait, run_wait, 0,
	 "wait-for-body time <time> [at-least <bytes>]",
	 "Goes on once the message's body is there, or a buffer is full of it; 408 (of a response: "
	 "504) when the time passes first."},
    {.name = NULL},
};

void
action_wait_for_body_first(struct conf *conf, struct proxy *p)
{
	struct rule *r = CONF_NEW(conf, struct rule);
	*r = (struct rule){.action = &actions[WAIT_FOR_BODY],
			   .args = CONF_NEW(conf, struct body_args),
			   .proxy = p,
			   .where = RULE_HTTP_REQUEST,
			   .file = p->file,
			   .line = p->line,
			   .next = p->http_request.first};
	if (p->http_request.first == NULL)
		p->http_request.tail = &r->next;
	p->http_request.first = r;
}

const struct module proxy_wait_module = {
    .name = "rule-waits",
    .actions = actions,
};
