// SPDX-License-Identifier: MIT
// A list of all objects, each with its kind and a name that stays its own while the configuration
// changes around it; beside it whatever walks the same objects' blocks.
#include "proxy/kept_priv.h"

#include <stdio.h>

#include "base/mem.h"
#include "proxy/proxy.h"
#include "proxy/rule_count.h"

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

// --- the list ------------------------------------------------------------------------------------

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

void
kept_object_add(struct kept *k, const struct ledger_kind *kind, struct str name,
		struct metric_blocks *blocks)
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
	kept_object_add(k, &server_kind, name, &s->stats);
	kept_object_add(k, &kept_server_kind, name, &s->state);
	if (s->check != NULL) {
		kept_object_add(k, &kept_check_kind, name, &s->checked);
		kept_object_add(k, &kept_check_state_kind, name, &s->checked_state);
	}
	if (s->agent != NULL)
		kept_object_add(k, &kept_agent_state_kind, name, &s->agent_state);
}

static void
add_listener(struct kept *k, struct bind *b)
{
	struct str proxy = b->frontend->name, what = b->name.n > 0 ? b->name : b->text;
	struct str name = unique_name(&k->listeners, proxy, what);
	b->stat_name = str_slice(name, proxy.n + 1, name.n);
	kept_object_add(k, &listener_kind, name, &b->stats);
}

static void
add_frontend(struct kept *k, struct proxy *p)
{
	kept_object_add(k, &frontend_kind, p->name, &p->fe_stats);
	kept_object_add(k, &kept_frontend_kind, p->name, &p->fe_state);
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
	kept_object_add(k, &rule_kind, unique_name(&k->rules, c->proxy->name, sbuf_str(&text)),
			&c->applied);
	sbuf_fini(&text);
}

static void
add_rules(struct kept *k, struct proxy_set *set)
{
	rule_counts_make(set);
	for (size_t i = 0; i < set->rules->n; i++)
		add_rule(k, &set->rules->all[i]);
}

void
kept_objects_add(struct kept *k, struct proxy_set *set)
{
	make_process_kind(k);
	kept_object_add(k, &k->process, STR(""), &set->stats);
	for (size_t i = 0; i < set->n_all; i++) {
		struct proxy *p = set->all[i];
		if (p->caps & PROXY_FRONTEND)
			add_frontend(k, p);
		if (p->backend == NULL)
			continue;
		kept_object_add(k, &backend_kind, p->name, &p->be_stats);
		kept_object_add(k, &kept_backend_check_kind, p->name, &p->backend->checked);
		for (size_t j = 0; j < p->backend->n_servers; j++)
			add_server(k, p->backend->servers[j]);
	}
	add_rules(k, set); // the last, so that the log names greater things first
}

void
kept_objects_free(struct kept *k)
{
	free_names(&k->servers);
	free_names(&k->listeners);
	free_names(&k->rules);
	mem_free(k->objects);
	mem_free(k->process_rows);
	mem_free(k->process_names);
}

// --- their blocks --------------------------------------------------------------------------------

static void
init_rest(struct metric_blocks *b, size_t bytes, unsigned n_workers)
{
	if (b->magic == 0)
		metrics_init(b, bytes, n_workers);
}

static void
init_server_rest(struct server *s, unsigned n_workers)
{
	init_rest(&s->stats, sizeof(struct be_counters), n_workers);
	init_rest(&s->state, kept_server_kind.block_bytes, 1);
	if (s->check != NULL) {
		init_rest(&s->checked, kept_check_kind.block_bytes, 1);
		init_rest(&s->checked_state, kept_check_state_kind.block_bytes, 1);
	}
	if (s->agent != NULL)
		init_rest(&s->agent_state, kept_agent_state_kind.block_bytes, 1);
}

void
kept_blocks_init_rest(struct proxy_set *set, unsigned n_workers)
{
	init_rest(&set->stats, sizeof(struct proc_counters), n_workers);
	rule_counts_init_rest(set->rules, n_workers);
	for (size_t i = 0; i < set->n_all; i++) {
		struct proxy *p = set->all[i];
		init_rest(&p->fe_stats, sizeof(struct fe_counters), n_workers);
		for (struct bind *b = p->binds; b != NULL; b = b->next)
			init_rest(&b->stats, sizeof(struct listener_counters), n_workers);
		init_rest(&p->fe_state, kept_frontend_kind.block_bytes, 1);
		init_rest(&p->be_stats, sizeof(struct be_counters), n_workers);
		if (p->backend == NULL)
			continue;
		init_rest(&p->backend->checked, kept_backend_check_kind.block_bytes, 1);
		for (size_t j = 0; j < p->backend->n_servers; j++)
			init_server_rest(p->backend->servers[j], n_workers);
	}
}

static void
fini_server(struct server *s)
{
	metrics_fini(&s->stats);
	metrics_fini(&s->state);
	if (s->check != NULL) {
		metrics_fini(&s->checked);
		metrics_fini(&s->checked_state);
	}
	if (s->agent != NULL)
		metrics_fini(&s->agent_state);
}

void
kept_blocks_fini(struct proxy_set *set)
{
	metrics_fini(&set->stats);
	for (size_t i = 0; i < set->n_all; i++) {
		struct proxy *p = set->all[i];
		metrics_fini(&p->fe_stats);
		metrics_fini(&p->fe_state);
		for (struct bind *b = p->binds; b != NULL; b = b->next)
			metrics_fini(&b->stats);
		metrics_fini(&p->be_stats);
		if (p->backend == NULL)
			continue;
		metrics_fini(&p->backend->checked);
		for (size_t j = 0; j < p->backend->n_servers; j++)
			fini_server(p->backend->servers[j]);
	}
}
