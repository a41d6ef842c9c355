// SPDX-License-Identifier: MIT
// show stat and show metrics: a line for each frontend, listener, server and backend, as CSV, JSON
// or for Prometheus. Numbers are sums over workers of relaxed loads.
#include <stdio.h>

#include "base/mem.h"
#include "base/sbuf.h"
#include "proxy/cli_proxy_priv.h"
#include "proxy/frontend.h"
#include "proxy/health.h"
#include "proxy/policy_metrics.h"
#include "proxy/stats.h"

#define MAX_TEXTS    42
#define STATUS_BYTES 16
#define MOST_BYTES   ((size_t)64 << 20)

// One line of show stat: texts and labels live as long as it.
struct line {
	struct metric_text texts[MAX_TEXTS];
	struct metric_label labels[3];
	char numbers[24][24];
	size_t n_texts, n_numbers, n_labels;
	char state[HEALTH_STATE_BYTES], check[STATUS_BYTES], agent[STATUS_BYTES],
	    tracked[HEALTH_STATE_BYTES];
	struct health_gauges gauges;
	struct agent_gauges agent_gauges;
	struct metric_blocks gauge_blocks;
};

static void
add_text(struct line *l, const char *column, struct str value)
{
	ASSERT(l->n_texts + 1 < MAX_TEXTS);
	l->texts[l->n_texts++] = (struct metric_text){.stat_name = column, .value = value};
}

static void
add_number(struct line *l, const char *column, uint64_t value)
{
	ASSERT(l->n_numbers < ARRAY_LEN(l->numbers));
	char *p = l->numbers[l->n_numbers++];
	int n = snprintf(p, sizeof(l->numbers[0]), "%llu", (unsigned long long)value);
	add_text(l, column, str_of(p, (size_t)n));
}

static void
add_label(struct line *l, const char *name, struct str value)
{
	l->labels[l->n_labels++] = (struct metric_label){.name = name, .value = value};
}

// What to show: HAProxy's filter <proxy> <type> <sid>; -1: any. Types: 1 frontend, 2 backend,
// 4 server, 8 listener.
struct filter {
	struct str proxy;
	int64_t iid, type, sid;
	bool json;
	bool addresses; // and algorithms: for operators, as HAProxy has it
};

struct table {
	struct line **lines;
	struct metric_object *objects;
	size_t n, cap, cap_objects;
};

static struct line *
add_line(struct table *t, const struct metric_row *rows, const struct metric_blocks *blocks)
{
	VEC_GROW(t->lines, t->cap, t->n);
	VEC_GROW(t->objects, t->cap_objects, t->n);
	struct line *l = t->lines[t->n] = MEM_NEW(struct line);
	t->objects[t->n++] = (struct metric_object){.rows = rows,
						    .blocks = blocks,
						    .labels = l->labels,
						    .texts = l->texts};
	return l;
}

static void
free_table(struct table *t)
{
	for (size_t i = 0; i < t->n; i++)
		mem_free(t->lines[i]);
	mem_free(t->lines);
	mem_free(t->objects);
}

static struct line *
begin_line(struct table *t, const struct proxy *p, struct str svname, const struct metric_row *rows,
	   const struct metric_blocks *blocks)
{
	struct line *l = add_line(t, rows, blocks);
	add_label(l, "proxy", p->name);
	add_text(l, "pxname", p->name);
	add_text(l, "svname", svname);
	add_text(l, "pid", STR("1"));
	add_number(l, "iid", p->id);
	add_text(l, "mode", str_from_c(proxy_mode_name(p->mode)));
	return l;
}

static void
add_frontend(struct table *t, const struct proxy_set *set, const struct proxy *p)
{
	struct line *l = begin_line(t, p, STR("FRONTEND"), stats_fe_rows, &p->fe_stats);
	add_text(l, "status", p->binds != NULL ? frontend_status(p) : STR("STOP"));
	uint32_t limit = atomic_load_explicit(&p->limit->conns.max, memory_order_relaxed);
	add_number(l, "slim", limit != 0 ? limit : set->global.maxconn);
	add_text(l, "sid", STR("0"));
	add_text(l, "type", STR("0"));
}

