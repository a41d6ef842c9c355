// SPDX-License-Identifier: MIT
// The engine as a whole: declaring policies, naming functions, starting workers, ending.
#include "base/clock.h"
#include "base/mem.h"
#include "policy/effects.h"
#include "policy/policy_priv.h"
#include "policy/run_priv.h"

struct policy_engine *
policy_engine_new(const struct policy_host *host, void *data, struct tidevars *vars)
{
	struct policy_engine *e = MEM_NEW(struct policy_engine);
	e->magic = POLICY_ENGINE_MAGIC;
	e->host = host;
	e->data = data;
	e->vars = vars;
	watchdog_init(&e->dog);
	return e;
}

// ---- declaring ------------------------------------------------------------------------------

static bool
name_ok(const char *name)
{
	size_t n = strlen(name);
	for (size_t i = 0; i < n; i++) {
		char c = name[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-' ||
		      (i > 0 && c >= '0' && c <= '9')))
			return false;
	}
	return n > 0 && n <= POLICY_NAME_MAX;
}

static void
policy_free(struct policy *p)
{
	policy_effects_free(&p->effects);
	for (size_t i = 0; i < p->n_history; i++)
		policy_gen_drop(
		    &p->history[i]); // a start that failed has not given its states away
	policy_source_close(p);
	for (unsigned i = 0; i < p->n_args; i++)
		mem_free((void *)(uintptr_t)p->args[i].p);
	mem_free(p->history);
	mem_free(p->fns);
	mem_free(p->name);
	mem_free((void *)(uintptr_t)p->text.p);
	mem_free(p);
}

static struct policy *
policy_from(struct policy_engine *e, const struct policy_spec *spec)
{
	struct policy *p = MEM_NEW(struct policy);
	p->engine = e;
	p->index = (unsigned)e->n_policies;
	p->name = mem_strdup(spec->name);
	p->folder = -1;
	p->on_error = spec->on_error;
	p->limits = spec->limits;
	p->memo_check = spec->memo_check;
	p->untested = spec->untested;
	ASSERT(spec->n_args <= POLICY_MAX_ARGS);
	for (unsigned i = 0; i < spec->n_args; i++) {
		const char *copy = mem_strdup(spec->args[i].p);
		p->args[p->n_args++] = str_of(copy, spec->args[i].n);
	}
	p->budget_ns = spec->budget_ns > 0 ? spec->budget_ns : POLICY_DEFAULT_BUDGET;
	p->effect_budget_ns =
	    spec->effect_budget_ns > 0 ? spec->effect_budget_ns : POLICY_DEFAULT_EFFECT_BUDGET;
	p->memory_bytes = spec->memory_bytes > 0 ? spec->memory_bytes : POLICY_DEFAULT_MEMORY;
	if (spec->text.p != NULL) {
		char *copy = mem_alloc(spec->text.n + 1);
		memcpy(copy, spec->text.p, spec->text.n);
		p->text = str_of(copy, spec->text.n);
	}
	return p;
}

static bool
check_spec(struct policy_engine *e, const struct policy_spec *spec, struct err *err)
{
	ASSERT(e->n_workers == 0);
	if (!name_ok(spec->name))
		return err_set(err,
			       "policy '%s': a name is letters, digits, '_' and '-', at most %d",
			       spec->name, POLICY_NAME_MAX);
	if (policy_find(e, str_from_c(spec->name), NULL) != NULL)
		return err_set(err, "policy %s is declared twice", spec->name);
	if (spec->memory_bytes > 0 && spec->memory_bytes < POLICY_MIN_MEMORY)
		return err_set(err, "policy %s: memory is at least %lluk", spec->name,
			       (unsigned long long)POLICY_MIN_MEMORY >> 10);
	return true;
}

struct policy *
policy_add(struct policy_engine *e, const struct policy_spec *spec, struct err *err)
{
	if (!check_spec(e, spec, err))
		return NULL;
	struct policy *p = policy_from(e, spec);
	struct policy_gen *gen = NULL;
	if (policy_source_open(p, spec->path != NULL ? spec->path : spec->name, err) &&
	    policy_source_paths(p, spec->paths, err))
		gen = policy_prepare_first(p, spec->kept, err);
	else
		err_wrap(err, "policy %s", p->name);
	if (gen == NULL) {
		policy_free(p);
		return NULL;
	}
	mem_free(gen->states); // of no worker
	gen->states = NULL;
	VEC_GROW(p->history, p->cap_history, p->n_history);
	p->history[p->n_history++] = gen;
	VEC_GROW(e->policies, e->cap_policies, e->n_policies);
	e->policies[e->n_policies++] = p;
	return p;
}

