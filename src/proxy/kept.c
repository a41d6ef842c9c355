// SPDX-License-Identifier: MIT
// States lie in the ledger as words of kinds of their own, each beside what the configuration said:
// where that is another by now, the configuration has the last word, else what was set.
#include "proxy/kept.h"

#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/sbuf.h"
#include "metrics/ledger.h"
#include "proxy/proxy.h"
#include "proxy/rule_count.h"
#include "proxy/server_addr.h"

// An address as text, filled up with zeros.
#define ADDR_WORDS (ADDR_TEXT_BYTES / sizeof(struct metric))

// What was set, and what the configuration said. A process may be killed while it writes, or
// another read meanwhile: of the two places of an address, the one that addr_turn's last bit names
// is whole.
struct server_state {
	struct metric admin, weight, maxconn;
	struct metric conf_admin, conf_weight, conf_maxconn;
	struct metric changed_real_ns;
	struct metric addr_turn;
	struct metric addr_0[ADDR_WORDS], addr_1[ADDR_WORDS]; // empty: as configured
	struct metric conf_addr[ADDR_WORDS];                  // as written
};

struct frontend_state {
	struct metric maxconn, conf_maxconn;
};

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
    {.name = NULL},
};

// The refusals by reason have no row of their own for renderers.
struct kept {
	bool made;
	struct ledger *ledger;
	struct ledger **before;
	const struct ledger *last; // of them: whose states count
	size_t n_before, cap_before;
	struct metric_row *process_rows;
	char *process_names;
	struct ledger_kind process;
	struct ledger_object *objects;
	size_t n_objects, cap_objects;
	struct hash_map servers, listeners, rules; // names of theirs
	struct sbuf lost, set;                     // names, for the log
	unsigned n_lost, n_set;
};

#define REASON_NAME_BYTES 64
#define MOST_RULE_BYTES   65536u

static const struct ledger_kind frontend_kind = {"frontend", stats_fe_rows,
						 sizeof(struct fe_counters)};
static const struct ledger_kind listener_kind = {"listener", stats_listener_rows,
						 sizeof(struct listener_counters)};
static const struct ledger_kind backend_kind = {"backend", stats_be_rows,
						sizeof(struct be_counters)};
static const struct ledger_kind server_kind = {"server", stats_srv_rows,
					       sizeof(struct be_counters)};
static const struct ledger_kind rule_kind = {"rule", rule_count_rows, sizeof(struct metric)};
static const struct ledger_kind server_state_kind = {"server-state", server_state_rows,
						     sizeof(struct server_state)};
static const struct ledger_kind frontend_state_kind = {"frontend-state", frontend_state_rows,
						       sizeof(struct frontend_state)};

// --- objects -------------------------------------------------------------------------------------

static void
name_reasons(struct kept *k, size_t at, const char *prefix, size_t offset)
{
	for (unsigned i = 0; i < HTTP_REASONS; i++) {
		char *name = k->process_names + (at + i) * REASON_NAME_BYTES;
		(void)snprintf(name, REASON_NAME_BYTES, "%s.%s", prefix, http_reason(i)->name);
		k->process_rows[at + i] =
		    (struct metric_row){.name = name,
					.offset = offset + i * sizeof(struct metric),
					.kind = METRIC_COUNTER};
	}
}

static void
make_process_kind(struct kept *k)
{
	size_t n = 0;
	while (stats_proc_rows[n].name != NULL)
		n++;
	size_t all = n + 2 * HTTP_REASONS;
	k->process_rows = mem_zalloc((all + 1) * sizeof(*k->process_rows));
	k->process_names = mem_zalloc(all * REASON_NAME_BYTES);
	memcpy(k->process_rows, stats_proc_rows, n * sizeof(*k->process_rows));
	name_reasons(k, n, "bad_request", offsetof(struct proc_counters, bad_request));
	name_reasons(k, n + HTTP_REASONS, "bad_response",
		     offsetof(struct proc_counters, bad_response));
	k->process = (struct ledger_kind){"process", k->process_rows, sizeof(struct proc_counters)};
}