static void
add_listener(struct table *t, const struct bind *b, bool addresses)
{
	const struct proxy *p = b->frontend;
	struct line *l = begin_line(t, p, b->stat_name, stats_listener_rows, &b->stats);
	add_label(l, "listener", b->stat_name);
	add_text(l, "status", p->disabled ? STR("STOP") : frontend_status(p));
	uint32_t limit = atomic_load_explicit(&b->limit->max, memory_order_relaxed);
	if (limit != 0)
		add_number(l, "slim", limit);
	add_number(l, "sid", b->id);
	add_text(l, "type", STR("3"));
	if (addresses)
		add_text(l, "addr", b->text);
}

static uint64_t
seconds_since(const _Atomic uint64_t *real_ns)
{
	uint64_t now = clock_real_ns(), at = atomic_load_explicit(real_ns, memory_order_relaxed);
	return now > at ? (now - at) / NS_PER_S : 0;
}

// What a server's checks, or its agent, said last.
struct finding_columns {
	const char *status, *code, *duration, *last, *desc, *rise, *fall, *health;
};
static const struct finding_columns of_check = {
    .status = "check_status",
    .code = "check_code",
    .duration = "check_duration",
    .last = "last_chk",
    .desc = "check_desc",
    .rise = "check_rise",
    .fall = "check_fall",
    .health = "check_health",
};
static const struct finding_columns of_agent = {
    .status = "agent_status",
    .code = "agent_code",
    .duration = "agent_duration",
    .last = "last_agt",
    .desc = "agent_desc",
    .rise = "agent_rise",
    .fall = "agent_fall",
    .health = "agent_health",
};

static void
add_finding(struct line *l, const struct finding_columns *of, const struct check *c,
	    char status[STATUS_BYTES])
{
	const struct health_finding *f = &c->health.last;
	(void)snprintf(status, STATUS_BYTES, "%s%s", c->running ? "* " : "",
		       health_status_rows[f->status].word); // fits
	add_text(l, of->status, str_from_c(status));
	if (health_has_code(f->status))
		add_number(l, of->code, f->code);
	if (f->duration_ms >= 0)
		add_number(l, of->duration, (uint64_t)f->duration_ms);
	add_text(l, of->last, str_from_c(f->info));
	add_text(l, of->desc, str_from_c(health_status_rows[f->status].text));
	add_number(l, of->rise, c->health.rise);
	add_number(l, of->fall, c->health.fall);
	add_number(l, of->health, c->health.points);
}

// A server in maintenance is not checked: nothing is said of it.
static void
add_check(struct line *l, const struct server *srv)
{
	add_number(l, "chkfail", check_count(&srv->checked, failures));
	add_number(l, "chkdown", check_count(&srv->checked, downs));
	add_number(l, "downtime", server_down_ms(srv) / 1000);
	if (srv->observed != NULL)
		add_number(l, "hanafail", check_count(&srv->checked, observed));
	if (!(atomic_load_explicit(&srv->admin, memory_order_relaxed) & SERVER_MAINT))
		add_finding(l, &of_check, srv->check, l->check);
}

// As HAProxy rounds them: what it weighs now, and in slowstart the share of its weight that this
// is.
static void
add_weight(struct line *l, const struct server *srv)
{
	uint32_t whole = atomic_load_explicit(&srv->weight, memory_order_relaxed);
	uint32_t now = whole * balance_parts(srv); // in sixteenths
	add_number(l, "weight", (now + SLOWSTART_WHOLE - 1) / SLOWSTART_WHOLE);
	if (whole == 0 || slowstart_parts(srv) == SLOWSTART_WHOLE)
		return;
	add_number(l, "throttle", (100u * now + SLOWSTART_WHOLE - 1) / (SLOWSTART_WHOLE * whole));
}

