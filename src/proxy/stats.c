// SPDX-License-Identifier: MIT
// Rows of the proxy's counters. A listener has some of a frontend's; a server's rows are a
// backend's under another prefix; columns are named as HAProxy 2.6 does in `show stat`.
#include "proxy/stats.h"

#include "proxy/proxy.h"
#include "proxy/rule_count.h"

#define CLIENT_ROW(prefix, type, m, name, col, kind, unit, help)                          \
	{                                                                                 \
		prefix "_" name, col, offsetof(struct type, m), METRIC_##kind, unit, help \
	}
#define FE(...) CLIENT_ROW("frontend", fe_counters, __VA_ARGS__)

// What frontends and listeners count alike.
#define CLIENT_ROWS(p, t)                                                                  \
	CLIENT_ROW(p, t, conns, "connections_total", "conn_tot", COUNTER, NULL,            \
		   "Connections accepted."),                                               \
	    CLIENT_ROW(p, t, conns, "sessions_total", "stot", COUNTER, NULL,               \
		       "Sessions; one per connection."),                                   \
	    CLIENT_ROW(p, t, conns_now, "current_sessions", "scur", GAUGE, NULL,           \
		       "Connections open now."),                                           \
	    CLIENT_ROW(p, t, conns_max, "max_sessions", "smax", MAX, NULL,                 \
		       "Most connections open at once on one worker."),                    \
	    CLIENT_ROW(p, t, bytes_in, "bytes_in_total", "bin", COUNTER, "bytes",          \
		       "Bytes received from clients."),                                    \
	    CLIENT_ROW(p, t, bytes_out, "bytes_out_total", "bout", COUNTER, "bytes",       \
		       "Bytes sent to clients."),                                          \
	    CLIENT_ROW(p, t, denied_req, "requests_denied_total", "dreq", COUNTER, NULL,   \
		       "Requests denied by a rule."),                                      \
	    CLIENT_ROW(p, t, denied_res, "responses_denied_total", "dresp", COUNTER, NULL, \
		       "Responses denied by a rule."),                                     \
	    CLIENT_ROW(p, t, bad_requests, "request_errors_total", "ereq", COUNTER, NULL,  \
		       "Requests refused as malformed, too big, cut or late.")

const struct metric_row stats_listener_rows[] = {
    CLIENT_ROWS("listener", listener_counters),
    {.name = NULL},
};

const struct metric_row stats_fe_rows[] = {
    CLIENT_ROWS("frontend", fe_counters),
    FE(requests, "http_requests_total", "req_tot", COUNTER, NULL, "Requests received."),
    FE(replies, "intercepted_requests_total", "intercepted", COUNTER, NULL,
       "Requests that rules answered without a server."),
    FE(client_aborts, "client_aborts_total", "cli_abrt", COUNTER, NULL,
       "Transfers ended early by the client."),
    FE(server_aborts, "server_aborts_total", "srv_abrt", COUNTER, NULL,
       "Transfers ended early by the server."),
    FE(failed_rewrites, "failed_header_rewriting_total", "wrew", COUNTER, NULL,
       "Edits of a message that found no room."),
    FE(internal_errors, "internal_errors_total", "eint", COUNTER, NULL,
       "Requests that failed by our own limits."),
    FE(log_lines, "log_lines_total", NULL, COUNTER, NULL, "Lines of its access log."),
    FE(responses.n[1], "http_responses_1xx_total", "hrsp_1xx", COUNTER, NULL,
       "Responses with status 1xx."),
    FE(responses.n[2], "http_responses_2xx_total", "hrsp_2xx", COUNTER, NULL,
       "Responses with status 2xx."),
    FE(responses.n[3], "http_responses_3xx_total", "hrsp_3xx", COUNTER, NULL,
       "Responses with status 3xx."),
    FE(responses.n[4], "http_responses_4xx_total", "hrsp_4xx", COUNTER, NULL,
       "Responses with status 4xx."),
    FE(responses.n[5], "http_responses_5xx_total", "hrsp_5xx", COUNTER, NULL,
       "Responses with status 5xx."),
    FE(responses.n[0], "http_responses_other_total", "hrsp_other", COUNTER, NULL,
       "Responses with any other status."),
    {.name = NULL},
};

