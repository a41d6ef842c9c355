// SPDX-License-Identifier: MIT
// When effects run: one function per call of policy_effects_run, so that the keeper's loop serves
// operators between two of them.
#include "policy/effects.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/sbuf.h"

// ---- life -----------------------------------------------------------------------------------

bool
policy_effects_build(struct policy_gen *gen, struct guard *guard, struct err *err)
{
	ASSERT(gen->effects == NULL);
	if (!gen->has_effects)
		return true;
	struct policy_effects *fx = mem_aligned(alignof(struct policy_effects), sizeof(*fx));
	*fx = (struct policy_effects){.state = policy_state_new(gen, NULL)};
	gen->effects = fx;
	fx->state->effects = fx;
	return policy_state_build(fx->state, guard, err);
}

void
policy_effects_free(struct policy_effects **fxp)
{
	struct policy_effects *fx = *fxp;
	*fxp = NULL;
	if (fx == NULL)
		return;
	policy_state_free(&fx->state);
	for (size_t i = 0; i < fx->n; i++)
		mem_free(fx->item[i]);
	mem_free(fx->item);
	mem_free(fx);
}

// A variable that both generations watch goes on from what the old one knew: a write between the
// two is a change like any other.
static void
take_over(struct policy_effect *to, const struct policy_effects *from)
{
	for (size_t i = 0; from != NULL && i < from->n; i++) {
		const struct policy_effect *old = from->item[i];
		if (old->kind == POLICY_ON_CHANGE && old->handle == to->handle)
			to->last = old->last;
	}
}

static void
begin(struct policy_effects *fx, const struct policy_effects *before, struct tidevars *vars)
{
	uint64_t now = clock_mono_ns(), boot = clock_boot_ns();
	for (size_t i = 0; i < fx->n; i++) {
		struct policy_effect *x = fx->item[i];
		x->due_mono_ns = now;
		if (x->kind != POLICY_ON_CHANGE)
			continue;
		(void)tidevars_read(vars, x->handle, boot, &x->last); // found while it loaded
		take_over(x, before);
	}
}

void
policy_effects_swap(struct policy *p, struct policy_gen *gen)
{
	struct policy_effects *old = p->effects;
	const struct policy_engine *e = p->engine;
	p->effects = gen->effects;
	gen->effects = NULL;
	if (p->effects != NULL)
		begin(p->effects, old, e->vars);
	policy_effects_free(&old);
	if (p->effects != NULL && e->host->effects_due != NULL)
		e->host->effects_due(e->data);
}

// ---- failures -------------------------------------------------------------------------------

static void
tell(struct policy *p, struct policy_effect *x, enum policy_error error, uint64_t now_real_ns)
{
	struct policy_effects *fx = p->effects;
	policy_count(&x->count.errors[error]);
	uint32_t gen = fx->state->gen->info.number;
	struct policy_report_text t = {.at_real_ns = now_real_ns,
				       .times = 1,
				       .fault = policy_fault_of(x, gen, error, fx->state->error),
				       .policy = p,
				       .gen = gen,
				       .error = error};
	(void)snprintf(t.name, sizeof(t.name), "%s", x->name);
	(void)snprintf(t.text, sizeof(t.text), "%.319s", fx->state->error);
	policy_keep_report(p->engine, &t);
	if (log_rate_ok(&fx->rate, now_real_ns, POLICY_EFFECTS_PER_S))
		policy_log_report(&t, log_rate_missed(&fx->rate));
}

// A state that was stopped hard is made anew at once; the effects keep their times and counts.
static bool
revive(struct policy_effects *fx, struct guard *guard)
{
	struct err err = {0};
	policy_count(&fx->state->policy->rebuilds);
	if (policy_state_build(fx->state, guard, &err))
		return true;
	log_msg(LOG_ALERT, "policy %s: the state of its timers cannot be rebuilt: %s",
		fx->state->policy->name, err.text);
	return false;
}

static void
count_stop(struct policy *p, enum policy_error e)
{
	_Atomic uint64_t *const counter[POLICY_N_ERRORS] = {[POLICY_E_BUDGET] = &p->soft_stops,
							    [POLICY_E_STOPPED] = &p->hard_stops,
							    [POLICY_E_MEMORY] =
								&p->memory_failures};
	if (counter[e] != NULL)
		atomic_fetch_add_explicit(counter[e], 1, memory_order_relaxed);
}

// ---- running --------------------------------------------------------------------------------

static void
time_it(struct policy_effect *x, uint64_t ns)
{
	unsigned bucket =
	    MIN(63u - (unsigned)__builtin_clzll(MAX(ns, UINT64_C(1))), POLICY_LATENCY_BUCKETS - 1u);
	policy_count(&x->count.sampled[bucket]);
}

