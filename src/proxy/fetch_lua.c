// SPDX-License-Identifier: MIT
// The fetch lua() and what scripts registered, lua.NAME: each place of the configuration that names
// one is a site with its arguments, made when the configuration is linked and called with the
// transaction's view of generations.
#include "base/mem.h"
#include "base/module.h"
#include "base/sbuf.h"
#include "conf/conf.h"
#include "policy/run.h"
#include "proxy/host.h"
#include "proxy/policy_host_priv.h"
#include "proxy/setup.h"
#include "proxy/txn.h"
#include "proxy/verdict.h"
#include "proxy/worker.h"

// What one lua(...) of the configuration stands for.
struct lua_site {
	const struct policy_fn *fn;
	const struct verdict_note *note;
	unsigned n_args;
	struct policy_value args[POLICY_MAX_ARGS];
};

static bool
link_args(struct lua_site *site, const struct expr_arg *a, struct err *err)
{
	for (; a->type != ARG_END && a->given; a++) {
		if (site->n_args == POLICY_MAX_ARGS)
			return err_set(err, "more than %d arguments", POLICY_MAX_ARGS);
		site->args[site->n_args++] = (struct policy_value){.type = POLICY_T_STR, .s = a->s};
	}
	return true;
}

// A predicate is called with the request and what is named behind it. What it has no parameter for
// is lost; a parameter that gets nothing is nil, which may be meant.
static void
check_params(const struct proxy_setup *s, const struct lua_site *site)
{
	int n_params, at;
	int given = 1 + (int)site->n_args;
	struct conf_line line = {0};
	const char *name = policy_fn_name(site->fn);
	const char *script = policy_path(policy_fn_policy(site->fn));
	if (!policy_fn_params(site->fn, &n_params, &at))
		return;
	expr_set_linking(s->exprs, &line.file, &line.line);
	if (at == 0 && given > 1)
		conf_warn(s->conf, &line,
			  "lua(%s): a memoised function takes no arguments: '%.*s' is lost", name,
			  STR_ARG(site->args[0].s));
	else if (given > MAX(n_params, 1))
		conf_warn(s->conf, &line,
			  "lua(%s) is given %d arguments, the request among them, and takes %d "
			  "(%s:%d): '%.*s' is lost",
			  name, given, n_params, script, at,
			  STR_ARG(site->args[MAX(n_params, 1) - 1].s));
	else if (at > 0 && given < n_params)
		conf_notice(s->conf, &line,
			    "lua(%s) takes %d arguments, the request among them (%s:%d), and is "
			    "given %d: the rest are nil",
			    name, n_params, script, at, given);
}

// The function was found, or *err says why not.
static bool
link_site(struct lua_site *site, const struct expr_arg *args, struct conf *conf, struct err *err)
{
	const struct proxy_setup *s = conf_bound(conf, "setup");
	if (site->fn == NULL)
		return false;
	site->note = verdict_note_of(s->set, conf, site->fn);
	if (!link_args(site, args + 1, err))
		return false;
	check_params(s, site);
	return true;
}

static bool
link_entry(struct expr_arg *args, struct conf *conf, enum policy_kind kind, struct err *err)
{
	struct policy_engine *e;
	if (!policy_setup_engine(conf, args[0].s, &e, err))
		return false;
	if (e == NULL)
		return true;
	struct lua_site *site = CONF_NEW(conf, struct lua_site);
	site->fn = policy_resolve_entry(e, kind, args[0].s, 0, 0, err);
	if (kind == POLICY_CONVERTER)
		site->n_args = 1; // the input
	args[0].ptr = site;
	return link_site(site, args, conf, err);
}

static bool
link_fetcher(struct expr_arg *args, struct conf *conf, struct err *err)
{
	return link_entry(args, conf, POLICY_FETCHER, err);
}

static bool
link_converter(struct expr_arg *args, struct conf *conf, struct err *err)
{
	return link_entry(args, conf, POLICY_CONVERTER, err);
}

// A predicate, else what core.register_fetches registered, typed as the function's value is.
static bool
link_lua(struct expr_arg *args, struct conf *conf, struct err *err)
{
	struct err second;
	struct policy_engine *e;
	if (!policy_setup_engine(conf, args[0].s, &e, err))
		return false;
	if (e == NULL)
		return true;
	struct lua_site *site = CONF_NEW(conf, struct lua_site);
	site->fn = policy_resolve(e, args[0].s, err);
	if (site->fn == NULL)
		site->fn = policy_resolve_entry(e, POLICY_FETCHER, args[0].s, 0, 0, &second);
	args[0].ptr = site;
	return link_site(site, args, conf, err);
}

// A transaction that is explained says what its functions read.
static void
was_read(void *txn, uint32_t handle, const struct tidevars_value *v)
{
	const struct policy_request *r = txn;
	r->ctx->shm_was_read(r->ctx, handle, v);
}

// Above the line of the test that it failed for: why, and what on-error made of it.
static void
explain_failure(struct txn *t, const struct lua_site *site, enum policy_verdict v,
		const struct policy_call *call)
{
	const char *gave = v == POLICY_DENY                   ? "refuses the request"
			   : call->gen != 0                   ? "takes an older answer"
			   : v == POLICY_VALUE && call->out.b ? "says true"
			   : v == POLICY_VALUE                ? "says false"
							      : "gives nothing";
	sbuf_printf(t->explain, "      %s failed (%s): on-error %s\n", policy_fn_name(site->fn),
		    policy_error_name(call->error), gave);
}

