// SPDX-License-Identifier: MIT
// Tasks (core.register_task): functions that run beside the requests, on each worker in its own
// state, from the moment its generation is live there until the next one is, or the worker ends.
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "policy/lua_priv.h"
#include "policy/run_priv.h"

#define MAX_TASKS 64 // of one state

struct policy_task {
	struct policy_run run; // first: woken gets its address
	struct policy_state *s;
	struct list link; // in the state's tasks, except while it runs
	int n_args;       // function included; they wait on its stack
	bool started;
};

static void
free_task(struct policy_task *t)
{
	list_remove(&t->link);
	t->s->n_tasks--;
	mem_free(t);
}

static void
tell_failure(const struct policy_state *s, const struct policy_call *call)
{
	log_line(LOG_WARNING, "policy %s gen %u: a task failed (%s): %s", s->policy->name,
		 s->gen->info.number, policy_error_name(call->error), s->error);
}

static enum policy_run_status
step(struct policy_task *t, struct policy_call *call)
{
	struct policy_worker *w = t->s->worker;
	if (t->started)
		return policy_run_resume(w, &t->run, call);
	t->started = true;
	return policy_run_first(w, t->s, &t->run, t->n_args, call);
}

// On the worker, from its loop.
static void
task_woken(struct policy_run *run)
{
	struct policy_task *t = CONTAINER_OF(run, struct policy_task, run);
	struct policy_state *s = t->s;
	arena_reset(&s->arena);
	struct policy_call call = {.arena = &s->arena,
				   .now_boot_ns = clock_boot_ns(),
				   .now_real_ns = clock_real_ns()};
	list_remove(&t->link);
	switch (step(t, &call)) {
	case POLICY_RUN_WAITS:
		list_append(&s->tasks, &t->link);
		return;
	case POLICY_RUN_FAILED:
	case POLICY_RUN_DENIED:
		tell_failure(s, &call);
		break;
	case POLICY_RUN_DONE:
		break;
	}
	free_task(t);
}

static void
wake(struct policy_task *t)
{
	const struct policy_engine *e = t->s->policy->engine;
	e->host->wake_at(e->data, &t->run, 1);
}

static struct policy_task *
new_task(struct policy_state *s, struct lua_State *co, int ref, int n_args)
{
	struct policy_task *t = mem_aligned(alignof(struct policy_task), sizeof(*t));
	*t = (struct policy_task){.s = s, .n_args = n_args};
	t->run.woken = task_woken;
	t->run.may_wait = t->run.sliced = true;
	t->run.limit_ns = s->policy->limits.task_ns;
	t->run.co = co;
	t->run.ref = ref;
	list_init(&t->run.link);
	list_append(&s->tasks, &t->link);
	s->n_tasks++;
	return t;
}

void
policy_lua_task_new(lua_State *L, int n)
{
	struct policy_state *s = state_of(L);
	if (s->policy->engine->host->wake_at == NULL)
		policy_lua_fail(L, "core.register_task: there are no tasks here");
	if (s->n_tasks == MAX_TASKS)
		policy_lua_fail(L, "core.register_task: more than %d tasks", MAX_TASKS);
	lua_State *co = lua_newthread(L);
	int ref = luaL_ref(L, LUA_REGISTRYINDEX);
	if (!lua_checkstack(co, n + 1))
		policy_lua_fail(L, "core.register_task: too many arguments");
	lua_pushcfunction(co, policy_lua_run_main);
	lua_xmove(L, co, n);
	guard_postpone(s->guard);
	struct policy_task *t = new_task(s, co, ref, n);
	if (s->tasks_on)
		wake(t);
	guard_resume(s->guard);
}

void
policy_tasks_start(struct policy_state *s)
{
	s->tasks_on = true;
	LIST_FOREACH (it, &s->tasks)
		wake(LIST_ENTRY(it, struct policy_task, link));
}

void
policy_tasks_end(struct policy_state *s)
{
	s->tasks_on = false;
	LIST_FOREACH_SAFE (it, &s->tasks) {
		struct policy_task *t = LIST_ENTRY(it, struct policy_task, link);
		policy_run_drop(s, &t->run);
		free_task(t);
	}
}
