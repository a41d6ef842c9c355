// SPDX-License-Identifier: MIT
// Commits. Every write is a list of operations: all are checked against the table as it stands
// under the lock, then all are stored under one new stamp, and the epoch makes them visible at
// once. Nothing can fail between the first store and the epoch; a writer killed there leaves
// `dirty` set and stamps above the epoch, which nobody believes and the next writer voids.
#include <errno.h>
#include <math.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "vars/table_priv.h"

enum { WRITE_WAIT_MS = 1000 };

// One operation, checked.
struct change {
	const struct tidevars_op *op;
	struct vars_meta *m;
	struct vars_record cur; // in force now; stamp 0 when the slot is damaged
	bool live;              // cur is neither unset nor expired
	bool skip;              // nothing to store: counters, and expiries that are none
	uint64_t word, smooth, deadline_boot, deadline_real;
	uint32_t flags;
	const char *text; // STRING
};

static void
copy_name(char *to, size_t room, const char *from)
{
	size_t n = from != NULL ? strnlen(from, room - 1) : 0;
	memset(to, 0, room);
	memcpy(to, from != NULL ? from : "", n);
}

// The lock is held: t->uid and so on are this process's.
void
vars_commit_init(struct vars_commit *c, struct tidevars *t, const struct tidevars_writer *w,
		 struct tidevars_error *err)
{
	*c = (struct vars_commit){.t = t, .err = err};
	c->now_boot = w != NULL && w->now_boot_ns != 0 ? w->now_boot_ns : clock_boot_ns();
	c->now_real = w != NULL && w->now_real_ns != 0 ? w->now_real_ns : clock_real_ns();
	c->who.source = w != NULL ? w->source : TIDEVARS_FROM_PROGRAM;
	bool other = w != NULL && w->pid != 0;
	c->who.uid = other ? w->uid : t->uid;
	c->who.gid = other ? w->gid : t->gid;
	c->who.pid = other ? w->pid : t->pid;
	copy_name(c->who.who, sizeof(c->who.who),
		  w != NULL && w->who != NULL ? w->who : program_invocation_short_name);
	copy_name(c->who.reason, sizeof(c->who.reason), w != NULL ? w->reason : NULL);
}

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

// ---- checking one operation ---------------------------------------------------------------

static void
set_default(struct change *ch)
{
	ch->flags = LAYOUT_HOT_DEFAULT;
	ch->word = ch->m->initial;
	ch->smooth = ch->word;
	ch->text = ch->m->initial_text;
	ch->deadline_boot = ch->deadline_real = TIDEVARS_NEVER;
}

static uint64_t
smoothed(const struct vars_commit *c, const struct change *ch)
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
set_deadline(const struct vars_commit *c, struct change *ch, bool keep)
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
check_set(const struct vars_commit *c, struct change *ch, const struct tidevars_value *v)
{
	int status = vars_check_value(ch->m, v, c->err);
	ch->word = vars_value_word(v);
	ch->text = v->text;
	set_deadline(c, ch, false);
	return status;
}

static int
check_add(const struct vars_commit *c, struct change *ch)
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
check_cas(const struct vars_commit *c, struct change *ch)
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
check_expire(const struct vars_commit *c, struct change *ch)
{
	ch->skip = (ch->cur.flags & LAYOUT_HOT_DEFAULT) != 0 || c->now_boot < ch->cur.deadline;
	set_default(ch);
	return TIDEVARS_OK;
}

static int
check_hold(const struct vars_commit *c, struct change *ch)
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
check_counter(const struct vars_commit *c, struct change *ch, size_t n)
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
check_kind(const struct vars_commit *c, struct change *ch, size_t n)
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
named_before(const struct vars_commit *c, const struct change *all, size_t at)
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

