// SPDX-License-Identifier: MIT
// What a script's action or service may do to its transaction, and what it may ask about the
// process, one row each. Predicates never get here: the engine offers these to HAProxy's dialect.
#include <unistd.h>

#include "base/clock.h"
#include "expr/call.h"
#include "expr/pattern_ref.h"
#include "proxy/action_lua.h"
#include "proxy/action_priv.h"
#include "proxy/action_queue.h"
#include "proxy/conns.h"
#include "proxy/host.h"
#include "proxy/policy_host_priv.h"
#include "proxy/policy_op_priv.h"
#include "proxy/proxy.h"
#include "proxy/stats.h"
#include "proxy/worker.h"

#define ANSWER_BYTES 32768
#define SMALL_BODY   4096

// This thread's scratch, where answers lie until the next question.
static char *
room_of(const struct op_call *c)
{
	const struct proxy_worker *w =
	    worker_self != NULL ? worker_self->slot[WORKER_SLOT_PROXY] : NULL;
	return w != NULL ? w->policy_scratch : c->host->test_scratch;
}

bool
policy_op_give_text(struct op_call *c, struct str s)
{
	*c->out = (struct policy_value){.type = POLICY_T_STR, .s = s.p != NULL ? s : STR("")};
	return true;
}

// A number is the text it prints as.
static bool
text_arg(struct op_call *c, unsigned i, struct str *out)
{
	const struct policy_value *v = &c->args[i];
	if (v->type == POLICY_T_STR) {
		*out = v->s.p != NULL ? v->s : STR("");
		return true;
	}
	if (v->type != POLICY_T_INT || c->txn == NULL)
		return err_set(c->err, "argument %u is not a text", i + 1);
	const char *text = arena_printf(&c->txn->arena, "%lld", (long long)v->i);
	*out = text != NULL ? str_from_c(text) : STR_NULL;
	return text != NULL || err_set(c->err, "no memory left in this transaction");
}

static bool
edited(struct op_call *c, enum http_edit result)
{
	switch (result) {
	case HTTP_EDIT_OK:
		return policy_give_bool(c->out, true);
	case HTTP_EDIT_FULL:
		return err_set(c->err, "no room for it");
	default:
		return err_set(c->err, "HTTP does not allow that text there");
	}
}

// --- header fields -----------------------------------------------------------------------------

struct field_args {
	struct http_head *head;
	struct http_name name;
	struct str text[2];
};

static bool
field_args(struct op_call *c, struct http_head *head, struct field_args *a)
{
	struct str name;
	a->head = head;
	if (!text_arg(c, 0, &name) || !action_header_name(name, c->err))
		return false;
	a->name = http_name_of(name);
	for (unsigned i = 1; i < c->n; i++)
		if (!text_arg(c, i, &a->text[i - 1]))
			return false;
	return true;
}

static bool
op_add_header(struct op_call *c, struct http_head *head)
{
	struct field_args a;
	return field_args(c, head, &a) &&
	       edited(c, http_head_add(head, &c->txn->arena, a.name.text, a.text[0]));
}

static bool
op_set_header(struct op_call *c, struct http_head *head)
{
	struct field_args a;
	return field_args(c, head, &a) &&
	       edited(c, http_head_set(head, &c->txn->arena, &a.name, a.text[0]));
}

static bool
op_del_header(struct op_call *c, struct http_head *head)
{
	struct field_args a;
	if (!field_args(c, head, &a))
		return false;
	(void)http_head_del(head, &a.name); // how many is of no interest
	return policy_give_bool(c->out, true);
}

// The shared actions do the same with a format instead of a text.
static bool
op_replace(struct op_call *c, struct http_head *head, bool elements)
{
	struct field_args a;
	if (!field_args(c, head, &a))
		return false;
	struct regex *regex = regex_new(a.text[0], false, c->err);
	if (regex == NULL)
		return false;
	enum http_edit result =
	    action_replace_fields(c->txn, head, &a.name, regex, a.text[1], elements);
	regex_free(&regex);
	return edited(c, result);
}

