// SPDX-License-Identifier: MIT
// One request judged without serving: which rules are tried, what they see, what they decide. The
// set is started as for service, with one worker and without listeners and timers; instead of
// turning its loop, the worker gives the request's bytes to a client that has no socket, runs the
// very steps that a live request takes, explained (explain.h), and stops where a server would be
// connected to or an answer sent. Where the server's response is told, the rules on responses
// follow.
#pragma once

#include "base/err.h"
#include "base/sbuf.h"
#include "expr/sample.h"

struct proxy;
struct proxy_set;
struct proxy_worker;

struct offline_field {
	struct str name, value;
};

struct offline {
	const struct proxy *frontend;       // with a bind
	struct sample_addr src;             // the client's
	struct str request;                 // as it would come from the client; mode tcp: any bytes
	unsigned status;                    // of the server's response; 0: none is made up
	const struct offline_field *fields; // its header
	size_t n_fields;
	struct sbuf out; // what there is to tell; the caller's
	bool judged;     // else err says what is wrong with the request
	struct err err;
};

// The frontend of that name, or the only one (name empty). NULL with a cause that lists them.
const struct proxy *offline_frontend(const struct proxy_set *set, struct str name, struct err *err);
// Starts the set, judges, stops it. Main thread, after the configuration was loaded. False: err.
bool offline_run(struct proxy_set *set, struct offline *o, struct err *err);
// The worker's part, on its thread before its loop turns.
void offline_judge(struct offline *o, struct proxy_worker *w);
