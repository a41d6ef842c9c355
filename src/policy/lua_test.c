// SPDX-License-Identifier: MIT
// `test` blocks: kept while the script loads in a throw-away state, run one by one afterwards,
// each with a fresh `t` that stands for the variables, the time, the backends and requests.
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/sbuf.h"
#include "policy/lua_priv.h"

// test(name, fn): in states that serve requests, nothing. [-2, +0, e]
int
policy_lua_test(lua_State *L)
{
	struct policy_state *s = state_of(L);
	luaL_checkstring(L, 1);
	luaL_checktype(L, 2, LUA_TFUNCTION);
	if (s->phase != POLICY_LOADING)
		return luaL_error(L, "test: only while the script loads");
	if (!s->testing)
		return 0;
	lua_settop(L, 2);
	policy_lua_coverage_test(L, 2);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_tests);
	lua_Integer n = (lua_Integer)lua_rawlen(L, 3);
	lua_pushvalue(L, 1);
	lua_rawseti(L, 3, n + 1);
	lua_pushvalue(L, 2);
	lua_rawseti(L, 3, n + 2);
	return 0;
}

// t.vars = {...}. [-3, +0, e]
static int
set_vars(lua_State *L)
{
	luaL_checktype(L, 3, LUA_TTABLE);
	luaL_getmetafield(L, 1, "__index");
	policy_lua_push_test_vars(L);
	for (lua_pushnil(L); lua_next(L, 3);) {
		lua_pushvalue(L, -2);
		lua_insert(L, -2);
		lua_settable(L, -4);
	}
	lua_setfield(L, -2, "vars");
	return 0;
}

// t.now = seconds sets the call's time. [-3, +0, e]
static int
t_newindex(lua_State *L)
{
	struct policy_state *s = state_of(L);
	const char *key = luaL_checkstring(L, 2);
	if (strcmp(key, "vars") == 0)
		return set_vars(L);
	if (strcmp(key, "now") != 0)
		return luaL_error(L, "t.%s: there are t.vars, t.txn, t.run, t.now and t.backends",
				  key);
	lua_Number now = luaL_checknumber(L, 3);
	luaL_argcheck(L, now >= 0 && now < 1e10, 3, "seconds since 1970");
	struct policy_call *call = (struct policy_call *)(uintptr_t)s->call; // the stand-in is ours
	uint64_t real_ns = (uint64_t)(now * (lua_Number)NS_PER_S);
	call->now_boot_ns += real_ns - call->now_real_ns; // modulo 2^64: time differences hold
	call->now_real_ns = real_ns;
	return 0;
}

// [-0, +1, e]
static void
push_t(lua_State *L)
{
	lua_newtable(L);
	lua_newtable(L);
	lua_setfield(L, -2, "backends");
	lua_pushcfunction(L, policy_lua_test_txn);
	lua_setfield(L, -2, "txn");
	lua_pushcfunction(L, policy_lua_test_run);
	lua_setfield(L, -2, "run");
	lua_newtable(L);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &policy_key_written);
	lua_createtable(L, 0, 2);
	lua_pushcfunction(L, t_newindex);
	lua_setfield(L, -2, "__newindex");
	lua_createtable(L, 0, 1); // behind it, so that assigning to t.vars is seen
	policy_lua_push_test_vars(L);
	lua_setfield(L, -2, "vars");
	lua_setfield(L, -2, "__index");
	lua_setmetatable(L, -2);
	lua_pushvalue(L, -1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &policy_key_t);
}

// Message handler: puts "file:line: " before a message that has none. [-1, +1, e]
static int
add_where(lua_State *L)
{
	lua_Debug ar;
	const char *message = luaL_tolstring(L, 1, NULL);
	for (int level = 1; lua_getstack(L, level, &ar); level++) {
		lua_getinfo(L, "Sl", &ar);
		if (ar.currentline <= 0)
			continue;
		lua_pushfstring(L, "%s:%d: ", ar.short_src, ar.currentline);
		if (str_starts(str_from_c(message), str_from_c(lua_tostring(L, -1))))
			break;
		lua_pushvalue(L, 2);
		lua_concat(L, 2);
		return 1;
	}
	lua_settop(L, 2);
	return 1;
}

// The nth test (upvalue-free: n is argument 1). [-1, +0, e]
static int
run_one(lua_State *L)
{
	lua_Integer n = lua_tointeger(L, 1);
	lua_pushcfunction(L, add_where);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_tests);
	lua_rawgeti(L, -1, 2 * n);
	lua_remove(L, -2);
	push_t(L);
	return lua_pcall(L, 1, 0, 2) == LUA_OK ? 0 : lua_error(L);
}

