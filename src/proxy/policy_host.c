// SPDX-License-Identifier: MIT
// Answers to what scripts ask. A handle is the kind of the question and the number of a row or a
// backend, so nothing is kept and any thread may resolve. Answers lie in the request's scratch,
// which the next question overwrites: a script that asks in a loop uses no memory of the
// transaction.
#include "proxy/policy_host.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/sbuf.h"
#include "expr/call.h"
#include "http/h1.h"
#include "http/head.h"
#include "net/timer.h"
#include "net/worker.h"
#include "policy/run.h"
#include "proxy/effects.h"
#include "proxy/policy_server.h"
#include "proxy/proxy.h"
#include "proxy/stats.h"

#define HANDLE_BITS 20
#define TEST_FIELDS 128

// ---- values -----------------------------------------------------------------------------------

static bool
give_str(struct policy_value *out, struct str s)
{
	if (s.p != NULL)
		*out = (struct policy_value){.type = POLICY_T_STR, .s = s};
	return true;
}

static bool
give_int(struct policy_value *out, int64_t i)
{
	*out = (struct policy_value){.type = POLICY_T_INT, .i = i};
	return true;
}

static bool
give_addr(struct policy_value *out, const struct sample_addr *a)
{
	if (a == NULL || (a->family != 4 && a->family != 6))
		return true;
	*out = (struct policy_value){.type = POLICY_T_IP, .family = a->family};
	memcpy(out->ip, a->ip, sizeof(out->ip));
	return true;
}

// As HAProxy hands samples to Lua: addresses and methods are text.
static bool
give_sample(struct policy_value *out, struct sample *s, struct sample_ctx *ctx, struct err *err)
{
	struct str text;
	if (s->type == SMP_INT)
		return give_int(out, s->i);
	if (s->type == SMP_BOOL) {
		*out = (struct policy_value){.type = POLICY_T_BOOL, .b = s->b};
		return true;
	}
	if (!sample_text(s, ctx, &text))
		return err_set(err, "no memory for the result");
	return give_str(out, text.p != NULL ? text : STR(""));
}

// A script's value as the text that the configuration would have.
static bool
value_text(const struct policy_value *v, struct arena *a, struct str *out, struct err *err)
{
	struct sample ip = {.type = v->family == 6 ? SMP_IP6 : SMP_IP4};
	char buf[64];
	int n = 0;
	*out = STR_NULL;
	switch ((enum policy_type)v->type) {
	case POLICY_T_NIL:
		return true;
	case POLICY_T_STR:
		*out = v->s.p != NULL ? v->s : STR("");
		return true;
	case POLICY_T_BOOL:
		*out = v->b ? STR("1") : STR("0");
		return true;
	case POLICY_T_INT:
		n = snprintf(buf, sizeof(buf), "%lld", (long long)v->i);
		break;
	case POLICY_T_DOUBLE:
		n = snprintf(buf, sizeof(buf), "%.14g", v->d);
		break;
	case POLICY_T_IP:
		memcpy(ip.ip, v->ip, sizeof(ip.ip));
		n = (int)sample_print_ip(&ip, buf, sizeof(buf));
		break;
	}
	*out = str_copy(a, str_of(buf, (size_t)n));
	return out->p != NULL || err_set(err, "no memory for arguments");
}

static bool
value_sample(const struct policy_value *v, struct sample_ctx *ctx, struct sample *out,
	     struct err *err)
{
	struct str text;
	*out = (struct sample){0};
	switch ((enum policy_type)v->type) {
	case POLICY_T_BOOL:
		sample_set_bool(out, v->b);
		return true;
	case POLICY_T_INT:
		sample_set_int(out, v->i);
		return true;
	case POLICY_T_IP:
		out->type = v->family == 6 ? SMP_IP6 : SMP_IP4;
		memcpy(out->ip, v->ip, sizeof(out->ip));
		return true;
	case POLICY_T_NIL:
	case POLICY_T_DOUBLE:
	case POLICY_T_STR:
		break;
	}
	if (!value_text(v, ctx->arena, &text, err))
		return false;
	sample_set_str(out, text.p != NULL ? text : STR(""));
	return true;
}

// ---- txn.NAME -----------------------------------------------------------------------------------

