// SPDX-License-Identifier: MIT
// One loop, from set-up to the end: signals, and a successor that takes over. All else that can
// happen is a part of its own (master_priv.h).
#include "master/master.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "master/cli_master.h"
#include "master/master_priv.h"

// --- signals -------------------------------------------------------------------------------------

static void
on_signal(struct watch *w)
{
	struct master *m = CONTAINER_OF(w, struct master, signals);
	struct signalfd_siginfo info;
	while (read(w->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGINT:
		case SIGTERM:
			master_stop(m, MASTER_ENDS);
			break;
		case SIGUSR1:
			master_stop(m, MASTER_DRAINS);
			break;
		case SIGUSR2:
		case SIGHUP:
			master_reload(m, NULL);
			break;
		default:
			break;
		}
	}
}

static bool
watch_signals(struct master *m, struct err *err)
{
	static const int ours[] = {SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGHUP};
	sigset_t set;
	(void)sigemptyset(&set); // cannot fail
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		(void)sigaddset(&set, ours[i]);   // known numbers
	(void)sigprocmask(SIG_BLOCK, &set, NULL); // valid arguments
	// Whoever reads our log may go away.
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	(void)sigaction(SIGPIPE, &ignore, NULL); // likewise
	int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return err_set(err, "signalfd: %s", strerror(errno));
	loop_watch(m->loop, &m->signals, fd, on_signal);
	return true;
}

// --- a successor
// -----------------------------------------------------------------------------------

// A successor's worker serves. What was handed over is his to remove.
static void
taken(void *arg, bool end_at_once)
{
	struct master *m = arg;
	CHECK_MAGIC(m, MASTER_MAGIC);
	log_msg(LOG_NOTICE, "Another tidegate has taken over");
	m->given_away = true;
	while (m->kept.n > 0)
		heritage_drop(&m->kept, m->kept.n - 1, false);
	if (m->cli != NULL)
		master_cli_retire(m->cli);
	if (m->serving != NULL && !end_at_once && m->end == MASTER_GOES_ON)
		master_retire(m, m->serving);
	m->serving = NULL; // what it makes from now on is no heritage
	master_stop(m, end_at_once ? MASTER_ENDS : MASTER_DRAINS);
}

// The predecessor's processes have all ended.
static void
before_gone(void *arg)
{
	struct master *m = arg;
	master_stats_ended(m, 0, m->last_number_before);
}

static bool
starts(void *arg)
{
	const struct master *m = arg;
	return m->starting != NULL;
}

static bool
enter_instance(struct master *m, struct err *err)
{
	const struct instance_hooks hooks = {.taken = taken,
					     .look = master_look,
					     .starts = starts,
					     .stays = master_stays,
					     .gone = before_gone,
					     .arg = m};
	if (m->spec->instance.path == NULL)
		return true;
	m->instance = instance_enter(&m->spec->instance, &m->kept, err);
	if (m->instance == NULL)
		return false;
	// Numbers go on, so that who came first stays first.
	for (size_t i = 0; i < m->kept.n; i++)
		if (m->kept.items[i].kind == HERITAGE_STATS ||
		    m->kept.items[i].kind == HERITAGE_ENDED)
			m->last_number = MAX(m->last_number, m->kept.items[i].slot);
	m->last_number_before = m->last_number;
	instance_serve(m->instance, m->loop, &m->kept, &hooks);
	return true;
}

// --- the whole -----------------------------------------------------------------------------------

// Sockets, counters, maps and scripts of several processes are open at a time.
static void
raise_descriptors(void)
{
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) != 0)
		return; // then it stays as it is
	r.rlim_cur = r.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &r); // up to the hard limit everybody may
}

static bool
set_up(struct master *m, struct err *err)
{
	struct net_config net = {.engine = NET_ENGINE_EPOLL, .nbthread = 1};
	raise_descriptors();
	m->program_fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	m->loop = loop_new(&net, err);
	if (m->loop == NULL || !watch_signals(m, err) || !enter_instance(m, err))
		return false;
	m->cli = m->spec->cli != NULL ? master_cli_new(m, m->spec->cli, err) : NULL;
	return m->spec->cli == NULL || m->cli != NULL;
}

static void
tear_down(struct master *m)
{
	master_cli_free(&m->cli);
	instance_leave(&m->instance);
	heritage_fini(&m->kept);
	if (m->program_fd >= 0)
		(void)close(m->program_fd); // only a name
	// The loop and its watches end with the process, which is now.
}

int
master_run(const struct master_spec *spec)
{
	struct err err;
	struct master m = {.magic = MASTER_MAGIC,
			   .spec = spec,
			   .terms = spec->terms,
			   .started_ns = clock_mono_ns(),
			   .program_fd = -1};
	list_init(&m.children);
	heritage_init(&m.kept);
	timer_init(&m.restart, master_on_restart);
	timer_init(&m.last_resort, master_on_last_resort);
	timer_init(&m.slow, master_on_slow);
	timer_init(&m.look, master_on_look);
	timer_init(&m.save, master_on_save);
	timer_init(&m.hangs, master_on_hangs);
	if (!set_up(&m, &err)) {
		log_msg(LOG_ALERT, "%s", err.text);
		tear_down(&m);
		return 1;
	}
	master_start(&m, MASTER_FIRST);
	if (m.end == MASTER_GOES_ON || !list_empty(&m.children))
		loop_run(m.loop);
	if (m.instance != NULL && !m.given_away)
		(void)master_save_maps(&m); // told before
	for (size_t i = m.kept.n; i-- > 0;)
		heritage_drop(&m.kept, i, m.was_ready && !m.given_away);
	if (m.was_ready && !m.given_away && spec->over != NULL)
		spec->over(spec->arg);
	tear_down(&m);
	return m.exit_status;
}
