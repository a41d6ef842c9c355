// SPDX-License-Identifier: MIT
// What requests look into: per use of a named set one generation, made of a base (a list built
// from many entries) and a delta (a small list of those that came since). An entry of a base that
// ends is flagged dead in place. A superseded generation waits until every worker has run a
// message, that is, until no match on it can be under way.

#include <stdlib.h>

#include "base/mem.h"
#include "expr/pattern_ref_priv.h"

#define MIN_DELTA 256 // entries; a larger delta, by the root of the base, means a rebuild

// ---- parts

static void
part_unref(struct pattern_part **pp)
{
	struct pattern_part *p = *pp;
	*pp = NULL;
	if (p == NULL || --p->refs > 0)
		return;
	pattern_list_fini(p->list);
	pattern_text_unref(&p->text);
	arena_fini(&p->arena);
	mem_free(p);
}

// The value as the map's output type wants it.
static bool
type_value(struct pattern_entry *e, enum sample_type type, struct err *err)
{
	struct sample_ctx none = {0};
	int64_t n;
	if (type == SMP_INT && !str_to_int(e->value, &n))
		return err_set(err, "key '%.*s': '%.*s' is not an integer", STR_ARG(e->key),
			       STR_ARG(e->value));
	if (!sample_cast(&e->typed, type, &none))
		return err_set(err, "key '%.*s': '%.*s' is not an address", STR_ARG(e->key),
			       STR_ARG(e->value));
	return true;
}

static bool
list_add(struct pattern_list *l, enum sample_type type, const struct table_entry *t,
	 struct err *err)
{
	if (!pattern_list_add(l, t->key, t->value, err))
		return false;
	struct pattern_entry *e = pattern_list_edit(l, pattern_list_count(l) - 1);
	e->id = t->id;
	return type_value(e, type, err);
}

static int
by_id(const void *a, const void *b)
{
	const struct table_entry *x = *(const struct table_entry *const *)a;
	const struct table_entry *y = *(const struct table_entry *const *)b;
	return (x->id > y->id) - (x->id < y->id);
}

// The living entries behind `from` in the order in which they match. All of a base's are, in order.
static const struct table_entry **
living(const struct pattern_table *t, size_t from, size_t *n)
{
	const struct table_entry **v = mem_alloc((t->n - from + 1) * sizeof(*v));
	bool sorted = true;
	*n = 0;
	for (size_t i = from; i < t->n; i++) {
		if (!t->entry[i].live)
			continue;
		v[(*n)++] = &t->entry[i];
		sorted &= *n < 2 || v[*n - 2]->id <= v[*n - 1]->id;
	}
	if (!sorted)
		qsort(v, *n, sizeof(*v), by_id);
	return v;
}

static struct pattern_part *
part_new(const struct pattern_use *u, const struct pattern_table *t, size_t from, struct err *err)
{
	struct pattern_part *p = MEM_NEW(struct pattern_part);
	bool good = true;
	p->refs = 1;
	p->text = t->text;
	p->text->refs++;
	arena_init_must(&p->arena, SIZE_MAX);
	p->list = pattern_list_new(&p->arena, &u->opts);
	size_t n;
	const struct table_entry **v = living(t, from, &n);
	pattern_list_reserve(p->list, n);
	for (size_t i = 0; good && i < n; i++) {
		good = list_add(p->list, u->type, v[i], err);
		if (!good && v[i]->line > 0)
			err_wrap(err, "%.*s:%d", STR_ARG(u->ref->name), v[i]->line);
	}
	mem_free(v);
	if (!good || !pattern_list_build(p->list, err))
		part_unref(&p);
	return p;
}

bool
pattern_gen_check(const struct pattern_use *u, struct str key, struct str value, struct err *err)
{
	struct arena arena;
	arena_init_must(&arena, SIZE_MAX);
	struct table_entry e = {.key = key, .value = value};
	struct pattern_list *l = pattern_list_new(&arena, &u->opts);
	bool good = list_add(l, u->type, &e, err);
	pattern_list_fini(l);
	arena_fini(&arena);
	return good;
}

// ---- generations

static void
gens_free(struct pattern_gen **list)
{
	while (*list != NULL) {
		struct pattern_gen *g = *list;
		*list = g->next;
		part_unref(&g->base);
		part_unref(&g->delta);
		mem_free(g);
	}
}

static void
nothing(struct worker *w UNUSED, void *arg UNUSED)
{
}

static void
workers_turned(struct worker *w UNUSED, void *arg)
{
	struct pattern_refs *refs = arg;
	gens_free(&refs->leaving);
	if (refs->waiting == NULL)
		return;
	refs->leaving = refs->waiting;
	refs->waiting = NULL;
	worker_broadcast(worker_self->all, nothing, workers_turned, refs);
}

// Without threads, as while the configuration is read, nobody looks.
static void
retire(struct pattern_refs *refs, struct pattern_gen *g)
{
	if (g == NULL)
		return;
	g->next = refs->waiting;
	refs->waiting = g;
	if (worker_self == NULL)
		gens_free(&refs->waiting);
	else if (refs->leaving == NULL)
		workers_turned(NULL, refs);
}

static void
publish(struct pattern_use *u, struct pattern_part *base, struct pattern_part *delta)
{
	struct pattern_gen *g = MEM_NEW(struct pattern_gen);
	*g = (struct pattern_gen){.base = base, .delta = delta};
	// release: the lists are whole for whoever loads the pointer
	retire(u->ref->refs, atomic_exchange_explicit(&u->now, g, memory_order_acq_rel));
}