// ---- naming ---------------------------------------------------------------------------------

struct policy_names_iter {
	const struct policy_global *at;
	size_t left;
};

static const char *
next_name(void *arg)
{
	struct policy_names_iter *it = arg;
	if (it->left == 0)
		return NULL;
	it->left--;
	return it->at++->name;
}

struct policy *
policy_find(struct policy_engine *e, struct str name, struct err *err)
{
	for (size_t i = 0; i < e->n_policies; i++)
		if (str_eq(str_from_c(e->policies[i]->name), name))
			return e->policies[i];
	err_set(err, "no policy named '%.*s'", STR_ARG(name));
	return NULL;
}

static const struct policy_gen *
live_of(const struct policy *p)
{
	return p->history[p->n_history - 1];
}

static bool
defines(const struct policy *p, struct str function)
{
	char name[256];
	if (function.n == 0 || function.n >= sizeof(name))
		return false;
	memcpy(name, function.p, function.n);
	name[function.n] = '\0';
	return policy_gen_has(live_of(p), name);
}

static void
say_unknown(const struct policy_engine *e, struct str name, struct err *err)
{
	for (size_t i = 0; i < e->n_policies; i++) {
		const struct policy_gen *gen = live_of(e->policies[i]);
		struct policy_names_iter it = {gen->functions, gen->n_functions};
		const char *near = str_suggest(name, next_name, &it);
		if (near == NULL)
			continue;
		err_set(err, "no policy defines a function '%.*s'; did you mean '%s' (policy %s)?",
			STR_ARG(name), near, e->policies[i]->name);
		return;
	}
	err_set(err, "no policy defines a function '%.*s'", STR_ARG(name));
}

// The policy that defines `function`, among all; two are an error.
static struct policy *
owner_of(struct policy_engine *e, struct str function, struct err *err)
{
	struct policy *found = NULL;
	for (size_t i = 0; i < e->n_policies; i++) {
		if (!defines(e->policies[i], function))
			continue;
		if (found != NULL) {
			err_set(err, "'%.*s' is in policy %s and policy %s: write %s.%.*s",
				STR_ARG(function), found->name, e->policies[i]->name, found->name,
				STR_ARG(function));
			return NULL;
		}
		found = e->policies[i];
	}
	if (found == NULL)
		say_unknown(e, function, err);
	return found;
}

static struct policy_fn *
fn_of(struct policy *p, enum policy_kind kind, struct str name)
{
	struct policy_engine *e = p->engine;
	for (size_t i = 0; i < p->n_fns; i++)
		if (p->fns[i]->kind == kind && str_eq(str_from_c(p->fns[i]->name), name))
			return p->fns[i];
	struct policy_fn *fn = MEM_NEW(struct policy_fn);
	char *copy = mem_alloc(name.n + 1);
	memcpy(copy, name.p, name.n);
	copy[name.n] = '\0';
	*fn = (struct policy_fn){.policy = p,
				 .name = copy,
				 .kind = kind,
				 .on_error = p->on_error,
				 .id = (unsigned)e->n_fns,
				 .slot = (unsigned)p->n_fns};
	VEC_GROW(p->fns, p->cap_fns, p->n_fns);
	p->fns[p->n_fns++] = fn;
	VEC_GROW(e->fns, e->cap_fns, e->n_fns);
	e->fns[e->n_fns++] = fn;
	return fn;
}

struct policy_fn *
policy_resolve(struct policy_engine *e, struct str name, struct err *err)
{
	ASSERT(e->n_workers == 0);
	size_t dot = str_find_byte(name, '.');
	if (dot == SIZE_MAX) {
		struct policy *p = owner_of(e, name, err);
		return p != NULL ? fn_of(p, POLICY_PREDICATE, name) : NULL;
	}
	struct policy *p = policy_find(e, str_slice(name, 0, dot), err);
	struct str function = str_slice(name, dot + 1, name.n);
	if (p == NULL)
		return NULL;
	if (defines(p, function))
		return fn_of(p, POLICY_PREDICATE, function);
	const struct policy_gen *gen = live_of(p);
	struct policy_names_iter it = {gen->functions, gen->n_functions};
	const char *near = str_suggest(function, next_name, &it);
	err_set(err, "policy %s defines no function '%.*s'%s%s%s", p->name, STR_ARG(function),
		near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
		near != NULL ? "'?" : "");
	return NULL;
}

