// SPDX-License-Identifier: MIT
// The parser of expressions: names, arguments with HAProxy's quotes and escapes, typed and
// bounded by the rows, checked against the place where the expression stands.

#include <arpa/inet.h>

#include "base/mem.h"
#include "expr/expr_priv.h"

static bool
is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '-' || c == '+' || c == ':';
}

struct map_walk {
	const struct hash_map *map;
	size_t at;
};

static const char *
map_walk_next(void *iter)
{
	struct map_walk *w = iter;
	while (w->at < w->map->n_slots) {
		struct str key = w->map->slots[w->at++].key;
		if (key.p != NULL)
			return key.p;
	}
	return NULL;
}

// Keys of our maps are NUL-terminated.
const char *
expr_suggest(const struct hash_map *m, struct str word)
{
	struct map_walk w = {.map = m};
	return str_suggest(word, map_walk_next, &w);
}

bool
expr_check_place(const struct expr_place *place, struct str what, unsigned needs, struct err *err)
{
	static const struct {
		unsigned bit;
		const char *text;
	} words[] = {
	    {SMP_NEED_RES, "the response head"},        {SMP_NEED_REQ, "the request head"},
	    {SMP_NEED_LOG, "the finished transaction"}, {SMP_NEED_TXN, "a transaction"},
	    {SMP_NEED_CONN, "a client connection"},     {SMP_NEED_SHM, "the shared variables"},
	    {SMP_NEED_WRITE, "to change variables"},
	};
	unsigned missing = needs & ~place->has;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (missing & words[i].bit)
			return err_set(err, "'%.*s' needs %s, which a %s does not have",
				       STR_ARG(what), words[i].text, place->name);
	}
	return true;
}

// ---- arguments

// One argument up to ',' or ')' outside quotes, with quotes and escapes performed.
static bool
cut_arg(struct str text, size_t *at, struct arena *arena, struct str *out, struct err *err)
{
	char quote = 0, *p = arena_alloc(arena, text.n - *at + 1, 1);
	size_t i = *at, n = 0;
	ASSERT(p != NULL);
	for (; i < text.n; i++) {
		char c = text.p[i];
		if ((c == '"' || c == '\'') && (quote == 0 || quote == c)) {
			quote = quote == 0 ? c : 0;
		} else if (c == '\\' && quote != '\'' && i + 1 < text.n) {
			char e = text.p[i + 1];
			if (e == '\\' || e == ' ' || e == '"' || e == '\'') {
				p[n++] = e;
				i++;
			} else if (e == 'r' || e == 'n' || e == 't') {
				p[n++] = e == 'r' ? '\r' : e == 'n' ? '\n' : '\t';
				i++;
			} else {
				p[n++] = '\\'; // a lone one stays, for regexes
			}
		} else if (quote == 0 && (c == ',' || c == ')')) {
			break;
		} else {
			p[n++] = c;
		}
	}
	if (quote != 0)
		return err_set(err, "quote %c is not closed at character %zu", quote, *at + 1);
	if (i == text.n)
		return err_set(err, "')' is missing at character %zu", i + 1);
	p[n] = '\0';
	*out = str_of(p, n);
	*at = i;
	return true;
}

static bool
arg_int(const struct arg_spec *spec, struct expr_arg *arg, struct err *err)
{
	if (!str_to_int(arg->s, &arg->i))
		return err_set(err, "'%.*s' is not an integer", STR_ARG(arg->s));
	if ((spec->min != 0 || spec->max != 0) && (arg->i < spec->min || arg->i > spec->max))
		return err_set(err, "%lld is not within %lld..%lld", (long long)arg->i,
			       (long long)spec->min, (long long)spec->max);
	return true;
}

static bool
arg_mask(struct expr_arg *arg, unsigned bits, struct err *err)
{
	int64_t n;
	struct sample s;
	if (sample_parse_ip(arg->s, &s) && (s.type == SMP_IP4) == (bits == 32)) {
		memcpy(arg->ip, s.ip, sizeof(arg->ip));
		return true;
	}
	if (!str_to_int(arg->s, &n) || n < 0 || n > bits)
		return err_set(err, "'%.*s' is not a mask (0..%u)", STR_ARG(arg->s), bits);
	for (unsigned i = 0; i < bits / 8; i++) {
		int64_t here = MIN(MAX(n - 8 * (int64_t)i, 0), 8);
		arg->ip[i] = (uint8_t)(0xff00 >> here);
	}
	return true;
}

