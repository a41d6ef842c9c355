// SPDX-License-Identifier: MIT
// What a reload changed, by names: sections, variables, scripts; comments and blanks do not count.
#include "main/changes.h"

#include <stdio.h>

#include "base/log.h"
#include "tap.h"

static char said[4096];

static void
hear(enum log_level level, const char *line, void *arg)
{
	(void)level;
	(void)arg;
	size_t n = strlen(said);
	(void)snprintf(said + n, sizeof(said) - n, "%s|", line);
}

static const char *
compare(const char *before, const char *now, const char *script_before, const char *script_now)
{
	struct changes *c = changes_new();
	changes_add_config(c, false, str_from_c(before));
	if (script_before != NULL)
		changes_add_script(c, false, STR("p"), str_from_c(script_before));
	changes_add_config(c, true, str_from_c(now));
	if (script_now != NULL)
		changes_add_script(c, true, STR("p"), str_from_c(script_now));
	said[0] = '\0';
	changes_log(c);
	changes_free(&c);
	return said;
}

#define SAME "the configuration and its scripts are as before|"

int
main(void)
{
	static char many[65536];
	size_t n = 0;
	log_set_sink(hear, NULL);
	IS_STR(compare("", "", NULL, NULL), SAME);
	IS_STR(compare("global\n a\nfrontend f\n  b\n", "\n# x\nglobal\n\ta  \n frontend   f\n b",
		       "s", "s"),
	       SAME);
	IS_STR(compare("frontend f\n a\n", "frontend f\n b\n", "s", "t"),
	       "changed: frontend f, script of policy p|");
	IS_STR(compare("frontend f\nbackend b\n", "backend b\nlisten l\n", "s", NULL),
	       "added: listen l|removed: frontend f, script of policy p|");
	IS_STR(compare("vars\n var a int\n var b int\n", "vars\n var a int min 0\n var c int\n",
		       NULL, "s"),
	       "added: variable c, script of policy p|removed: variable b|changed: variable a|");
	OK_MSG(strcmp(compare("frontend f\n a\n b\n", "frontend f\n b\n a\n", NULL, NULL), SAME) !=
		   0,
	       "the order of lines counts");
	for (int i = 0; i < 1000; i++)
		n += (size_t)snprintf(many + n, sizeof(many) - n, "backend b%d\n x\n", i);
	const char *text = compare("", many, NULL, "s");
	OK(strncmp(text, "added: backend b0, backend b1, ", 31) == 0);
	OK_MSG(strstr(text, " ...|") != NULL && strlen(text) < 500, "a long list is cut");
	IS_STR(compare(many, many, "s", "s"), SAME);
	log_set_sink(NULL, NULL);
	return tap_done();
}
