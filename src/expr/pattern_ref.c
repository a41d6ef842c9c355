// SPDX-License-Identifier: MIT
// Named pattern sets: found by name or number, loaded once, changed by the keeper.

#include "expr/pattern_ref.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sbuf.h"
#include "expr/pattern_ref_priv.h"

#define MAX_POSTED     1024
#define LOG_EVERY_NS   UINT64_C(1000000000)
#define MAX_KEY_BYTES  65536 // of a key or value that comes at run time
#define MAX_USED_BYTES 4096  // of where a set is used, in listings

struct pattern_refs *
pattern_refs_of(struct expr_set *set)
{
	if (set->refs == NULL) {
		set->refs = MEM_NEW(struct pattern_refs);
		set->refs->tail = &set->refs->first;
	}
	return set->refs;
}

void
pattern_refs_free(struct pattern_refs *refs)
{
	if (refs == NULL)
		return;
	pattern_gen_free_all(refs);
	for (struct pattern_ref *r = refs->first, *next; r != NULL; r = next) {
		next = r->next;
		pattern_table_fini(&r->live);
		for (size_t i = 0; i < r->n_prepared; i++)
			pattern_table_fini(&r->prepared[i]);
		mem_free(r->prepared);
		mem_free(r->dying);
		sbuf_fini(&r->used_too);
		mem_free(r);
	}
	mem_free(refs);
}

// ---- by name

struct ref_name {
	struct str name;
	bool optional, no_file;
};

static struct ref_name
cut_name(struct str word)
{
	struct ref_name n = {.name = word};
	n.optional = str_starts(word, STR("opt@"));
	n.no_file = str_starts(word, STR("virt@"));
	if (n.optional || str_starts(word, STR("file@")))
		n.name = str_slice(word, n.optional ? 4 : 5, word.n);
	return n;
}

static struct pattern_ref *
by_name(const struct pattern_refs *refs, struct str name)
{
	struct pattern_ref *r = refs != NULL ? refs->first : NULL;
	while (r != NULL && (r->words != NULL || !str_eq(r->name, name)))
		r = r->next;
	return r;
}

struct pattern_ref *
pattern_ref_at(struct expr_set *set, size_t i)
{
	struct pattern_ref *r = set->refs != NULL ? set->refs->first : NULL;
	while (r != NULL && (!r->numbered || r->number != i))
		r = r->next;
	return r;
}

struct pattern_ref *
pattern_ref_nth(struct expr_set *set, size_t i)
{
	struct pattern_ref *r = set->refs != NULL ? set->refs->first : NULL;
	while (r != NULL && i-- > 0)
		r = r->next;
	return r;
}

struct pattern_ref *
pattern_ref_find(struct expr_set *set, struct str name)
{
	int64_t number;
	struct pattern_ref *r = by_name(set->refs, cut_name(name).name);
	struct str digits = str_starts(name, STR("#")) ? str_slice(name, 1, name.n) : name;
	if (r == NULL && str_to_int(digits, &number) && number >= 0)
		r = pattern_ref_at(set, (size_t)number);
	return r;
}

bool
pattern_ref_is_map(const struct pattern_ref *r)
{
	return r->is_map;
}

void
pattern_ref_info(const struct pattern_ref *r, struct pattern_ref_info *out)
{
	*out = (struct pattern_ref_info){.name = r->name,
					 .number = r->number,
					 .is_map = r->is_map,
					 .n_entries = r->live.n_live,
					 .version = r->version,
					 .next_version = r->next_version,
					 .used_in = r->file,
					 .used_line = r->line,
					 .used_too = sbuf_str(&r->used_too),
					 .keyword = r->words != NULL ? r->words->keyword : STR("")};
}

// ---- while the configuration is read

static bool
load_line(void *arg, struct str key, struct str value, int line, struct err *err)
{
	struct pattern_ref *r = arg;
	if (r->live.n >= PATTERN_REF_MAX_ENTRIES)
		return err_set(err, "more than %zu entries", PATTERN_REF_MAX_ENTRIES);
	pattern_table_append(&r->live, key, value, r->next_id++, line);
	return true;
}

struct pattern_ref *
pattern_ref_add(struct expr_env *env, bool is_map)
{
	struct pattern_refs *refs = pattern_refs_of(env->set);
	struct pattern_ref *r = MEM_NEW(struct pattern_ref);
	r->refs = refs;
	r->is_map = is_map;
	r->file = env->file;
	r->line = env->line;
	sbuf_init(&r->used_too, MAX_USED_BYTES);
	pattern_table_init(&r->live, PATTERN_LIVE);
	*refs->tail = r;
	refs->tail = &r->next;
	if (!refs->numbered)
		return r;
	while (pattern_ref_at(env->set, r->number) != NULL)
		r->number++;
	r->numbered = true;
	return r;
}

