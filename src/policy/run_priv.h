// SPDX-License-Identifier: MIT
// Registered functions and calls that may wait, for the engine's own files.
#pragma once

#include "policy/policy_priv.h"

// A function that the script registered under a name.
struct policy_entry {
	enum policy_kind kind;
	char *name;
	unsigned where;
	int n_args;  // words behind an action's name; -1: any number
	char *usage; // of a command, or NULL
};

// ---- lua_entry.c: what a script registers

bool policy_gen_entry_check(const struct policy_gen *gen, const struct policy_fn *fn,
			    struct err *err);
const struct policy_entry *policy_gen_entry(const struct policy_gen *gen, enum policy_kind kind,
					    struct str name);
void policy_gen_entry_usage(struct policy_gen *gen, enum policy_kind kind, const char *name,
			    const char *usage);
void policy_gen_entries_free(struct policy_gen *gen);

// ---- lua_run.c: calls that may wait

// Ends all runs of the state, each of which is woken and finds that it failed. On its worker.
void policy_runs_kill(struct policy_state *s);
// A run of that state ends; its worker, or nobody has run in the state yet.
void policy_run_drop(struct policy_state *s, struct policy_run *run);
// The first stretch of a run whose coroutine holds policy_lua_run_main, function and arguments.
enum policy_run_status policy_run_first(struct policy_worker *w, struct policy_state *s,
					struct policy_run *run, int n_args,
					struct policy_call *call);
// Gives the run a coroutine of the state, which waits for the function and its arguments.
enum policy_error policy_run_start(struct policy_state *s, struct policy_run *run);

// ---- call.c: a call was stopped, or failed for want of memory; other errors do nothing
void policy_count_stop(struct policy *p, enum policy_error e);
// ---- call.c: counts, circuit and report of a call that failed with call->error
void policy_call_failed(struct policy_worker *w, struct policy_state *s, const struct policy_fn *fn,
			struct policy_call *call);
// NONE, or why the function must not be called now.
enum policy_error policy_call_allowed(struct policy_worker *w, const struct policy_state *s,
				      const struct policy_fn *fn, uint64_t now_boot_ns);
// ---- lua_state.c: how a call ended. The text of the error on L's stack, or of `end` itself, goes
// into s->error.
enum policy_error policy_state_error(struct policy_state *s, struct lua_State *L,
				     enum guard_end end);
// The value on L's top, which stays, as call->out; a string goes to the arena.
enum policy_error policy_state_result(struct policy_state *s, struct lua_State *L,
				      struct policy_call *call);

// ---- lua_task.c: on the state's worker, or before there is one

void policy_tasks_start(struct policy_state *s); // its generation is live now
void policy_tasks_end(struct policy_state *s);   // or no longer