#define FIELD_OPS(side, member)                               \
	static bool op_##side##_add_header(struct op_call *c) \
	{                                                     \
		return op_add_header(c, &c->txn->member);     \
	}                                                     \
	static bool op_##side##_set_header(struct op_call *c) \
	{                                                     \
		return op_set_header(c, &c->txn->member);     \
	}                                                     \
	static bool op_##side##_del_header(struct op_call *c) \
	{                                                     \
		return op_del_header(c, &c->txn->member);     \
	}                                                     \
	static bool op_##side##_rep_header(struct op_call *c) \
	{                                                     \
		return op_replace(c, &c->txn->member, false); \
	}                                                     \
	static bool op_##side##_rep_value(struct op_call *c)  \
	{                                                     \
		return op_replace(c, &c->txn->member, true);  \
	}
FIELD_OPS(req, req)
FIELD_OPS(res, res)

// "name: value\r\n" lines, names in lower case, as HAProxy's req.hdrs.
static bool
give_headers(struct op_call *c, const struct http_head *h)
{
	char *room = room_of(c);
	size_t n = 0;
	for (uint16_t i = 0; i < h->n_fields; i++) {
		const struct http_field *f = &h->field[i];
		if (f->flags & HTTP_FIELD_DROP)
			continue;
		if (n + f->name_n + f->value_n + 4 > ANSWER_BYTES)
			return err_set(c->err, "the head is longer than %d bytes", ANSWER_BYTES);
		for (uint16_t k = 0; k < f->name_n; k++)
			room[n++] = (char)byte_lower((unsigned char)f->name[k]);
		memcpy(room + n, ": ", 2);
		memcpy(room + n + 2, f->value, f->value_n);
		n += f->value_n + 2u;
		memcpy(room + n, "\r\n", 2);
		n += 2;
	}
	return policy_op_give_text(c, str_of(room, n));
}

static bool
op_req_headers(struct op_call *c)
{
	return give_headers(c, &c->txn->req);
}

static bool
op_res_headers(struct op_call *c)
{
	return give_headers(c, &c->txn->res);
}

// --- start lines -------------------------------------------------------------------------------

typedef enum http_edit (*set_part_f)(struct http_head *h, struct arena *arena, struct str text);

static bool
set_part(struct op_call *c, set_part_f set)
{
	struct str text;
	return text_arg(c, 0, &text) && edited(c, set(&c->txn->req, &c->txn->arena, text));
}

static bool
op_set_method(struct op_call *c)
{
	return set_part(c, http_head_set_method);
}

static bool
op_set_path(struct op_call *c)
{
	return set_part(c, http_head_set_path);
}

static bool
op_set_query(struct op_call *c)
{
	return set_part(c, http_head_set_query);
}

static bool
op_set_uri(struct op_call *c)
{
	return set_part(c, http_head_set_uri);
}

static bool
status_arg(struct op_call *c, unsigned *status)
{
	if (c->args[0].type != POLICY_T_INT || c->args[0].i < 200 || c->args[0].i > 999)
		return err_set(c->err, "a status is a number of 200 to 999");
	*status = (unsigned)c->args[0].i;
	return true;
}

static bool
op_set_status(struct op_call *c)
{
	unsigned status = 0;
	struct str reason = STR("");
	if (!status_arg(c, &status) || (c->n > 1 && !text_arg(c, 1, &reason)))
		return false;
	if (status == 204 || status == 304)
		return err_set(c->err, "%u would change the message's framing", status);
	return edited(c, http_head_set_status(&c->txn->res, &c->txn->arena, status, reason));
}

// --- variables and what the transaction keeps ----------------------------------------------------

// A number with a fraction loses it, as HAProxy has no others.
static bool
to_sample(struct op_call *c, const struct policy_value *v, struct sample_ctx *ctx,
	  struct sample *out)
{
	*out = (struct sample){0};
	if (v->type == POLICY_T_DOUBLE)
		sample_set_int(out, (int64_t)v->d);
	else if (v->type == POLICY_T_NIL || !policy_value_sample(v, ctx, out))
		return err_set(c->err, "nothing to set");
	return true;
}

static bool
op_set_var(struct op_call *c)
{
	struct str name;
	struct sample s;
	bool if_exists = c->n > 2 && c->args[2].b;
	if (!text_arg(c, 0, &name) || !to_sample(c, &c->args[1], &c->txn->ctx, &s))
		return false;
	int done = expr_calls_set_var(c->host->calls, name, if_exists ? VAR_IF_EXISTS : 0,
				      &c->txn->ctx, &s, c->err);
	return done >= 0 && policy_give_bool(c->out, done > 0);
}

