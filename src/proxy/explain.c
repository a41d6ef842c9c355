// SPDX-License-Identifier: MIT
// Explanations of live transactions. A text grows with its transaction and moves to the worker's
// ring when that ends; commands reach the rings by messages, so nobody locks anything.
#include "proxy/explain.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/module.h"
#include "base/sbuf.h"
#include "cli/cli.h"
#include "expr/acl.h"
#include "proxy/cli_proxy_priv.h"
#include "proxy/conns.h"
#include "proxy/host.h"
#include "proxy/rule_explain.h"
#include "proxy/txn.h"
#include "tidegate/vars.h"

#define TEXT_CAP_BYTES   ((size_t)16 << 10) // of one transaction
#define ANSWER_CAP_BYTES ((size_t)256 << 10)

struct explanation {
	uint64_t txn_id; // 0: none yet
	struct sbuf text;
};

struct explain_ring {
	uint64_t n; // written so far; the next goes to n % EXPLAIN_KEPT
	struct explanation kept[EXPLAIN_KEPT];
};

// --- on the worker -------------------------------------------------------------------------------

// Above the line of the test that it was read for.
static void
note_reading(const struct sample_ctx *ctx, uint32_t handle, const struct tidevars_value *v)
{
	const struct txn *t = ctx->host_data;
	char text[TIDEVARS_TEXT_MAX + 1];
	if (t->explain == NULL)
		return;
	size_t n = tidevars_format(v, text, sizeof(text));
	sbuf_printf(t->explain, "      reads %s = ", tidevars_name(ctx->shm, handle));
	sbuf_add_json(t->explain, str_of(text, MIN(n, (size_t)200)));
	sbuf_printf(t->explain, " version %llu\n", (unsigned long long)v->version);
}

void
explain_begin(struct txn *t)
{
	struct proxy_worker *w = t->worker;
	if (++w->explain_count % w->explain_every != 0)
		return;
	t->explain = ARENA_NEW(&t->arena, struct sbuf);
	if (t->explain == NULL)
		return;
	sbuf_init(t->explain, TEXT_CAP_BYTES);
	t->ctx.shm_was_read = note_reading;
}

// The line above the rules can only be made when all is known: it is put in front at the end.
static void
print_title(const struct txn *t, struct sbuf *out)
{
	char src[64] = "unix";
	struct sample ip = {.type = t->ctx.src->family == 4 ? SMP_IP4 : SMP_IP6};
	memcpy(ip.ip, t->ctx.src->ip, sizeof(ip.ip));
	if (t->ctx.src->family > 1)
		src[sample_print_ip(&ip, src, sizeof(src))] = '\0';
	struct str line = str_slice(t->req.raw, 0, str_find_byte(t->req.raw, '\r'));
	sbuf_printf(out, "0x%llx %s:%u ", (unsigned long long)t->id, src, t->ctx.src->port);
	if (txn_has_request(t) && line.n > 0)
		sbuf_add_json(out, str_slice(line, 0, 512));
	else
		sbuf_add_byte(out, '-');
	sbuf_printf(out, " frontend %.*s\n", STR_ARG(t->frontend->name));
}

static void
print_outcome(const struct txn *t, struct sbuf *out)
{
	sbuf_printf(out, "  ended %.*s", (int)sizeof(t->term_state), t->term_state);
	if (t->res.status != 0)
		sbuf_printf(out, " status %u", t->res.status);
	if (t->backend != NULL)
		sbuf_printf(out, " backend %.*s", STR_ARG(t->backend->name));
	if (t->server != NULL)
		sbuf_printf(out, " server %.*s", STR_ARG(t->server->name));
	if (t->last_rule != NULL)
		sbuf_printf(out, " last rule %s:%d", t->last_rule->file, t->last_rule->line);
	sbuf_add_byte(out, '\n');
}

void
explain_end(struct txn *t)
{
	struct explain_ring *ring = t->worker->explain_ring;
	struct sbuf *rules = t->explain;
	t->explain = NULL;
	if (ring != NULL) {
		struct explanation *e = &ring->kept[ring->n++ % EXPLAIN_KEPT];
		e->txn_id = t->id;
		sbuf_fini(&e->text);
		sbuf_init(&e->text, 2 * TEXT_CAP_BYTES);
		print_title(t, &e->text);
		sbuf_add(&e->text, sbuf_str(rules));
		if (rules->full)
			sbuf_add(&e->text, STR("  (more than is kept)\n"));
		print_outcome(t, &e->text);
	}
	sbuf_fini(rules);
}

