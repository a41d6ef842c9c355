// SPDX-License-Identifier: MIT
// Rows of what HAProxy's dialect may do, for the files that have some (policy_op.c finds them).
#pragma once

#include "base/err.h"
#include "policy/host.h"

struct policy_host_data;
struct sample;
struct sample_ctx;
struct txn;

struct op_call {
	struct policy_host_data *host;
	struct txn *txn; // NULL: outside a transaction
	const struct policy_value *args;
	unsigned n;
	struct policy_value *out; // NIL: nothing
	struct err *err;
};

enum op_side { ANYWHERE, ANY_TXN, TCP_SERVICE, HTTP_TXN, REQUEST, RESPONSE };

struct op_row {
	const char *name;
	uint8_t side; // enum op_side: which message must still be there to be changed
	uint8_t least, most;
	bool (*run)(struct op_call *c);
};

#define OP_ANSWER_BYTES 32768

// ---- policy_op.c
// OP_ANSWER_BYTES of this thread's, where an answer lies until the next question.
char *policy_op_room(const struct op_call *c);
// An answer that is a text, lent until the next question.
bool policy_op_give_text(struct op_call *c, struct str s);
// Argument i as a text, lent; a number is the text it prints as. False: c->err says why.
bool policy_op_text(struct op_call *c, unsigned i, struct str *out);
// A value to set or look for; a number with a fraction loses it, as HAProxy has no others. False:
// c->err says why.
bool policy_op_sample(struct op_call *c, const struct policy_value *v, struct sample_ctx *ctx,
		      struct sample *out);

// The last row's name is NULL; each table has fewer than 64.
extern const struct op_row policy_op_http[], policy_op_txn[], policy_op_process[];
extern const struct op_row policy_op_sockets[]; // lua_socket.c