static struct pattern_ref *
ref_new(struct expr_env *env, struct ref_name name, bool is_map, struct err *err)
{
	struct pattern_ref *r = pattern_ref_add(env, is_map);
	const char *path = str_to_c(&env->set->arena, name.name);
	ASSERT(path != NULL);
	r->title = r->name = str_of(path, name.name.n);
	r->absent = name.optional && access(path, F_OK) != 0;
	bool read = !name.no_file && !r->absent;
	if (read && !pattern_file_read(&r->live.text->arena, path, is_map, load_line, r,
				       &r->text_hash, err))
		return NULL;
	r->n_base = r->batch_from = r->live.n;
	return r;
}

static struct pattern_use *
find_use(const struct pattern_ref *r, const struct pattern_opts *o, enum sample_type type)
{
	struct pattern_use *u = r->uses;
	while (u != NULL && (u->opts.match != o->match || u->opts.icase != o->icase ||
			     u->opts.map != o->map || u->type != type))
		u = u->next;
	return u;
}

static struct pattern_use *
use_new(struct expr_env *env, struct pattern_ref *r, const struct pattern_opts *o,
	enum sample_type type, struct err *err)
{
	struct pattern_use *u = ARENA_NEW(&env->set->arena, struct pattern_use);
	ASSERT(u != NULL);
	u->ref = r;
	u->opts = *o;
	u->type = type;
	if (!pattern_gen_first(u, err))
		return NULL;
	u->next = r->uses;
	r->uses = u;
	return u;
}

struct pattern_use *
pattern_use_get(struct expr_env *env, struct str word, const struct pattern_opts *opts,
		enum sample_type type, struct err *err)
{
	struct ref_name name = cut_name(word);
	struct pattern_ref *r = by_name(env->set->refs, name.name);
	if (r != NULL && r->absent && !name.optional) {
		err_set(err, "%.*s: No such file or directory", STR_ARG(name.name));
		return NULL;
	}
	struct pattern_use *u = r != NULL ? find_use(r, opts, type) : NULL;
	if (r != NULL && !r->refs->numbered)
		sbuf_printf(&r->used_too, ", by %s at file '%s' line %d", opts->map ? "map" : "acl",
			    env->file, env->line);
	if (u != NULL)
		return u;
	if (env->set->frozen) {
		err_set(err, "'%.*s' is not used with this match in the configuration",
			STR_ARG(word));
		return NULL;
	}
	if (r != NULL && r->is_map != opts->map) {
		err_set(err, "'%.*s' is used as a %s at %s:%d, so it cannot be a %s",
			STR_ARG(name.name), r->is_map ? "map" : "list of patterns", r->file,
			r->line, opts->map ? "map" : "list of patterns (say -M)");
		return NULL;
	}
	if (r == NULL)
		r = ref_new(env, name, opts->map, err);
	return r != NULL ? use_new(env, r, opts, type, err) : NULL;
}

// ---- versions

static struct pattern_table *
table_of(struct pattern_ref *r, uint32_t version)
{
	if (version == PATTERN_LIVE || version == r->version)
		return &r->live;
	for (size_t i = 0; i < r->n_prepared; i++) {
		if (r->prepared[i].version == version)
			return &r->prepared[i];
	}
	return NULL;
}

static struct pattern_table *
need_table(struct pattern_ref *r, uint32_t version, struct err *err)
{
	struct pattern_table *t = table_of(r, version);
	if (t == NULL)
		err_set(err, "version %u of '%.*s' was not prepared", version, STR_ARG(r->title));
	if (r->words != NULL && r->words->constant) {
		err_set(err, "'%.*s' needs no request: conditions were made without it",
			STR_ARG(r->title));
		return NULL;
	}
	pattern_ref_open(r);
	return t;
}

bool
pattern_ref_has_version(const struct pattern_ref *r, uint32_t version)
{
	return table_of((struct pattern_ref *)(uintptr_t)r, version) != NULL;
}

