// SPDX-License-Identifier: MIT
// The private copy of what the table declares: each slot's name, type, bounds and texts, checked
// and clamped once, and a map from names to handles. Brought up to date when header.declared has
// moved, so that a change by another process is seen; readers get a replaced copy by one atomic
// pointer, and old copies are kept for those still looking at them.
#include "base/mem.h"
#include "vars/table_priv.h"

uint64_t
vars_desc_sum(const struct layout_desc *d)
{
	return layout_sum(LAYOUT_SUM_START, d, offsetof(struct layout_desc, sum));
}

uint64_t
vars_ident_sum(const struct layout_ident *i)
{
	uint64_t sum = layout_sum(LAYOUT_SUM_START, &i->type, sizeof(i->type));
	sum = layout_sum(sum, &i->data_at, sizeof(i->data_at));
	sum = layout_sum(sum, &i->data_bytes, sizeof(i->data_bytes));
	sum = layout_sum(sum, &i->name_n, sizeof(i->name_n));
	sum = layout_sum(sum, &i->created_real, sizeof(i->created_real));
	return layout_sum(sum, i->name, sizeof(i->name));
}

static bool
in_data(const struct tidevars *t, uint64_t at, uint64_t n)
{
	return at % 8 == 0 && at <= t->data_bytes && n <= t->data_bytes - at;
}

// What is wrong with it, or NULL.
static const char *
check_ident(const struct tidevars *t, const struct layout_ident *i)
{
	if (i->sum != vars_ident_sum(i))
		return "the sum over its name and type does not match";
	if (i->type == TIDEVARS_NONE || i->type >= TIDEVARS_N_TYPES)
		return "its type is not known";
	if (i->name_n > TIDEVARS_NAME_MAX || !tidevars_name_ok(i->name, i->name_n))
		return "its name is not valid";
	uint64_t need = i->type == TIDEVARS_STRING ? LAYOUT_TEXT_BYTES
			: i->type == TIDEVARS_HOLD ? LAYOUT_N_HOLDS * sizeof(struct layout_hold)
						   : 0;
	if (i->data_bytes < need || !in_data(t, i->data_at, 2 * (uint64_t)i->data_bytes))
		return "its data lies outside the table";
	return NULL;
}

// A text of the declaration, NUL-terminated in `out`; its length.
static uint8_t
load_text(const struct tidevars *t, uint64_t at, uint64_t n, char out[LAYOUT_TEXT_BYTES])
{
	n = MIN(n, (uint64_t)TIDEVARS_TEXT_MAX);
	if (at == 0 || !in_data(t, at, LAYOUT_TEXT_BYTES))
		n = 0;
	else
		layout_load(out, t->data + at, LAYOUT_TEXT_BYTES);
	out[n] = '\0';
	return (uint8_t)n;
}

// The desc in force; false when it is damaged.
static bool
load_desc(const struct layout_slot *s, struct layout_desc *d)
{
	for (int i = 0; i < 8; i++) { // a change under our eyes is as good as none
		uint32_t now = atomic_load(&s->live.desc_now);
		if (now > 1)
			return false;
		layout_load(d, &s->desc[now], sizeof(*d));
		atomic_thread_fence(memory_order_acquire);
		if (d->sum == vars_desc_sum(d) && atomic_load(&s->live.desc_now) == now)
			return true;
	}
	return false;
}

