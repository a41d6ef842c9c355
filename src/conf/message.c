// SPDX-License-Identifier: MIT
// The collected faults and remarks of a configuration, in the order they were found.
#include "conf/conf_priv.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

static void
count(struct conf_state *s, enum conf_severity severity)
{
	s->n_messages++;
	if (severity == CONF_SEV_ERROR)
		s->n_errors++;
	else if (severity == CONF_SEV_WARNING)
		s->n_warnings++;
}

static void
append(struct conf *c, enum conf_severity severity, const char *file, int line, const char *text)
{
	struct conf_message *m = CONF_NEW(c, struct conf_message);
	*m = (struct conf_message){.severity = severity, .file = file, .line = line, .text = text};
	*c->state->messages_end = m;
	c->state->messages_end = (struct conf_message **)&m->next;
}

static void
add_message(struct conf *c, enum conf_severity severity, const char *file, int line,
	    const char *text)
{
	struct conf_state *s = c->state;
	count(s, severity);
	if (s->n_messages == CONF_MAX_MESSAGES + 1)
		append(c, severity, NULL, 0, "too many messages, the rest is withheld");
	if (s->n_messages > CONF_MAX_MESSAGES)
		return;
	append(c, severity, file, line, conf_strdup(c, str_from_c(text)).p);
}

void
conf_add_message(struct conf *c, enum conf_severity severity, const char *file, int line,
		 const char *fmt, ...)
{
	char text[2 * ERR_TEXT_BYTES];
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); // a longer text is cut
	va_end(ap);
	add_message(c, severity, file, line, text);
}

static void PRINTF_LIKE(4, 0) add_at_line(struct conf *c, enum conf_severity severity,
					  const struct conf_line *line, const char *fmt, va_list ap)
{
	char text[2 * ERR_TEXT_BYTES];
	CHECK_MAGIC(c, CONF_MAGIC);
	size_t n = (size_t)vsnprintf(text, sizeof(text), fmt, ap);
	if (line == NULL) {
		add_message(c, severity, NULL, 0, text);
		return;
	}
	// Empty words are the likely cause of the error, and do not show where they come from.
	if (severity == CONF_SEV_ERROR && line->unset.n > 0 && n < sizeof(text))
		(void)snprintf(text + n, sizeof(text) - n,
			       "; environment variable '%.*s' is not set", STR_ARG(line->unset));
	add_message(c, severity, line->file, line->line, text);
}

bool
conf_error(struct conf *c, const struct conf_line *line, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	add_at_line(c, CONF_SEV_ERROR, line, fmt, ap);
	va_end(ap);
	return false;
}

void
conf_warn(struct conf *c, const struct conf_line *line, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	add_at_line(c, CONF_SEV_WARNING, line, fmt, ap);
	va_end(ap);
}

void
conf_warn_ignored(struct conf *c, const struct conf_line *line, const char *who, const char *word,
		  const char *help)
{
	bool yet = strcmp(help, CONF_NOT_YET) == 0;
	conf_warn(c, line, "%s%s'%s' is accepted but not performed%s%s", who,
		  who[0] != '\0' ? " : " : "", word, yet ? " yet" : ": ", yet ? "" : help);
}

void
conf_notice(struct conf *c, const struct conf_line *line, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	add_at_line(c, CONF_SEV_NOTICE, line, fmt, ap);
	va_end(ap);
}

unsigned
conf_n_errors(const struct conf *c)
{
	return c->state->n_errors;
}

unsigned
conf_n_warnings(const struct conf *c)
{
	return c->state->n_warnings;
}

const struct conf_message *
conf_messages(const struct conf *c)
{
	return c->state->messages;
}

void
conf_render_message(const struct conf_message *m, struct sbuf *out)
{
	if (m->file != NULL && m->line > 0)
		sbuf_printf(out, "config : parsing [%s:%d] : %s", m->file, m->line, m->text);
	else if (m->file != NULL)
		sbuf_printf(out, "config : [%s] : %s", m->file, m->text);
	else
		sbuf_printf(out, "config : %s", m->text);
}

void
conf_log_messages(const struct conf *c)
{
	static const enum log_level levels[] = {
	    [CONF_SEV_DIAG] = LOG_NOTICE,
	    [CONF_SEV_NOTICE] = LOG_NOTICE,
	    [CONF_SEV_WARNING] = LOG_WARNING,
	    [CONF_SEV_ERROR] = LOG_ALERT,
	};
	struct sbuf line;
	sbuf_init(&line, 8 * ERR_TEXT_BYTES);
	for (const struct conf_message *m = conf_messages(c); m != NULL; m = m->next) {
		sbuf_clear(&line);
		conf_render_message(m, &line);
		struct str text = sbuf_str(&line);
		log_msg(levels[m->severity], "%.*s", STR_ARG(text));
	}
	sbuf_fini(&line);
}
