// SPDX-License-Identifier: MIT
// What the files of src/conf share: the state behind struct conf, the line cutter, and the steps
// between reading a line and performing its row.
#pragma once

#include "base/mem.h"
#include "base/module.h"
#include "base/sbuf.h"
#include "conf/address.h"
#include "conf/conf.h"

// ------------------------------------------------------------ words.c

enum conf_cut_status {
	CONF_CUT_OK,
	CONF_CUT_LONG,
	CONF_CUT_MANY,
	CONF_CUT_QUOTE,
	CONF_CUT_BRACE,
	CONF_CUT_HEX,
	CONF_CUT_NUL,
	CONF_CUT_NAME,
	CONF_CUT_EXPAND,
};

// Cuts lines into words; reused from line to line.
struct conf_cut {
	const struct conf_options *opt; // for variables
	const char *file;               // ${.FILE}
	int line;                       // ${.LINE}
	struct str section;             // ${.SECTION}
	struct sbuf text;               // the words, each with its NUL
	uint32_t at[CONF_MAX_WORDS];    // where each begins in text
	unsigned n;
	struct str unset; // the line's first variable with neither value nor default
	size_t err_at;    // index in the line, when the status is not OK
};

void conf_cut_init(struct conf_cut *cut, const struct conf_options *opt);
void conf_cut_fini(struct conf_cut *cut);
enum conf_cut_status conf_cut_line(struct conf_cut *cut, struct str line);
const char *conf_cut_reason(enum conf_cut_status status);
const char *conf_env_get(const struct conf_options *opt, const char *name);
// The words from `from` on, joined by one space.
void conf_cut_join(const struct conf_cut *cut, unsigned from, struct sbuf *out);
// isspace of the C locale.
bool conf_is_space(char c);

// ------------------------------------------------------------ condition.c

// As conf_eval_condition, on text whose quotes were performed; at: where it went wrong.
bool conf_condition(const struct conf_options *opt, struct str text, bool *result, size_t *at,
		    struct err *err);

// ------------------------------------------------------------ value.c

// "a whole number from 1 to 9", "on or off"; NUL-terminated, cut to fit.
void conf_describe_type(const struct conf_arg *arg, char *buf, size_t room);
// False with err: "<maxconn> is 'abc', expected a whole number".
bool conf_value_parse(struct conf *c, const struct conf_arg *arg, struct str text,
		      struct conf_value *out, struct err *err);
void conf_value_store(void *obj, size_t offset, enum conf_type type, const struct conf_value *v);
// The row's default, or a zero value.
void conf_value_default(struct conf *c, const struct conf_arg *arg, struct conf_value *out);
struct conf_arg conf_word_as_arg(const struct conf_word *w);

// ------------------------------------------------------------ keyword.c

// What a row of modules is looked up for; NULL when there is none.
const struct conf_section *conf_find_section(const struct conf *c, struct str name);
// Performs a keyword line in the section under way. Collects its faults.
void conf_keyword_line(struct conf *c, struct conf_line *line);
// How many words of argv the row's words are, or 0 when they differ.
int conf_keyword_match(const struct conf_keyword *kw, const struct conf_line *line);
bool conf_keyword_in(const struct conf_keyword *kw, struct str section);

// ------------------------------------------------------------ reader.c

void conf_read_text(struct conf *c, const char *file, struct str text, bool lf_needed);
void conf_end_section(struct conf *c);

// ------------------------------------------------------------ file.c

// The whole file, at most CONF_MAX_FILE_BYTES; mem_free(out->p). False with err.
bool conf_file_read(const char *path, struct str *out, struct err *err);

// ------------------------------------------------------------ message.c

void conf_add_message(struct conf *c, enum conf_severity severity, const char *file, int line,
		      const char *fmt, ...) PRINTF_LIKE(5, 6);

// ------------------------------------------------------------ state

struct conf_source {
	struct conf_source *next;
	const char *name;
	struct str text; // .p == NULL: read the file `name`
};

struct conf_deferred {
	struct conf_deferred *next;
	const struct conf_line *line;
	conf_defer_f fn;
	void *arg;
};

struct conf_state {
	const struct module *const *modules;
	struct conf_options opt;
	struct conf_cut cut;

	struct conf_source *sources, **sources_end;
	unsigned n_sources;
	size_t total_bytes;
	bool loaded;

	struct conf_deferred *deferred, **deferred_end;

	struct conf_message *messages, **messages_end;
	unsigned n_messages, n_errors, n_warnings;

	// The section under way. obj is NULL while begin() failed; row is NULL out of sections;
	// lost: the section's name was not understood, its lines are skipped.
	const struct conf_section *row;
	const struct conf_line *row_line;
	void *obj;
	struct str section_name;
	bool lost;
};
