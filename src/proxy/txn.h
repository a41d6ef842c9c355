// SPDX-License-Identifier: MIT
// A transaction: one request with its response, on one worker. A list of named steps (txn.c runs
// them; doc/steps has the diagram). Everything in it dies with the transaction: strings live in
// the receive buffers it holds or in its arena.
#pragma once

#include <sys/uio.h>

#include "base/arena.h"
#include "base/list.h"
#include "expr/fetch.h"
#include "expr/var.h"
#include "http/codec.h"
#include "http/head.h"
#include "net/conn.h"
#include "net/reason.h"

struct proxy;
struct proxy_worker;
struct rule;

#define TXN_IOV 24

// What we answer ourselves: deny, return, redirect, error pages. Bytes live in the configuration
// or the transaction's arena.
struct reply {
	uint16_t status;
	struct str reason;       // empty: the standard phrase
	struct str content_type; // empty: none
	struct str body;
	struct str raw; // a whole prepared response (errorfile): then nothing above is used
	struct reply_header {
		struct reply_header *next;
		struct str name, value;
	} * headers;
	bool close; // close the client connection behind it
};

// One direction of body bytes: from `from` to `to`. A flow holds at most what stands in from->in,
// and receives no more before that is sent: backpressure.
struct flow {
	struct conn *from, *to;
	struct codec_in *in; // who reads the body's framing
	enum flow_state { FLOW_OFF, FLOW_ON, FLOW_DONE } state;
	bool ended;       // the body's last byte was seen in from->in
	bool eof;         // `from` will give no more
	bool decode;      // forward payload only: its end is the close (chunked to HTTP/1.0)
	uint32_t sending; // bytes of from->in that the send under way covers
	uint64_t bytes;   // given to `to`, framing included
	struct iovec iov[1];
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

enum txn_flags {
	TXN_CLIENT_CLOSE = 1 << 0,  // the client connection ends with this transaction
	TXN_SERVER_CLOSE = 1 << 1,  // so does the server's
	TXN_REUSED = 1 << 2,        // on a pooled server connection
	TXN_RESPONSE_SENT = 1 << 3, // response bytes went to the client: no other answer possible
	TXN_REQUEST_SENT = 1 << 4,  // request body bytes went to a server: no retry
	TXN_TUNNEL = 1 << 5,
	TXN_NOT_FIRST = 1 << 6,
	TXN_SENT_100 = 1 << 7,
	TXN_HEAD_REQUEST = 1 << 8,
	TXN_LOGGED = 1 << 9,
	TXN_POLICY_PINNED = 1 << 10,
	TXN_CLIENT_GONE = 1 << 11, // nothing can be sent to the client any more
	TXN_CONNECT_FAILED = 1 << 12,
	TXN_DRAIN_CLIENT = 1 << 13, // the client may still be sending: linger before closing
	TXN_ENDED = 1 << 14,        // logged and counted; waits for its connections to close
};

// A named step; returns what the loop in txn.c does next.
enum step_verdict { STEP_MORE, STEP_WAIT, STEP_DONE };
struct txn_step {
	const char *name;
	enum step_verdict (*run)(struct txn *t);
};

// Everything before `arena` is zeroed for each request.
struct txn {
	uint32_t magic;
	uint32_t flags; // enum txn_flags
	uint64_t id;    // unique in this process
	const struct txn_step *step;
	struct proxy_worker *worker;
	struct client *client;
	struct server_conn *server_conn;        // NULL while none
	const struct proxy *frontend, *backend; // backend: NULL before routing
	struct server *server;
	const struct rule *last_rule; // that decided
	const struct reason *reason;  // why it ended early, or NULL
	char term_state[2];           // HAProxy's first two letters of the termination state
	uint8_t retries;
	uint8_t http_reason;        // enum http_reason_id of a refused message
	uint64_t timeout_server_ns; // 0: the backend's
	uint64_t bytes_in, bytes_out;
	struct rbuf *req_buf, *res_buf; // hold the heads' bytes
	const struct http_codec *client_codec, *server_codec;
	struct codec_in req_in, res_in;
	struct codec_out req_out, res_out;
	struct flow up, down; // request body, response body
	struct reply reply;
	struct sample_ctx ctx; // what fetches see of this transaction
	struct var_scope vars_txn, vars_req, vars_res;
	struct txn_times times;
	struct arena arena; // kept warm from one transaction to the next
	struct http_head req, res;
	struct list in_worker; // for show sess
	struct iovec iov[TXN_IOV];
	struct http_field fields[]; // req's, then res's: max_headers each
};

// Makes the transaction answer `status` with the proxies' error page (txn_error.c), unless a
// response has begun: then both connections are cut. `term` is HAProxy's two letters, e.g. "PR".
enum step_verdict txn_fail(struct txn *t, unsigned status, const char *term);
