// SPDX-License-Identifier: MIT
// Persistence by a stick table: lines `stick`. A key is looked up before a server is chosen, and
// the server that it stuck to is the one that is wanted, as with a cookie; what is to be stored is
// noted then, and written once a server has answered. A table keeps a server's id and the hash of
// its name: the name counts, so that servers may be renumbered between two starts.
#include "base/hash.h"
#include "base/module.h"
#include "proxy/conf_priv.h"
#include "proxy/host.h"
#include "proxy/stick_priv.h"
#include "proxy/worker.h"

#define MAX_STORED 8 // of one request, as HAProxy has it

struct stick_rule {
	struct stick_rule *next;
	struct expr *key;
	struct cond *cond; // NULL: always
	struct str name;   // of the table; .p NULL: this section's
	struct proxy_table *table;
	struct proxy *proxy;
	bool match, store;
};

// A key that sticks to the server that will have answered; in the transaction's arena.
struct stick_note {
	struct stick_note *next;
	const struct proxy_table *table;
	bool of_response;
	struct stick_key key; // last: as many words as it has
};

// --- lines ---------------------------------------------------------------------------------------

static bool
find_table(struct conf *conf, void *arg, struct err *err)
{
	struct stick_rule *r = arg;
	const struct proxy_set *set = conf_bound(conf, "proxy");
	if (r->name.p == NULL && r->proxy->table == NULL)
		return err_set(err, "this section has no stick table, and no 'table' is named");
	r->table = r->name.p == NULL ? r->proxy->table : proxy_table_find(set, r->name, err);
	if (r->table == NULL)
		return false;
	struct stick_stored *stored = r->table->def.data;
	stored[STICK_SERVER_ID].n = stored[STICK_SERVER_KEY].n = 1;
	enum stick_key_type type = r->table->def.type;
	return sample_can_cast(expr_type(r->key), stick_sample_types[type]) ||
	       err_set(err, "'%.*s' cannot be a key of table '%.*s', which are of type %s",
		       STR_ARG(expr_source(r->key)), STR_ARG(r->table->name),
		       stick_key_names[type]);
}

static bool
parse_stick(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	struct proxy *p = conf_proxy_of(obj);
	struct str what = line->argv[1];
	bool response = str_eq(what, STR("store-response"));
	const struct expr_place *place = response ? &EXPR_AT_RESPONSE : &EXPR_AT_REQUEST;
	struct expr_env env = conf_proxy_env(p, line, place);
	struct stick_rule *r = CONF_NEW(conf, struct stick_rule);
	int at = line->args, used;
	*r = (struct stick_rule){.proxy = p,
				 .match = str_eq(what, STR("on")) || str_eq(what, STR("match")),
				 .store = !str_eq(what, STR("match"))};
	if (at >= line->argc)
		return err_set(err, "an expression is missing");
	r->key = expr_parse_words(&env, line->argc - at, line->argv + at, &used, err);
	if (r->key == NULL)
		return false;
	at += used;
	if (at + 1 < line->argc && str_eq(line->argv[at], STR("table"))) {
		r->name = line->argv[at + 1];
		at += 2;
	}
	if (!conf_proxy_cond(p, line, at, place, &r->cond, err))
		return false;
	struct stick_rule **tail = response ? &p->sticking_response : &p->sticking;
	while (*tail != NULL)
		tail = &(*tail)->next;
	*tail = r;
	conf_defer(conf, line, find_table, r);
	return true;
}

// --- the server ----------------------------------------------------------------------------------

// Of that id, if it still bears that name; else of that name, or, where none is known, of that id.
static struct server *
find_server(const struct backend *b, uint64_t id, uint64_t name)
{
	struct server *by_id = NULL;
	for (size_t i = 0; i < b->n_servers; i++)
		if (b->servers[i]->id == id)
			by_id = b->servers[i];
	if (name == 0 || (by_id != NULL && hash_str(by_id->name) == name))
		return by_id;
	for (size_t i = 0; i < b->n_servers; i++)
		if (hash_str(b->servers[i]->name) == name)
			return b->servers[i];
	return NULL;
}

