// SPDX-License-Identifier: MIT
// What is counted of calls. Each worker counts each generation in a block of its own, so that a new
// script begins at nothing and its circuits are closed; the keeper sums. When no state of a
// generation is left, its numbers go to the function's past and the blocks are freed.
#include "base/mem.h"
#include "policy/policy_priv.h"

// ---- blocks ---------------------------------------------------------------------------------

void
policy_counts_new(struct policy_gen *gen)
{
	const struct policy_engine *e = gen->policy->engine;
	policy_counts_free(gen); // of no worker, when the policy was declared
	size_t bytes =
	    sizeof(struct policy_counts) + gen->policy->n_fns * sizeof(struct policy_fn_count);
	gen->counts = mem_zalloc((e->n_workers + 1) * sizeof(gen->counts[0]));
	for (unsigned i = 0; i < e->n_workers; i++)
		gen->counts[i] = mem_aligned(CACHE_LINE, bytes);
}

void
policy_counts_free(struct policy_gen *gen)
{
	for (unsigned i = 0; gen->counts != NULL && gen->counts[i] != NULL; i++)
		mem_free(gen->counts[i]);
	mem_free(gen->counts);
	gen->counts = NULL;
}

// ---- sums -----------------------------------------------------------------------------------

static void
add(uint64_t *sum, const _Atomic uint64_t *c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum[i] += atomic_load_explicit(&c[i], memory_order_relaxed);
}

static void
add_block(const struct policy_fn_count *c, struct policy_fn_stats *out)
{
	add(&out->calls, &c->calls, 1);
	add(&out->nils, &c->nils, 1);
	add(out->errors, c->errors, POLICY_N_ERRORS);
	add(&out->memo_hits, &c->memo_hits, 1);
	add(&out->memo_misses, &c->memo_misses, 1);
	add(&out->stood, &c->stood, 1);
	add(&out->last_good, &c->last_good, 1);
	add(out->sampled, c->sampled, POLICY_LATENCY_BUCKETS);
	add(&out->sampled_ns, &c->sampled_ns, 1);
	out->slowest_ns =
	    MAX(out->slowest_ns, atomic_load_explicit(&c->slowest_ns, memory_order_relaxed));
}

static void
add_gen(const struct policy_fn *fn, const struct policy_gen *gen, struct policy_fn_stats *out)
{
	for (unsigned i = 0; gen->counts != NULL && gen->counts[i] != NULL; i++)
		add_block(&gen->counts[i]->fn[fn->slot], out);
}

static void
add_plain(uint64_t *to, const uint64_t *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] += from[i];
}

static void
add_stats(struct policy_fn_stats *to, const struct policy_fn_stats *from)
{
	to->calls += from->calls;
	to->nils += from->nils;
	to->memo_hits += from->memo_hits;
	to->memo_misses += from->memo_misses;
	to->stood += from->stood;
	to->last_good += from->last_good;
	to->sampled_ns += from->sampled_ns;
	to->slowest_ns = MAX(to->slowest_ns, from->slowest_ns);
	add_plain(to->errors, from->errors, POLICY_N_ERRORS);
	add_plain(to->sampled, from->sampled, POLICY_LATENCY_BUCKETS);
}

void
policy_counts_fold(struct policy *p)
{
	for (size_t i = 0; i + 1 < p->n_history; i++) {
		struct policy_gen *gen = p->history[i];
		if (gen->n_states > 0 || gen->counts == NULL)
			continue;
		for (size_t k = 0; k < p->n_fns; k++)
			add_gen(p->fns[k], gen, &p->fns[k]->past);
		policy_counts_free(gen);
	}
}

// ---- for those who ask ----------------------------------------------------------------------

void
policy_fn_gen_stats(const struct policy_fn *fn, const struct policy_gen *gen,
		    struct policy_fn_stats *out)
{
	*out = (struct policy_fn_stats){0};
	add_gen(fn, gen, out);
}

