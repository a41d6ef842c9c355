// SPDX-License-Identifier: MIT
// Section global: settings of the process. The rows that belong to other folders (stats socket,
// lua-load) are theirs.
#include <grp.h>
#include <pwd.h>
#include <sched.h>

#include "base/clock.h"
#include "expr/var.h"
#include "net/loop.h"
#include "proxy/conf_priv.h"
#include "proxy/lua_socket.h"

static bool
store_u32(struct proxy_global *g, const struct conf_line *line)
{
	static const struct {
		const char *name;
		size_t offset;
	} fields[] = {
	    {"nbthread", offsetof(struct proxy_global, nbthread)},
	    {"maxconn", offsetof(struct proxy_global, maxconn)},
	    {"tune.bufsize", offsetof(struct proxy_global, bufsize)},
	    {"tune.maxrewrite", offsetof(struct proxy_global, maxrewrite)},
	    {"tune.http.maxhdr", offsetof(struct proxy_global, max_headers)},
	    {"tune.http.cookielen", offsetof(struct proxy_global, cookie_len)},
	};
	const struct conf_value *v = &line->values[0];
	uint32_t n = v->u != 0 ? (uint32_t)v->u : (uint32_t)v->i;
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		if (!str_eq(line->argv[0], str_from_c(fields[i].name)))
			continue;
		memcpy((char *)g + fields[i].offset, &n, sizeof(n));
		return true;
	}
	return false;
}

static bool
parse_number(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	(void)conf;
	if (store_u32(obj, line))
		return true;
	return err_set(err, "there is no setting '%.*s'", STR_ARG(line->argv[0]));
}

static bool
parse_user(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	(void)conf;
	struct proxy_global *g = obj;
	g->user = line->values[0].s;
	return getpwnam(g->user.p) != NULL ||
	       err_set(err, "user '%.*s': there is none", STR_ARG(g->user));
}

static bool
parse_group(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	(void)conf;
	struct proxy_global *g = obj;
	g->group = line->values[0].s;
	return getgrnam(g->group.p) != NULL ||
	       err_set(err, "group '%.*s': there is none", STR_ARG(g->group));
}

static bool
parse_ulimit(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	(void)obj;
	(void)err;
	struct proxy_setup *s = conf_bound(conf, "setup");
	s->rlimit_nofile = (uint64_t)line->values[0].i;
	return true;
}

static bool
parse_log_send_hostname(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	(void)conf;
	(void)err;
	struct proxy_global *g = obj;
	g->log_send_hostname = line->argc > line->args ? line->argv[line->args] : g->node;
	return true;
}

// set-var proc.NAME EXPR, set-var-fmt proc.NAME FORMAT: performed once all files are read.
struct start_var {
	const struct conf_line *line;
	struct var_ref ref;
	struct expr *expr;
	struct logfmt *format;
};

static bool
set_start_var(struct conf *conf, void *arg, struct err *err)
{
	struct start_var *v = arg;
	struct sample_ctx ctx = {.arena = &conf->arena,
				 .now_mono_ns = clock_mono_ns(),
				 .now_boot_ns = clock_boot_ns(),
				 .now_real_ns = clock_real_ns()};
	struct sample value = {.type = SMP_STR};
	bool ok = v->expr != NULL ? expr_eval(v->expr, &ctx, &value)
				  : logfmt_render(v->format, &ctx, &value.s);
	if (!ok)
		return err_set(err, "the expression has no value at start");
	if (!var_set(&v->ref, &ctx, &value))
		return err_set(err, "'%.*s' cannot be set", STR_ARG(v->line->argv[1]));
	return true;
}

