// SPDX-License-Identifier: MIT
// Reading: load the epoch, take the record with the largest stamp up to it, copy, and look
// whether the stamp still stands. A writer fills the record that is not in force, so a reader
// begins again only when two commits of the same variable passed meanwhile, and a writer killed
// at any point leaves the record in force alone.
#include "base/clock.h"
#include "vars/table_priv.h"

#define ANY_EPOCH UINT64_MAX

void
vars_word_value(const struct vars_meta *m, uint64_t word, struct tidevars_value *out)
{
	out->type = m->type;
	out->smooth = 0;
	out->text_n = 0;
	if (m->type == TIDEVARS_FLOAT || m->type == TIDEVARS_GAUGE)
		out->smooth = out->u.f = vars_double_of_word(word);
	else if (m->type == TIDEVARS_BOOL)
		out->u.i = word != 0;
	else
		out->u.i = (int64_t)word;
}

void
vars_default(const struct vars_meta *m, struct tidevars_value *out)
{
	vars_word_value(m, m->initial, out);
	if (m->type != TIDEVARS_STRING)
		return;
	out->u.i = 0;
	out->text_n = m->initial_n;
	memcpy(out->text, m->initial_text, m->initial_n);
	out->text[m->initial_n] = '\0';
}

static void
use_substitute(const struct vars_meta *m, struct tidevars_value *out)
{
	vars_word_value(m, m->stale_use, out);
	if (m->type != TIDEVARS_STRING)
		return;
	out->u.i = 0;
	out->text_n = m->stale_n;
	memcpy(out->text, m->stale_text, m->stale_n);
	out->text[m->stale_n] = '\0';
}

// The writer's clock may be ahead of the reader's: that is age 0.
static uint64_t
age_ns(uint64_t now, uint64_t written)
{
	uint64_t age = now - written;
	return (int64_t)age < 0 ? 0 : age;
}

static void
copy_text(const struct vars_meta *m, const struct vars_record *r, struct tidevars_value *out)
{
	size_t n = MIN(r->value, (uint64_t)TIDEVARS_TEXT_MAX);
	layout_load(out->text, m->data[r->which], (n + 7) & ~(size_t)7);
	out->text[n] = '\0';
	out->text_n = (uint32_t)n;
	out->u.i = 0;
}

// Some hold has run out since the last write: count those that stand.
static void
count_holds(const struct vars_meta *m, const struct vars_record *r, uint64_t now,
	    struct tidevars_value *out)
{
	size_t n = MIN(r->value, (uint64_t)LAYOUT_N_HOLDS);
	const volatile struct layout_hold *holds = (const void *)m->data[r->which];
	out->u.i = 0;
	out->until_boot_ns = TIDEVARS_NEVER;
	for (size_t i = 0; i < n; i++) {
		uint64_t until = __atomic_load_n(&holds[i].until_boot, __ATOMIC_RELAXED);
		if (now >= until)
			continue;
		out->u.i++;
		out->until_boot_ns = MIN(out->until_boot_ns, until);
	}
	out->flags |= TIDEVARS_IS_EXPIRED;
	if (out->u.i == 0)
		out->flags |= TIDEVARS_IS_DEFAULT;
}

// What the record means at `now`. The caller verifies the record afterwards.
static void
value_of_record(const struct vars_meta *m, const struct vars_record *r, uint64_t now,
		struct tidevars_value *out)
{
	out->version = r->stamp;
	out->until_boot_ns = r->deadline;
	out->written_boot_ns = r->written;
	out->flags = 0;
	if (UNLIKELY((r->flags & LAYOUT_HOT_DEFAULT) != 0)) {
		vars_default(m, out);
		out->flags = TIDEVARS_IS_DEFAULT;
		out->until_boot_ns = TIDEVARS_NEVER;
	} else if (UNLIKELY(now >= r->deadline)) {
		if (m->type == TIDEVARS_HOLD) {
			out->type = m->type;
			count_holds(m, r, now, out);
		} else {
			vars_default(m, out);
			out->flags = TIDEVARS_IS_DEFAULT | TIDEVARS_IS_EXPIRED;
			out->until_boot_ns = TIDEVARS_NEVER;
		}
	} else {
		vars_word_value(m, r->value, out);
		if (m->type == TIDEVARS_STRING)
			copy_text(m, r, out);
		else if (m->type == TIDEVARS_GAUGE && m->half_life != 0)
			out->smooth = vars_double_of_word(vars_smooth(m->slot, r));
	}
	if ((m->flags & TIDEVARS_HAS_STALE) == 0)
		return;
	uint64_t age = age_ns(now, r->written);
	if (age >= m->stale_after) {
		use_substitute(m, out);
		out->flags |= TIDEVARS_IS_STALE;
		out->until_boot_ns = TIDEVARS_NEVER;
	} else {
		out->until_boot_ns = MIN(out->until_boot_ns, now + (m->stale_after - age));
	}
}

