// SPDX-License-Identifier: MIT
// Verdicts kept for the length of a transaction. The records are made in its arena when the first
// function that somebody asks about is called.
#include "proxy/verdict.h"

#include "base/module.h"
#include "conf/conf.h"
#include "policy/run.h"
#include "proxy/host.h"
#include "proxy/policy_host_priv.h"
#include "proxy/setup.h"
#include "proxy/txn.h"
#include "proxy/worker.h"
#include "tidegate/vars.h"

#define MOST_READS 16u // variables of one call; more are not told

struct verdict_record {
	bool known;
	uint8_t verdict; // enum policy_verdict
	uint8_t error;   // enum policy_error
	uint8_t n_reads;
	uint32_t gen; // that answered; 0: its on-error rule
	struct policy_value value;
	struct {
		uint32_t handle;
		uint64_t version;
	} read[MOST_READS];
};

// ---- keeping ------------------------------------------------------------------------------------

struct verdict_note *
verdict_note_of(struct proxy_set *set, struct conf *conf, const struct policy_fn *fn)
{
	struct verdict_note *n = set->verdict_notes;
	while (n != NULL && n->fn != fn)
		n = n->next;
	if (n != NULL)
		return n;
	n = CONF_NEW(conf, struct verdict_note);
	*n = (struct verdict_note){.next = set->verdict_notes, .fn = fn, .slot = -1};
	return set->verdict_notes = n;
}

static struct verdict_record *
record_of(const struct txn *t, const struct verdict_note *note)
{
	return t->verdicts != NULL ? &t->verdicts[note->slot] : NULL;
}

// Of a call between verdict_begin and verdict_end.
static void
note_read(void *request, uint32_t handle, const struct tidevars_value *v)
{
	const struct policy_request *r = request;
	const struct txn *t = r->ctx->host_data;
	struct verdict_record *rec = t->verdict_now; // NULL behind a call inside, which is refused
	unsigned i = 0;
	while (rec != NULL && i < rec->n_reads && rec->read[i].handle != handle)
		i++;
	if (rec != NULL && i < MOST_READS) {
		rec->read[i].handle = handle;
		rec->read[i].version = v->version;
		rec->n_reads = (uint8_t)MAX((unsigned)rec->n_reads, i + 1);
	}
	if (r->ctx->shm_was_read != NULL)
		r->ctx->shm_was_read(r->ctx, handle, v);
}

void
verdict_begin(struct txn *t, const struct verdict_note *note, struct policy_call *call)
{
	if (t->verdicts == NULL) {
		size_t n = t->worker->set->n_verdicts;
		t->verdicts = arena_alloc(&t->arena, n * sizeof(*t->verdicts),
					  alignof(struct verdict_record));
		if (t->verdicts == NULL)
			return;
		memset(t->verdicts, 0, n * sizeof(*t->verdicts));
	}
	t->verdict_now = record_of(t, note);
	t->verdict_now->n_reads = 0;
	if (note->reads)
		call->was_read = note_read;
}

void
verdict_end(struct txn *t, const struct verdict_note *note, enum policy_verdict v,
	    const struct policy_call *call)
{
	struct verdict_record *rec = record_of(t, note);
	t->verdict_now = NULL;
	if (rec == NULL)
		return;
	rec->known = true;
	rec->verdict = (uint8_t)v;
	rec->error = (uint8_t)call->error;
	rec->gen = call->gen;
	rec->value = call->out;
}

// ---- fetches ------------------------------------------------------------------------------------

static bool
link_note(struct expr_arg *args, struct conf *conf, struct err *err)
{
	struct err second;
	struct policy_engine *e;
	if (!policy_setup_engine(conf, args[0].s, &e, err))
		return false;
	if (e == NULL)
		return true; // its scripts' fault is told
	const struct policy_fn *fn = policy_resolve(e, args[0].s, err);
	if (fn == NULL)
		fn = policy_resolve_entry(e, POLICY_FETCHER, args[0].s, 0, 0, &second);
	if (fn == NULL)
		return false;
	struct proxy_setup *s = conf_bound(conf, "setup");
	struct verdict_note *note = verdict_note_of(s->set, conf, fn);
	if (note->slot < 0)
		note->slot = (int)s->set->n_verdicts++;
	args[0].ptr = note;
	return true;
}

static bool
link_reads(struct expr_arg *args, struct conf *conf, struct err *err)
{
	bool ok = link_note(args, conf, err);
	struct verdict_note *note = args[0].ptr;
	if (note != NULL)
		note->reads = true;
	return ok;
}

// NULL: it was not called in this transaction.
static const struct verdict_record *
record(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out)
{
	out->flags |= SMP_VOLATILE;
	if (ctx->host != &proxy_sample_host || args[0].ptr == NULL)
		return NULL;
	const struct verdict_record *rec = record_of(ctx->host_data, args[0].ptr);
	return rec != NULL && rec->known ? rec : NULL;
}

static bool
fetch_verdict(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out)
{
	const struct verdict_record *rec = record(args, ctx, out);
	return rec != NULL && rec->verdict == POLICY_VALUE &&
	       policy_value_sample(&rec->value, ctx, out);
}

