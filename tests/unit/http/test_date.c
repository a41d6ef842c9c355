// SPDX-License-Identifier: MIT
// http/date against the C library, over leap years and century ends.
#include "http/date.h"

#include <time.h>

#include "tap.h"

static bool
as_libc(uint64_t t)
{
	char ours[HTTP_DATE_BYTES + 1] = {0}, theirs[64];
	time_t when = (time_t)t;
	struct tm tm;
	http_date_format(ours, t);
	(void)strftime(theirs, sizeof(theirs), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&when, &tm));
	return strcmp(ours, theirs) == 0;
}

int
main(void)
{
	char text[HTTP_DATE_BYTES + 1] = {0};
	http_date_format(text, 784111777);
	IS_STR(text, "Sun, 06 Nov 1994 08:49:37 GMT");
	bool all = true;
	for (uint64_t t = 0; t < UINT64_C(253402300800); t += 86399 * 11)
		all &= as_libc(t);
	OK_MSG(all, "every eleventh day until the year 9999");
	OK(as_libc(951782400) && as_libc(951868800));   // 2000-02-29 and the day behind it
	OK(as_libc(4107542399) && as_libc(4107542400)); // 2100 has no leap day

	struct http_date_cache c = {0};
	char line[HTTP_DATE_LINE_BYTES];
	OK(str_eq(http_date_line(&c, 0, line), STR("Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n")));
	OK(str_eq(http_date_line(&c, 1, line), STR("Date: Thu, 01 Jan 1970 00:00:01 GMT\r\n")));
	OK(str_eq(http_date_line(&c, 1, line), STR("Date: Thu, 01 Jan 1970 00:00:01 GMT\r\n")));
	return tap_done();
}
