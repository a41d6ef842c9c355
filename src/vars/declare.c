// SPDX-License-Identifier: MIT
// Declarations: a name gets a slot with its type for good, and a definition (bounds, default and
// so on) that a later declaration may change. A slot is filled before n_slots counts it; a
// definition is written beside the one in force and put in force by one store. So a declarer
// killed at any point leaves either the old or the new.
#include "base/clock.h"
#include "vars/write_priv.h"

enum { DECLARE_WAIT_MS = 1000 };

static bool
has_bounds(uint32_t type)
{
	return type == TIDEVARS_INT || type == TIDEVARS_FLOAT || type == TIDEVARS_GAUGE;
}

// ---- is the declaration itself sound? -----------------------------------------------------

// The declared values, as a meta without a slot: what checks need.
static int
check_values(const struct tidevars_decl *d, struct tidevars_error *err)
{
	struct vars_meta m = {.type = d->type,
			      .flags = d->flags,
			      .min = vars_value_word(&d->min),
			      .max = vars_value_word(&d->max)};
	struct tidevars_value zero = {.type = d->type};
	const struct tidevars_value *initial =
	    d->initial.type != TIDEVARS_NONE ? &d->initial : &zero;
	memcpy(m.name, d->name, strlen(d->name));
	uint32_t both = TIDEVARS_HAS_MIN | TIDEVARS_HAS_MAX;
	if (((d->flags & TIDEVARS_HAS_MIN) != 0 && d->min.type != d->type) ||
	    ((d->flags & TIDEVARS_HAS_MAX) != 0 && d->max.type != d->type))
		return vars_fail(err, TIDEVARS_TYPE, "'%s': min and max must be of type %s",
				 d->name, tidevars_type_name(d->type));
	if ((d->flags & both) == both) {
		struct tidevars_value v = d->min;
		if (vars_check_value(&m, &v, NULL) != TIDEVARS_OK)
			return vars_fail(err, TIDEVARS_BOUNDS, "'%s': min is above max", d->name);
	}
	int status = vars_check_value(&m, initial, err);
	if (status == TIDEVARS_OK && (d->flags & TIDEVARS_HAS_STALE) != 0)
		status = vars_check_value(&m, &d->stale_use, err);
	return status;
}

static int
check_decl(const struct tidevars_decl *d, struct tidevars_error *err)
{
	size_t n = d->name != NULL ? strlen(d->name) : 0;
	bool plain = d->type != TIDEVARS_COUNTER && d->type != TIDEVARS_HOLD;
	if (!tidevars_name_ok(d->name, n))
		return vars_fail(err, TIDEVARS_BAD_NAME,
				 "'%.*s' is no name for a variable: a letter or _, then letters, "
				 "digits, _ and ., at most %d bytes",
				 (int)MIN(n, (size_t)80), d->name != NULL ? d->name : "",
				 TIDEVARS_NAME_MAX);
	if (d->type == TIDEVARS_NONE || d->type >= TIDEVARS_N_TYPES)
		return vars_fail(err, TIDEVARS_TYPE, "'%s': no such type", d->name);
	if ((d->flags & (TIDEVARS_HAS_MIN | TIDEVARS_HAS_MAX)) != 0 && !has_bounds(d->type))
		return vars_fail(err, TIDEVARS_TYPE, "'%s': a %s has no min or max", d->name,
				 tidevars_type_name(d->type));
	if (!plain && ((d->flags & TIDEVARS_HAS_STALE) != 0 ||
		       (d->initial.type != TIDEVARS_NONE && d->initial.u.i != 0)))
		return vars_fail(err, TIDEVARS_TYPE, "'%s': a %s has no default or stale-after",
				 d->name, tidevars_type_name(d->type));
	if (d->type == TIDEVARS_COUNTER && d->ttl_ns != 0)
		return vars_fail(err, TIDEVARS_TYPE, "'%s': a counter has no time to live",
				 d->name);
	if (d->type != TIDEVARS_GAUGE && d->half_life_ns != 0)
		return vars_fail(err, TIDEVARS_TYPE, "'%s': only a gauge has a half-life", d->name);
	if ((d->flags & TIDEVARS_HAS_STALE) != 0 && d->stale_after_ns == 0)
		return vars_fail(err, TIDEVARS_BAD_CALL, "'%s': stale after no time at all",
				 d->name);
	return check_values(d, err);
}

