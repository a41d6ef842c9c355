// SPDX-License-Identifier: MIT
// The conditions of .if, .elif and -cc: numbers, predicates, !, &&, || and parentheses, && binding
// closer. Both sides of an operator are always read, so a faulty right side is a fault even where
// the left side decides. true, false, strstr() and enabled() are known beyond what haproxy 2.6 has.
#include "conf/conf_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define MAX_DEPTH     64u
#define MAX_ARGS      2
#define MAX_ARG_BYTES 1024u

struct cond {
	const struct conf_options *opt;
	struct str text;
	size_t at;
	unsigned depth;
	struct err *err;
};

// Arguments of a predicate, unquoted, NUL-terminated.
struct cond_args {
	char text[MAX_ARGS][MAX_ARG_BYTES];
	int n;
};

struct predicate {
	struct str name;
	int n_args;
	bool (*eval)(const struct conf_options *, const struct cond_args *);
};

static bool
eval_defined(const struct conf_options *opt, const struct cond_args *a)
{
	return conf_env_get(opt, a->text[0]) != NULL;
}

static bool
eval_feature(const struct conf_options *opt, const struct cond_args *a)
{
	for (const char *const *f = opt->features; f != NULL && *f != NULL; f++)
		if (strcmp(*f, a->text[0]) == 0)
			return true;
	return false;
}

static bool
eval_streq(const struct conf_options *opt UNUSED, const struct cond_args *a)
{
	return strcmp(a->text[0], a->text[1]) == 0;
}

static bool
eval_strneq(const struct conf_options *opt UNUSED, const struct cond_args *a)
{
	return strcmp(a->text[0], a->text[1]) != 0;
}

static bool
eval_strstr(const struct conf_options *opt UNUSED, const struct cond_args *a)
{
	return strstr(a->text[0], a->text[1]) != NULL;
}

// Where a version stands among the releases: "2.4-dev19" is before "2.4", "2.4-1" behind it.
struct version {
	unsigned long part[5]; // major, minor, patch, 0 dev / 1 rc / 2 release, its number
};

static struct version
parse_version(const char *s)
{
	struct version v = {.part = {0, 0, 0, 2, 0}};
	char *end = NULL;
	for (int k = 0; k < 3 && *s >= '0' && *s <= '9'; k++) {
		v.part[k] = strtoul(s, &end, 10);
		s = *end == '.' ? end + 1 : end;
	}
	if (*s != '-')
		return v;
	s++;
	if (strncmp(s, "dev", 3) == 0 || strncmp(s, "rc", 2) == 0) {
		v.part[3] = *s == 'd' ? 0 : 1;
		s += *s == 'd' ? 3 : 2;
	}
	v.part[4] = strtoul(s, NULL, 10);
	return v;
}

// Does the current version stand before the one asked about?
static bool
eval_version_before(const struct conf_options *opt, const struct cond_args *a)
{
	const char *current = opt->version != NULL ? opt->version : CONF_LANGUAGE_VERSION;
	struct version have = parse_version(current), asked = parse_version(a->text[0]);
	for (size_t k = 0; k < ARRAY_LEN(have.part); k++)
		if (have.part[k] != asked.part[k])
			return have.part[k] < asked.part[k];
	return false;
}

static bool
eval_version_atleast(const struct conf_options *opt, const struct cond_args *a)
{
	return !eval_version_before(opt, a);
}

// What HAProxy's command line can switch off; here most cannot, or is not there.
static bool
eval_enabled(const struct conf_options *opt UNUSED, const struct cond_args *a)
{
	static const char *const always[] = {"EPOLL", "POLL", "GETADDRINFO", "REUSEPORT"};
	for (size_t k = 0; k < ARRAY_LEN(always); k++)
		if (strcasecmp(always[k], a->text[0]) == 0)
			return true;
	return false;
}

// Of a TLS library: there is none, so it has no version and no name.
static bool
eval_no_tls(const struct conf_options *opt UNUSED, const struct cond_args *a UNUSED)
{
	return false;
}

