// SPDX-License-Identifier: MIT
// What operators see of policies: listings, counters, differences, self-tests on demand.
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/sbuf.h"
#include "policy/effects.h"

const char *
policy_name(const struct policy *p)
{
	return p->name;
}

const char *
policy_path(const struct policy *p)
{
	return p->path;
}

const char *
policy_fn_name(const struct policy_fn *fn)
{
	return fn->name;
}

struct policy *
policy_fn_policy(const struct policy_fn *fn)
{
	return fn->policy;
}

struct policy *
policy_next(struct policy_engine *e, const struct policy *it)
{
	size_t i = it != NULL ? it->index + 1 : 0;
	return i < e->n_policies ? e->policies[i] : NULL;
}

struct policy_fn *
policy_fn_next(struct policy_engine *e, const struct policy_fn *it)
{
	size_t i = it != NULL ? it->id + 1 : 0;
	return i < e->n_fns ? e->fns[i] : NULL;
}

void
policy_live_info(const struct policy *p, struct policy_gen_info *out)
{
	*out = p->history[p->n_history - 1]->info;
}

void
policy_gen_info(const struct policy_gen *gen, struct policy_gen_info *out)
{
	*out = gen->info;
}

// ---- show policy ----------------------------------------------------------------------------

static const char *
on_error_name(enum policy_on_error e)
{
	static const char *const names[] = {"last-good", "true", "false", "deny"};
	return names[e];
}

// Few calls are timed: of a function that is seldom called perhaps none.
static bool
was_timed(const struct policy_fn_stats *s)
{
	for (unsigned i = 0; i < POLICY_LATENCY_BUCKETS; i++)
		if (s->sampled[i] > 0)
			return true;
	return false;
}

// The rest of a line: what failed, what was timed.
static void
show_stats_text(const struct policy_fn_stats *s, struct sbuf *out)
{
	for (unsigned e = 1; e < POLICY_N_ERRORS; e++)
		if (s->errors[e] > 0)
			sbuf_printf(out, " %s %" PRIu64, policy_error_name(e), s->errors[e]);
	if (s->memo_hits + s->memo_misses > 0)
		sbuf_printf(out, " memo %" PRIu64 "/%" PRIu64 " %.1f%%", s->memo_hits,
			    s->memo_hits + s->memo_misses,
			    100 * (double)s->memo_hits / (double)(s->memo_hits + s->memo_misses));
	if (s->stood > 0)
		sbuf_printf(out, " stood %" PRIu64, s->stood);
	sbuf_printf(out, " last-good %" PRIu64, s->last_good);
	if (was_timed(s))
		sbuf_printf(out, " p50 %" PRIu64 "ns p99 %" PRIu64 "ns max %" PRIu64 "ns\n",
			    policy_percentile_ns(s, 50), policy_percentile_ns(s, 99),
			    s->slowest_ns);
	else
		sbuf_add(out, STR(" p50 - p99 - max -\n"));
}

// All calls, then those of each generation that is alive.
static void
show_fn_text(const struct policy_fn *fn, struct sbuf *out)
{
	const struct policy_gen *alive[POLICY_MAX_ALIVE];
	unsigned n = policy_alive(fn->policy, alive);
	struct policy_fn_stats s;
	policy_fn_stats(fn, &s);
	sbuf_printf(out, "  %s calls %" PRIu64 " nil %" PRIu64, fn->name, s.calls, s.nils);
	if (fn->on_error != fn->policy->on_error)
		sbuf_printf(out, " on-error %s", on_error_name(fn->on_error));
	show_stats_text(&s, out);
	for (unsigned i = 0; i < n; i++) {
		policy_fn_gen_stats(fn, alive[i], &s);
		sbuf_printf(out, "    gen %u calls %" PRIu64 " nil %" PRIu64, alive[i]->info.number,
			    s.calls, s.nils);
		show_stats_text(&s, out);
	}
}

static void
show_states_text(const struct policy *p, struct sbuf *out)
{
	const struct policy_gen *alive[POLICY_MAX_ALIVE];
	unsigned n = policy_alive(p, alive);
	struct policy_memory m;
	for (unsigned i = 0; i < n; i++)
		for (unsigned w = 0; policy_gen_memory(alive[i], w, &m); w++)
			sbuf_printf(out,
				    "  state gen %u worker %u memory-used %" PRIu64
				    "k peak %" PRIu64 "k\n",
				    alive[i]->info.number, w + 1, m.used >> 10, m.peak >> 10);
}