static void
add(struct kept *k, const struct ledger_kind *kind, struct str name, struct metric_blocks *blocks)
{
	VEC_GROW(k->objects, k->cap_objects, k->n_objects);
	k->objects[k->n_objects++] =
	    (struct ledger_object){.kind = kind, .name = name, .blocks = blocks};
}

// Puts it there once; the map owns it then.
static bool
claim_name(struct hash_map *names, struct str name)
{
	if (hash_map_get(names, name) != NULL)
		return false;
	return hash_map_put(names, name, MEM_NEW(size_t));
}

// "proxy/what", of a second one "proxy/what#2", in memory that goes with `names`.
static struct str
unique_name(struct hash_map *names, struct str proxy, struct str what)
{
	size_t room = proxy.n + what.n + sizeof("/#18446744073709551615");
	char *p = mem_alloc(room);
	int n = snprintf(p, room, "%.*s/%.*s", STR_ARG(proxy), STR_ARG(what));
	size_t *more = hash_map_get(names, str_of(p, (size_t)n)); // than one of that name
	for (struct str name; !claim_name(names, name = str_of(p, (size_t)n));)
		n = snprintf(p, room, "%.*s/%.*s#%zu", STR_ARG(proxy), STR_ARG(what), ++*more + 1);
	return str_of(p, (size_t)n);
}

static void
free_names(struct hash_map *names)
{
	for (size_t i = 0; i < names->n_slots; i++) {
		mem_free((void *)(uintptr_t)names->slots[i].key.p);
		mem_free(names->slots[i].value);
	}
	hash_map_fini(names);
}

static void
add_server(struct kept *k, struct server *s)
{
	struct str name = unique_name(&k->servers, s->backend->name, s->name);
	add(k, &server_kind, name, &s->stats);
	add(k, &server_state_kind, name, &s->state);
}

static void
add_listener(struct kept *k, struct bind *b)
{
	struct str proxy = b->frontend->name, what = b->name.n > 0 ? b->name : b->text;
	struct str name = unique_name(&k->listeners, proxy, what);
	b->stat_name = str_slice(name, proxy.n + 1, name.n);
	add(k, &listener_kind, name, &b->stats);
}

static void
add_frontend(struct kept *k, struct proxy *p)
{
	add(k, &frontend_kind, p->name, &p->fe_stats);
	add(k, &frontend_state_kind, p->name, &p->fe_state);
	for (struct bind *b = p->binds; b != NULL; b = b->next)
		add_listener(k, b);
}

// Two rules may look alike in an explanation, which leaves out what an action is given; the words
// of their lines tell them apart, without going into the log with what may be secret in them.
static void
add_rule(struct kept *k, struct counted_rule *c)
{
	uint64_t words = c->rule != NULL ? c->rule->words : c->use->words;
	struct sbuf text;
	sbuf_init(&text, MOST_RULE_BYTES);
	counted_rule_print(c, &text);
	sbuf_printf(&text, " (%08x)", (uint32_t)words);
	add(k, &rule_kind, unique_name(&k->rules, c->proxy->name, sbuf_str(&text)), &c->applied);
	sbuf_fini(&text);
}

static void
add_rules(struct kept *k, struct proxy_set *set)
{
	rule_counts_make(set);
	for (size_t i = 0; i < set->rules->n; i++)
		add_rule(k, &set->rules->all[i]);
}

static void
add_objects(struct kept *k, struct proxy_set *set)
{
	make_process_kind(k);
	add(k, &k->process, STR(""), &set->stats);
	for (size_t i = 0; i < set->n_all; i++) {
		struct proxy *p = set->all[i];
		if (p->caps & PROXY_FRONTEND)
			add_frontend(k, p);
		if (p->backend == NULL)
			continue;
		add(k, &backend_kind, p->name, &p->be_stats);
		for (size_t j = 0; j < p->backend->n_servers; j++)
			add_server(k, p->backend->servers[j]);
	}
	add_rules(k, set); // the last, so that the log names greater things first
}

static void
free_objects(struct kept *k)
{
	free_names(&k->servers);
	free_names(&k->listeners);
	free_names(&k->rules);
	mem_free(k->objects);
	mem_free(k->process_rows);
	mem_free(k->process_names);
}

// --- states --------------------------------------------------------------------------------------

