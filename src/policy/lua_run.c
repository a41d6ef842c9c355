// SPDX-License-Identifier: MIT
// Calls that may wait: each runs in a coroutine, stretch by stretch. Waiting is a yield of that
// coroutine, with the time to wake up at left in the run; the host's timer then asks for the next
// stretch. A state knows the runs that wait in it, so that none outlives it.
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "policy/lua_priv.h"
#include "policy/run_priv.h"

#define SLICE_INSTRUCTIONS 10000 // HAProxy's tune.lua.forced-yield

// ---- inside Lua -------------------------------------------------------------------------------

int
policy_lua_wait(lua_State *L, uint64_t ns)
{
	struct policy_state *s = state_of(L);
	struct policy_run *run = s->run;
	if (run == NULL || !run->may_wait || s->policy->engine->host->wake_at == NULL)
		return policy_lua_fail(L, "waiting is not possible here: fetches, converters and "
					  "predicates answer at once, and rules on content wait "
					  "no longer than their inspect-delay");
	if (L != run->co)
		return policy_lua_fail(L, "waiting inside a coroutine of the script's own");
	run->wake_ns = clock_mono_ns() + ns;
	return lua_yield(L, 0);
}

// A long stretch gives way to the worker's other work and goes on in the next turn.
// [-0, +0, v]
static void
slice_hook(lua_State *L, lua_Debug *ar)
{
	(void)ar;
	const struct policy_run *run = state_of(L)->run;
	if (run != NULL && L == run->co && lua_isyieldable(L))
		(void)lua_yield(L, 0);
}

// Behind the function's return. [-n, +1, -]
static int
returned(lua_State *L, int status, lua_KContext context)
{
	(void)L;
	(void)status;
	(void)context;
	return 1;
}

// The first thing in the coroutine, given the function and its first arguments; the call's own
// follow. [-n, +1, e]
int
policy_lua_run_main(lua_State *L)
{
	struct policy_state *s = state_of(L);
	const struct policy_call *call = s->call;
	luaL_checkstack(L, (int)call->n_args + 2, NULL);
	for (unsigned i = 0; i < call->n_args; i++)
		policy_lua_push(L, &call->args[i]);
	lua_callk(L, lua_gettop(L) - 1, 1, 0, returned);
	return returned(L, LUA_OK, 0);
}

// A coroutine that the registry holds, and its place there. [-0, +1, m]
static int
make_thread(lua_State *L)
{
	(void)lua_newthread(L);
	lua_pushinteger(L, luaL_ref(L, LUA_REGISTRYINDEX));
	return 1;
}

// ---- coroutines -------------------------------------------------------------------------------

static bool
take_thread(struct policy_state *s, struct policy_run *run)
{
	run->ref = s->spare_ref;
	s->spare_ref = 0;
	if (run->ref == 0) {
		lua_pushcfunction(s->L, make_thread);
		if (!policy_state_protected(s, 0, 1, s->policy->budget_ns)) {
			if (s->L == NULL)
				policy_state_send_rebuild(s);
			return false;
		}
		run->ref = (int)lua_tointeger(s->L, -1);
		lua_pop(s->L, 1);
	}
	lua_rawgeti(s->L, LUA_REGISTRYINDEX, run->ref);
	run->co = lua_tothread(s->L, -1);
	lua_pop(s->L, 1);
	return true;
}

// Gives the coroutine back: one that came to its end serves again, else it is left to the
// collector. Neither can fail: the registry's slots are there.
static void
give_thread(struct policy_state *s, struct policy_run *run, bool ended)
{
	if (ended && s->spare_ref == 0) {
		lua_settop(run->co, 0);
		s->spare_ref = run->ref;
	} else {
		luaL_unref(s->L, LUA_REGISTRYINDEX, run->ref);
	}
	run->co = NULL;
	run->ref = 0;
}

// ---- stretches --------------------------------------------------------------------------------

static void
unlink_run(struct policy_run *run)
{
	const struct policy_engine *e = run->state->policy->engine;
	list_remove(&run->link);
	run->state = NULL;
	if (e->host->run_over != NULL)
		e->host->run_over(e->data, run);
}

static void
set_timer(const struct policy_engine *e, struct policy_run *run, uint64_t mono_ns)
{
	if (e->host->wake_at != NULL)
		e->host->wake_at(e->data, run, mono_ns);
}

