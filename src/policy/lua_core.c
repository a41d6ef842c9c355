// SPDX-License-Identifier: MIT
// HAProxy's dialect: what lua/haproxy.lua stands on. The first look at one of its global names
// while a script loads brings it in and makes the state follow HAProxy's rules: globals stay
// writable, nothing is frozen or memoised.
#include <arpa/inet.h>
#include <stdarg.h>
#include <string.h>

#include "base/clock.h"
#include "base/sbuf.h"
#include "policy/lua_priv.h"
#include "policy/lua_shipped.h"
#include "policy/run_priv.h"

#define MAX_INITS 64
#define SHIPPED   "=haproxy.lua" // the chunk of lua/haproxy.lua

static const char *const names[] = {"core", "act", "Map"};

static const char *const kinds[] = {[POLICY_PREDICATE] = "",
				    [POLICY_ACTION] = "action",
				    [POLICY_FETCHER] = "fetch",
				    [POLICY_CONVERTER] = "converter",
				    [POLICY_SERVICE] = "service",
				    [POLICY_COMMAND] = "command",
				    NULL};

// ---- errors -----------------------------------------------------------------------------------

int
policy_lua_fail(lua_State *L, const char *fmt, ...)
{
	lua_Debug ar;
	va_list ap;
	int level = 0;
	while (lua_getstack(L, level, &ar) && lua_getinfo(L, "S", &ar) != 0 &&
	       (ar.what[0] == 'C' || strcmp(ar.source, SHIPPED) == 0))
		level++;
	luaL_where(L, level);
	va_start(ap, fmt);
	lua_pushvfstring(L, fmt, ap);
	va_end(ap);
	lua_concat(L, 2);
	return lua_error(L);
}

// ---- registering ------------------------------------------------------------------------------

// host.register(kind, name, where, n_args, fn) [-5, +0, e]
static int
host_register(lua_State *L)
{
	enum policy_kind kind = (enum policy_kind)luaL_checkoption(L, 1, NULL, kinds);
	const char *name = luaL_checkstring(L, 2);
	unsigned where = (unsigned)luaL_checkinteger(L, 3);
	int n_args = (int)luaL_checkinteger(L, 4);
	lua_settop(L, 5);
	policy_lua_register(L, kind, name, where, n_args);
	return 0;
}

// host.init(fn): called in each worker's state once it has loaded. [-1, +0, e]
static int
host_init(lua_State *L)
{
	if (state_of(L)->phase != POLICY_LOADING)
		return policy_lua_fail(L, "core.register_init: only while the script loads");
	lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_inits);
	lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
	if (n == MAX_INITS)
		return policy_lua_fail(L, "core.register_init: more than %d functions", MAX_INITS);
	lua_pushvalue(L, 1);
	lua_rawseti(L, -2, n + 1);
	return 0;
}

void
policy_lua_run_inits(lua_State *L)
{
	lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_inits);
	int inits = lua_gettop(L);
	for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(L, inits); i++) {
		lua_rawgeti(L, inits, i);
		lua_call(L, 0, 0);
	}
	lua_pop(L, 1);
}

// host.task(fn, args...) [-n, +0, e]
static int
host_task(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TFUNCTION);
	policy_lua_task_new(L, lua_gettop(L));
	return 0;
}

// host.usage(name, text): of a command. [-2, +0, e]
static int
host_usage(lua_State *L)
{
	struct policy_state *s = state_of(L);
	const char *name = luaL_checkstring(L, 1), *usage = luaL_checkstring(L, 2);
	if (s->gen->entered)
		return 0;
	guard_postpone(s->guard);
	policy_gen_entry_usage(s->gen, POLICY_COMMAND, name, usage);
	guard_resume(s->guard);
	return 0;
}

// ---- in a call --------------------------------------------------------------------------------

