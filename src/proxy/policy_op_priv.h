// SPDX-License-Identifier: MIT
// Rows of what HAProxy's dialect may do, for the files that have some (policy_op.c walks them).
#pragma once

#include "base/err.h"
#include "policy/host.h"

struct policy_host_data;
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

// An answer that is a text, lent until the next question.
bool policy_op_give_text(struct op_call *c, struct str s);

extern const struct op_row policy_op_sockets[]; // lua_socket.c