static enum policy_error
waits(struct policy_worker *w, struct policy_run *run, struct policy_state *s)
{
	if (run->may_wait && (run->wake_ns == 0 || run->poked))
		run->wake_ns = clock_mono_ns();
	if (run->wake_ns == 0) {
		(void)snprintf(s->error, sizeof(s->error), "it yielded where it cannot wait");
		return POLICY_E_RUNTIME;
	}
	if (run->limit_ns > 0 && run->spent_ns >= run->limit_ns) {
		(void)snprintf(s->error, sizeof(s->error),
			       "execution time-out: %llu ms were spent between its waits",
			       (unsigned long long)(run->spent_ns / NS_PER_MS));
		return POLICY_E_BUDGET;
	}
	set_timer(w->engine, run, run->wake_ns);
	return POLICY_E_NONE;
}

// `core.done` and its kin end the function by this error, which is none.
static bool
is_done(lua_State *co)
{
	return lua_touserdata(co, -1) == &policy_key_done;
}

// One stretch. *over: the function came to its end, with the error returned or a value.
static enum policy_error
stretch(struct policy_worker *w, struct policy_run *run, int n_args, struct policy_call *call,
	bool *over)
{
	struct policy_state *s = run->state;
	bool yielded;
	int n_results;
	uint64_t started = clock_mono_ns();
	s->call = call;
	s->run = w->run = run;
	s->recording = NULL;
	policy_lua_forget(s->L, s);
	s->txn->host_txn = call->txn;
	s->done_code = -1;
	run->wake_ns = 0;
	if (run->sliced)
		lua_sethook(run->co, slice_hook, LUA_MASKCOUNT, SLICE_INSTRUCTIONS);
	enum guard_end end = guard_resume_run(s->guard, run->co, s->L, n_args, &n_results, &yielded,
					      s->policy->effect_budget_ns);
	s->call = &s->idle;
	s->run = w->run = NULL;
	run->spent_ns += clock_mono_ns() - started;
	if (end != GUARD_DEAD)
		s->txn->host_txn = NULL;
	*over = end != GUARD_OK || !yielded;
	if (end == GUARD_OK && yielded) {
		lua_pop(run->co, n_results); // of a bare coroutine.yield(...): nobody takes it
		return waits(w, run, s);
	}
	if (end == GUARD_OK)
		return policy_state_result(s, run->co, call);
	if (end == GUARD_ERROR && is_done(run->co)) {
		call->out = (struct policy_value){.type = POLICY_T_INT, .i = s->done_code};
		return POLICY_E_NONE;
	}
	return policy_state_error(s, run->co, end);
}

static enum policy_run_status
failed(struct policy_worker *w, struct policy_state *s, const struct policy_fn *fn,
       struct policy_call *call, enum policy_error e)
{
	call->error = e;
	call->out = (struct policy_value){0};
	call->gen = 0;
	if (fn == NULL)
		return POLICY_RUN_FAILED; // a task: its owner tells
	policy_count_stop(fn->policy, e);
	policy_call_failed(w, s, fn, call);
	return fn->on_error == POLICY_DENY_RULE ? POLICY_RUN_DENIED : POLICY_RUN_FAILED;
}

static enum policy_run_status
go_on(struct policy_worker *w, struct policy_run *run, int n_args, struct policy_call *call)
{
	struct policy_state *s = run->state;
	const struct policy_fn *fn = run->fn;
	bool over;
	call->error = stretch(w, run, n_args, call, &over);
	if (call->error == POLICY_E_NONE && !over)
		return POLICY_RUN_WAITS;
	unlink_run(run);
	if (call->error != POLICY_E_STOPPED)
		give_thread(s, run,
			    over && call->error == POLICY_E_NONE && lua_status(run->co) == LUA_OK);
	else
		policy_state_send_rebuild(s); // and all that wait in it fail
	if (call->error != POLICY_E_NONE)
		return failed(w, s, fn, call, call->error);
	call->gen = s->gen->info.number;
	return POLICY_RUN_DONE;
}

// ---- from outside -----------------------------------------------------------------------------

enum policy_error
policy_run_start(struct policy_state *s, struct policy_run *run)
{
	if (!take_thread(s, run))
		return POLICY_E_MEMORY;
	run->state = s;
	run->spent_ns = 0;
	run->poked = false;
	list_append(&s->runs, &run->link);
	lua_pushcfunction(run->co, policy_lua_run_main);
	return POLICY_E_NONE;
}

