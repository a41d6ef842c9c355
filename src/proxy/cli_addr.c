// SPDX-License-Identifier: MIT
// `set server ... addr`, answered in HAProxy's words, and `show servers conn`.
#include "base/mem.h"
#include "base/sbuf.h"
#include "net/worker.h"
#include "proxy/cli_proxy_priv.h"
#include "proxy/server_addr.h"
#include "proxy/stats.h"
#include "proxy/worker.h"

// --- set server addr -----------------------------------------------------------------------------

#define ANSWER_BYTES 512

struct answer {
	struct cli_ref ref;
	char text[ANSWER_BYTES];
};

static void
say_address(struct sbuf *out, const struct server_addr *now, const struct addr *to)
{
	char before[ADDR_TEXT_BYTES], after[ADDR_TEXT_BYTES];
	bool ip = !addr_is_unix(&now->addr) && !addr_is_unix(to);
	const char *(*text)(const struct addr *a, char *out) = ip ? addr_host_text : addr_text;
	(void)text(&now->addr, before);
	(void)text(to, after);
	if (strcmp(before, after) == 0)
		sbuf_add(out, STR("no need to change the addr"));
	else
		sbuf_printf(out, "%s changed from '%s' to '%s'", ip ? "IP" : "address", before,
			    after);
}

static void
say_port(struct sbuf *out, uint16_t before, uint16_t after)
{
	if (before == after)
		sbuf_add(out, STR(", no need to change the port"));
	else
		sbuf_printf(out, ", port changed from '%u' to '%u'", before, after);
}

static void
say_change(struct answer *a, const struct server *srv, const struct addr *to, bool port)
{
	const struct server_addr *now = server_addr(srv);
	struct sbuf out;
	sbuf_init(&out, sizeof(a->text) - 1);
	say_address(&out, now, to);
	if (port && !addr_is_unix(&now->addr))
		say_port(&out, addr_port(&now->addr), addr_port(to));
	sbuf_add(&out, STR(" by 'stats socket command'"));
	memcpy(a->text, out.p, out.n);
	sbuf_fini(&out);
}

static void
answer(void *arg)
{
	struct answer *a = arg;
	struct cli_session *s = cli_deref(a->ref);
	if (s != NULL) {
		cli_msg(s, "%s", a->text);
		cli_done(s);
	}
	mem_free(a);
}

// Answers when no worker has an idle connection to the address before any more.
enum cli_status
cli_set_server_addr(struct cli_session *s, struct server *srv, const struct cli_args *a)
{
	struct addr to;
	struct err err;
	bool port = a->argc == 5 && str_eq(a->argv[3], STR("port"));
	if (a->argc != 3 && !port)
		return cli_error(s, "'set server %.*s addr' expects ADDRESS [port PORT].",
				 STR_ARG(a->argv[0]));
	if (!server_addr_parse(srv, a->argv[2], port ? a->argv[4] : STR(""), &to, &err) ||
	    !server_addr_suits(srv, &to, &err))
		return cli_error(s, "%s.", err.text);
	struct answer *ans = MEM_NEW(struct answer);
	ans->ref = cli_ref(s);
	say_change(ans, srv, &to, port);
	if (!server_addr_set(cli_bound(s, "proxy"), srv, &to, cli_who(s), answer, ans)) {
		cli_msg(s, "%s", ans->text);
		mem_free(ans);
		return CLI_DONE;
	}
	return CLI_WAIT;
}

// --- show servers conn ---------------------------------------------------------------------------

// Idle connections of each server, by worker: [server * n_workers + worker].
struct asking {
	const struct proxy_set *set;
	const struct backend *backend; // NULL: all
	struct cli_ref ref;
	unsigned n_workers;
	uint32_t idle[];
};

static bool
is_asked(const struct asking *a, const struct backend *b)
{
	return b != NULL && (a->backend == NULL || a->backend == b);
}

