// SPDX-License-Identifier: MIT
// HAProxy's log aliases as rows. Values come from the struct log_values that the host filled.

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "expr/logfmt_priv.h"

#define PUT_ARGS                                                          \
	struct logfmt_out *o UNUSED, const struct logfmt_piece *p UNUSED, \
	    struct sample_ctx *ctx UNUSED, const struct log_values *v UNUSED

static void
put_int(struct logfmt_out *o, int64_t n, unsigned flags)
{
	char text[24];
	int len =
	    snprintf(text, sizeof(text), flags & LOGFMT_HEX ? "%04llX" : "%lld", (long long)n);
	logfmt_put(o, text, (size_t)len); // never in quotes, as HAProxy
}

static void
put_addr(struct logfmt_out *o, const struct sample_addr *a, unsigned flags)
{
	char text[64] = "unix";
	size_t n = a->family == 1 ? 4 : 0;
	struct sample s = {.type = a->family == 4 ? SMP_IP4 : SMP_IP6};
	if ((a->family == 4 || a->family == 6) && (flags & LOGFMT_HEX)) {
		for (size_t i = 0; i < (a->family == 4 ? 4 : 16); i++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%02X", a->ip[i]);
	} else if (a->family == 4 || a->family == 6) {
		memcpy(s.ip, a->ip, sizeof(s.ip));
		n = sample_print_ip(&s, text, sizeof(text));
	}
	logfmt_put_value(o, str_of(text, n), flags);
}

static void
put_port(struct logfmt_out *o, const struct sample_addr *a, unsigned flags)
{
	if (a->family == 4 || a->family == 6)
		put_int(o, a->port, flags);
	else
		logfmt_put_value(o, STR(""), flags);
}

// The broken-down time of a second, made once per second and thread: localtime_r takes a lock.
struct second {
	uint64_t unix_s;
	struct tm tm;
	bool made, local;
};

static const struct tm *
broken_down(uint64_t unix_s, bool local)
{
	static _Thread_local struct second cache[2];
	struct second *c = &cache[local];
	if (!c->made || c->unix_s != unix_s) {
		time_t t = (time_t)unix_s;
		c->unix_s = unix_s;
		c->made = (local ? localtime_r(&t, &c->tm) : gmtime_r(&t, &c->tm)) != NULL;
	}
	return &c->tm;
}

// "06/Nov/1994:08:49:37.123", or with " +0000" instead of milliseconds.
static void
put_time(struct logfmt_out *o, uint64_t real_ns, bool local, bool zone, unsigned flags UNUSED)
{
	static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	const struct tm *tm = broken_down(real_ns / NS_PER_S, local);
	char text[64];
	int n = snprintf(text, sizeof(text), "%02d/%s/%04d:%02d:%02d:%02d", tm->tm_mday,
			 months[tm->tm_mon % 12], tm->tm_year + 1900, tm->tm_hour, tm->tm_min,
			 tm->tm_sec);
	size_t at = (size_t)n, left = sizeof(text) - at;
	long minutes = tm->tm_gmtoff / 60;
	if (zone)
		n = snprintf(text + at, left, " %c%02ld%02ld", minutes < 0 ? '-' : '+',
			     labs(minutes) / 60, labs(minutes) % 60);
	else
		n = snprintf(text + at, left, ".%03u", (unsigned)(real_ns / NS_PER_MS % 1000));
	logfmt_put_value(o, str_of(text, at + (size_t)n), 0);
}

static void
put_or(struct logfmt_out *o, struct str s, struct str otherwise, unsigned flags)
{
	logfmt_put_value(o, s.n > 0 ? s : otherwise, flags | LOGFMT_URL);
}

// "{a|b}", or as a list of quoted words.
static void
put_captures(struct logfmt_out *o, const struct str *caps, unsigned n, bool list, unsigned flags)
{
	if (n == 0)
		return;
	if (!list)
		logfmt_put(o, "{", 1);
	for (unsigned i = 0; i < n; i++) {
		if (i > 0)
			logfmt_put(o, list ? " " : "|", 1);
		if (list || caps[i].n > 0)
			logfmt_put_value(o, caps[i],
					 (list ? flags | LOGFMT_QUOTE : 0) | LOGFMT_CAPTURE);
	}
	if (!list)
		logfmt_put(o, "}", 1);
}

// Never in quotes.
static void
put_term(struct logfmt_out *o, const struct log_values *v, size_t letters)
{
	logfmt_put_value(o, str_of(v->term, v->term[0] != '\0' ? letters : 0), 0);
}

// Without a query: nothing, not "-".
static void
put_query(struct logfmt_out *o, const struct log_values *v, unsigned flags)
{
	if (v->request_line.n == 0 || v->query.n > 0 || flags & LOGFMT_QUOTE)
		put_or(o, v->query, v->request_line.n == 0 ? STR("<BADREQ>") : STR(""), flags);
}

// clang-format off
#define ALIAS(name, body) static void put_##name(PUT_ARGS) { body; }
#define VALUE(field) logfmt_put_value(o, v->field, p->flags)
#define NUMBER(expr) put_int(o, (int64_t)(expr), p->flags)

ALIAS(ci, put_addr(o, &v->client, p->flags))
ALIAS(cp, put_port(o, &v->client, p->flags))
ALIAS(fi, put_addr(o, &v->local, p->flags))
ALIAS(fp, put_port(o, &v->local, p->flags))
ALIAS(bi, put_addr(o, &v->server_local, p->flags))
ALIAS(bp, put_port(o, &v->server_local, p->flags))
ALIAS(si, put_addr(o, &v->server_peer, p->flags))
ALIAS(sp, put_port(o, &v->server_peer, p->flags))
ALIAS(t, put_time(o, v->accept_real_ns, true, false, p->flags))
ALIAS(T, put_time(o, v->accept_real_ns, false, true, p->flags))
ALIAS(Tl, put_time(o, v->accept_real_ns, true, true, p->flags))
ALIAS(tr, put_time(o, v->request_real_ns, true, false, p->flags))
ALIAS(trg, put_time(o, v->request_real_ns, false, true, p->flags))
ALIAS(trl, put_time(o, v->request_real_ns, true, true, p->flags))
ALIAS(Ts, NUMBER(v->accept_real_ns / NS_PER_S))
ALIAS(ms, NUMBER(v->accept_real_ns / NS_PER_MS % 1000))
ALIAS(f, VALUE(frontend))
ALIAS(b, VALUE(backend))
ALIAS(s, put_or(o, v->server, STR("<NOSRV>"), p->flags))
ALIAS(Th, NUMBER(v->th_ms))
ALIAS(Ti, NUMBER(v->ti_ms))
ALIAS(TR, NUMBER(v->tr_ms))
ALIAS(Tq, NUMBER(v->tq_ms))
ALIAS(Tw, NUMBER(v->tw_ms))
ALIAS(Tc, NUMBER(v->tc_ms))
ALIAS(Tr, NUMBER(v->tr_res_ms))
ALIAS(Td, NUMBER(v->td_ms))
ALIAS(Tu, if (v->log_asap) logfmt_put(o, "+", 1); NUMBER(v->tu_ms))
ALIAS(Ta, if (v->log_asap) logfmt_put(o, "+", 1); NUMBER(v->ta_ms))
ALIAS(Tt, if (v->log_asap) logfmt_put(o, "+", 1); NUMBER(v->tt_ms))
ALIAS(B, if (v->log_asap) logfmt_put(o, "+", 1); NUMBER(v->bytes_out))
ALIAS(U, NUMBER(v->bytes_in))
ALIAS(ST, NUMBER(v->status > 0 ? v->status : -1))
ALIAS(CC, VALUE(cookie_in))
ALIAS(CS, VALUE(cookie_out))
ALIAS(ts, put_term(o, v, 2))
ALIAS(tsc, put_term(o, v, 4))
ALIAS(ac, NUMBER(v->act_conn))
ALIAS(fc, NUMBER(v->fe_conn))
ALIAS(bc, NUMBER(v->be_conn))
ALIAS(sc, NUMBER(v->srv_conn))
ALIAS(rc, if (v->redispatched) logfmt_put(o, "+", 1); NUMBER(v->retries))
ALIAS(sq, NUMBER(v->srv_queue))
ALIAS(bq, NUMBER(v->be_queue))
ALIAS(hr, put_captures(o, v->req_caps, v->n_req_caps, false, p->flags))
ALIAS(hs, put_captures(o, v->res_caps, v->n_res_caps, false, p->flags))
ALIAS(hrl, put_captures(o, v->req_caps, v->n_req_caps, true, p->flags))
ALIAS(hsl, put_captures(o, v->res_caps, v->n_res_caps, true, p->flags))
ALIAS(r, put_or(o, v->request_line, STR("<BADREQ>"), p->flags))
ALIAS(HM, put_or(o, v->method, STR("<BADREQ>"), p->flags))
ALIAS(HU, put_or(o, v->uri, STR("<BADREQ>"), p->flags))
ALIAS(HP, put_or(o, v->path, STR("<BADREQ>"), p->flags))
ALIAS(HQ, put_query(o, v, p->flags))
ALIAS(HV, put_or(o, v->version, STR("<BADREQ>"), p->flags))
ALIAS(ID, VALUE(unique_id))
ALIAS(rt, NUMBER(v->request_count))
ALIAS(pid, NUMBER(getpid()))
// clang-format on

static void
put_ft(PUT_ARGS)
{
	if (p->flags & LOGFMT_QUOTE)
		logfmt_put(o, "\"", 1);
	logfmt_put_value(o, v->frontend, 0);
	if (v->client_is_tls)
		logfmt_put(o, "~", 1);
	if (p->flags & LOGFMT_QUOTE)
		logfmt_put(o, "\"", 1);
}

static void
put_H(PUT_ARGS)
{
	char name[256];
	if (gethostname(name, sizeof(name)) != 0)
		name[0] = '\0';
	name[sizeof(name) - 1] = '\0';
	logfmt_put_value(o, str_from_c(name), p->flags);
}

const struct logfmt_alias logfmt_aliases[] = {
    {"ci", put_ci, "client's address"},
    {"cp", put_cp, "client's port"},
    {"fi", put_fi, "address the client connected to"},
    {"fp", put_fp, "port the client connected to"},
    {"bi", put_bi, "our address on the server's side"},
    {"bp", put_bp, "our port on the server's side"},
    {"si", put_si, "server's address"},
    {"sp", put_sp, "server's port"},
    {"t", put_t, "time of accept, local, with milliseconds"},
    {"T", put_T, "time of accept, GMT"},
    {"Tl", put_Tl, "time of accept, local, with zone"},
    {"tr", put_tr, "time of the request, local, with milliseconds"},
    {"trg", put_trg, "time of the request, GMT"},
    {"trl", put_trl, "time of the request, local, with zone"},
    {"Ts", put_Ts, "time of accept, seconds since 1970"},
    {"ms", put_ms, "time of accept, its milliseconds"},
    {"f", put_f, "frontend"},
    {"ft", put_ft, "frontend, with ~ over TLS"},
    {"b", put_b, "backend"},
    {"s", put_s, "server"},
    {"Th", put_Th, "time of handshakes"},
    {"Ti", put_Ti, "idle time before the request"},
    {"TR", put_TR, "time to receive the request's head"},
    {"Tq", put_Tq, "Th + Ti + TR"},
    {"Tw", put_Tw, "time in queues"},
    {"Tc", put_Tc, "time to connect to the server"},
    {"Tr", put_Tr, "time until the response's head"},
    {"Td", put_Td, "time to transfer the response"},
    {"Ta", put_Ta, "time from the request's first byte to the end"},
    {"Tt", put_Tt, "time from accept to the end"},
    {"Tu", put_Tu, "time as the user felt it"},
    {"B", put_B, "bytes sent to the client"},
    {"U", put_U, "bytes received from the client"},
    {"ST", put_ST, "status"},
    {"CC", put_CC, "cookie captured in the request"},
    {"CS", put_CS, "cookie captured in the response"},
    {"ts", put_ts, "how the session ended"},
    {"tsc", put_tsc, "how the session ended, with the cookie's state"},
    {"ac", put_ac, "connections of the process"},
    {"fc", put_fc, "connections of the frontend"},
    {"bc", put_bc, "connections of the backend"},
    {"sc", put_sc, "connections of the server"},
    {"rc", put_rc, "retries, + when redispatched"},
    {"sq", put_sq, "requests before this one in the server's queue"},
    {"bq", put_bq, "requests before this one in the backend's queue"},
    {"hr", put_hr, "captured request headers"},
    {"hs", put_hs, "captured response headers"},
    {"hrl", put_hrl, "captured request headers as a list"},
    {"hsl", put_hsl, "captured response headers as a list"},
    {"r", put_r, "request line"},
    {"HM", put_HM, "method"},
    {"HP", put_HP, "path"},
    {"HPO", put_HP, "path"},
    {"HQ", put_HQ, "query with its '?'"},
    {"HU", put_HU, "target"},
    {"HV", put_HV, "HTTP version"},
    {"ID", put_ID, "unique identifier"},
    {"rt", put_rt, "number of the request"},
    {"pid", put_pid, "process"},
    {"H", put_H, "this host's name"},
    {NULL, NULL, NULL},
};

const struct logfmt_alias *
logfmt_alias_find(struct str text)
{
	size_t n = 0;
	while (n < text.n &&
	       ((text.p[n] >= 'a' && text.p[n] <= 'z') || (text.p[n] >= 'A' && text.p[n] <= 'Z')))
		n++;
	for (const struct logfmt_alias *a = logfmt_aliases; a->name != NULL; a++) {
		if (str_eq(str_slice(text, 0, n), str_from_c(a->name)))
			return a;
	}
	return NULL;
}
