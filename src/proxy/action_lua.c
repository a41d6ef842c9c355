// SPDX-License-Identifier: MIT
// The actions `lua.NAME` and `use-service lua.NAME`. Words behind the first go to the function as
// they are. What it returns is one of HAProxy's act.* numbers; nothing is "go on".
#include "proxy/action_lua_priv.h"

#include "expr/acl.h"
#include "proxy/action_priv.h"
#include "proxy/conns.h"
#include "proxy/host.h"
#include "proxy/metrics_page.h"
#include "proxy/policy_host.h"
#include "proxy/setup.h"
#include "proxy/worker.h"

// HAProxy's enum act_return, act.* in Lua.
enum act_code {
	ACT_CONTINUE,
	ACT_STOP,
	ACT_YIELD,
	ACT_ERROR,
	ACT_DONE,
	ACT_DENY,
	ACT_ABORT,
	ACT_INVALID
};

// --- parsing, linking --------------------------------------------------------------------------

static bool
is_condition(struct str word)
{
	return str_eq(word, STR("if")) || str_eq(word, STR("unless"));
}

// To be linked; `word` is "lua.NAME".
static struct lua_rule *
new_rule(struct conf *conf, struct rule *rule, enum policy_kind kind, struct str word,
	 struct err *err)
{
	struct proxy_setup *s = conf_bound(conf, "setup");
	struct lua_rule *l = CONF_NEW(conf, struct lua_rule);
	if (!str_starts(word, STR("lua.")) || word.n == 4) {
		err_set(err, "'%.*s' is %s", STR_ARG(word),
			kind == POLICY_SERVICE ? "neither lua.NAME nor prometheus-exporter"
					       : "no lua.NAME");
		return NULL;
	}
	l->rule = rule;
	l->kind = kind;
	l->name = str_slice(word, 4, word.n);
	l->next = s->lua_rules;
	s->lua_rules = l;
	rule->args = l;
	return l;
}

static bool
parse_service(struct conf *conf, const struct conf_line *line, int *at, struct rule *rule,
	      struct err *err)
{
	struct str word;
	if (!action_word(line, at, "a service", &word, err))
		return false;
	if (str_eq(word, STR("prometheus-exporter"))) {
		rule->action = &metrics_page_action;
		return rule->where == RULE_HTTP_REQUEST ||
		       err_set(err, "prometheus-exporter answers requests: http-request");
	}
	return new_rule(conf, rule, POLICY_SERVICE, word, err) != NULL;
}

static bool
parse_lua(struct conf *conf, const struct conf_line *line, int *at, struct rule *rule,
	  struct err *err)
{
	struct lua_rule *l = new_rule(conf, rule, POLICY_ACTION, line->argv[1], err);
	if (l == NULL)
		return false;
	for (; *at < line->argc && !is_condition(line->argv[*at]); ++*at) {
		if (l->n_args == POLICY_MAX_ARGS)
			return err_set(err, "more than %d arguments", POLICY_MAX_ARGS);
		l->args[l->n_args++] =
		    (struct policy_value){.type = POLICY_T_STR, .s = line->argv[*at]};
	}
	return true;
}

static unsigned
where_of(const struct rule *r)
{
	return r->where == RULE_HTTP_REQUEST    ? POLICY_AT_HTTP_REQUEST
	       : r->where == RULE_HTTP_RESPONSE ? POLICY_AT_HTTP_RESPONSE
	       : r->where == RULE_TCP_CONTENT   ? POLICY_AT_TCP_REQUEST
	       : r->where == RULE_TCP_RESPONSE  ? POLICY_AT_TCP_RESPONSE
						: POLICY_AT_HTTP_AFTER;
}

static bool
link_rule(const struct proxy_setup *s, struct lua_rule *l, struct err *err)
{
	if (s->set->policies == NULL)
		return err_set(err,
			       "there is no script; a section 'policy NAME' or 'lua-load' names "
			       "one");
	if (l->kind == POLICY_SERVICE && l->rule->where == RULE_TCP_CONTENT &&
	    l->rule->proxy->mode != PROXY_TCP)
		return err_set(err, "in mode http a service answers requests: http-request "
				    "use-service");
	l->fn = policy_resolve_entry(s->set->policies, l->kind, l->name, where_of(l->rule),
				     l->n_args, err);
	return l->fn != NULL;
}

