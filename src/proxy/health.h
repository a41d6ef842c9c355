// SPDX-License-Identifier: MIT
// Health checks of a set of proxies: who is checked, and what is said of it in the log and to
// servers. Keeper.
#pragma once

#include "backend/check.h"
#include "backend/health.h"
#include "metrics/metrics.h"

struct proxy;
struct proxy_set;
struct server;
struct worker;

// On the keeper's thread, before its loop turns.
void health_start(struct proxy_set *set, struct worker *keeper);
// Another process checks from here on: none begins here any more.
void health_retire(struct proxy_set *set);
void health_stop(struct proxy_set *set);
// What checks have counted begins at 0. Keeper.
void health_clear(struct proxy_set *set);
// HAProxy's word for a server with its checks: "UP 2/3", "no check", "NOLB". Returns text.
#define HEALTH_STATE_BYTES 544
const char *health_state_text(const struct server *s, char text[HEALTH_STATE_BYTES]);

// What `show metrics` says of a server that is checked.
struct health_gauges {
	struct metric up, points, status, code, duration_ms, changed_s;
	struct metric failures, downs, down_ms;
};
extern const struct metric_row health_gauge_rows[];
void health_gauges_fill(const struct server *s, struct health_gauges *g);
// The same of its agent.
struct agent_gauges {
	struct metric points, status, duration_ms;
};
extern const struct metric_row agent_gauge_rows[];
void agent_gauges_fill(const struct server *s, struct agent_gauges *g);
