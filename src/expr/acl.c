// SPDX-License-Identifier: MIT
// Named ACLs: a criterion (a fetch chain, or a keyword like path_beg that is a fetch and a match
// in one), flags, operators and values; the predefined ones.

#include "expr/acl.h"

#include <ctype.h>
#include <stdio.h>

#include "base/mem.h"
#include "expr/acl_priv.h"
#include "expr/pattern_ref.h"

struct acl_scope {
	struct expr_set *set;
	struct hash_map names;
	struct acl_scope *builtins; // the predefined ones that it uses; NULL: none yet
};

struct acl_scope *
acl_scope_new(struct expr_set *set)
{
	struct acl_scope *s = ARENA_NEW(&set->arena, struct acl_scope);
	ASSERT(s != NULL);
	s->set = set;
	VEC_GROW(set->scopes, set->cap_scopes, set->n_scopes);
	set->scopes[set->n_scopes++] = s;
	return s;
}

void
acl_scope_fini(struct acl_scope *s)
{
	hash_map_fini(&s->names);
}

// ---- criterion

// "hdr_beg(host)": the fetch "hdr" and the match beg. Only fetches that say so have aliases.
static bool
split_alias(struct expr_set *set, struct str word, struct str *fetch_word, enum pat_match *match)
{
	size_t paren = MIN(str_find_byte(word, '('), word.n);
	size_t comma = MIN(str_find_byte(word, ','), word.n);
	size_t end = MIN(paren, comma);
	struct str name = str_slice(word, 0, end);
	enum pat_match m;
	if (expr_set_fetch(set, name) != NULL || name.n < 5 || name.p[name.n - 4] != '_' ||
	    !pat_match_parse(str_slice(name, name.n - 3, name.n), &m))
		return false;
	if (m != PAT_BEG && m != PAT_DIR && m != PAT_DOM && m != PAT_END && m != PAT_LEN &&
	    m != PAT_REG && m != PAT_SUB)
		return false;
	struct str base = str_slice(name, 0, name.n - 4);
	const struct fetch_row *row = expr_set_fetch(set, base);
	if (row == NULL || !(row->flags & ROW_ACL_ALIASES))
		return false;
	char *p = arena_alloc(&set->arena, word.n + 1, 1);
	ASSERT(p != NULL);
	memcpy(p, word.p, base.n);
	memcpy(p + base.n, word.p + end, word.n - end);
	p[base.n + word.n - end] = '\0';
	*fetch_word = str_of(p, base.n + word.n - end);
	*match = m;
	return true;
}

// Names with a match in them, "path_beg", one after the other. An error's way: the arena is not
// spared.
struct alias_walk {
	struct expr_set *set;
	size_t at, match;
};

static const char *
next_alias(void *iter)
{
	static const char *const matches[] = {"beg", "dir", "dom", "end", "len", "reg", "sub"};
	struct alias_walk *w = iter;
	const struct hash_map *m = &w->set->fetches;
	for (; w->at < m->n_slots; w->at++, w->match = 0) {
		const struct fetch_row *row = m->slots[w->at].value;
		if (m->slots[w->at].key.p == NULL || !(row->flags & ROW_ACL_ALIASES) ||
		    w->match == ARRAY_LEN(matches))
			continue;
		return arena_printf(&w->set->arena, "%.*s_%s", STR_ARG(m->slots[w->at].key),
				    matches[w->match++]);
	}
	return NULL;
}

// A policy's function may have any name that Lua has.
static bool
may_be_function(struct expr_set *set, struct str name)
{
	bool good = name.n > 0 && !(name.p[0] >= '0' && name.p[0] <= '9');
	for (size_t i = 0; good && i < name.n; i++)
		good = isalnum((unsigned char)name.p[i]) || name.p[i] == '_';
	return good && expr_set_fetch(set, STR("lua")) != NULL;
}

