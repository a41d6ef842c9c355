// SPDX-License-Identifier: MIT
// Named ACLs and conditions. An ACL is one or several tests (fetch chain + patterns), the name
// standing for "any of them"; a condition is an OR of ANDs of (negated) tests, compiled to one
// flat array of terms with jump distances. Results are three-valued: MISS means that data may
// still come. Evaluation allocates nothing but converters' output.
#pragma once

#include "expr/expr.h"
#include "expr/pattern.h"

struct acl;
struct cond;

enum acl_result { ACL_FAIL, ACL_MISS, ACL_PASS };

// An ACL that is named more than once is evaluated once in a transaction, until what it read
// changes: whoever changes a message tells so with acl_forget, variables tell it themselves. What
// depends on anything else (time, chance, scripts, the state of servers) is asked each time.
enum memo_class {
	MEMO_REQ = 1 << 0,     // the request's head
	MEMO_RES = 1 << 1,     // the response's
	MEMO_CONN = 1 << 2,    // addresses
	MEMO_OUTSIDE = 1 << 3, // variables of the process and shared ones
};
#define MEMO_CLASSES  4
#define MEMO_VAR_BITS 32

// Which ACLs, a bit each, read what. Filled while parsing, constant afterwards.
struct acl_memo {
	uint64_t readers[MEMO_CLASSES];
	uint64_t var_readers[MEMO_VAR_BITS]; // of variables whose number has this remainder
};
// Lives as long as the set; for sample_ctx.memo.
const struct acl_memo *expr_set_memo(const struct expr_set *set);

static inline void
acl_forget(struct sample_ctx *ctx, unsigned classes)
{
	for (unsigned i = 0; ctx->memo_known != 0 && i < MEMO_CLASSES; i++)
		if (classes & 1u << i)
			ctx->memo_known &= ~ctx->memo->readers[i];
}

static inline void
acl_forget_var(struct sample_ctx *ctx, const struct var_ref *ref)
{
	if (ctx->memo_known == 0)
		return;
	if (ref->scope == VAR_PROC || ref->scope == VAR_SHM)
		acl_forget(ctx, MEMO_OUTSIDE);
	else
		ctx->memo_known &= ~ctx->memo->var_readers[ref->id % MEMO_VAR_BITS];
}

// The names known in one section, kept in order of appearance. In the set's arena.
struct acl_scope *acl_scope_new(struct expr_set *set);
// `acl NAME criterion [flags] [op] [values...]`: argv[0] is the name. Also used for anonymous
// ones inside.
bool acl_declare(struct expr_env *env, int argc, const struct str *argv, struct err *err);
// Declared, or predefined (TRUE, METH_GET, ...); NULL with a suggestion in *err.
const struct acl *acl_find(struct expr_env *env, struct str name, struct err *err);
enum acl_result acl_eval(const struct acl *a, struct sample_ctx *ctx);
unsigned acl_needs(const struct acl *a);

// argv[0] is `if` or `unless`; the rest, to the end, is the condition. NULL with *err: what is
// wrong, at which word.
struct cond *cond_parse(struct expr_env *env, int argc, const struct str *argv, struct err *err);
// MISS stays MISS under `unless`.
enum acl_result cond_eval(const struct cond *c, struct sample_ctx *ctx);
// What one test of a condition saw, for people.
struct cond_seen {
	struct str acl;         // its name; empty: anonymous
	struct str expr;        // the fetch with its converters, as written
	struct str value;       // as text, in ctx->arena; .p NULL: no sample
	enum acl_result result; // of the test; `negated` is not in it
	bool negated;
};
typedef void (*cond_seen_f)(void *arg, const struct cond_seen *seen);
// The same verdict, from one evaluation in the same order, with each test told as it is made.
enum acl_result cond_trace(const struct cond *c, struct sample_ctx *ctx, cond_seen_f seen,
			   void *arg);
// c may be NULL: no condition, always true.
static inline bool
cond_pass(const struct cond *c, struct sample_ctx *ctx)
{
	return c == NULL || cond_eval(c, ctx) == ACL_PASS;
}
// "if { path_beg /api } or maint": as written, for explanations and `show`.
struct str cond_source(const struct cond *c);
