// SPDX-License-Identifier: MIT
// The safe half of the standard library, and the two tables behind a script's globals: G holds
// them, E is the empty table a script sees as _ENV and _G. Reads of E fall through to G, writes
// go to G while the script loads and are errors afterwards.
//
// Left out: io, debug, package, dofile, loadfile, collectgarbage, rawset, warn, string.dump,
// math.randomseed, and of os all but time, date, difftime and clock. Replaced: load (text only),
// require (beneath the policy's folder, while loading), print (to the log), what sees through
// frozen tables (next, pairs, rawget, rawlen, getmetatable, setmetatable), and what starts a
// coroutine, so that a stop reaches it.
#include <lualib.h>
#include <string.h>

#include "base/clock.h"
#include "policy/lua_priv.h"

#define DATE_FORMAT_MAX 256

const char policy_key_globals, policy_key_env, policy_key_anchor, policy_key_loaded,
    policy_key_tests, policy_key_t, policy_key_frozen, policy_key_shadow, policy_key_donor,
    policy_key_entries, policy_key_done, policy_key_effects, policy_key_written, policy_key_kept,
    policy_key_asked, policy_key_fields, policy_key_headers, policy_key_inits, policy_key_privs;

// [-3, +0, e] E.__newindex
static int
env_newindex(lua_State *L)
{
	if (state_of(L)->phase == POLICY_FROZEN)
		return luaL_error(
		    L,
		    "global '%s' is frozen: predicates keep no state; write a variable "
		    "instead",
		    policy_lua_text(L, 2));
	lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_globals);
	lua_replace(L, 1);
	lua_settop(L, 3);
	lua_rawset(L, 1);
	return 0;
}

// ---- metatables and frozen tables -----------------------------------------------------------

// [-1, +1, e]
static int
sb_getmetatable(lua_State *L)
{
	luaL_checkany(L, 1);
	if (!lua_getmetatable(L, 1)) {
		lua_pushnil(L);
		return 1;
	}
	if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
		return 1;
	// The contents of a frozen class serve as its objects' metatable; a script sees the class.
	lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_shadow);
	lua_pushvalue(L, -2);
	if (lua_rawget(L, -2) != LUA_TNIL)
		return 1;
	lua_settop(L, 2);
	return 1;
}

// [-2, +1, e]
static int
sb_setmetatable(lua_State *L)
{
	int type = lua_type(L, 2);
	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
	lua_settop(L, 2);
	if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL || policy_lua_frozen(L, 1))
		return luaL_error(L, "cannot change a protected metatable");
	lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_env);
	if (lua_rawequal(L, 1, -1))
		return luaL_error(L, "cannot change a protected metatable");
	lua_settop(L, 2);
	if (type == LUA_TTABLE) {
		if (policy_lua_frozen(L, 2))
			lua_replace(L, 2);
		else // it may become one of weak tables yet, whose contents the collector decides
			state_of(L)->guard->outside = true;
		lua_pushliteral(L, "__gc");
		if (lua_rawget(L, 2) != LUA_TNIL)
			return luaL_error(L, "__gc is not available in policies");
		lua_pushliteral(L, "__mode");
		if (lua_rawget(L, 2) != LUA_TNIL)
			state_of(L)->guard->outside = true;
	}
	lua_settop(L, 2);
	lua_setmetatable(L, 1);
	return 1;
}

// [-1, +3, e]
static int
sb_pairs(lua_State *L)
{
	luaL_checkany(L, 1);
	if (luaL_getmetafield(L, 1, "__pairs") != LUA_TNIL) {
		lua_pushvalue(L, 1);
		lua_call(L, 1, 3);
		return 3;
	}
	lua_pushcfunction(L, policy_lua_next);
	lua_pushvalue(L, 1);
	lua_pushnil(L);
	return 3;
}

// [-2, +1, e]
static int
sb_rawget(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_checkany(L, 2);
	lua_settop(L, 2);
	if (policy_lua_frozen(L, 1))
		lua_replace(L, 1);
	lua_rawget(L, 1);
	return 1;
}

// [-1, +1, e]
static int
sb_rawlen(lua_State *L)
{
	int type = lua_type(L, 1);
	luaL_argexpected(L, type == LUA_TTABLE || type == LUA_TSTRING, 1, "table or string");
	if (type == LUA_TTABLE && policy_lua_frozen(L, 1))
		lua_replace(L, 1);
	lua_pushinteger(L, (lua_Integer)lua_rawlen(L, 1));
	return 1;
}

// ---- code from text -------------------------------------------------------------------------

// Gives the chunk on top the environment E (or the value at `env`, when not 0). [-0, +0, e]
static void
set_env(lua_State *L, int env)
{
	if (env != 0)
		lua_pushvalue(L, env);
	else
		lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_env);
	if (lua_setupvalue(L, -2, 1) == NULL)
		lua_pop(L, 1);
}

