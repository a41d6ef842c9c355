// SPDX-License-Identifier: MIT
// Answers to what scripts ask. A handle is the kind of the question and the number of a row or a
// backend, so nothing is kept and any thread may resolve. Answers lie in the request's scratch,
// which the next question overwrites: a script that asks in a loop uses no memory of the
// transaction.
#include "proxy/policy_host.h"

#include "expr/call.h"
#include "http/head.h"
#include "proxy/effects.h"
#include "proxy/lua_socket.h"
#include "proxy/policy_host_priv.h"
#include "proxy/policy_server.h"
#include "proxy/proxy.h"

// ---- names --------------------------------------------------------------------------------------

static int
host_resolve(void *data, enum policy_what what, struct str name, struct err *err)
{
	struct policy_host_data *d = data;
	int row = 0;
	switch (what) {
	case POLICY_FIELD:
		row = policy_field_find(name, err);
		break;
	case POLICY_FETCH:
		row = expr_calls_find_fetch(d->calls, name, err);
		break;
	case POLICY_CONV:
		row = expr_calls_find_conv(d->calls, name, err);
		break;
	case POLICY_BACKEND:
		row = policy_backend_find(d->set, name, err);
		break;
	case POLICY_OP:
		row = policy_op_find(name, err);
		break;
	case POLICY_HEADER:
		row = (int)http_field_id_of(name);
		break;
	case POLICY_COOKIE:
	case POLICY_VAR:
		break;
	}
	if (row < 0)
		return -1;
	ASSERT(row < 1 << POLICY_HANDLE_BITS);
	return (int)what << POLICY_HANDLE_BITS | row;
}

// ---- calls --------------------------------------------------------------------------------------

static bool
conv_input(const struct policy_value *args, unsigned n, struct sample_ctx *ctx, struct sample *out,
	   struct err *err)
{
	*out = (struct sample){0};
	if (n == 0)
		return err_set(err, "a converter needs a value");
	if (args[0].type != POLICY_T_NIL)
		return policy_value_sample(&args[0], ctx, out) ||
		       err_set(err, "no memory for arguments");
	sample_set_str(out, STR(""));
	return true;
}

static bool
ask_row(const struct policy_host_data *d, enum policy_what what, int row,
	const struct policy_value *args, unsigned n, struct sample_ctx *ctx,
	struct policy_value *out, struct err *err)
{
	struct str texts[POLICY_MAX_ARGS];
	struct sample s;
	enum expr_call_result r;
	unsigned from = what == POLICY_CONV;
	if (what == POLICY_CONV && !conv_input(args, n, ctx, &s, err))
		return false;
	for (unsigned i = from; i < n; i++)
		if (!policy_value_text(&args[i], ctx->arena, &texts[i - from], err))
			return false;
	if (what == POLICY_FETCH)
		r = expr_calls_fetch(d->calls, row, texts, n, ctx, &s, err);
	else
		r = expr_calls_conv(d->calls, row, texts, n - 1, ctx, &s, err);
	if (r == EXPR_CALL_BAD)
		return false;
	return r == EXPR_CALL_NOTHING || policy_give_sample(out, &s, ctx, err);
}

static bool
ask_var(const struct policy_host_data *d, struct str name, struct sample_ctx *ctx,
	struct policy_value *out, struct err *err)
{
	struct sample s;
	enum expr_call_result r = expr_calls_var(d->calls, name, ctx, &s, err);
	if (r == EXPR_CALL_BAD)
		return false;
	return r == EXPR_CALL_NOTHING || policy_give_sample(out, &s, ctx, err);
}

static bool
ask(struct policy_host_data *d, int handle, const struct policy_value *args, unsigned n,
    struct sample_ctx *ctx, struct policy_value *out, struct err *err)
{
	enum policy_what what = policy_handle_what(handle);
	int row = policy_handle_row(handle);
	switch (what) {
	case POLICY_FIELD:
		return policy_field_ask(ctx, row, out);
	case POLICY_HEADER:
		return policy_header_ask(ctx, args[0].s, row, out, err);
	case POLICY_COOKIE:
		return policy_cookie_ask(ctx, args[0].s, out);
	case POLICY_VAR:
		return ask_var(d, args[0].s, ctx, out, err);
	case POLICY_FETCH:
	case POLICY_CONV:
		return ask_row(d, what, row, args, n, ctx, out, err);
	case POLICY_OP:
		return policy_op_call(d, row, ctx, args, n, out, err);
	case POLICY_BACKEND:
		break;
	}
	return policy_backend_ask(d->set, (size_t)row, args, n, out, err);
}

