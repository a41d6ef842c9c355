// SPDX-License-Identifier: MIT
// The life of a transaction: made for the first bytes of a request, run step by step, ended once.
// Connections tell what happened through txn_client_event and txn_server_event, which only note
// it (t->seen); the step under way decides. A transaction that ended while the kernel still sends
// its bytes stays until both connections have let go.
#include "proxy/txn.h"

#include <string.h>

#include "proxy/accesslog.h"
#include "proxy/action_lua.h"
#include "proxy/conns.h"
#include "proxy/explain.h"
#include "proxy/host.h"
#include "proxy/count.h"
#include "proxy/metrics_page.h"
#include "proxy/stick.h"

#define TXN_MAGIC 0x7c5a0001

static void
init_context(struct txn *t)
{
	struct proxy_worker *w = t->worker;
	uint64_t now = loop_now_ns(w->loop);
	t->ctx = (struct sample_ctx){
	    .req = &t->req,
	    .src = &t->client->src,
	    .dst = &t->client->dst,
	    .arena = &t->arena,
	    .now_mono_ns = now,
	    .now_boot_ns = loop_boot_ns(w->loop),
	    .now_real_ns = loop_real_ns(w->loop),
	    .rand_state = t->id * UINT64_C(0x9e3779b97f4a7c15) + now,
	    .shm = w->set->vars,
	    .memo = w->set->acl_memo,
	    .vars[VAR_SESS] = t->client->session != NULL ? &t->client->session->vars : NULL,
	    .vars[VAR_TXN] = &t->vars_txn,
	    .vars[VAR_REQ] = &t->vars_req,
	    .vars[VAR_RES] = &t->vars_res,
	    .host = &proxy_sample_host,
	    .host_data = t,
	};
	var_scope_init(&t->vars_txn, &t->arena);
	var_scope_init(&t->vars_req, &t->arena);
	var_scope_init(&t->vars_res, &t->arena);
}

struct txn *
txn_new(struct client *c)
{
	struct proxy_worker *w = c->worker;
	bool fresh = w->txns.free == NULL;
	struct txn *t = pool_get(&w->txns);
	if (t == NULL)
		return NULL;
	memset(t, 0, offsetof(struct txn, arena));
	if (fresh)
		arena_init(&t->arena, TXN_ARENA_BYTES);
	t->arena.cap_bytes = TXN_ARENA_BYTES;
	t->magic = TXN_MAGIC;
	t->id = ((uint64_t)(w->id + 1) << 48) | ++w->next_txn;
	t->worker = w;
	t->client = c;
	c->txn = t;
	t->listener = c->listener;
	t->frontend = c->bind->frontend;
	t->flags = c->n_requests > 0 ? TXN_NOT_FIRST : 0;
	t->term_state[0] = t->term_state[1] = '-';
	t->client_codec = t->server_codec = &http_codec_h1;
	uint16_t max = (uint16_t)w->set->global.max_headers;
	http_head_init(&t->req, t->fields, max);
	http_head_init(&t->res, t->fields + max, max);
	t->client_codec->begin(&t->req_in);
	t->req_out.head.flags = t->res_out.head.flags = 0;
	t->req_out.head.extra = t->res_out.head.extra = STR_NULL;
	init_context(t);
	t->times.accept_ns = c->accept_ns;
	t->times.idle_ns = t->ctx.now_mono_ns;
	t->step = &step_read_head;
	if (UNLIKELY(w->explain_every != 0))
		explain_begin(t);
	list_append(&w->all_txns, &t->in_worker);
	w->n_txns++;
	return t;
}

static void
free_when_alone(struct txn *t)
{
	if (t->client != NULL || t->server_conn != NULL)
		return;
	struct proxy_worker *w = t->worker;
	rbuf_unref(&t->req_buf);
	rbuf_unref(&t->res_buf);
	rbuf_unref(&t->in_flight);
	rbuf_unref(&t->kept_buf);
	rbuf_unref(&t->up.held);
	rbuf_unref(&t->down.held);
	if (UNLIKELY(t->page != NULL))
		metrics_page_leave(t);
	lua_call_free(t);
	t->magic = 0;
	if (w->txns.n_free < w->txns.keep)
		arena_reset(&t->arena);
	else
		arena_fini(&t->arena);
	pool_put(&w->txns, t);
}

