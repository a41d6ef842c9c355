// SPDX-License-Identifier: MIT
// The policy engine: Lua functions that decide, in generations that are checked before they are
// published, with bounds on time and memory that hold whatever a script does.
//
// Threads  Set-up (policy_engine_new .. policy_engine_start) is for one thread before others
//          run. Afterwards policy_prepare, policy_publish, policy_rollback, policy_check,
//          policy_test, policy_show and policy_eval are for the keeper's thread alone;
//          policy_pin, policy_unpin and policy_call for the worker whose struct policy_worker is
//          passed. Threads meet only through struct policy_msg, which the host carries. No lock,
//          no system call and no malloc on the way of a call.
// Signals  A thread that calls policies gets POLICY_SIGNAL (a real-time signal), which interrupts
//          its system calls with EINTR now and then; policy_worker_enter unblocks it.
// Stack    A thread that calls policies needs 256 KiB of stack free.
// Locale   LC_ALL must stay "C" (strcoll and snprintf may be left by a hard stop).
#pragma once

#include "policy/host.h"

struct arena;
struct coverage;
struct err;
struct sbuf;
struct tidevars;
struct tidevars_value;

struct policy_engine; // all policies of the process
struct policy;        // one named script
struct policy_gen;    // one checked source of a policy
struct policy_fn;     // a function that the configuration names; stands for all generations
struct policy_worker; // one thread's part: its Lua states and counters
struct policy_view;   // the generations one transaction sees

#define POLICY_SIGNAL_OFFSET         7 // POLICY_SIGNAL is SIGRTMIN + this
#define POLICY_DEFAULT_BUDGET        UINT64_C(2000000)
#define POLICY_DEFAULT_EFFECT_BUDGET UINT64_C(10000000)
#define POLICY_DEFAULT_MEMORY        (UINT64_C(8) << 20)
#define POLICY_MIN_MEMORY            (UINT64_C(512) << 10)
#define POLICY_MAX_ARGS              12
#define POLICY_NAME_MAX              63
#define POLICY_MAX_PATHS             8
#define POLICY_KEPT_GENERATIONS      16 // sources kept as text for rollback

// ---- set-up ---------------------------------------------------------------------------------

enum policy_on_error { POLICY_LAST_GOOD, POLICY_TRUE, POLICY_FALSE, POLICY_DENY_RULE };

// Time inside Lua of whole calls that wait in between, waiting not counted; 0: no limit. HAProxy's
// tune.lua.session-timeout, task-timeout, service-timeout.
struct policy_limits {
	uint64_t session_ns, task_ns, service_ns;
};

struct policy_spec {
	const char *name;
	const char *path; // the script; its folder is opened here and read beneath for ever
	struct str text;  // .p != NULL: this text instead of a file (then `path` only names it)
	enum policy_on_error on_error;
	uint64_t budget_ns;        // CPU time of a call; 0: default
	uint64_t memory_bytes;     // of a state; 0: default
	bool memo_check;           // for finding faults: verdicts that stand are found anew too
	bool untested;             // self-tests are policy_test's alone to run
	uint64_t effect_budget_ns; // CPU time of a timer's or on_change's call; 0: default
	struct policy_limits limits;
	const struct str *args; // given to the script as `...`
	unsigned n_args;        // at most POLICY_MAX_ARGS
	struct str kept; // .p != NULL: begins with this generation (policy_live_text), not the file
	const char *const
	    *paths; // where else `require` looks: "DIR/?.lua", NULL-terminated; or NULL
};

// vars may be NULL (`vars.x` is then an error outside self-tests). host is not copied.
struct policy_engine *policy_engine_new(const struct policy_host *host, void *data,
					struct tidevars *vars);
// After all workers have left. Any thread.
void policy_engine_free(struct policy_engine **engine);
// Reads, compiles, runs the top level and the self-tests: the policy's generation 1. NULL with
// file:line and cause.
struct policy *policy_add(struct policy_engine *engine, const struct policy_spec *spec,
			  struct err *err);
// "is_maint", or "maint.is_maint" where two policies share a name. NULL with a cause and a
// suggestion. The result lives as long as the engine. Before policy_engine_start.
struct policy_fn *policy_resolve(struct policy_engine *engine, struct str name, struct err *err);
// How many parameters the predicate has, the request's among them, and where it is defined (0: a
// memo). False: any number, or no predicate.
bool policy_fn_params(const struct policy_fn *fn, int *n_params, int *line);
// What stands for its verdict when it fails, instead of its policy's on_error. Before
// policy_engine_start.
void policy_fn_fails_as(struct policy_fn *fn, enum policy_on_error rule);
// Builds the states of n workers and starts the watchdog thread.
bool policy_engine_start(struct policy_engine *engine, unsigned n_workers, struct err *err);

