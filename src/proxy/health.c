// SPDX-License-Identifier: MIT
// The log lines of health are HAProxy's, word by word: monitors look for them.
#include "proxy/health.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/sbuf.h"
#include "net/worker.h"
#include "proxy/accesslog.h"
#include "proxy/kept.h"
#include "proxy/policy_server.h"
#include "proxy/proxy.h"
#include "proxy/stats.h"
#include "proxy/txn.h"
#include "proxy/worker.h"

#define LINE_BYTES 4096
// of syslog
#define LEVEL_EMERG  0
#define LEVEL_ALERT  1
#define LEVEL_NOTICE 5

static const struct proxy *
proxy_of(const struct proxy_set *set, const struct backend *b)
{
	return hash_map_get(&set->backends, b->name);
}

// --- lines ---------------------------------------------------------------------------------------

static void
say_to_targets(const struct proxy_set *set, const struct proxy *p, int level, struct sbuf *line)
{
	sbuf_add_byte(line, '.');
	accesslog_event(set, p, level, sbuf_str(line));
	sbuf_fini(line);
}

static void
say(const struct proxy_set *set, const struct proxy *p, int level, struct sbuf *line)
{
	log_line(LOG_WARNING, "%.*s.", STR_ARG(sbuf_str(line)));
	say_to_targets(set, p, level, line);
}

static void
on_ended(void *arg, const struct check *c, bool moved, enum health_status before)
{
	const struct proxy_set *set = arg;
	const struct server *s = c->server;
	const struct proxy *p = proxy_of(set, s->backend);
	const struct health *h = &c->health;
	enum health_result result = health_status_rows[h->last.status].result;
	kept_health(s);
	if (!(p->options & PROXY_OPT_LOG_HEALTH) || result == HEALTH_NEUTRAL ||
	    (!moved && h->last.status == before))
		return;
	struct sbuf line;
	uint32_t part, of;
	bool weightless = atomic_load_explicit(&s->weight, memory_order_relaxed) == 0;
	sbuf_init(&line, LINE_BYTES);
	sbuf_printf(&line, "%s check for %sserver %.*s/%.*s %s%s",
		    c->agent != NULL ? "Agent" : "Health", s->is_backup ? "backup " : "",
		    STR_ARG(s->backend->name), STR_ARG(s->name),
		    result == HEALTH_COND_PASSED ? "conditionally " : "",
		    result >= HEALTH_PASSED ? "succeeded" : "failed");
	health_explain(h, &line);
	health_part(h, &part, &of);
	sbuf_printf(&line, ", status: %u/%u %s", part, of,
		    !health_is_up(h) ? "DOWN"
		    : weightless     ? "DRAIN"
				     : "UP");
	say(set, p, LEVEL_NOTICE, &line);
}

static void
count_usable(const struct backend *b, unsigned *active, unsigned *backup)
{
	*active = *backup = 0;
	for (size_t i = 0; i < b->n_servers; i++)
		if (server_is_usable(b->servers[i]))
			++*(b->servers[i]->is_backup ? backup : active);
}

static void
add_what_is_left(struct sbuf *line, const struct server *s, bool down)
{
	unsigned active, backup;
	count_usable(s->backend, &active, &backup);
	sbuf_printf(line, ". %u active and %u backup servers %s.%s", active, backup,
		    down ? "left" : "online",
		    active == 0 && backup > 0 ? " Running on backup." : "");
	if (down)
		sbuf_printf(line, " %lld sessions active, 0 requeued, %u remaining in queue",
			    (long long)policy_sum_of(&s->stats,
						     offsetof(struct be_counters, sessions_now)),
			    backend_queued(s->backend));
	else
		sbuf_printf(line, " 0 sessions requeued, %u total in queue",
			    backend_queued(s->backend));
}

// One that took no new requests is no loss.
static int
level_of_loss(uint32_t before)
{
	return before & (SERVER_STOPPING | SERVER_DRAIN | SERVER_DRAIN_VIA) ? LEVEL_NOTICE
									    : LEVEL_ALERT;
}

