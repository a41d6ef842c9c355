// SPDX-License-Identifier: MIT
// `backends`: backends.app.sessions, backends.app.servers.s1.weight and their kin are asked of the
// host when they are read; backends.app.servers.s1:drain() and its kin are for effects, which run
// on the keeper. Objects are made once per state and name, after the host has confirmed the name.
// In a self-test the tables of t.backends stand for them, and take what an effect sets.
#include <string.h>

#include "policy/lua_priv.h"

#define BACKEND  "tide.backend"
#define BACKENDS "tide.backends"
#define SERVER   "tide.server"
#define SERVERS  "tide.servers"
#define TRIED    "tide.tried" // of a self-test's server tables

// A backend's, its servers' and a server's object. Uservalue 1: a backend's `servers`; the made
// objects by name; a server's name.
struct object {
	int handle; // of the backend
};

static struct object *
object_of(lua_State *L, const char *type)
{
	return luaL_checkudata(L, 1, type);
}

// The string at index. [-0, +0, e]
static struct policy_value
text_at(lua_State *L, int index)
{
	struct policy_value v = {.type = POLICY_T_STR};
	v.s.p = luaL_checklstring(L, index, &v.s.n);
	return v;
}

// An object of the type with the handle, on top. [-0, +1, e]
static void
push_object(lua_State *L, const char *type, int handle)
{
	struct object *o = lua_newuserdatauv(L, sizeof(*o), 1);
	o->handle = handle;
	luaL_setmetatable(L, type);
}

// Keeps the object on top under the name at 2 in the table at `made`; the object stays.
static int
keep(lua_State *L, int made)
{
	lua_pushvalue(L, 2);
	lua_pushvalue(L, -2);
	lua_rawset(L, made);
	return 1;
}

// ---- changing a server ----------------------------------------------------------------------

// Asks the host, or writes the self-test's table, for the server at 1. [-0, +0, e]
static int
change(lua_State *L, struct str what, struct str value)
{
	struct policy_state *s = state_of(L);
	const struct policy_engine *e = s->policy->engine;
	struct err err = {0};
	size_t n;
	policy_lua_need_effect(L, "change servers");
	if (lua_istable(L, 1)) {
		lua_pushlstring(L, what.p, what.n);
		lua_pushlstring(L, value.p, value.n);
		if (what.p[0] == 'w' && lua_stringtonumber(L, lua_tostring(L, -1)) != 0)
			lua_replace(L, -2);
		lua_rawset(L, 1);
		return 0;
	}
	const struct object *o = object_of(L, SERVER);
	lua_getiuservalue(L, 1, 1);
	const char *name = lua_tolstring(L, -1, &n);
	const char *who =
	    lua_pushfstring(L, "policy %s (%s)", s->policy->name, policy_lua_effect_where(s));
	if (e->host->set_server == NULL)
		return luaL_error(L, "servers cannot be changed here");
	guard_postpone(s->guard);
	bool ok = e->host->set_server(e->data, o->handle, str_of(name, n), what, value, who, &err);
	guard_resume(s->guard);
	return ok ? 0 : luaL_error(L, "%s", err.text);
}

// server:set_weight(50 | "50%") [-2, +0, e]
static int
set_weight(lua_State *L)
{
	if (lua_type(L, 2) != LUA_TSTRING && !lua_isinteger(L, 2))
		(void)luaL_checkinteger(L, 2); // 50.0 is fine, 0.5 is not
	if (lua_type(L, 2) == LUA_TNUMBER) {
		lua_pushinteger(L, lua_tointeger(L, 2));
		lua_replace(L, 2);
	}
	return change(L, STR("weight"), text_at(L, 2).s);
}

// server:set_address("10.0.0.7:8080" | "unix@/path") [-2, +0, e]
static int
set_address(lua_State *L)
{
	return change(L, STR("address"), text_at(L, 2).s);
}

static int
drain(lua_State *L)
{
	return change(L, STR("state"), STR("drain"));
}

static int
maint(lua_State *L)
{
	return change(L, STR("state"), STR("maint"));
}

static int
ready(lua_State *L)
{
	return change(L, STR("state"), STR("ready"));
}

static const luaL_Reg methods[] = {{"set_weight", set_weight}, {"set_address", set_address},
				   {"drain", drain},           {"maint", maint},
				   {"ready", ready},           {NULL, NULL}};

// Pushes the method whose name is at 2; false, and nothing, when it is none. [-0, +(0|1), e]
static bool
push_method(lua_State *L)
{
	const char *name = luaL_checkstring(L, 2);
	for (const luaL_Reg *m = methods; m->name != NULL; m++) {
		if (strcmp(m->name, name) != 0)
			continue;
		lua_pushcfunction(L, m->func);
		return true;
	}
	return false;
}

// ---- reading --------------------------------------------------------------------------------

// [-2, +1, e]
static int
server_index(lua_State *L)
{
	const struct object *o = object_of(L, SERVER);
	if (push_method(L))
		return 1;
	policy_lua_memo_forbid(L, "backends");
	lua_getiuservalue(L, 1, 1);
	const struct policy_value args[] = {text_at(L, 2), text_at(L, 3)};
	return policy_lua_ask(L, NULL, o->handle, args, 2);
}

// [-2, +1, e]
static int
servers_index(lua_State *L)
{
	const struct object *o = object_of(L, SERVERS);
	const struct policy_value args[] = {{.type = POLICY_T_STR, .s = STR("name")},
					    text_at(L, 2)};
	lua_getiuservalue(L, 1, 1);
	lua_pushvalue(L, 2);
	if (lua_rawget(L, 3) != LUA_TNIL)
		return 1;
	(void)policy_lua_ask(L, NULL, o->handle, args, 2); // throws when there is none
	push_object(L, SERVER, o->handle);
	lua_pushvalue(L, 2);
	lua_setiuservalue(L, -2, 1);
	return keep(L, 3);
}

