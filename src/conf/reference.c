// SPDX-License-Identifier: MIT
// The reference of the configuration, printed from the rows that perform it.
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

static void
print_keyword(const struct conf_keyword *kw, struct sbuf *out)
{
	sbuf_printf(out, "\n**`%s", kw->flags & CONF_NO ? "[no] " : "");
	print_usage(kw, out);
	sbuf_printf(out, "`**%s  \n%s\n", flag_note(kw->flags), kw->help != NULL ? kw->help : "");
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

typedef void (*each_section_f)(const struct module *const *modules, const struct conf_section *,
			       struct sbuf *out);

static void
each_section(const struct module *const *modules, each_section_f fn, struct sbuf *out)
{
	for (const struct module *const *m = modules; *m != NULL; m++)
		for (const struct conf_section *s = (*m)->sections; s != NULL && s->name != NULL;
		     s++)
			fn(modules, s, out);
}

typedef void (*each_keyword_f)(const struct conf_keyword *, struct sbuf *out);

static void
each_keyword(const struct module *const *modules, struct str section, each_keyword_f fn,
	     struct sbuf *out)
{
	for (const struct module *const *m = modules; *m != NULL; m++)
		for (const struct conf_keyword *k = (*m)->keywords; k != NULL && k->words != NULL;
		     k++)
			if (conf_keyword_in(k, section))
				fn(k, out);
}

static void
reference_section(const struct module *const *modules, const struct conf_section *s,
		  struct sbuf *out)
{
	static const char *const names[] = {[CONF_NAME_NONE] = "",
					    [CONF_NAME_OPTIONAL] = " [<name>]",
					    [CONF_NAME_REQUIRED] = " <name>"};
	sbuf_printf(out, "\n## `%s%s%s`\n\n%s\n", s->name, names[s->naming],
		    s->flags & CONF_SECTION_ARGS ? " ..." : "", s->help != NULL ? s->help : "");
	each_keyword(modules, str_from_c(s->name), print_keyword, out);
}

void
conf_print_reference(const struct module *const *modules, struct sbuf *out)
{
	sbuf_add(out, STR("# Configuration reference\n\nPrinted from the rows of the program; "
			  "edits here are lost.\n"));
	each_section(modules, reference_section, out);
}

static void
list_keyword(const struct conf_keyword *kw, struct sbuf *out)
{
	sbuf_add_byte(out, '\t');
	print_usage(kw, out);
	sbuf_add_byte(out, '\n');
}

static void
list_section(const struct module *const *modules, const struct conf_section *s, struct sbuf *out)
{
	sbuf_printf(out, "%s\n", s->name);
	each_keyword(modules, str_from_c(s->name), list_keyword, out);
}

void
conf_print_keywords(const struct module *const *modules, struct sbuf *out)
{
	each_section(modules, list_section, out);
}
