// SPDX-License-Identifier: MIT
// What is known before any request: constant expressions become their value, constant tests and
// terms leave their condition. Nothing is dropped that stands behind a term which might do more
// than answer, so that a rule's effects stay those that are written.

#include "base/mem.h"
#include "expr/acl_priv.h"

// ---- expressions

static bool
fetch_kept(const struct expr_arg *args, struct sample_ctx *ctx UNUSED, struct sample *out)
{
	*out = *(const struct sample *)args[0].ptr;
	return true;
}

static bool
names_others(const struct expr_arg *args)
{
	for (; args->type != ARG_END; args++)
		if (args->given && (args->type == ARG_VAR || args->type == ARG_ACL))
			return true;
	return false;
}

static bool
step_is_pure(const struct expr_step *s)
{
	const struct conv_row *r = s->row;
	return !(r->flags & (ROW_VOLATILE | ROW_CHANGES)) && r->needs == 0 && r->link == NULL &&
	       !names_others(s->args);
}

// One step of expr_eval. False: no sample, also when it runs.
static bool
run_step(const struct expr_step *s, struct sample_ctx *ctx, struct sample *smp)
{
	if (s->in != SMP_ANY && smp->type != s->in && !sample_cast(smp, s->in, ctx))
		return false;
	if (s->in == SMP_INT)
		smp->flags &= (uint8_t)~SMP_FRACTION;
	return s->conv(s->args, ctx, smp) && !ctx->failed;
}

void
expr_fold(struct expr_set *set, struct expr *e)
{
	struct sample_ctx ctx = {.arena = &set->arena};
	struct sample smp = {.flags = 0};
	uint16_t n = 0;
	if (!(e->flags & ROW_PURE_CONST) || e->n_steps == 0 || !e->fetch(e->args, &ctx, &smp))
		return;
	for (; n < e->n_steps && step_is_pure(&e->steps[n]); n++) {
		struct sample next = smp;
		if (!run_step(&e->steps[n], &ctx, &next))
			break;
		smp = next;
	}
	if (n == 0)
		return;
	struct sample *kept = ARENA_NEW(&set->arena, struct sample);
	struct expr_arg *args =
	    arena_zalloc(&set->arena, 2 * sizeof(*args), alignof(struct expr_arg));
	ASSERT(kept != NULL && args != NULL);
	*kept = smp;
	args[0].ptr = kept;
	args[1].type = ARG_END;
	e->fetch = fetch_kept;
	e->args = args;
	e->steps += n;
	e->n_steps = (uint16_t)(e->n_steps - n);
}

// ---- what is read

#define VAR_BIT(id) (UINT64_C(1) << ((id) % MEMO_VAR_BITS))

static void
read_vars(const struct expr_arg *args, struct acl_reads *r)
{
	for (; args->type != ARG_END; args++) {
		if (args->type != ARG_VAR || !args->given)
			continue;
		if (args->var.scope == VAR_PROC || args->var.scope == VAR_SHM)
			r->classes |= MEMO_OUTSIDE;
		else
			r->vars |= VAR_BIT(args->var.id);
	}
}

static unsigned
classes_of(unsigned needs, unsigned flags)
{
	const unsigned known = SMP_NEED_REQ | SMP_NEED_RES | SMP_NEED_CONN | SMP_NEED_SHM;
	if (flags & ROW_VOLATILE || needs & ~known)
		return flags & ROW_LETS_GO ? MEMO_NEVER : MEMO_NEVER | MEMO_HOLDS;
	return (needs & SMP_NEED_REQ ? MEMO_REQ : 0) | (needs & SMP_NEED_RES ? MEMO_RES : 0) |
	       (needs & SMP_NEED_CONN ? MEMO_CONN : 0);
}

void
acl_test_reads(const struct acl_test *t, struct acl_reads *r)
{
	const struct expr *e = t->expr;
	r->classes |= classes_of(e->row->needs, e->flags);
	if (e->row->needs == 0 && !(e->flags & ROW_PURE_CONST))
		r->classes |= MEMO_OUTSIDE;
	read_vars(e->args, r);
	for (uint16_t i = 0; i < e->n_steps; i++) {
		r->classes |= classes_of(e->steps[i].row->needs, e->steps[i].row->flags);
		read_vars(e->steps[i].args, r);
	}
}

// ---- conditions

// Anything beside the answer: a variable written, a call that may refuse the request.
static bool
test_acts(const struct acl_test *t)
{
	return t->expr->needs & SMP_NEED_WRITE || t->expr->flags & ROW_VOLATILE;
}

// Lines of its name may still come, with whatever they do.
static bool
acl_acts(const struct acl *a)
{
	bool acts = a->open;
	for (uint32_t i = 0; i < a->n_tests; i++)
		acts |= test_acts(&a->tests[i]);
	return acts;
}

void
acl_test_fold(struct expr_set *set, struct acl_test *t)
{
	struct sample_ctx ctx = {.arena = &set->arena};
	const struct expr *e = t->expr;
	t->constant =
	    e->flags & ROW_PURE_CONST && e->n_steps == 0 && !pattern_list_is_named(t->list);
	if (t->constant)
		t->result = (uint8_t)acl_test_eval(t, &ctx);
}

// True: the ACL is always *result.
static bool
acl_is_constant(const struct acl *a, enum acl_result *result)
{
	bool all = a->n_tests > 0 && !a->open;
	for (uint32_t i = 0; i < a->n_tests; i++) {
		const struct acl_test *t = &a->tests[i];
		if (t->constant && t->result == ACL_PASS) {
			*result = ACL_PASS;
			return true;
		}
		if (test_acts(t))
			return false;
		all &= t->constant;
	}
	*result = ACL_FAIL;
	return all;
}

struct group {
	struct cond_term *from, *end; // terms that are left
	bool fails;                   // always
};

// Drops what always holds; the rest of a group whose end is known not to hold, too.
static struct group
fold_group(struct cond_term *terms, uint32_t n)
{
	struct group g = {terms, terms, false};
	bool acts = false;
	for (uint32_t i = 0; i < n; i++) {
		enum acl_result r;
		bool known = acl_is_constant(terms[i].acl, &r);
		bool holds = known && (r == ACL_PASS) != terms[i].negated;
		if (known && holds)
			continue;
		if (known && !acts) {
			g.fails = true;
			return g;
		}
		acts |= acl_acts(terms[i].acl);
		*g.end++ = terms[i];
	}
	return g;
}

static uint32_t
group_length(const struct cond_term *terms)
{
	uint32_t n = 1;
	while (!terms[n - 1].last)
		n++;
	return n;
}

void
cond_fold(struct cond *c, struct cond_term *terms)
{
	struct cond_term *to = terms;
	bool acts = false;
	c->base = ACL_FAIL;
	for (uint32_t at = 0, n; at < c->n_terms; at += n) {
		n = group_length(terms + at);
		struct group g = fold_group(terms + at, n);
		if (g.fails)
			continue;
		uint32_t left = (uint32_t)(g.end - g.from);
		if (left == 0 && !acts) { // it holds, and nothing is lost with what was before
			to = terms;
			c->base = ACL_PASS;
			break;
		}
		if (left == 0) {
			*g.end++ = terms[at];
			left = 1;
		}
		for (uint32_t i = 0; i < left; i++)
			acts |= acl_acts(g.from[i].acl);
		memmove(to, g.from, left * sizeof(*to));
		to += left;
		to[-1].last = true;
	}
	c->n_terms = (uint32_t)(to - terms);
}
