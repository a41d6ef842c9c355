// SPDX-License-Identifier: MIT
// A rule's write to the shared table. A worker never waits: it tries the table's lock once, and
// when somebody holds it the write travels to the keeper, which may wait. At most MAX_POSTED
// writes are on their way; one more is refused and counted as a failed rewrite by its rule.
#include <stdatomic.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/worker.h"
#include "proxy/host.h"
#include "proxy/proxy.h"
#include "proxy/txn.h"
#include "proxy/worker.h"
#include "tidegate/vars.h"

#define MAX_POSTED 1024

struct posted_write {
	struct msg msg;
	struct proxy_set *set;
	struct tidevars_op op;
};

static void
fill_writer(struct tidevars_writer *w, const struct sample_ctx *ctx)
{
	*w = (struct tidevars_writer){.who = "rule",
				      .source = TIDEVARS_FROM_RULE,
				      .now_boot_ns = ctx != NULL ? ctx->now_boot_ns : 0,
				      .now_real_ns = ctx != NULL ? ctx->now_real_ns : 0};
}

// The sample as text and back, unless the variable is a plain integer: types meet in one place,
// tidevars_parse. False: the value does not fit.
static bool
to_value(const struct sample_ctx *ctx, uint32_t type, struct sample *s, struct tidevars_value *out)
{
	struct str text;
	bool integer = type == TIDEVARS_INT || type == TIDEVARS_COUNTER || type == TIDEVARS_BOOL ||
		       type == TIDEVARS_HOLD;
	if (integer && (s->type == SMP_INT || s->type == SMP_BOOL)) {
		int64_t i = s->type == SMP_INT ? s->i : s->b;
		out->type = type;
		out->u.i = type == TIDEVARS_BOOL ? i != 0 : i;
		return true;
	}
	return sample_text(s, (struct sample_ctx *)(uintptr_t)ctx, &text) &&
	       tidevars_parse(type, text.p, text.n, out, NULL) == TIDEVARS_OK;
}

// On the keeper.
static void
write_posted(struct msg *m)
{
	struct posted_write *p = CONTAINER_OF(m, struct posted_write, msg);
	struct tidevars_writer writer;
	struct tidevars_error why;
	fill_writer(&writer, NULL);
	if (tidevars_commit(p->set->vars, &p->op, 1, &writer, &why) != TIDEVARS_OK &&
	    log_rate_ok(&p->set->writes_failed, clock_mono_ns(), 1))
		log_line(LOG_WARNING, "a rule's write to the variable table failed: %s", why.text);
	atomic_fetch_sub_explicit(&p->set->shm_writes_posted, 1, memory_order_relaxed);
	mem_free(p);
}

static bool
post_to_keeper(struct proxy_set *set, const struct tidevars_op *op)
{
	if (atomic_fetch_add_explicit(&set->shm_writes_posted, 1, memory_order_relaxed) >=
	    MAX_POSTED)
		goto refuse;
	struct posted_write *p = mem_try_realloc(NULL, sizeof(*p));
	if (p == NULL)
		goto refuse;
	*p = (struct posted_write){.msg.fn = write_posted, .set = set, .op = *op};
	worker_post(workers_get(set->threads, 0), &p->msg);
	return true;
refuse:
	atomic_fetch_sub_explicit(&set->shm_writes_posted, 1, memory_order_relaxed);
	return false;
}

// writable-by does not let rules in, or it is no number: told, but not for each request.
static void
log_refused(struct proxy_worker *w, const struct tidevars_error *why)
{
	if (log_rate_ok(&w->refused_writes, loop_now_ns(w->loop), 1))
		log_line(LOG_WARNING, "a rule's write to a variable refused: %s", why->text);
}

bool
proxy_shm_write(const struct sample_ctx *ctx, uint32_t handle, const struct sample *value, bool add)
{
	const struct txn *t = ctx->host_data;
	struct proxy_set *set = t->worker->set;
	struct tidevars_op op = {.handle = handle,
				 .kind = value == NULL ? TIDEVARS_UNSET
					 : add         ? TIDEVARS_ADD
						       : TIDEVARS_SET};
	if (value != NULL) {
		struct sample copy = *value;
		if (!to_value(ctx, tidevars_type(set->vars, handle), &copy, &op.value))
			return false;
	}
	struct tidevars_writer writer;
	fill_writer(&writer, ctx);
	struct tidevars_error why;
	int status = tidevars_try_commit(set->vars, &op, 1, &writer, &why);
	if (status == TIDEVARS_BUSY)
		return post_to_keeper(set, &op);
	if (status == TIDEVARS_REFUSED || (add && status == TIDEVARS_TYPE))
		log_refused(t->worker, &why);
	// A file cut short underneath shall not end the service: expiry.c tells of it, reads give
	// what was declared, and what rules write is lost.
	return status == TIDEVARS_OK || tidevars_damaged(set->vars);
}
