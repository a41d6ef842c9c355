// SPDX-License-Identifier: MIT
// What predicates ask of each request, and what it was: a text that the next request has too stands
// in the Lua table behind the name, where the script finds it without a call and without being
// made again. Before each call the host says of each text whether it is still so; one that is not
// is taken out, and the name is asked for as ever. A name whose text changes all the time (a path)
// is let alone for up to ASKED_REST asks. Only predicates of frozen scripts find kept texts: for
// them the request does not change while the call lasts.
#include "policy/lua_priv.h"

#define ASKED_STEADY 8    // requests: so long stood a text that may be kept again soon
#define ASKED_REST   64   // asks
#define ASKED_BYTES  1024 // longer texts are not kept

// The table in which Lua looks before it calls, by what is asked. [-0, +1, -]
static void
push_kept(lua_State *L, uint8_t what)
{
	lua_rawgetp(L, LUA_REGISTRYINDEX,
		    what == POLICY_HEADER ? &policy_key_headers : &policy_key_fields);
}

// [-0, +0, -]
static void
take_out(lua_State *L, struct policy_asked *a, unsigned i)
{
	push_kept(L, a->place[i].what);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_asked);
	lua_rawgeti(L, -1, (lua_Integer)i + 1);
	lua_pushnil(L);
	lua_rawset(L, -4); // the name is there, so that no memory is taken
	lua_pop(L, 2);
	a->kept &= ~(1u << i);
	state_of(L)->inputs++;
}

void
policy_lua_asked_drop(lua_State *L, struct policy_state *s)
{
	while (s->asked.kept != 0)
		take_out(L, &s->asked, (unsigned)__builtin_ctz(s->asked.kept));
}

// What stood often is worth another try soon.
static SELDOM void
let_go(lua_State *L, struct policy_asked *a, unsigned set)
{
	for (; set != 0; set &= set - 1) {
		unsigned i = (unsigned)__builtin_ctz(set);
		bool steady = a->calls - a->place[i].since > ASKED_STEADY;
		a->place[i].rest_next =
		    (uint8_t)(steady ? 1 : MIN(a->place[i].rest_next * 2, ASKED_REST));
		a->place[i].rest = a->place[i].rest_next;
		take_out(L, a, i);
	}
}

void
policy_lua_asked_look(lua_State *L, struct policy_state *s, void *txn)
{
	const struct policy_engine *e = s->policy->engine;
	struct policy_asked *a = &s->asked;
	a->calls++;
	unsigned changed =
	    LIKELY(txn != NULL) ? e->host->changed(e->data, txn, a->answer, a->kept) : a->kept;
	if (UNLIKELY(changed != 0))
		let_go(L, a, changed);
}

// A place for the name at 2, whose bytes the registry then keeps. [-0, +0, m]
static SELDOM void
take_place(lua_State *L, struct policy_asked *a, uint8_t what, int handle)
{
	unsigned i = a->n;
	struct str name;
	name.p = lua_tolstring(L, 2, &name.n);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key_asked);
	lua_pushvalue(L, 2);
	lua_rawseti(L, -2, (lua_Integer)i + 1);
	lua_pop(L, 1);
	a->answer[i] = (struct policy_answer){.name = name, .handle = handle};
	a->place[i].what = what;
	a->place[i].rest_next = 1;
	a->n++;
}

// The text on top is the answer of that place. [-0, +0, m]
static SELDOM void
keep(lua_State *L, struct policy_state *s, unsigned i)
{
	struct policy_asked *a = &s->asked;
	struct str text;
	text.p = lua_tolstring(L, -1, &text.n);
	if (text.n > ASKED_BYTES || s->policy->engine->host->changed == NULL)
		return;
	lua_pushvalue(L, 2);
	lua_pushvalue(L, -2);
	lua_rawset(L, 1);
	a->answer[i].text = text;
	a->place[i].since = a->calls;
	a->kept |= 1u << i;
}

void
policy_lua_asked_keep(lua_State *L, struct policy_state *s, uint8_t what, int handle,
		      const char *name)
{
	struct policy_asked *a = &s->asked;
	unsigned i = 0;
	while (i < a->n && (a->answer[i].name.p != name || a->place[i].what != what))
		i++;
	if (UNLIKELY(i == POLICY_ASKED))
		return;
	if (LIKELY(i < a->n) && a->place[i].rest > 0) {
		a->place[i].rest--;
		return;
	}
	if (i == a->n)
		take_place(L, a, what, handle);
	keep(L, s, i);
}

void
policy_lua_asked_open(lua_State *L)
{
	lua_createtable(L, POLICY_ASKED, 0);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &policy_key_asked);
}
