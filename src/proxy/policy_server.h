// SPDX-License-Identifier: MIT
// What scripts see of a server, and may change (policy_backend.c asks here).
#pragma once

#include "base/str.h"

struct err;
struct metric_blocks;
struct policy_value;
struct proxy;
struct proxy_set;

// args: the server's name, or its number from 0 (which asks for names one by one: nothing behind
// the last). False with a cause and a suggestion. Any thread.
bool policy_server_ask(const struct proxy *p, struct str what, const struct policy_value *server,
		       struct policy_value *out, struct err *err);
// "state" to ready, drain or maint, "weight" to N or N%, "address" to "10.0.0.1:80" or
// "unix@/path", as the command `set server`; logged with who asked for it. Keeper.
bool policy_server_set(const struct proxy_set *set, const struct proxy *p, struct str server,
		       struct str what, struct str value, const char *who, struct err *err);

// The sum over workers of one metric of a struct be_counters. Any thread.
int64_t policy_sum_of(const struct metric_blocks *stats, size_t offset);
// Milliseconds from request to response head, on average; NIL before the first response.
bool policy_response_time(const struct metric_blocks *stats, struct policy_value *out);
