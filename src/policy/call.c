// SPDX-License-Identifier: MIT
// A call from the rules' side: the live generation first, then what the policy's on-error says;
// counters, the circuit, and reports of errors to the keeper.
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "policy/policy_priv.h"
#include "policy/run_priv.h"

#define SAMPLE_EVERY       61
#define REPORTS_PER_SECOND 5
#define NEW_PER_SECOND     16 // of faults that are kept though not logged

const char *
policy_error_name(enum policy_error e)
{
	static const char *const names[POLICY_N_ERRORS] = {
	    [POLICY_E_NONE] = "none",       [POLICY_E_RUNTIME] = "runtime",
	    [POLICY_E_TYPE] = "type",       [POLICY_E_BUDGET] = "budget",
	    [POLICY_E_STOPPED] = "stopped", [POLICY_E_MEMORY] = "memory",
	    [POLICY_E_MISSING] = "missing", [POLICY_E_BUILDING] = "building",
	    [POLICY_E_NESTED] = "nested",   [POLICY_E_OPEN] = "circuit-open",
	    [POLICY_E_GONE] = "gone",
	};
	ASSERT((size_t)e < ARRAY_LEN(names));
	return names[e];
}

// ---- reports --------------------------------------------------------------------------------

// The place is "file:line" in front of the message, or all of it.
uint64_t
policy_fault_of(const void *whose, uint32_t gen, enum policy_error error, const char *text)
{
	struct str t = str_from_c(text);
	uint64_t seed = (uint64_t)(uintptr_t)whose ^ (uint64_t)gen << 32 ^ (uint64_t)error << 56;
	return hash_bytes(t.p, MIN(str_find(t, STR(": ")), t.n), seed);
}

// One entry for each fault, the newest last, so that one that comes again and again hides no other.
void
policy_keep_report(struct policy_engine *e, const struct policy_report_text *t)
{
	size_t i = 0;
	while (i < e->n_errors && e->errors[i].fault != t->fault)
		i++;
	uint64_t times = i < e->n_errors ? e->errors[i].times : 0;
	if (i == POLICY_ERRORS_KEPT)
		i = 0; // the one that was not seen for the longest time
	if (i < e->n_errors)
		memmove(&e->errors[i], &e->errors[i + 1],
			(--e->n_errors - i) * sizeof(e->errors[0]));
	struct policy_report_text *kept = &e->errors[e->n_errors++];
	*kept = *t;
	kept->times = times + t->times;
	str_tame(kept->text, ""); // an error may hold what a request brought
}

void
policy_log_report(const struct policy_report_text *t, uint32_t missed)
{
	struct policy_report_text told = *t;
	str_tame(told.text, "");
	log_line(LOG_WARNING, "policy %s gen %u: %s failed (%s): %s%s", t->policy->name, t->gen,
		 t->name, policy_error_name(t->error), told.text,
		 missed > 0 ? " (and more that were not logged)" : "");
}

// On the keeper.
static void
take_report(struct policy_msg *m)
{
	struct policy_report *r = CONTAINER_OF(m, struct policy_report, msg);
	policy_keep_report(r->engine, &r->text);
	if (!r->quiet)
		policy_log_report(&r->text, r->missed);
	atomic_store_explicit(&r->busy, false, memory_order_release);
}

static struct policy_report *
free_report(struct policy_worker *w)
{
	for (size_t i = 0; i < ARRAY_LEN(w->reports); i++)
		if (!atomic_load_explicit(&w->reports[i].busy, memory_order_acquire))
			return &w->reports[i];
	return NULL;
}

static struct policy_fault *
find_fault(struct policy_worker *w, uint64_t fault)
{
	for (size_t i = 0; i < ARRAY_LEN(w->faults); i++)
		if (atomic_load_explicit(&w->faults[i].fault, memory_order_relaxed) == fault)
			return &w->faults[i];
	return NULL;
}

static struct policy_fault *
new_fault(struct policy_worker *w, uint64_t fault)
{
	struct policy_fault *f = &w->faults[w->next_fault++ % ARRAY_LEN(w->faults)];
	atomic_store_explicit(&f->withheld, 0, memory_order_relaxed);
	atomic_store_explicit(&f->fault, fault, memory_order_relaxed);
	return f;
}