// Worker i (from 0). _enter is called once on the thread that will use it; _leave there at its
// end, with no pin left.
struct policy_worker *policy_worker_of(struct policy_engine *engine, unsigned i);
void policy_worker_enter(struct policy_worker *w);
void policy_worker_leave(struct policy_worker *w);

// ---- calling --------------------------------------------------------------------------------

enum policy_verdict {
	POLICY_VALUE, // out has it
	POLICY_NIL,   // no sample
	POLICY_DENY,  // the call failed and the policy says `on-error deny`
};

enum policy_error {
	POLICY_E_NONE,
	POLICY_E_RUNTIME,  // the script raised an error
	POLICY_E_TYPE,     // a verdict that is no boolean, number, string or address
	POLICY_E_BUDGET,   // soft stop
	POLICY_E_STOPPED,  // hard stop: the state is being rebuilt
	POLICY_E_MEMORY,   // the state's cap, or the arena's for a result
	POLICY_E_MISSING,  // the function is not in this generation
	POLICY_E_BUILDING, // the state was stopped hard before and is not back yet
	POLICY_E_NESTED,   // called from inside a call
	POLICY_E_OPEN,     // circuit open after failures in a row: not called
	POLICY_E_GONE,     // a call that waited: its generation or state went away meanwhile
	POLICY_N_ERRORS,
};
const char *policy_error_name(enum policy_error e); // "budget"

// One call. The caller fills the upper half; the rest is told back.
struct policy_call {
	void *txn;           // handed to the host; NULL: no request (txn fields are errors)
	struct arena *arena; // for a string result
	uint64_t now_boot_ns, now_real_ns;
	const struct policy_value *args; // passed on behind txn
	unsigned n_args;                 // at most POLICY_MAX_ARGS
	struct sbuf *output;             // a command's answer; NULL: none
	// Told each reading of `vars`, for whoever explains; NULL: nobody asks. Stops are
	// postponed.
	void (*was_read)(void *txn, uint32_t handle, const struct tidevars_value *v);

	struct policy_value out;
	enum policy_error error; // of the live generation, even when another answer was found
	uint32_t gen;            // number of the generation that answered; 0: the on-error rule
};

// The generations as they stand; one transaction pins once and unpins after its last rule that
// can call. Never NULL. A view two publishes old is moved to the live generation.
struct policy_view *policy_pin(struct policy_worker *w);
void policy_unpin(struct policy_worker *w, struct policy_view **view);
// The number of the policy's generation in the view; NULL: in a view pinned now.
uint32_t policy_seen_gen(const struct policy_worker *w, const struct policy_view *view,
			 const struct policy *p);
enum policy_verdict policy_call(struct policy_worker *w, struct policy_view *view,
				const struct policy_fn *fn, struct policy_call *call);

// ---- effects --------------------------------------------------------------------------------

// Runs what scripts asked for with every() and on_change() and is due, at most one function.
// Returns when to call again, in monotonic time: now_mono_ns itself when more is due, UINT64_MAX
// when no live generation asks for any. *watches: a function waits for a variable; it is due when
// that is written, so call again after any write to the table. Keeper, once policy_engine_start is
// through.
uint64_t policy_effects_run(struct policy_engine *engine, uint64_t now_mono_ns, bool *watches);

// ---- generations ----------------------------------------------------------------------------

enum { POLICY_HASH_BYTES = 32 };

struct policy_gen_info {
	uint32_t number; // from 1, per policy
	uint8_t hash[POLICY_HASH_BYTES];
	char hash_hex[2 * POLICY_HASH_BYTES + 1];
	unsigned tests; // self-tests passed
	uint64_t prepared_real_ns;
};

struct policy *policy_find(struct policy_engine *engine, struct str name, struct err *err);
const char *policy_name(const struct policy *p);
const char *policy_path(const struct policy *p); // of its script
// Checks a source (NULL: the configured file, read again) and builds a state per worker; nothing
// live changes. NULL with file:line and cause. `chunk` names the text in errors; NULL: the path.
struct policy_gen *policy_prepare(struct policy *p, const struct str *text, const char *chunk,
				  struct err *err);
// A file beneath the folder of the policy's script, to be given to policy_prepare; out->p is the
// caller's to mem_free. False with a cause.
bool policy_read_file(const struct policy *p, const char *name, struct str *out, struct err *err);
// The nth source before the live one (1: the one before), prepared again.
struct policy_gen *policy_rollback(struct policy *p, unsigned n, struct err *err);
void policy_gen_drop(struct policy_gen **gen); // a prepared one that will not be published
// Of the live generation, or of a prepared one.
void policy_live_info(const struct policy *p, struct policy_gen_info *out);
void policy_gen_info(const struct policy_gen *gen, struct policy_gen_info *out);
// Sends the generation to every worker and takes *gen over. `done` runs on the keeper once all
// workers have confirmed it; it may be NULL. One publish per policy at a time: false while the
// last one is under way, *gen is then still the caller's.
typedef void (*policy_done_f)(void *arg, struct policy *p, const struct policy_gen_info *info,
			      unsigned workers);