#define BE(prefix, m, name, col, kind, unit, help)                                               \
	{                                                                                        \
		prefix "_" name, col, offsetof(struct be_counters, m), METRIC_##kind, unit, help \
	}

#define BE_ROWS(p)                                                                                \
	BE(p, sessions, "sessions_total", "stot", COUNTER, NULL, "Transactions given to it."),    \
	    BE(p, sessions_now, "current_sessions", "scur", GAUGE, NULL,                          \
	       "Transactions under way."),                                                        \
	    BE(p, sessions_max, "max_sessions", "smax", MAX, NULL,                                \
	       "Most transactions under way at once on one worker."),                             \
	    BE(p, queued_now, "current_queue", "qcur", GAUGE, NULL,                               \
	       "Requests that wait for a server below its maxconn."),                             \
	    BE(p, queued_max, "max_queue", "qmax", MAX, NULL,                                     \
	       "Most that waited at once on one worker."),                                        \
	    BE(p, requests, "http_requests_total", "req_tot", COUNTER, NULL, "Requests sent."),   \
	    BE(p, balanced, "loadbalanced_total", "lbtot", COUNTER, NULL,                         \
	       "Times it was chosen by balancing."),                                              \
	    BE(p, bytes_in, "bytes_in_total", "bin", COUNTER, "bytes", "Bytes of requests."),     \
	    BE(p, bytes_out, "bytes_out_total", "bout", COUNTER, "bytes", "Bytes of responses."), \
	    BE(p, denied_req, "requests_denied_total", "dreq", COUNTER, NULL,                     \
	       "Requests denied by a rule."),                                                     \
	    BE(p, denied_res, "responses_denied_total", "dresp", COUNTER, NULL,                   \
	       "Responses denied by a rule."),                                                    \
	    BE(p, connect_errors, "connection_errors_total", "econ", COUNTER, NULL,               \
	       "Attempts to connect that failed."),                                               \
	    BE(p, response_errors, "response_errors_total", "eresp", COUNTER, NULL,               \
	       "Responses malformed, cut or late before their head's end."),                      \
	    BE(p, retries, "retry_warnings_total", "wretr", COUNTER, NULL,                        \
	       "Attempts repeated on the same server."),                                          \
	    BE(p, redispatches, "redispatch_warnings_total", "wredis", COUNTER, NULL,             \
	       "Attempts repeated on another server."),                                           \
	    BE(p, client_aborts, "client_aborts_total", "cli_abrt", COUNTER, NULL,                \
	       "Transfers ended early by the client."),                                           \
	    BE(p, server_aborts, "server_aborts_total", "srv_abrt", COUNTER, NULL,                \
	       "Transfers ended early by the server."),                                           \
	    BE(p, connects, "connection_attempts_total", "connect", COUNTER, NULL,                \
	       "New connections made."),                                                          \
	    BE(p, reuses, "connection_reuses_total", "reuse", COUNTER, NULL,                      \
	       "Requests sent on a pooled connection."),                                          \
	    BE(p, idle_now, "idle_connections_current", "idle_conn_cur", GAUGE, NULL,             \
	       "Pooled connections now."),                                                        \
	    BE(p, no_server, "no_server_total", NULL, COUNTER, NULL,                              \
	       "Requests that found no usable server."),                                          \
	    BE(p, failed_rewrites, "failed_header_rewriting_total", "wrew", COUNTER, NULL,        \
	       "Edits of a message that found no room."),                                         \
	    BE(p, internal_errors, "internal_errors_total", "eint", COUNTER, NULL,                \
	       "Requests that failed by our own limits."),                                        \
	    BE(p, queue_ms, "queue_time_total", NULL, COUNTER, "milliseconds",                    \
	       "Time that transactions waited for a server."),                                    \
	    BE(p, connect_ms, "connect_time_total", NULL, COUNTER, "milliseconds",                \
	       "Time that connecting took."),                                                     \
	    BE(p, response_ms, "response_time_total", NULL, COUNTER, "milliseconds",              \
	       "Time until response heads were complete."),                                       \
	    BE(p, total_ms, "total_time_total", NULL, COUNTER, "milliseconds",                    \
	       "Time that transactions took as a whole."),                                        \
	    BE(p, responses.n[1], "http_responses_1xx_total", "hrsp_1xx", COUNTER, NULL,          \
	       "Responses with status 1xx."),                                                     \
	    BE(p, responses.n[2], "http_responses_2xx_total", "hrsp_2xx", COUNTER, NULL,          \
	       "Responses with status 2xx."),                                                     \
	    BE(p, responses.n[3], "http_responses_3xx_total", "hrsp_3xx", COUNTER, NULL,          \
	       "Responses with status 3xx."),                                                     \
	    BE(p, responses.n[4], "http_responses_4xx_total", "hrsp_4xx", COUNTER, NULL,          \
	       "Responses with status 4xx."),                                                     \
	    BE(p, responses.n[5], "http_responses_5xx_total", "hrsp_5xx", COUNTER, NULL,          \
	       "Responses with status 5xx."),                                                     \
	    BE(p, responses.n[0], "http_responses_other_total", "hrsp_other", COUNTER, NULL,      \
	       "Responses with any other status."),                                               \
	{                                                                                         \
		.name = NULL                                                                      \
	}

