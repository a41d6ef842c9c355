// SPDX-License-Identifier: MIT
// Functions of the library in other words: what tells an address of Lua's, which no verdict may be
// kept by (lua_verdict.c), and string.sub, the one that routing scripts call most (txn.path:sub(1,
// 5)): the same as the standard one, asking Lua once for each argument, and a whole string is given
// back as it is instead of being hashed again.
#include <string.h>

#include "policy/lua_priv.h"

// Positions count from 1, negative ones from the end: -1 is the last byte.
static lua_Integer
first_byte(lua_Integer at, lua_Integer n)
{
	if (at >= 0)
		return MAX(at, 1);
	return at < -n ? 1 : n + at + 1;
}

static lua_Integer
last_byte(lua_Integer at, lua_Integer n)
{
	if (at >= 0)
		return MIN(at, n);
	return at < -n ? 0 : n + at + 1;
}

// string.sub(s, from [, to = -1]) [-n, +1, e]
static int
string_sub(lua_State *L)
{
	size_t n;
	int is_from, is_to;
	const char *s = lua_tolstring(L, 1, &n);
	lua_Integer from = lua_tointegerx(L, 2, &is_from);
	lua_Integer to = lua_tointegerx(L, 3, &is_to);
	if (UNLIKELY(s == NULL || !is_from || !is_to)) {
		luaL_checkstring(L, 1); // the library's words for what is wrong
		luaL_checkinteger(L, 2);
		to = luaL_optinteger(L, 3, -1);
	}
	from = first_byte(from, (lua_Integer)n);
	to = last_byte(to, (lua_Integer)n);
	if (from == 1 && to == (lua_Integer)n)
		lua_pushvalue(L, 1);
	else if (from <= to)
		lua_pushlstring(L, s + from - 1, (size_t)(to - from) + 1);
	else
		lua_pushliteral(L, "");
	return 1;
}

// ---- addresses ------------------------------------------------------------------------------

// Whether the text of the value at index has an address in it. [-0, +0, -]
static bool
has_address(lua_State *L, int index)
{
	int type = lua_type(L, index);
	if (type <= LUA_TBOOLEAN || type == LUA_TNUMBER || type == LUA_TSTRING)
		return false;
	if (luaL_getmetafield(L, index, "__tostring") == LUA_TNIL)
		return true;
	lua_pop(L, 1);
	return false;
}

const char *
policy_lua_text(lua_State *L, int index)
{
	if (has_address(L, index))
		state_of(L)->guard->outside = true;
	return luaL_tolstring(L, index, NULL);
}

// tostring(v) [-1, +1, e]
static int
to_string(lua_State *L)
{
	luaL_checkany(L, 1);
	(void)policy_lua_text(L, 1);
	return 1;
}

// "%p" among the conversions.
static bool
asks_address(const char *format)
{
	while ((format = strchr(format, '%')) != NULL) {
		format += 1 + strspn(format + 1, "-+ #0123456789.");
		if (*format == 'p')
			return true;
		format += *format != '\0';
	}
	return false;
}

// string.format: upvalue 1 is the library's, which goes on in this frame, as errors name it.
// [-n, +1, e]
static int
string_format(lua_State *L)
{
	const char *format = lua_tostring(L, 1);
	bool address = format != NULL && asks_address(format);
	for (int i = lua_gettop(L); i > 1 && !address; i--)
		address = has_address(L, i);
	if (address)
		state_of(L)->guard->outside = true;
	return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

// ---- putting it together --------------------------------------------------------------------

void
policy_lua_string_open(lua_State *L)
{
	lua_pushcfunction(L, string_sub);
	lua_setfield(L, -2, "sub");
	lua_getfield(L, -1, "format");
	lua_pushcclosure(L, string_format, 1);
	lua_setfield(L, -2, "format");
	lua_pushcfunction(L, to_string);
	lua_setglobal(L, "tostring");
}
