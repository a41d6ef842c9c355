// SPDX-License-Identifier: MIT
// The Lua module `tidevars` (5.3 and 5.4): the shared variables for scripts outside the daemon.
//
//   local tidevars = require "tidevars"
//   local t = assert(tidevars.open("/var/lib/tidegate/vars"))   -- { create=, read_only=, sync=,
//   size= } t:get("load.app1")                     --> value, or nil, message, status
//   t:set("maint", true, { ttl = 1800, reason = "db migration", who = "deploy" })
//   t:unset(name) t:add(name, n) t:take(name, owner, opts) t:release(name, owner)
//   t:declare { name =, type =, default =, min =, max =, ttl =, description = }
//   t:names() t:age(name) t:smooth(name) t:close()
//
// Failures give nil, a message and the status' name; wrong arguments raise. Times are seconds.
// A Lua state is one thread, and so is the use of a table from it.
#include <lauxlib.h>
#include <lua.h>

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "tidegate/vars.h"

#define LUA_TIDEVARS "tidegate.tidevars"

struct lua_table {
	struct tidevars *t; // NULL once closed
};

// [-0, +3, -]
static int
push_failure(lua_State *L, int status, const char *text)
{
	lua_pushnil(L);
	lua_pushstring(L, text);
	lua_pushstring(L, tidevars_status_name(status));
	return 3;
}

// [-0, +1 or 3, -]
static int
push_result(lua_State *L, int status, const struct tidevars_error *err)
{
	if (status != TIDEVARS_OK)
		return push_failure(L, status, err->text);
	lua_pushboolean(L, 1);
	return 1;
}

// [-0, +0, e]
static struct tidevars *
check_table(lua_State *L)
{
	struct lua_table *u = luaL_checkudata(L, 1, LUA_TIDEVARS);
	if (u->t == NULL)
		(void)luaL_error(L, "the variable table is closed");
	return u->t;
}

// [-0, +0, e]
static int
find_arg(lua_State *L, struct tidevars *t, uint32_t *handle, struct tidevars_error *err)
{
	size_t n;
	const char *name = luaL_checklstring(L, 2, &n);
	return tidevars_find(t, name, n, handle, err);
}

// The field of the options table at idx, or nil. [-0, +1, e]
static int
push_option(lua_State *L, int idx, const char *name)
{
	if (lua_istable(L, idx))
		return lua_getfield(L, idx, name);
	lua_pushnil(L);
	return LUA_TNIL;
}

// Seconds of an option in nanoseconds; 0 when it is absent. [-0, +0, e]
static uint64_t
option_ns(lua_State *L, int idx, const char *name)
{
	double s = 0;
	if (push_option(L, idx, name) != LUA_TNIL) {
		s = luaL_checknumber(L, -1);
		if (!(s > 0 && s < 1e9))
			(void)luaL_error(L, "%s: a number of seconds above 0", name);
	}
	lua_pop(L, 1);
	return (uint64_t)(s * 1e9);
}

// A text option; it stays on the stack so that the string lives. [-0, +1, e]
static const char *
keep_text(lua_State *L, int idx, const char *name)
{
	return push_option(L, idx, name) != LUA_TNIL ? luaL_checkstring(L, -1) : NULL;
}

// Two strings stay on the stack. [-0, +2, e]
static struct tidevars_writer
option_writer(lua_State *L, int idx)
{
	struct tidevars_writer w = {.source = TIDEVARS_FROM_PROGRAM,
				    .uid = (uint32_t)geteuid(),
				    .gid = (uint32_t)getegid(),
				    .pid = (uint32_t)getpid()};
	w.who = keep_text(L, idx, "who");
	w.reason = keep_text(L, idx, "reason");
	return w;
}

// The Lua value at idx as a value of `type`; a string is parsed. [-0, +0, e]
static int
to_value(lua_State *L, int idx, uint32_t type, struct tidevars_value *v, struct tidevars_error *err)
{
	memset(v, 0, sizeof(*v));
	v->type = type;
	bool real = type == TIDEVARS_FLOAT || type == TIDEVARS_GAUGE;
	int whole = 0;
	if (lua_type(L, idx) == LUA_TBOOLEAN && (type == TIDEVARS_BOOL || type == TIDEVARS_HOLD)) {
		v->u.i = lua_toboolean(L, idx);
		return TIDEVARS_OK;
	}
	if (lua_type(L, idx) == LUA_TNUMBER && real) {
		v->u.f = v->smooth = lua_tonumber(L, idx);
		return TIDEVARS_OK;
	}
	if (lua_type(L, idx) == LUA_TNUMBER && type != TIDEVARS_STRING) {
		v->u.i = lua_tointegerx(L, idx, &whole);
		if (whole)
			return TIDEVARS_OK;
	}
	size_t n;
	const char *s = luaL_checklstring(L, idx, &n);
	return tidevars_parse(type, s, n, v, err);
}