static void
match(struct txn *t, const struct proxy_table *pt, const struct stick_key *k, uint64_t now)
{
	struct stick_ref r;
	if (!stick_pin(pt->table, k, false, now, &r))
		return;
	struct server *s =
	    find_server(t->backend->backend, stick_value(&r, STICK_SERVER_ID, 0, now),
			stick_value(&r, STICK_SERVER_KEY, 0, now));
	bool down_too = t->backend->options & PROXY_OPT_PERSIST || t->flags & TXN_FORCE_PERSIST;
	if (t->wanted == NULL && s != NULL && (down_too || server_is_up(s)))
		t->wanted = s;
	stick_touch(&r, now);
	stick_unpin(&r);
}

// --- noting and storing --------------------------------------------------------------------------

// Of each table the first key that is found is stored.
static bool
is_noted(const struct txn *t, const struct proxy_table *pt, bool of_response)
{
	unsigned n = 0;
	for (const struct stick_note *s = t->to_stick; s != NULL; s = s->next, n++)
		if (s->table == pt && s->of_response == of_response)
			return true;
	return n >= MAX_STORED;
}

static void
note(struct txn *t, const struct proxy_table *pt, const struct stick_key *k, bool of_response)
{
	size_t bytes = offsetof(struct stick_note, key.words) + k->n_words * sizeof(*k->words);
	struct stick_note *s = arena_alloc(&t->arena, bytes, alignof(struct stick_note));
	if (s == NULL)
		return; // the client does not stick
	s->next = t->to_stick;
	s->table = pt;
	s->of_response = of_response;
	s->key.hash = k->hash;
	s->key.n_words = k->n_words;
	memcpy(s->key.words, k->words, k->n_words * sizeof(*k->words));
	t->to_stick = s;
}

static void
judge(struct txn *t, const struct stick_rule *r, bool of_response)
{
	for (; r != NULL; r = r->next) {
		struct sample s;
		struct stick_key k;
		if ((r->store && is_noted(t, r->table, of_response)) ||
		    (r->cond != NULL && !cond_pass(r->cond, &t->ctx)) ||
		    !expr_eval(r->key, &t->ctx, &s) ||
		    !proxy_table_key(r->table->table, &s, &t->ctx, &k))
			continue;
		if (r->match)
			match(t, r->table, &k, stick_now(r->table->table, t->ctx.now_boot_ns));
		if (r->store)
			note(t, r->table, &k, of_response);
	}
	t->ctx.failed = false; // without room a key is none
}

void
stick_choose(struct txn *t)
{
	judge(t, t->backend->sticking, false);
}

void
stick_store(struct txn *t)
{
	struct stick_ref r;
	if (!(t->flags & TXN_TCP))
		judge(t, t->backend->sticking_response, true);
	const struct server *s = t->server;
	for (const struct stick_note *n = t->to_stick; n != NULL && s != NULL; n = n->next) {
		uint64_t now = stick_now(n->table->table, loop_boot_ns(t->worker->loop));
		if (s->non_stick || !stick_pin(n->table->table, &n->key, true, now, &r))
			continue;
		stick_set(&r, STICK_SERVER_ID, 0, s->id, now);
		stick_set(&r, STICK_SERVER_KEY, 0, hash_str(s->name), now);
		stick_unpin(&r);
	}
	t->to_stick = NULL;
}

static const struct conf_keyword keywords[] = {
    {.sections = "backend listen",
     .words = "stick on",
     .parse = parse_stick,
     .flags = CONF_EXTRA,
     .help = "stick on EXPRESSION [table NAME] [if|unless CONDITION]: a client whose key is in the "
	     "table goes to the server that it went to; else the one that answers is stored."},
    {.sections = "backend listen",
     .words = "stick match",
     .parse = parse_stick,
     .flags = CONF_EXTRA,
     .help = "The same, without storing."},
    {.sections = "backend listen",
     .words = "stick store-request",
     .parse = parse_stick,
     .flags = CONF_EXTRA,
     .help = "Stores the server that answers for a key of the request: of several lines for one "
	     "table the first that finds a key counts."},
    {.sections = "backend listen",
     .words = "stick store-response",
     .parse = parse_stick,
     .flags = CONF_EXTRA,
     .help = "The same for a key of the response, in mode http."},
    {.sections = NULL},
};

const struct module proxy_stick_rule_module = {
    .name = "stick-rules",
    .keywords = keywords,
};
