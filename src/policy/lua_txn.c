// SPDX-License-Identifier: MIT
// `txn`, the request: names that the host answers. Objects are made once per state; a field is
// fetched when it is read. What is the same for every request (the parts, methods) stands in a
// table behind the live one, where Lua finds it without a call. lua_test_txn.c makes those of
// self-tests.
#include <string.h>

#include "policy/lua_priv.h"

#define TXN_TYPE "tide.txn" // of a self-test's; the live one has a metatable of its own

#define LIVE_HEADERS "tide.headers of the request"

// What a name of txn is: kept in txn_names as kind << 24 | handle.
enum { IS_FIELD, IS_PART, IS_GET_VAR, IS_EDIT };

// Uservalues of a txn object: its parts, then LUA_TXN_TABLE.
enum { UV_HEADERS = 1, UV_COOKIES, UV_F, UV_SF, UV_C, UV_SC, UV_N = LUA_TXN_TABLE };
_Static_assert(UV_SC < LUA_TXN_TABLE, "a part would be in the table's place");

// headers, cookies, f, sf, c, sc: each knows its request (and keeps it, as uservalue 1).
struct part {
	struct lua_txn *txn;
	uint8_t what;    // enum policy_what
	uint8_t uv;      // which part it is
	bool or_nothing; // sf, sc: "" instead of nil
};

static const struct {
	const char *name, *type;
	uint8_t uv, what;
	bool or_nothing;
} parts[] = {
    {"headers", "tide.headers", UV_HEADERS, POLICY_HEADER, false}, // the live one: LIVE_HEADERS
    {"cookies", "tide.cookies", UV_COOKIES, POLICY_COOKIE, false},
    {"f", "tide.fetches", UV_F, POLICY_FETCH, false},
    {"sf", "tide.fetches", UV_SF, POLICY_FETCH, true},
    {"c", "tide.converters", UV_C, POLICY_CONV, false},
    {"sc", "tide.converters", UV_SC, POLICY_CONV, true},
};

// ---- asking the host ------------------------------------------------------------------------

int
policy_lua_resolve(lua_State *L, enum policy_what what, struct str name)
{
	struct policy_state *s = state_of(L);
	const struct policy_engine *e = s->policy->engine;
	struct err err = {0};
	if (e->host->resolve == NULL)
		return policy_lua_fail(L, "'%s' is not available here", name.p);
	guard_postpone(s->guard);
	int handle = e->host->resolve(e->data, what, name, &err);
	guard_resume(s->guard);
	if (handle < 0)
		return policy_lua_fail(L, "%s", err.text);
	return handle;
}

// Pushes the answer; whether it is a text. [-0, +1, e]
static ALWAYS_INLINE bool
ask(lua_State *L, struct policy_state *s, void *txn, int handle, const struct policy_value *args,
    unsigned n)
{
	const struct policy_engine *e = s->policy->engine;
	struct policy_value out = {0};
	struct err err;
	err.text[0] = '\0';
	guard_postpone(s->guard);
	bool ok = e->host->call(e->data, txn, handle, args, n, &out, &err);
	guard_resume(s->guard);
	if (UNLIKELY(!ok))
		policy_lua_fail(L, "%s", err.text);
	bool text = LIKELY(out.type == POLICY_T_STR);
	if (text)
		lua_pushlstring(L, out.s.p, out.s.n);
	else
		policy_lua_push(L, &out);
	return text;
}

int
policy_lua_ask(lua_State *L, void *txn, int handle, const struct policy_value *args, unsigned n)
{
	(void)ask(L, state_of(L), txn, handle, args, n);
	return 1;
}

struct lua_txn *
policy_lua_txn_at(lua_State *L, int index)
{
	struct lua_txn *live = state_of(L)->txn;
	return live != NULL && lua_touserdata(L, index) == live
		   ? live
		   : luaL_testudata(L, index, TXN_TYPE);
}

// The live request outside its call (kept by a coroutine, say) is no request.
void *
policy_lua_host_txn(lua_State *L, const struct lua_txn *t)
{
	if (t->live && UNLIKELY(t->host_txn == NULL))
		policy_lua_fail(L, "there is no request in this call");
	return t->host_txn;
}