static void
begin_line(struct sbuf *line, const struct server *s, const char *what)
{
	sbuf_init(line, LINE_BYTES);
	sbuf_printf(line, "%sServer %.*s/%.*s %s", s->is_backup ? "Backup " : "",
		    STR_ARG(s->backend->name), STR_ARG(s->name), what);
}

static void
say_still_drained(const struct proxy_set *set, const struct server *s,
		  void (*to)(const struct proxy_set *, const struct proxy *, int, struct sbuf *))
{
	struct sbuf line;
	begin_line(&line, s, "remains in forced drain mode");
	to(set, proxy_of(set, s->backend), LEVEL_NOTICE, &line);
}

static void
on_turned(void *arg, const struct check *c, enum health_says to, uint32_t before, const char *why)
{
	static const char *const words[] = {[HEALTH_SAYS_DOWN] = "is DOWN",
					    [HEALTH_SAYS_UP] = "is UP",
					    [HEALTH_SAYS_STOPPING] = "is stopping"};
	const struct proxy_set *set = arg;
	const struct server *s = c->server;
	const struct proxy *p = proxy_of(set, s->backend);
	struct sbuf line;
	kept_health(s);
	begin_line(&line, s, words[to]);
	if (why != NULL)
		sbuf_printf(&line, ", %s", why);
	else if (!(p->options & PROXY_OPT_LOG_HEALTH)) // else the line before has said it
		health_explain(&c->health, &line);
	add_what_is_left(&line, s, to == HEALTH_SAYS_DOWN);
	say(set, p, to == HEALTH_SAYS_DOWN ? level_of_loss(before) : LEVEL_NOTICE, &line);
	if (before & SERVER_DRAIN)
		say_still_drained(set, s, say);
}

// An end of maintenance or drain is told without what is left.
static const char *
end_text(uint32_t before, uint32_t after)
{
	uint32_t gone = before & ~after;
	bool down = (after & SERVER_DOWN) != 0;
	if (after & ~before & (SERVER_MAINT | SERVER_MAINT_VIA))
		return NULL;
	if (gone & SERVER_MAINT && after & SERVER_DRAIN)
		return down ? "is DOWN/DRAIN (leaving forced maintenance)"
			    : "is UP/DRAIN (leaving forced maintenance)";
	if (gone & SERVER_MAINT)
		return down ? "is DOWN/READY (leaving forced maintenance)"
			    : "is UP/READY (leaving forced maintenance)";
	if (gone & SERVER_MAINT_VIA)
		return down ? "is DOWN/READY (leaving maintenance)"
			    : "is UP/READY (leaving maintenance)";
	if (gone & (SERVER_DRAIN | SERVER_DRAIN_VIA))
		return down ? "is DOWN (leaving forced drain)" : "is UP (leaving forced drain)";
	return NULL;
}

static const char *
begin_text(uint32_t before, uint32_t after)
{
	uint32_t come = after & ~before;
	if (come & (SERVER_MAINT | SERVER_MAINT_VIA))
		return "is going DOWN for maintenance";
	if (come & SERVER_DOWN)
		return "is DOWN";
	if (come & (SERVER_DRAIN | SERVER_DRAIN_VIA))
		return "enters drain state";
	return come & SERVER_STOPPING ? "is stopping" : "is UP";
}

// Where an operator did it, the service's own log names who.
static void
on_set(void *arg, const struct server *s, uint32_t before, enum server_set_by by)
{
	const struct proxy_set *set = arg;
	const struct proxy *p = proxy_of(set, s->backend);
	uint32_t after = atomic_load_explicit(&s->admin, memory_order_relaxed);
	bool out = !server_is_up(s);
	void (*to)(const struct proxy_set *, const struct proxy *, int, struct sbuf *) =
	    by == SERVER_SET_BY_OPERATOR ? say_to_targets : say;
	const char *end = end_text(before, after);
	struct sbuf line;
	begin_line(&line, s, end != NULL ? end : begin_text(before, after));
	if (end == NULL && by == SERVER_SET_BY_TRACKING)
		sbuf_printf(&line, " via %.*s/%.*s", STR_ARG(s->track->backend->name),
			    STR_ARG(s->track->name));
	if (end == NULL)
		add_what_is_left(&line, s, out);
	to(set, p, out && end == NULL ? level_of_loss(before) : LEVEL_NOTICE, &line);
	if (before & ~after & SERVER_MAINT && after & SERVER_DRAIN)
		say_still_drained(set, s, to);
}