// [-0, +1, m]
static void
push_value(lua_State *L, const struct tidevars_value *v)
{
	switch (v->type) {
	case TIDEVARS_BOOL:
		lua_pushboolean(L, v->u.i != 0);
		break;
	case TIDEVARS_FLOAT:
	case TIDEVARS_GAUGE:
		lua_pushnumber(L, v->u.f);
		break;
	case TIDEVARS_STRING:
		lua_pushlstring(L, v->text, v->text_n);
		break;
	default:
		lua_pushinteger(L, (lua_Integer)v->u.i);
	}
}

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
		(void)push_option(L, 2, flags[i].name);
		o.flags |= lua_toboolean(L, -1) ? flags[i].flag : 0;
		lua_pop(L, 1);
	}
	if (push_option(L, 2, "size") != LUA_TNIL)
		o.size = (uint32_t)luaL_checkinteger(L, -1);
	lua_pop(L, 1);
	struct tidevars_error err;
	struct lua_table *u = lua_newuserdata(L, sizeof(*u));
	u->t = NULL;
	luaL_setmetatable(L, LUA_TIDEVARS);
	int status = tidevars_open(&u->t, &o, &err);
	return status == TIDEVARS_OK ? 1 : push_failure(L, status, err.text);
}

// t:close(), __gc, __close [-1, +0, e]
static int
lua_close_table(lua_State *L)
{
	struct lua_table *u = luaL_checkudata(L, 1, LUA_TIDEVARS);
	tidevars_close(&u->t);
	return 0;
}

// Reads the variable named by argument 2. [-0, +0, e]
static int
read_arg(lua_State *L, struct tidevars_value *v, struct tidevars_error *err)
{
	struct tidevars *t = check_table(L);
	uint32_t h;
	int status = find_arg(L, t, &h, err);
	return status == TIDEVARS_OK ? tidevars_read(t, h, tidevars_now_boot_ns(), v) : status;
}

// t:get(name) [-2, +1 or 3, e]
static int
lua_get(lua_State *L)
{
	struct tidevars_value v;
	struct tidevars_error err;
	int status = read_arg(L, &v, &err);
	if (status != TIDEVARS_OK)
		return push_failure(L, status, err.text);
	push_value(L, &v);
	return 1;
}

// t:smooth(name): a gauge's smoothed value [-2, +1 or 3, e]
static int
lua_smooth(lua_State *L)
{
	struct tidevars_value v;
	struct tidevars_error err;
	int status = read_arg(L, &v, &err);
	if (status != TIDEVARS_OK)
		return push_failure(L, status, err.text);
	if (v.type != TIDEVARS_GAUGE)
		return push_failure(L, TIDEVARS_TYPE, "only a gauge has a smoothed value");
	lua_pushnumber(L, v.smooth);
	return 1;
}

// t:age(name): seconds since the last write [-2, +1 or 3, e]
static int
lua_age(lua_State *L)
{
	struct tidevars_value v;
	struct tidevars_error err;
	int status = read_arg(L, &v, &err);
	if (status != TIDEVARS_OK)
		return push_failure(L, status, err.text);
	int64_t age = (int64_t)(tidevars_now_boot_ns() - v.written_boot_ns);
	lua_pushnumber(L, age > 0 ? (double)age / 1e9 : 0);
	return 1;
}

// t:set(name, value, opts) and t:add: kind is the upvalue [-4, +1 or 3, e]
static int
lua_set(lua_State *L)
{
	struct tidevars *t = check_table(L);
	struct tidevars_error err;
	struct tidevars_op op = {.kind = (uint32_t)lua_tointeger(L, lua_upvalueindex(1))};
	int status = find_arg(L, t, &op.handle, &err);
	luaL_checkany(L, 3);
	if (status == TIDEVARS_OK)
		status = to_value(L, 3, tidevars_type(t, op.handle), &op.value, &err);
	if (status != TIDEVARS_OK)
		return push_failure(L, status, err.text);
	op.ttl_ns = option_ns(L, 4, "ttl");
	struct tidevars_writer w = option_writer(L, 4);
	status = tidevars_commit(t, &op, 1, &w, &err);
	return push_result(L, status, &err);
}

// t:unset(name, opts) [-3, +1 or 3, e]
static int
lua_unset(lua_State *L)
{
	struct tidevars *t = check_table(L);
	struct tidevars_error err;
	uint32_t h;
	int status = find_arg(L, t, &h, &err);
	struct tidevars_writer w = option_writer(L, 3);
	if (status == TIDEVARS_OK)
		status = tidevars_unset(t, h, &w, &err);
	return push_result(L, status, &err);
}

