// SPDX-License-Identifier: MIT
// The access log: fill the values, render the line, put the target's header in front, hand it to
// the kernel without waiting. What does not go out at once is dropped and counted with its target.
#include "proxy/accesslog.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "expr/logfmt.h"
#include "proxy/conns.h"
#include "proxy/host.h"
#include "proxy/stats.h"
#include "proxy/txn.h"

#define LOG_LEVEL_INFO 6
#define LOG_LEVEL_ERR  3

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
	const struct txn_times *m = &t->times;
	uint64_t start = m->idle_ns;
	v->th_ms = 0;
	v->ti_ms = ms_between(m->accept_ns, start);
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
	if (t->times.head_ns == 0 || t->flags & TXN_TCP)
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
	v->retries = t->retries;
	v->redispatched = (t->flags & TXN_REDISPATCHED) != 0;
	v->request_count = t->client != NULL ? t->client->n_requests : 0;
}

void
accesslog_values(const struct txn *t, struct log_values *v)
{
	*v = (struct log_values){0};
	v->frontend = t->frontend->name;
	v->backend = t->backend != NULL ? t->backend->name : t->frontend->name;
	if (t->server != NULL)
		v->server = t->server->name;
	if (t->client != NULL) {
		v->listener = t->client->bind->name;
		v->client = *t->ctx.src;
		v->local = *t->ctx.dst;
	}
	fill_request(t, v);
	fill_times(t, v);
	fill_counts(t, v);
	v->unique_id = proxy_unique_id(t);
	v->req_caps = t->req_captures;
	v->n_req_caps = t->req_captures != NULL ? t->frontend->request_captures.n : 0;
	v->res_caps = t->res_captures;
	v->n_res_caps = t->res_captures != NULL ? t->frontend->response_captures.n : 0;
	v->term[0] = t->term_state[0];
	v->term[1] = t->term_state[1];
	v->term[2] = v->term[3] = '-';
	v->status = t->flags & TXN_RESPONSE_SENT ? t->res.status : 0;
	v->bytes_in = t->bytes_in;
	v->bytes_out = t->bytes_out;
}

// --- targets -----------------------------------------------------------------------------------

static bool
open_target(struct log_target *l, struct err *err)
{
	if (l->kind == LOG_TO_FD) {
		struct stat st;
		// A file is written at once or never; only what may fill up is asked not to wait.
		l->may_block =
		    fstat(l->fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode));
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

// Syslog's header (RFC 3164 section 4.1, RFC 5424 section 6.2), or none.
static size_t
header(const struct txn *t, const struct log_target *l, int level, char *buf, size_t room)
{
	const struct proxy_set *set = t->worker->set;
	time_t now = (time_t)(loop_real_ns(t->worker->loop) / NS_PER_S);
	struct tm tm;
	char date[40] = "";
	struct str tag = t->frontend->log_tag.n > 0 ? t->frontend->log_tag : set->global.log_tag;
	if (tag.n == 0)
		tag = STR("tidegate");
	int pri = l->facility * 8 + level, n = 0;
	if (localtime_r(&now, &tm) == NULL)
		return 0;
	switch (l->format) {
	case LOG_RFC3164:
		(void)strftime(date, sizeof(date), "%b %e %H:%M:%S", &tm);
		n = snprintf(buf, room, "<%d>%s %.*s[%d]: ", pri, date, STR_ARG(tag), getpid());
		break;
	case LOG_RFC5424:
		(void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S%z", &tm);
		n = snprintf(buf, room, "<%d>1 %.22s:%s %.*s %.*s %d - - ", pri, date, date + 22,
			     STR_ARG(set->hostname), STR_ARG(tag), getpid());
		break;
	case LOG_SHORT:
		n = snprintf(buf, room, "<%d>", level);
		break;
	case LOG_TIMED:
		(void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S%z", &tm);
		n = snprintf(buf, room, "<%d>%s ", pri, date);
		break;
	case LOG_RAW:
		break;
	}
	return n > 0 ? MIN((size_t)n, room - 1) : 0;
}

static bool
write_now(struct log_target *l, struct iovec *iov, int n)
{
	if (l->kind != LOG_TO_FD) {
		struct msghdr m = {.msg_name = &l->addr.un,
				   .msg_namelen = l->addr.len,
				   .msg_iov = iov,
				   .msg_iovlen = (size_t)n - 1}; // a datagram needs no newline
		return sendmsg(l->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
	}
	ssize_t r = l->may_block ? pwritev2(l->fd, iov, n, -1, RWF_NOWAIT) : -1;
	if (!l->may_block || (r < 0 && errno == EOPNOTSUPP))
		r = writev(l->fd, iov, n);
	return r >= 0;
}

static void
send_line(struct txn *t, struct log_target *l, struct str line, int level)
{
	if (level > l->level_max)
		return;
	char head[256];
	size_t n = header(t, l, level, head, sizeof(head));
	size_t room = l->len_max > n + 1 ? l->len_max - n - 1 : 0;
	struct iovec iov[] = {
	    {head, n},
	    {(void *)(uintptr_t)line.p, MIN(line.n, room)},
	    {(void *)(uintptr_t) "\n", 1},
	};
	struct proc_counters *p = metrics_of(&t->worker->set->stats, t->worker->id);
	if (write_now(l, iov, 3)) {
		METRIC_ADD(&p->log_lines, 1);
		return;
	}
	METRIC_ADD(&p->log_dropped, 1);
	atomic_fetch_add_explicit(&l->dropped, 1, memory_order_relaxed);
}

static bool
is_wanted(const struct txn *t)
{
	unsigned options = t->frontend->options;
	if (t->log_level == TXN_LOG_SILENT)
		return false;
	if (t->times.head_ns == 0 && options & PROXY_OPT_DONTLOGNULL && t->bytes_in == 0)
		return false;
	bool normal = t->term_state[0] == '-' && t->res.status < 500;
	return !(normal && options & PROXY_OPT_DONTLOG_NORMAL);
}

void
accesslog_write(struct txn *t)
{
	if (!is_wanted(t))
		return;
	struct sbuf *line = &t->worker->log_line;
	sbuf_clear(line);
	logfmt_render_log(t->frontend->logfmt, &t->ctx, line);
	int level = t->log_level > 0 ? t->log_level - 1 : LOG_LEVEL_INFO;
	if (t->log_level == 0 && t->frontend->options & PROXY_OPT_LOG_SEPARATE_ERRORS &&
	    t->res.status >= 500)
		level = LOG_LEVEL_ERR;
	for (struct log_target *l = t->frontend->logs; l != NULL; l = l->next)
		send_line(t, l, sbuf_str(line), level);
	if (!t->frontend->log_global)
		return;
	for (struct log_target *l = t->worker->set->global.logs; l != NULL; l = l->next)
		send_line(t, l, sbuf_str(line), level);
}
