// SPDX-License-Identifier: MIT
// Policies in `show metrics`: the engine's counters copied into blocks that the renderer walks. A
// function has one object of totals, which no reload sets back, one for each class of error, and
// one for each generation that is alive, of which there are at most POLICY_MAX_ALIVE; so the number
// of series follows from the configuration.
#include "proxy/policy_metrics.h"

#include <stdio.h>

#include "base/mem.h"
#include "policy/policy.h"

// ---- rows ---------------------------------------------------------------------------------------

struct policy_numbers {
	struct metric generation, alive, tests, soft_stops, hard_stops, rebuilds, memory_failures,
	    pins_moved;
};

struct fn_numbers {
	struct metric calls, nils, memo_hits, memo_misses, stood, last_good, p50_ns, p99_ns,
	    slowest_ns;
	struct metric_histogram latency;
};

struct gen_numbers {
	struct metric calls, memo_hits, errors, soft_stops, hard_stops, p50_ns, p99_ns, slowest_ns;
};

struct state_numbers {
	struct metric used, peak;
};

#define ROW(of, member, metric_name, metric_kind, metric_unit, text)                  \
	{                                                                             \
		.name = "policy_" metric_name, .offset = offsetof(struct of, member), \
		.kind = METRIC_##metric_kind, .unit = metric_unit, .help = text,      \
	}

static const struct metric_row policy_rows[] = {
    ROW(policy_numbers, generation, "generation", GAUGE, NULL, "Number of the live generation."),
    ROW(policy_numbers, alive, "generations_alive", GAUGE, NULL, "Generations that have states."),
    ROW(policy_numbers, tests, "tests", GAUGE, NULL, "Self-tests the live generation passed."),
    ROW(policy_numbers, soft_stops, "soft_stops_total", COUNTER, NULL,
	"Calls stopped at their budget of time."),
    ROW(policy_numbers, hard_stops, "hard_stops_total", COUNTER, NULL,
	"Calls stopped with their state thrown away."),
    ROW(policy_numbers, rebuilds, "rebuilds_total", COUNTER, NULL,
	"States built again after a hard stop."),
    ROW(policy_numbers, memory_failures, "memory_failures_total", COUNTER, NULL,
	"Calls that needed more memory than the policy has."),
    ROW(policy_numbers, pins_moved, "pins_moved_total", COUNTER, NULL,
	"Transactions moved to the live generation before they ended."),
    {.name = NULL}};

static const struct metric_row fn_rows[] = {
    ROW(fn_numbers, calls, "calls_total", COUNTER, NULL, "Calls of the function."),
    ROW(fn_numbers, nils, "nils_total", COUNTER, NULL, "Calls without a verdict."),
    ROW(fn_numbers, memo_hits, "memo_hits_total", COUNTER, NULL,
	"Verdicts of tide.memo that stood."),
    ROW(fn_numbers, memo_misses, "memo_misses_total", COUNTER, NULL,
	"Memoised functions that ran."),
    ROW(fn_numbers, stood, "stood_total", COUNTER, NULL,
	"Calls not run, as nothing that the function reads had changed."),
    ROW(fn_numbers, last_good, "last_good_total", COUNTER, NULL,
	"Failed calls that the generation before answered."),
    ROW(fn_numbers, p50_ns, "call_p50_nanoseconds", GAUGE, "nanoseconds",
	"Half of the timed calls took less (a power of two)."),
    ROW(fn_numbers, p99_ns, "call_p99_nanoseconds", GAUGE, "nanoseconds",
	"99 percent of the timed calls took less (a power of two)."),
    ROW(fn_numbers, slowest_ns, "call_max_nanoseconds", GAUGE, "nanoseconds",
	"The slowest timed call."),
    ROW(fn_numbers, latency, "call_seconds", HISTOGRAM, "seconds",
	"Time of calls; one in 61 is timed."),
    {.name = NULL}};

// The label says which class.
static const struct metric_row error_rows[] = {{.name = "policy_errors_total",
						.help = "Calls that failed, by class of error."},
					       {.name = NULL}};

