// SPDX-License-Identifier: MIT
// Captures: declared slots, the lines and actions that fill them, the fetches that read them.
#include "proxy/capture.h"

#include "base/module.h"
#include "expr/fetch.h"
#include "proxy/action_priv.h"
#include "proxy/conf_priv.h"
#include "proxy/host.h"

#define MOST_SLOTS CAPTURE_MOST_SLOTS
#define MOST_BYTES 65535

static struct capture_list *
list_of(struct proxy *p, bool response)
{
	return response ? &p->response_captures : &p->request_captures;
}

// --- declaring -----------------------------------------------------------------------------------

static bool
add_slot(struct conf *conf, struct capture_list *l, struct str name, int64_t len, struct err *err)
{
	if (l->n == MOST_SLOTS)
		return err_set(err, "more than %u captures", MOST_SLOTS);
	struct capture_slot **at = &l->first, *slot = CONF_NEW(conf, struct capture_slot);
	while (*at != NULL)
		at = &(*at)->next;
	slot->name = http_name_of(name);
	slot->len = (uint32_t)len;
	*at = slot;
	l->n++;
	return true;
}

static bool
parse_len(struct str word, int64_t *len, struct err *err)
{
	return (str_to_int(word, len) && *len >= 1 && *len <= MOST_BYTES) ||
	       err_set(err, "'%.*s' is no length from 1 to %d", STR_ARG(word), MOST_BYTES);
}

// "capture request header NAME len N", "capture response header ...".
static bool
parse_capture(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	struct str name = line->values[0].s;
	if (!http_is_token(name))
		return err_set(err, "'%.*s' is no header name", STR_ARG(name));
	bool response = str_eq(line->argv[1], STR("response"));
	return add_slot(conf, list_of(conf_proxy_of(obj), response), name, line->values[2].i, err);
}

// "declare capture request len N".
static bool
parse_declare(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	bool response = line->values[0].i == 1;
	return add_slot(conf, list_of(conf_proxy_of(obj), response), STR(""), line->values[2].i,
			err);
}

// --- filling -------------------------------------------------------------------------------------

// The transaction's slots; NULL: none declared, or no room.
static struct str *
slots_of(struct txn *t, bool response)
{
	struct str **slots = response ? &t->res_captures : &t->req_captures;
	unsigned n = response ? t->frontend->response_captures.n : t->frontend->request_captures.n;
	if (*slots == NULL && n > 0)
		*slots = arena_zalloc(&t->arena, n * sizeof(**slots), alignof(struct str));
	return *slots;
}

void
capture_headers(struct txn *t, bool response)
{
	const struct capture_list *l =
	    response ? &t->frontend->response_captures : &t->frontend->request_captures;
	const struct http_head *h = response ? &t->res : &t->req;
	struct str *slots = slots_of(t, response);
	if (slots == NULL)
		return;
	for (const struct capture_slot *s = l->first; s != NULL; s = s->next, slots++) {
		const struct http_field *f = NULL, *last = NULL;
		while (s->name.text.n > 0 && (f = http_head_find(h, &s->name, f)) != NULL)
			last = f;
		if (last != NULL)
			*slots = str_slice(http_field_value(last), 0, s->len);
	}
}

struct capture_args {
	struct expr *expr;
	int64_t id;
};

static bool
is_of_response(const struct rule *r)
{
	return (r->where & (RULE_HTTP_RESPONSE | RULE_HTTP_AFTER_RESPONSE)) != 0;
}

static bool
parse_capture_action(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
		     struct err *err)
{
	struct capture_args *a = r->args = CONF_NEW(conf, struct capture_args);
	bool response = is_of_response(r);
	struct capture_list *l = list_of(r->proxy, response);
	struct str word, value;
	a->expr = action_expr(r, line, at, err);
	if (a->expr == NULL || !action_word(line, at, "'len' or 'id'", &word, err) ||
	    !action_word(line, at, "a number", &value, err))
		return false;
	bool front = (r->proxy->caps & PROXY_FRONTEND) != 0;
	if (str_eq(word, STR("id"))) {
		if (!str_to_int(value, &a->id) || a->id < 0 || a->id >= MOST_SLOTS)
			return err_set(err, "'%.*s' is no slot", STR_ARG(value));
		return !front || a->id < l->n ||
		       err_set(err, "slot %lld is not declared above: there are %u",
			       (long long)a->id, l->n);
	}
	if (!str_eq(word, STR("len")) || response || !front)
		return err_set(err, "'%.*s' is not expected here: %s is", STR_ARG(word),
			       front && !response ? "'len N' or 'id N'" : "'id N'");
	int64_t len;
	a->id = l->n;
	return parse_len(value, &len, err) && add_slot(conf, l, STR(""), len, err);
}

// The slot of that number in the transaction's frontend, or NULL.
static const struct capture_slot *
slot_at(const struct txn *txn, bool response, int64_t id)
{
	const struct capture_slot *slot = response ? txn->frontend->response_captures.first
						   : txn->frontend->request_captures.first;
	for (int64_t i = 0; i < id && slot != NULL; i++)
		slot = slot->next;
	return slot;
}

// False: no room. A header may be edited behind this rule, so the bytes are copied.
static bool
keep(struct txn *txn, bool response, int64_t id, const struct capture_slot *slot, struct str text)
{
	struct str *slots = slots_of(txn, response);
	if (slots == NULL)
		return false;
	text = str_copy(&txn->arena, str_slice(text, 0, slot->len));
	if (text.p == NULL && text.n > 0)
		return false;
	slots[id] = text.n > 0 ? text : STR("");
	return true;
}