static int
check_op(const struct vars_commit *c, struct change *all, size_t at, size_t n)
{
	struct change *ch = &all[at];
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

// ---- storing ------------------------------------------------------------------------------

void
vars_log_start(const struct vars_commit *c, const struct vars_meta *m, uint32_t kind,
	       struct layout_log *e)
{
	memset(e, 0, sizeof(*e));
	e->boot = c->now_boot;
	e->real = c->now_real;
	e->deadline_boot = TIDEVARS_NEVER;
	e->slot = m->handle;
	e->kind = (uint16_t)kind;
	e->type = (uint16_t)m->type;
	e->source = kind == TIDEVARS_EXPIRE ? TIDEVARS_FROM_EXPIRY : c->who.source;
	e->uid = c->who.uid;
	e->pid = c->who.pid;
	memcpy(e->who, kind == TIDEVARS_EXPIRE ? "expiry\0" : c->who.who,
	       kind == TIDEVARS_EXPIRE ? 8 : sizeof(e->who));
	memcpy(e->reason, c->who.reason, sizeof(e->reason));
}

static void
log_text(struct layout_log *e, const char *text, size_t n)
{
	e->text_n = (uint16_t)MIN(n, sizeof(e->text));
	memcpy(e->text, text, e->text_n);
}

// One expiry: counted, and an entry of its own.
static void
log_expiry(struct vars_commit *c, const struct change *ch, const uint64_t values[2],
	   struct str text)
{
	struct layout_log e;
	bool hold = ch->m->type == TIDEVARS_HOLD;
	atomic_fetch_add(&ch->m->slot->live.expired, 1);
	vars_log_start(c, ch->m, TIDEVARS_EXPIRE, &e);
	memset(e.reason, 0, sizeof(e.reason));
	e.before = values[0];
	e.after = values[1];
	e.flags = !hold || e.after == 0 ? 2 : 0;
	log_text(&e, text.p, text.n);
	(void)vars_log_append(c->t, &e, c->stamp);
}

// What had run out before this write, if anything; each hold by itself.
static void
log_ran_out(struct vars_commit *c, const struct change *ch, const struct vars_holds *holds)
{
	const struct vars_meta *m = ch->m;
	uint64_t left = ch->cur.value;
	bool text = m->type == TIDEVARS_STRING;
	for (size_t i = 0; i < holds->ran_out; i++, left--)
		log_expiry(c, ch, (uint64_t[2]){left, left - 1}, str_from_c(holds->gone[i]));
	if (m->type != TIDEVARS_HOLD && (ch->cur.flags & LAYOUT_HOT_DEFAULT) == 0 && !ch->live)
		log_expiry(c, ch, (uint64_t[2]){ch->cur.value, m->initial},
			   text ? str_of(m->initial_text, m->initial_n) : STR(""));
}

static uint64_t
log_change(struct vars_commit *c, const struct change *ch)
{
	struct layout_log e;
	const char *owner = ch->op->owner != NULL ? ch->op->owner : c->who.who;
	vars_log_start(c, ch->m, ch->op->kind, &e);
	e.before = ch->live ? ch->cur.value : ch->m->initial;
	e.after = ch->word;
	e.deadline_boot = ch->deadline_boot;
	e.flags = (ch->live ? 0 : 1) | ((ch->flags & LAYOUT_HOT_DEFAULT) != 0 ? 2 : 0);
	if (ch->m->type == TIDEVARS_STRING)
		log_text(&e, ch->text, ch->word);
	else if (ch->m->type == TIDEVARS_HOLD)
		log_text(&e, owner, strlen(owner));
	return vars_log_append(c->t, &e, c->stamp);
}

static uint64_t
store_data(const struct change *ch, unsigned spare, const struct vars_holds *holds)
{
	_Alignas(8) char text[LAYOUT_TEXT_BYTES] = {0};
	size_t n = 0;
	const void *from = text;
	if (ch->m->type == TIDEVARS_STRING) {
		n = ch->word;
		memcpy(text, ch->text, n);
	} else if (ch->m->type == TIDEVARS_HOLD) {
		n = holds->n * sizeof(holds->h[0]);
		from = holds->h;
	}
	layout_store(ch->m->data[spare], from, (n + 7) & ~(size_t)7);
	return n > 0 ? layout_sum(LAYOUT_SUM_START, from, n) : 0;
}

static void
store_relaxed(_Atomic uint64_t *to, uint64_t word)
{
	atomic_store_explicit(to, word, memory_order_relaxed);
}

// What is said of the change in the log, at log_seq, is said already.
static void
store_record(struct vars_commit *c, const struct change *ch, const struct vars_holds *holds,
	     uint64_t log_seq)
{
	unsigned spare = 1 - ch->cur.which;
	struct layout_hot *h = &ch->m->slot->hot[spare];
	const struct layout_hot *cur = &ch->m->slot->hot[ch->cur.which];
	bool expire = ch->op->kind == TIDEVARS_EXPIRE; // nobody wrote: the age goes on
	struct layout_cold cold = c->who;
	cold.log_seq = log_seq;
	store_relaxed(&h->stamp, 0);
	// A reader that sees any store below sees the void stamp (vars_still).
	atomic_thread_fence(memory_order_release);
	cold.data_sum = store_data(ch, spare, holds);
	layout_store(&ch->m->slot->cold[spare], &cold, sizeof(cold));
	store_relaxed(&h->value, ch->word);
	store_relaxed(&h->deadline_boot, ch->deadline_boot);
	store_relaxed(&h->deadline_real, ch->deadline_real);
	store_relaxed(&h->written_boot, expire ? ch->cur.written : c->now_boot);
	store_relaxed(&h->written_real, expire ? atomic_load(&cur->written_real) : c->now_real);
	store_relaxed(&h->smooth, ch->smooth);
	atomic_store_explicit(&h->flags, ch->flags, memory_order_relaxed);
	atomic_store_explicit(&h->writer, c->t->number, memory_order_relaxed);
	// Release: who takes the record by its stamp sees all of it.
	atomic_store_explicit(&h->stamp, c->stamp, memory_order_release);
}

// The epoch has reached the change's stamp: readers need not look at it any more. In the same few
// stores as the record and the epoch, so that a reader fetches the record's line once a commit. A
// writer killed just before leaves a record that readers hold against the epoch.
static void
mark_done(const struct change *ch)
{
	// Release: behind the epoch.
	atomic_store_explicit(&ch->m->slot->hot[1 - ch->cur.which].flags,
			      ch->flags | LAYOUT_HOT_DONE, memory_order_release);
}

static void
store_change(struct vars_commit *c, const struct change *ch)
{
	struct vars_holds holds;
	holds.n = holds.ran_out = 0;
	if (ch->m->type == TIDEVARS_HOLD)
		(void)vars_holds_apply(c, ch->m, ch->op, &holds); // as when it was checked
	log_ran_out(c, ch, &holds);
	bool expire = ch->op->kind == TIDEVARS_EXPIRE;
	store_record(c, ch, &holds, expire ? tidevars_log_last(c->t) : log_change(c, ch));
}

// Its value before.
static uint64_t
add_counter(const struct vars_meta *m, uint64_t by, uint64_t now)
{
	uint64_t before = atomic_fetch_add(&m->slot->live.counter, by);
	store_relaxed(&m->slot->live.counter_boot, now);
	return before;
}

// Requests and programs add too often to be told one by one; people are told.
static bool
is_silent_add(uint32_t kind, uint32_t source)
{
	return kind == TIDEVARS_ADD && source != TIDEVARS_FROM_CLI;
}

// A counter's value is not part of the stamped records; who wrote it is. False: a cas found another
// value.
static bool
store_counter(struct vars_commit *c, struct change *ch)
{
	static const struct vars_holds none;
	struct layout_live *l = &ch->m->slot->live;
	uint64_t before = (uint64_t)ch->op->expect.u.i, after = ch->word;
	if (ch->op->kind == TIDEVARS_ADD) {
		before = add_counter(ch->m, ch->word, c->now_boot);
		after = before + ch->word;
		if (is_silent_add(TIDEVARS_ADD, c->who.source))
			return true;
	} else if (ch->op->kind == TIDEVARS_CAS) {
		if (!atomic_compare_exchange_strong(&l->counter, &before, ch->word))
			return false;
	} else {
		before = atomic_exchange(&l->counter, ch->word);
	}
	store_relaxed(&l->counter_boot, c->now_boot);
	struct layout_log e;
	vars_log_start(c, ch->m, ch->op->kind, &e);
	e.before = before;
	e.after = after;
	store_record(c, ch, &none, vars_log_append(c->t, &e, c->stamp));
	return true;
}

// Whether the commit needs a stamp: anything but silent adds to counters, or idle expiries.
static bool
anything_to_store(const struct vars_commit *c, const struct change *changes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool counter = changes[i].m->type == TIDEVARS_COUNTER;
		if (!changes[i].skip ||
		    (counter && !is_silent_add(changes[i].op->kind, c->who.source)))
			return true;
	}
	return false;
}

