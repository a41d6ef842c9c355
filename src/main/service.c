// SPDX-License-Identifier: MIT
// The order of things: configuration, variable table, policies, limits, background, states of the
// policies, runtime sockets, listeners and threads; then signals until the end.
#include "main/service.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "expr/vars_conf.h"
#include "expr/vars_rate.h"
#include "expr/vars_watch.h"
#include "main/modules.h"
#include "net/worker.h"
#include "policy/policy.h"
#include "proxy/lua_cli.h"
#include "proxy/worker.h"
#include "tidegate/vars.h"

// --- loading -----------------------------------------------------------------------------------

static const char *
get_env(void *arg, const char *name)
{
	const char *value = options_setting(arg, name);
	return value != NULL ? value : getenv(name);
}

static bool
add_files(struct service *s)
{
	const struct options *o = s->options;
	struct err err;
	bool ok = true;
	for (size_t i = 0; i < o->n_files; i++)
		if (!conf_add_path(s->conf, o->files[i], &err))
			ok = conf_error(s->conf, NULL, "%s", err.text);
	return ok;
}

static void
apply_options(struct service *s)
{
	const struct options *o = s->options;
	struct proxy_global *g = &s->set->global;
	if (o->maxconn > 0)
		g->maxconn = (uint32_t)o->maxconn;
	if (o->pidfile != NULL)
		g->pidfile = str_from_c(o->pidfile);
	if (o->daemon)
		g->daemon = true;
	if (o->foreground || o->verbose)
		g->daemon &= !o->foreground;
	if (o->local_name != NULL)
		g->node = str_from_c(o->local_name);
	char name[256] = "localhost";
	if (gethostname(name, sizeof(name) - 1) != 0)
		(void)snprintf(name, sizeof(name), "localhost");
	s->set->hostname = conf_strdup(s->conf, str_from_c(name));
	if (g->node.n == 0)
		g->node = s->set->hostname;
}

static bool
report(struct service *s, bool ok)
{
	bool fatal_warning = s->options->no_warnings && conf_n_warnings(s->conf) > 0;
	if (!s->options->quiet || !ok)
		conf_log_messages(s->conf);
	if (!ok)
		log_msg(LOG_ALERT, "config : Fatal errors found in configuration.");
	else if (fatal_warning)
		log_msg(LOG_ALERT, "config : Some warnings were found and 'zero-warning' is set.");
	return ok && !fatal_warning;
}

bool
service_load(struct service *s, const struct options *o)
{
	*s = (struct service){.options = o, .ready_fd = -1};
	struct conf_options copt = {.env = get_env,
				    .env_arg = (void *)(uintptr_t)o,
				    .diag = o->diagnose};
	s->conf = conf_new(main_modules, &copt);
	s->exprs = expr_set_new(main_modules);
	for (size_t i = 0; i < o->n_settings; i++)
		expr_set_env(s->exprs, str_from_c(o->settings[i].name),
			     str_from_c(o->settings[i].value));
	s->setup = proxy_setup_new(s->conf, s->exprs, main_modules);
	s->set = s->setup->set;
	bool ok = add_files(s);
	ok = conf_load(s->conf) && ok;
	apply_options(s);
	ok = expr_vars_open(s->conf, s->exprs, &s->set->vars) && ok;
	// Without a table every shm. would be one more fault of the same cause.
	if (s->set->vars != NULL)
		ok = proxy_setup_link(s->setup) && ok;
	return report(s, ok);
}

bool
service_listens(const struct service *s)
{
	for (size_t i = 0; i < s->set->n_all; i++)
		if (s->set->all[i]->binds != NULL)
			return true;
	return false;
}

void
service_free(struct service *s)
{
	cli_server_free(&s->cli_server);
	if (s->cli != NULL)
		cli_free(&s->cli);
	if (s->set != NULL && s->set->policies != NULL)
		policy_engine_free(&s->set->policies);
	struct tidevars *vars = s->set != NULL ? s->set->vars : NULL;
	struct vars_watch *watch = s->set != NULL ? s->set->watch : NULL;
	if (s->set != NULL)
		proxy_set_fini(s->set);
	if (s->exprs != NULL)
		expr_set_free(&s->exprs);
	if (s->conf != NULL)
		conf_free(&s->conf);
	vars_watch_free(&watch);
	tidevars_close(&vars);
}

// --- starting ----------------------------------------------------------------------------------

