// SPDX-License-Identifier: MIT
// How effects and actions write variables: `vars.NAME = value` and tide.set, add, hold and release,
// which also say how long and why. The writer's name is the policy's, its reason, unless it gives
// one, the script's line. In a self-test t.vars is written instead.
//
// The table's lock is held for microseconds; where it is not free for POLICY_LOCK_WAIT_MS, the
// write fails, and later ones of the same call do not wait again, so that the keeper is held up
// once at most. An action, on its worker, never waits: it tries a few times.
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "policy/effects.h"
#include "policy/lua_priv.h"

#define WORKER_TRIES 20

// ---- values ---------------------------------------------------------------------------------

// The value at index as one of the variable's type. [-0, +0, e]
static void
to_value(lua_State *L, const char *name, int index, struct tidevars_value *out)
{
	int is_number = 1;
	size_t n;
	const char *text;
	switch (out->type) {
	case TIDEVARS_INT:
	case TIDEVARS_COUNTER:
	case TIDEVARS_BOOL:
	case TIDEVARS_HOLD:
		if (lua_isboolean(L, index))
			out->u.i = lua_toboolean(L, index);
		else
			out->u.i = lua_tointegerx(L, index, &is_number);
		if (out->type == TIDEVARS_BOOL)
			out->u.i = out->u.i != 0;
		break;
	case TIDEVARS_FLOAT:
	case TIDEVARS_GAUGE:
		out->u.f = lua_tonumberx(L, index, &is_number);
		break;
	default:
		text = lua_tolstring(L, index, &n);
		is_number = text != NULL;
		if (text != NULL && n > TIDEVARS_TEXT_MAX)
			luaL_error(L, "vars.%s: longer than %d bytes", name, TIDEVARS_TEXT_MAX);
		if (text != NULL) {
			memcpy(out->text, text, n);
			out->text_n = (uint32_t)n;
		}
	}
	if (!is_number)
		luaL_error(L, "vars.%s: of type %s, which %s is not", name,
			   tidevars_type_name(out->type),
			   lua_isnumber(L, index) ? lua_tostring(L, index)
						  : luaL_typename(L, index));
}

// ---- the table ------------------------------------------------------------------------------

struct write {
	struct tidevars_op op;
	const char *reason; // NULL: the script's line
};

// [-0, +0, e]
static void
commit(lua_State *L, const char *name, struct write *w)
{
	struct policy_state *s = state_of(L);
	struct tidevars *vars = s->policy->engine->vars;
	char who[TIDEVARS_WHO_MAX + 1];
	struct tidevars_error why;
	(void)snprintf(who, sizeof(who), "policy %.24s", s->policy->name);
	const struct tidevars_writer writer = {.who = who,
					       .reason = w->reason != NULL
							     ? w->reason
							     : policy_lua_effect_where(s),
					       .source = TIDEVARS_FROM_LUA,
					       .wait_ms = POLICY_LOCK_WAIT_MS};
	guard_postpone(s->guard);
	int rc = s->worker == NULL && !s->waited
		     ? tidevars_commit(vars, &w->op, 1, &writer, &why)
		     : tidevars_try_commit(vars, &w->op, 1, &writer, &why);
	for (int i = 0; rc == TIDEVARS_BUSY && s->worker != NULL && i < WORKER_TRIES; i++)
		rc = tidevars_try_commit(vars, &w->op, 1, &writer, &why);
	guard_resume(s->guard);
	s->waited |= rc == TIDEVARS_BUSY;
	if (rc != TIDEVARS_OK && !(rc == TIDEVARS_NOT_HELD && w->op.kind == TIDEVARS_RELEASE))
		luaL_error(L, "vars.%s: %s", name, why.text);
}

// ---- a self-test's table ----------------------------------------------------------------------

// The value at `value` (nil: the default) under the name. [-0, +0, e]
static void
write_in_test(lua_State *L, int name, int value)
{
	const struct policy_state *s = state_of(L);
	name = lua_absindex(L, name);
	value = lua_absindex(L, value);
	if (s->policy->engine->vars != NULL && !lua_isnil(L, value)) {
		uint32_t handle = policy_lua_var(L, name);
		struct tidevars_value v = {.type = tidevars_type(s->policy->engine->vars, handle)};
		to_value(L, lua_tostring(L, name), value, &v);
		v.smooth = v.u.f;
		policy_lua_push_reading(L, &v);
	} else {
		lua_pushvalue(L, value);
	}
	lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_t);
	lua_getfield(L, -1, "vars");
	lua_pushvalue(L, name);
	lua_pushvalue(L, -4);
	lua_settable(L, -3);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_written);
	lua_pushvalue(L, name);
	lua_pushinteger(L, (lua_Integer)s->call->now_boot_ns);
	lua_rawset(L, -3);
	lua_pop(L, 4);
}