static void
on_emptied(void *arg, const struct backend *b)
{
	const struct proxy_set *set = arg;
	const struct proxy *p = proxy_of(set, b);
	char line[512];
	log_msg(LOG_ALERT, "%s '%.*s' has no server available!",
		p->caps & PROXY_FRONTEND ? "proxy" : "backend", STR_ARG(b->name));
	int n = snprintf(line, sizeof(line), "%s %.*s has no server available!",
			 p->caps & PROXY_FRONTEND ? "proxy" : "backend", STR_ARG(b->name));
	accesslog_event(set, p, LEVEL_EMERG, str_of(line, MIN((size_t)n, sizeof(line) - 1)));
}

// --- requests under way --------------------------------------------------------------------------

struct killing {
	const struct backend *backend;
	const struct server *server; // NULL: its backups
	char why;
};

static void
kill_here(struct worker *w, void *arg)
{
	const struct killing *k = arg;
	const struct proxy_worker *p = w->slot[WORKER_SLOT_PROXY];
	if (p == NULL)
		return;
	LIST_FOREACH_SAFE (it, &p->all_txns) {
		struct txn *t = LIST_ENTRY(it, struct txn, in_worker);
		if (t->server == NULL || t->server->backend != k->backend)
			continue;
		if (k->server != NULL ? t->server == k->server : t->server->is_backup)
			txn_abort(t, k->why);
	}
}

static void
killed(struct worker *keeper UNUSED, void *arg)
{
	mem_free(arg);
}

static void
kill_requests(const struct proxy_set *set, const struct server *s, bool backups)
{
	struct killing *k = MEM_NEW(struct killing);
	*k = (struct killing){.backend = s->backend,
			      .server = backups ? NULL : s,
			      .why = backups ? 'U' : 'D'};
	worker_broadcast(set->threads, kill_here, killed, k);
}

static void
on_left(void *arg, const struct server *s)
{
	if (s->kills_when_down)
		kill_requests(arg, s, false);
}

static void
on_returned(void *arg, const struct server *s)
{
	if (s->kills_backups_when_up && !s->is_backup && server_is_usable(s))
		kill_requests(arg, s, true);
}

// --- what servers are told -----------------------------------------------------------------------

static uint64_t
usable_weight(const struct backend *b)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < b->n_servers; i++)
		if (server_is_usable(b->servers[i]))
			sum += atomic_load_explicit(&b->servers[i]->weight, memory_order_relaxed);
	return sum;
}

static void
on_state(void *arg, const struct server *s, struct sbuf *out)
{
	const struct proxy_set *set = arg;
	const struct proxy *p = proxy_of(set, s->backend);
	char state[HEALTH_STATE_BYTES], host[ADDR_TEXT_BYTES];
	const struct addr *at = &server_addr(s)->addr;
	struct str node = set->global.node.n > 0 ? set->global.node : set->hostname;
	sbuf_printf(out,
		    "x-haproxy-server-state: %s; address=%s; port=%u; name=%.*s/%.*s; node=%.*s; "
		    "weight=%u/%llu; scur=%lld/%lld; qcur=%u\r\n",
		    health_state_text(s, state), addr_host_text(at, host), addr_port(at),
		    STR_ARG(s->backend->name), STR_ARG(s->name), STR_ARG(node),
		    atomic_load_explicit(&s->weight, memory_order_relaxed),
		    (unsigned long long)usable_weight(s->backend),
		    (long long)policy_sum_of(&s->stats, offsetof(struct be_counters, sessions_now)),
		    (long long)policy_sum_of(&p->be_stats,
					     offsetof(struct be_counters, sessions_now)),
		    backend_queued(s->backend));
}