// Behind a text for the live request's __index: where predicates run, and can change nothing.
// [-0, +0, m]
static inline void
may_keep(lua_State *L, struct policy_state *s, enum policy_what what, int handle, const char *name)
{
	if (LIKELY(s->phase == POLICY_FROZEN && s->run == NULL))
		policy_lua_asked_keep(L, s, (uint8_t)what, handle, name);
}

// ---- txn ------------------------------------------------------------------------------------

// txn:get_var(name) [-2, +1, e]
static int
txn_get_var(lua_State *L)
{
	struct lua_txn *t = policy_lua_txn_at(L, 1);
	struct policy_value arg = {.type = POLICY_T_STR};
	if (t == NULL)
		return luaL_error(L, "call it with a colon: txn:get_var(...)");
	arg.s.p = luaL_checklstring(L, 2, &arg.s.n);
	policy_lua_memo_forbid(L, "the request");
	if (t->test && t->host_txn == NULL)
		return luaL_error(L, "txn:get_var is not available in this test");
	void *txn = policy_lua_host_txn(L, t);
	return policy_lua_ask(L, txn, policy_lua_resolve(L, POLICY_VAR, STR("")), &arg, 1);
}

// [-0, +0, e]
static uint32_t
classify(lua_State *L, const struct lua_txn *t)
{
	size_t n;
	const char *name = lua_tolstring(L, 2, &n);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (strcmp(name, parts[i].name) == 0)
			return IS_PART << 24 | parts[i].uv;
	if (strcmp(name, "get_var") == 0)
		return IS_GET_VAR << 24;
	int edit = policy_lua_find_edit(name);
	if (edit >= 0)
		return IS_EDIT << 24 | (uint32_t)edit;
	if (t->test && t->host_txn == NULL)
		return IS_FIELD << 24;
	return IS_FIELD << 24 | (uint32_t)policy_lua_resolve(L, POLICY_FIELD, str_of(name, n));
}

// What is the same for every request, for the object at 1. [-0, +1, e]
static int
push_method(lua_State *L, uint32_t what)
{
	if (what >> 24 == IS_PART) {
		lua_getiuservalue(L, 1, (int)(what & 0xff));
		return 1;
	}
	if (what >> 24 == IS_EDIT)
		return policy_lua_push_edit(L, (int)(what & 0xff));
	lua_pushcfunction(L, txn_get_var);
	return 1;
}

// The name at 2. A number becomes a string here; it is no name, and not found. [-0, +0, e]
static const char *
name_asked(lua_State *L)
{
	const char *name = lua_tostring(L, 2);
	if (UNLIKELY(name == NULL))
		luaL_error(L, "txn[...]: a field's name is a string");
	return name;
}

// A self-test's. [-2, +1, e]
static int
test_index(lua_State *L)
{
	struct lua_txn *t = lua_touserdata(L, 1);
	const char *name = name_asked(L);
	uint32_t what = classify(L, t);
	if (what >> 24 != IS_FIELD)
		return push_method(L, what);
	policy_lua_memo_forbid(L, "the request");
	if (t->host_txn == NULL)
		return policy_lua_test_field(L, 1, name);
	return policy_lua_ask(L, t->host_txn, (int)(what & 0xffffff), NULL, 0);
}

// A name that the live object was not asked for before: a method goes into the table of them at 1,
// and is pushed; a field is remembered. [-0, +(0|1), e]
static SELDOM uint32_t
learn(lua_State *L, struct policy_state *s)
{
	uint32_t what = classify(L, s->txn);
	if (what >> 24 == IS_FIELD) {
		policy_name_put(L, &s->txn_names, 2, what);
		return what;
	}
	lua_pushvalue(L, 2);
	push_method(L, what);
	lua_rawset(L, 1);
	push_method(L, what);
	return what;
}

// The live one's, when the table of its methods, at 1, has no such name. [-2, +1, e]
static int
live_index(lua_State *L)
{
	struct policy_state *s = state_of(L);
	const char *name = name_asked(L);
	int64_t known = policy_name_get(&s->txn_names, name);
	uint32_t what = LIKELY(known >= 0) ? (uint32_t)known : learn(L, s);
	if (UNLIKELY(what >> 24 != IS_FIELD))
		return 1;
	policy_lua_memo_forbid(L, "the request");
	int handle = (int)(what & 0xffffff);
	if (ask(L, s, policy_lua_host_txn(L, s->txn), handle, NULL, 0))
		may_keep(L, s, POLICY_FIELD, handle, name);
	return 1;
}