static void
run(struct policy *p, size_t i, uint64_t now_mono_ns, const struct tidevars_value *now)
{
	struct policy_effects *fx = p->effects;
	struct policy_effect *x = fx->item[i];
	struct policy_state *s = fx->state;
	struct guard guard;
	uint64_t start = clock_mono_ns();
	guard_attach(&guard, &p->engine->dog);
	s->guard = &guard;
	policy_count(&x->count.calls);
	s->idle.now_boot_ns = clock_boot_ns();
	s->idle.now_real_ns = clock_real_ns();
	enum policy_error e = policy_state_effect(s, i, now, p->effect_budget_ns);
	time_it(x, clock_mono_ns() - start);
	// What was missed is not made up for.
	x->due_mono_ns += x->every_ns;
	if (x->due_mono_ns <= now_mono_ns)
		x->due_mono_ns = now_mono_ns + x->every_ns;
	if (e == POLICY_E_NONE) {
		x->count.back_off_ns = x->count.failures = 0;
	} else {
		count_stop(p, e);
		tell(p, x, e, s->idle.now_real_ns);
		policy_circuit_failed(&x->count, e, now_mono_ns);
		x->due_mono_ns = MAX(x->due_mono_ns, x->count.open_until_ns);
	}
	if (s->L == NULL && !revive(fx, &guard))
		policy_effects_free(&p->effects);
	guard_detach(&guard);
}

// A write of the same value is no change.
static bool
differs(const struct tidevars_value *a, const struct tidevars_value *b)
{
	if (a->type == TIDEVARS_GAUGE && (a->smooth < b->smooth || a->smooth > b->smooth))
		return true;
	return !tidevars_value_eq(a, b);
}

// Whether the variable reads otherwise than the function knows; *now is then the new reading.
static bool
changed(struct tidevars *vars, struct policy_effect *x, uint64_t now_boot_ns,
	struct tidevars_value *now)
{
	if (tidevars_version(vars, x->handle) == x->last.version &&
	    now_boot_ns < x->last.until_boot_ns)
		return false;
	if (tidevars_read(vars, x->handle, now_boot_ns, now) != TIDEVARS_OK)
		return false;
	if (differs(now, &x->last))
		return true;
	x->last = *now; // of the new version and deadline
	return false;
}

// Runs at most one effect of the policy; false when none is due, *next is then no later than the
// next time to look by the clock.
static bool
run_one(struct policy *p, uint64_t now_mono_ns, uint64_t now_boot_ns, uint64_t *next)
{
	struct policy_effects *fx = p->effects;
	struct tidevars_value now;
	for (size_t k = 0; k < fx->n; k++) {
		size_t i = (fx->turn + k) % fx->n;
		struct policy_effect *x = fx->item[i];
		bool watches = x->kind == POLICY_ON_CHANGE;
		if (x->due_mono_ns > now_mono_ns) {
			*next = MIN(*next, x->due_mono_ns);
			continue;
		}
		if (watches && !changed(p->engine->vars, x, now_boot_ns, &now)) {
			if (x->last.until_boot_ns != TIDEVARS_NEVER)
				*next =
				    MIN(*next, now_mono_ns + x->last.until_boot_ns - now_boot_ns);
			continue;
		}
		fx->turn = i + 1;
		run(p, i, now_mono_ns, watches ? &now : NULL);
		return true;
	}
	return false;
}

static bool
watches_any(const struct policy_engine *e)
{
	for (size_t k = 0; k < e->n_policies; k++) {
		const struct policy_effects *fx = e->policies[k]->effects;
		for (size_t i = 0; fx != NULL && i < fx->n; i++)
			if (fx->item[i]->kind == POLICY_ON_CHANGE)
				return true;
	}
	return false;
}

uint64_t
policy_effects_run(struct policy_engine *e, uint64_t now_mono_ns, bool *watches)
{
	uint64_t next = UINT64_MAX, boot = clock_boot_ns();
	*watches = watches_any(e);
	for (size_t k = 0; k < e->n_policies; k++) {
		struct policy *p = e->policies[(e->effects_turn + k) % e->n_policies];
		if (p->effects == NULL || !run_one(p, now_mono_ns, boot, &next))
			continue;
		e->effects_turn = p->index + 1;
		return now_mono_ns;
	}
	return next;
}

// ---- show -----------------------------------------------------------------------------------

static void
show_errors(const struct policy_effect *x, bool json, struct sbuf *out)
{
	const char *between = "";
	for (unsigned e = 1; e < POLICY_N_ERRORS; e++) {
		uint64_t n = atomic_load_explicit(&x->count.errors[e], memory_order_relaxed);
		if (n == 0)
			continue;
		const char *name = policy_error_name((enum policy_error)e);
		if (json)
			sbuf_printf(out, "%s\"%s\":%" PRIu64, between, name, n);
		else
			sbuf_printf(out, " %s %" PRIu64, name, n);
		between = ",";
	}
}

void
policy_effects_show(const struct policy *p, bool json, struct sbuf *out)
{
	const struct policy_effects *fx = p->effects;
	if (json)
		sbuf_add(out, STR(",\"effects\":["));
	for (size_t i = 0; fx != NULL && i < fx->n; i++) {
		const struct policy_effect *x = fx->item[i];
		uint64_t runs = atomic_load_explicit(&x->count.calls, memory_order_relaxed);
		if (json) {
			sbuf_add(out, i > 0 ? STR(",{\"name\":") : STR("{\"name\":"));
			sbuf_add_json(out, str_from_c(x->name));
			sbuf_add(out, STR(",\"where\":"));
			sbuf_add_json(out, str_from_c(x->where));
			sbuf_printf(out, ",\"runs\":%" PRIu64 ",\"errors\":{", runs);
			show_errors(x, true, out);
			sbuf_add(out, STR("}}"));
		} else {
			sbuf_printf(out, "  %s at %s runs %" PRIu64, x->name, x->where, runs);
			show_errors(x, false, out);
			sbuf_add_byte(out, '\n');
		}
	}
	if (json)
		sbuf_add_byte(out, ']');
}