// host.wait(ms) [-1, +0, e]
static int
host_wait(lua_State *L)
{
	lua_Number ms = luaL_checknumber(L, 1);
	if (!(ms >= 0 && ms <= 86400000))
		return policy_lua_fail(L, "a time to wait is 0 to 86400000 ms");
	return policy_lua_wait(L, (uint64_t)(ms * (lua_Number)NS_PER_MS));
}

// host.done(code): the call is over at once. [-1, +0, v]
static int
host_done(lua_State *L)
{
	struct policy_state *s = state_of(L);
	if (s->run == NULL)
		return policy_lua_fail(L, "only an action, service, command or task can be ended");
	s->done_code = (int)luaL_checkinteger(L, 1);
	lua_pushlightuserdata(L, (void *)(uintptr_t)&policy_key_done);
	return lua_error(L);
}

// host.answer(text): a command's output. [-1, +0, e]
static int
host_answer(lua_State *L)
{
	struct policy_state *s = state_of(L);
	size_t n;
	const char *text = luaL_checklstring(L, 1, &n);
	if (s->call->output == NULL)
		return policy_lua_fail(L, "there is nobody to answer to");
	guard_postpone(s->guard);
	sbuf_add(s->call->output, str_of(text, n));
	bool full = s->call->output->full;
	guard_resume(s->guard);
	return full ? policy_lua_fail(L, "the answer is too long") : 0;
}

// host.now(): seconds and microseconds, of this moment. [-0, +2, -]
static int
host_now(lua_State *L)
{
	uint64_t ns = clock_real_ns();
	lua_pushinteger(L, (lua_Integer)(ns / NS_PER_S));
	lua_pushinteger(L, (lua_Integer)(ns % NS_PER_S / 1000));
	return 2;
}

// host.log(level, text): syslog's levels of 0 to 7. [-2, +0, e]
static int
host_log(lua_State *L)
{
	static const enum log_level levels[] = {LOG_ALERT,   LOG_ALERT,  LOG_ALERT, LOG_ALERT,
						LOG_WARNING, LOG_NOTICE, LOG_INFO,  LOG_DEBUG};
	lua_Integer level = luaL_checkinteger(L, 1);
	luaL_argcheck(L, level >= 0 && level <= 7, 1, "a level is 0 to 7");
	policy_lua_log(L, levels[level], luaL_checkstring(L, 2));
	return 0;
}

// host.collect(): whatever nothing refers to any more. [-0, +0, m]
static int
host_collect(lua_State *L)
{
	(void)lua_gc(L, LUA_GCCOLLECT); // it says nothing
	return 0;
}

// host.mask_bits("255.255.0.0"): 16, or nil. [-1, +1, e]
static int
host_mask_bits(lua_State *L)
{
	struct in_addr a;
	lua_pushnil(L);
	if (inet_pton(AF_INET, luaL_checkstring(L, 1), &a) != 1)
		return 1;
	uint32_t mask = ntohl(a.s_addr), low = ~mask;
	if ((low & (low + 1)) == 0)
		lua_pushinteger(L, __builtin_popcount(mask));
	return 1;
}

// ---- what the host can do ---------------------------------------------------------------------

// A closure of host.op: upvalue 1 the name, 2 its handle once resolved. Its first argument is a
// txn object, or the first of its own where there is none. [-n, +(0|1), e]
static int
op_call(lua_State *L)
{
	struct policy_state *s = state_of(L);
	struct lua_txn *t = policy_lua_txn_at(L, 1);
	struct policy_value args[POLICY_MAX_ARGS];
	int first = t != NULL ? 2 : 1, n = lua_gettop(L) - first + 1;
	if (s->phase == POLICY_LOADING && t != NULL)
		return policy_lua_fail(L, "there is no request while the script loads");
	luaL_argcheck(L, n <= POLICY_MAX_ARGS, first, "too many arguments");
	for (int i = 0; i < n; i++)
		if (!policy_lua_get(L, first + i, &args[i]))
			return policy_lua_fail(L, "%s: argument %d is a %s",
					       lua_tostring(L, lua_upvalueindex(1)), i + 1,
					       luaL_typename(L, first + i));
	if (!lua_isinteger(L, lua_upvalueindex(2))) {
		size_t len;
		const char *name = lua_tolstring(L, lua_upvalueindex(1), &len);
		lua_pushinteger(L, policy_lua_resolve(L, POLICY_OP, str_of(name, len)));
		lua_replace(L, lua_upvalueindex(2));
	}
	int handle = (int)lua_tointeger(L, lua_upvalueindex(2));
	return policy_lua_ask(L, t != NULL ? policy_lua_host_txn(L, t) : NULL, handle, args,
			      (unsigned)n);
}

