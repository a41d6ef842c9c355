// SPDX-License-Identifier: MIT
// What a script's action may do to its transaction, one row each: edits of the heads, variables,
// answers. Predicates never get here: they are refused by the engine.
#include "expr/var.h"
#include "proxy/action_lua.h"
#include "proxy/host.h"
#include "proxy/policy_host.h"
#include "proxy/txn.h"

struct op_call {
	const struct policy_host_data *host;
	struct txn *txn;
	const struct policy_value *args; // texts have .p != NULL
	unsigned n;
	struct policy_value *out;
	struct err *err;
};

struct op_row {
	const char *name;
	uint8_t least, most; // arguments
	bool anywhere;       // needs no transaction
	bool (*run)(struct op_call *c);
	size_t which; // the row's own
};

// --- the rows ----------------------------------------------------------------------------------

static bool
op_txn_id(struct op_call *c)
{
	*c->out = (struct policy_value){.type = POLICY_T_INT, .i = (int64_t)c->txn->id};
	return true;
}

static const struct op_row rows[] = {
    {"txn_id", 0, 0, false, op_txn_id, 0},
};

int
policy_op_find(struct str name, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (str_eq(name, str_from_c(rows[i].name)))
			return (int)i;
	err_set(err, "nothing of the proxy is named '%.*s'", STR_ARG(name));
	return -1;
}

bool
policy_op_call(const struct policy_host_data *d, int row, struct sample_ctx *ctx,
	       const struct policy_value *args, unsigned n, struct policy_value *out,
	       struct err *err)
{
	const struct op_row *r = &rows[row];
	bool live = ctx != NULL && ctx->host == &proxy_sample_host;
	struct op_call c = {.host = d,
			    .txn = live ? ctx->host_data : NULL,
			    .args = args,
			    .n = n,
			    .out = out,
			    .err = err};
	if (n < r->least || n > r->most)
		return err_set(err, "%s: %u to %u arguments", r->name, r->least, r->most);
	if (c.txn == NULL && !r->anywhere)
		return err_set(err, "%s: there is no transaction here", r->name);
	return r->run(&c) || err_wrap(err, "%s", r->name);
}