static void
add_server(struct table *t, const struct proxy *p, const struct server *srv, bool addresses)
{
	struct line *l = begin_line(t, p, srv->name, stats_srv_rows, &srv->stats);
	add_label(l, "server", srv->name);
	add_text(l, "status", str_from_c(health_state_text(srv, l->state)));
	add_weight(l, srv);
	add_number(l, "act", !srv->is_backup);
	add_number(l, "bck", srv->is_backup);
	uint32_t limit = atomic_load_explicit(&srv->limit.max, memory_order_relaxed);
	if (limit != 0)
		add_number(l, "slim", limit);
	add_number(l, "lastchg", seconds_since(&srv->changed_real_ns));
	if (srv->check != NULL && srv->check->enabled)
		add_check(l, srv);
	if (srv->agent != NULL && srv->agent->enabled)
		add_finding(l, &of_agent, srv->agent, l->agent);
	if (srv->track != NULL) {
		(void)snprintf(l->tracked, sizeof(l->tracked), "%.*s/%.*s", // or is cut
			       STR_ARG(srv->track->backend->name), STR_ARG(srv->track->name));
		add_text(l, "tracked", str_from_c(l->tracked));
	}
	add_number(l, "sid", srv->id);
	add_text(l, "type", STR("2"));
	if (addresses)
		add_text(l, "addr", str_from_c(server_addr(srv)->text));
	if (addresses && p->cookie != NULL)
		add_text(l, "cookie", server_cookie(srv));
}

// For Prometheus: what is known of its checks, a line of its own kind.
static struct line *
add_gauges(struct table *t, const struct proxy *p, const struct server *srv,
	   const struct metric_row *rows, size_t offset, size_t bytes)
{
	struct line *l = add_line(t, rows, NULL);
	add_label(l, "proxy", p->name);
	add_label(l, "server", srv->name);
	l->gauge_blocks = (struct metric_blocks){.magic = METRIC_MAGIC,
						 .n_workers = 1,
						 .block_bytes = bytes,
						 .mem = (char *)l + offset};
	t->objects[t->n - 1].blocks = &l->gauge_blocks;
	return l;
}

static void
add_health(struct table *t, const struct proxy *p, const struct server *srv)
{
	struct line *l = add_gauges(t, p, srv, health_gauge_rows, offsetof(struct line, gauges),
				    sizeof(l->gauges));
	health_gauges_fill(srv, &l->gauges);
}

static void
add_agent_gauges(struct table *t, const struct proxy *p, const struct server *srv)
{
	struct line *l = add_gauges(t, p, srv, agent_gauge_rows,
				    offsetof(struct line, agent_gauges), sizeof(l->agent_gauges));
	agent_gauges_fill(srv, &l->agent_gauges);
}

static void
add_backend(struct table *t, const struct proxy *p, bool algorithm)
{
	const struct backend *b = p->backend;
	uint64_t weight = 0, active = 0, backup = 0;
	for (size_t i = 0; i < b->n_servers; i++) {
		const struct server *srv = b->servers[i];
		if (!server_is_usable(srv))
			continue;
		weight += atomic_load_explicit(&srv->weight, memory_order_relaxed);
		srv->is_backup ? backup++ : active++;
	}
	struct line *l = begin_line(t, p, STR("BACKEND"), stats_be_rows, &p->be_stats);
	bool up = !p->disabled && (b->n_servers == 0 || active + backup > 0);
	add_text(l, "status", up ? STR("UP") : STR("DOWN"));
	add_number(l, "weight", weight);
	add_number(l, "act", active);
	add_number(l, "bck", backup);
	add_number(l, "chkdown", check_count(&b->checked, downs));
	add_number(l, "lastchg", seconds_since(&b->changed_real_ns));
	add_number(l, "downtime", backend_down_ms(b) / 1000);
	add_text(l, "sid", STR("0"));
	add_text(l, "type", STR("1"));
	if (algorithm)
		add_text(l, "algo", str_from_c(b->balance.row->name));
	if (algorithm && p->cookie != NULL)
		add_text(l, "cookie", p->cookie->name);
}

static bool
wanted(const struct filter *f, const struct proxy *p)
{
	if (f->iid >= 0)
		return (uint64_t)f->iid == p->id;
	return f->proxy.n == 0 || str_eq(f->proxy, p->name);
}

static bool
has_id(const struct filter *f, uint32_t id)
{
	return f->sid < 0 || (uint64_t)f->sid == id;
}

// HAProxy's order: the frontend's line is followed by its listeners'.
static void
add_frontend_side(struct table *t, const struct proxy_set *set, const struct filter *f,
		  const struct proxy *p)
{
	if ((f->type & 1) && f->sid < 0)
		add_frontend(t, set, p);
	if (!(f->type & 8) || !(p->options & PROXY_OPT_SOCKET_STATS))
		return;
	for (const struct bind *b = p->binds; b != NULL; b = b->next)
		if (has_id(f, b->id))
			add_listener(t, b, f->addresses);
}

