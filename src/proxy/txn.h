// SPDX-License-Identifier: MIT
// A transaction: one request with its response, on one worker. A list of named steps (txn.c runs
// them; doc/steps has the diagram). Everything in it dies with the transaction: strings live in
// the receive buffers it holds or in its arena.
#pragma once

#include "base/arena.h"
#include "backend/backend.h"
#include "base/list.h"
#include "expr/fetch.h"
#include "expr/var.h"
#include "http/date.h"
#include "http/head.h"
#include "net/reason.h"
#include "proxy/flow.h"
#include "proxy/rule.h"

struct proxy_worker;
struct stick_note;
struct stick_refs;
struct switch_rule;

#define TXN_IOV          24
#define TXN_ARENA_BYTES  65536u
#define TXN_ANSWER_BYTES 4096u // more, for an error's answer

// What we answer ourselves: deny, return, redirect, error pages. Bytes live in the configuration
// or the transaction's arena.
struct reply {
	uint16_t status;
	struct str reason;                  // empty: the standard phrase
	struct str content_type;            // empty: none, or type_line
	const struct http_field *type_line; // the same, made once; or NULL
	struct str body;
	const struct reply_header {
		const struct reply_header *next;
		struct str name, value;
		const struct http_field *line; // the same, made once; or NULL
	} * headers;
	bool close;  // close the client connection behind it
	bool tarpit; // not before timeout tarpit
	bool denied; // by a rule that refuses, not one that answers: "PR", not "LR", in the log
};

struct txn_times {
	uint64_t accept_ns;    // the connection's
	uint64_t idle_ns;      // first byte of the request
	uint64_t head_ns;      // head complete
	uint64_t queue_ns;     // server assigned
	uint64_t connected_ns; // connection to the server ready
	uint64_t response_ns;  // response head complete
	uint64_t end_ns;
};

// What limits this transaction, unless a rule said otherwise: `field` of the proxy's time-outs.
#define TXN_TIMEOUT(t, proxy, field)                                                           \
	((t)->own_timeouts != NULL && (t)->own_timeouts->field != 0 ? (t)->own_timeouts->field \
								    : (proxy)->timeouts.field)

enum txn_flags {
	TXN_CLIENT_CLOSE = 1 << 0,  // the client connection ends with this transaction
	TXN_CLIENT_LINGER = 1 << 1, // and the client may still be sending: RFC 9112 9.6
	TXN_REUSED = 1 << 2,        // on a server connection that served before
	TXN_RESPONSE_SENT = 1 << 3, // response bytes went to the client: no other answer possible
	TXN_REPLAYABLE = 1 << 4,    // the request may be sent again: idempotent, without body
	TXN_TUNNEL = 1 << 5,
	TXN_TRACKED_REQUEST = 1 << 27, // counted for what is tracked
	TXN_ONCE = 1 << 16,            // disable-l7-retry
	TXN_RULE_CLOSES = 1 << 15,     // TXN_TCP: over once what the server sent is relayed
	TXN_NOT_FIRST = 1 << 6,        // not the connection's first request
	TXN_REPLIED = 1 << 7,          // answered by us, not by a server
	TXN_REDISPATCHED = 1 << 8,
	TXN_POLICY_DENIED = 1 << 9,  // a policy failed whose on-error is deny: 403 at the next rule
	TXN_ENDED = 1 << 10,         // logged and counted; waits for its connections to close
	TXN_CUT = 1 << 11,           // given up: nothing is left to protect
	TXN_LUA_KEEPS = 1 << 20,     // scripts keep private data of it
	TXN_KEPT = 1 << 19,          // retry-on may send it again: all of it is here
	TXN_FORCE_PERSIST = 1 << 17, // by a rule: down servers too, and no other
	TXN_IGNORE_PERSIST = 1 << 18, // by a rule: as if no cookie were there
	TXN_QUEUED = 1 << 13,         // in its backend's queue
	TXN_PLACED = 1 << 14,         // has a place at t->server to give back (maxconn)
	TXN_TCP = 1 << 23,            // relays bytes: no request, no response, no answer of ours
	TXN_INSPECTS = 1 << 25,       // TXN_TCP: the server's deadline is that of its inspection
	TXN_LOGGED = 1 << 26,         // its line is out (option logasap)
	TXN_JUDGED = 1 << 24,       // TXN_TCP: tcp-response rules have let the server's bytes pass
	TXN_PAUSED = 1 << 22,       // a rule waits by the client's deadline
	TXN_SERVICE = 1 << 21,      // a service answers: its answer is a response to the rules
	TXN_RESET_CLIENT = 1 << 12, // the end of the connection must not pass for a body's end
};