static struct vars_meta *
make_meta(struct tidevars *t, uint32_t handle, const struct layout_ident *i,
	  const struct layout_desc *d)
{
	struct vars_meta *m = MEM_NEW(struct vars_meta);
	*m =
	    (struct vars_meta){.type = i->type,
			       .flags = d->flags,
			       .slot = vars_slot(t, handle),
			       .data = {t->data + i->data_at, t->data + i->data_at + i->data_bytes},
			       .initial = d->initial,
			       .stale_use = d->stale_use,
			       .stale_after = d->stale_after,
			       .min = d->min,
			       .max = d->max,
			       .ttl = d->ttl,
			       .half_life = d->half_life,
			       .writable_by = d->writable_by,
			       .writable_uid = d->writable_uid,
			       .writable_gid = d->writable_gid,
			       .handle = handle,
			       .forgotten = atomic_load(&i->state) == LAYOUT_FORGOTTEN};
	m->plain = (m->type == TIDEVARS_INT || m->type == TIDEVARS_HOLD) && !m->forgotten &&
		   (m->flags & TIDEVARS_HAS_STALE) == 0;
	memcpy(m->name, i->name, i->name_n);
	memcpy(m->description, d->description, sizeof(m->description) - 1);
	if (m->type == TIDEVARS_STRING) {
		m->initial_n = load_text(t, d->initial_at, d->initial, m->initial_text);
		m->stale_n = load_text(t, d->stale_at, d->stale_use, m->stale_text);
		m->initial = m->initial_n;
		m->stale_use = m->stale_n;
	}
	return m;
}

// What is wrong with the slot, or NULL and *out.
static const char *
load_slot(struct tidevars *t, uint32_t handle, struct vars_meta **out)
{
	struct layout_slot *s = vars_slot(t, handle);
	struct layout_ident i;
	struct layout_desc d;
	layout_load(&i, &s->ident, sizeof(i));
	uint32_t state = atomic_load(&i.state);
	if (state != LAYOUT_LIVE && state != LAYOUT_FORGOTTEN)
		return "its state is not known";
	const char *wrong = check_ident(t, &i);
	if (wrong != NULL)
		return wrong;
	if (!load_desc(s, &d))
		return "the sum over its declaration does not match";
	*out = make_meta(t, handle, &i, &d);
	return NULL;
}

// A variable that has no value in force can only be damage.
static bool
has_value(struct tidevars *t, const struct vars_meta *m, bool cut)
{
	struct vars_record r;
	for (uint32_t i = 0; i < VARS_READ_ATTEMPTS; i++) {
		if (vars_pick(m->slot, cut ? UINT64_MAX : vars_epoch(t), &r))
			return true;
	}
	return false;
}

static void
publish(struct tidevars *t, uint32_t handle, struct vars_meta *m)
{
	struct vars_meta *old = vars_meta(t, handle);
	bool was = old != NULL && !old->forgotten;
	if (old != NULL) {
		old->older = t->old_meta;
		t->old_meta = old;
	}
	atomic_store_explicit(&t->meta[handle], m, memory_order_release);
	if (!was && !m->forgotten)
		(void)hash_map_put(&t->names, str_from_c(m->name), (void *)((uintptr_t)handle + 1));
}

// Names cannot leave the map one by one: a forgotten variable makes it anew.
static void
rebuild_names(struct tidevars *t)
{
	hash_map_fini(&t->names);
	for (uint32_t i = 0; i < t->n_known; i++) {
		struct vars_meta *m = vars_meta(t, i);
		if (m != NULL && !m->forgotten)
			(void)hash_map_put(&t->names, str_from_c(m->name),
					   (void *)((uintptr_t)i + 1));
	}
}

// Loads one slot again if it differs from what is known. False: it became forgotten.
static bool
refresh_slot(struct tidevars *t, uint32_t handle)
{
	struct vars_meta *old = vars_meta(t, handle), *m;
	if (load_slot(t, handle, &m) != NULL)
		return true; // damaged meanwhile: what we know stays
	// All but the link, which lies behind the only padding.
	if (old != NULL &&
	    memcmp(old, m, offsetof(struct vars_meta, stale_text) + sizeof(m->stale_text)) == 0) {
		mem_free(m);
		return true;
	}
	bool lost = old != NULL && !old->forgotten && m->forgotten;
	publish(t, handle, m);
	return !lost;
}

