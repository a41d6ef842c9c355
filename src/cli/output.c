// SPDX-License-Identifier: MIT
// The way of text out of a command: line by line through a filter that adds the severities the
// client asked for and holds back empty lines, since an empty line ends an answer. An empty line
// with text behind it goes out as one space.
#include <stdio.h>

#include "cli/cli_priv.h"

static const char *
severity_word(enum cli_severity sev)
{
	switch (sev) {
	case CLI_SEV_ERROR:
		return "error";
	case CLI_SEV_WARNING:
		return "warning";
	default:
		return "info";
	}
}

static void
put_prefix(struct cli_session *s, enum cli_severity sev, bool first)
{
	if (s->format == CLI_FORMAT_LINE)
		sbuf_printf(&s->out, "[%d]: ", MIN((int)sev, (int)CLI_SEV_INFO));
	else if (sev == CLI_SEV_DATA || !first)
		return;
	else if (s->format == CLI_FORMAT_NUMBER)
		sbuf_printf(&s->out, "[%d]: ", (int)sev);
	else if (s->format == CLI_FORMAT_STRING)
		sbuf_printf(&s->out, "[%s]: ", severity_word(sev));
}

static void
put_held_back(struct cli_session *s, enum cli_severity sev)
{
	for (; s->held_back > 0; s->held_back--) {
		put_prefix(s, sev, false);
		sbuf_add(&s->out, STR(" \n"));
	}
}

void
cli_out_line_end(struct cli_session *s)
{
	if (s->mid_line)
		sbuf_add_byte(&s->out, '\n');
	s->mid_line = false;
}

// False when the answer is beyond its cap: the rest is dropped and cli_out_end says so.
static bool
within_cap(struct cli_session *s, size_t n)
{
	if (s->cut || s->out.n + n > CLI_ANSWER_BYTES)
		s->cut = true;
	return !s->cut;
}

void
cli_out(struct cli_session *s, enum cli_severity sev, struct str text, bool first)
{
	if (!within_cap(s, text.n))
		return;
	if (s->mid_line && s->line_sev != (uint8_t)sev)
		cli_out_line_end(s);
	struct str rest = text;
	while (rest.n > 0) {
		size_t n = str_find_byte(rest, '\n');
		bool whole = n != SIZE_MAX;
		struct str piece = str_slice(rest, 0, whole ? n : rest.n);
		rest = str_slice(rest, piece.n + (whole ? 1 : 0), rest.n);
		if (!s->mid_line && piece.n == 0) {
			s->held_back = MIN(s->held_back + 1, 1000u);
			continue;
		}
		if (!s->mid_line) {
			put_held_back(s, sev);
			put_prefix(s, sev, first);
		}
		first = false;
		s->line_sev = (uint8_t)sev;
		sbuf_add(&s->out, piece);
		s->mid_line = true;
		if (whole)
			cli_out_line_end(s);
	}
}

void
cli_out_end(struct cli_session *s)
{
	bool cut = s->cut;
	s->cut = false;
	s->held_back = 0;
	cli_out_line_end(s);
	if (cut) {
		put_prefix(s, CLI_SEV_ERROR, true);
		sbuf_printf(&s->out, "The answer is longer than %u bytes and was cut.\n",
			    CLI_ANSWER_BYTES);
	}
	sbuf_add_byte(&s->out, '\n');
}

void
cli_out_raw(struct cli_session *s, struct str text)
{
	sbuf_add(&s->out, text);
}

void
cli_add(struct cli_session *s, struct str text)
{
	CHECK_MAGIC(s, CLI_SESSION_MAGIC);
	cli_out(s, CLI_SEV_DATA, text, false);
}

static void
out_vprintf(struct cli_session *s, enum cli_severity sev, const char *fmt, va_list ap)
{
	CHECK_MAGIC(s, CLI_SESSION_MAGIC);
	struct sbuf text;
	sbuf_init(&text, CLI_ANSWER_BYTES);
	sbuf_vprintf(&text, fmt, ap);
	s->cut |= text.full;
	cli_out(s, sev, sbuf_str(&text), sev != CLI_SEV_DATA);
	sbuf_fini(&text);
}

void
cli_printf(struct cli_session *s, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	out_vprintf(s, CLI_SEV_DATA, fmt, ap);
	va_end(ap);
}

void
cli_add_json(struct cli_session *s, struct str text)
{
	struct sbuf json;
	sbuf_init(&json, CLI_ANSWER_BYTES);
	sbuf_add_json(&json, text);
	s->cut |= json.full;
	cli_add(s, sbuf_str(&json));
	sbuf_fini(&json);
}

// A message is lines of its own, whatever stands before and after it.
static void
message(struct cli_session *s, enum cli_severity sev, const char *fmt, va_list ap)
{
	CHECK_MAGIC(s, CLI_SESSION_MAGIC);
	cli_out_line_end(s);
	out_vprintf(s, sev, fmt, ap);
	cli_out_line_end(s);
}

void
cli_msg(struct cli_session *s, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	message(s, CLI_SEV_INFO, fmt, ap);
	va_end(ap);
}

void
cli_warn(struct cli_session *s, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	message(s, CLI_SEV_WARNING, fmt, ap);
	va_end(ap);
}

enum cli_status
cli_error(struct cli_session *s, const char *fmt, ...)
{
	va_list ap;
	s->failed = true;
	va_start(ap, fmt);
	message(s, CLI_SEV_ERROR, fmt, ap);
	va_end(ap);
	return CLI_DONE;
}

enum cli_status
cli_usage(struct cli_session *s, const struct cli_args *args)
{
	const struct cli_command *row = args->row;
	return cli_error(s, "Usage: %s%s%s", row->words, row->args != NULL ? " " : "",
			 row->args != NULL ? row->args : "");
}

size_t
cli_room(const struct cli_session *s)
{
	return s->out.n < CLI_CHUNK_BYTES ? CLI_CHUNK_BYTES - s->out.n : 0;
}
