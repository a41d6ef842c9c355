// SPDX-License-Identifier: MIT
// The engine's structs. Who may touch what:
//
// engine, policy, gen   the keeper (before start: the thread that sets up); read-only elsewhere,
//                       except counters, which are atomics
// worker, view          the worker's thread
// state                 the worker it serves while `ready`; the keeper otherwise. It changes
//                       hands only inside a policy_msg
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

#define POLICY_STATE_MAGIC  0x9ca71e01u
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
#define POLICY_NAME_SLOTS       128

struct lua_State;
struct policy_state;

// A piece of text that was loaded: the script itself or a module it required.
struct policy_chunk {
	char *name;  // as in `require`; the script: its name in errors
	char *where; // name in errors
	struct str text;
};

struct policy_gen {
	struct policy *policy;
	struct policy_gen_info info;
	struct policy_chunk script;
	struct policy_chunk *modules;
	size_t n_modules, cap_modules;
	bool recorded;    // modules are complete: nothing is read from files any more
	char **functions; // global functions by name, sorted
	size_t n_functions, cap_functions;
	struct policy_entry *entries; // what it registered, in order
	size_t n_entries, cap_entries;
	struct policy_state **states;   // one per worker while prepared; NULL once handed out
	unsigned n_states;              // that exist, of any worker
	bool has_effects;               // it calls every or on_change
	struct policy_effects *effects; // built while prepared; NULL once they have begun
};

struct policy_fn {
	struct policy *policy;
	char *name;
	unsigned id, slot; // in the engine, in the policy
	enum policy_kind kind;
	struct policy_fn_stats carried; // the keeper's
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
	bool memo_check;
	_Atomic uint64_t memo_checks, memo_wrong, soft_stops, hard_stops, rebuilds;
	_Atomic uint64_t memory_failures, pins_moved, memory_used, memory_peak;
	_Atomic unsigned alive_most;
};

// One entry of `show policy errors`: what fails for one reason at one place.
struct policy_report_text {
	uint64_t at_real_ns, times; // last reported; how often
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
	uint32_t missed;   // reports withheld before this one
	struct policy_report_text text;
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
	_Atomic uint64_t memo_hits, memo_misses, last_good, slowest_ns,
	    sampled[POLICY_LATENCY_BUCKETS];
	// The worker's alone: the circuit.
	uint32_t failures;
	uint64_t open_until_ns, back_off_ns;
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
	struct policy_view *now;        // the newest
	struct list views;              // all, the newest included
	struct policy_fn_count *counts; // by fn id
	uint64_t n_calls, rand;
	struct log_rate rate, log_rate; // of error reports; of tide.log
	struct policy_report reports[POLICY_REPORTS];
	struct guard guard;
};

// Names looked up before, by the address of the Lua string, which an anchor in the registry keeps
// alive (so an address means one name for the state's life).
struct policy_names {
	unsigned n_kept; // ever
	struct {
		const char *key;
		uint32_t value;
	} slot[POLICY_NAME_SLOTS];
};

// Readings stand in a Lua table while nothing is written: predicates look once, when a call begins.
struct policy_kept_vars {
	bool wanted;      // the script reads variables
	unsigned calls;   // since the table changed; from POLICY_KEEP_AFTER on readings are kept
	unsigned n;       // that are kept
	uint64_t changes; // of the table, when they were last known to stand
};
#define POLICY_KEEP_AFTER 8
#define POLICY_KEPT_VARS  64

enum policy_phase {
	POLICY_LOADING, // the top level runs: globals may be written, no request
	POLICY_FROZEN,  // predicates run
	POLICY_THAWED,  // HAProxy's rules: functions run, globals may be written
};

struct policy_effect;
struct policy_effects;
struct policy_memo;
struct lua_txn;

