// SPDX-License-Identifier: MIT
// One Lua state: what it holds, and building, calling and testing it. The worker it serves owns it
// while `ready`, the keeper otherwise; it changes hands only inside a policy_msg.
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/list.h"
#include "policy/guard.h"
#include "policy/host.h"
#include "policy/policy.h"
#include "policy/region.h"

#define POLICY_STATE_MAGIC 0x9ca71e01u
#define POLICY_NAME_SLOTS  128

struct coverage;
struct lua_State;
struct policy_counts;
struct policy_fn_count;
struct policy_gen;
struct policy_run;
struct policy_worker;

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

// What predicates ask of requests, the first so many names, and which of the answers stand in Lua
// tables (lua_asked.c). Lua owns the bytes: names for ever, a text while its bit is set.
#define POLICY_ASKED 8
struct policy_asked {
	unsigned n, kept; // kept: a bit for each answer
	uint32_t calls;   // that looked
	struct policy_answer answer[POLICY_ASKED];
	struct {
		uint8_t what;            // POLICY_FIELD, POLICY_HEADER
		uint8_t rest, rest_next; // asks for which it is let alone
		uint32_t since;          // calls, when it was kept
	} place[POLICY_ASKED];
};

// What a predicate said, and said again while the inputs are the same (lua_verdict.c).
struct policy_stand {
	uint64_t inputs;           // the state's then; 0: nothing is kept
	struct policy_value value; // a string's bytes are Lua's, held by the main stack
};

// What stands in a slot. A function without parameters is not given the request.
enum policy_present {
	POLICY_ABSENT,
	POLICY_TAKES_REQUEST,
	POLICY_TAKES_NOTHING,
};

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
// the configuration names, by slot, and behind them in that order what they said, where it is a
// string that is kept.
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
	struct coverage *coverage;      // told which lines run, or NULL
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
	uint8_t *present;               // by slot: enum policy_present
	struct policy_memo **memos;     // by slot: the function is memoised; else NULL
	struct policy_stand *stands;    // by slot
	uint64_t inputs;                // from 1, raised when something kept is taken out
	uint64_t failures_seen;         // the region's, when a verdict was last looked at
	struct policy_counts *counts;   // its worker's of its generation, or NULL
	struct policy_fn_count *count;  // of the function being called, or NULL
	const struct policy_fn *fn;     // that function; NULL where count is
	uint64_t rand;                  // throw-away states' own
	struct list tasks;              // its own
	unsigned n_tasks;
	bool tasks_on; // its generation is live
	struct policy_names var_names, txn_names, header_names;
	struct policy_kept_vars kept;
	struct policy_asked asked;
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
