// SPDX-License-Identifier: MIT
// Inside of ACLs and conditions: flat arrays of tests and terms.
#pragma once

#include <unistd.h>

#include "expr/expr_priv.h"

#define ACL_MAX_FILES 64

// One criterion with its patterns. Immutable once parsed.
struct acl_test {
	const struct expr *expr;
	const struct pattern_list *list;
	pattern_match_f match;
	uint8_t want; // enum sample_type the value is cast to
	bool found;   // -m found: being there is enough
};

// Any of its tests. Tests are added while lines of its name are parsed.
struct acl {
	struct str name; // empty: anonymous
	const struct acl_test *tests;
	uint32_t n_tests;
	unsigned needs;
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
};

// A test with all the samples of its fetch; *s is the last one looked at.
enum acl_result acl_test_each(const struct acl_test *t, struct sample_ctx *ctx, struct sample *s);
bool acl_test_parse(struct expr_env *env, int argc, const struct str *argv, struct acl_test *t,
		    struct err *err);
void acl_add_test(struct expr_set *set, struct acl *a, const struct acl_test *t);