static bool
op_unset_var(struct op_call *c)
{
	struct str name;
	if (!text_arg(c, 0, &name))
		return false;
	int done = expr_calls_set_var(c->host->calls, name, 0, &c->txn->ctx, NULL, c->err);
	return done >= 0 && policy_give_bool(c->out, done > 0);
}

// core.get_var: without a transaction, proc. and shm. only.
static bool
op_get_var(struct op_call *c)
{
	char room[2 * EXPR_CALL_MAX_TEXT_BYTES];
	struct arena arena = {.at = room, .end = room + sizeof(room)};
	struct sample_ctx ctx = {.arena = &arena,
				 .shm = c->host->set->vars,
				 .now_boot_ns = clock_boot_ns(),
				 .now_real_ns = clock_real_ns()};
	struct str name;
	struct sample s;
	if (!text_arg(c, 0, &name))
		return false;
	enum expr_call_result r = expr_calls_var(c->host->calls, name, &ctx, &s, c->err);
	if (r == EXPR_CALL_BAD)
		return false;
	if (r == EXPR_CALL_NOTHING)
		return true;
	if (s.type == SMP_INT)
		return policy_give_int(c->out, s.i);
	if (s.type == SMP_BOOL)
		return policy_give_bool(c->out, s.b);
	struct str text;
	if (!sample_text(&s, &ctx, &text) || text.n > ANSWER_BYTES)
		return err_set(c->err, "its text is too long");
	memcpy(room_of(c), text.p, text.n);
	return policy_op_give_text(c, str_of(room_of(c), text.n));
}

static bool
op_set_log_level(struct op_call *c)
{
	if (c->args[0].type != POLICY_T_INT || c->args[0].i < 0 || c->args[0].i > 7)
		return err_set(c->err, "a level is core.emerg to core.debug");
	c->txn->log_level = (int8_t)(1 + c->args[0].i);
	return policy_give_bool(c->out, true);
}

// The number that private data are kept under until the transaction ends.
static bool
op_keep(struct op_call *c)
{
	c->txn->flags |= TXN_LUA_KEEPS;
	return policy_give_int(c->out, (int64_t)c->txn->id);
}

static bool
op_is_http(struct op_call *c)
{
	return policy_give_bool(c->out, !(c->txn->flags & TXN_TCP));
}

// --- answers -----------------------------------------------------------------------------------

static bool
op_reply_begin(struct op_call *c)
{
	unsigned status = 0;
	struct str reason;
	struct txn *t = c->txn;
	if (!status_arg(c, &status) || !text_arg(c, 1, &reason))
		return false;
	if (!http_is_field_value(reason))
		return err_set(c->err, "the reason holds a control character");
	t->reply =
	    (struct reply){.status = (uint16_t)status, .reason = str_copy(&t->arena, reason)};
	return true;
}

static bool
op_reply_header(struct op_call *c)
{
	struct txn *t = c->txn;
	struct str name, value;
	if (!text_arg(c, 0, &name) || !text_arg(c, 1, &value) || !action_header_name(name, c->err))
		return false;
	if (!http_is_field_value(value))
		return err_set(c->err, "the value of '%.*s' holds a control character",
			       STR_ARG(name));
	struct reply_header *h = ARENA_NEW(&t->arena, struct reply_header);
	if (h == NULL)
		return err_set(c->err, "no memory left in this transaction");
	*h = (struct reply_header){.name = str_copy(&t->arena, name),
				   .value = str_copy(&t->arena, value)};
	const struct reply_header **end = &t->reply.headers;
	while (*end != NULL) // those of this reply, made above
		end = &((struct reply_header *)(uintptr_t)*end)->next;
	*end = h;
	return (h->name.p != NULL && (h->value.p != NULL || value.n == 0)) ||
	       err_set(c->err, "no memory left in this transaction");
}

static bool
op_reply_body(struct op_call *c)
{
	struct txn *t = c->txn;
	struct str body;
	if (!text_arg(c, 0, &body))
		return false;
	t->reply.body = str_copy(body.n > SMALL_BODY ? lua_call_room(t) : &t->arena, body);
	if (t->reply.body.p == NULL && body.n > 0)
		return err_set(c->err, "a body of %zu bytes is longer than an answer may be",
			       body.n);
	lua_call_outcome(t, LUA_REPLIES);
	return true;
}

static bool
op_request_body(struct op_call *c)
{
	return policy_op_give_text(c, lua_call_body(c->txn));
}

