// SPDX-License-Identifier: MIT
// Fetches of the request's and response's head: start line, fields, cookies, parameters of the
// query. Names are looked up when parsed. Those with several values hand them out one by one to
// an ACL (ctx->iter) and give one value, as HAProxy would, to everybody else.

#include "expr/expr_priv.h"
#include "http/head.h"

// A head that is not there yet may still come.
static struct http_head *
head_or_miss(struct http_head *h, struct sample_ctx *ctx, struct sample *out)
{
	if (h == NULL && ctx->more)
		out->flags |= SMP_MAY_CHANGE;
	return h;
}

static bool
give(struct sample *out, struct str s)
{
	sample_set_str(out, s);
	return s.p != NULL;
}

// ---- start line

static bool
fetch_method(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	struct http_head *h = head_or_miss(ctx->req, ctx, out);
	if (h == NULL)
		return false;
	out->type = SMP_METH;
	out->meth = h->method;
	out->s = h->method_text;
	return true;
}

static bool
fetch_path(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	struct http_head *h = head_or_miss(ctx->req, ctx, out);
	if (h == NULL)
		return false;
	sample_set_str(out, http_head_path(h));
	return out->s.n > 0 && out->s.p[0] == '/';
}

static bool
fetch_pathq(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	struct http_head *h = head_or_miss(ctx->req, ctx, out);
	if (h == NULL)
		return false;
	sample_set_str(out, http_head_pathq(h));
	return out->s.n > 0 && out->s.p[0] == '/';
}

static bool
fetch_url(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	struct http_head *h = head_or_miss(ctx->req, ctx, out);
	return h != NULL && give(out, h->target);
}

static bool
fetch_query(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	struct http_head *h = head_or_miss(ctx->req, ctx, out);
	return h != NULL && give(out, http_head_query(h));
}

static bool
fetch_base(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	struct http_head *h = head_or_miss(ctx->req, ctx, out);
	if (h == NULL)
		return false;
	struct str base = http_head_base(h, ctx->arena);
	ctx->failed |= base.p == NULL;
	return give(out, base);
}

static bool
give_version(struct http_head *h, struct sample *out)
{
	if (h == NULL)
		return false;
	sample_set_str(out, h->version == 0 ? STR("1.0") : STR("1.1"));
	return true;
}

static bool
fetch_req_ver(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	return give_version(head_or_miss(ctx->req, ctx, out), out);
}

static bool
fetch_res_ver(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	return give_version(head_or_miss(ctx->res, ctx, out), out);
}

static bool
fetch_proto_http(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	sample_set_bool(out, true);
	return head_or_miss(ctx->req, ctx, out) != NULL;
}

static bool
fetch_status(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	struct http_head *h = head_or_miss(ctx->res, ctx, out);
	if (h == NULL)
		return false;
	sample_set_int(out, h->status);
	return true;
}

// ---- fields

// The name, looked up, in .ptr of the first argument.
static bool
check_name(struct expr_arg *args, struct expr_env *env, enum sample_type *out UNUSED,
	   struct err *err)
{
	if (!args[0].given)
		return true;
	if (!http_is_token(args[0].s))
		return err_set(err, "'%.*s' is no header name", STR_ARG(args[0].s));
	struct http_name *name = ARENA_NEW(expr_set_arena(env->set), struct http_name);
	ASSERT(name != NULL);
	*name = http_name_of(args[0].s);
	args[0].ptr = name;
	return true;
}

// Where the walk goes on: index of the field + 1 and offset of what is left of its value;
// UINT32_MAX: nothing is left. 0: the first call.
static void
values_resume(struct http_values *it, struct http_head *h, const struct sample_ctx *ctx)
{
	if (ctx->iter.field == 0)
		return;
	it->field = &h->field[ctx->iter.field - 1];
	struct str value = http_field_value(it->field);
	it->rest = ctx->iter.at == UINT32_MAX ? STR_NULL : str_slice(value, ctx->iter.at, value.n);
}

static void
values_keep(const struct http_values *it, struct http_head *h, struct sample_ctx *ctx)
{
	ctx->iter.field = (uint32_t)(it->field - h->field) + 1;
	ctx->iter.at = it->rest.p == NULL ? UINT32_MAX : (uint32_t)(it->rest.p - it->field->value);
}

