// SPDX-License-Identifier: MIT
// All entries of a table: shown to an operator, and swept.
#include "stick/table_priv.h"

static void
copy(const struct stick_table *t, const struct stick_entry *e, uint64_t now, struct stick_view *v)
{
	unsigned at = 0;
	for (uint32_t i = 0; i < t->key_words; i++)
		v->key[i] = atomic_load_explicit(&e->words[i], memory_order_relaxed);
	v->id = e;
	v->trackers = stick_entry_value(t, e, STICK_TRACKERS, 0, now);
	v->left_ms = stick_entry_value(t, e, STICK_LEFT, 0, now);
	for (unsigned d = 0; d < STICK_N_DATA; d++)
		for (unsigned i = 0; i < t->def.data[d].n; i++)
			v->values[at++] = stick_entry_value(t, e, d, i, now);
}

bool
stick_next(struct stick_table *t, uint64_t now, struct stick_view *v)
{
	CHECK_MAGIC(t, STICK_MAGIC);
	const uint64_t end = MIN(n_places(t), v->until != 0 ? v->until : UINT64_MAX);
	while (v->place < end) {
		uint64_t place = v->place++;
		const struct stick_entry *e = entry_at(t, place);
		uint64_t w = atomic_load_explicit(&t->index[place], memory_order_acquire);
		if (place_state(w) != PLACE_LIVE || (is_expired(t, e, now) && !is_held(e)))
			continue;
		copy(t, e, now, v);
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&t->index[place], memory_order_relaxed) == w)
			return true;
	}
	v->more = v->place < n_places(t);
	return false;
}

bool
stick_look(struct stick_table *t, const struct stick_key *k, uint64_t now, struct stick_view *v)
{
	struct stick_ref r;
	if (!stick_pin(t, k, false, now, &r))
		return false;
	copy(t, r.entry, now, v);
	stick_unpin(&r);
	return true;
}

void
stick_sweep(struct stick_table *t, uint64_t now, uint64_t *place, uint64_t n)
{
	CHECK_MAGIC(t, STICK_MAGIC);
	if (t->def.expire_ms == 0)
		return;
	for (n = MIN(n, n_places(t)); n > 0; n--) {
		if (*place >= n_places(t))
			*place = 0;
		uint64_t p = (*place)++;
		uint64_t w = atomic_load_explicit(&t->index[p], memory_order_acquire);
		if (place_state(w) == PLACE_LIVE && is_expired(t, entry_at(t, p), now))
			(void)stick_free_place(t, p, w, true, now); // or it is in use again
	}
}

uint64_t
stick_used(const struct stick_table *t)
{
	uint64_t n = atomic_load_explicit(&t->h->used, memory_order_relaxed);
	return (int64_t)n > 0 ? n : 0; // killed before it was counted, and freed
}

void
stick_ref_key(const struct stick_ref *r, struct stick_key *k)
{
	const struct stick_table *t = r->table;
	k->n_words = t->key_words;
	for (uint32_t i = 0; i < t->key_words; i++)
		k->words[i] = atomic_load_explicit(&r->entry->words[i], memory_order_relaxed);
	if (t->def.type == STICK_STRING)
		k->n_words = 1 + (uint32_t)((MIN(k->words[0], (uint64_t)t->def.key_bytes) + 7) / 8);
	k->hash = stick_hash(t, k->words, k->n_words);
}