bool
lua_rules_link(struct proxy_setup *s)
{
	bool ok = true;
	for (struct lua_rule *l = s->lua_rules; l != NULL; l = l->next) {
		struct conf_line at = {.file = l->rule->file, .line = l->rule->line};
		struct err err = {0};
		if (!link_rule(s, l, &err))
			ok = conf_error(s->conf, &at, "'lua.%.*s': %s", STR_ARG(l->name), err.text);
	}
	return ok;
}

// --- running -----------------------------------------------------------------------------------

static void
woken(struct policy_run *run)
{
	struct lua_call *c = CONTAINER_OF(run, struct lua_call, run);
	c->due = true;
	txn_run(c->txn);
}

void
lua_call_outcome(struct txn *t, enum lua_outcome outcome)
{
	if (t->lua_call != NULL)
		t->lua_call->outcome = outcome;
}

void
lua_call_end(struct txn *t)
{
	struct lua_call *c = t->lua_call;
	if (c == NULL)
		return;
	policy_run_cancel(t->worker->policy, &c->run);
	c->active = false;
}

void
lua_call_free(struct txn *t)
{
	if (t->lua_call != NULL)
		arena_fini(&t->lua_call->room);
}

struct arena *
lua_call_room(struct txn *t)
{
	return t->lua_call != NULL ? &t->lua_call->room : &t->arena;
}

struct str
lua_call_body(const struct txn *t)
{
	return t->lua_call != NULL && t->lua_call->body.p != NULL ? t->lua_call->body : STR("");
}

static bool
client_left(const struct txn *t)
{
	bool half = t->seen & SEEN_CLIENT_EOF && !(t->flags & TXN_TUNNEL);
	return t->seen & SEEN_CLIENT_FAILED ||
	       (half && t->frontend->options & PROXY_OPT_ABORTONCLOSE);
}

// A client that resets its connection must be noticed while nothing else listens to it.
static void
watch_client(struct txn *t)
{
	struct conn *c = &t->client->conn;
	if (!(t->flags & TXN_TUNNEL) && !conn_receiving(c) && !conn_sending(c) &&
	    !(t->seen & SEEN_CLIENT_EOF) && (c->in == NULL || conn_room(c) > 0))
		conn_recv(c);
}

// The delay of tcp-request content, or tcp-response content, is over.
static bool
is_late(const struct rule *r, const struct txn *t)
{
	return r->where & RULE_TCP && loop_now_ns(t->worker->loop) >= t->inspect_end_ns;
}

enum policy_run_status
lua_call_once(const struct lua_rule *l, struct lua_call *c)
{
	struct txn *t = c->txn;
	struct proxy_worker *w = t->worker;
	struct policy_request request = {POLICY_REQUEST_MAGIC, &t->ctx, w->policy_scratch};
	struct policy_call call = {.txn = &request,
				   .arena = &t->arena,
				   .now_boot_ns = loop_boot_ns(w->loop),
				   .now_real_ns = loop_real_ns(w->loop),
				   .args = l->args,
				   .n_args = l->n_args};
	enum policy_run_status status;
	if (c->active && !c->due)
		status = policy_run_expire(w->policy, &c->run, &call,
					   "inspect-delay is over, and it still waits");
	else if (c->active)
		status = policy_run_resume(w->policy, &c->run, &call);
	else
		status = policy_run_begin(w->policy, t->policy_view, &c->run, l->fn, &call);
	c->active = status == POLICY_RUN_WAITS;
	c->due = false;
	c->code =
	    status == POLICY_RUN_DONE && call.out.type == POLICY_T_INT ? call.out.i : ACT_CONTINUE;
	return status;
}

static enum rule_verdict
refuse(const struct rule *r, struct txn *t, unsigned status)
{
	action_count_denied(r, t);
	if (!(r->where & RULE_TCP))
		txn_error_page(t, status);
	t->reply.denied = true;
	return r->where & RULE_TCP ? RULE_CUT : RULE_REPLY;
}

