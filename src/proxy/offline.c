// SPDX-License-Identifier: MIT
// Judging one request, or one connection of mode tcp, offline. The client's input is at its end
// from the beginning, so that no step waits for bytes that cannot come.
#include "proxy/offline.h"

#include "base/clock.h"
#include "http/reason.h"
#include "policy/policy.h"
#include "proxy/action_lua.h"
#include "proxy/conns.h"
#include "proxy/rule_explain.h"
#include "proxy/tcp.h"
#include "proxy/txn.h"

#define TEXT_CAP_BYTES ((size_t)4 << 20) // of the rules that one transaction tries

// --- which frontend ------------------------------------------------------------------------------

static bool
listens(const struct proxy *p)
{
	return p->binds != NULL && !p->disabled;
}

const struct proxy *
offline_frontend(const struct proxy_set *set, struct str name, struct err *err)
{
	const struct proxy *found = NULL;
	struct sbuf names;
	size_t n = 0;
	sbuf_init(&names, ERR_TEXT_BYTES / 2);
	for (size_t i = 0; i < set->n_all; i++) {
		const struct proxy *p = set->all[i];
		if (!listens(p))
			continue;
		sbuf_printf(&names, "%s%.*s", names.n > 0 ? ", " : "", STR_ARG(p->name));
		n++;
		if (name.n == 0 || str_eq(name, p->name))
			found = p;
	}
	if (n == 0)
		err_set(err, "no frontend of the configuration listens");
	else if (found == NULL)
		err_set(err, "no frontend '%.*s' listens; there are: %.*s", STR_ARG(name),
			STR_ARG(sbuf_str(&names)));
	else if (name.n == 0 && n > 1)
		err_set(err, "several frontends listen, so --frontend must name one of: %.*s",
			STR_ARG(sbuf_str(&names)));
	sbuf_fini(&names);
	return name.n == 0 && n > 1 ? NULL : found;
}

// --- what came out -------------------------------------------------------------------------------

static void
print_reply(const struct txn *t, struct sbuf *out)
{
	sbuf_printf(out, "outcome: status %u", t->reply.status);
	for (const struct reply_header *h = t->reply.headers; h != NULL; h = h->next)
		if (str_eq_nocase(h->name, STR("location"))) {
			sbuf_add(out, STR(" location "));
			sbuf_add_json(out, h->value);
		}
	if (t->reply.tarpit)
		sbuf_add(out, STR(" after timeout tarpit"));
	if (t->backend != NULL)
		sbuf_printf(out, " backend %.*s", STR_ARG(t->backend->name));
}

static void
print_servers(const struct txn *t, struct sbuf *out)
{
	const struct backend *b = t->backend->backend;
	sbuf_printf(out, "outcome: backend %.*s", STR_ARG(t->backend->name));
	if (t->wanted != NULL) {
		sbuf_printf(out, " server %.*s", STR_ARG(t->wanted->name));
		return;
	}
	if (b == NULL || b->n_servers == 0) {
		sbuf_add(out, STR(", which has no server: status 503"));
		return;
	}
	sbuf_printf(out, " server%s", b->n_servers > 1 ? "s" : "");
	for (size_t i = 0; i < b->n_servers; i++)
		sbuf_printf(out, " %.*s", STR_ARG(b->servers[i]->name));
}

// The rule behind the outcome: one that answered, else the one that chose the backend.
static void
print_decider(const struct txn *t, bool replied, struct sbuf *out)
{
	sbuf_add(out, STR("\ndecided by: "));
	if (t->waiting_list != NULL)
		rule_print(t->waiting_rule, out);
	else if (replied && t->last_rule != NULL)
		rule_print(t->last_rule, out);
	else if (t->backend != NULL && t->switched != NULL)
		switch_rule_print(t->switched, out);
	else if (t->backend != NULL && t->backend == t->frontend->default_backend)
		sbuf_printf(out, "default_backend %.*s", STR_ARG(t->backend->name));
	else
		sbuf_add(out, STR("no rule"));
	sbuf_add_byte(out, '\n');
}

// The response as the rules on it left it.
static void
print_response(const struct txn *t, struct sbuf *out)
{
	const struct http_head *h = &t->res;
	sbuf_printf(out, "response: status %u\n", h->status);
	for (uint16_t i = 0; i < h->n_fields; i++) {
		const struct http_field *f = &h->field[i];
		if (f->flags & HTTP_FIELD_DROP)
			continue;
		sbuf_printf(out, "    %.*s: ", (int)f->name_n, f->name);
		sbuf_add_json(out, http_field_value(f));
		sbuf_add_byte(out, '\n');
	}
}

static void
take_text(struct txn *t, struct sbuf *out)
{
	sbuf_add(out, sbuf_str(t->explain));
	if (t->explain->full)
		sbuf_add(out, STR("  (more than is kept)\n"));
}

static bool
replies(const struct txn *t)
{
	return t->step == &step_reply || t->step == &step_tarpit;
}

static void
print_outcome(struct txn *t, enum step_verdict v, struct offline *o)
{
	bool replied = replies(t), served = t->step == &step_tcp_service;
	take_text(t, &o->out);
	if (v == STEP_WAIT)
		sbuf_printf(&o->out, "outcome: step %s waits, which nothing ends offline",
			    t->step->name);
	else if (v == STEP_DONE)
		sbuf_add(&o->out, STR("outcome: the connection is closed without an answer"));
	else if (served)
		sbuf_add(&o->out, STR("outcome: a service of a script has the connection"));
	else if (replied)
		print_reply(t, &o->out);
	else if (t->ctx.res != NULL)
		sbuf_printf(&o->out, "outcome: status %u backend %.*s", t->res.status,
			    STR_ARG(t->backend->name));
	else
		print_servers(t, &o->out);
	print_decider(t, replied || served || v != STEP_MORE, &o->out);
	if (o->status != 0 && v == STEP_MORE && t->ctx.res != NULL)
		print_response(t, &o->out);
}

