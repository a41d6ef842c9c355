// SPDX-License-Identifier: MIT
// Health as words: what checks found last stays, so that a new process does not take for healthy
// what the one before knew to be down. Points and their result are one word each, and what follows
// from them is derived anew: a process may be killed between two words.
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "proxy/health.h"
#include "proxy/kept_priv.h"
#include "proxy/proxy.h"

#define INFO_WORDS (HEALTH_INFO_BYTES / sizeof(struct metric))

struct check_state {
	struct metric points, rise, fall; // rise and fall as they were when points were counted
	struct metric status, code, duration_ms, stopping, enabled;
	struct metric conf_target; // hash of what is checked, as configured
	// Where it is asked, set by a command: family and port, 0 for as configured; 16 bytes of
	// the address. A process may be killed between two of these words: their sum tells.
	struct metric asked, asked_0, asked_1, asked_sum;
	struct metric info[INFO_WORDS];
};

#define WORD(m)                                                                             \
	{                                                                                   \
		.name = #m, .offset = offsetof(struct check_state, m), .kind = METRIC_GAUGE \
	}

static const struct metric_row state_rows[] = {
    WORD(points),      WORD(rise),     WORD(fall),      WORD(status),      WORD(code),
    WORD(duration_ms), WORD(stopping), WORD(enabled),   WORD(conf_target), WORD(asked),
    WORD(asked_0),     WORD(asked_1),  WORD(asked_sum), WORD(info),        {.name = NULL},
};

#define COUNTER(m)                                                                               \
	{                                                                                        \
		.name = #m, .offset = offsetof(struct check_counters, m), .kind = METRIC_COUNTER \
	}

const struct metric_row kept_check_rows[] = {COUNTER(failures),
					     COUNTER(downs),
					     COUNTER(down_ms),
					     COUNTER(observed),
					     {.name = "changed_real_ns",
					      .offset =
						  offsetof(struct check_counters, changed_real_ns),
					      .kind = METRIC_GAUGE},
					     {.name = NULL}};

const struct ledger_kind kept_check_kind = {"server-check", kept_check_rows,
					    sizeof(struct check_counters)};
const struct ledger_kind kept_backend_check_kind = {"backend-check", kept_check_rows,
						    sizeof(struct check_counters)};
const struct ledger_kind kept_check_state_kind = {"server-check-state", state_rows,
						  sizeof(struct check_state)};
const struct ledger_kind kept_agent_state_kind = {"server-agent-state", state_rows,
						  sizeof(struct check_state)};

// Another address, port or plan is another thing to know.
static uint64_t
target_of(const struct check *checked)
{
	char text[ADDR_TEXT_BYTES], addr[ADDR_TEXT_BYTES] = "";
	const char *written = kept_written_addr(checked->server, text);
	const struct check_conf *c = &checked->conf;
	if (c->addr.len != 0)
		(void)addr_text(&c->addr, addr); // fits
	uint64_t h = hash_str(str_from_c(written)) * 31 + hash_str(str_from_c(addr));
	return h * 31 + c->port;
}

static const struct metric_blocks *
blocks_of(const struct check *c)
{
	return c->agent != NULL ? &c->server->agent_state : &c->server->checked_state;
}

// --- where it is asked ---------------------------------------------------------------------------

#define ASKED_SET   (UINT64_C(1) << 63)
#define ASKED_SHIFT 16 // family above the port

struct asked {
	uint64_t what, at[2]; // as in check_state
};

static uint64_t
sum_of_asked(const struct asked *a)
{
	return hash_bytes((const char *)a, sizeof(*a), 1);
}

static struct asked
asked_of(const struct check *c)
{
	const struct addr *a = &c->conf.addr;
	struct asked out = {.what = ASKED_SET | c->conf.port};
	if (a->len == 0)
		return out;
	out.what |= (uint64_t)a->sa.sa_family << ASKED_SHIFT;
	if (a->sa.sa_family == AF_INET)
		memcpy(out.at, &a->in.sin_addr, sizeof(a->in.sin_addr));
	else
		memcpy(out.at, &a->in6.sin6_addr, sizeof(a->in6.sin6_addr));
	return out;
}