static bool
arg_ip(struct expr_arg *arg, enum sample_type want, struct err *err)
{
	struct sample s;
	if (!sample_parse_ip(arg->s, &s) || s.type != want)
		return err_set(err, "'%.*s' is not an %s address", STR_ARG(arg->s),
			       want == SMP_IP4 ? "IPv4" : "IPv6");
	memcpy(arg->ip, s.ip, sizeof(arg->ip));
	return true;
}

static bool
arg_acl(struct expr_env *env, struct expr_arg *arg, struct err *err)
{
	struct str name = arg->s;
	while (name.n > 0 && name.p[0] == '!') {
		arg->negated = !arg->negated;
		name = str_slice(name, 1, name.n);
	}
	arg->acl = acl_find(env, name, err);
	return arg->acl != NULL;
}

static bool
arg_convert(struct expr_env *env, const struct arg_spec *spec, struct expr_arg *arg,
	    struct err *err)
{
	uint64_t us;
	if ((spec->flags & ARG_NOT_EMPTY) && arg->s.n == 0)
		return err_set(err, "must not be empty");
	switch (spec->type) {
	case ARG_INT:
		return arg_int(spec, arg, err);
	case ARG_TIME_US:
		if (!str_to_time_us(arg->s, spec->unit_us, &us) || us > INT64_MAX)
			return err_set(err, "'%.*s' is not a time", STR_ARG(arg->s));
		arg->i = (int64_t)us;
		return true;
	case ARG_IP4:
	case ARG_IP6:
		return arg_ip(arg, spec->type == ARG_IP4 ? SMP_IP4 : SMP_IP6, err);
	case ARG_MASK4:
	case ARG_MASK6:
		return arg_mask(arg, spec->type == ARG_MASK4 ? 32 : 128, err);
	case ARG_VAR:
		return var_parse(env, arg->s, &arg->var, err);
	case ARG_REGEX:
		arg->regex = expr_set_regex(env->set, arg->s, spec->flags & ARG_ICASE, err);
		return arg->regex != NULL;
	case ARG_ACL:
		return arg_acl(env, arg, err);
	case ARG_STR:
	case ARG_NAME:
	case ARG_REST:
	case ARG_END:
		break;
	}
	return true;
}

// Texts between the parentheses; *at stands behind "(" and ends behind ")".
static bool
cut_args(struct expr_env *env, struct str text, size_t *at, struct str *texts, size_t *n,
	 struct err *err)
{
	*n = 0;
	for (;;) {
		if (*n == EXPR_MAX_ARGS)
			return err_set(err, "more than %d arguments at character %zu",
				       EXPR_MAX_ARGS, *at + 1);
		if (!cut_arg(text, at, &env->set->arena, &texts[(*n)++], err))
			return false;
		if (text.p[(*at)++] == ')')
			return true;
	}
}

static size_t
count_specs(const struct arg_spec *specs)
{
	size_t n = 0;
	while (specs != NULL && specs[n].type != ARG_END)
		n++;
	return n;
}

// An empty optional argument counts as left out: concat(,txn.x).
static bool
fill_arg(struct expr_env *env, const struct arg_spec *spec, const struct str *text, size_t i,
	 struct expr_arg *arg, struct err *err)
{
	arg->type = (uint8_t)spec->type;
	arg->s = text != NULL ? *text : STR("");
	arg->given = text != NULL && !(text->n == 0 && (spec->flags & ARG_OPTIONAL));
	if (!arg->given) {
		if (spec->flags & ARG_OPTIONAL)
			return true;
		return err_set(err, "argument %zu (%s) is missing", i + 1, spec->name);
	}
	if (!arg_convert(env, spec, arg, err))
		return err_wrap(err, "argument %zu (%s)", i + 1, spec->name);
	return true;
}

struct expr_arg *
expr_fill_args(struct expr_env *env, const struct arg_spec *specs, const struct str *texts,
	       size_t n, struct err *err)
{
	size_t n_specs = count_specs(specs);
	bool rest = n_specs > 0 && specs[n_specs - 1].type == ARG_REST;
	if (n == 1 && texts[0].n == 0 && (n_specs == 0 || (specs[0].flags & ARG_OPTIONAL)))
		n = 0; // "path()"
	if (n > n_specs && !rest) {
		err_set(err, "takes at most %zu argument%s, not %zu", n_specs,
			n_specs == 1 ? "" : "s", n);
		return NULL;
	}
	size_t total = MAX(n, n_specs);
	struct expr_arg *args =
	    arena_zalloc(&env->set->arena, (total + 1) * sizeof(*args), alignof(struct expr_arg));
	ASSERT(args != NULL);
	for (size_t i = 0; i < total; i++) {
		const struct arg_spec *spec = &specs[MIN(i, n_specs - 1)];
		if (!fill_arg(env, spec, i < n ? &texts[i] : NULL, i, &args[i], err))
			return NULL;
	}
	return args;
}