// One value of a name: the occurrence asked for, else all in turn for an ACL, else the last.
static bool
give_value(const struct expr_arg *args, struct http_head *h, bool full, struct sample_ctx *ctx,
	   struct sample *out)
{
	const struct http_name *name = args[0].ptr;
	struct str value;
	if (h == NULL)
		return false;
	int occurrence = (int)args[1].i; // 0, as when left out: any
	if (occurrence != 0 || !ctx->iter.on)
		return http_value_at(h, name, full, occurrence != 0 ? occurrence : -1, &value) &&
		       give(out, value);
	struct http_values it;
	http_values_init(&it, h, name, full);
	values_resume(&it, h, ctx);
	if (!http_values_next(&it, &value))
		return false;
	values_keep(&it, h, ctx);
	sample_set_str(out, value);
	out->flags |= SMP_NOT_LAST;
	return true;
}

static bool
give_count(const struct expr_arg *args, struct http_head *h, bool full, struct sample *out)
{
	int64_t n = 0;
	if (h == NULL)
		return false;
	if (args[0].given)
		n = http_value_count(h, args[0].ptr, full);
	for (int i = 0; !args[0].given && i < h->n_fields; i++)
		n += !(h->field[i].flags & HTTP_FIELD_DROP);
	sample_set_int(out, n);
	return true;
}

// "1.2.3.4", "1.2.3.4:80", "[::1]", "[::1]:80", "::1".
static bool
parse_host_ip(struct str s, struct sample *out)
{
	size_t close = s.n > 0 && s.p[0] == '[' ? str_find_byte(s, ']') : SIZE_MAX;
	size_t colon = str_find_byte(s, ':');
	if (close != SIZE_MAX)
		return sample_parse_ip(str_slice(s, 1, close), out);
	if (sample_parse_ip(s, out))
		return true;
	return colon != SIZE_MAX && sample_parse_ip(str_slice(s, 0, colon), out);
}

// Values that are no address are passed over.
static bool
give_ip(const struct expr_arg *args, struct http_head *h, struct sample_ctx *ctx,
	struct sample *out)
{
	while (give_value(args, h, false, ctx, out)) {
		if (parse_host_ip(out->s, out))
			return true;
		if (!(out->flags & SMP_NOT_LAST))
			return false;
		out->flags &= (uint8_t)~SMP_NOT_LAST;
	}
	return false;
}

// What is there but empty counts as 0, as in HAProxy.
static bool
to_number(struct sample *out, struct sample_ctx *ctx)
{
	if (out->s.n > 0)
		return sample_cast(out, SMP_INT, ctx);
	sample_set_int(out, 0);
	return true;
}

#define FIELD_FETCHES(side, head)                                                                 \
	static bool fetch_##side##_hdr(const struct expr_arg *args, struct sample_ctx *ctx,       \
				       struct sample *out)                                        \
	{                                                                                         \
		return give_value(args, head_or_miss(ctx->head, ctx, out), false, ctx, out);      \
	}                                                                                         \
	static bool fetch_##side##_fhdr(const struct expr_arg *args, struct sample_ctx *ctx,      \
					struct sample *out)                                       \
	{                                                                                         \
		return give_value(args, head_or_miss(ctx->head, ctx, out), true, ctx, out);       \
	}                                                                                         \
	static bool fetch_##side##_hdr_cnt(const struct expr_arg *args, struct sample_ctx *ctx,   \
					   struct sample *out)                                    \
	{                                                                                         \
		return give_count(args, head_or_miss(ctx->head, ctx, out), false, out);           \
	}                                                                                         \
	static bool fetch_##side##_fhdr_cnt(const struct expr_arg *args, struct sample_ctx *ctx,  \
					    struct sample *out)                                   \
	{                                                                                         \
		return give_count(args, head_or_miss(ctx->head, ctx, out), true, out);            \
	}                                                                                         \
	static bool fetch_##side##_hdr_val(const struct expr_arg *args, struct sample_ctx *ctx,   \
					   struct sample *out)                                    \
	{                                                                                         \
		return give_value(args, head_or_miss(ctx->head, ctx, out), false, ctx, out) &&    \
		       to_number(out, ctx);                                                       \
	}                                                                                         \
	static bool fetch_##side##_hdr_ip(const struct expr_arg *args, struct sample_ctx *ctx,    \
					  struct sample *out)                                     \
	{                                                                                         \
		return give_ip(args, head_or_miss(ctx->head, ctx, out), ctx, out);                \
	}                                                                                         \
	static bool fetch_##side##_hdr_names(const struct expr_arg *args, struct sample_ctx *ctx, \
					     struct sample *out)                                  \
	{                                                                                         \
		return give_names(args, head_or_miss(ctx->head, ctx, out), ctx, out);             \
	}

