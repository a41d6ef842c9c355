// SPDX-License-Identifier: MIT
// The steps between a routed request and its response head: choose a server, take or make a
// connection, send, wait. What may be tried again is tried again here and nowhere else.
#include "proxy/bad_message.h"
#include "proxy/conns.h"
#include "proxy/count.h"
#include "proxy/proxy.h"
#include "proxy/tcp.h"
#include "proxy/observe.h"
#include "proxy/retry.h"
#include "proxy/server_header.h"
#include "proxy/stick.h"
#include "proxy/txn.h"

static void
server_deadline(struct txn *t, uint64_t timeout_ns)
{
	uint64_t now = loop_now_ns(t->worker->loop);
	conn_deadline(&t->server_conn->conn, timeout_ns != 0 ? now + timeout_ns : 0);
}

static uint64_t
response_timeout(const struct txn *t)
{
	return TXN_TIMEOUT(t, t->backend, server_ns);
}

// Only who is waited for is timed: the client while its body is awaited, else the server.
static void
arm_deadlines(struct txn *t)
{
	struct conn *c = &t->client->conn;
	if (t->up.state == FLOW_ON && conn_receiving(c)) {
		uint64_t limit = TXN_TIMEOUT(t, t->frontend, client_ns);
		conn_deadline(c, limit != 0 ? loop_now_ns(t->worker->loop) + limit : 0);
		conn_deadline(&t->server_conn->conn, 0);
		return;
	}
	conn_deadline(c, 0);
	server_deadline(t, response_timeout(t));
}

// --- connect -----------------------------------------------------------------------------------

// Whether it may be sent again though a server may have begun to act on it.
static bool
may_repeat(const struct txn *t)
{
	return (t->flags & (TXN_REPLAYABLE | TXN_ONCE)) == TXN_REPLAYABLE;
}

// Whether this request may travel on a connection that served others before (http-reuse). `safe`
// keeps a connection's first request off used ones unless we can replay it ourselves.
static bool
may_reuse(const struct txn *t)
{
	switch (t->backend->backend->reuse) {
	case BACKEND_REUSE_NEVER:
		return false;
	case BACKEND_REUSE_SAFE:
		return t->flags & (TXN_NOT_FIRST | TXN_REPLAYABLE);
	case BACKEND_REUSE_AGGRESSIVE:
	case BACKEND_REUSE_ALWAYS:
		break;
	}
	return true;
}

// The connection outlives the transaction or is outlived by it; where it goes to is logged.
static void
attach(struct txn *t, struct server_conn *sc)
{
	t->server_conn = sc;
	t->server_peer = sc->peer;
}

// On a pooled connection, or on a new one.
static enum step_verdict
connect_to(struct txn *t, struct server *s)
{
	t->server = s;
	t->times.queue_ns = loop_now_ns(t->worker->loop);
	bool ask = !may_repeat(t);
	struct server_conn *sc = NULL;
	if (may_reuse(t))
		sc = LIKELY(s->proxy_version == 0) ? server_conn_from_pool(t->worker, s, ask)
						   : server_header_from_pool(t, s, ask);
	if (sc != NULL) {
		t->flags |= TXN_REUSED;
		attach(t, sc);
		sc->txn = t;
		count_server_take(t, true);
		return txn_go(t, &step_send_head);
	}
	t->flags &= ~(uint32_t)TXN_REUSED;
	sc = server_conn_new(t->worker, s, t);
	if (sc == NULL)
		return txn_fail(t, 503, "RC");
	attach(t, sc);
	count_server_take(t, false);
	server_deadline(t, TXN_TIMEOUT(t, t->backend, connect_ns));
	return txn_go(t, &step_connecting);
}

static enum step_verdict enqueue(struct txn *t, struct server *wanted);

// Persistence holds to a server that is down, too: by a rule or an option, or since nobody said
// that it may go elsewhere.
static bool
is_faithful(const struct txn *t)
{
	const unsigned both = PROXY_OPT_REDISPATCH | PROXY_OPT_PERSIST;
	return (t->backend->options & both) != PROXY_OPT_REDISPATCH || t->flags & TXN_FORCE_PERSIST;
}

static void
note_other_server(struct txn *t)
{
	t->flags |= TXN_REDISPATCHED;
	cookie_server_changed(t);
}

