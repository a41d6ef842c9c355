// SPDX-License-Identifier: MIT
// From a line of words to its row: finds the keyword, checks the arguments by the row, stores or
// hands over, and says what was expected where something is wrong.
#include "conf/conf_priv.h"

#include <stdio.h>

#define MAX_LISTED 12u // second words that an error lists

// Walks all keyword rows of all modules.
struct row_iter {
	const struct conf *c;
	size_t module, row;
};

static const struct conf_keyword *
next_keyword(struct row_iter *it)
{
	for (const struct module *m; (m = it->c->state->modules[it->module]) != NULL;) {
		if (m->keywords != NULL && m->keywords[it->row].words != NULL)
			return &m->keywords[it->row++];
		it->module++;
		it->row = 0;
	}
	return NULL;
}

static const struct conf_section *
next_section(struct row_iter *it)
{
	for (const struct module *m; (m = it->c->state->modules[it->module]) != NULL;) {
		if (m->sections != NULL && m->sections[it->row].name != NULL)
			return &m->sections[it->row++];
		it->module++;
		it->row = 0;
	}
	return NULL;
}

const struct conf_section *
conf_find_section(const struct conf *c, struct str name)
{
	struct row_iter it = {.c = c};
	for (const struct conf_section *s; (s = next_section(&it)) != NULL;)
		if (str_eq(str_from_c(s->name), name))
			return s;
	return NULL;
}

bool
conf_keyword_in(const struct conf_keyword *kw, struct str section)
{
	struct str rest = str_from_c(kw->sections), name;
	while (str_next(&rest, ' ', &name))
		if (str_eq(name, section))
			return true;
	return false;
}

int
conf_keyword_match(const struct conf_keyword *kw, const struct conf_line *line)
{
	struct str rest = str_from_c(kw->words), word;
	int n = 0;
	while (str_next(&rest, ' ', &word)) {
		if (n >= line->argc || !str_eq(line->argv[n], word))
			return 0;
		n++;
	}
	return n;
}

static struct str
first_word(const struct conf_keyword *kw)
{
	struct str rest = str_from_c(kw->words), word = STR("");
	(void)str_next(&rest, ' ', &word); // a row has at least one word
	return word;
}

// ------------------------------------------------------------ unknown words

// Candidates for suggestions: keywords of the section, or the second words of one keyword, and
// section names.
struct suggest_iter {
	struct row_iter keywords, sections;
	struct str section;
	struct str first; // .n > 0: only what may follow this word
};

static const char *
next_candidate(void *arg)
{
	struct suggest_iter *it = arg;
	for (const struct conf_keyword *kw; (kw = next_keyword(&it->keywords)) != NULL;) {
		if (!conf_keyword_in(kw, it->section))
			continue;
		if (it->first.n == 0)
			return kw->words;
		if (str_eq(first_word(kw), it->first) && kw->words[it->first.n] == ' ')
			return kw->words + it->first.n + 1;
	}
	const struct conf_section *s = it->first.n == 0 ? next_section(&it->sections) : NULL;
	return s != NULL ? s->name : NULL;
}

static const char *
suggest(const struct conf *c, struct str word, struct str first)
{
	struct suggest_iter it = {.keywords = {.c = c},
				  .sections = {.c = c},
				  .section = c->state->row != NULL ? str_from_c(c->state->row->name)
								   : STR(""),
				  .first = first};
	return str_suggest(word, next_candidate, &it);
}

// The keyword exists, but not here.
static bool
misplaced(struct conf *c, const struct conf_line *line)
{
	struct row_iter it = {.c = c};
	for (const struct conf_keyword *kw; (kw = next_keyword(&it)) != NULL;) {
		if (conf_keyword_match(kw, line) == 0)
			continue;
		if (c->state->row == NULL)
			(void)conf_error(c, line,
					 "keyword '%s' stands out of section; it belongs in: %s",
					 kw->words, kw->sections);
		else
			(void)conf_error(
			    c, line,
			    "keyword '%s' is not allowed in '%s' section; it belongs in: %s",
			    kw->words, c->state->row->name, kw->sections);
		return true;
	}
	return false;
}