uint32_t
pattern_ref_prepare(struct pattern_ref *r, struct err *err)
{
	if (r->n_prepared == PATTERN_REF_MAX_VERSIONS) {
		err_set(err, "%d versions of '%.*s' are prepared already: commit or clear one",
			PATTERN_REF_MAX_VERSIONS, STR_ARG(r->title));
		return 0;
	}
	if (r->prepared == NULL)
		r->prepared = mem_zalloc(PATTERN_REF_MAX_VERSIONS * sizeof(*r->prepared));
	pattern_table_init(&r->prepared[r->n_prepared++], ++r->next_version);
	return r->next_version;
}

// Prepared tables up to and with `upto` end.
static void
drop_versions(struct pattern_ref *r, uint32_t upto)
{
	size_t kept = 0;
	for (size_t i = 0; i < r->n_prepared; i++) {
		if (r->prepared[i].version > upto)
			r->prepared[kept++] = r->prepared[i];
		else
			pattern_table_fini(&r->prepared[i]);
	}
	r->n_prepared = kept;
}

bool
pattern_ref_commit(struct pattern_ref *r, uint32_t version, struct err *err)
{
	struct pattern_table *t = need_table(r, version, err);
	if (t == NULL || t == &r->live)
		return t != NULL;
	struct pattern_table old = r->live;
	r->live = *t;
	*t = old;
	t->version = version; // so that it is dropped with its elders
	r->live.version = PATTERN_LIVE;
	r->version = version;
	r->whole = true;
	r->n_dying = 0;
	pattern_gen_publish(r);
	drop_versions(r, version);
	return true;
}

bool
pattern_ref_clear(struct pattern_ref *r, uint32_t version, struct err *err)
{
	struct pattern_table *t = need_table(r, version, err);
	if (t == NULL)
		return false;
	if (t != &r->live) {
		pattern_table_fini(t);
		pattern_table_init(t, version);
		return true;
	}
	pattern_table_fini(t);
	pattern_table_init(t, PATTERN_LIVE);
	r->whole = true;
	r->n_dying = 0;
	pattern_gen_publish(r);
	return true;
}

// ---- looking

bool
pattern_ref_next(const struct pattern_ref *r, uint32_t version, struct pattern_walk *w,
		 struct pattern_entry *out)
{
	const struct pattern_table *t = table_of((struct pattern_ref *)(uintptr_t)r, version);
	if (t == NULL)
		return false;
	if (w->rebuilds != r->rebuilds && w->at > 0) {
		for (w->at = 0; w->at < t->n && t->entry[w->at].id <= w->last_id;)
			w->at++;
	}
	w->rebuilds = r->rebuilds;
	const struct table_entry *e = NULL;
	while (w->at < t->n && e == NULL)
		e = pattern_table_latest(t, w->at++);
	if (e == NULL)
		return false;
	w->last_id = e->id;
	*out = (struct pattern_entry){.key = e->key, .value = e->value, .id = e->id};
	return true;
}

bool
pattern_ref_get(const struct pattern_ref *r, struct str key, struct pattern_entry *out)
{
	size_t i = pattern_table_find(&r->live, key);
	if (i == SIZE_MAX)
		return false;
	const struct table_entry *e = &r->live.entry[i];
	*out = (struct pattern_entry){.key = e->key, .value = e->value, .id = e->id};
	return true;
}

// ---- changing

static void
end_entry(struct pattern_ref *r, struct pattern_table *t, size_t i)
{
	pattern_table_kill(t, i);
	if (t != &r->live)
		return;
	VEC_GROW(r->dying, r->cap_dying, r->n_dying);
	r->dying[r->n_dying++] = (uint32_t)i;
}

static bool
append(struct pattern_ref *r, struct pattern_table *t, struct str key, struct str value, int64_t id,
       struct err *err)
{
	if (t->n >= PATTERN_REF_MAX_ENTRIES || key.n > MAX_KEY_BYTES || value.n > MAX_KEY_BYTES)
		return err_set(err,
			       "'%.*s' would have more than %zu entries, or one longer than "
			       "%d bytes",
			       STR_ARG(r->title), PATTERN_REF_MAX_ENTRIES, MAX_KEY_BYTES);
	struct str k = str_copy(&t->text->arena, key), v = str_copy(&t->text->arena, value);
	if ((k.p == NULL && key.n > 0) || (v.p == NULL && value.n > 0))
		return err_set(err, "'%.*s' holds too many bytes", STR_ARG(r->title));
	pattern_table_append(t, k, v, id, 0);
	return true;
}

