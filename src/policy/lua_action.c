// SPDX-License-Identifier: MIT
// action(name, fn), called by rules as `http-request lua.NAME`, and what such a function may do to
// the message in hand: txn:set_header and its kin, by the operations that the host has for
// HAProxy's dialect. In http-request rules they edit the request, later the response. A self-test's
// request takes the edits into its table, and is made anew of it.
#include <string.h>

#include "policy/lua_priv.h"
#include "policy/run_priv.h"

static const struct {
	const char *name;
	const char *request, *response; // the host's operations; NULL: not there
} edits[] = {
    {"set_header", "req_set_header", "res_set_header"},
    {"add_header", "req_add_header", "res_add_header"},
    {"del_header", "req_del_header", "res_del_header"},
    {"set_method", "req_set_method", NULL},
    {"set_path", "req_set_path", NULL},
    {"set_query", "req_set_query", NULL},
    {"set_status", NULL, "res_set_status"},
    {"set_var", "set_var", "set_var"},
    {"unset_var", "unset_var", "unset_var"},
};

// [-2, +0, e]
int
policy_lua_action(lua_State *L)
{
	const char *name = luaL_checkstring(L, 1);
	luaL_checktype(L, 2, LUA_TFUNCTION);
	lua_settop(L, 2);
	policy_lua_register(L, POLICY_ACTION, name,
			    POLICY_AT_HTTP_REQUEST | POLICY_AT_HTTP_RESPONSE | POLICY_AT_HTTP_AFTER,
			    -1);
	return 0;
}

bool
policy_lua_in_action(const struct policy_state *s)
{
	return s->run != NULL;
}

// ---- a self-test's request ------------------------------------------------------------------

// Sets, joins or removes the header of the table on top, whatever its case. [-0, +0, e]
static void
try_header(lua_State *L, char how)
{
	size_t n, len;
	const char *name = luaL_checklstring(L, 2, &n);
	int table = lua_gettop(L);
	if (lua_getfield(L, table, "headers") != LUA_TTABLE) {
		lua_newtable(L);
		lua_pushvalue(L, -1);
		lua_setfield(L, table, "headers");
		lua_replace(L, -2);
	}
	int headers = lua_gettop(L);
	const char *value = how == 'd' ? NULL : luaL_checkstring(L, 3);
	for (lua_pushnil(L); lua_next(L, headers); lua_pop(L, 1)) {
		const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tolstring(L, -2, &len) : "";
		if (!str_eq_nocase(str_from_c(key), str_of(name, n)))
			continue;
		if (how == 'a')
			value = lua_pushfstring(L, "%s, %s", luaL_tolstring(L, -1, NULL), value);
		lua_pushvalue(L, headers + 1);
		lua_pushnil(L);
		lua_rawset(L, headers);
		break;
	}
	lua_pushvalue(L, 2);
	lua_pushstring(L, value); // nil where there is none
	lua_rawset(L, headers);
	lua_settop(L, table);
}

// [-0, +1, e]
static int
try_edit(lua_State *L, const char *name)
{
	policy_lua_push_test_table(L, 1);
	if (str_ends(str_from_c(name), STR("_header"))) {
		try_header(L, name[0]);
	} else if (str_ends(str_from_c(name), STR("_var"))) {
		lua_pushfstring(L, "var %s", luaL_checkstring(L, 2));
		if (name[0] == 's')
			lua_pushvalue(L, 3);
		else
			lua_pushnil(L);
		lua_rawset(L, -3);
	} else {
		lua_pushstring(L, name + strlen("set_"));
		lua_pushvalue(L, 2);
		lua_rawset(L, -3);
	}
	policy_lua_test_txn_edited(L, 1);
	lua_pushboolean(L, 1);
	return 1;
}

// ---- edits ----------------------------------------------------------------------------------

// An edit as a method of txn: upvalue 1 is its row. [-n, +1, e]
static int
edit(lua_State *L)
{
	const struct policy_state *s = state_of(L);
	size_t row = (size_t)lua_tointeger(L, lua_upvalueindex(1));
	struct lua_txn *t = policy_lua_txn_at(L, 1);
	struct policy_value args[POLICY_MAX_ARGS];
	if (t == NULL)
		return luaL_error(L, "call it with a colon: txn:%s(...)", edits[row].name);
	if (!policy_lua_in_action(s) && !s->trying)
		return luaL_error(L,
				  "predicates do not edit messages; functions given to action do "
				  "(in a self-test: t.run)");
	int n = lua_gettop(L) - 1;
	luaL_argcheck(L, n <= POLICY_MAX_ARGS, 2, "too many arguments");
	if (t->test) {
		lua_settop(L, 3);
		return try_edit(L, edits[row].name);
	}
	void *txn = policy_lua_host_txn(L, t);
	(void)policy_lua_ask(L, txn, policy_lua_resolve(L, POLICY_FIELD, STR("status")), NULL, 0);
	const char *op = lua_isnil(L, -1) ? edits[row].request : edits[row].response;
	if (op == NULL)
		return luaL_error(L, "txn:%s: not in %s rules", edits[row].name,
				  lua_isnil(L, -1) ? "http-request" : "http-response");
	for (int i = 0; i < n; i++)
		if (!policy_lua_get(L, i + 2, &args[i]))
			return luaL_argerror(L, i + 2,
					     "boolean, number, string or address expected");
	return policy_lua_ask(L, txn, policy_lua_resolve(L, POLICY_OP, str_from_c(op)), args,
			      (unsigned)n);
}

int
policy_lua_find_edit(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(edits); i++)
		if (strcmp(edits[i].name, name) == 0)
			return (int)i;
	return -1;
}

int
policy_lua_push_edit(lua_State *L, int row)
{
	lua_pushinteger(L, row);
	lua_pushcclosure(L, edit, 1);
	return 1;
}
