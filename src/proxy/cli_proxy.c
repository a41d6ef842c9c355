// SPDX-License-Identifier: MIT
// Commands on servers and counters. They run on the keeper: names and addresses are constant,
// states and counters are atomics, and what belongs to a worker is asked of it by a message.
#include "proxy/cli_proxy_priv.h"

#include "base/mem.h"
#include "net/worker.h"
#include "proxy/health.h"
#include "proxy/policy_server.h"
#include "proxy/stats.h"
#include "proxy/worker.h"

static const struct proxy_set *
set_of(const struct cli_session *s)
{
	const struct proxy_set *set = cli_bound(s, "proxy");
	ASSERT(set != NULL);
	return set;
}

// --- naming a server ---------------------------------------------------------------------------

struct names {
	const struct proxy_set *set;
	const struct backend *backend;
	size_t at;
};

static const char *
next_backend_name(void *iter)
{
	struct names *n = iter;
	while (n->at < n->set->n_all) {
		const struct proxy *p = n->set->all[n->at++];
		if (p->backend != NULL)
			return p->name.p;
	}
	return NULL;
}

static const char *
next_server_name(void *iter)
{
	struct names *n = iter;
	return n->at < n->backend->n_servers ? n->backend->servers[n->at++]->name.p : NULL;
}

struct backend *
cli_find_backend(struct cli_session *s, struct str name)
{
	const struct proxy_set *set = set_of(s);
	const struct proxy *p = hash_map_get(&set->backends, name);
	if (p != NULL)
		return p->backend;
	struct names n = {.set = set};
	const char *near = str_suggest(name, next_backend_name, &n);
	cli_error(s, "No such backend: '%.*s'%s%s%s", STR_ARG(name),
		  near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
		  near != NULL ? "'?" : ".");
	return NULL;
}

// "backend/server", either by name or the server as "#id".
struct server *
cli_find_server(struct cli_session *s, struct str word)
{
	size_t slash = str_find_byte(word, '/');
	if (slash == SIZE_MAX) {
		cli_error(s, "Require 'backend/server'.");
		return NULL;
	}
	const struct backend *b = cli_find_backend(s, str_slice(word, 0, slash));
	struct str name = str_slice(word, slash + 1, word.n);
	int64_t id;
	if (b == NULL)
		return NULL;
	struct server *srv = backend_find_server(b, name);
	if (srv == NULL && name.n > 1 && name.p[0] == '#' &&
	    str_to_int(str_slice(name, 1, name.n), &id))
		for (size_t i = 0; i < b->n_servers; i++)
			if (b->servers[i]->id == (uint64_t)id)
				srv = b->servers[i];
	if (srv != NULL)
		return srv;
	struct names n = {.backend = b};
	const char *near = str_suggest(name, next_server_name, &n);
	if (near == NULL)
		cli_error(s, "No such server: '%.*s'.", STR_ARG(word));
	else
		cli_error(s, "No such server: '%.*s'; did you mean '%.*s/%s'?", STR_ARG(word),
			  STR_ARG(b->name), near);
	return NULL;
}

// --- changing servers ----------------------------------------------------------------------------

static enum cli_status
set_state(struct cli_session *s, struct server *srv, struct str state)
{
	struct err err;
	if (!server_set_state(srv, state, &err))
		return cli_error(s, "%s.", err.text);
	struct str who = cli_who(s);
	log_msg(LOG_WARNING, "Server %.*s/%.*s is %s, set by %.*s", STR_ARG(srv->backend->name),
		STR_ARG(srv->name), server_state_name(srv), STR_ARG(who));
	return CLI_DONE;
}

static enum cli_status
run_enable_server(struct cli_session *s, const struct cli_args *a)
{
	struct server *srv = cli_find_server(s, a->argv[0]);
	return srv != NULL ? set_state(s, srv, STR("ready")) : CLI_DONE;
}

static enum cli_status
run_disable_server(struct cli_session *s, const struct cli_args *a)
{
	struct server *srv = cli_find_server(s, a->argv[0]);
	return srv != NULL ? set_state(s, srv, STR("maint")) : CLI_DONE;
}

