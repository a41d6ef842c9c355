// SPDX-License-Identifier: MIT
// What happens to transactions, as counters of the process, frontend, listener, backend and
// server.
#include "proxy/count.h"

#include "metrics/rate.h"
#include "proxy/conns.h"
#include "proxy/stats.h"
#include "proxy/stick.h"
#include "proxy/txn.h"

static struct proc_counters *
of_process(const struct proxy_worker *w)
{
	return metrics_of(&w->set->stats, w->id);
}

static struct fe_counters *
of_frontend(const struct txn *t)
{
	return metrics_of(&t->frontend->fe_stats, t->worker->id);
}

static struct be_counters *
of_backend(const struct txn *t)
{
	return metrics_of(&t->backend->be_stats, t->worker->id);
}

static struct be_counters *
of_server(const struct txn *t)
{
	return metrics_of(&t->server->stats, t->worker->id);
}

#define ADD_ALL(t, member, n)                                 \
	do {                                                  \
		METRIC_ADD(&of_backend(t)->member, n);        \
		if ((t)->server != NULL)                      \
			METRIC_ADD(&of_server(t)->member, n); \
	} while (0)

void
count_connection(const struct client *c)
{
	struct fe_counters *f = metrics_of(&c->bind->frontend->fe_stats, c->worker->id);
	struct proc_counters *p = of_process(c->worker);
	METRIC_ADD(&f->conns, 1);
	rate_count(&f->conn_rate, loop_now_ns(c->worker->loop));
	METRIC_ADD(&f->conns_now, 1);
	METRIC_RAISE(&f->conns_max, METRIC_GET(&f->conns_now));
	METRIC_ADD(&c->listener->conns, 1);
	METRIC_ADD(&c->listener->conns_now, 1);
	METRIC_RAISE(&c->listener->conns_max, METRIC_GET(&c->listener->conns_now));
	METRIC_ADD(&p->conns, 1);
	METRIC_ADD(&p->conns_now, 1);
	METRIC_RAISE(&p->conns_max, METRIC_GET(&p->conns_now));
}

void
count_connection_end(const struct client *c)
{
	struct fe_counters *f = metrics_of(&c->bind->frontend->fe_stats, c->worker->id);
	METRIC_ADD(&f->conns_now, -1);
	METRIC_ADD(&c->listener->conns_now, -1);
	METRIC_ADD(&of_process(c->worker)->conns_now, -1);
}

void
count_request(const struct txn *t)
{
	struct fe_counters *f = of_frontend(t);
	METRIC_ADD(&f->requests, 1);
	rate_count(&f->request_rate, loop_now_ns(t->worker->loop));
	METRIC_ADD(&of_process(t->worker)->requests, 1);
}

void
count_routed(const struct txn *t)
{
	struct be_counters *b = of_backend(t);
	METRIC_ADD(&b->sessions, 1);
	rate_count(&b->session_rate, loop_now_ns(t->worker->loop));
	METRIC_ADD(&b->sessions_now, 1);
	METRIC_RAISE(&b->sessions_max, METRIC_GET(&b->sessions_now));
	struct backend *k = t->backend->backend;
	if (UNLIKELY(k->ramps))
		atomic_fetch_add_explicit(&k->n_requests, 1, memory_order_relaxed);
}

void
count_queued(const struct txn *t, int64_t n)
{
	struct be_counters *b = of_backend(t);
	METRIC_ADD(&b->queued_now, n);
	METRIC_RAISE(&b->queued_max, METRIC_GET(&b->queued_now));
}

void
count_server_take(const struct txn *t, bool reused)
{
	struct be_counters *s = of_server(t);
	METRIC_ADD(&s->sessions, 1);
	rate_count(&s->session_rate, loop_now_ns(t->worker->loop));
	METRIC_ADD(&s->sessions_now, 1);
	METRIC_RAISE(&s->sessions_max, METRIC_GET(&s->sessions_now));
	if (LIKELY(t->wanted == NULL))
		ADD_ALL(t, balanced, 1);
	if (reused)
		ADD_ALL(t, reuses, 1);
	else
		ADD_ALL(t, connects, 1);
}

void
count_server_give(const struct txn *t)
{
	METRIC_ADD(&of_server(t)->sessions_now, -1);
}

void
count_connect_failure(const struct txn *t)
{
	ADD_ALL(t, connect_errors, 1);
}

void
count_retry(const struct txn *t)
{
	ADD_ALL(t, retries, 1);
}

