// SPDX-License-Identifier: MIT
// IMF-fixdate from civil-date arithmetic (days to year, month, day in the proleptic Gregorian
// calendar), without the C library's locale and time zone.
#include "http/date.h"

static void
put2(char *at, unsigned v)
{
	at[0] = (char)('0' + v / 10);
	at[1] = (char)('0' + v % 10);
}

void
http_date_format(char *buf, uint64_t unix_s)
{
	static const char days[] = "ThuFriSatSunMonTueWed"; // 1970-01-01 was a Thursday
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	uint64_t day = unix_s / 86400;
	unsigned second = (unsigned)(unix_s % 86400);

	// Eras of 400 years that begin on 1 March, so that the leap day comes last.
	uint64_t z = day + 719468;
	uint64_t era = z / 146097;
	unsigned doe = (unsigned)(z % 146097);
	unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	unsigned mp = (5 * doy + 2) / 153;
	unsigned month = mp < 10 ? mp + 2 : mp - 10; // 0 is January
	unsigned year = (unsigned)(era * 400) + yoe + (month <= 1);

	memcpy(buf, "Xxx, 00 Xxx 0000 00:00:00 GMT", HTTP_DATE_BYTES);
	memcpy(buf, days + day % 7 * 3, 3);
	put2(buf + 5, doy - (153 * mp + 2) / 5 + 1);
	memcpy(buf + 8, months + month * 3, 3);
	put2(buf + 12, year / 100 % 100);
	put2(buf + 14, year % 100);
	put2(buf + 17, second / 3600);
	put2(buf + 20, second / 60 % 60);
	put2(buf + 23, second % 60);
}

struct str
http_date_line(struct http_date_cache *c, uint64_t unix_s, char *buf)
{
	if (!c->made || c->unix_s != unix_s) {
		memcpy(c->text, "Date: ", 6);
		http_date_format(c->text + 6, unix_s);
		memcpy(c->text + 6 + HTTP_DATE_BYTES, "\r\n", 2);
		c->unix_s = unix_s;
		c->made = true;
	}
	memcpy(buf, c->text, sizeof(c->text));
	return str_of(buf, sizeof(c->text));
}
