// SPDX-License-Identifier: MIT
// Reads a text line by line: refuses what is not text, cuts words, performs the .directives, opens
// sections and passes the other lines to their rows. Each text starts out of sections and closes
// its own .if blocks.
#include <stdio.h>

#include "conf/conf_priv.h"

enum branch {
	BRANCH_TAKEN,  // lines are performed
	BRANCH_SOUGHT, // skipped; a later .elif or .else may be taken
	BRANCH_DONE,   // skipped to the .endif
};

struct if_level {
	enum branch branch;
	bool else_seen;
	int line; // of the .if
};

struct reader {
	struct conf *c;
	const char *file;
	int line;
	struct if_level level[CONF_MAX_NESTED_IF];
	unsigned n_levels;
};

#define FAULT(r, ...) conf_add_message((r)->c, CONF_SEV_ERROR, (r)->file, (r)->line, __VA_ARGS__)

static bool
skipping(const struct reader *r)
{
	return r->n_levels > 0 && r->level[r->n_levels - 1].branch != BRANCH_TAKEN;
}

// ------------------------------------------------------------ sections

void
conf_end_section(struct conf *c)
{
	struct conf_state *s = c->state;
	struct err err = {.text = ""};
	const struct conf_section *row = s->row;
	const struct conf_line *line = s->row_line;
	void *obj = s->obj;
	s->row = NULL;
	s->row_line = NULL;
	s->obj = NULL;
	s->section_name = STR("");
	s->lost = false;
	if (row != NULL && obj != NULL && row->end != NULL && !row->end(c, obj, &err) &&
	    err.text[0] != '\0')
		(void)conf_error(c, line, "%s", err.text);
}

static bool
name_is_good(struct conf *c, const struct conf_line *line, struct str name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_-.:";
	for (size_t i = 0; i < name.n; i++)
		if (strchr(allowed, byte_lower((unsigned char)name.p[i])) == NULL)
			return conf_error(c, line,
					  "character '%c' is not permitted in '%s' name '%.200s'",
					  name.p[i], line->argv[0].p, name.p);
	return true;
}

// The name behind the section's word, by the row; line->args behind it. False when refused.
static bool
take_section_name(struct conf *c, const struct conf_section *row, struct conf_line *line)
{
	bool has = line->argc > 1 && row->naming != CONF_NAME_NONE;
	line->args = 1;
	if (row->naming == CONF_NAME_OPTIONAL && row->flags & CONF_SECTION_ARGS && has &&
	    str_eq(line->argv[1], STR("from")))
		has = false;
	if (has) {
		line->section_name = line->argv[1];
		line->args = 2;
	}
	if (row->naming == CONF_NAME_REQUIRED && line->section_name.n == 0)
		return conf_error(c, line, "'%s' expects a <name> as argument", row->name);
	if (!name_is_good(c, line, line->section_name))
		return false;
	if (line->args < line->argc && !(row->flags & CONF_SECTION_ARGS))
		return conf_error(c, line, "'%s' cannot handle unexpected argument '%.200s'",
				  row->name, line->argv[line->args].p);
	return true;
}

// A section of HAProxy's that is not performed; the section before does not get its lines.
static void
pass_over(struct conf *c, const struct conf_section *row, const struct conf_line *line)
{
	if (row->flags & CONF_SECTION_REFUSED)
		(void)conf_error(c, line, "section '%s' is not supported: %s", row->name,
				 row->help);
	else
		conf_warn(c, line, "section '%s' is accepted but not performed: %s", row->name,
			  row->help);
	c->state->lost = true;
}

static void
section_line(struct conf *c, const struct conf_section *row, struct conf_line *line)
{
	struct conf_state *s = c->state;
	struct err err = {.text = ""};
	conf_end_section(c);
	if (row->begin == NULL) {
		pass_over(c, row, line);
		return;
	}
	s->row = row;
	s->row_line = line;
	if (line->flags != 0)
		(void)conf_error(c, line,
				 "'no' and 'default' cannot stand in front of section '%s'",
				 row->name);
	line->section = str_from_c(row->name);
	line->section_name = STR("");
	if (!take_section_name(c, row, line))
		return;
	s->section_name = line->section_name;
	s->obj = row->begin(c, line, line->section_name, &err);
	if (s->obj == NULL && err.text[0] != '\0')
		(void)conf_error(c, line, "%s", err.text);
}

// ------------------------------------------------------------ lines

