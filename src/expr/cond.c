// SPDX-License-Identifier: MIT
// Conditions: words behind if or unless compiled to terms, and their evaluation with three
// results. A group is left at its first FAIL, the condition at its first PASS.

#include "expr/acl_priv.h"
#include "expr/pattern_priv.h"

static inline bool
test_matches(const struct acl_test *t, struct sample *s, struct sample_ctx *ctx)
{
	if (t->found)
		return true;
	if (t->want != SMP_ANY && s->type != t->want && !sample_cast(s, t->want, ctx))
		return false;
	return pattern_list_match(t->list, s, ctx) != NULL;
}

// Most tests have no converter: then the fetch is all there is to call.
static inline bool
eval(const struct expr *e, struct sample_ctx *ctx, struct sample *out)
{
	if (e->n_steps > 0)
		return expr_eval(e, ctx, out);
	out->flags = 0;
	return e->fetch(e->args, ctx, out);
}

// No sample or no match: final, or not yet because more bytes may come?
static inline enum acl_result
miss_or_fail(const struct acl_test *t, const struct sample *s, const struct sample_ctx *ctx)
{
	if (LIKELY(!(s->flags & SMP_MAY_CHANGE)))
		return ACL_FAIL;
	return ctx->not_http && t->expr->needs & (SMP_NEED_REQ | SMP_NEED_RES) ? ACL_FAIL
									       : ACL_MISS;
}

// The sample, and each further one of a fetch that iterates.
enum acl_result
acl_test_each(const struct acl_test *t, struct sample_ctx *ctx, struct sample *s)
{
	enum acl_result result = ACL_FAIL;
	bool compared = false;
	for (;;) {
		bool got = eval(t->expr, ctx, s);
		if (got && test_matches(t, s, ctx)) {
			result = ACL_PASS;
			break;
		}
		compared |= got;
		if (!compared)
			s->type = SMP_ANY; // what a converter refused is not what was compared
		enum acl_result r = miss_or_fail(t, s, ctx);
		result = MAX(result, r);
		if (!(s->flags & SMP_NOT_LAST))
			break;
	}
	ctx->iter.on = false;
	return result;
}

static ALWAYS_INLINE enum acl_result
test_eval(const struct acl_test *t, struct sample_ctx *ctx)
{
	struct sample s;
	ctx->iter.field = ctx->iter.at = 0;
	ctx->iter.on = t->expr->flags & ROW_ITERATES;
	if (ctx->iter.on)
		return acl_test_each(t, ctx, &s);
	if (eval(t->expr, ctx, &s) && test_matches(t, &s, ctx))
		return ACL_PASS;
	return miss_or_fail(t, &s, ctx);
}

enum acl_result
acl_test_eval(const struct acl_test *t, struct sample_ctx *ctx)
{
	return test_eval(t, ctx);
}

static enum acl_result
any_test(const struct acl *a, struct sample_ctx *ctx)
{
	enum acl_result best = ACL_FAIL;
	for (const struct acl_test *t = a->tests, *end = t + a->n_tests; t < end; t++) {
		enum acl_result r = acl_test_eval(t, ctx);
		if (r == ACL_PASS)
			return ACL_PASS;
		best = MAX(best, r);
	}
	return best;
}

static inline enum acl_result
eval_now(const struct acl *a, struct sample_ctx *ctx)
{
	char *mark = ctx->arena->at;
	enum acl_result r = LIKELY(a->n_tests == 1) ? test_eval(a->tests, ctx) : any_test(a, ctx);
	acl_tidy(a, ctx, mark);
	return r;
}

// While data may still come the next answer may be another one.
static enum acl_result
eval_kept(const struct acl *a, struct sample_ctx *ctx)
{
	uint64_t bit = UINT64_C(1) << (a->slot - 1);
	if (ctx->memo_known & bit)
		return ctx->memo_pass & bit ? ACL_PASS : ACL_FAIL;
	enum acl_result r = eval_now(a, ctx);
	if (ctx->memo == NULL || ctx->more || ctx->failed || r == ACL_MISS)
		return r;
	ctx->memo_known |= bit;
	ctx->memo_pass = r == ACL_PASS ? ctx->memo_pass | bit : ctx->memo_pass & ~bit;
	return r;
}

enum acl_result
acl_eval(const struct acl *a, struct sample_ctx *ctx)
{
	return a->slot == 0 ? eval_now(a, ctx) : eval_kept(a, ctx);
}

static inline enum acl_result
negate(enum acl_result r)
{
	return (enum acl_result)(ACL_PASS - r);
}

enum acl_result
cond_eval(const struct cond *c, struct sample_ctx *ctx)
{
	enum acl_result any = c->base, all = ACL_PASS;
	const struct cond_term *t = c->terms, *end = t + c->n_terms;
	if (LIKELY(c->n_terms == 1)) {
		any = acl_eval(t->acl, ctx);
		return t->negated != c->unless ? negate(any) : any;
	}
	while (t < end) {
		enum acl_result r = acl_eval(t->acl, ctx);
		if (t->negated)
			r = negate(r);
		all = MIN(all, r);
		if (all == ACL_FAIL) {
			while (!t->last)
				t++;
		}
		if (t->last) {
			any = MAX(any, all);
			if (any == ACL_PASS)
				break;
			all = ACL_PASS;
		}
		t++;
	}
	return c->unless ? negate(any) : any;
}

