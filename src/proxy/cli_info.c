// SPDX-License-Identifier: MIT
// Reports on the process: show info, errors, activity, logs. Numbers are sums over workers of
// relaxed loads.
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "net/worker.h"
#include "proxy/bad_message.h"
#include "proxy/cli_proxy_priv.h"
#include "proxy/stats.h"
#include "proxy/worker.h"

static uint64_t
sum_proc(const struct proxy_set *set, size_t offset, enum metric_kind kind)
{
	const struct metric_row row = {.name = "", .offset = offset, .kind = kind};
	return metrics_read(&set->stats, &row);
}

#define PROC(set, m, kind) sum_proc((set), offsetof(struct proc_counters, m), METRIC_##kind)

// --- show info -----------------------------------------------------------------------------------

struct info {
	struct cli_session *s;
	bool json, first;
};

static void
info_name(struct info *i, const char *name)
{
	if (i->json)
		cli_printf(i->s, "%s\"%s\":", i->first ? "{" : ",", name);
	else
		cli_printf(i->s, "%s: ", name);
	i->first = false;
}

static void
info_text(struct info *i, const char *name, struct str value)
{
	info_name(i, name);
	if (i->json)
		cli_add_json(i->s, value);
	else
		cli_printf(i->s, "%.*s\n", STR_ARG(value));
}

static void
info_int(struct info *i, const char *name, uint64_t value)
{
	info_name(i, name);
	cli_printf(i->s, "%llu%s", (unsigned long long)value, i->json ? "" : "\n");
}

enum cli_status
cli_show_info(struct cli_session *s, const struct cli_args *a)
{
	const struct proxy_set *set = cli_bound(s, "proxy");
	bool json = a->argc > 0 && str_eq(a->argv[0], STR("json"));
	if (a->argc > 0 && !json)
		return cli_usage(s, a);
	struct info i = {.s = s, .json = json, .first = true};
	uint64_t up_s = (clock_mono_ns() - set->started_mono_ns) / NS_PER_S;
	char uptime[64];
	(void)snprintf(uptime, sizeof(uptime), "%llud %lluh%02llum%02llus", // room for any
		       (unsigned long long)(up_s / 86400), (unsigned long long)(up_s / 3600 % 24),
		       (unsigned long long)(up_s / 60 % 60), (unsigned long long)(up_s % 60));
	info_text(&i, "Name", STR("tidegate"));
	info_text(&i, "Version", STR(TIDEGATE_VERSION));
	info_int(&i, "Nbthread", set->n_workers);
	info_int(&i, "Nbproc", 1);
	info_int(&i, "Process_num", 1);
	info_int(&i, "Pid", (uint64_t)getpid());
	info_text(&i, "Uptime", str_from_c(uptime));
	info_int(&i, "Uptime_sec", up_s);
	info_int(&i, "Start_time_sec", set->started_real_ns / NS_PER_S);
	info_int(&i, "Maxconn", set->global.maxconn);
	info_int(&i, "CurrConns", proxy_current_connections(set));
	info_int(&i, "CumConns", PROC(set, conns, COUNTER));
	info_int(&i, "CumReq", PROC(set, requests, COUNTER));
	info_int(&i, "BytesIn", PROC(set, bytes_in, COUNTER));
	info_int(&i, "TotalBytesOut", PROC(set, bytes_out, COUNTER));
	info_int(&i, "DroppedLogs", PROC(set, log_dropped, COUNTER));
	info_text(&i, "Engine", str_from_c(net_engine_name(workers_engine(set->threads))));
	info_text(&i, "node", set->global.node);
	info_text(&i, "description", set->global.description);
	if (json)
		cli_add(s, STR("}\n"));
	return CLI_DONE;
}

// --- show errors, show activity ------------------------------------------------------------------

