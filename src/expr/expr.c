// SPDX-License-Identifier: MIT
// Expressions: the set they share, and evaluation of a compiled chain. The parser is parse.c.

#include "expr/expr.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/module.h"
#include "expr/pattern_ref.h"
#include "expr/vars_conf_priv.h"

#define CONN (SMP_NEED_CONN | SMP_NEED_SHM | SMP_NEED_WRITE)
#define REQ  (CONN | SMP_NEED_TXN | SMP_NEED_REQ)

const struct expr_place EXPR_AT_TCP_CONNECTION = {"tcp-request connection rule", CONN};
const struct expr_place EXPR_AT_TCP_SESSION = {"tcp-request session rule", CONN};
const struct expr_place EXPR_AT_TCP_CONTENT = {"tcp-request content rule", REQ};
const struct expr_place EXPR_AT_REQUEST = {"http-request rule", REQ};
// The request head still stands when its response is judged: more than HAProxy offers.
const struct expr_place EXPR_AT_RESPONSE = {"http-response rule", REQ | SMP_NEED_RES | SMP_NEED_BC};
const struct expr_place EXPR_AT_LOG = {"log format",
				       REQ | SMP_NEED_RES | SMP_NEED_BC | SMP_NEED_LOG};
const struct expr_place EXPR_AT_CLI = {"command", SMP_NEED_SHM};
const struct expr_place EXPR_ANYWHERE = {"declaration", ~0u};

static void
add_fetch_name(struct expr_set *set, struct str name, const struct fetch_row *row)
{
	bool is_new = hash_map_put(&set->fetches, name, (void *)(uintptr_t)row);
	ASSERT(is_new);
}

static void
add_conv_name(struct expr_set *set, struct str name, const struct conv_row *row)
{
	bool is_new = hash_map_put(&set->convs, name, (void *)(uintptr_t)row);
	ASSERT(is_new);
}

// NUL-terminated, for suggestions.
static struct str
own_name(struct expr_set *set, struct str alias)
{
	char *c = str_to_c(&set->arena, alias);
	ASSERT(c != NULL);
	return str_of(c, alias.n);
}

static void
add_fetches(struct expr_set *set, const struct fetch_row *row)
{
	for (; row != NULL && row->name != NULL; row++) {
		struct str aliases = str_from_c(row->aliases), alias;
		VEC_GROW(set->fetch_rows, set->cap_fetch_rows, set->n_fetch_rows);
		set->fetch_rows[set->n_fetch_rows++] = row;
		add_fetch_name(set, str_from_c(row->name), row);
		while (row->aliases != NULL && str_next(&aliases, ' ', &alias))
			add_fetch_name(set, own_name(set, alias), row);
	}
}

static void
add_convs(struct expr_set *set, const struct conv_row *row)
{
	for (; row != NULL && row->name != NULL; row++) {
		struct str aliases = str_from_c(row->aliases), alias;
		VEC_GROW(set->conv_rows, set->cap_conv_rows, set->n_conv_rows);
		set->conv_rows[set->n_conv_rows++] = row;
		add_conv_name(set, str_from_c(row->name), row);
		while (row->aliases != NULL && str_next(&aliases, ' ', &alias))
			add_conv_name(set, own_name(set, alias), row);
	}
}

// A module has one table of each kind; expr's own rows are many tables, added here.
static void
add_own_rows(struct expr_set *set)
{
	add_fetches(set, expr_fetches_const);
	add_fetches(set, expr_fetches_conn);
	add_fetches(set, expr_fetches_http);
	add_fetches(set, expr_fetches_state);
	add_fetches(set, expr_fetches_target);
	add_fetches(set, expr_fetches_block);
	add_fetches(set, expr_fetches_payload);
	add_convs(set, expr_convs_text);
	add_convs(set, expr_convs_int);
	add_convs(set, expr_convs_code);
	add_convs(set, expr_convs_hash);
	add_convs(set, expr_convs_misc);
	add_convs(set, expr_convs_map);
	add_convs(set, expr_convs_http);
	add_convs(set, expr_convs_more);
	add_convs(set, expr_convs_forwarded);
}

struct expr_set *
expr_set_new(const struct module *const *modules)
{
	struct expr_set *set = MEM_NEW(struct expr_set);
	set->magic = EXPR_SET_MAGIC;
	arena_init_must(&set->arena, EXPR_ARENA_BYTES);
	set->pending_tail = &set->pending;
	add_own_rows(set);
	for (; modules != NULL && *modules != NULL; modules++) {
		add_fetches(set, (*modules)->fetches);
		add_convs(set, (*modules)->convs);
	}
	return set;
}

void
expr_set_free(struct expr_set **setp)
{
	struct expr_set *set = *setp;
	if (set == NULL)
		return;
	CHECK_MAGIC(set, EXPR_SET_MAGIC);
	for (size_t i = 0; i < set->n_lists; i++)
		pattern_list_fini(set->lists[i]);
	for (size_t i = 0; i < set->n_regexes; i++)
		regex_free(&set->regexes[i]);
	for (size_t i = 0; i < set->n_scopes; i++)
		acl_scope_fini(set->scopes[i]);
	expr_calls_free(set->calls);
	pattern_refs_free(set->refs);
	hash_map_fini(&set->procs);
	hash_map_fini(&set->fetches);
	hash_map_fini(&set->convs);
	hash_map_fini(&set->var_ids);
	mem_free(set->fetch_rows);
	mem_free(set->conv_rows);
	mem_free(set->lists);
	mem_free(set->regexes);
	mem_free(set->scopes);
	arena_fini(&set->arena);
	set->magic = 0;
	mem_free(set);
	*setp = NULL;
}

const struct acl_memo *
expr_set_memo(const struct expr_set *set)
{
	return &set->memo;
}