static bool
fetch_gen(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out)
{
	const struct verdict_record *rec = record(args, ctx, out);
	if (rec != NULL)
		sample_set_int(out, rec->gen);
	return rec != NULL;
}

static bool
fetch_error(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out)
{
	const struct verdict_record *rec = record(args, ctx, out);
	if (rec == NULL || rec->error == POLICY_E_NONE)
		return false;
	sample_set_str(out, str_from_c(policy_error_name((enum policy_error)rec->error)));
	return true;
}

static bool
fetch_reads(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out)
{
	const struct verdict_record *rec = record(args, ctx, out);
	const char *text = rec != NULL && rec->n_reads > 0 ? "" : NULL;
	for (unsigned i = 0; text != NULL && i < rec->n_reads; i++)
		text = arena_printf(ctx->arena, "%s%s%s@%llu", text, i > 0 ? "," : "",
				    tidevars_name(ctx->shm, rec->read[i].handle),
				    (unsigned long long)rec->read[i].version);
	if (text != NULL)
		sample_set_str(out, str_from_c(text));
	return text != NULL;
}

// ---- generations and versions -------------------------------------------------------------------

static bool
link_policy(struct expr_arg *args, struct conf *conf, struct err *err)
{
	struct policy_engine *e;
	struct str name = args[0].given ? args[0].s : STR("");
	if (!policy_setup_engine(conf, name, &e, err))
		return false;
	if (e == NULL)
		return true;
	struct policy *first = policy_next(e, NULL);
	if (args[0].given)
		args[0].ptr = policy_find(e, name, err);
	else if (first != NULL && policy_next(e, first) == NULL)
		args[0].ptr = first;
	else
		err_set(err, "which policy? There are several");
	return args[0].ptr != NULL;
}

// What this transaction sees, which a publish meanwhile does not change.
static bool
fetch_policy_gen(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out)
{
	out->flags |= SMP_VOLATILE;
	if (ctx->host != &proxy_sample_host || args[0].ptr == NULL)
		return false;
	const struct txn *t = ctx->host_data;
	sample_set_int(out, policy_seen_gen(t->worker->policy, t->policy_view, args[0].ptr));
	return true;
}

static bool
link_var(struct expr_arg *args, struct conf *conf, struct err *err)
{
	const struct proxy_setup *s = conf_bound(conf, "setup");
	struct tidevars_error why;
	uint32_t handle;
	if (s == NULL || s->set->vars == NULL)
		return err_set(err, "'%.*s': there is no variable table", STR_ARG(args[0].s));
	if (tidevars_find(s->set->vars, args[0].s.p, args[0].s.n, &handle, &why) != TIDEVARS_OK)
		return err_set(err, "%s", why.text);
	args[0].i = handle;
	return true;
}

static bool
fetch_var_version(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out)
{
	out->flags |= SMP_VOLATILE;
	if (ctx->shm == NULL)
		return false;
	sample_set_int(out, (int64_t)tidevars_version(ctx->shm, (uint32_t)args[0].i));
	return true;
}

static const struct arg_spec function_arg[] = {
    {.type = ARG_NAME, .name = "function", .flags = ARG_NOT_EMPTY}, {.type = ARG_END}};
static const struct arg_spec policy_arg[] = {
    {.type = ARG_NAME, .name = "policy", .flags = ARG_OPTIONAL}, {.type = ARG_END}};
static const struct arg_spec var_arg[] = {
    {.type = ARG_NAME, .name = "name", .flags = ARG_NOT_EMPTY}, {.type = ARG_END}};

#define ROW(row_name, row_args, type, need, f, l, text)                         \
	{                                                                       \
		.name = row_name, .args = row_args, .out = type, .needs = need, \
		.flags = ROW_VOLATILE, .fetch = f, .link = l, .help = text      \
	}
static const struct fetch_row fetches[] = {
    ROW("lua_verdict", function_arg, SMP_ANY, SMP_NEED_TXN, fetch_verdict, link_note,
	"what the policy's function said last in this transaction; it is not called for it, and "
	"where no rule called it there is no sample"),
    ROW("lua_gen", function_arg, SMP_INT, SMP_NEED_TXN, fetch_gen, link_note,
	"the generation that gave that verdict; 0: it failed, and on-error says what stands for "
	"it"),
    ROW("lua_error", function_arg, SMP_STR, SMP_NEED_TXN, fetch_error, link_note,
	"the class of error of that call, as in `show policy`; no sample when it succeeded"),
    ROW("lua_reads", function_arg, SMP_STR, SMP_NEED_TXN, fetch_reads, link_reads,
	"the variables that call read with their versions: NAME@VERSION,NAME@VERSION..."),
    ROW("policy_gen", policy_arg, SMP_INT, SMP_NEED_TXN, fetch_policy_gen, link_policy,
	"the generation of the policy that this transaction sees; the policy is named where there "
	"are several"),
    ROW("var_version", var_arg, SMP_INT, SMP_NEED_SHM, fetch_var_version, link_var,
	"the version of the shared variable, which each write raises, as it is now"),
    {.name = NULL},
};

const struct module proxy_verdict_module = {.name = "verdict", .fetches = fetches};
