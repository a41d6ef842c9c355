// SPDX-License-Identifier: MIT
// The last request and the last response of each proxy that were no HTTP, kept for `show errors`:
// a bounded copy, made only when a message is refused. Written by any worker, read by the keeper;
// who finds it in use goes without, nobody waits.
#pragma once

#include "expr/sample.h"
#include "http/reason.h"

struct cli_session;
struct conf;
struct proxy;
struct proxy_set;
struct txn;

#define BAD_MESSAGE_BYTES 2048u

// `busy` guards the rest.
struct bad_message {
	_Atomic bool busy;
	uint64_t real_ns; // 0: none yet
	uint64_t txn_id, number;
	uint64_t at;    // of the fault, from the message's first byte
	uint64_t from;  // of bytes[0], likewise
	uint32_t n;     // bytes kept
	uint32_t total; // that stood in the buffer
	enum http_reason_id why;
	struct sample_addr src;
	const struct proxy *frontend, *backend; // backend: NULL before routing
	struct str server;
	char bytes[BAD_MESSAGE_BYTES];
};

// The client's bytes in hand (of t's frontend), or the server's (of its backend); `at` is the
// fault's place in them. The transaction's worker.
void bad_message_keep(const struct txn *t, bool response, enum http_reason_id why, uint64_t at);
// Prints the last ones of that proxy, if there are. The keeper.
void bad_message_print(struct cli_session *s, const struct proxy *p, bool request, bool response);
// Room for one of each kind, for a proxy.
void bad_message_init(struct conf *conf, struct proxy *p);