void
policy_fn_own_stats(const struct policy_fn *fn, struct policy_fn_stats *out)
{
	const struct policy *p = fn->policy;
	*out = fn->past;
	for (size_t i = 0; i < p->n_history; i++)
		add_gen(fn, p->history[i], out);
}

void
policy_fn_carry(struct policy_fn *fn, const struct policy_fn_stats *others)
{
	fn->carried = *others;
}

void
policy_fn_stats(const struct policy_fn *fn, struct policy_fn_stats *out)
{
	policy_fn_own_stats(fn, out);
	add_stats(out, &fn->carried);
}

uint64_t
policy_fn_failures(const struct policy_fn_stats *s)
{
	uint64_t n = 0;
	for (unsigned e = POLICY_E_NONE + 1; e < POLICY_N_ERRORS; e++)
		n += s->errors[e];
	return n;
}

uint64_t
policy_percentile_ns(const struct policy_fn_stats *s, unsigned share)
{
	uint64_t total = 0, seen = 0;
	for (unsigned i = 0; i < POLICY_LATENCY_BUCKETS; i++)
		total += s->sampled[i];
	for (unsigned i = 0; i < POLICY_LATENCY_BUCKETS && total > 0; i++) {
		seen += s->sampled[i];
		if (seen * 100 >= total * share)
			return MIN(UINT64_C(2) << i, s->slowest_ns);
	}
	return 0;
}

unsigned
policy_alive(const struct policy *p, const struct policy_gen **out)
{
	unsigned n = 0;
	for (size_t i = p->n_history; i-- > 0 && n < POLICY_MAX_ALIVE;)
		if (p->history[i]->counts != NULL)
			out[n++] = p->history[i];
	return n;
}

bool
policy_gen_memory(const struct policy_gen *gen, unsigned worker, struct policy_memory *out)
{
	if (gen->counts == NULL || gen->counts[worker] == NULL)
		return false;
	const struct policy_counts *c = gen->counts[worker];
	out->used = atomic_load_explicit(&c->memory_used, memory_order_relaxed);
	out->peak = atomic_load_explicit(&c->memory_peak, memory_order_relaxed);
	return true;
}

void
policy_count_memory(struct policy_counts *c, const struct region *r)
{
	atomic_store_explicit(&c->memory_used, r->used, memory_order_relaxed);
	if (r->peak > atomic_load_explicit(&c->memory_peak, memory_order_relaxed))
		atomic_store_explicit(&c->memory_peak, r->peak, memory_order_relaxed);
}

// Of the live generation's states.
static struct policy_memory
largest_state(const struct policy *p)
{
	struct policy_memory m, most = {0};
	for (unsigned i = 0; policy_gen_memory(p->history[p->n_history - 1], i, &m); i++)
		most = (struct policy_memory){.used = MAX(most.used, m.used),
					      .peak = MAX(most.peak, m.peak)};
	return most;
}

void
policy_stats(const struct policy *p, struct policy_stats *out)
{
	struct policy_memory most = largest_state(p);
	*out = (struct policy_stats){
	    .soft_stops = atomic_load_explicit(&p->soft_stops, memory_order_relaxed),
	    .hard_stops = atomic_load_explicit(&p->hard_stops, memory_order_relaxed),
	    .rebuilds = atomic_load_explicit(&p->rebuilds, memory_order_relaxed),
	    .memory_failures = atomic_load_explicit(&p->memory_failures, memory_order_relaxed),
	    .memo_checks = atomic_load_explicit(&p->memo_checks, memory_order_relaxed),
	    .memo_wrong = atomic_load_explicit(&p->memo_wrong, memory_order_relaxed),
	    .pins_moved = atomic_load_explicit(&p->pins_moved, memory_order_relaxed),
	    .memory_used = most.used,
	    .memory_peak = most.peak,
	    .alive_most = atomic_load_explicit(&p->alive_most, memory_order_relaxed)};
}
