// SPDX-License-Identifier: MIT
// Line stick-table, tables by their sections' names, and samples as their keys.
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/module.h"
#include "net/timer.h"
#include "proxy/conf_priv.h"
#include "proxy/stick.h"
#include "proxy/stick_priv.h"

// --- the line ------------------------------------------------------------------------------------

// What its words say; the C types are conf_word's.
struct table_words {
	int type;
	int64_t len, size;
	uint64_t expire_ns;
	bool nopurge;
	struct str store;
	struct str peers;
	int srvkey;
};

static bool
parse_size(struct conf *conf, void *obj, const struct conf_line *line, struct conf_value *v,
	   struct err *err)
{
	(void)conf;
	(void)line;
	uint64_t n;
	struct table_words *w = obj;
	if (!str_to_size(v->s, &n) || n == 0 || n > STICK_MAX_SIZE)
		return err_set(err, "size '%.*s' is no number of keys, 1 to %u", STR_ARG(v->s),
			       STICK_MAX_SIZE);
	w->size = (int64_t)n;
	return true;
}

// The length stands behind the type without a word of its own meaning elsewhere.
static const char *const key_words[] = {"ip", "ipv6", "integer", "string", "binary", NULL};
static const char *const srvkey_words[] = {"name", "addr", NULL};

static const struct conf_word table_words[] = {
    {.name = "type",
     .type = CONF_ENUM,
     .words = key_words,
     .dflt = "ip",
     .offset = offsetof(struct table_words, type),
     .help = "What a key is."},
    {.name = "len",
     .type = CONF_INT,
     .min = 1,
     .max = STICK_KEY_BYTES,
     .dflt = "32",
     .offset = offsetof(struct table_words, len),
     .help = "Of type string: the longest key, longer ones are cut; binary: its bytes."},
    {.name = "size",
     .type = CONF_STR,
     .parse = parse_size,
     .help = "Most keys; k, m, g are powers of 1024. The memory is taken at the start."},
    {.name = "expire",
     .type = CONF_TIME,
     .min = CONF_MS(1),
     .max = CONF_MS(INT32_MAX),
     .offset = offsetof(struct table_words, expire_ns),
     .help = "A key is forgotten so long after its last use, unless it is tracked then."},
    {.name = "nopurge",
     .type = CONF_FLAG,
     .offset = offsetof(struct table_words, nopurge),
     .help = "A full table takes no new key, instead of forgetting those used longest ago."},
    {.name = "store",
     .type = CONF_STR,
     .offset = offsetof(struct table_words, store),
     .help = "What is kept of each key, parted by commas: conn_cnt, http_req_rate(10s), gpc(4)..."},
    {.name = "srvkey",
     .type = CONF_ENUM,
     .words = srvkey_words,
     .flags = CONF_WORD_IGNORED,
     .offset = offsetof(struct table_words, srvkey),
     .help = "Servers are known by their names."},
    {.name = "peers",
     .type = CONF_STR,
     .flags = CONF_WORD_IGNORED,
     .offset = offsetof(struct table_words, peers),
     .help = "A table outlives reloads by itself; it is not sent to other machines."},
    {.name = NULL},
};

static bool
parse_store(struct stick_def *d, struct str list, struct err *err)
{
	while (list.n > 0) {
		size_t i = 0;
		unsigned depth = 0;
		for (; i < list.n && (depth > 0 || list.p[i] != ','); i++)
			depth += (list.p[i] == '(') - (unsigned)(depth > 0 && list.p[i] == ')');
		if (!stick_def_store(d, str_trim(str_slice(list, 0, i)), err))
			return false;
		list = str_slice(list, i + 1, list.n);
	}
	return stick_def_check(d, err);
}

static uint32_t
key_bytes_of(const struct table_words *w)
{
	static const uint32_t fixed[STICK_N_KEYS] = {
	    [STICK_IP] = 4, [STICK_IPV6] = 16, [STICK_INT] = 4};
	return fixed[w->type] != 0 ? fixed[w->type] : (uint32_t)w->len;
}

static bool
parse_table(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	struct proxy *p = conf_proxy_of(obj);
	struct table_words *w = CONF_NEW(conf, struct table_words);
	struct proxy_set *set = p->conf->setup->set;
	if (p->table != NULL)
		return err_set(err, "this section has a stick table already, at %s:%d",
			       p->table->file, p->table->line);
	conf_apply_word_defaults(conf, table_words, w);
	if (!conf_parse_words(conf, line, line->args, table_words, w, err))
		return false;
	if (w->size == 0)
		return err_set(err, "'size' is missing: how many keys it has at most");
	struct proxy_table *t = CONF_NEW(conf, struct proxy_table);
	*t = (struct proxy_table){.next = set->tables,
				  .name = p->name,
				  .def = {.type = (enum stick_key_type)w->type,
					  .key_bytes = key_bytes_of(w),
					  .size = (uint32_t)w->size,
					  .nopurge = w->nopurge,
					  .expire_ms = w->expire_ns / NS_PER_MS},
				  .file = line->file,
				  .line = line->line};
	if (!parse_store(&t->def, w->store, err))
		return false;
	p->table = set->tables = t;
	return true;
}

