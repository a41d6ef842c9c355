// SPDX-License-Identifier: MIT
// Who is served first of those that wait for a server (set-priority-class, set-priority-offset),
// and whether a request may be sent again (disable-l7-retry). set-nice is read: a worker's loop
// serves what is ready in turn.
#include "proxy/action_queue.h"

#include "base/module.h"
#include "expr/expr.h"
#include "proxy/action_priv.h"
#include "proxy/conf_priv.h"
#include "proxy/host.h"
#include "proxy/txn.h"

#define MOST_CLASS  0x7ff
#define MOST_OFFSET 0x7ffff

static int64_t
cut(int64_t n, int64_t most)
{
	return MAX(MIN(n, most), -most);
}

void
txn_set_priority_class(struct txn *t, int64_t class)
{
	t->prio_class = (int16_t)cut(class, MOST_CLASS);
}

void
txn_set_priority_offset(struct txn *t, int64_t ms)
{
	t->prio_offset_ms = (int32_t)cut(ms, MOST_OFFSET);
}

// --- actions -----------------------------------------------------------------------------------

static bool
parse_number(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
	     struct err *err)
{
	(void)conf;
	if (*at >= line->argc)
		return err_set(err, "an expression is missing: the priority, as int(-5)");
	r->args = action_expr(r, line, at, err);
	return r->args != NULL;
}

// Without a number the priority stays as it is.
static bool
number_of(const struct rule *r, struct txn *t, int64_t *n)
{
	struct sample s;
	bool good = expr_eval(r->args, &t->ctx, &s) && sample_cast(&s, SMP_INT, &t->ctx);
	*n = good ? s.i : 0;
	return good;
}

static enum rule_verdict
run_class(const struct rule *r, struct txn *t)
{
	int64_t n;
	if (number_of(r, t, &n))
		txn_set_priority_class(t, n);
	return RULE_NEXT;
}

static enum rule_verdict
run_offset(const struct rule *r, struct txn *t)
{
	int64_t n;
	if (number_of(r, t, &n))
		txn_set_priority_offset(t, n);
	return RULE_NEXT;
}

static bool
parse_nice(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
	   struct err *err)
{
	(void)conf;
	(void)r;
	struct str word;
	int64_t n;
	if (!action_word(line, at, "a number from -1024 to 1024", &word, err))
		return false;
	return str_to_int(word, &n) || err_set(err, "'%.*s' is no number", STR_ARG(word));
}

static enum rule_verdict
run_nice(const struct rule *r, struct txn *t)
{
	(void)r;
	(void)t;
	return RULE_NEXT;
}

static enum rule_verdict
run_no_retry(const struct rule *r, struct txn *t)
{
	(void)r;
	t->flags |= TXN_ONCE;
	return RULE_NEXT;
}

static const struct action_row actions[] = {
    {"set-priority-class", RULE_HTTP_REQUEST | RULE_TCP_CONTENT, parse_number, run_class,
     ACTION_KEEPS, "set-priority-class <expr>",
     "The request's class, -2047 to 2047, while it waits for a server: a lower one is served "
     "first."},
    {"set-priority-offset", RULE_HTTP_REQUEST | RULE_TCP_CONTENT, parse_number, run_offset,
     ACTION_KEEPS, "set-priority-offset <expr>",
     "Milliseconds, -524287 to 524287, by which the request is taken for one that came later, "
     "among the waiting ones of its class."},
    {"set-nice", RULE_HTTP_REQUEST | RULE_HTTP_RESPONSE | RULE_TCP_CONTENT | RULE_TCP_RESPONSE,
     parse_nice, run_nice, ACTION_KEEPS, "set-nice <number>",
     "Accepted, without effect: a worker serves what is ready in turn."},
    {"disable-l7-retry", RULE_HTTP_REQUEST, NULL, run_no_retry, ACTION_KEEPS, "disable-l7-retry",
     "The request is not sent a second time once bytes of it may have reached a server, though it "
     "be idempotent."},
    {.name = NULL},
};

// --- fetches -----------------------------------------------------------------------------------

static const struct txn *
txn_of(const struct sample_ctx *ctx)
{
	return ctx->host == &proxy_sample_host ? ctx->host_data : NULL;
}

static bool
fetch_class(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	const struct txn *t = txn_of(ctx);
	sample_set_int(out, t != NULL ? t->prio_class : 0);
	return t != NULL;
}

static bool
fetch_offset(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	const struct txn *t = txn_of(ctx);
	sample_set_int(out, t != NULL ? t->prio_offset_ms : 0);
	return t != NULL;
}

static const struct fetch_row fetches[] = {
    {.name = "prio_class",
     .out = SMP_INT,
     .needs = SMP_NEED_TXN,
     .flags = ROW_VOLATILE,
     .fetch = fetch_class,
     .help = "the request's class in queues, of set-priority-class"},
    {.name = "prio_offset",
     .out = SMP_INT,
     .needs = SMP_NEED_TXN,
     .flags = ROW_VOLATILE,
     .fetch = fetch_offset,
     .help = "the request's offset in queues, of set-priority-offset"},
    {.name = NULL},
};

const struct module proxy_queue_module = {
    .name = "queue",
    .actions = actions,
    .fetches = fetches,
};
