// SPDX-License-Identifier: MIT
// One write to a variable as tidectl's words say it, for the socket and for the file alike: from
// `tidectl set NAME VALUE --ttl 5m` and from each operation of `tidectl commit 'set NAME VALUE'`.
#pragma once

#include "base/err.h"
#include "base/sbuf.h"

#define OPS_MAX 64 // of one commit

struct request;

// Which operations there are; the table ends with NULL.
struct op_row {
	const char *verb;
	const char *command; // on the runtime socket
	uint32_t kind;       // TIDEVARS_SET...
	int n_values;        // behind the name
	bool of_owner;       // a hold: has an owner
};
extern const struct op_row op_rows[];

// Words live as long as the request.
struct op {
	const struct op_row *row;
	const char *name; // without "shm."
	const char *value[2];
	const char *ttl; // NULL: none given
	const char *owner;
};

// NULL: the verb writes nothing.
const struct op_row *op_row_find(const char *verb);
// The one write of set, unset, add, cas, hold, extend, release, maint on and maint off.
bool op_of_request(struct request *r, struct op *op, struct err *err);
// Those of `commit`: each argument is one, "-" is standard input with one a line. *n of them.
bool ops_of_commit(struct request *r, struct op *ops, size_t *n, struct err *err);
// The operation as a command of the socket.
bool op_command(const struct op *op, struct sbuf *out, struct err *err);
