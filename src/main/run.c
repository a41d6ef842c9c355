// SPDX-License-Identifier: MIT
// Serving: limits, background, states of the policies, runtime sockets, listeners and threads; then
// signals and the master's word until the end. Main thread.
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sbuf.h"
#include "expr/vars_conf.h"
#include "expr/vars_rate.h"
#include "expr/vars_watch.h"
#include "main/changes.h"
#include "main/keep_maps.h"
#include "main/keep_numbers.h"
#include "main/modules.h"
#include "main/service.h"
#include "master/link.h"
#include "net/loop.h"
#include "net/worker.h"
#include "policy/policy.h"
#include "proxy/health.h"
#include "proxy/lua_cli.h"
#include "proxy/metrics_page.h"
#include "proxy/stick.h"
#include "proxy/worker.h"
#include "tidegate/vars.h"

// --- starting ----------------------------------------------------------------------------------

static bool
keeper_start(struct proxy_set *set, struct worker *keeper, struct err *err)
{
	(void)err;
	const struct service *s = set->owner;
	vars_watch_start(set->watch, keeper->loop);
	expr_rates_start(s->exprs, keeper->loop);
	keep_maps_start(s->maps, keeper->loop);
	keep_numbers_start(s->numbers, keeper->loop);
	proxy_tables_start(set, keeper->loop);
	cli_server_start(s->cli_server, keeper->loop);
	return true;
}

static void
keeper_stop(struct proxy_set *set, struct worker *keeper)
{
	(void)keeper;
	const struct service *s = set->owner;
	cli_server_stop(s->cli_server);
	keep_maps_stop(s->maps);
	keep_numbers_stop(s->numbers);
	proxy_tables_stop(set);
	metrics_page_stop(set);
	expr_rates_stop(s->exprs);
	vars_watch_stop(set->watch);
}

static bool
before_threads(struct proxy_set *set, struct err *err)
{
	keep_take_over(set->owner);
	return service_settle_down(set->owner, err);
}

static bool
start_cli(struct service *s, struct err *err)
{
	s->cli = cli_new(main_modules, main_n_modules());
	cli_bind(s->cli, "proxy", s->set);
	cli_bind(s->cli, "setup", s->setup);
	cli_bind(s->cli, "vars", s->set->vars);
	cli_bind(s->cli, "vars-watch", s->set->watch);
	cli_bind(s->cli, "expr", s->exprs);
	cli_bind(s->cli, "service", s);
	lua_commands_add(s->setup, s->cli);
	struct cli_conf *conf = cli_conf_of(s->conf);
	conf->listeners = s->set->listeners;
	s->cli_server = cli_server_new(s->cli, conf, err);
	return s->cli_server != NULL;
}

static bool
start(struct service *s, struct err *err)
{
	struct proxy_set *set = s->set;
	struct tidevars_error why;
	set->n_workers = proxy_setup_workers(set);
	set->started_real_ns = clock_real_ns();
	set->started_mono_ns = clock_mono_ns();
	set->watch = vars_watch_new(set->vars);
	set->listeners = s->link != NULL ? &s->link->keeper : NULL;
	set->keeper_start = keeper_start;
	set->keeper_stop = keeper_stop;
	set->before_threads = before_threads;
	if (tidevars_guard_sigbus(&why) != TIDEVARS_OK)
		return err_set(err, "%s", why.text);
	if (set->policies != NULL && !policy_engine_start(set->policies, set->n_workers, err))
		return false;
	keep_begin(s);
	return start_cli(s, err) && proxy_start(set, err);
}

#define OPERATOR_NS (2 * NS_PER_S)
// Without hard-stop-after: nobody lists, bounds or ends a process whose master is gone.
#define ORPHAN_NS    (30 * NS_PER_S)
#define DEAF_TRIES   4000
#define STATUS_BYTES 4096
#define TELL_MS      UINT64_C(1000)

// --- what ends it ------------------------------------------------------------------------------

enum event {
	EVENT_NONE, // the time passed
	EVENT_END,
	EVENT_DRAIN,
	EVENT_RETIRE, // drain: another process serves already
	EVENT_ORPHAN, // drain: the master is gone, another may want our addresses now
	EVENT_RELOAD,
	EVENT_DUMP,
};

