// SPDX-License-Identifier: MIT
// http-check expect and tcp-check expect: what is looked for in an answer, once a line, and the
// words around it.
#include "expr/pattern.h"
#include "proxy/conf_health_priv.h"

static bool
take_regex(struct check_line *l, const char *what, struct check_text *t)
{
	if (!check_line_take(l, what, &t->text))
		return false;
	t->how = CHECK_MATCH_REG;
	t->regex = expr_set_regex(conf_bound(l->conf, "expr"), t->text, false, l->err);
	return t->regex != NULL;
}

// "200,300-310"
static bool
parse_status(struct check_line *l, const char *name)
{
	struct check_expect *e = &l->step->expect;
	struct str word = STR(""), piece;
	if (!check_line_take(l, name, &word))
		return false;
	struct check_range *ranges = conf_alloc(l->conf, (word.n / 2 + 1) * sizeof(*ranges));
	while (str_next(&word, ',', &piece)) {
		struct str rest = piece, low;
		int64_t from, to;
		(void)str_next(&rest, '-', &low); // piece as a whole, if there is none
		if (!str_to_int(low, &from) || !str_to_int(rest.p != NULL ? rest : low, &to) ||
		    from < 100 || to > 999 || from > to)
			return err_set(l->err, "'%.*s' is no status and no range of them",
				       STR_ARG(piece));
		ranges[e->n_ranges++] = (struct check_range){(uint16_t)from, (uint16_t)to};
	}
	e->ranges = ranges;
	e->kind = CHECK_EXPECT_STATUS;
	return e->n_ranges > 0 || err_set(l->err, "'status' needs a number");
}

static bool
parse_rstatus(struct check_line *l, const char *name)
{
	l->step->expect.kind = CHECK_EXPECT_RSTATUS;
	return take_regex(l, name, &l->step->expect.text);
}

static const struct {
	const char *word;
	enum check_match how;
} matches[] = {
    {"str", CHECK_MATCH_STR}, {"beg", CHECK_MATCH_BEG}, {"end", CHECK_MATCH_END},
    {"sub", CHECK_MATCH_SUB}, {"reg", CHECK_MATCH_REG},
};

// [-m METHOD] TEXT
static bool
take_match(struct check_line *l, const char *what, struct check_text *t)
{
	t->how = CHECK_MATCH_STR;
	struct str word = STR("");
	if (check_line_more(l) && str_eq(l->line->argv[l->at], STR("-m"))) {
		l->at++;
		size_t i = 0;
		if (!check_line_take(l, "-m", &word))
			return false;
		while (i < ARRAY_LEN(matches) && !str_eq(word, str_from_c(matches[i].word)))
			i++;
		if (i == ARRAY_LEN(matches))
			return err_set(l->err, "'-m %.*s': str, beg, end, sub and reg are there",
				       STR_ARG(word));
		t->how = matches[i].how;
	}
	if (t->how == CHECK_MATCH_REG)
		return take_regex(l, what, t);
	return check_line_take(l, what, &t->text);
}

// hdr name [-m METHOD] NAME [value [-m METHOD] VALUE]
static bool
parse_header(struct check_line *l, const char *name)
{
	struct check_expect *e = &l->step->expect;
	struct str word = STR("");
	e->kind = CHECK_EXPECT_HEADER;
	e->full = name[0] == 'f';
	if (!check_line_take(l, name, &word) || !str_eq(word, STR("name")))
		return err_set(l->err, "'%s' is followed by 'name [-m METHOD] NAME'", name);
	if (!take_match(l, "name", &e->name))
		return false;
	char *lower = (char *)(uintptr_t)conf_strdup(l->conf, e->name.text).p;
	for (size_t i = 0; i < e->name.text.n; i++)
		lower[i] = (char)byte_lower((unsigned char)lower[i]);
	e->name.text.p = lower;
	if (!check_line_more(l) || !str_eq(l->line->argv[l->at], STR("value")))
		return true;
	l->at++;
	return take_match(l, "value", &e->text);
}

static bool
parse_string(struct check_line *l, const char *name)
{
	struct check_expect *e = &l->step->expect;
	e->kind = l->http ? CHECK_EXPECT_BODY : CHECK_EXPECT_BYTES;
	e->text.how = CHECK_MATCH_SUB;
	if (!check_line_take(l, name, &e->text.text))
		return false;
	e->shown = e->text.text;
	return e->text.text.n > 0 || err_set(l->err, "'%s' needs a text", name);
}

static bool
parse_rstring(struct check_line *l, const char *name)
{
	l->step->expect.kind = l->http ? CHECK_EXPECT_BODY : CHECK_EXPECT_BYTES;
	l->step->expect.word = "regex";
	return take_regex(l, name, &l->step->expect.text);
}

