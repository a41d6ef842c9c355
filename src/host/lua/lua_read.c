// SPDX-License-Identifier: MIT
// Methods that read. A name is looked up once per table and kept beside its handle, so that a get
// is one look into a Lua table and one into the shared one.
#include "host/lua/lua_tidevars.h"

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
	int status = tv_find_arg(L, u->t, handle, err);
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

// t:get(name) [-2, +1 or 3, e]
static int
lua_get(lua_State *L)
{
	struct tidevars_value v;
	struct tidevars_error err;
	int status = read_arg(L, &v, &err);
	if (status != TIDEVARS_OK)
		return tv_push_failure(L, status, err.text);
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
		return tv_push_failure(L, status, err.text);
	if (v.type != TIDEVARS_GAUGE)
		return tv_push_failure(L, TIDEVARS_TYPE, "only a gauge has a smoothed value");
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
		return tv_push_failure(L, status, err.text);
	int64_t age = (int64_t)(tidevars_now_boot_ns() - v.written_boot_ns);
	lua_pushnumber(L, age > 0 ? (double)age / 1e9 : 0);
	return 1;
}

// t:version(name) [-2, +1 or 3, e]
static int
lua_read_version(lua_State *L)
{
	struct tidevars_value v;
	struct tidevars_error err;
	int status = read_arg(L, &v, &err);
	if (status != TIDEVARS_OK)
		return tv_push_failure(L, status, err.text);
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
	struct tidevars *t = tv_check_table(L);
	uint64_t version = (uint64_t)luaL_checkinteger(L, 3);
	double seconds = luaL_checknumber(L, 4);
	luaL_argcheck(L, seconds >= 0 && seconds < 1e9, 4, "a number of seconds");
	int status = tv_find_arg(L, t, &h, &err);
	uint64_t now = tidevars_now_boot_ns(), wait = (uint64_t)(seconds * 1e9);
	if (status == TIDEVARS_OK)
		status = tidevars_read(t, h, now, &v);
	if (status != TIDEVARS_OK)
		return tv_push_failure(L, status, err.text);
	bool ends = v.until_boot_ns - now < wait;
	status = tidevars_wait(t, h, version, ends ? v.until_boot_ns - now : wait);
	if (status != TIDEVARS_OK && status != TIDEVARS_TIMEOUT)
		return tv_push_failure(L, status, tidevars_status_name(status));
	lua_pushboolean(L, status == TIDEVARS_OK || ends);
	return 1;
}

// t:holds(name): who holds it, the oldest first [-2, +1 or 3, e]
static int
lua_holds(lua_State *L)
{
	struct tidevars *t = tv_check_table(L);
	struct tidevars_error err;
	struct tidevars_hold holds[TIDEVARS_HOLDS_MAX];
	uint64_t now = tidevars_now_boot_ns();
	uint32_t h;
	size_t n = 0;
	int status = tv_find_arg(L, t, &h, &err);
	if (status != TIDEVARS_OK)
		return tv_push_failure(L, status, err.text);
	status = tidevars_read_holds(t, h, now, holds, &n);
	if (status != TIDEVARS_OK)
		return tv_push_failure(L, status, "the variable is not a hold");
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

// t:names() [-1, +1, e]
static int
lua_names(lua_State *L)
{
	struct tidevars *t = tv_check_table(L);
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

void
tv_add_readers(lua_State *L)
{
	static const luaL_Reg own[] = {{"get", lua_get},
				       {"smooth", lua_smooth},
				       {"age", lua_age},
				       {"version", lua_read_version},
				       {NULL, NULL}};
	static const luaL_Reg others[] = {{"wait", lua_wait},
					  {"holds", lua_holds},
					  {"names", lua_names},
					  {NULL, NULL}};
	lua_pushvalue(L, -2);
	luaL_setfuncs(L, own, 1);
	luaL_setfuncs(L, others, 0);
}