// ---- storing ------------------------------------------------------------------------------

// Room for `bytes` in the data area; 0 when it is full. The lock is held.
static uint64_t
take_data(struct tidevars *t, uint64_t bytes)
{
	uint64_t at = (atomic_load(&t->hdr->data_used) + 63) & ~UINT64_C(63);
	if (at == 0 || at > t->data_bytes || bytes > t->data_bytes - at)
		return 0;
	atomic_store(&t->hdr->data_used, at + bytes);
	return at;
}

// Stores a declared text, or keeps the place where the same one lies. False: no room.
static bool
place_text(struct tidevars *t, const struct tidevars_value *v, uint64_t was_at, const char *was,
	   size_t was_n, uint64_t *at)
{
	*at = 0;
	if (v->type != TIDEVARS_STRING || v->text_n == 0)
		return true;
	if (was_at != 0 && str_eq(str_of(v->text, v->text_n), str_of(was, was_n))) {
		*at = was_at;
		return true;
	}
	_Alignas(8) char text[LAYOUT_TEXT_BYTES] = {0};
	memcpy(text, v->text, v->text_n);
	*at = take_data(t, sizeof(text));
	if (*at == 0)
		return false;
	layout_store(t->data + *at, text, sizeof(text));
	return true;
}

static int
no_room(const struct tidevars *t, const char *name, struct tidevars_error *err)
{
	return vars_fail(err, TIDEVARS_FULL,
			 "no room for '%s': the variable table was made for %u variables; dump it, "
			 "raise \"size\" in the dump and restore it into a new file",
			 name, t->size);
}

// The definition as stored. `old`, `m`: the one in force, or NULL.
static int
build_desc(struct tidevars *t, const struct tidevars_decl *d, const struct layout_desc *old,
	   const struct vars_meta *m, struct layout_desc *out, struct tidevars_error *err)
{
	bool stale = (d->flags & TIDEVARS_HAS_STALE) != 0;
	memset(out, 0, sizeof(*out));
	out->flags = d->flags & ~(uint32_t)TIDEVARS_REPLACE;
	out->writable_by = d->writable_by;
	out->writable_uid = d->writable_uid;
	out->writable_gid = d->writable_gid;
	out->min = (d->flags & TIDEVARS_HAS_MIN) != 0 ? vars_value_word(&d->min) : 0;
	out->max = (d->flags & TIDEVARS_HAS_MAX) != 0 ? vars_value_word(&d->max) : 0;
	out->initial = d->initial.type != TIDEVARS_NONE ? vars_value_word(&d->initial) : 0;
	out->stale_use = stale ? vars_value_word(&d->stale_use) : 0;
	out->stale_after = stale ? d->stale_after_ns : 0;
	out->ttl = d->ttl_ns == TIDEVARS_NEVER ? 0 : d->ttl_ns;
	out->half_life = d->half_life_ns;
	if (d->description != NULL)
		memcpy(out->description, d->description,
		       strnlen(d->description, sizeof(out->description) - 1));
	if (!place_text(t, &d->initial, old != NULL ? old->initial_at : 0,
			m != NULL ? m->initial_text : NULL, m != NULL ? m->initial_n : 0,
			&out->initial_at) ||
	    (stale && !place_text(t, &d->stale_use, old != NULL ? old->stale_at : 0,
				  m != NULL ? m->stale_text : NULL, m != NULL ? m->stale_n : 0,
				  &out->stale_at)))
		return no_room(t, d->name, err);
	out->sum = vars_desc_sum(out);
	return TIDEVARS_OK;
}

