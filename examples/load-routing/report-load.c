// SPDX-License-Identifier: MIT
// A monitor in C: writes one load figure into tidegate's variable table.
//     cc report-load.c -ltidevars -o report-load && ./report-load /var/lib/tidegate/vars 93
#include <stdio.h>
#include <unistd.h>

#include "tidegate/vars.h"

int
main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: %s TABLE PERCENT\n", argv[0]);
		return 2;
	}
	struct tidevars *table;
	struct tidevars_error why;
	struct tidevars_options options = {.path = argv[1]};
	struct tidevars_writer me = {.who = "report-load",
				     .reason = "measured",
				     .uid = (unsigned)getuid(),
				     .gid = (unsigned)getgid(),
				     .pid = (unsigned)getpid()};
	if (tidevars_open(&table, &options, &why) != TIDEVARS_OK) {
		fprintf(stderr, "%s\n", why.text);
		return 1;
	}
	int status = tidevars_set_text(table, "load.app1", argv[2], 0, &me, &why);
	if (status != TIDEVARS_OK)
		fprintf(stderr, "%s\n", why.text);
	tidevars_close(&table);
	return status != TIDEVARS_OK;
}
