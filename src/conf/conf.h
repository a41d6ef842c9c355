// SPDX-License-Identifier: MIT
// Configuration in HAProxy's grammar. A feature contributes rows (sections, keywords, option
// words) through its `struct module`; this framework reads the files, cuts lines into words as
// haproxy 2.6 does, finds the row, checks number, type and bounds of the arguments, stores plain
// settings itself and hands the rest to the row's function. It names no feature.
//
// Every fault is collected with file and line and reading goes on, so that one run shows all.
// Set-up time only, one thread. Memory lives in conf->arena until conf_free; running out of it
// aborts, as the limits below bound what files can ask for.
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

struct module;
struct sbuf;
struct conf_addr; // conf/address.h
struct conf_state;

#define CONF_MAX_LINE_BYTES  (64u << 10)
#define CONF_MAX_WORDS       1024u
#define CONF_MAX_FILE_BYTES  (16u << 20)
#define CONF_MAX_TOTAL_BYTES (64u << 20)
#define CONF_MAX_FILES       1024u
#define CONF_MAX_MESSAGES    500u // then one more says that the rest is withheld
#define CONF_MAX_NESTED_IF   64u

// What surrounds the files. Pointers must outlive the struct conf.
struct conf_options {
	// The value of an environment variable or NULL; this is where -s NAME=VALUE is laid over
	// the environment. NULL: getenv.
	const char *(*env)(void *arg, const char *name);
	void *env_arg;
	const char *version;         // for version_atleast(); NULL: CONF_LANGUAGE_VERSION
	const char *const *features; // for feature(), NULL-terminated; NULL: none
	bool diag;                   // .diag messages are kept (-dD)
	// Told of the text of each file that was read, in their order. May be NULL.
	void (*was_read)(void *arg, const char *name, struct str text);
	void *was_read_arg;
};
#define CONF_LANGUAGE_VERSION "2.6" // HAProxy's, whose language this is

#define CONF_MAGIC 0xc04f0001u
struct conf {
	uint32_t magic;
	void *user;                  // the set-up object of main; untouched here
	struct arena arena;          // everything that lives as long as the configuration
	struct conf_state *state;    // ours
	struct conf_object *objects; // conf_bind's
};

enum conf_line_flag {
	CONF_LINE_NO = 1,      // "no " stood in front (and is not in argv)
	CONF_LINE_DEFAULT = 2, // "default " stood in front (and is not in argv)
};

// One line cut into words. Lives as long as the struct conf, as do its words, which are
// NUL-terminated and hold no other NUL.
struct conf_line {
	const char *file;
	int line;
	int argc;         // at least 1
	struct str *argv; // argv[0]: first word of the keyword
	int args;         // index of the first word behind the keyword's own
	unsigned flags;   // enum conf_line_flag
	// One for each of the row's args, checked and converted; NULL for section lines.
	const struct conf_value *values;
	struct str section;      // "frontend"
	struct str section_name; // "www"; empty when it has none
	struct str unset;        // a variable of the environment that it names in vain; or empty
};

// ------------------------------------------------------------ values

// Stored at an offset as the C type behind the name.
enum conf_type {
	CONF_END,  // ends a table
	CONF_INT,  // int64_t
	CONF_TIME, // uint64_t, nanoseconds
	CONF_SIZE, // uint64_t, bytes; k, m, g are powers of 1024
	CONF_STR,  // struct str, NUL-terminated; lives as long as the configuration
	CONF_BOOL, // bool; on/off and their like
	CONF_ENUM, // int, index into the row's words
	CONF_FLAG, // bool, true by presence; takes no value
	CONF_ADDR, // struct conf_addr (conf/address.h); row's flags say what is allowed
	CONF_REST, // struct str: the remaining words joined by one space
};

struct conf_value {
	bool given;             // the line had it; else it is the row's default, or zero
	int at;                 // index in argv, -1 when not given
	int used;               // words it took; a conf_word's parse may raise it
	int64_t i;              // INT, ENUM
	uint64_t u;             // TIME (ns), SIZE
	bool b;                 // BOOL, FLAG
	struct str s;           // the text of all types
	struct conf_addr *addr; // ADDR
};

