// SPDX-License-Identifier: MIT
// Where the configuration says another than it said when a state was set, the configuration has the
// last word, else what was set.
#include "proxy/kept_priv.h"

#include <stdio.h>

#include "base/log.h"
#include "proxy/proxy.h"

#define WORD_TEXT_BYTES 24

static const char *
word_text(const char *word, uint64_t v, char text[WORD_TEXT_BYTES])
{
	if (strcmp(word, "disabled") == 0)
		return v != 0 ? "yes" : "no";
	if (strcmp(word, "admin") != 0) {
		(void)snprintf(text, WORD_TEXT_BYTES, "%llu", (unsigned long long)v);
		return text;
	}
	return v & SERVER_MAINT ? "maint" : v & SERVER_DRAIN ? "drain" : "ready";
}

// What was set counts where the configuration says what it said then; either way it is told.
static bool
counts(struct kept *k, struct str object, const char *what, bool unchanged, const char *set,
       const char *then, const char *now)
{
	if (unchanged)
		sbuf_printf(&k->set, "%s%.*s %s %s", k->n_set++ > 0 ? ", " : "", STR_ARG(object),
			    what, set);
	else
		log_msg(LOG_NOTICE,
			"%.*s: %s was set to %s while the configuration said %s; it says %s now, "
			"which counts",
			STR_ARG(object), what, set, then, now);
	return unchanged;
}

// True: *out is what was set, and counts.
static bool
was_set(struct kept *k, const struct ledger_object *o, const char *word, const char *conf_word,
	uint64_t configured, uint64_t *out)
{
	const struct ledger *l = k->last;
	uint64_t then;
	struct str kind = str_from_c(o->kind->name);
	if (!ledger_get(l, kind, o->name, word, out) ||
	    !ledger_get(l, kind, o->name, conf_word, &then) || *out == then)
		return false;
	char texts[3][WORD_TEXT_BYTES];
	return counts(k, o->name, strcmp(word, "admin") == 0 ? "state" : word, then == configured,
		      word_text(word, *out, texts[0]), word_text(word, then, texts[1]),
		      word_text(word, configured, texts[2]));
}

static bool
get_text(const struct kept *k, struct str name, const char *word, char text[ADDR_TEXT_BYTES])
{
	uint64_t words[ADDR_WORDS];
	if (!ledger_get_all(k->last, STR("server-state"), name, word, words, ADDR_WORDS))
		return false;
	memcpy(text, words, sizeof(words));
	text[ADDR_TEXT_BYTES - 1] = '\0';
	return true;
}

// Its process may still be writing. Empty: none was set.
static bool
get_addr(const struct kept *k, struct str name, char text[ADDR_TEXT_BYTES])
{
	uint64_t turn, again = 0;
	for (int tries = 0; tries < 16; tries++) {
		if (!ledger_get(k->last, STR("server-state"), name, "addr_turn", &turn))
			return false;
		atomic_thread_fence(memory_order_acquire);
		if (!get_text(k, name, turn & 1 ? "addr_1" : "addr_0", text))
			return false;
		atomic_thread_fence(memory_order_acquire);
		if (ledger_get(k->last, STR("server-state"), name, "addr_turn", &again) &&
		    again == turn)
			return true;
	}
	return false;
}

static void
take_addr(struct kept *k, const struct ledger_object *o, struct server *s)
{
	char set[ADDR_TEXT_BYTES], then[ADDR_TEXT_BYTES], text[ADDR_TEXT_BYTES];
	const char *now = kept_written_addr(s, text);
	struct addr a;
	struct err err;
	if (!get_addr(k, o->name, set) || set[0] == '\0' ||
	    !get_text(k, o->name, "conf_addr", then))
		return;
	if (!server_addr_parse_text(str_from_c(set), &a, &err) || !server_addr_suits(s, &a, &err)) {
		log_msg(LOG_WARNING, "%.*s: the address that was set is lost: %s", STR_ARG(o->name),
			err.text);
		return;
	}
	if (!counts(k, o->name, "address", strcmp(then, now) == 0, set, then, now))
		return;
	server_addr_free(s, server_addr_publish(s, &a)); // nobody reads yet
	kept_server_addr(s);
}

static void
take_server(struct kept *k, const struct ledger_object *o)
{
	struct server *s = CONTAINER_OF(o->blocks, struct server, state);
	const struct server_state *w = kept_state_of(&s->state);
	uint64_t v;
	if (was_set(k, o, "admin", "conf_admin", METRIC_GET(&w->conf_admin), &v))
		atomic_store_explicit(&s->admin, (uint32_t)v & (SERVER_MAINT | SERVER_DRAIN),
				      memory_order_relaxed);
	if (was_set(k, o, "weight", "conf_weight", METRIC_GET(&w->conf_weight), &v))
		atomic_store_explicit(&s->weight, (uint32_t)MIN(v, (uint64_t)BACKEND_WEIGHT_MAX),
				      memory_order_relaxed);
	if (was_set(k, o, "maxconn", "conf_maxconn", METRIC_GET(&w->conf_maxconn), &v))
		server_set_maxconn(s, (uint32_t)MIN(v, (uint64_t)INT32_MAX));
	take_addr(k, o, s);
	if (ledger_get(k->last, STR("server-state"), o->name, "changed_real_ns", &v))
		atomic_store_explicit(&s->changed_real_ns, v, memory_order_relaxed);
	backend_changed(s->backend);
}

static void
take_frontend(struct kept *k, const struct ledger_object *o)
{
	struct proxy *p = CONTAINER_OF(o->blocks, struct proxy, fe_state);
	uint64_t v;
	if (was_set(k, o, "maxconn", "conf_maxconn", p->maxconn, &v))
		limit_set(&p->limit->conns, (uint32_t)MIN(v, (uint64_t)INT32_MAX),
			  &p->limit->waits);
	if (was_set(k, o, "disabled", "conf_disabled", 0, &v))
		atomic_store_explicit(&p->limit->closed, FRONTEND_DISABLED, memory_order_relaxed);
	kept_frontend(p);
}

void
kept_states_take(struct kept *k)
{
	for (size_t i = 0; i < k->n_objects; i++) {
		const struct ledger_object *o = &k->objects[i];
		if (o->kind == &kept_server_kind)
			take_server(k, o);
		else if (o->kind == &kept_frontend_kind)
			take_frontend(k, o);
		else if (o->kind == &kept_check_state_kind)
			kept_health_take(k, o); // behind its server's
		else if (o->kind == &kept_agent_state_kind)
			kept_agent_take(k, o); // behind that
		else if (o->kind == &kept_backend_check_kind)
			kept_backend_take(k, o);
	}
	if (k->n_set > 0)
		log_msg(LOG_NOTICE, "as it was set at run time: %.*s%s", STR_ARG(sbuf_str(&k->set)),
			k->set.full ? " ..." : "");
}
