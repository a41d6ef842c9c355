// SPDX-License-Identifier: MIT
// The access log: fill the values, render the line, put the target's header in front, hand it to
// the kernel without waiting. What does not go out at once is dropped and counted with its target.
#include "proxy/accesslog.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/nowait.h"
#include "expr/logfmt.h"
#include "proxy/client_header.h"
#include "proxy/conns.h"
#include "proxy/host.h"
#include "proxy/stats.h"
#include "proxy/txn.h"

#define LOG_LEVEL_INFO 6
#define LOG_LEVEL_ERR  3
#define HEADER_BYTES   2048

// --- values ------------------------------------------------------------------------------------

static int64_t
ms_between(uint64_t from_ns, uint64_t to_ns)
{
	if (from_ns == 0 || to_ns == 0)
		return -1;
	return to_ns > from_ns ? (int64_t)((to_ns - from_ns) / NS_PER_MS) : 0;
}

static void
fill_times(const struct txn *t, struct log_values *v)
{
	struct txn_times now = t->times, *m = &now;
	if (m->end_ns == 0) // the line is early
		m->end_ns = loop_now_ns(t->worker->loop);
	uint64_t start = m->idle_ns;
	uint64_t ready = m->accept_ns;
	if (UNLIKELY(t->client != NULL && t->client->header != NULL && !(t->flags & TXN_NOT_FIRST)))
		ready += t->client->header->took_ns;
	v->th_ms = ms_between(m->accept_ns, ready);
	v->ti_ms = ms_between(ready, start);
	v->tr_ms = ms_between(start, m->head_ns);
	v->tq_ms = ms_between(m->accept_ns, m->head_ns);
	v->tw_ms = ms_between(m->head_ns, m->queue_ns);
	v->tc_ms = ms_between(m->queue_ns, m->connected_ns);
	v->tr_res_ms = ms_between(m->connected_ns, m->response_ns);
	v->td_ms = ms_between(m->response_ns, m->end_ns);
	v->ta_ms = ms_between(start, m->end_ns);
	v->tt_ms = ms_between(m->accept_ns, m->end_ns);
	v->tu_ms = v->tt_ms;
	uint64_t ago = loop_now_ns(t->worker->loop) - start;
	v->request_real_ns = loop_real_ns(t->worker->loop) - ago;
	v->accept_real_ns = v->request_real_ns - (start - m->accept_ns);
}

// The request line as it came; the head's first line is untouched by edits.
static void
fill_request(const struct txn *t, struct log_values *v)
{
	if (!txn_has_request(t))
		return;
	struct str line = t->req.raw;
	size_t end = str_find_byte(line, '\r');
	v->request_line = str_slice(line, 0, end);
	struct str rest = v->request_line;
	(void)str_next(&rest, ' ', &v->method); // the parser saw three words
	(void)str_next(&rest, ' ', &v->uri);
	v->version = rest;
	size_t mark = str_find_byte(v->uri, '?');
	v->path = str_slice(v->uri, 0, mark);
	v->query = mark == SIZE_MAX ? STR_NULL : str_slice(v->uri, mark, SIZE_MAX);
}

static uint32_t
now_of(const struct metric_blocks *b, size_t offset)
{
	const struct metric_row row = {.offset = offset, .kind = METRIC_GAUGE};
	return (uint32_t)metrics_read(b, &row);
}

static void
fill_counts(const struct txn *t, struct log_values *v)
{
	v->act_conn = (uint32_t)proxy_current_connections(t->worker->set);
	v->fe_conn = now_of(&t->frontend->fe_stats, offsetof(struct fe_counters, conns_now));
	if (t->backend != NULL)
		v->be_conn =
		    now_of(&t->backend->be_stats, offsetof(struct be_counters, sessions_now));
	v->be_queue = t->queued_before;
	if (t->server != NULL)
		v->srv_conn = now_of(&t->server->stats, offsetof(struct be_counters, sessions_now));
	if (t->flags & TXN_ENDED && t->server_conn != NULL && !conn_closing(&t->server_conn->conn))
		v->srv_conn -= v->srv_conn > 0; // its own, about to be given back
	v->retries = t->retries;
	v->redispatched = (t->flags & TXN_REDISPATCHED) != 0;
	v->request_count = (uint32_t)t->id;
	v->log_asap = !(t->flags & TXN_ENDED);
}

