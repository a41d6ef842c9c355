// SPDX-License-Identifier: MIT
// `vars`: the shared table as scripts read it. A name is looked up once per state; afterwards its
// handle is found by the address of the interned string. While nothing is written, what predicates
// read stands in a Lua table behind `vars`, where Lua finds it without a call. In a self-test the
// test's t.vars stands for the table: what it does not set reads as the declared default, and what
// is not declared cannot be set.
#include <string.h>

#include "policy/lua_priv.h"
#include "tidegate/vars.h"

void
policy_lua_push_reading(lua_State *L, const struct tidevars_value *v)
{
	switch (v->type) {
	case TIDEVARS_BOOL:
		lua_pushboolean(L, v->u.i != 0);
		return;
	case TIDEVARS_FLOAT:
		lua_pushnumber(L, v->u.f);
		return;
	case TIDEVARS_GAUGE:
		lua_pushnumber(L, v->smooth);
		return;
	case TIDEVARS_STRING:
		lua_pushlstring(L, v->text, v->text_n);
		return;
	default:
		lua_pushinteger(L, v->u.i);
	}
}

// `of` is what the script calls the table. [-0, +0, e]
static uint32_t
find_handle(lua_State *L, struct policy_state *s, int index, const char *of)
{
	size_t n;
	const char *name = lua_tolstring(L, index, &n);
	if (s->policy->engine->vars == NULL)
		luaL_error(L, "%s.%s: there is no variable table%s", of, name,
			   s->testing ? " (tidegate test -f CONFIG makes one)" : "");
	uint32_t handle = TIDEVARS_NO_HANDLE;
	struct tidevars_error err;
	guard_postpone(s->guard);
	int rc = tidevars_find(s->policy->engine->vars, name, n, &handle, &err);
	guard_resume(s->guard);
	if (rc != TIDEVARS_OK)
		luaL_error(L, "%s.%s: %s", of, name, err.text);
	return handle;
}

// ---- t.vars ---------------------------------------------------------------------------------

// A variable that the test sets first. Without a table nothing is known of names. [-3, +0, e]
static int
test_vars_newindex(lua_State *L)
{
	struct policy_state *s = state_of(L);
	if (lua_type(L, 2) != LUA_TSTRING)
		return luaL_error(L, "t.vars[...]: a variable's name is a string");
	if (s->policy->engine->vars != NULL)
		(void)find_handle(L, s, 2, "t.vars");
	lua_rawset(L, 1);
	return 0;
}

void
policy_lua_push_test_vars(lua_State *L)
{
	lua_newtable(L);
	lua_createtable(L, 0, 1);
	lua_pushcfunction(L, test_vars_newindex);
	lua_setfield(L, -2, "__newindex");
	lua_setmetatable(L, -2);
}

// The test's value for the name at index 2, or its declared default. [-0, +1, e]
static int
read_in_test(lua_State *L, struct policy_state *s)
{
	if (lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_t) == LUA_TTABLE) {
		lua_getfield(L, -1, "vars");
		lua_pushvalue(L, 2);
		if (lua_istable(L, -2) && lua_gettable(L, -2) != LUA_TNIL)
			return 1;
	}
	struct tidevars_info info;
	struct tidevars_error err;
	if (s->policy->engine->vars == NULL)
		return luaL_error(
		    L,
		    "vars.%s is not set in this test (t.vars.%s = ...), and there is no "
		    "variable table with its default (tidegate test -f CONFIG makes one)",
		    lua_tostring(L, 2), lua_tostring(L, 2));
	uint32_t handle = find_handle(L, s, 2, "vars");
	guard_postpone(s->guard);
	int rc = tidevars_info(s->policy->engine->vars, handle, s->call->now_boot_ns, &info, &err);
	guard_resume(s->guard);
	if (rc != TIDEVARS_OK)
		return luaL_error(L, "vars.%s: %s", lua_tostring(L, 2), err.text);
	info.initial.type = info.type;
	info.initial.smooth = info.initial.u.f;
	policy_lua_push_reading(L, &info.initial);
	return 1;
}