// index_mutex is held.
static void
refresh(struct tidevars *t)
{
	uint64_t redeclared = atomic_load(&t->hdr->redeclared);
	uint64_t declared = atomic_load_explicit(&t->hdr->declared, memory_order_acquire);
	uint32_t n = MIN(atomic_load_explicit(&t->hdr->n_slots, memory_order_acquire), t->size);
	bool names_stand = true;
	if (tidevars_damaged(t))
		return;
	for (uint32_t i = 0; i < MAX(n, t->n_known); i++)
		names_stand = refresh_slot(t, i) && names_stand;
	atomic_store(&t->n_known, MAX(n, t->n_known));
	if (!names_stand)
		rebuild_names(t);
	atomic_store(&t->declared_seen, declared);
	atomic_store(&t->redeclared_seen, redeclared);
	// A program of layout 1.0 declared, or a declarer was killed: readers shall look, too.
	if (redeclared < declared && (t->flags & TIDEVARS_READ_ONLY) == 0)
		(void)atomic_compare_exchange_strong(&t->hdr->redeclared, &redeclared, declared);
}

static bool
is_stale(struct tidevars *t)
{
	// A creator killed before it announced its variable left n_slots ahead.
	return atomic_load(&t->hdr->declared) != atomic_load(&t->declared_seen) ||
	       atomic_load(&t->hdr->redeclared) != atomic_load(&t->redeclared_seen) ||
	       MIN(atomic_load(&t->hdr->n_slots), t->size) > atomic_load(&t->n_known);
}

void
vars_index_own(struct tidevars *t, uint32_t handle)
{
	(void)pthread_mutex_lock(&t->index_mutex);
	uint64_t declared = atomic_load(&t->hdr->declared) + 1;
	if (atomic_load(&t->declared_seen) + 1 == declared && handle <= t->n_known) {
		bool names_stand = refresh_slot(t, handle);
		atomic_store(&t->n_known, MAX(handle + 1, t->n_known));
		if (!names_stand)
			rebuild_names(t);
		atomic_store(&t->declared_seen, declared);
		atomic_store(&t->redeclared_seen, declared);
	}
	atomic_store_explicit(&t->hdr->declared, declared, memory_order_release);
	// Release: who sees this number sees the other.
	atomic_store_explicit(&t->hdr->redeclared, declared, memory_order_release);
	(void)pthread_mutex_unlock(&t->index_mutex);
}

void
vars_index_refresh(struct tidevars *t)
{
	if (!is_stale(t))
		return;
	(void)pthread_mutex_lock(&t->index_mutex);
	refresh(t);
	(void)pthread_mutex_unlock(&t->index_mutex);
}

void
vars_index_try_refresh(struct tidevars *t)
{
	if (tidevars_damaged(t) || pthread_mutex_trylock(&t->index_mutex) != 0)
		return;
	if (is_stale(t))
		refresh(t);
	(void)pthread_mutex_unlock(&t->index_mutex);
}

int
vars_index_load(struct tidevars *t, bool cut, struct tidevars_error *err)
{
	uint64_t redeclared = atomic_load(&t->hdr->redeclared);
	uint64_t declared = atomic_load_explicit(&t->hdr->declared, memory_order_acquire);
	uint32_t n = atomic_load_explicit(&t->hdr->n_slots, memory_order_acquire);
	if (n > t->size)
		return vars_fail(err, TIDEVARS_BAD_FILE,
				 "it says it holds %u variables, with room for %u", n, t->size);
	for (uint32_t i = 0; i < n; i++) {
		struct vars_meta *m;
		const char *wrong = load_slot(t, i, &m);
		if (wrong != NULL)
			return vars_fail(err, TIDEVARS_BAD_FILE, "variable %u is damaged: %s", i,
					 wrong);
		publish(t, i, m);
		if (!has_value(t, m, cut))
			return vars_fail(err, TIDEVARS_BAD_FILE,
					 "variable '%s' is damaged: no value in force", m->name);
	}
	atomic_store(&t->n_known, n);
	atomic_store(&t->declared_seen, declared);
	atomic_store(&t->redeclared_seen, redeclared);
	return TIDEVARS_OK;
}

