// SPDX-License-Identifier: MIT
// Rules that wait. The request's body for rules: wait-for-body (and `option http-buffer-request`,
// which is that rule in front of all others) receives until it stands in the client's buffer, and
// the fetches read it there. Nothing is taken off the connection: the body goes to the server as it
// came. pause only waits.
#include "proxy/action_wait.h"

#include "base/clock.h"
#include "base/module.h"
#include "expr/expr.h"
#include "proxy/action_priv.h"
#include "proxy/conf_priv.h"
#include "proxy/conns.h"
#include "proxy/count.h"
#include "proxy/host.h"

struct body_args {
	uint64_t time_ns;  // 0: timeout http-request's
	uint64_t at_least; // bytes that are enough; 0: the whole body
};

// What of the body stands in the buffer.
struct body {
	enum codec_status status; // OK: all of it
	size_t n;                 // without framing
	bool chunked;
	enum http_reason_id why; // of BAD
};

static bool
is_chunked(const struct http_head *h)
{
	return h->framing == HTTP_BODY_CHUNKED;
}

// Payload of a chunked body into `to` (NULL: it is only counted).
static struct body
read_chunks(const struct txn *t, char *to)
{
	const struct conn *c = &t->client->conn;
	struct codec_in in = {.decode = true};
	struct codec_piece piece;
	struct body b = {.status = CODEC_MORE, .chunked = true};
	size_t at = 0, n = conn_unread(c);
	t->client_codec->begin_body(&in, &t->req, true);
	do {
		b.status = t->client_codec->read_body(&in, conn_data(c) + at, n - at, &piece);
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
look(const struct txn *t)
{
	if (is_chunked(&t->req))
		return read_chunks(t, NULL);
	uint64_t length = t->req.framing == HTTP_BODY_LENGTH ? t->req.content_length : 0;
	uint64_t here = MIN(length, conn_unread(&t->client->conn));
	return (struct body){.status = here == length ? CODEC_OK : CODEC_MORE, .n = (size_t)here};
}

// --- wait-for-body -----------------------------------------------------------------------------

static bool
parse_wait(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
	   struct err *err)
{
	struct body_args *a = r->args = CONF_NEW(conf, struct body_args);
	struct str word;
	uint64_t us;
	bool timed = false;
	for (; *at + 1 < line->argc; *at += 2) {
		word = line->argv[*at + 1];
		if (str_eq(line->argv[*at], STR("time"))) {
			if (!str_to_time_us(word, 1000, &us) || us == 0 || us > INT32_MAX * 1000ull)
				return err_set(err, "'%.*s' is no time", STR_ARG(word));
			a->time_ns = us * 1000;
			timed = true;
		} else if (str_eq(line->argv[*at], STR("at-least"))) {
			if (!str_to_size(word, &a->at_least))
				return err_set(err, "'%.*s' is no size", STR_ARG(word));
		} else {
			break;
		}
	}
	return timed || err_set(err, "'time TIME' is missing: how long to wait at most");
}

static enum rule_verdict
answer(struct txn *t, unsigned status)
{
	conn_deadline(&t->client->conn, 0);
	t->seen &= ~(uint32_t)SEEN_CLIENT_TIMEOUT;
	txn_error_page(t, status);
	t->reply.close = true; // what is left of the body will not be read
	return RULE_REPLY;
}

// A client that waits for it hears "100 Continue" from us, and its server will not be asked to.
static bool
greet(struct txn *t)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
	const struct http_name expect = http_name_of(STR("expect"));
	struct conn *c = &t->client->conn;
	if (http_head_find(&t->req, &expect, NULL) == NULL || conn_unread(c) > 0)
		return false;
	(void)http_head_del(&t->req, &expect); // it is there
	if (t->req.version == 0)
		return false;
	t->res_iov[0] = (struct iovec){(void *)(uintptr_t)text, sizeof(text) - 1};
	conn_send(c, t->res_iov, 1, 0);
	return true;
}

// Room behind what stands in the buffer; false: it is full, and what is there has to do.
static bool
make_room(struct conn *c)
{
	return c->in == NULL || conn_room(c) > 0 || conn_new_rbuf(c);
}

static void
begin_wait(const struct body_args *a, struct txn *t)
{
	const struct proxy_timeouts *to = &t->frontend->timeouts;
	uint64_t limit = a->time_ns != 0            ? a->time_ns
			 : to->http_request_ns != 0 ? to->http_request_ns
						    : to->client_ns;
	t->flags |= TXN_PAUSED;
	conn_deadline(&t->client->conn, limit != 0 ? loop_now_ns(t->worker->loop) + limit : 0);
}

static enum rule_verdict
end_wait(struct txn *t)
{
	if (t->flags & TXN_PAUSED)
		conn_deadline(&t->client->conn, 0);
	t->flags &= ~(uint32_t)TXN_PAUSED;
	return RULE_NEXT;
}

static enum rule_verdict
receive_more(const struct body_args *a, struct txn *t)
{
	struct conn *c = &t->client->conn;
	if (t->seen & SEEN_CLIENT_FAILED)
		return RULE_CUT;
	if (t->seen & SEEN_CLIENT_EOF)
		return answer(t, 400);
	if (t->seen & SEEN_CLIENT_TIMEOUT)
		return answer(t, 408);
	bool first = !(t->flags & TXN_PAUSED);
	if (first)
		begin_wait(a, t);
	bool waits = (first && greet(t)) || conn_receiving(c) || conn_sending(c);
	if (!waits && !make_room(c))
		return end_wait(t);
	if (!waits)
		conn_recv(c);
	return RULE_WAIT;
}

static enum rule_verdict
run_wait(const struct rule *r, struct txn *t)
{
	const struct body_args *a = r->args;
	struct body b = look(t);
	if (b.status == CODEC_BAD) {
		count_bad_request(t, b.why, 0);
		return answer(t, 400);
	}
	if (b.status == CODEC_OK || (a->at_least > 0 && b.n >= a->at_least))
		return conn_sending(&t->client->conn) ? RULE_WAIT : end_wait(t);
	return receive_more(a, t);
}

// --- pause -------------------------------------------------------------------------------------

struct pause_args {
	uint64_t ns;
	struct expr *expr; // milliseconds
};

static bool
parse_pause(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
	    struct err *err)
{
	struct pause_args *a = r->args = CONF_NEW(conf, struct pause_args);
	struct expr_env env = action_env(r, line);
	uint64_t us;
	int used = 1;
	if (*at >= line->argc)
		return err_set(err, "a time is missing");
	if (str_to_time_us(line->argv[*at], 1000, &us) && us <= INT32_MAX * 1000ull)
		a->ns = us * 1000;
	else if ((a->expr = expr_parse_words(&env, line->argc - *at, line->argv + *at, &used,
					     err)) == NULL)
		return false;
	*at += used;
	return true;
}

static uint64_t
pause_ns(const struct pause_args *a, struct txn *t)
{
	struct sample s;
	if (a->expr == NULL)
		return a->ns;
	bool good = expr_eval(a->expr, &t->ctx, &s) && sample_cast(&s, SMP_INT, &t->ctx) &&
		    s.i > 0 && s.i <= INT32_MAX;
	return good ? (uint64_t)s.i * NS_PER_MS : 0;
}

// The client's deadline is the clock; a client that leaves meanwhile is not waited for.
static enum rule_verdict
run_pause(const struct rule *r, struct txn *t)
{
	struct conn *c = &t->client->conn;
	if (t->seen & SEEN_CLIENT_FAILED)
		return RULE_CUT;
	if (!(t->flags & TXN_PAUSED)) {
		uint64_t ns = pause_ns(r->args, t);
		if (ns == 0)
			return RULE_NEXT;
		t->flags |= TXN_PAUSED;
		conn_deadline(c, loop_now_ns(t->worker->loop) + ns);
		return RULE_WAIT;
	}
	if (!(t->seen & SEEN_CLIENT_TIMEOUT))
		return RULE_WAIT;
	t->seen &= ~(uint32_t)SEEN_CLIENT_TIMEOUT;
	return end_wait(t);
}

enum { PAUSE, WAIT_FOR_BODY };
static const struct action_row actions[] = {
    [PAUSE] = {"pause", RULE_HTTP_REQUEST, parse_pause, run_pause, ACTION_KEEPS,
	       "pause <time>|<expr>", "Waits; an expression gives milliseconds."},
    [WAIT_FOR_BODY] =
	{"wait-for-body", RULE_HTTP_REQUEST, parse_wait, run_wait, 0,
	 "wait-for-body time <time> [at-least <bytes>]",
	 "Goes on once the request's body is there, or a buffer is full of it; 408 when the time "
	 "passes first."},
    {.name = NULL},
};

void
action_wait_for_body_first(struct conf *conf, struct proxy *p)
{
	struct rule *r = CONF_NEW(conf, struct rule);
	*r = (struct rule){.action = &actions[WAIT_FOR_BODY],
			   .args = CONF_NEW(conf, struct body_args),
			   .proxy = p,
			   .where = RULE_HTTP_REQUEST,
			   .file = p->file,
			   .line = p->line,
			   .next = p->http_request.first};
	if (p->http_request.first == NULL)
		p->http_request.tail = &r->next;
	p->http_request.first = r;
}

// --- fetches -----------------------------------------------------------------------------------

// The transaction, while its request's body still stands in the client's buffer.
static const struct txn *
txn_with_body(const struct sample_ctx *ctx)
{
	const struct txn *t = ctx->host == &proxy_sample_host ? ctx->host_data : NULL;
	bool here = t != NULL && txn_has_request(t) && t->client != NULL && t->up.from == NULL;
	return here ? t : NULL;
}

static bool
give_body(struct sample_ctx *ctx, struct sample *out)
{
	const struct txn *t = txn_with_body(ctx);
	if (t == NULL)
		return false;
	struct body b = look(t);
	const char *p = conn_data(&t->client->conn);
	if (b.status == CODEC_BAD)
		return false;
	if (b.chunked) {
		char *copy = arena_alloc(ctx->arena, b.n + 1, 1);
		ctx->failed |= copy == NULL;
		if (copy == NULL)
			return false;
		(void)read_chunks(t, copy); // as just counted
		p = copy;
	}
	out->type = SMP_BIN;
	out->s = str_of(p, b.n);
	return true;
}

static bool
fetch_body(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	return give_body(ctx, out);
}

static bool
fetch_body_len(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	const struct txn *t = txn_with_body(ctx);
	if (t == NULL)
		return false;
	struct body b = look(t);
	sample_set_int(out, (int64_t)b.n);
	return b.status != CODEC_BAD;
}

// What is announced, else what is there.
static bool
fetch_body_size(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out)
{
	if (ctx->req == NULL || is_chunked(ctx->req))
		return fetch_body_len(args, ctx, out);
	bool has = ctx->req->framing == HTTP_BODY_LENGTH;
	sample_set_int(out, has ? (int64_t)ctx->req->content_length : 0);
	return true;
}

// A field of a form (application/x-www-form-urlencoded), not decoded.
static bool
fetch_body_param(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out)
{
	struct str rest, pair, name;
	if (!give_body(ctx, out))
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

#define ROW(n, a, o, fl, f, c, h)                                                     \
	{                                                                             \
		.name = (n), .args = (a), .out = (o), .needs = SMP_NEED_REQ,          \
		.flags = ROW_VOLATILE | (fl), .fetch = (f), .check = (c), .help = (h) \
	}

static const struct fetch_row fetches[] = {
    ROW("req.body", NULL, SMP_BIN, 0, fetch_body, NULL,
	"what is there of the request's body, without chunks' framing; see wait-for-body"),
    ROW("req.body_len", NULL, SMP_INT, 0, fetch_body_len, NULL,
	"how many bytes of the request's body are there"),
    ROW("req.body_size", NULL, SMP_INT, 0, fetch_body_size, NULL,
	"the announced size of the request's body; of a chunked one, what is there"),
    ROW("req.body_param", param_args, SMP_STR, ROW_ITERATES, fetch_body_param, check_param,
	"a field of a form in the request's body, not decoded; an ACL tries all"),
    {.name = NULL},
};

const struct module proxy_wait_module = {
    .name = "rule-waits",
    .actions = actions,
    .fetches = fetches,
};