// The first record of a new variable: its default, as old as the variable. No reader is here
// yet.
static void
fill_record(struct tidevars *t, struct layout_slot *s, const struct layout_desc *desc)
{
	struct vars_commit c;
	struct tidevars_writer nobody = {.who = "declared",
					 .source = TIDEVARS_FROM_CONFIG,
					 .uid = t->uid,
					 .gid = t->gid,
					 .pid = t->pid};
	struct layout_hot *h = &s->hot[0];
	vars_commit_init(&c, t, &nobody, NULL);
	layout_store(&s->cold[0], &c.who, sizeof(c.who));
	atomic_store(&h->value, desc->initial);
	atomic_store(&h->smooth, desc->initial);
	atomic_store(&h->deadline_boot, TIDEVARS_NEVER);
	atomic_store(&h->deadline_real, TIDEVARS_NEVER);
	atomic_store(&h->written_boot, c.now_boot);
	atomic_store(&h->written_real, c.now_real);
	atomic_store(&h->flags, LAYOUT_HOT_DEFAULT | LAYOUT_HOT_DONE); // there is no newer one
	atomic_store(&h->stamp, vars_epoch(t));
}

static int
create(struct tidevars *t, const struct tidevars_decl *d, uint32_t *handle,
       struct tidevars_error *err)
{
	static const uint32_t payload[TIDEVARS_N_TYPES] = {[TIDEVARS_STRING] = LAYOUT_TEXT_BYTES,
							   [TIDEVARS_HOLD] =
							       LAYOUT_N_HOLDS *
							       sizeof(struct layout_hold)};
	uint32_t n = atomic_load(&t->hdr->n_slots);
	if (n >= t->size)
		return no_room(t, d->name, err);
	struct layout_slot *s = vars_slot(t, n);
	struct layout_desc desc;
	struct layout_ident id = {.type = d->type, .data_bytes = payload[d->type]};
	int status = build_desc(t, d, NULL, NULL, &desc, err);
	if (status != TIDEVARS_OK)
		return status;
	if (id.data_bytes > 0)
		id.data_at = take_data(t, 2 * (uint64_t)id.data_bytes);
	if (id.data_bytes > 0 && id.data_at == 0)
		return no_room(t, d->name, err);
	id.name_n = (uint32_t)strlen(d->name);
	memcpy(id.name, d->name, id.name_n);
	id.created_real = clock_real_ns();
	id.sum = vars_ident_sum(&id);
	memset(s, 0, sizeof(*s)); // a creator may have died here before
	layout_store(&s->ident, &id, sizeof(id));
	layout_store(&s->desc[0], &desc, sizeof(desc));
	fill_record(t, s, &desc);
	atomic_store(&s->ident.state, LAYOUT_LIVE);
	// Release: who sees the number sees the slot.
	atomic_store_explicit(&t->hdr->n_slots, n + 1, memory_order_release);
	vars_index_own(t, n);
	*handle = n;
	return TIDEVARS_OK;
}

// The stored value must fit the new bounds; whoever narrows them decides what becomes of it.
static int
check_stored(struct tidevars *t, const struct tidevars_decl *d, const struct vars_meta *m,
	     struct tidevars_error *err)
{
	struct vars_meta next = *m;
	struct vars_record r;
	struct tidevars_value v;
	struct tidevars_error inner;
	next.flags = d->flags;
	next.min = vars_value_word(&d->min);
	next.max = vars_value_word(&d->max);
	if (!has_bounds(m->type) || !vars_pick(m->slot, vars_epoch(t), &r) ||
	    (r.flags & LAYOUT_HOT_DEFAULT) != 0)
		return TIDEVARS_OK;
	vars_word_value(m, r.value, &v);
	if (vars_check_value(&next, &v, &inner) == TIDEVARS_OK)
		return TIDEVARS_OK;
	return vars_fail(err, TIDEVARS_CONFLICT,
			 "%s, but that value is stored: set it within the bounds or unset it "
			 "first, or widen the bounds",
			 inner.text);
}

