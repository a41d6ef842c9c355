// SPDX-License-Identifier: MIT
// Judges the rows themselves: a test walks the daemon's modules with this, so that a row without
// help, with a default its own type refuses, or in a section nobody has, is found before a user
// meets it.
#include "conf/conf_priv.h"

struct check {
	const struct module *const *modules;
	struct conf *c; // room for parsed defaults, and lookups
	struct sbuf *out;
	unsigned n;
};

static void PRINTF_LIKE(3, 4) complain(struct check *k, const char *words, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	sbuf_printf(k->out, "'%s': ", words);
	sbuf_vprintf(k->out, fmt, ap);
	sbuf_add_byte(k->out, '\n');
	va_end(ap);
	k->n++;
}

static bool
is_blank(const char *s)
{
	return s == NULL || s[0] == '\0';
}

static void
check_type(struct check *k, const char *words, const struct conf_arg *arg)
{
	struct conf_value value;
	struct err err;
	if (is_blank(arg->name))
		complain(k, words, "an argument has no name");
	else if (arg->type == CONF_ENUM && (arg->words == NULL || arg->words[0] == NULL))
		complain(k, words, "<%s> has no words to choose from", arg->name);
	else if (arg->dflt != NULL &&
		 !conf_parse_value(k->c, arg, str_from_c(arg->dflt), &value, &err))
		complain(k, words, "default: %s", err.text);
	if (arg->unit != NULL && arg->type == CONF_TIME &&
	    str_find(STR(" us ms s "), str_from_c(conf_printf(k->c, " %s ", arg->unit))) ==
		SIZE_MAX)
		complain(k, words, "<%s> counts in '%s', not us, ms or s", arg->name, arg->unit);
}

static void
check_args(struct check *k, const struct conf_keyword *kw)
{
	bool optional = false;
	for (const struct conf_arg *a = kw->args; a != NULL && a->type != CONF_END; a++) {
		check_type(k, kw->words, a);
		if (a->type == CONF_REST && a[1].type != CONF_END)
			complain(k, kw->words, "<%s> takes all, yet an argument follows", a->name);
		if (optional && !(a->flags & CONF_ARG_OPTIONAL) && a->type != CONF_FLAG)
			complain(k, kw->words, "<%s> is needed behind an optional one", a->name);
		optional = optional || a->flags & CONF_ARG_OPTIONAL;
	}
}

static void
check_options(struct check *k, const struct conf_keyword *kw)
{
	for (const struct conf_word *w = kw->options; w != NULL && w->name != NULL; w++) {
		struct conf_arg arg = conf_word_as_arg(w);
		if (is_blank(w->help))
			complain(k, kw->words, "the word '%s' has no help", w->name);
		if (w->flags & CONF_WORD_NO && w->type != CONF_FLAG)
			complain(k, kw->words, "'no-%s' would need a flag", w->name);
		if (w->type == CONF_END || w->type == CONF_REST)
			complain(k, kw->words, "the word '%s' has no type", w->name);
		else
			check_type(k, kw->words, &arg);
		for (const struct conf_word *other = kw->options; other != w; other++)
			if (strcmp(other->name, w->name) == 0)
				complain(k, kw->words, "two rows for the word '%s'", w->name);
	}
	if (kw->options != NULL && !(kw->flags & CONF_EXTRA))
		complain(k, kw->words, "has option words but not CONF_EXTRA");
}

// Is there a row before this one for the same words in the section?
static bool
is_second(const struct check *k, const struct conf_keyword *kw, struct str section)
{
	for (const struct module *const *m = k->modules; *m != NULL; m++)
		for (const struct conf_keyword *o = (*m)->keywords; o != NULL && o->words != NULL;
		     o++) {
			if (o == kw)
				return false;
			if (strcmp(o->words, kw->words) == 0 && conf_keyword_in(o, section))
				return true;
		}
	return false;
}

static void
check_sections(struct check *k, const struct conf_keyword *kw)
{
	struct str sections = str_from_c(kw->sections), section;
	while (str_next(&sections, ' ', &section)) {
		if (conf_find_section(k->c, section) == NULL)
			complain(k, kw->words, "no section '%.*s'", STR_ARG(section));
		if (is_second(k, kw, section))
			complain(k, kw->words, "two rows in section '%.*s'", STR_ARG(section));
	}
}

unsigned
conf_check_rows(const struct module *const *modules, struct sbuf *out)
{
	struct check k = {.modules = modules, .c = conf_new(modules, NULL), .out = out};
	for (const struct module *const *m = modules; *m != NULL; m++) {
		for (const struct conf_section *s = (*m)->sections; s != NULL && s->name != NULL;
		     s++)
			if (is_blank(s->help) ||
			    (s->begin == NULL) !=
				((s->flags & (CONF_SECTION_REFUSED | CONF_SECTION_IGNORED)) != 0))
				complain(&k, s->name, "the section lacks help or begin");
		for (const struct conf_keyword *kw = (*m)->keywords;
		     kw != NULL && kw->words != NULL; kw++) {
			if (is_blank(kw->help))
				complain(&k, kw->words, "has no help");
			check_args(&k, kw);
			check_options(&k, kw);
			check_sections(&k, kw);
		}
	}
	conf_free(&k.c);
	return k.n;
}