static enum step_verdict
run_connect(struct txn *t)
{
	struct backend_worker *bw = &t->worker->backends[t->backend->backend->index];
	struct backend_ask *ask = &t->waiter.ask;
	struct backend_place place;
	ask->avoid = t->seen & SEEN_SERVER_FAILED ? t->server : NULL;
	ask->has_hash = bw->backend->balance.row->key != NULL &&
			balance_hash_of(&bw->backend->balance, &t->ctx, &ask->hash);
	ask->wanted = t->wanted;
	ask->faithful = t->wanted != NULL && is_faithful(t);
	t->seen &= ~(uint32_t)SEEN_SERVER_FAILED;
	if (UNLIKELY(!backend_take(bw, ask, &place)))
		return enqueue(t, place.server);
	if (place.server == NULL)
		return txn_fail(t, 503, "SC");
	if (place.counted)
		t->flags |= TXN_PLACED;
	if ((ask->avoid != NULL && place.server != ask->avoid) ||
	    UNLIKELY(t->wanted != NULL && place.server != t->wanted))
		note_other_server(t);
	return connect_to(t, place.server);
}

const struct txn_step step_connect = {"connect", run_connect};

// Once more after a failure, on another server or the same; the one before is let go of.
static enum step_verdict
try_again(struct txn *t)
{
	count_retry(t);
	t->retries++;
	if (LIKELY(t->wanted == NULL) || cookie_gives_up_server(t))
		t->seen |= SEEN_SERVER_FAILED; // prefer another server
	else
		t->seen &= ~(uint32_t)SEEN_SERVER_FAILED;
	return txn_go(t, &step_connect);
}

// Refused, unreachable or too slow: `retries` times, unless retry-on says otherwise.
static enum step_verdict
connect_failed(struct txn *t)
{
	bool timeout = t->seen & SEEN_SERVER_TIMEOUT;
	// Until a header under way is back its connection holds on to us: no other has a place.
	bool sending = conn_sending(&t->server_conn->conn);
	t->seen &= ~(uint32_t)(SEEN_SERVER_TIMEOUT | SEEN_SERVER_SEND_FAILED);
	count_connect_failure(t);
	txn_observed(t, OBSERVE_NO_CONNECTION);
	txn_release_server(t, false);
	if (sending || !retry_may(t, RETRY_CONNECTING))
		return txn_fail(t, 503, timeout ? "sC" : "SC");
	return try_again(t);
}

bool
txn_connect_goes_on(struct txn *t, enum step_verdict *verdict)
{
	if (t->seen & SEEN_CLIENT_FAILED)
		*verdict = txn_cut(t, "CC");
	else if (txn_client_gave_up(t))
		*verdict = txn_fail(t, 400, "CC");
	else if (t->seen & (SEEN_SERVER_FAILED | SEEN_SERVER_SEND_FAILED | SEEN_SERVER_TIMEOUT))
		*verdict = connect_failed(t);
	else
		return true;
	return false;
}

static enum step_verdict
run_connecting(struct txn *t)
{
	enum step_verdict verdict;
	if (!txn_connect_goes_on(t, &verdict))
		return verdict;
	if (!(t->seen & SEEN_SERVER_CONNECTED))
		return STEP_WAIT;
	txn_observed(t, OBSERVE_CONNECTED);
	t->seen &= ~(uint32_t)SEEN_SERVER_CONNECTED;
	t->reason = NULL;
	if (UNLIKELY(t->server->proxy_version != 0))
		return txn_go(t, &step_send_header);
	return txn_go(t, UNLIKELY(t->flags & TXN_TCP) ? &step_tcp_begin : &step_send_head);
}

const struct txn_step step_connecting = {"connecting", run_connecting};

// --- queue -------------------------------------------------------------------------------------

static void queue_ready(struct backend_waiter *waiter);

// As many as its maxqueue wait for the very one already. Of persistence any other will do, if that
// may be; a hash would choose the same.
static enum step_verdict
queue_is_full(struct txn *t, struct server *s)
{
	bool may = t->backend->options & PROXY_OPT_REDISPATCH && !(t->flags & TXN_FORCE_PERSIST);
	if (s == t->wanted && may) {
		note_other_server(t);
		return txn_go(t, &step_connect);
	}
	t->server = s;
	count_connect_failure(t);
	return txn_fail(t, 503, "SQ");
}

// Every server, or the one wanted, is at its maxconn: wait for one, `timeout queue` at most.