// The question borrows the context: its arena is the scratch meanwhile, and what the rules' own
// evaluation keeps there (place in an iteration, failure) is put back.
static SELDOM bool
ask_borrowing(struct policy_host_data *d, const struct policy_request *r, int handle,
	      const struct policy_value *args, unsigned n, struct policy_value *out,
	      struct err *err)
{
	// Exactly that memory: without a block and with a cap of 0 it does not grow.
	struct arena scratch = {.at = r->scratch, .end = r->scratch + POLICY_SCRATCH_BYTES};
	struct sample_ctx *ctx = r->ctx;
	struct arena *arena = ctx->arena;
	bool failed = ctx->failed;
	struct sample_iter iter = ctx->iter;
	ctx->arena = &scratch;
	ctx->failed = false;
	bool ok = ask(d, handle, args, n, ctx, out, err);
	ctx->arena = arena;
	ctx->failed = failed;
	ctx->iter = iter;
	return ok;
}

// Outside a transaction.
static SELDOM bool
ask_without(struct policy_host_data *d, int handle, const struct policy_value *args, unsigned n,
	    struct policy_value *out, struct err *err)
{
	if (policy_handle_what(handle) == POLICY_OP)
		return policy_op_call(d, policy_handle_row(handle), NULL, args, n, out, err);
	if (policy_handle_what(handle) != POLICY_BACKEND)
		return err_set(err, "there is no request here");
	return ask(d, handle, args, n, NULL, out, err);
}

// What most scripts ask needs neither memory nor the context's state. Host functions are not left
// by a stop, and do not throw.
static bool
host_call(void *data, void *txn, int handle, const struct policy_value *args, unsigned n,
	  struct policy_value *out, struct err *err)
{
	struct policy_host_data *d = data;
	struct policy_request *r = txn;
	if (UNLIKELY(r == NULL))
		return ask_without(d, handle, args, n, out, err);
	CHECK_MAGIC(r, POLICY_REQUEST_MAGIC);
	enum policy_what what = policy_handle_what(handle);
	int row = policy_handle_row(handle);
	if (what == POLICY_FIELD && !policy_field_evaluates(row))
		return policy_field_ask(r->ctx, row, out);
	if (what == POLICY_HEADER && LIKELY(policy_header_at_once(r->ctx, args[0].s, row, out)))
		return true;
	return ask_borrowing(d, r, handle, args, n, out, err);
}

// As host_call's first two would answer.
static inline bool
is_still(const struct sample_ctx *ctx, const struct policy_answer *a)
{
	enum policy_what what = policy_handle_what(a->handle);
	int row = policy_handle_row(a->handle);
	struct policy_value now = {0};
	if (what == POLICY_HEADER
		? !policy_header_at_once(ctx, a->name, row, &now)
		: policy_field_evaluates(row) || !policy_field_ask(ctx, row, &now))
		return false;
	return now.type == POLICY_T_STR && str_eq(now.s, a->text);
}

static unsigned
host_changed(void *data, void *txn, const struct policy_answer *answers, unsigned set)
{
	const struct policy_request *r = txn;
	unsigned changed = 0;
	(void)data;
	for (unsigned left = set; left != 0; left &= left - 1)
		if (!is_still(r->ctx, &answers[__builtin_ctz(left)]))
			changed |= left & -left;
	return changed;
}

// ---- the rest -----------------------------------------------------------------------------------

static bool
host_set_server(void *data, int backend, struct str server, struct str what, struct str value,
		const char *who, struct err *err)
{
	struct policy_host_data *d = data;
	ASSERT(policy_handle_what(backend) == POLICY_BACKEND);
	const struct proxy *p = d->set->all[policy_handle_row(backend)];
	return policy_server_set(d->set, p, server, what, value, who, err);
}

static void
host_effects_due(void *data)
{
	struct policy_host_data *d = data;
	if (d->set->effects != NULL)
		effects_wake(d->set->effects);
}

static void
host_published(void *data, const struct policy *p)
{
	const struct policy_host_data *d = data;
	if (d->set->policy_live != NULL)
		d->set->policy_live(d->set, p);
}

static size_t
host_describe(void *data, void *txn, char *buf, size_t room)
{
	const struct policy_request *r = txn;
	(void)data;
	CHECK_MAGIC(r, POLICY_REQUEST_MAGIC);
	return policy_request_describe(r->ctx, buf, room);
}

const struct policy_host policy_host = {
    .remark = policy_setup_remark,
    .describe = host_describe,
    .published = host_published,
    .resolve = host_resolve,
    .call = host_call,
    .changed = host_changed,
    .test_txn = policy_host_test_txn,
    .post = policy_host_post,
    .wake_at = policy_host_wake_at,
    .run_over = lua_sockets_run_over,
    .set_server = host_set_server,
    .effects_due = host_effects_due,
};
