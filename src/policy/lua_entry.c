// SPDX-License-Identifier: MIT
// What a script registers under a name (actions, HAProxy's fetches, converters, services,
// commands): the functions lie in a table of the state, their names in the generation, so that
// the configuration can be checked against them.
#include <string.h>

#include "base/mem.h"
#include "policy/lua_priv.h"
#include "policy/run_priv.h"

#define MAX_ENTRIES 1024

const char *
policy_kind_name(enum policy_kind kind)
{
	static const char *const names[POLICY_N_KINDS] = {
	    [POLICY_PREDICATE] = "function", [POLICY_ACTION] = "action",
	    [POLICY_FETCHER] = "fetch",      [POLICY_CONVERTER] = "converter",
	    [POLICY_SERVICE] = "service",    [POLICY_COMMAND] = "command",
	};
	ASSERT((unsigned)kind < POLICY_N_KINDS);
	return names[kind];
}

// ---- the generation's list --------------------------------------------------------------------

const struct policy_entry *
policy_gen_entry(const struct policy_gen *gen, enum policy_kind kind, struct str name)
{
	for (size_t i = 0; i < gen->n_entries; i++)
		if (gen->entries[i].kind == kind && str_eq(str_from_c(gen->entries[i].name), name))
			return &gen->entries[i];
	return NULL;
}

void
policy_gen_entries_free(struct policy_gen *gen)
{
	for (size_t i = 0; i < gen->n_entries; i++) {
		mem_free(gen->entries[i].name);
		mem_free(gen->entries[i].usage);
	}
	mem_free(gen->entries);
	gen->entries = NULL;
	gen->n_entries = gen->cap_entries = 0;
}

void
policy_gen_entry_usage(struct policy_gen *gen, enum policy_kind kind, const char *name,
		       const char *usage)
{
	for (size_t i = 0; i < gen->n_entries; i++)
		if (gen->entries[i].kind == kind && strcmp(gen->entries[i].name, name) == 0 &&
		    gen->entries[i].usage == NULL)
			gen->entries[i].usage = mem_strdup(usage);
}

static bool
note_entry(struct policy_gen *gen, const struct policy_entry *entry)
{
	if (gen->n_entries == MAX_ENTRIES)
		return false;
	VEC_GROW(gen->entries, gen->cap_entries, gen->n_entries);
	struct policy_entry *e = &gen->entries[gen->n_entries++];
	*e = *entry;
	e->name = mem_strdup(entry->name);
	return true;
}

static const char *
where_name(unsigned where)
{
	switch (where) {
	case POLICY_AT_HTTP_REQUEST:
		return "http-request";
	case POLICY_AT_HTTP_RESPONSE:
		return "http-response";
	case POLICY_AT_HTTP_AFTER:
		return "http-after-response";
	case POLICY_AT_TCP_REQUEST:
		return "tcp-request";
	default:
		return "tcp-response";
	}
}

bool
policy_gen_entry_check(const struct policy_gen *gen, const struct policy_fn *fn, struct err *err)
{
	const char *kind = policy_kind_name(fn->kind);
	const struct policy_entry *e = policy_gen_entry(gen, fn->kind, str_from_c(fn->name));
	if (e == NULL)
		return err_set(err, "%s: %s '%s', which the configuration uses, is not registered",
			       gen->script.where, kind, fn->name);
	for (unsigned bit = 1; bit < POLICY_AT_ANY; bit <<= 1)
		if (fn->where & bit & ~e->where)
			return err_set(err, "%s: %s '%s' is not registered for %s rules",
				       gen->script.where, kind, fn->name, where_name(bit));
	if (fn->kind == POLICY_ACTION && e->n_args >= 0 && (unsigned)e->n_args != fn->n_args)
		return err_set(err, "%s: action '%s' takes %d argument%s, the rule gives %u",
			       gen->script.where, fn->name, e->n_args, e->n_args == 1 ? "" : "s",
			       fn->n_args);
	return true;
}

// ---- the state's table ------------------------------------------------------------------------

// Pushes the table of one kind. [-0, +1, e]
static void
push_kind(lua_State *L, enum policy_kind kind)
{
	lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_entries);
	if (lua_rawgeti(L, -1, (lua_Integer)kind) == LUA_TNIL) {
		lua_pop(L, 1);
		lua_newtable(L);
		lua_pushvalue(L, -1);
		lua_rawseti(L, -3, (lua_Integer)kind);
	}
	lua_remove(L, -2);
}

void
policy_lua_register(lua_State *L, enum policy_kind kind, const char *name, unsigned where,
		    int n_args)
{
	struct policy_state *s = state_of(L);
	const struct policy_entry entry = {kind, (char *)(uintptr_t)name, where, n_args, NULL};
	if (s->phase != POLICY_LOADING)
		policy_lua_fail(L, "%s '%s': functions are registered while the script loads only",
				policy_kind_name(kind), name);
	if (!lua_isfunction(L, -1))
		policy_lua_fail(L, "%s '%s': a function is expected, got a %s",
				policy_kind_name(kind), name, luaL_typename(L, -1));
	push_kind(L, kind);
	if (lua_getfield(L, -1, name) != LUA_TNIL)
		policy_lua_fail(L, "%s '%s' is registered already", policy_kind_name(kind), name);
	lua_pop(L, 1);
	lua_insert(L, -2);
	lua_pushstring(L, name);
	lua_insert(L, -2);
	lua_rawset(L, -3);
	lua_pop(L, 1);
	if (s->gen->entered)
		return;
	guard_postpone(s->guard);
	bool noted = note_entry(s->gen, &entry);
	guard_resume(s->guard);
	if (!noted)
		policy_lua_fail(L, "more than %d registered functions", MAX_ENTRIES);
}

void
policy_lua_push_fn(lua_State *L, const struct policy_fn *fn)
{
	if (fn->kind == POLICY_PREDICATE)
		lua_pushglobaltable(L);
	else
		push_kind(L, fn->kind);
	lua_pushstring(L, fn->name);
	lua_rawget(L, -2);
	lua_remove(L, -2);
	if (lua_isfunction(L, -1))
		return;
	lua_pop(L, 1);
	lua_pushnil(L);
}
