// SPDX-License-Identifier: MIT
// What methods take and give: the table and the name they are called with, values, option tables,
// failures.
#include "host/lua/lua_tidevars.h"

#include <string.h>
#include <unistd.h>

int
tv_push_failure(lua_State *L, int status, const char *text)
{
	lua_pushnil(L);
	lua_pushstring(L, text);
	lua_pushstring(L, tidevars_status_name(status));
	return 3;
}

int
tv_push_result(lua_State *L, int status, const struct tidevars_error *err)
{
	if (status != TIDEVARS_OK)
		return tv_push_failure(L, status, err->text);
	lua_pushboolean(L, 1);
	return 1;
}

struct tidevars *
tv_check_table(lua_State *L)
{
	struct lua_table *u = luaL_checkudata(L, 1, LUA_TIDEVARS);
	if (u->t == NULL)
		(void)luaL_error(L, "the variable table is closed");
	return u->t;
}

int
tv_find_arg(lua_State *L, struct tidevars *t, uint32_t *handle, struct tidevars_error *err)
{
	size_t n;
	const char *name = luaL_checklstring(L, 2, &n);
	return tidevars_find(t, name, n, handle, err);
}

int
tv_push_option(lua_State *L, int idx, const char *name)
{
	if (lua_istable(L, idx))
		return lua_getfield(L, idx, name);
	lua_pushnil(L);
	return LUA_TNIL;
}

uint64_t
tv_option_ns(lua_State *L, int idx, const char *name)
{
	double s = 0;
	if (tv_push_option(L, idx, name) != LUA_TNIL) {
		s = luaL_checknumber(L, -1);
		if (!(s > 0 && s < 1e9))
			(void)luaL_error(L, "%s: a number of seconds above 0", name);
	}
	lua_pop(L, 1);
	return (uint64_t)(s * 1e9);
}

const char *
tv_keep_text(lua_State *L, int idx, const char *name)
{
	return tv_push_option(L, idx, name) != LUA_TNIL ? luaL_checkstring(L, -1) : NULL;
}

struct tidevars_writer
tv_option_writer(lua_State *L, int idx)
{
	struct tidevars_writer w = {.source = TIDEVARS_FROM_PROGRAM,
				    .uid = (uint32_t)geteuid(),
				    .gid = (uint32_t)getegid(),
				    .pid = (uint32_t)getpid()};
	w.who = tv_keep_text(L, idx, "who");
	w.reason = tv_keep_text(L, idx, "reason");
	return w;
}

int
tv_to_value(lua_State *L, int idx, uint32_t type, struct tidevars_value *v,
	    struct tidevars_error *err)
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
