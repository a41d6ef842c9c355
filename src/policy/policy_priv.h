// SPDX-License-Identifier: MIT
// The engine's structs. Who may touch what:
//
// engine, policy, gen   the keeper (before start: the thread that sets up); read-only elsewhere,
//                       except counters, which are atomics
// worker, view          the worker's thread
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/list.h"
#include "base/log.h"
#include "policy/guard.h"
#include "policy/ip.h"
#include "policy/policy.h"
#include "policy/region.h"
#include "policy/run.h"
#include "policy/source.h"
#include "policy/state_priv.h"

#define POLICY_WORKER_MAGIC 0x9ca71e02u
#define POLICY_ENGINE_MAGIC 0x9ca71e03u

#define POLICY_LOAD_BUDGET_NS   UINT64_C(250000000) // CPU time of a script's top level
#define POLICY_TEST_BUDGET_NS   UINT64_C(250000000) // of one self-test
#define POLICY_MAX_SOURCE       (UINT64_C(4) << 20)
#define POLICY_MAX_MODULES      64
#define POLICY_MAX_FUNCTIONS    4096 // global functions of one script
#define POLICY_CIRCUIT_FAILURES 10   // costly failures in a row that open a function's circuit
#define POLICY_CIRCUIT_MIN_NS   UINT64_C(1000000000)
#define POLICY_CIRCUIT_MAX_NS   UINT64_C(30000000000)
#define POLICY_REPORTS          8  // error reports of a worker under way to the keeper
#define POLICY_ERRORS_KEPT      64 // for `show policy errors`

// A piece of text that was loaded: the script itself or a module it required.
struct policy_chunk {
	char *name;  // as in `require`; the script: its name in errors
	char *where; // name in errors
	struct str text;
};

// A global function.
struct policy_global {
	char *name;
	int n_params; // of the request and what lua() names behind it; -1: any number
	int line;     // where it is defined; 0: a memoised one
};

struct policy_gen {
	struct policy *policy;
	struct policy_gen_info info;
	struct policy_chunk script;
	struct policy_chunk *modules;
	size_t n_modules, cap_modules;
	bool recorded; // modules are complete: nothing is read from files any more
	bool entered;  // entries are complete: a state was built, and what it registered is noted
	struct policy_global *functions; // sorted by name
	size_t n_functions, cap_functions;
	struct policy_entry *entries; // what it registered, in order
	size_t n_entries, cap_entries;
	struct policy_state **states;   // one per worker while prepared; NULL once handed out
	struct policy_counts **counts;  // one per worker, then NULL; NULL: none, or folded away
	unsigned n_states;              // that exist, of any worker
	bool has_effects;               // it calls every or on_change
	struct policy_effects *effects; // built while prepared; NULL once they have begun
};

struct policy_fn {
	struct policy *policy;
	char *name;
	unsigned id, slot; // in the engine, in the policy
	enum policy_kind kind;
	enum policy_on_error on_error;  // the policy's, unless the configuration names it
	struct policy_fn_stats carried; // of other processes; the keeper's
	struct policy_fn_stats past;    // of generations that are gone; likewise
	unsigned where, n_args;         // what the configuration needs of it
};

struct policy_publish {
	unsigned left; // workers that have not confirmed
	policy_done_f done;
	void *arg;
	struct policy_gen *gen;
};

struct policy {
	struct policy_engine *engine;
	unsigned index;
	char *name, *path, *file; // file: the last part of path
	struct str text;          // .p != NULL: instead of the file
	int folder;               // O_PATH descriptor, or -1
	enum policy_on_error on_error;
	uint64_t budget_ns, memory_bytes, effect_budget_ns;
	struct policy_effects *effects; // of the live generation; NULL: none
	struct policy_limits limits;
	struct str args[POLICY_MAX_ARGS]; // of the script
	unsigned n_args;
	struct policy_path { // where else modules are
		int folder;
		char *suffix; // ".lua", "/init.lua"
	} paths[POLICY_MAX_PATHS];
	unsigned n_paths;
	struct policy_fn **fns;
	size_t n_fns, cap_fns;
	struct policy_gen **history; // published ones in order; the last is live
	size_t n_history, cap_history;
	struct policy_publish publish;
	bool memo_check, untested;
	_Atomic uint64_t memo_checks, memo_wrong, soft_stops, hard_stops, rebuilds;
	_Atomic uint64_t memory_failures, pins_moved;
	_Atomic unsigned alive_most;
};

// One entry of `show policy errors`: what fails for one reason at one place.
struct policy_report_text {
	uint64_t at_real_ns, times; // last reported; how often by then
	uint64_t fault;             // policy_fault_of
	const struct policy *policy;
	char name[96]; // of the function
	uint32_t gen;
	enum policy_error error;
	char text[320], request[160]; // the request that met it last; "": none
};

// A worker's error on its way to the keeper.
struct policy_report {
	struct policy_msg msg;
	struct policy_engine *engine;
	_Atomic bool busy; // the worker takes it, the keeper gives it back
	uint32_t missed;   // reports that were not logged before this one
	bool quiet;        // kept, not logged
	struct policy_report_text text;
};

