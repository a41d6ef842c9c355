// SPDX-License-Identifier: MIT
// Actions and services of scripts: "http-request lua.NAME args...". One that waits suspends its
// transaction: the step answers STEP_WAIT, a timer of the worker's loop runs it again. Anything a
// script registers as POLICY_ACTION is called here, whichever dialect it is in.
#pragma once

#include "base/str.h"

struct arena;
struct err;
struct proxy_setup;
struct txn;
struct txn_step;

// Resolves what rules name, once the scripts are loaded. Faults go to the conf; false if any.
bool lua_rules_link(struct proxy_setup *s);
// What the transaction still waits for is called off. Harmless without any.
void lua_call_end(struct txn *t);

// What the present call of an action has asked to happen when it is through (policy_op_http.c).
enum lua_outcome { LUA_GOES_ON, LUA_REPLIES };
void lua_call_outcome(struct txn *t, enum lua_outcome outcome);

// The request's body, as far as the service's call has it; empty elsewhere.
struct str lua_call_body(const struct txn *t);
// Memory for a long answer, capped at LUA_ANSWER_BYTES; lives as long as the transaction.
struct arena *lua_call_room(struct txn *t);
#define LUA_ANSWER_BYTES ((size_t)1 << 20)
// A service's raw connection (mode tcp); all on its client's connection, none of them waits.
// Bytes that came, up to `most`, or up to a line's end; they lie in the receive buffer until the
// next event. Empty: the client ended. False: none yet.
bool lua_call_take(struct txn *t, size_t most, struct str *bytes);
bool lua_call_line(struct txn *t, struct str *line);
// Begins to send a copy of up to LUA_PIECE_BYTES; false: the piece before is still on its way, or
// no memory is left.
bool lua_call_send(struct txn *t, struct str bytes);
#define LUA_PIECE_BYTES ((size_t)16 << 10)
// The next event of the connection goes on with the service, whatever it waits for.
void lua_call_await(struct txn *t);
// A service under way, behind the rule that named it (txn.last_rule), until it has answered.
extern const struct txn_step step_tcp_service;

// With the transaction's memory: nothing of it is under way any more.
void lua_call_free(struct txn *t);