// ---- headers, cookies -----------------------------------------------------------------------

// The handle of the header whose name is at 2 is asked for once. So many names are kept that a
// script's own find room, and not those that it makes up. [-0, +0, e]
static SELDOM int
learn_header(lua_State *L, struct policy_state *s, struct str name)
{
	int handle = policy_lua_resolve(L, POLICY_HEADER, name);
	if (s->header_names.n_kept < POLICY_NAME_SLOTS / 2)
		policy_name_put(L, &s->header_names, 2, (uint32_t)handle);
	return handle;
}

// The name at 2. [-0, +0, e]
static inline struct policy_value
entry_name(lua_State *L)
{
	struct policy_value name = {.type = POLICY_T_STR};
	name.s.p = lua_tolstring(L, 2, &name.s.n);
	if (UNLIKELY(name.s.p == NULL))
		luaL_typeerror(L, 2, "string");
	policy_lua_memo_forbid(L, "the request");
	return name;
}

// headers[x] of the live request. [-2, +1, e]
static int
live_header(lua_State *L)
{
	struct policy_state *s = state_of(L);
	struct policy_value name = entry_name(L);
	void *txn = policy_lua_host_txn(L, s->txn);
	int64_t known = policy_name_get(&s->header_names, name.s.p);
	int handle = LIKELY(known >= 0) ? (int)known : learn_header(L, s, name.s);
	if (ask(L, s, txn, handle, &name, 1))
		may_keep(L, s, POLICY_HEADER, handle, name.s.p);
	return 1;
}

// Cookies, and a self-test's headers. [-2, +1, e]
static int
entry_index(lua_State *L)
{
	struct policy_state *s = state_of(L);
	struct part *p = lua_touserdata(L, 1);
	struct policy_value name = entry_name(L);
	if (p->txn->test && p->txn->host_txn == NULL) {
		bool headers = p->what == POLICY_HEADER;
		lua_getiuservalue(L, 1, 1);
		return policy_lua_test_entry(L, -1, headers ? "headers" : "cookies", name.s,
					     headers);
	}
	void *txn = policy_lua_host_txn(L, p->txn);
	if (p->what == POLICY_HEADER)
		return policy_lua_ask(L, txn, policy_lua_resolve(L, p->what, name.s), &name, 1);
	if (UNLIKELY(s->cookie_handle < 0))
		s->cookie_handle = policy_lua_resolve(L, p->what, STR(""));
	return policy_lua_ask(L, txn, s->cookie_handle, &name, 1);
}

// ---- f, sf, c, sc ---------------------------------------------------------------------------

// What sf and sc give: HAProxy's text of the value on top. [-1, +1, e]
static void
as_text(lua_State *L)
{
	if (lua_isnil(L, -1))
		lua_pushliteral(L, "");
	else if (lua_isboolean(L, -1))
		lua_pushstring(L, lua_toboolean(L, -1) ? "1" : "0");
	else
		(void)luaL_tolstring(L, -1, NULL);
	lua_replace(L, -2);
}

// A fetch or converter as a method: upvalue 1 its handle. [-n, +1, e]
static int
call_method(lua_State *L)
{
	struct part *p = lua_touserdata(L, 1);
	int n = lua_gettop(L) - 1;
	struct policy_value args[POLICY_MAX_ARGS];
	if (lua_type(L, 1) != LUA_TUSERDATA)
		return luaL_error(L, "call it with a colon: txn.f:name(...)");
	luaL_argcheck(L, n <= POLICY_MAX_ARGS, 1, "too many arguments");
	policy_lua_memo_forbid(L, "the request");
	for (int i = 0; i < n; i++)
		if (!policy_lua_get(L, i + 2, &args[i]))
			return luaL_argerror(L, i + 2,
					     "boolean, number, string or address expected");
	policy_lua_ask(L, policy_lua_host_txn(L, p->txn),
		       (int)lua_tointeger(L, lua_upvalueindex(1)), args, (unsigned)n);
	if (p->or_nothing)
		as_text(L);
	return 1;
}

