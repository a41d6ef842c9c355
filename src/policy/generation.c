// SPDX-License-Identifier: MIT
// Generations: checked aside (prepare), sent to the workers (publish), adopted by each between
// two transactions, and closed by the keeper when no view needs them. Also the way back of a
// state that was stopped hard.
#include "base/mem.h"
#include "policy/effects.h"
#include "policy/policy_priv.h"
#include "policy/run_priv.h"

// ---- prepare --------------------------------------------------------------------------------

struct first_failure {
	struct err *err;
	bool any;
	const struct policy_test_sink *sink; // also told; may be NULL
};

static void
note_result(void *arg, const char *name, bool passed, const char *where, const char *message)
{
	struct first_failure *f = arg;
	if (f->sink != NULL)
		f->sink->result(f->sink->arg, name, passed, where, message);
	if (passed || f->any)
		return;
	f->any = true;
	err_set(f->err, "%s: self-test '%s' failed: %s", where, name, message);
}

// What the configuration names must be there.
static bool
check_functions(const struct policy_gen *gen, struct err *err)
{
	const struct policy *p = gen->policy;
	for (size_t i = 0; i < p->n_fns; i++)
		if (p->fns[i]->kind == POLICY_COMMAND) {
			continue; // the configuration does not name it: it may go
		} else if (p->fns[i]->kind != POLICY_PREDICATE) {
			if (!policy_gen_entry_check(gen, p->fns[i], err))
				return false;
		} else if (!policy_gen_has(gen, p->fns[i]->name)) {
			return err_set(err,
				       "%s: function '%s', which the configuration uses, is not "
				       "defined",
				       gen->script.where, p->fns[i]->name);
		}
	return true;
}

static bool
check_state(struct policy_state *s, struct guard *guard, struct first_failure *first,
	    struct err *err)
{
	unsigned failed;
	const struct policy_test_sink sink = {.result = note_result, .arg = first};
	s->testing = true;
	if (!policy_state_build(s, guard, err))
		return false;
	s->gen->recorded = s->gen->entered = true;
	s->gen->has_effects = s->n_effects > 0;
	policy_gen_hash(s->gen);
	if (!policy_state_list_functions(s, err) || !check_functions(s->gen, err))
		return false;
	if (s->policy->untested && first->sink == NULL)
		return true;
	return policy_state_run_tests(s, &sink, &s->gen->info.tests, &failed, err);
}

static bool
build_states(struct policy_gen *gen, struct guard *guard, struct err *err)
{
	struct policy_engine *e = gen->policy->engine;
	gen->states = mem_zalloc((e->n_workers + 1) * sizeof(struct policy_state *));
	policy_counts_new(gen);
	for (unsigned i = 0; i < e->n_workers; i++) {
		struct policy_state *s = policy_state_new(gen, e->workers[i]);
		gen->states[i] = s;
		s->counts = gen->counts[i];
		if (!policy_state_build(s, guard, err))
			return false;
		s->guard = &s->worker->guard;
		s->ready = true;
		policy_count_memory(s->counts, &s->region);
	}
	return true;
}

// Checks the generation in a throw-away state; failing tests are an error unless `sink` hears them.
bool
policy_gen_check(struct policy_gen *gen, const struct policy_test_sink *sink, struct err *err)
{
	struct guard guard;
	struct first_failure first = {.err = err, .sink = sink};
	struct policy_state *s = policy_state_new(gen, NULL);
	s->coverage = sink != NULL ? sink->coverage : NULL;
	guard_attach(&guard, &gen->policy->engine->dog);
	bool ok = check_state(s, &guard, &first, err);
	guard_detach(&guard);
	policy_state_free(&s);
	return ok && (!first.any || sink != NULL);
}

bool
policy_gen_build(struct policy_gen *gen, struct err *err)
{
	struct guard guard;
	guard_attach(&guard, &gen->policy->engine->dog);
	bool ok = build_states(gen, &guard, err) &&
		  (gen->policy->engine->n_workers == 0 || policy_effects_build(gen, &guard, err));
	guard_detach(&guard);
	return ok;
}

