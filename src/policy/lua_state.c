// SPDX-License-Identifier: MIT
// One Lua state: made in its own mapping, loaded, frozen, called, thrown away.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "policy/effects.h"
#include "policy/lua_priv.h"
#include "policy/run_priv.h"
#include "tidegate/vars.h"

#define SPARE_SLOTS 64
#define ARENA_BYTES (256u << 10)
#define TESTS_BYTES (16u << 20) // of a throw-away state: requests of self-tests

void
policy_name_put(lua_State *L, struct policy_names *n, int index, uint32_t value)
{
	const char *key = lua_tostring(L, index);
	size_t i = ((uintptr_t)key >> 4 ^ (uintptr_t)key >> 11) % POLICY_NAME_SLOTS;
	lua_pushvalue(L, index);
	int at = lua_gettop(L);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_anchor);
	lua_pushvalue(L, at);
	lua_pushboolean(L, 1);
	lua_rawset(L, -3);
	lua_settop(L, at - 1);
	n->slot[i].key = key;
	n->slot[i].value = value;
	n->n_kept++;
}

// ---- loading, inside a protected call -------------------------------------------------------

// [-0, +0, e]
static void
run_script(lua_State *L, const struct policy_gen *gen)
{
	const struct policy_chunk *c = &gen->script;
	const char *name = lua_pushfstring(L, "@%s", c->where);
	if (luaL_loadbufferx(L, c->text.p, c->text.n, name, "t") != LUA_OK)
		lua_error(L);
	policy_lua_coverage_chunk(L);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_env);
	lua_setupvalue(L, -2, 1);
	const struct policy *p = gen->policy;
	for (unsigned i = 0; i < p->n_args; i++)
		lua_pushlstring(L, p->args[i].p, p->args[i].n);
	lua_call(L, (int)p->n_args, 0);
}

// Of the function on top. [-0, +0, m]
static enum policy_present
presence(lua_State *L)
{
	lua_Debug ar;
	if (!lua_isfunction(L, -1))
		return POLICY_ABSENT;
	lua_pushvalue(L, -1);
	lua_getinfo(L, ">u", &ar);
	return ar.nparams == 0 && !ar.isvararg ? POLICY_TAKES_NOTHING : POLICY_TAKES_REQUEST;
}

// Leaves the txn object and the functions by slot. [-0, +n, e]
static int
load(lua_State *L)
{
	struct policy_state *s = state_of(L);
	s->phase = POLICY_LOADING;
	if (!policy_lua_scan_works(L))
		return luaL_error(L, "this liblua5.4 makes bytecode of an unknown layout, or "
				     "there is no memory to read it");
	policy_lua_sandbox(L);
	run_script(L, s->gen);
	if (!s->thawed)
		policy_lua_freeze(L);
	s->phase = s->thawed ? POLICY_THAWED : POLICY_FROZEN;
	lua_settop(L, 0);
	luaL_checkstack(L, 2 * (int)s->policy->n_fns + SPARE_SLOTS, "too many functions");
	s->txn = policy_lua_txn_new(L, true);
	for (size_t i = 0; i < s->policy->n_fns; i++) {
		policy_lua_push_fn(L, s->policy->fns[i]);
		s->present[i] = (uint8_t)presence(L);
		s->memos[i] = s->thawed ? NULL : policy_lua_memo_of(L, -1);
	}
	lua_settop(L, FN_INDEX - 1 + 2 * (int)s->policy->n_fns);
	if (s->thawed && s->worker != NULL)
		policy_lua_run_inits(L);
	return lua_gettop(L);
}

// ---- protected calls ------------------------------------------------------------------------

// Says how much it was, so that one sees which limit to raise.
static void
keep_memory_error(struct policy_state *s)
{
	(void)snprintf(s->error, sizeof(s->error), "memory of %lluk used up",
		       (unsigned long long)s->policy->memory_bytes >> 10);
}

static void
keep_error(struct policy_state *s, lua_State *L, enum guard_end end)
{
	const char *text = NULL;
	switch (end) {
	case GUARD_STOPPED:
		if (lua_type(L, -1) != LUA_TSTRING)
			text = "time budget used up";
		break;
	case GUARD_DEAD:
		text = "time budget used up inside a library function; state thrown away";
		break;
	case GUARD_MEMORY:
		keep_memory_error(s);
		return;
	case GUARD_OK:
	case GUARD_ERROR:
		break;
	}
	if (text == NULL && lua_type(L, -1) == LUA_TSTRING)
		text = lua_tostring(L, -1);
	if (text != NULL)
		(void)snprintf(s->error, sizeof(s->error), "%s", text); // cut where too long
	else
		(void)snprintf(s->error, sizeof(s->error), "error object is a %s value",
			       lua_typename(L, lua_type(L, -1)));
}

