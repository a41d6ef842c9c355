// SPDX-License-Identifier: MIT
// The life of a configuration: made, filled with sources, loaded once, freed when the daemon has
// no more use for what its arena holds.
#include "conf/conf.h"

#include <stdarg.h>
#include <stdio.h>

#include "conf/conf_priv.h"

// Far beyond what CONF_MAX_TOTAL_BYTES of text can ask for.
#define ARENA_CAP_BYTES ((size_t)8 << 30)

struct conf *
conf_new(const struct module *const *modules, const struct conf_options *opt)
{
	struct conf *c = MEM_NEW(struct conf);
	struct conf_state *s = MEM_NEW(struct conf_state);
	*c = (struct conf){.magic = CONF_MAGIC, .state = s};
	arena_init_must(&c->arena, ARENA_CAP_BYTES);
	s->modules = modules;
	if (opt != NULL)
		s->opt = *opt;
	conf_cut_init(&s->cut, &s->opt);
	s->sources_end = &s->sources;
	s->deferred_end = &s->deferred;
	s->messages_end = &s->messages;
	s->section_name = STR("");
	return c;
}

void
conf_free(struct conf **c)
{
	if (*c == NULL)
		return;
	CHECK_MAGIC(*c, CONF_MAGIC);
	(*c)->magic = 0;
	conf_cut_fini(&(*c)->state->cut);
	mem_free((*c)->state);
	arena_fini(&(*c)->arena);
	mem_free(*c);
	*c = NULL;
}

void *
conf_alloc(struct conf *c, size_t bytes)
{
	CHECK_MAGIC(c, CONF_MAGIC);
	void *p = arena_zalloc(&c->arena, MAX(bytes, (size_t)1), alignof(max_align_t));
	if (p == NULL)
		panic_oom(bytes);
	return p;
}

struct str
conf_strdup(struct conf *c, struct str s)
{
	CHECK_MAGIC(c, CONF_MAGIC);
	char *p = str_to_c(&c->arena, s);
	if (p == NULL)
		panic_oom(s.n);
	return str_of(p, s.n);
}

char *
conf_printf(struct conf *c, const char *fmt, ...)
{
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	ASSERT(n >= 0);
	char *p = conf_alloc(c, (size_t)n + 1);
	(void)vsnprintf(p, (size_t)n + 1, fmt, again); // sized by the first pass
	va_end(again);
	va_end(ap);
	return p;
}

const char *
conf_getenv(struct conf *c, const char *name)
{
	return conf_env_get(&c->state->opt, name);
}

void
conf_defer(struct conf *c, const struct conf_line *line, conf_defer_f fn, void *arg)
{
	CHECK_MAGIC(c, CONF_MAGIC);
	struct conf_deferred *d = CONF_NEW(c, struct conf_deferred);
	*d = (struct conf_deferred){.line = line, .fn = fn, .arg = arg};
	*c->state->deferred_end = d;
	c->state->deferred_end = &d->next;
}

static void
load_source(struct conf *c, const struct conf_source *source)
{
	struct conf_state *s = c->state;
	struct str text = source->text;
	struct err err;
	bool is_file = text.p == NULL;
	if (is_file && !conf_file_read(source->name, &text, &err)) {
		(void)conf_error(c, NULL, "%s", err.text);
		return;
	}
	if (s->opt.was_read != NULL)
		s->opt.was_read(s->opt.was_read_arg, source->name, text);
	s->total_bytes += text.n;
	if (s->total_bytes > CONF_MAX_TOTAL_BYTES)
		(void)conf_error(c, NULL, "%s is not read: all files together pass %u bytes",
				 source->name, CONF_MAX_TOTAL_BYTES);
	else
		conf_read_text(c, source->name, text, is_file);
	if (is_file)
		mem_free((void *)(uintptr_t)text.p);
}

bool
conf_load(struct conf *c)
{
	CHECK_MAGIC(c, CONF_MAGIC);
	struct conf_state *s = c->state;
	ASSERT(!s->loaded);
	s->loaded = true;
	for (const struct conf_source *source = s->sources; source != NULL; source = source->next)
		load_source(c, source);
	for (const struct conf_deferred *d = s->deferred; d != NULL; d = d->next) {
		struct err err = {.text = ""};
		if (!d->fn(c, d->arg, &err) && err.text[0] != '\0')
			(void)conf_error(c, d->line, "%s", err.text);
	}
	return s->n_errors == 0;
}
