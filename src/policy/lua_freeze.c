// SPDX-License-Identifier: MIT
// Freezing: after a script has loaded, nothing it made can change any more, so that a predicate's
// answer depends on the request and the variables alone.
//
// Everything reachable from the globals is walked once. A table's contents move to a second table
// that scripts never see; the first stays, empty, with a metatable that reads through and refuses
// writes (so `==` holds, and pairs, ipairs, # and table.unpack work; table.insert and sort are
// refused). A metatable the table had keeps working. A function that assigns to a local outside
// itself is refused, found exactly: its bytecode is scanned for the one instruction that does it
// (lua_scan.c); assignments to its own locals by functions inside it are no state. Coroutines and
// iterators made while loading are refused, since they are state too.
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "policy/lua_priv.h"
#include "policy/lua_scan.h"
#include "tidegate/vars.h"

// Stack slots of the walk's frame.
enum { QUEUE = 1, SEEN, FROZEN, SHADOW, ITEM };

bool
policy_lua_frozen(lua_State *L, int index)
{
	index = lua_absindex(L, index);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_frozen);
	lua_pushvalue(L, index);
	bool yes = lua_rawget(L, -2) == LUA_TTABLE;
	lua_remove(L, -2);
	if (!yes)
		lua_pop(L, 1);
	return yes;
}

// Where keys of that type stand is their addresses' doing, and that of others among them.
static inline bool
by_address(int type)
{
	return type != LUA_TSTRING && type != LUA_TNUMBER && type != LUA_TBOOLEAN;
}

int
policy_lua_next(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 2);
	bool frozen = policy_lua_frozen(L, 1);
	if (frozen)
		lua_replace(L, 1);
	if (lua_next(L, 1)) {
		if (!frozen && by_address(lua_type(L, -2)))
			state_of(L)->guard->outside = true;
		return 2;
	}
	lua_pushnil(L);
	return 1;
}

// [-3, +0, e]
static int
frozen_newindex(lua_State *L)
{
	return luaL_error(L, "this table was made while the script loaded and is frozen: "
			     "predicates keep no state; write a variable instead");
}

// [-1, +1, -]
static int
frozen_len(lua_State *L)
{
	if (policy_lua_frozen(L, 1))
		lua_replace(L, 1);
	lua_pushinteger(L, (lua_Integer)lua_rawlen(L, 1));
	return 1;
}

// __index of a frozen table that had an __index function: upvalues contents, function.
// [-2, +1, e]
static int
frozen_index(lua_State *L)
{
	lua_settop(L, 2);
	lua_pushvalue(L, 2);
	if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
		return 1;
	lua_pushvalue(L, lua_upvalueindex(2));
	lua_pushvalue(L, 1);
	lua_pushvalue(L, 2);
	lua_call(L, 2, 1);
	return 1;
}

// Appends the value on top to the walk unless it is there or cannot hold others. [-1, +0, m]
static void
enqueue(lua_State *L)
{
	int type = lua_type(L, -1);
	if (type != LUA_TTABLE && type != LUA_TFUNCTION && type != LUA_TTHREAD &&
	    type != LUA_TUSERDATA) {
		lua_pop(L, 1);
		return;
	}
	lua_pushvalue(L, -1);
	if (lua_rawget(L, SEEN) != LUA_TNIL) {
		lua_pop(L, 2);
		return;
	}
	lua_pop(L, 1);
	lua_pushvalue(L, -1);
	lua_pushboolean(L, 1);
	lua_rawset(L, SEEN);
	lua_rawseti(L, QUEUE, (lua_Integer)lua_rawlen(L, QUEUE) + 1);
}

// ---- tables ---------------------------------------------------------------------------------

// Copies ITEM's fields into the table on top and empties ITEM. [-0, +0, m]
static void
move_contents(lua_State *L)
{
	int contents = lua_gettop(L);
	for (lua_pushnil(L); lua_next(L, ITEM);) {
		lua_pushvalue(L, -2);
		enqueue(L);
		lua_pushvalue(L, -1);
		enqueue(L);
		lua_pushvalue(L, -2);
		lua_insert(L, -2); // key key value
		lua_rawset(L, contents);
	}
	for (lua_pushnil(L); lua_next(L, ITEM);) {
		lua_pop(L, 1);
		lua_pushvalue(L, -1);
		lua_pushnil(L);
		lua_rawset(L, ITEM);
	}
}

