// SPDX-License-Identifier: MIT
// Who serves a request: its backend, by use_backend and default_backend, and within it the server
// that use-server names. Nobody named: the cookie's, or balancing chooses.
#include "base/sbuf.h"
#include "expr/acl.h"
#include "expr/logfmt.h"
#include "proxy/conns.h"
#include "proxy/explain.h"
#include "proxy/proxy.h"
#include "proxy/rule_count.h"
#include "proxy/tcp.h"
#include "proxy/txn.h"

// A name made at run time; an unknown one falls through to the next rule.
static const struct proxy *
dynamic_backend(struct txn *t, const struct switch_rule *r)
{
	struct str name;
	if (!logfmt_render(r->dynamic, &t->ctx, &name))
		return NULL;
	const struct proxy *b = hash_map_get(&t->worker->set->backends, name);
	return b != NULL && b->mode == t->frontend->mode ? b : NULL;
}

static inline bool
switch_holds(const struct switch_rule *r, struct txn *t)
{
	return UNLIKELY(t->explain != NULL) ? explain_switch(r, t) : cond_pass(r->cond, &t->ctx);
}

const struct proxy *
txn_choose_backend(struct txn *t)
{
	const struct proxy *p = t->frontend;
	for (const struct switch_rule *r = p->switching; r != NULL; r = r->next) {
		if (!switch_holds(r, t))
			continue;
		const struct proxy *b = r->dynamic != NULL ? dynamic_backend(t, r) : r->backend;
		if (b == NULL)
			continue;
		rule_count(t->worker, r->number);
		return b;
	}
	if (p->default_backend != NULL)
		return p->default_backend;
	return p->caps & PROXY_BACKEND ? p : NULL;
}

// --- use-server ----------------------------------------------------------------------------------

static struct server *
dynamic_server(struct txn *t, const struct switch_rule *r)
{
	struct str name;
	return logfmt_render(r->dynamic, &t->ctx, &name)
		   ? backend_find_server(t->backend->backend, name)
		   : NULL;
}

// As with cookies, a server that is down only by option persist or force-persist.
static bool
may_serve(const struct txn *t, const struct server *s)
{
	return server_is_up(s) || t->backend->options & PROXY_OPT_PERSIST ||
	       t->flags & TXN_FORCE_PERSIST;
}

static void
explain_refusal(struct txn *t, const char *why)
{
	if (UNLIKELY(t->explain != NULL))
		sbuf_add(t->explain, str_from_c(why));
}

// A name made at run time that no server has ends the search, as in HAProxy.
static void
choose_server(struct txn *t)
{
	for (const struct switch_rule *r = t->backend->serving; r != NULL; r = r->next) {
		if (!switch_holds(r, t))
			continue;
		struct server *s = r->dynamic != NULL ? dynamic_server(t, r) : r->server;
		if (s == NULL) {
			explain_refusal(t, "    => but no server is named so\n");
			return;
		}
		if (may_serve(t, s)) {
			rule_count(t->worker, r->number);
			t->wanted = s;
			return;
		}
		explain_refusal(t, "    => but that server is down\n");
	}
}

static enum step_verdict
run_use_server(struct txn *t)
{
	choose_server(t);
	if (UNLIKELY(t->ctx.failed))
		return t->flags & TXN_TCP ? txn_cut(t, "PR") : txn_fail(t, 500, "PR");
	return txn_go(t, t->flags & TXN_TCP ? &step_tcp_connect : &step_prepare);
}

static const struct txn_step step_use_server = {"use-server", run_use_server};

const struct txn_step *
txn_behind_rules(const struct txn *t)
{
	if (UNLIKELY(t->backend->serving != NULL))
		return &step_use_server;
	return t->flags & TXN_TCP ? &step_tcp_connect : &step_prepare;
}