static void
print_rule(const struct rule *r, const char *remark, struct sbuf *out)
{
	sbuf_add(out, STR("  "));
	rule_print(r, out);
	sbuf_add(out, str_from_c(remark));
}

enum acl_result
explain_test(const struct rule *r, bool resumed, struct txn *t)
{
	print_rule(r, resumed ? " (goes on)\n" : "\n", t->explain);
	if (resumed)
		return ACL_PASS;
	enum acl_result result = rule_explain_cond(r->cond, &t->ctx, t->explain);
	if (result != ACL_PASS)
		sbuf_add(t->explain, result == ACL_MISS ? STR("    => waits for more\n")
							: STR("    => not applied\n"));
	return result;
}

void
explain_applied(struct txn *t, enum rule_verdict v)
{
	sbuf_printf(t->explain, "    => applied, %s\n", rule_verdict_name(v));
}

bool
explain_switch(const struct switch_rule *r, struct txn *t)
{
	struct sbuf *out = t->explain;
	sbuf_add(out, STR("  "));
	switch_rule_print(r, out);
	sbuf_add(out, STR("\n"));
	bool holds = rule_explain_cond(r->cond, &t->ctx, out) == ACL_PASS;
	if (holds && !r->of_servers)
		t->switched = r;
	sbuf_add(out, holds ? STR("    => chosen\n") : STR("    => not applied\n"));
	return holds;
}

void
explain_ring_free(struct explain_ring **ring)
{
	struct explain_ring *r = *ring;
	*ring = NULL;
	for (size_t i = 0; r != NULL && i < EXPLAIN_KEPT; i++)
		sbuf_fini(&r->kept[i].text);
	mem_free(r);
}

// --- commands ------------------------------------------------------------------------------------

// One question to all workers.
struct asking {
	struct cli_ref ref;
	uint64_t id;    // 0: all
	uint32_t every; // of `explain on`
	bool asks;
	_Atomic bool is_on; // asks: a worker keeps explanations
	unsigned n_workers;
	struct sbuf lines[]; // one a worker, written by it alone
};

static void
set_here(struct worker *net, void *arg)
{
	const struct asking *a = arg;
	struct proxy_worker *w = net->slot[WORKER_SLOT_PROXY];
	if (w == NULL)
		return;
	if (w->explain_ring == NULL && a->every != 0)
		w->explain_ring = mem_zalloc(sizeof(*w->explain_ring));
	w->explain_every = a->every;
	w->explain_count = 0;
}

// The newest last.
static void
show_here(struct worker *net, void *arg)
{
	struct asking *a = arg;
	const struct proxy_worker *w = net->slot[WORKER_SLOT_PROXY];
	const struct explain_ring *ring = w != NULL ? w->explain_ring : NULL;
	if (w != NULL && w->explain_every != 0)
		atomic_store_explicit(&a->is_on, true, memory_order_relaxed);
	for (uint64_t i = 0; ring != NULL && i < EXPLAIN_KEPT; i++) {
		const struct explanation *e = &ring->kept[(ring->n + i) % EXPLAIN_KEPT];
		if (e->txn_id != 0 && (a->id == 0 || a->id == e->txn_id))
			sbuf_add(&a->lines[net->id - 1], sbuf_str(&e->text));
	}
}

static void
answered(struct worker *keeper, void *arg)
{
	(void)keeper;
	struct asking *a = arg;
	struct cli_session *s = cli_deref(a->ref);
	bool any = false;
	for (unsigned i = 0; i < a->n_workers; i++) {
		any |= a->lines[i].n > 0;
		if (s != NULL)
			cli_add(s, sbuf_str(&a->lines[i]));
		if (s != NULL && a->lines[i].full)
			cli_warn(s, "worker %u has more than fit here", i + 1);
		sbuf_fini(&a->lines[i]);
	}
	if (s != NULL && a->asks && a->id != 0 && !any)
		cli_error(s, "No explanation of that transaction is kept.");
	else if (s != NULL && a->asks && !any)
		cli_printf(s, "%s\n",
			   a->is_on ? "No transaction has ended since 'explain on'."
				    : "Nothing is kept: 'explain on' begins.");
	mem_free(a);
	if (s != NULL)
		cli_done(s);
}