static const struct predicate predicates[] = {
    {{"defined", 7}, 1, eval_defined},
    {{"enabled", 7}, 1, eval_enabled},
    {{"feature", 7}, 1, eval_feature},
    {{"openssl_version_atleast", 23}, 1, eval_no_tls},
    {{"openssl_version_before", 22}, 1, eval_no_tls},
    {{"ssllib_name_startswith", 22}, 1, eval_no_tls},
    {{"streq", 5}, 2, eval_streq},
    {{"strneq", 6}, 2, eval_strneq},
    {{"strstr", 6}, 2, eval_strstr},
    {{"version_atleast", 15}, 1, eval_version_atleast},
    {{"version_before", 14}, 1, eval_version_before},
};

static char
peek(const struct cond *c, size_t ahead)
{
	return c->at + ahead < c->text.n ? c->text.p[c->at + ahead] : '\0';
}

static void
skip_spaces(struct cond *c)
{
	while (peek(c, 0) == ' ' || peek(c, 0) == '\t')
		c->at++;
}

static struct str
rest(const struct cond *c)
{
	return str_slice(c->text, c->at, c->text.n);
}

// One byte of an argument: quotes are performed again, as in all arguments in parentheses.
// Returns false at the argument's end.
static bool
take_arg_byte(struct cond *c, char *quote, char *out, size_t *n)
{
	static const char mapped[][2] = {{'n', '\n'},  {'r', '\r'}, {'t', '\t'}, {' ', ' '},
					 {'\\', '\\'}, {'"', '"'},  {'\'', '\''}};
	char b = peek(c, 0);
	if (b == '\0' || (*quote == 0 && (b == ',' || b == ')')))
		return false;
	c->at++;
	if ((b == '"' || b == '\'') && (*quote == 0 || *quote == b)) {
		*quote = *quote == 0 ? b : '\0';
		return true;
	}
	if (b == '\\' && *quote != '\'')
		for (size_t k = 0; k < ARRAY_LEN(mapped); k++)
			if (peek(c, 0) == mapped[k][0]) {
				b = mapped[k][1];
				c->at++;
				break;
			}
	if (*n < MAX_ARG_BYTES - 1)
		out[*n] = b;
	(*n)++;
	return true;
}

static bool
take_args(struct cond *c, const struct predicate *p, struct cond_args *args)
{
	int n = 0;
	args->n = 0;
	if (peek(c, 0) != '(')
		return err_set(c->err, "predicate '%s' expects %d argument%s in parentheses",
			       p->name.p, p->n_args, p->n_args > 1 ? "s" : "");
	do {
		size_t len = 0;
		char quote = 0;
		c->at++;
		if (n == p->n_args)
			return err_set(c->err, "too many arguments for predicate '%s', expected %d",
				       p->name.p, p->n_args);
		while (take_arg_byte(c, &quote, args->text[n], &len))
			;
		if (len >= MAX_ARG_BYTES)
			return err_set(c->err,
				       "argument %d of predicate '%s' is longer than %u bytes",
				       n + 1, p->name.p, MAX_ARG_BYTES - 1);
		args->text[n++][len] = '\0';
	} while (peek(c, 0) == ',');
	if (peek(c, 0) != ')')
		return err_set(c->err, "expected ')' in argument %d of predicate '%s'", n,
			       p->name.p);
	if (n < p->n_args)
		return err_set(c->err, "missing arguments (got %d/%d) for predicate '%s'", n,
			       p->n_args, p->name.p);
	c->at++;
	return true;
}

static bool
unparsable(struct cond *c)
{
	struct str r = rest(c);
	return err_set(c->err, "unparsable conditional expression '%.*s'", STR_ARG(r));
}

static bool
take_number(struct cond *c, bool *v)
{
	char buf[32];
	char *end;
	struct str r = rest(c);
	size_t n = MIN(r.n, sizeof(buf) - 1);
	memcpy(buf, r.p, n);
	buf[n] = '\0';
	*v = strtoll(buf, &end, 0) != 0;
	c->at += (size_t)(end - buf);
	return end != buf ? true : unparsable(c);
}