static int
store_all(struct vars_commit *c, struct change *changes, size_t n)
{
	struct layout_header *h = c->t->hdr;
	int status = TIDEVARS_OK;
	bool stamped = anything_to_store(c, changes, n);
	c->stamp = vars_epoch(c->t) + 1;
	if (stamped)
		atomic_store_explicit(&h->dirty, 1, memory_order_relaxed);
	// No store below may be seen before dirty: a successor must know that it has to tidy up.
	atomic_thread_fence(memory_order_release);
	for (size_t i = 0; i < n; i++) {
		struct change *ch = &changes[i];
		if (ch->m->type == TIDEVARS_COUNTER && !store_counter(c, ch))
			status = vars_fail(c->err, TIDEVARS_CONFLICT,
					   "'%s' is not what was expected", ch->m->name);
		else if (!ch->skip)
			store_change(c, ch);
	}
	if (!stamped)
		return status;
	// Release: who sees the epoch sees every record and log entry of the commit.
	atomic_store_explicit(&h->epoch, c->stamp, memory_order_release);
	for (size_t i = 0; i < n; i++) {
		if (!changes[i].skip)
			mark_done(&changes[i]);
	}
	atomic_store_explicit(&h->dirty, 0, memory_order_release);
	return status;
}

// ---- doors --------------------------------------------------------------------------------