static bool
parse_set_var(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	(void)obj;
	struct proxy_setup *s = conf_bound(conf, "setup");
	if (line->argc < 3)
		return err_set(err, "'%.*s' needs a variable and a value", STR_ARG(line->argv[0]));
	struct expr_env env = {.set = s->exprs,
			       .place = &EXPR_AT_CLI,
			       .file = line->file,
			       .line = line->line};
	struct start_var *v = CONF_NEW(conf, struct start_var);
	v->line = line;
	if (!str_starts(line->argv[1], STR("proc.")))
		return err_set(err, "'%.*s': only variables of proc. can be set at start",
			       STR_ARG(line->argv[1]));
	if (!var_parse(&env, line->argv[1], &v->ref, err))
		return false;
	int used = line->argc - 2;
	if (str_eq(line->argv[0], STR("set-var")))
		v->expr = expr_parse_words(&env, line->argc - 2, line->argv + 2, &used, err);
	else
		v->format = logfmt_parse(&env, line->argv[2], err);
	if (v->expr == NULL && v->format == NULL)
		return false;
	if (used + 2 < line->argc)
		return err_set(err, "'%.*s' is one word too many", STR_ARG(line->argv[used + 2]));
	conf_defer(conf, line, set_start_var, v);
	return true;
}

uint32_t
proxy_setup_workers(const struct proxy_set *set)
{
	if (set->global.nbthread != 0)
		return set->global.nbthread;
	cpu_set_t cpus;
	if (sched_getaffinity(0, sizeof(cpus), &cpus) != 0)
		return 1;
	return (uint32_t)MIN(MAX(CPU_COUNT(&cpus), 1), NET_MAX_WORKERS);
}

// Whose scripts may open sockets: the workers, and the keeper with its tasks and commands.
static uint64_t
n_lua_threads(const struct proxy_set *set)
{
	return set->policies != NULL ? proxy_setup_workers(set) + 1 : 0;
}

uint64_t
proxy_setup_descriptors(const struct proxy_set *set)
{
	// A connection has a client's and a server's socket; each worker its listeners, one that
	// waits at each of them for room, log sockets and loop; each server one at rest for each
	// worker, and that of its check; some for the rest of the process.
	uint64_t workers = proxy_setup_workers(set), binds = 0;
	for (size_t i = 0; i < set->n_all; i++)
		for (const struct bind *b = set->all[i]->binds; b != NULL; b = b->next)
			binds++;
	uint64_t servers = 0;
	for (size_t i = 0; i < set->n_all; i++)
		if (set->all[i]->backend != NULL)
			servers += set->all[i]->backend->n_servers;
	return 2 * (uint64_t)set->global.maxconn + workers * (2 * binds + 8) +
	       servers * (workers + 1) + 64 + n_lua_threads(set) * PROXY_LUA_SOCKETS_LEAST;
}

uint64_t
proxy_setup_more_descriptors(const struct proxy_set *set)
{
	return n_lua_threads(set) * (PROXY_LUA_SOCKETS_MOST - PROXY_LUA_SOCKETS_LEAST);
}

// Connections come first: maxconn is what operators have said.
void
proxy_setup_lua_sockets(struct proxy_set *set, uint64_t limit)
{
	uint64_t need = proxy_setup_descriptors(set), threads = n_lua_threads(set);
	uint64_t spare = limit > need && threads > 0 ? (limit - need) / threads : 0;
	set->lua_sockets_most =
	    (uint32_t)MIN(PROXY_LUA_SOCKETS_LEAST + spare, (uint64_t)PROXY_LUA_SOCKETS_MOST);
}

#define G         "global"
#define GLOBAL(m) offsetof(struct proxy_global, m)
#define ARG1(n, t, lo, hi, h)                                            \
	{                                                                \
		{.name = n, .type = t, .min = lo, .max = hi, .help = h}, \
		{                                                        \
			.type = CONF_END                                 \
		}                                                        \
	}

static const struct conf_arg nbthread_arg[] =
    ARG1("number", CONF_INT, 1, NET_MAX_WORKERS, "Worker threads.");
static const struct conf_arg maxconn_arg[] =
    ARG1("number", CONF_INT, 1, 10000000, "Client connections.");
static const struct conf_arg bufsize_arg[] =
    ARG1("bytes", CONF_SIZE, 4096, 1 << 20, "Bytes of one receive buffer.");
static const struct conf_arg rewrite_arg[] =
    ARG1("bytes", CONF_SIZE, 0, 1 << 20, "Bytes kept free for edits of a head.");
static const struct conf_arg maxhdr_arg[] =
    ARG1("number", CONF_INT, 16, 32767, "Header fields of one message.");
static const struct conf_arg cookielen_arg[] =
    ARG1("bytes", CONF_INT, 1, 65535, "Bytes of one cookie.");
