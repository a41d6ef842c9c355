// SPDX-License-Identifier: MIT
// The meters, the fetch var_rate, and the command `rate var`. A meter is {begin of the period,
// value then, growth in the period before} behind a sequence number: the keeper writes, workers
// read. A late keeper does no harm: a reader reckons as if it had been in time.
#include "expr/vars_rate.h"

#include <inttypes.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/mem.h"
#include "expr/vars_cli_priv.h"
#include "net/loop.h"
#include "net/timer.h"

struct vars_rate {
	struct vars_rate *next;
	uint32_t handle;
	uint64_t period_ns;
	_Atomic uint32_t seq; // odd while the keeper writes
	_Atomic uint64_t begin_ns, base, past;
};

struct rates {
	struct timer timer;
	struct expr_set *set;
	struct loop *loop;
};

static uint64_t
value_now(struct tidevars *t, uint32_t handle, uint64_t now)
{
	struct tidevars_value v;
	(void)tidevars_read(t, handle, now, &v); // a known handle
	return (uint64_t)v.u.i;
}

// Differences wrap as counters do; what is set lower counts from there.
static uint64_t
growth(uint64_t base, uint64_t value)
{
	int64_t grown = (int64_t)(value - base);
	return grown > 0 ? (uint64_t)grown : 0;
}

// HAProxy's read_freq_ctr_period, in nanoseconds: a lone event long ago does not flicker.
static int64_t
reckon(uint64_t past, uint64_t grown, uint64_t gone_ns, uint64_t period_ns)
{
	if (gone_ns >= period_ns) {
		past = grown;
		grown = 0;
		gone_ns -= period_ns;
	}
	if (gone_ns >= period_ns)
		return 0;
	if (past <= 1 && grown == 0)
		return (int64_t)past;
	double left = (double)(period_ns - gone_ns) / (double)period_ns;
	return (int64_t)(grown + (uint64_t)((double)past * left));
}

int64_t
vars_rate_read(const struct vars_rate *r, struct tidevars *t, uint64_t now_boot_ns)
{
	uint64_t begin, base, past;
	uint32_t seq;
	do {
		seq = atomic_load_explicit(&r->seq, memory_order_acquire);
		begin = atomic_load_explicit(&r->begin_ns, memory_order_relaxed);
		base = atomic_load_explicit(&r->base, memory_order_relaxed);
		past = atomic_load_explicit(&r->past, memory_order_relaxed);
		atomic_thread_fence(memory_order_acquire);
	} while ((seq & 1) || seq != atomic_load_explicit(&r->seq, memory_order_relaxed));
	if (begin == 0)
		return 0; // not started
	uint64_t gone = now_boot_ns > begin ? now_boot_ns - begin : 0;
	return reckon(past, growth(base, value_now(t, r->handle, now_boot_ns)), gone, r->period_ns);
}

static void
note(struct vars_rate *r, uint64_t begin, uint64_t base, uint64_t past)
{
	uint32_t seq = atomic_load_explicit(&r->seq, memory_order_relaxed);
	atomic_store_explicit(&r->seq, seq + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&r->begin_ns, begin, memory_order_relaxed);
	atomic_store_explicit(&r->base, base, memory_order_relaxed);
	atomic_store_explicit(&r->past, past, memory_order_relaxed);
	atomic_store_explicit(&r->seq, seq + 2, memory_order_release);
}

struct vars_rate *
expr_rate_next(const struct expr_set *set, const struct vars_rate *it)
{
	struct vars_rate *r = it != NULL ? it->next : set->rates;
	while (r != NULL && r->handle == TIDEVARS_NO_HANDLE)
		r = r->next; // not linked
	return r;
}

struct vars_rate_state
vars_rate_state(const struct vars_rate *r)
{
	return (
	    struct vars_rate_state){.handle = r->handle,
				    .period_ns = r->period_ns,
				    .begin_ns =
					atomic_load_explicit(&r->begin_ns, memory_order_relaxed),
				    .base = atomic_load_explicit(&r->base, memory_order_relaxed),
				    .past = atomic_load_explicit(&r->past, memory_order_relaxed)};
}

void
vars_rate_begin(struct vars_rate *r, const struct vars_rate_state *s)
{
	note(r, s->begin_ns, s->base, s->past);
}

// Begins the next period when the present one is over; gives how long that takes yet.
static uint64_t
turn(struct vars_rate *r, struct tidevars *t, uint64_t now)
{
	uint64_t begin = atomic_load_explicit(&r->begin_ns, memory_order_relaxed);
	uint64_t value = value_now(t, r->handle, now);
	uint64_t base = atomic_load_explicit(&r->base, memory_order_relaxed);
	if (begin == 0) {
		note(r, now, value, 0);
		return r->period_ns;
	}
	if (now - begin < r->period_ns) {
		if ((int64_t)(value - base) < 0)
			note(r, begin, value, atomic_load_explicit(&r->past, memory_order_relaxed));
		return r->period_ns - (now - begin);
	}
	bool stale = now - begin >= 2 * r->period_ns;
	note(r, stale ? now : begin + r->period_ns, value, stale ? 0 : growth(base, value));
	return r->period_ns - (stale ? 0 : now - begin - r->period_ns);
}

static void
turn_all(struct timer *timer)
{
	struct rates *a = CONTAINER_OF(timer, struct rates, timer);
	uint64_t now = loop_boot_ns(a->loop), wait = VARS_RATE_MAX_NS;
	for (struct vars_rate *r = a->set->rates; r != NULL; r = r->next)
		wait = MIN(wait, turn(r, a->set->shm, now));
	loop_timer_set(a->loop, timer, loop_now_ns(a->loop) + MAX(wait, NS_PER_MS));
}