// --- raw connections -----------------------------------------------------------------------------

// Nothing: not there yet.
static bool
op_tcp_take(struct op_call *c)
{
	struct str bytes;
	if (c->args[0].type != POLICY_T_INT || c->args[0].i <= 0)
		return err_set(c->err, "a number of bytes is expected");
	return !lua_call_take(c->txn, (size_t)c->args[0].i, &bytes) ||
	       policy_op_give_text(c, bytes);
}

static bool
op_tcp_line(struct op_call *c)
{
	struct str line;
	return !lua_call_line(c->txn, &line) || policy_op_give_text(c, line);
}

static bool
op_tcp_send(struct op_call *c)
{
	struct str bytes;
	if (!text_arg(c, 0, &bytes))
		return false;
	if (bytes.n > LUA_PIECE_BYTES)
		return err_set(c->err, "more than a piece");
	return policy_give_bool(c->out, lua_call_send(c->txn, bytes));
}

static bool
op_tcp_await(struct op_call *c)
{
	lua_call_await(c->txn);
	return true;
}

// --- maps and lists ------------------------------------------------------------------------------

// Map.new(file, method): a number that stands for it.
static bool
op_map_open(struct op_call *c)
{
	struct policy_host_data *d = c->host;
	struct str file, word;
	enum pat_match match;
	if (!text_arg(c, 0, &file) || !text_arg(c, 1, &word))
		return false;
	if (!pat_match_parse(word, &match) || match == PAT_FOUND || match == PAT_BOOL)
		return err_set(c->err, "'%.*s' is no method of a map", STR_ARG(word));
	const struct pattern_use *use = expr_calls_map(d->calls, d->loading, file, match, c->err);
	if (use == NULL)
		return false;
	unsigned n = atomic_load_explicit(&d->n_maps, memory_order_relaxed);
	for (unsigned i = 0; i < n; i++)
		if (d->maps[i].use == use)
			return policy_give_int(c->out, i);
	if (n == POLICY_MAX_MAPS)
		return err_set(c->err, "more than %d maps", POLICY_MAX_MAPS);
	d->maps[n] = (struct policy_map){use, match};
	atomic_store_explicit(&d->n_maps, n + 1, memory_order_release);
	return policy_give_int(c->out, n);
}

static bool
op_map_lookup(struct op_call *c)
{
	const struct policy_host_data *d = c->host;
	struct arena arena = {.at = room_of(c), .end = room_of(c) + ANSWER_BYTES};
	struct sample_ctx ctx = {.arena = &arena};
	struct sample s = {0};
	if (c->args[0].type != POLICY_T_INT || c->args[0].i < 0 ||
	    c->args[0].i >= atomic_load_explicit(&d->n_maps, memory_order_acquire))
		return err_set(c->err, "no such map");
	const struct policy_map *m = &d->maps[c->args[0].i];
	if (!to_sample(c, &c->args[1], &ctx, &s))
		return false;
	if (!sample_cast(&s, pat_match_type(m->match), &ctx))
		return true;
	const struct pattern_entry *e = pattern_use_match(m->use, &s, &ctx);
	return e == NULL || policy_op_give_text(c, e->value);
}

static bool
change_patterns(struct op_call *c, enum pattern_change change)
{
	const struct proxy_set *set = c->host->set;
	struct str name, key, value = STR("");
	if (!text_arg(c, 0, &name) || !text_arg(c, 1, &key) ||
	    (c->n > 2 && !text_arg(c, 2, &value)))
		return false;
	struct pattern_ref *r = expr_calls_patterns(c->host->calls, name);
	if (r == NULL)
		return err_set(c->err, "nothing in the configuration uses '%.*s'", STR_ARG(name));
	if (set->threads == NULL)
		return err_set(c->err, "not before the proxy runs");
	return policy_give_bool(c->out, pattern_ref_post(r, set->threads, change, key, value));
}

static bool
op_put(struct op_call *c)
{
	return change_patterns(c, PATTERN_PUT);
}

static bool
op_del(struct op_call *c)
{
	return change_patterns(c, PATTERN_DEL);
}

// --- the process -------------------------------------------------------------------------------

