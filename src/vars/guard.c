// SPDX-License-Identifier: MIT
// The two events that reach a table from outside its functions: SIGBUS, when the file under the
// mapping was cut short, and fork, after which the child must not hold the parent's writer
// number. Both need to find the process's tables without an argument, so this file keeps the one
// list of them: the second exception, beside the log sink, to the rule against mutable file
// scope.
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vars/table_priv.h"

enum { GUARD_TABLES = 64 };

static _Atomic(struct tidevars *) guard_tables[GUARD_TABLES];   // read by the signal handler
static pthread_mutex_t guard_mutex = PTHREAD_MUTEX_INITIALIZER; // all below, and stores above
static bool guard_fork_ready, guard_bus_ready;
static struct sigaction guard_before; // written once, before the handler is installed

// The index of every table stands still while the process forks.
static void
before_fork(void)
{
	(void)pthread_mutex_lock(&guard_mutex);
	for (size_t i = 0; i < GUARD_TABLES; i++) {
		struct tidevars *t = atomic_load(&guard_tables[i]);
		if (t != NULL)
			(void)pthread_mutex_lock(&t->index_mutex);
	}
}

static void
after_fork_parent(void)
{
	for (size_t i = 0; i < GUARD_TABLES; i++) {
		struct tidevars *t = atomic_load(&guard_tables[i]);
		if (t != NULL)
			(void)pthread_mutex_unlock(&t->index_mutex);
	}
	(void)pthread_mutex_unlock(&guard_mutex);
}

// Closing our copy matters: while it is open, a parent killed within a commit would look alive.
static void
after_fork_child(void)
{
	for (size_t i = 0; i < GUARD_TABLES; i++) {
		struct tidevars *t = atomic_load(&guard_tables[i]);
		if (t == NULL)
			continue;
		if (t->lock_fd >= 0)
			(void)close(t->lock_fd); // nothing to be done about a failure
		t->lock_fd = -1;
		t->number = 0;
		(void)pthread_mutex_unlock(&t->index_mutex);
		// Another thread of the parent may have held it; that thread is not here.
		t->write_mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	}
	(void)pthread_mutex_unlock(&guard_mutex);
}

bool
vars_guard_add(struct tidevars *t)
{
	bool found = false;
	(void)pthread_mutex_lock(&guard_mutex);
	if (!guard_fork_ready)
		guard_fork_ready =
		    pthread_atfork(before_fork, after_fork_parent, after_fork_child) == 0;
	for (size_t i = 0; i < GUARD_TABLES && guard_fork_ready && !found; i++) {
		if (atomic_load(&guard_tables[i]) != NULL)
			continue;
		atomic_store(&guard_tables[i], t);
		found = true;
	}
	(void)pthread_mutex_unlock(&guard_mutex);
	return found;
}

void
vars_guard_remove(struct tidevars *t)
{
	(void)pthread_mutex_lock(&guard_mutex);
	for (size_t i = 0; i < GUARD_TABLES; i++) {
		if (atomic_load(&guard_tables[i]) == t)
			atomic_store(&guard_tables[i], NULL);
	}
	(void)pthread_mutex_unlock(&guard_mutex);
}

// Runs in the signal handler: atomics and mmap only.
static bool
replace_mapping(const char *at)
{
	for (size_t i = 0; i < GUARD_TABLES; i++) {
		struct tidevars *t = atomic_load(&guard_tables[i]);
		if (t == NULL)
			continue;
		const char *map = (const char *)t->hdr;
		if (at < map || at >= map + t->map_bytes)
			continue;
		atomic_store(&t->damaged, true);
		return mmap(t->hdr, t->map_bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
	}
	return false;
}

static void
on_sigbus(int sig, siginfo_t *info, void *context)
{
	int saved = errno;
	bool ours = info->si_code > 0 && replace_mapping(info->si_addr);
	errno = saved;
	if (ours)
		return;
	if ((guard_before.sa_flags & SA_SIGINFO) != 0 && guard_before.sa_sigaction != NULL) {
		guard_before.sa_sigaction(sig, info, context);
	} else if (guard_before.sa_handler != SIG_DFL && guard_before.sa_handler != SIG_IGN) {
		guard_before.sa_handler(sig);
	} else {
		// Returning repeats the access, now with the default action.
		struct sigaction dfl = {.sa_handler = SIG_DFL};
		(void)sigaction(SIGBUS, &dfl, NULL);
		if (info->si_code <= 0)
			(void)raise(sig);
	}
}

int
tidevars_guard_sigbus(struct tidevars_error *err)
{
	int status = TIDEVARS_OK;
	(void)pthread_mutex_lock(&guard_mutex);
	if (!guard_bus_ready) {
		struct sigaction sa = {.sa_sigaction = on_sigbus,
				       .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
		if (sigaction(SIGBUS, NULL, &guard_before) == 0 &&
		    sigaction(SIGBUS, &sa, NULL) == 0)
			guard_bus_ready = true;
		else
			status = vars_fail_sys(err, "cannot handle SIGBUS");
	}
	(void)pthread_mutex_unlock(&guard_mutex);
	return status;
}

int
tidevars_damaged(const struct tidevars *t)
{
	return atomic_load_explicit(&t->damaged, memory_order_relaxed);
}