static bool
check(const struct pattern_ref *r, struct str key, struct str value, struct err *err)
{
	if (key.n == 0)
		return err_set(err, "an empty key");
	if (memchr(key.p, '\n', key.n) != NULL || (value.n > 0 && memchr(value.p, '\n', value.n)))
		return err_set(err, "a line break in a key or value");
	for (const struct pattern_use *u = r->uses; u != NULL; u = u->next) {
		if (!pattern_gen_check(u, key, value, err))
			return false;
	}
	return true;
}

// "#12" or, as `show map` prints it, "#0xc".
static bool
parse_id(struct str text, int64_t *id)
{
	bool hex = str_starts(text, STR("#0x"));
	char digits[24], *end;
	struct str rest = str_slice(text, hex ? 3 : 1, text.n);
	if (!str_starts(text, STR("#")) || rest.n == 0 || rest.n >= sizeof(digits))
		return false;
	memcpy(digits, rest.p, rest.n);
	digits[rest.n] = '\0';
	*id = (int64_t)strtoull(digits, &end, hex ? 16 : 10);
	return *end == '\0';
}

// The entry that a key or an id names.
static size_t
target(const struct pattern_table *t, struct str key, bool *by_id)
{
	int64_t id;
	size_t i = pattern_table_find(t, key);
	*by_id = i == SIZE_MAX && parse_id(key, &id);
	return *by_id ? pattern_table_find_id(t, id) : i;
}

// All entries of the key become one with the new value, where the first one stood.
static bool
set_value(struct pattern_ref *r, struct pattern_table *t, size_t i, struct str value,
	  struct err *err)
{
	struct table_entry first = t->entry[i];
	if (str_eq(first.value, value) && pattern_table_next_same(t, i) == SIZE_MAX)
		return true;
	if (!append(r, t, first.key, value, first.id, err))
		return false;
	pattern_table_replace(t, i);
	for (size_t at = i, n = t->n - 1; at < n; at = pattern_table_next_same(t, at))
		end_entry(r, t, at);
	return true;
}

static bool delete (struct pattern_ref *r, struct pattern_table *t, size_t i, bool by_id)
{
	if (by_id) {
		end_entry(r, t, i);
		return true;
	}
	for (; i != SIZE_MAX; i = pattern_table_next_same(t, i))
		end_entry(r, t, i);
	return true;
}

bool
pattern_ref_change(struct pattern_ref *r, enum pattern_change change, uint32_t version,
		   struct str key, struct str value, struct err *err)
{
	bool by_id = false;
	struct pattern_table *t = need_table(r, version, err);
	if (t == NULL)
		return false;
	size_t i = change != PATTERN_ADD ? target(t, key, &by_id) : SIZE_MAX;
	if (i == SIZE_MAX && (change == PATTERN_SET || change == PATTERN_DEL))
		return err_set(err, "no entry '%.*s' in '%.*s'", STR_ARG(key), STR_ARG(r->title));
	if (change == PATTERN_DEL)
		return delete (r, t, i, by_id);
	if (!check(r, i != SIZE_MAX ? t->entry[i].key : key, value, err))
		return false;
	return i != SIZE_MAX ? set_value(r, t, i, value, err)
			     : append(r, t, key, value, r->next_id++, err);
}

void
pattern_ref_publish(struct pattern_ref *r)
{
	if (r->n_dying > 0 || r->batch_from < r->live.n)
		pattern_gen_publish(r);
}

void
pattern_ref_undo(struct pattern_ref *r)
{
	for (size_t i = 0; i < r->n_dying; i++) {
		struct table_entry *e = &r->live.entry[r->dying[i]];
		e->dying = false;
		e->live = r->dying[i] < r->batch_from;
		r->live.n_live += e->live;
	}
	for (size_t i = r->batch_from; i < r->live.n; i++) {
		r->live.n_live -= r->live.entry[i].live;
		r->live.entry[i].live = false;
	}
	r->batch_from = r->live.n;
	r->n_dying = 0;
	r->whole = false;
}

// ---- from workers

struct posted {
	struct msg msg;
	struct pattern_ref *ref;
	enum pattern_change change;
	size_t key_n, value_n;
	char text[];
};

// Behind the changes that came in the same turn: they share one publish.
static void
publish_posted(struct msg *m)
{
	struct pattern_refs *refs = CONTAINER_OF(m, struct pattern_refs, publish);
	refs->publish_posted = false;
	refs->publishing_posted = true;
	for (struct pattern_ref *r = refs->first; r != NULL; r = r->next)
		pattern_ref_publish(r);
	refs->publishing_posted = false;
}

