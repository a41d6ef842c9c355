// SPDX-License-Identifier: MIT
// Calls at run time use the parser's own typing of arguments, on a copy of the set whose tables of
// names are private and whose arena is the caller's: it can be read, and nothing in it grows.

#include "expr/call.h"

#include "base/mem.h"
#include "expr/expr_priv.h"
#include "expr/pattern_ref.h"

#define EXPR_CALLS_MAGIC 0x45585043u

struct expr_calls {
	uint32_t magic;
	struct expr_set frozen;
	struct expr_set *live; // of which only the pattern sets are looked at
	struct conf *conf;
};

static void
copy_map(struct hash_map *to, const struct hash_map *from)
{
	*to = (struct hash_map){0};
	for (size_t i = 0; i < from->n_slots; i++)
		if (from->slots[i].key.p != NULL)
			(void)hash_map_put(to, from->slots[i].key, from->slots[i].value);
}

const struct expr_calls *
expr_calls_new(struct expr_set *set, struct conf *conf)
{
	CHECK_MAGIC(set, EXPR_SET_MAGIC);
	ASSERT(set->calls == NULL);
	struct expr_calls *c = MEM_NEW(struct expr_calls);
	c->magic = EXPR_CALLS_MAGIC;
	c->frozen = *set;
	c->frozen.frozen = true;
	c->live = set;
	c->conf = conf;
	copy_map(&c->frozen.var_ids, &set->var_ids);
	copy_map(&c->frozen.procs, &set->procs);
	set->calls = c;
	return c;
}

void
expr_calls_free(struct expr_calls *c)
{
	if (c == NULL)
		return;
	CHECK_MAGIC(c, EXPR_CALLS_MAGIC);
	hash_map_fini(&c->frozen.var_ids);
	hash_map_fini(&c->frozen.procs);
	c->magic = 0;
	mem_free(c);
}

// ---- names

static char
plain(char c)
{
	return c == '.' || c == '-' || c == '+' ? '_' : c;
}

static bool
same_name(struct str a, struct str b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (plain(a.p[i]) != plain(b.p[i]))
			return false;
	return true;
}

static bool
names_it(const char *name, const char *aliases, struct str wanted)
{
	struct str rest = str_from_c(aliases), alias;
	if (same_name(str_from_c(name), wanted))
		return true;
	while (aliases != NULL && str_next(&rest, ' ', &alias))
		if (same_name(alias, wanted))
			return true;
	return false;
}

static int
unknown(const char *kind, const struct hash_map *m, struct str name, struct err *err)
{
	const char *near = expr_suggest(m, name);
	err_set(err, "unknown %s '%.*s'%s%s%s", kind, STR_ARG(name),
		near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
		near != NULL ? "'?" : "");
	return -1;
}

// What is resolved while the configuration is read, or changes something, is not for scripts.
static bool
is_callable(const char *name, const struct arg_spec *specs, row_link_f link, unsigned flags,
	    unsigned needs, struct err *err)
{
	bool looks = (flags & ROW_LINK_LOOKS) != 0;
	bool good = (link == NULL || looks) && !(needs & SMP_NEED_WRITE);
	for (; good && specs != NULL && specs->type != ARG_END; specs++)
		good = specs->type != ARG_ACL && (looks || specs->type != ARG_NAME);
	return good || err_set(err, "'%s' can be used in the configuration only", name);
}

int
expr_calls_find_fetch(const struct expr_calls *c, struct str name, struct err *err)
{
	for (size_t i = 0; i < c->frozen.n_fetch_rows; i++) {
		const struct fetch_row *r = c->frozen.fetch_rows[i];
		if (!names_it(r->name, r->aliases, name))
			continue;
		return is_callable(r->name, r->args, r->link, r->flags, r->needs, err) ? (int)i
										       : -1;
	}
	return unknown("fetch", &c->frozen.fetches, name, err);
}

int
expr_calls_find_conv(const struct expr_calls *c, struct str name, struct err *err)
{
	for (size_t i = 0; i < c->frozen.n_conv_rows; i++) {
		const struct conv_row *r = c->frozen.conv_rows[i];
		if (!names_it(r->name, r->aliases, name))
			continue;
		return is_callable(r->name, r->args, r->link, r->flags, r->needs, err) ? (int)i
										       : -1;
	}
	return unknown("converter", &c->frozen.convs, name, err);
}

// ---- calls

// The set for one call: its arena is the context's until thaw.
static struct expr_env
borrow(const struct expr_calls *c, struct expr_set *set, const struct sample_ctx *ctx)
{
	CHECK_MAGIC(c, EXPR_CALLS_MAGIC);
	*set = c->frozen;
	set->refs = c->live->refs;
	set->arena = *ctx->arena;
	return (struct expr_env){.set = set, .place = &EXPR_ANYWHERE, .file = "", .line = 0};
}

static void
give_back(const struct expr_set *set, struct sample_ctx *ctx)
{
	*ctx->arena = set->arena;
}

static bool
copy_texts(struct arena *arena, const struct str *args, size_t n, struct str *out, struct err *err)
{
	size_t bytes = 0;
	if (n > EXPR_CALL_MAX_ARGS)
		return err_set(err, "more than %d arguments", EXPR_CALL_MAX_ARGS);
	for (size_t i = 0; i < n; i++)
		bytes += args[i].n;
	if (bytes > EXPR_CALL_MAX_TEXT_BYTES)
		return err_set(err, "arguments longer than %d bytes", EXPR_CALL_MAX_TEXT_BYTES);
	for (size_t i = 0; i < n; i++) {
		out[i] = str_of(str_to_c(arena, args[i]), args[i].n);
		if (out[i].p == NULL)
			return err_set(err, "no memory for arguments");
	}
	return true;
}