static void
show_text(const struct policy *p, struct sbuf *out)
{
	struct policy_gen_info g;
	struct policy_stats s;
	policy_live_info(p, &g);
	policy_stats(p, &s);
	sbuf_printf(out,
		    "policy %s gen %u %.12s tests %u script %s on-error %s budget %" PRIu64
		    "us memory %" PRIu64 "k kept %zu\n",
		    p->name, g.number, g.hash_hex, g.tests, p->path, on_error_name(p->on_error),
		    p->budget_ns / 1000, p->memory_bytes >> 10, p->n_history);
	sbuf_printf(out,
		    "  soft-stops %" PRIu64 " hard-stops %" PRIu64 " rebuilds %" PRIu64
		    " memory-failures %" PRIu64 " memory-used %" PRIu64 "k peak %" PRIu64
		    "k pins-moved %" PRIu64 " alive-most %u\n",
		    s.soft_stops, s.hard_stops, s.rebuilds, s.memory_failures, s.memory_used >> 10,
		    s.memory_peak >> 10, s.pins_moved, s.alive_most);
	if (p->memo_check)
		sbuf_printf(out, "  memo-check compared %" PRIu64 " wrong %" PRIu64 "\n",
			    s.memo_checks, s.memo_wrong);
	for (size_t i = 0; i < p->n_fns; i++)
		show_fn_text(p->fns[i], out);
	show_states_text(p, out);
	policy_effects_show(p, false, out);
}

// Members of an object.
static void
show_stats_json(const struct policy_fn_stats *s, struct sbuf *out)
{
	sbuf_printf(out, "\"calls\":%" PRIu64 ",\"nil\":%" PRIu64 ",\"errors\":{", s->calls,
		    s->nils);
	for (unsigned e = 1; e < POLICY_N_ERRORS; e++)
		sbuf_printf(out, "%s\"%s\":%" PRIu64, e > 1 ? "," : "", policy_error_name(e),
			    s->errors[e]);
	sbuf_printf(out,
		    "},\"memo_hits\":%" PRIu64 ",\"memo_misses\":%" PRIu64 ",\"stood\":%" PRIu64
		    ",\"last_good\":%" PRIu64,
		    s->memo_hits, s->memo_misses, s->stood, s->last_good);
	if (was_timed(s))
		sbuf_printf(out,
			    ",\"p50_ns\":%" PRIu64 ",\"p99_ns\":%" PRIu64 ",\"max_ns\":%" PRIu64,
			    policy_percentile_ns(s, 50), policy_percentile_ns(s, 99),
			    s->slowest_ns);
	else
		sbuf_add(out, STR(",\"p50_ns\":null,\"p99_ns\":null,\"max_ns\":null"));
	sbuf_printf(out, ",\"timed_ns\":%" PRIu64 ",\"timed\":[", s->sampled_ns);
	for (unsigned i = 0; i < POLICY_LATENCY_BUCKETS; i++)
		sbuf_printf(out, "%s%" PRIu64, i > 0 ? "," : "", s->sampled[i]);
	sbuf_add_byte(out, ']');
}

static void
show_fn_json(const struct policy_fn *fn, struct sbuf *out)
{
	const struct policy_gen *alive[POLICY_MAX_ALIVE];
	unsigned n = policy_alive(fn->policy, alive);
	struct policy_fn_stats s;
	policy_fn_stats(fn, &s);
	sbuf_add(out, STR("{\"name\":"));
	sbuf_add_json(out, str_from_c(fn->name));
	sbuf_printf(out, ",\"on_error\":\"%s\",", on_error_name(fn->on_error));
	show_stats_json(&s, out);
	sbuf_add(out, STR(",\"generations\":["));
	for (unsigned i = 0; i < n; i++) {
		policy_fn_gen_stats(fn, alive[i], &s);
		sbuf_printf(out, "%s{\"generation\":%u,", i > 0 ? "," : "", alive[i]->info.number);
		show_stats_json(&s, out);
		sbuf_add_byte(out, '}');
	}
	sbuf_add(out, STR("]}"));
}