static void
log_refusal(struct pattern_ref *r, const struct err *err)
{
	uint64_t t = clock_mono_ns();
	if (r->logged_ns != 0 && t - r->logged_ns < LOG_EVERY_NS)
		return;
	r->logged_ns = t;
	log_line(LOG_WARNING, "a change of '%.*s' by a rule or a script was refused: %s",
		 STR_ARG(r->title), err->text);
}

static void
change_posted(struct msg *m)
{
	struct posted *p = CONTAINER_OF(m, struct posted, msg);
	struct pattern_ref *r = p->ref;
	struct err err = {{0}};
	struct str key = str_of(p->text, p->key_n), value = str_of(p->text + p->key_n, p->value_n);
	bool absent = p->change == PATTERN_DEL && pattern_table_find(&r->live, key) == SIZE_MAX;
	if (!absent && !pattern_ref_change(r, p->change, PATTERN_LIVE, key, value, &err))
		log_refusal(r, &err);
	atomic_fetch_sub_explicit(&r->refs->posted, 1, memory_order_relaxed);
	mem_free(p);
	if (r->refs->publish_posted)
		return;
	r->refs->publish_posted = true;
	r->refs->publish.fn = publish_posted;
	worker_post(worker_self, &r->refs->publish);
}

bool
pattern_ref_post(struct pattern_ref *r, struct workers *to, enum pattern_change change,
		 struct str key, struct str value)
{
	struct posted *p = NULL;
	unsigned before = atomic_fetch_add_explicit(&r->refs->posted, 1, memory_order_relaxed);
	if (before < MAX_POSTED && key.n <= MAX_KEY_BYTES && value.n <= MAX_KEY_BYTES)
		p = mem_try_realloc(NULL, sizeof(*p) + key.n + value.n);
	if (p == NULL) {
		atomic_fetch_sub_explicit(&r->refs->posted, 1, memory_order_relaxed);
		return false;
	}
	*p = (struct posted){.msg.fn = change_posted,
			     .ref = r,
			     .change = change,
			     .key_n = key.n,
			     .value_n = value.n};
	memcpy(p->text, key.p, key.n);
	if (value.n > 0)
		memcpy(p->text + key.n, value.p, value.n);
	worker_post(workers_get(to, 0), &p->msg);
	return true;
}

// ---- a whole new content

struct posted_all {
	struct msg msg;
	struct pattern_ref *ref;
	size_t n;
	char text[];
};

static void
drop_version(struct pattern_ref *r, uint32_t version)
{
	for (size_t i = 0; i < r->n_prepared; i++) {
		if (r->prepared[i].version != version)
			continue;
		pattern_table_fini(&r->prepared[i]);
		r->prepared[i] = r->prepared[--r->n_prepared];
		return;
	}
}

static bool
fill(struct pattern_ref *r, uint32_t version, struct str pairs, struct err *err)
{
	struct str key, value;
	while (pairs.n > 0 && str_next(&pairs, '\0', &key) && str_next(&pairs, '\0', &value))
		if (!pattern_ref_change(r, PATTERN_ADD, version, key, value, err))
			return false;
	return true;
}

static void
replace_posted(struct msg *m)
{
	struct posted_all *p = CONTAINER_OF(m, struct posted_all, msg);
	struct pattern_ref *r = p->ref;
	struct err err = {{0}};
	uint32_t version = pattern_ref_prepare(r, &err);
	if (version == 0 || !fill(r, version, str_of(p->text, p->n), &err) ||
	    !pattern_ref_commit(r, version, &err)) {
		log_refusal(r, &err);
		drop_version(r, version);
	}
	atomic_fetch_sub_explicit(&r->refs->posted, 1, memory_order_relaxed);
	mem_free(p);
}

bool
pattern_ref_post_all(struct pattern_ref *r, struct workers *to, struct str pairs)
{
	struct posted_all *p = NULL;
	unsigned before = atomic_fetch_add_explicit(&r->refs->posted, 1, memory_order_relaxed);
	if (before < MAX_POSTED)
		p = mem_try_realloc(NULL, sizeof(*p) + pairs.n);
	if (p == NULL) {
		atomic_fetch_sub_explicit(&r->refs->posted, 1, memory_order_relaxed);
		return false;
	}
	*p = (struct posted_all){.msg.fn = replace_posted, .ref = r, .n = pairs.n};
	if (pairs.n > 0)
		memcpy(p->text, pairs.p, pairs.n);
	worker_post(workers_get(to, 0), &p->msg);
	return true;
}