static void
fill_table(struct table *t, const struct proxy_set *set, const struct filter *f)
{
	for (size_t i = 0; i < set->n_all; i++) {
		const struct proxy *p = set->all[i];
		if (!wanted(f, p))
			continue;
		if (p->caps & PROXY_FRONTEND)
			add_frontend_side(t, set, f, p);
		if (p->backend == NULL)
			continue;
		for (size_t j = 0; j < p->backend->n_servers; j++)
			if ((f->type & 4) && has_id(f, p->backend->servers[j]->id))
				add_server(t, p, p->backend->servers[j], f->addresses);
		if ((f->type & 2) && f->sid < 0)
			add_backend(t, p, f->addresses);
	}
}

// Of each kind all together, as the format wants them.
static void
add_healths(struct table *t, const struct proxy_set *set, bool agents)
{
	for (size_t i = 0; i < set->n_all; i++) {
		const struct backend *b = set->all[i]->backend;
		for (size_t j = 0; b != NULL && j < b->n_servers; j++) {
			if (!agents && b->servers[j]->check != NULL)
				add_health(t, set->all[i], b->servers[j]);
			if (agents && b->servers[j]->agent != NULL)
				add_agent_gauges(t, set->all[i], b->servers[j]);
		}
	}
}

static void
render_policies(const struct proxy_set *set, struct sbuf *out)
{
	struct policy_metrics m;
	policy_metrics_make(&m, set->policies);
	metrics_render_prometheus(m.objects, m.n, out);
	policy_metrics_free(&m);
}

void
cli_render_metrics(const struct proxy_set *set, struct sbuf *out)
{
	const struct filter all = {.iid = -1, .type = -1, .sid = -1};
	struct table t = {0};
	(void)add_line(&t, stats_proc_rows, &set->stats); // no labels
	fill_table(&t, set, &all);
	add_healths(&t, set, false);
	add_healths(&t, set, true);
	metrics_render_prometheus(t.objects, t.n, out);
	render_policies(set, out);
	free_table(&t);
}

static void
render_stat(const struct proxy_set *set, const struct filter *f, struct sbuf *out)
{
	struct table t = {0};
	fill_table(&t, set, f);
	if (f->json)
		metrics_render_json(t.objects, t.n, out);
	else
		metrics_render_csv(t.objects, t.n, metrics_haproxy_columns, out);
	free_table(&t);
}

static bool
parse_filter(const struct cli_args *a, struct filter *f)
{
	int argc = a->argc;
	*f = (struct filter){.iid = -1, .type = -1, .sid = -1};
	if (argc > 0 && str_eq(a->argv[argc - 1], STR("json"))) {
		f->json = true;
		argc--;
	}
	if (argc == 0)
		return true;
	if (argc != 3 || !str_to_int(a->argv[1], &f->type) || !str_to_int(a->argv[2], &f->sid))
		return false;
	if (!str_to_int(a->argv[0], &f->iid))
		f->proxy = a->argv[0];
	return true;
}

// The session's answer is capped; a table beyond that is cut with an error by cli_add.
static enum cli_status
give(struct cli_session *s, struct sbuf *out)
{
	cli_add(s, sbuf_str(out));
	sbuf_fini(out);
	return CLI_DONE;
}

enum cli_status
cli_show_stat(struct cli_session *s, const struct cli_args *a)
{
	struct filter f;
	if (!parse_filter(a, &f))
		return cli_usage(s, a);
	f.addresses = cli_level(s) >= CLI_OPERATOR;
	struct sbuf out;
	sbuf_init(&out, MOST_BYTES);
	render_stat(cli_bound(s, "proxy"), &f, &out);
	return give(s, &out);
}

enum cli_status
cli_show_metrics(struct cli_session *s, const struct cli_args *a)
{
	(void)a;
	struct sbuf out;
	sbuf_init(&out, MOST_BYTES);
	cli_render_metrics(cli_bound(s, "proxy"), &out);
	return give(s, &out);
}
