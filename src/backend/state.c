// SPDX-License-Identifier: MIT
// Whether servers serve: their bits, who tracks whom, and what is counted of it.
#include "backend/backend.h"
#include "backend/check.h"
#include "base/clock.h"

// --- counting ------------------------------------------------------------------------------------

// NULL before they are made.
static struct check_counters *
counters_of(const struct metric_blocks *b)
{
	return b->magic != 0 ? metrics_of(b, 0) : NULL;
}

uint64_t
check_count_at(const struct metric_blocks *blocks, size_t offset)
{
	const struct metric_row row = {.offset = offset, .kind = METRIC_COUNTER};
	return blocks->magic != 0 ? metrics_read(blocks, &row) : 0;
}

static uint64_t
ms_since(const _Atomic uint64_t *real_ns)
{
	uint64_t now = clock_real_ns(), at = atomic_load_explicit(real_ns, memory_order_relaxed);
	return now > at ? (now - at) / NS_PER_MS : 0;
}

// Out of service or back: counts it.
static void
count_turn(const struct metric_blocks *b, _Atomic uint64_t *changed_real_ns, bool out)
{
	struct check_counters *c = counters_of(b);
	if (c != NULL && out)
		METRIC_ADD(&c->downs, 1);
	else if (c != NULL)
		METRIC_ADD(&c->down_ms, ms_since(changed_real_ns));
	uint64_t now = clock_real_ns();
	atomic_store_explicit(changed_real_ns, now, memory_order_relaxed);
	if (c != NULL)
		METRIC_SET(&c->changed_real_ns, now);
}

static bool
is_out(uint32_t bits)
{
	return (bits & SERVER_OUT_BITS) != 0;
}

static void
tell_turn(struct server *s, bool out)
{
	const struct backend_host *h = s->backend->host;
	count_turn(&s->checked, &s->changed_real_ns, out);
	slowstart_turn(s, out);
	if (h != NULL)
		(out ? h->left : h->returned)(h->arg, s);
}

void
server_put_bits(struct server *s, uint32_t bits)
{
	uint32_t before = atomic_load_explicit(&s->admin, memory_order_relaxed);
	atomic_store_explicit(&s->admin, bits, memory_order_relaxed);
	if (is_out(bits) != is_out(before))
		tell_turn(s, is_out(bits));
	else if (bits != before && !is_out(bits)) // a stay outside is one
		atomic_store_explicit(&s->changed_real_ns, clock_real_ns(), memory_order_relaxed);
}

void
server_count_failure(struct server *s)
{
	struct check_counters *c = counters_of(&s->checked);
	if (c != NULL)
		METRIC_ADD(&c->failures, 1);
}

void
server_count_observed(struct server *s)
{
	struct check_counters *c = counters_of(&s->checked);
	if (c != NULL)
		METRIC_ADD(&c->observed, 1);
}

uint64_t
server_down_ms(const struct server *s)
{
	uint64_t ms = check_count(&s->checked, down_ms);
	bool out = is_out(atomic_load_explicit(&s->admin, memory_order_relaxed));
	return out ? ms + ms_since(&s->changed_real_ns) : ms;
}

uint64_t
backend_down_ms(const struct backend *b)
{
	uint64_t ms = check_count(&b->checked, down_ms);
	bool out =
	    b->n_servers > 0 && atomic_load_explicit(&b->n_usable, memory_order_relaxed) == 0;
	return out ? ms + ms_since(&b->changed_real_ns) : ms;
}

void
backend_begin(struct backend *b)
{
	atomic_store_explicit(&b->n_usable, backend_usable_servers(b), memory_order_relaxed);
	if (atomic_load_explicit(&b->changed_real_ns, memory_order_relaxed) == 0)
		atomic_store_explicit(&b->changed_real_ns, clock_real_ns(), memory_order_relaxed);
}

// Whether any server is there at all is the backend's own state.
void
backend_note_usable(struct backend *b)
{
	uint32_t now = backend_usable_servers(b);
	uint32_t before = atomic_exchange_explicit(&b->n_usable, now, memory_order_relaxed);
	if ((now == 0) == (before == 0))
		return;
	count_turn(&b->checked, &b->changed_real_ns, now == 0);
	if (now == 0)
		b->host->emptied(b->host->arg, b);
}

// --- tracking ------------------------------------------------------------------------------------

