// SPDX-License-Identifier: MIT
// What the lua_*.c files share. Functions with a stack effect [-pops, +pushes, e] may throw (e)
// and run inside a protected call only.
#pragma once

#include <lauxlib.h>
#include <lua.h>

#include "policy/policy_priv.h"

struct tidevars_value;

// Of a state's main stack.
#define TXN_INDEX 1
#define FN_INDEX  2 // of slot 0

// The state a Lua thread belongs to. [-0, +0, -]
static inline struct policy_state *
state_of(lua_State *L)
{
	struct policy_state *s;
	__builtin_memcpy(&s, lua_getextraspace(L), sizeof(s));
	return s;
}

// Registry keys are the addresses of these.
extern const char policy_key_globals; // G, the real table of globals
extern const char policy_key_env;     // E, the empty table scripts see as _ENV and _G
extern const char policy_key_anchor;  // names whose address is in a struct policy_names
extern const char policy_key_loaded;  // modules
extern const char policy_key_tests;   // {name, function, name, function...}
extern const char policy_key_t;       // the `t` of the self-test that runs
extern const char policy_key_frozen;  // frozen table -> its contents
extern const char policy_key_shadow;  // contents -> frozen table
extern const char policy_key_donor;   // a function whose first upvalue is G
extern const char policy_key_entries; // kind -> name -> registered function
extern const char policy_key_inits;   // core.register_init's functions
extern const char policy_key_privs;   // private data of transactions, by their number
extern const char policy_key_done;    // as a light userdata: the error that ends a run at once
extern const char policy_key_effects; // the functions of effects, in order
extern const char policy_key_kept;    // name -> reading, while nothing is written
extern const char policy_key_asked;   // names of what predicates ask of requests, in order
extern const char policy_key_fields;  // name -> part, method or kept text of the live request
extern const char policy_key_headers; // name -> kept text of the live request's headers
extern const char policy_key_written; // of the self-test that runs: variable -> when it was written

// ---- lua_sandbox.c
// G and E with the safe half of the standard library. [-0, +0, e]
void policy_lua_sandbox(lua_State *L);

// ---- lua_string.c
void policy_lua_string_open(lua_State *L); // ours into the table on top. [-0, +0, m]
// luaL_tolstring, for whatever a script gets to see: an address in it is noted. [-0, +1, e]
const char *policy_lua_text(lua_State *L, int index);

// ---- lua_freeze.c
// Freezes everything reachable from G: tables become read-only; a function that assigns to a
// variable outside itself, or anything else that keeps state, is an error. [-0, +0, e]
void policy_lua_freeze(lua_State *L);
// True when this build's bytecode is what the scan for assignments expects. [-0, +0, e]
bool policy_lua_scan_works(lua_State *L);
// Pushes the contents of the table at `index` when it is frozen. [-0, +(0|1), -]
bool policy_lua_frozen(lua_State *L, int index);
// next, pairs' iterator: sees through frozen tables. [-2, +(1|2), e]
int policy_lua_next(lua_State *L);

// ---- lua_value.c
void policy_lua_ip_open(lua_State *L); // metatables of ip and cidr_set. [-0, +0, e]
// [-0, +1, e]
void policy_lua_push(lua_State *L, const struct policy_value *v);
void policy_lua_push_ip(lua_State *L, const struct policy_value *ip);
// False when the value at index is of a type that is no policy value. Strings stay Lua's.
// [-0, +0, -]
bool policy_lua_get(lua_State *L, int index, struct policy_value *out);
int policy_lua_tide_ip(lua_State *L);       // tide.ip(text)
int policy_lua_tide_cidr_set(lua_State *L); // tide.cidr_set{...}