static const struct {
	int sig;
	enum event event;
} signals[] = {
    {SIGINT, EVENT_END},     {SIGTERM, EVENT_END}, {SIGUSR1, EVENT_DRAIN},
    {SIGUSR2, EVENT_RELOAD}, {SIGHUP, EVENT_DUMP},
};

static bool
block_signals(struct service *s, struct err *err)
{
	sigset_t set;
	(void)sigemptyset(&set); // cannot fail
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		(void)sigaddset(&set, signals[i].sig); // known numbers
	(void)sigprocmask(SIG_BLOCK, &set, NULL);      // valid arguments
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	(void)sigaction(SIGPIPE, &ignore, NULL); // valid arguments
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signal_fd >= 0 || err_set(err, "signalfd: %s", strerror(errno));
}

static enum event
next_signal(struct service *s)
{
	struct signalfd_siginfo info;
	if (read(s->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return EVENT_NONE;
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		if (signals[i].sig == (int)info.ssi_signo)
			return signals[i].event;
	return EVENT_NONE;
}

static enum event
next_message(struct service *s)
{
	struct channel_msg m;
	if (s->master_gone)
		return EVENT_NONE;
	switch (channel_receive(s->link->fd, &m)) {
	case CHANNEL_NOTHING:
		return EVENT_NONE;
	case CHANNEL_LOST:
		log_msg(LOG_WARNING, "a message of the master is lost: no file descriptor is left "
				     "for what it brings (ulimit -n, maxconn)");
		return EVENT_NONE;
	case CHANNEL_CLOSED:
		s->master_gone = true;
		log_msg(LOG_ALERT, "the master is gone: draining");
		return EVENT_ORPHAN;
	case CHANNEL_GOT:
		break;
	}
	if (m.type == CHANNEL_CLI)
		ops_adopt(s, &m);
	if (m.fd >= 0)
		(void)close(m.fd); // not asked for
	if (m.type == CHANNEL_ANSWER)
		ops_answer(s, &m);
	if (m.type == CHANNEL_LOOK)
		ops_look(s);
	return m.type == CHANNEL_RETIRE ? EVENT_RETIRE : EVENT_NONE;
}

// Waits for something that happens, at most `ms` (-1: for ever).
static enum event
wait_event(struct service *s, int ms)
{
	uint64_t end = clock_mono_ns() + (ms > 0 ? (uint64_t)ms * NS_PER_MS : 0);
	for (;;) {
		enum event e = next_signal(s);
		if (e == EVENT_NONE && s->link != NULL)
			e = next_message(s);
		uint64_t now = clock_mono_ns();
		if (e != EVENT_NONE || (ms >= 0 && now >= end))
			return e;
		struct pollfd fds[] = {
		    {.fd = s->signal_fd, .events = POLLIN},
		    {.fd = s->link != NULL && !s->master_gone ? s->link->fd : -1, .events = POLLIN},
		};
		int left = ms < 0 ? -1 : (int)((end - now) / NS_PER_MS) + 1;
		(void)poll(fds, ARRAY_LEN(fds), left); // whatever it says, we look
	}
}

static void
dump(const struct service *s)
{
	for (size_t i = 0; i < s->set->n_all; i++) {
		const struct proxy *p = s->set->all[i];
		if (p->backend == NULL)
			continue;
		for (size_t j = 0; j < p->backend->n_servers; j++)
			log_msg(LOG_NOTICE, "Server %.*s/%.*s is %s", STR_ARG(p->name),
				STR_ARG(p->backend->servers[j]->name),
				server_state_name(p->backend->servers[j]));
	}
	log_msg(LOG_NOTICE, "%llu client connections",
		(unsigned long long)proxy_current_connections(s->set));
}

// --- draining ----------------------------------------------------------------------------------

// For "show proc" of the master, which takes silence for a sign that we hang.
static void
tell_what_holds(const struct service *s)
{
	struct sbuf text;
	if (s->link == NULL)
		return;
	sbuf_init(&text, STATUS_BYTES);
	for (size_t i = 0; i < s->set->n_all; i++) {
		const struct proxy *p = s->set->all[i];
		uint64_t open = proxy_frontend_connections(p);
		if (open > 0)
			sbuf_printf(&text, "%s%.*s %llu",
				    text.n > 0 ? ", " : "connections: ", STR_ARG(p->name),
				    (unsigned long long)open);
	}
	unsigned sessions = cli_server_sessions(s->cli_server);
	if (sessions > 0)
		sbuf_printf(&text, "%sruntime sessions: %u", text.n > 0 ? ", " : "", sessions);
	link_tell(s->link, CHANNEL_STATUS, 0, sbuf_str(&text));
	sbuf_fini(&text);
}

// Between the signal and the end of listening: load balancers in front see monitor-uri fail.
static bool
pass_grace(struct service *s)
{
	uint64_t grace_ns = s->set->global.grace_ns, now = clock_mono_ns(), end = now + grace_ns;
	proxy_announce_stop(s->set);
	if (grace_ns > 0)
		log_msg(LOG_NOTICE,
			"Stopping in %llu ms (grace): until then connections are accepted, and "
			"monitor-uri answers 503",
			(unsigned long long)(grace_ns / NS_PER_MS));
	for (; now < end; now = clock_mono_ns()) {
		uint64_t left_ms = (end - now + NS_PER_MS - 1) / NS_PER_MS;
		tell_what_holds(s);
		if (wait_event(s, (int)MIN(left_ms, TELL_MS)) == EVENT_END)
			return false;
	}
	return true;
}

// Who retires accepts no operators either: one whom the keeper has accepted, but not counted yet,
// must not look like none.
static bool
is_deaf(const struct service *s, enum event why)
{
	const struct worker *keeper = workers_get(s->set->threads, 0);
	return proxy_is_deaf(s->set) && (why == EVENT_DRAIN || loop_n_acceptors(keeper->loop) == 0);
}

// Nothing that was accepted is lost; bounded, for a kernel that does not answer.
static void
become_deaf(struct service *s, enum event why)
{
	for (int i = 0; i < DEAF_TRIES && !is_deaf(s, why); i++) {
		static const struct timespec pause = {.tv_nsec = NS_PER_MS / 2};
		(void)nanosleep(&pause, NULL); // a signal only makes it shorter
	}
	proxy_close_listeners(s->set);
	if (s->link != NULL)
		link_tell(s->link, CHANNEL_DEAF, 0, STR_NULL);
}

static void
retire_cli(struct msg *m)
{
	struct service *s = CONTAINER_OF(m, struct service, retire);
	cli_server_retire(s->cli_server);
	health_retire(s->set);
	keep_maps_stop(s->maps); // what changes here from now on is no other process's
}

static void
close_cli(struct msg *m)
{
	cli_server_close_sockets(CONTAINER_OF(m, struct service, close)->cli_server);
}

// Operators shall reach another process, this one's successor or what is started in its place; it
// would take a socket that still listens here for one in use.
static void
part_from_cli(struct service *s)
{
	struct worker *keeper = workers_get(s->set->threads, 0);
	if (s->cli_state == CLI_SERVED) {
		s->cli_state = CLI_RETIRED;
		s->retire.fn = retire_cli;
		worker_post(keeper, &s->retire);
	} else if (s->cli_state == CLI_RETIRED && loop_n_acceptors(keeper->loop) == 0) {
		s->cli_state = CLI_CLOSED;
		s->close.fn = close_cli;
		worker_post(keeper, &s->close);
	}
}

// Whoever asked for a reload, this one or the next, shall get his answer from this process.
static bool
waits_for_operator(const struct service *s, uint64_t begin)
{
	uint64_t since = MAX(begin, s->last_answer_ns);
	if (atomic_load_explicit(&s->asked, memory_order_relaxed) && !s->master_gone)
		return true;
	return cli_server_sessions(s->cli_server) > 0 && clock_mono_ns() - since < OPERATOR_NS;
}

// Until nobody is connected, the time allowed has passed, or a signal asks for haste.
static void
drain(struct service *s, enum event why)
{
	uint64_t begin = clock_mono_ns(), limit = s->set->global.hard_stop_after_ns;
	if (why == EVENT_DRAIN && !pass_grace(s))
		return;
	log_msg(LOG_NOTICE, "%s: no new connections, %llu still open",
		why == EVENT_RETIRE ? "Another process serves" : "Stopping",
		(unsigned long long)proxy_current_connections(s->set));
	if (why != EVENT_DRAIN)
		part_from_cli(s);
	proxy_soft_stop(s->set);
	become_deaf(s, why);
	uint64_t last_told = 0;
	while (!proxy_drained(s->set) || waits_for_operator(s, begin)) {
		if (clock_mono_ns() - last_told >= TELL_MS * NS_PER_MS) {
			tell_what_holds(s);
			last_told = clock_mono_ns();
		}
		if (why != EVENT_DRAIN || s->master_gone)
			part_from_cli(s);
		if (s->master_gone && limit == 0)
			limit = clock_mono_ns() - begin + ORPHAN_NS;
		if (limit != 0 && clock_mono_ns() - begin >= limit) {
			log_msg(LOG_WARNING, "%s has passed: %llu connections are cut",
				s->set->global.hard_stop_after_ns != 0 ? "hard-stop-after"
								       : "half a minute",
				(unsigned long long)proxy_current_connections(s->set));
			return;
		}
		if (wait_event(s, 20) == EVENT_END)
			return;
	}
}

static void
serve(struct service *s)
{
	static const char without_master[] = "a process without a master (-W) cannot reload its "
					     "configuration; scripts reload with 'policy load'";
	static const char in_worker[] = "SIGUSR2 is for the master, whose process this one's "
					"parent is: nothing is reloaded";
	for (;;) {
		enum event e = wait_event(s, -1);
		switch (e) {
		case EVENT_END:
			return;
		case EVENT_DRAIN:
		case EVENT_RETIRE:
		case EVENT_ORPHAN:
			drain(s, e);
			return;
		case EVENT_RELOAD:
			log_msg(LOG_WARNING, "%s", s->link != NULL ? in_worker : without_master);
			break;
		case EVENT_DUMP:
			dump(s);
			break;
		case EVENT_NONE:
			break;
		}
	}
}

// --- the whole ---------------------------------------------------------------------------------

static bool
begin(struct service *s, int *ready_fd, struct err *err)
{
	bool background = s->set->global.daemon && s->link == NULL;
	return block_signals(s, err) && service_raise_limits(s, err) &&
	       (!background || daemon_begin(ready_fd, err)) && start(s, err);
}

struct counted {
	size_t frontends, backends, servers, policies;
};

static struct counted
count_objects(const struct service *s)
{
	struct counted c = {0};
	for (size_t i = 0; i < s->set->n_all; i++) {
		const struct proxy *p = s->set->all[i];
		c.frontends += (p->caps & PROXY_FRONTEND) != 0;
		c.backends += (p->caps & PROXY_BACKEND) != 0;
		c.servers += p->backend != NULL ? p->backend->n_servers : 0;
	}
	const struct policy *p = NULL;
	while (s->set->policies != NULL && (p = policy_next(s->set->policies, p)) != NULL)
		c.policies++;
	return c;
}

static void
tell_ready(struct service *s, int *ready_fd)
{
	char text[256];
	struct counted c = count_objects(s);
	(void)snprintf(text, sizeof(text),
		       "%u workers on %s: frontends %zu, backends %zu, servers %zu, policies %zu",
		       s->set->n_workers, net_engine_name(workers_engine(s->set->threads)),
		       c.frontends, c.backends, c.servers, c.policies);
	expr_vars_settle(s->conf, s->set->vars, true);
	if (s->changes != NULL)
		changes_log(s->changes);
	changes_free(&s->changes);
	if (!s->options->quiet && !s->set->global.quiet)
		log_msg(LOG_NOTICE, "tidegate " TIDEGATE_VERSION " serves with %s", text);
	const struct link_terms terms = service_terms(s);
	if (s->link != NULL)
		link_ready(s->link, &terms, str_from_c(text));
	if (s->set->global.daemon)
		daemon_ready(ready_fd);
}

int
service_run(struct service *s)
{
	struct err err = {0};
	int ready_fd = -1;
	s->signal_fd = -1;
	bool good = begin(s, &ready_fd, &err);
	if (good) {
		tell_ready(s, &ready_fd);
		serve(s);
		proxy_stop(s->set);
	} else {
		log_msg(LOG_ALERT, "%s", err.text);
	}
	if (s->signal_fd >= 0)
		(void)close(s->signal_fd); // what waits in it matters no more
	if (s->wrote_pidfile && s->set->global.pidfile.n > 0)
		(void)unlink(s->set->global.pidfile.p); // may be gone, or out of reach by now
	return good ? 0 : 1;
}