// A fault that a worker has told the keeper of. When it comes again faster than faults are logged
// it is counted here; the next report takes the count along, `show policy errors` adds it
// meanwhile.
struct policy_fault {
	_Atomic uint64_t fault, withheld; // the worker writes
};

struct policy_engine {
	uint32_t magic;
	const struct policy_host *host;
	void *data;
	struct tidevars *vars;
	struct watchdog dog;
	struct policy **policies;
	size_t n_policies, cap_policies;
	struct policy_fn **fns;
	size_t n_fns, cap_fns;
	struct policy_worker **workers;
	unsigned n_workers;                                   // 0 before start
	struct policy_report_text errors[POLICY_ERRORS_KEPT]; // the newest last
	size_t n_errors;
	size_t effects_turn; // the policy whose effects are looked at first
};

// Written by one worker, summed by readers.
struct policy_fn_count {
	alignas(CACHE_LINE) _Atomic uint64_t calls, nils, errors[POLICY_N_ERRORS];
	_Atomic uint64_t memo_hits, memo_misses, stood, last_good, slowest_ns, sampled_ns,
	    sampled[POLICY_LATENCY_BUCKETS];
	// The worker's alone: the circuit.
	uint32_t failures;
	uint64_t open_until_ns, back_off_ns;
};

// Of one generation on one worker.
struct policy_counts {
	alignas(CACHE_LINE) _Atomic uint64_t memory_used, memory_peak; // bytes, of its state
	struct policy_fn_count fn[];                                   // by slot
};

struct policy_view_entry {
	struct policy_state *live, *prev; // prev may be NULL
};

struct policy_view {
	struct list link; // in the worker's views
	uint32_t pins;
	struct policy_view_entry e[]; // by policy
};

struct policy_worker {
	uint32_t magic;
	unsigned id;
	struct policy_engine *engine;
	struct policy_view *now; // the newest
	struct policy_run *run;  // under way, or NULL
	struct list views;       // all, the newest included
	uint64_t n_calls, rand;
	struct log_rate rate, new_rate, log_rate; // of error reports, of new faults; of tide.log
	struct policy_report reports[POLICY_REPORTS];
	struct policy_fault faults[POLICY_ERRORS_KEPT];
	unsigned next_fault; // the place that a new one takes
	struct guard guard;
};

// ---- the rest -------------------------------------------------------------------------------

// count.c
void policy_counts_new(struct policy_gen *gen); // a block per worker
void policy_counts_free(struct policy_gen *gen);
void policy_counts_fold(struct policy *p); // of generations without states, into the past
void policy_count_memory(struct policy_counts *c, const struct region *r);
// generation.c. failing tests are an error unless `sink` hears them.
bool policy_gen_check(struct policy_gen *gen, const struct policy_test_sink *sink, struct err *err);
bool policy_gen_build(struct policy_gen *gen, struct err *err); // a state per worker
struct policy_view *policy_view_new(const struct policy_engine *e);
void policy_state_send_rebuild(struct policy_state *s); // from its worker, after a hard stop
// call.c: what makes two failures one fault: whose they are, what kind, and the place in the text.
uint64_t policy_fault_of(const void *whose, uint32_t gen, enum policy_error error,
			 const char *text);
// Kept for `show policy errors`; t->times are added to what was kept of that fault. Keeper.
void policy_keep_report(struct policy_engine *e, const struct policy_report_text *t);
// One line. `missed`: failures that were not logged before. Keeper.
void policy_log_report(const struct policy_report_text *t, uint32_t missed);
void policy_circuit_failed(struct policy_fn_count *c, enum policy_error e, uint64_t now_ns);
// lua_state.c: text of the error on L's stack, or of `end` itself, into s->error; the error it is.
enum policy_error policy_state_error(struct policy_state *s, struct lua_State *L,
				     enum guard_end end);
// lua_memo.c: true when the memo's verdict stands; it is then in call->out.
bool policy_call_memo(struct policy_state *s, struct policy_memo *m, struct policy_call *call);

// lua_verdict.c: true when what the function said stands; it is then in call->out, a string lent.
bool policy_verdict_stands(const struct policy_state *s, unsigned slot, struct policy_call *call);
// Behind a call that gave call->out, whose value is on top of the stack. `stood`: a verdict stood
// and the function ran all the same, for memo-check.
void policy_verdict_keep(struct policy_state *s, unsigned slot, const struct policy_call *call,
			 bool stood);
// Behind one that failed, and whose verdict stood.
void policy_verdict_failed(struct policy_state *s, unsigned slot, const struct policy_call *call);
// memo-check: counts a comparison, and tells where the two differ. `now` NULL: the function fails.
// Strings are read only.
void policy_verdict_compare(struct policy_state *s, const struct policy_value *before,
			    const struct policy_value *now, uint64_t now_real_ns);

// A counter that only this thread writes.
static inline void
policy_count(_Atomic uint64_t *c)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}
