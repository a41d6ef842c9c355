// SPDX-License-Identifier: MIT
// Fetches that give a whole head or a list made of it: all fields as text or in SPOE's binary
// form, the names of all cookies.

#include "expr/expr_priv.h"
#include "http/fields_bin.h"
#include "http/head.h"

static bool
head_or_miss(const struct http_head *h, const struct sample_ctx *ctx, struct sample *out)
{
	if (h == NULL && ctx->more)
		out->flags |= SMP_MAY_CHANGE;
	return h != NULL;
}

static size_t
put_lower(char *p, const struct http_field *f)
{
	for (uint32_t i = 0; i < f->name_n; i++)
		p[i] = (char)byte_lower((unsigned char)f->name[i]);
	return f->name_n;
}

static size_t
put(char *p, const char *from, size_t n)
{
	if (n > 0)
		memcpy(p, from, n);
	return n;
}

// ---- hdrs

// "name: value" CRLF of each field and an empty line, as if they just came.
static bool
give_hdrs(const struct http_head *h, struct sample_ctx *ctx, struct sample *out)
{
	size_t n = 2;
	if (!head_or_miss(h, ctx, out))
		return false;
	for (int i = 0; i < h->n_fields; i++)
		n += h->field[i].name_n + h->field[i].value_n + 4u;
	char *p = sample_room(ctx, n), *at = p;
	if (p == NULL)
		return false;
	for (int i = 0; i < h->n_fields; i++) {
		const struct http_field *f = &h->field[i];
		if (f->flags & HTTP_FIELD_DROP)
			continue;
		at += put_lower(at, f);
		at += put(at, ": ", 2);
		at += put(at, f->value, f->value_n);
		at += put(at, "\r\n", 2);
	}
	at += put(at, "\r\n", 2);
	sample_set_str(out, str_of(p, (size_t)(at - p)));
	return true;
}

// Length and bytes of each name and value, ended by an empty name and value.
static bool
give_hdrs_bin(const struct http_head *h, struct sample_ctx *ctx, struct sample *out)
{
	size_t n = 2;
	if (!head_or_miss(h, ctx, out))
		return false;
	for (int i = 0; i < h->n_fields; i++)
		n += h->field[i].name_n + h->field[i].value_n + 2u * FIELDS_BIN_LENGTH_BYTES;
	char *p = sample_room(ctx, n), *at = p;
	if (p == NULL)
		return false;
	for (int i = 0; i < h->n_fields; i++) {
		const struct http_field *f = &h->field[i];
		if (f->flags & HTTP_FIELD_DROP)
			continue;
		at += fields_bin_put_length(at, f->name_n);
		at += put_lower(at, f);
		at += fields_bin_put_length(at, f->value_n);
		at += put(at, f->value, f->value_n);
	}
	at += put(at, "\0\0", 2);
	out->type = SMP_BIN;
	out->s = str_of(p, (size_t)(at - p));
	return true;
}

// ---- names of cookies

static bool
give_cookie_names(const struct expr_arg *args, const struct http_head *h, struct sample_ctx *ctx,
		  struct sample *out)
{
	struct str delim = args[0].given ? args[0].s : STR(","), name, value;
	struct http_cookies it;
	size_t n = 0;
	if (!head_or_miss(h, ctx, out))
		return false;
	http_cookies_init(&it, h);
	while (http_cookies_next(&it, &name, &value))
		n += name.n + delim.n;
	char *p = sample_room(ctx, n), *at = p;
	if (p == NULL)
		return false;
	http_cookies_init(&it, h);
	while (http_cookies_next(&it, &name, &value)) {
		if (at > p)
			at += put(at, delim.p, delim.n);
		at += put(at, name.p, name.n);
	}
	sample_set_str(out, str_of(p, (size_t)(at - p)));
	return true;
}

#define SIDE(side)                                                                                 \
	static bool fetch_##side##_hdrs(const struct expr_arg *args UNUSED,                        \
					struct sample_ctx *ctx, struct sample *out)                \
	{                                                                                          \
		return give_hdrs(ctx->side, ctx, out);                                             \
	}                                                                                          \
	static bool fetch_##side##_hdrs_bin(const struct expr_arg *args UNUSED,                    \
					    struct sample_ctx *ctx, struct sample *out)            \
	{                                                                                          \
		return give_hdrs_bin(ctx->side, ctx, out);                                         \
	}                                                                                          \
	static bool fetch_##side##_cook_names(const struct expr_arg *args, struct sample_ctx *ctx, \
					      struct sample *out)                                  \
	{                                                                                          \
		return give_cookie_names(args, ctx->side, ctx, out);                               \
	}
SIDE(req)
SIDE(res)

static const struct arg_spec args_delim[] = {{ARG_STR, .name = "delim", .flags = ARG_OPTIONAL},
					     {.type = ARG_END}};

#define ROW(n, a, o, nd, f, h)                                                                 \
	{                                                                                      \
		.name = (n), .args = (a), .out = (o), .needs = (nd), .fetch = (f), .help = (h) \
	}

const struct fetch_row expr_fetches_block[] = {
    ROW("req.hdrs", NULL, SMP_STR, SMP_NEED_REQ, fetch_req_hdrs,
	"all fields of the request as lines, and the empty line behind them"),
    ROW("req.hdrs_bin", NULL, SMP_BIN, SMP_NEED_REQ, fetch_req_hdrs_bin,
	"all fields of the request, each name and value behind its length (SPOE's varint)"),
    ROW("req.cook_names", args_delim, SMP_STR, SMP_NEED_REQ, fetch_req_cook_names,
	"the names of the request's cookies in their order; joined by delim (,)"),
    ROW("res.hdrs", NULL, SMP_STR, SMP_NEED_RES, fetch_res_hdrs, "as req.hdrs, of the response"),
    ROW("res.hdrs_bin", NULL, SMP_BIN, SMP_NEED_RES, fetch_res_hdrs_bin,
	"as req.hdrs_bin, of the response"),
    ROW("res.cook_names", args_delim, SMP_STR, SMP_NEED_RES, fetch_res_cook_names,
	"the names of the cookies that the response sets"),
    {.name = NULL},
};
