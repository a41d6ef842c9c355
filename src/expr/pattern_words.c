// SPDX-License-Identifier: MIT
// The words of ACLs as sets that commands can change, and the numbers of all sets. Each ACL of a
// configuration has such a set, and hardly any is ever changed: so it is a list of words, until
// somebody asks for it.
#include <stdlib.h>

#include "base/mem.h"
#include "expr/pattern_ref_priv.h"

bool
pattern_words_add(struct expr_env *env, int64_t id, const struct pattern_words *w, struct err *err)
{
	struct arena *arena = &env->set->arena;
	if (env->set->frozen)
		return true; // nobody can name it
	struct pattern_ref *r = id >= 0 ? pattern_ref_at(env->set, (size_t)id) : NULL;
	if (r != NULL)
		return err_set(err, "-u %u is used at %s:%d already", r->number, r->file, r->line);
	struct pattern_words *kept = ARENA_NEW(arena, struct pattern_words);
	ASSERT(kept != NULL);
	*kept = *w;
	r = pattern_ref_add(env, false);
	r->words = kept;
	r->chosen = id >= 0;
	if (r->chosen) {
		r->number = (unsigned)id;
		r->numbered = true;
	}
	for (size_t i = 0, n = pattern_list_count(w->list); i < n; i++)
		pattern_table_append(&r->live, pattern_list_at(w->list, i)->key, STR_NULL,
				     r->next_id++, 0);
	r->n_base = r->batch_from = r->live.n;
	return true;
}

// The number alone may be another ACL's when the configuration has changed, but for one of -u.
static void
entitle(struct expr_set *set, struct pattern_ref *r)
{
	if (r->words == NULL)
		return;
	const char *text = r->chosen
			       ? arena_printf(&set->arena, "#%u", r->number)
			       : arena_printf(&set->arena, "#%u, acl '%.*s' at %s:%d", r->number,
					      STR_ARG(r->words->keyword), r->file, r->line);
	ASSERT(text != NULL);
	r->title = str_from_c(text);
}

static int
by_number(const void *a, const void *b)
{
	const struct pattern_ref *x = *(struct pattern_ref *const *)a;
	const struct pattern_ref *y = *(struct pattern_ref *const *)b;
	return (x->number > y->number) - (x->number < y->number);
}

static void
sort_refs(struct pattern_refs *refs, struct pattern_ref **all, size_t n)
{
	qsort(all, n, sizeof(struct pattern_ref *), by_number);
	refs->tail = &refs->first;
	for (size_t i = 0; i < n; i++) {
		*refs->tail = all[i];
		refs->tail = &all[i]->next;
	}
	*refs->tail = NULL;
}

void
pattern_refs_number(struct expr_set *set)
{
	struct pattern_refs *refs = pattern_refs_of(set);
	size_t n = 0, i = 0;
	unsigned next = 0;
	for (struct pattern_ref *r = refs->first; r != NULL; r = r->next)
		n++;
	struct pattern_ref **all = mem_alloc((n + 1) * sizeof(struct pattern_ref *));
	bool *taken = mem_zalloc(n + 1); // beyond n, none is given
	for (struct pattern_ref *r = refs->first; r != NULL; r = r->next) {
		all[i++] = r;
		if (r->numbered && r->number < n)
			taken[r->number] = true;
	}
	for (i = 0; i < n; i++) {
		while (!all[i]->numbered && taken[next])
			next++;
		if (!all[i]->numbered)
			all[i]->number = next++;
		all[i]->numbered = true;
		entitle(set, all[i]);
	}
	sort_refs(refs, all, n);
	refs->numbered = true;
	mem_free(taken);
	mem_free(all);
}

void
pattern_ref_open(struct pattern_ref *r)
{
	struct err err = {{0}};
	if (r->words == NULL || r->uses != NULL)
		return;
	r->own.ref = r;
	r->own.opts = r->words->opts;
	r->own.type = SMP_STR;
	r->uses = &r->own;
	bool good = pattern_gen_first(&r->own, &err);
	ASSERT(good); // the ACL's own list is made of the same words
}
