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

// Never in quotes and mostly never in hexadecimal, as HAProxy.
static void
put_int(struct logfmt_out *o, int64_t n)
{
	char text[24];
	logfmt_put(o, text, (size_t)snprintf(text, sizeof(text), "%lld", (long long)n));
}

// What X means something for: ports, times of the clock, counters.
static void
put_hexable(struct logfmt_out *o, uint64_t n, int digits, unsigned flags)
{
	char text[24];
	int len = flags & LOGFMT_HEX
		      ? snprintf(text, sizeof(text), "%0*llX", digits, (unsigned long long)n)
		      : snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
	logfmt_put(o, text, (size_t)len);
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
		flags &= ~(unsigned)LOGFMT_QUOTE; // as HAProxy: digits need none
	} else if (a->family == 4 || a->family == 6) {
		memcpy(s.ip, a->ip, sizeof(s.ip));
		n = sample_print_ip(&s, text, sizeof(text));
	}
	logfmt_put_value(o, str_of(text, n), flags);
}

// One end of the connection to the server; family 0: there is none.
static struct sample_addr
server_end(const struct sample_ctx *ctx, bool local)
{
	struct sample_addr a = {0};
	if (ctx->host != NULL && ctx->host->server_end != NULL)
		(void)ctx->host->server_end(ctx, local, &a); // false leaves it empty
	return a;
}

