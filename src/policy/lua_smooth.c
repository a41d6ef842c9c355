// SPDX-License-Identifier: MIT
// tide.ewma and tide.hysteresis: what needs a memory of earlier values. Theirs is a variable, named
// when they are made: it outlives the script's generation and the process, anyone can look at it,
// and predicates on every worker read the same verdict.
//
// The smoothed value is an exponentially weighted moving average whose weight follows the time
// since the variable was last written (irregular samples: the old value's weight is
// 2^(-dt / half_life)), so the interval of the timer that feeds it does not matter.
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "policy/lua_priv.h"
#include "tidegate/vars.h"

// ---- what both need -------------------------------------------------------------------------

// A positive number of the options at 1. [-0, +0, e]
static lua_Number
option(lua_State *L, const char *what, const char *name)
{
	int ok;
	lua_getfield(L, 1, name);
	lua_Number x = lua_tonumberx(L, -1, &ok);
	if (!ok)
		luaL_error(L, "%s: %s = NUMBER is missing", what, name);
	lua_pop(L, 1);
	return x;
}

// Pushes the variable's name from the options at 1, which must be known and of one of `types`.
// [-0, +1, e]
static void
push_variable(lua_State *L, const char *what, uint32_t types)
{
	const struct policy_state *s = state_of(L);
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	if (s->phase != POLICY_LOADING)
		luaL_error(L, "%s: only while the script loads", what);
	lua_getfield(L, 1, "var");
	if (lua_type(L, 2) != LUA_TSTRING)
		luaL_error(L, "%s: var = \"NAME\" is missing: the variable that keeps its value",
			   what);
	if (s->policy->engine->vars == NULL)
		return;
	uint32_t type = tidevars_type(s->policy->engine->vars, policy_lua_var(L, 2));
	if ((types & 1u << type) == 0)
		luaL_error(L, "%s: variable '%s' is a %s, which cannot keep its value", what,
			   lua_tostring(L, 2), tidevars_type_name(type));
}

// ---- ewma -----------------------------------------------------------------------------------

// Whether the variable (upvalue 1) has a value of its own, and since when. [-0, +0, e]
static bool
written(lua_State *L, uint64_t *at_boot_ns)
{
	const struct policy_state *s = state_of(L);
	if (!s->testing) {
		struct tidevars_value v;
		uint32_t handle = policy_lua_var(L, lua_upvalueindex(1));
		if (tidevars_read(s->policy->engine->vars, handle, s->call->now_boot_ns, &v) !=
		    TIDEVARS_OK)
			return false;
		*at_boot_ns = v.written_boot_ns;
		return (v.flags & (TIDEVARS_IS_DEFAULT | TIDEVARS_IS_STALE)) == 0;
	}
	lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_written);
	lua_pushvalue(L, lua_upvalueindex(1));
	bool known = lua_rawget(L, -2) == LUA_TNUMBER;
	*at_boot_ns = (uint64_t)lua_tointeger(L, -1);
	lua_pop(L, 2);
	return known;
}

// The function that tide.ewma made: (sample) -> smoothed value. [-1, +1, e]
static int
ewma(lua_State *L)
{
	const struct policy_state *s = state_of(L);
	uint64_t at;
	lua_Number x = luaL_checknumber(L, 1), half_life = lua_tonumber(L, lua_upvalueindex(2));
	policy_lua_need_effect(L, "smooth (tide.ewma)");
	luaL_argcheck(L, isfinite(x), 1, "a finite number expected");
	lua_settop(L, 0);
	if (written(L, &at)) {
		policy_lua_read_var(L, lua_upvalueindex(1));
		lua_Number old = lua_tonumber(L, -1);
		int64_t dt_ns = (int64_t)(s->call->now_boot_ns - at);
		lua_Number dt = dt_ns > 0 ? (lua_Number)dt_ns / (lua_Number)NS_PER_S : 0;
		x += (old - x) * exp2(-dt / half_life);
		lua_settop(L, 0);
	}
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_pushnumber(L, x);
	policy_lua_write_var(L, 1, 2);
	return 1;
}

// tide.ewma { var = NAME, half_life = SECONDS } [-1, +1, e]
int
policy_lua_ewma(lua_State *L)
{
	push_variable(L, "tide.ewma", 1u << TIDEVARS_FLOAT | 1u << TIDEVARS_GAUGE);
	lua_Number half_life = option(L, "tide.ewma", "half_life");
	luaL_argcheck(L, half_life > 0 && isfinite(half_life), 1, "half_life is above 0");
	lua_pushnumber(L, half_life);
	lua_pushcclosure(L, ewma, 2);
	return 1;
}

// ---- hysteresis -----------------------------------------------------------------------------

// The function that tide.hysteresis made: (value) -> whether it is on. Writes when that changes.
// Upvalues: name, up, down. [-1, +1, e]
static int
hysteresis(lua_State *L)
{
	lua_Number x = luaL_checknumber(L, 1);
	policy_lua_need_effect(L, "remember (tide.hysteresis)");
	lua_settop(L, 0);
	policy_lua_read_var(L, lua_upvalueindex(1));
	bool was = lua_isnumber(L, 1) ? lua_tonumber(L, 1) > 0 : lua_toboolean(L, 1);
	bool on = was ? x > lua_tonumber(L, lua_upvalueindex(3))
		      : x >= lua_tonumber(L, lua_upvalueindex(2));
	lua_settop(L, 0);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_pushboolean(L, on);
	if (on != was)
		policy_lua_write_var(L, 1, 2);
	return 1;
}

// tide.hysteresis { var = NAME, up = NUMBER, down = NUMBER } [-1, +1, e]
int
policy_lua_hysteresis(lua_State *L)
{
	push_variable(L, "tide.hysteresis",
		      1u << TIDEVARS_BOOL | 1u << TIDEVARS_INT | 1u << TIDEVARS_HOLD);
	lua_Number up = option(L, "tide.hysteresis", "up");
	lua_Number down = option(L, "tide.hysteresis", "down");
	luaL_argcheck(L, down < up, 1, "down is below up");
	lua_pushnumber(L, up);
	lua_pushnumber(L, down);
	lua_pushcclosure(L, hysteresis, 3);
	return 1;
}