static void
keep_asked(const struct check *c, struct check_state *w)
{
	bool set = target_of(c) != METRIC_GET(&w->conf_target);
	struct asked a = set ? asked_of(c) : (struct asked){0};
	METRIC_SET(&w->asked, a.what);
	METRIC_SET(&w->asked_0, a.at[0]);
	METRIC_SET(&w->asked_1, a.at[1]);
	METRIC_SET(&w->asked_sum, sum_of_asked(&a));
}

// False: of no address that a command could have set.
static bool
addr_of_asked(const struct asked *a, struct addr *out)
{
	*out = (struct addr){0};
	switch ((a->what & ~ASKED_SET) >> ASKED_SHIFT) {
	case 0:
		return true;
	case AF_INET:
		out->len = sizeof(out->in);
		out->in.sin_family = AF_INET;
		memcpy(&out->in.sin_addr, a->at, sizeof(out->in.sin_addr));
		return true;
	case AF_INET6:
		out->len = sizeof(out->in6);
		out->in6.sin6_family = AF_INET6;
		memcpy(&out->in6.sin6_addr, a->at, sizeof(out->in6.sin6_addr));
		return true;
	default:
		return false;
	}
}

// --- keeping -------------------------------------------------------------------------------------

static void
keep(const struct check *c)
{
	if (c == NULL || blocks_of(c)->magic == 0)
		return;
	struct check_state *w = kept_state_of(blocks_of(c));
	const struct health *h = &c->health;
	uint32_t bits = atomic_load_explicit(&c->server->admin, memory_order_relaxed);
	uint64_t info[INFO_WORDS] = {0};
	memcpy(info, h->last.info, strnlen(h->last.info, sizeof(info) - 1));
	for (size_t i = 0; i < INFO_WORDS; i++)
		METRIC_SET(&w->info[i], info[i]);
	METRIC_SET(&w->rise, h->rise);
	METRIC_SET(&w->fall, h->fall);
	METRIC_SET(&w->points, h->points);
	METRIC_SET(&w->status, h->last.status);
	METRIC_SET(&w->code, h->last.code);
	METRIC_SET(&w->duration_ms, h->last.duration_ms);
	METRIC_SET(&w->stopping, (bits & SERVER_STOPPING) != 0);
	METRIC_SET(&w->enabled, c->enabled);
	keep_asked(c, w);
}

void
kept_health(const struct server *s)
{
	keep(s->check);
	keep(s->agent);
}

static void
note(const struct check *c)
{
	if (c == NULL)
		return;
	struct check_state *w = kept_state_of(blocks_of(c));
	METRIC_SET(&w->conf_target, target_of(c));
	keep(c);
}

void
kept_health_note(const struct server *s)
{
	note(s->check);
	note(s->agent);
}

// --- taking over ---------------------------------------------------------------------------------

static uint64_t
word_of(const struct kept *k, const struct ledger_object *o, const char *word)
{
	uint64_t v = 0;
	(void)ledger_get(k->last, str_from_c(o->kind->name), o->name, word, &v); // or it is 0
	return v;
}

// So many points on the way as there were, where rise and fall say something else by now.
static uint32_t
points_of(const struct health *h, uint64_t points, uint64_t rise, uint64_t fall)
{
	if (points < rise)
		return (uint32_t)MIN(points, (uint64_t)h->rise - 1);
	if (points >= rise + fall - 1)
		return h->rise + h->fall - 1;
	return h->rise + (uint32_t)MIN(points - rise, (uint64_t)h->fall - 1);
}

// Of a file that anybody may have damaged.
static bool
is_plausible(uint64_t points, uint64_t rise, uint64_t fall, uint64_t status)
{
	return rise >= 1 && rise <= HEALTH_MOST_COUNT && fall >= 1 && fall <= HEALTH_MOST_COUNT &&
	       points <= rise + fall - 1 && status < HEALTH_STATUSES &&
	       health_status_rows[status].word != NULL;
}

static void
take_finding(const struct kept *k, const struct ledger_object *o, struct health_finding *f)
{
	uint64_t info[INFO_WORDS];
	f->status = (enum health_status)word_of(k, o, "status");
	f->code = (uint16_t)word_of(k, o, "code");
	f->duration_ms = (int64_t)MIN(word_of(k, o, "duration_ms") + 1, (uint64_t)UINT32_MAX) - 1;
	if (!ledger_get_all(k->last, str_from_c(o->kind->name), o->name, "info", info, INFO_WORDS))
		return;
	memcpy(f->info, info, sizeof(f->info));
	f->info[sizeof(f->info) - 1] = '\0';
}