int
tidevars_inspect(struct tidevars *t, struct tidevars_error *err)
{
	CHECK_MAGIC(t, VARS_MAGIC);
	struct layout_header h;
	if (tidevars_damaged(t))
		return vars_fail(err, TIDEVARS_DAMAGED,
				 "the variable table's file was cut short under this process");
	layout_load(&h, t->hdr, LAYOUT_SUMMED + sizeof(h.sum));
	if (h.sum != layout_sum(LAYOUT_SUM_START, &h, LAYOUT_SUMMED))
		return vars_fail(err, TIDEVARS_DAMAGED, "its header was written over");
	for (uint32_t i = 0; i < atomic_load(&t->n_known); i++) {
		const struct vars_meta *known = vars_meta(t, i);
		struct vars_meta *now;
		const char *wrong = known != NULL ? load_slot(t, i, &now) : NULL;
		if (wrong != NULL)
			return vars_fail(err, TIDEVARS_DAMAGED, "variable '%s': %s", known->name,
					 wrong);
		if (known != NULL)
			mem_free(now);
	}
	return TIDEVARS_OK;
}

void
vars_index_fini(struct tidevars *t)
{
	for (uint32_t i = 0; i < t->size && t->meta != NULL; i++)
		mem_free(atomic_load(&t->meta[i]));
	while (t->old_meta != NULL) {
		struct vars_meta *m = t->old_meta;
		t->old_meta = m->older;
		mem_free(m);
	}
	hash_map_fini(&t->names);
	mem_free(t->meta);
	t->meta = NULL;
}

int
vars_index_find(struct tidevars *t, struct str name, uint32_t *handle)
{
	*handle = TIDEVARS_NO_HANDLE;
	vars_index_refresh(t);
	(void)pthread_mutex_lock(&t->index_mutex);
	uintptr_t found = (uintptr_t)hash_map_get(&t->names, name);
	(void)pthread_mutex_unlock(&t->index_mutex);
	if (found == 0)
		return TIDEVARS_UNKNOWN;
	*handle = (uint32_t)(found - 1);
	return TIDEVARS_OK;
}

struct candidates {
	const struct tidevars *t;
	uint32_t at;
};

static const char *
next_candidate(void *iter)
{
	struct candidates *c = iter;
	while (c->at < c->t->n_known) {
		const struct vars_meta *m = vars_meta(c->t, c->at++);
		if (m != NULL && !m->forgotten)
			return m->name;
	}
	return NULL;
}

int
tidevars_find(struct tidevars *t, const char *name, size_t n, uint32_t *handle,
	      struct tidevars_error *err)
{
	CHECK_MAGIC(t, VARS_MAGIC);
	if (vars_index_find(t, str_of(name, n), handle) == TIDEVARS_OK)
		return TIDEVARS_OK;
	int show = (int)MIN(n, (size_t)TIDEVARS_NAME_MAX);
	struct candidates c = {t, 0};
	const char *near = str_suggest(str_of(name, (size_t)show), next_candidate, &c);
	if (near != NULL)
		return vars_fail(err, TIDEVARS_UNKNOWN,
				 "no variable is named '%.*s'; did you mean '%s'?", show, name,
				 near);
	return vars_fail(err, TIDEVARS_UNKNOWN, "no variable is named '%.*s'", show, name);
}

uint64_t
tidevars_declared(const struct tidevars *t)
{
	CHECK_MAGIC(t, VARS_MAGIC);
	return atomic_load_explicit(&t->hdr->redeclared, memory_order_acquire);
}

uint32_t
tidevars_count(struct tidevars *t)
{
	CHECK_MAGIC(t, VARS_MAGIC);
	vars_index_refresh(t);
	return atomic_load(&t->n_known);
}

uint32_t
tidevars_size(const struct tidevars *t)
{
	return t->size;
}

const char *
tidevars_name(const struct tidevars *t, uint32_t handle)
{
	const struct vars_meta *m = vars_meta(t, handle);
	return m != NULL ? m->name : NULL;
}

uint32_t
tidevars_type(const struct tidevars *t, uint32_t handle)
{
	const struct vars_meta *m = vars_meta(t, handle);
	return m != NULL ? m->type : TIDEVARS_NONE;
}