bool
pattern_gen_first(struct pattern_use *u, struct err *err)
{
	struct pattern_part *base = part_new(u, &u->ref->live, 0, err);
	if (base == NULL)
		return false;
	publish(u, base, NULL);
	return true;
}

static struct pattern_gen *
now(const struct pattern_use *u)
{
	return atomic_load_explicit(&u->now, memory_order_acquire);
}

// Everything was checked when it came, so it builds.
static struct pattern_part *
part_of_checked(const struct pattern_use *u, size_t from)
{
	struct err err = {{0}};
	struct pattern_part *p = part_new(u, &u->ref->live, from, &err);
	ASSERT(p != NULL);
	return p;
}

static void
rebuild(struct pattern_ref *r)
{
	struct pattern_table compact;
	pattern_table_compact(&r->live, &compact);
	pattern_table_fini(&r->live);
	r->live = compact;
	r->n_base = r->live.n;
	r->rebuilds++;
	for (struct pattern_use *u = r->uses; u != NULL; u = u->next)
		publish(u, part_of_checked(u, 0), NULL);
}

static bool
any_live_behind(const struct pattern_table *t, size_t from)
{
	for (size_t i = from; i < t->n; i++) {
		if (t->entry[i].live)
			return true;
	}
	return false;
}

// The new entries stand in the delta before their predecessors die in the base: a key whose value
// changes is never missing.
static void
publish_delta(struct pattern_ref *r)
{
	bool any = any_live_behind(&r->live, r->n_base);
	for (struct pattern_use *u = r->uses; u != NULL; u = u->next) {
		struct pattern_part *base = now(u)->base;
		base->refs++;
		publish(u, base, any ? part_of_checked(u, r->n_base) : NULL);
	}
	for (size_t i = 0; i < r->n_dying; i++) {
		r->live.entry[r->dying[i]].dying = false;
		for (struct pattern_use *u = r->uses; u != NULL; u = u->next) {
			if (r->dying[i] < r->n_base)
				pattern_list_kill(now(u)->base->list, r->dying[i]);
		}
	}
}

// An ACL's ranges of integers are merged when built: none can be taken out.
static bool
deletes_merged(const struct pattern_ref *r)
{
	bool merged = false, in_base = false;
	for (const struct pattern_use *u = r->uses; u != NULL; u = u->next)
		merged |= !u->opts.map && (u->opts.match == PAT_INT || u->opts.match == PAT_LEN);
	for (size_t i = 0; i < r->n_dying; i++)
		in_base |= r->dying[i] < r->n_base;
	return merged && in_base;
}

// As many that a delta's cost stays below that of a rebuild shared by its entries.
static bool
delta_is_large(const struct pattern_ref *r)
{
	size_t n = r->live.n - r->n_base;
	return n > MIN_DELTA && n * n > 16 * r->n_base;
}

void
pattern_gen_publish(struct pattern_ref *r)
{
	if (r->whole || delta_is_large(r) || deletes_merged(r))
		rebuild(r);
	else
		publish_delta(r);
	r->n_dying = 0;
	r->batch_from = r->live.n;
	r->whole = false;
	if (r->words != NULL)
		pattern_list_turn(r->words->list, &r->own);
	if (r->refs->changed != NULL)
		r->refs->changed(r->refs->changed_arg, r, r->refs->publishing_posted);
}

void
pattern_gen_free_all(struct pattern_refs *refs)
{
	for (struct pattern_ref *r = refs->first; r != NULL; r = r->next) {
		for (struct pattern_use *u = r->uses; u != NULL; u = u->next)
			retire(refs, atomic_exchange_explicit(&u->now, NULL, memory_order_acq_rel));
	}
	gens_free(&refs->waiting);
	gens_free(&refs->leaving);
}

// ---- matching

// Which of two entries counts: the more exact one where the match finds the most exact, else the
// one that is first in the set.
static const struct pattern_entry *
better(const struct pattern_opts *o, const struct pattern_entry *a, const struct pattern_entry *b)
{
	if (a == NULL || b == NULL)
		return a != NULL ? a : b;
	if (o->match == PAT_IP) {
		const struct pattern_item *x = CONTAINER_OF(a, const struct pattern_item, entry);
		const struct pattern_item *y = CONTAINER_OF(b, const struct pattern_item, entry);
		if (x->net.v6 == y->net.v6 && x->net.bits != y->net.bits)
			return x->net.bits > y->net.bits ? a : b;
	}
	if (o->match == PAT_BEG && !o->icase && a->key.n != b->key.n)
		return a->key.n > b->key.n ? a : b;
	return a->id <= b->id ? a : b; // equal: the delta's, given first, is newer
}

const struct pattern_entry *
pattern_use_match(const struct pattern_use *u, const struct sample *s, struct sample_ctx *ctx)
{
	const struct pattern_gen *g = now(u);
	const struct pattern_entry *e = pattern_match(g->base->list, s, ctx);
	if (LIKELY(g->delta == NULL))
		return e;
	return better(&u->opts, pattern_match(g->delta->list, s, ctx), e);
}

const struct pattern_entry *
pattern_use_match_groups(const struct pattern_use *u, struct str text, struct regex_groups *groups)
{
	const struct pattern_gen *g = now(u);
	struct regex_groups more;
	const struct pattern_entry *e = pattern_match_groups(g->base->list, text, groups);
	if (LIKELY(g->delta == NULL))
		return e;
	const struct pattern_entry *d = pattern_match_groups(g->delta->list, text, &more);
	const struct pattern_entry *best = better(&u->opts, d, e);
	if (best == d && d != NULL)
		*groups = more;
	return best;
}

struct pattern_ref *
pattern_use_ref(const struct pattern_use *u)
{
	return u->ref;
}