// ---- vars.NAME = value ----------------------------------------------------------------------

void
policy_lua_write_var(lua_State *L, int name_at, int value)
{
	struct policy_state *s = state_of(L);
	const char *name = luaL_checkstring(L, name_at);
	policy_lua_need_writer(L);
	if (s->testing) {
		write_in_test(L, name_at, value);
		return;
	}
	struct write w = {.op.kind = TIDEVARS_UNSET, .op.handle = policy_lua_var(L, name_at)};
	if (!lua_isnil(L, value)) {
		w.op.kind = TIDEVARS_SET;
		w.op.value.type = tidevars_type(s->policy->engine->vars, w.op.handle);
		to_value(L, name, value, &w.op.value);
	}
	commit(L, name, &w);
}

// ---- tide.set, add, hold, release -----------------------------------------------------------

// The options table at index, if any: ttl, reason, owner. [-0, +n, e] texts stay on the stack
static void
read_options(lua_State *L, int index, struct write *w)
{
	if (lua_isnoneornil(L, index))
		return;
	luaL_checktype(L, index, LUA_TTABLE);
	if (!policy_lua_frozen(L, index))
		lua_pushvalue(L, index);
	index = lua_gettop(L);
	for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
		const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
		if (strcmp(key, "ttl") != 0 && strcmp(key, "reason") != 0 &&
		    strcmp(key, "owner") != 0)
			luaL_error(L, "'%s' is none of ttl, reason and owner", key);
	}
	lua_getfield(L, index, "reason");
	w->reason = lua_isnil(L, -1) ? NULL : luaL_checkstring(L, -1);
	lua_getfield(L, index, "owner");
	w->op.owner = lua_isnil(L, -1) ? NULL : luaL_checkstring(L, -1);
	lua_getfield(L, index, "ttl");
	if (lua_isnil(L, -1))
		return;
	lua_Number ttl = luaL_checknumber(L, -1);
	luaL_argcheck(L, ttl >= 0.001 && ttl <= (lua_Number)POLICY_EVERY_MAX_S, index,
		      "ttl is in seconds, at least 0.001");
	w->op.ttl_ns = (uint64_t)(ttl * (lua_Number)NS_PER_S);
}

// What a test sees of it: one holder; a sum.
static int
try_op(lua_State *L, uint32_t kind)
{
	lua_settop(L, 2);
	if (kind == TIDEVARS_ADD) {
		policy_lua_read_var(L, 1);
		lua_insert(L, 2);
		lua_arith(L, LUA_OPADD);
	} else if (kind != TIDEVARS_SET) {
		lua_pushinteger(L, kind == TIDEVARS_TAKE);
		lua_replace(L, 2);
	}
	write_in_test(L, 1, 2);
	return 0;
}

// tide.NAME(variable, [value,] [options]); upvalue 1 is the kind, 2 whether there is a value.
// [-n, +0, e]
static int
write_op(lua_State *L)
{
	struct policy_state *s = state_of(L);
	uint32_t kind = (uint32_t)lua_tointeger(L, lua_upvalueindex(1));
	bool has_value = lua_toboolean(L, lua_upvalueindex(2));
	const char *name = luaL_checkstring(L, 1);
	policy_lua_need_writer(L);
	if (has_value)
		luaL_checkany(L, 2);
	struct write w = {.op.kind = kind};
	lua_settop(L, has_value ? 3 : 2);
	read_options(L, has_value ? 3 : 2, &w);
	if (s->testing)
		return try_op(L, kind);
	w.op.handle = policy_lua_var(L, 1);
	w.op.value.type = tidevars_type(s->policy->engine->vars, w.op.handle);
	if (has_value)
		to_value(L, name, 2, &w.op.value);
	commit(L, name, &w);
	return 0;
}

void
policy_lua_write_open(lua_State *L)
{
	static const struct {
		const char *name;
		uint32_t kind;
		bool has_value;
	} ops[] = {{"set", TIDEVARS_SET, true},
		   {"add", TIDEVARS_ADD, true},
		   {"hold", TIDEVARS_TAKE, false},
		   {"release", TIDEVARS_RELEASE, false}};
	for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
		lua_pushinteger(L, ops[i].kind);
		lua_pushboolean(L, ops[i].has_value);
		lua_pushcclosure(L, write_op, 2);
		lua_setfield(L, -2, ops[i].name);
	}
}
