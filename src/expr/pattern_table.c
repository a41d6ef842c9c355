// SPDX-License-Identifier: MIT
// The entries of one version of a named pattern set: a list in order of appearance, and a hash of
// the keys. An entry is never changed in place, since built lists point at its bytes: it dies and
// another one comes.

#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"
#include "expr/pattern_ref_priv.h"

#define TEXT_BYTES ((size_t)4 << 30)

struct pattern_text *
pattern_text_new(void)
{
	struct pattern_text *t = MEM_NEW(struct pattern_text);
	t->refs = 1;
	arena_init(&t->arena, TEXT_BYTES);
	return t;
}

void
pattern_text_unref(struct pattern_text **tp)
{
	struct pattern_text *t = *tp;
	*tp = NULL;
	if (t == NULL || --t->refs > 0)
		return;
	arena_fini(&t->arena);
	mem_free(t);
}

void
pattern_table_init(struct pattern_table *t, uint32_t version)
{
	*t = (struct pattern_table){.version = version,
				    .text = pattern_text_new(),
				    .seed = hash_seed()};
}

void
pattern_table_fini(struct pattern_table *t)
{
	pattern_text_unref(&t->text);
	mem_free(t->entry);
	mem_free(t->slot);
	*t = (struct pattern_table){0};
}

// The slot of a key, or the free one where it would stand.
static size_t
slot_of(const struct pattern_table *t, struct str key)
{
	size_t mask = t->n_slots - 1, at = hash_bytes(key.p, key.n, t->seed) & mask;
	while (t->slot[at] != 0 && !str_eq(t->entry[t->slot[at] - 1].key, key))
		at = (at + 1) & mask;
	return at;
}

static void
grow_slots(struct pattern_table *t)
{
	uint32_t *old = t->slot;
	size_t n_old = t->n_slots;
	t->n_slots = n_old > 0 ? n_old * 2 : 64;
	t->slot = mem_zalloc(t->n_slots * sizeof(*t->slot));
	for (size_t i = 0; i < n_old; i++) {
		if (old[i] != 0)
			t->slot[slot_of(t, t->entry[old[i] - 1].key)] = old[i];
	}
	mem_free(old);
}

static size_t
first_live(const struct pattern_table *t, uint32_t head)
{
	while (head != 0 && !t->entry[head - 1].live)
		head = t->entry[head - 1].same;
	return head != 0 ? head - 1 : SIZE_MAX;
}

size_t
pattern_table_find(const struct pattern_table *t, struct str key)
{
	return t->n_slots > 0 ? first_live(t, t->slot[slot_of(t, key)]) : SIZE_MAX;
}

size_t
pattern_table_next_same(const struct pattern_table *t, size_t i)
{
	return first_live(t, t->entry[i].same);
}

size_t
pattern_table_find_id(const struct pattern_table *t, int64_t id)
{
	for (size_t i = 0; i < t->n; i++) {
		if (t->entry[i].id == id && t->entry[i].live)
			return i;
	}
	return SIZE_MAX;
}

// Dead entries of the key are stepped over here too, else a key set often would grow a chain.
static void
chain(struct pattern_table *t, uint32_t index)
{
	uint32_t *link = &t->slot[slot_of(t, t->entry[index].key)];
	if (*link == 0)
		t->n_keys++;
	while (*link != 0) {
		if (t->entry[*link - 1].live || t->entry[*link - 1].dying)
			link = &t->entry[*link - 1].same;
		else
			*link = t->entry[*link - 1].same;
	}
	*link = index + 1;
}

void
pattern_table_append(struct pattern_table *t, struct str key, struct str value, int64_t id,
		     int line)
{
	VEC_GROW(t->entry, t->cap, t->n);
	t->entry[t->n] =
	    (struct table_entry){.key = key, .value = value, .id = id, .line = line, .live = true};
	if (t->n_keys * 2 >= t->n_slots)
		grow_slots(t);
	chain(t, (uint32_t)t->n);
	t->n++;
	t->n_live++;
}

const struct table_entry *
pattern_table_latest(const struct pattern_table *t, size_t i)
{
	const struct table_entry *e = &t->entry[i];
	if (e->took)
		return NULL;
	while (!e->live && e->after != 0)
		e = &t->entry[e->after - 1];
	return e->live ? e : NULL;
}

void
pattern_table_replace(struct pattern_table *t, size_t i)
{
	t->entry[i].after = (uint32_t)t->n;
	t->entry[t->n - 1].took = true;
}

void
pattern_table_kill(struct pattern_table *t, size_t i)
{
	ASSERT(t->entry[i].live);
	t->entry[i].live = false;
	t->entry[i].dying = true;
	t->n_live--;
}

static int
id_order(const void *a, const void *b)
{
	const struct table_entry *x = a, *y = b;
	return (x->id > y->id) - (x->id < y->id);
}

void
pattern_table_compact(const struct pattern_table *from, struct pattern_table *to)
{
	size_t n = 0;
	bool sorted = true;
	pattern_table_init(to, from->version);
	struct table_entry *kept = mem_alloc((from->n_live + 1) * sizeof(*kept));
	for (size_t i = 0; i < from->n; i++) {
		if (!from->entry[i].live)
			continue;
		kept[n++] = from->entry[i];
		sorted &= n < 2 || kept[n - 2].id <= kept[n - 1].id;
	}
	if (!sorted)
		qsort(kept, n, sizeof(*kept), id_order);
	for (size_t i = 0; i < n; i++)
		pattern_table_append(to, str_copy(&to->text->arena, kept[i].key),
				     str_copy(&to->text->arena, kept[i].value), kept[i].id,
				     kept[i].line);
	mem_free(kept);
}