// ---- kept readings --------------------------------------------------------------------------

// The reading on top is the same until something is written. Predicates of frozen scripts cannot
// write, so that looking once at the beginning of a call is enough for them; nothing else keeps. 1
// is the table that Lua looked into in vain. [-0, +0, e]
static void
keep(lua_State *L, struct policy_state *s, const struct tidevars_value *v)
{
	struct policy_kept_vars *k = &s->kept;
	k->wanted = true;
	if (k->calls < POLICY_KEEP_AFTER || k->n == POLICY_KEPT_VARS || s->phase != POLICY_FROZEN ||
	    v->type == TIDEVARS_COUNTER || v->until_boot_ns != TIDEVARS_NEVER || !lua_istable(L, 1))
		return;
	lua_pushvalue(L, 2);
	lua_pushvalue(L, -2);
	lua_rawset(L, 1);
	k->n++;
}

void
policy_lua_vars_drop(lua_State *L, struct policy_state *s)
{
	s->kept.calls = 0;
	if (LIKELY(s->kept.n == 0))
		return;
	s->kept.n = 0;
	s->inputs++;
	lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_kept);
	for (lua_pushnil(L); lua_next(L, -2);) {
		lua_pop(L, 1);
		lua_pushvalue(L, -1);
		lua_pushnil(L);
		lua_rawset(L, -4);
	}
	lua_pop(L, 1);
}

// ---- vars -----------------------------------------------------------------------------------

// [-2, +1, e]
static int
vars_index(lua_State *L)
{
	struct policy_state *s = state_of(L);
	// A number as a name becomes a string here; it is no name, and not found.
	const char *name = lua_tostring(L, 2);
	s->guard->outside = true;
	if (UNLIKELY(name == NULL))
		return luaL_error(L, "vars[...]: a variable's name is a string");
	if (UNLIKELY(s->testing))
		return read_in_test(L, s);
	int64_t known = policy_name_get(&s->var_names, name);
	uint32_t handle = (uint32_t)known;
	if (UNLIKELY(known < 0)) {
		handle = find_handle(L, s, 2, "vars");
		policy_name_put(L, &s->var_names, 2, handle);
	}
	struct tidevars_value v;
	if (UNLIKELY(tidevars_read(s->policy->engine->vars, handle, s->call->now_boot_ns, &v) !=
		     TIDEVARS_OK))
		return luaL_error(L, "vars.%s: gone", lua_tostring(L, 2));
	if (UNLIKELY(s->call->was_read != NULL)) {
		guard_postpone(s->guard);
		s->call->was_read(s->call->txn, handle, &v);
		guard_resume(s->guard);
	}
	policy_lua_push_reading(L, &v);
	if (s->recording != NULL)
		policy_lua_memo_note(L, handle, &v);
	else
		keep(L, s, &v);
	return 1;
}

// [-3, +0, e]
static int
vars_newindex(lua_State *L)
{
	policy_lua_write_var(L, 2, 3);
	return 0;
}

uint32_t
policy_lua_var(lua_State *L, int index)
{
	return find_handle(L, state_of(L), index, "vars");
}

void
policy_lua_read_var(lua_State *L, int index)
{
	index = lua_absindex(L, index);
	lua_pushcfunction(L, vars_index);
	lua_pushnil(L);
	lua_pushvalue(L, index);
	lua_call(L, 2, 1);
}

void
policy_lua_vars_open(lua_State *L)
{
	(void)lua_newuserdatauv(L, 1, 0);
	lua_createtable(L, 0, 3);
	lua_pushcfunction(L, vars_newindex);
	lua_setfield(L, -2, "__newindex");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_newtable(L); // kept readings; what is not there is asked for
	lua_pushvalue(L, -1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &policy_key_kept);
	lua_createtable(L, 0, 1);
	lua_pushcfunction(L, vars_index);
	lua_setfield(L, -2, "__index");
	lua_setmetatable(L, -2);
	lua_setfield(L, -2, "__index");
	lua_setmetatable(L, -2);
}