static void
send_report(struct policy_worker *w, struct policy_report *r, const struct policy_state *s,
	    const struct policy_fn *fn, const struct policy_call *call)
{
	atomic_store_explicit(&r->busy, true, memory_order_relaxed);
	r->engine = w->engine;
	r->text.at_real_ns = call->now_real_ns;
	r->text.policy = fn->policy;
	r->text.gen = s->gen->info.number;
	r->text.error = call->error;
	(void)snprintf(r->text.name, sizeof(r->text.name), "%s", fn->name);
	(void)snprintf(r->text.text, sizeof(r->text.text), "%.319s", s->error);
	const struct policy_host *host = w->engine->host;
	size_t n = 0;
	if (host->describe != NULL && call->txn != NULL)
		n = host->describe(w->engine->data, call->txn, r->text.request,
				   sizeof(r->text.request));
	ASSERT(n < sizeof(r->text.request));
	r->text.request[n] = '\0';
	r->msg.run = take_report;
	r->msg.to = POLICY_KEEPER;
	host->post(w->engine->data, POLICY_KEEPER, &r->msg);
}

// What is logged is told at once. A fault that the keeper does not know is too, or one that comes
// all the time would hide it; any other is counted.
static void
report(struct policy_worker *w, const struct policy_state *s, const struct policy_fn *fn,
       const struct policy_call *call)
{
	uint64_t id = policy_fault_of(fn, s->gen->info.number, call->error, s->error);
	struct policy_fault *f = find_fault(w, id);
	bool loud = log_rate_ok(&w->rate, call->now_real_ns, REPORTS_PER_SECOND);
	if (f == NULL && !loud && !log_rate_ok(&w->new_rate, call->now_real_ns, NEW_PER_SECOND))
		return;
	struct policy_report *r = loud || f == NULL ? free_report(w) : NULL;
	if (r == NULL) {
		if (f != NULL)
			policy_count(&f->withheld);
		return;
	}
	if (f == NULL)
		f = new_fault(w, id);
	r->text.fault = id;
	r->text.times = 1 + atomic_exchange_explicit(&f->withheld, 0, memory_order_relaxed);
	r->quiet = !loud;
	r->missed = loud ? log_rate_missed(&w->rate) : 0;
	send_report(w, r, s, fn, call);
}

// ---- the circuit ----------------------------------------------------------------------------

// Failures that cost a whole budget each; cheap ones never open the circuit, so that requests
// which provoke an error cannot switch a policy off for others.
static bool
is_costly(enum policy_error e)
{
	return e == POLICY_E_BUDGET || e == POLICY_E_STOPPED || e == POLICY_E_MEMORY;
}

void
policy_circuit_failed(struct policy_fn_count *c, enum policy_error e, uint64_t now_ns)
{
	if (!is_costly(e) || ++c->failures < POLICY_CIRCUIT_FAILURES)
		return;
	c->back_off_ns = MIN(MAX(c->back_off_ns * 2, POLICY_CIRCUIT_MIN_NS), POLICY_CIRCUIT_MAX_NS);
	c->open_until_ns = now_ns + c->back_off_ns;
	// One try when it closes: its failure opens the circuit again at once.
	c->failures = POLICY_CIRCUIT_FAILURES - 1;
}

// ---- calling --------------------------------------------------------------------------------

