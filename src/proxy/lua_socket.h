// SPDX-License-Identifier: MIT
// Connections that scripts make themselves: core.tcp() of HAProxy's dialect.
#pragma once

struct policy_run;
struct proxy_worker;

// policy_host.run_over: what the run has opened is closed.
void lua_sockets_run_over(void *data, struct policy_run *run);
// All of the worker's are closed; each is gone in a later turn of its loop (n_lua_sockets).
void lua_sockets_end(struct proxy_worker *w);