static void
damaged_value(const struct vars_meta *m, struct tidevars_value *out)
{
	vars_default(m, out);
	out->flags = TIDEVARS_IS_DEFAULT | TIDEVARS_IS_DAMAGED;
	out->version = 0;
	out->until_boot_ns = TIDEVARS_NEVER;
	out->written_boot_ns = 0;
}

static void
read_counter(const struct vars_meta *m, struct tidevars_value *out)
{
	struct layout_live *l = &m->slot->live;
	uint64_t v = atomic_load_explicit(&l->counter, memory_order_relaxed);
	*out =
	    (struct tidevars_value){.type = TIDEVARS_COUNTER,
				    .u.i = (int64_t)v,
				    .version = v,
				    .until_boot_ns = TIDEVARS_NEVER,
				    .written_boot_ns = atomic_load_explicit(&l->counter_boot,
									    memory_order_relaxed)};
}

// As of commit `epoch`, or ANY_EPOCH: the newest record, if that is done. False: too late for that
// epoch, not done, or damaged.
static bool
read_at(const struct vars_meta *m, uint64_t epoch, uint64_t now, struct tidevars_value *out)
{
	struct vars_record r;
	if (epoch == ANY_EPOCH ? !vars_pick_done(m->slot, &r) : !vars_pick(m->slot, epoch, &r))
		return false;
	value_of_record(m, &r, now, out);
	return vars_still(m->slot, &r);
}

static bool
is_redeclared(const struct tidevars *t)
{
	return atomic_load_explicit(&t->hdr->redeclared, memory_order_relaxed) !=
	       atomic_load_explicit(&t->redeclared_seen, memory_order_relaxed);
}

static struct vars_meta *
current_meta(struct tidevars *t, uint32_t handle)
{
	if (UNLIKELY(is_redeclared(t)))
		vars_index_try_refresh(t);
	return vars_meta(t, handle);
}

static int
no_variable(struct tidevars_value *out)
{
	memset(out, 0, offsetof(struct tidevars_value, text));
	out->until_boot_ns = TIDEVARS_NEVER;
	return TIDEVARS_UNKNOWN;
}

// Whatever is not the plain case of tidevars_read. Out of line, so that the latter keeps all it
// needs in registers that nobody has to save.
__attribute__((noinline)) static int
read_any(struct tidevars *t, uint32_t handle, uint64_t now_boot_ns, struct tidevars_value *out)
{
	const struct vars_meta *m = current_meta(t, handle);
	if (UNLIKELY(m == NULL))
		return no_variable(out);
	if (m->type == TIDEVARS_COUNTER && !tidevars_damaged(t)) {
		read_counter(m, out);
		return TIDEVARS_OK;
	}
	if (LIKELY(!m->forgotten)) {
		for (uint32_t i = 0; i < VARS_READ_ATTEMPTS; i++) {
			if (LIKELY(
				read_at(m, i == 0 ? ANY_EPOCH : vars_epoch(t), now_boot_ns, out)))
				return TIDEVARS_OK;
			if (tidevars_damaged(t))
				break;
		}
	}
	damaged_value(m, out);
	if (m->forgotten)
		out->flags = TIDEVARS_IS_DEFAULT;
	return TIDEVARS_OK;
}

// A plain variable that is set, done and not run out, as value_of_record has it.
int
tidevars_read(struct tidevars *t, uint32_t handle, uint64_t now_boot_ns, struct tidevars_value *out)
{
	const struct vars_meta *m = vars_meta(t, handle);
	struct vars_record r;
	if (UNLIKELY(is_redeclared(t) || m == NULL || !m->plain || !vars_pick_done(m->slot, &r) ||
		     (r.flags & LAYOUT_HOT_DEFAULT) != 0 || now_boot_ns >= r.deadline))
		return read_any(t, handle, now_boot_ns, out);
	out->type = m->type;
	out->flags = 0;
	out->u.i = (int64_t)r.value;
	out->smooth = 0;
	out->version = r.stamp;
	out->until_boot_ns = r.deadline;
	out->written_boot_ns = r.written;
	out->text_n = 0;
	return LIKELY(vars_still(m->slot, &r)) ? TIDEVARS_OK
					       : read_any(t, handle, now_boot_ns, out);
}

// One attempt at a snapshot; *status gets UNKNOWN when a handle is none.
static bool
read_all(struct tidevars *t, const uint32_t *handles, size_t n, uint64_t now,
	 struct tidevars_value *out, int *status)
{
	uint64_t epoch = vars_epoch(t);
	*status = TIDEVARS_OK;
	for (size_t i = 0; i < n; i++) {
		const struct vars_meta *m = vars_meta(t, handles[i]);
		if (m == NULL)
			*status = no_variable(&out[i]);
		else if (m->type == TIDEVARS_COUNTER)
			read_counter(m, &out[i]);
		else if (m->forgotten)
			(void)tidevars_read(t, handles[i], now, &out[i]); // the default, OK
		else if (!read_at(m, epoch, now, &out[i]))
			return false;
	}
	return true;
}

