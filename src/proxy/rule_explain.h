// SPDX-License-Identifier: MIT
// Rules in words: how one is named, what its condition saw, what it decided. Shared by whatever
// explains a decision: the explanations of live transactions (explain.c), logs, offline evaluation.
#pragma once

#include "base/str.h"
#include "expr/acl.h"
#include "proxy/rule.h"

struct sbuf;
struct switch_rule;

// "http-request".
const char *rule_list_name(enum rule_where where);
// "next", "allow", "reply"...
const char *rule_verdict_name(enum rule_verdict v);
// "http-request deny if is_bad".
void rule_print_text(const struct rule *r, struct sbuf *out);
void switch_rule_print_text(const struct switch_rule *r, struct sbuf *out);
// "front.cfg:37 http-request deny if is_bad".
void rule_print(const struct rule *r, struct sbuf *out);
void switch_rule_print(const struct switch_rule *r, struct sbuf *out);
// Evaluates, once, and writes a line for each test: "    is_api: path "/one": no". NULL holds.
enum acl_result rule_explain_cond(const struct cond *c, struct sample_ctx *ctx, struct sbuf *out);