static void
count_idle(struct worker *w, void *arg)
{
	struct asking *a = arg;
	const struct proxy_worker *p = w->slot[WORKER_SLOT_PROXY];
	uint32_t *to = &a->idle[w->id - 1];
	for (size_t i = 0; p != NULL && i < a->set->n_all; i++) {
		const struct backend *b = a->set->all[i]->backend;
		for (size_t j = 0; is_asked(a, b) && j < b->n_servers; j++, to += a->n_workers)
			*to = p->backends[b->index].servers[j].n_idle;
	}
}

static void
print_conns(struct cli_session *s, const struct proxy *p, const struct server *srv,
	    const uint32_t *idle, unsigned n_workers)
{
	char host[ADDR_TEXT_BYTES];
	const struct backend *b = p->backend;
	const struct server_addr *at = server_addr(srv);
	struct metric_row used = {.offset = offsetof(struct be_counters, sessions_now),
				  .kind = METRIC_GAUGE};
	struct metric_row most = {.offset = offsetof(struct be_counters, sessions_max),
				  .kind = METRIC_MAX};
	unsigned long long total = 0, now = metrics_read(&srv->stats, &used);
	for (unsigned i = 0; i < n_workers; i++)
		total += idle[i];
	cli_printf(s, "%.*s/%.*s %u/%u %s %u - %llu %llu %llu %llu 0 %llu %llu %llu",
		   STR_ARG(p->name), STR_ARG(srv->name), p->id, srv->id,
		   addr_is_unix(&at->addr) ? at->text : addr_host_text(&at->addr, host),
		   addr_port(&at->addr), (unsigned long long)(b->pool_purge_ns / NS_PER_MS), now,
		   (unsigned long long)metrics_read(&srv->stats, &most), now, total,
		   (unsigned long long)b->pool_max_idle * n_workers, total);
	for (unsigned i = 0; i < n_workers; i++)
		cli_printf(s, " %u", idle[i]);
	cli_add(s, STR("\n"));
}

static void
print_all(struct cli_session *s, const struct asking *a)
{
	const uint32_t *idle = a->idle;
	cli_printf(s,
		   "# bkname/svname bkid/svid addr port - purge_delay used_cur used_max need_est "
		   "unsafe_nb safe_nb idle_lim idle_cur idle_per_thr[%u]\n",
		   a->n_workers);
	for (size_t i = 0; i < a->set->n_all; i++) {
		const struct proxy *p = a->set->all[i];
		for (size_t j = 0; is_asked(a, p->backend) && j < p->backend->n_servers;
		     j++, idle += a->n_workers)
			print_conns(s, p, p->backend->servers[j], idle, a->n_workers);
	}
}

static void
counted(struct worker *keeper UNUSED, void *arg)
{
	struct asking *a = arg;
	struct cli_session *s = cli_deref(a->ref);
	if (s != NULL) {
		print_all(s, a);
		cli_done(s);
	}
	mem_free(a);
}

static size_t
n_asked(const struct proxy_set *set, const struct backend *of)
{
	const struct asking a = {.backend = of};
	size_t n = 0;
	for (size_t i = 0; i < set->n_all; i++)
		if (is_asked(&a, set->all[i]->backend))
			n += set->all[i]->backend->n_servers;
	return n;
}

enum cli_status
cli_show_servers_conn(struct cli_session *s, const struct cli_args *args)
{
	const struct proxy_set *set = cli_bound(s, "proxy");
	const struct backend *b = args->argc > 0 ? cli_find_backend(s, args->argv[0]) : NULL;
	if (args->argc > 0 && b == NULL)
		return CLI_DONE;
	size_t n = n_asked(set, b) * set->n_workers;
	struct asking *a = mem_zalloc(sizeof(*a) + n * sizeof(a->idle[0]));
	a->set = set;
	a->backend = b;
	a->ref = cli_ref(s);
	a->n_workers = set->n_workers;
	worker_broadcast(set->threads, count_idle, counted, a);
	return CLI_WAIT;
}
