// SPDX-License-Identifier: MIT
// Methods that write or declare. What strings an operation needs stays on the stack meanwhile.
#include "host/lua/lua_tidevars.h"

#include <string.h>

// t:set(name, value, opts) and t:add: kind is the upvalue [-4, +1 or 3, e]
static int
lua_set(lua_State *L)
{
	struct tidevars *t = tv_check_table(L);
	struct tidevars_error err;
	struct tidevars_op op = {.kind = (uint32_t)lua_tointeger(L, lua_upvalueindex(1))};
	int status = tv_find_arg(L, t, &op.handle, &err);
	luaL_checkany(L, 3);
	if (status == TIDEVARS_OK)
		status = tv_to_value(L, 3, tidevars_type(t, op.handle), &op.value, &err);
	if (status != TIDEVARS_OK)
		return tv_push_failure(L, status, err.text);
	op.ttl_ns = tv_option_ns(L, 4, "ttl");
	struct tidevars_writer w = tv_option_writer(L, 4);
	status = tidevars_commit(t, &op, 1, &w, &err);
	return tv_push_result(L, status, &err);
}

// t:unset(name, opts) [-3, +1 or 3, e]
static int
lua_unset(lua_State *L)
{
	struct tidevars *t = tv_check_table(L);
	struct tidevars_error err;
	uint32_t h;
	int status = tv_find_arg(L, t, &h, &err);
	struct tidevars_writer w = tv_option_writer(L, 3);
	if (status == TIDEVARS_OK)
		status = tidevars_unset(t, h, &w, &err);
	return tv_push_result(L, status, &err);
}

// t:take(name, owner, opts) and t:release: kind is the upvalue [-4, +1 or 3, e]
static int
lua_take(lua_State *L)
{
	struct tidevars *t = tv_check_table(L);
	struct tidevars_error err;
	struct tidevars_op op = {.kind = (uint32_t)lua_tointeger(L, lua_upvalueindex(1)),
				 .owner = luaL_checkstring(L, 3)};
	int status = tv_find_arg(L, t, &op.handle, &err);
	op.ttl_ns = tv_option_ns(L, 4, "ttl");
	struct tidevars_writer w = tv_option_writer(L, 4);
	if (status == TIDEVARS_OK)
		status = tidevars_commit(t, &op, 1, &w, &err);
	return tv_push_result(L, status, &err);
}

// t:cas(name, expected, value, opts) [-5, +1 or 3, e]
static int
lua_cas(lua_State *L)
{
	struct tidevars *t = tv_check_table(L);
	struct tidevars_error err;
	struct tidevars_op op = {.kind = TIDEVARS_CAS};
	int status = tv_find_arg(L, t, &op.handle, &err);
	luaL_checkany(L, 4);
	uint32_t type = status == TIDEVARS_OK ? tidevars_type(t, op.handle) : TIDEVARS_NONE;
	if (status == TIDEVARS_OK)
		status = tv_to_value(L, 3, type, &op.expect, &err);
	if (status == TIDEVARS_OK)
		status = tv_to_value(L, 4, type, &op.value, &err);
	if (status != TIDEVARS_OK)
		return tv_push_failure(L, status, err.text);
	op.ttl_ns = tv_option_ns(L, 5, "ttl");
	struct tidevars_writer w = tv_option_writer(L, 5);
	status = tidevars_commit(t, &op, 1, &w, &err);
	return tv_push_result(L, status, &err);
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
	op->owner = tv_keep_text(L, at, "owner");
	(void)lua_rawgeti(L, at, 1);
	op->kind = check_kind(L, luaL_checkstring(L, -1));
	(void)lua_rawgeti(L, at, 2);
	const char *name = luaL_checklstring(L, -1, &n);
	op->ttl_ns = tv_option_ns(L, at, "ttl");
	int status = tidevars_find(t, name, n, &op->handle, err);
	bool values =
	    op->kind == TIDEVARS_SET || op->kind == TIDEVARS_ADD || op->kind == TIDEVARS_CAS;
	if (status == TIDEVARS_OK && values) {
		(void)lua_rawgeti(L, at, 3);
		status =
		    tv_to_value(L, lua_gettop(L), tidevars_type(t, op->handle), &op->value, err);
	}
	if (status == TIDEVARS_OK && op->kind == TIDEVARS_CAS) {
		(void)lua_getfield(L, at, "expect");
		status = tv_to_value(L, lua_gettop(L), op->value.type, &op->expect, err);
	}
	lua_settop(L, at + 1);
	return status;
}