// Rules on content let bytes pass or cut the connection, without a word in mode http too.
static enum rule_verdict
tcp_verdict_of(const struct rule *r, const struct lua_call *c)
{
	struct txn *t = c->txn;
	switch (c->code) {
	case ACT_STOP:
	case ACT_DONE:
		return c->outcome == LUA_REPLIES ? RULE_REPLY : RULE_ALLOW;
	case ACT_DENY:
		return refuse(r, t, 403);
	case ACT_ERROR:
	case ACT_ABORT:
	case ACT_INVALID:
		t->reply.denied = true;
		return RULE_CUT;
	default:
		return RULE_NEXT;
	}
}

static enum rule_verdict
verdict_of(const struct rule *r, const struct lua_call *c)
{
	struct txn *t = c->txn;
	switch (c->code) {
	case ACT_STOP:
		return RULE_ALLOW;
	case ACT_DENY:
		return refuse(r, t, r->where == RULE_HTTP_REQUEST ? 403 : 502);
	case ACT_INVALID:
		return refuse(r, t, r->where == RULE_HTTP_REQUEST ? 400 : 502);
	case ACT_ERROR:
		return RULE_FAIL;
	case ACT_DONE:
		return c->outcome == LUA_REPLIES ? RULE_REPLY : RULE_ALLOW;
	case ACT_ABORT:
		t->reply.denied = true; // it was not the client that left
		return RULE_CUT;
	default:
		return RULE_NEXT;
	}
}

struct lua_call *
lua_call_new(struct txn *t)
{
	struct lua_call *c = ARENA_NEW(&t->arena, struct lua_call);
	if (c == NULL)
		return NULL;
	*c = (struct lua_call){.run.woken = woken, .txn = t};
	arena_init(&c->room, LUA_ANSWER_BYTES);
	if (t->policy_view == NULL)
		t->policy_view = policy_pin(t->worker->policy);
	return t->lua_call = c;
}

static enum rule_verdict
run_lua(const struct rule *r, struct txn *t)
{
	const struct lua_rule *l = r->args;
	struct lua_call *c = t->lua_call != NULL ? t->lua_call : lua_call_new(t);
	if (c == NULL)
		return action_failed(r, t);
	if (c->active && client_left(t))
		return RULE_CUT; // the transaction's end calls it off
	bool late = is_late(r, t);
	if (c->active && !c->due && !late)
		return RULE_WAIT; // an event of a connection
	// An answer of our own is on its way out.
	c->run.may_wait = r->where != RULE_HTTP_AFTER_RESPONSE && t->step != &step_reply && !late;
	c->run.sliced = false;
	c->run.limit_ns = policy_limits(l->fn)->session_ns;
	if (!c->active)
		c->outcome = LUA_GOES_ON;
	enum policy_run_status status = lua_call_once(l, c);
	acl_forget(&t->ctx, MEMO_OUTSIDE); // scripts write shared variables by themselves
	switch (status) {
	case POLICY_RUN_WAITS:
		watch_client(t);
		return RULE_WAIT;
	case POLICY_RUN_DENIED:
		return r->where & (RULE_IN_REQUEST | RULE_TCP) ? refuse(r, t, 403) : RULE_NEXT;
	case POLICY_RUN_FAILED:
		return RULE_NEXT; // as HAProxy does; it was logged and counted
	case POLICY_RUN_DONE:
		break;
	}
	return r->where & RULE_TCP ? tcp_verdict_of(r, c) : verdict_of(r, c);
}

// --- services ----------------------------------------------------------------------------------

// The request's body is taken in whole before the service runs, without chunks' framing, up to this
// many bytes.
#define BODY_BYTES ((size_t)32 << 10)

static bool
begin_body(struct lua_call *c)
{
	struct txn *t = c->txn;
	uint64_t length = t->req.content_length;
	c->body_begun = true;
	c->body_whole =
	    t->req.framing == HTTP_BODY_NONE || (t->req.framing == HTTP_BODY_LENGTH && length == 0);
	if (c->body_whole)
		return true;
	if (t->req.framing == HTTP_BODY_LENGTH && length > BODY_BYTES)
		return false;
	c->body_room = t->req.framing == HTTP_BODY_LENGTH ? (size_t)length : BODY_BYTES;
	c->body.p = arena_alloc(&t->arena, c->body_room, 1);
	t->client_codec->begin_body(&t->req_in, &t->req, true);
	flow_init(&t->up, &t->client->conn, NULL, &t->req_in, false);
	return c->body.p != NULL;
}

