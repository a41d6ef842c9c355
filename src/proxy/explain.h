// SPDX-License-Identifier: MIT
// Explanations of live transactions: which rules were asked, what their conditions saw, who
// decided. Switched on by the command `explain on [every N]`: every Nth transaction of a worker is
// then judged in the open (rule_explain.h) and its text kept in the worker's ring of the last
// EXPLAIN_KEPT, which `show explain [ID]` prints. Off, a transaction pays for a pointer that is
// NULL. All of it belongs to the worker.
#pragma once

#include "expr/acl.h"
#include "proxy/rule.h"

struct explain_ring;
struct module;
struct proxy_worker;
struct switch_rule;
struct txn;

#define EXPLAIN_KEPT 64u

// A new transaction, while w->explain_every is not 0: whether it is this one's turn.
void explain_begin(struct txn *t);
// The transaction has ended and has its final state.
void explain_end(struct txn *t);
// Whether the rule's condition holds, judged in the open. resumed: it held before.
enum acl_result explain_test(const struct rule *r, bool resumed, struct txn *t);
void explain_applied(struct txn *t, enum rule_verdict v);
bool explain_switch(const struct switch_rule *r, struct txn *t);
void explain_ring_free(struct explain_ring **ring); // NULL is fine

extern const struct module proxy_explain_module;
