// SPDX-License-Identifier: MIT
// Commits. Every write is a list of operations: all are checked against the table as it stands
// under the lock, then all are stored under one new stamp, and the epoch makes them visible at
// once. Nothing can fail between the first store and the epoch; a writer killed there leaves
// `dirty` set and stamps above the epoch, which nobody believes and the next writer voids.
#include <errno.h>

#include "base/clock.h"
#include "base/mem.h"
#include "vars/write_priv.h"

enum { WRITE_WAIT_MS = 1000 };

static void
copy_name(char *to, size_t room, const char *from)
{
	size_t n = from != NULL ? strnlen(from, room - 1) : 0;
	memset(to, 0, room);
	memcpy(to, from != NULL ? from : "", n);
}

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

// Silent adds to counters only: no lock. False: something else is among them, or to be refused.
static bool
count_only(struct tidevars *t, const struct tidevars_op *ops, size_t n,
	   const struct tidevars_writer *w)
{
	uint32_t source = w != NULL ? w->source : TIDEVARS_FROM_PROGRAM;
	for (size_t i = 0; i < n; i++) {
		const struct vars_meta *m = vars_meta(t, ops[i].handle);
		if (!vars_is_silent_add(ops[i].kind, source) || m == NULL ||
		    m->type != TIDEVARS_COUNTER || m->forgotten ||
		    ops[i].value.type != TIDEVARS_COUNTER || ops[i].ttl_ns != 0 ||
		    (m->writable_by & ~(uint32_t)TIDEVARS_BY_ANY) != 0)
			return false;
	}
	if ((t->flags & TIDEVARS_READ_ONLY) != 0 || tidevars_damaged(t))
		return false;
	uint64_t now = w != NULL && w->now_boot_ns != 0 ? w->now_boot_ns : clock_boot_ns();
	for (size_t i = 0; i < n; i++)
		(void)vars_counter_add(vars_meta(t, ops[i].handle), (uint64_t)ops[i].value.u.i,
				       now);
	vars_wake(t);
	return true;
}

// The lock is held; `changes` has room for n.
static int
check_and_store(struct vars_commit *c, const struct tidevars_op *ops, struct vars_change *changes,
		size_t n)
{
	for (size_t i = 0; i < n; i++) {
		changes[i] = (struct vars_change){.op = &ops[i]};
		int status = vars_check_op(c, changes, i, n);
		if (status != TIDEVARS_OK)
			return status;
	}
	return vars_store_all(c, changes, n);
}

// As vars_commit_ops, with room for n changes and of n > TIDEVARS_OPS_MAX for a note per handle.
static int
commit_in(struct tidevars *t, const struct tidevars_op *ops, size_t n,
	  const struct tidevars_writer *w, enum vars_how how, struct vars_change *changes,
	  bool *named, struct tidevars_error *err)
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
	struct vars_change few[TIDEVARS_OPS_MAX];
	if (n > TIDEVARS_OPS_MAX && how != VARS_RESTORE)
		return vars_fail(err, TIDEVARS_BAD_CALL, "at most %d operations in one commit",
				 TIDEVARS_OPS_MAX);
	if (n == 0 || count_only(t, ops, n, w))
		return TIDEVARS_OK;
	if (n <= TIDEVARS_OPS_MAX)
		return commit_in(t, ops, n, w, how, few, NULL, err);
	struct vars_change *many = mem_zalloc(n * sizeof(*many));
	bool *named = mem_zalloc(t->size * sizeof(*named));
	int status = commit_in(t, ops, n, w, how, many, named, err);
	mem_free(named);
	mem_free(many);
	return status;
}

static int
commit_known(struct tidevars *t, const struct tidevars_op *ops, size_t n,
	     const struct tidevars_writer *writer, enum vars_how how, struct tidevars_error *err)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t kind = ops[i].kind;
		if ((kind < TIDEVARS_SET || kind > TIDEVARS_RELEASE) && kind != TIDEVARS_EXTEND)
			return vars_fail(err, TIDEVARS_BAD_CALL, "no such operation");
	}
	return vars_commit_ops(t, ops, n, writer, how, err);
}

int
tidevars_commit(struct tidevars *t, const struct tidevars_op *ops, size_t n,
		const struct tidevars_writer *writer, struct tidevars_error *err)
{
	return commit_known(t, ops, n, writer, VARS_WAIT, err);
}

int
tidevars_try_commit(struct tidevars *t, const struct tidevars_op *ops, size_t n,
		    const struct tidevars_writer *writer, struct tidevars_error *err)
{
	return commit_known(t, ops, n, writer, VARS_TRY, err);
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
	(void)vars_counter_add(m, (uint64_t)by, now_boot_ns);
	vars_wake(t);
	return TIDEVARS_OK;
}
