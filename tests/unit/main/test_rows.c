// SPDX-License-Identifier: MIT
// Every row of the program is complete: configuration, fetches, converters, actions, commands.
#include "base/sbuf.h"
#include "cli/cli.h"
#include "conf/conf.h"
#include "expr/expr.h"
#include "main/modules.h"
#include "main/reference.h"
#include "proxy/rule.h"
#include "tap.h"

static bool
is_text(const char *s)
{
	return s != NULL && s[0] != '\0';
}

static void
test_configuration(void)
{
	struct sbuf out;
	sbuf_init(&out, 1 << 20);
	unsigned n = conf_check_rows(main_modules, &out);
	if (n > 0)
		printf("# %.*s\n", STR_ARG(sbuf_str(&out)));
	IS_INT(n, 0);
	sbuf_fini(&out);
}

// "lua.*" stands for a word's beginning.
static bool
usage_fits(const struct action_row *r)
{
	struct str name = str_from_c(r->name);
	if (str_ends(name, STR("*")))
		name.n--;
	return str_starts(str_from_c(r->usage), name);
}

static void
test_actions(void)
{
	unsigned n = 0, bad = 0;
	for (size_t i = 0; main_modules[i] != NULL; i++)
		for (const struct action_row *r = main_modules[i]->actions;
		     r != NULL && r->name != NULL; r++, n++)
			if (!is_text(r->help) || !is_text(r->usage) || r->run == NULL ||
			    r->where == 0 || !usage_fits(r)) {
				printf("# action %s\n", r->name);
				bad++;
			}
	OK(n > 20);
	IS_INT(bad, 0);
}

static void
test_fetches_and_converters(void)
{
	unsigned bad = 0;
	size_t i, j;
	struct expr_set *set = expr_set_new(main_modules);
	const struct fetch_row *f;
	const struct conv_row *c;
	for (i = 0; (f = expr_set_fetch_at(set, i)) != NULL; i++)
		if (!is_text(f->help) || f->fetch == NULL) {
			printf("# fetch %s\n", f->name);
			bad++;
		}
	for (j = 0; (c = expr_set_conv_at(set, j)) != NULL; j++)
		if (!is_text(c->help) || c->conv == NULL) {
			printf("# converter %s\n", c->name);
			bad++;
		}
	OK(i > 50 && j > 20);
	IS_INT(bad, 0);
	expr_set_free(&set);
}

static void
test_commands(void)
{
	unsigned n = 0, bad = 0;
	for (size_t i = 0; main_modules[i] != NULL; i++)
		for (const struct cli_command *r = main_modules[i]->commands;
		     r != NULL && r->words != NULL; r++, n++)
			if (!is_text(r->help) || r->run == NULL || r->min_args > r->max_args) {
				printf("# command %s\n", r->words);
				bad++;
			}
	OK(n > 5);
	IS_INT(bad, 0);
}

// What only looks, acts on the session alone, or writes variables, which have a log of their own.
static bool
needs_no_line(struct str words)
{
	static const char *const first[] = {
	    "show",  "get",  "dump",  "help",     "echo",        "quit",  "prompt",  "user",
	    "watch", "rate", "begin", "operator", "expert-mode", "abort", "prepare", "@",
	};
	static const char *const whole[] = {
	    "set severity-output",
	    "set timeout cli",
	    "set var",
	    "unset var",
	    "add var",
	    "cas var",
	    "commit",
	    "hold",
	    "extend",
	    "release",
	    "policy check",
	    "policy test",
	    "policy diff",
	    "policy eval",
	    "saved map",
	    "saved acl",
	};
	struct str rest = words, word;
	(void)str_next(&rest, ' ', &word);
	for (size_t i = 0; i < ARRAY_LEN(first); i++)
		if (str_eq(word, str_from_c(first[i])))
			return true;
	for (size_t i = 0; i < ARRAY_LEN(whole); i++)
		if (str_eq(words, str_from_c(whole[i])))
			return true;
	return false;
}

static void
test_who_did_it(void)
{
	unsigned bad = 0;
	for (size_t i = 0; main_modules[i] != NULL; i++)
		for (const struct cli_command *r = main_modules[i]->commands;
		     r != NULL && r->words != NULL; r++)
			if (((r->flags & CLI_CHANGES) != 0) ==
			    needs_no_line(str_from_c(r->words))) {
				printf("# command %s: CLI_CHANGES, or not?\n", r->words);
				bad++;
			}
	IS_INT(bad, 0);
}

static void
test_reference(void)
{
	struct sbuf out;
	sbuf_init(&out, 1 << 24);
	reference_print_markdown(&out);
	OK_MSG(!out.full && str_find(sbuf_str(&out), STR("use_backend")) != SIZE_MAX &&
		   str_find(sbuf_str(&out), STR("set-header <name>")) != SIZE_MAX &&
		   str_find(sbuf_str(&out), STR("`lua(function")) != SIZE_MAX,
	       "the reference has keywords, actions and fetches");
	sbuf_clear(&out);
	reference_print_lists("act,cnv", &out);
	OK_MSG(str_find(sbuf_str(&out), STR("List of actions")) != SIZE_MAX &&
		   str_find(sbuf_str(&out), STR("List of commands")) == SIZE_MAX,
	       "-dKact,cnv lists what it names");
	sbuf_fini(&out);
}

int
main(void)
{
	test_configuration();
	test_actions();
	test_fetches_and_converters();
	test_commands();
	test_who_did_it();
	test_reference();
	return tap_done();
}
