// SPDX-License-Identifier: MIT
// How lines are cut into words. The expectations were read off haproxy 2.6.12.
#include "base/mem.h"
#include "conf/conf_priv.h"
#include "tap.h"

static const char *
test_env(void *arg, const char *name)
{
	(void)arg;
	static const char *const vars[][2] = {{"A", "alpha"},
					      {"EMPTY", ""},
					      {"LIST", " a b  c "},
					      {"Q", "x\"y'z\\ #$A"},
					      {"_1", "one"}};
	for (size_t i = 0; i < ARRAY_LEN(vars); i++)
		if (strcmp(name, vars[i][0]) == 0)
			return vars[i][1];
	return NULL;
}

struct good {
	const char *line, *words; // words parted by '|'
};

static const struct good good[] = {
    {"", ""},
    {"   \t ", ""},
    {"# only a comment", ""},
    {"a", "a"},
    {"  a  b\tc\r", "a|b|c"},
    {"\v\fa\v b\f", "a|b"},
    {"a#b", "a"},
    {"a # b", "a"},
    {"a \\# b", "a|#|b"},
    {"a\\ b", "a b"},
    {"a\\\tb", "a\\|b"},
    {"a\\", "a\\"},
    {"a\\b\\1", "a\\b\\1"},
    {"a\\\\b", "a\\b"},
    {"\\n\\r\\t\\x41", "\n\r\tA"},
    {"\\'a \\\"b", "'a|\"b"},
    {"\"\"", ""},
    {"a \"\" b", "a||b"},
    {"'' x", "|x"},
    {"\"a b\" 'c d'", "a b|c d"},
    {"a\"b c\"'d e'f", "ab cd ef"},
    {"\"it's\" '\"x\"'", "it's|\"x\""},
    {"\"a#b\" 'c#d'", "a#b|c#d"},
    {"'a\\nb\\'", "a\\nb\\"},
    {"\"a\\nb\\\"c\\\\\"", "a\nb\"c\\"},
    {"\"\\$A\" \\$A $A '$A'", "$A|\\$A|$A|$A"},
    {"${A} '${A}'", "${A}|${A}"},
    {"\"$A\" \"${A}\" \"<$A>\"", "alpha|alpha|<alpha>"},
    {"\"$A-x\" \"${A-x}\"", "alpha-x|alpha"},
    {"\"${NOPE}\" z", "|z"},
    {"\"${NOPE-d e}\" \"${NOPE-}\"z", "d e|z"},
    {"\"${EMPTY-d}\"z \"$EMPTY\"", "z|"},
    {"\"${NOPE-\"q\"}\"", "\"q\""},
    {"\"${NOPE-a\\}b}\"", "a\\b}"},
    {"\"$_1\"", "one"},
    {"\"$Q\"", "x\"y'z\\ #$A"},
    {"\"${LIST}\"", " a b  c "},
    {"\"${LIST[*]}\"", "a|b|c"},
    {"q\"${LIST[*]}z\" end", "q|a|b|c|z|end"},
    {"\"${NOPE[*]}\" z", "|z"},
    {"\"${NOPE[*]-q r}\"", "q|r"},
    {"\"$LIST[*]\"", " a b  c [*]"},
    {"\"${.FILE}:${.LINE} ${.SECTION}\"", "f.cfg:42 www"},
    {"\xc3\xa9 \"\xff\"", "\xc3\xa9|\xff"},
};

struct bad {
	const char *line;
	enum conf_cut_status status;
	size_t at; // first is 0
};

static const struct bad bad[] = {
    {"a \"b", CONF_CUT_QUOTE, 2},
    {"a 'b\"", CONF_CUT_QUOTE, 2},
    {"a \"${LIST[*]}b", CONF_CUT_QUOTE, 2},
    {"a\\xzz", CONF_CUT_HEX, 1},
    {"a\\x2", CONF_CUT_HEX, 1},
    {"a\\x", CONF_CUT_HEX, 1},
    {"a\\x00", CONF_CUT_NUL, 1},
    {"\"$\"", CONF_CUT_NAME, 2},
    {"\"$$\"", CONF_CUT_NAME, 2},
    {"\"$", CONF_CUT_NAME, 2},
    {"\"${1A}\"", CONF_CUT_NAME, 3},
    {"\"${}\"", CONF_CUT_NAME, 3},
    {"\"${.FOO}\"", CONF_CUT_NAME, 3},
    {"\"${.}\"", CONF_CUT_NAME, 3},
    {"\"${A B}\"", CONF_CUT_BRACE, 2},
    {"\"${A\"", CONF_CUT_BRACE, 2},
    {"\"${A.B}\"", CONF_CUT_BRACE, 2},
    {"\"${A:-x}\"", CONF_CUT_BRACE, 2},
    {"\"${A-x", CONF_CUT_BRACE, 2},
    {"\"${LIST[x]}\"", CONF_CUT_EXPAND, 7},
    {"\"${LIST[*\"", CONF_CUT_EXPAND, 7},
};

static void
join(const struct conf_cut *cut, struct sbuf *out)
{
	sbuf_clear(out);
	sbuf_add(out, STR(""));
	for (unsigned i = 0; i < cut->n; i++)
		sbuf_printf(out, "%s%s", i > 0 ? "|" : "", cut->text.p + cut->at[i]);
}

static void
test_limits(struct conf_cut *cut)
{
	struct sbuf line;
	sbuf_init(&line, 1 << 20);
	for (unsigned i = 0; i < CONF_MAX_WORDS; i++)
		sbuf_add(&line, STR("w "));
	OK(conf_cut_line(cut, sbuf_str(&line)) == CONF_CUT_OK);
	IS_INT(cut->n, CONF_MAX_WORDS);
	sbuf_add(&line, STR("w"));
	OK(conf_cut_line(cut, sbuf_str(&line)) == CONF_CUT_MANY);
	IS_INT(cut->err_at, 2 * CONF_MAX_WORDS);
	sbuf_clear(&line);
	sbuf_add_byte(&line, '"');
	for (int i = 0; i < 30000; i++)
		sbuf_add(&line, STR("$Q"));
	sbuf_add_byte(&line, '"');
	OK_MSG(conf_cut_line(cut, sbuf_str(&line)) == CONF_CUT_LONG, "expansion is bounded");
	sbuf_fini(&line);
}

int
main(void)
{
	struct conf_options opt = {.env = test_env};
	struct conf_cut *cut = MEM_NEW(struct conf_cut);
	struct sbuf out;
	sbuf_init(&out, 1 << 20);
	conf_cut_init(cut, &opt);
	cut->file = "f.cfg";
	cut->line = 42;
	cut->section = STR("www");
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		OK_MSG(conf_cut_line(cut, str_from_c(good[i].line)) == CONF_CUT_OK, good[i].line);
		join(cut, &out);
		IS_STR(out.p, good[i].words);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		IS_INT(conf_cut_line(cut, str_from_c(bad[i].line)), bad[i].status);
		IS_INT(cut->err_at, bad[i].at);
	}
	test_limits(cut);
	conf_cut_fini(cut);
	mem_free(cut);
	sbuf_fini(&out);
	return tap_done();
}
