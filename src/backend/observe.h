// SPDX-License-Identifier: MIT
// `observe`: what requests meet on a server tells of its health. Workers count errors in a row; so
// many of them become a finding of its check, on the keeper. A server without `observe` costs a
// request one load.
#pragma once

#include "backend/backend.h"
#include "net/loop.h"

enum observe_what {
	OBSERVE_CONNECTED,
	OBSERVE_NO_CONNECTION,
	OBSERVE_GOOD_ANSWER,
	OBSERVE_BAD_STATUS, // 5xx but 501 and 505
	OBSERVE_BAD_HEAD,
	OBSERVE_READ_ERROR,
	OBSERVE_TIMEOUT,
	OBSERVE_CLOSED, // before its answer
	OBSERVE_WHATS
};

enum observe_layer { OBSERVE_LAYER4, OBSERVE_LAYER7 };

enum observe_action {
	OBSERVE_FASTINTER,
	OBSERVE_FAIL_CHECK,
	OBSERVE_SUDDEN_DEATH,
	OBSERVE_MARK_DOWN
};

#define OBSERVED_MAGIC 0xba5e0012u
struct observed {
	uint32_t magic;
	struct server *server;
	enum observe_layer layer;
	enum observe_action action;
	uint32_t limit;
	_Atomic uint32_t errors; // in a row, of all workers, below the limit; relaxed
	_Atomic uint32_t n_rows; // that the keeper has yet to take; above 0, msg is on its way
	_Atomic uint32_t last;   // enum observe_what of the error that ended the last one
	struct msg msg;
};

struct observed *observed_new(struct server *s, enum observe_layer layer,
			      enum observe_action action, uint32_t limit);
// A worker's thread; keeper: the loop of the checks.
void observe_note(struct observed *o, enum observe_what what, struct loop *keeper);
// check.h's side: the row's text, "Read timeout (http)".
const char *observe_text(enum observe_what what);