// A share is cut to a whole number, as in HAProxy; who asks for half of weight 1 means otherwise.
static void
warn_of_no_weight(struct cli_session *s, const struct server *srv, struct str weight)
{
	int64_t share;
	if (weight.p[weight.n - 1] != '%' || srv->weight_configured == 0 ||
	    atomic_load_explicit(&srv->weight, memory_order_relaxed) != 0)
		return;
	if (str_to_int(str_slice(weight, 0, weight.n - 1), &share) && share > 0)
		cli_warn(
		    s,
		    "%.*s of weight %u is 0: the server gets nothing new. A configured 'weight "
		    "100' has room for shares.",
		    STR_ARG(weight), srv->weight_configured);
}

static enum cli_status
set_weight(struct cli_session *s, struct server *srv, struct str weight)
{
	struct err err;
	if (!server_set_weight(srv, weight, &err))
		return cli_error(s, "%s.", err.text);
	warn_of_no_weight(s, srv, weight);
	return CLI_DONE;
}

static enum cli_status
run_set_weight(struct cli_session *s, const struct cli_args *a)
{
	struct server *srv = cli_find_server(s, a->argv[0]);
	return srv != NULL ? set_weight(s, srv, a->argv[1]) : CLI_DONE;
}

static enum cli_status
run_get_weight(struct cli_session *s, const struct cli_args *a)
{
	const struct server *srv = cli_find_server(s, a->argv[0]);
	if (srv != NULL)
		cli_printf(s, "%u (initial %u)\n",
			   atomic_load_explicit(&srv->weight, memory_order_relaxed),
			   srv->weight_configured);
	return CLI_DONE;
}

static enum cli_status
run_set_server(struct cli_session *s, const struct cli_args *a)
{
	struct server *srv = cli_find_server(s, a->argv[0]);
	struct str what = a->argv[1], value = a->argv[2];
	if (srv == NULL)
		return CLI_DONE;
	if (str_eq(what, STR("addr")))
		return cli_set_server_addr(s, srv, a);
	if (a->argc == 3 && str_eq(what, STR("state")))
		return set_state(s, srv, value);
	if (a->argc == 3 && str_eq(what, STR("weight")))
		return set_weight(s, srv, value);
	if (a->argc == 3 && str_eq(what, STR("health")))
		return cli_set_server_health(s, srv, value);
	if (str_eq(what, STR("fqdn")))
		return cli_error(s,
				 "'set server fqdn' is not there: tidegate looks no name up while "
				 "it runs. Give the address itself: 'set server addr'.");
	if (str_eq(what, STR("ssl")))
		return cli_error(s, "'set server ssl' comes in a later tidegate.");
	if (str_eq(what, STR("state")) || str_eq(what, STR("weight")) ||
	    str_eq(what, STR("health")))
		return cli_usage(s, a);
	enum cli_status status;
	if (cli_set_server_check(s, srv, a, &status))
		return status;
	return cli_error(s,
			 "'%.*s' is none of state, weight, addr, health, check-addr, check-port, "
			 "agent, agent-addr, agent-port and agent-send.",
			 STR_ARG(what));
}

// --- states --------------------------------------------------------------------------------------

// srv_check_status, _result, _health, _state: bits 1 running, 2 configured, 4 enabled, 8 paused.
static void
print_check_state(struct cli_session *s, const struct server *srv)
{
	const struct check *c = srv->check;
	uint32_t admin = atomic_load_explicit(&srv->admin, memory_order_relaxed);
	if (c == NULL) {
		cli_add(s, STR(" 1 0 0 0"));
		return;
	}
	enum health_status status = c->health.last.status;
	unsigned bits =
	    2u | (c->running ? 1u : 0) | (c->enabled ? 4u : 0) | (admin & SERVER_MAINT ? 8u : 0);
	cli_printf(s, " %d %d %u %u", (int)status,
		   (int)(c->running ? HEALTH_NOT_KNOWN : health_status_rows[status].result),
		   c->health.points, bits);
}

static unsigned
agent_state(const struct check *c)
{
	return c == NULL ? 0 : 18u | (c->running ? 1u : 0) | (c->enabled ? 4u : 0);
}

static const char *
addr_word(const struct check *c, char host[ADDR_TEXT_BYTES])
{
	return c != NULL && c->conf.addr.len != 0 ? addr_host_text(&c->conf.addr, host) : "-";
}

