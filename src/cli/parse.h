// SPDX-License-Identifier: MIT
// Cuts a line of the runtime socket into commands and words, by HAProxy's rules: words are
// separated by spaces and tabs, commands by ';', a backslash takes the next byte literally, and
// a last word `<<` or `<<WORD` announces a payload. Beyond HAProxy, a word that begins with a
// quote ends at the same quote and may hold spaces and ';': in "..." a backslash works as
// outside, in '...' nothing is special. A quote inside a word is an ordinary byte.
// Pure: bytes in, slices and a status out.
#pragma once

#include "cli/cli.h"

#define CLI_LINE_BYTES      16384 // longest line, without its newline
#define CLI_DELIMITER_BYTES 64    // longest WORD of <<WORD

enum cli_parse {
	CLI_PARSE_OK,
	CLI_PARSE_END,       // no further command on the line
	CLI_PARSE_MANY,      // more than CLI_MAX_ARGS words
	CLI_PARSE_QUOTE,     // a quote that nothing closes
	CLI_PARSE_DELIMITER, // <<WORD with a WORD too long
	CLI_PARSE_NUL,       // a NUL byte
};

// One command. The words point into `buf`, each NUL-terminated there.
struct cli_words {
	int n;
	struct str word[CLI_MAX_ARGS];
	bool payload;         // the line ended with << or <<WORD, which is not among the words
	struct str delimiter; // WORD; empty for the bare form, whose payload ends at an empty line
	char buf[CLI_LINE_BYTES + CLI_MAX_ARGS + 2];
};

// Cuts the next command off `line` (no newline, at most CLI_LINE_BYTES) from *at on; *at moves
// behind it. Commands without words, as in "a;;b", are passed over.
enum cli_parse cli_parse_next(struct str line, size_t *at, struct cli_words *out);
// The refusal to show for a status that is neither OK nor END.
const char *cli_parse_text(enum cli_parse status);
