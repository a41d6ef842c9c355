// SPDX-License-Identifier: MIT
// What operators and rules see of maxconn, queues and rates: `set maxconn`, and the fetches that
// count connections and requests, those that wait, and those of the last second.
#include "base/module.h"
#include "cli/cli.h"
#include "conf/conf.h"
#include "expr/fetch.h"
#include "metrics/rate.h"
#include "proxy/cli_proxy_priv.h"
#include "proxy/conns.h"
#include "proxy/host.h"
#include "proxy/kept.h"
#include "proxy/policy_server.h"
#include "proxy/proxy.h"
#include "proxy/setup.h"
#include "proxy/stats.h"
#include "proxy/txn.h"

// --- commands --------------------------------------------------------------------------------

static bool
parse_limit(struct cli_session *s, struct str word, uint32_t *out)
{
	int64_t n;
	if (!str_to_int(word, &n) || n < 0 || n > INT32_MAX) {
		cli_error(s, "'%.*s' is no number of connections: 0 (no limit) to %d",
			  STR_ARG(word), INT32_MAX);
		return false;
	}
	*out = (uint32_t)n;
	return true;
}

static enum cli_status
run_set_server(struct cli_session *s, const struct cli_args *a)
{
	struct server *srv = cli_find_server(s, a->argv[0]);
	uint32_t n;
	if (srv != NULL && parse_limit(s, a->argv[1], &n))
		server_set_maxconn(srv, n);
	return CLI_DONE;
}

static void
set_frontend_limit(const struct proxy *p, uint32_t n)
{
	limit_set(&p->limit->conns, n, &p->limit->waits);
	kept_frontend(p);
}

static enum cli_status
run_set_frontend(struct cli_session *s, const struct cli_args *a)
{
	const struct proxy_set *set = cli_bound(s, "proxy");
	const struct proxy *p = hash_map_get(&set->frontends, a->argv[0]);
	uint32_t n;
	if (p == NULL)
		return cli_error(s, "No such frontend: '%.*s'", STR_ARG(a->argv[0]));
	if (parse_limit(s, a->argv[1], &n))
		set_frontend_limit(p, n);
	return CLI_DONE;
}

static const struct cli_command commands[] = {
    {.words = "set maxconn server",
     .level = CLI_ADMIN,
     .args = "BACKEND/SERVER N",
     .min_args = 2,
     .max_args = 2,
     .flags = CLI_CHANGES,
     .run = run_set_server,
     .help = "change how many requests a server has at once; the others wait"},
    {.words = "set maxconn frontend",
     .level = CLI_ADMIN,
     .args = "FRONTEND N",
     .min_args = 2,
     .max_args = 2,
     .flags = CLI_CHANGES,
     .run = run_set_frontend,
     .help = "change how many connections a frontend has at once"},
    {.words = NULL},
};

// --- fetches -----------------------------------------------------------------------------------

// Without an argument the request's own: the map finds it by name when it runs.
static bool
link_proxy(struct expr_arg *args, const struct hash_map *map, const char *what, struct err *err)
{
	args[0].ptr = args[0].given ? hash_map_get(map, args[0].s) : (void *)(uintptr_t)map;
	return args[0].ptr != NULL ||
	       err_set(err, "there is no %s '%.*s'", what, STR_ARG(args[0].s));
}

static bool
link_backend(struct expr_arg *args, struct conf *conf, struct err *err)
{
	const struct proxy_set *set = conf_bound(conf, "proxy");
	return link_proxy(args, &set->backends, "backend", err);
}

static bool
link_frontend(struct expr_arg *args, struct conf *conf, struct err *err)
{
	const struct proxy_set *set = conf_bound(conf, "proxy");
	return link_proxy(args, &set->frontends, "frontend", err);
}

static bool
link_server(struct expr_arg *args, struct conf *conf, struct err *err)
{
	const struct proxy_set *set = conf_bound(conf, "proxy");
	struct str rest = args[0].s, name;
	(void)str_next(&rest, '/', &name); // the argument is not empty
	const struct proxy *p = hash_map_get(&set->backends, name);
	if (p == NULL || rest.p == NULL)
		return err_set(err, "'%.*s' is no BACKEND/SERVER", STR_ARG(args[0].s));
	args[0].ptr = backend_find_server(p->backend, rest);
	return args[0].ptr != NULL ||
	       err_set(err, "backend '%.*s' has no server '%.*s'", STR_ARG(name), STR_ARG(rest));
}