struct arena *
expr_set_arena(struct expr_set *set)
{
	return &set->arena;
}

void
expr_set_own_list(struct expr_set *set, struct pattern_list *l)
{
	VEC_GROW(set->lists, set->cap_lists, set->n_lists);
	set->lists[set->n_lists++] = l;
}

struct regex *
expr_set_regex(struct expr_set *set, struct str pattern, bool icase, struct err *err)
{
	if (set->frozen) {
		err_set(err, "a regular expression must stand in the configuration");
		return NULL;
	}
	struct regex *re = regex_new(pattern, icase, err);
	if (re == NULL)
		return NULL;
	VEC_GROW(set->regexes, set->cap_regexes, set->n_regexes);
	set->regexes[set->n_regexes++] = re;
	return re;
}

void
expr_set_env(struct expr_set *set, struct str name, struct str value)
{
	struct expr_env_var *v = ARENA_NEW(&set->arena, struct expr_env_var);
	ASSERT(v != NULL);
	v->name = str_copy(&set->arena, name);
	v->value = str_of(str_to_c(&set->arena, value), value.n);
	v->next = set->env; // the last -s of a name wins
	set->env = v;
}

bool
expr_env_overlay(struct expr_set *set, struct str name, struct str *value)
{
	for (const struct expr_env_var *v = set->env; v != NULL; v = v->next) {
		if (str_eq(v->name, name)) {
			*value = v->value;
			return true;
		}
	}
	return false;
}

bool
expr_env_get(struct expr_set *set, struct str name, struct str *value)
{
	if (expr_env_overlay(set, name, value))
		return true;
	const char *c_name = str_to_c(&set->arena, name);
	ASSERT(c_name != NULL);
	const char *c = getenv(c_name);
	if (c == NULL)
		return false;
	*value = str_copy(&set->arena, str_from_c(c));
	return true;
}

void
expr_set_shm(struct expr_set *set, struct tidevars *shm, bool allow_undeclared)
{
	set->shm = shm;
	set->shm_open = shm != NULL;
	set->allow_undeclared = allow_undeclared;
	// Scripts load before expressions are linked, and are told of names that are not there;
	// what fails here is told by the link.
	for (struct expr_pending *p = set->pending; shm != NULL && p != NULL; p = p->next)
		if (p->shm != NULL)
			(void)var_shm_resolve(set, p->shm, NULL);
}

static struct expr_pending *
pending_add(struct expr_env *env)
{
	struct expr_pending *p = ARENA_NEW(&env->set->arena, struct expr_pending);
	ASSERT(p != NULL);
	p->file = env->file;
	p->line = env->line;
	*env->set->pending_tail = p;
	env->set->pending_tail = &p->next;
	return p;
}

void
expr_set_defer(struct expr_env *env, const char *what, row_link_f link, struct expr_arg *args)
{
	struct expr_pending *p = pending_add(env);
	p->what = what;
	p->link = link;
	p->args = args;
}

void
expr_set_defer_shm(struct expr_env *env, struct var_ref *ref)
{
	pending_add(env)->shm = ref;
}

bool
expr_set_link(struct expr_set *set, struct conf *conf, expr_report_f report, void *arg)
{
	bool good = true;
	pattern_refs_number(set);
	for (struct expr_pending *p = set->pending; p != NULL; p = p->next) {
		struct err err = {{0}};
		set->linking = p;
		if (p->shm != NULL ? var_shm_resolve(set, p->shm, &err)
				   : p->link(p->args, conf, &err))
			continue;
		if (p->what != NULL)
			err_wrap(&err, "%s", p->what);
		report(arg, p->file, p->line, err.text);
		good = false;
	}
	set->linking = NULL;
	set->linked = true;
	set->pending = NULL;
	set->pending_tail = &set->pending;
	return good;
}

void
expr_set_linking(const struct expr_set *set, const char **file, int *line)
{
	ASSERT(set->linking != NULL);
	*file = set->linking->file;
	*line = set->linking->line;
}

bool
expr_eval(const struct expr *e, struct sample_ctx *ctx, struct sample *out)
{
	out->flags = 0;
	if (!e->fetch(e->args, ctx, out))
		return false;
	for (const struct expr_step *s = e->steps, *end = s + e->n_steps; s < end; s++) {
		if (s->in != SMP_ANY && out->type != s->in && !sample_cast(out, s->in, ctx))
			return false;
		if (s->in == SMP_INT)
			out->flags &= (uint8_t)~SMP_FRACTION; // whole numbers from here on
		if (!s->conv(s->args, ctx, out))
			return false;
	}
	return true;
}

bool
expr_eval_text(const struct expr *e, struct sample_ctx *ctx, struct str *out)
{
	struct sample s;
	*out = STR("");
	return expr_eval(e, ctx, &s) && sample_text(&s, ctx, out);
}

enum sample_type
expr_type(const struct expr *e)
{
	return e->out;
}

unsigned
expr_needs(const struct expr *e)
{
	return e->needs;
}

struct str
expr_source(const struct expr *e)
{
	return e->source;
}

const struct fetch_row *
expr_set_fetch(struct expr_set *set, struct str name)
{
	return hash_map_get(&set->fetches, name);
}

const struct conv_row *
expr_set_conv(struct expr_set *set, struct str name)
{
	return hash_map_get(&set->convs, name);
}

const struct fetch_row *
expr_set_fetch_at(struct expr_set *set, size_t i)
{
	return i < set->n_fetch_rows ? set->fetch_rows[i] : NULL;
}

const struct conv_row *
expr_set_conv_at(struct expr_set *set, size_t i)
{
	return i < set->n_conv_rows ? set->conv_rows[i] : NULL;
}
