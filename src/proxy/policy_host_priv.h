// SPDX-License-Identifier: MIT
// The parts of policy_host.c: values, what a request is asked, backends, self-tests' requests, and
// how the engine's messages travel.
#pragma once

#include "expr/fetch.h"
#include "policy/policy.h"
#include "proxy/policy_host.h"

// A handle of the engine's: enum policy_what, then a row or an index.
#define POLICY_HANDLE_BITS 20
static inline enum policy_what
policy_handle_what(int handle)
{
	return (enum policy_what)(handle >> POLICY_HANDLE_BITS);
}
static inline int
policy_handle_row(int handle)
{
	return handle & ((1 << POLICY_HANDLE_BITS) - 1);
}

// ---- policy_value.c. Each returns true, for getters that cannot fail; no text gives NIL.
static inline bool
policy_give_str(struct policy_value *out, struct str s)
{
	if (s.p != NULL)
		*out = (struct policy_value){.type = POLICY_T_STR, .s = s};
	return true;
}

static inline bool
policy_give_int(struct policy_value *out, int64_t i)
{
	*out = (struct policy_value){.type = POLICY_T_INT, .i = i};
	return true;
}

static inline bool
policy_give_bool(struct policy_value *out, bool b)
{
	*out = (struct policy_value){.type = POLICY_T_BOOL, .b = b};
	return true;
}

// As HAProxy hands samples to Lua: addresses and methods are text.
bool policy_give_sample(struct policy_value *out, struct sample *s, struct sample_ctx *ctx,
			struct err *err);
// A script's value as the text that the configuration would have; nil: .p NULL. A string is lent,
// other text is in the arena.
bool policy_value_text(const struct policy_value *v, struct arena *a, struct str *out,
		       struct err *err);
// A script's value as a sample; strings are lent, numbers with a fraction are text. False: nil, or
// no memory (ctx->failed).
bool policy_value_sample(const struct policy_value *v, struct sample_ctx *ctx, struct sample *out);

// ---- policy_field.c: txn.NAME, headers, cookies
int policy_field_find(struct str name, struct err *err); // the row; -1 with a suggestion
// It evaluates expressions, which use the context.
bool policy_field_evaluates(int row);
bool policy_field_ask(const struct sample_ctx *ctx, int row, struct policy_value *out);
// id: of the name, or HTTP_FIELD_OTHER. at_once: false where several lines are one value, for which
// the other one takes memory of the context's.
bool policy_header_at_once(const struct sample_ctx *ctx, struct str name, int id,
			   struct policy_value *out);
bool policy_header_ask(const struct sample_ctx *ctx, struct str name, int id,
		       struct policy_value *out, struct err *err);
bool policy_cookie_ask(const struct sample_ctx *ctx, struct str name, struct policy_value *out);
// "GET /path?query host=a.example src=192.0.2.7", for policy_host.describe.
size_t policy_request_describe(const struct sample_ctx *ctx, char *buf, size_t room);

// ---- policy_backend.c: backends.NAME, by their place in the set
int policy_backend_find(const struct proxy_set *set, struct str name, struct err *err);
// args: what is asked, and of which server.
bool policy_backend_ask(const struct proxy_set *set, size_t index, const struct policy_value *args,
			unsigned n, struct policy_value *out, struct err *err);

// ---- policy_test_txn.c, policy_carry.c: members of policy_host
void *policy_host_test_txn(void *data, const struct policy_test_request *q, struct arena *arena,
			   struct err *err);
void policy_host_post(void *data, int to, struct policy_msg *m);
void policy_host_wake_at(void *data, struct policy_run *run, uint64_t mono_ns);