static enum cli_status
ask(struct cli_session *s, uint64_t id, uint32_t every, void (*here)(struct worker *, void *))
{
	const struct proxy_set *set = cli_bound(s, "proxy");
	ASSERT(set != NULL);
	struct asking *a = mem_zalloc(sizeof(*a) + set->n_workers * sizeof(a->lines[0]));
	a->ref = cli_ref(s);
	a->id = id;
	a->every = every;
	a->asks = here == show_here;
	a->n_workers = set->n_workers;
	for (unsigned i = 0; i < a->n_workers; i++)
		sbuf_init(&a->lines[i], ANSWER_CAP_BYTES);
	worker_broadcast(set->threads, here, answered, a);
	return CLI_WAIT;
}

static enum cli_status
command_show(struct cli_session *s, const struct cli_args *a)
{
	uint64_t id = 0;
	if (a->argc > 0 && !cli_parse_txn_id(a->argv[0], &id))
		return cli_error(s,
				 "'%.*s' is no transaction's number: they are written 0x2a, as "
				 "'show explain' prints them.",
				 STR_ARG(a->argv[0]));
	return ask(s, id, 0, show_here);
}

static enum cli_status
command_set(struct cli_session *s, const struct cli_args *a)
{
	int64_t every = 1;
	if (a->argc == 1 && str_eq(a->argv[0], STR("off")))
		return ask(s, 0, 0, set_here);
	if (!str_eq(a->argv[0], STR("on")) || a->argc == 2 ||
	    (a->argc == 3 && (!str_eq(a->argv[1], STR("every")) ||
			      !str_to_int(a->argv[2], &every) || every < 1 || every > INT32_MAX)))
		return cli_usage(s, a);
	return ask(s, 0, (uint32_t)every, set_here);
}

static const struct cli_command commands[] = {
    {.words = "show explain",
     .level = CLI_OPERATOR,
     .args = "[ID]",
     .max_args = 1,
     .run = command_show,
     .help = "which rules decided the transactions kept since 'explain on', and on what values"},
    {.words = "explain",
     .level = CLI_OPERATOR,
     .args = "on [every N]|off",
     .min_args = 1,
     .max_args = 3,
     .flags = CLI_CHANGES,
     .run = command_set,
     .help = "keep explanations of every Nth transaction, the last 64 of each worker"},
    {.words = NULL},
};

// --- fetches -------------------------------------------------------------------------------------

static const struct txn *
txn_of(const struct sample_ctx *ctx)
{
	return ctx->host == &proxy_sample_host ? ctx->host_data : NULL;
}

static bool
fetch_last_rule(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	const struct txn *t = txn_of(ctx);
	if (t == NULL || t->last_rule == NULL)
		return false;
	const struct rule *r = t->last_rule;
	char *text = arena_printf(ctx->arena, "%s:%d %s %s", r->file, r->line,
				  rule_list_name(r->where), r->action->name);
	ctx->failed |= text == NULL;
	sample_set_str(out, str_from_c(text));
	return text != NULL;
}

static bool
fetch_explain_id(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	const struct txn *t = txn_of(ctx);
	if (t == NULL || t->explain == NULL)
		return false;
	char *text = arena_printf(ctx->arena, "0x%llx", (unsigned long long)t->id);
	ctx->failed |= text == NULL;
	sample_set_str(out, str_from_c(text));
	return text != NULL;
}

static const struct fetch_row fetches[] = {
    {.name = "last_rule",
     .out = SMP_STR,
     .needs = SMP_NEED_TXN,
     .flags = ROW_VOLATILE,
     .fetch = fetch_last_rule,
     .help = "the last rule that ended its rule set: FILE:LINE LIST ACTION"},
    {.name = "explain_id",
     .out = SMP_STR,
     .needs = SMP_NEED_TXN,
     .flags = ROW_VOLATILE,
     .fetch = fetch_explain_id,
     .help = "the number under which `show explain` has this transaction; none when it is not "
	     "explained"},
    {.name = NULL},
};

const struct module proxy_explain_module = {
    .name = "explain",
    .fetches = fetches,
    .commands = commands,
};
