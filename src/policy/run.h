// SPDX-License-Identifier: MIT
// What scripts register beside predicates, and calls that may wait: actions, services, commands,
// tasks. The same threads and rules as policy.h's.
#pragma once

#include "base/list.h"
#include "policy/policy.h"

struct lua_State;
struct policy_state;

// ---- what a script registers ----------------------------------------------------------------

// A script offers functions by being global (predicates) or by registering them under a name.
enum policy_kind {
	POLICY_PREDICATE, // a global function: lua(NAME)
	POLICY_ACTION,    // action(name, fn), core.register_action: http-request lua.NAME
	POLICY_FETCHER,   // core.register_fetches: the fetch lua.NAME
	POLICY_CONVERTER, // core.register_converters: the converter lua.NAME
	POLICY_SERVICE,   // core.register_service: http-request use-service lua.NAME
	POLICY_COMMAND,   // core.register_cli: a command line
	POLICY_N_KINDS,
};
const char *policy_kind_name(enum policy_kind kind); // "action"

// Where an action or service may be named.
enum policy_where {
	POLICY_AT_HTTP_REQUEST = 1 << 0,
	POLICY_AT_HTTP_RESPONSE = 1 << 1,
	POLICY_AT_HTTP_AFTER = 1 << 2,
	POLICY_AT_TCP_REQUEST = 1 << 3,
	POLICY_AT_TCP_RESPONSE = 1 << 4,
	POLICY_AT_ANY = (1 << 5) - 1,
};

// What a script registered under that name, or "policy.NAME". The same function for the same name,
// with n_args words behind its name where it is an action that says how many it takes, and
// allowed at `where` (enum policy_where bits, 0: anywhere). A reload must register it again.
struct policy_fn *policy_resolve_entry(struct policy_engine *engine, enum policy_kind kind,
				       struct str name, unsigned where, unsigned n_args,
				       struct err *err);

// Each command that the live generations register, resolved. Before policy_engine_start.
void policy_each_command(struct policy_engine *engine,
			 void (*each)(void *arg, const struct policy_fn *fn, const char *usage),
			 void *arg);
const struct policy_limits *policy_limits(const struct policy_fn *fn);

// ---- calls that may wait --------------------------------------------------------------------

enum policy_run_status {
	POLICY_RUN_DONE,   // call->out has what the function returned, NIL for none
	POLICY_RUN_WAITS,  // call policy_run_resume when run->woken was called
	POLICY_RUN_FAILED, // call->error; counted and logged
	POLICY_RUN_DENIED, // the same, and the policy says `on-error deny`
};

// One call of an action, service, command or task, in a coroutine of its own. The caller's memory,
// zeroed, from policy_run_begin until a status other than WAITS or policy_run_cancel. It belongs to
// its worker. A run whose generation must go (two newer ones were published), or whose state is
// thrown away, is woken and then fails.
struct policy_run {
	alignas(16) unsigned char host[64];    // the host's, for wake_at
	void (*woken)(struct policy_run *run); // set by the caller; called by the host
	uint64_t limit_ns;                     // time inside Lua, waiting not counted; 0: no limit
	bool may_wait;                         // else waiting is an error of the script
	bool sliced; // a long stretch is cut into turns of the worker's loop
	// The engine's from here.
	struct list link; // in the state's runs
	struct policy_state *state;
	const struct policy_fn *fn; // NULL: a task
	struct lua_State *co;
	uint64_t spent_ns, wake_ns;
	int ref;    // of co in the registry
	bool poked; // policy_run_poke, since policy_run_watch
};

// Waiting counts for no bound but that of the generations above; each stretch between two waits
// has the policy's budget.
enum policy_run_status policy_run_begin(struct policy_worker *w, struct policy_view *view,
					struct policy_run *run, const struct policy_fn *fn,
					struct policy_call *call);
enum policy_run_status policy_run_resume(struct policy_worker *w, struct policy_run *run,
					 struct policy_call *call);
// Ends a run that waits as a failure, counted and logged with that text: FAILED or DENIED.
enum policy_run_status policy_run_expire(struct policy_worker *w, struct policy_run *run,
					 struct policy_call *call, const char *why);
// ---- waiting for what the host brings -------------------------------------------------------

// The run whose function asks the host, on its worker; NULL: none does that may wait.
struct policy_run *policy_run_now(const struct policy_worker *w);
// From now on a poke counts, until the next watch: the wait that is under way, or is begun, ends.
void policy_run_watch(struct policy_run *run);
void policy_run_poke(struct policy_worker *w, struct policy_run *run);

// Ends a run that waits. Harmless for one that does not.
void policy_run_cancel(struct policy_worker *w, struct policy_run *run);

// The private data that scripts keep under that number are over: its transaction ends.
void policy_forget(struct policy_worker *w, const struct policy_view *view, int64_t id);