static bool
parse_binary(struct check_line *l, const char *name)
{
	struct check_expect *e = &l->step->expect;
	e->kind = CHECK_EXPECT_BYTES;
	e->text.how = CHECK_MATCH_SUB;
	e->word = "binary";
	return check_line_take_hex(l, name, &e->text.text);
}

// A regex on the bytes' hexadecimal digits.
static bool
parse_rbinary(struct check_line *l, const char *name)
{
	struct check_expect *e = &l->step->expect;
	e->kind = CHECK_EXPECT_BYTES;
	e->in_hex = true;
	e->word = "binary regex";
	return take_regex(l, name, &e->text);
}

// Which side of the protocol knows which way to compare.
static const struct kind {
	const char *name;
	bool http, tcp;
	bool (*parse)(struct check_line *l, const char *name);
} kinds[] = {
    {"status", true, false, parse_status},        {"rstatus", true, false, parse_rstatus},
    {"hdr", true, false, parse_header},           {"fhdr", true, false, parse_header},
    {"string", true, true, parse_string},         {"rstring", true, true, parse_rstring},
    {"binary", false, true, parse_binary},        {"rbinary", false, true, parse_rbinary},
    {"string-lf", true, true, check_line_refuse}, {"binary-lf", false, true, check_line_refuse},
};

static bool
take_status_word(struct check_line *l, const char *name, enum health_status *out)
{
	struct str word = STR("");
	if (!check_line_take(l, name, &word))
		return false;
	return health_status_parse(word, out) ||
	       err_set(l->err, "'%s %.*s': there is no such status", name, STR_ARG(word));
}

static bool
parse_ok_status(struct check_line *l, const char *name)
{
	return take_status_word(l, name, &l->step->expect.ok);
}

static bool
parse_error_status(struct check_line *l, const char *name)
{
	return take_status_word(l, name, &l->step->expect.error);
}

static bool
parse_tout_status(struct check_line *l, const char *name)
{
	return take_status_word(l, name, &l->step->expect.tout);
}

static bool
parse_on_success(struct check_line *l, const char *name)
{
	return check_line_take_text(l, name, &l->step->expect.on_success);
}

static bool
parse_on_error(struct check_line *l, const char *name)
{
	return check_line_take_text(l, name, &l->step->expect.on_error);
}

static bool
parse_min_recv(struct check_line *l, const char *name)
{
	int64_t n;
	if (!check_line_take_int(l, name, -1, INT32_MAX, &n))
		return false;
	l->step->expect.min_recv = n > 0 ? (uint32_t)n : 0;
	return true;
}

static const struct check_word expect_words[] = {
    {"min-recv", parse_min_recv},
    {"comment", check_line_comment},
    {"ok-status", parse_ok_status},
    {"error-status", parse_error_status},
    {"tout-status", parse_tout_status},
    {"on-success", parse_on_success},
    {"on-error", parse_on_error},
    {"status-code", check_line_refuse},
    {NULL, NULL},
};

// "!" may stand by itself or before the word.
static struct str
take_negation(struct check_line *l)
{
	struct str word = check_line_more(l) ? l->line->argv[l->at] : STR("");
	while (word.n > 0 && word.p[0] == '!') {
		l->step->expect.negated = !l->step->expect.negated;
		word = str_slice(word, 1, word.n);
		if (word.n == 0) {
			l->at++;
			word = check_line_more(l) ? l->line->argv[l->at] : STR("");
		}
	}
	return word;
}

static bool
parse_kind(struct check_line *l, struct str word)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const struct kind *k = &kinds[i];
		if (!(l->http ? k->http : k->tcp) || !str_eq(word, str_from_c(k->name)))
			continue;
		l->at++;
		l->step->expect.word = k->name;
		return k->parse(l, k->name);
	}
	return err_set(l->err, "'%.*s' is not known here: %s are", STR_ARG(word),
		       l->http ? "status, rstatus, hdr, fhdr, string and rstring"
			       : "string, rstring, binary and rbinary");
}

// What to look for stands among the words, once.
bool
check_line_expect(struct check_line *l)
{
	l->step->action = CHECK_EXPECT;
	while (check_line_more(l)) {
		const struct check_word *row = check_line_find(expect_words, l->line->argv[l->at]);
		if (row != NULL)
			l->at++;
		else if (l->step->expect.word != NULL)
			return err_set(l->err, "'%.*s' is not expected behind the pattern",
				       STR_ARG(l->line->argv[l->at]));
		if (!(row != NULL ? row->parse(l, row->name) : parse_kind(l, take_negation(l))))
			return false;
	}
	return l->step->expect.word != NULL ||
	       err_set(l->err, "'expect' needs something to look for");
}