static enum step_verdict
enqueue(struct txn *t, struct server *wanted)
{
	if (UNLIKELY(wanted != NULL) && server_queue_is_full(wanted))
		return queue_is_full(t, wanted);
	uint64_t limit = TXN_TIMEOUT(t, t->backend, queue_ns);
	if (limit == 0)
		limit = TXN_TIMEOUT(t, t->backend, connect_ns);
	t->flags |= TXN_QUEUED;
	t->waiter.ready = queue_ready;
	t->waiter.ask.avoid = NULL; // it may have recovered by then
	t->waiter.class = t->prio_class;
	t->waiter.offset_ms = t->prio_offset_ms;
	t->queued_before = backend_wait(&t->worker->backends[t->backend->backend->index],
					&t->waiter, wanted, loop_now_ns(t->worker->loop));
	count_queued(t, 1);
	conn_deadline(&t->client->conn, limit != 0 ? loop_now_ns(t->worker->loop) + limit : 0);
	if (t->up.ended || t->req.framing == HTTP_BODY_NONE)
		txn_watch_client(t);
	return txn_go(t, &step_queue);
}

// It is this one's turn, and the place is taken.
static void
queue_ready(struct backend_waiter *waiter)
{
	struct txn *t = CONTAINER_OF(waiter, struct txn, waiter);
	t->flags &= ~(uint32_t)TXN_QUEUED;
	count_queued(t, -1);
	t->server = waiter->place.server;
	if (UNLIKELY(t->wanted != NULL) && t->server != t->wanted)
		note_other_server(t); // it went down meanwhile
	if (waiter->place.counted)
		t->flags |= TXN_PLACED;
	txn_run(t);
}

void
txn_leave_queue(struct txn *t)
{
	if (LIKELY(!(t->flags & TXN_QUEUED)))
		return;
	t->flags &= ~(uint32_t)TXN_QUEUED;
	count_queued(t, -1);
	backend_wait_end(&t->worker->backends[t->backend->backend->index], &t->waiter);
}

void
txn_give_place(struct txn *t)
{
	if (LIKELY(!(t->flags & TXN_PLACED)))
		return;
	t->flags &= ~(uint32_t)TXN_PLACED;
	backend_give(t->server);
}

static enum step_verdict
run_queue(struct txn *t)
{
	if (t->seen & SEEN_CLIENT_FAILED)
		return txn_cut(t, "CQ");
	if (txn_client_gave_up(t)) {
		txn_leave_queue(t);
		return txn_fail(t, 400, "CQ");
	}
	if (t->flags & TXN_QUEUED && !(t->seen & SEEN_CLIENT_TIMEOUT))
		return STEP_WAIT;
	t->seen &= ~(uint32_t)SEEN_CLIENT_TIMEOUT; // of the queue, not of the client
	t->reason = NULL;
	conn_deadline(&t->client->conn, 0);
	if (!(t->flags & TXN_QUEUED))
		return connect_to(t, t->server);
	txn_leave_queue(t);
	return txn_fail(t, 503, "sQ");
}

const struct txn_step step_queue = {"queue", run_queue};

// --- send-head ---------------------------------------------------------------------------------

// The head's iovec with one entry to spare for the body's first piece.
static struct iovec *
write_head(struct txn *t, size_t *n)
{
	struct iovec *iov = t->iov;
	*n = t->server_codec->write_request(&t->req_out, &t->req, iov, TXN_IOV - 1);
	if (LIKELY(*n > 0))
		return iov;
	size_t max = H1_WRITE_IOV(t->req.n_fields);
	iov = arena_alloc(&t->arena, (max + 1) * sizeof(*iov), alignof(struct iovec));
	if (iov == NULL || max + 1 > CONN_MAX_IOV)
		return NULL;
	*n = t->server_codec->write_request(&t->req_out, &t->req, iov, max);
	return *n > 0 ? iov : NULL;
}

