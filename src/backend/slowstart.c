// SPDX-License-Identifier: MIT
#include "backend/slowstart.h"

#include "backend/backend.h"
#include "base/clock.h"

static uint64_t
elapsed_ns(const struct slowstart *w, uint64_t since_ns)
{
	uint64_t now = clock_mono_ns();
	return now > since_ns ? MIN(now - since_ns, w->ns) : 0;
}

uint32_t
slowstart_parts(const struct server *s)
{
	const struct slowstart *w = &s->slowstart;
	uint64_t since = atomic_load_explicit(&w->since_ns, memory_order_relaxed);
	if (LIKELY(since == 0))
		return SLOWSTART_WHOLE;
	uint64_t part = w->ns / SLOWSTART_WHOLE;
	return (uint32_t)MIN(1 + elapsed_ns(w, since) / MAX(part, 1u), (uint64_t)SLOWSTART_WHOLE);
}

uint32_t
slowstart_maxconn(const struct server *s, uint32_t max)
{
	const struct slowstart *w = &s->slowstart;
	uint64_t since = atomic_load_explicit(&w->since_ns, memory_order_relaxed);
	if (LIKELY(since == 0))
		return max;
	uint64_t percent = elapsed_ns(w, since) / MAX(w->ns / 100, 1u);
	return (uint32_t)MAX(max * MIN(percent, 100u) / 100, 1u);
}

// Workers weigh it anew, and whoever waits for it may look.
static void
next_part(struct timer *t)
{
	struct server *s = CONTAINER_OF(t, struct server, slowstart.timer);
	struct slowstart *w = &s->slowstart;
	const struct backend_host *h = s->backend->host;
	uint64_t since = atomic_load_explicit(&w->since_ns, memory_order_relaxed);
	if (since == 0 || h == NULL)
		return;
	if (elapsed_ns(w, since) == w->ns)
		atomic_store_explicit(&w->since_ns, 0, memory_order_relaxed);
	else
		loop_timer_set(h->loop, t, clock_mono_ns() + w->ns / SLOWSTART_WHOLE + 1);
	backend_changed(s->backend);
}

void
slowstart_turn(struct server *s, bool out)
{
	struct slowstart *w = &s->slowstart;
	const struct backend_host *h = s->backend->host;
	if (w->ns == 0 || h == NULL)
		return;
	uint64_t now = clock_mono_ns();
	if (w->timer.fn == NULL)
		timer_init(&w->timer, next_part);
	atomic_store_explicit(&w->since_ns, out ? 0 : now, memory_order_relaxed);
	loop_timer_set(h->loop, &w->timer, out ? 0 : now + w->ns / SLOWSTART_WHOLE + 1);
}

void
slowstart_stop(struct server *s)
{
	if (s->slowstart.timer.fn != NULL)
		loop_timer_stop(s->backend->host->loop, &s->slowstart.timer);
}
