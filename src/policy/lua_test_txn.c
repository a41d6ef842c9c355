// SPDX-License-Identifier: MIT
// t.txn{...}: the request that a self-test makes. Where the host can make a real request of the
// test's table, it answers as the live one does; else the table itself answers.
#include <string.h>

#include "policy/lua_priv.h"

void
policy_lua_push_test_table(lua_State *L, int index)
{
	lua_getiuservalue(L, index, LUA_TXN_TABLE);
}

// ---- what the table answers -------------------------------------------------------------------

int
policy_lua_test_field(lua_State *L, int index, const char *name)
{
	struct policy_value ip;
	size_t n;
	policy_lua_push_test_table(L, index);
	lua_getfield(L, -1, name);
	bool is_address = strcmp(name, "src") == 0 || strcmp(name, "dst") == 0;
	if (is_address && lua_type(L, -1) == LUA_TSTRING) {
		const char *text = lua_tolstring(L, -1, &n);
		if (!policy_ip_parse(str_of(text, n), &ip))
			return luaL_error(L, "t.txn: %s: '%s' is not an address", name, text);
		policy_lua_push_ip(L, &ip);
	}
	if (!lua_isnil(L, -1))
		return 1;
	if (strcmp(name, "method") == 0)
		lua_pushliteral(L, "GET");
	else if (strcmp(name, "path") == 0)
		lua_pushliteral(L, "/");
	else if (strcmp(name, "version") == 0)
		lua_pushliteral(L, "1.1");
	return 1;
}

int
policy_lua_test_entry(lua_State *L, int index, const char *table, struct str name, bool any_case)
{
	policy_lua_push_test_table(L, index);
	lua_getfield(L, -1, table);
	if (!lua_istable(L, -1)) {
		lua_pushnil(L);
		return 1;
	}
	int t = lua_gettop(L);
	for (lua_pushnil(L); lua_next(L, t);) {
		size_t n;
		const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tolstring(L, -2, &n) : NULL;
		if (key != NULL && (any_case ? str_eq_nocase(str_of(key, n), name)
					     : str_eq(str_of(key, n), name))) {
			luaL_tolstring(L, -1, NULL);
			return 1;
		}
		lua_pop(L, 1);
	}
	lua_pushnil(L);
	return 1;
}

// ---- making one -------------------------------------------------------------------------------

// The string field of the table at 1, or .p == NULL; it stays on the stack. [-0, +1, e]
static struct str
text_field(lua_State *L, const char *name)
{
	struct str s = STR_NULL;
	lua_getfield(L, 1, name);
	if (!lua_isnil(L, -1))
		s.p = luaL_tolstring(L, -1, &s.n);
	return s;
}

// [-0, +n, e]
static size_t
list_field(lua_State *L, const char *name, struct policy_field *out, size_t most)
{
	size_t n = 0;
	lua_getfield(L, 1, name);
	if (!lua_istable(L, -1))
		return 0;
	int t = lua_gettop(L);
	for (lua_pushnil(L); lua_next(L, t);) {
		luaL_checkstack(L, 8, "too many fields");
		if (lua_type(L, -2) != LUA_TSTRING || n == most)
			luaL_error(L, "t.txn: %s: names to values, at most %d", name, (int)most);
		out[n].name.p = lua_tolstring(L, -2, &out[n].name.n);
		out[n].value.p = luaL_tolstring(L, -1, &out[n].value.n);
		n++;
		lua_replace(L, -2); // the text instead of the value; it stays, under the key
		lua_insert(L, -2);
	}
	return n;
}

static struct policy_value
ip_field(lua_State *L, const char *name)
{
	struct policy_value ip = {0};
	lua_getfield(L, 1, name);
	if (lua_isnil(L, -1))
		return ip;
	struct str text;
	text.p = luaL_tolstring(L, -1, &text.n);
	if (!policy_ip_parse(text, &ip))
		luaL_error(L, "t.txn: %s: '%s' is not an address", name, text.p);
	return ip;
}

// [-1, +1, e]
static void *
make_host_txn(lua_State *L)
{
	struct policy_state *s = state_of(L);
	const struct policy_engine *e = s->policy->engine;
	struct policy_field headers[32], cookies[32];
	struct policy_test_request r = {.method = text_field(L, "method"),
					.path = text_field(L, "path"),
					.query = text_field(L, "query"),
					.host = text_field(L, "host"),
					.version = text_field(L, "version"),
					.src = ip_field(L, "src"),
					.dst = ip_field(L, "dst"),
					.headers = headers,
					.cookies = cookies};
	r.n_headers = list_field(L, "headers", headers, ARRAY_LEN(headers));
	r.n_cookies = list_field(L, "cookies", cookies, ARRAY_LEN(cookies));
	struct err err = {0};
	guard_postpone(s->guard);
	void *txn = e->host->test_txn(e->data, &r, s->call->arena, &err);
	guard_resume(s->guard);
	if (txn == NULL)
		luaL_error(L, "t.txn: %s", err.text);
	return txn;
}

// [-2, +0, e]
static int
make_anew(lua_State *L)
{
	struct lua_txn *t = lua_touserdata(L, 2);
	t->host_txn = make_host_txn(L);
	return 0;
}

void
policy_lua_test_txn_edited(lua_State *L, int index)
{
	if (state_of(L)->policy->engine->host->test_txn == NULL)
		return;
	lua_pushcfunction(L, make_anew);
	policy_lua_push_test_table(L, index);
	lua_pushvalue(L, index);
	lua_call(L, 2, 0);
}

int
policy_lua_test_txn(lua_State *L)
{
	if (lua_gettop(L) == 0)
		lua_newtable(L);
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	struct policy_state *s = state_of(L);
	struct lua_txn *t = policy_lua_txn_new(L, false);
	t->test = true;
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, 2, LUA_TXN_TABLE);
	if (s->policy->engine->host->test_txn != NULL)
		t->host_txn = make_host_txn(L);
	lua_settop(L, 2);
	return 1;
}
