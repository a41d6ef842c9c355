// SPDX-License-Identifier: MIT
// The service's own log: what comes from outside cannot draw on a terminal; levels; cut lines.
#include "base/log.h"

#include <stdio.h>
#include <string.h>

#include "tap.h"

static struct {
	enum log_level level;
	char line[4096];
	unsigned n;
} heard;

static void
hear(enum log_level level, const char *line, void *arg)
{
	(void)arg;
	heard.level = level;
	heard.n++;
	(void)snprintf(heard.line, sizeof(heard.line), "%s", line);
}

int
main(void)
{
	char longer[5000];
	log_set_sink(hear, NULL);
	log_msg(LOG_WARNING, "a \x1b[2J b\tc\nd \x7f\r %s", "e\x07");
	IS_STR(heard.line, "a ?[2J b\tc\nd ?? e?");
	IS_INT(heard.level, LOG_WARNING);
	log_msg(LOG_NOTICE, "%s", "Zo\xc3\xab");
	IS_STR(heard.line, "Zo\xc3\xab");
	log_line(LOG_NOTICE, "%s", "x\n[ALERT] y\t\xc2\x9bz");
	IS_STR(heard.line, "x?[ALERT] y???z");
	log_msg(LOG_INFO, "at this level");
	log_msg(LOG_DEBUG, "not at this one");
	IS_INT(heard.n, 4);
	log_set_level(LOG_DEBUG);
	log_msg(LOG_DEBUG, "and now");
	IS_INT(heard.n, 5);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	log_msg(LOG_ALERT, "%s", longer);
	IS_INT(strlen(heard.line), 2047);
	return tap_done();
}