// host.op(name) [-1, +1, e]
static int
host_op(lua_State *L)
{
	luaL_checkstring(L, 1);
	lua_settop(L, 1);
	lua_pushnil(L);
	lua_pushcclosure(L, op_call, 2);
	return 1;
}

// ---- bringing it in ---------------------------------------------------------------------------

// [-0, +1, e]
static void
push_host(lua_State *L)
{
	static const luaL_Reg functions[] = {
	    {"register", host_register}, {"init", host_init},
	    {"task", host_task},         {"usage", host_usage},
	    {"wait", host_wait},         {"done", host_done},
	    {"answer", host_answer},     {"now", host_now},
	    {"log", host_log},           {"op", host_op},
	    {"collect", host_collect},   {"mask_bits", host_mask_bits},
	    {"ip", policy_lua_tide_ip},  {NULL, NULL},
	};
	const struct policy_state *s = state_of(L);
	lua_newtable(L);
	luaL_setfuncs(L, functions, 0);
	lua_pushinteger(L, s->worker != NULL ? (lua_Integer)s->worker->id + 1 : 0);
	lua_setfield(L, -2, "thread");
	lua_newtable(L);
	lua_pushvalue(L, -1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &policy_key_privs);
	lua_setfield(L, -2, "privs");
}

// [-0, +0, e]
static void
bring_in(lua_State *L)
{
	struct str text = policy_shipped_haproxy();
	state_of(L)->thawed = true;
	lua_newtable(L);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &policy_key_inits);
	if (luaL_loadbufferx(L, text.p, text.n, SHIPPED, "t") != LUA_OK)
		lua_error(L);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_globals);
	lua_setupvalue(L, -2, 1);
	push_host(L);
	lua_call(L, 1, 0);
}

// __index of the real globals. [-2, +1, e]
static int
missing_global(lua_State *L)
{
	const struct policy_state *s = state_of(L);
	const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
	size_t i = 0;
	while (i < ARRAY_LEN(names) && strcmp(name, names[i]) != 0)
		i++;
	if (i == ARRAY_LEN(names) || s->phase != POLICY_LOADING || s->thawed)
		return 0;
	bring_in(L);
	lua_settop(L, 2);
	lua_rawget(L, 1);
	return 1;
}

void
policy_lua_core_open(lua_State *L)
{
	lua_pushglobaltable(L);
	lua_createtable(L, 0, 1);
	lua_pushcfunction(L, missing_global);
	lua_setfield(L, -2, "__index");
	lua_setmetatable(L, -2);
	lua_pop(L, 1);
}

// Assigning nothing to an integer key allocates nothing and calls nothing.
void
policy_forget(struct policy_worker *w, const struct policy_view *view, int64_t id)
{
	for (size_t i = 0; i < w->engine->n_policies; i++) {
		const struct policy_state *s = view->e[i].live;
		if (!s->ready || !s->thawed)
			continue;
		lua_rawgetp(s->L, LUA_REGISTRYINDEX, &policy_key_privs);
		lua_pushnil(s->L);
		lua_rawseti(s->L, -2, id);
		lua_pop(s->L, 1);
	}
}