// NULL until a head was understood.
static struct http_head *
request_head(const struct sample_ctx *ctx)
{
	return ctx->req != NULL && ctx->req->method_text.p != NULL ? ctx->req : NULL;
}

static bool
field_method(const struct sample_ctx *ctx, struct policy_value *out)
{
	const struct http_head *h = request_head(ctx);
	return h == NULL || give_str(out, h->method_text);
}

static bool
field_path(const struct sample_ctx *ctx, struct policy_value *out)
{
	struct http_head *h = request_head(ctx);
	return h == NULL || give_str(out, http_head_path(h));
}

static bool
field_query(const struct sample_ctx *ctx, struct policy_value *out)
{
	struct http_head *h = request_head(ctx);
	return h == NULL || give_str(out, http_head_query(h));
}

static bool
field_url(const struct sample_ctx *ctx, struct policy_value *out)
{
	const struct http_head *h = request_head(ctx);
	return h == NULL || give_str(out, h->target);
}

static bool
field_version(const struct sample_ctx *ctx, struct policy_value *out)
{
	const struct http_head *h = request_head(ctx);
	return h == NULL || give_str(out, h->version == 0 ? STR("1.0") : STR("1.1"));
}

// Without the port: "[::1]:80" is "[::1]".
static bool
field_host(const struct sample_ctx *ctx, struct policy_value *out)
{
	const struct http_head *h = request_head(ctx);
	if (h == NULL)
		return true;
	struct str host = h->host;
	for (size_t i = host.n; i > 0 && host.p[i - 1] != ']'; i--)
		if (host.p[i - 1] == ':')
			return give_str(out, str_slice(host, 0, i - 1));
	return give_str(out, host.p != NULL ? host : STR(""));
}

static bool
field_src(const struct sample_ctx *ctx, struct policy_value *out)
{
	return give_addr(out, ctx->src);
}

static bool
field_dst(const struct sample_ctx *ctx, struct policy_value *out)
{
	return give_addr(out, ctx->dst);
}

static bool
field_src_port(const struct sample_ctx *ctx, struct policy_value *out)
{
	return ctx->src == NULL || ctx->src->family < 4 || give_int(out, ctx->src->port);
}

static bool
field_port(const struct sample_ctx *ctx, struct policy_value *out)
{
	return ctx->dst == NULL || ctx->dst->family < 4 || give_int(out, ctx->dst->port);
}

static bool
field_status(const struct sample_ctx *ctx, struct policy_value *out)
{
	return ctx->res == NULL || ctx->res->status == 0 || give_int(out, ctx->res->status);
}

static bool
field_of_host(const struct sample_ctx *ctx, enum sample_text what, struct policy_value *out)
{
	if (ctx->host == NULL || ctx->host->text == NULL)
		return true;
	return give_str(out, ctx->host->text(ctx, what));
}

static bool
field_frontend(const struct sample_ctx *ctx, struct policy_value *out)
{
	return field_of_host(ctx, SMP_TEXT_FRONTEND, out);
}

static bool
field_backend(const struct sample_ctx *ctx, struct policy_value *out)
{
	return field_of_host(ctx, SMP_TEXT_BACKEND, out);
}

static bool
field_server(const struct sample_ctx *ctx, struct policy_value *out)
{
	return field_of_host(ctx, SMP_TEXT_SERVER, out);
}

static bool
field_id(const struct sample_ctx *ctx, struct policy_value *out)
{
	return field_of_host(ctx, SMP_TEXT_UNIQUE_ID, out);
}

static const struct {
	const char *name;
	bool (*get)(const struct sample_ctx *ctx, struct policy_value *out);
	bool evaluates; // expressions, which use the context
} fields[] = {
    {"method", field_method, false},     {"path", field_path, false},
    {"query", field_query, false},       {"host", field_host, false},
    {"url", field_url, false},           {"version", field_version, false},
    {"src", field_src, false},           {"src_port", field_src_port, false},
    {"dst", field_dst, false},           {"port", field_port, false},
    {"dst_port", field_port, false},     {"status", field_status, false},
    {"frontend", field_frontend, false}, {"backend", field_backend, false},
    {"server", field_server, false},     {"unique_id", field_id, true},
};

// ---- headers, cookies ---------------------------------------------------------------------------