// The one word of a state: the first worker's block, whoever writes.
static void *
state_of(const struct metric_blocks *b)
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
	struct server_state *w = state_of(&s->state);
	const struct server_addr *a = server_addr(s);
	bool configured = addr_eq(&a->addr, &s->addr_configured->addr);
	uint64_t turn = METRIC_GET(&w->addr_turn) + 1;
	// Nobody sees the old place change before it sees that it is the old one.
	atomic_thread_fence(memory_order_release);
	put_text(turn & 1 ? w->addr_1 : w->addr_0, configured ? "" : a->text);
	atomic_store_explicit(&w->addr_turn.v, turn, memory_order_release);
}

// What the configuration says of its address: a name that stands for another address by now is not
// another word. One too long to be kept is known by its address.
static const char *
written_addr(const struct server *s, char text[ADDR_TEXT_BYTES])
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
	struct server_state *w = state_of(&s->state);
	METRIC_SET(&w->admin, atomic_load_explicit(&s->admin, memory_order_relaxed));
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
	struct frontend_state *w = state_of(&p->fe_state);
	METRIC_SET(&w->maxconn, atomic_load_explicit(&p->limit->conns.max, memory_order_relaxed));
}

static void
note_configuration(struct proxy *p)
{
	if (p->caps & PROXY_FRONTEND) {
		struct frontend_state *w = state_of(&p->fe_state);
		METRIC_SET(&w->conf_maxconn, p->maxconn);
		METRIC_SET(&w->maxconn, p->maxconn);
	}
	for (size_t i = 0; p->backend != NULL && i < p->backend->n_servers; i++) {
		const struct server *s = p->backend->servers[i];
		struct server_state *w = state_of(&s->state);
		keep_server(s);
		METRIC_SET(&w->conf_admin, METRIC_GET(&w->admin));
		METRIC_SET(&w->conf_weight, METRIC_GET(&w->weight));
		METRIC_SET(&w->conf_maxconn, METRIC_GET(&w->maxconn));
		char text[ADDR_TEXT_BYTES];
		put_text(w->conf_addr, written_addr(s, text));
	}
	if (p->backend != NULL)
		p->backend->changed = keep_backend;
}

// --- making --------------------------------------------------------------------------------------

static void
init_rest(struct metric_blocks *b, size_t bytes, unsigned n_workers)
{
	if (b->magic == 0)
		metrics_init(b, bytes, n_workers);
}

static void
init_others(struct proxy_set *set, unsigned n_workers)
{
	init_rest(&set->stats, sizeof(struct proc_counters), n_workers);
	rule_counts_init_rest(set->rules, n_workers);
	for (size_t i = 0; i < set->n_all; i++) {
		struct proxy *p = set->all[i];
		init_rest(&p->fe_stats, sizeof(struct fe_counters), n_workers);
		for (struct bind *b = p->binds; b != NULL; b = b->next)
			init_rest(&b->stats, sizeof(struct listener_counters), n_workers);
		init_rest(&p->fe_state, sizeof(struct frontend_state), 1);
		init_rest(&p->be_stats, sizeof(struct be_counters), n_workers);
		for (size_t j = 0; p->backend != NULL && j < p->backend->n_servers; j++) {
			struct server *s = p->backend->servers[j];
			init_rest(&s->stats, sizeof(struct be_counters), n_workers);
			init_rest(&s->state, sizeof(struct server_state), 1);
		}
	}
}

static struct kept *
kept_of(struct proxy_set *set)
{
	if (set->kept == NULL) {
		set->kept = MEM_NEW(struct kept);
		sbuf_init(&set->kept->lost, 512);
		sbuf_init(&set->kept->set, 512);
	}
	return set->kept;
}

void
kept_add(struct proxy_set *set, const struct ledger_kind *kind, struct str name,
	 struct metric_blocks *blocks)
{
	add(kept_of(set), kind, name, blocks);
}

static bool
make_ledger(struct kept *k, struct proxy_set *set, unsigned n_workers, struct err *err)
{
	int fd = set->kept_file(set, ledger_bytes(k->objects, k->n_objects, n_workers), err);
	if (fd < 0)
		return false;
	k->ledger = ledger_new(fd, k->objects, k->n_objects, n_workers, err);
	(void)close(fd); // mapped
	return k->ledger != NULL;
}