static void
show_states_json(const struct policy *p, struct sbuf *out)
{
	const struct policy_gen *alive[POLICY_MAX_ALIVE];
	unsigned n = policy_alive(p, alive);
	struct policy_memory m;
	const char *before = "";
	sbuf_add(out, STR(",\"states\":["));
	for (unsigned i = 0; i < n; i++)
		for (unsigned w = 0; policy_gen_memory(alive[i], w, &m); w++, before = ",")
			sbuf_printf(out,
				    "%s{\"generation\":%u,\"worker\":%u,\"memory_used\":%" PRIu64
				    ",\"memory_peak\":%" PRIu64 "}",
				    before, alive[i]->info.number, w + 1, m.used, m.peak);
	sbuf_add_byte(out, ']');
}

static void
show_json(const struct policy *p, struct sbuf *out)
{
	struct policy_gen_info g;
	struct policy_stats s;
	policy_live_info(p, &g);
	policy_stats(p, &s);
	sbuf_add(out, STR("{\"name\":"));
	sbuf_add_json(out, str_from_c(p->name));
	sbuf_add(out, STR(",\"script\":"));
	sbuf_add_json(out, str_from_c(p->path));
	sbuf_printf(out,
		    ",\"generation\":%u,\"sha256\":\"%s\",\"tests\":%u,\"on_error\":\"%s\","
		    "\"budget_ns\":%" PRIu64 ",\"memory_bytes\":%" PRIu64,
		    g.number, g.hash_hex, g.tests, on_error_name(p->on_error), p->budget_ns,
		    p->memory_bytes);
	sbuf_printf(out,
		    ",\"memo_checks\":%" PRIu64 ",\"memo_wrong\":%" PRIu64
		    ",\"soft_stops\":%" PRIu64 ",\"hard_stops\":%" PRIu64 ",\"rebuilds\":%" PRIu64
		    ",\"memory_failures\":%" PRIu64 ",\"memory_used\":%" PRIu64
		    ",\"memory_peak\":%" PRIu64 ",\"pins_moved\":%" PRIu64 ",\"functions\":[",
		    s.memo_checks, s.memo_wrong, s.soft_stops, s.hard_stops, s.rebuilds,
		    s.memory_failures, s.memory_used, s.memory_peak, s.pins_moved);
	for (size_t i = 0; i < p->n_fns; i++) {
		if (i > 0)
			sbuf_add_byte(out, ',');
		show_fn_json(p->fns[i], out);
	}
	sbuf_add_byte(out, ']');
	show_states_json(p, out);
	policy_effects_show(p, true, out);
	sbuf_add_byte(out, '}');
}

void
policy_show(struct policy_engine *e, bool json, struct sbuf *out)
{
	if (json)
		sbuf_add_byte(out, '[');
	for (size_t i = 0; i < e->n_policies; i++) {
		if (json && i > 0)
			sbuf_add_byte(out, ',');
		if (json)
			show_json(e->policies[i], out);
		else
			show_text(e->policies[i], out);
	}
	if (json)
		sbuf_add(out, STR("]\n"));
}

// How often it came since a worker told of it.
static uint64_t
withheld(const struct policy_engine *e, uint64_t fault)
{
	uint64_t n = 0;
	for (unsigned w = 0; w < e->n_workers; w++) {
		const struct policy_fault *f = e->workers[w]->faults;
		for (size_t i = 0; i < POLICY_ERRORS_KEPT; i++)
			if (atomic_load_explicit(&f[i].fault, memory_order_relaxed) == fault)
				n += atomic_load_explicit(&f[i].withheld, memory_order_relaxed);
	}
	return n;
}