static bool
kept_metafield(lua_State *L, int key)
{
	static const char *const replaced[] = {"__index", "__newindex", "__gc", "__mode",
					       "__metatable"};
	if (lua_type(L, key) != LUA_TSTRING)
		return false;
	const char *name = lua_tostring(L, key);
	for (size_t i = 0; i < ARRAY_LEN(replaced); i++)
		if (strcmp(name, replaced[i]) == 0)
			return false;
	return strncmp(name, "__", 2) == 0;
}

// From the metatable the table had (contents at `from`) to the new one on top. [-0, +0, e]
static void
copy_metafields(lua_State *L, int from)
{
	int to = lua_gettop(L);
	for (lua_pushnil(L); lua_next(L, from);) {
		if (!kept_metafield(L, -2)) {
			lua_pop(L, 1);
			continue;
		}
		lua_pushvalue(L, -2);
		lua_insert(L, -2);
		lua_rawset(L, to);
	}
}

// The new metatable's __index: the contents, then what the old __index (on top) says. [-1, +1, e]
static void
make_index(lua_State *L, int contents)
{
	if (lua_isnil(L, -1)) {
		lua_pop(L, 1);
		lua_pushvalue(L, contents);
		return;
	}
	if (lua_isfunction(L, -1)) {
		lua_pushvalue(L, contents);
		lua_insert(L, -2);
		lua_pushcclosure(L, frozen_index, 2);
		return;
	}
	lua_createtable(L, 0, 1);
	lua_insert(L, -2);
	lua_setfield(L, -2, "__index");
	lua_setmetatable(L, contents);
	lua_pushvalue(L, contents);
}

// [-0, +0, e] the fields every frozen table's metatable has, into the table at `mt`
static void
set_frozen_fields(lua_State *L, int mt)
{
	lua_pushcfunction(L, frozen_newindex);
	lua_setfield(L, mt, "__newindex");
	lua_getfield(L, mt, "__len");
	if (lua_isnil(L, -1)) {
		lua_pushcfunction(L, frozen_len);
		lua_setfield(L, mt, "__len");
	}
	lua_pop(L, 1);
}

// [-0, +0, e]
static void
freeze_table(lua_State *L)
{
	lua_newtable(L);
	int contents = lua_gettop(L);
	move_contents(L);
	lua_createtable(L, 0, 4);
	int mt = lua_gettop(L);
	if (lua_getmetatable(L, ITEM)) {
		lua_pushvalue(L, -1);
		enqueue(L);
		int old = lua_gettop(L), fields = old;
		if (policy_lua_frozen(L, old))
			fields = lua_gettop(L);
		lua_pushvalue(L, mt);
		copy_metafields(L, fields);
		lua_pop(L, 1);
		lua_pushliteral(L, "__metatable");
		if (lua_rawget(L, fields) == LUA_TNIL)
			lua_pushvalue(L, old);
		lua_setfield(L, mt, "__metatable");
		lua_pushliteral(L, "__index");
		lua_rawget(L, fields);
	} else {
		lua_pushboolean(L, 0);
		lua_setfield(L, mt, "__metatable");
		lua_pushnil(L);
	}
	make_index(L, contents);
	lua_setfield(L, mt, "__index");
	set_frozen_fields(L, mt);
	lua_pushvalue(L, mt);
	lua_setmetatable(L, ITEM);
	lua_pushvalue(L, ITEM);
	lua_pushvalue(L, contents);
	lua_rawset(L, FROZEN);
	lua_pushvalue(L, contents);
	lua_pushvalue(L, ITEM);
	lua_rawset(L, SHADOW);
}

// ---- functions and the rest -----------------------------------------------------------------

