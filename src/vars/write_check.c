// SPDX-License-Identifier: MIT
// What an operation of a commit would do, against the table as it stands under the lock: whether
// its writer may, whether the value fits, and the record that it makes. Nothing is stored.
#include <math.h>
#include <unistd.h>

#include "vars/write_priv.h"

uint64_t
vars_after(uint64_t now, uint64_t ttl_ns)
{
	return ttl_ns >= TIDEVARS_NEVER - now ? TIDEVARS_NEVER : now + ttl_ns;
}

uint64_t
vars_value_word(const struct tidevars_value *v)
{
	switch (v->type) {
	case TIDEVARS_FLOAT:
	case TIDEVARS_GAUGE:
		return vars_word_of_double(v->u.f);
	case TIDEVARS_STRING:
		return v->text_n;
	case TIDEVARS_BOOL:
		return v->u.i != 0;
	default:
		return (uint64_t)v->u.i;
	}
}

static int
out_of_bounds(const struct vars_meta *m, uint64_t word, const char *side, uint64_t bound,
	      struct tidevars_error *err)
{
	struct tidevars_value v, b;
	char got[48], limit[48];
	vars_word_value(m, word, &v);
	vars_word_value(m, bound, &b);
	(void)tidevars_format(&v, got, sizeof(got));
	(void)tidevars_format(&b, limit, sizeof(limit));
	return vars_fail(err, TIDEVARS_BOUNDS, "'%s': %s is %s %s", m->name, got, side, limit);
}

static bool
less(const struct vars_meta *m, uint64_t a, uint64_t b)
{
	if (m->type == TIDEVARS_INT)
		return (int64_t)a < (int64_t)b;
	return vars_double_of_word(a) < vars_double_of_word(b);
}

static int
check_bounds(const struct vars_meta *m, uint64_t word, struct tidevars_error *err)
{
	bool real = m->type == TIDEVARS_FLOAT || m->type == TIDEVARS_GAUGE;
	if (real && !isfinite(vars_double_of_word(word)))
		return vars_fail(err, TIDEVARS_BOUNDS, "'%s': not a finite number", m->name);
	if (!real && m->type != TIDEVARS_INT)
		return TIDEVARS_OK;
	if ((m->flags & TIDEVARS_HAS_MIN) != 0 && less(m, word, m->min))
		return out_of_bounds(m, word, "below min", m->min, err);
	if ((m->flags & TIDEVARS_HAS_MAX) != 0 && less(m, m->max, word))
		return out_of_bounds(m, word, "above max", m->max, err);
	return TIDEVARS_OK;
}

int
vars_check_value(const struct vars_meta *m, const struct tidevars_value *v,
		 struct tidevars_error *err)
{
	if (v->type != m->type) {
		const char *given = tidevars_type_name(v->type);
		return vars_fail(err, TIDEVARS_TYPE, "'%s' is of type %s, not %s", m->name,
				 tidevars_type_name(m->type), given != NULL ? given : "none");
	}
	if (m->type == TIDEVARS_STRING && v->text_n > TIDEVARS_TEXT_MAX)
		return vars_fail(err, TIDEVARS_BOUNDS, "'%s': a string has at most %d bytes",
				 m->name, TIDEVARS_TEXT_MAX);
	return check_bounds(m, vars_value_word(v), err);
}

// A process is in its further groups too; of others only the one group that they came with counts.
static bool
in_group(const struct vars_commit *c, uint32_t gid)
{
	gid_t groups[256];
	if (c->who.gid == gid)
		return true;
	int n = c->who.pid == c->t->pid ? getgroups((int)ARRAY_LEN(groups), groups) : 0;
	for (int i = 0; i < n; i++) {
		if (groups[i] == gid)
			return true;
	}
	return false;
}

static int
check_rights(const struct vars_commit *c, const struct vars_meta *m)
{
	const struct layout_cold *w = &c->who;
	uint32_t by = m->writable_by;
	if (by == 0 || (by & TIDEVARS_BY_ANY) != 0 || c->restores ||
	    ((by & TIDEVARS_BY_UID) != 0 && w->uid == m->writable_uid) ||
	    ((by & TIDEVARS_BY_GID) != 0 && in_group(c, m->writable_gid)) ||
	    ((by & TIDEVARS_BY_LUA) != 0 && w->source == TIDEVARS_FROM_LUA) ||
	    ((by & TIDEVARS_BY_CLI) != 0 && w->source == TIDEVARS_FROM_CLI))
		return TIDEVARS_OK;
	atomic_fetch_add_explicit(&m->slot->live.refused, 1, memory_order_relaxed);
	return vars_fail(c->err, TIDEVARS_REFUSED, "'%s' may not be written by %s (uid %u, %s)",
			 m->name, w->who, w->uid, tidevars_source_name(w->source));
}

