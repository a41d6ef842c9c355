// SPDX-License-Identifier: MIT
// The caller's side of the time bounds: entering and leaving Lua, and the signal handler that
// stops a call. The watchdog's side is watchdog.c.
//
// Why the handler may jump out: everything a Lua state writes lies in its own mapping
// (region.h), which is thrown away; what it calls in libc between host functions takes no lock
// and keeps no state (memory and string functions, snprintf and strcoll in the C locale, setjmp);
// the standard functions that would (os.date, os.time) run as host functions do.
#include "policy/guard.h"

#include <errno.h>

#include <lauxlib.h>
#include <lua.h>

#include "policy/policy.h"

static _Thread_local struct guard *guard_self __attribute__((tls_model("initial-exec")));

// Raises the error of a soft stop, at every instruction until the call's entry is reached, so
// that no pcall on the way can hold it. It says where the script was.
// [-0, +1, v]
static void
stop_hook(lua_State *L, lua_Debug *ar)
{
	if (lua_getinfo(L, "Sl", ar) != 0 && ar->currentline > 0)
		lua_pushfstring(L, "%s:%d: time budget used up", ar->short_src, ar->currentline);
	else
		lua_pushliteral(L, "time budget used up");
	lua_error(L);
}

static void
set_stop_hook(lua_State *L)
{
	lua_sethook(L, stop_hook, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
}

static void
serve_stop(struct guard *g, int kind)
{
	if (kind == GUARD_HARD)
		JUMP_TO(&g->entry);
	g->softly = 1;
	set_stop_hook(g->running);
}

static void
on_signal(int number)
{
	(void)number;
	struct guard *g = guard_self;
	if (g == NULL)
		return;
	uint64_t stop = atomic_load_explicit(&g->stop, memory_order_relaxed);
	uint64_t seq = atomic_load_explicit(&g->seq, memory_order_relaxed);
	int kind = (int)(stop & 3);
	if (stop >> 2 != seq || !(seq & 1) || kind == GUARD_GO)
		return; // for a call that is over
	if (g->postponed) {
		g->pending = MAX(g->pending, kind);
		return;
	}
	serve_stop(g, kind);
}

SELDOM void
guard_serve_pending(struct guard *g)
{
	int kind = g->pending;
	g->pending = 0;
	serve_stop(g, kind);
}

void
guard_switch(struct guard *g, struct lua_State *to)
{
	g->running = to;
	atomic_signal_fence(memory_order_seq_cst);
	if (g->softly)
		set_stop_hook(to);
}

// The signal is let through without being masked while its handler runs (SA_NODEFER): leaving by
// a jump then needs no mask restored.
static void
install_handler(void)
{
	struct sigaction now, want = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_NODEFER};
	int r = sigaction(POLICY_SIGNAL, NULL, &now);
	ASSERT(r == 0);
	if (now.sa_handler == on_signal)
		return;
	sigemptyset(&want.sa_mask);
	r = sigaction(POLICY_SIGNAL, &want, NULL);
	ASSERT(r == 0);
}

void
guard_attach(struct guard *g, struct watchdog *dog)
{
	ASSERT(guard_self == NULL || !guard_inside(guard_self));
	*g = (struct guard){.dog = dog, .thread = pthread_self(), .outer = guard_self};
	int r = pthread_getcpuclockid(g->thread, &g->clock);
	ASSERT(r == 0);
	install_handler();
	guard_self = g;
	sigset_t set, old;
	sigemptyset(&set);
	sigaddset(&set, POLICY_SIGNAL);
	r = pthread_sigmask(SIG_UNBLOCK, &set, &old);
	ASSERT(r == 0);
	g->was_blocked = sigismember(&old, POLICY_SIGNAL) == 1;
	watchdog_add(dog, g);
}

void
guard_detach(struct guard *g)
{
	ASSERT(guard_self == g && !guard_inside(g));
	watchdog_remove(g->dog, g);
	guard_self = g->outer;
	if (!g->was_blocked)
		return;
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, POLICY_SIGNAL);
	int r = pthread_sigmask(SIG_BLOCK, &set, NULL);
	ASSERT(r == 0);
}

static inline void
enter(struct guard *g, lua_State *L, uint64_t budget_ns)
{
	uint64_t seq = atomic_load_explicit(&g->seq, memory_order_relaxed);
	g->running = L;
	atomic_store_explicit(&g->budget_ns, budget_ns, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&g->seq, seq + 1, memory_order_release);
	// No fence between the store above and this load: the watchdog makes one for all threads
	// (membarrier) between saying that it parks and looking for calls a last time.
	if (UNLIKELY(atomic_load_explicit(&g->dog->parked, memory_order_relaxed)))
		watchdog_wake(g->dog);
}

static void
leave(struct guard *g)
{
	atomic_signal_fence(memory_order_seq_cst);
	uint64_t seq = atomic_load_explicit(&g->seq, memory_order_relaxed);
	atomic_store_explicit(&g->seq, seq + 1, memory_order_release);
	atomic_signal_fence(memory_order_seq_cst);
}

static enum guard_end
end_of(struct guard *g, lua_State *L, int rc)
{
	if (UNLIKELY(g->softly)) {
		g->softly = 0;
		lua_sethook(L, NULL, 0, 0);
		if (rc != LUA_OK)
			return GUARD_STOPPED;
	}
	if (LIKELY(rc == LUA_OK))
		return GUARD_OK;
	return rc == LUA_ERRMEM ? GUARD_MEMORY : GUARD_ERROR;
}

enum guard_end
guard_pcall(struct guard *g, struct lua_State *L, int n_args, int n_results, uint64_t budget_ns)
{
	if (JUMP_SET(&g->entry) != 0) {
		leave(g);
		g->softly = g->postponed = g->pending = 0;
		return GUARD_DEAD;
	}
	enter(g, L, budget_ns);
	int rc = lua_pcall(L, n_args, n_results, 0);
	leave(g);
	return end_of(g, L, rc);
}

enum guard_end
guard_resume_run(struct guard *g, struct lua_State *co, struct lua_State *from, int n_args,
		 int *n_results, bool *yielded, uint64_t budget_ns)
{
	*yielded = false;
	if (JUMP_SET(&g->entry) != 0) {
		leave(g);
		g->softly = g->postponed = g->pending = 0;
		return GUARD_DEAD;
	}
	enter(g, co, budget_ns);
	int rc = lua_resume(co, from, n_args, n_results);
	leave(g);
	*yielded = rc == LUA_YIELD;
	// A stop that came while it went to wait has nothing to stop any more.
	return end_of(g, co, rc == LUA_YIELD ? LUA_OK : rc);
}
