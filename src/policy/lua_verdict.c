// SPDX-License-Identifier: MIT
// What a predicate said is what it would say again while all that it can have read is the same: a
// frozen script keeps no state, so that its answer depends on what it asks. Texts and readings that
// stay stand in Lua's tables (lua_asked.c, lua_vars.c) and are looked at before each call; the
// state counts how often one had to be taken out. A call that found all there, and did not ask or
// tell anything outside of its state (guard.outside: the host, a variable's table, the time,
// chance, a memo, an address of Lua's), nor was refused memory, leaves a verdict that stands until
// that number moves. So none is kept that reads an address, a cookie or a backend, a path while it
// changes, or a counter. Numbers, booleans and short strings are kept. With `memo-check on` the
// function runs all the same, and what it says is compared; memos (lua_memo.c) are told of here
// too.
#include <stdio.h>

#include "base/log.h"
#include "policy/lua_priv.h"

#define STAND_BYTES 1024 // longer strings are not kept

bool
policy_verdict_stands(const struct policy_state *s, unsigned slot, struct policy_call *call)
{
	const struct policy_stand *v = &s->stands[slot];
	if (v->inputs != s->inputs || call->n_args > 0)
		return false;
	call->out = v->value;
	return true;
}

// ---- memo-check -----------------------------------------------------------------------------

static bool
same(const struct policy_value *a, const struct policy_value *b)
{
	if (a->type != b->type)
		return false;
	switch ((enum policy_type)a->type) {
	case POLICY_T_NIL:
		return true;
	case POLICY_T_BOOL:
		return a->b == b->b;
	case POLICY_T_INT:
		return a->i == b->i;
	case POLICY_T_DOUBLE:
		return memcmp(&a->d, &b->d, sizeof(a->d)) == 0;
	case POLICY_T_STR:
		return str_eq(a->s, b->s);
	case POLICY_T_IP:
		break;
	}
	return a->family == b->family && memcmp(a->ip, b->ip, a->family == 6 ? 16 : 4) == 0;
}

static void
print(const struct policy_value *v, char *buf, size_t room)
{
	switch ((enum policy_type)v->type) {
	case POLICY_T_NIL:
		(void)snprintf(buf, room, "nil");
		return;
	case POLICY_T_BOOL:
		(void)snprintf(buf, room, "%s", v->b ? "true" : "false");
		return;
	case POLICY_T_INT:
		(void)snprintf(buf, room, "%lld", (long long)v->i);
		return;
	case POLICY_T_DOUBLE:
		(void)snprintf(buf, room, "%.14g", v->d);
		return;
	case POLICY_T_STR:
		(void)snprintf(buf, room, "%.*s", STR_ARG(v->s)); // cut where too long
		return;
	case POLICY_T_IP:
		policy_ip_print(v, buf, room);
	}
}

void
policy_verdict_compare(struct policy_state *s, const struct policy_value *before,
		       const struct policy_value *now, uint64_t now_real_ns)
{
	char was[81], is[81];
	atomic_fetch_add_explicit(&s->policy->memo_checks, 1, memory_order_relaxed);
	if (now != NULL && same(before, now))
		return;
	atomic_fetch_add_explicit(&s->policy->memo_wrong, 1, memory_order_relaxed);
	if (s->worker != NULL && !log_rate_ok(&s->worker->log_rate, now_real_ns, 20))
		return;
	print(before, was, sizeof(was));
	if (now != NULL)
		print(now, is, sizeof(is));
	log_line(LOG_WARNING,
		 "policy %s: memo-check: %s said %s and %s%s now, although nothing it read has "
		 "changed",
		 s->policy->name, s->fn != NULL ? s->fn->name : "a memo", was,
		 now != NULL ? "says " : "fails", now != NULL ? is : "");
}

void
policy_verdict_failed(struct policy_state *s, unsigned slot, const struct policy_call *call)
{
	policy_verdict_compare(s, &s->stands[slot].value, NULL, call->now_real_ns);
	s->stands[slot].inputs = 0;
}

// ---- keeping --------------------------------------------------------------------------------

void
policy_verdict_keep(struct policy_state *s, unsigned slot, const struct policy_call *call,
		    bool stood)
{
	struct policy_stand *v = &s->stands[slot];
	if (s->phase != POLICY_FROZEN || call->n_args > 0)
		return;
	if (UNLIKELY(stood) && v->inputs == s->inputs)
		policy_verdict_compare(s, &v->value, &call->out, call->now_real_ns);
	v->inputs = 0;
	bool refused = s->region.failures != s->failures_seen;
	s->failures_seen = s->region.failures;
	if (s->guard->outside || refused)
		return;
	v->value = call->out;
	if (v->value.type == POLICY_T_STR) {
		if (v->value.s.n > STAND_BYTES)
			return;
		lua_copy(s->L, -1, FN_INDEX + (int)s->policy->n_fns + (int)slot);
		v->value.s.p = lua_tolstring(s->L, -1, NULL);
	}
	v->inputs = s->inputs;
}