// "timeout foo": the first word is known, the second is not.
static bool
unknown_second(struct conf *c, const struct conf_line *line)
{
	struct suggest_iter it = {.keywords = {.c = c},
				  .sections = {.c = c},
				  .section = str_from_c(c->state->row->name),
				  .first = line->argv[0]};
	char list[512] = "";
	size_t at = 0;
	unsigned n = 0;
	for (const char *w; (w = next_candidate(&it)) != NULL && at < sizeof(list); n++)
		at +=
		    (size_t)snprintf(list + at, sizeof(list) - at, "%s'%s'", n > 0 ? ", " : "", w);
	if (n == 0)
		return false;
	struct str got = line->argc > 1 ? line->argv[1] : STR("");
	const char *near = suggest(c, got, line->argv[0]);
	char hint[128] = "";
	if (near != NULL)
		(void)snprintf(hint, sizeof(hint), "; did you mean '%s' maybe ?", near);
	if (n <= MAX_LISTED && at < sizeof(list))
		(void)conf_error(c, line, "'%s' supports %s (got '%.200s')%s", line->argv[0].p,
				 list, got.p, hint);
	else
		(void)conf_error(c, line, "unknown '%s' keyword '%.200s'%s", line->argv[0].p, got.p,
				 hint);
	return true;
}

static void
unknown_keyword(struct conf *c, const struct conf_line *line)
{
	struct conf_state *s = c->state;
	if ((s->row != NULL && unknown_second(c, line)) || misplaced(c, line))
		return;
	const char *near = suggest(c, line->argv[0], STR_NULL);
	char two[64];
	if (near == NULL && line->argc > 1) { // "timeot client" is near to "timeout client"
		int n = snprintf(two, sizeof(two), "%s %s", line->argv[0].p, line->argv[1].p);
		if (n > 0 && (size_t)n < sizeof(two))
			near = suggest(c, str_from_c(two), STR_NULL);
	}
	char place[128] = "out of section", hint[128] = "";
	if (s->row != NULL)
		(void)snprintf(place, sizeof(place), "in '%s' section", s->row->name);
	if (near != NULL)
		(void)snprintf(hint, sizeof(hint), "; did you mean '%s' maybe ?", near);
	(void)conf_error(c, line, "unknown keyword '%.200s' %s%s", line->argv[0].p, place, hint);
	// A misspelt section: its lines would be judged by the wrong rows.
	if (near != NULL && conf_find_section(c, str_from_c(near)) != NULL) {
		conf_end_section(c);
		s->lost = true;
	}
}

// ------------------------------------------------------------ arguments

static bool
missing_argument(struct conf *c, const struct conf_line *line, const struct conf_keyword *kw,
		 const struct conf_arg *arg)
{
	char want[512];
	conf_describe_type(arg, want, sizeof(want));
	return conf_error(c, line, "'%s' expects <%s>: %s", kw->words, arg->name, want);
}

static bool
extra_argument(struct conf *c, const struct conf_line *line, const struct conf_keyword *kw, int at)
{
	char usage[256] = "";
	size_t n = 0;
	for (const struct conf_arg *a = kw->args; a != NULL && a->type != CONF_END; a++) {
		const char *form = a->flags & CONF_ARG_OPTIONAL ? " [<%s>]" : " <%s>";
		if (n < sizeof(usage))
			n += (size_t)snprintf(usage + n, sizeof(usage) - n, form, a->name);
	}
	if (n == 0)
		return conf_error(c, line,
				  "'%s' cannot handle unexpected argument '%.200s': it takes none",
				  kw->words, line->argv[at].p);
	return conf_error(c, line,
			  "'%s' cannot handle unexpected argument '%.200s': expected '%s%s'",
			  kw->words, line->argv[at].p, kw->words, usage);
}

static struct str
join_words(struct conf *c, const struct conf_line *line, int from)
{
	size_t n = 0;
	for (int i = from; i < line->argc; i++)
		n += line->argv[i].n + 1;
	char *p = conf_alloc(c, n + 1), *at = p;
	for (int i = from; i < line->argc; i++) {
		if (i > from)
			*at++ = ' ';
		memcpy(at, line->argv[i].p, line->argv[i].n);
		at += line->argv[i].n;
	}
	return str_of(p, (size_t)(at - p));
}

// Fills one value; *at moves over the words it took.
static bool
take_argument(struct conf *c, const struct conf_line *line, const struct conf_keyword *kw,
	      const struct conf_arg *arg, struct conf_value *value, int *at)
{
	struct err err;
	bool absent = *at >= line->argc;
	bool optional = arg->flags & CONF_ARG_OPTIONAL || line->flags != 0;
	if (arg->type == CONF_FLAG && !absent)
		absent = !str_eq(line->argv[*at], str_from_c(arg->name));
	if (absent) {
		conf_value_default(c, arg, value);
		return optional || arg->type == CONF_FLAG || missing_argument(c, line, kw, arg);
	}
	int from = *at;
	struct str text = arg->type == CONF_REST ? join_words(c, line, from) : line->argv[from];
	*at = arg->type == CONF_REST ? line->argc : from + 1;
	if (!conf_value_parse(c, arg, text, value, &err))
		return conf_error(c, line, "'%s' : %s", kw->words, err.text);
	value->at = from;
	value->used = *at - from;
	return true;
}

