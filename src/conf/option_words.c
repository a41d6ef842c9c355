// SPDX-License-Identifier: MIT
// Optional words inside a line ("weight 10 backup"), by rows: for bind, server, and all others
// whose lines carry many of them.
#include "conf/conf_priv.h"

#include <stdio.h>

// One walk over a line. A new fault sends the one before to the collection; the last stays in err
// for the caller's return.
struct walk {
	struct conf *c;
	const struct conf_line *line;
	const struct conf_word *rows;
	void *obj;
	char who[192]; // "'server s1'"
	bool good;
	struct err *err;
};

static void PRINTF_LIKE(2, 3) fault(struct walk *w, const char *fmt, ...)
{
	char text[ERR_TEXT_BYTES - sizeof(w->who)];
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); // cutting is what we want
	va_end(ap);
	if (!w->good)
		(void)conf_error(w->c, w->line, "%s", w->err->text);
	w->good = err_set(w->err, "%s : %s", w->who, text);
}

static const struct conf_word *
find_word(const struct conf_word *rows, struct str name, bool *negated)
{
	*negated = false;
	for (const struct conf_word *r = rows; r->name != NULL; r++)
		if (str_eq(str_from_c(r->name), name))
			return r;
	*negated = true;
	if (!str_starts(name, STR("no-")))
		return NULL;
	for (const struct conf_word *r = rows; r->name != NULL; r++)
		if (r->flags & CONF_WORD_NO &&
		    str_eq(str_from_c(r->name), str_slice(name, 3, name.n)))
			return r;
	return NULL;
}

static const char *
next_name(void *iter)
{
	const struct conf_word **it = iter;
	return (*it)->name != NULL ? (*it)++->name : NULL;
}

// Complains, and steps over what may be the unknown word's values.
static int
unknown_word(struct walk *w, int at)
{
	const struct conf_word *it = w->rows;
	bool negated;
	const char *near = str_suggest(w->line->argv[at], next_name, &it);
	fault(w,
	      near != NULL ? "unknown keyword '%.200s'; did you mean '%s' maybe ?"
			   : "unknown keyword '%.200s'",
	      w->line->argv[at].p, near);
	at++;
	while (at < w->line->argc && find_word(w->rows, w->line->argv[at], &negated) == NULL)
		at++;
	return at;
}

static bool
take_value(struct walk *w, const struct conf_word *row, struct conf_value *value, int at,
	   bool negated)
{
	struct err err;
	struct conf_arg arg = conf_word_as_arg(row);
	char want[512];
	*value = (struct conf_value){.given = true, .at = at, .b = !negated, .s = STR("")};
	if (row->type == CONF_FLAG)
		return true;
	if (at >= w->line->argc) {
		conf_describe_type(&arg, want, sizeof(want));
		fault(w, "'%s' expects a value: %s", row->name, want);
		return false;
	}
	if (!conf_value_parse(w->c, &arg, w->line->argv[at], value, &err)) {
		fault(w, "%s", err.text);
		return false;
	}
	value->at = at;
	return true;
}

static void
perform(struct walk *w, const struct conf_word *row, struct conf_value *value)
{
	struct err err = {.text = ""};
	if (row->flags & CONF_WORD_REFUSED) {
		fault(w, "'%s' is not supported: %s", row->name, row->help);
		return;
	}
	if (row->flags & CONF_WORD_IGNORED) {
		conf_warn_ignored(w->c, w->line, w->who, row->name, row->help);
		return;
	}
	if (row->parse == NULL)
		conf_value_store(w->obj, row->offset, row->type, value);
	else if (!row->parse(w->c, w->obj, w->line, value, &err))
		fault(w, "%s", err.text);
}

static void
name_line(struct walk *w, int from)
{
	const struct conf_line *line = w->line;
	(void)snprintf(w->who, sizeof(w->who), "'%.64s%s%.100s'", line->argv[0].p,
		       from > 1 ? " " : "", from > 1 ? line->argv[1].p : "");
}

bool
conf_parse_words(struct conf *c, const struct conf_line *line, int from,
		 const struct conf_word *rows, void *obj, struct err *err)
{
	CHECK_MAGIC(c, CONF_MAGIC);
	struct walk w = {.c = c, .line = line, .rows = rows, .obj = obj, .good = true, .err = err};
	name_line(&w, from);
	for (int at = from; at < line->argc;) {
		struct conf_value value;
		bool negated;
		const struct conf_word *row = find_word(rows, line->argv[at], &negated);
		if (row == NULL) {
			at = unknown_word(&w, at);
			continue;
		}
		if (take_value(&w, row, &value, at + 1, negated))
			perform(&w, row, &value);
		at += 1 + (row->type == CONF_FLAG ? value.used : MAX(1, value.used));
	}
	return w.good;
}

void
conf_apply_word_defaults(struct conf *c, const struct conf_word *rows, void *obj)
{
	for (const struct conf_word *r = rows; r->name != NULL; r++) {
		struct conf_value value;
		struct conf_arg arg = conf_word_as_arg(r);
		if (r->dflt == NULL || r->parse != NULL)
			continue;
		conf_value_default(c, &arg, &value);
		conf_value_store(obj, r->offset, r->type, &value);
	}
}
