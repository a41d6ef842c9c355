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
#include <lauxlib.h>
#include <lua.h>

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "tidegate/vars.h"

#define LUA_TIDEVARS "tidegate.tidevars"

// Its uservalue is a table of names and handles found so far, while nobody declares anything.
struct lua_table {
	struct tidevars *t; // NULL once closed
	uint64_t declared;  // tidevars_declared() of those handles
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
	u->declared = 0;
	luaL_setmetatable(L, LUA_TIDEVARS);
	lua_newtable(L);
	lua_setuservalue(L, -2);
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

// As luaL_checkudata, without looking the metatable up: it is upvalue 1. [-0, +1, e]
static struct lua_table *
check_own(lua_State *L)
{
	struct lua_table *u = lua_touserdata(L, 1);
	if (u == NULL || !lua_getmetatable(L, 1) || !lua_rawequal(L, -1, lua_upvalueindex(1)))
		u = luaL_checkudata(L, 1, LUA_TIDEVARS);
	if (u->t == NULL)
		(void)luaL_error(L, "the variable table is closed");
	return u;
}

// Looks argument 2 up and remembers it in the table on top. [-0, +0, e]
static int
find_new(lua_State *L, struct lua_table *u, uint32_t *handle, struct tidevars_error *err)
{
	uint64_t declared = tidevars_declared(u->t); // before: what is found is at least so new
	int status = find_arg(L, u->t, handle, err);
	if (status != TIDEVARS_OK)
		return status;
	if (declared != u->declared) {
		lua_newtable(L);
		lua_pushvalue(L, -1);
		lua_setuservalue(L, 1);
		lua_replace(L, -2);
		u->declared = declared;
	}
	lua_pushvalue(L, 2);
	lua_pushinteger(L, *handle);
	lua_rawset(L, -3);
	return TIDEVARS_OK;
}

// What has no deadline reads the same at any time: the clock, which costs more than the read, is
// asked for the others only.
static int
read_now(struct tidevars *t, uint32_t handle, struct tidevars_value *v)
{
	int status = tidevars_read(t, handle, 0, v);
	if (status == TIDEVARS_OK && v->until_boot_ns != TIDEVARS_NEVER)
		status = tidevars_read(t, handle, tidevars_now_boot_ns(), v);
	return status;
}

// Reads the variable named by argument 2. What it leaves on the stack its caller's return takes
// away. [-0, +3, e]
static int
read_arg(lua_State *L, struct tidevars_value *v, struct tidevars_error *err)
{
	struct lua_table *u = check_own(L);
	int known, status = TIDEVARS_OK;
	(void)lua_getuservalue(L, 1);
	lua_pushvalue(L, 2);
	lua_rawget(L, -2);
	uint32_t h = (uint32_t)lua_tointegerx(L, -1, &known);
	if (!known || u->declared != tidevars_declared(u->t)) {
		lua_pop(L, 1);
		status = find_new(L, u, &h, err);
	}
	return status == TIDEVARS_OK ? read_now(u->t, h, v) : status;
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

// t:cas(name, expected, value, opts) [-5, +1 or 3, e]
static int
lua_cas(lua_State *L)
{
	struct tidevars *t = check_table(L);
	struct tidevars_error err;
	struct tidevars_op op = {.kind = TIDEVARS_CAS};
	int status = find_arg(L, t, &op.handle, &err);
	luaL_checkany(L, 4);
	uint32_t type = status == TIDEVARS_OK ? tidevars_type(t, op.handle) : TIDEVARS_NONE;
	if (status == TIDEVARS_OK)
		status = to_value(L, 3, type, &op.expect, &err);
	if (status == TIDEVARS_OK)
		status = to_value(L, 4, type, &op.value, &err);
	if (status != TIDEVARS_OK)
		return push_failure(L, status, err.text);
	op.ttl_ns = option_ns(L, 5, "ttl");
	struct tidevars_writer w = option_writer(L, 5);
	status = tidevars_commit(t, &op, 1, &w, &err);
	return push_result(L, status, &err);
}

// t:holds(name): who holds it, the oldest first [-2, +1 or 3, e]
static int
lua_holds(lua_State *L)
{
	struct tidevars *t = check_table(L);
	struct tidevars_error err;
	struct tidevars_hold holds[TIDEVARS_HOLDS_MAX];
	uint64_t now = tidevars_now_boot_ns();
	uint32_t h;
	size_t n = 0;
	int status = find_arg(L, t, &h, &err);
	if (status != TIDEVARS_OK)
		return push_failure(L, status, err.text);
	status = tidevars_read_holds(t, h, now, holds, &n);
	if (status != TIDEVARS_OK)
		return push_failure(L, status, "the variable is not a hold");
	lua_createtable(L, (int)n, 0);
	for (size_t i = 0; i < n; i++) {
		lua_createtable(L, 0, 3);
		lua_pushstring(L, holds[i].owner);
		lua_setfield(L, -2, "owner");
		lua_pushstring(L, holds[i].reason);
		lua_setfield(L, -2, "reason");
		if (holds[i].until_boot_ns != TIDEVARS_NEVER) {
			lua_pushnumber(L, (double)(holds[i].until_boot_ns - now) / 1e9);
			lua_setfield(L, -2, "left");
		}
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return 1;
}

// The kind that a commit's word names; raises on another. [-0, +0, e]
static uint32_t
check_kind(lua_State *L, const char *word)
{
	static const uint32_t kinds[] = {TIDEVARS_SET,    TIDEVARS_UNSET, TIDEVARS_ADD,
					 TIDEVARS_CAS,    TIDEVARS_TAKE,  TIDEVARS_EXTEND,
					 TIDEVARS_RELEASE};
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(word, tidevars_kind_name(kinds[i])) == 0)
			return kinds[i];
	(void)luaL_error(L, "'%s' is none of set, unset, add, cas, take, extend, release", word);
	return 0;
}

// The operation of the table at the stack's top. Its owner stays behind it, as a number's text
// lives nowhere else. [-0, +1, e]
static int
to_op(lua_State *L, struct tidevars *t, struct tidevars_op *op, struct tidevars_error *err)
{
	int at = lua_gettop(L);
	size_t n;
	luaL_checktype(L, at, LUA_TTABLE);
	op->owner = keep_text(L, at, "owner");
	(void)lua_rawgeti(L, at, 1);
	op->kind = check_kind(L, luaL_checkstring(L, -1));
	(void)lua_rawgeti(L, at, 2);
	const char *name = luaL_checklstring(L, -1, &n);
	op->ttl_ns = option_ns(L, at, "ttl");
	int status = tidevars_find(t, name, n, &op->handle, err);
	bool values =
	    op->kind == TIDEVARS_SET || op->kind == TIDEVARS_ADD || op->kind == TIDEVARS_CAS;
	if (status == TIDEVARS_OK && values) {
		(void)lua_rawgeti(L, at, 3);
		status = to_value(L, lua_gettop(L), tidevars_type(t, op->handle), &op->value, err);
	}
	if (status == TIDEVARS_OK && op->kind == TIDEVARS_CAS) {
		(void)lua_getfield(L, at, "expect");
		status = to_value(L, lua_gettop(L), op->value.type, &op->expect, err);
	}
	lua_settop(L, at + 1);
	return status;
}

// t:commit({ operation, ... }, opts) [-3, +1 or 3, e]
static int
lua_commit(lua_State *L)
{
	struct tidevars *t = check_table(L);
	struct tidevars_error err;
	struct tidevars_op ops[TIDEVARS_OPS_MAX];
	luaL_checktype(L, 2, LUA_TTABLE);
	size_t n = (size_t)lua_rawlen(L, 2);
	luaL_argcheck(L, n > 0 && n <= TIDEVARS_OPS_MAX, 2, "1 to 64 operations");
	luaL_checkstack(L, 2 * (int)n + LUA_MINSTACK, "operations");
	memset(ops, 0, n * sizeof(ops[0]));
	for (size_t i = 0; i < n; i++) {
		(void)lua_rawgeti(L, 2, (lua_Integer)i + 1); // stays: its strings are lent
		int status = to_op(L, t, &ops[i], &err);
		if (status != TIDEVARS_OK)
			return push_failure(L, status, err.text);
	}
	struct tidevars_writer w = option_writer(L, 3);
	int status = tidevars_commit(t, ops, n, &w, &err);
	return push_result(L, status, &err);
}

// t:version(name) [-2, +1 or 3, e]
static int
lua_read_version(lua_State *L)
{
	struct tidevars_value v;
	struct tidevars_error err;
	int status = read_arg(L, &v, &err);
	if (status != TIDEVARS_OK)
		return push_failure(L, status, err.text);
	lua_pushinteger(L, (lua_Integer)v.version);
	return 1;
}

// t:wait(name, version, seconds): sleeps; a time to live that passes is a change too
// [-4, +1 or 3, e]
static int
lua_wait(lua_State *L)
{
	struct tidevars_value v;
	struct tidevars_error err;
	uint32_t h;
	struct tidevars *t = check_table(L);
	uint64_t version = (uint64_t)luaL_checkinteger(L, 3);
	double seconds = luaL_checknumber(L, 4);
	luaL_argcheck(L, seconds >= 0 && seconds < 1e9, 4, "a number of seconds");
	int status = find_arg(L, t, &h, &err);
	uint64_t now = tidevars_now_boot_ns(), wait = (uint64_t)(seconds * 1e9);
	if (status == TIDEVARS_OK)
		status = tidevars_read(t, h, now, &v);
	if (status != TIDEVARS_OK)
		return push_failure(L, status, err.text);
	bool ends = v.until_boot_ns - now < wait;
	status = tidevars_wait(t, h, version, ends ? v.until_boot_ns - now : wait);
	if (status != TIDEVARS_OK && status != TIDEVARS_TIMEOUT)
		return push_failure(L, status, tidevars_status_name(status));
	lua_pushboolean(L, status == TIDEVARS_OK || ends);
	return 1;
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
	static const luaL_Reg readers[] = {{"get", lua_get},
					   {"smooth", lua_smooth},
					   {"age", lua_age},
					   {NULL, NULL}};
	static const luaL_Reg methods[] = {{"unset", lua_unset},          {"names", lua_names},
					   {"declare", lua_declare},      {"cas", lua_cas},
					   {"holds", lua_holds},          {"commit", lua_commit},
					   {"version", lua_read_version}, {"wait", lua_wait},
					   {"close", lua_close_table},    {NULL, NULL}};
	static const luaL_Reg functions[] = {{"open", lua_open_table}, {NULL, NULL}};
	(void)luaL_newmetatable(L, LUA_TIDEVARS);
	luaL_newlib(L, methods);
	lua_pushvalue(L, -2);
	luaL_setfuncs(L, readers, 1);
	set_kind(L, "set", lua_set, TIDEVARS_SET);
	set_kind(L, "add", lua_set, TIDEVARS_ADD);
	set_kind(L, "take", lua_take, TIDEVARS_TAKE);
	set_kind(L, "extend", lua_take, TIDEVARS_EXTEND);
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
