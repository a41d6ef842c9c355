// SPDX-License-Identifier: MIT
// Stores checked operations under one stamp: records, log entries, counters; the epoch makes them
// visible at once. Nothing can fail between the first store and the epoch, but for a counter's cas,
// which stands alone.
#include "vars/write_priv.h"

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
log_expiry(struct vars_commit *c, const struct vars_change *ch, const uint64_t values[2],
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
log_ran_out(struct vars_commit *c, const struct vars_change *ch, const struct vars_holds *holds)
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
log_change(struct vars_commit *c, const struct vars_change *ch)
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
store_data(const struct vars_change *ch, unsigned spare, const struct vars_holds *holds)
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

// What is said of the change in the log, at log_seq, is said already.
static void
store_record(struct vars_commit *c, const struct vars_change *ch, const struct vars_holds *holds,
	     uint64_t log_seq)
{
	unsigned spare = 1 - ch->cur.which;
	struct layout_hot *h = &ch->m->slot->hot[spare];
	const struct layout_hot *cur = &ch->m->slot->hot[ch->cur.which];
	bool expire = ch->op->kind == TIDEVARS_EXPIRE; // nobody wrote: the age goes on
	struct layout_cold cold = c->who;
	cold.log_seq = log_seq;
	vars_put(&h->stamp, 0);
	// A reader that sees any store below sees the void stamp (vars_still).
	atomic_thread_fence(memory_order_release);
	cold.data_sum = store_data(ch, spare, holds);
	layout_store(&ch->m->slot->cold[spare], &cold, sizeof(cold));
	vars_put(&h->value, ch->word);
	vars_put(&h->deadline_boot, ch->deadline_boot);
	vars_put(&h->deadline_real, ch->deadline_real);
	vars_put(&h->written_boot, expire ? ch->cur.written : c->now_boot);
	vars_put(&h->written_real, expire ? atomic_load(&cur->written_real) : c->now_real);
	vars_put(&h->smooth, ch->smooth);
	atomic_store_explicit(&h->flags, ch->flags, memory_order_relaxed);
	atomic_store_explicit(&h->writer, c->t->number, memory_order_relaxed);
	// Release: who takes the record by its stamp sees all of it.
	atomic_store_explicit(&h->stamp, c->stamp, memory_order_release);
}

// The epoch has reached the change's stamp: readers need not look at it any more. In the same few
// stores as the record and the epoch, so that a reader fetches the record's line once a commit. A
// writer killed just before leaves a record that readers hold against the epoch.
static void
mark_done(const struct vars_change *ch)
{
	// Release: behind the epoch.
	atomic_store_explicit(&ch->m->slot->hot[1 - ch->cur.which].flags,
			      ch->flags | LAYOUT_HOT_DONE, memory_order_release);
}

static void
store_change(struct vars_commit *c, const struct vars_change *ch)
{
	struct vars_holds holds;
	holds.n = holds.ran_out = 0;
	if (ch->m->type == TIDEVARS_HOLD)
		(void)vars_holds_apply(c, ch->m, ch->op, &holds); // as when it was checked
	log_ran_out(c, ch, &holds);
	bool expire = ch->op->kind == TIDEVARS_EXPIRE;
	store_record(c, ch, &holds, expire ? tidevars_log_last(c->t) : log_change(c, ch));
}

// A counter's value is not part of the stamped records; who wrote it is. False: a cas found another
// value.
static bool
store_counter(struct vars_commit *c, struct vars_change *ch)
{
	static const struct vars_holds none;
	struct layout_live *l = &ch->m->slot->live;
	uint64_t before = (uint64_t)ch->op->expect.u.i, after = ch->word;
	if (ch->op->kind == TIDEVARS_ADD) {
		before = vars_counter_add(ch->m, ch->word, c->now_boot);
		after = before + ch->word;
		if (vars_is_silent_add(TIDEVARS_ADD, c->who.source))
			return true;
	} else if (ch->op->kind == TIDEVARS_CAS) {
		if (!atomic_compare_exchange_strong(&l->counter, &before, ch->word))
			return false;
	} else {
		before = atomic_exchange(&l->counter, ch->word);
	}
	vars_put(&l->counter_boot, c->now_boot);
	struct layout_log e;
	vars_log_start(c, ch->m, ch->op->kind, &e);
	e.before = before;
	e.after = after;
	store_record(c, ch, &none, vars_log_append(c->t, &e, c->stamp));
	return true;
}

// Whether the commit needs a stamp: anything but silent adds to counters, or idle expiries.
static bool
anything_to_store(const struct vars_commit *c, const struct vars_change *changes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool counter = changes[i].m->type == TIDEVARS_COUNTER;
		if (!changes[i].skip ||
		    (counter && !vars_is_silent_add(changes[i].op->kind, c->who.source)))
			return true;
	}
	return false;
}

int
vars_store_all(struct vars_commit *c, struct vars_change *changes, size_t n)
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
		struct vars_change *ch = &changes[i];
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