static bool
op_info(struct op_call *c)
{
	const struct proxy_set *set = c->host->set;
	struct sbuf b;
	sbuf_init(&b, ANSWER_BYTES);
	sbuf_printf(&b,
		    "Name: tidegate\nVersion: %s\nNbthread: %u\nPid: %d\nUptime_sec: %llu\n"
		    "Maxconn: %u\nCurrConns: %llu\nnode: %.*s\ndescription: %.*s\n",
		    TIDEGATE_VERSION, set->n_workers, (int)getpid(),
		    (unsigned long long)((clock_mono_ns() - set->started_mono_ns) / NS_PER_S),
		    set->global.maxconn,
		    (unsigned long long)(set->threads != NULL ? proxy_current_connections(set) : 0),
		    STR_ARG(set->global.node), STR_ARG(set->global.description));
	struct str text = sbuf_str(&b);
	memcpy(room_of(c), text.p, text.n);
	sbuf_fini(&b);
	return policy_op_give_text(c, str_of(room_of(c), text.n));
}

static bool
int_arg(struct op_call *c, int64_t *n)
{
	*n = c->args[0].i;
	return c->args[0].type == POLICY_T_INT || err_set(c->err, "a whole number is expected");
}

// Bits: 1, more bytes may come; 2, the buffer has no room for them.
static bool
op_channel_state(struct op_call *c)
{
	const struct txn *t = c->txn;
	bool response = c->args[0].b;
	uint32_t gone =
	    response ? SEEN_SERVER_EOF | SEEN_SERVER_FAILED : SEEN_CLIENT_EOF | SEEN_CLIENT_FAILED;
	const struct conn *conn = !response                ? &t->client->conn
				  : t->server_conn != NULL ? &t->server_conn->conn
							   : NULL;
	bool full = conn != NULL && conn->in != NULL && conn_room(conn) == 0;
	bool comes = conn != NULL && !(t->seen & gone) && !full;
	return policy_give_int(c->out, comes + 2 * full);
}

static bool
op_priority_class(struct op_call *c)
{
	int64_t n;
	if (!int_arg(c, &n))
		return false;
	txn_set_priority_class(c->txn, n);
	return true;
}

static bool
op_priority_offset(struct op_call *c)
{
	int64_t n;
	if (!int_arg(c, &n))
		return false;
	txn_set_priority_offset(c->txn, n);
	return true;
}

// Lines "name frontend|backend|proxy http|tcp id".
static bool
op_proxies(struct op_call *c)
{
	const struct proxy_set *set = c->host->set;
	struct sbuf b;
	sbuf_init(&b, ANSWER_BYTES);
	for (size_t i = 0; i < set->n_all; i++) {
		const struct proxy *p = set->all[i];
		unsigned both = p->caps & (PROXY_FRONTEND | PROXY_BACKEND);
		sbuf_printf(&b, "%.*s %s %s %u\n", STR_ARG(p->name),
			    both == PROXY_FRONTEND  ? "frontend"
			    : both == PROXY_BACKEND ? "backend"
						    : "proxy",
			    proxy_mode_name(p->mode), p->id);
	}
	struct str text = sbuf_str(&b);
	bool fits = !b.full;
	if (fits)
		memcpy(room_of(c), text.p, text.n);
	sbuf_fini(&b);
	return fits ? policy_op_give_text(c, str_of(room_of(c), text.n))
		    : err_set(c->err, "the list is longer than %d bytes", ANSWER_BYTES);
}

// --- the table ---------------------------------------------------------------------------------