static const struct proxy *
own_proxy(const struct expr_arg *args, struct sample_ctx *ctx, enum sample_text which)
{
	if (args[0].given)
		return args[0].ptr;
	if (ctx->host == NULL || ctx->host->text == NULL)
		return NULL;
	struct str name = ctx->host->text(ctx, which);
	return name.p != NULL ? hash_map_get(args[0].ptr, name) : NULL;
}

static int64_t
backend_sum(const struct proxy *p)
{
	return policy_sum_of(&p->be_stats, offsetof(struct be_counters, sessions_now));
}

static int64_t
queue_of(const struct proxy *p)
{
	return backend_queued(p->backend);
}

// Per usable server, rounded up; twice the queue when there is none, as HAProxy has it.
static int64_t
average_queue(const struct proxy *p)
{
	uint32_t up = backend_usable_servers(p->backend), n = backend_queued(p->backend);
	return up > 0 ? (n + up - 1) / up : 2 * (int64_t)n;
}

static int64_t
server_free(const struct server *s)
{
	int64_t max = server_maxconn_now(s);
	return max == 0 ? -1 : MAX(max - (int64_t)limit_used(&s->limit), 0);
}

// -1: a server has no limit, so neither has the backend.
static int64_t
backend_free_places(const struct proxy *p)
{
	int64_t sum = 0;
	for (size_t i = 0; i < p->backend->n_servers; i++) {
		const struct server *s = p->backend->servers[i];
		int64_t n = server_is_usable(s) ? server_free(s) : 0;
		if (n < 0)
			return -1;
		sum += n;
	}
	return sum;
}

// Places at servers and in queues. -1: a server has no maxconn or no maxqueue, so there is no
// bound.
static int64_t
backend_slots(const struct proxy *p)
{
	int64_t sum = -(int64_t)backend_queued(p->backend);
	for (size_t i = 0; i < p->backend->n_servers; i++) {
		const struct server *s = p->backend->servers[i];
		int64_t n = server_free(s);
		if (!server_is_up(s))
			continue;
		if (n < 0 || s->max_queue == 0)
			return -1;
		sum += n + s->max_queue;
	}
	return MAX(sum, 0);
}

#define BACKEND_FETCH(name, value)                                                    \
	static bool fetch_##name(const struct expr_arg *args, struct sample_ctx *ctx, \
				 struct sample *out)                                  \
	{                                                                             \
		const struct proxy *p = own_proxy(args, ctx, SMP_TEXT_BACKEND);       \
		if (p == NULL)                                                        \
			return false;                                                 \
		sample_set_int(out, value(p));                                        \
		return true;                                                          \
	}
BACKEND_FETCH(queue, queue_of)
BACKEND_FETCH(avg_queue, average_queue)
BACKEND_FETCH(be_conn, backend_sum)
BACKEND_FETCH(be_conn_free, backend_free_places)
BACKEND_FETCH(connslots, backend_slots)

static bool
fetch_dst_conn(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	const struct txn *t = ctx->host == &proxy_sample_host ? ctx->host_data : NULL;
	if (t == NULL || t->client == NULL)
		return false;
	sample_set_int(out, policy_sum_of(&t->client->bind->stats,
					  offsetof(struct listener_counters, conns_now)));
	return true;
}

static bool
fetch_fe_conn(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out)
{
	const struct proxy *p = own_proxy(args, ctx, SMP_TEXT_FRONTEND);
	if (p == NULL)
		return false;
	sample_set_int(out, policy_sum_of(&p->fe_stats, offsetof(struct fe_counters, conns_now)));
	return true;
}

static bool
fetch_srv_conn(const struct expr_arg *args, struct sample_ctx *ctx UNUSED, struct sample *out)
{
	const struct server *s = args[0].ptr;
	sample_set_int(out, policy_sum_of(&s->stats, offsetof(struct be_counters, sessions_now)));
	return true;
}

