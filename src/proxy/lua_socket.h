// SPDX-License-Identifier: MIT
// Connections that scripts make themselves: core.tcp() of HAProxy's dialect.
#pragma once

// Open ones of a thread: so many at least, however few descriptors there are; at most so many.
#define PROXY_LUA_SOCKETS_LEAST 32
#define PROXY_LUA_SOCKETS_MOST  1024

struct policy_run;
struct proxy_worker;

// policy_host.run_over: what the run has opened is closed.
void lua_sockets_run_over(void *data, struct policy_run *run);
// All of the worker's are closed; each is gone in a later turn of its loop (n_lua_sockets).
void lua_sockets_end(struct proxy_worker *w);