struct expr_arg *
expr_parse_args(struct expr_env *env, struct str text, size_t *at, const struct arg_spec *specs,
		struct err *err)
{
	struct str texts[EXPR_MAX_ARGS];
	size_t n = 0;
	if (*at < text.n && text.p[*at] == '(') {
		++*at;
		if (!cut_args(env, text, at, texts, &n, err))
			return NULL;
	}
	return expr_fill_args(env, specs, texts, n, err);
}

// A row "lua.*" stands for all names that begin so; what follows is its first argument.
static struct expr_arg *
parse_tail_args(struct expr_env *env, struct str text, size_t *at, const struct arg_spec *specs,
		struct err *err)
{
	struct str texts[EXPR_MAX_ARGS + 1], name = str_slice(text, 0, *at);
	size_t n = 0, start = name.n;
	while (start > 0 && name.p[start - 1] != ',')
		start--;
	name = str_slice(name, start, name.n);
	size_t dot = str_find_byte(name, '.');
	texts[0] = str_copy(&env->set->arena, str_slice(name, dot + 1, name.n));
	if (*at < text.n && text.p[*at] == '(') {
		++*at;
		if (!cut_args(env, text, at, texts + 1, &n, err))
			return NULL;
	}
	if (n == 1 && texts[1].n == 0)
		n = 0; // "lua.f()"
	return expr_fill_args(env, specs, texts, n + 1, err);
}

static struct expr_arg *
row_args(struct expr_env *env, struct str text, size_t *at, const char *row_name,
	 const struct arg_spec *specs, struct err *err)
{
	if (str_ends(str_from_c(row_name), STR(".*")))
		return parse_tail_args(env, text, at, specs, err);
	return expr_parse_args(env, text, at, specs, err);
}

// "lua.x" is found as "lua.*". NULL: no such name.
static const void *
wildcard(const struct hash_map *rows, struct str name)
{
	char key[32];
	size_t dot = str_find_byte(name, '.');
	if (dot == SIZE_MAX || dot + 1 >= name.n || dot + 2 > sizeof(key))
		return NULL;
	memcpy(key, name.p, dot + 1);
	key[dot + 1] = '*';
	return hash_map_get(rows, str_of(key, dot + 2));
}

// ---- the chain

static struct str
cut_name(struct str text, size_t *at)
{
	size_t from = *at;
	while (*at < text.n && is_name_byte(text.p[*at]))
		++*at;
	return str_slice(text, from, *at);
}

static bool
unknown(const char *kind, const struct hash_map *m, struct str name, size_t at, struct err *err)
{
	const char *near = expr_suggest(m, name);
	if (name.n == 0)
		return err_set(err, "a %s's name is missing at character %zu", kind, at + 1);
	return err_set(err, "unknown %s '%.*s' at character %zu%s%s%s", kind, STR_ARG(name), at + 1,
		       near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
		       near != NULL ? "'?" : "");
}

static bool
parse_fetch(struct expr_env *env, struct str text, size_t *at, struct expr *e, struct err *err)
{
	size_t from = *at;
	struct str name = cut_name(text, at);
	const struct fetch_row *row = expr_set_fetch(env->set, name);
	if (row == NULL)
		row = wildcard(&env->set->fetches, name);
	if (row == NULL)
		return unknown("fetch", &env->set->fetches, name, from, err);
	struct expr_arg *args = row_args(env, text, at, row->name, row->args, err);
	if (args == NULL)
		return err_wrap(err, "%.*s", STR_ARG(name));
	enum sample_type out = row->out;
	if (row->check != NULL && !row->check(args, env, &out, err))
		return err_wrap(err, "%.*s", STR_ARG(name));
	if (row->link != NULL)
		expr_set_defer(env, row->name, row->link, args);
	e->row = row;
	e->fetch = row->fetch;
	e->args = args;
	e->out = (uint8_t)out;
	e->needs = row->needs;
	e->flags = row->flags;
	return expr_check_place(env->place, name, row->needs, err);
}

// Which variables an argument names decides what the row needs beyond its own bits.
static unsigned
args_need(const struct expr_arg *args)
{
	unsigned needs = 0;
	for (; args->type != ARG_END; args++) {
		if (args->type == ARG_VAR && args->given && args->var.scope != VAR_PROC)
			needs |= args->var.scope == VAR_SHM    ? SMP_NEED_SHM
				 : args->var.scope == VAR_SESS ? SMP_NEED_CONN
							       : SMP_NEED_TXN;
		if (args->type == ARG_ACL && args->given)
			needs |= acl_needs(args->acl);
	}
	return needs;
}

