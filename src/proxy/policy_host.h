// SPDX-License-Identifier: MIT
// The policy engine's host: requests, backends, messages. A `txn` that passes through the engine
// is a struct sample_ctx.
#pragma once

#include "expr/sample.h"
#include "policy/policy.h"

struct expr_set;
struct proxy_set;

// Given to policy_engine_new as data; lives as long as the engine.
struct policy_host_data {
	struct proxy_set *set;
	struct expr_set *exprs;
};

extern const struct policy_host policy_host;

// False: NIL, or a number that no integer holds.
bool policy_host_to_sample(const struct policy_value *v, struct sample *s);