// Several lines of one name are one value, as RFC 9110 section 5.3 reads them.
static bool
join_header(const struct sample_ctx *ctx, const struct http_name *name, const struct http_field *f,
	    struct policy_value *out, struct err *err)
{
	struct str all = str_copy(ctx->arena, http_field_value(f));
	for (; (f = http_head_find(ctx->req, name, f)) != NULL;) {
		char *p = arena_alloc(ctx->arena, all.n + 2 + f->value_n, 1);
		if (p == NULL || all.p == NULL)
			return err_set(err, "header '%.*s' is too long", STR_ARG(name->text));
		memcpy(p, all.p, all.n);
		memcpy(p + all.n, ", ", 2);
		memcpy(p + all.n + 2, f->value, f->value_n);
		all = str_of(p, all.n + 2 + f->value_n);
	}
	return give_str(out, all);
}

static inline const struct http_field *
find_field(const struct http_head *h, const struct http_name *name, const struct http_field *after)
{
	return LIKELY(name->id != HTTP_FIELD_OTHER) ? http_head_find_id(h, name->id, after)
						    : http_head_find(h, name, after);
}

// False: there are several lines, for join_header.
static inline bool
header_at_once(const struct sample_ctx *ctx, const struct http_name *name,
	       const struct http_field **f, struct policy_value *out)
{
	const struct http_head *h = request_head(ctx);
	*f = h != NULL ? find_field(h, name, NULL) : NULL;
	if (*f == NULL)
		return true;
	if (find_field(h, name, *f) != NULL)
		return false;
	return give_str(out, (*f)->value_n > 0 ? http_field_value(*f) : STR(""));
}

static bool
ask_header(const struct sample_ctx *ctx, const struct http_name *name, struct policy_value *out,
	   struct err *err)
{
	const struct http_field *f;
	return header_at_once(ctx, name, &f, out) || join_header(ctx, name, f, out, err);
}

static bool
ask_cookie(const struct sample_ctx *ctx, struct str name, struct policy_value *out)
{
	const struct http_head *h = request_head(ctx);
	struct str value;
	if (h == NULL || !http_cookie_get(h, name, &value))
		return true;
	return give_str(out, value.n > 0 ? value : STR(""));
}

// ---- backends.NAME ------------------------------------------------------------------------------

#define SUM(p, member) policy_sum_of(&(p)->be_stats, offsetof(struct be_counters, member))

static bool
state_response_time(const struct proxy *p, struct policy_value *out)
{
	return policy_response_time(&p->be_stats, out);
}

static bool
state_name(const struct proxy *p, struct policy_value *out)
{
	return give_str(out, p->name);
}

static bool
state_sessions(const struct proxy *p, struct policy_value *out)
{
	return give_int(out, SUM(p, sessions_now));
}

static bool
state_queue(const struct proxy *p, struct policy_value *out)
{
	return give_int(out, backend_queued(p->backend));
}

static bool
state_up_servers(const struct proxy *p, struct policy_value *out)
{
	return give_int(out, backend_usable_servers(p->backend));
}

static bool
state_servers(const struct proxy *p, struct policy_value *out)
{
	return give_int(out, (int64_t)p->backend->n_servers);
}

static bool
state_requests(const struct proxy *p, struct policy_value *out)
{
	return give_int(out, SUM(p, requests));
}

static const struct {
	const char *name;
	bool (*get)(const struct proxy *p, struct policy_value *out);
} states[] = {
    {"name", state_name},
    {"sessions", state_sessions},
    {"queue", state_queue},
    {"up_servers", state_up_servers},
    {"servers", state_servers},
    {"requests", state_requests},
    {"response_time", state_response_time},
};

static bool
ask_backend(const struct proxy_set *set, size_t index, const struct policy_value *args, unsigned n,
	    struct policy_value *out, struct err *err)
{
	const struct proxy *p = set->all[index];
	struct str what = args[0].s;
	if (n > 1)
		return policy_server_ask(p, what, &args[1], out, err);
	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		if (str_eq(what, str_from_c(states[i].name)))
			return states[i].get(p, out);
	return err_set(err,
		       "backends.%.*s has no '%.*s': name, sessions, queue, up_servers, servers, "
		       "requests, response_time",
		       STR_ARG(p->name), STR_ARG(what));
}

