// SPDX-License-Identifier: MIT
// The tokeniser of the runtime socket: one pass, each word copied without its escapes into the
// caller's buffer, which a line always fits since unescaping only shortens.
#include "cli/parse.h"

struct cutter {
	struct str line;
	size_t at;
	char *to; // next free byte of the words' buffer
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

// Copies up to the closing quote; false when there is none.
static bool
copy_quoted(struct cutter *c)
{
	char quote = c->line.p[c->at++];
	while (c->at < c->line.n) {
		char b = c->line.p[c->at++];
		if (b == quote)
			return true;
		if (b == '\\' && quote == '"' && c->at < c->line.n)
			b = c->line.p[c->at++];
		*c->to++ = b;
	}
	return false;
}

static void
copy_plain(struct cutter *c)
{
	while (c->at < c->line.n) {
		char b = c->line.p[c->at];
		if (is_blank(b) || b == ';')
			return;
		c->at++;
		if (b == '\\' && c->at < c->line.n)
			b = c->line.p[c->at++];
		*c->to++ = b;
	}
}

// Cuts one word; *literal says that its first two bytes stood there without quote or escape.
static enum cli_parse
cut_word(struct cutter *c, struct str *word, bool *literal)
{
	char *from = c->to;
	struct str rest = str_slice(c->line, c->at, c->line.n);
	*literal = str_starts(rest, STR("<<"));
	if ((rest.p[0] == '"' || rest.p[0] == '\'') && !copy_quoted(c))
		return CLI_PARSE_QUOTE;
	copy_plain(c);
	*word = str_of(from, (size_t)(c->to - from));
	*c->to++ = '\0';
	return CLI_PARSE_OK;
}

// A marker counts only as the very last word of the line.
static enum cli_parse
take_marker(struct cli_words *out, bool at_line_end, bool literal)
{
	if (!at_line_end || !literal || out->n == 0)
		return CLI_PARSE_OK;
	struct str last = out->word[out->n - 1];
	if (last.n - 2 > CLI_DELIMITER_BYTES)
		return CLI_PARSE_DELIMITER;
	out->payload = true;
	out->delimiter = str_slice(last, 2, last.n);
	out->word[--out->n] = STR("");
	return CLI_PARSE_OK;
}

static void
skip_blank(struct cutter *c)
{
	while (c->at < c->line.n && is_blank(c->line.p[c->at]))
		c->at++;
}

enum cli_parse
cli_parse_next(struct str line, size_t *at, struct cli_words *out)
{
	ASSERT(line.n <= CLI_LINE_BYTES && *at <= line.n);
	struct cutter c = {.line = line, .at = *at, .to = out->buf};
	bool literal = false;
	out->n = 0;
	out->payload = false;
	out->delimiter = STR_NULL;
	if (line.n > 0 && memchr(line.p, '\0', line.n) != NULL)
		return CLI_PARSE_NUL;
	for (;;) {
		skip_blank(&c);
		if (c.at < line.n && line.p[c.at] != ';') {
			if (out->n == CLI_MAX_ARGS)
				return CLI_PARSE_MANY;
			enum cli_parse status = cut_word(&c, &out->word[out->n], &literal);
			if (status != CLI_PARSE_OK)
				return status;
			out->n++;
			continue;
		}
		bool at_line_end = c.at == line.n;
		*at = at_line_end ? c.at : c.at + 1;
		if (out->n > 0) {
			for (int i = out->n; i < CLI_MAX_ARGS; i++)
				out->word[i] = STR("");
			return take_marker(out, at_line_end, literal);
		}
		if (at_line_end)
			return CLI_PARSE_END;
		c.at++;
	}
}

const char *
cli_parse_text(enum cli_parse status)
{
	switch (status) {
	case CLI_PARSE_OK:
	case CLI_PARSE_END:
		break;
	case CLI_PARSE_MANY:
		return "Too many words in one command; nothing was done.";
	case CLI_PARSE_QUOTE:
		return "A quote is not closed; nothing was done.";
	case CLI_PARSE_DELIMITER:
		return "The word after << is longer than 64 bytes; nothing was done.";
	case CLI_PARSE_NUL:
		return "The line holds a NUL byte; nothing was done.";
	}
	return "";
}