int
tidevars_read_many(struct tidevars *t, const uint32_t *handles, size_t n, uint64_t now_boot_ns,
		   struct tidevars_value *out)
{
	CHECK_MAGIC(t, VARS_MAGIC);
	int status;
	(void)current_meta(t, 0); // refreshes
	for (uint32_t i = 0; i < VARS_READ_ATTEMPTS && !tidevars_damaged(t); i++) {
		if (read_all(t, handles, n, now_boot_ns, out, &status))
			return status;
	}
	status = TIDEVARS_OK;
	for (size_t i = 0; i < n; i++) {
		const struct vars_meta *m = vars_meta(t, handles[i]);
		if (m == NULL)
			status = no_variable(&out[i]);
		else
			damaged_value(m, &out[i]);
	}
	return status;
}

uint64_t
tidevars_version(struct tidevars *t, uint32_t handle)
{
	const struct vars_meta *m = vars_meta(t, handle);
	if (m == NULL)
		return 0;
	if (m->type == TIDEVARS_COUNTER)
		return atomic_load_explicit(&m->slot->live.counter, memory_order_relaxed);
	struct vars_record r;
	if (LIKELY(vars_pick_done(m->slot, &r) && vars_still(m->slot, &r)))
		return r.stamp;
	for (uint32_t i = 0; i < VARS_READ_ATTEMPTS && !tidevars_damaged(t); i++) {
		if (vars_pick(m->slot, vars_epoch(t), &r))
			return r.stamp;
	}
	return 0;
}

uint64_t
tidevars_epoch(const struct tidevars *t)
{
	return vars_epoch(t);
}

// Both only grow.
uint64_t
tidevars_changes(const struct tidevars *t)
{
	return vars_epoch(t) + atomic_load_explicit(&t->hdr->declared, memory_order_acquire);
}

uint64_t
tidevars_now_boot_ns(void)
{
	return clock_boot_ns();
}

bool
vars_copy_cold(struct tidevars *t, const struct vars_meta *m, struct vars_record *r,
	       struct layout_cold *cold)
{
	for (uint32_t i = 0; i < VARS_READ_ATTEMPTS && !tidevars_damaged(t); i++) {
		if (!vars_pick(m->slot, vars_epoch(t), r))
			continue;
		layout_load(cold, &m->slot->cold[r->which], sizeof(*cold));
		if (!vars_still(m->slot, r))
			continue;
		cold->who[sizeof(cold->who) - 1] = '\0';
		str_tame(cold->who, "");
		cold->reason[sizeof(cold->reason) - 1] = '\0';
		str_tame(cold->reason, "");
		return true;
	}
	return false;
}

bool
vars_copy_holds(struct tidevars *t, const struct vars_meta *m, struct vars_record *r,
		struct layout_hold out[LAYOUT_N_HOLDS], size_t *n)
{
	*n = 0;
	for (uint32_t i = 0; i < VARS_READ_ATTEMPTS && !tidevars_damaged(t); i++) {
		if (!vars_pick(m->slot, vars_epoch(t), r))
			continue;
		size_t held = (r->flags & LAYOUT_HOT_DEFAULT) != 0
				  ? 0
				  : MIN(r->value, (uint64_t)LAYOUT_N_HOLDS);
		layout_load(out, m->data[r->which], held * sizeof(*out));
		if (!vars_still(m->slot, r))
			continue;
		for (size_t k = 0; k < held; k++) {
			out[k].owner[sizeof(out[k].owner) - 1] = '\0';
			str_tame(out[k].owner, "");
			out[k].reason[sizeof(out[k].reason) - 1] = '\0';
			str_tame(out[k].reason, "");
		}
		*n = held;
		return true;
	}
	return false;
}

int
tidevars_read_holds(struct tidevars *t, uint32_t handle, uint64_t now_boot_ns,
		    struct tidevars_hold out[TIDEVARS_HOLDS_MAX], size_t *n)
{
	CHECK_MAGIC(t, VARS_MAGIC);
	*n = 0;
	const struct vars_meta *m = current_meta(t, handle);
	if (m == NULL || m->forgotten)
		return TIDEVARS_UNKNOWN;
	if (m->type != TIDEVARS_HOLD)
		return TIDEVARS_TYPE;
	struct layout_hold holds[LAYOUT_N_HOLDS];
	struct vars_record r;
	size_t held;
	if (!vars_copy_holds(t, m, &r, holds, &held))
		return TIDEVARS_DAMAGED;
	for (size_t i = 0; i < held; i++) {
		if (now_boot_ns >= holds[i].until_boot)
			continue;
		struct tidevars_hold *o = &out[(*n)++];
		memcpy(o->owner, holds[i].owner, sizeof(o->owner));
		memcpy(o->reason, holds[i].reason, sizeof(o->reason));
		o->until_boot_ns = holds[i].until_boot;
		o->taken_real_ns = holds[i].taken_real;
	}
	return TIDEVARS_OK;
}