static bool
host_set_server(void *data, int backend, struct str server, struct str what, struct str value,
		const char *who, struct err *err)
{
	struct policy_host_data *d = data;
	ASSERT(backend >> HANDLE_BITS == POLICY_BACKEND);
	const struct proxy *p = d->set->all[backend & ((1 << HANDLE_BITS) - 1)];
	return policy_server_set(d->set, p, server, what, value, who, err);
}

// ---- names --------------------------------------------------------------------------------------

struct name_iter {
	const struct proxy_set *set;
	size_t at;
};

static const char *
next_field(void *iter)
{
	size_t *at = iter;
	return *at < ARRAY_LEN(fields) ? fields[(*at)++].name : NULL;
}

static const char *
next_backend(void *iter)
{
	struct name_iter *it = iter;
	while (it->at < it->set->n_all) {
		const struct proxy *p = it->set->all[it->at++];
		if (p->backend != NULL)
			return p->name.p; // NUL-terminated: a word of the configuration
	}
	return NULL;
}

static int
resolve_field(struct str name, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (str_eq(name, str_from_c(fields[i].name)))
			return (int)i;
	size_t at = 0;
	const char *near = str_suggest(name, next_field, &at);
	err_set(err, "txn has no '%.*s'%s%s%s", STR_ARG(name),
		near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
		near != NULL ? "'?" : "");
	return -1;
}

static int
resolve_backend(const struct proxy_set *set, struct str name, struct err *err)
{
	for (size_t i = 0; i < set->n_all; i++)
		if (set->all[i]->backend != NULL && str_eq(name, set->all[i]->name))
			return (int)i;
	struct name_iter it = {.set = set};
	const char *near = str_suggest(name, next_backend, &it);
	err_set(err, "there is no backend '%.*s'%s%s%s", STR_ARG(name),
		near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
		near != NULL ? "'?" : "");
	return -1;
}

static int
host_resolve(void *data, enum policy_what what, struct str name, struct err *err)
{
	struct policy_host_data *d = data;
	int row = 0;
	switch (what) {
	case POLICY_FIELD:
		row = resolve_field(name, err);
		break;
	case POLICY_FETCH:
		row = expr_calls_find_fetch(d->calls, name, err);
		break;
	case POLICY_CONV:
		row = expr_calls_find_conv(d->calls, name, err);
		break;
	case POLICY_BACKEND:
		row = resolve_backend(d->set, name, err);
		break;
	case POLICY_OP:
		row = policy_op_find(name, err);
		break;
	case POLICY_HEADER:
		row = (int)http_field_id_of(name);
		break;
	case POLICY_COOKIE:
	case POLICY_VAR:
		break;
	}
	if (row < 0)
		return -1;
	ASSERT(row < 1 << HANDLE_BITS);
	return (int)what << HANDLE_BITS | row;
}

// ---- calls --------------------------------------------------------------------------------------

static bool
ask_row(const struct policy_host_data *d, enum policy_what what, int row,
	const struct policy_value *args, unsigned n, struct sample_ctx *ctx,
	struct policy_value *out, struct err *err)
{
	struct str texts[POLICY_MAX_ARGS];
	struct sample s;
	enum expr_call_result r;
	unsigned from = what == POLICY_CONV;
	if (what == POLICY_CONV && n == 0)
		return err_set(err, "a converter needs a value");
	for (unsigned i = from; i < n; i++)
		if (!value_text(&args[i], ctx->arena, &texts[i - from], err))
			return false;
	if (what == POLICY_FETCH)
		r = expr_calls_fetch(d->calls, row, texts, n, ctx, &s, err);
	else if (value_sample(&args[0], ctx, &s, err))
		r = expr_calls_conv(d->calls, row, texts, n - 1, ctx, &s, err);
	else
		return false;
	if (r == EXPR_CALL_BAD)
		return false;
	return r == EXPR_CALL_NOTHING || give_sample(out, &s, ctx, err);
}

static bool
ask_var(const struct policy_host_data *d, struct str name, struct sample_ctx *ctx,
	struct policy_value *out, struct err *err)
{
	struct sample s;
	enum expr_call_result r = expr_calls_var(d->calls, name, ctx, &s, err);
	if (r == EXPR_CALL_BAD)
		return false;
	return r == EXPR_CALL_NOTHING || give_sample(out, &s, ctx, err);
}