void
policy_gen_drop(struct policy_gen **gp)
{
	struct policy_gen *gen = *gp;
	*gp = NULL;
	if (gen == NULL)
		return;
	for (unsigned i = 0; gen->states != NULL && i < gen->policy->engine->n_workers; i++)
		policy_state_free(&gen->states[i]);
	policy_effects_free(&gen->effects);
	policy_gen_free(gen);
}

static struct policy_gen *
live_gen(const struct policy *p)
{
	ASSERT(p->n_history > 0);
	return p->history[p->n_history - 1];
}

// Takes gen, which may be NULL with *err, over.
static struct policy_gen *
check_and_build(struct policy *p, struct policy_gen *gen, struct err *err)
{
	if (gen != NULL && policy_gen_check(gen, NULL, err) && policy_gen_build(gen, err))
		return gen;
	policy_gen_drop(&gen);
	err_wrap(err, "policy %s", p->name);
	return NULL;
}

struct policy_gen *
policy_prepare(struct policy *p, const struct str *text, const char *chunk, struct err *err)
{
	struct policy_gen *gen = policy_gen_new(p, text, chunk, err);
	if (gen != NULL)
		gen->info.number = p->n_history > 0 ? live_gen(p)->info.number + 1 : 1;
	return check_and_build(p, gen, err);
}

struct policy_gen *
policy_prepare_first(struct policy *p, struct str kept, struct err *err)
{
	return kept.p == NULL ? policy_prepare(p, NULL, NULL, err)
			      : check_and_build(p, policy_gen_kept(p, kept, err), err);
}

static void
copy_modules(struct policy_gen *to, const struct policy_gen *from)
{
	for (size_t i = 0; i < from->n_modules; i++) {
		const struct policy_chunk *m = &from->modules[i];
		char *text = mem_alloc(m->text.n + 1);
		memcpy(text, m->text.p, m->text.n);
		VEC_GROW(to->modules, to->cap_modules, to->n_modules);
		to->modules[to->n_modules++] =
		    (struct policy_chunk){.name = mem_strdup(m->name),
					  .where = mem_strdup(m->where),
					  .text = str_of(text, m->text.n)};
	}
	to->recorded = true;
}

struct policy_gen *
policy_rollback(struct policy *p, unsigned n, struct err *err)
{
	if (n == 0 || n >= p->n_history) {
		err_set(err, "policy %s: there %s %zu earlier generation%s", p->name,
			p->n_history == 2 ? "is" : "are", p->n_history - 1,
			p->n_history == 2 ? "" : "s");
		return NULL;
	}
	const struct policy_gen *old = p->history[p->n_history - 1 - n];
	struct policy_gen *gen = policy_gen_new(p, &old->script.text, old->script.where, err);
	if (gen == NULL)
		return NULL;
	copy_modules(gen, old);
	gen->info.number = live_gen(p)->info.number + 1;
	return check_and_build(p, gen, err);
}

// ---- views ----------------------------------------------------------------------------------

struct policy_view *
policy_view_new(const struct policy_engine *e)
{
	struct policy_view *v = mem_zalloc(sizeof(*v) + e->n_policies * sizeof(v->e[0]));
	list_init(&v->link);
	return v;
}

static void
view_free_if_over(struct policy_worker *w, struct policy_view *v)
{
	if (v->pins > 0 || v == w->now)
		return;
	list_remove(&v->link);
	mem_free(v);
}

struct policy_view *
policy_pin(struct policy_worker *w)
{
	w->now->pins++;
	return w->now;
}

void
policy_unpin(struct policy_worker *w, struct policy_view **vp)
{
	struct policy_view *v = *vp;
	*vp = NULL;
	if (v == NULL)
		return;
	ASSERT(v->pins > 0);
	v->pins--;
	view_free_if_over(w, v);
}