enum policy_run_status
policy_run_begin(struct policy_worker *w, struct policy_view *view, struct policy_run *run,
		 const struct policy_fn *fn, struct policy_call *call)
{
	CHECK_MAGIC(w, POLICY_WORKER_MAGIC);
	ASSERT(call->n_args <= POLICY_MAX_ARGS && run->state == NULL);
	struct policy_state *s = view->e[fn->policy->index].live;
	policy_count(&s->counts->fn[fn->slot].calls);
	enum policy_error e = policy_call_allowed(w, s, fn, call->now_boot_ns);
	if (e == POLICY_E_NONE && s->present[fn->slot] == POLICY_ABSENT) {
		(void)snprintf(s->error, sizeof(s->error), "the script does not register it");
		e = POLICY_E_MISSING;
	}
	run->fn = fn;
	if (e == POLICY_E_NONE)
		e = policy_run_start(s, run);
	if (e != POLICY_E_NONE)
		return failed(w, s, fn, call, e);
	s->count = &s->counts->fn[fn->slot];
	lua_pushvalue(s->L, FN_INDEX + (int)fn->slot);
	lua_pushvalue(s->L, TXN_INDEX);
	lua_xmove(s->L, run->co, 2);
	return go_on(w, run, 2, call);
}

enum policy_run_status
policy_run_first(struct policy_worker *w, struct policy_state *s, struct policy_run *run,
		 int n_args, struct policy_call *call)
{
	run->state = s;
	list_append(&s->runs, &run->link);
	return go_on(w, run, n_args, call);
}

enum policy_run_status
policy_run_resume(struct policy_worker *w, struct policy_run *run, struct policy_call *call)
{
	CHECK_MAGIC(w, POLICY_WORKER_MAGIC);
	struct policy_state *s = run->state;
	set_timer(w->engine, run, 0); // what it waited for may have come before
	if (s != NULL)
		return go_on(w, run, 0, call);
	call->error = POLICY_E_GONE;
	call->out = (struct policy_value){0};
	ASSERT(run->fn != NULL); // a task ends with its state
	s = w->now->e[run->fn->policy->index].live;
	policy_count(&s->counts->fn[run->fn->slot].errors[POLICY_E_GONE]);
	return run->fn->on_error == POLICY_DENY_RULE ? POLICY_RUN_DENIED : POLICY_RUN_FAILED;
}

enum policy_run_status
policy_run_expire(struct policy_worker *w, struct policy_run *run, struct policy_call *call,
		  const char *why)
{
	struct policy_state *s = run->state;
	if (s == NULL) // its generation is gone, and it was to be woken for that
		return policy_run_resume(w, run, call);
	policy_run_drop(s, run);
	(void)snprintf(s->error, sizeof(s->error), "%s", why);
	return failed(w, s, run->fn, call, POLICY_E_BUDGET);
}

struct policy_run *
policy_run_now(const struct policy_worker *w)
{
	return w->run != NULL && w->run->may_wait ? w->run : NULL;
}

void
policy_run_watch(struct policy_run *run)
{
	run->poked = false;
}

void
policy_run_poke(struct policy_worker *w, struct policy_run *run)
{
	CHECK_MAGIC(w, POLICY_WORKER_MAGIC);
	if (run->state == NULL)
		return;
	run->poked = true;
	set_timer(w->engine, run, 1);
}

void
policy_run_cancel(struct policy_worker *w, struct policy_run *run)
{
	set_timer(w->engine, run, 0);
	if (run->state != NULL)
		policy_run_drop(run->state, run);
}

void
policy_run_drop(struct policy_state *s, struct policy_run *run)
{
	set_timer(s->policy->engine, run, 0);
	if (run->state != NULL)
		unlink_run(run);
	if (s->L != NULL)
		give_thread(s, run, false);
}

void
policy_runs_kill(struct policy_state *s)
{
	policy_tasks_end(s);
	LIST_FOREACH_SAFE (it, &s->runs) {
		struct policy_run *run = LIST_ENTRY(it, struct policy_run, link);
		unlink_run(run);
		run->co = NULL;
		run->ref = 0;
		set_timer(s->policy->engine, run, 1);
	}
}