static bool
ask(struct policy_host_data *d, int handle, const struct policy_value *args, unsigned n,
    struct sample_ctx *ctx, struct policy_value *out, struct err *err)
{
	enum policy_what what = (enum policy_what)(handle >> HANDLE_BITS);
	int row = handle & ((1 << HANDLE_BITS) - 1);
	switch (what) {
	case POLICY_FIELD:
		return fields[row].get(ctx, out);
	case POLICY_HEADER:
		return ask_header(ctx, &(struct http_name){args[0].s, (enum http_field_id)row}, out,
				  err);
	case POLICY_COOKIE:
		return ask_cookie(ctx, args[0].s, out);
	case POLICY_VAR:
		return ask_var(d, args[0].s, ctx, out, err);
	case POLICY_FETCH:
	case POLICY_CONV:
		return ask_row(d, what, row, args, n, ctx, out, err);
	case POLICY_OP:
		return policy_op_call(d, row, ctx, args, n, out, err);
	case POLICY_BACKEND:
		break;
	}
	return ask_backend(d->set, (size_t)row, args, n, out, err);
}

// The question borrows the context: its arena is the scratch meanwhile, and what the rules' own
// evaluation keeps there (place in an iteration, failure) is put back.
static SELDOM bool
ask_borrowing(struct policy_host_data *d, const struct policy_request *r, int handle,
	      const struct policy_value *args, unsigned n, struct policy_value *out,
	      struct err *err)
{
	// Exactly that memory: without a block and with a cap of 0 it does not grow.
	struct arena scratch = {.at = r->scratch, .end = r->scratch + POLICY_SCRATCH_BYTES};
	struct sample_ctx *ctx = r->ctx;
	struct arena *arena = ctx->arena;
	bool failed = ctx->failed;
	struct sample_iter iter = ctx->iter;
	ctx->arena = &scratch;
	ctx->failed = false;
	bool ok = ask(d, handle, args, n, ctx, out, err);
	ctx->arena = arena;
	ctx->failed = failed;
	ctx->iter = iter;
	return ok;
}

// Outside a transaction.
static SELDOM bool
ask_without(struct policy_host_data *d, int handle, const struct policy_value *args, unsigned n,
	    struct policy_value *out, struct err *err)
{
	if (handle >> HANDLE_BITS == POLICY_OP)
		return policy_op_call(d, handle & ((1 << HANDLE_BITS) - 1), NULL, args, n, out,
				      err);
	if (handle >> HANDLE_BITS != POLICY_BACKEND)
		return err_set(err, "there is no request here");
	return ask(d, handle, args, n, NULL, out, err);
}

// What most scripts ask needs neither memory nor the context's state. Host functions are not left
// by a stop, and do not throw.
static bool
host_call(void *data, void *txn, int handle, const struct policy_value *args, unsigned n,
	  struct policy_value *out, struct err *err)
{
	struct policy_host_data *d = data;
	struct policy_request *r = txn;
	if (UNLIKELY(r == NULL))
		return ask_without(d, handle, args, n, out, err);
	CHECK_MAGIC(r, POLICY_REQUEST_MAGIC);
	enum policy_what what = (enum policy_what)(handle >> HANDLE_BITS);
	int row = handle & ((1 << HANDLE_BITS) - 1);
	const struct http_field *f;
	if (what == POLICY_FIELD && !fields[row].evaluates)
		return fields[row].get(r->ctx, out);
	if (what == POLICY_HEADER) {
		struct http_name name = {args[0].s, (enum http_field_id)row};
		if (LIKELY(header_at_once(r->ctx, &name, &f, out)))
			return true;
	}
	return ask_borrowing(d, r, handle, args, n, out, err);
}

// As host_call's first two would answer.
static inline bool
is_still(const struct sample_ctx *ctx, const struct policy_answer *a)
{
	enum policy_what what = (enum policy_what)(a->handle >> HANDLE_BITS);
	int row = a->handle & ((1 << HANDLE_BITS) - 1);
	struct policy_value now = {0};
	const struct http_field *f;
	if (what == POLICY_HEADER) {
		struct http_name name = {a->name, (enum http_field_id)row};
		if (!header_at_once(ctx, &name, &f, &now))
			return false;
	} else if (fields[row].evaluates || !fields[row].get(ctx, &now)) {
		return false;
	}
	return now.type == POLICY_T_STR && str_eq(now.s, a->text);
}