// ---- lua_vars.c
void policy_lua_vars_open(lua_State *L); // pushes `vars`. [-0, +1, e]
// The t.vars of a self-test, empty: setting a name that is not declared throws. [-0, +1, m]
void policy_lua_push_test_vars(lua_State *L);
// The handle of the variable whose name is the string at index; unknown names throw. [-0, +0, e]
uint32_t policy_lua_var(lua_State *L, int index);
// Pushes a reading. [-0, +1, e]
void policy_lua_push_reading(lua_State *L, const struct tidevars_value *v);
// Pushes vars[NAME] for the name at index. [-0, +1, e]
void policy_lua_read_var(lua_State *L, int index);
// Forgets what is kept of readings. [-0, +0, -]
void policy_lua_vars_drop(lua_State *L, struct policy_state *s);

// ---- lua_asked.c
void policy_lua_asked_open(lua_State *L); // [-0, +0, m]
// The text on top is the live request's answer to `name`, at 2, and 1 the table that Lua looked
// into in vain: may keep it there. [-0, +0, m]
void policy_lua_asked_keep(lua_State *L, struct policy_state *s, uint8_t what, int handle,
			   const char *name);
// Before a predicate is called: takes out what is not so in this request (NULL: all).
// [-0, +0, -]
void policy_lua_asked_look(lua_State *L, struct policy_state *s, void *txn);
void policy_lua_asked_drop(lua_State *L, struct policy_state *s); // all. [-0, +0, -]
// Something other than a predicate runs, or what it reads is noted: nothing is kept.
// [-0, +0, -]
static inline void
policy_lua_forget(lua_State *L, struct policy_state *s)
{
	policy_lua_vars_drop(L, s);
	policy_lua_asked_drop(L, s);
}

// ---- lua_backends.c
void policy_lua_backends_open(lua_State *L); // pushes `backends`. [-0, +1, e]

// ---- lua_write.c
// vars[name] = value, nil for the default; names and values are at these indexes. [-0, +0, e]
void policy_lua_write_var(lua_State *L, int name, int value);
void policy_lua_write_open(lua_State *L); // set, add, hold, release into the table on top

// ---- lua_action.c
int policy_lua_action(lua_State *L); // action(name, fn)
// Whether a call that may act on its transaction runs: an action, service or task.
bool policy_lua_in_action(const struct policy_state *s);
int policy_lua_find_edit(const char *name);      // the row of txn:NAME(...), or -1
int policy_lua_push_edit(lua_State *L, int row); // pushes it; 1. [-0, +1, e]

// ---- lua_effects.c
int policy_lua_every(lua_State *L);     // every(seconds, fn)
int policy_lua_on_change(lua_State *L); // on_change(name, fn)
int policy_lua_test_run(lua_State *L);  // t.run(fn, ...)
// Throws unless an effect runs: `what` predicates do not do. [-0, +0, e]
void policy_lua_need_effect(lua_State *L, const char *what);
void policy_lua_need_writer(lua_State *L); // or an action. [-0, +0, e]
// "every 1s at load.lua:12": who writes. Lent until the effect ends.
const char *policy_lua_effect_where(const struct policy_state *s);

// ---- lua_smooth.c
int policy_lua_ewma(lua_State *L);       // tide.ewma{...}
int policy_lua_hysteresis(lua_State *L); // tide.hysteresis{...}

// ---- lua_txn.c
// The host's handle for a name; unknown names throw. [-0, +0, e]
int policy_lua_resolve(lua_State *L, enum policy_what what, struct str name);
// Pushes the host's answer; 1. [-0, +1, e]
int policy_lua_ask(lua_State *L, void *txn, int handle, const struct policy_value *args,
		   unsigned n);
// One request object: the live one is reused, a self-test has its own.
struct lua_txn {
	void *host_txn;
	bool live; // reused: valid only while its call lasts
	bool test; // answers from the test's table, unless host_txn was made of it
};
void policy_lua_txn_open(lua_State *L); // metatables. [-0, +0, e]
// The txn object at index, or NULL; and the host's part of it. [-0, +0, -], [-0, +0, e]
struct lua_txn *policy_lua_txn_at(lua_State *L, int index);
void *policy_lua_host_txn(lua_State *L, const struct lua_txn *t);
// [-0, +1, e]
struct lua_txn *policy_lua_txn_new(lua_State *L, bool live);

