// SPDX-License-Identifier: MIT
// A session's input, cut into lines and their payloads; what is too long is dropped to its end. A
// line that cannot be cut into words does nothing at all.
#include "cli/cli_priv.h"

void
cli_drop_input(struct cli_session *s, size_t n)
{
	s->in_at += n;
	s->scan = 0;
	if (s->in_at == s->in.n) {
		s->in.n = 0;
		s->in_at = 0;
	}
}

// Length of the line at `from` of the unread bytes without its newline; SIZE_MAX while it is not
// whole. Bytes before s->scan were looked at before.
static size_t
line_length(struct cli_session *s, size_t from)
{
	struct str in = cli_unread(s);
	size_t at = MAX(from, s->scan);
	size_t n = str_find_byte(str_slice(in, at, in.n), '\n');
	if (n == SIZE_MAX) {
		s->scan = in.n;
		return SIZE_MAX;
	}
	return at + n - from;
}

static struct str
without_cr(struct str line)
{
	return line.n > 0 && line.p[line.n - 1] == '\r' ? str_slice(line, 0, line.n - 1) : line;
}

static void
show_prompt(struct cli_session *s, struct str prompt)
{
	if (s->prompt && s->state != CLI_STATE_OVER)
		cli_out_raw(s, prompt);
}

void
cli_await_line(struct cli_session *s)
{
	s->state = s->interactive ? CLI_STATE_LINE : CLI_STATE_OVER;
	show_prompt(s, STR("> "));
}

static void
refuse(struct cli_session *s, const char *text)
{
	cli_error(s, "%s", text);
	cli_out_end(s);
}

// The end of input inside something unfinished.
static bool
refuse_unfinished(struct cli_session *s, const char *text)
{
	if (!s->eof)
		return false;
	if (text != NULL && cli_unread(s).n > 0)
		refuse(s, text);
	s->state = CLI_STATE_OVER;
	return true;
}

static void
keep_delimiter(struct cli_session *s, struct str delimiter)
{
	if (delimiter.n > 0)
		memcpy(s->delimiter, delimiter.p, delimiter.n);
	s->delimiter[delimiter.n] = '\0';
}

// Cuts the whole line once before anything of it runs: faults and the payload's mark show.
static void
begin_line(struct cli_session *s, size_t n)
{
	struct str line = without_cr(str_slice(cli_unread(s), 0, n));
	s->line_n = line.n;
	s->next_command = 0;
	s->payload_at = n + 1;
	s->payload_n = 0;
	s->line_end = n + 1;
	size_t at = 0;
	bool empty = true, payload = false;
	enum cli_parse status;
	while ((status = cli_parse_next(line, &at, &s->words)) == CLI_PARSE_OK) {
		empty = false;
		payload = s->words.payload;
		keep_delimiter(s, s->words.delimiter);
	}
	if (status != CLI_PARSE_END) {
		// What follows may be the payload of a mark that was not understood.
		if (str_find(line, STR("<<")) != SIZE_MAX)
			s->interactive = false;
		refuse(s, cli_parse_text(status));
		cli_drop_input(s, n + 1);
		cli_await_line(s);
		return;
	}
	if (empty && !s->interactive) {
		cli_answer_unknown(s, &s->words);
		cli_out_end(s);
	}
	s->state = CLI_STATE_COMMANDS;
	if (!payload)
		return;
	s->state = CLI_STATE_PAYLOAD;
	show_prompt(s, STR("+ "));
}

static bool
step_line(struct cli_session *s)
{
	size_t n = line_length(s, 0);
	if (n == SIZE_MAX && cli_unread(s).n <= CLI_LINE_BYTES)
		return refuse_unfinished(s, "The last line has no newline; it was not performed.");
	if (n == SIZE_MAX || n > CLI_LINE_BYTES) {
		cli_error(s, "The line is longer than %d bytes; nothing was done.", CLI_LINE_BYTES);
		cli_out_end(s);
		s->interactive = false; // the part not read may have announced a payload
		s->state = CLI_STATE_SKIP_LINE;
		return true;
	}
	begin_line(s, n);
	return true;
}

static bool
is_payload_end(const struct cli_session *s, struct str line)
{
	return str_eq(without_cr(line), str_from_c(s->delimiter));
}

static bool
step_payload(struct cli_session *s)
{
	size_t from = s->payload_at + s->payload_n;
	size_t n = line_length(s, from);
	bool whole = n != SIZE_MAX;
	struct str in = cli_unread(s);
	struct str line = str_slice(in, from, whole ? from + n : in.n);
	if (whole && is_payload_end(s, line)) {
		s->in.p[s->in_at + from] = '\0'; // the payload's end; this line was read
		s->line_end = from + n + 1;
		s->state = CLI_STATE_COMMANDS;
		return true;
	}
	// An unfinished line this short may still be the delimiter.
	bool surely_payload = whole || line.n > strlen(s->delimiter) + 1;
	if (surely_payload && s->payload_n + line.n + whole > s->cli->max_payload) {
		cli_error(s, "The payload is longer than %zu bytes; nothing was done.",
			  s->cli->max_payload);
		cli_out_end(s);
		cli_drop_input(s, from);
		s->state = CLI_STATE_SKIP_PAYLOAD;
		return true;
	}
	if (!whole)
		return refuse_unfinished(s, "The payload was not ended; nothing was done.");
	s->payload_n += n + 1;
	show_prompt(s, STR("+ "));
	return true;
}

static bool
step_skip(struct cli_session *s)
{
	size_t n = line_length(s, 0);
	if (n == SIZE_MAX) {
		// Of a payload's line keep the start, where a delimiter would stand.
		struct str in = cli_unread(s);
		if (s->state == CLI_STATE_SKIP_LINE)
			cli_drop_input(s, in.n);
		else if (in.n > CLI_DELIMITER_BYTES + 2)
			cli_drop_input(s, in.n - CLI_DELIMITER_BYTES - 2);
		return refuse_unfinished(s, NULL);
	}
	struct str line = str_slice(cli_unread(s), 0, n);
	bool last = s->state == CLI_STATE_SKIP_LINE || is_payload_end(s, line);
	cli_drop_input(s, n + 1);
	if (last)
		cli_await_line(s);
	return true;
}

bool
cli_line_step(struct cli_session *s)
{
	switch (s->state) {
	case CLI_STATE_LINE:
		return step_line(s);
	case CLI_STATE_PAYLOAD:
		return step_payload(s);
	case CLI_STATE_SKIP_LINE:
	case CLI_STATE_SKIP_PAYLOAD:
		return step_skip(s);
	case CLI_STATE_COMMANDS:
	case CLI_STATE_OVER:
		break;
	}
	return false;
}