// Slots that were declared stand in the line, empty ones too, once there is a request.
static void
fill_captures(const struct txn *t, struct log_values *v)
{
	static const struct str none[CAPTURE_MOST_SLOTS];
	bool request = txn_has_request(t);
	v->req_caps = t->req_captures != NULL ? t->req_captures : none;
	v->res_caps = t->res_captures != NULL ? t->res_captures : none;
	if (request || t->req_captures != NULL)
		v->n_req_caps = t->frontend->request_captures.n;
	if (request || t->res_captures != NULL)
		v->n_res_caps = t->frontend->response_captures.n;
}

void
accesslog_values(const struct txn *t, struct log_values *v)
{
	*v = (struct log_values){0};
	v->frontend = t->frontend->name;
	v->backend = t->backend != NULL ? t->backend->name : t->frontend->name;
	if (t->server != NULL || t->wanted != NULL) // the one that it waited for in vain
		v->server = (t->server != NULL ? t->server : t->wanted)->name;
	if (t->client != NULL) {
		v->listener = t->client->bind->name;
		v->client = *t->ctx.src;
		v->local = *t->ctx.dst;
	}
	fill_request(t, v);
	fill_times(t, v);
	fill_counts(t, v);
	v->unique_id = proxy_unique_id(t);
	fill_captures(t, v);
	if (t->server != NULL)
		v->server_peer = t->server_peer;
	v->term[0] = t->term_state[0];
	v->term[1] = t->term_state[1];
	cookie_letters(t, &v->term[2]);
	if (t->cookies != NULL) {
		v->cookie_in = t->cookies->in;
		v->cookie_out = t->cookies->out;
	}
	bool judged = t->ctx.res != NULL && !(t->flags & TXN_ENDED); // do-log, by a rule on it
	v->status = t->flags & TXN_RESPONSE_SENT || judged ? t->res.status : 0;
	v->bytes_in = t->bytes_in;
	v->bytes_out = t->bytes_out;
}

// --- targets -----------------------------------------------------------------------------------