// srv_check_port, srv_check_addr, srv_agent_addr, srv_agent_port
static void
print_check_targets(struct cli_session *s, const struct server *srv)
{
	char check[ADDR_TEXT_BYTES], agent[ADDR_TEXT_BYTES];
	cli_printf(s, " %u %s %s %u\n", srv->check != NULL ? srv->check->conf.port : 0,
		   addr_word(srv->check, check), addr_word(srv->agent, agent),
		   srv->agent != NULL ? srv->agent->conf.port : 0);
}

static void
print_server_state(struct cli_session *s, const struct proxy *p, const struct server *srv,
		   uint64_t now_s)
{
	char host[ADDR_TEXT_BYTES];
	const struct addr *at = &server_addr(srv)->addr;
	uint32_t admin = atomic_load_explicit(&srv->admin, memory_order_relaxed);
	uint64_t changed =
	    atomic_load_explicit(&srv->changed_real_ns, memory_order_relaxed) / NS_PER_S;
	// HAProxy's srv_op_state: 0 stopped, 2 running, 3 stopping.
	int state = !server_is_up(srv) ? 0 : admin & SERVER_STOPPING ? 3 : 2;
	// HAProxy's bits of srv_admin_state: 1 forced maintenance, 8 forced drain.
	// 2 and 16 the same of the tracked one.
	unsigned bits = (admin & SERVER_MAINT ? 1u : 0) | (admin & SERVER_MAINT_VIA ? 2u : 0) |
			(admin & SERVER_DRAIN ? 8u : 0) | (admin & SERVER_DRAIN_VIA ? 16u : 0);
	cli_printf(s, "%u %.*s %u %.*s %s %d %u %u %u %llu", p->id, STR_ARG(p->name), srv->id,
		   STR_ARG(srv->name), addr_host_text(at, host), state, bits,
		   atomic_load_explicit(&srv->weight, memory_order_relaxed), srv->weight_configured,
		   (unsigned long long)(now_s > changed ? now_s - changed : 0));
	print_check_state(s, srv);
	cli_printf(s, " %u 0 0 - %u - 0", agent_state(srv->agent), addr_port(at));
	print_check_targets(s, srv);
}

static enum cli_status
run_show_servers_state(struct cli_session *s, const struct cli_args *a)
{
	const struct proxy_set *set = set_of(s);
	uint64_t now_s = clock_real_ns() / NS_PER_S;
	if (a->argc > 0 && cli_find_backend(s, a->argv[0]) == NULL)
		return CLI_DONE;
	cli_add(s, STR("1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state "
		       "srv_uweight srv_iweight srv_time_since_last_change srv_check_status "
		       "srv_check_result srv_check_health srv_check_state srv_agent_state "
		       "bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl "
		       "srv_check_port srv_check_addr srv_agent_addr srv_agent_port\n"));
	for (size_t i = 0; i < set->n_all; i++) {
		const struct proxy *p = set->all[i];
		if (p->backend == NULL || (a->argc > 0 && !str_eq(p->name, a->argv[0])))
			continue;
		for (size_t j = 0; j < p->backend->n_servers; j++)
			print_server_state(s, p, p->backend->servers[j], now_s);
	}
	return CLI_DONE;
}

// Why it is in that state, as far as checks say: "check L7STS/500", "via app/a1".
static void
print_checked(struct cli_session *s, const struct server *srv)
{
	const struct server *tracked = srv->track;
	if (tracked != NULL)
		cli_printf(s, " via %.*s/%.*s", STR_ARG(tracked->backend->name),
			   STR_ARG(tracked->name));
	if (srv->check == NULL)
		return;
	const struct health_finding *f = &srv->check->health.last;
	cli_printf(s, " check %s", health_status_rows[f->status].word);
	if (health_has_code(f->status) && f->code != 0)
		cli_printf(s, "/%u", f->code);
}

static void
print_server(struct cli_session *s, const struct server *srv, uint64_t now_s)
{
	uint64_t changed =
	    atomic_load_explicit(&srv->changed_real_ns, memory_order_relaxed) / NS_PER_S;
	cli_printf(s, "%.*s/%.*s %s %s weight %u configured %u requests %lld since %llus%s",
		   STR_ARG(srv->backend->name), STR_ARG(srv->name), server_state_name(srv),
		   server_addr(srv)->text, atomic_load_explicit(&srv->weight, memory_order_relaxed),
		   srv->weight_configured,
		   (long long)policy_sum_of(&srv->stats,
					    offsetof(struct be_counters, sessions_now)),
		   (unsigned long long)(now_s > changed ? now_s - changed : 0),
		   srv->is_backup ? " backup" : "");
	print_checked(s, srv);
	cli_add(s, STR("\n"));
}