// --- by name -------------------------------------------------------------------------------------

static const char *
next_name(void *iter)
{
	const struct proxy_table **at = iter;
	const struct proxy_table *t = *at;
	if (t == NULL)
		return NULL;
	*at = t->next;
	return t->name.p;
}

struct proxy_table *
proxy_table_find(const struct proxy_set *set, struct str name, struct err *err)
{
	struct proxy_table *t = set->tables;
	while (t != NULL && !str_eq(t->name, name))
		t = t->next;
	const struct proxy_table *at = set->tables;
	const char *near = t == NULL ? str_suggest(name, next_name, &at) : NULL;
	if (t == NULL)
		err_set(err, "no section '%.*s' has a stick table%s%s%s", STR_ARG(name),
			near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
			near != NULL ? "'?" : "");
	return t;
}

// --- keys ----------------------------------------------------------------------------------------

const enum sample_type stick_sample_types[STICK_N_KEYS] = {
    [STICK_IP] = SMP_IP4,     [STICK_IPV6] = SMP_IP6,   [STICK_INT] = SMP_INT,
    [STICK_STRING] = SMP_STR, [STICK_BINARY] = SMP_BIN,
};

bool
proxy_table_key(const struct stick_table *t, struct sample *s, struct sample_ctx *ctx,
		struct stick_key *k)
{
	const struct stick_def *d = stick_table_def(t);
	uint32_t number;
	enum sample_type want = stick_sample_types[d->type];
	if (s->type != want && !sample_cast(s, want, ctx))
		return false;
	switch (d->type) {
	case STICK_IP:
	case STICK_IPV6:
		stick_key_make(t, str_of((const char *)s->ip, d->key_bytes), k);
		return true;
	case STICK_INT:
		number = (uint32_t)s->i;
		stick_key_make(t, str_of((const char *)&number, sizeof(number)), k);
		return true;
	case STICK_STRING:
	case STICK_BINARY:
	case STICK_N_KEYS:
		break;
	}
	stick_key_make(t, s->s, k);
	return true;
}

// --- memory --------------------------------------------------------------------------------------

bool
proxy_tables_open_rest(struct proxy_set *set, struct err *err)
{
	bool fresh;
	for (struct proxy_table *t = set->tables; t != NULL; t = t->next)
		if (t->table == NULL &&
		    (t->table = stick_table_open(&t->def, -1, &fresh, err)) == NULL)
			return err_wrap(err, "'%.*s'", STR_ARG(t->name));
	return true;
}

void
proxy_tables_close(struct proxy_set *set)
{
	for (struct proxy_table *t = set->tables; t != NULL; t = t->next)
		stick_table_close(&t->table);
}

// --- the sweep -----------------------------------------------------------------------------------

#define SWEEP_NS    NS_PER_S
#define SWEEP_PART  16    // of a table at a time
#define SWEEP_LEAST 4096u // places
#define SWEEP_MOST  (1u << 18)

struct table_sweep {
	struct proxy_set *set;
	struct loop *loop;
	struct timer timer;
};

static void
on_timer(struct timer *timer)
{
	struct table_sweep *s = CONTAINER_OF(timer, struct table_sweep, timer);
	for (struct proxy_table *t = s->set->tables; t != NULL; t = t->next)
		stick_sweep(t->table, stick_now(t->table, loop_boot_ns(s->loop)), &t->swept,
			    MIN(MAX(t->def.size / SWEEP_PART, SWEEP_LEAST), SWEEP_MOST));
	loop_timer_set(s->loop, &s->timer, loop_now_ns(s->loop) + SWEEP_NS);
}

void
proxy_tables_start(struct proxy_set *set, struct loop *loop)
{
	if (set->tables == NULL)
		return;
	set->sweep = MEM_NEW(struct table_sweep);
	*set->sweep = (struct table_sweep){.set = set, .loop = loop};
	timer_init(&set->sweep->timer, on_timer);
	on_timer(&set->sweep->timer);
}

void
proxy_tables_stop(struct proxy_set *set)
{
	if (set->sweep == NULL)
		return;
	loop_timer_stop(set->sweep->loop, &set->sweep->timer);
	mem_free(set->sweep);
	set->sweep = NULL;
}

static const struct conf_keyword keywords[] = {
    {.sections = "frontend listen backend",
     .words = "stick-table",
     .options = table_words,
     .parse = parse_table,
     .flags = CONF_EXTRA,
     .help = "What is remembered of each key, under this section's name: one table for all "
	     "threads, kept over reloads, crashes and restarts (doc/state.md)."},
    {.sections = NULL},
};

const struct module proxy_stick_module = {
    .name = "stick",
    .keywords = keywords,
    .fetches = stick_fetches,
    .actions = stick_actions,
    .commands = stick_commands,
};
const struct module proxy_stick_conv_module = {
    .name = "stick-tables",
    .convs = stick_convs,
    .fetches = stick_table_fetches,
};
