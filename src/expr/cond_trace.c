// SPDX-License-Identifier: MIT
// Conditions evaluated in the open: the verdict of cond_eval, with each test and the value it saw
// told as it is made. For explanations, which few transactions ask for: cond.c stays as it is.

#include "expr/acl_priv.h"

struct trace {
	struct sample_ctx *ctx;
	cond_seen_f seen;
	void *arg;
};

static enum acl_result
trace_test(const struct trace *tr, const struct cond_term *term, const struct acl_test *t)
{
	struct sample_ctx *ctx = tr->ctx;
	struct sample s = {.type = SMP_ANY};
	struct cond_seen seen = {.acl = term->acl->name,
				 .expr = t->expr->source,
				 .negated = term->negated};
	ctx->iter.field = ctx->iter.at = 0;
	ctx->iter.on = t->expr->flags & ROW_ITERATES;
	seen.result = acl_test_each(t, ctx, &s);
	if (s.type != SMP_ANY && !sample_text(&s, ctx, &seen.value))
		seen.value = STR_NULL;
	tr->seen(tr->arg, &seen);
	return seen.result;
}

static enum acl_result
trace_term(const struct trace *tr, const struct cond_term *term)
{
	enum acl_result best = ACL_FAIL;
	char *mark = tr->ctx->arena->at;
	for (uint32_t i = 0; i < term->acl->n_tests && best != ACL_PASS; i++) {
		enum acl_result r = trace_test(tr, term, &term->acl->tests[i]);
		best = MAX(best, r);
	}
	acl_tidy(term->acl, tr->ctx, mark);
	return term->negated ? (enum acl_result)(ACL_PASS - best) : best;
}

enum acl_result
cond_trace(const struct cond *c, struct sample_ctx *ctx, cond_seen_f seen, void *arg)
{
	const struct trace tr = {ctx, seen, arg};
	enum acl_result any = c->base, all = ACL_PASS;
	for (uint32_t i = 0; i < c->n_terms && any != ACL_PASS; i++) {
		enum acl_result r = all != ACL_FAIL ? trace_term(&tr, &c->terms[i]) : ACL_FAIL;
		all = MIN(all, r);
		if (!c->terms[i].last)
			continue;
		any = MAX(any, all);
		all = ACL_PASS;
	}
	return c->unless ? (enum acl_result)(ACL_PASS - any) : any;
}
