// SPDX-License-Identifier: MIT
// A timer of the keeper: sweep the table, say what expired and when the table is no more or was
// written over, sleep until the next deadline, at most SWEEP_NS, since any program may write a
// nearer one meanwhile.
#include "proxy/expiry.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/timer.h"
#include "net/worker.h"
#include "proxy/proxy.h"
#include "tidegate/vars.h"

#define EXPIRY_MAGIC 0x7c5a0005
#define SWEEP_NS     (NS_PER_S / 2)
#define LOG_BURST    20 // lines a second

struct expiry {
	uint32_t magic;
	struct timer timer;
	struct proxy_set *set;
	struct loop *loop;
	uint64_t seen; // seq of the last write-log entry looked at
	struct log_rate rate;
	bool told_damage, told_scribble;
	uint64_t inspect_ns; // when to look next
};

static void
report(struct expiry *e)
{
	struct tidevars_log_entry entry;
	uint64_t now = loop_now_ns(e->loop);
	while (tidevars_log_next(e->set->vars, e->seen, &entry)) {
		e->seen = entry.seq;
		if (entry.kind != TIDEVARS_EXPIRE)
			continue;
		atomic_fetch_add_explicit(&e->set->vars_expired, 1, memory_order_relaxed);
		const char *name = tidevars_name(e->set->vars, entry.handle);
		bool hold = entry.type == TIDEVARS_HOLD;
		if (name != NULL && log_rate_ok(&e->rate, now, LOG_BURST))
			log_msg(LOG_NOTICE, "variable '%s': time to live passed, %s%s", name,
				hold ? "released what was held by " : "back to its default",
				hold ? entry.text : "");
	}
	uint32_t missed = log_rate_missed(&e->rate);
	if (missed > 0)
		log_msg(LOG_NOTICE, "%u more variables expired", missed);
}

// Nothing else of a damaged table is heard: reads go on with what was declared.
static void
tell_damage(struct expiry *e)
{
	if (e->told_damage || !tidevars_damaged(e->set->vars))
		return;
	e->told_damage = true;
	log_msg(LOG_ALERT, "the variable table's file was cut short under this process: all "
			   "variables read as their defaults and none can be written; restore the "
			   "file, then start again");
}

// Any program with the right to write the file can write rubbish: an operator should hear of it
// before he wonders about the values.
static void
inspect(struct expiry *e)
{
	struct tidevars_error why;
	uint64_t now = loop_now_ns(e->loop);
	if (now < e->inspect_ns || e->told_damage)
		return;
	e->inspect_ns = now + NS_PER_S;
	bool good = tidevars_inspect(e->set->vars, &why) == TIDEVARS_OK;
	if (!good && !e->told_scribble)
		log_msg(LOG_ALERT,
			"variable table: %s; a program has written over it, its values cannot be "
			"trusted",
			why.text);
	else if (good && e->told_scribble)
		log_msg(LOG_NOTICE, "variable table: its header and declarations are whole again");
	e->told_scribble = !good;
}

static void
sweep(struct timer *t)
{
	struct expiry *e = CONTAINER_OF(t, struct expiry, timer);
	struct tidevars_error why;
	uint64_t now = loop_boot_ns(e->loop), next = TIDEVARS_NEVER;
	CHECK_MAGIC(e, EXPIRY_MAGIC);
	if (tidevars_sweep(e->set->vars, now, &next, &why) != TIDEVARS_OK &&
	    log_rate_ok(&e->rate, now, 1))
		log_msg(LOG_WARNING, "variable table: %s", why.text);
	tell_damage(e);
	inspect(e);
	report(e);
	uint64_t wait = next > now ? MIN(next - now, SWEEP_NS) : NS_PER_MS;
	loop_timer_set(e->loop, t, loop_now_ns(e->loop) + wait);
}

struct expiry *
expiry_start(struct proxy_set *set, struct worker *keeper)
{
	struct expiry *e = MEM_NEW(struct expiry);
	e->magic = EXPIRY_MAGIC;
	e->set = set;
	e->loop = keeper->loop;
	e->seen = tidevars_log_last(set->vars);
	timer_init(&e->timer, sweep);
	loop_timer_set(e->loop, &e->timer, loop_now_ns(e->loop) + NS_PER_MS);
	return e;
}

void
expiry_stop(struct expiry **e)
{
	if (*e == NULL)
		return;
	CHECK_MAGIC(*e, EXPIRY_MAGIC);
	loop_timer_stop((*e)->loop, &(*e)->timer);
	(*e)->magic = 0;
	mem_free(*e);
	*e = NULL;
}