static const struct op_row rows[] = {
    {"req_add_header", REQUEST, 2, 2, op_req_add_header},
    {"req_set_header", REQUEST, 2, 2, op_req_set_header},
    {"req_del_header", REQUEST, 1, 1, op_req_del_header},
    {"req_rep_header", REQUEST, 3, 3, op_req_rep_header},
    {"req_rep_value", REQUEST, 3, 3, op_req_rep_value},
    {"req_headers", HTTP_TXN, 0, 0, op_req_headers},
    {"res_headers", RESPONSE, 0, 0, op_res_headers},
    {"req_set_method", REQUEST, 1, 1, op_set_method},
    {"req_set_path", REQUEST, 1, 1, op_set_path},
    {"req_set_query", REQUEST, 1, 1, op_set_query},
    {"req_set_uri", REQUEST, 1, 1, op_set_uri},
    {"res_add_header", RESPONSE, 2, 2, op_res_add_header},
    {"res_set_header", RESPONSE, 2, 2, op_res_set_header},
    {"res_del_header", RESPONSE, 1, 1, op_res_del_header},
    {"res_rep_header", RESPONSE, 3, 3, op_res_rep_header},
    {"res_rep_value", RESPONSE, 3, 3, op_res_rep_value},
    {"res_set_status", RESPONSE, 1, 2, op_set_status},
    {"set_var", ANY_TXN, 2, 3, op_set_var},
    {"unset_var", ANY_TXN, 1, 1, op_unset_var},
    {"keep", ANY_TXN, 0, 0, op_keep},
    {"is_http", ANY_TXN, 0, 0, op_is_http},
    {"reply_begin", HTTP_TXN, 2, 2, op_reply_begin},
    {"reply_header", HTTP_TXN, 2, 2, op_reply_header},
    {"reply_body", HTTP_TXN, 1, 1, op_reply_body},
    {"request_body", HTTP_TXN, 0, 0, op_request_body},
    {"set_log_level", ANY_TXN, 1, 1, op_set_log_level},
    {"channel_state", ANY_TXN, 1, 1, op_channel_state},
    {"set_priority_class", ANY_TXN, 1, 1, op_priority_class},
    {"set_priority_offset", ANY_TXN, 1, 1, op_priority_offset},
    {"tcp_take", TCP_SERVICE, 1, 1, op_tcp_take},
    {"tcp_line", TCP_SERVICE, 0, 0, op_tcp_line},
    {"tcp_send", TCP_SERVICE, 1, 1, op_tcp_send},
    {"tcp_await", TCP_SERVICE, 0, 0, op_tcp_await},
    {"map_open", ANYWHERE, 2, 2, op_map_open},
    {"map_lookup", ANYWHERE, 2, 2, op_map_lookup},
    {"set_map", ANYWHERE, 3, 3, op_put},
    {"del_map", ANYWHERE, 2, 2, op_del},
    {"add_acl", ANYWHERE, 2, 2, op_put},
    {"del_acl", ANYWHERE, 2, 2, op_del},
    {"get_var", ANYWHERE, 1, 1, op_get_var},
    {"info", ANYWHERE, 0, 0, op_info},
    {"proxies", ANYWHERE, 0, 0, op_proxies},
    {.name = NULL},
};

// A handle's number counts through all of them.
static const struct op_row *const tables[] = {rows, policy_op_sockets};

int
policy_op_find(struct str name, struct err *err)
{
	int number = 0;
	for (size_t t = 0; t < ARRAY_LEN(tables); t++)
		for (const struct op_row *r = tables[t]; r->name != NULL; r++, number++)
			if (str_eq(name, str_from_c(r->name)))
				return number;
	err_set(err, "'%.*s' is not available", STR_ARG(name));
	return -1;
}

static const struct op_row *
row_of(int number)
{
	size_t t = 0;
	const struct op_row *r = tables[0];
	for (; number > 0; number--)
		if ((++r)->name == NULL)
			r = tables[++t];
	return r;
}

static bool
is_possible(const struct op_row *r, const struct txn *t, struct err *err)
{
	if (r->side == ANYWHERE)
		return true;
	if (t == NULL)
		return err_set(err, "there is no transaction here");
	if (r->side == TCP_SERVICE && t->step != &step_tcp_service)
		return err_set(err, "only a service has a connection of its own");
	if (r->side >= HTTP_TXN && t->flags & TXN_TCP)
		return err_set(err, "mode tcp has no request and no response");
	if (r->side == REQUEST && t->ctx.res != NULL)
		return err_set(err, "the request was sent already");
	if (r->side == RESPONSE && t->ctx.res == NULL)
		return err_set(err, "there is no response to be changed here");
	return true;
}

bool
policy_op_call(struct policy_host_data *d, int row, struct sample_ctx *ctx,
	       const struct policy_value *args, unsigned n, struct policy_value *out,
	       struct err *err)
{
	const struct op_row *r = row_of(row);
	bool live = ctx != NULL && ctx->host == &proxy_sample_host;
	struct op_call c = {.host = d,
			    .txn = live ? ctx->host_data : NULL,
			    .args = args,
			    .n = n,
			    .out = out,
			    .err = err};
	if (n < r->least || n > r->most)
		err_set(err, "takes %u to %u arguments", r->least, r->most);
	else if (is_possible(r, c.txn, err) && r->run(&c))
		return true;
	return err_wrap(err, "%s", r->name);
}