// --- states in words -----------------------------------------------------------------------------

// Whose checks it lives by: its own, unless it tracks another.
static const struct server *
checked_of(const struct server *s)
{
	while (s->track != NULL)
		s = s->track;
	return s;
}

// One whose agent decided so is said to be so by it.
static bool
is_by_agent(const struct check *agent, uint32_t bits)
{
	if (agent == NULL || !agent->enabled || bits & (SERVER_MAINT | SERVER_MAINT_VIA))
		return false;
	return bits & SERVER_DOWN ? agent->health.points == 0
				  : (bits & (SERVER_DRAIN | SERVER_DRAIN_VIA)) != 0;
}

// Whether it is on its way up or down: the points say how far.
static bool
is_on_its_way(const struct check *c, uint32_t bits)
{
	if (c == NULL || !c->enabled || bits & (SERVER_MAINT | SERVER_MAINT_VIA))
		return false;
	return bits & SERVER_DOWN ? c->health.points > 0 : !health_is_full(&c->health);
}

const char *
health_state_text(const struct server *s, char text[HEALTH_STATE_BYTES])
{
	uint32_t bits = atomic_load_explicit(&s->admin, memory_order_relaxed), part, of;
	const struct check *c = checked_of(s)->check;
	const char *word = server_state_name(s);
	bool checked = c != NULL && c->enabled;
	if (!checked && bits == 0)
		word = "no check";
	if (is_by_agent(checked_of(s)->agent, bits)) {
		(void)snprintf(text, HEALTH_STATE_BYTES, "%s (agent)", word); // fits
	} else if (is_on_its_way(c, bits)) {
		health_part(&c->health, &part, &of);
		(void)snprintf(text, HEALTH_STATE_BYTES, "%s %u/%u", word, part, of); // fits
	} else if (bits & SERVER_MAINT_VIA && !(bits & SERVER_MAINT)) {
		(void)snprintf(text, HEALTH_STATE_BYTES, "MAINT (via %.*s/%.*s)", // or is cut
			       STR_ARG(s->track->backend->name), STR_ARG(s->track->name));
	} else {
		(void)snprintf(text, HEALTH_STATE_BYTES, "%s", word); // fits
	}
	return text;
}

// --- as metrics ----------------------------------------------------------------------------------

#define ROW_OF(type, m, n, k, u, h)                                                          \
	{                                                                                    \
		.name = "server_" n, .offset = offsetof(struct type, m), .kind = METRIC_##k, \
		.unit = u, .help = h                                                         \
	}
#define ROW(m, n, k, u, h) ROW_OF(health_gauges, m, n, k, u, h)

const struct metric_row health_gauge_rows[] = {
    ROW(up, "up", GAUGE, NULL, "1 unless it is in maintenance or down."),
    ROW(points, "check_health", GAUGE, NULL,
	"Points of its health: rise and more is up, rise + fall - 1 is the most."),
    ROW(status, "check_status", GAUGE, NULL,
	"How the last check ended, by HAProxy's number: 6 L4OK, 7 L4TOUT, 8 L4CON, 12 L7TOUT, 13 "
	"L7RSP, 15 L7OK, 16 L7OKC, 17 L7STS."),
    ROW(code, "check_code", GAUGE, NULL, "Status of the last check's answer; 0: none."),
    ROW(duration_ms, "check_duration", GAUGE, "milliseconds", "Time that the last check took."),
    ROW(changed_s, "last_change", GAUGE, "seconds", "When its state changed last, since 1970."),
    ROW(failures, "check_failures_total", COUNTER, NULL, "Checks that took a point of its health."),
    ROW(downs, "check_up_down_total", COUNTER, NULL, "Times that it left service."),
    ROW(down_ms, "downtime_total", COUNTER, "milliseconds", "Time out of service."),
    {.name = NULL},
};