struct str
cond_source(const struct cond *c)
{
	return c->source;
}

// ---- parsing

struct parser {
	struct expr_env *env;
	int argc, at;
	const struct str *argv;
	struct cond_term *terms; // as many as there are words at most
	uint32_t n;
	unsigned needs;
};

static bool
is_or(struct str word)
{
	return str_eq(word, STR("||")) || str_eq_nocase(word, STR("or"));
}

static bool
parse_anonymous(struct parser *p, const struct acl **out, struct err *err)
{
	int from = ++p->at;
	struct acl_test t;
	while (p->at < p->argc && !str_eq(p->argv[p->at], STR("}")))
		p->at++;
	if (p->at == p->argc)
		return err_set(err, "'}' is missing (it must stand as a word of its own)");
	if (p->at == from)
		return err_set(err, "nothing stands between '{' and '}'");
	if (!acl_test_parse(p->env, p->at - from, p->argv + from, &t, err)) {
		p->at = from; // where the fault is told
		return false;
	}
	struct acl *a = ARENA_NEW(&p->env->set->arena, struct acl);
	ASSERT(a != NULL);
	acl_add_test(p->env->set, a, &t);
	*out = a;
	return true;
}

static bool
parse_named(struct parser *p, struct str name, const struct acl **out, struct err *err)
{
	if (str_eq_nocase(name, STR("and")) || str_eq(name, STR("&&")))
		return err_set(err,
			       "there is no '%.*s': terms that follow each other must all hold",
			       STR_ARG(name));
	if (name.n > 0 && (name.p[0] == '(' || name.p[name.n - 1] == ')'))
		return err_set(
		    err, "there are no parentheses in conditions; a test without a name stands in "
			 "braces: { path /x }");
	if (name.n > 1 && name.p[0] == '{')
		return err_set(err, "'{' must stand as a word of its own");
	*out = acl_find(p->env, name, err);
	return *out != NULL;
}

static bool
parse_term(struct parser *p, struct err *err)
{
	struct str word = p->argv[p->at];
	bool negated = false;
	const struct acl *a = NULL;
	while (word.n > 0 && word.p[0] == '!') {
		negated = !negated;
		word = str_slice(word, 1, word.n);
		if (word.n == 0 && p->at + 1 < p->argc)
			word = p->argv[++p->at];
	}
	if (word.n == 0)
		return err_set(err, "a name or '{' is missing behind '!'");
	bool good =
	    str_eq(word, STR("{")) ? parse_anonymous(p, &a, err) : parse_named(p, word, &a, err);
	if (!good || !expr_check_place(p->env->place, a->name.n > 0 ? a->name : STR("{ }"),
				       acl_needs(a), err))
		return false;
	p->terms[p->n++] = (struct cond_term){a, negated, false};
	p->needs |= acl_needs(a);
	return true;
}

static bool
parse_terms(struct parser *p, struct err *err)
{
	bool want_term = true;
	for (; p->at < p->argc; p->at++) {
		if (!is_or(p->argv[p->at])) {
			if (!parse_term(p, err))
				return false;
			want_term = false;
			continue;
		}
		if (want_term)
			return err_set(err, "a term is missing before '%.*s'",
				       STR_ARG(p->argv[p->at]));
		p->terms[p->n - 1].last = true;
		want_term = true;
	}
	if (want_term)
		return err_set(err, "a term is missing behind '%.*s'",
			       STR_ARG(p->argv[p->argc - 1]));
	p->terms[p->n - 1].last = true;
	return true;
}

static struct str
join_words(struct arena *a, int argc, const struct str *argv)
{
	size_t n = 0, at = 0;
	for (int i = 0; i < argc; i++)
		n += argv[i].n + 1;
	char *p = arena_alloc(a, n + 1, 1);
	ASSERT(p != NULL);
	for (int i = 0; i < argc; i++) {
		memcpy(p + at, argv[i].p, argv[i].n);
		at += argv[i].n;
		p[at++] = ' ';
	}
	p[at - (at > 0)] = '\0';
	return str_of(p, at - (at > 0));
}

struct cond *
cond_parse(struct expr_env *env, int argc, const struct str *argv, struct err *err)
{
	struct arena *arena = &env->set->arena;
	bool is_if = argc > 0 && str_eq(argv[0], STR("if"));
	bool unless = argc > 0 && str_eq(argv[0], STR("unless"));
	if (!is_if && !unless) {
		err_set(err, "'if' or 'unless' is expected%s%.*s%s", argc > 0 ? ", not '" : "",
			argc > 0 ? (int)argv[0].n : 0, argc > 0 ? argv[0].p : "",
			argc > 0 ? "'" : "");
		return NULL;
	}
	struct parser p = {.env = env, .argc = argc, .at = 1, .argv = argv};
	p.terms = arena_zalloc(arena, (size_t)argc * sizeof(*p.terms), alignof(struct cond_term));
	struct cond *c = ARENA_NEW(arena, struct cond);
	ASSERT(p.terms != NULL && c != NULL);
	if (!parse_terms(&p, err)) {
		err_wrap(err, "condition, word %d", MIN(p.at + 1, argc));
		return NULL;
	}
	c->terms = p.terms;
	c->n_terms = p.n;
	cond_fold(c, p.terms);
	c->unless = unless;
	c->needs = p.needs;
	c->source = join_words(arena, argc, argv);
	return c;
}