const struct metric_row stats_be_rows[] = {BE_ROWS("backend")};
const struct metric_row stats_srv_rows[] = {BE_ROWS("server")};

#define PROC(m, name, kind, unit, help)                                                        \
	{                                                                                      \
		"process_" name, NULL, offsetof(struct proc_counters, m), METRIC_##kind, unit, \
		    help                                                                       \
	}

const struct metric_row stats_proc_rows[] = {
    PROC(conns, "connections_total", COUNTER, NULL, "Client connections accepted."),
    PROC(conns_now, "current_connections", GAUGE, NULL, "Client connections open now."),
    PROC(conns_max, "max_connections", MAX, NULL, "Most open at once on one worker."),
    PROC(requests, "requests_total", COUNTER, NULL, "Requests received."),
    PROC(bytes_in, "bytes_in_total", COUNTER, "bytes", "Bytes received from clients."),
    PROC(bytes_out, "bytes_out_total", COUNTER, "bytes", "Bytes sent to clients."),
    PROC(log_lines, "log_lines_total", COUNTER, NULL, "Lines written to access logs."),
    PROC(log_dropped, "dropped_logs_total", COUNTER, NULL, "Log lines that no target took."),
    PROC(log_limited, "limited_logs_total", COUNTER, NULL, "Log lines beyond a rate-limit."),
    PROC(refused_conns, "refused_connections_total", COUNTER, NULL,
	 "Connections closed at once for lack of room."),
    {.name = NULL},
};

void
stats_clear(struct proxy_set *set, unsigned worker)
{
	struct proc_counters *c = metrics_of(&set->stats, worker);
	metrics_clear(&set->stats, worker, stats_proc_rows);
	for (size_t i = 0; i < HTTP_REASONS; i++) {
		METRIC_SET(&c->bad_request[i], 0);
		METRIC_SET(&c->bad_response[i], 0);
	}
	rule_counts_clear(set, worker);
	for (size_t i = 0; i < set->n_all; i++) {
		struct proxy *p = set->all[i];
		metrics_clear(&p->fe_stats, worker, stats_fe_rows);
		for (const struct bind *b = p->binds; b != NULL; b = b->next)
			metrics_clear(&b->stats, worker, stats_listener_rows);
		metrics_clear(&p->be_stats, worker, stats_be_rows);
		for (size_t j = 0; p->backend != NULL && j < p->backend->n_servers; j++)
			metrics_clear(&p->backend->servers[j]->stats, worker, stats_srv_rows);
	}
}
