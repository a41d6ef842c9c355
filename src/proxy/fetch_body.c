// SPDX-License-Identifier: MIT
// Bodies as rules see them: req.body, res.body and their kin read what stands in the buffer. Chunks
// are put together in the transaction's arena.
#include "proxy/fetch_body.h"

#include "base/module.h"
#include "expr/expr.h"
#include "proxy/conns.h"
#include "proxy/host.h"
#include "proxy/txn.h"

// --- looking -----------------------------------------------------------------------------------

// One direction: where the bytes stand, what announced them and who reads them.
struct side {
	const struct conn *conn;
	const struct http_head *head;
	const struct http_codec *codec;
	bool ended; // no more will come
};

static struct side
side_of(const struct txn *t, bool response)
{
	if (!response)
		return (struct side){&t->client->conn, &t->req, t->client_codec,
				     (t->seen & SEEN_CLIENT_EOF) != 0};
	return (struct side){&t->server_conn->conn, &t->res, t->server_codec,
			     (t->seen & (SEEN_SERVER_EOF | SEEN_SERVER_FAILED)) != 0};
}

static bool
is_chunked(const struct http_head *h)
{
	return h->framing == HTTP_BODY_CHUNKED;
}

// Payload of a chunked body into `to` (NULL: it is only counted).
static struct body
read_chunks(const struct side *s, char *to)
{
	struct codec_in in = {.decode = true};
	struct codec_piece piece;
	struct body b = {.status = CODEC_MORE, .chunked = true};
	size_t at = 0, n = conn_unread(s->conn);
	s->codec->begin_body(&in, s->head, true);
	do {
		b.status = s->codec->read_body(&in, conn_data(s->conn) + at, n - at, &piece);
		b.why = in.body.reason;
		if (b.status == CODEC_BAD)
			return b;
		if (to != NULL && piece.data.n > 0)
			memcpy(to + b.n, piece.data.p, piece.data.n);
		b.n += piece.data.n;
		at += piece.used;
	} while (b.status == CODEC_MORE && piece.used > 0 && at < n);
	return b;
}

static struct body
look(const struct side *s)
{
	uint64_t here = conn_unread(s->conn), length = 0;
	if (is_chunked(s->head))
		return read_chunks(s, NULL);
	if (s->head->framing == HTTP_BODY_CLOSE)
		return (struct body){.status = s->ended ? CODEC_OK : CODEC_MORE, .n = here};
	if (s->head->framing == HTTP_BODY_LENGTH)
		length = s->head->content_length;
	here = MIN(length, here);
	return (struct body){.status = here == length ? CODEC_OK : CODEC_MORE, .n = (size_t)here};
}

struct body
body_look(const struct txn *t, bool response)
{
	struct side s = side_of(t, response);
	return look(&s);
}

// --- fetches -----------------------------------------------------------------------------------

// False: the body does not stand in a buffer of ours, yet or any more.
static bool
find_side(const struct sample_ctx *ctx, bool response, struct side *s)
{
	const struct txn *t = ctx->host == &proxy_sample_host ? ctx->host_data : NULL;
	if (t == NULL || t->client == NULL || !txn_has_request(t))
		return false;
	if (response ? ctx->res == NULL || t->server_conn == NULL || t->down.from != NULL
		     : t->up.from != NULL)
		return false;
	*s = side_of(t, response);
	return true;
}

static bool
give_body(struct sample_ctx *ctx, bool response, struct sample *out)
{
	struct side s;
	if (!find_side(ctx, response, &s))
		return false;
	struct body b = look(&s);
	const char *p = conn_data(s.conn);
	if (b.status == CODEC_BAD)
		return false;
	if (b.chunked) {
		char *copy = arena_alloc(ctx->arena, b.n + 1, 1);
		ctx->failed |= copy == NULL;
		if (copy == NULL)
			return false;
		(void)read_chunks(&s, copy); // as just counted
		p = copy;
	}
	out->type = SMP_BIN;
	out->s = str_of(p, b.n);
	return true;
}