// One call; `input`, when not NULL, is its first argument. The rest of *call is told back.
static ALWAYS_INLINE enum policy_verdict
call_site(const struct lua_site *site, struct sample_ctx *ctx, const struct policy_value *input,
	  struct policy_call *call)
{
	struct policy_value args[POLICY_MAX_ARGS];
	if (UNLIKELY(ctx->host != &proxy_sample_host || site == NULL)) {
		*call = (struct policy_call){0};
		return POLICY_NIL; // no transaction
	}
	struct txn *t = ctx->host_data;
	struct proxy_worker *w = t->worker;
	if (t->policy_view == NULL)
		t->policy_view = policy_pin(w->policy);
	struct policy_request request = {POLICY_REQUEST_MAGIC, ctx, w->policy_scratch};
	// One by one: as a whole, with its padding, it would be cleared first.
	call->txn = &request;
	call->arena = ctx->arena;
	call->now_boot_ns = ctx->now_boot_ns;
	call->now_real_ns = ctx->now_real_ns;
	call->args = site->args;
	call->n_args = site->n_args;
	call->output = NULL;
	call->was_read = ctx->shm_was_read != NULL ? was_read : NULL;
	call->out = (struct policy_value){0};
	call->error = POLICY_E_NONE;
	call->gen = 0;
	if (input != NULL) {
		memcpy(args, site->args, site->n_args * sizeof(args[0]));
		args[0] = *input;
		call->args = args;
	}
	bool asked = site->note->slot >= 0;
	if (UNLIKELY(asked))
		verdict_begin(t, site->note, call);
	enum policy_verdict v = policy_call(w->policy, t->policy_view, site->fn, call);
	if (UNLIKELY(asked))
		verdict_end(t, site->note, v, call);
	if (UNLIKELY(t->explain != NULL) && call->error != POLICY_E_NONE)
		explain_failure(t, site, v, call);
	if (v == POLICY_DENY)
		t->flags |= TXN_POLICY_DENIED;
	return v;
}

static bool
fetch_lua(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out)
{
	struct policy_call call;
	out->flags |= SMP_VOLATILE;
	if (call_site(args[0].ptr, ctx, NULL, &call) != POLICY_VALUE)
		return false;
	if (UNLIKELY(call.out.type != POLICY_T_BOOL))
		return policy_value_sample(&call.out, ctx, out);
	sample_set_bool(out, call.out.b);
	return true;
}

// HAProxy has no sample when a call fails; only `on-error true` says otherwise.
static bool
has_value(enum policy_verdict v, const struct policy_call *call)
{
	bool ruled = call->error != POLICY_E_NONE && call->gen == 0;
	return v == POLICY_VALUE && (!ruled || call->out.b);
}

// As HAProxy has it: what it returns is text.
static bool
fetch_registered(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out)
{
	struct policy_call call;
	enum policy_verdict v = call_site(args[0].ptr, ctx, NULL, &call);
	out->flags |= SMP_VOLATILE;
	return has_value(v, &call) && policy_value_sample(&call.out, ctx, out) &&
	       sample_cast(out, SMP_STR, ctx);
}

static bool
convert_registered(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *smp)
{
	const struct policy_value input = {.type = POLICY_T_STR,
					   .s = smp->s.p != NULL ? smp->s : STR("")};
	struct policy_call call;
	uint8_t flags = smp->flags;
	if (!has_value(call_site(args[0].ptr, ctx, &input, &call), &call))
		return false;
	*smp = (struct sample){.flags = flags};
	return policy_value_sample(&call.out, ctx, smp) && sample_cast(smp, SMP_STR, ctx);
}

static const struct arg_spec lua_args[] = {
    {.type = ARG_NAME, .name = "function", .flags = ARG_NOT_EMPTY},
    {.type = ARG_REST, .name = "args", .flags = ARG_OPTIONAL},
    {.type = ARG_END},
};

const struct fetch_row policy_fetches[] = {
    {.name = "lua",
     .args = lua_args,
     .out = SMP_ANY,
     .needs = SMP_NEED_TXN,
     .flags = ROW_VOLATILE,
     .fetch = fetch_lua,
     .link = link_lua,
     .help = "The verdict of a policy's function, which gets the request and the further "
	     "arguments; nil is no sample."},
    {.name = "lua.*",
     .args = lua_args,
     .out = SMP_STR,
     .needs = SMP_NEED_TXN,
     .flags = ROW_VOLATILE,
     .fetch = fetch_registered,
     .link = link_fetcher,
     .help = "lua.NAME: what a script registered with core.register_fetches, as text, as HAProxy "
	     "has it."},
    {.name = NULL},
};

const struct conv_row policy_converters[] = {
    {.name = "lua.*",
     .args = lua_args,
     .in = SMP_STR,
     .out = SMP_STR,
     .needs = SMP_NEED_TXN,
     .flags = ROW_VOLATILE,
     .conv = convert_registered,
     .link = link_converter,
     .help = "lua.NAME: what a script registered with core.register_converters."},
    {.name = NULL},
};
