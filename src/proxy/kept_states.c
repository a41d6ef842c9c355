// SPDX-License-Identifier: MIT
// States lie in the ledger as words of kinds of their own, each beside what the configuration said.
#include "proxy/kept_priv.h"

#include "proxy/proxy.h"

#define WORD(type, m)                                                                \
	{                                                                            \
		.name = #m, .offset = offsetof(struct type, m), .kind = METRIC_GAUGE \
	}

static const struct metric_row server_state_rows[] = {
    WORD(server_state, admin),           WORD(server_state, weight),
    WORD(server_state, maxconn),         WORD(server_state, conf_admin),
    WORD(server_state, conf_weight),     WORD(server_state, conf_maxconn),
    WORD(server_state, changed_real_ns), WORD(server_state, addr_turn),
    WORD(server_state, addr_0),          WORD(server_state, addr_1),
    WORD(server_state, conf_addr),       {.name = NULL},
};

static const struct metric_row frontend_state_rows[] = {
    WORD(frontend_state, maxconn),
    WORD(frontend_state, conf_maxconn),
    WORD(frontend_state, disabled),
    WORD(frontend_state, conf_disabled), // 0: the configuration has no word for it
    {.name = NULL},
};

const struct ledger_kind kept_server_kind = {"server-state", server_state_rows,
					     sizeof(struct server_state)};
const struct ledger_kind kept_frontend_kind = {"frontend-state", frontend_state_rows,
					       sizeof(struct frontend_state)};

// --- what was set --------------------------------------------------------------------------------

void *
kept_state_of(const struct metric_blocks *b)
{
	return b->mem;
}

static void
put_text(struct metric words[ADDR_WORDS], const char *text)
{
	uint64_t bytes[ADDR_WORDS] = {0};
	memcpy(bytes, text, strnlen(text, sizeof(bytes) - 1));
	for (size_t i = 0; i < ADDR_WORDS; i++)
		METRIC_SET(&words[i], bytes[i]);
}

void
kept_server_addr(const struct server *s)
{
	struct server_state *w = kept_state_of(&s->state);
	const struct server_addr *a = server_addr(s);
	bool configured = addr_eq(&a->addr, &s->addr_configured->addr);
	uint64_t turn = METRIC_GET(&w->addr_turn) + 1;
	// Nobody sees the old place change before it sees that it is the old one.
	atomic_thread_fence(memory_order_release);
	put_text(turn & 1 ? w->addr_1 : w->addr_0, configured ? "" : a->text);
	atomic_store_explicit(&w->addr_turn.v, turn, memory_order_release);
}

const char *
kept_written_addr(const struct server *s, char text[ADDR_TEXT_BYTES])
{
	if (s->addr_written.n == 0 || s->addr_written.n >= ADDR_TEXT_BYTES)
		return s->addr_configured->text;
	memcpy(text, s->addr_written.p, s->addr_written.n);
	text[s->addr_written.n] = '\0';
	return text;
}

static void
keep_server(const struct server *s)
{
	struct server_state *w = kept_state_of(&s->state);
	// What checks found is another thing (kept_health.c).
	METRIC_SET(&w->admin,
		   atomic_load_explicit(&s->admin, memory_order_relaxed) & SERVER_ADMIN_BITS);
	METRIC_SET(&w->weight, atomic_load_explicit(&s->weight, memory_order_relaxed));
	METRIC_SET(&w->maxconn, atomic_load_explicit(&s->limit.max, memory_order_relaxed));
	METRIC_SET(&w->changed_real_ns,
		   atomic_load_explicit(&s->changed_real_ns, memory_order_relaxed));
}

static void
keep_backend(const struct backend *b)
{
	for (size_t i = 0; i < b->n_servers; i++)
		keep_server(b->servers[i]);
}

void
kept_frontend(const struct proxy *p)
{
	struct frontend_state *w = kept_state_of(&p->fe_state);
	METRIC_SET(&w->maxconn, atomic_load_explicit(&p->limit->conns.max, memory_order_relaxed));
	METRIC_SET(&w->disabled, atomic_load_explicit(&p->limit->closed, memory_order_relaxed) &
				     FRONTEND_DISABLED);
}

static void
note_configuration(struct proxy *p)
{
	if (p->caps & PROXY_FRONTEND) {
		struct frontend_state *w = kept_state_of(&p->fe_state);
		METRIC_SET(&w->conf_maxconn, p->maxconn);
		METRIC_SET(&w->maxconn, p->maxconn);
	}
	for (size_t i = 0; p->backend != NULL && i < p->backend->n_servers; i++) {
		const struct server *s = p->backend->servers[i];
		struct server_state *w = kept_state_of(&s->state);
		keep_server(s);
		METRIC_SET(&w->conf_admin, METRIC_GET(&w->admin));
		METRIC_SET(&w->conf_weight, METRIC_GET(&w->weight));
		METRIC_SET(&w->conf_maxconn, METRIC_GET(&w->maxconn));
		char text[ADDR_TEXT_BYTES];
		put_text(w->conf_addr, kept_written_addr(s, text));
		kept_health_note(s);
	}
	if (p->backend != NULL)
		p->backend->changed = keep_backend;
}

void
kept_states_note(struct proxy_set *set)
{
	for (size_t i = 0; i < set->n_all; i++)
		note_configuration(set->all[i]);
}