// Silent adds to counters only: no lock. False: something else is among them, or to be refused.
static bool
count_only(struct tidevars *t, const struct tidevars_op *ops, size_t n,
	   const struct tidevars_writer *w)
{
	uint32_t source = w != NULL ? w->source : TIDEVARS_FROM_PROGRAM;
	for (size_t i = 0; i < n; i++) {
		const struct vars_meta *m = vars_meta(t, ops[i].handle);
		if (!is_silent_add(ops[i].kind, source) || m == NULL ||
		    m->type != TIDEVARS_COUNTER || m->forgotten ||
		    ops[i].value.type != TIDEVARS_COUNTER || ops[i].ttl_ns != 0 ||
		    (m->writable_by & ~(uint32_t)TIDEVARS_BY_ANY) != 0)
			return false;
	}
	if ((t->flags & TIDEVARS_READ_ONLY) != 0 || tidevars_damaged(t))
		return false;
	uint64_t now = w != NULL && w->now_boot_ns != 0 ? w->now_boot_ns : clock_boot_ns();
	for (size_t i = 0; i < n; i++)
		(void)add_counter(vars_meta(t, ops[i].handle), (uint64_t)ops[i].value.u.i, now);
	vars_wake(t);
	return true;
}

// The lock is held; `changes` has room for n.
static int
check_and_store(struct vars_commit *c, const struct tidevars_op *ops, struct change *changes,
		size_t n)
{
	for (size_t i = 0; i < n; i++) {
		changes[i] = (struct change){.op = &ops[i]};
		int status = check_op(c, changes, i, n);
		if (status != TIDEVARS_OK)
			return status;
	}
	return store_all(c, changes, n);
}

