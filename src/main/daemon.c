// SPDX-License-Identifier: MIT
// The process among others: background, limits, user, root folder, pidfile.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "expr/pattern_kept.h"
#include "main/service.h"
#include "net/worker.h"
#include "proxy/worker.h"
#include "master/master.h"
#include "net/loop.h"

#define PER_CONN 2 // descriptors: a client's and a server's

// The parent's part: it lives until the child says that it serves, or is gone.
NORETURN static void
await_child(int fd, pid_t child)
{
	char byte;
	ssize_t n;
	do
		n = read(fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		_exit(0);
	int status = 0;
	(void)waitpid(child, &status, 0); // it has printed why
	_exit(WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : 1);
}

bool
daemon_begin(int *ready_fd, struct err *err)
{
	int fds[2];
	if (pipe2(fds, O_CLOEXEC) != 0)
		return err_set(err, "cannot go to the background: pipe: %s", strerror(errno));
	pid_t child = fork();
	if (child < 0) {
		(void)close(fds[0]); // unused
		(void)close(fds[1]); // unused
		return err_set(err, "cannot go to the background: fork: %s", strerror(errno));
	}
	if (child > 0) {
		(void)close(fds[1]); // the child's
		await_child(fds[0], child);
	}
	(void)close(fds[0]); // the parent's
	*ready_fd = fds[1];
	(void)setsid(); // fails only for a group leader, which a fresh child is not
	return true;
}

void
daemon_ready(int *ready_fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	log_leave_stderr();
	for (int fd = 0; null >= 0 && fd <= 2; fd++)
		(void)dup2(null, fd); // nowhere to complain to
	if (null > 2)
		(void)close(null); // nothing was written
	if (*ready_fd < 0)
		return;
	ssize_t n = write(*ready_fd, "r", 1);
	(void)n; // the parent may have been killed
	(void)close(*ready_fd);
	*ready_fd = -1;
}

// --- limits --------------------------------------------------------------------------------------

// The limit that holds once it is set; 0 with *err.
static uint64_t
set_descriptors(const struct service *s, struct err *err)
{
	struct rlimit now;
	uint64_t fixed = s->setup->rlimit_nofile; // ulimit-n
	uint64_t want =
	    fixed != 0 ? fixed
		       : proxy_setup_descriptors(s->set) + proxy_setup_more_descriptors(s->set);
	if (getrlimit(RLIMIT_NOFILE, &now) != 0) {
		err_set(err, "cannot read the limit of file descriptors: %s", strerror(errno));
		return 0;
	}
	if (fixed == 0 && now.rlim_cur >= want)
		return now.rlim_cur;
	struct rlimit most = {.rlim_cur = now.rlim_max, .rlim_max = now.rlim_max};
	struct rlimit all = {.rlim_cur = want, .rlim_max = MAX(now.rlim_max, (rlim_t)want)};
	if (setrlimit(RLIMIT_NOFILE, &all) == 0)
		return want;
	if (setrlimit(RLIMIT_NOFILE, &most) == 0)
		return most.rlim_cur;
	err_set(err, "cannot raise the limit of file descriptors: %s", strerror(errno));
	return 0;
}

#define PROCESSES    4 // one that serves, one that starts, and some that drain
#define LOCKED_LEAST ((uint64_t)64 << 20)

uint64_t
service_locked_bytes(const struct service *s)
{
	struct net_config net = proxy_net_config(s->set);
	return MAX(LOCKED_LEAST, PROCESSES * workers_locked_bytes(&net));
}

// Rings are locked memory, counted for all processes of the user together: those that drain during
// a reload, other services. Falling short is no fault: a thread without a ring uses epoll, and says
// so.
static void
raise_locked(const struct service *s)
{
	struct rlimit now;
	uint64_t want = service_locked_bytes(s);
	if (getrlimit(RLIMIT_MEMLOCK, &now) != 0 || now.rlim_cur >= want)
		return;
	struct rlimit all = {.rlim_cur = want, .rlim_max = MAX(now.rlim_max, (rlim_t)want)};
	struct rlimit most = {.rlim_cur = now.rlim_max, .rlim_max = now.rlim_max};
	if (setrlimit(RLIMIT_MEMLOCK, &all) != 0)
		(void)setrlimit(RLIMIT_MEMLOCK, &most); // that much everybody may
}

// What `limit` descriptors allow; 0: not even one connection.
uint64_t
service_maxconn_for(const struct service *s, uint64_t limit)
{
	uint64_t maxconn = s->set->global.maxconn, need = proxy_setup_descriptors(s->set);
	uint64_t rest = need - PER_CONN * maxconn, room = limit > rest ? limit - rest : 0;
	return MIN(maxconn, room / PER_CONN);
}

// Rather fewer connections than failing ones.
bool
service_raise_limits(struct service *s, struct err *err)
{
	struct proxy_global *g = &s->set->global;
	uint64_t limit = set_descriptors(s, err);
	if (limit == 0)
		return false;
	uint64_t maxconn = service_maxconn_for(s, limit);
	const char *how = s->setup->rlimit_nofile != 0 ? "'ulimit-n' in section global"
						       : "ulimit -n, LimitNOFILE=";
	if (maxconn == 0)
		return err_set(err,
			       "the limit of %llu file descriptors is too low: %llu are needed for "
			       "maxconn %u (%s)",
			       (unsigned long long)limit,
			       (unsigned long long)proxy_setup_descriptors(s->set), g->maxconn,
			       how);
	if (maxconn < g->maxconn)
		log_msg(LOG_WARNING,
			"the limit of %llu file descriptors is too low for maxconn %u, which needs "
			"%llu: maxconn is %llu now (%s)",
			(unsigned long long)limit, g->maxconn,
			(unsigned long long)proxy_setup_descriptors(s->set),
			(unsigned long long)maxconn, how);
	g->maxconn = (uint32_t)maxconn;
	proxy_setup_lua_sockets(s->set, limit);
	raise_locked(s);
	return true;
}

// --- pidfile and rights -------------------------------------------------------------------------

// Whole or not at all, for who reads it at the same time.
bool
daemon_write_pidfile(struct str path, struct err *err)
{
	char tmp[4200], text[32];
	if (path.n == 0)
		return true;
	int n = snprintf(tmp, sizeof(tmp), "%s.%ld", path.p, (long)getpid());
	if (n < 0 || (size_t)n >= sizeof(tmp))
		return err_set(err, "the pidfile's name is too long");
	int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	bool ok = fd >= 0 && write(fd, text, (size_t)n) == n;
	int why = errno;
	if (fd >= 0 && close(fd) != 0 && ok) {
		why = errno;
		ok = false;
	}
	if (ok && rename(tmp, path.p) != 0) {
		why = errno;
		ok = false;
	}
	if (!ok)
		(void)unlink(tmp); // may not be there
	return ok || err_set(err, "cannot write the pidfile '%s': %s", path.p, strerror(why));
}

bool
service_settle_down(struct service *s, struct err *err)
{
	struct rights r = service_rights(s);
	if (s->link == NULL) { // else the master writes its own
		s->wrote_pidfile = daemon_write_pidfile(s->set->global.pidfile, err);
		if (!s->wrote_pidfile)
			return false;
	}
	// What it reads is read: from now on its channel says when the master is gone (child.c).
	(void)prctl(PR_SET_PDEATHSIG, 0);
	if (!rights_drop(&r, err))
		return false;
	// Only now: whether io_uring may be used depends on the rights that are left.
	s->set->engine = net_engine_choose(s->set->engine);
	return rights_filter(&r, s->set->engine == NET_ENGINE_URING, err);
}

struct rights
service_rights(const struct service *s)
{
	const struct proxy_global *g = &s->set->global;
	return (struct rights){.user = g->user,
			       .group = g->group,
			       .root = g->chroot,
			       .filter = g->seccomp};
}

// --- the master ----------------------------------------------------------------------------------

struct master_hooks {
	const struct daemon_master *d;
	int ready_fd;
};

static void
master_ready(void *arg)
{
	struct master_hooks *h = arg;
	struct err err;
	if (!daemon_write_pidfile(str_from_c(h->d->pidfile), &err))
		log_msg(LOG_WARNING, "%s", err.text);
	if (!h->d->background)
		return;
	(void)setenv(LOG_PLACE_ENV, "syslog",
		     0); // of worker processes; without memory they are silent
	daemon_ready(&h->ready_fd);
}

static void
master_over(void *arg)
{
	const struct master_hooks *h = arg;
	if (h->d->pidfile != NULL)
		(void)unlink(h->d->pidfile); // may be gone
}

int
daemon_master(struct daemon_master *d)
{
	struct err err;
	char program[4096];
	int status = 1;
	struct master_hooks hooks = {.d = d, .ready_fd = -1};
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
	program[MAX(n, (ssize_t)0)] = '\0';
	struct master_spec spec = {.program = program,
				   .argv = d->argv,
				   .quiet = d->quiet,
				   .terms = d->terms,
				   .cli = d->cli,
				   .instance = {.path = d->state_dir,
						.take_over = d->options->take_over,
						.end_at_once = d->options->end_at_once,
						.pids = d->options->pids,
						.n_pids = d->options->n_pids},
				   .map_title = pattern_kept_title_of,
				   .ready = master_ready,
				   .over = master_over,
				   .arg = &hooks};
	if ((d->background && !daemon_begin(&hooks.ready_fd, &err)) || !rights_drop_master(&err))
		log_msg(LOG_ALERT, "%s", err.text);
	else
		status = master_run(&spec);
	mem_free(d->pidfile);
	mem_free(d->state_dir);
	return status;
}