static bool
open_target(struct log_target *l, struct err *err)
{
	if (l->kind == LOG_TO_FD) {
		l->may_block = nowait_is_needed(l->fd);
		return true;
	}
	l->fd = socket(l->addr.sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return err_set(err, "log %.*s: cannot open a socket: %s", STR_ARG(l->text),
			       strerror(errno));
	return true;
}

static bool
open_all(struct log_target *l, struct err *err)
{
	for (; l != NULL; l = l->next)
		if (!open_target(l, err))
			return false;
	return true;
}

bool
accesslog_open(struct proxy_set *set, struct err *err)
{
	if (!open_all(set->global.logs, err))
		return false;
	for (size_t i = 0; i < set->n_all; i++)
		if (!open_all(set->all[i]->logs, err))
			return false;
	return true;
}

static void
close_all(struct log_target *l)
{
	for (; l != NULL; l = l->next) {
		if (l->kind != LOG_TO_FD && l->fd >= 0)
			(void)close(l->fd); // a datagram socket: nothing can be lost
		l->fd = l->kind == LOG_TO_FD ? l->fd : -1;
	}
}

void
accesslog_close(struct proxy_set *set)
{
	close_all(set->global.logs);
	for (size_t i = 0; i < set->n_all; i++)
		close_all(set->all[i]->logs);
}

// What stands in front of a line. date: a strftime format or NULL.
static const struct header_row {
	const char *date;
	bool pri, level, host, tag, rfc5424;
} headers[] = {
    [LOG_RFC3164] = {.date = "%b %e %H:%M:%S ", .pri = true, .host = true, .tag = true},
    [LOG_LOCAL] = {.date = "%b %e %H:%M:%S ", .pri = true, .tag = true},
    [LOG_RFC5424] = {.date = "1 %Y-%m-%dT%H:%M:%S", .pri = true, .rfc5424 = true},
    [LOG_PRIORITY] = {.pri = true},
    [LOG_SHORT] = {.level = true},
    [LOG_TIMED] = {.date = "%Y-%m-%dT%H:%M:%S", .level = true},
    [LOG_ISO] = {.date = "%Y-%m-%dT%H:%M:%S"},
    [LOG_RAW] = {0},
};

// "2026-11-29T05:01:02" gets its "+00:00 ".
static void
add_zone(struct sbuf *out, const struct tm *tm)
{
	long minutes = tm->tm_gmtoff / 60, abs = minutes < 0 ? -minutes : minutes;
	sbuf_printf(out, "%c%02ld:%02ld ", minutes < 0 ? '-' : '+', abs / 60, abs % 60);
}

// What a line is about.
struct subject {
	const struct proxy_set *set;
	const struct proxy *proxy;
	struct txn *txn; // NULL: it is not about one
	uint64_t real_ns;
};

// Syslog's header (RFC 3164 section 4.1, RFC 5424 section 6.2) and HAProxy's shorter ones.
static void
put_header(const struct subject *about, const struct log_target *l, int level, struct sbuf *out)
{
	const struct proxy_set *set = about->set;
	const struct header_row *h = &headers[l->format];
	time_t now = (time_t)(about->real_ns / NS_PER_S);
	struct tm tm;
	char date[40] = "";
	struct str tag = about->proxy->log_tag.n > 0 ? about->proxy->log_tag : set->global.log_tag;
	struct str host = set->global.log_send_hostname;
	if (tag.n == 0)
		tag = STR("tidegate");
	if (h->pri || h->level)
		sbuf_printf(out, "<%d>", h->pri ? l->facility * 8 + level : level);
	if (h->date == NULL || localtime_r(&now, &tm) == NULL)
		return;
	(void)strftime(date, sizeof(date), h->date, &tm);
	sbuf_add(out, str_from_c(date));
	if (!h->tag) // only those with a year have a zone
		add_zone(out, &tm);
	if (h->host)
		sbuf_printf(out, "%.*s ", STR_ARG(host.n > 0 ? host : STR("localhost")));
	if (h->tag)
		sbuf_printf(out, "%.*s[%d]: ", STR_ARG(tag), getpid());
	if (!h->rfc5424)
		return;
	sbuf_printf(out, "%.*s %.*s %d - ", STR_ARG(host.n > 0 ? host : set->hostname),
		    STR_ARG(tag), getpid());
	if (about->txn != NULL && about->proxy->logfmt_sd != NULL)
		logfmt_render_log(about->proxy->logfmt_sd, &about->txn->ctx, out);
	else
		sbuf_add_byte(out, '-');
	sbuf_add_byte(out, ' ');
}

static bool
write_now(struct log_target *l, struct iovec *iov, int n)
{
	if (l->kind != LOG_TO_FD) {
		struct msghdr m = {.msg_name = &l->addr.un,
				   .msg_namelen = l->addr.len,
				   .msg_iov = iov,
				   .msg_iovlen = (size_t)n};
		return sendmsg(l->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
	}
	return (l->may_block ? nowait_writev : writev)(l->fd, iov, n) >= 0;
}

// Every line is counted round and round up to `size`; those whose number is asked for go out.
static bool
is_sampled(struct log_target *l)
{
	if (LIKELY(l->sample_size == 0))
		return true;
	uint64_t n = atomic_fetch_add_explicit(&l->sample_at, 1, memory_order_relaxed);
	return l->sample_mask >> (n % l->sample_size) & 1;
}

// One more line in this second? All workers count together, without a lock.
static bool
is_within_rate(struct log_target *l, uint64_t now_ns)
{
	if (LIKELY(l->rate == 0))
		return true;
	uint64_t now = now_ns / NS_PER_S & UINT32_MAX, next;
	uint64_t window = atomic_load_explicit(&l->rate_window, memory_order_relaxed);
	do {
		// Of two workers one may still be in the second before: it opens no new one.
		uint64_t second = MAX(now, window >> 32);
		uint64_t n = window >> 32 == second ? window & UINT32_MAX : 0;
		if (n >= l->rate) {
			atomic_fetch_add_explicit(&l->limited, 1, memory_order_relaxed);
			return false;
		}
		next = second << 32 | (n + 1);
	} while (!atomic_compare_exchange_weak_explicit(&l->rate_window, &window, next,
							memory_order_relaxed,
							memory_order_relaxed));
	return true;
}

// Header and line to the kernel, and a newline, which a datagram has beyond its length, as in
// HAProxy. `head` is scratch.
static bool
put_line(const struct subject *about, struct log_target *l, struct str line, int level,
	 struct sbuf *head)
{
	sbuf_clear(head);
	put_header(about, l, MAX(level, l->level_min), head);
	size_t most = l->len_max - (l->kind == LOG_TO_FD), n = MIN(head->n, most);
	struct iovec iov[] = {
	    {head->p, n},
	    {(void *)(uintptr_t)line.p, MIN(line.n, most - n)},
	    {(void *)(uintptr_t) "\n", 1},
	};
	if (write_now(l, iov, 3))
		return true;
	atomic_fetch_add_explicit(&l->dropped, 1, memory_order_relaxed);
	return false;
}

static void
send_line(struct proxy_worker *w, const struct subject *about, struct log_target *l,
	  struct str line, int level)
{
	struct proc_counters *p = metrics_of(&w->set->stats, w->id);
	if (level > l->level_max || !is_sampled(l))
		return;
	if (!is_within_rate(l, loop_now_ns(w->loop))) {
		METRIC_ADD(&p->log_limited, 1);
		return;
	}
	if (put_line(about, l, line, level, &w->log_head))
		METRIC_ADD(&p->log_lines, 1);
	else
		METRIC_ADD(&p->log_dropped, 1);
}

// To all targets of a frontend.
static void
send_to_all(struct proxy_worker *w, const struct subject *about, struct str line, int level)
{
	for (struct log_target *l = about->proxy->logs; l != NULL; l = l->next)
		send_line(w, about, l, line, level);
	if (!about->proxy->log_global)
		return;
	for (struct log_target *l = w->set->global.logs; l != NULL; l = l->next)
		send_line(w, about, l, line, level);
}

static void
send_event(const struct subject *about, struct log_target *l, struct str line, int level)
{
	struct sbuf head;
	sbuf_init(&head, HEADER_BYTES);
	for (; l != NULL; l = l->next)
		if (level <= l->level_max)
			(void)put_line(about, l, line, level, &head); // counted with the target
	sbuf_fini(&head);
}

void
accesslog_event(const struct proxy_set *set, const struct proxy *p, int level, struct str line)
{
	const struct subject about = {set, p, NULL, clock_real_ns()};
	send_event(&about, p->logs, line, level);
	if (p->log_global)
		send_event(&about, set->global.logs, line, level);
}

// As HAProxy judges it: aborted by somebody (not answered by us), sent elsewhere, tried again, or
// a failure of the server's.
static bool
went_wrong(const struct txn *t)
{
	return (t->term_state[0] != '-' && t->term_state[0] != 'L') || t->retries > 0 ||
	       t->flags & TXN_REDISPATCHED || t->res.status >= 500;
}

// Only a connection that is relayed can have brought nothing: a request begins with a byte.
static bool
sent_nothing(const struct txn *t)
{
	return t->flags & TXN_TCP && t->bytes_in == 0 &&
	       (t->client == NULL || conn_unread(&t->client->conn) == 0);
}

static bool
is_wanted(const struct txn *t)
{
	unsigned options = t->frontend->options;
	if (t->log_level == TXN_LOG_SILENT)
		return false;
	if (options & PROXY_OPT_DONTLOGNULL && sent_nothing(t))
		return false;
	return went_wrong(t) || !(options & PROXY_OPT_DONTLOG_NORMAL);
}

static const struct logfmt *
format_of(const struct txn *t)
{
	const struct proxy *p = t->frontend;
	bool no_request = t->times.head_ns == 0 && !(t->flags & TXN_TCP);
	return no_request && p->logfmt_error != NULL ? p->logfmt_error : p->logfmt;
}

uint64_t
accesslog_count(const struct proxy *frontend)
{
	static const struct metric_row row = {.offset = offsetof(struct fe_counters, log_lines),
					      .kind = METRIC_COUNTER};
	return metrics_read(&frontend->fe_stats, &row);
}

static void
write_line(struct txn *t)
{
	struct sbuf *line = &t->worker->log_line;
	sbuf_clear(line);
	logfmt_render_log(format_of(t), &t->ctx, line);
	struct fe_counters *c = metrics_of(&t->frontend->fe_stats, t->worker->id);
	METRIC_ADD(&c->log_lines, 1);
	int level = t->log_level > 0 ? t->log_level - 1 : LOG_LEVEL_INFO;
	if (t->log_level == 0 && t->frontend->options & PROXY_OPT_LOG_SEPARATE_ERRORS &&
	    went_wrong(t))
		level = LOG_LEVEL_ERR;
	const struct subject about = {t->worker->set, t->frontend, t,
				      loop_real_ns(t->worker->loop)};
	send_to_all(t->worker, &about, sbuf_str(line), level);
}

// "127.0.0.1:4711 [29/Nov/2026:05:01:02.345] frontend/bind: error".
static void
put_refused(const struct client *c, uint64_t real_ns, struct str error, struct sbuf *line)
{
	char ip[INET6_ADDRSTRLEN] = "unix", date[40] = "";
	const struct bind *b = c->bind;
	time_t when = (time_t)(real_ns / NS_PER_S);
	struct tm tm;
	if (c->src.family == 4 || c->src.family == 6)
		(void)inet_ntop(c->src.family == 4 ? AF_INET : AF_INET6, c->src.ip, ip, sizeof(ip));
	if (localtime_r(&when, &tm) != NULL)
		(void)strftime(date, sizeof(date), "%d/%b/%Y:%H:%M:%S", &tm);
	sbuf_clear(line);
	sbuf_printf(line, "%s:%u [%s.%03u] %.*s/", ip, c->src.port, date,
		    (unsigned)(real_ns / NS_PER_MS % 1000), STR_ARG(b->frontend->name));
	if (b->name.n > 0)
		sbuf_printf(line, "%.*s: %.*s", STR_ARG(b->name), STR_ARG(error));
	else
		sbuf_printf(line, "%u: %.*s", b->id, STR_ARG(error));
}

void
accesslog_write_refused(struct client *c, struct str error)
{
	struct proxy_worker *w = c->worker;
	const struct proxy *p = c->bind->frontend;
	if (p->options & PROXY_OPT_DONTLOGNULL && conn_unread(&c->conn) == 0)
		return;
	if (p->logfmt_error != NULL) {
		struct txn *t = txn_new(c);
		if (t != NULL) {
			write_line(t);
			txn_forget(t);
		}
		return;
	}
	uint64_t ago = loop_now_ns(w->loop) - c->accept_ns;
	const struct subject about = {w->set, p, NULL, loop_real_ns(w->loop)};
	put_refused(c, about.real_ns - ago, error, &w->log_line);
	send_to_all(w, &about, sbuf_str(&w->log_line), LOG_LEVEL_INFO);
}

void
accesslog_write(struct txn *t)
{
	if (!(t->flags & TXN_LOGGED) && is_wanted(t))
		write_line(t);
}

void
accesslog_write_more(struct txn *t)
{
	if (t->frontend->logfmt != NULL)
		write_line(t);
}

void
accesslog_write_early(struct txn *t)
{
	if (t->frontend->logfmt == NULL)
		return;
	accesslog_write(t);
	t->flags |= TXN_LOGGED;
}