void
policy_show_errors(struct policy_engine *e, struct sbuf *out)
{
	for (size_t i = 0; i < e->n_errors; i++) {
		const struct policy_report_text *t = &e->errors[i];
		char when[40];
		struct tm tm;
		time_t seconds = (time_t)(t->at_real_ns / NS_PER_S);
		if (gmtime_r(&seconds, &tm) == NULL ||
		    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
			when[0] = '\0';
		sbuf_printf(out, "%s policy %s gen %u %s %s: %s; times %" PRIu64, when,
			    t->policy->name, t->gen, t->name, policy_error_name(t->error), t->text,
			    t->times + withheld(e, t->fault));
		if (t->request[0] != '\0')
			sbuf_printf(out, "; request %s", t->request);
		sbuf_add_byte(out, '\n');
	}
}

// ---- differences ----------------------------------------------------------------------------

struct lines {
	struct str *line;
	size_t n, cap;
};

static void
split(struct lines *l, struct str text)
{
	struct str rest = text, line;
	while (rest.n > 0 && str_next(&rest, '\n', &line)) {
		VEC_GROW(l->line, l->cap, l->n);
		l->line[l->n++] = line;
	}
}

static void
tell(struct sbuf *out, char sign, struct str line)
{
	sbuf_add_byte(out, sign);
	sbuf_add(out, line);
	sbuf_add_byte(out, '\n');
}

// The nearest place, within a window, where both texts go on alike.
static void
find_meeting(const struct lines *a, const struct lines *b, size_t *i, size_t *j)
{
	size_t most = MIN((a->n - *i) + (b->n - *j), (size_t)400);
	for (size_t sum = 1; sum <= most; sum++) {
		for (size_t x = 0; x <= sum; x++) {
			size_t at = *i + x, bt = *j + (sum - x);
			if (at < a->n && bt < b->n && str_eq(a->line[at], b->line[bt])) {
				*i = at;
				*j = bt;
				return;
			}
		}
	}
	*i = a->n;
	*j = b->n;
}

static void
diff(const struct lines *a, const struct lines *b, struct sbuf *out)
{
	size_t i = 0, j = 0;
	while (i < a->n || j < b->n) {
		if (i < a->n && j < b->n && str_eq(a->line[i], b->line[j])) {
			i++;
			j++;
			continue;
		}
		size_t to_i = i, to_j = j;
		find_meeting(a, b, &to_i, &to_j);
		sbuf_printf(out, "@@ -%zu +%zu @@\n", i + 1, j + 1);
		for (; i < to_i; i++)
			tell(out, '-', a->line[i]);
		for (; j < to_j; j++)
			tell(out, '+', b->line[j]);
	}
}

bool
policy_diff(struct policy *p, unsigned n, struct sbuf *out, struct err *err)
{
	if (n == 0 || n >= p->n_history)
		return err_set(err, "policy %s: there are %zu earlier generations", p->name,
			       p->n_history - 1);
	const struct policy_gen *old = p->history[p->n_history - 1 - n];
	const struct policy_gen *new = p->history[p->n_history - 1];
	struct lines a = {0}, b = {0};
	split(&a, old->script.text);
	split(&b, new->script.text);
	sbuf_printf(out, "--- gen %u %.12s\n+++ gen %u %.12s\n", old->info.number,
		    old->info.hash_hex, new->info.number, new->info.hash_hex);
	diff(&a, &b, out);
	mem_free(a.line);
	mem_free(b.line);
	return true;
}

// ---- tests and expressions on demand --------------------------------------------------------

static bool
test(struct policy *p, const struct str *text, const char *chunk,
     const struct policy_test_sink *sink, struct err *err)
{
	struct policy_gen *gen = policy_gen_new(p, text, chunk, err);
	bool ok = gen != NULL && policy_gen_check(gen, sink, err);
	policy_gen_free(gen);
	return ok;
}

bool
policy_test(struct policy *p, const struct str *text, const char *chunk,
	    const struct policy_test_sink *sink, struct err *err)
{
	return test(p, text, chunk, sink, err) || err_wrap(err, "policy %s", p->name);
}

static void
no_post(void *data, int to, struct policy_msg *m)
{
	(void)data, (void)to;
	ASSERT(m == NULL); // without workers there are no messages
}

bool
policy_test_file(struct policy_engine *engine, const char *path,
		 const struct policy_test_sink *sink, struct err *err)
{
	static const struct policy_host nobody = {.post = no_post};
	struct policy_engine *own = engine == NULL ? policy_engine_new(&nobody, NULL, NULL) : NULL;
	struct policy p = {.engine = engine != NULL ? engine : own,
			   .name = (char *)(uintptr_t) "test",
			   .folder = -1,
			   .budget_ns = POLICY_DEFAULT_BUDGET,
			   .effect_budget_ns = POLICY_DEFAULT_EFFECT_BUDGET,
			   .memory_bytes = 8 * POLICY_DEFAULT_MEMORY};
	bool ok = policy_source_open(&p, path, err) && test(&p, NULL, NULL, sink, err);
	policy_source_close(&p);
	policy_engine_free(&own);
	return ok;
}

bool
policy_eval(struct policy *p, struct str expression, struct sbuf *out, struct err *err)
{
	struct policy_gen *gen = p->history[p->n_history - 1];
	struct policy_state *s = policy_state_new(gen, NULL);
	struct guard guard;
	guard_attach(&guard, &p->engine->dog);
	bool ok = policy_state_build(s, &guard, err) && policy_state_eval(s, expression, out, err);
	guard_detach(&guard);
	policy_state_free(&s);
	return ok || err_wrap(err, "policy %s", p->name);
}