SELDOM void
policy_count_stop(struct policy *p, enum policy_error e)
{
	_Atomic uint64_t *counter = e == POLICY_E_BUDGET    ? &p->soft_stops
				    : e == POLICY_E_MEMORY  ? &p->memory_failures
				    : e == POLICY_E_STOPPED ? &p->hard_stops
							    : NULL;
	if (counter != NULL)
		atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static inline enum policy_error
try_state(struct policy_worker *w, struct policy_state *s, struct policy_fn_count *c,
	  const struct policy_fn *fn, struct policy_call *call)
{
	if (UNLIKELY(!s->ready))
		return POLICY_E_BUILDING;
	if (UNLIKELY(guard_inside(&w->guard)))
		return POLICY_E_NESTED;
	s->count = c;
	s->fn = fn;
	enum policy_error e = policy_state_call(s, fn->slot, call);
	if (LIKELY(e == POLICY_E_NONE)) {
		call->gen = s->gen->info.number;
		return e;
	}
	call->out = (struct policy_value){0};
	policy_count_stop(s->policy, e);
	return e;
}

static enum policy_verdict
verdict_of(const struct policy_call *call, struct policy_fn_count *c)
{
	if (call->out.type != POLICY_T_NIL)
		return POLICY_VALUE;
	policy_count(&c->nils);
	return POLICY_NIL;
}

static enum policy_verdict
answer_rule(enum policy_on_error rule, struct policy_call *call)
{
	call->gen = 0;
	if (rule == POLICY_DENY_RULE)
		return POLICY_DENY;
	call->out = (struct policy_value){.type = POLICY_T_BOOL, .b = rule == POLICY_TRUE};
	return POLICY_VALUE;
}

// Counts and reports that it failed with call->error.
static void
count_failure(struct policy_worker *w, struct policy_state *s, const struct policy_fn *fn,
	      const struct policy_call *call)
{
	policy_count(&s->counts->fn[fn->slot].errors[call->error]);
	if (call->error != POLICY_E_OPEN && call->error != POLICY_E_BUILDING &&
	    call->error != POLICY_E_NESTED)
		report(w, s, fn, call);
}

// The call failed with call->error.
static SELDOM enum policy_verdict
on_error(struct policy_worker *w, struct policy_view_entry *at, const struct policy_fn *fn,
	 struct policy_call *call)
{
	struct policy_fn_count *c = &at->live->counts->fn[fn->slot];
	count_failure(w, at->live, fn, call);
	if (call->error == POLICY_E_STOPPED)
		policy_state_send_rebuild(at->live);
	struct policy_state *prev = at->prev;
	if (fn->on_error != POLICY_LAST_GOOD || prev == NULL || call->error == POLICY_E_NESTED ||
	    prev == at->live)
		return answer_rule(fn->on_error, call);
	enum policy_error e = try_state(w, prev, &prev->counts->fn[fn->slot], fn, call);
	if (e == POLICY_E_STOPPED)
		policy_state_send_rebuild(prev);
	if (e != POLICY_E_NONE)
		return answer_rule(fn->on_error, call);
	policy_count(&c->last_good);
	return verdict_of(call, c);
}

static inline enum policy_error
try_live(struct policy_worker *w, struct policy_state *s, struct policy_fn_count *c,
	 const struct policy_fn *fn, struct policy_call *call)
{
	if (UNLIKELY(c->open_until_ns > call->now_boot_ns))
		return POLICY_E_OPEN;
	enum policy_error e = try_state(w, s, c, fn, call);
	if (UNLIKELY(e != POLICY_E_NONE))
		policy_circuit_failed(c, e, call->now_boot_ns);
	else if (UNLIKELY(s->count->failures > 0))
		c->back_off_ns = c->failures = 0;
	return e;
}

static inline enum policy_verdict
call_now(struct policy_worker *w, struct policy_view_entry *at, const struct policy_fn *fn,
	 struct policy_call *call)
{
	struct policy_fn_count *c = &at->live->counts->fn[fn->slot];
	policy_count(&c->calls);
	call->error = try_live(w, at->live, c, fn, call);
	return LIKELY(call->error == POLICY_E_NONE) ? verdict_of(call, at->live->count)
						    : on_error(w, at, fn, call);
}

static void
sample(const struct policy_state *s, struct policy_fn_count *c, uint64_t start_ns)
{
	uint64_t ns = MAX(clock_mono_ns() - start_ns, UINT64_C(1));
	unsigned bucket = MIN(63u - (unsigned)__builtin_clzl(ns), POLICY_LATENCY_BUCKETS - 1u);
	policy_count(&c->sampled[bucket]);
	atomic_store_explicit(&c->sampled_ns,
			      atomic_load_explicit(&c->sampled_ns, memory_order_relaxed) + ns,
			      memory_order_relaxed);
	if (ns > atomic_load_explicit(&c->slowest_ns, memory_order_relaxed))
		atomic_store_explicit(&c->slowest_ns, ns, memory_order_relaxed);
	if (s->ready)
		policy_count_memory(s->counts, &s->region);
}

static SELDOM enum policy_verdict
call_timed(struct policy_worker *w, struct policy_view_entry *at, const struct policy_fn *fn,
	   struct policy_call *call)
{
	uint64_t start_ns = clock_mono_ns();
	enum policy_verdict v = call_now(w, at, fn, call);
	sample(at->live, &at->live->counts->fn[fn->slot], start_ns);
	return v;
}

// One call in SAMPLE_EVERY is timed: a prime, so that where each request makes two calls, or four,
// all of them are in turn.
enum policy_verdict
policy_call(struct policy_worker *w, struct policy_view *view, const struct policy_fn *fn,
	    struct policy_call *call)
{
	struct policy_view_entry *at = &view->e[fn->policy->index];
	if (UNLIKELY(w->n_calls++ % SAMPLE_EVERY == 0))
		return call_timed(w, at, fn, call);
	return call_now(w, at, fn, call);
}

// ---- calls that may wait ----------------------------------------------------------------------

enum policy_error
policy_call_allowed(struct policy_worker *w, const struct policy_state *s,
		    const struct policy_fn *fn, uint64_t now_boot_ns)
{
	if (s->counts->fn[fn->slot].open_until_ns > now_boot_ns)
		return POLICY_E_OPEN;
	if (!s->ready)
		return POLICY_E_BUILDING;
	return guard_inside(&w->guard) ? POLICY_E_NESTED : POLICY_E_NONE;
}

void
policy_call_failed(struct policy_worker *w, struct policy_state *s, const struct policy_fn *fn,
		   struct policy_call *call)
{
	policy_circuit_failed(&s->counts->fn[fn->slot], call->error, call->now_boot_ns);
	count_failure(w, s, fn, call);
}
