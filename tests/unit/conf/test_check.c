// SPDX-License-Identifier: MIT
// The judge of rows: silent about the good, exact about each way to be bad.
#include "base/sbuf.h"
#include "rows.h"
#include "tap.h"

static const struct conf_word bad_words[] = {
    {.name = "w", .type = CONF_INT, .flags = CONF_WORD_NO, .help = "x"},
    {.name = "w", .type = CONF_FLAG},
    {.name = "r", .type = CONF_REST, .help = "x"},
    {0}};
static const struct conf_keyword bad_keywords[] = {
    {.sections = "global", .words = "nohelp"},
    {.sections = "global nowhere", .words = "k", .help = "x"},
    {.sections = "defaults global", .words = "k", .help = "x"},
    {.sections = "global",
     .words = "args",
     .args = DEMO_ARGS({.name = "t", .type = CONF_TIME, .unit = "min", .flags = CONF_ARG_OPTIONAL},
		       {.name = "n", .type = CONF_INT, .max = 5, .dflt = "6"},
		       {.type = CONF_STR, .flags = CONF_ARG_OPTIONAL},
		       {.name = "e", .type = CONF_ENUM, .flags = CONF_ARG_OPTIONAL},
		       {.name = "all", .type = CONF_REST, .flags = CONF_ARG_OPTIONAL},
		       {.name = "f", .type = CONF_FLAG}),
     .help = "x"},
    {.sections = "global", .words = "opts", .options = bad_words, .help = "x"},
    {0}};
static const struct conf_section bad_sections[] = {{.name = "lost", .begin = demo_begin}, {0}};
static const struct module bad_module = {.name = "bad",
					 .sections = bad_sections,
					 .keywords = bad_keywords};

int
main(void)
{
	struct sbuf out;
	sbuf_init(&out, 1 << 16);
	sbuf_add(&out, STR(""));
	IS_INT(conf_check_rows(demo_modules, &out), 0);
	IS_STR(out.p, "");
	IS_INT(conf_check_rows((const struct module *const[]){&demo_module, &bad_module, NULL},
			       &out),
	       15);
	IS_STR(out.p, "'lost': the section lacks help or begin\n"
		      "'nohelp': has no help\n"
		      "'k': no section 'nowhere'\n"
		      "'k': two rows in section 'global'\n"
		      "'args': <t> counts in 'min', not us, ms or s\n"
		      "'args': default: <n> is '6', expected a whole number from 0 to 5\n"
		      "'args': <n> is needed behind an optional one\n"
		      "'args': an argument has no name\n"
		      "'args': <e> has no words to choose from\n"
		      "'args': <all> takes all, yet an argument follows\n"
		      "'opts': 'no-w' would need a flag\n"
		      "'opts': the word 'w' has no help\n"
		      "'opts': two rows for the word 'w'\n"
		      "'opts': the word 'r' has no type\n"
		      "'opts': has option words but not CONF_EXTRA\n");
	sbuf_fini(&out);
	return tap_done();
}
