// SPDX-License-Identifier: MIT
// every(seconds, fn) and on_change(name, fn) as scripts call them while they load, and the call of
// such a function later. Every state notes the functions, so that the freeze walks over them; the
// generation's own state on the keeper also makes a list of what to run when.
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "policy/effects.h"
#include "policy/lua_priv.h"
#include "policy/run_priv.h"

// ---- while the script loads -----------------------------------------------------------------

// "file:line" of the script's line that runs. [-0, +0, e]
static void
where_now(lua_State *L, char *buf, size_t room)
{
	lua_Debug ar;
	buf[0] = '\0';
	if (lua_getstack(L, 1, &ar) != 0 && lua_getinfo(L, "Sl", &ar) != 0)
		(void)snprintf(buf, room, "%s:%d", ar.short_src, ar.currentline);
}

// Keeps the function at index 2; the list gets *x when this state serves the effects. [-0, +0, e]
static void
add_effect(lua_State *L, struct policy_effect *x)
{
	struct policy_state *s = state_of(L);
	struct policy_effects *fx = s->effects;
	if (s->n_effects == POLICY_MAX_EFFECTS)
		luaL_error(L, "more than %d calls of every and on_change", POLICY_MAX_EFFECTS);
	s->n_effects++;
	lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_effects);
	lua_pushvalue(L, 2);
	lua_rawseti(L, -2, (lua_Integer)s->n_effects);
	lua_pop(L, 1);
	if (fx == NULL)
		return;
	if (fx->complete) {
		if (s->n_effects > fx->n || fx->item[s->n_effects - 1]->kind != x->kind)
			luaL_error(L, "the script asks for other effects than when it was loaded");
		return;
	}
	where_now(L, x->where, sizeof(x->where));
	guard_postpone(s->guard);
	VEC_GROW(fx->item, fx->cap, fx->n);
	fx->item[fx->n] = mem_aligned(alignof(struct policy_effect), sizeof(*x));
	*fx->item[fx->n++] = *x;
	guard_resume(s->guard);
}

static void
check_loading(lua_State *L, const char *name)
{
	if (state_of(L)->phase != POLICY_LOADING)
		luaL_error(L, "%s: only while the script loads", name);
	luaL_checktype(L, 2, LUA_TFUNCTION);
	lua_settop(L, 2);
}

// [-2, +0, e]
int
policy_lua_every(lua_State *L)
{
	struct policy_effect x = {.kind = POLICY_EVERY};
	lua_Number seconds = luaL_checknumber(L, 1);
	check_loading(L, "every");
	luaL_argcheck(L,
		      seconds * (lua_Number)NS_PER_S >= (lua_Number)POLICY_EVERY_MIN_NS &&
			  seconds <= (lua_Number)POLICY_EVERY_MAX_S,
		      1, "seconds expected, 0.01 to 31622400");
	x.every_ns = (uint64_t)(seconds * (lua_Number)NS_PER_S);
	(void)snprintf(x.name, sizeof(x.name), "every %.6gs", seconds);
	add_effect(L, &x);
	return 0;
}

// [-2, +0, e]
int
policy_lua_on_change(lua_State *L)
{
	struct policy_effect x = {.kind = POLICY_ON_CHANGE};
	const char *name = luaL_checkstring(L, 1);
	check_loading(L, "on_change");
	// Self-tests without a table (`tidegate test`) only see that there is a name.
	if (state_of(L)->policy->engine->vars != NULL)
		x.handle = policy_lua_var(L, 1);
	(void)snprintf(x.name, sizeof(x.name), "on_change %.*s", TIDEVARS_NAME_MAX, name);
	add_effect(L, &x);
	return 0;
}

// ---- calls ----------------------------------------------------------------------------------

void
policy_lua_need_effect(lua_State *L, const char *what)
{
	const struct policy_state *s = state_of(L);
	if (s->effect == NULL && !s->trying)
		luaL_error(L,
			   "%s do not %s; functions given to every or on_change do (in a "
			   "self-test: t.run)",
			   policy_lua_in_action(s) ? "actions" : "predicates", what);
}

void
policy_lua_need_writer(lua_State *L)
{
	if (!policy_lua_in_action(state_of(L)))
		policy_lua_need_effect(L, "write variables");
}

const char *
policy_lua_effect_where(const struct policy_state *s)
{
	if (s->effect != NULL)
		return s->effect->where;
	return s->run != NULL && s->run->fn != NULL ? s->run->fn->name : "";
}

struct effect_call {
	size_t i;
	const struct tidevars_value *now, *before;
};

// Its light userdata argument says what to call. [-1, +0, e]
static int
call_effect(lua_State *L)
{
	const struct effect_call *c = lua_touserdata(L, 1);
	const struct policy_state *s = state_of(L);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_effects);
	lua_rawgeti(L, -1, (lua_Integer)c->i + 1);
	if (c->now == NULL) {
		lua_call(L, 0, 0);
		return 0;
	}
	policy_lua_push_reading(L, c->now);
	policy_lua_push_reading(L, c->before);
	lua_pushstring(L, tidevars_name(s->policy->engine->vars, s->effect->handle));
	lua_call(L, 3, 0);
	return 0;
}

enum policy_error
policy_state_effect(struct policy_state *s, size_t i, const struct tidevars_value *now,
		    uint64_t budget_ns)
{
	struct policy_effect *x = s->effects->item[i];
	const struct tidevars_value before = x->last;
	struct effect_call c = {i, now, &before};
	// A write that comes while the function runs is the next change.
	if (now != NULL)
		x->last = *now;
	s->call = &s->idle;
	s->recording = NULL;
	policy_lua_forget(s->L, s);
	s->effect = x;
	s->waited = false;
	lua_pushcfunction(s->L, call_effect);
	lua_pushlightuserdata(s->L, &c);
	enum guard_end end = guard_pcall(s->guard, s->L, 1, 0, budget_ns);
	s->effect = NULL;
	if (end == GUARD_OK)
		return POLICY_E_NONE;
	enum policy_error e = policy_state_error(s, s->L, end);
	if (end == GUARD_DEAD)
		policy_state_clear(s);
	else
		lua_pop(s->L, 1);
	return e;
}

// t.run(fn, ...): calls it with an effect's rights; what it writes goes to t.vars. [-n, +r, e]
int
policy_lua_test_run(lua_State *L)
{
	struct policy_state *s = state_of(L);
	luaL_checktype(L, 1, LUA_TFUNCTION);
	if (s->trying)
		return luaL_error(L, "t.run: it runs already");
	s->trying = true;
	int rc = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
	s->trying = false;
	return rc == LUA_OK ? lua_gettop(L) : lua_error(L);
}