// The names of all lines in their order, in lower case, whatever the peer wrote.
static bool
give_names(const struct expr_arg *args, struct http_head *h, struct sample_ctx *ctx,
	   struct sample *out)
{
	struct str delim = args[0].given ? args[0].s : STR(",");
	size_t n = 0, room = 0;
	if (h == NULL)
		return false;
	for (int i = 0; i < h->n_fields; i++)
		room += h->field[i].name_n + delim.n;
	char *p = sample_room(ctx, room);
	if (p == NULL)
		return false;
	for (int i = 0; i < h->n_fields; i++) {
		const struct http_field *f = &h->field[i];
		if (f->flags & HTTP_FIELD_DROP)
			continue;
		if (n > 0) {
			memcpy(p + n, delim.p, delim.n);
			n += delim.n;
		}
		for (uint32_t c = 0; c < f->name_n; c++)
			p[n++] = (char)byte_lower((unsigned char)f->name[c]);
	}
	sample_set_str(out, str_of(p, n));
	return true;
}

FIELD_FETCHES(req, req)
FIELD_FETCHES(res, res)

// ---- cookies

// Resumes by counting: cookies are few.
static bool
give_cookie(const struct expr_arg *args, struct http_head *h, struct sample_ctx *ctx,
	    struct sample *out)
{
	struct http_cookies it;
	struct str name, value;
	uint32_t seen = 0;
	bool found = false;
	if (h == NULL)
		return false;
	http_cookies_init(&it, h);
	while (http_cookies_next(&it, &name, &value)) {
		if (args[0].given && !str_eq(name, args[0].s))
			continue;
		if (ctx->iter.on && seen++ < ctx->iter.field)
			continue;
		sample_set_str(out, value);
		found = true;
		if (ctx->iter.on || !args[0].given)
			break; // without a name: the first
	}
	if (found && ctx->iter.on) {
		ctx->iter.field++;
		out->flags |= SMP_NOT_LAST;
	}
	return found;
}

static bool
give_cookie_count(const struct expr_arg *args, struct http_head *h, struct sample *out)
{
	struct http_cookies it;
	struct str name, value;
	int64_t n = 0;
	if (h == NULL)
		return false;
	http_cookies_init(&it, h);
	while (http_cookies_next(&it, &name, &value))
		n += !args[0].given || str_eq(name, args[0].s);
	sample_set_int(out, n);
	return true;
}

#define COOKIE_FETCHES(side, head)                                                               \
	static bool fetch_##side##_cook(const struct expr_arg *args, struct sample_ctx *ctx,     \
					struct sample *out)                                      \
	{                                                                                        \
		return give_cookie(args, head_or_miss(ctx->head, ctx, out), ctx, out);           \
	}                                                                                        \
	static bool fetch_##side##_cook_cnt(const struct expr_arg *args, struct sample_ctx *ctx, \
					    struct sample *out)                                  \
	{                                                                                        \
		return give_cookie_count(args, head_or_miss(ctx->head, ctx, out), out);          \
	}                                                                                        \
	static bool fetch_##side##_cook_val(const struct expr_arg *args, struct sample_ctx *ctx, \
					    struct sample *out)                                  \
	{                                                                                        \
		return give_cookie(args, head_or_miss(ctx->head, ctx, out), ctx, out) &&         \
		       to_number(out, ctx);                                                      \
	}
COOKIE_FETCHES(req, req)
COOKIE_FETCHES(res, res)

// ---- parameters of the query

static bool
is_delim(char c, char delim)
{
	return c == '&' || c == ';' || c == delim;
}

// The next "name=value" from *at on; what has no '=' is passed over, as HAProxy does.
static bool
next_param(struct str query, size_t *at, char delim, struct str *name, struct str *value)
{
	while (*at < query.n) {
		size_t from = *at, eq = SIZE_MAX;
		size_t i = from;
		for (; i < query.n && !is_delim(query.p[i], delim); i++) {
			if (query.p[i] == '=' && eq == SIZE_MAX)
				eq = i;
		}
		*at = i + 1;
		if (eq == SIZE_MAX)
			continue;
		*name = str_slice(query, from, eq);
		*value = str_slice(query, eq + 1, i);
		return true;
	}
	return false;
}