// No fetch is named so, nor nearly: perhaps a keyword like path_beg was meant, or a function.
static void
suggest_other(struct expr_set *set, struct str word, struct err *err)
{
	size_t end = MIN(str_find_byte(word, '('), str_find_byte(word, ','));
	struct str name = str_slice(word, 0, end);
	struct alias_walk w = {.set = set};
	if (expr_set_fetch(set, name) != NULL || expr_suggest(&set->fetches, name) != NULL)
		return;
	const char *near = str_suggest(name, next_alias, &w);
	if (near != NULL)
		(void)err_add(err, "; did you mean '%s'?", near);
	else if (may_be_function(set, name))
		(void)err_add(err, "; a policy's function is called as 'lua(%.*s)'", STR_ARG(name));
}

// The old names of bytes are compared as such; req.payload wants an -m.
static bool
is_payload_keyword(struct str word)
{
	struct str name = str_slice(word, 0, str_find_byte(word, '('));
	return str_eq(name, STR("payload")) || str_eq(name, STR("payload_lv"));
}

static struct expr *
parse_criterion(struct expr_env *env, struct str word, enum pat_match *match, struct err *err)
{
	struct str fetch_word = word;
	enum pat_match alias = PAT_NONE;
	bool aliased = split_alias(env->set, word, &fetch_word, &alias);
	struct expr *e = expr_parse(env, fetch_word, err);
	if (e == NULL) {
		suggest_other(env->set, word, err);
		return NULL;
	}
	if (!aliased && is_payload_keyword(word))
		alias = PAT_BIN;
	// a converter behind the keyword drops the match that the keyword meant
	*match = alias != PAT_NONE && e->n_steps == 0 ? alias : pat_match_default(expr_type(e));
	return e;
}

// ---- flags

struct flags {
	struct pattern_opts opts;
	bool said_match;
	const struct str *file[ACL_MAX_FILES];
	bool file_icase[ACL_MAX_FILES];
	int n_files;
	bool has_id; // -u
	int64_t id;
};

static bool
flag_value(int argc, const struct str *argv, int *i, struct err *err)
{
	if (*i + 1 >= argc)
		return err_set(err, "a value is missing behind '%.*s'", STR_ARG(argv[*i]));
	++*i;
	return true;
}

static bool
parse_flag(struct flags *f, int argc, const struct str *argv, int *i, struct err *err)
{
	struct str flag = argv[*i];
	if (str_eq(flag, STR("-i"))) {
		f->opts.icase = true;
	} else if (str_eq(flag, STR("-n"))) {
		// names are never resolved
	} else if (str_eq(flag, STR("-M"))) {
		f->opts.map = true;
	} else if (str_eq(flag, STR("-u"))) {
		if (!flag_value(argc, argv, i, err))
			return false;
		f->has_id = str_to_int(argv[*i], &f->id) && f->id >= 0 && f->id <= INT32_MAX;
		if (!f->has_id)
			return err_set(err, "-u: '%.*s' is no number from 0", STR_ARG(argv[*i]));
	} else if (str_eq(flag, STR("-m"))) {
		if (!flag_value(argc, argv, i, err))
			return false;
		if (f->said_match || f->n_files > 0)
			return err_set(err, "-m may be given once, and before -f");
		if (!pat_match_parse(argv[*i], &f->opts.match))
			return err_set(err,
				       "unknown match '%.*s'; found bool int ip bin len str sub "
				       "reg beg end dir dom are known",
				       STR_ARG(argv[*i]));
		f->said_match = true;
	} else if (str_eq(flag, STR("-f"))) {
		if (!flag_value(argc, argv, i, err))
			return false;
		if (f->n_files == ACL_MAX_FILES)
			return err_set(err, "more than %d files", ACL_MAX_FILES);
		f->file[f->n_files++] = &argv[*i];
	} else {
		return err_set(err,
			       "unknown flag '%.*s'; -i -f -m -n -M -u are known, and -- stands "
			       "before a value that begins with '-'",
			       STR_ARG(flag));
	}
	return true;
}

