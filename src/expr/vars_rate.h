// SPDX-License-Identifier: MIT
// By how much a counter or an int has grown over the last period, as HAProxy's rates are meant:
// what grew since the present period began, and of the period before it the part that the window
// still covers. Writers do nothing for it: the keeper notes the value at each period's begin.
#pragma once

#include "base/base.h"

struct expr_set;
struct loop;
struct sample_ctx;
struct tidevars;

#define VARS_RATE_MIN_NS (10 * UINT64_C(1000000))
#define VARS_RATE_MAX_NS (86400 * UINT64_C(1000000000))

struct vars_rate; // one variable and period

// Notes periods from now on; for those that the configuration asks for. Keeper.
void expr_rates_start(struct expr_set *set, struct loop *loop);
void expr_rates_stop(struct expr_set *set);
// NULL: the configuration does not ask for that one.
const struct vars_rate *expr_rate_find(const struct expr_set *set, uint32_t handle,
				       uint64_t period_ns);
// All of them, one after the other; NULL: the first, and at the end.
struct vars_rate *expr_rate_next(const struct expr_set *set, const struct vars_rate *it);
// For another process of this service. Keeper, or before it.
struct vars_rate_state {
	uint32_t handle;
	uint64_t period_ns, begin_ns, base, past;
};
struct vars_rate_state vars_rate_state(const struct vars_rate *r);
void vars_rate_begin(struct vars_rate *r, const struct vars_rate_state *s); // the last three
// Any thread; no lock. Never below 0: what was set lower begins anew.
int64_t vars_rate_read(const struct vars_rate *r, struct tidevars *t, uint64_t now_boot_ns);