// Upvalue n of the function ITEM is only read, field by field: where it is E, the function may as
// well look into G itself, which saves the detour over E's metatable at every global it reads.
// [-0, +0, m]
static void
shorten_env(lua_State *L, int n)
{
	if (lua_getupvalue(L, ITEM, n) == NULL)
		return;
	lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_env);
	if (lua_rawequal(L, -1, -2)) {
		lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_donor);
		lua_upvaluejoin(L, ITEM, n, -1, 1);
		lua_pop(L, 1);
	}
	lua_pop(L, 2);
}

// Names that a function uses, globals or variables of the shared table, kept aside while stops are
// postponed: nothing may be raised then.
enum use { USE_READ, USE_ASSIGNED, USE_VARIABLE };
struct used_names {
	size_t n;
	struct used_name {
		char name[64];
		int line;
		enum use use;
	} at[64];
};

static void
keep_name(struct used_names *u, struct str name, int line, enum use use)
{
	if (u->n == ARRAY_LEN(u->at) || name.n >= sizeof(u->at[0].name))
		return; // more than anybody uses in one go
	for (size_t i = 0; i < u->n; i++)
		if (u->at[i].line == line && u->at[i].use == use &&
		    str_eq(name, str_from_c(u->at[i].name)))
			return;
	(void)snprintf(u->at[u->n].name, sizeof(u->at[0].name), "%.*s", STR_ARG(name));
	u->at[u->n].use = use;
	u->at[u->n++].line = line;
}

static void
keep_global(void *arg, struct str name, int line)
{
	keep_name(arg, name, line, USE_READ);
}

static void
keep_assigned(void *arg, struct str name, int line)
{
	keep_name(arg, name, line, USE_ASSIGNED);
}

static void
keep_variable(void *arg, struct str name, int line)
{
	keep_name(arg, name, line, USE_VARIABLE);
}