// --- judging -------------------------------------------------------------------------------------

static struct txn *
new_txn(struct client *c, struct err *err)
{
	struct txn *t = txn_new(c);
	if (t != NULL && t->explain != NULL) {
		t->explain->cap = TEXT_CAP_BYTES;
		t->seen = SEEN_CLIENT_EOF;
		return t;
	}
	if (t != NULL)
		txn_forget(t);
	err_set(err, "no memory for a transaction");
	return NULL;
}

// As tcp_enter has it: what these rules see is gone before the request.
static bool
judge_connection(struct offline *o, struct client *c)
{
	struct txn *t = new_txn(c, &o->err);
	if (t == NULL)
		return false;
	bool admitted = tcp_admits_connection(c, t) && tcp_admits_session(c, t);
	take_text(t, &o->out);
	if (!admitted) {
		sbuf_add(&o->out, STR("outcome: the connection is refused"));
		print_decider(t, true, &o->out);
		o->judged = true;
	}
	txn_forget(t);
	return admitted;
}

static enum step_verdict
run_steps(struct txn *t)
{
	enum step_verdict v = STEP_MORE;
	while (v == STEP_MORE && t->step != &step_prepare && t->step != &step_connect &&
	       t->step != &step_send_response && t->step != &step_tcp_service && !replies(t))
		v = t->step->run(t);
	return v;
}

// The server's response, as if its head had just been read.
static enum step_verdict
judge_response(struct offline *o, struct txn *t)
{
	uint16_t max = t->req.max_fields;
	http_head_init_response(&t->res, t->fields + max, max, o->status);
	t->res.method = t->req.method;
	for (size_t i = 0; i < o->n_fields; i++)
		if (http_head_add(&t->res, &t->arena, o->fields[i].name, o->fields[i].value) !=
		    HTTP_EDIT_OK)
			sbuf_printf(t->explain, "  (--response-header %.*s is no header field)\n",
				    STR_ARG(o->fields[i].name));
	t->server_status = t->res.status;
	t->times.response_ns = loop_now_ns(t->worker->loop);
	t->ctx.res = &t->res;
	t->ctx.memo_known = 0;
	t->step = &step_response_rules;
	return run_steps(t);
}

static bool
is_request(const struct txn *t, struct err *err)
{
	if (t->http_reason != 0) {
		const struct http_reason *why = http_reason(t->http_reason);
		return err_set(err, "the request is refused with status %u, %s: %s", why->status,
			       why->name, why->text);
	}
	if (t->times.head_ns == 0)
		return err_set(err, "the request is not complete: no empty line ends its head");
	return true;
}

static void
judge_request(struct offline *o, struct client *c)
{
	struct txn *t = new_txn(c, &o->err);
	if (t == NULL)
		return;
	if (o->frontend->mode == PROXY_TCP)
		tcp_begin(t);
	enum step_verdict v = run_steps(t);
	o->judged = t->flags & TXN_TCP || is_request(t, &o->err);
	bool served = t->step == &step_prepare && t->backend->backend != NULL &&
		      t->backend->backend->n_servers > 0;
	if (o->judged && o->status != 0 && served && v == STEP_MORE)
		v = judge_response(o, t);
	if (o->judged && replies(t) && !txn_judge_reply(t))
		v = txn_cut(t, "PR");
	if (o->judged)
		print_outcome(t, v, o);
	txn_forget(t);
}

static bool
give_bytes(struct offline *o, struct conn *c)
{
	c->in = rbuf_new(loop_rbufs(c->loop));
	if (c->in == NULL)
		return err_set(&o->err, "no memory for the request");
	if (o->request.n > c->in->cap)
		return err_set(&o->err, "the request has more than the %u bytes of tune.bufsize",
			       c->in->cap);
	memcpy(c->in->data, o->request.p, o->request.n);
	c->in_end = (uint32_t)o->request.n;
	return true;
}

void
offline_judge(struct offline *o, struct proxy_worker *w)
{
	const struct proxy *p = o->frontend;
	struct client *c = pool_get(&w->clients);
	w->explain_every = 1;
	if (c == NULL) {
		err_set(&o->err, "no memory for a client");
		return;
	}
	*c = (struct client){.worker = w,
			     .bind = p->binds,
			     .listener = metrics_of(&p->binds->stats, w->id),
			     .src = o->src};
	conn_init(&c->conn, w->loop, NULL);
	client_sample_addr(&p->binds->addr, &c->dst);
	c->accept_ns = loop_now_ns(w->loop);
	bool rules = p->tcp_connection.first != NULL || p->tcp_session.first != NULL;
	if (give_bytes(o, &c->conn) && (!rules || judge_connection(o, c)))
		judge_request(o, c);
	conn_drop_rbuf(&c->conn);
	loop_timer_stop(w->loop, &c->conn.timer);
	session_end(c);
	pool_put(&w->clients, c);
	loop_stop(w->loop); // nothing is served: neither do tasks of scripts begin
}

bool
offline_run(struct proxy_set *set, struct offline *o, struct err *err)
{
	set->offline = o;
	set->n_workers = 1;
	set->global.io_engine = STR("epoll"); // no bytes move
	set->started_real_ns = clock_real_ns();
	set->started_mono_ns = clock_mono_ns();
	if (set->policies != NULL && !policy_engine_start(set->policies, 1, err))
		return false;
	if (!proxy_start(set, err))
		return false;
	proxy_stop(set);
	if (!o->judged)
		*err = o->err;
	return o->judged;
}