// t:commit({ operation, ... }, opts) [-3, +1 or 3, e]
static int
lua_commit(lua_State *L)
{
	struct tidevars *t = tv_check_table(L);
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
			return tv_push_failure(L, status, err.text);
	}
	struct tidevars_writer w = tv_option_writer(L, 3);
	int status = tidevars_commit(t, ops, n, &w, &err);
	return tv_push_result(L, status, &err);
}

// Declared value `name` of the table at 2, if given. [-0, +0, e]
static int
declared_value(lua_State *L, const char *name, uint32_t type, struct tidevars_value *v, bool *given,
	       struct tidevars_error *err)
{
	int status = TIDEVARS_OK;
	*given = lua_getfield(L, 2, name) != LUA_TNIL;
	if (*given)
		status = tv_to_value(L, lua_gettop(L), type, v, err);
	lua_pop(L, 1);
	return status;
}

// t:declare { ... } [-2, +1 or 3, e]
static int
lua_declare(lua_State *L)
{
	struct tidevars *t = tv_check_table(L);
	luaL_checktype(L, 2, LUA_TTABLE);
	struct tidevars_error err;
	struct tidevars_decl d = {.name = tv_keep_text(L, 2, "name"),
				  .description = tv_keep_text(L, 2, "description")};
	const char *type = tv_keep_text(L, 2, "type");
	d.type = type != NULL ? tidevars_type_of(type, strlen(type)) : TIDEVARS_NONE;
	d.ttl_ns = tv_option_ns(L, 2, "ttl");
	d.half_life_ns = tv_option_ns(L, 2, "half_life");
	d.stale_after_ns = tv_option_ns(L, 2, "stale_after");
	bool initial, min, max, use;
	int status = declared_value(L, "default", d.type, &d.initial, &initial, &err);
	if (status == TIDEVARS_OK)
		status = declared_value(L, "min", d.type, &d.min, &min, &err);
	if (status == TIDEVARS_OK)
		status = declared_value(L, "max", d.type, &d.max, &max, &err);
	if (status == TIDEVARS_OK)
		status = declared_value(L, "use", d.type, &d.stale_use, &use, &err);
	if (status != TIDEVARS_OK)
		return tv_push_failure(L, status, err.text);
	d.flags = (min ? TIDEVARS_HAS_MIN : 0) | (max ? TIDEVARS_HAS_MAX : 0) |
		  (use ? TIDEVARS_HAS_STALE : 0);
	status = tidevars_declare(t, &d, NULL, &err);
	return tv_push_result(L, status, &err);
}

void
tv_add_writers(lua_State *L)
{
	static const luaL_Reg methods[] = {{"unset", lua_unset},
					   {"cas", lua_cas},
					   {"commit", lua_commit},
					   {"declare", lua_declare},
					   {NULL, NULL}};
	static const struct {
		const char *name;
		lua_CFunction f;
		int kind;
	} kinds[] = {{"set", lua_set, TIDEVARS_SET},
		     {"add", lua_set, TIDEVARS_ADD},
		     {"take", lua_take, TIDEVARS_TAKE},
		     {"extend", lua_take, TIDEVARS_EXTEND},
		     {"release", lua_take, TIDEVARS_RELEASE}};
	luaL_setfuncs(L, methods, 0);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		lua_pushinteger(L, kinds[i].kind);
		lua_pushcclosure(L, kinds[i].f, 1);
		lua_setfield(L, -2, kinds[i].name);
	}
}