static void
set_default(struct vars_change *ch)
{
	ch->flags = LAYOUT_HOT_DEFAULT;
	ch->word = ch->m->initial;
	ch->smooth = ch->word;
	ch->text = ch->m->initial_text;
	ch->deadline_boot = ch->deadline_real = TIDEVARS_NEVER;
}

static uint64_t
smoothed(const struct vars_commit *c, const struct vars_change *ch)
{
	const struct vars_meta *m = ch->m;
	uint64_t dt = c->now_boot - ch->cur.written;
	if (m->type != TIDEVARS_GAUGE || m->half_life == 0 || !ch->live)
		return ch->word;
	if ((int64_t)dt < 0)
		dt = 0; // the last writer's clock was ahead
	double v = vars_double_of_word(ch->word),
	       was = vars_double_of_word(vars_smooth(m->slot, &ch->cur));
	double left = exp2(-(double)dt / (double)m->half_life);
	double s = isfinite(was) ? v + (was - v) * left : v;
	return vars_word_of_double(s);
}

// The deadline of a write; `keep`: without a time of its own it keeps what is left.
static void
set_deadline(const struct vars_commit *c, struct vars_change *ch, bool keep)
{
	uint64_t ttl = ch->op->ttl_ns != 0 ? ch->op->ttl_ns : ch->m->ttl;
	if (ttl == 0 && keep && ch->live) {
		const struct layout_hot *h = &ch->m->slot->hot[ch->cur.which];
		ch->deadline_boot = ch->cur.deadline;
		ch->deadline_real = atomic_load_explicit(&h->deadline_real, memory_order_relaxed);
		return;
	}
	if (ttl == 0)
		ttl = TIDEVARS_NEVER;
	ch->deadline_boot = vars_after(c->now_boot, ttl);
	ch->deadline_real = vars_after(c->now_real, ttl);
}

static int
check_set(const struct vars_commit *c, struct vars_change *ch, const struct tidevars_value *v)
{
	int status = vars_check_value(ch->m, v, c->err);
	ch->word = vars_value_word(v);
	ch->text = v->text;
	set_deadline(c, ch, false);
	return status;
}

static int
check_add(const struct vars_commit *c, struct vars_change *ch)
{
	const struct vars_meta *m = ch->m;
	const struct tidevars_value *v = &ch->op->value;
	uint64_t base = ch->live ? ch->cur.value : m->initial;
	int64_t sum;
	if (v->type != m->type || m->type == TIDEVARS_STRING || m->type == TIDEVARS_BOOL)
		return vars_fail(c->err, TIDEVARS_TYPE, "'%s' is of type %s: cannot add %s to it",
				 m->name, tidevars_type_name(m->type),
				 v->type == m->type ? "anything" : "another type");
	if (m->type != TIDEVARS_INT)
		ch->word = vars_word_of_double(vars_double_of_word(base) + v->u.f);
	else if (!__builtin_add_overflow((int64_t)base, v->u.i, &sum))
		ch->word = (uint64_t)sum;
	else
		return vars_fail(c->err, TIDEVARS_BOUNDS, "'%s': the sum is beyond 64 bits",
				 m->name);
	set_deadline(c, ch, true);
	return check_bounds(m, ch->word, c->err);
}

static int
check_cas(const struct vars_commit *c, struct vars_change *ch)
{
	struct tidevars_value now;
	int status = check_set(c, ch, &ch->op->value);
	if (status != TIDEVARS_OK)
		return status;
	(void)tidevars_read(c->t, ch->m->handle, c->now_boot, &now); // known: OK
	if (tidevars_value_eq(&now, &ch->op->expect))
		return TIDEVARS_OK;
	char is[80];
	(void)tidevars_format(&now, is, sizeof(is));
	return vars_fail(c->err, TIDEVARS_CONFLICT, "'%s' is %s, not what was expected",
			 ch->m->name, is);
}

static int
check_expire(const struct vars_commit *c, struct vars_change *ch)
{
	ch->skip = (ch->cur.flags & LAYOUT_HOT_DEFAULT) != 0 || c->now_boot < ch->cur.deadline;
	set_default(ch);
	return TIDEVARS_OK;
}

