// SPDX-License-Identifier: MIT
// When checks are made, and what they make of their servers.
#include <stdio.h>

#include "backend/backend.h"
#include "backend/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "net/loop.h"

#define CHECKS_MAGIC 0xba5e0011u

struct checks {
	uint32_t magic;
	struct loop *loop;
	struct checks_host host;
	struct list members; // of struct check, in the order of the configuration
	uint32_t n, n_open;
	bool stopped;
};

struct checks *
checks_new(struct loop *loop, const struct checks_host *host)
{
	struct checks *all = MEM_NEW(struct checks);
	all->magic = CHECKS_MAGIC;
	all->loop = loop;
	all->host = *host;
	list_init(&all->members);
	return all;
}

const struct checks_host *
checks_host_of(const struct checks *all)
{
	CHECK_MAGIC(all, CHECKS_MAGIC);
	return &all->host;
}

struct loop *
checks_loop_of(const struct checks *all)
{
	CHECK_MAGIC(all, CHECKS_MAGIC);
	return all->loop;
}

// --- when ----------------------------------------------------------------------------------------

// An agent is asked in maintenance too: it may say that this is over.
static bool
is_wanted(const struct check *c)
{
	uint32_t bits = atomic_load_explicit(&c->server->admin, memory_order_relaxed);
	return c->enabled && (c->agent != NULL || !(bits & SERVER_MAINT));
}

static void
schedule(struct check *c)
{
	if (!c->all->stopped)
		loop_timer_set(c->all->loop, &c->timer,
			       loop_now_ns(c->all->loop) + check_inter_ns(c));
}

void
check_drop(struct check *c)
{
	CHECK_MAGIC(c, CHECK_MAGIC_VALUE);
	if (!c->running)
		return;
	check_let_go(c);
	schedule(c); // its end would have
}

static void
due(struct timer *t)
{
	struct check *c = CONTAINER_OF(t, struct check, timer);
	CHECK_MAGIC(c, CHECK_MAGIC_VALUE);
	if (c->running || !is_wanted(c)) {
		schedule(c);
		return;
	}
	c->all->n_open += !c->is_open;
	check_begin(c);
}

void
checks_add(struct checks *all, struct check *c)
{
	CHECK_MAGIC(all, CHECKS_MAGIC);
	CHECK_MAGIC(c, CHECK_MAGIC_VALUE);
	c->all = all;
	timer_init(&c->timer, due);
	list_append(&all->members, &c->in_all);
	all->n++;
}

// As HAProxy spreads them: the more often they are made, the sooner they begin; intervals below a
// second do not hurry the others.
static uint64_t
spread_ns(const struct checks *all)
{
	uint64_t least = 0;
	LIST_FOREACH (it, &all->members) {
		uint64_t ns = check_inter_ns(LIST_ENTRY(it, struct check, in_all));
		if (ns >= NS_PER_S && (least == 0 || ns < least))
			least = ns;
	}
	return least;
}

void
checks_start(struct checks *all)
{
	uint64_t least = spread_ns(all), now = loop_now_ns(all->loop), at = 0;
	LIST_FOREACH (it, &all->members) {
		struct check *c = LIST_ENTRY(it, struct check, in_all);
		uint64_t over = MAX(least, check_inter_ns(c));
		loop_timer_set(all->loop, &c->timer, now + 1 + over / all->n * at++);
	}
}

void
checks_stop(struct checks *all)
{
	CHECK_MAGIC(all, CHECKS_MAGIC);
	all->stopped = true;
	LIST_FOREACH (it, &all->members) {
		struct check *c = LIST_ENTRY(it, struct check, in_all);
		loop_timer_stop(all->loop, &c->timer);
		check_drop(c);
	}
}

void
check_closed(struct check *c)
{
	c->all->n_open--;
}

#define SETTLE_TURNS 1000

