// SPDX-License-Identifier: MIT
// The action `lua.NAME`. Words behind it go to the function as they are. What it returns is one
// of HAProxy's act.* numbers; nothing is "go on".
#include "proxy/action_lua.h"

#include "policy/run.h"
#include "proxy/action_priv.h"
#include "proxy/conns.h"
#include "proxy/host.h"
#include "proxy/policy_host.h"
#include "proxy/setup.h"
#include "proxy/worker.h"

// A rule's words, until and after linking.
struct lua_rule {
	struct lua_rule *next; // of the setup
	const struct rule *rule;
	struct str name;
	const struct policy_fn *fn;
	unsigned n_args;
	struct policy_value args[POLICY_MAX_ARGS];
};

// A call under way; lies in the transaction's arena and serves all its calls.
struct lua_call {
	struct policy_run run; // first: woken gets its address
	struct txn *txn;
	bool active, due;
	int64_t code; // enum act_code: what it returned
	enum lua_outcome outcome;
};

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

static bool
parse_lua(struct conf *conf, const struct conf_line *line, int *at, struct rule *rule,
	  struct err *err)
{
	struct proxy_setup *s = conf_bound(conf, "setup");
	struct lua_rule *l = CONF_NEW(conf, struct lua_rule);
	l->rule = rule;
	l->name = str_slice(line->argv[1], 4, line->argv[1].n);
	if (l->name.n == 0)
		return err_set(err, "a name is missing behind 'lua.'");
	for (; *at < line->argc && !is_condition(line->argv[*at]); ++*at) {
		if (l->n_args == POLICY_MAX_ARGS)
			return err_set(err, "more than %d arguments", POLICY_MAX_ARGS);
		l->args[l->n_args++] =
		    (struct policy_value){.type = POLICY_T_STR, .s = line->argv[*at]};
	}
	l->next = s->lua_rules;
	s->lua_rules = l;
	rule->args = l;
	return true;
}

static unsigned
where_of(const struct rule *r)
{
	return r->where == RULE_HTTP_REQUEST    ? POLICY_AT_HTTP_REQUEST
	       : r->where == RULE_HTTP_RESPONSE ? POLICY_AT_HTTP_RESPONSE
						: POLICY_AT_HTTP_AFTER;
}

static bool
link_rule(const struct proxy_setup *s, struct lua_rule *l, struct err *err)
{
	if (s->set->policies == NULL)
		return err_set(err,
			       "there is no script; a section 'policy NAME' or 'lua-load' names "
			       "one");
	l->fn = policy_resolve_entry(s->set->policies, POLICY_ACTION, l->name, where_of(l->rule),
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
	t->lua_call = NULL;
}

static bool
client_left(const struct txn *t)
{
	return t->seen & SEEN_CLIENT_FAILED ||
	       (t->seen & SEEN_CLIENT_EOF && t->frontend->options & PROXY_OPT_ABORTONCLOSE);
}

// A client that resets its connection must be noticed while nothing else listens to it.
static void
watch_client(struct txn *t)
{
	struct conn *c = &t->client->conn;
	if (!conn_receiving(c) && !conn_sending(c) && !(t->seen & SEEN_CLIENT_EOF) &&
	    (c->in == NULL || conn_room(c) > 0))
		conn_recv(c);
}

static enum policy_run_status
call_once(const struct lua_rule *l, struct lua_call *c)
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
	if (c->active)
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
	txn_error_page(t, status);
	t->reply.denied = true;
	return RULE_REPLY;
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
		return refuse(r, t, 400);
	case ACT_ERROR:
		return RULE_FAIL;
	case ACT_DONE:
		return c->outcome == LUA_REPLIES ? RULE_REPLY : RULE_CUT;
	case ACT_ABORT:
		return RULE_CUT;
	default:
		return RULE_NEXT;
	}
}

static struct lua_call *
new_call(struct txn *t)
{
	struct lua_call *c = ARENA_NEW(&t->arena, struct lua_call);
	if (c == NULL)
		return NULL;
	*c = (struct lua_call){.run.woken = woken, .txn = t};
	if (t->policy_view == NULL)
		t->policy_view = policy_pin(t->worker->policy);
	return t->lua_call = c;
}

static enum rule_verdict
run_lua(const struct rule *r, struct txn *t)
{
	const struct lua_rule *l = r->args;
	struct lua_call *c = t->lua_call != NULL ? t->lua_call : new_call(t);
	if (c == NULL)
		return action_failed(r, t);
	if (c->active && client_left(t))
		return RULE_CUT; // the transaction's end calls it off
	if (c->active && !c->due)
		return RULE_WAIT; // an event of a connection
	c->run.may_wait = r->where != RULE_HTTP_AFTER_RESPONSE;
	if (!c->active)
		c->outcome = LUA_GOES_ON;
	switch (call_once(l, c)) {
	case POLICY_RUN_WAITS:
		watch_client(t);
		return RULE_WAIT;
	case POLICY_RUN_DENIED:
		return r->where == RULE_HTTP_REQUEST ? refuse(r, t, 403) : RULE_NEXT;
	case POLICY_RUN_FAILED:
		return RULE_NEXT; // as HAProxy does; it was logged and counted
	case POLICY_RUN_DONE:
		break;
	}
	return verdict_of(r, c);
}

const struct action_row actions_lua[] = {
    {"lua.*", RULE_HTTP_REQUEST | RULE_HTTP_RESPONSE | RULE_HTTP_AFTER_RESPONSE, parse_lua, run_lua,
     false, "lua.<action> [args...]",
     "Calls what a script registered as an action. It may edit the message, set variables, answer, "
     "and wait (not in http-after-response); when it fails, evaluation goes on."},
    {.name = NULL},
};