static struct conf_line *
keep_line(struct reader *r)
{
	struct conf *c = r->c;
	const struct conf_cut *cut = &c->state->cut;
	struct conf_line *line = CONF_NEW(c, struct conf_line);
	struct str *argv = conf_alloc(c, cut->n * sizeof(*argv));
	struct str text = conf_strdup(c, sbuf_str(&cut->text));
	for (unsigned i = 0; i < cut->n; i++)
		argv[i] = str_from_c(text.p + cut->at[i]);
	*line = (struct conf_line){.file = r->file,
				   .line = r->line,
				   .argc = (int)cut->n,
				   .argv = argv,
				   .unset = conf_strdup(c, cut->unset),
				   .section_name = c->state->section_name};
	if (c->state->row != NULL)
		line->section = str_from_c(c->state->row->name);
	if (line->argc > 1 && (str_eq(argv[0], STR("no")) || str_eq(argv[0], STR("default")))) {
		line->flags = argv[0].p[0] == 'n' ? CONF_LINE_NO : CONF_LINE_DEFAULT;
		line->argv++;
		line->argc--;
	}
	return line;
}

static void
perform_line(struct reader *r)
{
	struct conf *c = r->c;
	struct conf_line *line = keep_line(r);
	const struct conf_section *row = conf_find_section(c, line->argv[0]);
	if (row != NULL)
		section_line(c, row, line);
	else
		conf_keyword_line(c, line);
}

// Shows the faulty place with a caret under it, as HAProxy does: "what at position N:" and an
// excerpt. `index` is into line.
static void
fault_at(struct reader *r, const char *what, struct str line, size_t index)
{
	char excerpt[81], dots[81];
	size_t from = 0, n = 0;
	while (from < line.n && conf_is_space(line.p[from]))
		from++;
	from = MIN(from, index);
	if (index - from > 60)
		from = index - 60;
	for (; n < sizeof(excerpt) - 1 && from + n < line.n; n++) {
		unsigned char b = (unsigned char)line.p[from + n];
		excerpt[n] = (char)(b < 0x20 || b == 0x7f ? '?' : b);
	}
	excerpt[n] = '\0';
	size_t pad = index - from;
	memset(dots, ' ', pad);
	dots[pad] = '\0';
	FAULT(r, "%s at position %zu:\n  %s\n  %s^", what, index + 1, excerpt, dots);
}

// ------------------------------------------------------------ directives

enum directive_kind { DIR_IF, DIR_ELIF, DIR_ELSE, DIR_ENDIF, DIR_MESSAGE };

struct directive {
	struct str name;
	enum directive_kind kind;
	enum conf_severity severity; // of a message
};

static const struct directive directives[] = {
    {{".if", 3}, DIR_IF, 0},
    {{".elif", 5}, DIR_ELIF, 0},
    {{".else", 5}, DIR_ELSE, 0},
    {{".endif", 6}, DIR_ENDIF, 0},
    {{".diag", 5}, DIR_MESSAGE, CONF_SEV_DIAG},
    {{".notice", 7}, DIR_MESSAGE, CONF_SEV_NOTICE},
    {{".warning", 8}, DIR_MESSAGE, CONF_SEV_WARNING},
    {{".alert", 6}, DIR_MESSAGE, CONF_SEV_ERROR},
};

static const char *
word_at(const struct reader *r, unsigned i)
{
	const struct conf_cut *cut = &r->c->state->cut;
	return i < cut->n ? cut->text.p + cut->at[i] : "";
}

// After a fault no branch of the block is taken: neither guess would help the reader.
static enum branch
judge(struct reader *r, const struct directive *d)
{
	struct conf_state *s = r->c->state;
	struct sbuf text;
	struct err err;
	size_t at = 0;
	bool result;
	sbuf_init(&text, 2 * s->cut.text.cap);
	conf_cut_join(&s->cut, 1, &text);
	struct str cond = sbuf_str(&text);
	bool good = conf_condition(&s->opt, cond, &result, &at, &err);
	if (!good) {
		size_t from = at > 60 ? at - 60 : 0;
		struct str shown = str_slice(cond, from, from + 78);
		FAULT(r, "%s in '%s' at position %zu:\n  %s %.*s\n  %*s^", err.text, d->name.p,
		      at + 1, d->name.p, STR_ARG(shown), (int)(d->name.n + 1 + at - from), "");
	}
	sbuf_fini(&text);
	return !good ? BRANCH_DONE : result ? BRANCH_TAKEN : BRANCH_SOUGHT;
}

static void
directive_if(struct reader *r, const struct directive *d)
{
	// Inside a skipped block conditions are counted, not judged.
	enum branch branch = skipping(r) ? BRANCH_DONE : judge(r, d);
	if (r->n_levels == CONF_MAX_NESTED_IF) {
		FAULT(r, "more than %u nested '.if'", CONF_MAX_NESTED_IF);
		return;
	}
	r->level[r->n_levels++] = (struct if_level){.branch = branch, .line = r->line};
}

static void
directive_else(struct reader *r, const struct directive *d)
{
	struct if_level *level = &r->level[r->n_levels - 1];
	if (level->else_seen) {
		FAULT(r, "'%s' after '.else' is not permitted", d->name.p);
		return;
	}
	level->else_seen = d->kind == DIR_ELSE;
	if (level->branch != BRANCH_SOUGHT)
		level->branch = BRANCH_DONE;
	else
		level->branch = d->kind == DIR_ELSE ? BRANCH_TAKEN : judge(r, d);
}

