// SPDX-License-Identifier: MIT
// IMF-fixdate (RFC 9110 section 5.6.7): "Sun, 06 Nov 1994 08:49:37 GMT". Pure; any thread.
#pragma once

#include "base/str.h"

#define HTTP_DATE_BYTES 29

// Writes HTTP_DATE_BYTES without NUL. Seconds since 1970, up to the year 9999.
void http_date_format(char *buf, uint64_t unix_s);
#define HTTP_DATE_LINE_BYTES (6 + HTTP_DATE_BYTES + 2)
// A field line kept for the second it was made in. Owned by one worker.
struct http_date_cache {
	uint64_t unix_s;
	char text[HTTP_DATE_LINE_BYTES];
	bool made;
};
// Writes "Date: Sun, ... GMT" and CRLF, HTTP_DATE_LINE_BYTES without NUL; returns them.
struct str http_date_line(struct http_date_cache *c, uint64_t unix_s, char *buf);