// The upvalue (from 0) of ITEM that is the value on top, which is popped, or -1. [-1, +0, -]
static int
find_upvalue(lua_State *L)
{
	int found = -1;
	for (int i = 1; found < 0 && lua_getupvalue(L, ITEM, i) != NULL; i++) {
		if (lua_rawequal(L, -1, -2))
			found = i - 1;
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	return found;
}

// Pushes `vars`, or nil where the script has made something else of it. [-0, +1, m]
static void
push_vars(lua_State *L)
{
	lua_pushglobaltable(L);
	lua_pushliteral(L, "vars");
	if (lua_rawget(L, -2) != LUA_TUSERDATA) {
		lua_pop(L, 1);
		lua_pushnil(L);
	}
	lua_remove(L, -2);
}

static void
tell_absent(const struct policy_state *s, const char *chunk, int line, const char *text)
{
	const struct policy_engine *e = s->policy->engine;
	guard_postpone(s->guard);
	if (e->host->remark != NULL)
		e->host->remark(e->data, chunk, line, text);
	else
		log_msg(LOG_WARNING, "%s:%d: %s", chunk, line, text);
	guard_resume(s->guard);
}

static bool
is_assigned(const struct used_names *u, const char *name)
{
	for (size_t i = 0; i < u->n; i++)
		if (u->at[i].use == USE_ASSIGNED && strcmp(u->at[i].name, name) == 0)
			return true;
	return false;
}

// Of a global that the function assigns to, where it does. [-0, +0, m]
static bool
global_is_absent(lua_State *L, const struct used_names *u, size_t i, char *text, size_t room)
{
	const char *name = u->at[i].name;
	bool assigns = u->at[i].use == USE_ASSIGNED;
	lua_pushglobaltable(L);
	lua_pushstring(L, name);
	bool absent = lua_rawget(L, -2) == LUA_TNIL;
	lua_pop(L, 2);
	(void)snprintf(text, room,
		       assigns ? "'%s' is assigned here, which fails once the script has loaded: "
				 "globals are frozen then; was 'local' meant?"
			       : "nothing defines '%s', so it is nil here",
		       name);
	return absent && (assigns || !is_assigned(u, name));
}

static bool
variable_is_absent(const struct policy_state *s, const char *name, char *text, size_t room)
{
	struct tidevars_error why;
	uint32_t handle;
	if (s->policy->engine->vars == NULL)
		return false; // tests of a script alone
	guard_postpone(s->guard);
	bool absent = tidevars_find(s->policy->engine->vars, name, strlen(name), &handle, &why) !=
		      TIDEVARS_OK;
	guard_resume(s->guard);
	if (absent)
		(void)snprintf(text, room, "vars.%s: %s; a call that comes here fails", name,
			       why.text);
	return absent;
}

// A global that is not there when the script has loaded never will be: most are misspelt, and what
// is nil makes a predicate fail or say no. A variable may still come, from a program, but rarely
// does. [-0, +0, m]
static void
warn_of_absent(lua_State *L, const struct used_names *u, const char *chunk)
{
	const struct policy_state *s = state_of(L);
	for (size_t i = 0; i < u->n; i++) {
		char text[640];
		bool absent = u->at[i].use == USE_VARIABLE
				  ? variable_is_absent(s, u->at[i].name, text, sizeof(text))
				  : global_is_absent(L, u, i, text, sizeof(text));
		if (absent)
			tell_absent(s, chunk, u->at[i].line, text);
	}
}

// [-0, +0, e]
static void
check_assignments(lua_State *L)
{
	uint8_t uses[LUA_SCAN_UPVALUES] = {0};
	static const char *const writers[] = {"set", "add", "hold", "release", NULL};
	struct guard *g = state_of(L)->guard;
	struct used_names used = {0};
	struct lua_scan_sink sink = {.global = keep_global,
				     .assigned = keep_assigned,
				     .field = keep_variable,
				     .table = STR("vars"),
				     .library = STR("tide"),
				     .functions = writers,
				     .arg = &used};
	lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_env);
	sink.env = find_upvalue(L);
	push_vars(L);
	if (lua_isnil(L, -1))
		sink.field = NULL;
	sink.table_upvalue = find_upvalue(L);
	guard_postpone(g);
	lua_pushvalue(L, ITEM);
	bool understood = lua_scan_upvalues(L, uses, state_of(L)->testing ? &sink : NULL);
	lua_pop(L, 1);
	guard_resume(g);
	lua_Debug ar;
	lua_pushvalue(L, ITEM);
	lua_getinfo(L, ">S", &ar);
	if (!understood)
		luaL_error(L, "%s:%d: bytecode of an unknown layout, or no memory to read it",
			   ar.short_src, ar.linedefined);
	warn_of_absent(L, &used, ar.short_src);
	for (int i = 0; i < LUA_SCAN_UPVALUES; i++) {
		if (uses[i] == 0)
			shorten_env(L, i + 1);
		if (!(uses[i] & LUA_SCAN_ASSIGNED))
			continue;
		const char *name = lua_getupvalue(L, ITEM, i + 1);
		luaL_error(
		    L,
		    "%s:%d: this function assigns to '%s', a local outside it: predicates keep no "
		    "state; write a variable instead",
		    ar.short_src, ar.linedefined, name != NULL && *name ? name : "?");
	}
}

// [-0, +0, e]
static void
walk_function(lua_State *L)
{
	if (!lua_iscfunction(L, ITEM))
		check_assignments(L);
	for (int i = 1; lua_getupvalue(L, ITEM, i) != NULL; i++)
		enqueue(L);
}

// Objects of ours have a metatable and do not change; those of the standard library (an iterator
// of gmatch) have none. [-0, +0, e]
static void
walk_userdata(lua_State *L)
{
	if (!lua_getmetatable(L, ITEM))
		luaL_error(
		    L, "an iterator made while the script loads is kept: predicates keep no state");
	lua_pop(L, 1);
	for (int i = 1; lua_getiuservalue(L, ITEM, i) != LUA_TNONE; i++)
		enqueue(L);
	lua_pop(L, 1);
}