// Trailing arguments left out count as not given.
static struct expr_arg *
type_args(const struct expr_calls *c, const struct arg_spec *specs, row_check_f check,
	  row_link_f link, const struct str *args, size_t n, struct sample_ctx *ctx,
	  struct err *err)
{
	struct expr_set set;
	struct str texts[EXPR_CALL_MAX_ARGS];
	struct expr_env env = borrow(c, &set, ctx);
	struct expr_arg *typed = NULL;
	enum sample_type out = SMP_ANY;
	while (n > 0 && args[n - 1].p == NULL)
		n--;
	if (copy_texts(&set.arena, args, n, texts, err))
		typed = expr_fill_args(&env, specs, texts, n, err);
	if (typed != NULL && check != NULL && !check(typed, &env, &out, err))
		typed = NULL;
	give_back(&set, ctx);
	if (typed == NULL || link == NULL)
		return typed;
	if (!c->live->linked)
		return err_set(err, "names are not known while the configuration is read"), NULL;
	return link(typed, c->conf, err) ? typed : NULL;
}

static enum expr_call_result
result_of(bool found, const struct sample_ctx *ctx, struct err *err)
{
	if (ctx->failed) {
		err_set(err, "no memory for the result");
		return EXPR_CALL_BAD;
	}
	return found ? EXPR_CALL_SAMPLE : EXPR_CALL_NOTHING;
}

enum expr_call_result
expr_calls_fetch(const struct expr_calls *c, int row, const struct str *args, size_t n,
		 struct sample_ctx *ctx, struct sample *smp, struct err *err)
{
	const struct fetch_row *r = c->frozen.fetch_rows[row];
	struct expr_arg *typed = type_args(c, r->args, r->check, r->link, args, n, ctx, err);
	if (typed == NULL) {
		err_wrap(err, "%s", r->name);
		return EXPR_CALL_BAD;
	}
	*smp = (struct sample){0};
	memset(&ctx->iter, 0, sizeof(ctx->iter));
	return result_of(r->fetch(typed, ctx, smp), ctx, err);
}

enum expr_call_result
expr_calls_conv(const struct expr_calls *c, int row, const struct str *args, size_t n,
		struct sample_ctx *ctx, struct sample *smp, struct err *err)
{
	const struct conv_row *r = c->frozen.conv_rows[row];
	struct expr_arg *typed = type_args(c, r->args, r->check, r->link, args, n, ctx, err);
	if (typed == NULL) {
		err_wrap(err, "%s", r->name);
		return EXPR_CALL_BAD;
	}
	bool fits = r->in == SMP_ANY || smp->type == r->in || sample_cast(smp, r->in, ctx);
	return result_of(fits && r->conv(typed, ctx, smp), ctx, err);
}

enum expr_call_result
expr_calls_var(const struct expr_calls *c, struct str name, struct sample_ctx *ctx,
	       struct sample *smp, struct err *err)
{
	struct expr_set set;
	struct var_ref ref;
	if (name.n > EXPR_CALL_MAX_TEXT_BYTES) {
		err_set(err, "a variable's name is shorter");
		return EXPR_CALL_BAD;
	}
	struct expr_env env = borrow(c, &set, ctx);
	bool known = var_parse(&env, name, &ref, err);
	give_back(&set, ctx);
	if (!known)
		return EXPR_CALL_BAD;
	*smp = (struct sample){0};
	return result_of(var_get(&ref, ctx, smp), ctx, err);
}

int
expr_calls_set_var(const struct expr_calls *c, struct str name, unsigned conds,
		   struct sample_ctx *ctx, const struct sample *value, struct err *err)
{
	struct expr_set set;
	struct var_ref ref;
	if (name.n > EXPR_CALL_MAX_TEXT_BYTES) {
		err_set(err, "a variable's name is shorter");
		return -1;
	}
	struct expr_env env = borrow(c, &set, ctx);
	bool known = var_parse(&env, name, &ref, err);
	give_back(&set, ctx);
	if (!known) // of the shared ones err has a remedy
		return str_starts(name, STR("shm.")) ? -1 : 0;
	if (ref.scope == VAR_PROC && hash_map_get(&c->frozen.procs, ref.name) == NULL)
		return 0;
	return value != NULL ? var_set_if(&ref, conds, ctx, value) : var_unset(&ref, ctx);
}

const struct pattern_use *
expr_calls_map(const struct expr_calls *c, bool loading, struct str file, enum pat_match match,
	       struct err *err)
{
	const struct pattern_opts opts = {.match = match, .map = true};
	struct expr_set frozen = c->frozen;
	struct expr_env env = {.set = loading ? c->live : &frozen,
			       .place = &EXPR_ANYWHERE,
			       .file = "a script's Map.new",
			       .line = 0};
	frozen.refs = c->live->refs;
	if (loading)
		file = str_copy(&c->live->arena, file);
	return pattern_use_get(&env, file, &opts, SMP_STR, err);
}

struct pattern_ref *
expr_calls_patterns(const struct expr_calls *c, struct str name)
{
	return pattern_ref_find(c->live, name);
}