// [-1, +1, e]
static int
servers_len(lua_State *L)
{
	const struct object *o = object_of(L, SERVERS);
	const struct policy_value what = {.type = POLICY_T_STR, .s = STR("servers")};
	policy_lua_memo_forbid(L, "backends");
	return policy_lua_ask(L, NULL, o->handle, &what, 1);
}

// pairs' iterator: upvalue 1 counts. [-2, +(1|2), e]
static int
servers_next(lua_State *L)
{
	const struct object *o = object_of(L, SERVERS);
	lua_Integer i = lua_tointeger(L, lua_upvalueindex(1));
	const struct policy_value args[] = {{.type = POLICY_T_STR, .s = STR("name")},
					    {.type = POLICY_T_INT, .i = i}};
	lua_pushinteger(L, i + 1);
	lua_replace(L, lua_upvalueindex(1));
	lua_settop(L, 1);
	(void)policy_lua_ask(L, NULL, o->handle, args, 2);
	if (lua_isnil(L, -1))
		return 1;
	lua_pushvalue(L, -1);
	lua_gettable(L, 1);
	return 2;
}

// [-1, +3, e]
static int
servers_pairs(lua_State *L)
{
	(void)object_of(L, SERVERS);
	policy_lua_memo_forbid(L, "backends");
	lua_pushinteger(L, 0);
	lua_pushcclosure(L, servers_next, 1);
	lua_pushvalue(L, 1);
	lua_pushnil(L);
	return 3;
}

// [-2, +1, e]
static int
backend_index(lua_State *L)
{
	const struct object *o = object_of(L, BACKEND);
	const struct policy_value what = text_at(L, 2);
	if (str_eq(what.s, STR("servers"))) {
		lua_getiuservalue(L, 1, 1);
		return 1;
	}
	policy_lua_memo_forbid(L, "backends");
	return policy_lua_ask(L, NULL, o->handle, &what, 1);
}

// ---- self-tests -----------------------------------------------------------------------------

// __index of a test's server table: what the test did not set. [-2, +1, e]
static int
tried_index(lua_State *L)
{
	if (!push_method(L))
		lua_pushnil(L);
	return 1;
}

// Gives the servers of the test's backend on top their methods. [-0, +0, e]
static void
equip(lua_State *L)
{
	int backend = lua_gettop(L), servers = backend + 1;
	if (lua_istable(L, backend) && lua_getfield(L, backend, "servers") == LUA_TTABLE) {
		for (lua_pushnil(L); lua_next(L, servers);) {
			if (lua_istable(L, -1))
				luaL_setmetatable(L, TRIED);
			lua_settop(L, servers + 1);
		}
	}
	lua_settop(L, backend);
}

// [-2, +1, e]
static int
backend_in_test(lua_State *L, const char *name)
{
	if (lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_t) == LUA_TTABLE) {
		lua_getfield(L, -1, "backends");
		lua_pushvalue(L, 2);
		if (lua_istable(L, -2) && lua_gettable(L, -2) != LUA_TNIL) {
			equip(L);
			return 1;
		}
	}
	return luaL_error(L, "backends.%s is not set in this test (t.backends.%s = {...})", name,
			  name);
}

// ---- backends -------------------------------------------------------------------------------

// [-2, +1, e]
static int
backends_index(lua_State *L)
{
	size_t n;
	const char *name = luaL_checklstring(L, 2, &n);
	if (state_of(L)->testing)
		return backend_in_test(L, name);
	lua_settop(L, 2);
	lua_getiuservalue(L, 1, 1);
	lua_pushvalue(L, 2);
	if (lua_rawget(L, 3) != LUA_TNIL)
		return 1;
	int handle = policy_lua_resolve(L, POLICY_BACKEND, str_of(name, n));
	push_object(L, BACKEND, handle);
	push_object(L, SERVERS, handle);
	lua_newtable(L);
	lua_setiuservalue(L, -2, 1);
	lua_setiuservalue(L, -2, 1);
	return keep(L, 3);
}

// [-3, +0, e]
static int
no_newindex(lua_State *L)
{
	return luaL_error(L,
			  "'%s' is not to be written; servers have set_weight, set_address, "
			  "drain, maint and ready, for effects",
			  policy_lua_text(L, 2));
}

static void
new_type(lua_State *L, const char *name, lua_CFunction index)
{
	luaL_newmetatable(L, name);
	lua_pushcfunction(L, index);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, no_newindex);
	lua_setfield(L, -2, "__newindex");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
}

void
policy_lua_backends_open(lua_State *L)
{
	new_type(L, BACKEND, backend_index);
	new_type(L, SERVER, server_index);
	new_type(L, SERVERS, servers_index);
	lua_pushcfunction(L, servers_len);
	lua_setfield(L, -2, "__len");
	lua_pushcfunction(L, servers_pairs);
	lua_setfield(L, -2, "__pairs");
	new_type(L, TRIED, tried_index);
	lua_pushnil(L); // a test's table takes anything
	lua_setfield(L, -2, "__newindex");
	new_type(L, BACKENDS, backends_index);
	lua_pop(L, 5);
	(void)lua_newuserdatauv(L, 1, 1);
	lua_newtable(L);
	lua_setiuservalue(L, -2, 1);
	luaL_setmetatable(L, BACKENDS);
}
