// SPDX-License-Identifier: MIT
// Policies in `show metrics`. Keeper.
#pragma once

#include "metrics/metrics.h"

struct policy_engine;

struct policy_metrics {
	struct metric_object *objects; // [n]
	struct made **made;            // what stands behind them
	size_t n, cap_made, cap_objects;
};

// What is counted now; engine NULL: nothing. End with _free.
void policy_metrics_make(struct policy_metrics *m, struct policy_engine *engine);
void policy_metrics_free(struct policy_metrics *m);
