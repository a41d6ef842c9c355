// SPDX-License-Identifier: MIT
// tide.memo(fn): a function whose verdict stands while every variable it read has the version it
// had, and no deadline of theirs has passed. What it read is noted while it runs. Anything that
// has no version (the request, backends, time, random numbers) is an error inside it; a table
// from outside cannot change (lua_freeze.c), and the function takes no arguments. In self-tests
// nothing is kept: the function runs each time, under the same rules. With `memo-check on` it runs
// each time too, and what it says is compared with the verdict that would have stood.
#include "policy/lua_priv.h"
#include "tidegate/vars.h"

#define MEMO_TYPE  "tide.memo"
#define MEMO_READS 16 // more variables: the verdict is not kept

struct policy_memo {
	bool fresh;                // value, reads and until hold a verdict
	unsigned n;                // reads; MEMO_READS + 1: too many
	uint64_t until_boot_ns;    // the earliest deadline
	uint64_t epoch;            // of the table, when the verdict was last known to stand
	bool counts;               // it read a counter, which changes without a commit
	struct policy_value value; // a string's bytes are kept alive by uservalue 2
	struct {
		uint32_t handle;
		uint64_t version;
	} read[MEMO_READS];
};

// Something was committed since the last look, or a counter counts: is it what this one read? The
// epoch is loaded before the versions, so a commit between the two is looked at the next time.
static bool
versions_stand(struct tidevars *vars, struct policy_memo *m)
{
	uint64_t epoch = tidevars_epoch(vars);
	for (unsigned i = 0; i < m->n; i++)
		if (tidevars_version(vars, m->read[i].handle) != m->read[i].version)
			return false;
	m->epoch = epoch;
	return true;
}

// While nothing at all is written, one load tells so.
static bool
still_fresh(const struct policy_state *s, struct policy_memo *m)
{
	struct tidevars *vars = s->policy->engine->vars;
	if (!m->fresh || s->call->now_boot_ns >= m->until_boot_ns)
		return false;
	if (m->n == 0 || (!m->counts && tidevars_epoch(vars) == m->epoch))
		return true;
	return versions_stand(vars, m);
}

static void
note(struct policy_memo *m, uint32_t handle, uint64_t version, uint64_t until_boot_ns)
{
	m->until_boot_ns = MIN(m->until_boot_ns, until_boot_ns);
	for (unsigned i = 0; i < m->n && i < MEMO_READS; i++) {
		if (m->read[i].handle != handle)
			continue;
		// Read twice with a write between: the verdict is of no single moment.
		if (m->read[i].version != version)
			m->n = MEMO_READS + 1;
		return;
	}
	if (m->n < MEMO_READS) {
		m->read[m->n].handle = handle;
		m->read[m->n].version = version;
	}
	m->n = MIN(m->n + 1, MEMO_READS + 1u);
}

void
policy_lua_memo_note(lua_State *L, uint32_t handle, const struct tidevars_value *v)
{
	struct policy_memo *m = state_of(L)->recording;
	m->counts |= v->type == TIDEVARS_COUNTER;
	note(m, handle, v->version, v->until_boot_ns);
}

void
policy_lua_memo_forbid(lua_State *L, const char *what)
{
	struct policy_state *s = state_of(L);
	s->guard->outside = true;
	if (UNLIKELY(s->recording != NULL))
		luaL_error(L, "a memoised function may read variables only, not %s", what);
}

// The outer function depends on whatever the inner one read. [-0, +0, -]
static void
inherit(struct policy_memo *outer, const struct policy_memo *inner)
{
	outer->counts |= inner->counts;
	outer->epoch = MIN(outer->epoch, inner->epoch);
	if (inner->n > MEMO_READS)
		outer->n = MEMO_READS + 1;
	for (unsigned i = 0; i < inner->n && i < MEMO_READS; i++)
		note(outer, inner->read[i].handle, inner->read[i].version, inner->until_boot_ns);
}

// Whoever explains hears of a verdict that stands what it rests on.
static SELDOM void
tell_reads(const struct policy_state *s, const struct policy_memo *m)
{
	const struct policy_call *call = s->call;
	struct tidevars_value v;
	for (unsigned i = 0; i < m->n; i++)
		if (tidevars_read(s->policy->engine->vars, m->read[i].handle, call->now_boot_ns,
				  &v) == TIDEVARS_OK)
			call->was_read(call->txn, m->read[i].handle, &v);
}

