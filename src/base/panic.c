// SPDX-License-Identifier: MIT
// The last words of a process that found itself wrong: one line to stderr with what was believed,
// where, and what this thread was doing, built without stdio so that it works from any state.
#include "base/base.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Thread_local struct thread_context thread_context = {.thread = "main"};

void
thread_name(const char *name)
{
	thread_context.thread = name;
	(void)pthread_setname_np(pthread_self(), name); // nothing depends on it
}

static void
panic_write(const char *line, int n)
{
	if (n <= 0)
		return;
	// Nothing is left to do when stderr is gone.
	ssize_t r = write(STDERR_FILENO, line, (size_t)n);
	(void)r;
}

void
panic_assert(const char *cond, const char *file, int line, const char *func)
{
	char text[512];
	const struct thread_context *c = &thread_context;
	int n = snprintf(text, sizeof(text),
			 "tidegate: panic: assertion '%s' failed at %s:%d in %s (thread %s, txn "
			 "%llu, step %s)\n",
			 cond, file, line, func, c->thread, (unsigned long long)c->txn_id,
			 c->step != NULL ? c->step : "-");
	panic_write(text, MIN(n, (int)sizeof(text) - 1));
	abort();
}

void
panic_stuck(void)
{
	char text[256];
	const struct thread_context *c = &thread_context;
	int n = snprintf(text, sizeof(text),
			 "tidegate: panic: an endless loop: it does not come back (thread %s, txn "
			 "%llu, step %s)\n",
			 c->thread, (unsigned long long)c->txn_id, c->step != NULL ? c->step : "-");
	panic_write(text, MIN(n, (int)sizeof(text) - 1));
	(void)signal(SIGABRT, SIG_DFL); // a known number
	abort();
}

void
panic_oom(size_t bytes)
{
	char text[160];
	int n = snprintf(text, sizeof(text),
			 "tidegate: panic: out of memory asking for %zu bytes (thread %s); "
			 "lower maxconn or tune.bufsize, or give the service more memory\n",
			 bytes, thread_context.thread);
	panic_write(text, MIN(n, (int)sizeof(text) - 1));
	abort();
}

void
panic_lack(const char *what, int code)
{
	char text[160];
	int n = snprintf(text, sizeof(text), "tidegate: panic: cannot start %s: %s (thread %s)\n",
			 what, strerrordesc_np(code), thread_context.thread);
	panic_write(text, MIN(n, (int)sizeof(text) - 1));
	abort();
}