// One Lua state. Its main thread's stack holds, for ever: [1] the txn object, [2..] the functions
// the configuration names, by slot.
struct policy_state {
	uint32_t magic;
	struct policy_msg msg; // to the keeper and back, for a rebuild
	struct policy_gen *gen;
	struct policy_worker *worker; // NULL: a throw-away state of the keeper
	struct policy *policy;
	struct guard *guard; // of whoever calls now
	struct region region;
	struct lua_State *L;
	bool ready;  // the worker may call it; written by the worker (and before it knows it)
	bool orphan; // drained while the keeper rebuilds it: the worker sends it back
	enum policy_phase phase;
	bool testing;
	const struct policy_call *call; // the present one, or &idle
	struct policy_call idle;        // a stand-in for loading and testing
	struct arena arena;             // of idle
	struct lua_txn *txn;            // the reused object of live calls
	struct policy_memo *recording;  // a memoised function is being evaluated
	bool thawed;                    // the script uses HAProxy's dialect: not frozen, no memo
	struct policy_run *run;         // being resumed, or NULL
	struct list runs;               // that wait
	int spare_ref;                  // a coroutine for the next run; 0: none
	int done_code;                  // of a run that ended itself
	struct policy_effects *effects; // the state serves these, on the keeper; else NULL
	struct policy_effect *effect;   // the one that runs
	size_t n_effects;               // asked for while the script loads
	bool trying;                    // a self-test runs a function as an effect (t.run)
	bool waited;                    // the effect waited for the table's lock in vain
	bool *present;                  // by slot: the function is there
	struct policy_memo **memos;     // by slot: the function is memoised; else NULL
	struct policy_fn_count *count;  // of the function being called, or NULL
	const struct policy_fn *fn;     // that function; NULL where count is
	uint64_t rand;                  // throw-away states' own
	struct list tasks;              // its own
	unsigned n_tasks;
	bool tasks_on; // its generation is live
	struct policy_names var_names, txn_names, header_names;
	struct policy_kept_vars kept;
	int cookie_handle; // the host's; -1: not asked yet
	char error[512];   // text of the last failure
};

// ---- lua_state.c: building a state ----------------------------------------------------------

struct policy_state *policy_state_new(struct policy_gen *gen, struct policy_worker *worker);
// Maps memory, loads the source, freezes, prepares the functions, on the calling thread's guard.
// False with file:line; the state is then empty and can be built again or freed.
bool policy_state_build(struct policy_state *s, struct guard *guard, struct err *err);
// Throws the Lua state away, in whatever condition; the struct stays.
void policy_state_clear(struct policy_state *s);
void policy_state_free(struct policy_state **s);
// Calls what lies on the state's stack with n_args arguments. False: s->error says why and the
// stack is as before the function was pushed (or s->L is NULL: the state was thrown away).
bool policy_state_protected(struct policy_state *s, int n_args, int n_results, uint64_t budget_ns);
// The global functions' names into the generation.
bool policy_state_list_functions(struct policy_state *s, struct err *err);
// Runs the script's `test` blocks; the number that ran and failed.
bool policy_state_run_tests(struct policy_state *s, const struct policy_test_sink *sink,
			    unsigned *passed, unsigned *failed, struct err *err);
bool policy_state_eval(struct policy_state *s, struct str expression, struct sbuf *out,
		       struct err *err);
// One call of the function in `slot`. NONE: out is set, its string lies in the arena. Otherwise
// s->error says why.
enum policy_error policy_state_call(struct policy_state *s, unsigned slot,
				    struct policy_call *call);

// ---- the rest -------------------------------------------------------------------------------

// generation.c. failing tests are an error unless `sink` hears them.
bool policy_gen_check(struct policy_gen *gen, const struct policy_test_sink *sink, struct err *err);
bool policy_gen_build(struct policy_gen *gen, struct err *err); // a state per worker
struct policy_view *policy_view_new(const struct policy_engine *e);
void policy_state_send_rebuild(struct policy_state *s); // from its worker, after a hard stop
// call.c: kept for `show policy errors`, and logged. `missed`: failures withheld before. Keeper.
void policy_keep_report(struct policy_engine *e, const struct policy_report_text *t,
			uint32_t missed);
void policy_circuit_failed(struct policy_fn_count *c, enum policy_error e, uint64_t now_ns);
// lua_state.c: text of the error on L's stack, or of `end` itself, into s->error; the error it is.
enum policy_error policy_state_error(struct policy_state *s, struct lua_State *L,
				     enum guard_end end);
// lua_memo.c: true when the memo's verdict stands; it is then in call->out.
bool policy_call_memo(struct policy_state *s, struct policy_memo *m, struct policy_call *call);

// A counter that only this thread writes.
static inline void
policy_count(_Atomic uint64_t *c)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}