static void
print_reasons(struct cli_session *s, const struct proxy_set *set, const char *what, size_t offset)
{
	for (unsigned i = HTTP_REASON_NONE + 1; i < HTTP_REASONS; i++) {
		uint64_t n = sum_proc(set, offset + i * sizeof(struct metric), METRIC_COUNTER);
		const struct http_reason *r = http_reason((enum http_reason_id)i);
		if (n > 0)
			cli_printf(s, "%s %s %llu: %s\n", what, r->name, (unsigned long long)n,
				   r->text);
	}
}

enum cli_status
cli_show_errors(struct cli_session *s, const struct cli_args *a)
{
	const struct proxy_set *set = cli_bound(s, "proxy");
	struct str which = a->argc > 0 ? a->argv[0] : STR("-1"), kind = STR("");
	if (a->argc > 1)
		kind = a->argv[1];
	bool response = str_eq(kind, STR("response")), request = str_eq(kind, STR("request"));
	if (a->argc > 1 && !request && !response)
		return cli_usage(s, a);
	int64_t id = 0;
	bool all = str_to_int(which, &id) && id == -1, found = all;
	for (size_t i = 0; i < set->n_all; i++) {
		const struct proxy *p = set->all[i];
		if (!all && p->id != id && !str_eq(p->name, which))
			continue;
		found = true;
		bad_message_print(s, p, !response, !request);
	}
	if (!found)
		return cli_error(s, "No such proxy.");
	if (a->argc > 0)
		return CLI_DONE;
	print_reasons(s, set, "request", offsetof(struct proc_counters, bad_request));
	print_reasons(s, set, "response", offsetof(struct proc_counters, bad_response));
	return CLI_DONE;
}

enum cli_status
cli_show_activity(struct cli_session *s, const struct cli_args *a)
{
	(void)a;
	const struct proxy_set *set = cli_bound(s, "proxy");
	cli_add(s, STR("# worker conns turns enters recvs sends accepts no_bufs\n"));
	for (unsigned i = 1; i <= set->n_workers; i++) {
		const struct worker *w = workers_get(set->threads, i);
		const struct loop_stats *l = loop_stats(w->loop);
		const struct proxy_worker *p = set->workers[i - 1];
		unsigned long long v[] = {p != NULL ? atomic_load_explicit(&p->n_clients,
									   memory_order_relaxed)
						    : 0,
					  atomic_load_explicit(&l->turns, memory_order_relaxed),
					  atomic_load_explicit(&l->enters, memory_order_relaxed),
					  atomic_load_explicit(&l->recvs, memory_order_relaxed),
					  atomic_load_explicit(&l->sends, memory_order_relaxed),
					  atomic_load_explicit(&l->accepts, memory_order_relaxed),
					  atomic_load_explicit(&l->no_bufs, memory_order_relaxed)};
		cli_printf(s, "%u %llu %llu %llu %llu %llu %llu %llu\n", i, v[0], v[1], v[2], v[3],
			   v[4], v[5], v[6]);
	}
	return CLI_DONE;
}

// --- show logs -----------------------------------------------------------------------------------

static void
print_targets(struct cli_session *s, struct str owner, const struct log_target *l)
{
	for (; l != NULL; l = l->next) {
		cli_printf(s, "%.*s %.*s dropped %" PRIu64, STR_ARG(owner), STR_ARG(l->text),
			   atomic_load_explicit(&l->dropped, memory_order_relaxed));
		if (l->rate > 0)
			cli_printf(s, " rate-limit %" PRIu32 " limited %" PRIu64, l->rate,
				   atomic_load_explicit(&l->limited, memory_order_relaxed));
		cli_add(s, STR("\n"));
	}
}

enum cli_status
cli_show_logs(struct cli_session *s, const struct cli_args *a)
{
	(void)a;
	const struct proxy_set *set = cli_bound(s, "proxy");
	cli_add(s, STR("# proxy target lines\n"));
	print_targets(s, STR("global"), set->global.logs);
	for (size_t i = 0; i < set->n_all; i++)
		print_targets(s, set->all[i]->name, set->all[i]->logs);
	return CLI_DONE;
}