bool
policy_state_protected(struct policy_state *s, int n_args, int n_results, uint64_t budget_ns)
{
	s->call = &s->idle;
	s->recording = NULL;
	policy_lua_forget(s->L, s);
	if (UNLIKELY(s->coverage != NULL))
		policy_lua_coverage_arm(s->L); // a stop takes the hook away
	enum guard_end end = guard_pcall(s->guard, s->L, n_args, n_results, budget_ns);
	if (end == GUARD_OK)
		return true;
	keep_error(s, s->L, end);
	if (end == GUARD_DEAD)
		policy_state_clear(s);
	else
		lua_pop(s->L, 1);
	return false;
}

static int
on_panic(lua_State *L)
{
	ASSERT(L == NULL); // a Lua error outside a protected call
	return 0;
}

// ---- life -----------------------------------------------------------------------------------

struct policy_state *
policy_state_new(struct policy_gen *gen, struct policy_worker *worker)
{
	struct policy_state *s = MEM_NEW(struct policy_state);
	*s = (struct policy_state){.magic = POLICY_STATE_MAGIC,
				   .gen = gen,
				   .policy = gen->policy,
				   .worker = worker,
				   .rand = clock_mono_ns()};
	arena_init(&s->arena, worker != NULL ? ARENA_BYTES : TESTS_BYTES);
	list_init(&s->runs);
	list_init(&s->tasks);
	gen->n_states++;
	return s;
}

void
policy_state_clear(struct policy_state *s)
{
	policy_tasks_end(s);
	ASSERT(list_empty(&s->runs));
	region_unmap(&s->region);
	s->L = NULL;
	s->txn = NULL;
	s->recording = NULL;
	s->spare_ref = 0;
	s->thawed = false;
	mem_free(s->memos);
	s->memos = NULL;
	mem_free(s->stands);
	s->stands = NULL;
	mem_free(s->present);
	s->present = NULL;
}

void
policy_state_free(struct policy_state **sp)
{
	struct policy_state *s = *sp;
	if (s == NULL)
		return;
	CHECK_MAGIC(s, POLICY_STATE_MAGIC);
	*sp = NULL;
	ASSERT(s->gen->n_states > 0);
	s->gen->n_states--;
	policy_state_clear(s);
	arena_fini(&s->arena);
	s->magic = 0;
	mem_free(s);
}

static bool
make_lua(struct policy_state *s, struct err *err)
{
	if (!region_map(&s->region, s->policy->memory_bytes))
		return err_set(err, "no memory for a Lua state of %llu bytes",
			       (unsigned long long)s->policy->memory_bytes);
	s->L = lua_newstate(region_realloc, &s->region);
	if (s->L == NULL) {
		region_unmap(&s->region);
		keep_memory_error(s);
		return err_set(err, "%s", s->error);
	}
	memcpy(lua_getextraspace(s->L), &s, sizeof(struct policy_state *));
	lua_atpanic(s->L, on_panic);
	return true;
}

bool
policy_state_build(struct policy_state *s, struct guard *guard, struct err *err)
{
	policy_state_clear(s);
	if (!make_lua(s, err))
		return false;
	s->guard = guard;
	s->present = mem_zalloc(s->policy->n_fns + 1);
	s->memos = mem_zalloc((s->policy->n_fns + 1) * sizeof(struct policy_memo *));
	s->stands = mem_zalloc((s->policy->n_fns + 1) * sizeof(s->stands[0]));
	s->inputs = 1;
	s->failures_seen = 0;
	s->n_effects = 0;
	memset(&s->var_names, 0, sizeof(s->var_names));
	memset(&s->txn_names, 0, sizeof(s->txn_names));
	memset(&s->header_names, 0, sizeof(s->header_names));
	s->kept = (struct policy_kept_vars){0};
	s->asked = (struct policy_asked){0};
	s->cookie_handle = -1;
	s->idle = (struct policy_call){.arena = &s->arena,
				       .now_boot_ns = clock_boot_ns(),
				       .now_real_ns = clock_real_ns()};
	lua_pushcfunction(s->L, load);
	if (policy_state_protected(s, 0, LUA_MULTRET, POLICY_LOAD_BUDGET_NS)) {
		if (s->effects != NULL)
			s->effects->complete = true;
		if (lua_checkstack(s->L, SPARE_SLOTS))
			return true;
		keep_memory_error(s);
	}
	policy_state_clear(s);
	return err_set(err, "%s", s->error);
}