// ---- lua_test_txn.c
int policy_lua_test_txn(lua_State *L); // t.txn{...}
#define LUA_TXN_TABLE 7 // the test's table, a uservalue of its txn; the others are its parts
// Of the test's txn at index: its table; what that says of a field; of an entry of a table in it.
// [-0, +1, -], [-0, +n, e]; both: 1
void policy_lua_push_test_table(lua_State *L, int index);
int policy_lua_test_field(lua_State *L, int index, const char *name);
int policy_lua_test_entry(lua_State *L, int index, const char *table, struct str name,
			  bool any_case);
// A self-test's txn after its table was edited. [-0, +0, e]
void policy_lua_test_txn_edited(lua_State *L, int index);

// ---- lua_entry.c
// Registers the function on top of the stack, which is popped, under that name while the script
// loads; n_args -1: any number of words. [-1, +0, e]
void policy_lua_register(lua_State *L, enum policy_kind kind, const char *name, unsigned where,
			 int n_args);
// Pushes what stands behind fn, or nil. [-0, +1, e]
void policy_lua_push_fn(lua_State *L, const struct policy_fn *fn);

// ---- lua_run.c
// Suspends the running call for that long; the C function that calls it returns what it returns.
// [-0, +0, e]
int policy_lua_wait(lua_State *L, uint64_t ns);
// What runs first in a run's coroutine, given the function and its first arguments; those of the
// call follow. [-n, +1, e]
int policy_lua_run_main(lua_State *L);
// ---- lua_task.c: the function and its arguments, n values, become a task. [-n, +0, e]
void policy_lua_task_new(lua_State *L, int n);
// ---- lua_core.c
// As luaL_error, but says where the script itself called: not in lua/haproxy.lua. [-0, +0, v]
int policy_lua_fail(lua_State *L, const char *fmt, ...);
void policy_lua_core_open(lua_State *L); // brings HAProxy's names in when looked at. [-0, +0, e]
void policy_lua_run_inits(lua_State *L); // core.register_init's functions. [-0, +0, e]

// ---- lua_tide.c, lua_memo.c, lua_test.c
void policy_lua_tide_open(lua_State *L); // pushes `tide`. [-0, +1, e]
uint64_t policy_rand(struct policy_state *s);
// A script's line for the log: at most 20 a second and worker, cut after 1000 bytes. [-0, +0, v]
void policy_lua_log(lua_State *L, enum log_level level, const char *text);
int policy_lua_memo(lua_State *L); // tide.memo(fn)
void policy_lua_memo_open(lua_State *L);
// The memo behind the function at index, or NULL. [-0, +0, -]
struct policy_memo *policy_lua_memo_of(lua_State *L, int index);
// Notes that the running memoised function read a variable. [-0, +0, e]
void policy_lua_memo_note(lua_State *L, uint32_t handle, const struct tidevars_value *v);
// Throws when a memoised function runs: `what` is not to be read there. [-0, +0, e]
void policy_lua_memo_forbid(lua_State *L, const char *what);
int policy_lua_test(lua_State *L); // test(name, fn)

// ---- lua_coverage.c: nothing unless the state counts lines
// The chunk on top was loaded: its lines. [-0, +0, e]
void policy_lua_coverage_chunk(lua_State *L);
// The function at index is a `test` block. [-0, +0, m]
void policy_lua_coverage_test(lua_State *L, int index);
void policy_lua_coverage_arm(lua_State *L); // sets the hook. [-0, +0, -]

// ---- lua_state.c
// The number kept for a name, or -1; the name at index is a string. [-0, +0, -]
static inline int64_t
policy_name_get(const struct policy_names *n, const char *key)
{
	size_t i = ((uintptr_t)key >> 4 ^ (uintptr_t)key >> 11) % POLICY_NAME_SLOTS;
	return LIKELY(n->slot[i].key == key) ? (int64_t)n->slot[i].value : -1;
}
// [-0, +0, m]
void policy_name_put(lua_State *L, struct policy_names *n, int index, uint32_t value);
