// SPDX-License-Identifier: MIT
// Rules: parsed from lines by the actions' rows, run in order. The loop below is on the way of
// every request: it evaluates a condition, runs an action, and does nothing else.
#include "proxy/rule.h"

#include "base/module.h"
#include "base/sbuf.h"
#include "conf/conf.h"
#include "proxy/action_priv.h"
#include "proxy/conf_priv.h"
#include "proxy/explain.h"
#include "proxy/rule_count.h"
#include "proxy/rule_explain.h"
#include "proxy/stats.h"
#include "proxy/worker.h"

// --- parsing -----------------------------------------------------------------------------------

static const char *const later[] = {
    "cache-store",         "cache-use",          "do-resolve",  "send-spoe-group",
    "set-bandwidth-limit", "wait-for-handshake", "set-bc-mark", "set-bc-tos",
};

// Walks the rows of all modules.
struct row_iter {
	const struct module *const *modules;
	const struct action_row *row;
	unsigned where; // 0: anywhere
};

static const struct action_row *
next_row(struct row_iter *it)
{
	for (; *it->modules != NULL; it->modules++, it->row = NULL) {
		const struct action_row *r =
		    it->row != NULL ? it->row + 1 : (*it->modules)->actions;
		for (; r != NULL && r->name != NULL; r++) {
			it->row = r;
			if (it->where == 0 || (r->where & it->where))
				return r;
		}
	}
	return NULL;
}

static const char *
next_row_name(void *iter)
{
	const struct action_row *r = next_row(iter);
	return r != NULL ? r->name : NULL;
}

// "set-var(txn.x)" is named set-var; "lua.foo" fits a row "lua.*".
static bool
row_fits(const struct action_row *r, struct str word)
{
	struct str name = str_from_c(r->name);
	if (name.n > 0 && name.p[name.n - 1] == '*')
		return str_starts(word, str_slice(name, 0, name.n - 1));
	return str_eq(name, str_slice(word, 0, str_find_byte(word, '(')));
}

static const struct action_row *
find_row(const struct proxy_setup *s, enum rule_where where, struct str word, struct err *err)
{
	bool elsewhere = false;
	struct row_iter it = {.modules = s->modules};
	for (const struct action_row *r; (r = next_row(&it)) != NULL;) {
		if (!row_fits(r, word))
			continue;
		if (r->where & where)
			return r;
		elsewhere = true;
	}
	if (elsewhere) {
		err_set(err, "'%.*s' is no action of %s", STR_ARG(word), rule_list_name(where));
		return NULL;
	}
	struct str name = str_slice(word, 0, str_find_byte(word, '('));
	for (size_t i = 0; i < ARRAY_LEN(later); i++)
		if (str_eq(name, str_from_c(later[i]))) {
			err_set(err,
				"action '%s' is known to HAProxy and comes in a later tidegate",
				later[i]);
			return NULL;
		}
	it = (struct row_iter){.modules = s->modules, .where = where};
	const char *near = str_suggest(name, next_row_name, &it);
	err_set(err, "there is no action '%.*s'%s%s%s", STR_ARG(name),
		near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
		near != NULL ? "'?" : "");
	return NULL;
}

static const struct {
	unsigned where;
	size_t list;
	const struct expr_place *place;
} lists[] = {
#define LIST(where, member, place)                            \
	{                                                     \
		where, offsetof(struct proxy, member), &place \
	}
    LIST(RULE_TCP_CONNECTION, tcp_connection, EXPR_AT_TCP_CONNECTION),
    LIST(RULE_TCP_SESSION, tcp_session, EXPR_AT_TCP_SESSION),
    LIST(RULE_TCP_CONTENT, tcp_content, EXPR_AT_TCP_CONTENT),
    LIST(RULE_HTTP_REQUEST, http_request, EXPR_AT_REQUEST),
    LIST(RULE_REDIRECT, redirects, EXPR_AT_REQUEST),
    LIST(RULE_TCP_RESPONSE, tcp_response, EXPR_AT_RESPONSE),
    LIST(RULE_HTTP_RESPONSE, http_response, EXPR_AT_RESPONSE),
    LIST(RULE_HTTP_AFTER_RESPONSE, http_after_response, EXPR_AT_RESPONSE),
#undef LIST
};

static struct rule_list *
list_of(struct proxy *p, enum rule_where where)
{
	size_t i = 0;
	while (lists[i].where != where)
		i++;
	return (struct rule_list *)((char *)p + lists[i].list);
}

const struct rule_list *
rule_list_at(const struct proxy *p, size_t i)
{
	if (i >= ARRAY_LEN(lists))
		return NULL;
	return (const struct rule_list *)((const char *)p + lists[i].list);
}

uint64_t
rule_words(const struct conf_line *line)
{
	uint64_t hash = (uint64_t)line->argc;
	for (int i = 0; i < line->argc; i++)
		hash = hash_bytes(line->argv[i].p, line->argv[i].n, hash);
	return hash;
}

