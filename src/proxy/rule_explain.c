// SPDX-License-Identifier: MIT
// Rules in words. What a request brought stands in quotes with control bytes escaped, so that an
// explanation does nothing to a terminal, and cut, so that one header cannot fill it.
#include "proxy/rule_explain.h"

#include "base/sbuf.h"
#include "expr/acl.h"
#include "proxy/proxy.h"

#define MOST_VALUE_BYTES 200u

const char *
rule_list_name(enum rule_where where)
{
	static const struct {
		unsigned where;
		const char *name;
	} names[] = {
	    {RULE_HTTP_REQUEST, "http-request"},
	    {RULE_HTTP_RESPONSE, "http-response"},
	    {RULE_REDIRECT, "redirect"},
	    {RULE_TCP_CONNECTION, "tcp-request connection"},
	    {RULE_TCP_SESSION, "tcp-request session"},
	    {RULE_TCP_CONTENT, "tcp-request content"},
	    {RULE_TCP_RESPONSE, "tcp-response content"},
	};
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (names[i].where == where)
			return names[i].name;
	return "http-after-response";
}

const char *
rule_verdict_name(enum rule_verdict v)
{
	static const char *const names[] = {
	    [RULE_NEXT] = "next", [RULE_ALLOW] = "allow", [RULE_REPLY] = "reply",
	    [RULE_FAIL] = "fail", [RULE_WAIT] = "wait",   [RULE_CUT] = "cut",
	    [RULE_MORE] = "more",
	};
	return names[v];
}

static void
print_cond(const struct cond *c, struct sbuf *out)
{
	if (c != NULL)
		sbuf_printf(out, " %.*s", STR_ARG(cond_source(c)));
}

void
rule_print_text(const struct rule *r, struct sbuf *out)
{
	sbuf_printf(out, "%s %s", rule_list_name(r->where), r->action->name);
	print_cond(r->cond, out);
}

void
switch_rule_print_text(const struct switch_rule *r, struct sbuf *out)
{
	sbuf_printf(out, "%s %.*s", r->of_servers ? "use-server" : "use_backend", STR_ARG(r->name));
	print_cond(r->cond, out);
}

void
rule_print(const struct rule *r, struct sbuf *out)
{
	sbuf_printf(out, "%s:%d ", r->file, r->line);
	rule_print_text(r, out);
}

void
switch_rule_print(const struct switch_rule *r, struct sbuf *out)
{
	sbuf_printf(out, "%s:%d ", r->file, r->line);
	switch_rule_print_text(r, out);
}

static void
print_seen(void *arg, const struct cond_seen *seen)
{
	static const char *const results[] = {
	    [ACL_FAIL] = "no", [ACL_MISS] = "not known yet", [ACL_PASS] = "yes"};
	struct sbuf *out = arg;
	sbuf_add(out, STR("    "));
	if (seen->acl.n > 0)
		sbuf_printf(out, "%s%.*s: ", seen->negated ? "!" : "", STR_ARG(seen->acl));
	sbuf_printf(out, "%.*s ", STR_ARG(seen->expr));
	if (seen->value.p == NULL)
		sbuf_add(out, STR("(nothing)"));
	else
		sbuf_add_json(out, str_slice(seen->value, 0, MOST_VALUE_BYTES));
	if (seen->value.n > MOST_VALUE_BYTES)
		sbuf_printf(out, "... (%zu bytes)", seen->value.n);
	sbuf_printf(out, ": %s\n", results[seen->result]);
}

enum acl_result
rule_explain_cond(const struct cond *c, struct sample_ctx *ctx, struct sbuf *out)
{
	return c == NULL ? ACL_PASS : cond_trace(c, ctx, print_seen, out);
}
