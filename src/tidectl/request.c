// SPDX-License-Identifier: MIT
// What was asked for: the words behind a verb cut into arguments and options, texts read for them,
// and the line that the runtime socket is sent.
#include "tidectl/request.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/user.h"
#include "tidectl/verbs.h"

#define LINE_CAP_BYTES 16000
#define FILE_CAP_BYTES (64u << 20)

void
request_init(struct request *r)
{
	*r = (struct request){.verb = NULL};
	sbuf_init(&r->line, LINE_CAP_BYTES);
	sbuf_init(&r->payload, FILE_CAP_BYTES);
}

void
request_fini(struct request *r)
{
	sbuf_fini(&r->line);
	sbuf_fini(&r->payload);
	mem_free(r->value);
	r->value = NULL;
	for (size_t i = 0; i < VERB_MAX_ARGS && r->copies[i] != NULL; i++)
		mem_free(r->copies[i]);
	r->copies[0] = NULL;
}

char *
request_copy(struct request *r, const char *text)
{
	size_t i = 0;
	while (i < VERB_MAX_ARGS - 1 && r->copies[i] != NULL)
		i++;
	ASSERT(r->copies[i] == NULL);
	return r->copies[i] = mem_strdup(text);
}

bool
quote_word(struct sbuf *out, struct str word)
{
	if (word.n == 0)
		sbuf_add(out, STR("\"\""));
	for (size_t i = 0; i < word.n; i++) {
		char c = word.p[i];
		if (c == '\n' || c == '\r' || c == '\0')
			return false;
		if (strchr(" \t;\\\"'<", c) != NULL)
			sbuf_add_byte(out, '\\');
		sbuf_add_byte(out, c);
	}
	return true;
}

bool
request_add_word(struct request *r, const char *word, struct err *err)
{
	if (r->line.n > 0 && r->line.p[r->line.n - 1] != '.')
		sbuf_add_byte(&r->line, ' ');
	if (!quote_word(&r->line, str_from_c(word)))
		return err_set(err, "'%.40s': the runtime socket takes no line break", word);
	return true;
}

// The whole of a file, or of standard input.
static bool
read_all(const char *path, struct sbuf *out, struct err *err)
{
	FILE *f = path == NULL ? stdin : fopen(path, "re");
	if (f == NULL)
		return err_set(err, "cannot open %s: %s", path, strerror(errno));
	char piece[65536];
	size_t n;
	while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
		sbuf_add(out, str_of(piece, n));
	bool bad = ferror(f) != 0;
	if (path != NULL)
		(void)fclose(f); // it was only read
	if (bad)
		return err_set(err, "cannot read %s", path == NULL ? "standard input" : path);
	if (out->full)
		return err_set(err, "%s is longer than %u bytes",
			       path == NULL ? "standard input" : path, FILE_CAP_BYTES);
	return true;
}

bool
request_read_payload(struct request *r, const char *path, struct err *err)
{
	return read_all(path, &r->payload, err);
}