// A negative number is a value, not a flag.
static bool
is_flag(struct str word)
{
	return word.n == 2 && word.p[0] == '-' && !(word.p[1] >= '0' && word.p[1] <= '9');
}

static bool
parse_flags(struct flags *f, int argc, const struct str *argv, int *used, struct err *err)
{
	int i = 0;
	for (; i < argc && is_flag(argv[i]); i++) {
		if (str_eq(argv[i], STR("--"))) {
			i++;
			break;
		}
		if (!parse_flag(f, argc, argv, &i, err))
			return false;
	}
	*used = i;
	return true;
}

// ---- one test

static bool
check_match(const struct expr *e, const struct flags *f, int n_values, struct err *err)
{
	enum pat_match m = f->opts.match;
	bool valueless = m == PAT_FOUND || m == PAT_BOOL || m == PAT_VALUE;
	if (m == PAT_NONE)
		return err_set(err, "'%.*s' is binary: say how to compare with -m",
			       STR_ARG(e->source));
	if (m == PAT_VALUE && n_values > 0)
		return err_set(err,
			       "the type of '%.*s' is known only when it runs: say how to compare "
			       "with -m (int, str, ip, bool...)",
			       STR_ARG(e->source));
	if (valueless && n_values > 0)
		return err_set(err,
			       "'%.*s' is compared as %s, which takes no value; say -m to compare "
			       "otherwise",
			       STR_ARG(e->source), pat_match_name(m));
	if (!valueless && n_values == 0)
		return err_set(err,
			       "'%.*s' is compared as %s: a value is missing, so it could "
			       "never match; say -m %s",
			       STR_ARG(e->source), pat_match_name(m),
			       str_starts(e->source, STR("lua."))
				   ? "bool to ask whether it is true"
				   : "found to ask whether it is there");
	if (!sample_can_cast(expr_type(e), pat_match_type(m)))
		return err_set(err, "'%.*s' is a %s, which cannot be compared as %s",
			       STR_ARG(e->source), sample_type_name(expr_type(e)),
			       pat_match_name(m));
	return true;
}

// Named sets that the flags name, each looked at in this test's way.
static bool
use_files(struct pattern_list *l, struct expr_env *env, const struct flags *f, struct err *err)
{
	size_t n = (size_t)f->n_files;
	if (n == 0)
		return true;
	struct pattern_use **uses =
	    arena_alloc(&env->set->arena, n * sizeof(struct pattern_use *), alignof(void *));
	ASSERT(uses != NULL);
	for (size_t i = 0; i < n; i++) {
		uses[i] = pattern_use_get(env, *f->file[i], &f->opts, SMP_STR, err);
		if (uses[i] == NULL)
			return false;
	}
	pattern_list_use(l, uses, n);
	return true;
}

// As listings name it: converters make the keyword its fetch.
static struct str
keyword_of(const struct expr *e, struct str word)
{
	size_t end = MIN(str_find_byte(word, '('), str_find_byte(word, ','));
	return e->n_steps > 0 ? str_from_c(e->row->name) : str_slice(word, 0, end);
}

// Its own words, for commands. What -u numbers is meant to change: it is no constant.
static bool
number_words(struct expr_env *env, const struct flags *f, struct str word, struct acl_test *t,
	     struct pattern_list *l, struct err *err)
{
	if (!f->has_id)
		acl_test_fold(env->set, t);
	struct pattern_words w = {
	    .keyword = keyword_of(t->expr, word),
	    .opts = f->opts,
	    .list = l,
	    .constant = t->constant,
	};
	return pattern_words_add(env, f->has_id ? f->id : -1, &w, err);
}