void
expr_rates_start(struct expr_set *set, struct loop *loop)
{
	if (set->rates == NULL || set->shm == NULL)
		return;
	struct rates *a = set->rates_timer = MEM_NEW(struct rates);
	a->set = set;
	a->loop = loop;
	timer_init(&a->timer, turn_all);
	turn_all(&a->timer);
}

void
expr_rates_stop(struct expr_set *set)
{
	if (set->rates_timer == NULL)
		return;
	loop_timer_stop(set->rates_timer->loop, &set->rates_timer->timer);
	mem_free(set->rates_timer);
	set->rates_timer = NULL;
}

const struct vars_rate *
expr_rate_find(const struct expr_set *set, uint32_t handle, uint64_t period_ns)
{
	const struct vars_rate *r = set->rates;
	while (r != NULL && (r->handle != handle || r->period_ns != period_ns))
		r = r->next;
	return r;
}

// ---- var_rate(shm.hits,10s)

static bool
has_rate(struct tidevars *t, uint32_t handle, struct err *err)
{
	uint32_t type = tidevars_type(t, handle);
	return type == TIDEVARS_COUNTER || type == TIDEVARS_INT ||
	       err_set(err, "'%s' is of type %s; a counter or an int has a rate",
		       tidevars_name(t, handle), tidevars_type_name(type));
}

bool
expr_check_var_rate(struct expr_arg *args, struct expr_env *env, enum sample_type *out UNUSED,
		    struct err *err)
{
	struct expr_set *set = env->set;
	if (args[0].var.scope != VAR_SHM)
		return err_set(err, "only variables of shm. have a rate");
	if (set->frozen || env->place == &EXPR_AT_CLI)
		return err_set(err, "only in the configuration; here 'rate var NAME [PERIOD]'");
	if (args[1].given && ((uint64_t)args[1].i < VARS_RATE_MIN_NS / 1000 ||
			      (uint64_t)args[1].i > VARS_RATE_MAX_NS / 1000))
		return err_set(err, "a period is a time from 10ms to 24h");
	struct vars_rate *r = arena_zalloc(&set->arena, sizeof(*r), alignof(struct vars_rate));
	ASSERT(r != NULL);
	r->handle = TIDEVARS_NO_HANDLE; // until linked
	r->period_ns = args[1].given ? (uint64_t)args[1].i * 1000 : NS_PER_S;
	r->next = set->rates;
	set->rates = r;
	args[0].ptr = r;
	args[1].ptr = set;
	return true;
}

bool
expr_link_var_rate(struct expr_arg *args, struct conf *conf UNUSED, struct err *err)
{
	const struct expr_set *set = args[1].ptr;
	struct vars_rate *r = args[0].ptr;
	if (set->shm == NULL || args[0].var.id == TIDEVARS_NO_HANDLE)
		return false; // told already
	r->handle = args[0].var.id;
	return has_rate(set->shm, r->handle, err);
}

bool
expr_fetch_var_rate(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out)
{
	if (ctx->shm == NULL)
		return false;
	sample_set_int(out, vars_rate_read(args[0].ptr, ctx->shm, ctx->now_boot_ns));
	return true;
}

// ---- rate var NAME [PERIOD]: at once where the configuration measures it, else after a period

struct measuring {
	struct timer timer;
	struct loop *loop;
	struct cli_ref ref;
	struct tidevars *table;
	uint32_t handle;
	uint64_t before;
};

static void
free_measuring(void *arg)
{
	struct measuring *m = arg;
	loop_timer_stop(m->loop, &m->timer);
	mem_free(m);
}

static void
measured(struct timer *t)
{
	const struct measuring *m = CONTAINER_OF(t, struct measuring, timer);
	struct cli_session *s = cli_deref(m->ref);
	if (s == NULL)
		return;
	cli_printf(s, "%" PRIu64 "\n",
		   growth(m->before, value_now(m->table, m->handle, clock_boot_ns())));
	cli_done(s);
}

static bool
parse_period(const struct cli_args *args, uint64_t *ns, struct err *err)
{
	uint64_t us = 1000000;
	bool good = args->argc < 2 || str_to_time_us(args->argv[1], 1000000, &us);
	*ns = good && us <= VARS_RATE_MAX_NS / 1000 ? us * 1000 : 0;
	return (*ns >= VARS_RATE_MIN_NS && *ns <= VARS_RATE_MAX_NS) ||
	       err_set(err, "a period is a time from 10ms to 24h");
}

enum cli_status
vars_run_rate(struct cli_session *s, const struct cli_args *args)
{
	struct vars_command c;
	uint64_t period;
	struct loop *loop = loop_self();
	if (!vars_command_init(&c, s, args, args->argc) || !vars_command_find(&c, args->argv[0]) ||
	    !parse_period(args, &period, &c.err))
		return vars_command_refuse(&c);
	if (c.proc || loop == NULL)
		return cli_error(s, "only variables of shm. have a rate");
	if (!has_rate(c.table, c.handle, &c.err))
		return vars_command_refuse(&c);
	const struct vars_rate *r = c.set != NULL ? expr_rate_find(c.set, c.handle, period) : NULL;
	if (r != NULL) {
		cli_printf(s, "%" PRId64 "\n", vars_rate_read(r, c.table, clock_boot_ns()));
		return CLI_DONE;
	}
	struct measuring *m = MEM_NEW(struct measuring);
	*m = (struct measuring){.loop = loop,
				.ref = cli_ref(s),
				.table = c.table,
				.handle = c.handle};
	m->before = value_now(c.table, c.handle, clock_boot_ns());
	timer_init(&m->timer, measured);
	cli_continue(s, NULL, m, free_measuring);
	loop_timer_set(loop, &m->timer, loop_now_ns(loop) + period);
	return CLI_WAIT;
}