static void
walk_item(lua_State *L)
{
	switch (lua_type(L, ITEM)) {
	case LUA_TTABLE:
		freeze_table(L);
		break;
	case LUA_TFUNCTION:
		walk_function(L);
		break;
	case LUA_TUSERDATA:
		walk_userdata(L);
		break;
	default:
		luaL_error(
		    L, "a coroutine made while the script loads is kept: predicates keep no state");
	}
}

// The values of the table on top, which is popped. [-1, +0, m]
static void
enqueue_values(lua_State *L)
{
	int table = lua_gettop(L);
	for (lua_pushnil(L); lua_next(L, table);)
		enqueue(L);
	lua_settop(L, table - 1);
}

// E reads as G's fields through next and rawget; neither is frozen like other tables. [-0, +0, m]
static void
start_walk(lua_State *L)
{
	lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_env);
	int env = lua_gettop(L);
	lua_pushglobaltable(L);
	int globals = lua_gettop(L);
	for (int i = env; i <= globals; i++) {
		lua_pushvalue(L, i);
		lua_pushboolean(L, 1);
		lua_rawset(L, SEEN);
	}
	lua_pushvalue(L, env);
	lua_pushvalue(L, globals);
	lua_rawset(L, FROZEN);
	lua_pushvalue(L, globals);
	lua_pushvalue(L, env);
	lua_rawset(L, SHADOW);
	for (lua_pushnil(L); lua_next(L, globals);)
		enqueue(L);
	// Nor do timers and actions keep state: theirs would be lost with the generation, and no
	// predicate would see it.
	lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_effects);
	enqueue_values(L);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_entries);
	int kinds = lua_gettop(L);
	for (lua_pushnil(L); lua_next(L, kinds);)
		enqueue_values(L);
	// What the tests' functions hold is theirs; they run in a throw-away state.
	lua_settop(L, SHADOW);
}

// "x":upper() finds the functions without the detour over the emptied table. [-0, +0, m]
static void
shorten_string_methods(lua_State *L)
{
	lua_pushliteral(L, "");
	lua_getmetatable(L, -1);
	lua_getfield(L, -1, "__index");
	if (policy_lua_frozen(L, -1))
		lua_setfield(L, -3, "__index");
	lua_settop(L, SHADOW);
}

// A fresh chunk has the real globals as its upvalue. [-0, +0, e]
static void
make_donor(lua_State *L)
{
	if (luaL_loadbufferx(L, "return x", 8, "=donor", "t") != LUA_OK)
		lua_error(L);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &policy_key_donor);
}

// [-0, +0, e]
static int
freeze(lua_State *L)
{
	lua_settop(L, 0);
	lua_newtable(L);
	lua_newtable(L);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_frozen);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_shadow);
	make_donor(L);
	start_walk(L);
	for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(L, QUEUE); i++) {
		lua_rawgeti(L, QUEUE, i);
		walk_item(L);
		lua_settop(L, SHADOW);
	}
	shorten_string_methods(L);
	return 0;
}

void
policy_lua_freeze(lua_State *L)
{
	lua_pushcfunction(L, freeze);
	lua_call(L, 0, 0);
}

bool
policy_lua_scan_works(lua_State *L)
{
	static const char *const code[] = {
	    "local a; return function() local b; return function() a = 1; b = 2 end end",
	    "local a; return function() local b; return function() b = a.x end end",
	    "local a; return function() return function() a.x = 1 end end",
	    "local a; return function() return function(b) return a.x == a[b] end end",
	    "local a; return function() return function() return a.x end end"};
	static const int wanted[] = {3, 0, 2, 2, 0};
	for (size_t i = 0; i < ARRAY_LEN(code); i++) {
		uint8_t uses[LUA_SCAN_UPVALUES] = {0};
		if (luaL_loadbufferx(L, code[i], strlen(code[i]), "=scan", "t") != LUA_OK)
			return false;
		lua_call(L, 0, 1);
		bool understood = lua_scan_upvalues(L, uses, NULL);
		lua_pop(L, 1);
		int sum = 0;
		for (int k = 0; k < LUA_SCAN_UPVALUES; k++)
			sum += uses[k];
		if (!understood || sum != wanted[i])
			return false;
	}
	return true;
}