uint32_t
policy_seen_gen(const struct policy_worker *w, const struct policy_view *view,
		const struct policy *p)
{
	const struct policy_view *v = view != NULL ? view : w->now;
	return v->e[p->index].live->gen->info.number;
}

// ---- publish --------------------------------------------------------------------------------

// From the keeper to a worker, and back with what the worker no longer needs.
struct adopt {
	struct policy_msg msg;
	struct policy_worker *worker;
	struct policy *policy;
	struct policy_state *state;   // to adopt
	struct policy_state *drained; // on the way back; may be NULL
	struct policy_view *view;     // made beforehand, so that the worker allocates nothing
	unsigned moved;               // pinned views that had to follow
};

static void
post(struct policy_engine *e, int to, struct policy_msg *m, void (*run)(struct policy_msg *))
{
	m->run = run;
	m->to = to;
	e->host->post(e->data, to, m);
}

// Views that still use `drop`, the generation before the previous, follow to the live one.
static unsigned
move_views(struct policy_worker *w, unsigned index, const struct policy_state *drop)
{
	const struct policy_view_entry *now = &w->now->e[index];
	unsigned moved = 0;
	LIST_FOREACH (it, &w->views) {
		struct policy_view *v = LIST_ENTRY(it, struct policy_view, link);
		if (v->e[index].live == drop) {
			v->e[index] = *now;
			moved += v->pins;
		} else if (v->e[index].prev == drop) {
			v->e[index].prev = now->live;
		}
	}
	return moved;
}

static void
forget_adopted(struct policy_gen *gen)
{
	mem_free(gen->states);
	gen->states = NULL;
}

// The oldest source goes when enough are kept and no state of it is left.
static void
trim_history(struct policy *p)
{
	while (p->n_history > POLICY_KEPT_GENERATIONS && p->history[0]->n_states == 0) {
		policy_gen_free(p->history[0]);
		p->n_history--;
		memmove(p->history, p->history + 1, p->n_history * sizeof(struct policy_gen *));
	}
}

// All workers follow the new generation.
static void
published(struct policy *p)
{
	struct policy_publish done = p->publish;
	p->publish = (struct policy_publish){0};
	policy_effects_swap(p, done.gen);
	policy_counts_fold(p);
	trim_history(p);
	if (p->engine->host->published != NULL)
		p->engine->host->published(p->engine->data, p);
	if (done.done != NULL)
		done.done(done.arg, p, &done.gen->info, p->engine->n_workers);
}

static void
confirmed(struct policy_msg *m)
{
	struct adopt *a = CONTAINER_OF(m, struct adopt, msg);
	struct policy *p = a->policy;
	policy_state_free(&a->drained);
	atomic_fetch_add_explicit(&p->pins_moved, a->moved, memory_order_relaxed);
	mem_free(a);
	ASSERT(p->publish.left > 0);
	if (--p->publish.left == 0)
		published(p);
}

static unsigned
count_alive(const struct policy_worker *w, unsigned index)
{
	const struct policy_state *seen[8];
	unsigned n = 0;
	LIST_FOREACH (it, &w->views) {
		const struct policy_view *v = LIST_ENTRY(it, struct policy_view, link);
		const struct policy_state *both[] = {v->e[index].live, v->e[index].prev};
		for (unsigned k = 0; k < 2; k++) {
			unsigned i = 0;
			while (i < n && seen[i] != both[k])
				i++;
			if (i == n && both[k] != NULL && n < ARRAY_LEN(seen))
				seen[n++] = both[k];
		}
	}
	return n;
}

