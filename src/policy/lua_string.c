// SPDX-License-Identifier: MIT
// string.sub, the library function that routing scripts call most (txn.path:sub(1, 5)): the same as
// the standard one, asking Lua once for each argument, and a whole string is given back as it is
// instead of being hashed again.
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

void
policy_lua_string_open(lua_State *L)
{
	lua_pushcfunction(L, string_sub);
	lua_setfield(L, -2, "sub");
}
