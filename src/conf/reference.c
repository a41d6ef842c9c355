// SPDX-License-Identifier: MIT
// The reference of the configuration, printed from the rows that perform it. A keyword of several
// sections is printed once, under the first; the others name it. What is accepted without effect
// and what is refused stands in two tables behind them.
#include "conf/conf_priv.h"

static const char *
flag_note(unsigned flags)
{
	if (flags & CONF_REFUSED)
		return " *Refused.*";
	if (flags & CONF_IGNORED)
		return " *Accepted, not performed yet.*";
	return flags & CONF_DEPRECATED ? " *Deprecated.*" : "";
}

static void
print_usage(const struct conf_keyword *kw, struct sbuf *out)
{
	sbuf_add(out, str_from_c(kw->words));
	for (const struct conf_arg *a = kw->args; a != NULL && a->type != CONF_END; a++) {
		bool optional = a->flags & CONF_ARG_OPTIONAL || a->type == CONF_FLAG;
		sbuf_printf(out, a->type == CONF_FLAG ? " %s%s%s" : " %s<%s>%s",
			    optional ? "[" : "", a->name, optional ? "]" : "");
	}
	if (kw->options != NULL || kw->flags & CONF_EXTRA)
		sbuf_add(out, STR(" ..."));
}

static void
print_value(const struct conf_arg *arg, struct sbuf *out)
{
	char text[512];
	conf_describe_type(arg, text, sizeof(text));
	sbuf_add(out, str_from_c(text));
	if (arg->dflt != NULL)
		sbuf_printf(out, "; default `%s`", arg->dflt);
	if (arg->help != NULL)
		sbuf_printf(out, ". %s", arg->help);
	sbuf_add_byte(out, '\n');
}

static void
print_word(const struct conf_word *w, struct sbuf *out)
{
	struct conf_arg arg = conf_word_as_arg(w);
	unsigned flags = (w->flags & CONF_WORD_REFUSED ? (unsigned)CONF_REFUSED : 0) |
			 (w->flags & CONF_WORD_IGNORED ? (unsigned)CONF_IGNORED : 0);
	sbuf_printf(out, "  - `%s%s`", w->flags & CONF_WORD_NO ? "[no-]" : "", w->name);
	if (w->type == CONF_FLAG) {
		sbuf_printf(out, ": %s%s\n", w->help != NULL ? w->help : "", flag_note(flags));
		return;
	}
	sbuf_printf(out, " <value>:%s ", flag_note(flags));
	print_value(&arg, out);
}

// "[no] maxconn <number>"
static void
print_heading(const struct conf_keyword *kw, struct sbuf *out)
{
	sbuf_printf(out, "`%s", kw->flags & CONF_NO ? "[no] " : "");
	print_usage(kw, out);
	sbuf_add_byte(out, '`');
}

static void
print_keyword(const struct conf_keyword *kw, struct sbuf *out)
{
	sbuf_add(out, STR("\n**"));
	print_heading(kw, out);
	sbuf_printf(out, "**%s  \n%s\n", flag_note(kw->flags), kw->help != NULL ? kw->help : "");
	if (kw->args != NULL && kw->args[0].type != CONF_END)
		sbuf_add_byte(out, '\n');
	for (const struct conf_arg *a = kw->args; a != NULL && a->type != CONF_END; a++) {
		sbuf_printf(out, "  - `<%s>`: ", a->name);
		print_value(a, out);
	}
	if (kw->options != NULL)
		sbuf_add(out, STR("\n  Words that may follow:\n\n"));
	for (const struct conf_word *w = kw->options; w != NULL && w->name != NULL; w++)
		print_word(w, out);
}

typedef void (*each_section_f)(const struct conf_section *, void *arg);

static void
each_section(const struct module *const *modules, each_section_f fn, void *arg)
{
	for (const struct module *const *m = modules; *m != NULL; m++)
		for (const struct conf_section *s = (*m)->sections; s != NULL && s->name != NULL;
		     s++)
			fn(s, arg);
}

typedef void (*each_keyword_f)(const struct conf_keyword *, void *arg);

static void
each_keyword(const struct module *const *modules, struct str section, each_keyword_f fn, void *arg)
{
	for (const struct module *const *m = modules; *m != NULL; m++)
		for (const struct conf_keyword *k = (*m)->keywords; k != NULL && k->words != NULL;
		     k++)
			if (conf_keyword_in(k, section))
				fn(k, arg);
}

// A place in the walk over sections and their keywords.
struct reference {
	const struct module *const *modules;
	struct str section;
	unsigned flag; // of the table that is printed
	bool any;
	struct sbuf *out;
};