bool
acl_test_parse(struct expr_env *env, int argc, const struct str *argv, struct acl_test *t,
	       struct err *err)
{
	struct flags f = {0};
	int used;
	struct expr *e = parse_criterion(env, argv[0], &f.opts.match, err);
	if (e == NULL || !parse_flags(&f, argc - 1, argv + 1, &used, err))
		return false;
	int n_values = argc - 1 - used;
	if (!check_match(e, &f, n_values + f.n_files + f.has_id, err))
		return false;
	struct pattern_list *l = pattern_list_new(&env->set->arena, &f.opts);
	expr_set_own_list(env->set, l);
	const struct str *words = argv + 1 + used;
	if (e->row->flags & ROW_VERSION && e->n_steps == 0 && f.opts.match == PAT_INT &&
	    !f.said_match) {
		words = acl_versions(&env->set->arena, n_values, words, err);
		if (words == NULL)
			return false;
	}
	if (!acl_check_values(e, &f.opts, n_values, words, err) || !use_files(l, env, &f, err) ||
	    !pattern_list_add_words(l, n_values, words, err) || !pattern_list_build(l, err))
		return false;
	*t = (struct acl_test){
	    .expr = e,
	    .list = l,
	    .want = (uint8_t)pat_match_type(f.opts.match),
	    .found = f.opts.match == PAT_FOUND,
	};
	return number_words(env, &f, argv[0], t, l, err);
}

// ---- names

static bool
is_acl_name(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '_' || c == '.' || c == '-' || c == ':'))
			return false;
	}
	return s.n > 0;
}

// Gives an ACL that is used more than once its place in the memo, and the memo what it reads. One
// that turns out to read what cannot be watched, by a later line of its name, loses it again.
static void
keep_answers(struct expr_set *set, struct acl *a)
{
	if (a->reads.classes & MEMO_NEVER) {
		a->slot = 0;
		return;
	}
	if (a->slot == 0 && (a->uses < 2 || set->n_memo == 64))
		return;
	if (a->slot == 0)
		a->slot = ++set->n_memo;
	uint64_t bit = UINT64_C(1) << (a->slot - 1);
	for (unsigned i = 0; i < MEMO_CLASSES; i++)
		if (a->reads.classes & 1u << i)
			set->memo.readers[i] |= bit;
	for (unsigned i = 0; i < MEMO_VAR_BITS; i++)
		if (a->reads.vars >> i & 1)
			set->memo.var_readers[i] |= bit;
}

void
acl_add_test(struct expr_set *set, struct acl *a, const struct acl_test *t)
{
	struct acl_test *tests =
	    arena_alloc(&set->arena, (a->n_tests + 1u) * sizeof(*tests), alignof(struct acl_test));
	ASSERT(tests != NULL);
	if (a->n_tests > 0)
		memcpy(tests, a->tests, a->n_tests * sizeof(*tests));
	tests[a->n_tests] = *t;
	a->tests = tests;
	a->n_tests++;
	a->needs |= t->expr->needs;
	acl_test_reads(t, &a->reads);
	keep_answers(set, a);
}

static struct acl *
scope_add(struct acl_scope *scope, struct str name)
{
	struct arena *arena = &scope->set->arena;
	struct acl *a = ARENA_NEW(arena, struct acl);
	ASSERT(a != NULL);
	a->name = str_of(str_to_c(arena, name), name.n);
	(void)hash_map_put(&scope->names, a->name, a); // the caller looked
	return a;
}

bool
acl_declare(struct expr_env *env, int argc, const struct str *argv, struct err *err)
{
	struct expr_env anywhere = *env;
	struct acl_test t;
	anywhere.place = &EXPR_ANYWHERE;
	if (argc < 2)
		return err_set(err, "an ACL needs a name and a criterion");
	if (!is_acl_name(argv[0]))
		return err_set(err, "'%.*s' is no name: letters, digits, '_', '.', '-', ':'",
			       STR_ARG(argv[0]));
	if (str_eq_nocase(argv[0], STR("or")) || str_eq(argv[0], STR("||")))
		return err_set(err, "'%.*s' cannot be an ACL's name: conditions use it",
			       STR_ARG(argv[0]));
	if (!acl_test_parse(&anywhere, argc - 1, argv + 1, &t, err))
		return err_wrap(err, "acl '%.*s'", STR_ARG(argv[0]));
	struct acl *a = hash_map_get(&env->acls->names, argv[0]);
	if (a == NULL)
		a = scope_add(env->acls, argv[0]);
	a->open = true;
	acl_add_test(env->set, a, &t);
	return true;
}