// Runs the function of the memo at `index`; its value is on top. [-0, +1, e]
static void
evaluate(lua_State *L, struct policy_state *s, struct policy_memo *m, int index)
{
	struct policy_memo *outer = s->recording;
	struct tidevars *vars = s->policy->engine->vars;
	m->fresh = false;
	m->n = 0;
	m->counts = false;
	m->until_boot_ns = UINT64_MAX;
	m->epoch = vars != NULL ? tidevars_epoch(vars) : 0;
	policy_lua_forget(L, s); // each reading is to be noted
	s->recording = m;
	lua_getiuservalue(L, index, 1);
	int rc = lua_pcall(L, 0, 1, 0);
	s->recording = outer;
	if (rc != LUA_OK)
		lua_error(L);
	if (!policy_lua_get(L, -1, &m->value))
		luaL_error(L,
			   "a memoised function's verdict is a boolean, number, string or address");
	lua_pushvalue(L, -1);
	lua_setiuservalue(L, index, 2);
	m->fresh = !s->testing && m->n <= MEMO_READS;
}

// ---- memo-check -----------------------------------------------------------------------------

// Runs the function although its verdict stands, and tells when that is another one. The fresh
// value is on top. [-0, +1, e]
static void
check(lua_State *L, struct policy_state *s, struct policy_memo *m)
{
	struct policy_memo kept = *m;
	lua_getiuservalue(L, 1, 2); // keeps the old string's bytes
	evaluate(L, s, m, 1);
	if (!versions_stand(s->policy->engine->vars, &kept))
		return; // a write came meanwhile
	guard_postpone(s->guard);
	policy_verdict_compare(s, &kept.value, &m->value, s->call->now_real_ns);
	guard_resume(s->guard);
}

// The memoised function itself: upvalue 1 is the memo. [-n, +1, e]
static int
memo_call(lua_State *L)
{
	struct policy_state *s = state_of(L);
	struct policy_memo *m = lua_touserdata(L, lua_upvalueindex(1));
	bool hit = still_fresh(s, m);
	s->guard->outside = true; // deadlines and counters are the memo's to look at
	if (UNLIKELY(hit && s->call->was_read != NULL)) {
		guard_postpone(s->guard);
		tell_reads(s, m);
		guard_resume(s->guard);
	}
	lua_settop(L, 0);
	lua_pushvalue(L, lua_upvalueindex(1));
	if (hit && s->policy->memo_check)
		check(L, s, m);
	else if (hit)
		lua_getiuservalue(L, 1, 2);
	else
		evaluate(L, s, m, 1);
	if (s->count != NULL)
		policy_count(hit ? &s->count->memo_hits : &s->count->memo_misses);
	if (s->recording != NULL)
		inherit(s->recording, m);
	return 1;
}

int
policy_lua_memo(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TFUNCTION);
	if (state_of(L)->phase != POLICY_LOADING)
		return luaL_error(L, "tide.memo: only while the script loads");
	struct policy_memo *m = lua_newuserdatauv(L, sizeof(*m), 2);
	*m = (struct policy_memo){0};
	luaL_setmetatable(L, MEMO_TYPE);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, 1);
	lua_pushcclosure(L, memo_call, 1);
	return 1;
}

struct policy_memo *
policy_lua_memo_of(lua_State *L, int index)
{
	if (lua_tocfunction(L, index) != memo_call)
		return NULL;
	lua_getupvalue(L, index, 1);
	struct policy_memo *m = lua_touserdata(L, -1);
	lua_pop(L, 1);
	return m;
}

bool
policy_call_memo(struct policy_state *s, struct policy_memo *m, struct policy_call *call)
{
	if (!still_fresh(s, m) || s->policy->memo_check)
		return false;
	if (UNLIKELY(call->was_read != NULL))
		tell_reads(s, m);
	call->out = m->value;
	return true;
}

void
policy_lua_memo_open(lua_State *L)
{
	luaL_newmetatable(L, MEMO_TYPE);
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_pop(L, 1);
}