static unsigned
host_changed(void *data, void *txn, const struct policy_answer *answers, unsigned set)
{
	const struct policy_request *r = txn;
	unsigned changed = 0;
	(void)data;
	for (unsigned left = set; left != 0; left &= left - 1)
		if (!is_still(r->ctx, &answers[__builtin_ctz(left)]))
			changed |= left & -left;
	return changed;
}

// ---- a self-test's request ----------------------------------------------------------------------

struct test_request {
	struct policy_request request;
	struct sample_ctx ctx;
	struct http_head head;
	struct sample_addr src, dst;
	struct http_field fields[TEST_FIELDS];
};

static void
set_addr(struct sample_addr *a, const struct policy_value *ip)
{
	if (ip->type != POLICY_T_IP)
		return;
	a->family = ip->family;
	memcpy(a->ip, ip->ip, sizeof(a->ip));
}

static struct str
or_else(struct str s, struct str dflt)
{
	return s.p != NULL ? s : dflt;
}

static bool
is_named(const struct policy_field *f, const char *name)
{
	return str_eq_nocase(f->name, str_from_c(name));
}

// The head as a client would send it; the codec then judges it like any other.
static bool
write_head(const struct policy_test_request *q, struct sbuf *b, struct err *err)
{
	bool host = false;
	sbuf_printf(b, "%.*s %.*s", STR_ARG(or_else(q->method, STR("GET"))),
		    STR_ARG(or_else(q->path, STR("/"))));
	if (q->query.p != NULL)
		sbuf_printf(b, "?%.*s", STR_ARG(q->query));
	sbuf_printf(b, " HTTP/%.*s\r\n", STR_ARG(or_else(q->version, STR("1.1"))));
	for (size_t i = 0; i < q->n_headers; i++) {
		const struct policy_field *f = &q->headers[i];
		if (!http_is_token(f->name) || !http_is_field_value(f->value))
			return err_set(err, "'%.*s: %.*s' is no header", STR_ARG(f->name),
				       STR_ARG(f->value));
		host |= is_named(f, "host");
		sbuf_printf(b, "%.*s: %.*s\r\n", STR_ARG(f->name), STR_ARG(f->value));
	}
	if (!host)
		sbuf_printf(b, "Host: %.*s\r\n", STR_ARG(q->host));
	for (size_t i = 0; i < q->n_cookies; i++)
		sbuf_printf(b, "%s%.*s=%.*s", i == 0 ? "Cookie: " : "; ",
			    STR_ARG(q->cookies[i].name), STR_ARG(q->cookies[i].value));
	sbuf_add(b, q->n_cookies > 0 ? STR("\r\n\r\n") : STR("\r\n"));
	return !b->full || err_set(err, "the request is too long");
}

static bool
parse_head(struct test_request *t, struct str text, struct err *err)
{
	struct h1_parser parser;
	h1_parser_init(&parser);
	http_head_init(&t->head, t->fields, TEST_FIELDS);
	switch (h1_parse_request(&parser, text.p, text.n, &t->head)) {
	case H1_OK:
		return true;
	case H1_MORE:
		return err_set(err, "the request is not complete");
	case H1_BAD:
		break;
	}
	return err_set(err, "no such request can come: %s",
		       http_reason((enum http_reason_id)parser.reason)->text);
}

static void *
host_test_txn(void *data, const struct policy_test_request *q, struct arena *arena, struct err *err)
{
	struct policy_host_data *d = data;
	struct test_request *t = ARENA_NEW(arena, struct test_request);
	struct sbuf b;
	if (t == NULL) {
		err_set(err, "no memory for more requests in one test");
		return NULL;
	}
	t->request = (struct policy_request){POLICY_REQUEST_MAGIC, &t->ctx, d->test_scratch};
	set_addr(&t->src, &q->src);
	set_addr(&t->dst, &q->dst);
	t->ctx = (struct sample_ctx){.req = &t->head,
				     .src = &t->src,
				     .dst = &t->dst,
				     .now_mono_ns = clock_mono_ns(),
				     .now_boot_ns = clock_boot_ns(),
				     .now_real_ns = clock_real_ns(),
				     .shm = d->set->vars};
	sbuf_init(&b, 16384);
	bool ok = write_head(q, &b, err);
	struct str text = ok ? str_copy(arena, sbuf_str(&b)) : STR_NULL;
	sbuf_fini(&b);
	if (ok && text.p == NULL)
		ok = err_set(err, "no memory for more requests in one test");
	return ok && parse_head(t, text, err) ? &t->request : NULL;
}