// Methods are made at first use and kept in the part's second uservalue. [-2, +1, e]
static int
method_index(lua_State *L)
{
	struct part *p = lua_touserdata(L, 1);
	size_t n;
	const char *name = luaL_checklstring(L, 2, &n);
	lua_getiuservalue(L, 1, 2);
	lua_pushvalue(L, 2);
	if (lua_rawget(L, 3) != LUA_TNIL)
		return 1;
	if (p->txn->test && p->txn->host_txn == NULL)
		return luaL_error(L, "'%s': fetches and converters are not available in this test",
				  name);
	lua_pushinteger(L, policy_lua_resolve(L, p->what, str_of(name, n)));
	lua_pushcclosure(L, call_method, 1);
	lua_pushvalue(L, 2);
	lua_pushvalue(L, -2);
	lua_rawset(L, 3);
	return 1;
}

// ---- making them ----------------------------------------------------------------------------

// [-3, +0, e]
static int
no_newindex(lua_State *L)
{
	return luaL_error(L, "predicates do not change the request");
}

// Of the metatable on top, whose __index is at top - 1 and goes. [-1, +0, m]
static void
fill_type(lua_State *L)
{
	lua_insert(L, -2);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, no_newindex);
	lua_setfield(L, -2, "__newindex");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
}

// A type whose __index is on top. [-1, +0, m]
static void
new_type_of(lua_State *L, const char *name)
{
	luaL_newmetatable(L, name);
	fill_type(L);
	lua_pop(L, 1);
}

static void
new_type(lua_State *L, const char *name, lua_CFunction index)
{
	lua_pushcfunction(L, index);
	new_type_of(L, name);
}

// What the table on top, from now on known to the registry, does not have is asked for.
// [-0, +0, m]
static void
set_behind(lua_State *L, lua_CFunction index, const char *key)
{
	lua_createtable(L, 0, 1);
	lua_pushcfunction(L, index);
	lua_setfield(L, -2, "__index");
	lua_setmetatable(L, -2);
	lua_pushvalue(L, -1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

// The metatable of the live object at `index`, which has its parts, for itself alone: __index is
// the table of its methods, and that one's __index a function. [-0, +0, m]
static void
set_live_type(lua_State *L, int index)
{
	lua_newtable(L);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		lua_getiuservalue(L, index, parts[i].uv);
		lua_setfield(L, -2, parts[i].name);
	}
	set_behind(L, live_index, &policy_key_fields);
	lua_createtable(L, 0, 4);
	fill_type(L);
	lua_pushliteral(L, TXN_TYPE);
	lua_setfield(L, -2, "__name");
	lua_setmetatable(L, index);
}

struct lua_txn *
policy_lua_txn_new(lua_State *L, bool live)
{
	struct lua_txn *t = lua_newuserdatauv(L, sizeof(*t), UV_N);
	int index = lua_gettop(L);
	*t = (struct lua_txn){.live = live};
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		struct part *p = lua_newuserdatauv(L, sizeof(*p), 2);
		*p = (struct part){.txn = t,
				   .what = parts[i].what,
				   .uv = parts[i].uv,
				   .or_nothing = parts[i].or_nothing};
		luaL_setmetatable(L, live && i == 0 ? LIVE_HEADERS : parts[i].type);
		lua_pushvalue(L, index);
		lua_setiuservalue(L, -2, 1);
		lua_newtable(L);
		lua_setiuservalue(L, -2, 2);
		lua_setiuservalue(L, index, parts[i].uv);
	}
	if (live)
		set_live_type(L, index);
	else
		luaL_setmetatable(L, TXN_TYPE);
	return t;
}

void
policy_lua_txn_open(lua_State *L)
{
	policy_lua_asked_open(L);
	new_type(L, TXN_TYPE, test_index);
	new_type(L, "tide.headers", entry_index);
	lua_newtable(L);
	set_behind(L, live_header, &policy_key_headers);
	new_type_of(L, LIVE_HEADERS);
	new_type(L, "tide.cookies", entry_index);
	new_type(L, "tide.fetches", method_index);
	new_type(L, "tide.converters", method_index);
}