bool
policy_fn_params(const struct policy_fn *fn, int *n_params, int *line)
{
	const struct policy_global *g =
	    fn->kind == POLICY_PREDICATE ? policy_gen_global(live_of(fn->policy), fn->name) : NULL;
	if (g == NULL || g->n_params < 0)
		return false;
	*n_params = g->n_params;
	*line = g->line;
	return true;
}

void
policy_fn_fails_as(struct policy_fn *fn, enum policy_on_error rule)
{
	ASSERT(fn->policy->engine->n_workers == 0);
	fn->on_error = rule;
}

struct entry_names_iter {
	const struct policy_gen *gen;
	enum policy_kind kind;
	size_t at;
};

static const char *
next_entry_name(void *arg)
{
	struct entry_names_iter *it = arg;
	while (it->at < it->gen->n_entries) {
		const struct policy_entry *e = &it->gen->entries[it->at++];
		if (e->kind == it->kind)
			return e->name;
	}
	return NULL;
}

static void
say_unknown_entry(const struct policy_engine *e, enum policy_kind kind, struct str name,
		  struct err *err)
{
	for (size_t i = 0; i < e->n_policies; i++) {
		struct entry_names_iter it = {live_of(e->policies[i]), kind, 0};
		const char *near = str_suggest(name, next_entry_name, &it);
		if (near == NULL)
			continue;
		err_set(err, "no script registers %s '%.*s'; did you mean '%s' (policy %s)?",
			policy_kind_name(kind), STR_ARG(name), near, e->policies[i]->name);
		return;
	}
	err_set(err, "no script registers %s '%.*s'", policy_kind_name(kind), STR_ARG(name));
}

// The policy that registers the name, which may hold dots; else "policy.NAME", whose part behind
// the policy goes to *name.
static struct policy *
entry_owner(struct policy_engine *e, enum policy_kind kind, struct str *name, struct err *err)
{
	struct policy *found = NULL;
	for (size_t i = 0; i < e->n_policies; i++) {
		if (policy_gen_entry(live_of(e->policies[i]), kind, *name) == NULL)
			continue;
		if (found != NULL) {
			err_set(err, "%s '%.*s' is in policy %s and policy %s: write %s.%.*s",
				policy_kind_name(kind), STR_ARG(*name), found->name,
				e->policies[i]->name, found->name, STR_ARG(*name));
			return NULL;
		}
		found = e->policies[i];
	}
	size_t dot = str_find_byte(*name, '.');
	if (found != NULL || dot == SIZE_MAX)
		goto out;
	struct policy *p = policy_find(e, str_slice(*name, 0, dot), NULL);
	struct str rest = str_slice(*name, dot + 1, name->n);
	if (p != NULL && policy_gen_entry(live_of(p), kind, rest) != NULL) {
		*name = rest;
		return p;
	}
out:
	if (found == NULL)
		say_unknown_entry(e, kind, *name, err);
	return found;
}

struct policy_fn *
policy_resolve_entry(struct policy_engine *e, enum policy_kind kind, struct str name,
		     unsigned where, unsigned n_args, struct err *err)
{
	ASSERT(e->n_workers == 0 && kind != POLICY_PREDICATE);
	struct policy *p = entry_owner(e, kind, &name, err);
	if (p == NULL)
		return NULL;
	struct policy_fn *fn = fn_of(p, kind, name);
	fn->where |= where;
	fn->n_args = n_args;
	return policy_gen_entry_check(live_of(p), fn, err) ? fn : NULL;
}

void
policy_each_command(struct policy_engine *e,
		    void (*each)(void *arg, const struct policy_fn *fn, const char *usage),
		    void *arg)
{
	for (size_t i = 0; i < e->n_policies; i++) {
		const struct policy_gen *gen = live_of(e->policies[i]);
		for (size_t k = 0; k < gen->n_entries; k++) {
			const struct policy_entry *entry = &gen->entries[k];
			if (entry->kind != POLICY_COMMAND)
				continue;
			struct str name = str_from_c(entry->name);
			each(arg, fn_of(e->policies[i], POLICY_COMMAND, name),
			     entry->usage != NULL ? entry->usage : "");
		}
	}
}