// load(text [, name [, mode [, env]]]): mode is ignored, bytecode is refused. [-4, +(1|2), e]
static int
sb_load(lua_State *L)
{
	size_t n;
	const char *text = luaL_checklstring(L, 1, &n);
	const char *name = luaL_optstring(L, 2, "=(load)");
	if (luaL_loadbufferx(L, text, n, name, "t") != LUA_OK) {
		lua_pushnil(L);
		lua_insert(L, -2);
		return 2;
	}
	set_env(L, lua_gettop(L) > 4 ? 4 : 0);
	return 1;
}

// [-1, +1, e]
static int
sb_require(lua_State *L)
{
	struct policy_state *s = state_of(L);
	const char *name = luaL_checkstring(L, 1);
	lua_settop(L, 1);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_loaded);
	lua_pushvalue(L, 1);
	if (lua_rawget(L, 2) != LUA_TNIL)
		return 1;
	if (s->phase != POLICY_LOADING)
		return luaL_error(L, "require: only while the script loads");
	struct err err = {0};
	guard_postpone(s->guard);
	const struct policy_chunk *m = policy_gen_module(s->gen, name, &err);
	guard_resume(s->guard);
	if (m == NULL)
		return luaL_error(L, "require '%s': %s", name, err.text);
	lua_settop(L, 2);
	// A module that requires itself on a detour gets `true`, as Lua's own require would.
	lua_pushvalue(L, 1);
	lua_pushboolean(L, 1);
	lua_rawset(L, 2);
	const char *chunk = lua_pushfstring(L, "@%s", m->where);
	if (luaL_loadbufferx(L, m->text.p, m->text.n, chunk, "t") != LUA_OK)
		return lua_error(L);
	policy_lua_coverage_chunk(L);
	set_env(L, 0);
	lua_pushvalue(L, 1);
	lua_call(L, 1, 1);
	if (lua_isnil(L, -1)) {
		lua_pop(L, 1);
		lua_pushboolean(L, 1);
	}
	lua_pushvalue(L, 1);
	lua_pushvalue(L, -2);
	lua_rawset(L, 2);
	return 1;
}

// ---- coroutines -----------------------------------------------------------------------------

// Moves the arguments to co, runs it, moves its results (or error) back. The count of values on
// L's top, or -1: an error object is there. [-n, +r, e]
static int
resume(lua_State *L, lua_State *co, int n)
{
	struct policy_state *s = state_of(L);
	if (!lua_checkstack(co, n)) {
		lua_pop(L, n);
		lua_pushliteral(L, "too many arguments to resume");
		return -1;
	}
	lua_xmove(L, co, n);
	int results;
	guard_switch(s->guard, co);
	int rc = lua_resume(co, L, n, &results);
	guard_switch(s->guard, L);
	if (rc != LUA_OK && rc != LUA_YIELD) {
		lua_xmove(co, L, 1);
		return -1;
	}
	if (!lua_checkstack(L, results + 1)) {
		lua_pop(co, results);
		lua_pushliteral(L, "too many results to resume");
		return -1;
	}
	lua_xmove(co, L, results);
	return results;
}

static lua_State *
check_thread(lua_State *L)
{
	lua_State *co = lua_tothread(L, 1);
	luaL_argexpected(L, co != NULL, 1, "coroutine");
	return co;
}

// [-n, +r, e]
static int
sb_resume(lua_State *L)
{
	lua_State *co = check_thread(L);
	int r = resume(L, co, lua_gettop(L) - 1);
	lua_pushboolean(L, r >= 0);
	int n = r >= 0 ? r : 1;
	lua_insert(L, -(n + 1));
	return n + 1;
}

// [-n, +r, e]
static int
wrapped(lua_State *L)
{
	lua_State *co = lua_tothread(L, lua_upvalueindex(1));
	int r = resume(L, co, lua_gettop(L));
	if (r >= 0)
		return r;
	if (lua_type(L, -1) == LUA_TSTRING) {
		luaL_where(L, 1);
		lua_insert(L, -2);
		lua_concat(L, 2);
	}
	return lua_error(L);
}

// [-1, +1, e]
static int
sb_wrap(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TFUNCTION);
	lua_State *co = lua_newthread(L);
	lua_pushvalue(L, 1);
	lua_xmove(L, co, 1);
	lua_pushcclosure(L, wrapped, 1);
	return 1;
}