static uint32_t
bits_by_tracking(const struct server *s)
{
	uint32_t own = atomic_load_explicit(&s->admin, memory_order_relaxed) & SERVER_ADMIN_BITS;
	uint32_t of = atomic_load_explicit(&s->track->admin, memory_order_relaxed);
	uint32_t bits = own | (of & SERVER_HEALTH_BITS);
	if (of & (SERVER_MAINT | SERVER_MAINT_VIA))
		bits |= SERVER_MAINT_VIA;
	if (of & (SERVER_DRAIN | SERVER_DRAIN_VIA))
		bits |= SERVER_DRAIN_VIA;
	return bits;
}

static void
set_bits(struct server *s, uint32_t bits, enum server_set_by by)
{
	const struct backend_host *h = s->backend->host;
	uint32_t before = atomic_load_explicit(&s->admin, memory_order_relaxed);
	server_put_bits(s, bits);
	if (h != NULL && before != bits)
		h->set(h->arg, s, before, by);
	server_announce(s);
}

static void
follow(struct server *s)
{
	uint32_t bits = bits_by_tracking(s);
	if (atomic_load_explicit(&s->admin, memory_order_relaxed) != bits)
		set_bits(s, bits, SERVER_SET_BY_TRACKING);
}

void
server_announce(struct server *s)
{
	for (struct server *t = s->trackers; t != NULL; t = t->next_tracker)
		follow(t); // chains have no loops: conf_health_server.c
	backend_changed(s->backend);
}

void
server_follow_quietly(struct server *s)
{
	if (s->track == NULL)
		return;
	server_follow_quietly(s->track);
	atomic_store_explicit(&s->admin, bits_by_tracking(s), memory_order_relaxed);
}

// --- an operator's words -------------------------------------------------------------------------

static const struct {
	struct str name;
	uint32_t bits;
} states[] = {
    {{"ready", 5}, 0},
    {{"drain", 5}, SERVER_DRAIN},
    {{"maint", 5}, SERVER_MAINT},
};

// What it was before its maintenance says nothing any more.
static uint32_t
begin_health_anew(struct server *s, uint32_t bits)
{
	const struct check *agent = s->agent; // it is asked all the time, and knows
	if (s->check != NULL) {
		check_drop(s->check);
		s->check->health.points = bits & SERVER_MAINT ? 0 : s->check->health.rise;
	}
	bits &= ~(uint32_t)SERVER_HEALTH_BITS;
	if (!(bits & SERVER_MAINT) && agent != NULL && agent->enabled &&
	    !health_is_up(&agent->health))
		bits |= SERVER_DOWN;
	return bits;
}

static void
set_state(struct server *s, uint32_t state, enum server_set_by by)
{
	uint32_t before = atomic_load_explicit(&s->admin, memory_order_relaxed);
	uint32_t after = (before & ~(uint32_t)SERVER_ADMIN_BITS) | state;
	if ((s->check != NULL || s->agent != NULL) && (before ^ after) & SERVER_MAINT)
		after = begin_health_anew(s, after);
	set_bits(s, after, by);
}

void
server_set_state_by_agent(struct server *s, struct str state)
{
	uint32_t bits = atomic_load_explicit(&s->admin, memory_order_relaxed);
	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		if (str_eq_nocase(states[i].name, state) &&
		    (bits & SERVER_ADMIN_BITS) != states[i].bits)
			set_state(s, states[i].bits, SERVER_SET_BY_AGENT);
}

bool
server_set_state(struct server *s, struct str state, struct err *err)
{
	CHECK_MAGIC(s, SERVER_MAGIC);
	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		if (!str_eq(states[i].name, state))
			continue;
		set_state(s, states[i].bits, SERVER_SET_BY_OPERATOR);
		return true;
	}
	return err_set(err,
		       "'set server <srv> state' expects 'ready', 'drain' or 'maint', not '%.*s'",
		       STR_ARG(state));
}

const char *
server_state_name(const struct server *s)
{
	uint32_t bits = atomic_load_explicit(&s->admin, memory_order_relaxed);
	if (bits & (SERVER_MAINT | SERVER_MAINT_VIA))
		return "MAINT";
	if (bits & SERVER_DOWN)
		return "DOWN";
	if (bits & (SERVER_DRAIN | SERVER_DRAIN_VIA))
		return "DRAIN";
	if (bits & SERVER_STOPPING)
		return "NOLB";
	return "UP";
}