// ---- what a script defines ------------------------------------------------------------------

// Whether the nth key of G is a Lua function or memo: name or nil. Walks with lua_next, whose
// state is the argument. [-1, +1, e]
static int
next_function(lua_State *L)
{
	lua_pushglobaltable(L);
	lua_insert(L, 1);
	while (lua_next(L, 1)) {
		bool is_ours = lua_isfunction(L, -1) &&
			       (!lua_iscfunction(L, -1) || policy_lua_memo_of(L, -1) != NULL);
		lua_pop(L, 1);
		if (is_ours && lua_type(L, -1) == LUA_TSTRING)
			return 1;
	}
	return 0;
}

// Its parameters (-1: any number) and its line. [-1, +2, e]
static int
describe_function(lua_State *L)
{
	lua_Debug ar = {.linedefined = 0};
	lua_pushglobaltable(L);
	lua_pushvalue(L, 1);
	lua_rawget(L, 2);
	if (policy_lua_memo_of(L, -1) != NULL) {
		lua_pushinteger(L, 0);
		lua_pushinteger(L, 0);
		return 2;
	}
	lua_getinfo(L, ">Su", &ar);
	lua_pushinteger(L, ar.isvararg ? -1 : ar.nparams);
	lua_pushinteger(L, ar.linedefined);
	return 2;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(((const struct policy_global *)a)->name,
		      ((const struct policy_global *)b)->name);
}

// The function whose name is on top, which stays. False: s->error.
static bool
note_function(struct policy_state *s)
{
	struct policy_gen *gen = s->gen;
	lua_pushcfunction(s->L, describe_function);
	lua_pushvalue(s->L, -2);
	if (!policy_state_protected(s, 1, 2, POLICY_TEST_BUDGET_NS))
		return false;
	VEC_GROW(gen->functions, gen->cap_functions, gen->n_functions);
	gen->functions[gen->n_functions++] =
	    (struct policy_global){.name = mem_strdup(lua_tostring(s->L, -3)),
				   .n_params = (int)lua_tointeger(s->L, -2),
				   .line = (int)lua_tointeger(s->L, -1)};
	lua_pop(s->L, 2);
	return true;
}

bool
policy_state_list_functions(struct policy_state *s, struct err *err)
{
	struct policy_gen *gen = s->gen;
	lua_pushnil(s->L);
	for (;;) {
		lua_pushcfunction(s->L, next_function);
		lua_insert(s->L, -2);
		if (!policy_state_protected(s, 1, 1, POLICY_TEST_BUDGET_NS))
			return err_set(err, "%s", s->error);
		if (lua_isnil(s->L, -1))
			break;
		if (gen->n_functions == POLICY_MAX_FUNCTIONS)
			return err_set(err, "more than %d functions", POLICY_MAX_FUNCTIONS);
		if (!note_function(s))
			return err_set(err, "%s", s->error);
	}
	lua_pop(s->L, 1);
	if (gen->n_functions > 0)
		qsort(gen->functions, gen->n_functions, sizeof(gen->functions[0]), compare_names);
	return true;
}

// ---- calling --------------------------------------------------------------------------------

// Pushes the present call's arguments behind function and txn, which may take memory, and calls.
// [-2, +1, e]
static int
call_with_args(lua_State *L)
{
	const struct policy_call *call = state_of(L)->call;
	luaL_checkstack(L, (int)call->n_args + 2, NULL);
	for (unsigned i = 0; i < call->n_args; i++)
		policy_lua_push(L, &call->args[i]);
	lua_call(L, (int)call->n_args + 1, 1);
	return 1;
}

enum policy_error
policy_state_error(struct policy_state *s, lua_State *L, enum guard_end end)
{
	static const enum policy_error errors[] = {[GUARD_ERROR] = POLICY_E_RUNTIME,
						   [GUARD_MEMORY] = POLICY_E_MEMORY,
						   [GUARD_STOPPED] = POLICY_E_BUDGET,
						   [GUARD_DEAD] = POLICY_E_STOPPED};
	keep_error(s, L, end);
	// The library's string buffers raise an ordinary error with Lua's words.
	if (end == GUARD_ERROR && str_ends(str_from_c(s->error), STR("not enough memory")))
		return POLICY_E_MEMORY;
	return errors[end];
}