#define CONF_US(n) ((int64_t)(n)*1000)
#define CONF_MS(n) ((int64_t)(n)*1000000)
#define CONF_S(n)  ((int64_t)(n)*1000000000)

enum conf_arg_flag {
	CONF_ARG_OPTIONAL = 1, // may be absent; only optional ones may follow it
};

// A positional argument.
struct conf_arg {
	const char *name; // as errors and the reference show it: "timeout"
	enum conf_type type;
	unsigned flags;           // enum conf_arg_flag
	int64_t min, max;         // INT; TIME in ns; SIZE and STR in bytes. max below
				  // min: no upper bound; both 0: no bounds
	const char *dflt;         // as a user would write it, or NULL
	const char *unit;         // TIME: of a bare number: "us" "ms" "s"; NULL: "ms". INT: shown
	const char *const *words; // ENUM: NULL-terminated
	unsigned addr_flags;      // ADDR: enum conf_addr_flag
	size_t offset;            // added to the keyword's offset
	const char *help;
};

// ------------------------------------------------------------ rows

enum conf_naming { CONF_NAME_NONE, CONF_NAME_OPTIONAL, CONF_NAME_REQUIRED };

enum conf_section_flag {
	CONF_SECTION_ARGS = 1,    // more words may follow the name ("from base"); begin reads them
	CONF_SECTION_REFUSED = 2, // known but refused, its lines unread; help says why
	CONF_SECTION_IGNORED = 4, // the same, with no more than a warning
};

struct conf_section {
	const char *name;
	enum conf_naming naming;
	unsigned flags;
	// Returns the object handed to the section's keywords, or NULL with err: the section's
	// lines are then checked but not performed. A section may begin many times.
	// NULL where the section is refused or ignored.
	void *(*begin)(struct conf *, const struct conf_line *, struct str name, struct err *);
	// At the section's last line; may be NULL.
	bool (*end)(struct conf *, void *obj, struct err *);
	const char *help;
};

enum conf_keyword_flag {
	CONF_NO = 1,         // "no keyword" is allowed: line->flags & CONF_LINE_NO
	CONF_DEFAULT = 2,    // "default keyword" is allowed
	CONF_DEPRECATED = 4, // a warning, with the row's help as advice
	CONF_IGNORED = 8,    // accepted with a warning that it is not performed; nothing is called
	CONF_REFUSED = 16,   // known but refused; help says why
	CONF_EXTRA = 32,     // more words than args says are left to parse
};

struct conf_keyword {
	const char *sections;            // "frontend listen defaults"
	const char *words;               // "timeout client"; the longest match wins
	const struct conf_arg *args;     // NULL: none
	const struct conf_word *options; // shown in the reference; parse calls conf_parse_words
	// NULL: the framework stores each argument at obj + offset + its own offset; without
	// arguments a bool, true, or false after "no".
	bool (*parse)(struct conf *, void *obj, const struct conf_line *, struct err *);
	size_t offset;
	unsigned flags; // enum conf_keyword_flag
	const char *help;
};

enum conf_word_flag {
	CONF_WORD_NO = 1,      // "no-name" is allowed for a FLAG and stores false
	CONF_WORD_IGNORED = 2, // accepted with a warning that it is not performed
	CONF_WORD_REFUSED = 4, // known but refused; help says why
};

// An optional word inside a line, with a value behind it unless it is a FLAG: "weight 10".
struct conf_word {
	const char *name; // NULL ends the table
	enum conf_type type;
	unsigned flags; // enum conf_word_flag
	int64_t min, max;
	const char *dflt, *unit;
	const char *const *words;
	unsigned addr_flags;
	// NULL: stored at obj + offset. Else called with the checked value (b is false after
	// "no-"); it may raise value->used to take further words of the line.
	bool (*parse)(struct conf *, void *obj, const struct conf_line *, struct conf_value *value,
		      struct err *);
	size_t offset;
	const char *help;
};

// Walks argv[from..] by the rows. All faults of the line are collected; false if any, and err
// then holds the last one, which the caller passes on by returning false.
bool conf_parse_words(struct conf *c, const struct conf_line *line, int from,
		      const struct conf_word *rows, void *obj, struct err *err);