// ---- predefined

static const struct {
	const char *name;
	const char *words;
} builtins[] = {
    {"TRUE", "always_true"},
    {"FALSE", "always_false"},
    {"WAIT_END", "wait_end"},
    {"REQ_CONTENT", "req.len gt 0"},
    {"LOCALHOST", "src 127.0.0.1/8 ::1"},
    {"HTTP", "req.proto_http"},
    {"HTTP_1.0", "req.ver 1.0"},
    {"HTTP_1.1", "req.ver 1.1"},
    {"HTTP_2.0", "req.ver 2.0"},
    {"HTTP_3.0", "req.ver 3.0"},
    {"HTTP_CONTENT", "req.hdr_val(content-length) gt 0"},
    {"HTTP_URL_ABS", "url_reg ^[^/:]*://"},
    {"HTTP_URL_SLASH", "url_beg /"},
    {"HTTP_URL_STAR", "url *"},
    {"METH_CONNECT", "method CONNECT"},
    {"METH_DELETE", "method DELETE"},
    {"METH_GET", "method GET HEAD"},
    {"METH_HEAD", "method HEAD"},
    {"METH_OPTIONS", "method OPTIONS"},
    {"METH_POST", "method POST"},
    {"METH_PUT", "method PUT"},
    {"METH_TRACE", "method TRACE"},
};

#define BUILTIN_MAX_WORDS 8

// Each section has its own, as in HAProxy: commands know them by different numbers.
static struct acl *
builtin(struct expr_env *env, struct str name)
{
	struct expr_set *set = env->set;
	struct expr_env anywhere = *env;
	struct acl_scope **scope = env->acls != NULL ? &env->acls->builtins : &set->builtin_acls;
	if (*scope == NULL)
		*scope = acl_scope_new(set);
	struct acl *a = hash_map_get(&(*scope)->names, name);
	for (size_t i = 0; a == NULL && i < ARRAY_LEN(builtins); i++) {
		if (!str_eq(name, str_from_c(builtins[i].name)))
			continue;
		struct str argv[BUILTIN_MAX_WORDS], rest = str_from_c(builtins[i].words);
		struct acl_test t;
		struct err err;
		int argc = 0;
		while (argc < BUILTIN_MAX_WORDS && str_next(&rest, ' ', &argv[argc]))
			argc++;
		anywhere.place = &EXPR_ANYWHERE;
		bool good = acl_test_parse(&anywhere, argc, argv, &t, &err);
		ASSERT(good);
		a = scope_add(*scope, name);
		acl_add_test(set, a, &t);
	}
	return a;
}

struct name_walk {
	const struct hash_map *map;
	size_t at, builtin;
};

static const char *
next_name(void *iter)
{
	struct name_walk *w = iter;
	while (w->map != NULL && w->at < w->map->n_slots) {
		struct str key = w->map->slots[w->at++].key;
		if (key.p != NULL)
			return key.p;
	}
	return w->builtin < ARRAY_LEN(builtins) ? builtins[w->builtin++].name : NULL;
}

const struct acl *
acl_find(struct expr_env *env, struct str name, struct err *err)
{
	struct acl *a = env->acls != NULL ? hash_map_get(&env->acls->names, name) : NULL;
	if (a == NULL)
		a = builtin(env, name);
	if (a != NULL) {
		a->uses++;
		keep_answers(env->set, a);
		return a;
	}
	struct name_walk w = {.map = env->acls != NULL ? &env->acls->names : NULL};
	const char *near = str_suggest(name, next_name, &w);
	err_set(err, "no ACL '%.*s' is declared before this line%s%s%s", STR_ARG(name),
		near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
		near != NULL ? "'?" : "");
	return NULL;
}

unsigned
acl_needs(const struct acl *a)
{
	return a->needs;
}