bool
request_value(struct request *r, const char *arg, const char **value, struct err *err)
{
	*value = arg;
	if (strcmp(arg, "-") != 0)
		return true;
	struct sbuf text;
	sbuf_init(&text, LINE_CAP_BYTES);
	if (!read_all(NULL, &text, err)) {
		sbuf_fini(&text);
		return false;
	}
	while (text.n > 0 && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r'))
		text.p[--text.n] = '\0';
	mem_free(r->value);
	*value = r->value = mem_strdup(text.n > 0 ? text.p : "");
	sbuf_fini(&text);
	return true;
}

const char *
default_owner(void)
{
	static char name[64];
	user_name((uint32_t)getuid(), name, sizeof(name));
	return name;
}

// Where an option's value goes; NULL when the verb has no such option.
static const char **
option_place(struct request *r, struct str name)
{
	const struct {
		const char *name;
		unsigned bit;
		const char **place;
	} options[] = {
	    {"--ttl", OPT_TTL, &r->ttl},
	    {"--for", OPT_FOR, &r->for_time},
	    {"--reason", OPT_REASON, &r->reason},
	    {"--owner", OPT_OWNER, &r->owner},
	};
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if ((r->verb->options & options[i].bit) &&
		    str_eq(name, str_from_c(options[i].name)))
			return options[i].place;
	return NULL;
}

static bool
bad_usage(const struct verb *verb, struct err *err)
{
	return err_set(err, "usage: tidectl %s %s", verb->name, verb->usage);
}

bool
request_parse(struct request *r, const struct verb *verb, int argc, char **argv, struct err *err)
{
	r->verb = verb;
	r->endless = verb->endless;
	bool only_args = false;
	for (int i = 0; i < argc; i++) {
		struct str word = str_from_c(argv[i]);
		if (!only_args && str_eq(word, STR("--"))) {
			only_args = true;
		} else if (!only_args && str_eq(word, STR("--json"))) {
			r->json = true;
		} else if (!only_args && (verb->options & OPT_CONFIG) &&
			   str_eq(word, STR("--config"))) {
			r->config = true;
		} else if (!only_args && (verb->options & OPT_FORCE) &&
			   str_eq(word, STR("--force"))) {
			r->force = true;
		} else if (!only_args && str_starts(word, STR("--"))) {
			size_t eq = str_find_byte(word, '=');
			struct str name = str_slice(word, 0, eq);
			const char **place = option_place(r, name);
			if (place == NULL)
				return err_set(err,
					       "'%s' has no option '%.*s' (behind -- it is none); "
					       "usage: tidectl %s %s",
					       verb->name, STR_ARG(name), verb->name, verb->usage);
			if (eq == SIZE_MAX && i + 1 == argc)
				return bad_usage(verb, err);
			*place = eq != SIZE_MAX ? word.p + eq + 1 : argv[++i];
		} else if (r->argc < MIN(verb->max_args, VERB_MAX_ARGS)) {
			r->argv[r->argc++] = argv[i];
		} else {
			return bad_usage(verb, err);
		}
	}
	return r->argc >= verb->min_args || bad_usage(verb, err);
}

// The argument of a place "$N" or "$N?"; SHM names may be written with their scope or without.
static bool
add_place(struct request *r, struct str place, bool is_name, struct err *err)
{
	int n = place.p[0] - '1';
	if (n >= r->argc)
		return true;
	const char *word = r->argv[n];
	if (is_name && strncmp(word, "shm.", 4) == 0)
		word += 4;
	if (!is_name && n == r->argc - 1 && !request_value(r, word, &word, err))
		return false;
	return request_add_word(r, word, err);
}

static bool
fill_line(struct request *r, const char *template, struct err *err)
{
	struct str rest = str_from_c(template), piece;
	while (str_next(&rest, ' ', &piece)) {
		size_t at = str_find_byte(piece, '$');
		struct str fixed = str_slice(piece, 0, at);
		if (fixed.n > 0 && r->line.n > 0)
			sbuf_add_byte(&r->line, ' ');
		sbuf_add(&r->line, fixed);
		if (at != SIZE_MAX &&
		    !add_place(r, str_slice(piece, at + 1, piece.n), fixed.n > 0, err))
			return false;
	}
	return true;
}

static bool
add_option(struct request *r, const char *word, const char *value, struct err *err)
{
	if (value == NULL)
		return true;
	sbuf_printf(&r->line, " %s", word);
	return request_add_word(r, value, err);
}

bool
request_build(struct request *r, struct err *err)
{
	const struct verb *v = r->verb;
	r->native_json = r->json && v->json != NULL; // build may set it too
	bool good = v->build != NULL ? v->build(r, err)
				     : fill_line(r, r->native_json ? v->json : v->line, err);
	good = good && add_option(r, "reason", r->reason, err);
	if (good && r->line.full)
		return err_set(err, "the command is longer than %d bytes", LINE_CAP_BYTES);
	return good;
}

bool
request_raw(struct request *r, int argc, char **argv, struct err *err)
{
	if (argc == 1) {
		if (strchr(argv[0], '\n') != NULL)
			return err_set(err, "the command holds a line break");
		sbuf_add(&r->line, str_from_c(argv[0]));
	}
	for (int i = 0; argc > 1 && i < argc; i++)
		if (!request_add_word(r, argv[i], err))
			return false;
	r->endless = str_starts(sbuf_str(&r->line), STR("watch "));
	return !r->line.full || err_set(err, "the command is longer than %d bytes", LINE_CAP_BYTES);
}
