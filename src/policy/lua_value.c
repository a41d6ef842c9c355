// SPDX-License-Identifier: MIT
// Values between C and Lua, and the two address types: an ip, and a cidr_set (sorted prefixes,
// nested ones folded into the outer, searched by halving). Both are constant once made.
#include <arpa/inet.h>
#include <stdlib.h>

#include "policy/lua_priv.h"

#define IP_TYPE  "tide.ip"
#define SET_TYPE "tide.cidr_set"

struct cidr {
	struct policy_value net; // host bits cleared
	unsigned bits;
};

struct cidr_set {
	size_t n;
	struct cidr item[]; // by family, then address; none contains another
};

// ---- ip -------------------------------------------------------------------------------------

void
policy_lua_push_ip(lua_State *L, const struct policy_value *ip)
{
	struct policy_value *u = lua_newuserdatauv(L, sizeof(*u), 0);
	*u = *ip;
	if (u->family == 4)
		memset(u->ip + 4, 0, sizeof(u->ip) - 4);
	luaL_setmetatable(L, IP_TYPE);
}

// An ip, or text that reads as one. [-0, +0, e]
static struct policy_value
check_ip(lua_State *L, int index)
{
	struct policy_value *u = luaL_testudata(L, index, IP_TYPE), ip;
	if (u != NULL)
		return *u;
	size_t n;
	const char *text = luaL_checklstring(L, index, &n);
	if (!policy_ip_parse(str_of(text, n), &ip))
		luaL_error(L, "'%s' is not an address", text);
	return ip;
}

// ip:within("10.0.0.0/8" | cidr_set) [-2, +1, e]
static int
ip_within(lua_State *L)
{
	struct policy_value *ip = luaL_checkudata(L, 1, IP_TYPE), net;
	if (lua_type(L, 2) == LUA_TUSERDATA) {
		luaL_checkudata(L, 2, SET_TYPE);
		lua_getfield(L, 2, "contains");
		lua_pushvalue(L, 2);
		lua_pushvalue(L, 1);
		lua_call(L, 2, 1);
		return 1;
	}
	size_t n;
	unsigned bits;
	const char *text = luaL_checklstring(L, 2, &n);
	if (!policy_prefix_parse(str_of(text, n), &net, &bits))
		return luaL_error(L, "'%s' is not an address or prefix", text);
	lua_pushboolean(L, policy_ip_within(ip, &net, bits));
	return 1;
}

// [-1, +1, e]
static int
ip_tostring(lua_State *L)
{
	struct policy_value *ip = luaL_checkudata(L, 1, IP_TYPE);
	char buf[INET6_ADDRSTRLEN];
	if (inet_ntop(ip->family == 6 ? AF_INET6 : AF_INET, ip->ip, buf, sizeof(buf)) == NULL)
		return luaL_error(L, "address of unknown family");
	lua_pushstring(L, buf);
	return 1;
}

// [-2, +1, -]
static int
ip_eq(lua_State *L)
{
	struct policy_value *a = luaL_testudata(L, 1, IP_TYPE);
	struct policy_value *b = luaL_testudata(L, 2, IP_TYPE);
	lua_pushboolean(L, a != NULL && b != NULL && a->family == b->family &&
			       memcmp(a->ip, b->ip, a->family == 6 ? 16 : 4) == 0);
	return 1;
}

// ip:family() is 4 or 6 [-1, +1, e]
static int
ip_family(lua_State *L)
{
	struct policy_value *ip = luaL_checkudata(L, 1, IP_TYPE);
	lua_pushinteger(L, ip->family);
	return 1;
}

// Addresses in text are joined without tostring. [-2, +1, e]
static int
ip_concat(lua_State *L)
{
	(void)policy_lua_text(L, 1);
	(void)policy_lua_text(L, 2);
	lua_concat(L, 2);
	return 1;
}

// nil for what is no address. [-1, +1, e]
int
policy_lua_tide_ip(lua_State *L)
{
	struct policy_value ip;
	size_t n;
	const char *text = luaL_checklstring(L, 1, &n);
	if (policy_ip_parse(str_of(text, n), &ip))
		policy_lua_push_ip(L, &ip);
	else
		lua_pushnil(L);
	return 1;
}

// ---- cidr_set -------------------------------------------------------------------------------

static int
compare_ip(const struct policy_value *a, const struct policy_value *b)
{
	if (a->family != b->family)
		return a->family - b->family;
	return memcmp(a->ip, b->ip, 16);
}

static int
compare_cidr(const void *x, const void *y)
{
	const struct cidr *a = x, *b = y;
	int r = compare_ip(&a->net, &b->net);
	return r != 0 ? r : (int)a->bits - (int)b->bits; // the wider first
}