static SELDOM enum policy_error
no_room(struct policy_state *s)
{
	(void)snprintf(s->error, sizeof(s->error), "no room for the verdict");
	return POLICY_E_MEMORY;
}

enum policy_error
policy_state_result(struct policy_state *s, lua_State *L, struct policy_call *call)
{
	enum policy_error error = POLICY_E_NONE;
	if (UNLIKELY(!policy_lua_get(L, -1, &call->out))) {
		(void)snprintf(s->error, sizeof(s->error), "the verdict is a %s",
			       lua_typename(L, lua_type(L, -1)));
		error = POLICY_E_TYPE;
	} else if (call->out.type == POLICY_T_STR && call->out.s.n > 0) {
		call->out.s = str_copy(call->arena, call->out.s);
		if (call->out.s.p == NULL)
			error = no_room(s);
	} else if (call->out.type == POLICY_T_STR) {
		call->out.s.p = "";
	}
	return error;
}

// Of a verdict that stood: a string goes into the call's arena.
static enum policy_error
copy_string(struct policy_state *s, struct policy_call *call)
{
	if (call->out.type != POLICY_T_STR || call->out.s.n == 0)
		return POLICY_E_NONE;
	call->out.s = str_copy(call->arena, call->out.s);
	return call->out.s.p != NULL ? POLICY_E_NONE : no_room(s);
}

// Once a call: do the kept readings stand?
static inline void
look_at_vars(struct policy_state *s)
{
	if (!s->kept.wanted)
		return;
	uint64_t changes = tidevars_changes(s->policy->engine->vars);
	s->kept.calls++;
	if (LIKELY(changes == s->kept.changes && s->call->was_read == NULL))
		return;
	policy_lua_vars_drop(s->L, s);
	s->kept.changes = changes;
}

// policy_state_result, quick with what most give.
static inline enum policy_error
result(struct policy_state *s, lua_State *L, struct policy_call *call)
{
	if (UNLIKELY(lua_type(L, -1) != LUA_TBOOLEAN))
		return policy_state_result(s, L, call);
	call->out.type = POLICY_T_BOOL;
	call->out.b = lua_toboolean(L, -1);
	return POLICY_E_NONE;
}

enum policy_error
policy_state_call(struct policy_state *s, unsigned slot, struct policy_call *call)
{
	lua_State *L = s->L;
	s->call = call;
	if (s->memos[slot] != NULL && policy_call_memo(s, s->memos[slot], call)) {
		if (s->count != NULL)
			policy_count(&s->count->memo_hits);
		s->call = &s->idle;
		return copy_string(s, call);
	}
	s->recording = NULL;
	look_at_vars(s);
	if (s->asked.kept != 0)
		policy_lua_asked_look(L, s, call->txn);
	bool stood = policy_verdict_stands(s, slot, call);
	if (stood && LIKELY(!s->policy->memo_check)) {
		s->call = &s->idle;
		if (s->count != NULL)
			policy_count(&s->count->stood);
		return copy_string(s, call);
	}
	s->txn->host_txn = call->txn;
	s->guard->outside = false;
	int n_args = 1;
	if (UNLIKELY(call->n_args > 0)) {
		ASSERT(call->n_args <= POLICY_MAX_ARGS);
		lua_pushcfunction(L, call_with_args);
		n_args = 2;
	}
	lua_pushvalue(L, FN_INDEX + (int)slot);
	enum policy_present present = (enum policy_present)s->present[slot];
	if (UNLIKELY(present == POLICY_ABSENT)) {
		lua_settop(L, -1 - n_args);
		(void)snprintf(s->error, sizeof(s->error), "the script does not define it");
		return POLICY_E_MISSING;
	}
	if (present == POLICY_TAKES_REQUEST || call->n_args > 0)
		lua_pushvalue(L, TXN_INDEX);
	else
		n_args = 0;
	enum guard_end end = guard_pcall(s->guard, L, n_args, 1, s->policy->budget_ns);
	s->call = &s->idle;
	if (LIKELY(end == GUARD_OK)) {
		s->txn->host_txn = NULL;
		enum policy_error error = result(s, L, call);
		if ((!s->guard->outside || stood) && LIKELY(error == POLICY_E_NONE))
			policy_verdict_keep(s, slot, call, stood);
		lua_pop(L, 1);
		return error;
	}
	enum policy_error error = policy_state_error(s, L, end);
	if (UNLIKELY(stood))
		policy_verdict_failed(s, slot, call);
	if (end != GUARD_DEAD) {
		s->txn->host_txn = NULL;
		lua_pop(L, 1);
	}
	return error;
}