void
txn_forget(struct txn *t)
{
	list_remove(&t->in_worker);
	t->worker->n_txns--;
	proxy_host_unpin(t);
	stick_txn_end(t);
	if (t->explain != NULL)
		explain_end(t);
	t->client->txn = NULL;
	t->client = NULL;
	free_when_alone(t);
}

void
txn_pool_fini(struct pool *p)
{
	p->keep = 0;
	while (p->free != NULL) {
		struct txn *t = pool_get(p);
		arena_fini(&t->arena);
		pool_put(p, t);
	}
	pool_fini(p);
}

// Counts and logs, once; then each connection goes its way.
static void
txn_end(struct txn *t)
{
	ASSERT(!(t->flags & TXN_ENDED));
	struct proxy_worker *w = t->worker;
	t->flags |= TXN_ENDED;
	t->times.end_ns = loop_now_ns(w->loop);
	if (UNLIKELY(t->up.sending > 0) && t->client != NULL) {
		// Answered before its server had taken all of it: read it is nevertheless.
		if (t->in_flight == NULL)
			t->in_flight = rbuf_ref(t->up.held);
		flow_settle(&t->up);
	}
	t->bytes_out += t->down.bytes;
	t->bytes_in += t->up.bytes;
	count_end(t);
	if (UNLIKELY(w->set->tables != NULL))
		stick_count_bytes(t);
	if (t->frontend->logfmt != NULL)
		accesslog_write(t);
	stick_txn_end(t);
	if (UNLIKELY(t->explain != NULL))
		explain_end(t);
	proxy_host_unpin(t);
	list_remove(&t->in_worker);
	w->n_txns--;
	txn_leave_queue(t);
	if (t->server_conn != NULL)
		txn_release_server(t, false);
	txn_give_place(t);
	struct client *c = t->client;
	if (c != NULL && !(t->flags & TXN_CLIENT_CLOSE)) {
		t->client = NULL;
		c->txn = NULL;
		free_when_alone(t);
		client_next(c);
		return;
	}
	// Closing on unread bytes resets the connection, and the answer may be lost (RFC 9112 9.6).
	// A client that did not ask for the end may be pipelining: its bytes need not be here yet.
	bool linger = t->flags & TXN_CLIENT_LINGER ||
		      (c != NULL && !(t->flags & TXN_CUT) &&
		       (conn_unread(&c->conn) > 0 || t->req.flags & HTTP_HEAD_KEEP_ALIVE));
	bool reset = (t->flags & TXN_RESET_CLIENT) != 0;
	if (c != NULL && !conn_sending(&c->conn)) {
		t->client = NULL;
		c->txn = NULL;
	}
	free_when_alone(t);
	if (c == NULL)
		return;
	if (reset)
		conn_abort(&c->conn);
	else
		client_end(c, linger);
}

void
txn_run(struct txn *t)
{
	CHECK_MAGIC(t, TXN_MAGIC);
	enum step_verdict v;
	thread_context.txn_id = t->id;
	do {
		thread_context.step = t->step->name;
		v = t->step->run(t);
	} while (v == STEP_MORE);
	if (v == STEP_DONE)
		txn_end(t);
	thread_context.txn_id = 0;
	thread_context.step = NULL;
}

void
txn_abort(struct txn *t, char why)
{
	CHECK_MAGIC(t, TXN_MAGIC);
	bool in_data = t->flags & TXN_RESPONSE_SENT;
	const char term[] = {why, in_data                      ? 'D'
				  : t->times.connected_ns != 0 ? 'H'
				  : t->times.queue_ns != 0     ? 'C'
				  : t->times.head_ns == 0      ? 'R'
							       : '-'};
	(void)txn_cut(t, term); // its verdict is for steps
	txn_end(t);
}