static enum cli_status
run_show_servers(struct cli_session *s, const struct cli_args *a)
{
	const struct proxy_set *set = set_of(s);
	uint64_t now_s = clock_real_ns() / NS_PER_S;
	const struct backend *only = a->argc > 0 ? cli_find_backend(s, a->argv[0]) : NULL;
	if (a->argc > 0 && only == NULL)
		return CLI_DONE;
	for (size_t i = 0; i < set->n_all; i++) {
		const struct backend *b = set->all[i]->backend;
		for (size_t j = 0; b != NULL && j < b->n_servers; j++)
			if (only == NULL || only == b)
				print_server(s, b->servers[j], now_s);
	}
	return CLI_DONE;
}

static enum cli_status
run_show_backend(struct cli_session *s, const struct cli_args *a)
{
	(void)a;
	const struct proxy_set *set = set_of(s);
	cli_add(s, STR("# name\n"));
	for (size_t i = 0; i < set->n_all; i++)
		if (set->all[i]->backend != NULL)
			cli_printf(s, "%.*s\n", STR_ARG(set->all[i]->name));
	return CLI_DONE;
}

// --- clear counters ------------------------------------------------------------------------------

struct clearing {
	struct proxy_set *set;
	struct cli_ref ref;
};

static void
clear_here(struct worker *w, void *arg)
{
	const struct clearing *c = arg;
	stats_clear(c->set, w->id - 1);
}

static void
cleared(struct worker *keeper, void *arg)
{
	(void)keeper;
	struct clearing *c = arg;
	struct cli_session *s = cli_deref(c->ref);
	health_clear(c->set);
	mem_free(c);
	if (s != NULL)
		cli_done(s);
}

static enum cli_status
run_clear_counters(struct cli_session *s, const struct cli_args *a)
{
	if (a->argc > 0 && !str_eq(a->argv[0], STR("all")))
		return cli_usage(s, a);
	if (cli_level(s) < (a->argc > 0 ? CLI_ADMIN : CLI_OPERATOR))
		return cli_error(s, "Permission denied.");
	struct clearing *c = MEM_NEW(struct clearing);
	*c = (struct clearing){.set = cli_bound(s, "proxy"), .ref = cli_ref(s)};
	worker_broadcast(c->set->threads, clear_here, cleared, c);
	return CLI_WAIT;
}

