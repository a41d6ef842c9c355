// SPDX-License-Identifier: MIT
// The keeper alone writes: the first worker's block of each object.
#include "main/keep_numbers.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "expr/vars_rate.h"
#include "main/service.h"
#include "metrics/ledger.h"
#include "net/timer.h"
#include "policy/policy.h"
#include "proxy/kept.h"
#include "tidegate/vars.h"

#define EVERY_NS   (200 * NS_PER_MS)
#define NAME_BYTES 160

// One word for each of policy_fn_stats, in its order.
struct call_words {
	struct metric w[sizeof(struct policy_fn_stats) / sizeof(uint64_t)];
};

struct rate_words {
	struct metric begin_ns, base, past;
};

#define CALL(m, metric_kind)                                                                    \
	{                                                                                       \
		.name = #m, .offset = offsetof(struct policy_fn_stats, m), .kind = metric_kind, \
	}
#define RATE(m)                                                                             \
	{                                                                                   \
		.name = #m, .offset = offsetof(struct rate_words, m), .kind = METRIC_GAUGE, \
	}

static const struct metric_row plain_call_rows[] = {
    CALL(calls, METRIC_COUNTER),     CALL(nils, METRIC_COUNTER),
    CALL(memo_hits, METRIC_COUNTER), CALL(memo_misses, METRIC_COUNTER),
    CALL(stood, METRIC_COUNTER),     CALL(last_good, METRIC_COUNTER),
    CALL(slowest_ns, METRIC_MAX),    CALL(sampled_ns, METRIC_COUNTER),
};
static const struct metric_row rate_rows[] = {RATE(begin_ns),
					      RATE(base),
					      RATE(past),
					      {.name = NULL}};
static const struct ledger_kind rate_kind = {"rate", rate_rows, sizeof(struct rate_words)};

#define N_PLAIN ARRAY_LEN(plain_call_rows)
#define N_ROWS  (N_PLAIN + POLICY_N_ERRORS + POLICY_LATENCY_BUCKETS)

struct number {
	struct metric_blocks blocks;
	struct policy_fn *fn; // or
	struct vars_rate *rate;
	char name[NAME_BYTES];
};

struct keep_numbers {
	struct service *s;
	struct loop *loop;
	struct timer timer;
	struct number **numbers;
	size_t n, cap;
	struct metric_row call_rows[N_ROWS + 1];
	char row_names[N_ROWS][32];
	struct ledger_kind call_kind;
};

// --- objects -------------------------------------------------------------------------------------

static void
add_row(struct keep_numbers *k, size_t at, const char *prefix, const char *name, size_t offset)
{
	(void)snprintf(k->row_names[at], sizeof(k->row_names[at]), "%s.%s", prefix, name);
	k->call_rows[at] =
	    (struct metric_row){.name = k->row_names[at], .offset = offset, .kind = METRIC_COUNTER};
}

static void
make_call_kind(struct keep_numbers *k)
{
	size_t at = N_PLAIN;
	memcpy(k->call_rows, plain_call_rows, sizeof(plain_call_rows));
	for (unsigned i = 0; i < POLICY_N_ERRORS; i++, at++)
		add_row(k, at, "error", policy_error_name((enum policy_error)i),
			offsetof(struct policy_fn_stats, errors) + i * sizeof(uint64_t));
	for (unsigned i = 0; i < POLICY_LATENCY_BUCKETS; i++, at++) {
		char number[16];
		(void)snprintf(number, sizeof(number), "%u", i);
		add_row(k, at, "sampled", number,
			offsetof(struct policy_fn_stats, sampled) + i * sizeof(uint64_t));
	}
	k->call_kind = (struct ledger_kind){"policy", k->call_rows, sizeof(struct call_words)};
}

static struct number *
add(struct keep_numbers *k, const struct ledger_kind *kind, const char *name)
{
	struct number *n = MEM_NEW(struct number);
	VEC_GROW(k->numbers, k->cap, k->n);
	k->numbers[k->n++] = n;
	(void)snprintf(n->name, sizeof(n->name), "%s", name);
	kept_add(k->s->set, kind, str_from_c(n->name), &n->blocks);
	return n;
}

static void
add_functions(struct keep_numbers *k, struct policy_engine *e)
{
	char name[NAME_BYTES];
	for (struct policy_fn *fn = NULL; e != NULL && (fn = policy_fn_next(e, fn)) != NULL;) {
		(void)snprintf(name, sizeof(name), "%s.%s", policy_name(policy_fn_policy(fn)),
			       policy_fn_name(fn));
		add(k, &k->call_kind, name)->fn = fn;
	}
}