static const struct conf_arg ulimit_arg[] =
    ARG1("number", CONF_INT, 16, INT32_MAX, "File descriptors of the process.");
static const struct conf_arg draining_arg[] = ARG1("number", CONF_INT, 1, 1000, "Processes.");
static const struct conf_arg seccomp_arg[] = ARG1("switch", CONF_BOOL, 0, 0, "on or off.");
static const struct conf_arg one_arg[] = ARG1("number", CONF_INT, 1, 1, "1");
static const struct conf_arg text_arg[] = ARG1("text", CONF_STR, 1, 255, "Text.");
static const struct conf_arg rest_arg[] = ARG1("text", CONF_REST, 0, 0, "Text.");
static const struct conf_arg path_arg[] = ARG1("path", CONF_STR, 1, 4095, "A path.");
static const char *const engines[] = {"auto", "uring", "epoll", NULL};

static bool
parse_engine(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	(void)conf;
	(void)err;
	((struct proxy_global *)obj)->io_engine = str_from_c(engines[line->values[0].i]);
	return true;
}

static const struct conf_arg engine_arg[] = {
    {.name = "engine",
     .type = CONF_ENUM,
     .words = engines,
     .dflt = "auto",
     .help = "auto takes io_uring where the kernel allows it."},
    {.type = CONF_END}};
static const struct conf_arg time_arg[] = {{.name = "time",
					    .type = CONF_TIME,
					    .min = 0,
					    .max = (int64_t)INT32_MAX * 1000000,
					    .unit = "ms",
					    .help = "A number with us, ms, s, m, h or d."},
					   {.type = CONF_END}};

static const struct conf_arg gather_arg[] = {{.name = "time",
					      .type = CONF_TIME,
					      .min = 0,
					      .max = NS_PER_MS,
					      .unit = "us",
					      .help = "At most 1ms."},
					     {.type = CONF_END}};

#define IGNORED_AS(word, why)                                                               \
	{                                                                                   \
		.sections = G, .words = word, .flags = CONF_IGNORED | CONF_NO | CONF_EXTRA, \
		.help = why                                                                 \
	}
#define IGNORED(word) IGNORED_AS(word, CONF_NOT_YET)
#define REFUSED(word, text)                                                                 \
	{                                                                                   \
		.sections = G, .words = word, .flags = CONF_REFUSED | CONF_NO | CONF_EXTRA, \
		.help = text                                                                \
	}
#define LATER "it is known to HAProxy and comes in a later tidegate"