static bool
fetch_srv_conn_free(const struct expr_arg *args, struct sample_ctx *ctx UNUSED, struct sample *out)
{
	sample_set_int(out, server_free(args[0].ptr));
	return true;
}

// Requests wait for any server of their backend, never for one.
static bool
fetch_srv_queue(const struct expr_arg *args UNUSED, struct sample_ctx *ctx UNUSED,
		struct sample *out)
{
	sample_set_int(out, 0);
	return true;
}

#define RATE_FETCH(name, which, blocks, counters, member)                                      \
	static bool fetch_##name(const struct expr_arg *args, struct sample_ctx *ctx,          \
				 struct sample *out)                                           \
	{                                                                                      \
		const struct proxy *p = own_proxy(args, ctx, SMP_TEXT_##which);                \
		if (p == NULL)                                                                 \
			return false;                                                          \
		sample_set_int(out, (int64_t)rate_read(&p->blocks, offsetof(counters, member), \
						       ctx->now_mono_ns));                     \
		return true;                                                                   \
	}
RATE_FETCH(fe_sess_rate, FRONTEND, fe_stats, struct fe_counters, conn_rate)
RATE_FETCH(fe_req_rate, FRONTEND, fe_stats, struct fe_counters, request_rate)
RATE_FETCH(be_sess_rate, BACKEND, be_stats, struct be_counters, session_rate)

static bool
fetch_srv_sess_rate(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out)
{
	const struct server *s = args[0].ptr;
	sample_set_int(out,
		       (int64_t)rate_read(&s->stats, offsetof(struct be_counters, session_rate),
					  ctx->now_mono_ns));
	return true;
}

#define NAME_ARG(var, what, fl)                                                \
	static const struct arg_spec var[] = {                                 \
	    {.type = ARG_NAME, .name = (what), .flags = (fl) | ARG_NOT_EMPTY}, \
	    {.type = ARG_END},                                                 \
	};
NAME_ARG(backend_arg, "backend", ARG_OPTIONAL)
NAME_ARG(frontend_arg, "frontend", ARG_OPTIONAL)
NAME_ARG(server_arg, "backend/server", 0)

#define ROW(n, a, l, h)                                                                       \
	{                                                                                     \
		.name = #n, .args = a##_arg, .out = SMP_INT,                                  \
		.flags = ROW_VOLATILE | ROW_LINK_LOOKS, .fetch = fetch_##n, .link = link_##l, \
		.help = (h)                                                                   \
	}
static const struct fetch_row fetches[] = {
    ROW(queue, backend, backend,
	"requests that wait for a server of the backend below its maxconn"),
    ROW(avg_queue, backend, backend,
	"the same for each usable server; twice all when there is none"),
    ROW(be_conn, backend, backend, "requests that the backend has now"),
    ROW(be_conn_free, backend, backend, "room below the servers' maxconn; -1: unlimited"),
    ROW(connslots, backend, backend,
	"room below the servers' maxconn and maxqueue, less those that wait; -1: unlimited"),
    {.name = "dst_conn",
     .out = SMP_INT,
     .needs = SMP_NEED_CONN,
     .flags = ROW_VOLATILE,
     .fetch = fetch_dst_conn,
     .help = "connections that the client's listening address has now, its own included"},
    ROW(fe_conn, frontend, frontend, "connections that the frontend has now"),
    ROW(srv_conn, server, server, "requests that the server has now"),
    ROW(srv_conn_free, server, server, "room below the server's maxconn; -1: unlimited"),
    ROW(fe_sess_rate, frontend, frontend, "connections to the frontend in the last second"),
    ROW(fe_req_rate, frontend, frontend, "requests to the frontend in the last second"),
    ROW(be_sess_rate, backend, backend, "requests to the backend in the last second"),
    ROW(srv_sess_rate, server, server, "requests given to the server in the last second"),
    ROW(srv_queue, server, server, "0: requests wait for a backend, not for one server"),
    {0},
};

const struct module proxy_limits_module = {
    .name = "limits",
    .commands = commands,
    .fetches = fetches,
};