const struct policy_limits *
policy_limits(const struct policy_fn *fn)
{
	return &fn->policy->limits;
}

// ---- workers --------------------------------------------------------------------------------

static struct policy_worker *
worker_new(struct policy_engine *e, unsigned id)
{
	struct policy_worker *w = mem_aligned(alignof(struct policy_worker), sizeof(*w));
	w->magic = POLICY_WORKER_MAGIC;
	w->id = id;
	w->engine = e;
	w->rand = clock_real_ns() ^ (uint64_t)id << 48;
	list_init(&w->views);
	w->now = policy_view_new(e);
	list_append(&w->views, &w->now->link);
	return w;
}

static bool
start_policy(struct policy *p, struct err *err)
{
	struct policy_gen *gen = p->history[p->n_history - 1];
	if (!policy_gen_build(gen, err))
		return err_wrap(err, "policy %s", p->name);
	for (unsigned i = 0; i < p->engine->n_workers; i++)
		p->engine->workers[i]->now->e[p->index].live = gen->states[i];
	mem_free(gen->states);
	gen->states = NULL;
	policy_effects_swap(p, gen);
	return true;
}

bool
policy_engine_start(struct policy_engine *e, unsigned n_workers, struct err *err)
{
	ASSERT(e->n_workers == 0 && n_workers > 0);
	e->workers = mem_zalloc(n_workers * sizeof(struct policy_worker *));
	for (unsigned i = 0; i < n_workers; i++)
		e->workers[i] = worker_new(e, i);
	e->n_workers = n_workers;
	for (size_t i = 0; i < e->n_policies; i++)
		if (!start_policy(e->policies[i], err))
			return false;
	return true;
}

struct policy_worker *
policy_worker_of(struct policy_engine *e, unsigned i)
{
	ASSERT(i < e->n_workers);
	return e->workers[i];
}

void
policy_worker_enter(struct policy_worker *w)
{
	CHECK_MAGIC(w, POLICY_WORKER_MAGIC);
	guard_attach(&w->guard, &w->engine->dog);
	for (size_t i = 0; i < w->engine->n_policies; i++)
		policy_tasks_start(w->now->e[i].live);
}

void
policy_worker_leave(struct policy_worker *w)
{
	CHECK_MAGIC(w, POLICY_WORKER_MAGIC);
	for (size_t i = 0; i < w->engine->n_policies; i++)
		policy_tasks_end(w->now->e[i].live);
	guard_detach(&w->guard);
}

// A state may stand in several views, as live in one and previous in another.
static void
free_view_states(struct policy_worker *w, struct policy_state *s)
{
	if (s == NULL)
		return;
	LIST_FOREACH (it, &w->views) {
		struct policy_view *v = LIST_ENTRY(it, struct policy_view, link);
		struct policy_view_entry *at = &v->e[s->policy->index];
		at->live = at->live == s ? NULL : at->live;
		at->prev = at->prev == s ? NULL : at->prev;
	}
	policy_state_free(&s);
}

static void
worker_free(struct policy_worker *w)
{
	LIST_FOREACH_SAFE (it, &w->views) {
		struct policy_view *v = LIST_ENTRY(it, struct policy_view, link);
		for (size_t i = 0; i < w->engine->n_policies; i++) {
			free_view_states(w, v->e[i].live);
			free_view_states(w, v->e[i].prev);
		}
		list_remove(&v->link);
		mem_free(v);
	}
	w->magic = 0;
	mem_free(w);
}

void
policy_engine_free(struct policy_engine **ep)
{
	struct policy_engine *e = *ep;
	if (e == NULL)
		return;
	CHECK_MAGIC(e, POLICY_ENGINE_MAGIC);
	*ep = NULL;
	for (unsigned i = 0; i < e->n_workers; i++)
		worker_free(e->workers[i]);
	for (size_t i = 0; i < e->n_policies; i++)
		policy_free(e->policies[i]);
	for (size_t i = 0; i < e->n_fns; i++) {
		mem_free(e->fns[i]->name);
		mem_free(e->fns[i]);
	}
	watchdog_fini(&e->dog);
	mem_free(e->policies);
	mem_free(e->fns);
	mem_free(e->workers);
	e->magic = 0;
	mem_free(e);
}