void
txn_client_event(struct txn *t, enum conn_event ev, const struct reason *why)
{
	CHECK_MAGIC(t, TXN_MAGIC);
	switch (ev) {
	case CONN_RECV:
	case CONN_SENT:
		break;
	case CONN_EOF:
		t->seen |= SEEN_CLIENT_EOF;
		t->up.eof = true;
		break;
	case CONN_TIMEOUT:
		t->seen |= SEEN_CLIENT_TIMEOUT;
		t->reason = why;
		break;
	case CONN_ERROR:
	case CONN_SEND_FAILED:
		t->seen |= SEEN_CLIENT_FAILED;
		t->reason = why;
		break;
	case CONN_CONNECTED:
	case CONN_CLOSED:
		ASSERT(false && "an accepted connection neither connects nor is it closed here");
	}
	if (!(t->flags & TXN_ENDED))
		txn_run(t);
}

void
txn_server_event(struct txn *t, enum conn_event ev, const struct reason *why)
{
	static const uint32_t seen[] = {
	    [CONN_CONNECTED] = SEEN_SERVER_CONNECTED, [CONN_EOF] = SEEN_SERVER_EOF,
	    [CONN_ERROR] = SEEN_SERVER_FAILED,        [CONN_SEND_FAILED] = SEEN_SERVER_SEND_FAILED,
	    [CONN_TIMEOUT] = SEEN_SERVER_TIMEOUT,     [CONN_CLOSED] = 0,
	};
	CHECK_MAGIC(t, TXN_MAGIC);
	t->seen |= seen[ev];
	if (why != NULL)
		t->reason = why;
	if (ev == CONN_EOF || ev == CONN_ERROR)
		t->down.eof = true;
	if (ev == CONN_ERROR)
		t->down.failed = true;
	if (!(t->flags & TXN_ENDED))
		txn_run(t);
}

void
txn_client_closed(struct txn *t)
{
	t->client = NULL;
	t->ctx.vars[VAR_SESS] = NULL;
	free_when_alone(t);
}

void
txn_server_closed(struct txn *t)
{
	t->server_conn = NULL;
	if (t->flags & TXN_ENDED)
		free_when_alone(t);
}

void
txn_server_local(const struct txn *t, struct sample_addr *out)
{
	struct addr a;
	conn_local(&t->server_conn->conn, &a);
	client_sample_addr(&a, out);
}

// For the log line, which comes later.
static void
keep_server_local(struct txn *t)
{
	if (t->server_local == NULL)
		t->server_local = ARENA_NEW(&t->arena, struct sample_addr);
	if (t->server_local != NULL)
		txn_server_local(t, t->server_local);
}

void
txn_release_server(struct txn *t, bool reuse)
{
	struct server_conn *sc = t->server_conn;
	if (sc == NULL || conn_closing(&sc->conn)) // closing: let go of before
		return;
	count_server_give(t);
	txn_give_place(t);
	if (UNLIKELY(t->frontend->logs_server_end))
		keep_server_local(t);
	// While the kernel still sends our bytes the connection keeps us alive until CONN_CLOSED.
	if (!conn_sending(&sc->conn)) {
		t->server_conn = NULL;
		sc->txn = NULL;
	} else if (t->up.held != NULL) {
		t->in_flight = rbuf_ref(t->up.held);
	}
	server_conn_release(sc, reuse);
}

bool
txn_discard_request_body(struct txn *t)
{
	struct flow *f = &t->up;
	struct iovec iov;
	enum flow_result result;
	if (t->req.framing == HTTP_BODY_NONE ||
	    (t->req.framing == HTTP_BODY_LENGTH && t->req.content_length == 0))
		return true;
	if (t->client == NULL)
		return false;
	if (f->from == NULL) {
		t->client_codec->begin_body(&t->req_in, &t->req, false);
		flow_init(f, &t->client->conn, NULL, &t->req_in, false);
	}
	flow_settle(f); // also a piece whose send never came to its end
	while (flow_take(f, &iov, &result))
		flow_settle(f);
	return f->ended;
}

void
txn_count_bad_body(struct txn *t)
{
	uint64_t offset;
	enum http_reason_id why = t->client_codec->reason(&t->req_in, &offset);
	t->http_reason = (uint8_t)why;
	count_bad_request(t, why, offset);
}