static const struct metric_row gen_rows[] = {
    ROW(gen_numbers, calls, "generation_calls_total", COUNTER, NULL,
	"Calls of the function in this generation."),
    ROW(gen_numbers, memo_hits, "generation_memo_hits_total", COUNTER, NULL,
	"Verdicts of tide.memo that stood in it."),
    ROW(gen_numbers, errors, "generation_errors_total", COUNTER, NULL, "Calls that failed in it."),
    ROW(gen_numbers, soft_stops, "generation_soft_stops_total", COUNTER, NULL,
	"Calls stopped at their budget in it."),
    ROW(gen_numbers, hard_stops, "generation_hard_stops_total", COUNTER, NULL,
	"Calls stopped with its state thrown away."),
    ROW(gen_numbers, p50_ns, "generation_call_p50_nanoseconds", GAUGE, "nanoseconds",
	"Half of its timed calls took less (a power of two)."),
    ROW(gen_numbers, p99_ns, "generation_call_p99_nanoseconds", GAUGE, "nanoseconds",
	"99 percent of its timed calls took less (a power of two)."),
    ROW(gen_numbers, slowest_ns, "generation_call_max_nanoseconds", GAUGE, "nanoseconds",
	"Its slowest timed call."),
    {.name = NULL}};

static const struct metric_row state_rows[] = {
    ROW(state_numbers, used, "state_memory_bytes", GAUGE, "bytes",
	"Memory of a worker's Lua state, as seen at one call in 61."),
    ROW(state_numbers, peak, "state_memory_peak_bytes", GAUGE, "bytes", "The most it had."),
    {.name = NULL}};

// ---- objects ------------------------------------------------------------------------------------

struct made {
	struct metric_blocks blocks;
	struct metric_label labels[4];
	char number[16]; // the text of a label
};

static void *
add(struct policy_metrics *m, const struct metric_row *rows, size_t bytes, const struct policy *p)
{
	struct made *o = MEM_NEW(struct made);
	metrics_init(&o->blocks, bytes, 1);
	o->labels[0] = (struct metric_label){"policy", str_from_c(policy_name(p))};
	VEC_GROW(m->made, m->cap_made, m->n);
	VEC_GROW(m->objects, m->cap_objects, m->n);
	m->made[m->n] = o;
	m->objects[m->n++] =
	    (struct metric_object){.rows = rows, .blocks = &o->blocks, .labels = o->labels};
	return metrics_of(&o->blocks, 0);
}

// Of the object added last.
static void
label(struct policy_metrics *m, const char *name, struct str value)
{
	struct metric_label *l = m->made[m->n - 1]->labels;
	while (l->name != NULL)
		l++;
	*l = (struct metric_label){name, value};
}

static void
label_number(struct policy_metrics *m, const char *name, unsigned value)
{
	struct made *o = m->made[m->n - 1];
	int n = snprintf(o->number, sizeof(o->number), "%u", value);
	label(m, name, str_of(o->number, (size_t)n));
}

static void
add_policy(struct policy_metrics *m, const struct policy *p)
{
	const struct policy_gen *alive[POLICY_MAX_ALIVE];
	struct policy_numbers *n = add(m, policy_rows, sizeof(*n), p);
	struct policy_gen_info live;
	struct policy_stats s;
	policy_live_info(p, &live);
	policy_stats(p, &s);
	METRIC_SET(&n->generation, live.number);
	METRIC_SET(&n->alive, policy_alive(p, alive));
	METRIC_SET(&n->tests, live.tests);
	METRIC_SET(&n->soft_stops, s.soft_stops);
	METRIC_SET(&n->hard_stops, s.hard_stops);
	METRIC_SET(&n->rebuilds, s.rebuilds);
	METRIC_SET(&n->memory_failures, s.memory_failures);
	METRIC_SET(&n->pins_moved, s.pins_moved);
}

static void
add_states(struct policy_metrics *m, const struct policy *p)
{
	const struct policy_gen *alive[POLICY_MAX_ALIVE];
	struct policy_memory memory;
	if (policy_alive(p, alive) == 0)
		return;
	for (unsigned i = 0; policy_gen_memory(alive[0], i, &memory); i++) {
		struct state_numbers *n = add(m, state_rows, sizeof(*n), p);
		label_number(m, "worker", i + 1);
		METRIC_SET(&n->used, memory.used);
		METRIC_SET(&n->peak, memory.peak);
	}
}