static void
warn_unreached(struct conf *conf, const struct conf_line *line, const struct rule_list *list)
{
	for (const struct rule *r = list->first; r != NULL; r = r->next)
		if (r->cond == NULL && r->action->flags & ACTION_FINAL) {
			conf_warn(conf, line,
				  "this rule is never reached: '%s' at %s:%d has no condition",
				  r->action->name, r->file, r->line);
			return;
		}
}

bool
rule_parse(struct conf *conf, const struct conf_line *line, struct proxy *proxy,
	   enum rule_where where, struct err *err)
{
	if (line->argc < 2)
		return err_set(err, "an action is missing");
	const struct action_row *row = find_row(proxy->conf->setup, where, line->argv[1], err);
	if (row == NULL)
		return false;
	struct rule *r = CONF_NEW(conf, struct rule);
	*r = (struct rule){.action = row,
			   .proxy = proxy,
			   .where = where == RULE_REDIRECT ? RULE_HTTP_REQUEST : where,
			   .lenient = (proxy->conf->lenient & where) != 0,
			   .file = line->file,
			   .line = line->line,
			   .words = rule_words(line)};
	int at = 2;
	struct expr_env env = action_env(r, line);
	if (row->parse != NULL && !row->parse(conf, line, &at, r, err))
		return err_wrap(err, "%s %s", rule_list_name(where), row->name);
	if (!conf_proxy_cond(proxy, line, at, env.place, &r->cond, err))
		return err_wrap(err, "%s %s", rule_list_name(where), row->name);
	struct rule_list *list = list_of(proxy, where);
	warn_unreached(conf, line, list);
	if (where == RULE_HTTP_REQUEST && proxy->redirects.first != NULL)
		conf_warn(conf, line,
			  "this http-request rule is tried before the redirect at %s:%d",
			  proxy->redirects.first->file, proxy->redirects.first->line);
	*list->tail = r;
	list->tail = &r->next;
	return true;
}

// --- words of actions ------------------------------------------------------------------------

struct expr_env
action_env(const struct rule *r, const struct conf_line *line)
{
	size_t i = 0;
	while (lists[i].where != r->where)
		i++;
	return conf_proxy_env(r->proxy, line, lists[i].place);
}

struct expr *
action_expr(const struct rule *r, const struct conf_line *line, int *at, struct err *err)
{
	struct expr_env env = action_env(r, line);
	int used = 0;
	if (*at >= line->argc) {
		err_set(err, "an expression is missing");
		return NULL;
	}
	struct expr *e = expr_parse_words(&env, line->argc - *at, line->argv + *at, &used, err);
	*at += used;
	return e;
}

bool
action_word(const struct conf_line *line, int *at, const char *name, struct str *word,
	    struct err *err)
{
	if (*at >= line->argc)
		return err_set(err, "%s is missing", name);
	*word = line->argv[(*at)++];
	return true;
}

bool
action_text_word(const struct rule *r, const struct conf_line *line, int *at, const char *name,
		 struct action_text *out, struct err *err)
{
	struct str word;
	if (!action_word(line, at, name, &word, err))
		return false;
	struct expr_env env = action_env(r, line);
	out->format = logfmt_parse(&env, word, err);
	if (out->format == NULL)
		return false;
	if (logfmt_is_const(out->format, &out->text))
		out->format = NULL;
	return true;
}

bool
action_header_is_ours(struct str name)
{
	static const char *const ours[] = {"content-length", "transfer-encoding", "connection",
					   "keep-alive",     "proxy-connection",  "te",
					   "trailer"};
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		if (str_eq_nocase(name, str_from_c(ours[i])))
			return true;
	return false;
}

bool
action_header_name(struct str name, struct err *err)
{
	if (!http_is_token(name))
		return err_set(err, "'%.*s' is no header name", STR_ARG(name));
	if (action_header_is_ours(name))
		return err_set(err,
			       "'%.*s' belongs to one connection and its framing, which rules "
			       "cannot change",
			       STR_ARG(name));
	return true;
}

bool
action_header_word(const struct conf_line *line, int *at, struct str *name, struct err *err)
{
	return action_word(line, at, "a header's name", name, err) &&
	       action_header_name(*name, err);
}

// --- running -------------------------------------------------------------------------------------

bool
action_text_get(const struct action_text *t, struct txn *txn, struct str *out)
{
	if (t->format != NULL)
		return logfmt_render(t->format, &txn->ctx, out);
	*out = t->text;
	return true;
}

bool
action_field_get(const struct action_text *t, struct txn *txn, struct str *out)
{
	if (t->format != NULL)
		return logfmt_render_header(t->format, &txn->ctx, out);
	*out = t->text;
	return true;
}