static void
add_rates(struct keep_numbers *k)
{
	char name[NAME_BYTES];
	const struct proxy_set *set = k->s->set;
	for (struct vars_rate *r = NULL; (r = expr_rate_next(k->s->exprs, r)) != NULL;) {
		struct vars_rate_state now = vars_rate_state(r);
		(void)snprintf(name, sizeof(name), "%s/%" PRIu64,
			       tidevars_name(set->vars, now.handle), now.period_ns);
		add(k, &rate_kind, name)->rate = r;
	}
}

struct keep_numbers *
keep_numbers_new(struct service *s)
{
	struct keep_numbers *k = MEM_NEW(struct keep_numbers);
	k->s = s;
	make_call_kind(k);
	add_functions(k, s->set->policies);
	add_rates(k);
	return k;
}

void
keep_numbers_free(struct keep_numbers **kp)
{
	struct keep_numbers *k = *kp;
	*kp = NULL;
	if (k == NULL)
		return;
	for (size_t i = 0; i < k->n; i++)
		mem_free(k->numbers[i]);
	mem_free(k->numbers);
	mem_free(k);
}

// --- copying -------------------------------------------------------------------------------------

// What this process counted goes to the ledger, what others counted comes from it.
static void
copy_calls(const struct keep_numbers *k, struct number *n)
{
	struct policy_fn_stats own, others;
	uint64_t own_word;
	struct call_words *words = metrics_of(&n->blocks, 0);
	policy_fn_own_stats(n->fn, &own);
	for (size_t i = 0; i < ARRAY_LEN(words->w); i++) {
		memcpy(&own_word, (const char *)&own + i * sizeof(own_word), sizeof(own_word));
		METRIC_SET(&words->w[i], own_word);
	}
	for (const struct metric_row *r = k->call_rows; r->name != NULL; r++) {
		uint64_t all = metrics_read(&n->blocks, r);
		memcpy(&own_word, (const char *)&own + r->offset, sizeof(own_word));
		all = r->kind == METRIC_MAX ? all : all - own_word;
		memcpy((char *)&others + r->offset, &all, sizeof(all));
	}
	policy_fn_carry(n->fn, &others);
}

static void
copy_rate(const struct number *n)
{
	struct rate_words *words = metrics_of(&n->blocks, 0);
	struct vars_rate_state now = vars_rate_state(n->rate);
	METRIC_SET(&words->begin_ns, now.begin_ns);
	METRIC_SET(&words->base, now.base);
	METRIC_SET(&words->past, now.past);
}

static void
copy_all(const struct keep_numbers *k)
{
	for (size_t i = 0; i < k->n; i++)
		if (k->numbers[i]->fn != NULL)
			copy_calls(k, k->numbers[i]);
		else
			copy_rate(k->numbers[i]);
}

static void
on_timer(struct timer *t)
{
	struct keep_numbers *k = CONTAINER_OF(t, struct keep_numbers, timer);
	copy_all(k);
	loop_timer_set(k->loop, t, loop_now_ns(k->loop) + EVERY_NS);
}

void
keep_numbers_take(struct keep_numbers *k, const struct ledger *before)
{
	uint64_t now = clock_boot_ns();
	for (size_t i = 0; i < k->n; i++) {
		const struct number *n = k->numbers[i];
		struct str kind = STR("rate"), name = str_from_c(n->name);
		struct vars_rate_state s;
		if (n->rate != NULL && ledger_get(before, kind, name, "begin_ns", &s.begin_ns) &&
		    ledger_get(before, kind, name, "base", &s.base) &&
		    ledger_get(before, kind, name, "past", &s.past) && s.begin_ns != 0 &&
		    s.begin_ns <= now) // else of an earlier boot
			vars_rate_begin(n->rate, &s);
	}
}

void
keep_numbers_start(struct keep_numbers *k, struct loop *loop)
{
	if (k == NULL)
		return;
	k->loop = loop;
	timer_init(&k->timer, on_timer);
	on_timer(&k->timer);
}

void
keep_numbers_stop(struct keep_numbers *k)
{
	if (k == NULL || k->loop == NULL)
		return;
	loop_timer_stop(k->loop, &k->timer);
	copy_all(k);
	k->loop = NULL;
}