static bool
keeper_start(struct proxy_set *set, struct worker *keeper, struct err *err)
{
	(void)err;
	const struct service *s = set->owner;
	vars_watch_start(set->watch, keeper->loop);
	expr_rates_start(s->exprs, keeper->loop);
	cli_server_start(s->cli_server, keeper->loop);
	return true;
}

static void
keeper_stop(struct proxy_set *set, struct worker *keeper)
{
	(void)keeper;
	const struct service *s = set->owner;
	cli_server_stop(s->cli_server);
	expr_rates_stop(s->exprs);
	vars_watch_stop(set->watch);
}

static bool
before_threads(struct proxy_set *set, struct err *err)
{
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
	lua_commands_add(s->setup, s->cli);
	s->cli_server = cli_server_new(s->cli, cli_conf_of(s->conf), err);
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
	set->keeper_start = keeper_start;
	set->keeper_stop = keeper_stop;
	set->before_threads = before_threads;
	if (tidevars_guard_sigbus(&why) != TIDEVARS_OK)
		return err_set(err, "%s", why.text);
	if (set->policies != NULL && !policy_engine_start(set->policies, set->n_workers, err))
		return false;
	return start_cli(s, err) && proxy_start(set, err);
}

// --- signals -----------------------------------------------------------------------------------

static void
block_signals(sigset_t *set)
{
	static const int ours[] = {SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGHUP};
	(void)sigemptyset(set); // cannot fail
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		(void)sigaddset(set, ours[i]);   // known numbers
	(void)sigprocmask(SIG_BLOCK, set, NULL); // valid arguments
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	(void)sigaction(SIGPIPE, &ignore, NULL); // valid arguments
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

// Waits for one of the signals, at most `ms`; 0: the time passed.
static int
wait_signal(const sigset_t *set, uint64_t ms)
{
	struct timespec t = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
	int sig = ms == 0 ? sigwaitinfo(set, NULL) : sigtimedwait(set, NULL, &t);
	return sig > 0 ? sig : 0;
}

// Until nobody is connected, the time allowed has passed, or a signal asks for haste.
static void
drain(struct service *s, const sigset_t *set)
{
	const struct proxy_global *g = &s->set->global;
	uint64_t begin = clock_mono_ns(), limit = g->hard_stop_after_ns;
	log_msg(LOG_NOTICE, "Stopping: no new connections, %llu still open",
		(unsigned long long)proxy_current_connections(s->set));
	if (g->grace_ns > 0)
		(void)wait_signal(set, MAX(g->grace_ns / NS_PER_MS, UINT64_C(1))); // any ends it
	proxy_soft_stop(s->set);
	for (;;) {
		if (proxy_drained(s->set))
			return;
		if (limit != 0 && clock_mono_ns() - begin >= limit) {
			log_msg(LOG_WARNING, "hard-stop-after has passed: %llu connections are cut",
				(unsigned long long)proxy_current_connections(s->set));
			return;
		}
		int sig = wait_signal(set, 20);
		if (sig == SIGINT || sig == SIGTERM)
			return;
	}
}

static void
serve(struct service *s, const sigset_t *set)
{
	for (;;) {
		switch (wait_signal(set, 0)) {
		case SIGINT:
		case SIGTERM:
			return;
		case SIGUSR1:
			drain(s, set);
			return;
		case SIGUSR2:
			log_msg(LOG_WARNING,
				"reload of the configuration comes in a later tidegate; scripts "
				"reload with 'policy load'");
			break;
		case SIGHUP:
			dump(s);
			break;
		default:
			break;
		}
	}
}

static void
remove_pidfile(const struct service *s)
{
	if (s->wrote_pidfile)
		(void)unlink(s->set->global.pidfile.p); // may be gone, or out of reach by now
}

int
service_run(struct service *s)
{
	struct err err = {0};
	sigset_t set;
	s->set->owner = s;
	block_signals(&set);
	if (!service_raise_limits(s, &err) ||
	    (s->set->global.daemon && !service_daemonise(s, &err)) || !start(s, &err)) {
		log_msg(LOG_ALERT, "%s", err.text);
		remove_pidfile(s);
		return 1;
	}
	if (!s->options->quiet && !s->set->global.quiet)
		log_msg(LOG_NOTICE, "tidegate " TIDEGATE_VERSION " serves with %u workers on %s",
			s->set->n_workers, net_engine_name(workers_engine(s->set->threads)));
	service_tell_ready(s);
	serve(s, &set);
	proxy_stop(s->set);
	remove_pidfile(s);
	return 0;
}
