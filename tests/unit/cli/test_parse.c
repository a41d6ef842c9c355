// SPDX-License-Identifier: MIT
// cli/parse: words, quotes, escapes, the payload's mark, and what is refused.
#include "cli/parse.h"

#include "base/sbuf.h"
#include "tap.h"

static struct cli_words words;

// All commands of a line as "a|b;c" with <MARK> behind one that awaits a payload, or the refusal.
static const char *
cut(struct str line)
{
	static char text[8192];
	struct sbuf b;
	sbuf_init(&b, sizeof(text) - 1);
	size_t at = 0;
	enum cli_parse status;
	int n = 0;
	while ((status = cli_parse_next(line, &at, &words)) == CLI_PARSE_OK) {
		if (n++ > 0)
			sbuf_add_byte(&b, ';');
		for (int i = 0; i < words.n; i++) {
			if (i > 0)
				sbuf_add_byte(&b, '|');
			sbuf_add(&b, words.word[i]);
			if (words.word[i].p[words.word[i].n] != '\0')
				sbuf_add(&b, STR("NOT NUL-TERMINATED"));
		}
		if (words.payload)
			sbuf_printf(&b, "<%.*s>", STR_ARG(words.delimiter));
	}
	if (status != CLI_PARSE_END)
		sbuf_printf(&b, "!%d", (int)status);
	snprintf(text, sizeof(text), "%s", b.n > 0 ? b.p : "");
	sbuf_fini(&b);
	return text;
}

static void
test_words(void)
{
	IS_STR(cut(STR("show  info\t ")), "show|info");
	IS_STR(cut(STR("")), "");
	IS_STR(cut(STR(" ; ;")), "");
	IS_STR(cut(STR("a;b c; ;d")), "a;b|c;d");
	IS_STR(cut(STR("a\\;b\\ c\\\\d\\e")), "a;b c\\de");
	IS_STR(cut(STR("a\\")), "a\\");
	IS_STR(cut(STR("reason \"db; \\\"x\\\" y\" z")), "reason|db; \"x\" y|z");
	IS_STR(cut(STR("'a \\ b;'c d")), "a \\ b;c|d");
	IS_STR(cut(STR("it's 5\" wide")), "it's|5\"|wide");
	IS_STR(cut(STR("a \"\" b")), "a||b");
}

static void
test_marks(void)
{
	IS_STR(cut(STR("policy load x <<")), "policy|load|x<>");
	IS_STR(cut(STR("a; policy load x <<EOF ")), "a;policy|load|x<EOF>");
	IS_STR(cut(STR("a << b")), "a|<<|b");
	IS_STR(cut(STR("a <<; b")), "a|<<;b");
	IS_STR(cut(STR("a \\<<")), "a|<<");
	IS_STR(cut(STR("a '<<'")), "a|<<");
	IS_STR(cut(STR("a<<")), "a<<");
	IS_STR(cut(STR("<<")), "<>");
	char line[80] = "a <<";
	memset(line + 4, 'x', 64);
	OK(strchr(cut(str_of(line, 68)), '!') == NULL && words.n == 0);
	size_t at = 0;
	OK(cli_parse_next(str_of(line, 68), &at, &words) == CLI_PARSE_OK && words.payload);
	IS_INT(words.delimiter.n, 64);
	line[68] = 'x';
	IS_STR(cut(str_of(line, 69)), "!4");
}

static void
test_refusals(void)
{
	IS_STR(cut(STR("a \"b")), "!3");
	IS_STR(cut(STR("a 'b")), "!3");
	IS_STR(cut(STR("a\0b")), "!5");
	static char line[CLI_LINE_BYTES];
	for (size_t i = 0; i < sizeof(line); i++)
		line[i] = i % 2 ? ' ' : 'a';
	size_t at = 0;
	OK(cli_parse_next(str_of(line, 2 * CLI_MAX_ARGS), &at, &words) == CLI_PARSE_OK);
	IS_INT(words.n, CLI_MAX_ARGS);
	IS_STR(cut(str_of(line, sizeof(line))), "!2");
	memset(line, 'a', sizeof(line));
	at = 0;
	OK(cli_parse_next(str_of(line, sizeof(line)), &at, &words) == CLI_PARSE_OK);
	IS_INT(words.word[0].n, CLI_LINE_BYTES);
	for (int i = 0; i <= CLI_PARSE_NUL; i++)
		OK((cli_parse_text((enum cli_parse)i)[0] != '\0') == (i > CLI_PARSE_END));
}

int
main(void)
{
	test_words();
	test_marks();
	test_refusals();
	return tap_done();
}