static void
add_fn(struct policy_metrics *m, const struct policy_fn *fn)
{
	struct fn_numbers *n = add(m, fn_rows, sizeof(*n), policy_fn_policy(fn));
	struct policy_fn_stats s;
	label(m, "function", str_from_c(policy_fn_name(fn)));
	policy_fn_stats(fn, &s);
	METRIC_SET(&n->calls, s.calls);
	METRIC_SET(&n->nils, s.nils);
	METRIC_SET(&n->memo_hits, s.memo_hits);
	METRIC_SET(&n->memo_misses, s.memo_misses);
	METRIC_SET(&n->stood, s.stood);
	METRIC_SET(&n->last_good, s.last_good);
	METRIC_SET(&n->p50_ns, policy_percentile_ns(&s, 50));
	METRIC_SET(&n->p99_ns, policy_percentile_ns(&s, 99));
	METRIC_SET(&n->slowest_ns, s.slowest_ns);
	_Static_assert(METRIC_BUCKETS == POLICY_LATENCY_BUCKETS, "the same powers of two");
	for (unsigned i = 0; i < METRIC_BUCKETS; i++)
		METRIC_SET(&n->latency.bucket[i], s.sampled[i]);
	METRIC_SET(&n->latency.sum_ns, s.sampled_ns);
}

static void
add_errors(struct policy_metrics *m, const struct policy_fn *fn)
{
	struct policy_fn_stats s;
	policy_fn_stats(fn, &s);
	for (unsigned e = POLICY_E_NONE + 1; e < POLICY_N_ERRORS; e++) {
		struct metric *n = add(m, error_rows, sizeof(*n), policy_fn_policy(fn));
		label(m, "function", str_from_c(policy_fn_name(fn)));
		label(m, "class", str_from_c(policy_error_name((enum policy_error)e)));
		METRIC_SET(n, s.errors[e]);
	}
}

static void
add_gens(struct policy_metrics *m, const struct policy_fn *fn)
{
	const struct policy_gen *alive[POLICY_MAX_ALIVE];
	unsigned n_alive = policy_alive(policy_fn_policy(fn), alive);
	for (unsigned i = 0; i < n_alive; i++) {
		struct gen_numbers *n = add(m, gen_rows, sizeof(*n), policy_fn_policy(fn));
		struct policy_gen_info info;
		struct policy_fn_stats s;
		policy_gen_info(alive[i], &info);
		policy_fn_gen_stats(fn, alive[i], &s);
		label(m, "function", str_from_c(policy_fn_name(fn)));
		label_number(m, "generation", info.number);
		METRIC_SET(&n->calls, s.calls);
		METRIC_SET(&n->memo_hits, s.memo_hits);
		METRIC_SET(&n->errors, policy_fn_failures(&s));
		METRIC_SET(&n->soft_stops, s.errors[POLICY_E_BUDGET]);
		METRIC_SET(&n->hard_stops, s.errors[POLICY_E_STOPPED]);
		METRIC_SET(&n->p50_ns, policy_percentile_ns(&s, 50));
		METRIC_SET(&n->p99_ns, policy_percentile_ns(&s, 99));
		METRIC_SET(&n->slowest_ns, s.slowest_ns);
	}
}

// The renderer wants the objects of one kind together.
void
policy_metrics_make(struct policy_metrics *m, struct policy_engine *engine)
{
	static void (*const of_policy[])(struct policy_metrics *,
					 const struct policy *) = {add_policy, add_states};
	static void (*const of_fn[])(struct policy_metrics *,
				     const struct policy_fn *) = {add_fn, add_errors, add_gens};
	*m = (struct policy_metrics){0};
	if (engine == NULL)
		return;
	for (size_t i = 0; i < ARRAY_LEN(of_policy); i++)
		for (struct policy *p = NULL; (p = policy_next(engine, p)) != NULL;)
			of_policy[i](m, p);
	for (size_t i = 0; i < ARRAY_LEN(of_fn); i++)
		for (struct policy_fn *f = NULL; (f = policy_fn_next(engine, f)) != NULL;)
			of_fn[i](m, f);
}

void
policy_metrics_free(struct policy_metrics *m)
{
	for (size_t i = 0; i < m->n; i++) {
		metrics_fini(&m->made[i]->blocks);
		mem_free(m->made[i]);
	}
	mem_free(m->made);
	mem_free(m->objects);
}