bool
kept_init(struct proxy_set *set, unsigned n_workers, struct err *err)
{
	struct kept *k = kept_of(set);
	k->made = true;
	add_objects(k, set);
	bool good = set->kept_file == NULL || make_ledger(k, set, n_workers, err);
	init_others(set, n_workers);
	for (size_t i = 0; i < set->n_all; i++)
		note_configuration(set->all[i]);
	return good;
}

static void
fini_blocks(struct proxy_set *set)
{
	metrics_fini(&set->stats);
	for (size_t i = 0; i < set->n_all; i++) {
		struct proxy *p = set->all[i];
		metrics_fini(&p->fe_stats);
		metrics_fini(&p->fe_state);
		for (struct bind *b = p->binds; b != NULL; b = b->next)
			metrics_fini(&b->stats);
		metrics_fini(&p->be_stats);
		for (size_t j = 0; p->backend != NULL && j < p->backend->n_servers; j++) {
			metrics_fini(&p->backend->servers[j]->stats);
			metrics_fini(&p->backend->servers[j]->state);
		}
	}
}

void
kept_fini(struct proxy_set *set)
{
	struct kept *k = set->kept;
	set->kept = NULL;
	if (k == NULL)
		return;
	if (k->made)
		fini_blocks(set);
	rule_counts_free(set);
	ledger_free(&k->ledger);
	for (size_t i = 0; i < k->n_before; i++)
		ledger_free(&k->before[i]);
	free_objects(k);
	sbuf_fini(&k->lost);
	sbuf_fini(&k->set);
	mem_free(k->before);
	mem_free(k);
}

// --- taking over ---------------------------------------------------------------------------------

#define WORD_TEXT_BYTES 24

static const char *
word_text(const char *word, uint64_t v, char text[WORD_TEXT_BYTES])
{
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
	const char *now = written_addr(s, text);
	struct addr a;
	struct err err;
	if (!get_addr(k, o->name, set) || set[0] == '\0' ||
	    !get_text(k, o->name, "conf_addr", then))
		return;
	if (!server_addr_parse_text(str_from_c(set), &a, &err)) {
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
	const struct server_state *w = state_of(&s->state);
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
	if (!was_set(k, o, "maxconn", "conf_maxconn", p->maxconn, &v))
		return;
	limit_set(&p->limit->conns, (uint32_t)MIN(v, (uint64_t)INT32_MAX), &p->limit->waits);
	kept_frontend(p);
}

static void
note_lost(void *arg, struct str kind, struct str name)
{
	struct kept *k = arg;
	if (str_ends(kind, STR("-state")))
		return; // told with its counters
	sbuf_printf(&k->lost, "%s%.*s %.*s", k->n_lost > 0 ? ", " : "", STR_ARG(kind),
		    STR_ARG(name));
	k->n_lost++;
}

static void
tell_lost(const struct kept *k)
{
	if (k->n_lost > 0)
		log_msg(LOG_NOTICE,
			"the counters of %u object%s end, which the configuration has no "
			"more: %.*s%s",
			k->n_lost, k->n_lost == 1 ? "" : "s", STR_ARG(sbuf_str(&k->lost)),
			k->lost.full ? " ..." : "");
}

static void
take_states(struct kept *k)
{
	for (size_t i = 0; i < k->n_objects; i++) {
		const struct ledger_object *o = &k->objects[i];
		if (o->kind == &server_state_kind)
			take_server(k, o);
		else if (o->kind == &frontend_state_kind)
			take_frontend(k, o);
	}
	if (k->n_set > 0)
		log_msg(LOG_NOTICE, "as it was set at run time: %.*s%s", STR_ARG(sbuf_str(&k->set)),
			k->set.full ? " ..." : "");
}

void
kept_take(struct proxy_set *set, struct ledger **before, bool over, bool last)
{
	struct kept *k = set->kept;
	struct ledger *l = *before;
	*before = NULL;
	ASSERT(k->ledger != NULL);
	VEC_GROW(k->before, k->cap_before, k->n_before);
	k->before[k->n_before++] = l;
	ledger_join(k->ledger, l, over, last ? note_lost : NULL, k);
	if (!last)
		return;
	tell_lost(k);
	k->last = l;
	take_states(k);
}
