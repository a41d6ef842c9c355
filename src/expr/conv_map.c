// SPDX-License-Identifier: MIT
// The map converters: a file of keys and values, looked up by each match method, giving text, an
// integer or an address. One check function per match finds or loads the set while parsing.

#include "expr/expr_priv.h"
#include "expr/pattern_ref.h"

// What an argument's .ptr holds.
struct map {
	const struct pattern_use *set;
	bool has_default;
	struct sample dflt;
};

static bool
type_default(struct map *m, const struct expr_arg *arg, enum sample_type type, struct err *err)
{
	struct sample_ctx none = {0};
	int64_t n;
	m->has_default = arg->given;
	sample_set_str(&m->dflt, arg->s);
	if (!arg->given)
		return true;
	if ((type == SMP_INT && !str_to_int(arg->s, &n)) || !sample_cast(&m->dflt, type, &none))
		return err_set(err, "the default '%.*s' is not an %s", STR_ARG(arg->s),
			       type == SMP_INT ? "integer" : "address");
	return true;
}

static bool
load_map(struct expr_arg *args, struct expr_env *env, enum pat_match match, enum sample_type type,
	 struct err *err)
{
	struct pattern_opts opts = {.match = match, .map = true};
	struct map *m = ARENA_NEW(expr_set_arena(env->set), struct map);
	if (m == NULL)
		return err_set(err, "no memory");
	args[0].ptr = m;
	m->set = pattern_use_get(env, args[0].s, &opts, type, err);
	return m->set != NULL && type_default(m, &args[1], type, err);
}

// A sample keeps its flags: a header with several values still has the others.
static bool
give(const struct sample *value, struct sample *smp)
{
	uint8_t flags = smp->flags;
	*smp = *value;
	smp->flags = flags;
	return true;
}

// The entry may be gone at the loop's next turn, the transaction not: text is copied.
static bool
give_entry(const struct pattern_entry *e, struct sample_ctx *ctx, struct sample *smp)
{
	(void)give(&e->typed, smp);
	if (smp->type != SMP_STR || smp->s.n == 0)
		return true;
	smp->s = str_copy(ctx->arena, smp->s);
	ctx->failed |= smp->s.p == NULL;
	return smp->s.p != NULL;
}

static bool
conv_map(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *smp)
{
	const struct map *m = args[0].ptr;
	const struct pattern_entry *e = pattern_use_match(m->set, smp, ctx);
	if (e != NULL)
		return give_entry(e, ctx, smp);
	return m->has_default && give(&m->dflt, smp);
}

// The key that matched instead of its value.
static bool
conv_map_key(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *smp)
{
	const struct map *m = args[0].ptr;
	const struct pattern_entry *e = pattern_use_match(m->set, smp, ctx);
	if (e == NULL)
		return m->has_default && give(&m->dflt, smp);
	sample_set_str(smp, str_copy(ctx->arena, e->key));
	ctx->failed |= smp->s.p == NULL;
	return smp->s.p != NULL;
}

// Groups of the match are put into the value.
static bool
conv_map_regm(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *smp)
{
	const struct map *m = args[0].ptr;
	struct str text = smp->s;
	struct regex_groups groups;
	const struct pattern_entry *e = pattern_use_match_groups(m->set, text, &groups);
	if (e == NULL)
		return m->has_default && give(&m->dflt, smp);
	if (!regex_expand(e->value, text, &groups, ctx->arena, &smp->s)) {
		ctx->failed = true;
		return false;
	}
	smp->type = SMP_STR;
	return true;
}

#define CHECKS(word, match)                                                           \
	static bool check_##word(struct expr_arg *args, struct expr_env *env,         \
				 enum sample_type *out UNUSED, struct err *err)       \
	{                                                                             \
		return load_map(args, env, (match), SMP_STR, err);                    \
	}                                                                             \
	static bool check_##word##_int(struct expr_arg *args, struct expr_env *env,   \
				       enum sample_type *out UNUSED, struct err *err) \
	{                                                                             \
		return load_map(args, env, (match), SMP_INT, err);                    \
	}                                                                             \
	static bool check_##word##_ip(struct expr_arg *args, struct expr_env *env,    \
				      enum sample_type *out UNUSED, struct err *err)  \
	{                                                                             \
		return load_map(args, env, (match), SMP_ADDR, err);                   \
	}
CHECKS(str, PAT_STR)
CHECKS(beg, PAT_BEG)
CHECKS(sub, PAT_SUB)
CHECKS(dir, PAT_DIR)
CHECKS(dom, PAT_DOM)
CHECKS(end, PAT_END)
CHECKS(reg, PAT_REG)
CHECKS(int, PAT_INT)
CHECKS(ip, PAT_IP)

static const struct arg_spec args_map[] = {{ARG_STR, .name = "file", .flags = ARG_NOT_EMPTY},
					   {ARG_STR, .name = "default", .flags = ARG_OPTIONAL},
					   {.type = ARG_END}};

#define MAP_ROW(n, al, i, o, ch, f, h)                                                 \
	{                                                                              \
		.name = (n), .aliases = (al), .args = args_map, .in = (i), .out = (o), \
		.flags = ROW_CHANGES, .conv = (f), .check = (ch), .help = (h)          \
	}
#define MAP_ROWS(word, more, i, what)                                                       \
	MAP_ROW("map_" #word, more "map_" #word "_str", i, SMP_STR, check_##word, conv_map, \
		"the text that a map file has for " what),                                  \
	    MAP_ROW("map_" #word "_int", NULL, i, SMP_INT, check_##word##_int, conv_map,    \
		    "the integer that a map file has for " what),                           \
	    MAP_ROW("map_" #word "_ip", NULL, i, SMP_ADDR, check_##word##_ip, conv_map,     \
		    "the address that a map file has for " what),                           \
	    MAP_ROW("map_" #word "_key", NULL, i, SMP_STR, check_##word, conv_map_key,      \
		    "the key that a map file has for " what)

const struct conv_row expr_convs_map[] = {
    MAP_ROWS(str, "map ", SMP_STR, "exactly this text"),
    MAP_ROWS(beg, "", SMP_STR, "the longest beginning of this text"),
    MAP_ROWS(sub, "", SMP_STR, "a part of this text"),
    MAP_ROWS(dir, "", SMP_STR, "a part of this text between slashes"),
    MAP_ROWS(dom, "", SMP_STR, "a part of this text between dots"),
    MAP_ROWS(end, "", SMP_STR, "the end of this text"),
    MAP_ROWS(reg, "", SMP_STR, "the first regex that matches this text"),
    MAP_ROWS(int, "", SMP_INT, "this integer"),
    MAP_ROWS(ip, "", SMP_ADDR, "the longest prefix of this address"),
    MAP_ROW("map_regm", NULL, SMP_STR, SMP_STR, check_reg, conv_map_regm,
	    "as map_reg, with groups \\1.. of the match put into the text"),
    {.name = NULL},
};