const struct cli_command cli_proxy_commands[] = {
    {.words = "show info",
     .level = CLI_USER,
     .args = "[json]",
     .max_args = 1,
     .run = cli_show_info,
     .help = "the process: version, limits, connections, uptime"},
    {.words = "show stat",
     .level = CLI_USER,
     .args = "[PROXY TYPE SERVER] [json]",
     .max_args = 4,
     .run = cli_show_stat,
     .help = "counters of frontends, listeners, backends and servers as HAProxy's CSV"},
    {.words = "show rules",
     .level = CLI_OPERATOR,
     .args = "[FRONTEND|BACKEND] [json]",
     .max_args = 2,
     .run = cli_show_rules,
     .help = "how often each rule was applied; of use_backend and use-server, how "
	     "often it chose"},
    {.words = "show metrics",
     .level = CLI_USER,
     .run = cli_show_metrics,
     .help = "the same counters in Prometheus' text format"},
    {.words = "show sess",
     .level = CLI_OPERATOR,
     .args = "[all|ID]",
     .max_args = 1,
     .run = cli_show_sess,
     .help = "transactions under way, with the step each is in; all or an id: in detail"},
    {.words = "shutdown session",
     .level = CLI_ADMIN,
     .args = "ID",
     .min_args = 1,
     .max_args = 1,
     .flags = CLI_CHANGES,
     .run = cli_shutdown_session,
     .help = "end a transaction and its connections"},
    {.words = "shutdown sessions server",
     .level = CLI_ADMIN,
     .args = "BACKEND/SERVER",
     .min_args = 1,
     .max_args = 1,
     .flags = CLI_CHANGES,
     .run = cli_shutdown_sessions,
     .help = "end all transactions on a server"},
    {.words = "show errors",
     .level = CLI_OPERATOR,
     .max_args = 2,
     .run = cli_show_errors,
     .args = "[PROXY|ID|-1] [request|response]",
     .help =
	 "the last refused request and response of each proxy; alone: also how many, by reason"},
    {.words = "show activity",
     .level = CLI_OPERATOR,
     .run = cli_show_activity,
     .help = "each worker's connections and turns of its loop"},
    {.words = "show logs",
     .level = CLI_OPERATOR,
     .run = cli_show_logs,
     .help = "each log target, and how many lines it lost or was spared by its rate-limit"},
    {.words = "show backend",
     .level = CLI_USER,
     .run = run_show_backend,
     .help = "names of the backends"},
    {.words = "show servers",
     .level = CLI_USER,
     .args = "[BACKEND]",
     .max_args = 1,
     .run = run_show_servers,
     .help = "each server: state, address, weight, requests it has now, time in that state, last "
	     "check"},
    {.words = "show servers state",
     .level = CLI_USER,
     .args = "[BACKEND]",
     .max_args = 1,
     .run = run_show_servers_state,
     .help = "states, weights and addresses in HAProxy's file format"},
    {.words = "show servers conn",
     .level = CLI_USER,
     .args = "[BACKEND]",
     .max_args = 1,
     .run = cli_show_servers_conn,
     .help = "addresses, and connections in use and idle, for each worker too"},
    {.words = "enable server",
     .level = CLI_ADMIN,
     .args = "BACKEND/SERVER",
     .min_args = 1,
     .max_args = 1,
     .flags = CLI_CHANGES,
     .run = run_enable_server,
     .help = "end a server's maintenance or drain"},
    {.words = "disable server",
     .level = CLI_ADMIN,
     .args = "BACKEND/SERVER",
     .min_args = 1,
     .max_args = 1,
     .flags = CLI_CHANGES,
     .run = run_disable_server,
     .help = "put a server into maintenance"},
    {.words = "set server",
     .level = CLI_ADMIN,
     .args = "BACKEND/SERVER state ready|drain|maint | weight N[%] | health up|stopping|down | "
	     "addr ADDRESS [port PORT] | check-addr ADDRESS [port PORT] | check-port PORT | "
	     "agent up|down | agent-addr ADDRESS [port PORT] | agent-port PORT | agent-send TEXT",
     .min_args = 3,
     .max_args = 5,
     .flags = CLI_CHANGES,
     .run = run_set_server,
     .help = "change a server's state, weight, address, what checks and agent say of it, and where "
	     "they are asked"},
    {.words = "set weight",
     .level = CLI_ADMIN,
     .args = "BACKEND/SERVER N[%]",
     .min_args = 2,
     .max_args = 2,
     .flags = CLI_CHANGES,
     .run = run_set_weight,
     .help = "change a server's weight"},
    {.words = "set dynamic-cookie-key backend",
     .level = CLI_ADMIN,
     .args = "BACKEND KEY",
     .min_args = 2,
     .max_args = 2,
     .flags = CLI_CHANGES | CLI_SECRET_LAST,
     .run = cli_set_cookie_key,
     .help = "another key for the names of servers that 'cookie ... dynamic' makes"},
    {.words = "enable dynamic-cookie backend",
     .level = CLI_ADMIN,
     .args = "BACKEND",
     .min_args = 1,
     .max_args = 1,
     .flags = CLI_CHANGES,
     .run = cli_enable_dynamic_cookie,
     .help = "give servers without a name in the cookie one by address and key"},
    {.words = "disable dynamic-cookie backend",
     .level = CLI_ADMIN,
     .args = "BACKEND",
     .min_args = 1,
     .max_args = 1,
     .flags = CLI_CHANGES,
     .run = cli_disable_dynamic_cookie,
     .help = "take those names away again"},
    {.words = "get weight",
     .level = CLI_USER,
     .args = "BACKEND/SERVER",
     .min_args = 1,
     .max_args = 1,
     .run = run_get_weight,
     .help = "a server's weight, now and configured"},
    {.words = "clear counters",
     .level = CLI_OPERATOR,
     .args = "[all]",
     .max_args = 1,
     .flags = CLI_CHANGES,
     .run = run_clear_counters,
     .help = "set counters and maxima to zero"},
    {.words = NULL},
};
