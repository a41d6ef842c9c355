// SPDX-License-Identifier: MIT
// Finds and calls what HAProxy's dialect may do beside reading: the rows of policy_op_http.c,
// policy_op_txn.c, policy_op_process.c and lua_socket.c, each refused where its message is not at
// hand. Predicates never get here: the engine offers these to that dialect alone.
#include "proxy/action_lua.h"
#include "proxy/host.h"
#include "proxy/policy_host_priv.h"
#include "proxy/policy_op_priv.h"
#include "proxy/txn.h"
#include "proxy/worker.h"

char *
policy_op_room(const struct op_call *c)
{
	const struct proxy_worker *w =
	    worker_self != NULL ? worker_self->slot[WORKER_SLOT_PROXY] : NULL;
	return w != NULL ? w->policy_scratch : c->host->test_scratch;
}

bool
policy_op_give_text(struct op_call *c, struct str s)
{
	*c->out = (struct policy_value){.type = POLICY_T_STR, .s = s.p != NULL ? s : STR("")};
	return true;
}

bool
policy_op_text(struct op_call *c, unsigned i, struct str *out)
{
	const struct policy_value *v = &c->args[i];
	if (v->type == POLICY_T_STR) {
		*out = v->s.p != NULL ? v->s : STR("");
		return true;
	}
	if (v->type != POLICY_T_INT || c->txn == NULL)
		return err_set(c->err, "argument %u is not a text", i + 1);
	const char *text = arena_printf(&c->txn->arena, "%lld", (long long)v->i);
	*out = text != NULL ? str_from_c(text) : STR_NULL;
	return text != NULL || err_set(c->err, "no memory left in this transaction");
}

bool
policy_op_sample(struct op_call *c, const struct policy_value *v, struct sample_ctx *ctx,
		 struct sample *out)
{
	*out = (struct sample){0};
	if (v->type == POLICY_T_DOUBLE)
		sample_set_int(out, (int64_t)v->d);
	else if (v->type == POLICY_T_NIL || !policy_value_sample(v, ctx, out))
		return err_set(c->err, "nothing to set");
	return true;
}

static const struct op_row *const tables[] = {policy_op_http, policy_op_txn, policy_op_process,
					      policy_op_sockets};

// A row's number is its table's, then its place in that.
#define PLACES 64

static int
place_of(const struct op_row *r, const struct op_row *table)
{
	ASSERT(r - table < PLACES);
	return (int)(r - table);
}

int
policy_op_find(struct str name, struct err *err)
{
	for (size_t t = 0; t < ARRAY_LEN(tables); t++)
		for (const struct op_row *r = tables[t]; r->name != NULL; r++)
			if (str_eq(name, str_from_c(r->name)))
				return (int)(t * PLACES) + place_of(r, tables[t]);
	err_set(err, "'%.*s' is not available", STR_ARG(name));
	return -1;
}

static bool
is_possible(const struct op_row *r, const struct txn *t, struct err *err)
{
	if (r->side == ANYWHERE)
		return true;
	if (t == NULL)
		return err_set(err, "there is no transaction here");
	if (r->side == TCP_SERVICE && t->step != &step_tcp_service)
		return err_set(err, "only a service has a connection of its own");
	if (r->side >= HTTP_TXN && t->flags & TXN_TCP)
		return err_set(err, "mode tcp has no request and no response");
	if (r->side == REQUEST && t->ctx.res != NULL)
		return err_set(err, "the request was sent already");
	if (r->side == RESPONSE && t->ctx.res == NULL)
		return err_set(err, "there is no response to be changed here");
	return true;
}

bool
policy_op_call(struct policy_host_data *d, int row, struct sample_ctx *ctx,
	       const struct policy_value *args, unsigned n, struct policy_value *out,
	       struct err *err)
{
	const struct op_row *r = &tables[row / PLACES][row % PLACES];
	bool live = ctx != NULL && ctx->host == &proxy_sample_host;
	struct op_call c = {.host = d,
			    .txn = live ? ctx->host_data : NULL,
			    .args = args,
			    .n = n,
			    .out = out,
			    .err = err};
	if (n < r->least || n > r->most)
		err_set(err, "takes %u to %u arguments", r->least, r->most);
	else if (is_possible(r, c.txn, err) && r->run(&c))
		return true;
	return err_wrap(err, "%s", r->name);
}
