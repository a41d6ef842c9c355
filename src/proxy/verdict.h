// SPDX-License-Identifier: MIT
// What policies' functions said in a transaction, for log formats and rules that want to know
// without calling again: lua_verdict(), lua_gen(), lua_error(), lua_reads(), policy_gen(),
// var_version(). A function that nobody asks about costs a look at its note.
#pragma once

#include "expr/sample.h"
#include "policy/policy.h"

struct conf;
struct module;
struct proxy_set;
struct txn;

// One for each function that the configuration names, in its memory; written while it is linked.
struct verdict_note {
	struct verdict_note *next;
	const struct policy_fn *fn;
	int slot;   // in a transaction's records; -1: nobody asks
	bool reads; // which variables it read is asked, too
};

struct verdict_note *verdict_note_of(struct proxy_set *set, struct conf *conf,
				     const struct policy_fn *fn);
// Around a call of a function whose note has a slot. The last call counts. Without memory nothing
// is kept.
void verdict_begin(struct txn *t, const struct verdict_note *note, struct policy_call *call);
void verdict_end(struct txn *t, const struct verdict_note *note, enum policy_verdict v,
		 const struct policy_call *call);

extern const struct module proxy_verdict_module;