#define AGENT_ROW(m, n, u, h) ROW_OF(agent_gauges, m, n, GAUGE, u, h)

const struct metric_row agent_gauge_rows[] = {
    AGENT_ROW(points, "agent_health", NULL, "1 unless its agent says that it is down."),
    AGENT_ROW(
	status, "agent_status", NULL,
	"How the last question to its agent ended, by HAProxy's number: 3 an answer without a "
	"word on health, 8 L4CON, 12 L7TOUT, 13 L7RSP, 15 L7OK, 17 L7STS."),
    AGENT_ROW(duration_ms, "agent_duration", "milliseconds", "Time that it took."),
    {.name = NULL},
};

void
agent_gauges_fill(const struct server *s, struct agent_gauges *g)
{
	const struct health *h = &s->agent->health;
	METRIC_SET(&g->points, h->points);
	METRIC_SET(&g->status, h->last.status);
	METRIC_SET(&g->duration_ms, MAX(h->last.duration_ms, 0));
}

void
health_gauges_fill(const struct server *s, struct health_gauges *g)
{
	const struct health *h = &s->check->health;
	METRIC_SET(&g->up, server_is_up(s));
	METRIC_SET(&g->points, h->points);
	METRIC_SET(&g->status, h->last.status);
	METRIC_SET(&g->code, h->last.code);
	METRIC_SET(&g->duration_ms, MAX(h->last.duration_ms, 0));
	METRIC_SET(&g->changed_s,
		   atomic_load_explicit(&s->changed_real_ns, memory_order_relaxed) / NS_PER_S);
	METRIC_SET(&g->failures, check_count(&s->checked, failures));
	METRIC_SET(&g->downs, check_count(&s->checked, downs));
	METRIC_SET(&g->down_ms, server_down_ms(s));
}

// --- all of them ---------------------------------------------------------------------------------

static void
add_checks(struct checks *all, const struct backend *b)
{
	for (size_t i = 0; i < b->n_servers; i++) {
		if (b->servers[i]->check != NULL)
			checks_add(all, b->servers[i]->check);
		if (b->servers[i]->agent != NULL)
			checks_add(all, b->servers[i]->agent);
	}
}

void
health_start(struct proxy_set *set, struct worker *keeper)
{
	const struct checks_host host = {.arg = set,
					 .ended = on_ended,
					 .turned = on_turned,
					 .state = on_state};
	set->checks = checks_new(keeper->loop, &host);
	set->backend_host = (struct backend_host){.arg = set,
						  .loop = keeper->loop,
						  .emptied = on_emptied,
						  .left = on_left,
						  .returned = on_returned,
						  .set = on_set};
	for (size_t i = 0; i < set->n_all; i++) {
		struct backend *b = set->all[i]->backend;
		if (b == NULL)
			continue;
		for (size_t j = 0; j < b->n_servers; j++)
			server_follow_quietly(b->servers[j]);
		backend_begin(b);
		b->host = &set->backend_host;
		if (!set->all[i]->disabled)
			add_checks(set->checks, b);
	}
	checks_start(set->checks);
}

void
health_retire(struct proxy_set *set)
{
	if (set->checks != NULL)
		checks_stop(set->checks);
}

void
health_stop(struct proxy_set *set)
{
	for (size_t i = 0; i < set->n_all; i++) {
		struct backend *b = set->all[i]->backend;
		for (size_t j = 0; b != NULL && b->host != NULL && j < b->n_servers; j++)
			slowstart_stop(b->servers[j]);
		if (b != NULL)
			b->host = NULL;
	}
	checks_free(&set->checks);
}

void
health_clear(struct proxy_set *set)
{
	for (size_t i = 0; i < set->n_all; i++) {
		const struct backend *b = set->all[i]->backend;
		if (b == NULL)
			continue;
		metrics_clear(&b->checked, 0, kept_check_rows);
		for (size_t j = 0; j < b->n_servers; j++)
			if (b->servers[j]->check != NULL)
				metrics_clear(&b->servers[j]->checked, 0, kept_check_rows);
	}
}
