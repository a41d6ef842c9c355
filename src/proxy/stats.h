// SPDX-License-Identifier: MIT
// What is counted, as plain structs of metrics and const rows that name them for HAProxy's CSV,
// Prometheus and JSON. One block per object and worker; only that worker writes (METRIC_ADD).
//     struct fe_counters *c = metrics_of(&proxy->fe_stats, worker_number_from_0);
#pragma once

#include "http/reason.h"
#include "metrics/metrics.h"

struct proxy_set;

// Responses by the first digit of their status.
struct class_counters {
	struct metric n[6]; // [1]..[5]: 1xx..5xx; [0]: any other
};

// status: 100..999.
static inline void
stats_count_status(struct class_counters *c, unsigned status)
{
	unsigned class = status / 100;
	METRIC_ADD(&c->n[class <= 5 ? class : 0], 1);
}

struct fe_counters {
	struct metric conns;           // accepted
	struct metric conns_now;       // gauge
	struct metric conns_max;       // greatest of conns_now on this worker
	struct metric requests;        // heads received whole
	struct metric bytes_in;        // from clients
	struct metric bytes_out;       // to clients
	struct metric denied_req;      // by http-request deny, tarpit
	struct metric denied_res;      // by http-response deny
	struct metric bad_requests;    // malformed, too big, timed out or cut in the head
	struct metric replies;         // answered by return, redirect, monitor-uri: no server asked
	struct metric client_aborts;   // client gone before the response's end
	struct metric server_aborts;   // server gone before the response's end
	struct metric failed_rewrites; // an edit that found no room
	struct metric internal_errors; // 500 of our own making
	struct metric log_lines;       // of the access log, for %lc
	struct metric conn_rate, request_rate; // metrics/rate.h
	struct class_counters responses;
};

// Of one bind line's address: a cache line's worth.
struct listener_counters {
	struct metric conns, conns_now, conns_max;
	struct metric bytes_in, bytes_out;
	struct metric denied_req, denied_res, bad_requests;
};

// Of a backend, and of each server; what makes no sense for one of them stays 0.
struct be_counters {
	struct metric sessions;     // transactions given to it
	struct metric sessions_now; // gauge
	struct metric sessions_max;
	struct metric balanced;   // those that nothing else than balancing chose a server for
	struct metric queued_now; // gauge: wait for a server below its maxconn
	struct metric queued_max;
	struct metric requests; // heads sent
	struct metric bytes_in; // towards servers
	struct metric bytes_out;
	struct metric denied_req;
	struct metric denied_res;
	struct metric connect_errors;  // econ
	struct metric response_errors; // eresp: malformed, cut or timed out before the head's end
	struct metric retries;
	struct metric redispatches;
	struct metric client_aborts;
	struct metric server_aborts;
	struct metric connects;  // new connections made
	struct metric reuses;    // requests on a pooled connection
	struct metric idle_now;  // gauge: pooled connections
	struct metric no_server; // 503: none usable
	struct metric failed_rewrites;
	struct metric internal_errors;
	struct metric session_rate;                                // metrics/rate.h
	struct metric queue_ms, connect_ms, response_ms, total_ms; // sums
	struct class_counters responses;
};

// Of the process.
struct proc_counters {
	struct metric conns, conns_now, conns_max; // of clients
	struct metric requests;
	struct metric bytes_in, bytes_out;
	struct metric log_lines, log_dropped, log_limited;
	struct metric refused_conns; // closed at once: maxconn, no memory
	// Heads and bodies refused, by enum http_reason_id.
	struct metric bad_request[HTTP_REASONS], bad_response[HTTP_REASONS];
};

extern const struct metric_row stats_fe_rows[], stats_listener_rows[], stats_be_rows[],
    stats_srv_rows[], stats_proc_rows[];

// On worker `worker` itself: counters and maxima back to zero; gauges stay.
void stats_clear(struct proxy_set *set, unsigned worker);