// Parameters stand behind the first `delim` of the target, usually '?'.
static bool
give_param(const struct expr_arg *args, struct http_head *h, struct sample_ctx *ctx,
	   struct sample *out)
{
	char delim = args[1].given ? args[1].s.p[0] : '?';
	struct str query, name, value;
	if (h == NULL)
		return false;
	if (delim == '?') {
		query = http_head_query(h);
	} else {
		size_t from = str_find_byte(h->target, delim);
		query = from == SIZE_MAX ? STR_NULL : str_slice(h->target, from + 1, h->target.n);
	}
	size_t at = ctx->iter.on ? ctx->iter.at : 0;
	while (query.p != NULL && next_param(query, &at, delim, &name, &value)) {
		bool same =
		    args[2].given ? str_eq_nocase(name, args[0].s) : str_eq(name, args[0].s);
		if (args[0].given && !same)
			continue;
		sample_set_str(out, value);
		if (ctx->iter.on) {
			ctx->iter.at = (uint32_t)at;
			out->flags |= SMP_NOT_LAST;
		}
		return true;
	}
	return false;
}

static bool
check_param(struct expr_arg *args, struct expr_env *env UNUSED, enum sample_type *out UNUSED,
	    struct err *err)
{
	if (args[1].given && args[1].s.n != 1)
		return err_set(err, "the delimiter is one character, not '%.*s'",
			       STR_ARG(args[1].s));
	if (args[2].given && !str_eq(args[2].s, STR("i")))
		return err_set(err, "the third argument can only be i (ignore case)");
	return true;
}

static bool
fetch_urlp(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out)
{
	return give_param(args, head_or_miss(ctx->req, ctx, out), ctx, out);
}

static bool
fetch_urlp_val(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out)
{
	return fetch_urlp(args, ctx, out) && to_number(out, ctx);
}

// ---- rows

#define MAX_OCCURRENCE 10

static const struct arg_spec args_hdr[] = {{ARG_STR, .name = "name", .flags = ARG_NOT_EMPTY},
					   {ARG_INT, .name = "occ", .flags = ARG_OPTIONAL,
					    .min = -MAX_OCCURRENCE, .max = INT32_MAX},
					   {.type = ARG_END}};
static const struct arg_spec args_hdr_cnt[] = {{ARG_STR, .name = "name", .flags = ARG_OPTIONAL},
					       {.type = ARG_END}};
static const struct arg_spec args_delim[] = {{ARG_STR, .name = "delim", .flags = ARG_OPTIONAL},
					     {.type = ARG_END}};
static const struct arg_spec args_urlp[] = {{ARG_STR, .name = "name", .flags = ARG_OPTIONAL},
					    {ARG_STR, .name = "delim", .flags = ARG_OPTIONAL},
					    {ARG_STR, .name = "i", .flags = ARG_OPTIONAL},
					    {.type = ARG_END}};

#define REQ(n, al, a, o, fl, f, c, h)                                                         \
	{                                                                                     \
		.name = (n), .aliases = (al), .args = (a), .out = (o), .needs = SMP_NEED_REQ, \
		.flags = (fl), .fetch = (f), .check = (c), .help = (h)                        \
	}
#define RES(n, al, a, o, fl, f, c, h)                                                         \
	{                                                                                     \
		.name = (n), .aliases = (al), .args = (a), .out = (o), .needs = SMP_NEED_RES, \
		.flags = (fl), .fetch = (f), .check = (c), .help = (h)                        \
	}
#define ALIASES ROW_ACL_ALIASES
#define MANY    ROW_ITERATES