// ---- messages -----------------------------------------------------------------------------------

struct carried {
	struct msg msg;
	struct policy_msg *what;
};
_Static_assert(sizeof(struct carried) <= sizeof(((struct policy_msg *)0)->host), "it fits");

static void
deliver(struct msg *m)
{
	struct carried *c = CONTAINER_OF(m, struct carried, msg);
	policy_msg_run(c->what);
}

// Only threads of the engine's own post once there are any; before, and in tests, there is one.
static void
host_post(void *data, int to, struct policy_msg *m)
{
	(void)data;
	if (worker_self == NULL) {
		policy_msg_run(m);
		return;
	}
	struct carried *c = (struct carried *)(void *)m->host;
	*c = (struct carried){.msg.fn = deliver, .what = m};
	worker_post(workers_get(worker_self->all, (unsigned)(to + 1)), &c->msg);
}

// ---- timers of calls that wait ------------------------------------------------------------------

struct wake_up {
	struct timer timer;
	struct loop *loop; // NULL until first set
};
_Static_assert(sizeof(struct wake_up) <= sizeof(((struct policy_run *)0)->host), "it fits");

static void
wake_due(struct timer *timer)
{
	struct wake_up *u = CONTAINER_OF(timer, struct wake_up, timer);
	struct policy_run *run = (struct policy_run *)(void *)u;
	_Static_assert(offsetof(struct policy_run, host) == 0, "it begins with the host's part");
	run->woken(run);
}

static void
host_wake_at(void *data, struct policy_run *run, uint64_t mono_ns)
{
	struct wake_up *u = (struct wake_up *)(void *)run->host;
	(void)data;
	if (mono_ns == 0) {
		if (u->loop != NULL)
			loop_timer_stop(u->loop, &u->timer);
		return;
	}
	if (u->loop == NULL) {
		u->loop = loop_self();
		timer_init(&u->timer, wake_due);
	}
	loop_timer_set(u->loop, &u->timer, mono_ns);
}

static void
host_effects_due(void *data)
{
	struct policy_host_data *d = data;
	if (d->set->effects != NULL)
		effects_wake(d->set->effects);
}

static void
host_published(void *data, const struct policy *p)
{
	const struct policy_host_data *d = data;
	if (d->set->policy_live != NULL)
		d->set->policy_live(d->set, p);
}

// "GET /path?query host=a.example src=192.0.2.7". A request's bytes do nothing to a terminal.
static size_t
host_describe(void *data, void *txn, char *buf, size_t room)
{
	const struct policy_request *r = txn;
	struct policy_value host = {0}, src = {0};
	char ip[48] = "";
	(void)data;
	CHECK_MAGIC(r, POLICY_REQUEST_MAGIC);
	const struct http_head *h = request_head(r->ctx);
	(void)field_src(r->ctx, &src);
	if (src.type == POLICY_T_IP) {
		struct sample s = {.type = src.family == 6 ? SMP_IP6 : SMP_IP4};
		memcpy(s.ip, src.ip, sizeof(s.ip));
		ip[sample_print_ip(&s, ip, sizeof(ip))] = '\0';
	}
	(void)field_host(r->ctx, &host);
	int n = snprintf(buf, room, "%.*s %.*s host=%.*s src=%s",
			 h != NULL ? (int)MIN(h->method_text.n, 16u) : 1,
			 h != NULL ? h->method_text.p : "-",
			 h != NULL ? (int)MIN(h->target.n, 60u) : 1, h != NULL ? h->target.p : "-",
			 (int)MIN(host.s.n, 40u), host.s.p != NULL ? host.s.p : "", ip);
	str_tame(buf, "");
	return MIN((size_t)MAX(n, 0), room - 1);
}

const struct policy_host policy_host = {
    .remark = policy_setup_remark,
    .describe = host_describe,
    .published = host_published,
    .resolve = host_resolve,
    .call = host_call,
    .changed = host_changed,
    .test_txn = host_test_txn,
    .post = host_post,
    .wake_at = host_wake_at,
    .set_server = host_set_server,
    .effects_due = host_effects_due,
};