// Where the configuration says another thing to check than it said then, that counts.
static void
take_asked(struct kept *k, const struct ledger_object *o, struct check *c, bool unchanged)
{
	const char *kind = c->agent != NULL ? "agent" : "check";
	struct asked a = {word_of(k, o, "asked"),
			  {word_of(k, o, "asked_0"), word_of(k, o, "asked_1")}};
	char host[ADDR_TEXT_BYTES] = "its own";
	struct addr at;
	if (a.what == 0 || word_of(k, o, "asked_sum") != sum_of_asked(&a) ||
	    !addr_of_asked(&a, &at))
		return;
	if (at.len != 0)
		(void)addr_host_text(&at, host);
	unsigned port = a.what & UINT16_MAX;
	if (!unchanged) {
		log_msg(LOG_NOTICE,
			"%.*s: %s-addr %s %s-port %u were set while the configuration said "
			"another place to ask than it says now, which counts",
			STR_ARG(o->name), kind, host, kind, port);
		return;
	}
	sbuf_printf(&k->set, "%s%.*s %s-addr %s %s-port %u", k->n_set++ > 0 ? ", " : "",
		    STR_ARG(o->name), kind, host, kind, port);
	c->conf.addr = at;
	c->conf.port = (uint16_t)port;
	keep_asked(c, kept_state_of(blocks_of(c)));
}

// True: *points is what there was, and counts.
static bool
take(struct kept *k, const struct ledger_object *o, struct check *c, uint32_t *points_out)
{
	uint64_t points = word_of(k, o, "points"), rise = word_of(k, o, "rise");
	uint64_t fall = word_of(k, o, "fall"), status = word_of(k, o, "status");
	bool unchanged = word_of(k, o, "conf_target") == target_of(c);
	take_asked(k, o, c, unchanged);
	if (!unchanged || !is_plausible(points, rise, fall, status))
		return false;
	take_finding(k, o, &c->health.last);
	c->enabled = word_of(k, o, "enabled") != 0;
	*points_out = points_of(&c->health, points, rise, fall);
	return true;
}

// What an agent said counts in maintenance too.
void
kept_agent_take(struct kept *k, const struct ledger_object *o)
{
	struct server *s = CONTAINER_OF(o->blocks, struct server, agent_state);
	uint32_t bits = atomic_load_explicit(&s->admin, memory_order_relaxed);
	if (!take(k, o, s->agent, &s->agent->health.points))
		return;
	if (!(bits & SERVER_MAINT) && s->agent->enabled && !health_is_up(&s->agent->health))
		atomic_store_explicit(&s->admin, bits | SERVER_DOWN, memory_order_relaxed);
	keep(s->agent);
	backend_changed(s->backend);
}

void
kept_health_take(struct kept *k, const struct ledger_object *o)
{
	struct server *s = CONTAINER_OF(o->blocks, struct server, checked_state);
	struct health *h = &s->check->health;
	uint32_t bits = atomic_load_explicit(&s->admin, memory_order_relaxed), points;
	if (!take(k, o, s->check, &points))
		return;
	h->points = bits & SERVER_MAINT ? 0 : points;
	if (bits & SERVER_MAINT)
		return;
	if (!health_is_up(h))
		bits |= SERVER_DOWN;
	else if (word_of(k, o, "stopping") != 0)
		bits |= SERVER_STOPPING;
	atomic_store_explicit(&s->admin, bits, memory_order_relaxed);
	keep(s->check);
	backend_changed(s->backend);
}

// Since when it serves, or does not.
void
kept_backend_take(struct kept *k, const struct ledger_object *o)
{
	struct backend *b = CONTAINER_OF(o->blocks, struct backend, checked);
	struct check_counters *c = metrics_of(&b->checked, 0);
	uint64_t at = word_of(k, o, "changed_real_ns");
	if (at == 0)
		return;
	atomic_store_explicit(&b->changed_real_ns, at, memory_order_relaxed);
	METRIC_SET(&c->changed_real_ns, at);
}