static bool
parse_conv(struct expr_env *env, struct str text, size_t *at, struct expr *e,
	   struct expr_step *step, struct err *err)
{
	size_t from = *at;
	struct str name = cut_name(text, at);
	const struct conv_row *row = expr_set_conv(env->set, name);
	if (row == NULL)
		row = wildcard(&env->set->convs, name);
	if (row == NULL)
		return unknown("converter", &env->set->convs, name, from, err);
	struct expr_arg *args = row_args(env, text, at, row->name, row->args, err);
	if (args == NULL)
		return err_wrap(err, "%.*s", STR_ARG(name));
	if (!sample_can_cast(e->out, row->in))
		return err_set(err,
			       "%.*s takes a %s at character %zu, but what is before it is a "
			       "%s and cannot be turned into one",
			       STR_ARG(name), sample_type_name(row->in), from + 1,
			       sample_type_name(e->out));
	enum sample_type out = row->out == SMP_ANY && row->in == SMP_ANY ? e->out : row->out;
	if (row->check != NULL && !row->check(args, env, &out, err))
		return err_wrap(err, "%.*s", STR_ARG(name));
	if (row->link != NULL)
		expr_set_defer(env, row->name, row->link, args);
	*step = (struct expr_step){row->conv, args, row->in, row};
	e->out = (uint8_t)out;
	e->needs |= row->needs | args_need(args);
	e->flags |= row->flags & ROW_VOLATILE;
	return expr_check_place(env->place, name, e->needs, err);
}

// The first word with its comma-separated converters, from *at on.
static bool
parse_chain(struct expr_env *env, struct str text, struct expr *e, struct expr_step *steps,
	    struct err *err)
{
	size_t at = 0;
	if (!parse_fetch(env, text, &at, e, err))
		return false;
	e->needs |= args_need(e->args);
	if (!expr_check_place(env->place, text, e->needs, err))
		return false;
	while (at < text.n) {
		if (text.p[at] != ',')
			return err_set(err, "unexpected '%c' at character %zu of '%.*s'",
				       text.p[at], at + 1, STR_ARG(text));
		while (at < text.n && text.p[at] == ',')
			at++;
		if (at == text.n)
			break; // HAProxy lets a comma stand at the end
		if (e->n_steps == EXPR_MAX_CONVS)
			return err_set(err, "more than %d converters", EXPR_MAX_CONVS);
		if (!parse_conv(env, text, &at, e, &steps[e->n_steps], err))
			return false;
		e->n_steps++;
	}
	return true;
}

static struct expr *
finish(struct expr_env *env, const struct expr *e, const struct expr_step *steps, struct str text)
{
	struct arena *a = &env->set->arena;
	struct expr *made = ARENA_NEW(a, struct expr);
	struct expr_step *kept =
	    arena_zalloc(a, (e->n_steps + 1u) * sizeof(*kept), alignof(struct expr_step));
	ASSERT(made != NULL && kept != NULL);
	*made = *e;
	memcpy(kept, steps, e->n_steps * sizeof(*kept));
	made->steps = kept;
	made->source = str_copy(a, text);
	made->file = env->file;
	made->line = env->line;
	expr_fold(env->set, made);
	return made;
}

struct expr *
expr_parse(struct expr_env *env, struct str text, struct err *err)
{
	struct expr_step steps[EXPR_MAX_CONVS];
	struct expr e = {0};
	if (!parse_chain(env, text, &e, steps, err))
		return NULL;
	return finish(env, &e, steps, text);
}

// HAProxy also takes converters as words of their own behind the first.
struct expr *
expr_parse_words(struct expr_env *env, int argc, const struct str *argv, int *used, struct err *err)
{
	struct expr_step steps[EXPR_MAX_CONVS];
	struct expr e = {0};
	if (argc == 0) {
		err_set(err, "an expression is missing");
		return NULL;
	}
	if (!parse_chain(env, argv[0], &e, steps, err))
		return NULL;
	for (*used = 1; *used < argc && e.n_steps < EXPR_MAX_CONVS; ++*used) {
		size_t at = 0;
		struct str name = cut_name(argv[*used], &at);
		if (expr_set_conv(env->set, name) == NULL &&
		    wildcard(&env->set->convs, name) == NULL)
			break;
		at = 0;
		if (!parse_conv(env, argv[*used], &at, &e, &steps[e.n_steps], err))
			return NULL;
		e.n_steps++;
		if (at < argv[*used].n) {
			err_set(err, "unexpected '%c' at character %zu of '%.*s'",
				argv[*used].p[at], at + 1, STR_ARG(argv[*used]));
			return NULL;
		}
	}
	return finish(env, &e, steps, argv[0]);
}