// Replaces coroutine.close: what it runs (__close) must be stoppable too. [-1, +(1|2), e]
static int
sb_close(lua_State *L)
{
	struct policy_state *s = state_of(L);
	lua_State *co = check_thread(L);
	lua_Debug ar;
	int status = lua_status(co);
	if (co == L || (status == LUA_OK && lua_getstack(co, 0, &ar) != 0))
		return luaL_error(L, "cannot close a running coroutine");
	guard_switch(s->guard, co);
	status = lua_resetthread(co);
	guard_switch(s->guard, L);
	lua_pushboolean(L, status == LUA_OK);
	if (status == LUA_OK)
		return 1;
	lua_xmove(co, L, 1);
	return 2;
}

// ---- odds and ends --------------------------------------------------------------------------

// A raw copy of the table at 1, of what os.time reads: what a metamethod runs is then over, and
// can be stopped. Replaces 1. [-0, +0, e]
static void
plain_time(lua_State *L)
{
	static const char *const names[] = {"year", "month", "day", "hour", "min", "sec", "isdst"};
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	lua_createtable(L, 0, ARRAY_LEN(names));
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		lua_getfield(L, 1, names[i]);
		lua_setfield(L, 2, names[i]);
	}
	lua_replace(L, 1);
}

// Calls the C function in upvalue 1 as a host function: it may take locks (time zones). So
// nothing of the script may run inside, and it must be short.
// [-n, +r, e]
static int
call_postponed(lua_State *L)
{
	struct policy_state *s = state_of(L);
	int n = lua_gettop(L);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	guard_postpone(s->guard);
	int rc = lua_pcall(L, n, 1, 0);
	guard_resume(s->guard);
	return rc == LUA_OK ? 1 : lua_error(L);
}

// os.time() means the call's time, which self-tests set. Unlike Lua's it leaves its table as it
// is. [-1, +1, e]
static int
sb_time(lua_State *L)
{
	policy_lua_memo_forbid(L, "the time");
	if (!lua_isnoneornil(L, 1)) {
		plain_time(L);
		return call_postponed(L);
	}
	lua_pushinteger(L, (lua_Integer)(state_of(L)->call->now_real_ns / NS_PER_S));
	return 1;
}

// os.clock(): CPU time, which is the library's to tell (upvalue 1). [-0, +1, e]
static int
sb_clock(lua_State *L)
{
	policy_lua_memo_forbid(L, "the time");
	lua_settop(L, 0);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_call(L, 0, 1);
	return 1;
}

// os.date([format [, time]]). [-2, +1, e]
static int
sb_date(lua_State *L)
{
	size_t n;
	policy_lua_memo_forbid(L, "the time");
	const char *format = luaL_optlstring(L, 1, "%c", &n);
	lua_Integer now = (lua_Integer)(state_of(L)->call->now_real_ns / NS_PER_S);
	lua_Integer at = luaL_optinteger(L, 2, now);
	luaL_argcheck(L, n <= DATE_FORMAT_MAX, 1, "longer than 256 bytes");
	lua_settop(L, 1);
	lua_pushlstring(L, format, n);
	lua_replace(L, 1);
	lua_pushinteger(L, at);
	return call_postponed(L);
}

// math.random([m [, n]]): from the engine's generator. [-2, +1, e]
static int
sb_random(lua_State *L)
{
	policy_lua_memo_forbid(L, "random numbers");
	uint64_t r = policy_rand(state_of(L));
	int n = lua_gettop(L);
	if (n == 0) {
		lua_pushnumber(L, (lua_Number)(r >> 11) * 0x1p-53);
		return 1;
	}
	lua_Integer low = n > 1 ? luaL_checkinteger(L, 1) : 1;
	lua_Integer high = luaL_checkinteger(L, n > 1 ? 2 : 1);
	luaL_argcheck(L, low <= high, n > 1 ? 2 : 1, "interval is empty");
	uint64_t span = (uint64_t)high - (uint64_t)low + 1;
	lua_pushinteger(L, (lua_Integer)((uint64_t)low + (span == 0 ? r : r % span)));
	return 1;
}

// [-n, +0, e]
static int
sb_print(lua_State *L)
{
	luaL_Buffer b;
	int n = lua_gettop(L);
	luaL_buffinit(L, &b);
	for (int i = 1; i <= n; i++) {
		if (i > 1)
			luaL_addchar(&b, '\t');
		luaL_tolstring(L, i, NULL);
		luaL_addvalue(&b);
	}
	luaL_pushresult(&b);
	policy_lua_log(L, LOG_INFO, lua_tostring(L, -1));
	return 0;
}

// ---- putting it together --------------------------------------------------------------------

static void
remove_fields(lua_State *L, const char *const *names)
{
	for (; *names != NULL; names++) {
		lua_pushnil(L);
		lua_setfield(L, -2, *names);
	}
}

// Opens a standard library into G and leaves its table on the stack. [-0, +1, e]
static void
open_lib(lua_State *L, const char *name, lua_CFunction open)
{
	lua_pushcfunction(L, open);
	lua_pushstring(L, name);
	lua_call(L, 1, 1);
	if (strcmp(name, LUA_GNAME) == 0)
		return;
	lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_globals);
	lua_pushvalue(L, -2);
	lua_setfield(L, -2, name);
	lua_pop(L, 1);
}