void
count_response_error(const struct txn *t)
{
	ADD_ALL(t, response_errors, 1);
}

void
count_bad_request(struct txn *t, enum http_reason_id why, uint64_t offset)
{
	if (UNLIKELY(t->worker->set->tables != NULL))
		stick_count_bad_request(t);
	(void)offset;
	METRIC_ADD(&of_frontend(t)->bad_requests, 1);
	METRIC_ADD(&t->listener->bad_requests, 1);
	METRIC_ADD(&of_process(t->worker)->bad_request[why], 1);
}

void
count_bad_response(const struct txn *t, enum http_reason_id why, uint64_t offset)
{
	(void)offset;
	ADD_ALL(t, response_errors, 1);
	METRIC_ADD(&of_process(t->worker)->bad_response[why], 1);
}

static uint64_t
ms_between(uint64_t from_ns, uint64_t to_ns)
{
	return from_ns != 0 && to_ns > from_ns ? (to_ns - from_ns) / NS_PER_MS : 0;
}

static void
count_aborts(const struct txn *t)
{
	bool by_client = t->term_state[0] == 'C' || t->term_state[0] == 'c';
	bool by_server = t->term_state[0] == 'S' || t->term_state[0] == 's';
	if (by_client)
		METRIC_ADD(&of_frontend(t)->client_aborts, 1);
	if (by_server)
		METRIC_ADD(&of_frontend(t)->server_aborts, 1);
	if (t->backend == NULL)
		return;
	if (by_client)
		ADD_ALL(t, client_aborts, 1);
	if (by_server)
		ADD_ALL(t, server_aborts, 1);
}

// Of a backend or a server.
static inline void
count_work(struct be_counters *c, const struct txn *t)
{
	METRIC_ADD(&c->bytes_in, t->bytes_in);
	METRIC_ADD(&c->bytes_out, t->bytes_out);
	METRIC_ADD(&c->requests, 1);
	if (t->flags & TXN_REDISPATCHED)
		METRIC_ADD(&c->redispatches, 1);
}

static inline void
count_times(const struct txn_times *at, struct be_counters *b, struct be_counters *s)
{
	uint64_t total_ms = ms_between(at->idle_ns, at->end_ns);
	if (total_ms == 0)
		return; // nor is there any in its parts
	uint64_t queue_ms = ms_between(at->head_ns, at->queue_ns);
	uint64_t connect_ms = ms_between(at->queue_ns, at->connected_ns);
	uint64_t response_ms = ms_between(at->connected_ns, at->response_ns);
	for (struct be_counters *c = b; c != NULL; c = c == b ? s : NULL) {
		METRIC_ADD(&c->total_ms, total_ms);
		METRIC_ADD(&c->queue_ms, queue_ms);
		METRIC_ADD(&c->connect_ms, connect_ms);
		METRIC_ADD(&c->response_ms, response_ms);
	}
}

static void
count_backend_end(const struct txn *t)
{
	struct be_counters *b = of_backend(t), *s = t->server != NULL ? of_server(t) : NULL;
	METRIC_ADD(&b->sessions_now, -1);
	if (UNLIKELY(t->backend->backend->ramps))
		atomic_fetch_sub_explicit(&t->backend->backend->n_requests, 1,
					  memory_order_relaxed);
	count_work(b, t);
	if (LIKELY(!(t->flags & TXN_TCP)))
		stats_count_status(&b->responses, t->res.status);
	if (s == NULL)
		return;
	count_work(s, t);
	if (!(t->flags & (TXN_REPLIED | TXN_TCP)))
		stats_count_status(&s->responses, t->res.status);
	count_times(&t->times, b, s);
}

void
count_end(const struct txn *t)
{
	struct fe_counters *f = of_frontend(t);
	struct proc_counters *p = of_process(t->worker);
	METRIC_ADD(&f->bytes_in, t->bytes_in);
	METRIC_ADD(&f->bytes_out, t->bytes_out);
	METRIC_ADD(&t->listener->bytes_in, t->bytes_in);
	METRIC_ADD(&t->listener->bytes_out, t->bytes_out);
	METRIC_ADD(&p->bytes_in, t->bytes_in);
	METRIC_ADD(&p->bytes_out, t->bytes_out);
	if (t->times.head_ns != 0 && t->flags & TXN_RESPONSE_SENT)
		stats_count_status(&f->responses, t->res.status);
	if (UNLIKELY(t->term_state[0] != '-'))
		count_aborts(t);
	if (t->backend != NULL)
		count_backend_end(t);
}