// On the worker, between two transactions.
static void
adopt(struct policy_msg *m)
{
	struct adopt *a = CONTAINER_OF(m, struct adopt, msg);
	struct policy_worker *w = a->worker;
	unsigned index = a->policy->index;
	struct policy_view *old = w->now, *now = a->view;
	struct policy_view_entry *from = &old->e[index];
	struct policy_state *drop = from->prev, *was = from->live;
	CHECK_MAGIC(w, POLICY_WORKER_MAGIC);
	memcpy(now->e, old->e, w->engine->n_policies * sizeof(now->e[0]));
	now->e[index] = (struct policy_view_entry){.live = a->state, .prev = from->live};
	list_append(&w->views, &now->link);
	w->now = now;
	a->view = NULL;
	view_free_if_over(w, old);
	policy_tasks_end(was);
	policy_tasks_start(a->state);
	if (drop != NULL)
		a->moved = move_views(w, index, drop);
	unsigned alive = count_alive(w, index) + (drop != NULL);
	if (alive > atomic_load_explicit(&a->policy->alive_most, memory_order_relaxed))
		atomic_store_explicit(&a->policy->alive_most, alive, memory_order_relaxed);
	a->drained = drop;
	if (drop != NULL)
		policy_runs_kill(drop);
	if (drop != NULL && !drop->ready) {
		drop->orphan = true; // the keeper has it; it goes when it comes back
		a->drained = NULL;
	}
	post(w->engine, POLICY_KEEPER, m, confirmed);
}

bool
policy_publish(struct policy_gen **gp, policy_done_f done, void *arg, struct err *err)
{
	struct policy_gen *gen = *gp;
	struct policy *p = gen->policy;
	struct policy_engine *e = p->engine;
	if (p->publish.left > 0)
		return err_set(err, "policy %s: generation %u is still being published", p->name,
			       p->publish.gen->info.number);
	if (gen->info.number != live_gen(p)->info.number + 1)
		return err_set(err, "policy %s: another generation was published meanwhile",
			       p->name);
	*gp = NULL;
	VEC_GROW(p->history, p->cap_history, p->n_history);
	p->history[p->n_history++] = gen;
	p->publish =
	    (struct policy_publish){.left = e->n_workers, .done = done, .arg = arg, .gen = gen};
	for (unsigned i = 0; i < e->n_workers; i++) {
		struct adopt *a = mem_aligned(alignof(struct adopt), sizeof(*a));
		*a = (struct adopt){.worker = e->workers[i],
				    .policy = p,
				    .state = gen->states[i],
				    .view = policy_view_new(e)};
		post(e, (int)i, &a->msg, adopt);
	}
	forget_adopted(gen);
	if (e->n_workers == 0)
		published(p);
	return true;
}

// ---- rebuilding a state that was stopped hard -----------------------------------------------

static void
free_returned(struct policy_msg *m)
{
	struct policy_state *s = CONTAINER_OF(m, struct policy_state, msg);
	policy_state_free(&s);
}

static void
rebuilt(struct policy_msg *m)
{
	struct policy_state *s = CONTAINER_OF(m, struct policy_state, msg);
	CHECK_MAGIC(s, POLICY_STATE_MAGIC);
	s->ready = s->L != NULL;
	if (s->ready && s->worker->now->e[s->policy->index].live == s)
		policy_tasks_start(s);
	if (s->orphan)
		post(s->policy->engine, POLICY_KEEPER, m, free_returned);
}

static void
rebuild(struct policy_msg *m)
{
	struct policy_state *s = CONTAINER_OF(m, struct policy_state, msg);
	struct policy_engine *e = s->policy->engine;
	struct guard guard;
	struct err err = {0};
	guard_attach(&guard, &e->dog);
	if (!policy_state_build(s, &guard, &err))
		log_msg(LOG_ALERT, "policy %s: a stopped state cannot be rebuilt: %s",
			s->policy->name, err.text);
	guard_detach(&guard);
	s->guard = &s->worker->guard;
	policy_count(&s->policy->rebuilds);
	post(e, (int)s->worker->id, m, rebuilt);
}

void
policy_state_send_rebuild(struct policy_state *s)
{
	s->ready = false;
	policy_runs_kill(s);
	post(s->policy->engine, POLICY_KEEPER, &s->msg, rebuild);
}
