// SPDX-License-Identifier: MIT
// The Lua module `tidevars` (5.3 and 5.4): the shared variables for scripts outside the daemon.
//
//   local tidevars = require "tidevars"
//   local t = assert(tidevars.open("/var/lib/tidegate/vars"))
//                                     -- options: { create=, read_only=, sync=, size= }
//   t:get("load.app1")                --> value, or nil, message, status
//   t:set("maint", true, { ttl = 1800, reason = "db migration", who = "deploy" })
//   t:unset(name) t:add(name, n) t:cas(name, expected, value, opts)
//   t:take(name, owner, opts) t:extend(name, owner, opts) t:release(name, owner)
//   t:holds(name)                     --> { { owner =, reason =, left = }, ... }
//   t:commit({ { "set", "a", 1, ttl = 60 }, { "take", "maint", owner = "ci" },
//              { "cas", "b", 2, expect = 1 } }, { reason = "release" })  -- all or none
//   t:version(name)                   --> differs after each write
//   t:wait(name, version, seconds)    --> true: reads otherwise than it did; false: it does not
//   t:declare { name =, type =, default =, min =, max =, ttl =, description = }
//   t:names() t:age(name) t:smooth(name) t:close()
//
// Failures give nil, a message and the status' name; wrong arguments raise. Times are seconds.
// A Lua state is one thread, and so is the use of a table from it.
#include "host/lua/lua_tidevars.h"

// tidevars.open(path, opts) [-2, +1 or 3, e]
static int
lua_open_table(lua_State *L)
{
	struct tidevars_options o = {.path = luaL_checkstring(L, 1)};
	static const struct {
		const char *name;
		uint32_t flag;
	} flags[] = {{"create", TIDEVARS_CREATE},
		     {"read_only", TIDEVARS_READ_ONLY},
		     {"sync", TIDEVARS_SYNC}};
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		(void)tv_push_option(L, 2, flags[i].name);
		o.flags |= lua_toboolean(L, -1) ? flags[i].flag : 0;
		lua_pop(L, 1);
	}
	if (tv_push_option(L, 2, "size") != LUA_TNIL)
		o.size = (uint32_t)luaL_checkinteger(L, -1);
	lua_pop(L, 1);
	struct tidevars_error err;
	struct lua_table *u = lua_newuserdata(L, sizeof(*u));
	u->t = NULL;
	u->declared = 0;
	luaL_setmetatable(L, LUA_TIDEVARS);
	lua_newtable(L);
	lua_setuservalue(L, -2);
	int status = tidevars_open(&u->t, &o, &err);
	return status == TIDEVARS_OK ? 1 : tv_push_failure(L, status, err.text);
}

// t:close(), __gc, __close [-1, +0, e]
static int
lua_close_table(lua_State *L)
{
	struct lua_table *u = luaL_checkudata(L, 1, LUA_TIDEVARS);
	tidevars_close(&u->t);
	return 0;
}

int luaopen_tidevars(lua_State *L);

// [-0, +1, e]
__attribute__((visibility("default"))) int
luaopen_tidevars(lua_State *L)
{
	static const luaL_Reg functions[] = {{"open", lua_open_table}, {NULL, NULL}};
	(void)luaL_newmetatable(L, LUA_TIDEVARS);
	lua_newtable(L);
	tv_add_readers(L);
	tv_add_writers(L);
	lua_pushcfunction(L, lua_close_table);
	lua_setfield(L, -2, "close");
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, lua_close_table);
	lua_setfield(L, -2, "__gc");
	lua_pushcfunction(L, lua_close_table);
	lua_setfield(L, -2, "__close");
	lua_pop(L, 1);
	luaL_newlib(L, functions);
	return 1;
}