const struct fetch_row expr_fetches_http[] = {
    REQ("method", NULL, NULL, SMP_METH, 0, fetch_method, NULL, "the request's method"),
    REQ("path", NULL, NULL, SMP_STR, ALIASES, fetch_path, NULL,
	"the path of the target, without query"),
    REQ("pathq", NULL, NULL, SMP_STR, ALIASES, fetch_pathq, NULL, "path and query of the target"),
    REQ("url", NULL, NULL, SMP_STR, ALIASES, fetch_url, NULL, "the target as received or set"),
    REQ("query", NULL, NULL, SMP_STR, ALIASES, fetch_query, NULL,
	"what stands behind the '?' of the target; none without '?'"),
    REQ("base", NULL, NULL, SMP_STR, ALIASES, fetch_base, NULL, "host and path together"),
    REQ("req.ver", "req_ver", NULL, SMP_STR, 0, fetch_req_ver, NULL,
	"the request's HTTP version: 1.0, 1.1"),
    REQ("req.proto_http", "req_proto_http", NULL, SMP_BOOL, 0, fetch_proto_http, NULL,
	"true once a request was understood as HTTP"),
    REQ("req.hdr", "hdr", args_hdr, SMP_STR, ALIASES | MANY, fetch_req_hdr, check_name,
	"a header's value, comma lists cut; the last one, or the one counted by occ (from 1, "
	"from the end below 0); an ACL tries all"),
    REQ("req.fhdr", NULL, args_hdr, SMP_STR, ALIASES | MANY, fetch_req_fhdr, check_name,
	"a header's whole value, commas included"),
    REQ("req.hdr_cnt", "hdr_cnt", args_hdr_cnt, SMP_INT, 0, fetch_req_hdr_cnt, check_name,
	"number of values of a header (of all headers without a name)"),
    REQ("req.fhdr_cnt", NULL, args_hdr_cnt, SMP_INT, 0, fetch_req_fhdr_cnt, check_name,
	"number of lines of a header"),
    REQ("req.hdr_val", "hdr_val", args_hdr, SMP_INT, MANY, fetch_req_hdr_val, check_name,
	"a header's value as an integer"),
    REQ("req.hdr_ip", "hdr_ip", args_hdr, SMP_ADDR, MANY, fetch_req_hdr_ip, check_name,
	"a header's value as an address; others are passed over"),
    REQ("req.hdr_names", NULL, args_delim, SMP_STR, 0, fetch_req_hdr_names, NULL,
	"the names of all header lines in their order, in lower case; joined by delim (,)"),
    REQ("req.cook", "cook cookie", args_hdr_cnt, SMP_STR, ALIASES | MANY, fetch_req_cook, NULL,
	"a cookie's value"),
    REQ("req.cook_cnt", "cook_cnt", args_hdr_cnt, SMP_INT, 0, fetch_req_cook_cnt, NULL,
	"number of cookies of a name"),
    REQ("req.cook_val", "cook_val", args_hdr_cnt, SMP_INT, MANY, fetch_req_cook_val, NULL,
	"a cookie's value as an integer"),
    REQ("urlp", "url_param", args_urlp, SMP_STR, ALIASES | MANY, fetch_urlp, check_param,
	"a parameter of the query, not decoded"),
    REQ("urlp_val", NULL, args_urlp, SMP_INT, MANY, fetch_urlp_val, check_param,
	"a parameter of the query as an integer"),
    RES("status", "txn.status", NULL, SMP_INT, 0, fetch_status, NULL, "the response's status"),
    RES("res.ver", "resp_ver", NULL, SMP_STR, 0, fetch_res_ver, NULL,
	"the response's HTTP version"),
    RES("res.hdr", "shdr", args_hdr, SMP_STR, ALIASES | MANY, fetch_res_hdr, check_name,
	"as req.hdr, of the response"),
    RES("res.fhdr", NULL, args_hdr, SMP_STR, ALIASES | MANY, fetch_res_fhdr, check_name,
	"as req.fhdr, of the response"),
    RES("res.hdr_cnt", "shdr_cnt", args_hdr_cnt, SMP_INT, 0, fetch_res_hdr_cnt, check_name,
	"as req.hdr_cnt, of the response"),
    RES("res.fhdr_cnt", NULL, args_hdr_cnt, SMP_INT, 0, fetch_res_fhdr_cnt, check_name,
	"as req.fhdr_cnt, of the response"),
    RES("res.hdr_val", "shdr_val", args_hdr, SMP_INT, MANY, fetch_res_hdr_val, check_name,
	"as req.hdr_val, of the response"),
    RES("res.hdr_ip", "shdr_ip", args_hdr, SMP_ADDR, MANY, fetch_res_hdr_ip, check_name,
	"as req.hdr_ip, of the response"),
    RES("res.hdr_names", NULL, args_delim, SMP_STR, 0, fetch_res_hdr_names, NULL,
	"as req.hdr_names, of the response"),
    RES("res.cook", "scook set-cookie", args_hdr_cnt, SMP_STR, ALIASES | MANY, fetch_res_cook, NULL,
	"the value of a cookie that the response sets"),
    RES("res.cook_cnt", "scook_cnt", args_hdr_cnt, SMP_INT, 0, fetch_res_cook_cnt, NULL,
	"number of cookies of a name that the response sets"),
    RES("res.cook_val", "scook_val", args_hdr_cnt, SMP_INT, MANY, fetch_res_cook_val, NULL,
	"the same as an integer"),
    {.name = NULL},
};