static bool
take_word(struct cond *c, bool *v)
{
	struct cond_args args;
	size_t n = 0;
	while ((peek(c, n) >= 'a' && peek(c, n) <= 'z') || peek(c, n) == '_')
		n++;
	struct str word = str_slice(c->text, c->at, c->at + n);
	if (str_eq(word, STR("true")) || str_eq(word, STR("false"))) {
		*v = word.n == 4;
		c->at += n;
		return true;
	}
	for (size_t k = 0; k < ARRAY_LEN(predicates); k++) {
		if (!str_eq(word, predicates[k].name))
			continue;
		c->at += n;
		if (!take_args(c, &predicates[k], &args))
			return false;
		*v = predicates[k].eval(c->opt, &args);
		return true;
	}
	return unparsable(c);
}

static bool take_or(struct cond *c, bool *v);

static bool
take_parentheses(struct cond *c, bool *v)
{
	struct str whole = rest(c);
	size_t from = c->at;
	if (c->depth == MAX_DEPTH)
		return err_set(c->err, "more than %u nested parentheses in the condition",
			       MAX_DEPTH);
	c->depth++;
	c->at++;
	if (!take_or(c, v))
		return false;
	c->depth--;
	if (peek(c, 0) == ')') {
		c->at++;
		return true;
	}
	c->at = from;
	return err_set(c->err, "expected ')' after conditional expression '%.*s'", STR_ARG(whole));
}

static bool
take_term(struct cond *c, bool *v)
{
	bool negate = false;
	skip_spaces(c);
	size_t from = c->at;
	while (peek(c, 0) == '!') {
		negate = !negate;
		c->at++;
		skip_spaces(c);
	}
	char b = peek(c, 0);
	bool good;
	if (b == '\0') {
		c->at = from;
		good = unparsable(c);
	} else if (b == '(') {
		good = take_parentheses(c, v);
	} else if ((b >= '0' && b <= '9') || b == '-' || b == '+') {
		good = take_number(c, v);
	} else {
		good = take_word(c, v);
	}
	if (good && negate)
		*v = !*v;
	skip_spaces(c);
	return good;
}

static bool
take_and(struct cond *c, bool *v)
{
	if (!take_term(c, v))
		return false;
	while (peek(c, 0) == '&' && peek(c, 1) == '&') {
		bool right;
		c->at += 2;
		if (!take_term(c, &right))
			return false;
		*v = *v && right;
	}
	return true;
}

static bool
take_or(struct cond *c, bool *v)
{
	if (!take_and(c, v))
		return false;
	while (peek(c, 0) == '|' && peek(c, 1) == '|') {
		bool right;
		c->at += 2;
		if (!take_and(c, &right))
			return false;
		*v = *v || right;
	}
	return true;
}

bool
conf_condition(const struct conf_options *opt, struct str text, bool *result, size_t *at,
	       struct err *err)
{
	struct cond c = {.opt = opt, .text = text, .err = err};
	*result = false;
	skip_spaces(&c);
	if (c.at == text.n) // the empty condition is false
		return true;
	bool good = take_or(&c, result);
	*at = c.at;
	if (!good)
		return false;
	if (c.at < text.n)
		return err_set(err,
			       "unexpected character '%c' at the end of conditional expression "
			       "'%.*s'",
			       text.p[c.at], STR_ARG(text));
	return true;
}

bool
conf_eval_condition(const struct conf_options *opt, struct str text, bool *result, struct err *err)
{
	static const struct conf_options none;
	struct conf_cut *cut = MEM_NEW(struct conf_cut);
	struct sbuf joined;
	size_t at;
	bool good = false;
	conf_cut_init(cut, opt != NULL ? opt : &none);
	sbuf_init(&joined, 2 * cut->text.cap);
	enum conf_cut_status status = conf_cut_line(cut, text);
	if (status != CONF_CUT_OK) {
		(void)err_set(err, "%s at position %zu", conf_cut_reason(status), cut->err_at + 1);
		goto out;
	}
	conf_cut_join(cut, 0, &joined);
	good = conf_condition(cut->opt, sbuf_str(&joined), result, &at, err);
out:
	sbuf_fini(&joined);
	conf_cut_fini(cut);
	mem_free(cut);
	return good;
}
