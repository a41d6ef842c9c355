// SPDX-License-Identifier: MIT
// retry-on: which failures send a request once more, and the request kept for that. What is kept
// is a reference on the receive buffer that has its body, so a body is sent again only when it was
// there whole when its head was first sent.
#pragma once

#include "proxy/txn.h"

struct conf;
struct conf_line;
struct err;

// Bits of proxy.retry_on; RETRY_STATUS and those above it are statuses (retry_on_status).
enum retry_on {
	RETRY_CONNECTING = 1 << 0, // the default, alone
	RETRY_EMPTY = 1 << 1,      // the server closed before its answer's head was whole
	RETRY_JUNK = 1 << 2,
	RETRY_TIMEOUT = 1 << 3,
	RETRY_STATUS = 1 << 4,
};

// `retry-on WORD...`, a keyword of defaults, backend and listen. Replaces what stood before.
bool conf_parse_retry_on(struct conf *conf, void *obj, const struct conf_line *line,
			 struct err *err);
// The bit of that status; 0: it is none that is retried.
unsigned retry_on_status(unsigned status);

// How often it may be tried again.
static inline uint32_t
retry_most(const struct txn *t, uint32_t of_backend)
{
	return t->own_retries > 0 ? t->own_retries - 1u : of_backend;
}

// ---- the worker's thread

// Its head is about to be sent, with what is there of its body in t->up: kept when that is all.
void retry_keep(struct txn *t);
// Attempts are left, and the backend's words name this failure. Of connecting.
bool retry_may(const struct txn *t, unsigned why);
// The same of an attempt that was sent: nothing of the request is missing. Its send must be over.
bool retry_may_sent(const struct txn *t, unsigned why);