// A slot's definition in force as stored.
static void
copy_desc(const struct layout_slot *s, struct layout_desc *d)
{
	layout_load(d, &s->desc[atomic_load(&s->live.desc_now) & 1], sizeof(*d));
}

static int
verify(struct tidevars *t, const struct tidevars_decl *d, const struct vars_meta *m,
       struct tidevars_error *err)
{
	if ((d->flags & TIDEVARS_UNDECLARED) != 0)
		return TIDEVARS_OK;
	struct layout_desc old, next;
	copy_desc(m->slot, &old);
	int status = check_stored(t, d, m, err);
	if (status == TIDEVARS_OK)
		status = build_desc(t, d, &old, m, &next, err);
	if (status != TIDEVARS_OK || memcmp(&old, &next, sizeof(old)) == 0)
		return status;
	uint32_t spare = 1 - (atomic_load(&m->slot->live.desc_now) & 1);
	layout_store(&m->slot->desc[spare], &next, sizeof(next));
	// Release: who sees the number sees the definition.
	atomic_store_explicit(&m->slot->live.desc_now, spare, memory_order_release);
	vars_index_own(t, m->handle);
	return TIDEVARS_OK;
}

// The lock is held.
static void
forget(struct tidevars *t, const struct vars_meta *m)
{
	struct vars_commit c;
	struct layout_log e;
	vars_commit_init(&c, t, NULL, NULL);
	vars_log_start(&c, m, TIDEVARS_FORGET, &e);
	// An entry alone under the epoch in force: it counts at once.
	(void)vars_log_append(t, &e, vars_epoch(t));
	atomic_store(&m->slot->ident.state, LAYOUT_FORGOTTEN);
	vars_index_own(t, m->handle);
}

static int
declare_locked(struct tidevars *t, const struct tidevars_decl *d, uint32_t *handle,
	       struct tidevars_error *err)
{
	if (vars_index_find(t, str_from_c(d->name), handle) != TIDEVARS_OK)
		return create(t, d, handle, err);
	const struct vars_meta *m = vars_meta(t, *handle);
	if (m->type == d->type)
		return verify(t, d, m, err);
	if ((d->flags & TIDEVARS_REPLACE) != 0) {
		forget(t, m);
		return create(t, d, handle, err);
	}
	return vars_fail(err, TIDEVARS_CONFLICT,
			 "'%s' is declared as %s, but the table stores it as %s: declare it as %s, "
			 "give it another name, or start with a new table file",
			 d->name, tidevars_type_name(d->type), tidevars_type_name(m->type),
			 tidevars_type_name(m->type));
}

int
tidevars_declare(struct tidevars *t, const struct tidevars_decl *decl, uint32_t *handle,
		 struct tidevars_error *err)
{
	CHECK_MAGIC(t, VARS_MAGIC);
	uint32_t h = TIDEVARS_NO_HANDLE;
	int status = check_decl(decl, err);
	if (status == TIDEVARS_OK)
		status = vars_lock(t, DECLARE_WAIT_MS, err);
	if (status == TIDEVARS_OK) {
		status = declare_locked(t, decl, &h, err);
		vars_unlock(t);
	}
	if (handle != NULL)
		*handle = status == TIDEVARS_OK ? h : TIDEVARS_NO_HANDLE;
	return status == TIDEVARS_OK ? vars_sync(t, err) : status;
}

int
tidevars_forget(struct tidevars *t, uint32_t handle, struct tidevars_error *err)
{
	CHECK_MAGIC(t, VARS_MAGIC);
	int status = vars_lock(t, DECLARE_WAIT_MS, err);
	if (status != TIDEVARS_OK)
		return status;
	vars_index_refresh(t);
	const struct vars_meta *m = vars_meta(t, handle);
	if (m == NULL || m->forgotten)
		status = vars_fail(err, TIDEVARS_UNKNOWN, "no variable has the handle %u", handle);
	else
		forget(t, m);
	vars_unlock(t);
	return status == TIDEVARS_OK ? vars_sync(t, err) : status;
}