// As vars_commit_ops, with room for n changes and of n > TIDEVARS_OPS_MAX for a note per handle.
static int
commit_in(struct tidevars *t, const struct tidevars_op *ops, size_t n,
	  const struct tidevars_writer *w, enum vars_how how, struct change *changes, bool *named,
	  struct tidevars_error *err)
{
	bool tries = how == VARS_TRY;
	uint32_t wait_ms = tries ? 0 : w != NULL && w->wait_ms != 0 ? w->wait_ms : WRITE_WAIT_MS;
	int status = vars_lock(t, wait_ms, err);
	if (status != TIDEVARS_OK)
		return status;
	vars_index_refresh(t);
	struct vars_commit c;
	vars_commit_init(&c, t, w, err);
	c.restores = how == VARS_RESTORE;
	c.named = named;
	status = check_and_store(&c, ops, changes, n);
	vars_unlock(t);
	if (status != TIDEVARS_OK)
		return status;
	vars_wake(t);
	if (tidevars_damaged(t))
		return vars_fail(err, TIDEVARS_DAMAGED,
				 "the variable table's file was cut short under this process");
	return tries ? TIDEVARS_OK : vars_sync(t, err);
}

int
vars_commit_ops(struct tidevars *t, const struct tidevars_op *ops, size_t n,
		const struct tidevars_writer *w, enum vars_how how, struct tidevars_error *err)
{
	CHECK_MAGIC(t, VARS_MAGIC);
	struct change few[TIDEVARS_OPS_MAX];
	if (n > TIDEVARS_OPS_MAX && how != VARS_RESTORE)
		return vars_fail(err, TIDEVARS_BAD_CALL, "at most %d operations in one commit",
				 TIDEVARS_OPS_MAX);
	if (n == 0 || count_only(t, ops, n, w))
		return TIDEVARS_OK;
	if (n <= TIDEVARS_OPS_MAX)
		return commit_in(t, ops, n, w, how, few, NULL, err);
	struct change *many = mem_zalloc(n * sizeof(*many));
	bool *named = mem_zalloc(t->size * sizeof(*named));
	int status = commit_in(t, ops, n, w, how, many, named, err);
	mem_free(named);
	mem_free(many);
	return status;
}

static bool
is_operation(uint32_t kind)
{
	return (kind >= TIDEVARS_SET && kind <= TIDEVARS_RELEASE) || kind == TIDEVARS_EXTEND;
}

int
tidevars_commit(struct tidevars *t, const struct tidevars_op *ops, size_t n,
		const struct tidevars_writer *writer, struct tidevars_error *err)
{
	for (size_t i = 0; i < n; i++) {
		if (!is_operation(ops[i].kind))
			return vars_fail(err, TIDEVARS_BAD_CALL, "no such operation");
	}
	return vars_commit_ops(t, ops, n, writer, VARS_WAIT, err);
}

int
tidevars_try_commit(struct tidevars *t, const struct tidevars_op *ops, size_t n,
		    const struct tidevars_writer *writer, struct tidevars_error *err)
{
	for (size_t i = 0; i < n; i++) {
		if (!is_operation(ops[i].kind))
			return vars_fail(err, TIDEVARS_BAD_CALL, "no such operation");
	}
	return vars_commit_ops(t, ops, n, writer, VARS_TRY, err);
}

int
tidevars_count_up(struct tidevars *t, uint32_t handle, int64_t by, uint64_t now_boot_ns)
{
	const struct vars_meta *m = vars_meta(t, handle);
	if (m == NULL || m->forgotten)
		return TIDEVARS_UNKNOWN;
	if (m->type != TIDEVARS_COUNTER)
		return TIDEVARS_TYPE;
	if ((t->flags & TIDEVARS_READ_ONLY) != 0 ||
	    (m->writable_by & ~(uint32_t)TIDEVARS_BY_ANY) != 0)
		return TIDEVARS_REFUSED;
	(void)add_counter(m, (uint64_t)by, now_boot_ns);
	vars_wake(t);
	return TIDEVARS_OK;
}