static enum rule_verdict
run_capture(const struct rule *r, struct txn *txn)
{
	const struct capture_args *a = r->args;
	bool response = is_of_response(r);
	const struct capture_slot *slot = slot_at(txn, response, a->id);
	struct sample s;
	struct str text;
	if (slot == NULL)
		return RULE_NEXT; // this frontend has no such slot
	if (!expr_eval(a->expr, &txn->ctx, &s) || !sample_text(&s, &txn->ctx, &text))
		return RULE_NEXT;
	return keep(txn, response, a->id, slot, text) ? RULE_NEXT : action_failed(r, txn);
}

// The converter: as the rule, and the value goes on.
static bool
capture_sample(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *smp,
	       bool response)
{
	struct txn *txn = ctx->host == &proxy_sample_host ? ctx->host_data : NULL;
	const struct capture_slot *slot = txn != NULL ? slot_at(txn, response, args[0].i) : NULL;
	if (slot == NULL)
		return false;
	ctx->failed |= !keep(txn, response, args[0].i, slot, smp->s);
	return true;
}

static bool
conv_capture_req(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *smp)
{
	return capture_sample(args, ctx, smp, false);
}

static bool
conv_capture_res(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *smp)
{
	return capture_sample(args, ctx, smp, true);
}

static const struct action_row capture_actions[] = {
    {"capture",
     RULE_HTTP_REQUEST | RULE_HTTP_RESPONSE | RULE_HTTP_AFTER_RESPONSE | RULE_TCP_CONTENT,
     parse_capture_action, run_capture, ACTION_KEEPS, "capture <expr> len <n>|id <n>",
     "Keeps a value for the log: in a new slot (len, in a frontend's http-request), or in a "
     "declared one."},
    {.name = NULL},
};

// --- reading -------------------------------------------------------------------------------------

static bool
fetch_slot(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out, bool response)
{
	if (ctx->host != &proxy_sample_host)
		return false;
	const struct txn *t = ctx->host_data;
	const struct str *slots = response ? t->res_captures : t->req_captures;
	int64_t n = response ? t->frontend->response_captures.n : t->frontend->request_captures.n;
	if (slots == NULL || args[0].i >= n || slots[args[0].i].p == NULL)
		return false;
	sample_set_str(out, slots[args[0].i]);
	return true;
}

static bool
fetch_req_slot(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out)
{
	return fetch_slot(args, ctx, out, false);
}

static bool
fetch_res_slot(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out)
{
	return fetch_slot(args, ctx, out, true);
}

static const struct arg_spec slot_arg[] = {
    {.type = ARG_INT, .name = "slot", .min = 0, .max = MOST_SLOTS - 1}, {.type = ARG_END}};

#define CAPTURE_CONV(n, f, h)                                                               \
	{                                                                                   \
		.name = (n), .args = slot_arg, .in = SMP_STR, .out = SMP_STR,               \
		.needs = SMP_NEED_TXN | SMP_NEED_WRITE, .flags = ROW_VOLATILE, .conv = (f), \
		.help = (h)                                                                 \
	}
static const struct conv_row capture_convs[] = {
    CAPTURE_CONV("capture-req", conv_capture_req,
		 "keeps the text in a request's capture slot and passes it on"),
    CAPTURE_CONV("capture-res", conv_capture_res,
		 "keeps the text in a response's capture slot and passes it on"),
    {.name = NULL},
};

static const struct fetch_row capture_fetches[] = {
    {.name = "capture.req.hdr",
     .args = slot_arg,
     .out = SMP_STR,
     .needs = SMP_NEED_TXN,
     .flags = ROW_VOLATILE,
     .fetch = fetch_req_slot,
     .help = "what a request's capture slot holds, counted from 0"},
    {.name = "capture.res.hdr",
     .args = slot_arg,
     .out = SMP_STR,
     .needs = SMP_NEED_TXN,
     .flags = ROW_VOLATILE,
     .fetch = fetch_res_slot,
     .help = "what a response's capture slot holds, counted from 0"},
    {.name = NULL},
};

// --- rows ------------------------------------------------------------------------------------

static const char *const len_words[] = {"len", NULL};
static const char *const side_words[] = {"request", "response", NULL};

static const struct conf_arg header_args[] = {
    {.name = "name", .type = CONF_STR, .min = 1, .max = 256, .help = "The header's name."},
    {.name = "len", .type = CONF_ENUM, .words = len_words, .help = "The word 'len'."},
    {.name = "bytes", .type = CONF_INT, .min = 1, .max = MOST_BYTES, .help = "Most bytes kept."},
    {.type = CONF_END}};
static const struct conf_arg declare_args[] = {
    {.name = "side", .type = CONF_ENUM, .words = side_words, .help = "Whose slot it is."},
    {.name = "len", .type = CONF_ENUM, .words = len_words, .help = "The word 'len'."},
    {.name = "bytes", .type = CONF_INT, .min = 1, .max = MOST_BYTES, .help = "Most bytes kept."},
    {.type = CONF_END}};

static const struct conf_keyword capture_keywords[] = {
    {.sections = "frontend listen",
     .words = "capture request header",
     .args = header_args,
     .parse = parse_capture,
     .help = "Keeps the last such header of each request, for %hr and capture.req.hdr()."},
    {.sections = "frontend listen",
     .words = "capture response header",
     .args = header_args,
     .parse = parse_capture,
     .help = "Keeps the last such header of each response, for %hs and capture.res.hdr()."},
    {.sections = "frontend listen",
     .words = "declare capture",
     .args = declare_args,
     .parse = parse_declare,
     .help = "An empty slot, filled by a rule's 'capture EXPR id N'."},
    {.sections = NULL},
};

const struct module proxy_capture_module = {
    .name = "capture",
    .keywords = capture_keywords,
    .fetches = capture_fetches,
    .convs = capture_convs,
    .actions = capture_actions,
};