// What the connections told since the step last looked; a step clears what it acts on.
enum txn_seen {
	SEEN_CLIENT_EOF = 1 << 0,
	SEEN_CLIENT_FAILED = 1 << 1, // nothing can be exchanged with the client any more
	SEEN_CLIENT_TIMEOUT = 1 << 2,
	SEEN_SERVER_CONNECTED = 1 << 3,
	SEEN_SERVER_EOF = 1 << 4,
	SEEN_SERVER_FAILED = 1 << 5,
	SEEN_SERVER_SEND_FAILED = 1 << 6,
	SEEN_SERVER_TIMEOUT = 1 << 7,
};

#define TXN_LOG_SILENT (-1)

// A named step; returns what the loop in txn.c does next.
enum step_verdict { STEP_MORE, STEP_WAIT, STEP_DONE };
struct txn_step {
	const char *name;
	enum step_verdict (*run)(struct txn *t);
};

// Everything before `arena` is zeroed for each request; what follows is set by txn_new or by the
// step that uses it first, which halves what there is to zero.
struct txn {
	uint32_t magic;
	uint32_t flags; // enum txn_flags
	uint32_t seen;  // enum txn_seen
	uint64_t id;    // unique in this process
	const struct txn_step *step;
	struct proxy_worker *worker;
	struct client *client;
	struct server_conn *server_conn;        // NULL while none
	struct listener_counters *listener;     // the client's, which may leave before the end
	const struct proxy *frontend, *backend; // backend: NULL before routing
	struct server *server;
	struct server *wanted; // the one that persistence names, until it is given up; or NULL
	struct sample_addr server_peer;       // where the last attempt at it went
	const struct rule *last_rule;         // that decided
	const struct rule_list *waiting_list; // whose rule waits, or NULL
	const struct rule *waiting_rule;
	uint64_t inspect_end_ns;     // of the tcp-... content rules under way, or 0
	uint32_t judged_bytes;       // one more than those that they found too few; 0: none
	struct txn_cookies *cookies; // cookie.h; NULL until there is something to note
	struct metrics_page *page;   // metrics_page.h: awaited, or sent; or NULL
	struct lua_call *lua_call;   // the action or service under way (action_lua.c), or NULL
	const struct reason *reason; // why it ended early, or NULL
	char term_state[2];          // HAProxy's first two letters of the termination state
	uint8_t retries;
	uint32_t queued_before; // requests that waited when it began to
	int8_t log_level;       // set-log-level: 0: not set, 1 + the level, TXN_LOG_SILENT
	uint8_t http_reason;    // enum http_reason_id of a refused message
	uint8_t asked_method;   // enum http_method as the client sent it; rules may change req's
	uint16_t own_retries;   // of a rule, and one more; 0: the backend's
	int16_t prio_class;     // in its backend's queue (action_queue.h)
	int32_t prio_offset_ms;
	struct proxy_timeouts *own_timeouts; // of rules; NULL, or 0 in it: the proxies'
	uint64_t bytes_in, bytes_out;
	struct str *req_captures, *res_captures; // capture.h; NULL until something was kept
	struct str unique_id;                    // .p NULL until asked for
	struct sample_addr *server_local; // of the server connection let go of; NULL: not kept
	uint16_t server_status;           // as received; rules may change res.status
	struct rbuf *req_buf, *res_buf;   // hold the heads' bytes
	struct rbuf *kept_buf;            // with TXN_KEPT and a body: holds kept_body
	struct str kept_body;             // as it was received
	struct rbuf *in_flight; // body bytes that a closing server connection may still read
	const struct http_codec *client_codec, *server_codec;
	struct flow up, down;               // request body, response body
	struct sbuf *explain;               // what its rules saw (explain.h); NULL: nobody asks
	const struct switch_rule *switched; // with explain: the last use_backend that held
	struct reply reply;
	struct policy_view *policy_view;    // generations pinned by the first Lua call, or NULL
	struct verdict_record *verdicts;    // verdict.h: kept ones, or NULL
	struct verdict_record *verdict_now; // of the call under way, if it is kept
	struct stick_note *to_stick;        // keys for the server that answers (stick_rule.c)
	struct stick_refs *tracked;         // stick.h: by rules on this request, or NULL
	struct txn_times times;
	struct arena arena; // kept warm from one transaction to the next
	struct codec_in req_in, res_in;
	struct codec_out req_out, res_out;
	struct sample_ctx ctx; // what fetches see of this transaction
	struct var_scope vars_txn, vars_req, vars_res;
	struct http_head req, res;
	char date_line[HTTP_DATE_LINE_BYTES];        // of txn_add_date
	struct list in_worker;                       // for show sess
	struct backend_waiter waiter;                // with TXN_QUEUED
	const struct iovec *head_iov;                // the request head's: iov, or in the arena
	struct iovec iov[TXN_IOV], res_iov[TXN_IOV]; // heads on their way; both may be at once
	struct http_field fields[];                  // req's, then res's: max_headers each
};