bool policy_publish(struct policy_gen **gen, policy_done_f done, void *arg, struct err *err);

// The live generation as a text that another process can begin with (policy_spec.kept): its number,
// the script, the modules it took. Keeper.
void policy_live_text(const struct policy *p, struct sbuf *out);

// ---- self-tests -----------------------------------------------------------------------------

// One call per `test` block. `where` is "file:line" of the failure, or of the block.
struct policy_test_sink {
	void (*result)(void *arg, const char *name, bool passed, const char *where,
		       const char *message);
	void *arg;
	struct coverage *coverage; // coverage.h; NULL: lines are not counted
};
// Runs a script's tests without publishing anything. engine: whose host and variables it sees;
// NULL: none. False with a cause when the script does not load; failing tests go to the sink.
bool policy_test_file(struct policy_engine *engine, const char *path,
		      const struct policy_test_sink *sink, struct err *err);
// The tests of the policy's configured file, or of `text`, which errors name `chunk` (NULL: as the
// configured file).
bool policy_test(struct policy *p, const struct str *text, const char *chunk,
		 const struct policy_test_sink *sink, struct err *err);
// Evaluates a Lua expression in a throw-away state of the live source, without a request; the
// result as text.
bool policy_eval(struct policy *p, struct str expression, struct sbuf *out, struct err *err);

// ---- seen from outside ----------------------------------------------------------------------

#define POLICY_LATENCY_BUCKETS 24 // [2^i, 2^(i+1)) ns of wall time, the last one open

struct policy_fn_stats {
	uint64_t calls, nils, errors[POLICY_N_ERRORS];
	uint64_t memo_hits, memo_misses;
	uint64_t stood;                           // calls whose verdict stood without a memo
	uint64_t last_good;                       // answers of the previous generation
	uint64_t sampled[POLICY_LATENCY_BUCKETS]; // one call in 61
	uint64_t slowest_ns, sampled_ns;          // of those: the greatest, the sum
};
// Sums over workers and generations, with what was carried over; keeper.
void policy_fn_stats(const struct policy_fn *fn, struct policy_fn_stats *out);
// Of this process alone; and what other processes counted, added from now on. Keeper.
void policy_fn_own_stats(const struct policy_fn *fn, struct policy_fn_stats *out);
void policy_fn_carry(struct policy_fn *fn, const struct policy_fn_stats *others);
// Of one generation that is alive.
void policy_fn_gen_stats(const struct policy_fn *fn, const struct policy_gen *gen,
			 struct policy_fn_stats *out);
uint64_t policy_fn_failures(const struct policy_fn_stats *s); // of all classes
// The upper end of the bucket below which `share` percent of the samples lie, the slowest's time at
// most; 0 without any.
uint64_t policy_percentile_ns(const struct policy_fn_stats *s, unsigned share);
const char *policy_fn_name(const struct policy_fn *fn); // "is_maint"
struct policy *policy_fn_policy(const struct policy_fn *fn);
// The next policy, or function, after `it` (NULL: the first); NULL at the end.
struct policy *policy_next(struct policy_engine *engine, const struct policy *it);
struct policy_fn *policy_fn_next(struct policy_engine *engine, const struct policy_fn *it);

struct policy_stats {
	uint64_t soft_stops, hard_stops, rebuilds, memory_failures;
	uint64_t memo_checks, memo_wrong;  // memo-check: comparisons; verdicts that differed
	uint64_t pins_moved;               // views moved to live to keep the bound of three
	uint64_t memory_used, memory_peak; // bytes, largest state
	unsigned alive_most;               // generations alive on the fullest worker
};
void policy_stats(const struct policy *p, struct policy_stats *out);
// Generations whose states exist, the live one first, to out[POLICY_MAX_ALIVE]; returns how many.
// Lent until the next publish. Keeper.
#define POLICY_MAX_ALIVE 4
unsigned policy_alive(const struct policy *p, const struct policy_gen **out);
// Of one worker's state, as seen at one call in 61; false: no such worker.
struct policy_memory {
	uint64_t used, peak; // bytes
};
bool policy_gen_memory(const struct policy_gen *gen, unsigned worker, struct policy_memory *out);
// "show policy": text lines or JSON; "show policy errors"; keeper.
void policy_show(struct policy_engine *engine, bool json, struct sbuf *out);
void policy_show_errors(struct policy_engine *engine, struct sbuf *out);
// Live source against the one n before, as unified-like lines; keeper.
bool policy_diff(struct policy *p, unsigned n, struct sbuf *out, struct err *err);