static void
put_port(struct logfmt_out *o, const struct sample_addr *a, unsigned flags)
{
	if (a->family == 4 || a->family == 6)
		put_hexable(o, a->port, 4, flags);
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

// "{a|b}", in quotes as a whole.
static void
put_captures(struct logfmt_out *o, const struct str *caps, unsigned n, unsigned flags)
{
	const bool quoted = (flags & LOGFMT_QUOTE) != 0;
	if (n == 0)
		return;
	logfmt_put(o, "\"{", quoted ? 2 : 0);
	logfmt_put(o, "{", quoted ? 0 : 1);
	for (unsigned i = 0; i < n; i++) {
		logfmt_put(o, "|", i > 0);
		if (caps[i].n > 0)
			logfmt_put_value(o, caps[i], (flags & LOGFMT_ESCAPE) | LOGFMT_CAPTURE);
	}
	logfmt_put(o, "}\"", quoted ? 2 : 1);
}

// A list of words, each in its own quotes.
static void
put_capture_list(struct logfmt_out *o, const struct str *caps, unsigned n, unsigned flags)
{
	for (unsigned i = 0; i < n; i++) {
		logfmt_put(o, " ", i > 0);
		logfmt_put_value(o, caps[i], flags | LOGFMT_CAPTURE);
	}
}

// Never in quotes.
static void
put_term(struct logfmt_out *o, const struct log_values *v, size_t letters)
{
	logfmt_put_value(o, str_of(v->term, v->term[0] != '\0' ? letters : 0), 0);
}

// A part that a target may lack: then nothing, not "-"; the blanks around it stay two, so that who
// splits a line at blanks finds each item in its place.
static void
put_part(struct logfmt_out *o, const struct log_values *v, struct str part, unsigned flags)
{
	if (v->request_line.n == 0 || part.n > 0 || flags & LOGFMT_QUOTE)
		put_or(o, part, v->request_line.n == 0 ? STR("<BADREQ>") : STR(""), flags);
	else
		o->after_space = false;
}

// Without scheme and host; "*" is no path.
static struct str
bare_path(struct str path)
{
	size_t scheme = str_find(path, STR("://"));
	if (path.n == 0 || path.p[0] == '/')
		return path;
	struct str rest = scheme == SIZE_MAX ? STR("") : str_slice(path, scheme + 3, path.n);
	return str_slice(rest, str_find_byte(rest, '/'), rest.n);
}

// clang-format off
#define ALIAS(name, body) static void put_##name(PUT_ARGS) { body; }
#define VALUE(field) logfmt_put_value(o, v->field, p->flags)
#define NUMBER(expr) put_int(o, (int64_t)(expr))
#define HEXABLE(expr) put_hexable(o, (uint64_t)(expr), 4, p->flags)

ALIAS(ci, put_addr(o, &v->client, p->flags))
ALIAS(cp, put_port(o, &v->client, p->flags))
ALIAS(fi, put_addr(o, &v->local, p->flags))
ALIAS(fp, put_port(o, &v->local, p->flags))
ALIAS(bi, struct sample_addr a = server_end(ctx, true); put_addr(o, &a, p->flags))
ALIAS(bp, struct sample_addr a = server_end(ctx, true); put_port(o, &a, p->flags))
ALIAS(si, put_addr(o, &v->server_peer, p->flags))
ALIAS(sp, put_port(o, &v->server_peer, p->flags))
ALIAS(t, put_time(o, v->accept_real_ns, true, false, p->flags))
ALIAS(T, put_time(o, v->accept_real_ns, false, true, p->flags))
ALIAS(Tl, put_time(o, v->accept_real_ns, true, true, p->flags))
ALIAS(tr, put_time(o, v->request_real_ns, true, false, p->flags))
ALIAS(trg, put_time(o, v->request_real_ns, false, true, p->flags))
ALIAS(trl, put_time(o, v->request_real_ns, true, true, p->flags))
ALIAS(Ts, HEXABLE(v->accept_real_ns / NS_PER_S))
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
ALIAS(hr, put_captures(o, v->req_caps, v->n_req_caps, p->flags))
ALIAS(hs, put_captures(o, v->res_caps, v->n_res_caps, p->flags))
ALIAS(hrl, put_capture_list(o, v->req_caps, v->n_req_caps, p->flags))
ALIAS(hsl, put_capture_list(o, v->res_caps, v->n_res_caps, p->flags))
ALIAS(r, put_or(o, v->request_line, STR("<BADREQ>"), p->flags))
ALIAS(HM, put_or(o, v->method, STR("<BADREQ>"), p->flags))
ALIAS(HU, put_or(o, v->uri, STR("<BADREQ>"), p->flags))
ALIAS(HP, put_or(o, v->path, STR("<BADREQ>"), p->flags))
ALIAS(HPO, put_part(o, v, bare_path(v->path), p->flags))
ALIAS(HQ, put_part(o, v, v->query, p->flags))
ALIAS(HV, put_or(o, v->version, STR("<BADREQ>"), p->flags))
ALIAS(ID, VALUE(unique_id))
ALIAS(rt, HEXABLE(v->request_count))
ALIAS(pid, HEXABLE(getpid()))
ALIAS(sslc, VALUE(tls_cipher))
ALIAS(sslv, VALUE(tls_version))
// clang-format on

static void
put_ms(PUT_ARGS)
{
	unsigned ms = (unsigned)(v->accept_real_ns / NS_PER_MS % 1000);
	char text[8];
	int n = snprintf(text, sizeof(text), p->flags & LOGFMT_HEX ? "%02X" : "%03u", ms);
	logfmt_put(o, text, (size_t)n);
}

static void
put_lc(PUT_ARGS)
{
	int64_t n = 0;
	if (ctx->host != NULL && ctx->host->number != NULL &&
	    ctx->host->number(ctx, SMP_NUM_LOG_COUNT, &n))
		put_hexable(o, (uint64_t)n, 4, p->flags);
}

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

static const struct logfmt_alias logfmt_aliases[] = {
    {"ci", put_ci, SMP_STR, "client's address", 0},
    {"cp", put_cp, SMP_INT, "client's port", 0},
    {"fi", put_fi, SMP_STR, "address the client connected to", 0},
    {"fp", put_fp, SMP_INT, "port the client connected to", 0},
    {"bi", put_bi, SMP_STR, "our address on the server's side", SMP_NEED_BC},
    {"bp", put_bp, SMP_INT, "our port on the server's side", SMP_NEED_BC},
    {"si", put_si, SMP_STR, "server's address", 0},
    {"sp", put_sp, SMP_INT, "server's port", 0},
    {"t", put_t, SMP_STR, "time of accept, local, with milliseconds", 0},
    {"T", put_T, SMP_STR, "time of accept, GMT", 0},
    {"Tl", put_Tl, SMP_STR, "time of accept, local, with zone", 0},
    {"tr", put_tr, SMP_STR, "time of the request, local, with milliseconds", 0},
    {"trg", put_trg, SMP_STR, "time of the request, GMT", 0},
    {"trl", put_trl, SMP_STR, "time of the request, local, with zone", 0},
    {"Ts", put_Ts, SMP_INT, "time of accept, seconds since 1970", 0},
    {"ms", put_ms, SMP_INT, "time of accept, its milliseconds", 0},
    {"f", put_f, SMP_STR, "frontend", 0},
    {"ft", put_ft, SMP_STR, "frontend, with ~ over TLS", 0},
    {"b", put_b, SMP_STR, "backend", 0},
    {"s", put_s, SMP_STR, "server", 0},
    {"Th", put_Th, SMP_INT, "time of handshakes", 0},
    {"Ti", put_Ti, SMP_INT, "idle time before the request", 0},
    {"TR", put_TR, SMP_INT, "time to receive the request's head", 0},
    {"Tq", put_Tq, SMP_INT, "Th + Ti + TR", 0},
    {"Tw", put_Tw, SMP_INT, "time in queues", 0},
    {"Tc", put_Tc, SMP_INT, "time to connect to the server", 0},
    {"Tr", put_Tr, SMP_INT, "time until the response's head", 0},
    {"Td", put_Td, SMP_INT, "time to transfer the response", 0},
    {"Ta", put_Ta, SMP_INT, "time from the request's first byte to the end", 0},
    {"Tt", put_Tt, SMP_INT, "time from accept to the end", 0},
    {"Tu", put_Tu, SMP_INT, "time as the user felt it", 0},
    {"B", put_B, SMP_INT, "bytes sent to the client", 0},
    {"U", put_U, SMP_INT, "bytes received from the client", 0},
    {"ST", put_ST, SMP_INT, "status", 0},
    {"CC", put_CC, SMP_STR, "cookie captured in the request", 0},
    {"CS", put_CS, SMP_STR, "cookie captured in the response", 0},
    {"ts", put_ts, SMP_STR, "how the session ended", 0},
    {"tsc", put_tsc, SMP_STR, "how the session ended, with the cookie's state", 0},
    {"ac", put_ac, SMP_INT, "connections of the process", 0},
    {"fc", put_fc, SMP_INT, "connections of the frontend", 0},
    {"bc", put_bc, SMP_INT, "connections of the backend", 0},
    {"sc", put_sc, SMP_INT, "connections of the server", 0},
    {"rc", put_rc, SMP_INT, "retries, + when redispatched", 0},
    {"sq", put_sq, SMP_INT, "requests before this one in the server's queue", 0},
    {"bq", put_bq, SMP_INT, "requests before this one in the backend's queue", 0},
    {"hr", put_hr, SMP_STR, "captured request headers", 0},
    {"hs", put_hs, SMP_STR, "captured response headers", 0},
    {"hrl", put_hrl, SMP_STR, "captured request headers as a list", 0},
    {"hsl", put_hsl, SMP_STR, "captured response headers as a list", 0},
    {"r", put_r, SMP_STR, "request line", 0},
    {"HM", put_HM, SMP_STR, "method", 0},
    {"HP", put_HP, SMP_STR, "target without its query", 0},
    {"HPO", put_HPO, SMP_STR, "path, without scheme and host", 0},
    {"HQ", put_HQ, SMP_STR, "query with its '?'", 0},
    {"HU", put_HU, SMP_STR, "target", 0},
    {"HV", put_HV, SMP_STR, "HTTP version", 0},
    {"ID", put_ID, SMP_STR, "unique identifier", 0},
    {"rt", put_rt, SMP_INT, "number of the request", 0},
    {"pid", put_pid, SMP_INT, "process", 0},
    {"lc", put_lc, SMP_INT, "number of the frontend's line", 0},
    {"sslc", put_sslc, SMP_STR, "cipher of the client's connection, over TLS", 0},
    {"sslv", put_sslv, SMP_STR, "version of TLS of the client's connection, over TLS", 0},
    {"H", put_H, SMP_STR, "this host's name", 0},
    {NULL, NULL, SMP_ANY, NULL, 0},
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

const char *
logfmt_alias_at(size_t i, const char **help)
{
	*help = logfmt_aliases[i].help;
	return logfmt_aliases[i].name;
}