static int
check_hold(const struct vars_commit *c, struct vars_change *ch)
{
	struct vars_holds s;
	if (ch->op->kind == TIDEVARS_EXPIRE && c->now_boot < ch->cur.deadline) {
		ch->skip = true;
		return TIDEVARS_OK;
	}
	int status = vars_holds_apply(c, ch->m, ch->op, &s);
	if (status != TIDEVARS_OK)
		return status;
	ch->word = s.n;
	ch->flags = s.n == 0 ? LAYOUT_HOT_DEFAULT : 0;
	ch->deadline_boot = ch->deadline_real = TIDEVARS_NEVER;
	for (size_t i = 0; i < s.n; i++) {
		ch->deadline_boot = MIN(ch->deadline_boot, s.h[i].until_boot);
		ch->deadline_real = MIN(ch->deadline_real, s.h[i].until_real);
	}
	return TIDEVARS_OK;
}

static int
check_counter(const struct vars_commit *c, struct vars_change *ch, size_t n)
{
	const struct tidevars_op *op = ch->op;
	bool unset = op->kind == TIDEVARS_UNSET;
	set_default(ch); // its record has the writer alone
	ch->skip = true;
	if (op->kind == TIDEVARS_CAS && n > 1)
		return vars_fail(c->err, TIDEVARS_BAD_CALL,
				 "'%s' is a counter: its cas must stand alone", ch->m->name);
	if (op->kind > TIDEVARS_CAS)
		return vars_fail(c->err, TIDEVARS_TYPE, "'%s' is a counter, not a hold",
				 ch->m->name);
	if (op->ttl_ns != 0 && op->ttl_ns != TIDEVARS_NEVER)
		return vars_fail(c->err, TIDEVARS_TYPE, "'%s' is a counter: it has no time to live",
				 ch->m->name);
	ch->word = unset ? 0 : (uint64_t)op->value.u.i;
	return unset ? TIDEVARS_OK : vars_check_value(ch->m, &op->value, c->err);
}

static int
check_kind(const struct vars_commit *c, struct vars_change *ch, size_t n)
{
	if (ch->m->type == TIDEVARS_COUNTER)
		return check_counter(c, ch, n);
	if (ch->m->type == TIDEVARS_HOLD)
		return check_hold(c, ch);
	switch (ch->op->kind) {
	case TIDEVARS_SET:
		return check_set(c, ch, &ch->op->value);
	case TIDEVARS_UNSET:
		set_default(ch);
		return TIDEVARS_OK;
	case TIDEVARS_ADD:
		return check_add(c, ch);
	case TIDEVARS_CAS:
		return check_cas(c, ch);
	case TIDEVARS_EXPIRE:
		return check_expire(c, ch);
	case TIDEVARS_TAKE:
	case TIDEVARS_EXTEND:
	case TIDEVARS_RELEASE:
		return vars_fail(c->err, TIDEVARS_TYPE, "'%s' is of type %s, not a hold",
				 ch->m->name, tidevars_type_name(ch->m->type));
	default:
		return vars_fail(c->err, TIDEVARS_BAD_CALL, "'%s': no such operation", ch->m->name);
	}
}

// Few are looked at one by one, many noted.
static bool
named_before(const struct vars_commit *c, const struct vars_change *all, size_t at)
{
	uint32_t h = all[at].m->handle;
	if (c->named != NULL) {
		bool was = c->named[h];
		c->named[h] = true;
		return was;
	}
	for (size_t i = 0; i < at; i++) {
		if (all[i].m == all[at].m)
			return true;
	}
	return false;
}

int
vars_check_op(const struct vars_commit *c, struct vars_change *all, size_t at, size_t n)
{
	struct vars_change *ch = &all[at];
	ch->m = vars_meta(c->t, ch->op->handle);
	if (ch->m == NULL || ch->m->forgotten)
		return vars_fail(c->err, TIDEVARS_UNKNOWN, "no variable has the handle %u",
				 ch->op->handle);
	if (named_before(c, all, at))
		return vars_fail(c->err, TIDEVARS_BAD_CALL, "'%s' is named twice in one commit",
				 ch->m->name);
	bool expire = ch->op->kind == TIDEVARS_EXPIRE;
	int status = expire ? TIDEVARS_OK : check_rights(c, ch->m);
	if (status != TIDEVARS_OK)
		return status;
	// Under the lock nothing moves: no record means damage, and the write repairs it.
	if (!vars_pick(ch->m->slot, vars_epoch(c->t), &ch->cur))
		ch->cur = (struct vars_record){.flags = LAYOUT_HOT_DEFAULT, .which = 1};
	ch->live = (ch->cur.flags & LAYOUT_HOT_DEFAULT) == 0 && c->now_boot < ch->cur.deadline;
	status = check_kind(c, ch, n);
	if (status == TIDEVARS_OK && ch->m->type != TIDEVARS_HOLD && ch->flags == 0)
		ch->smooth = smoothed(c, ch);
	return status;
}
