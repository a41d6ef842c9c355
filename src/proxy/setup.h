// SPDX-License-Identifier: MIT
// From configuration to struct proxy_set. main makes a struct proxy_setup, binds it and others to
// the struct conf, loads, and calls the functions below in their order. Main thread, before the
// workers run; all memory is the configuration's.
//     conf_bind "setup" struct proxy_setup, "proxy" struct proxy_set, "expr" struct expr_set,
//     "backends" struct hash_map of struct backend by name.
#pragma once

#include "base/hash.h"
#include "expr/expr.h"
#include "policy/policy.h"
#include "proxy/proxy.h"

struct conf;
struct conf_line;
struct module;
struct policy_setup; // conf_policy.c

#define PROXY_SETUP_MAGIC 0x7c5a0101
struct proxy_setup {
	uint32_t magic;
	struct conf *conf;
	struct proxy_set *set;
	struct expr_set *exprs;
	const struct module *const *modules;
	struct hash_map defaults;        // named ones: struct proxy
	struct proxy *last_defaults;     // what a section without "from" starts from
	struct hash_map backend_objects; // struct backend by name
	struct policy_setup *first_policy, **policy_tail;
	struct lua_rule *lua_rules;       // action_lua.c: to be linked
	struct lua_command *lua_commands; // lua_cli.c
	struct policy_limits lua_limits;  // tune.lua.*: of all scripts
	uint64_t lua_burst_ns, lua_memory_bytes;
	const char *lua_paths[POLICY_MAX_PATHS]; // lua-prepend-path, the last first
	unsigned n_lua_paths;
	bool policies_failed; // a script could not be loaded: what lua() names is not known
	uint32_t next_id;
	uint64_t rlimit_nofile; // ulimit-n
};

// Binds itself. Everything lives in the conf's arena.
struct proxy_setup *proxy_setup_new(struct conf *conf, struct expr_set *exprs,
				    const struct module *const *modules);
// The engine, for what an expression names. *engine NULL: scripts could not be loaded, which was
// told already. False: there is no policy.
bool policy_setup_engine(struct conf *conf, struct str name, struct policy_engine **engine,
			 struct err *err);
// After conf_load: loads the policies' scripts (their self-tests run) and resolves what
// expressions name. Faults are collected in the conf; false if any.
bool proxy_setup_link(struct proxy_setup *s);
// Frees what is not in the configuration's memory: servers, counters, names.
void proxy_set_fini(struct proxy_set *set);
// Number of workers the set will have (nbthread, or one per CPU).
uint32_t proxy_setup_workers(const struct proxy_set *set);
// Descriptors that the set may need at once, with PROXY_LUA_SOCKETS_LEAST sockets of scripts for
// each thread where there are scripts.
uint64_t proxy_setup_descriptors(const struct proxy_set *set);
// How many more of those it would have: all that each thread may open.
uint64_t proxy_setup_more_descriptors(const struct proxy_set *set);
// What of the limit is left becomes the bound of sockets of scripts, set->lua_sockets_most. Before
// the threads.
void proxy_setup_lua_sockets(struct proxy_set *set, uint64_t limit);

// Sections with their keywords and actions that answer; global's keywords and actions that edit;
// actions that set variables.
extern const struct module proxy_module, proxy_options_module, proxy_later_module;
extern const struct module proxy_global_module, proxy_var_module, proxy_map_module;
// Actions on lists of fields: add-headers-bin and others.
extern const struct module proxy_fields_module;
// maxconn and queues: set maxconn, queue(), srv_conn()...
extern const struct module proxy_limits_module;
// Sections http-errors, errorfiles.
extern const struct module proxy_pages_module;
// Health checks: options, lines http-check and tcp-check; commands.
extern const struct module proxy_health_module;
// Sections userlist, fetches http_auth*, action auth.
extern const struct module proxy_auth_module;
// Capture slots: lines, action, fetches.
extern const struct module proxy_capture_module;
extern const struct module policy_module; // section policy, fetch lua(), commands
