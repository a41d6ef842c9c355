// SPDX-License-Identifier: MIT
// begin, commit and abort: the writes of a session between them become one commit of the table, so
// that a reader of any process sees all of them or none. A command that was refused spoils the
// transaction: its commit writes nothing. A session that ends without a commit wrote nothing.
#include <stdio.h>

#include "base/mem.h"
#include "expr/vars_cli_priv.h"

#define TX_NAME "vars transaction"

struct vars_tx {
	struct tidevars_op ops[TIDEVARS_OPS_MAX];
	char owner[TIDEVARS_OPS_MAX][TIDEVARS_WHO_MAX + 2]; // one too long is refused, not cut
	char reason[TIDEVARS_REASON_MAX + 1];
	size_t n;
	unsigned spoiled; // commands that were refused
};

struct vars_tx *
vars_tx_of(struct cli_session *s)
{
	return cli_kept(s, TX_NAME);
}

void
vars_tx_spoil(struct vars_tx *tx)
{
	tx->spoiled++;
}

enum cli_status
vars_tx_add(struct vars_command *c, struct vars_tx *tx, const struct tidevars_op *op)
{
	if (tx->n == TIDEVARS_OPS_MAX) {
		err_set(&c->err, "a transaction has at most %d writes", TIDEVARS_OPS_MAX);
		return vars_command_refuse(c);
	}
	for (size_t i = 0; i < tx->n; i++) {
		if (tx->ops[i].handle == op->handle) {
			err_set(&c->err, "'%.*s' is written twice in this transaction",
				STR_ARG(c->name));
			return vars_command_refuse(c);
		}
	}
	tx->ops[tx->n] = *op;
	if (op->owner != NULL) {
		(void)snprintf(tx->owner[tx->n], sizeof(tx->owner[0]), "%s", op->owner);
		tx->ops[tx->n].owner = tx->owner[tx->n];
	}
	if (c->options.reason != NULL)
		(void)snprintf(tx->reason, sizeof(tx->reason), "%s", c->options.reason);
	tx->n++;
	return CLI_DONE;
}

static void
free_tx(void *tx)
{
	mem_free(tx);
}

enum cli_status
vars_run_begin(struct cli_session *s, const struct cli_args *args)
{
	struct vars_command c;
	if (!vars_command_init(&c, s, args, 0))
		return cli_error(s, "%s", c.err.text);
	if (c.table == NULL)
		return cli_error(s, "there is no shared table");
	if (vars_tx_of(s) != NULL)
		return cli_error(s, "a transaction is open already; commit or abort it first");
	struct vars_tx *tx = MEM_NEW(struct vars_tx);
	if (c.options.reason != NULL)
		(void)snprintf(tx->reason, sizeof(tx->reason), "%s", c.options.reason);
	cli_keep(s, TX_NAME, tx, free_tx);
	return CLI_DONE;
}

static enum cli_status
commit(struct vars_command *c, struct vars_tx *tx)
{
	struct tidevars_error why;
	if (tx->spoiled > 0)
		return cli_error(c->s, "nothing was written: %u of the transaction's commands %s",
				 tx->spoiled, tx->spoiled == 1 ? "was refused" : "were refused");
	c->writer.reason = c->options.reason != NULL ? c->options.reason : tx->reason;
	for (size_t i = 0; i < tx->n; i++)
		vars_command_as_group(c, tx->ops[i].handle);
	int status = tidevars_commit(c->table, tx->ops, tx->n, &c->writer, &why);
	return vars_command_finish(c, status, &why);
}

enum cli_status
vars_run_commit(struct cli_session *s, const struct cli_args *args)
{
	struct vars_command c;
	struct vars_tx *tx = vars_tx_of(s);
	if (tx == NULL)
		return cli_error(s, "no transaction is open; begin one first");
	if (!vars_command_init(&c, s, args, 0))
		return cli_error(s, "%s", c.err.text);
	enum cli_status status = commit(&c, tx);
	cli_keep(s, TX_NAME, NULL, NULL);
	return status;
}

enum cli_status
vars_run_abort(struct cli_session *s, const struct cli_args *args)
{
	(void)args;
	if (vars_tx_of(s) == NULL)
		return cli_error(s, "no transaction is open");
	cli_keep(s, TX_NAME, NULL, NULL);
	return CLI_DONE;
}