static enum step_verdict
run_send_head(struct txn *t)
{
	struct conn *s = &t->server_conn->conn;
	size_t n;
	struct iovec *iov = write_head(t, &n);
	if (iov == NULL)
		return txn_fail(t, 431, "PR");
	enum flow_result result = FLOW_WAITS;
	t->up.to = s;
	if (t->up.sending > 0) // of an attempt that came to nothing
		iov[n++] = (struct iovec){(void *)(uintptr_t)conn_data(t->up.from), t->up.sending};
	else if (UNLIKELY(t->kept_body.n > 0))
		iov[n++] = (struct iovec){(void *)(uintptr_t)t->kept_body.p, t->kept_body.n};
	else if (!t->up.ended)
		flow_take_behind(&t->up, iov, &n, &result);
	if (result == FLOW_BAD) {
		txn_count_bad_body(t);
		return txn_fail(t, 400, "PR");
	}
	if (UNLIKELY(t->backend->retry_on & ~(unsigned)RETRY_CONNECTING))
		retry_keep(t);
	t->times.connected_ns = loop_now_ns(t->worker->loop);
	http_head_init(&t->res, t->fields + t->req.max_fields, t->req.max_fields);
	t->server_codec->begin(&t->res_in);
	t->head_iov = iov;
	conn_send(s, iov, (unsigned)n, 0);
	if (!conn_receiving(s)) // a rested one listens already
		conn_recv(s);
	arm_deadlines(t);
	return txn_go(t, &step_await_response);
}

const struct txn_step step_send_head = {"send-head", run_send_head};

// --- await-response ----------------------------------------------------------------------------

// It gave no valid answer in time.
static enum step_verdict
server_failed(struct txn *t, unsigned status, const char *term)
{
	if (UNLIKELY(t->worker->set->tables != NULL))
		stick_count_failed(t);
	return txn_fail(t, status, term);
}

// What the connection told was of an attempt that is over.
static void
forget_attempt(struct txn *t)
{
	t->seen &= ~(uint32_t)(SEEN_SERVER_EOF | SEEN_SERVER_FAILED | SEEN_SERVER_SEND_FAILED |
			       SEEN_SERVER_TIMEOUT);
	t->down.eof = t->down.failed = false;
	t->reason = NULL;
	t->flags &= ~(uint32_t)TXN_REUSED;
}

static bool
may_send_again(const struct txn *t, unsigned why)
{
	return retry_may_sent(t, why) && !conn_sending(&t->server_conn->conn);
}

static enum step_verdict
send_again(struct txn *t)
{
	txn_release_server(t, false);
	forget_attempt(t);
	t->http_reason = HTTP_REASON_NONE;
	return try_again(t);
}

// The server closed before any byte of its answer. On a used connection that is the race between
// its idle timeout and our request, so a request that may be repeated is sent again; any other one
// only when not a byte of it was taken.
static enum step_verdict
no_response(struct txn *t)
{
	struct conn *s = &t->server_conn->conn;
	bool untouched = t->seen & SEEN_SERVER_SEND_FAILED && conn_sent_nothing_of(s, t->head_iov);
	bool again = t->flags & TXN_REUSED && (may_repeat(t) || untouched) && conn_unread(s) == 0;
	bool retry = !again && retry_may_sent(t, RETRY_EMPTY);
	if ((again || retry) && conn_sending(s))
		return STEP_WAIT; // for the send to come back: it ends one way or the other
	if (!again) {
		count_response_error(t);
		txn_observed(t, t->seen & SEEN_SERVER_EOF ? OBSERVE_CLOSED : OBSERVE_READ_ERROR);
		return retry ? send_again(t) : server_failed(t, 502, "SH");
	}
	uint32_t place = t->flags & TXN_PLACED; // stays ours: the same server is asked again
	t->flags &= ~(uint32_t)TXN_PLACED;
	txn_release_server(t, false);
	t->flags |= place;
	forget_attempt(t);
	struct server_conn *sc = server_conn_new(t->worker, t->server, t);
	if (sc == NULL)
		return txn_fail(t, 503, "RC");
	attach(t, sc);
	count_server_take(t, false);
	server_deadline(t, TXN_TIMEOUT(t, t->backend, connect_ns));
	return txn_go(t, &step_connecting);
}

static enum step_verdict
refuse_response(struct txn *t)
{
	uint64_t offset;
	enum http_reason_id why = t->server_codec->reason(&t->res_in, &offset);
	t->http_reason = (uint8_t)why;
	count_bad_response(t, why, offset);
	txn_observed(t, OBSERVE_BAD_HEAD);
	bad_message_keep(t, true, why, offset);
	return may_send_again(t, RETRY_JUNK) ? send_again(t) : server_failed(t, 502, "PH");
}

