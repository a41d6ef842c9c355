// SPDX-License-Identifier: MIT
// Inside of ACLs and conditions: flat arrays of tests and terms.
#pragma once

#include <unistd.h>

#include "base/arena.h"
#include "expr/expr_priv.h"

#define ACL_MAX_FILES 64

// What an ACL's answer depends on: classes are enum memo_class bits, vars one bit for some
// variables of the session and the transaction.
#define MEMO_NEVER 0x80000000u
#define MEMO_HOLDS 0x40000000u // something may hold on to what an evaluation made in the arena
struct acl_reads {
	unsigned classes;
	uint64_t vars;
};

// One criterion with its patterns. Immutable once parsed.
struct acl_test {
	const struct expr *expr;
	const struct pattern_list *list;
	uint8_t want;  // enum sample_type the value is cast to
	bool found;    // -m found: being there is enough
	bool constant; // it needs no request: always `result`, an enum acl_result
	uint8_t result;
};

// Any of its tests. Tests are added while lines of its name are parsed.
struct acl {
	struct str name; // empty: anonymous
	const struct acl_test *tests;
	uint32_t n_tests;
	unsigned needs;
	bool open;     // declared: lines of its name may follow
	uint32_t uses; // in conditions and acl()
	uint8_t slot;  // of the transaction's memo, from 1; 0: not kept
	struct acl_reads reads;
};

// One term of a condition. Groups (ANDs) follow each other; last ends one.
struct cond_term {
	const struct acl *acl;
	bool negated;
	bool last;
};

struct cond {
	const struct cond_term *terms;
	uint32_t n_terms;
	bool unless;
	struct str source;
	unsigned needs;
	enum acl_result base; // what it is when no term is left
};

// A test with all the samples of its fetch; *s is the last one looked at.
enum acl_result acl_test_each(const struct acl_test *t, struct sample_ctx *ctx, struct sample *s);
void acl_test_reads(const struct acl_test *t, struct acl_reads *r);
void acl_test_fold(struct expr_set *set, struct acl_test *t);
void cond_fold(struct cond *c, struct cond_term *terms);
enum acl_result acl_test_eval(const struct acl_test *t, struct sample_ctx *ctx);
// Behind an evaluation of `a` that began when the arena was at `mark`: the texts that converters
// made for it go, unless something else may hold on to them. However many conditions a request
// meets, they take the room of the one that takes most.
static inline void
acl_tidy(const struct acl *a, struct sample_ctx *ctx, char *mark)
{
	if (UNLIKELY(ctx->arena->at != mark) && !(a->reads.classes & MEMO_HOLDS))
		arena_rewind(ctx->arena, mark);
}

// Refuses values that can never match (acl_trap.c).
bool acl_check_values(const struct expr *e, const struct pattern_opts *o, int argc,
		      const struct str *argv, struct err *err);
// Words that may be versions as numbers (acl_version.c); NULL: one is none.
const struct str *acl_versions(struct arena *arena, int n, const struct str *words,
			       struct err *err);
bool acl_test_parse(struct expr_env *env, int argc, const struct str *argv, struct acl_test *t,
		    struct err *err);
void acl_add_test(struct expr_set *set, struct acl *a, const struct acl_test *t);
