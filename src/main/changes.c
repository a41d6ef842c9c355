// SPDX-License-Identifier: MIT
// Things with names and hashes, before and now. A section is its first line and what follows; lines
// that declare variables are things of their own.
#include "main/changes.h"

#include <stdio.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/module.h"
#include "base/sbuf.h"
#include "conf/conf.h"
#include "main/modules.h"

#define LIST_BYTES 400 // of names in a line of the log

struct thing {
	char *name; // "frontend www", "variable maint", "script maint"
	uint64_t before, now;
	bool was, is;
};

struct changes {
	struct thing *things;
	size_t n, cap;
};

struct changes *
changes_new(void)
{
	return MEM_NEW(struct changes);
}

void
changes_free(struct changes **cp)
{
	struct changes *c = *cp;
	*cp = NULL;
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->n; i++)
		mem_free(c->things[i].name);
	mem_free(c->things);
	mem_free(c);
}

static size_t
find(struct changes *c, const char *name)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->things[i].name, name) == 0)
			return i;
	VEC_GROW(c->things, c->cap, c->n);
	c->things[c->n] = (struct thing){.name = mem_strdup(name)};
	return c->n++;
}

// More text of a thing.
static void
add_text(struct thing *t, bool is_new, struct str text)
{
	uint64_t *h = is_new ? &t->now : &t->before;
	*(is_new ? &t->is : &t->was) = true;
	*h = hash_bytes(text.p, text.n, *h + 1);
}

static bool
is_section(struct str word)
{
	for (size_t i = 0; main_modules[i] != NULL; i++)
		for (const struct conf_section *s = main_modules[i]->sections;
		     s != NULL && s->name != NULL; s++)
			if (str_eq(str_from_c(s->name), word))
				return true;
	return false;
}

static struct str
next_word(struct str *rest)
{
	*rest = str_trim(*rest);
	size_t n = 0;
	while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '\t')
		n++;
	struct str word = str_slice(*rest, 0, n);
	*rest = str_slice(*rest, n, rest->n);
	return word;
}

void
changes_add_config(struct changes *c, bool is_new, struct str text)
{
	char name[256] = "";
	size_t at = SIZE_MAX;
	bool in_vars = false;
	struct str line;
	while (text.n > 0 && str_next(&text, '\n', &line)) {
		struct str rest = line, word = next_word(&rest);
		if (word.n == 0 || word.p[0] == '#')
			continue;
		if (is_section(word)) {
			in_vars = str_eq(word, STR("vars"));
			rest = str_trim(rest);
			(void)snprintf(name, sizeof(name), "%.*s %.*s", STR_ARG(word),
				       STR_ARG(rest));
			at = find(c, name);
		}
		size_t to = at;
		if (in_vars && str_eq(word, STR("var"))) {
			struct str variable = next_word(&rest);
			(void)snprintf(name, sizeof(name), "variable %.*s", STR_ARG(variable));
			to = find(c, name);
		}
		for (rest = line; to != SIZE_MAX && (word = next_word(&rest)).n > 0;)
			add_text(&c->things[to], is_new, word);
	}
}

void
changes_add_script(struct changes *c, bool is_new, struct str policy, struct str text)
{
	char name[256];
	(void)snprintf(name, sizeof(name), "script of policy %.*s", STR_ARG(policy));
	size_t at = find(c, name); // which may move the things
	add_text(&c->things[at], is_new, text);
}

// --- telling -------------------------------------------------------------------------------------

static bool
was_added(const struct thing *t)
{
	return t->is && !t->was;
}

static bool
was_removed(const struct thing *t)
{
	return t->was && !t->is;
}

static bool
was_changed(const struct thing *t)
{
	return t->is && t->was && t->now != t->before;
}

static const struct {
	const char *word;
	bool (*holds)(const struct thing *t);
} kinds[] = {{"added", was_added}, {"removed", was_removed}, {"changed", was_changed}};

static unsigned
log_kind(const struct changes *c, const char *word, bool (*holds)(const struct thing *t))
{
	struct sbuf names;
	unsigned n = 0;
	sbuf_init(&names, LIST_BYTES);
	for (size_t i = 0; i < c->n; i++) {
		struct str name = str_trim(str_from_c(c->things[i].name));
		if (holds(&c->things[i]))
			sbuf_printf(&names, "%s%.*s", n++ > 0 ? ", " : "", STR_ARG(name));
	}
	if (n > 0)
		log_msg(LOG_NOTICE, "%s: %.*s%s", word, STR_ARG(sbuf_str(&names)),
			names.full ? " ..." : "");
	sbuf_fini(&names);
	return n;
}

void
changes_log(const struct changes *c)
{
	unsigned n = 0;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		n += log_kind(c, kinds[i].word, kinds[i].holds);
	if (n == 0)
		log_msg(LOG_NOTICE, "the configuration and its scripts are as before");
}