static bool
give_len(struct sample_ctx *ctx, bool response, struct sample *out)
{
	struct side s;
	if (!find_side(ctx, response, &s))
		return false;
	struct body b = look(&s);
	sample_set_int(out, (int64_t)b.n);
	return b.status != CODEC_BAD;
}

// What is announced, else what is there.
static bool
give_size(struct sample_ctx *ctx, bool response, struct sample *out)
{
	const struct http_head *h = response ? ctx->res : ctx->req;
	if (h == NULL || is_chunked(h) || h->framing == HTTP_BODY_CLOSE)
		return give_len(ctx, response, out);
	bool has = h->framing == HTTP_BODY_LENGTH;
	sample_set_int(out, has ? (int64_t)h->content_length : 0);
	return true;
}

#define FETCH(name, give, response)                                                          \
	static bool fetch_##name(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, \
				 struct sample *out)                                         \
	{                                                                                    \
		return give(ctx, response, out);                                             \
	}
FETCH(req_body, give_body, false)
FETCH(req_len, give_len, false)
FETCH(req_size, give_size, false)
FETCH(res_body, give_body, true)
FETCH(res_len, give_len, true)
FETCH(res_size, give_size, true)

// A field of a form (application/x-www-form-urlencoded), not decoded.
static bool
fetch_param(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out)
{
	struct str rest, pair, name;
	if (!give_body(ctx, false, out))
		return false;
	size_t n = out->s.n;
	rest = str_slice(out->s, ctx->iter.on ? ctx->iter.at : 0, n);
	while (str_next(&rest, '&', &pair)) {
		size_t eq = str_find_byte(pair, '=');
		name = str_slice(pair, 0, eq);
		bool same =
		    !args[0].given || (args[1].given ? str_eq_nocase : str_eq)(name, args[0].s);
		if (eq == SIZE_MAX || !same)
			continue;
		sample_set_str(out, str_slice(pair, eq + 1, pair.n));
		if (ctx->iter.on && rest.p != NULL) {
			ctx->iter.at = (uint32_t)(n - rest.n);
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
	return !args[1].given || str_eq(args[1].s, STR("i")) ||
	       err_set(err, "the second argument can only be i (ignore case)");
}

static const struct arg_spec param_args[] = {{.type = ARG_STR,
					      .name = "name",
					      .flags = ARG_OPTIONAL},
					     {.type = ARG_STR, .name = "i", .flags = ARG_OPTIONAL},
					     {.type = ARG_END}};

#define ROW(n, a, o, nd, fl, f, c, h)                                                 \
	{                                                                             \
		.name = (n), .args = (a), .out = (o), .needs = SMP_NEED_##nd,         \
		.flags = ROW_VOLATILE | (fl), .fetch = (f), .check = (c), .help = (h) \
	}

static const struct fetch_row fetches[] = {
    ROW("req.body", NULL, SMP_BIN, REQ, 0, fetch_req_body, NULL,
	"what is there of the request's body, without chunks' framing; see wait-for-body"),
    ROW("req.body_len", NULL, SMP_INT, REQ, 0, fetch_req_len, NULL,
	"how many bytes of the request's body are there"),
    ROW("req.body_size", NULL, SMP_INT, REQ, 0, fetch_req_size, NULL,
	"the announced size of the request's body; of a chunked one, what is there"),
    ROW("req.body_param", param_args, SMP_STR, REQ, ROW_ITERATES, fetch_param, check_param,
	"a field of a form in the request's body, not decoded; an ACL tries all"),
    ROW("res.body", NULL, SMP_BIN, RES, 0, fetch_res_body, NULL,
	"what is there of the response's body, without chunks' framing; see wait-for-body"),
    ROW("res.body_len", NULL, SMP_INT, RES, 0, fetch_res_len, NULL,
	"how many bytes of the response's body are there"),
    ROW("res.body_size", NULL, SMP_INT, RES, 0, fetch_res_size, NULL,
	"the announced size of the response's body; without one, what is there"),
    {.name = NULL},
};

const struct module proxy_body_module = {
    .name = "bodies",
    .fetches = fetches,
};