// Stores the rows' defaults; for begin(), before keywords come. section: "frontend".
void conf_apply_defaults(struct conf *c, const char *section, void *obj);
void conf_apply_word_defaults(struct conf *c, const struct conf_word *rows, void *obj);
// One value from text outside a line, by a row. False with err.
bool conf_parse_value(struct conf *c, const struct conf_arg *arg, struct str text,
		      struct conf_value *out, struct err *err);

// ------------------------------------------------------------ reading

// modules: NULL-terminated. opt may be NULL; it is copied.
struct conf *conf_new(const struct module *const *modules, const struct conf_options *opt);
void conf_free(struct conf **c);
// What -f names: a file, or a directory whose *.cfg are taken in lexical order. Read later.
bool conf_add_path(struct conf *c, const char *path, struct err *err);
// Text instead of a file; it is copied. `name` stands for the file in messages.
void conf_add_text(struct conf *c, const char *name, struct str text);
// The files added so far, parted by ';' (HAPROXY_CFGFILES).
struct str conf_files(struct conf *c);
// Reads everything added, then runs what was deferred. Once. False when any error was collected.
bool conf_load(struct conf *c);

typedef bool (*conf_defer_f)(struct conf *, void *arg, struct err *);
// fn runs after all files were read, in the order of these calls, even when there were errors
// before; its error is reported at `line` (may be NULL). May be called from a deferred fn.
void conf_defer(struct conf *c, const struct conf_line *line, conf_defer_f fn, void *arg);

// Zeroed, aligned for anything. Never NULL.
void *conf_alloc(struct conf *c, size_t bytes);
#define CONF_NEW(conf, type) ((type *)conf_alloc((conf), sizeof(type)))
// NUL-terminated copy.
struct str conf_strdup(struct conf *c, struct str s);
char *conf_printf(struct conf *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
// What rows of different folders work on, by name: main binds, begin() and parse() look up. The
// name is not copied.
struct conf_object {
	struct conf_object *next;
	const char *name;
	void *object;
};
void conf_bind(struct conf *c, const char *name, void *object);
void *conf_bound(const struct conf *c, const char *name); // NULL when nobody bound it
// Through the hook of conf_options; NULL when not set.
const char *conf_getenv(struct conf *c, const char *name);

// "0", "1", predicates, !, &&, || and parentheses, as behind .if and -cc. Quotes and variables
// are performed. False with err when the text is not a condition.
bool conf_eval_condition(const struct conf_options *opt, struct str text, bool *result,
			 struct err *err);

// ------------------------------------------------------------ messages

enum conf_severity { CONF_SEV_DIAG, CONF_SEV_NOTICE, CONF_SEV_WARNING, CONF_SEV_ERROR };

struct conf_message {
	const struct conf_message *next;
	enum conf_severity severity;
	const char *file; // NULL: of no file
	int line;         // 0: of no line
	const char *text;
};

// line may be NULL. conf_error returns false.
bool conf_error(struct conf *c, const struct conf_line *line, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
void conf_warn(struct conf *c, const struct conf_line *line, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
// That a word is accepted without effect: of the line whom it belongs to, or "", the word, and its
// row's help, which is the reason; CONF_NOT_YET where there is none but that nobody wrote it.
#define CONF_NOT_YET "Not performed yet."
void conf_warn_ignored(struct conf *c, const struct conf_line *line, const char *who,
		       const char *word, const char *help);
void conf_notice(struct conf *c, const struct conf_line *line, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
unsigned conf_n_errors(const struct conf *c);
unsigned conf_n_warnings(const struct conf *c);
const struct conf_message *conf_messages(const struct conf *c); // oldest first
// "config : parsing [file:line] : text", as HAProxy words it.
void conf_render_message(const struct conf_message *m, struct sbuf *out);
// All through base/log, each at its level.
void conf_log_messages(const struct conf *c);

// ------------------------------------------------------------ reference

// Markdown: each section with its keywords, arguments, bounds, defaults, help.
void conf_print_reference(const struct module *const *modules, struct sbuf *out);
// Faults of the rows themselves, one a line: no help, a default its type refuses, an unknown
// section, two rows for one keyword. Returns their number; a test wants 0.
unsigned conf_check_rows(const struct module *const *modules, struct sbuf *out);
// One keyword a line by section (-dKall).
void conf_print_keywords(const struct module *const *modules, struct sbuf *out);