static enum step_verdict
await_more_response(struct txn *t)
{
	struct conn *s = &t->server_conn->conn;
	if (t->seen & SEEN_SERVER_TIMEOUT) {
		txn_observed(t, OBSERVE_TIMEOUT);
		return may_send_again(t, RETRY_TIMEOUT) ? send_again(t)
							: server_failed(t, 504, "sH");
	}
	if (t->seen & (SEEN_SERVER_EOF | SEEN_SERVER_FAILED))
		return no_response(t);
	if (conn_receiving(s))
		return STEP_WAIT;
	if (conn_unread(s) == 0) {
		conn_drop_rbuf(s);
	} else if (conn_room(s) == 0) {
		const char *from = conn_data(s);
		size_t n = conn_unread(s);
		if (!conn_new_rbuf(s)) {
			enum http_reason_id why = t->server_codec->too_big(&t->res_in, &t->res);
			count_bad_response(t, why, n);
			txn_observed(t, OBSERVE_BAD_HEAD);
			return may_send_again(t, RETRY_JUNK) ? send_again(t)
							     : server_failed(t, 502, "PH");
		}
		t->server_codec->moved(&t->res_in, &t->res, from, n, conn_data(s));
	}
	conn_recv(s);
	return STEP_WAIT;
}

// The request body goes on while the answer is awaited. False: *verdict says what to return.
static bool
pump_request(struct txn *t, enum step_verdict *verdict)
{
	struct flow *f = &t->up;
	if (f->state != FLOW_ON || t->seen & SEEN_SERVER_SEND_FAILED)
		return true; // a server that reads no more may still answer
	switch (flow_pump(f)) {
	case FLOW_FINISHED:
		txn_watch_client(t);
		arm_deadlines(t);
		return true;
	case FLOW_WAITS:
		arm_deadlines(t);
		return true;
	case FLOW_CUT:
		*verdict = txn_cut(t, "CD");
		return false;
	case FLOW_BAD:
		break;
	}
	txn_count_bad_body(t);
	*verdict = txn_fail(t, 400, "PD");
	return false;
}

static enum step_verdict
run_await_response(struct txn *t)
{
	enum step_verdict verdict;
	struct conn *s = &t->server_conn->conn;
	if (t->seen & SEEN_CLIENT_FAILED)
		return txn_cut(t, "CH");
	if (txn_client_gave_up(t))
		return txn_fail(t, 400, "CH");
	if (t->seen & SEEN_CLIENT_TIMEOUT)
		return txn_fail(t, 408, "cD");
	if (!pump_request(t, &verdict))
		return verdict;
	if (conn_unread(s) == 0)
		return await_more_response(t);
	enum codec_status st =
	    t->server_codec->read_response(&t->res_in, conn_data(s), conn_unread(s), &t->res,
					   t->req.method);
	if (st == CODEC_MORE)
		return await_more_response(t);
	if (st == CODEC_BAD)
		return refuse_response(t);
	if (UNLIKELY(t->res.status == 101) && !(t->req.flags & HTTP_HEAD_UPGRADE)) {
		// A tunnel nobody asked for would carry the client's next requests past the rules.
		count_bad_response(t, HTTP_REASON_STATUS, 0);
		t->http_reason = HTTP_REASON_STATUS;
		return txn_fail(t, 502, "PH");
	}
	if (UNLIKELY(t->flags & TXN_KEPT) && may_send_again(t, retry_on_status(t->res.status))) {
		txn_observed_status(t, t->res.status);
		return send_again(t);
	}
	rbuf_unref(&t->res_buf);
	t->res_buf = rbuf_ref(s->in);
	conn_consume(s, (uint32_t)t->server_codec->head_bytes(&t->res_in));
	t->times.response_ns = loop_now_ns(t->worker->loop);
	t->ctx.res = &t->res;
	t->server_status = t->res.status;
	txn_observed_status(t, t->res.status);
	if (UNLIKELY(t->worker->set->tables != NULL))
		stick_count_response(t);
	bool sticks = t->to_stick != NULL || t->backend->sticking_response != NULL;
	if (UNLIKELY(sticks) && (t->res.status >= 200 || t->res.status == 101))
		stick_store(t);
	if (UNLIKELY(t->frontend->response_captures.n > 0))
		capture_headers(t, true);
	return txn_go(t, &step_response_rules);
}

const struct txn_step step_await_response = {"await-response", run_await_response};
