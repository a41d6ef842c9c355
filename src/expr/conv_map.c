// SPDX-License-Identifier: MIT
// The map converters: a file of keys and values, looked up by each match method, giving text, an
// integer or an address. One check function per match loads and builds the list while parsing.

#include <unistd.h>

#include "expr/expr_priv.h"

// Values are typed once; a bad one names its key.
static bool
type_values(struct pattern_list *l, enum sample_type type, struct err *err)
{
	struct sample_ctx none = {0};
	for (size_t i = 0; i < pattern_list_count(l); i++) {
		struct pattern_entry *e = pattern_list_edit(l, i);
		int64_t n;
		if (type == SMP_INT && !str_to_int(e->value, &n))
			return err_set(err, "key '%.*s': '%.*s' is not an integer", STR_ARG(e->key),
				       STR_ARG(e->value));
		if (!sample_cast(&e->typed, type, &none))
			return err_set(err, "key '%.*s': '%.*s' is not an address", STR_ARG(e->key),
				       STR_ARG(e->value));
	}
	return true;
}

// What an argument's .ptr holds.
struct map {
	const struct pattern_list *list;
	bool has_default;
	struct sample dflt;
};

static bool
load_file(struct pattern_list *l, struct str file, struct err *err)
{
	bool optional = str_starts(file, STR("opt@"));
	if (str_starts(file, STR("virt@")))
		return true;
	file.p += optional ? 4 : str_starts(file, STR("file@")) ? 5 : 0;
	return (optional && access(file.p, F_OK) != 0) || pattern_list_add_file(l, file.p, err);
}

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
	struct pattern_list *l = pattern_list_new(expr_set_arena(env->set), &opts);
	struct map *m = ARENA_NEW(expr_set_arena(env->set), struct map);
	ASSERT(m != NULL);
	expr_set_own_list(env->set, l);
	m->list = l;
	args[0].ptr = m;
	return load_file(l, args[0].s, err) && pattern_list_build(l, err) &&
	       type_values(l, type, err) && type_default(m, &args[1], type, err);
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

static bool
conv_map(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *smp)
{
	const struct map *m = args[0].ptr;
	const struct pattern_entry *e = pattern_match(m->list, smp, ctx);
	if (e != NULL)
		return give(&e->typed, smp);
	return m->has_default && give(&m->dflt, smp);
}

// Groups of the match are put into the value.
static bool
conv_map_regm(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *smp)
{
	const struct map *m = args[0].ptr;
	struct str text = smp->s;
	struct regex_groups groups;
	const struct pattern_entry *e = pattern_match_groups(m->list, text, &groups);
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
		.conv = (f), .check = (ch), .help = (h)                                \
	}
#define MAP_ROWS(word, more, i, what)                                                       \
	MAP_ROW("map_" #word, more "map_" #word "_str", i, SMP_STR, check_##word, conv_map, \
		"the text that a map file has for " what),                                  \
	    MAP_ROW("map_" #word "_int", NULL, i, SMP_INT, check_##word##_int, conv_map,    \
		    "the integer that a map file has for " what),                           \
	    MAP_ROW("map_" #word "_ip", NULL, i, SMP_ADDR, check_##word##_ip, conv_map,     \
		    "the address that a map file has for " what)

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