// The backend that use_backend or default_backend names for it; NULL: none does. With ctx.failed
// the conditions found no room, and the answer counts for nothing.
const struct proxy *txn_choose_backend(struct txn *t);
// The step behind the rules of the backend: use-server, where there are such lines, sets t->wanted.
const struct txn_step *txn_behind_rules(const struct txn *t);
// A transaction that was only made for rules to see: nothing is counted or logged.
void txn_forget(struct txn *t);
// A finished direction closes that half, so that the other end sees it.
void txn_close_half(struct flow *f);

// The steps, in the order of a request's way; doc/steps.md has the diagram.
extern const struct txn_step step_read_head, step_frontend_rules, step_route, step_backend_rules,
    step_prepare, step_connect, step_queue, step_connecting, step_send_head, step_await_response,
    step_response_rules, step_send_response, step_relay, step_tarpit, step_reply, step_reply_sent;

// There is a request, and its head was read: what t->req points to lives as long as it.
static inline bool
txn_has_request(const struct txn *t)
{
	return t->times.head_ns != 0 && !(t->flags & TXN_TCP);
}

static inline enum step_verdict
txn_go(struct txn *t, const struct txn_step *step)
{
	t->step = step;
	return STEP_MORE;
}

// A transaction for the bytes that stand in the client's connection; NULL: no memory.
struct txn *txn_new(struct client *c);
// Ends it now, from outside. why: 'K' an operator, or the worker stops; 'D' its server went down;
// 'U' it is on a backup and a server came up.
void txn_abort(struct txn *t, char why);
// Frees the pooled transactions with their arenas.
void txn_pool_fini(struct pool *p);
// Runs steps until one waits. The transaction may be gone when it returns.
void txn_run(struct txn *t);
void txn_client_event(struct txn *t, enum conn_event ev, const struct reason *why);
void txn_server_event(struct txn *t, enum conn_event ev, const struct reason *why);
// One of its connections has delivered CONN_CLOSED.
void txn_client_closed(struct txn *t);
void txn_server_closed(struct txn *t);

// Makes the transaction answer `status` with the proxies' error page, unless a response has
// begun: then both connections are cut. `term` is HAProxy's two letters, e.g. "PR".
enum step_verdict txn_fail(struct txn *t, unsigned status, const char *term);
// The same with what rules put into t->reply.
enum step_verdict txn_reply(struct txn *t, const char *term);
// The same, once `timeout tarpit` has passed.
enum step_verdict txn_tarpit(struct txn *t);
// Puts the proxies' page for that status, or the built-in one, into t->reply. The page's own status
// is kept: an errorloc is a redirect.
void txn_error_page(struct txn *t, unsigned status);
// Gives up without an answer: both connections are cut.
enum step_verdict txn_cut(struct txn *t, const char *term);

// Before a final response's head is written: it gets the Date it lacks (RFC 9110 section 6.6.1).
void txn_add_date(struct txn *t);

// Of steps that connect. False: somebody left or it failed, *verdict says what to return.
bool txn_connect_goes_on(struct txn *t, enum step_verdict *verdict);
// Lets go of the server connection: back to the pool when `reuse`, else closed.
void txn_release_server(struct txn *t, bool reuse);
// Our end of the server connection, which must be there, from the kernel.
void txn_server_local(const struct txn *t, struct sample_addr *out);
// Leaves its backend's queue, and gives its place at the server back, if it has them.
void txn_leave_queue(struct txn *t);
void txn_give_place(struct txn *t);
// Reads and forgets the request body as far as it has come; true when all of it was there.
bool txn_discard_request_body(struct txn *t);

// Max-Forwards of a TRACE or OPTIONS (RFC 9110 section 7.6.2), txn_forwards.c. False: the request
// goes no further, *verdict says what to return.
bool txn_lower_max_forwards(struct txn *t, enum step_verdict *verdict);

// Listens for the end of a client that waits for its answer. While nothing of a body is awaited.
void txn_watch_client(struct txn *t);
// It closed its side behind a complete request, and `option abortonclose` takes that for leaving.
bool txn_client_gave_up(const struct txn *t);

// The request body's framing was refused: counts it by its reason.
void txn_count_bad_body(struct txn *t);

// http-response rules of backend and frontend, for a response that is not a server's.
enum rule_verdict txn_response_rules(struct txn *t);
// Makes the head of t->reply and has the rules on responses judge it; false: it cannot be sent.
bool txn_judge_reply(struct txn *t);
// http-after-response rules of backend and frontend.
enum rule_verdict txn_after_response_rules(struct txn *t);