// Name and "file:line" of the nth test; false behind the last. Both stay on the stack.
// [-0, +(0|2), m]
static int
describe(lua_State *L)
{
	lua_Integer n = lua_tointeger(L, 1);
	lua_Debug ar;
	lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_tests);
	if (lua_rawgeti(L, 2, 2 * n - 1) != LUA_TSTRING)
		return 0;
	lua_rawgeti(L, 2, 2 * n);
	lua_getinfo(L, ">S", &ar);
	lua_pushfstring(L, "%s:%d", ar.short_src, ar.linedefined);
	return 2;
}

static bool
call_with(struct policy_state *s, lua_CFunction fn, lua_Integer n, int results)
{
	lua_pushcfunction(s->L, fn);
	lua_pushinteger(s->L, n);
	return policy_state_protected(s, 1, results, POLICY_TEST_BUDGET_NS);
}

static size_t
where_length(const char *message)
{
	struct str m = str_from_c(message);
	size_t colon = str_find_byte(m, ':');
	if (colon == SIZE_MAX)
		return 0;
	size_t at = colon + 1;
	while (at < m.n && m.p[at] >= '0' && m.p[at] <= '9')
		at++;
	return at > colon + 1 && at < m.n && m.p[at] == ':' ? at : 0;
}

static void
tell_failure(const struct policy_test_sink *sink, const char *name, const char *block,
	     const char *message)
{
	char where[200];
	size_t n = MIN(where_length(message), sizeof(where) - 1);
	memcpy(where, message, n);
	where[n] = '\0';
	const char *rest = n > 0 ? message + n + 1 : message;
	while (*rest == ' ')
		rest++;
	sink->result(sink->arg, name, false, n > 0 ? where : block, rest);
}

bool
policy_state_run_tests(struct policy_state *s, const struct policy_test_sink *sink,
		       unsigned *passed, unsigned *failed, struct err *err)
{
	char name[128], where[200];
	*passed = *failed = 0;
	for (lua_Integer n = 1;; n++) {
		if (!call_with(s, describe, n, 2))
			return err_set(err, "%s", s->error);
		bool more = lua_type(s->L, -1) == LUA_TSTRING;
		if (more) {
			(void)snprintf(name, sizeof(name), "%s", lua_tostring(s->L, -2));
			(void)snprintf(where, sizeof(where), "%s", lua_tostring(s->L, -1));
		}
		lua_pop(s->L, 2);
		if (!more)
			return true;
		bool ok = call_with(s, run_one, n, 0);
		*passed += ok;
		*failed += !ok;
		if (ok)
			sink->result(sink->arg, name, true, where, "");
		else
			tell_failure(sink, name, where, s->error);
		if (s->L == NULL)
			return err_set(err, "%s: test '%s': %s", where, name, s->error);
	}
}

// The expression as text: "return " EXPR, else EXPR as statements. [-1, +1, e]
static int
eval(lua_State *L)
{
	lua_pushfstring(L, "return %s", lua_tostring(L, 1));
	const char *text = lua_tostring(L, -1);
	if (luaL_loadbufferx(L, text, strlen(text), "=eval", "t") != LUA_OK)
		return lua_error(L);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_env);
	lua_setupvalue(L, -2, 1);
	lua_call(L, 0, 1);
	luaL_tolstring(L, -1, NULL);
	return 1;
}

// Pushes its light userdata argument's text. [-1, +1, e]
static int
push_text(lua_State *L)
{
	const struct str *s = lua_touserdata(L, 1);
	lua_pushlstring(L, s->p, s->n);
	return 1;
}

bool
policy_state_eval(struct policy_state *s, struct str expression, struct sbuf *out, struct err *err)
{
	lua_pushcfunction(s->L, push_text);
	lua_pushlightuserdata(s->L, &expression);
	if (!policy_state_protected(s, 1, 1, POLICY_TEST_BUDGET_NS))
		return err_set(err, "%s", s->error);
	lua_pushcfunction(s->L, eval);
	lua_insert(s->L, -2);
	if (!policy_state_protected(s, 1, 1, POLICY_TEST_BUDGET_NS))
		return err_set(err, "%s", s->error);
	size_t n;
	const char *p = lua_tolstring(s->L, -1, &n);
	sbuf_add(out, str_of(p, n));
	lua_pop(s->L, 1);
	return true;
}