// os keeps time, date, difftime and clock; the first two run as host functions. [-0, +0, e]
static void
open_os(lua_State *L)
{
	open_lib(L, LUA_OSLIBNAME, luaopen_os);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_globals);
	lua_createtable(L, 0, 4);
	static const struct {
		const char *name;
		lua_CFunction ours; // instead, with the library's as upvalue
	} kept[] = {{"time", sb_time}, {"date", sb_date}, {"difftime", NULL}, {"clock", sb_clock}};
	for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
		lua_getfield(L, -3, kept[i].name);
		if (kept[i].ours != NULL)
			lua_pushcclosure(L, kept[i].ours, 1);
		lua_setfield(L, -2, kept[i].name);
	}
	lua_setfield(L, -2, LUA_OSLIBNAME);
	lua_pop(L, 2);
}

static void
open_base(lua_State *L)
{
	static const char *const dropped[] = {"dofile", "loadfile", "collectgarbage",
					      "rawset", "warn",     NULL};
	static const luaL_Reg ours[] = {
	    {"getmetatable", sb_getmetatable},
	    {"setmetatable", sb_setmetatable},
	    {"next", policy_lua_next},
	    {"pairs", sb_pairs},
	    {"rawget", sb_rawget},
	    {"rawlen", sb_rawlen},
	    {"load", sb_load},
	    {"require", sb_require},
	    {"print", sb_print},
	    {"test", policy_lua_test},
	    {"every", policy_lua_every},
	    {"action", policy_lua_action},
	    {"on_change", policy_lua_on_change},
	    {NULL, NULL},
	};
	open_lib(L, LUA_GNAME, luaopen_base);
	remove_fields(L, dropped);
	luaL_setfuncs(L, ours, 0);
	lua_pop(L, 1);
}

static void
open_libs(lua_State *L)
{
	static const char *const no_dump[] = {"dump", NULL}, *const no_seed[] = {"randomseed",
										 NULL};
	static const luaL_Reg coroutines[] = {{"resume", sb_resume},
					      {"wrap", sb_wrap},
					      {"close", sb_close},
					      {NULL, NULL}};
	static const luaL_Reg random[] = {{"random", sb_random}, {NULL, NULL}};
	open_base(L);
	open_lib(L, LUA_STRLIBNAME, luaopen_string);
	remove_fields(L, no_dump);
	policy_lua_string_open(L);
	// The metatable all strings share is out of reach.
	lua_pushliteral(L, "");
	lua_getmetatable(L, -1);
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_pop(L, 3);
	open_lib(L, LUA_TABLIBNAME, luaopen_table);
	lua_pop(L, 1);
	open_lib(L, LUA_UTF8LIBNAME, luaopen_utf8);
	lua_pop(L, 1);
	open_lib(L, LUA_MATHLIBNAME, luaopen_math);
	remove_fields(L, no_seed);
	luaL_setfuncs(L, random, 0);
	lua_pop(L, 1);
	open_lib(L, LUA_COLIBNAME, luaopen_coroutine);
	luaL_setfuncs(L, coroutines, 0);
	lua_pop(L, 1);
	open_os(L);
}

// [-1, +0, e] an object of ours as a global
static void
set_global(lua_State *L, const char *name)
{
	lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_globals);
	lua_insert(L, -2);
	lua_setfield(L, -2, name);
	lua_pop(L, 1);
}

static void
new_registry_table(lua_State *L, const void *key)
{
	lua_newtable(L);
	lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

void
policy_lua_sandbox(lua_State *L)
{
	static const char *const keys[] = {&policy_key_anchor,  &policy_key_loaded,
					   &policy_key_tests,   &policy_key_frozen,
					   &policy_key_shadow,  &policy_key_env,
					   &policy_key_entries, &policy_key_effects};
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		new_registry_table(L, keys[i]);
	lua_pushglobaltable(L);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &policy_key_globals);
	open_libs(L);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_env);
	set_global(L, LUA_GNAME);
	policy_lua_ip_open(L);
	policy_lua_txn_open(L);
	policy_lua_memo_open(L);
	policy_lua_vars_open(L);
	set_global(L, "vars");
	policy_lua_backends_open(L);
	set_global(L, "backends");
	policy_lua_tide_open(L);
	set_global(L, "tide");
	policy_lua_core_open(L);

	lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_env);
	lua_createtable(L, 0, 3);
	lua_pushglobaltable(L);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, env_newindex);
	lua_setfield(L, -2, "__newindex");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_setmetatable(L, -2);
	lua_pop(L, 1);
}
