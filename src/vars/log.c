// SPDX-License-Identifier: MIT
// The ring of the last writes. An entry belongs to its commit: its stamp is voided while it is
// filled, and it counts once the epoch has reached the stamp.
#include "vars/table_priv.h"

static struct layout_log *
entry_of(const struct tidevars *t, uint64_t seq)
{
	return (void *)(t->log + (size_t)((seq - 1) % t->log_size) * t->log_bytes);
}

uint64_t
vars_log_append(struct tidevars *t, struct layout_log *entry, uint64_t stamp)
{
	uint64_t seq = atomic_load_explicit(&t->hdr->log_last, memory_order_relaxed) + 1;
	struct layout_log *e = entry_of(t, seq);
	entry->seq = seq;
	atomic_store_explicit(&e->stamp, 0, memory_order_relaxed);
	// Whoever sees a byte of the new entry sees that the old one is void.
	atomic_thread_fence(memory_order_release);
	layout_store(&e->seq, &entry->seq, sizeof(*e) - offsetof(struct layout_log, seq));
	atomic_store_explicit(&e->stamp, stamp, memory_order_release);
	atomic_store_explicit(&t->hdr->log_last, seq, memory_order_release);
	return seq;
}

enum found { FOUND, GONE, NOT_YET };

static enum found
copy_entry(const struct tidevars *t, uint64_t seq, struct layout_log *out)
{
	const struct layout_log *e = entry_of(t, seq);
	uint64_t stamp = atomic_load_explicit(&e->stamp, memory_order_acquire);
	if (stamp == 0)
		return GONE; // its writer died, or a newer one is being written here
	layout_load(&out->seq, &e->seq, sizeof(*e) - offsetof(struct layout_log, seq));
	atomic_thread_fence(memory_order_acquire);
	if (atomic_load_explicit(&e->stamp, memory_order_relaxed) != stamp || out->seq != seq)
		return GONE;
	return stamp > vars_epoch(t) ? NOT_YET : FOUND;
}

static void
entry_value(const struct vars_meta *m, const struct layout_log *e, uint64_t word, bool is_default,
	    struct tidevars_value *out)
{
	memset(out, 0, sizeof(*out));
	if (m == NULL)
		return;
	vars_word_value(m, word, out);
	out->flags = is_default ? TIDEVARS_IS_DEFAULT : 0;
	out->until_boot_ns = e->deadline_boot;
	out->written_boot_ns = e->boot;
	if (m->type == TIDEVARS_STRING)
		out->u.i = 0;
}

static void
give_entry(const struct tidevars *t, struct layout_log *e, struct tidevars_log_entry *out)
{
	const struct vars_meta *m = vars_meta(t, e->slot);
	e->who[sizeof(e->who) - 1] = '\0';
	str_tame(e->who, "");
	e->reason[sizeof(e->reason) - 1] = '\0';
	str_tame(e->reason, "");
	out->seq = e->seq;
	out->boot_ns = e->boot;
	out->real_ns = e->real;
	out->deadline_boot_ns = e->deadline_boot;
	out->handle = e->slot;
	out->type = e->type;
	out->kind = e->kind;
	out->source = e->source;
	out->uid = e->uid;
	out->pid = e->pid;
	entry_value(m, e, e->before, (e->flags & 1) != 0, &out->before);
	entry_value(m, e, e->after, (e->flags & 2) != 0, &out->after);
	size_t n = MIN(e->text_n, sizeof(e->text));
	memcpy(out->text, e->text, n);
	out->text[n] = '\0';
	if (out->after.type == TIDEVARS_STRING) {
		memcpy(out->after.text, e->text, n);
		out->after.text_n = (uint32_t)n;
	}
	memcpy(out->who, e->who, sizeof(out->who));
	memcpy(out->reason, e->reason, sizeof(out->reason));
}

int
tidevars_log_next(struct tidevars *t, uint64_t after_seq, struct tidevars_log_entry *out)
{
	CHECK_MAGIC(t, VARS_MAGIC);
	uint64_t last = atomic_load_explicit(&t->hdr->log_last, memory_order_acquire);
	uint64_t seq = after_seq + 1;
	if (seq == 0 || seq > last || tidevars_damaged(t))
		return 0;
	vars_index_refresh(t);
	// Counted down, not compared: `last` may be any number when somebody wrote over the header.
	uint64_t left = MIN(last - seq + 1, (uint64_t)t->log_size);
	for (seq = last - left + 1; left > 0; left--, seq++) {
		struct layout_log e;
		switch (copy_entry(t, seq, &e)) {
		case FOUND:
			give_entry(t, &e, out);
			return 1;
		case NOT_YET:
			return 0;
		case GONE:
			break;
		}
	}
	return 0;
}

uint64_t
tidevars_log_last(const struct tidevars *t)
{
	return atomic_load_explicit(&t->hdr->log_last, memory_order_acquire);
}
