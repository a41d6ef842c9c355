// SPDX-License-Identifier: MIT
// What a script sees of a request: txn.NAME, one row each, headers and cookies.
#include <stdio.h>

#include "http/head.h"
#include "proxy/policy_host_priv.h"

static bool
give_addr(struct policy_value *out, const struct sample_addr *a)
{
	if (a == NULL || (a->family != 4 && a->family != 6))
		return true;
	*out = (struct policy_value){.type = POLICY_T_IP, .family = a->family};
	memcpy(out->ip, a->ip, sizeof(out->ip));
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
	return h == NULL || policy_give_str(out, h->method_text);
}

static bool
field_path(const struct sample_ctx *ctx, struct policy_value *out)
{
	struct http_head *h = request_head(ctx);
	return h == NULL || policy_give_str(out, http_head_path(h));
}

static bool
field_query(const struct sample_ctx *ctx, struct policy_value *out)
{
	struct http_head *h = request_head(ctx);
	return h == NULL || policy_give_str(out, http_head_query(h));
}

static bool
field_url(const struct sample_ctx *ctx, struct policy_value *out)
{
	const struct http_head *h = request_head(ctx);
	return h == NULL || policy_give_str(out, h->target);
}

static bool
field_version(const struct sample_ctx *ctx, struct policy_value *out)
{
	const struct http_head *h = request_head(ctx);
	return h == NULL || policy_give_str(out, h->version == 0 ? STR("1.0") : STR("1.1"));
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
			return policy_give_str(out, str_slice(host, 0, i - 1));
	return policy_give_str(out, host.p != NULL ? host : STR(""));
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
	return ctx->src == NULL || ctx->src->family < 4 || policy_give_int(out, ctx->src->port);
}

static bool
field_port(const struct sample_ctx *ctx, struct policy_value *out)
{
	return ctx->dst == NULL || ctx->dst->family < 4 || policy_give_int(out, ctx->dst->port);
}

static bool
field_status(const struct sample_ctx *ctx, struct policy_value *out)
{
	return ctx->res == NULL || ctx->res->status == 0 || policy_give_int(out, ctx->res->status);
}

static bool
field_of_host(const struct sample_ctx *ctx, enum sample_text what, struct policy_value *out)
{
	if (ctx->host == NULL || ctx->host->text == NULL)
		return true;
	return policy_give_str(out, ctx->host->text(ctx, what));
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

static const char *
next_field(void *iter)
{
	size_t *at = iter;
	return *at < ARRAY_LEN(fields) ? fields[(*at)++].name : NULL;
}

int
policy_field_find(struct str name, struct err *err)
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

bool
policy_field_evaluates(int row)
{
	return fields[row].evaluates;
}

bool
policy_field_ask(const struct sample_ctx *ctx, int row, struct policy_value *out)
{
	return fields[row].get(ctx, out);
}

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
	return policy_give_str(out, all);
}

static inline const struct http_field *
find_field(const struct http_head *h, const struct http_name *name, const struct http_field *after)
{
	return LIKELY(name->id != HTTP_FIELD_OTHER) ? http_head_find_id(h, name->id, after)
						    : http_head_find(h, name, after);
}

// False: there are several lines, for join_header.
static inline bool
at_once(const struct sample_ctx *ctx, const struct http_name *name, const struct http_field **f,
	struct policy_value *out)
{
	const struct http_head *h = request_head(ctx);
	*f = h != NULL ? find_field(h, name, NULL) : NULL;
	if (*f == NULL)
		return true;
	if (find_field(h, name, *f) != NULL)
		return false;
	return policy_give_str(out, (*f)->value_n > 0 ? http_field_value(*f) : STR(""));
}

bool
policy_header_at_once(const struct sample_ctx *ctx, struct str name, int id,
		      struct policy_value *out)
{
	const struct http_field *f;
	return at_once(ctx, &(struct http_name){name, (enum http_field_id)id}, &f, out);
}

bool
policy_header_ask(const struct sample_ctx *ctx, struct str name, int id, struct policy_value *out,
		  struct err *err)
{
	const struct http_name full = {name, (enum http_field_id)id};
	const struct http_field *f;
	return at_once(ctx, &full, &f, out) || join_header(ctx, &full, f, out, err);
}

bool
policy_cookie_ask(const struct sample_ctx *ctx, struct str name, struct policy_value *out)
{
	const struct http_head *h = request_head(ctx);
	struct str value;
	if (h == NULL || !http_cookie_get(h, name, &value))
		return true;
	return policy_give_str(out, value.n > 0 ? value : STR(""));
}

// ---- in a line
// ------------------------------------------------------------------------------------

// A request's bytes do nothing to a terminal.
size_t
policy_request_describe(const struct sample_ctx *ctx, char *buf, size_t room)
{
	struct policy_value host = {0}, src = {0};
	char ip[48] = "";
	const struct http_head *h = request_head(ctx);
	(void)field_src(ctx, &src);
	if (src.type == POLICY_T_IP) {
		struct sample s = {.type = src.family == 6 ? SMP_IP6 : SMP_IP4};
		memcpy(s.ip, src.ip, sizeof(s.ip));
		ip[sample_print_ip(&s, ip, sizeof(ip))] = '\0';
	}
	(void)field_host(ctx, &host);
	int n = snprintf(buf, room, "%.*s %.*s host=%.*s src=%s",
			 h != NULL ? (int)MIN(h->method_text.n, 16u) : 1,
			 h != NULL ? h->method_text.p : "-",
			 h != NULL ? (int)MIN(h->target.n, 60u) : 1, h != NULL ? h->target.p : "-",
			 (int)MIN(host.s.n, 40u), host.s.p != NULL ? host.s.p : "", ip);
	str_tame(buf, "");
	return MIN((size_t)MAX(n, 0), room - 1);
}
