// SPDX-License-Identifier: MIT
// What of a message's body stands in the buffer of the connection it came on, for rules: nothing is
// taken off it. On the transaction's worker.
#pragma once

#include "http/codec.h"

struct module;
struct txn;

struct body {
	enum codec_status status; // OK: all of it
	size_t n;                 // without framing
	bool chunked;
	enum http_reason_id why; // of BAD
};

// The request's, or the response's. The head of that message must be there, and its body not on its
// way to the other side yet.
struct body body_look(const struct txn *t, bool response);

extern const struct module proxy_body_module;