static void
directive_message(struct reader *r, const struct directive *d)
{
	if (d->severity == CONF_SEV_DIAG && !r->c->state->opt.diag)
		return;
	conf_add_message(r->c, d->severity, r->file, r->line, "'%s'", word_at(r, 1));
}

// True when the line has at most `most` words; else says so.
static bool
words_fit(struct reader *r, const struct directive *d, unsigned most)
{
	if (r->c->state->cut.n <= most)
		return true;
	FAULT(r, "unexpected argument '%.200s' for '%s'%s", word_at(r, most), d->name.p,
	      d->kind == DIR_MESSAGE ? "; use quotes if the message should contain spaces" : "");
	return false;
}

static void
perform_directive(struct reader *r, const struct directive *d)
{
	if (d->kind == DIR_IF) {
		directive_if(r, d);
		return;
	}
	if (d->kind == DIR_MESSAGE) {
		if (!skipping(r) && words_fit(r, d, 2))
			directive_message(r, d);
		return;
	}
	if (r->n_levels == 0) {
		FAULT(r, "lone '%s' with no matching '.if'", d->name.p);
		return;
	}
	if (d->kind != DIR_ELIF)
		(void)words_fit(r, d, 1); // performed all the same, so that blocks stay matched
	if (d->kind == DIR_ENDIF)
		r->n_levels--;
	else
		directive_else(r, d);
}

static const char *
next_directive(void *iter)
{
	size_t *i = iter;
	return *i < ARRAY_LEN(directives) ? directives[(*i)++].name.p : NULL;
}

static void
directive_line(struct reader *r)
{
	struct str name = str_from_c(word_at(r, 0));
	for (size_t i = 0; i < ARRAY_LEN(directives); i++)
		if (str_eq(name, directives[i].name)) {
			perform_directive(r, &directives[i]);
			return;
		}
	if (skipping(r))
		return;
	size_t i = 0;
	const char *near = str_suggest(name, next_directive, &i);
	FAULT(r, "unknown directive '%.200s'%s%s%s", name.p, near != NULL ? "; did you mean '" : "",
	      near != NULL ? near : "", near != NULL ? "' maybe ?" : "");
}

// ------------------------------------------------------------ text

// False: the rest of the text is not worth reading, as it is no text.
static bool
is_text(struct reader *r, struct str line, bool *good)
{
	*good = false;
	for (size_t i = 0; i < line.n; i++) {
		unsigned char b = (unsigned char)line.p[i];
		if (b == 0) {
			FAULT(
			    r,
			    "stray NUL character at position %zu; the rest of the file is not read",
			    i + 1);
			return false;
		}
		if ((b < 0x20 && !conf_is_space((char)b)) || b == 0x7f) {
			FAULT(r, "control character 0x%02x at position %zu", b, i + 1);
			return true;
		}
	}
	*good = true;
	return true;
}

// False: stop reading this text.
static bool
read_line(struct reader *r, struct str text)
{
	struct conf_cut *cut = &r->c->state->cut;
	bool good;
	if (text.n > CONF_MAX_LINE_BYTES) {
		FAULT(r, "line too long: %zu bytes, at most %u", text.n, CONF_MAX_LINE_BYTES);
		return memchr(text.p, '\0', text.n) == NULL;
	}
	if (!is_text(r, text, &good))
		return false;
	if (!good)
		return true;
	cut->file = r->file;
	cut->line = r->line;
	cut->section = r->c->state->row == NULL          ? STR("")
		       : r->c->state->section_name.n > 0 ? r->c->state->section_name
							 : str_from_c(r->c->state->row->name);
	enum conf_cut_status status = conf_cut_line(cut, text);
	if (status != CONF_CUT_OK) {
		fault_at(r, conf_cut_reason(status), text, cut->err_at);
		return true;
	}
	if (cut->n == 0 || word_at(r, 0)[0] == '\0')
		return true;
	if (word_at(r, 0)[0] == '.')
		directive_line(r);
	else if (!skipping(r))
		perform_line(r);
	return true;
}

void
conf_read_text(struct conf *c, const char *file, struct str text, bool lf_needed)
{
	struct reader r = {.c = c, .file = file};
	size_t at = 0;
	bool going = true;
	conf_end_section(c);
	while (at < text.n && going) {
		const char *lf = memchr(text.p + at, '\n', text.n - at);
		size_t end = lf != NULL ? (size_t)(lf - text.p) : text.n;
		r.line++;
		going = read_line(&r, str_slice(text, at, end));
		if (going && lf == NULL && lf_needed)
			FAULT(&r,
			      "missing LF on last line, file might have been truncated at position "
			      "%zu",
			      end - at + 1);
		at = end + 1;
	}
	for (unsigned i = 0; i < r.n_levels && going; i++) {
		r.line = r.level[i].line;
		FAULT(&r, "non-terminated '.if' block");
	}
	conf_end_section(c);
}