const struct conf_keyword conf_global_keywords[] = {
    {G, "nbthread", nbthread_arg, NULL, parse_number, 0, 0,
     "Worker threads; default: one for each CPU that the process may use."},
    {G, "maxconn", maxconn_arg, NULL, parse_number, 0, 0,
     "Most client connections at once, of all workers together; default 2000."},
    {G, "tune.bufsize", bufsize_arg, NULL, parse_number, 0, 0,
     "Size of a receive buffer, which a message head must fit; default 16384."},
    {G, "tune.io-uring.gather", gather_arg, NULL, NULL, GLOBAL(gather_ns), 0,
     "How long a busy worker waits for more requests to serve together; default 50us, 0 not at "
     "all. Costs them that time, saves up to a third of the CPU. Linux 6.12."},
    {G, "tune.maxrewrite", rewrite_arg, NULL, parse_number, 0, 0,
     "Room kept for edits of a head; default 1024."},
    {G, "tune.http.maxhdr", maxhdr_arg, NULL, parse_number, 0, 0,
     "Most header fields of a message; default 101."},
    {G, "tune.http.cookielen", cookielen_arg, NULL, parse_number, 0, 0,
     "Most bytes that 'capture cookie' keeps; default 63."},
    {G, "ulimit-n", ulimit_arg, NULL, parse_ulimit, 0, 0,
     "File descriptors; default: what maxconn needs."},
    {G, "io-engine", engine_arg, NULL, parse_engine, 0, 0,
     "How sockets are driven: auto, uring or epoll."},
    {G, "daemon", NULL, NULL, NULL, GLOBAL(daemon), CONF_NO, "Runs in the background, as -D."},
    {G, "master-worker", NULL, NULL, NULL, GLOBAL(master), CONF_NO | CONF_EXTRA,
     "A master process supervises a worker process, as -W."},
    {G, "mworker-max-reloads", draining_arg, NULL, NULL, GLOBAL(most_draining), 0,
     "Worker processes that drain after reloads at once; beyond, the oldest is ended; default 3."},
    {G, "mworker-start-timeout", time_arg, NULL, NULL, GLOBAL(start_timeout_ns), 0,
     "A worker process that does not serve by then, nor in twice the time that one has taken so "
     "far, is killed, and the reload fails; default 60s, 0 never. The word of the configuration "
     "that "
     "serves counts."},
    {G, "quiet", NULL, NULL, NULL, GLOBAL(quiet), CONF_NO, "No messages at start, as -q."},
    {G, "hard-stop-after", time_arg, NULL, NULL, GLOBAL(hard_stop_after_ns), 0,
     "After a soft stop, connections still open then are cut."},
    {G, "grace", time_arg, NULL, NULL, GLOBAL(grace_ns), 0,
     "Between the signal of a soft stop and the end of listening."},
    {G, "pidfile", path_arg, NULL, NULL, GLOBAL(pidfile), 0,
     "File that gets the process's number; written for others, never read."},
    {G, "state-dir", path_arg, NULL, NULL, GLOBAL(state_dir), 0,
     "Folder of this service's lock and of what shall survive a full stop; made when missing. "
     "Implies master-worker; one service at a time."},
    {G, "node", text_arg, NULL, NULL, GLOBAL(node), 0, "Name of this node in show info."},
    {G, "description", rest_arg, NULL, NULL, GLOBAL(description), 0, "Text in show info."},
    {G, "log-tag", text_arg, NULL, NULL, GLOBAL(log_tag), 0,
     "Program name in syslog lines; default tidegate."},
    {G, "chroot", path_arg, NULL, NULL, GLOBAL(chroot), 0,
     "Folder that becomes the root once everything is open. Needs root."},
    {G, "user", text_arg, NULL, parse_user, GLOBAL(user), 0,
     "User that the process becomes once everything is open. Needs root."},
    {G, "group", text_arg, NULL, parse_group, GLOBAL(group), 0,
     "Group that the process gets once everything is open. Needs root."},
    {G, "seccomp", seccomp_arg, NULL, NULL, GLOBAL(seccomp), 0,
     "Whether the kernel refuses system calls that serving does not need; default on."},
    {.sections = G,
     .words = "log",
     .parse = conf_parse_global_log,
     .flags = CONF_EXTRA,
     .help = "log TARGET [len N] [format F] [sample R:S] [rate-limit N] FACILITY [MAX "
	     "[MIN]]: what 'log global' stands for."},
    {.sections = G,
     .words = "log-send-hostname",
     .parse = parse_log_send_hostname,
     .flags = CONF_EXTRA,
     .help = "Host name in syslog lines."},
    {.sections = G,
     .words = "set-var",
     .parse = parse_set_var,
     .flags = CONF_EXTRA,
     .help = "set-var proc.NAME EXPR: sets a variable of the process at start."},
    {.sections = G,
     .words = "set-var-fmt",
     .parse = parse_set_var,
     .flags = CONF_EXTRA,
     .help = "set-var-fmt proc.NAME FORMAT: sets a variable of the process at start."},
    {G, "thread-groups", one_arg, NULL, NULL, 0, CONF_IGNORED, "There is one group."},
    IGNORED("spread-checks"),
    IGNORED("max-spread-checks"),
    IGNORED("nbproc"),
    IGNORED("cpu-map"),
    IGNORED("cpu-policy"),
    IGNORED("thread-group"),
    IGNORED("numa-cpu-mapping"),
    IGNORED("maxpipes"),
    IGNORED("maxconnrate"),
    IGNORED("maxsessrate"),
    IGNORED_AS("maxsslconn", CONF_NO_TLS),
    IGNORED_AS("maxsslrate", CONF_NO_TLS),
    IGNORED("noepoll"),
    IGNORED("nosplice"),
    IGNORED("noreuseport"),
    IGNORED("nogetaddrinfo"),
    IGNORED("busy-polling"),
    IGNORED("profiling.tasks"),
    IGNORED("zero-warning"),
    IGNORED("strict-limits"),
    IGNORED("insecure-fork-wanted"),
    IGNORED("insecure-setuid-wanted"),
    IGNORED("expose-experimental-directives"),
    IGNORED_AS("ssl-default-bind-ciphers", CONF_NO_TLS),
    IGNORED_AS("ssl-default-bind-ciphersuites", CONF_NO_TLS),
    IGNORED_AS("ssl-default-bind-curves", CONF_NO_TLS),
    IGNORED_AS("ssl-default-bind-options", CONF_NO_TLS),
    IGNORED_AS("ssl-default-server-ciphers", CONF_NO_TLS),
    IGNORED_AS("ssl-default-server-ciphersuites", CONF_NO_TLS),
    IGNORED_AS("ssl-default-server-options", CONF_NO_TLS),
    IGNORED_AS("ssl-server-verify", CONF_NO_TLS),
    IGNORED_AS("ssl-engine", CONF_NO_TLS),
    IGNORED_AS("ssl-dh-param-file", CONF_NO_TLS),
    IGNORED_AS("ca-base", CONF_NO_TLS),
    IGNORED_AS("crt-base", CONF_NO_TLS),
    IGNORED_AS("server-state-base", CONF_STATES_STAY),
    IGNORED_AS("server-state-file", CONF_STATES_STAY),
    IGNORED("stats-file"),
    IGNORED("tune.buffers.limit"),
    IGNORED("tune.buffers.reserve"),
    IGNORED("tune.comp.maxlevel"),
    IGNORED("tune.h2.header-table-size"),
    IGNORED("tune.h2.initial-window-size"),
    IGNORED("tune.h2.max-concurrent-streams"),
    IGNORED("tune.http.logurilen"),
    IGNORED("tune.idle-pool.shared"),
    IGNORED("tune.idletimer"),
    IGNORED("tune.lua.bool-sample-conversion"),
    IGNORED("tune.lua.forced-yield"),
    IGNORED("tune.lua.openlibs"),
    IGNORED("tune.maxaccept"),
    IGNORED("tune.maxpollevents"),
    IGNORED("tune.pattern.cache-size"),
    IGNORED("tune.pipesize"),
    IGNORED("tune.pool-high-fd-ratio"),
    IGNORED("tune.pool-low-fd-ratio"),
    IGNORED("tune.rcvbuf.client"),
    IGNORED("tune.rcvbuf.server"),
    IGNORED("tune.recv_enough"),
    IGNORED("tune.runqueue-depth"),
    IGNORED("tune.sched.low-latency"),
    IGNORED("tune.sndbuf.client"),
    IGNORED("tune.sndbuf.server"),
    IGNORED_AS("tune.ssl.cachesize", CONF_NO_TLS),
    IGNORED_AS("tune.ssl.default-dh-param", CONF_NO_TLS),
    IGNORED_AS("tune.ssl.lifetime", CONF_NO_TLS),
    IGNORED_AS("tune.ssl.maxrecord", CONF_NO_TLS),
    IGNORED("tune.vars.global-max-size"),
    IGNORED("tune.vars.proc-max-size"),
    IGNORED("tune.vars.reqres-max-size"),
    IGNORED("tune.vars.sess-max-size"),
    IGNORED("tune.vars.txn-max-size"),
    REFUSED("uid", "write 'user NAME'"),
    REFUSED("gid", "write 'group NAME'"),
    REFUSED("external-check", LATER),
    REFUSED("setenv", LATER),
    REFUSED("presetenv", LATER),
    REFUSED("resetenv", LATER),
    REFUSED("unsetenv", LATER),
    REFUSED("h1-case-adjust", LATER),
    REFUSED("h1-case-adjust-file", LATER),
    REFUSED("localpeer", LATER),
    REFUSED("unix-bind", LATER),
    REFUSED("set-dumpable", LATER),
    REFUSED("h2-workaround-bogus-websocket-clients", LATER),
    REFUSED("wurfl-data-file", LATER),
    {.sections = NULL},
};