void
checks_free(struct checks **all)
{
	struct checks *a = *all;
	*all = NULL;
	if (a == NULL)
		return;
	checks_stop(a);
	for (int i = 0; i < SETTLE_TURNS && a->n_open > 0; i++)
		loop_turn(a->loop, NS_PER_MS);
	LIST_FOREACH_SAFE (it, &a->members) {
		struct check *c = LIST_ENTRY(it, struct check, in_all);
		c->all = NULL;
		list_remove(&c->in_all);
	}
	a->magic = 0;
	mem_free(a);
}

// --- what they make of a server ------------------------------------------------------------------

static const uint32_t bits_of[] = {
    [HEALTH_SAYS_DOWN] = SERVER_DOWN,
    [HEALTH_SAYS_UP] = 0,
    [HEALTH_SAYS_STOPPING] = SERVER_STOPPING,
};

static void
turn(struct check *c, enum health_says says, const char *why)
{
	struct server *s = c->server;
	uint32_t before = atomic_load_explicit(&s->admin, memory_order_relaxed);
	uint32_t after = (before & ~(uint32_t)SERVER_HEALTH_BITS) | bits_of[says];
	if (says == HEALTH_SAYS_NOTHING || before & SERVER_MAINT || before == after)
		return;
	server_put_bits(s, after);
	if (c->all != NULL)
		c->all->host.turned(c->all->host.arg, c, says, before, why);
	server_announce(s);
}

// A server with a check and an agent is up when both say so; an agent knows nothing of requests
// that are to stop.
static enum health_says
says_with_the_other(const struct check *c)
{
	const struct server *s = c->server;
	const struct check *other = c->agent != NULL ? s->check : s->agent;
	enum health_says says = health_says(&c->health);
	bool stopping =
	    (atomic_load_explicit(&s->admin, memory_order_relaxed) & SERVER_STOPPING) != 0;
	if (says == HEALTH_SAYS_NOTHING || says == HEALTH_SAYS_DOWN)
		return says;
	if ((other != NULL && other->enabled && !health_is_up(&other->health)) ||
	    (c->agent != NULL && stopping))
		return HEALTH_SAYS_NOTHING;
	return says;
}

static void
take(struct check *c, const struct health_finding *f)
{
	const struct checks_host *h = &c->all->host;
	enum health_status before = c->health.last.status;
	bool moved = health_take(&c->health, f);
	if (moved && health_status_rows[f->status].result == HEALTH_FAILED)
		server_count_failure(c->server);
	h->ended(h->arg, c, moved, before);
	turn(c, says_with_the_other(c), NULL);
}

void
check_found(struct check *c, const struct health_finding *f)
{
	take(c, f);
	schedule(c);
}

// What the action leaves of the points, before the failure that it simulates takes one.
static void
weaken(struct health *h, enum observe_action action)
{
	if (action == OBSERVE_MARK_DOWN)
		h->points = MIN(h->points, h->rise);
	if (action == OBSERVE_SUDDEN_DEATH)
		h->points = MIN(h->points, h->rise + 1);
}

void
check_observed(struct check *c, uint32_t n, enum observe_what last, enum observe_action action)
{
	if (c->all == NULL || c->all->stopped || !is_wanted(c))
		return;
	struct health_finding f = {.status = HEALTH_HANA, .duration_ms = -1};
	(void)snprintf(f.info, sizeof(f.info), "Detected %u consecutive errors, last one was: %s",
		       n, observe_text(last)); // fits
	if (action != OBSERVE_FASTINTER) {
		weaken(&c->health, action);
		take(c, &f);
	}
	server_count_observed(c->server);
	uint64_t soon = loop_now_ns(c->all->loop) + c->conf.fastinter_ns;
	if (c->conf.fastinter_ns != 0 && (c->timer.due_ns == 0 || soon < c->timer.due_ns))
		loop_timer_set(c->all->loop, &c->timer, soon);
}

void
check_force(struct check *c, enum health_says says, const char *who)
{
	CHECK_MAGIC(c, CHECK_MAGIC_VALUE);
	uint32_t bits = atomic_load_explicit(&c->server->admin, memory_order_relaxed);
	if (bits & SERVER_MAINT)
		return; // as in HAProxy: it begins anew when that ends
	health_force(&c->health, says);
	turn(c, says, who);
}