// What stands in the client's buffer. False: too much, or no HTTP.
static bool
take_body(struct lua_call *c)
{
	struct flow *f = &c->txn->up;
	struct iovec piece;
	enum flow_result result;
	while (flow_take(f, &piece, &result)) {
		if (piece.iov_len > c->body_room - c->body.n)
			return false;
		memcpy((char *)(uintptr_t)c->body.p + c->body.n, piece.iov_base, piece.iov_len);
		c->body.n += piece.iov_len;
		flow_settle(f);
	}
	c->body_whole = f->ended;
	return result != FLOW_BAD;
}

static enum rule_verdict
await_body(struct lua_call *c)
{
	struct txn *t = c->txn;
	struct conn *client = &t->client->conn;
	uint64_t limit = t->frontend->timeouts.client_ns;
	if (t->seen & (SEEN_CLIENT_EOF | SEEN_CLIENT_FAILED | SEEN_CLIENT_TIMEOUT))
		return RULE_CUT;
	if (conn_receiving(client))
		return RULE_WAIT;
	if (conn_unread(client) == 0)
		conn_drop_rbuf(client);
	else if (conn_room(client) == 0 && !conn_new_rbuf(client))
		return RULE_FAIL;
	conn_deadline(client, limit != 0 ? loop_now_ns(t->worker->loop) + limit : 0);
	conn_recv(client);
	return RULE_WAIT;
}

// --- use-service ---------------------------------------------------------------------------------

static enum rule_verdict
run_service(const struct rule *r, struct txn *t)
{
	if (r->where == RULE_TCP_CONTENT)
		return RULE_REPLY; // its step follows
	const struct lua_rule *l = r->args;
	struct lua_call *c = t->lua_call != NULL ? t->lua_call : lua_call_new(t);
	if (c == NULL)
		return action_failed(r, t);
	if (c->active && client_left(t))
		return RULE_CUT;
	if (c->active && !c->due)
		return RULE_WAIT;
	if ((!c->body_begun && !begin_body(c)) || (!c->body_whole && !take_body(c))) {
		txn_error_page(t, 413);
		t->reply.close = true;
		return RULE_REPLY;
	}
	if (!c->body_whole)
		return await_body(c);
	c->run.may_wait = c->run.sliced = true;
	c->run.limit_ns = policy_limits(l->fn)->service_ns;
	if (!c->active) {
		c->outcome = LUA_GOES_ON;
		conn_deadline(&t->client->conn, 0);
	}
	if (lua_call_once(l, c) == POLICY_RUN_WAITS) {
		watch_client(t);
		return RULE_WAIT;
	}
	if (c->outcome != LUA_REPLIES)
		txn_error_page(t, 500);
	t->flags |= TXN_SERVICE;
	return RULE_REPLY;
}

const struct action_row actions_lua[] = {
    {"lua.*",
     RULE_HTTP_REQUEST | RULE_HTTP_RESPONSE | RULE_HTTP_AFTER_RESPONSE | RULE_TCP_CONTENT |
	 RULE_TCP_RESPONSE,
     parse_lua, run_lua, 0, "lua.<action> [args...]",
     "Calls what a script registered as an action. It may edit the message, set variables, answer, "
     "and wait (not in http-after-response; in tcp-request and tcp-response content until "
     "inspect-delay is over); when it fails, evaluation goes on."},
    {"use-service", RULE_HTTP_REQUEST | RULE_TCP_CONTENT, parse_service, run_service, ACTION_FINAL,
     "use-service lua.<service>|prometheus-exporter",
     "prometheus-exporter answers with what 'show metrics' says, GET and HEAD alone. Or a service "
     "that a script registered answers. It may wait; the request's body is given to it "
     "whole, up to 32k, and its answer may have 1m. In tcp-request content (mode tcp) it has the "
     "connection until it ends."},
    {.name = NULL},
};