static bool
is_performed(const struct conf_keyword *kw)
{
	return !(kw->flags & (CONF_REFUSED | CONF_IGNORED));
}

// The first section, as they are printed, that takes the keyword.
static struct str
home_of(const struct module *const *modules, const struct conf_keyword *kw)
{
	for (; *modules != NULL; modules++)
		for (const struct conf_section *s = (*modules)->sections;
		     s != NULL && s->name != NULL; s++)
			if (conf_keyword_in(kw, str_from_c(s->name)))
				return str_from_c(s->name);
	return STR("");
}

static void
reference_keyword(const struct conf_keyword *kw, void *arg)
{
	struct reference *r = arg;
	if (is_performed(kw) && str_eq(home_of(r->modules, kw), r->section))
		print_keyword(kw, r->out);
}

static void
reference_elsewhere(const struct conf_keyword *kw, void *arg)
{
	struct reference *r = arg;
	if (!is_performed(kw) || str_eq(home_of(r->modules, kw), r->section))
		return;
	sbuf_printf(r->out, "%s`%s`", r->any ? ", " : "\nAnd from the sections above: ", kw->words);
	r->any = true;
}

static void
reference_section(const struct conf_section *s, void *arg)
{
	static const char *const names[] = {[CONF_NAME_NONE] = "",
					    [CONF_NAME_OPTIONAL] = " [<name>]",
					    [CONF_NAME_REQUIRED] = " <name>"};
	struct reference *r = arg;
	if (s->begin == NULL)
		return;
	sbuf_printf(r->out, "\n## `%s%s%s`\n\n%s\n", s->name, names[s->naming],
		    s->flags & CONF_SECTION_ARGS ? " ..." : "", s->help != NULL ? s->help : "");
	r->section = str_from_c(s->name);
	r->any = false;
	each_keyword(r->modules, r->section, reference_keyword, r);
	each_keyword(r->modules, r->section, reference_elsewhere, r);
	if (r->any)
		sbuf_add(r->out, STR(".\n"));
}

static void
reference_row(const struct conf_keyword *kw, void *arg)
{
	struct reference *r = arg;
	if (!(kw->flags & r->flag) || !str_eq(home_of(r->modules, kw), r->section))
		return;
	sbuf_add(r->out, STR("| "));
	print_heading(kw, r->out);
	sbuf_printf(r->out, " | %s | %s |\n", kw->sections, kw->help != NULL ? kw->help : "");
}

static void
reference_rows(const struct conf_section *s, void *arg)
{
	struct reference *r = arg;
	r->section = str_from_c(s->name);
	each_keyword(r->modules, r->section, reference_row, r);
}

// A section as a whole is a row of the same tables.
static void
section_row(const struct conf_section *s, void *arg)
{
	struct reference *r = arg;
	unsigned flag = r->flag == CONF_REFUSED ? CONF_SECTION_REFUSED : CONF_SECTION_IGNORED;
	if (s->flags & flag)
		sbuf_printf(r->out, "| section `%s` | | %s |\n", s->name, s->help);
}

void
conf_print_reference(const struct module *const *modules, struct sbuf *out)
{
	struct reference r = {.modules = modules, .out = out};
	each_section(modules, reference_section, &r);
	sbuf_add(out, STR("\n## Accepted, not performed yet\n\n| keyword | sections | |\n"
			  "| --- | --- | --- |\n"));
	r.flag = CONF_IGNORED;
	each_section(modules, section_row, &r);
	each_section(modules, reference_rows, &r);
	sbuf_add(out, STR("\n## Refused\n\n| keyword | sections | why |\n| --- | --- | --- |\n"));
	r.flag = CONF_REFUSED;
	each_section(modules, section_row, &r);
	each_section(modules, reference_rows, &r);
}

static void
list_keyword(const struct conf_keyword *kw, void *arg)
{
	struct reference *r = arg;
	sbuf_add_byte(r->out, '\t');
	print_usage(kw, r->out);
	sbuf_add_byte(r->out, '\n');
}

static void
list_section(const struct conf_section *s, void *arg)
{
	struct reference *r = arg;
	if (s->begin == NULL)
		return;
	sbuf_printf(r->out, "%s\n", s->name);
	each_keyword(r->modules, str_from_c(s->name), list_keyword, r);
}

void
conf_print_keywords(const struct module *const *modules, struct sbuf *out)
{
	struct reference r = {.modules = modules, .out = out};
	each_section(modules, list_section, &r);
}