static bool
take_arguments(struct conf *c, struct conf_line *line, const struct conf_keyword *kw)
{
	size_t n = 0;
	bool good = true;
	int at = line->args;
	while (kw->args != NULL && kw->args[n].type != CONF_END)
		n++;
	struct conf_value *values = conf_alloc(c, (n + 1) * sizeof(*values));
	for (size_t i = 0; i < n; i++) {
		bool was_there = at < line->argc;
		if (!take_argument(c, line, kw, &kw->args[i], &values[i], &at)) {
			good = false;
			if (!was_there) // one sentence about the first missing is enough
				return false;
		}
	}
	line->values = values;
	if (at < line->argc && !(kw->flags & CONF_EXTRA))
		return extra_argument(c, line, kw, at);
	return good;
}

static void
store_arguments(void *obj, const struct conf_line *line, const struct conf_keyword *kw)
{
	if (kw->args == NULL || kw->args[0].type == CONF_END) {
		*(bool *)((char *)obj + kw->offset) = line->flags == 0;
		return;
	}
	for (size_t i = 0; kw->args[i].type != CONF_END; i++)
		if (line->values[i].given || kw->args[i].dflt != NULL || line->flags != 0)
			conf_value_store(obj, kw->offset + kw->args[i].offset, kw->args[i].type,
					 &line->values[i]);
}

static bool
prefix_allowed(struct conf *c, const struct conf_line *line, const struct conf_keyword *kw)
{
	if (line->flags & CONF_LINE_NO && !(kw->flags & CONF_NO))
		return conf_error(c, line, "'no' is not supported in front of '%s'", kw->words);
	if (line->flags & CONF_LINE_DEFAULT && !(kw->flags & CONF_DEFAULT))
		return conf_error(c, line, "'default' is not supported in front of '%s'",
				  kw->words);
	return true;
}

static void
perform(struct conf *c, struct conf_line *line, const struct conf_keyword *kw)
{
	struct err err = {.text = ""};
	if (kw->flags & CONF_REFUSED) {
		(void)conf_error(c, line, "'%s' is not supported: %s", kw->words, kw->help);
		return;
	}
	if (!prefix_allowed(c, line, kw))
		return;
	if (kw->flags & CONF_IGNORED) {
		conf_warn_ignored(c, line, "", kw->words, kw->help);
		return;
	}
	if (kw->flags & CONF_DEPRECATED)
		conf_warn(c, line, "'%s' is deprecated: %s", kw->words, kw->help);
	if (!take_arguments(c, line, kw) || c->state->obj == NULL)
		return;
	if (kw->parse == NULL)
		store_arguments(c->state->obj, line, kw);
	else if (!kw->parse(c, c->state->obj, line, &err) && err.text[0] != '\0')
		(void)conf_error(c, line, "%s", err.text);
}

void
conf_keyword_line(struct conf *c, struct conf_line *line)
{
	const struct conf_keyword *best = NULL;
	struct row_iter it = {.c = c};
	if (c->state->lost)
		return;
	if (c->state->row != NULL) {
		struct str section = str_from_c(c->state->row->name);
		for (const struct conf_keyword *kw; (kw = next_keyword(&it)) != NULL;) {
			int n = conf_keyword_match(kw, line);
			if (n > line->args && conf_keyword_in(kw, section)) {
				best = kw;
				line->args = n;
			}
		}
	}
	if (best == NULL)
		unknown_keyword(c, line);
	else
		perform(c, line, best);
}

// ------------------------------------------------------------ defaults

void
conf_apply_defaults(struct conf *c, const char *section, void *obj)
{
	struct row_iter it = {.c = c};
	for (const struct conf_keyword *kw; (kw = next_keyword(&it)) != NULL;) {
		if (kw->parse != NULL || !conf_keyword_in(kw, str_from_c(section)))
			continue;
		for (const struct conf_arg *a = kw->args; a != NULL && a->type != CONF_END; a++) {
			struct conf_value value;
			if (a->dflt == NULL)
				continue;
			conf_value_default(c, a, &value);
			conf_value_store(obj, kw->offset + a->offset, a->type, &value);
		}
	}
}