// t:take(name, owner, opts) and t:release: kind is the upvalue [-4, +1 or 3, e]
static int
lua_take(lua_State *L)
{
	struct tidevars *t = check_table(L);
	struct tidevars_error err;
	struct tidevars_op op = {.kind = (uint32_t)lua_tointeger(L, lua_upvalueindex(1)),
				 .owner = luaL_checkstring(L, 3)};
	int status = find_arg(L, t, &op.handle, &err);
	op.ttl_ns = option_ns(L, 4, "ttl");
	struct tidevars_writer w = option_writer(L, 4);
	if (status == TIDEVARS_OK)
		status = tidevars_commit(t, &op, 1, &w, &err);
	return push_result(L, status, &err);
}

// Declared value `name` of the table at 2, if given. [-0, +0, e]
static int
declared_value(lua_State *L, const char *name, uint32_t type, struct tidevars_value *v, bool *given,
	       struct tidevars_error *err)
{
	int status = TIDEVARS_OK;
	*given = lua_getfield(L, 2, name) != LUA_TNIL;
	if (*given)
		status = to_value(L, lua_gettop(L), type, v, err);
	lua_pop(L, 1);
	return status;
}

// t:declare { ... } [-2, +1 or 3, e]
static int
lua_declare(lua_State *L)
{
	struct tidevars *t = check_table(L);
	luaL_checktype(L, 2, LUA_TTABLE);
	struct tidevars_error err;
	struct tidevars_decl d = {.name = keep_text(L, 2, "name"),
				  .description = keep_text(L, 2, "description")};
	const char *type = keep_text(L, 2, "type");
	d.type = type != NULL ? tidevars_type_of(type, strlen(type)) : TIDEVARS_NONE;
	d.ttl_ns = option_ns(L, 2, "ttl");
	d.half_life_ns = option_ns(L, 2, "half_life");
	d.stale_after_ns = option_ns(L, 2, "stale_after");
	bool initial, min, max, use;
	int status = declared_value(L, "default", d.type, &d.initial, &initial, &err);
	if (status == TIDEVARS_OK)
		status = declared_value(L, "min", d.type, &d.min, &min, &err);
	if (status == TIDEVARS_OK)
		status = declared_value(L, "max", d.type, &d.max, &max, &err);
	if (status == TIDEVARS_OK)
		status = declared_value(L, "use", d.type, &d.stale_use, &use, &err);
	if (status != TIDEVARS_OK)
		return push_failure(L, status, err.text);
	d.flags = (min ? TIDEVARS_HAS_MIN : 0) | (max ? TIDEVARS_HAS_MAX : 0) |
		  (use ? TIDEVARS_HAS_STALE : 0);
	status = tidevars_declare(t, &d, NULL, &err);
	return push_result(L, status, &err);
}

// t:names() [-1, +1, e]
static int
lua_names(lua_State *L)
{
	struct tidevars *t = check_table(L);
	uint32_t n = tidevars_count(t);
	lua_Integer at = 0;
	struct tidevars_info info;
	lua_newtable(L);
	for (uint32_t i = 0; i < n; i++) {
		if (tidevars_info(t, i, 0, &info, NULL) != TIDEVARS_OK)
			continue; // forgotten
		lua_pushstring(L, info.name);
		lua_rawseti(L, -2, ++at);
	}
	return 1;
}

// One method made of a function with the operation's kind. [-0, +0, e]
static void
set_kind(lua_State *L, const char *name, lua_CFunction f, int kind)
{
	lua_pushinteger(L, kind);
	lua_pushcclosure(L, f, 1);
	lua_setfield(L, -2, name);
}

int luaopen_tidevars(lua_State *L);

// [-0, +1, e]
__attribute__((visibility("default"))) int
luaopen_tidevars(lua_State *L)
{
	static const luaL_Reg methods[] = {{"get", lua_get},           {"smooth", lua_smooth},
					   {"age", lua_age},           {"unset", lua_unset},
					   {"names", lua_names},       {"declare", lua_declare},
					   {"close", lua_close_table}, {NULL, NULL}};
	static const luaL_Reg functions[] = {{"open", lua_open_table}, {NULL, NULL}};
	(void)luaL_newmetatable(L, LUA_TIDEVARS);
	luaL_newlib(L, methods);
	set_kind(L, "set", lua_set, TIDEVARS_SET);
	set_kind(L, "add", lua_set, TIDEVARS_ADD);
	set_kind(L, "take", lua_take, TIDEVARS_TAKE);
	set_kind(L, "release", lua_take, TIDEVARS_RELEASE);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, lua_close_table);
	lua_setfield(L, -2, "__gc");
	lua_pushcfunction(L, lua_close_table);
	lua_setfield(L, -2, "__close");
	lua_pop(L, 1);
	luaL_newlib(L, functions);
	return 1;
}
