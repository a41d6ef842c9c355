// SPDX-License-Identifier: MIT
// For people and for the one process that keeps the table: details of a variable, and the sweep
// that writes down what has expired.
#include "base/clock.h"
#include "vars/write_priv.h"

static void
info_of_meta(const struct vars_meta *m, struct tidevars_info *out)
{
	memcpy(out->name, m->name, sizeof(out->name));
	memcpy(out->description, m->description, sizeof(out->description));
	out->type = m->type;
	out->flags = m->flags;
	vars_default(m, &out->initial);
	vars_word_value(m, m->min, &out->min);
	vars_word_value(m, m->max, &out->max);
	vars_word_value(m, m->stale_use, &out->stale_use);
	if (m->type == TIDEVARS_STRING) {
		out->min.u.i = out->max.u.i = out->stale_use.u.i = 0;
		out->stale_use.text_n = m->stale_n;
		memcpy(out->stale_use.text, m->stale_text, m->stale_n);
	}
	out->stale_after_ns = m->stale_after;
	out->ttl_ns = m->ttl;
	out->half_life_ns = m->half_life;
	out->writable_by = m->writable_by;
	out->writable_uid = m->writable_uid;
	out->writable_gid = m->writable_gid;
}

// A counter's value is younger than its record: silent adds came.
static bool
added_since(const struct vars_meta *m, const struct tidevars_value *v, uint64_t record_boot_ns)
{
	return m->type == TIDEVARS_COUNTER && v->written_boot_ns != 0 &&
	       (int64_t)(v->written_boot_ns - record_boot_ns) > 0;
}

int
tidevars_info(struct tidevars *t, uint32_t handle, uint64_t now_boot_ns, struct tidevars_info *out,
	      struct tidevars_error *err)
{
	CHECK_MAGIC(t, VARS_MAGIC);
	vars_index_refresh(t);
	memset(out, 0, sizeof(*out));
	const struct vars_meta *m = vars_meta(t, handle);
	if (m == NULL || m->forgotten)
		return vars_fail(err, TIDEVARS_UNKNOWN, "no variable has the handle %u", handle);
	info_of_meta(m, out);
	(void)tidevars_read(t, handle, now_boot_ns, &out->value); // known: OK
	struct vars_record r;
	struct layout_cold cold;
	out->deadline_boot_ns = TIDEVARS_NEVER;
	out->expired = atomic_load(&m->slot->live.expired);
	out->refused = atomic_load(&m->slot->live.refused);
	if (!vars_copy_cold(t, m, &r, &cold))
		return TIDEVARS_OK; // damaged: the value says so
	bool unset = (r.flags & LAYOUT_HOT_DEFAULT) != 0;
	out->deadline_boot_ns = unset || now_boot_ns >= r.deadline ? TIDEVARS_NEVER : r.deadline;
	out->written_real_ns = atomic_load(&m->slot->hot[r.which].written_real);
	if (added_since(m, &out->value, r.written)) {
		out->source = TIDEVARS_N_SOURCES;
		out->written_real_ns = clock_real_ns() - (now_boot_ns - out->value.written_boot_ns);
		return TIDEVARS_OK;
	}
	out->source = cold.source;
	out->uid = cold.uid;
	out->pid = cold.pid;
	memcpy(out->who, cold.who, sizeof(out->who));
	memcpy(out->reason, cold.reason, sizeof(out->reason));
	return TIDEVARS_OK;
}

// Whether the variable's value has run out; else its deadline moves *next closer.
static bool
has_run_out(struct tidevars *t, uint32_t handle, uint64_t now, uint64_t *next)
{
	const struct vars_meta *m = vars_meta(t, handle);
	struct vars_record r;
	if (m == NULL || m->forgotten || m->type == TIDEVARS_COUNTER ||
	    !vars_pick(m->slot, vars_epoch(t), &r) || (r.flags & LAYOUT_HOT_DEFAULT) != 0)
		return false;
	if (now >= r.deadline)
		return true;
	*next = MIN(*next, r.deadline);
	return false;
}

int
tidevars_sweep(struct tidevars *t, uint64_t now_boot_ns, uint64_t *next_boot_ns,
	       struct tidevars_error *err)
{
	CHECK_MAGIC(t, VARS_MAGIC);
	struct tidevars_writer nobody = {.who = "expiry",
					 .source = TIDEVARS_FROM_EXPIRY,
					 .pid = t->pid,
					 .uid = t->uid,
					 .gid = t->gid,
					 .now_boot_ns = now_boot_ns};
	uint64_t next = TIDEVARS_NEVER;
	uint32_t n = tidevars_count(t);
	int status = TIDEVARS_OK;
	for (uint32_t i = 0; i < n && status == TIDEVARS_OK; i++) {
		if (!has_run_out(t, i, now_boot_ns, &next))
			continue;
		struct tidevars_op op = {.handle = i, .kind = TIDEVARS_EXPIRE};
		status = vars_commit_ops(t, &op, 1, &nobody, VARS_WAIT, err);
		if (status == TIDEVARS_OK)
			(void)has_run_out(t, i, now_boot_ns, &next); // a hold's next expiry
	}
	if (next_boot_ns != NULL)
		*next_boot_ns = next;
	return status;
}

int
tidevars_restore(struct tidevars *t, const struct tidevars_op *ops, size_t n,
		 const struct tidevars_writer *writer, struct tidevars_error *err)
{
	return vars_commit_ops(t, ops, n, writer, VARS_RESTORE, err);
}