static void
clear_host_bits(struct cidr *c)
{
	for (unsigned bit = c->bits; bit < 128; bit++)
		c->net.ip[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
}

// Drops what an earlier, wider prefix contains.
static void
fold(struct cidr_set *set)
{
	size_t n = 0;
	for (size_t i = 0; i < set->n; i++) {
		const struct cidr *last = n > 0 ? &set->item[n - 1] : NULL;
		if (last != NULL && policy_ip_within(&set->item[i].net, &last->net, last->bits))
			continue;
		set->item[n++] = set->item[i];
	}
	set->n = n;
}

// tide.cidr_set{"10.0.0.0/8", ...} [-1, +1, e]
int
policy_lua_tide_cidr_set(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_Integer n = luaL_len(L, 1);
	luaL_argcheck(L, n >= 0 && n <= 1000000, 1, "too many prefixes");
	struct cidr_set *set =
	    lua_newuserdatauv(L, sizeof(*set) + (size_t)n * sizeof(set->item[0]), 0);
	set->n = (size_t)n;
	for (lua_Integer i = 1; i <= n; i++) {
		struct cidr *c = &set->item[i - 1];
		lua_geti(L, 1, i);
		size_t len;
		const char *text = lua_tolstring(L, -1, &len);
		if (text == NULL || !policy_prefix_parse(str_of(text, len), &c->net, &c->bits))
			return luaL_error(L, "cidr_set: entry %d is not an address or prefix",
					  (int)i);
		clear_host_bits(c);
		lua_pop(L, 1);
	}
	struct guard *g = state_of(L)->guard;
	guard_postpone(g); // qsort may call malloc
	qsort(set->item, set->n, sizeof(set->item[0]), compare_cidr);
	guard_resume(g);
	fold(set);
	luaL_setmetatable(L, SET_TYPE);
	return 1;
}

// set:contains(ip | text) [-2, +1, e]
static int
set_contains(lua_State *L)
{
	struct cidr_set *set = luaL_checkudata(L, 1, SET_TYPE);
	struct policy_value ip = check_ip(L, 2);
	size_t low = 0, high = set->n; // the last item not above ip is in front of `low`
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (compare_ip(&set->item[mid].net, &ip) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	lua_pushboolean(L, low > 0 && policy_ip_within(&ip, &set->item[low - 1].net,
						       set->item[low - 1].bits));
	return 1;
}

// [-1, +1, e]
static int
set_len(lua_State *L)
{
	struct cidr_set *set = luaL_checkudata(L, 1, SET_TYPE);
	lua_pushinteger(L, (lua_Integer)set->n);
	return 1;
}

// ---- values ---------------------------------------------------------------------------------

void
policy_lua_push(lua_State *L, const struct policy_value *v)
{
	switch ((enum policy_type)v->type) {
	case POLICY_T_NIL:
		lua_pushnil(L);
		return;
	case POLICY_T_BOOL:
		lua_pushboolean(L, v->b);
		return;
	case POLICY_T_INT:
		lua_pushinteger(L, v->i);
		return;
	case POLICY_T_DOUBLE:
		lua_pushnumber(L, v->d);
		return;
	case POLICY_T_STR:
		lua_pushlstring(L, v->s.n > 0 ? v->s.p : "", v->s.n);
		return;
	case POLICY_T_IP:
		policy_lua_push_ip(L, v);
		return;
	}
	ASSERT(v->type <= POLICY_T_IP);
}

bool
policy_lua_get(lua_State *L, int index, struct policy_value *out)
{
	*out = (struct policy_value){0};
	switch (lua_type(L, index)) {
	case LUA_TNIL:
		return true;
	case LUA_TBOOLEAN:
		out->type = POLICY_T_BOOL;
		out->b = lua_toboolean(L, index);
		return true;
	case LUA_TNUMBER:
		out->type = lua_isinteger(L, index) ? POLICY_T_INT : POLICY_T_DOUBLE;
		if (out->type == POLICY_T_INT)
			out->i = lua_tointeger(L, index);
		else
			out->d = lua_tonumber(L, index);
		return true;
	case LUA_TSTRING:
		out->type = POLICY_T_STR;
		out->s.p = lua_tolstring(L, index, &out->s.n);
		return true;
	default:
		break;
	}
	struct policy_value *ip = lua_type(L, index) == LUA_TUSERDATA && lua_checkstack(L, 3)
				      ? luaL_testudata(L, index, IP_TYPE)
				      : NULL;
	if (ip == NULL)
		return false;
	*out = *ip;
	return true;
}

// A metatable whose methods are its own fields, out of scripts' reach. [-0, +0, e]
static void
new_type(lua_State *L, const char *name, const luaL_Reg *fields)
{
	luaL_newmetatable(L, name);
	luaL_setfuncs(L, fields, 0);
	lua_pushvalue(L, -1);
	lua_setfield(L, -2, "__index");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_pop(L, 1);
}

void
policy_lua_ip_open(lua_State *L)
{
	static const luaL_Reg ip[] = {
	    {"within", ip_within},       {"family", ip_family},   {"__eq", ip_eq},
	    {"__tostring", ip_tostring}, {"__concat", ip_concat}, {NULL, NULL},
	};
	static const luaL_Reg set[] = {
	    {"contains", set_contains},
	    {"__len", set_len},
	    {NULL, NULL},
	};
	new_type(L, IP_TYPE, ip);
	new_type(L, SET_TYPE, set);
}