enum rule_verdict
action_failed(const struct rule *r, struct txn *txn)
{
	unsigned w = txn->worker->id;
	if (r->proxy->caps & PROXY_FRONTEND) {
		struct fe_counters *c = metrics_of(&r->proxy->fe_stats, w);
		METRIC_ADD(&c->failed_rewrites, 1);
	} else {
		struct be_counters *c = metrics_of(&r->proxy->be_stats, w);
		METRIC_ADD(&c->failed_rewrites, 1);
	}
	return r->lenient ? RULE_NEXT : RULE_FAIL;
}

// A policy whose on-error is deny failed inside the condition: the request or the connection is
// refused, whatever the condition said. Where a response is judged by its head that failure is "no
// sample", and the verdict stays.
static enum rule_verdict
policy_denies(const struct rule *r, struct txn *txn, enum rule_verdict v)
{
	txn->flags &= ~(uint32_t)TXN_POLICY_DENIED;
	if (!(r->where & (RULE_HTTP_REQUEST | RULE_TCP)))
		return v;
	action_count_denied(r, txn);
	if (r->where == RULE_HTTP_REQUEST)
		txn_error_page(txn, 403);
	txn->reply.denied = true;
	return r->where == RULE_HTTP_REQUEST ? RULE_REPLY : RULE_CUT;
}

// The arena is full: what the rule's condition said must not be trusted, in neither direction, or a
// long enough request would pass by every deny.
static SELDOM enum rule_verdict
no_room(struct txn *txn)
{
	if (txn->explain != NULL)
		sbuf_add(txn->explain, STR("    => no room is left to judge it\n"));
	return RULE_FAIL;
}

static inline enum rule_verdict
act(const struct rule *r, struct txn *txn)
{
	enum rule_verdict v = r->action->run(r, txn);
	if (UNLIKELY(txn->ctx.memo_known != 0) && !(r->action->flags & ACTION_KEEPS))
		acl_forget(&txn->ctx, MEMO_REQ | MEMO_RES | MEMO_CONN);
	if (UNLIKELY(txn->explain != NULL))
		explain_applied(txn, v);
	if (LIKELY(!txn->ctx.failed))
		return v;
	txn->ctx.failed = false;
	return r->lenient || v != RULE_NEXT ? v : action_failed(r, txn);
}

// MORE: its condition cannot be told yet. resumed: it held before.
static inline enum rule_verdict
apply(const struct rule *r, bool resumed, struct txn *txn)
{
	enum acl_result holds = ACL_PASS;
	if (UNLIKELY(txn->explain != NULL))
		holds = explain_test(r, resumed, txn);
	else if (!resumed && r->cond != NULL)
		holds = cond_eval(r->cond, &txn->ctx);
	if (UNLIKELY(txn->ctx.failed))
		return no_room(txn);
	if (holds == ACL_PASS) {
		if (LIKELY(!resumed))
			rule_count(txn->worker, r->number);
		return act(r, txn);
	}
	return UNLIKELY(holds == ACL_MISS) ? RULE_MORE : RULE_NEXT;
}

// more: what a condition lacks may still come.
static inline enum rule_verdict
run_from(const struct rule_list *list, const struct rule *r, bool resumed, bool more,
	 struct txn *txn)
{
	for (; r != NULL; r = r->next, resumed = false) {
		enum rule_verdict v = apply(r, resumed, txn);
		if (UNLIKELY(txn->flags & TXN_POLICY_DENIED))
			v = policy_denies(r, txn, v);
		if (v == RULE_NEXT || (v == RULE_MORE && !more))
			continue;
		if (UNLIKELY(v == RULE_MORE))
			return v;
		if (UNLIKELY(v == RULE_WAIT)) {
			txn->waiting_list = list;
			txn->waiting_rule = r;
			return v;
		}
		txn->last_rule = r;
		return v;
	}
	return RULE_NEXT;
}

static inline enum rule_verdict
walk(const struct rule_list *list, bool more, struct txn *txn)
{
	const struct rule *first = list->first;
	bool resumed = false;
	// What failed between two lists (in use_backend) concerns no rule here.
	txn->flags &= ~(uint32_t)TXN_POLICY_DENIED;
	txn->ctx.failed = false;
	if (UNLIKELY(txn->waiting_list != NULL)) {
		if (list != txn->waiting_list)
			return RULE_NEXT; // it was through before
		first = txn->waiting_rule;
		txn->waiting_list = NULL;
		resumed = true;
	}
	// Before a response, or while a rule waited, the world went on.
	if (resumed || first->where != RULE_HTTP_REQUEST)
		acl_forget(&txn->ctx, MEMO_OUTSIDE | MEMO_RES);
	return run_from(list, first, resumed, more, txn);
}

enum rule_verdict
rule_list_walk(const struct rule_list *list, struct txn *txn)
{
	return walk(list, false, txn);
}

enum rule_verdict
rule_list_inspect(const struct rule_list *list, struct txn *txn)
{
	return list->first != NULL ? walk(list, true, txn) : RULE_NEXT;
}
