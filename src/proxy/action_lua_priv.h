// SPDX-License-Identifier: MIT
// What the files of scripts' actions and services share.
#pragma once

#include <sys/uio.h>

#include "base/arena.h"
#include "policy/run.h"
#include "proxy/action_lua.h"

// A rule's words, until and after linking.
struct lua_rule {
	struct lua_rule *next; // of the setup
	const struct rule *rule;
	enum policy_kind kind; // an action or a service
	struct str name;
	const struct policy_fn *fn;
	unsigned n_args;
	struct policy_value args[POLICY_MAX_ARGS];
};

// A call under way; lies in the transaction's arena and serves all its calls.
struct lua_call {
	struct policy_run run; // first: woken gets its address
	struct txn *txn;
	bool active, due;
	int64_t code; // enum act_code: what it returned
	enum lua_outcome outcome;
	struct str body; // a service's: the request's, in the transaction's arena
	size_t body_room;
	bool body_begun, body_whole;
	struct arena room; // for a long answer
	// A service's on a raw connection.
	bool awaits;                // an event of the connection wakes it
	uint32_t events, looked_at; // how many there were; when the script last found nothing
	bool answered;              // it is through; what it sent may be on its way
	char *piece;                // LUA_PIECE_BYTES, or NULL
	struct iovec iov;
};

// NULL: no memory is left in the transaction, which had none yet.
struct lua_call *lua_call_new(struct txn *t);
// Begins it, goes on with what is due, or ends what waits for too long.
enum policy_run_status lua_call_once(const struct lua_rule *l, struct lua_call *c);
