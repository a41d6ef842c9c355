// SPDX-License-Identifier: MIT
// http/h1_parse and h1_fields: tables of heads that must be taken and heads that must be refused,
// each fed whole and cut at every byte.
#include "feed.h"
#include "tap.h"

#define H       "Host: a\r\n"
#define END     "\r\n"
#define GET     "GET / HTTP/1.1\r\n"
#define POST    "POST / HTTP/1.1\r\n" H
#define IN(lit) (lit), sizeof(lit) - 1

struct bad_row {
	const char *what;
	const char *in;
	size_t n;
	enum http_reason_id reason;
	uint32_t at;
};

static const struct bad_row bad_requests[] = {
    {"empty method", IN(" / HTTP/1.1\r\n"), HTTP_REASON_METHOD, 0},
    {"method with a bad byte", IN("GE(T / HTTP/1.1\r\n"), HTTP_REASON_METHOD, 2},
    {"tab behind the method", IN("GET\t/ HTTP/1.1\r\n"), HTTP_REASON_METHOD, 3},
    {"two spaces before the target", IN("GET  / HTTP/1.1\r\n"), HTTP_REASON_TARGET, 4},
    {"two spaces before the version", IN("GET /  HTTP/1.1\r\n"), HTTP_REASON_START_LINE, 6},
    {"space in the target", IN("GET /a b HTTP/1.1\r\n"), HTTP_REASON_START_LINE, 7},
    {"fragment in the target", IN("GET /a#b HTTP/1.1\r\n"), HTTP_REASON_TARGET, 6},
    {"8-bit byte in the target", IN("GET /\xc3\xa4 HTTP/1.1\r\n"), HTTP_REASON_TARGET, 5},
    {"DEL in the target", IN("GET /\x7f HTTP/1.1\r\n"), HTTP_REASON_CONTROL, 5},
    {"NUL in the target", IN("GET /\0 HTTP/1.1\r\n"), HTTP_REASON_NUL, 5},
    {"HTTP/0.9", IN("GET /\r\n"), HTTP_REASON_START_LINE, 5},
    {"bare LF behind the version", IN("GET / HTTP/1.1\n"), HTTP_REASON_BARE_LF, 14},
    {"bare CR behind the version", IN("GET / HTTP/1.1\rX"), HTTP_REASON_BARE_CR, 14},
    {"bare CR in the target", IN("GET /\rx HTTP/1.1\r\n"), HTTP_REASON_BARE_CR, 5},
    {"space behind the version", IN("GET / HTTP/1.1 \r\n"), HTTP_REASON_VERSION, 14},
    {"lower-case version", IN("GET / http/1.1\r\n"), HTTP_REASON_START_LINE, 6},
    {"version without minor", IN("GET / HTTP/1\r\n"), HTTP_REASON_VERSION, 12},
    {"version with two digits", IN("GET / HTTP/1.10\r\n"), HTTP_REASON_VERSION, 14},
    {"version with a letter", IN("GET / HTTP/1.x\r\n"), HTTP_REASON_VERSION, 13},
    {"HTTP/2.0", IN("GET / HTTP/2.0\r\n"), HTTP_REASON_VERSION_UNSUPPORTED, 11},
    {"HTTP/0.9 spelt out", IN("GET / HTTP/0.9\r\n"), HTTP_REASON_VERSION_UNSUPPORTED, 11},
    {"HTTP/2 preface", IN("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), HTTP_REASON_H2_PREFACE, 11},
    {"two empty lines in front", IN("\r\n\r\n" GET), HTTP_REASON_METHOD, 2},
    {"LF in front", IN("\n" GET), HTTP_REASON_BARE_LF, 0},
    {"CR in front", IN("\r" GET), HTTP_REASON_BARE_CR, 0},

    {"path without slash", IN("GET a HTTP/1.1\r\n"), HTTP_REASON_TARGET_FORM, 4},
    {"asterisk with GET", IN("GET * HTTP/1.1\r\n"), HTTP_REASON_TARGET_FORM, 4},
    {"two asterisks", IN("OPTIONS ** HTTP/1.1\r\n"), HTTP_REASON_TARGET_FORM, 8},
    {"authority with GET", IN("GET a:80 HTTP/1.1\r\n"), HTTP_REASON_TARGET_FORM, 4},
    {"foreign scheme", IN("GET ftp://a/ HTTP/1.1\r\n"), HTTP_REASON_TARGET_FORM, 4},
    {"absolute without host", IN("GET http:///x HTTP/1.1\r\n"), HTTP_REASON_HOST_INVALID, 11},
    {"absolute with user", IN("GET http://u@a/ HTTP/1.1\r\n"), HTTP_REASON_TARGET_USERINFO, 12},
    {"absolute with bad host", IN("GET http://a\"/ HTTP/1.1\r\n"), HTTP_REASON_HOST_INVALID, 12},
    {"CONNECT with a path", IN("CONNECT / HTTP/1.1\r\n"), HTTP_REASON_TARGET_FORM, 8},
    {"CONNECT without port", IN("CONNECT a HTTP/1.1\r\n"), HTTP_REASON_TARGET_FORM, 8},
    {"CONNECT with empty port", IN("CONNECT a: HTTP/1.1\r\n"), HTTP_REASON_TARGET_FORM, 8},

    {"space before the colon", IN(GET "Host : a\r\n"), HTTP_REASON_SPACE_BEFORE_COLON, 20},
    {"tab before the colon", IN(GET "Host\t: a\r\n"), HTTP_REASON_SPACE_BEFORE_COLON, 20},
    {"space in the name", IN(GET "Ho st: a\r\n"), HTTP_REASON_FIELD_NAME, 18},
    {"empty name", IN(GET ": a\r\n"), HTTP_REASON_FIELD_NAME_EMPTY, 16},
    {"no colon", IN(GET "Host\r\n"), HTTP_REASON_NO_COLON, 20},
    {"bad byte in the name", IN(GET "Ho\"st: a\r\n"), HTTP_REASON_FIELD_NAME, 18},
    {"8-bit byte in the name", IN(GET "H\xf6st: a\r\n"), HTTP_REASON_FIELD_NAME, 17},
    {"CR in a name, where it differs from '-' by one bit", IN(GET "Content\rLength: 1\r\n"),
     HTTP_REASON_BARE_CR, 23},
    {"NUL in a name", IN(GET "Ho\0st: a\r\n"), HTTP_REASON_NUL, 18},
    {"bare LF ends a field", IN(GET "Host: a\n"), HTTP_REASON_BARE_LF, 23},
    {"bare LF ends the head", IN(GET H "\n"), HTTP_REASON_BARE_LF, 25},
    {"bare CR in a value", IN(GET "Host: a\rb\r\n"), HTTP_REASON_BARE_CR, 23},
    {"two CR", IN(GET "Host: a\r\r\n"), HTTP_REASON_BARE_CR, 23},
    {"bare CR instead of the empty line", IN(GET H "\rX"), HTTP_REASON_BARE_CR, 25},
    {"NUL in a value", IN(GET "X: a\0b\r\n"), HTTP_REASON_NUL, 20},
    {"control in a value", IN(GET "X: a\x01\r\n"), HTTP_REASON_CONTROL, 20},
    {"DEL in a value", IN(GET "X: a\x7f\r\n"), HTTP_REASON_CONTROL, 20},
    {"control far inside a long value", IN(GET "X: 0123456789abcdef0123456789abcdef0123\x1b\r\n"),
     HTTP_REASON_CONTROL, 55},
    {"folded line", IN(GET "X: a\r\n b\r\n" H END), HTTP_REASON_OBS_FOLD, 22},
    {"folded by tab", IN(GET "X: a\r\n\tb\r\n" H END), HTTP_REASON_OBS_FOLD, 22},
    {"space before the first field", IN(GET " Host: a\r\n"), HTTP_REASON_OBS_FOLD, 16},
    {"17 fields where 16 fit",
     IN(GET H "a:\r\nb:\r\nc:\r\nd:\r\ne:\r\nf:\r\ng:\r\nh:\r\ni:\r\nj:\r\nk:\r\nl:\r\nm:\r\nn:\r\n"
	      "o:\r\np:\r\n" END),
     HTTP_REASON_TOO_MANY_FIELDS, 85},

    {"no Host", IN(GET "X: a\r\n" END), HTTP_REASON_HOST_MISSING, 22},
    {"no Host beside an absolute target", IN("GET http://a/ HTTP/1.1\r\n" END),
     HTTP_REASON_HOST_MISSING, 24},
    {"two Hosts", IN(GET H H END), HTTP_REASON_HOST_DUPLICATE, 25},
    {"two Hosts in 1.0", IN("GET / HTTP/1.0\r\n" H H END), HTTP_REASON_HOST_DUPLICATE, 25},
    {"host list", IN(GET "Host: a, b\r\n"), HTTP_REASON_HOST_INVALID, 24},
    {"host with a path", IN(GET "Host: a/b\r\n"), HTTP_REASON_HOST_INVALID, 23},
    {"host with a user", IN(GET "Host: u@a\r\n"), HTTP_REASON_HOST_INVALID, 23},
    {"host with 8-bit byte", IN(GET "Host: \xc3\xa4\r\n"), HTTP_REASON_HOST_INVALID, 22},
    {"port of letters", IN(GET "Host: a:b\r\n"), HTTP_REASON_HOST_INVALID, 24},
    {"port too big", IN(GET "Host: a:65536\r\n"), HTTP_REASON_HOST_INVALID, 28},
    {"two ports", IN(GET "Host: a:1:2\r\n"), HTTP_REASON_HOST_INVALID, 25},
    {"port without host", IN(GET "Host: :80\r\n"), HTTP_REASON_HOST_INVALID, 22},
    {"bad percent", IN(GET "Host: a%2g\r\n"), HTTP_REASON_HOST_INVALID, 23},
    {"open bracket", IN(GET "Host: [::1\r\n"), HTTP_REASON_HOST_INVALID, 22},
    {"text behind the bracket", IN(GET "Host: [::1]x\r\n"), HTTP_REASON_HOST_INVALID, 27},
    {"name in brackets", IN(GET "Host: [xyz]\r\n"), HTTP_REASON_HOST_INVALID, 22},

    {"length with plus", IN(POST "Content-Length: +5\r\n"), HTTP_REASON_LENGTH_INVALID, 42},
    {"length with minus", IN(POST "Content-Length: -5\r\n"), HTTP_REASON_LENGTH_INVALID, 42},
    {"length with a space inside", IN(POST "Content-Length: 5 5\r\n"), HTTP_REASON_LENGTH_INVALID,
     43},
    {"length in hexadecimal", IN(POST "Content-Length: 0x5\r\n"), HTTP_REASON_LENGTH_INVALID, 43},
    {"empty length", IN(POST "Content-Length:\r\n"), HTTP_REASON_LENGTH_INVALID, 41},
    {"fractional length", IN(POST "Content-Length: 5.0\r\n"), HTTP_REASON_LENGTH_INVALID, 43},
    {"length list of equals", IN(POST "Content-Length: 5, 5\r\n"), HTTP_REASON_LENGTH_INVALID, 43},
    {"length of 2^63", IN(POST "Content-Length: 9223372036854775808\r\n"),
     HTTP_REASON_LENGTH_INVALID, 60},
    {"length beyond 2^64", IN(POST "Content-Length: 99999999999999999999999\r\n"),
     HTTP_REASON_LENGTH_INVALID, 60},
    {"two equal lengths", IN(POST "Content-Length: 5\r\nContent-Length: 5\r\n"),
     HTTP_REASON_LENGTH_CONFLICT, 45},
    {"two lengths", IN(POST "Content-Length: 5\r\ncontent-length: 6\r\n"),
     HTTP_REASON_LENGTH_CONFLICT, 45},
    {"length and coding", IN(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n" END),
     HTTP_REASON_LENGTH_AND_CODING, 45},
    {"coding and length", IN(POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n" END),
     HTTP_REASON_LENGTH_AND_CODING, 26},
    {"coding and length 0", IN(POST "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n" END),
     HTTP_REASON_LENGTH_AND_CODING, 26},
    {"empty coding", IN(POST "Transfer-Encoding:\r\n" END), HTTP_REASON_CODING_NOT_FINAL, 26},
    {"unknown coding", IN(POST "Transfer-Encoding: xyz\r\n" END), HTTP_REASON_CODING_NOT_FINAL, 26},
    {"gzip before chunked", IN(POST "Transfer-Encoding: gzip, chunked\r\n" END),
     HTTP_REASON_CODING_UNKNOWN, 26},
    {"gzip behind chunked", IN(POST "Transfer-Encoding: chunked, gzip\r\n" END),
     HTTP_REASON_CODING_NOT_FINAL, 26},
    {"identity behind chunked",
     IN(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n" END),
     HTTP_REASON_CODING_NOT_FINAL, 26},
    {"chunked twice", IN(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" END),
     HTTP_REASON_CODING_REPEATED, 26},
    {"chunked with a parameter", IN(POST "Transfer-Encoding: chunked;x=1\r\n" END),
     HTTP_REASON_CODING_NOT_FINAL, 26},
    {"chunked in quotes", IN(POST "Transfer-Encoding: \"chunked\"\r\n" END),
     HTTP_REASON_CODING_NOT_FINAL, 26},
    {"xchunked", IN(POST "Transfer-Encoding: xchunked\r\n" END), HTTP_REASON_CODING_NOT_FINAL, 26},
    {"vertical tab before chunked",
     IN(POST "Transfer-Encoding: \x0b"
	     "chunked\r\n" END),
     HTTP_REASON_CONTROL, 45},
    {"coding in HTTP/1.0", IN("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n" END),
     HTTP_REASON_CODING_IN_HTTP10, 17},
    {"CONNECT with a body", IN("CONNECT a:1 HTTP/1.1\r\n" H "Content-Length: 5\r\n" END),
     HTTP_REASON_BODY_FORBIDDEN, 50},
    {"TRACE with a body", IN("TRACE / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n" END),
     HTTP_REASON_BODY_FORBIDDEN, 55},
};

static const struct bad_row bad_responses[] = {
    {"no version", IN("200 OK\r\n"), HTTP_REASON_START_LINE, 0},
    {"ICY", IN("ICY 200 OK\r\n"), HTTP_REASON_START_LINE, 0},
    {"empty line in front", IN("\r\nHTTP/1.1 200 OK\r\n"), HTTP_REASON_START_LINE, 0},
    {"HTTP/2", IN("HTTP/2.0 200 OK\r\n"), HTTP_REASON_VERSION_UNSUPPORTED, 5},
    {"no status", IN("HTTP/1.1\r\n"), HTTP_REASON_VERSION, 8},
    {"two digits", IN("HTTP/1.1 20 OK\r\n"), HTTP_REASON_STATUS, 11},
    {"four digits", IN("HTTP/1.1 2000 OK\r\n"), HTTP_REASON_STATUS, 12},
    {"status below 100", IN("HTTP/1.1 099 OK\r\n"), HTTP_REASON_STATUS, 9},
    {"two spaces", IN("HTTP/1.1  200 OK\r\n"), HTTP_REASON_STATUS, 9},
    {"control in the reason", IN("HTTP/1.1 200 O\x02K\r\n"), HTTP_REASON_CONTROL, 14},
    {"bare LF", IN("HTTP/1.1 200 OK\n"), HTTP_REASON_BARE_LF, 15},
    {"folded line", IN("HTTP/1.1 200 OK\r\nX: a\r\n b\r\n"), HTTP_REASON_OBS_FOLD, 23},
    {"two lengths", IN("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n"),
     HTTP_REASON_LENGTH_CONFLICT, 36},
    {"length and coding",
     IN("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n" END),
     HTTP_REASON_LENGTH_AND_CODING, 36},
    {"coding that is not final", IN("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n" END),
     HTTP_REASON_CODING_NOT_FINAL, 17},
    {"coding in HTTP/1.0", IN("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n" END),
     HTTP_REASON_CODING_IN_HTTP10, 17},
};

static void
test_bad(const struct bad_row *rows, size_t n, bool response)
{
	for (size_t i = 0; i < n; i++) {
		struct feed f;
		bool same =
		    feed_all_ways(&f, str_of(rows[i].in, rows[i].n), response, HTTP_METHOD_GET);
		bool ok = f.status == H1_BAD && f.parser.reason == rows[i].reason &&
			  f.parser.bad_at == rows[i].at;
		OK_MSG(ok, rows[i].what);
		if (!ok)
			printf("# status %d, %s at %u\n", f.status,
			       http_reason(f.parser.reason)->name, f.parser.bad_at);
		OK_MSG(same, "and the same however it is cut");
		feed_fini(&f);
	}
}

struct good_row {
	const char *what;
	const char *in;
	size_t n;
	enum http_framing framing;
	uint16_t flags; // of those in FLAGS
	uint64_t length;
	uint16_t n_fields;
};

#define FLAGS                                                                   \
	(HTTP_HEAD_KEEP_ALIVE | HTTP_HEAD_EXPECT_CONTINUE | HTTP_HEAD_UPGRADE | \
	 HTTP_HEAD_TE_TRAILERS | HTTP_HEAD_CONN_NAMES | HTTP_HEAD_HAS_LENGTH |  \
	 HTTP_HEAD_FIELDS_EDITED | HTTP_HEAD_LINE_EDITED)
#define KEEP   HTTP_HEAD_KEEP_ALIVE
#define EDITED HTTP_HEAD_LINE_EDITED

static const struct good_row good_requests[] = {
    {"least of all", IN(GET H END), HTTP_BODY_NONE, KEEP, 0, 1},
    {"empty line in front", IN("\r\n" GET H END), HTTP_BODY_NONE, KEEP, 0, 1},
    {"1.0 closes", IN("GET / HTTP/1.0\r\n" END), HTTP_BODY_NONE, EDITED, 0, 0},
    {"1.0 with keep-alive", IN("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n" END), HTTP_BODY_NONE,
     KEEP | EDITED, 0, 1},
    {"1.0 with both", IN("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n" END), HTTP_BODY_NONE,
     EDITED, 0, 1},
    {"higher minor", IN("GET / HTTP/1.7\r\n" H END), HTTP_BODY_NONE, KEEP | EDITED, 0, 1},
    {"close", IN(GET H "Connection: CLOSE\r\n" END), HTTP_BODY_NONE, 0, 0, 2},
    {"close in a list of empties", IN(GET H "Connection: , close ,,\r\n" END), HTTP_BODY_NONE,
     HTTP_HEAD_CONN_NAMES, 0, 2},
    {"names in Connection", IN(GET H "Connection: x-a\r\n" END), HTTP_BODY_NONE,
     KEEP | HTTP_HEAD_CONN_NAMES, 0, 2},
    {"length", IN(POST "Content-Length: 0012 \t\r\n" END), HTTP_BODY_LENGTH,
     KEEP | HTTP_HEAD_HAS_LENGTH, 12, 2},
    {"length 0", IN(POST "Content-Length: 0\r\n" END), HTTP_BODY_NONE, KEEP | HTTP_HEAD_HAS_LENGTH,
     0, 2},
    {"longest length", IN(POST "Content-Length: 9223372036854775807\r\n" END), HTTP_BODY_LENGTH,
     KEEP | HTTP_HEAD_HAS_LENGTH, INT64_MAX, 2},
    {"chunked", IN(POST "Transfer-Encoding: chunked\r\n" END), HTTP_BODY_CHUNKED, KEEP, 0, 2},
    {"Chunked is written anew", IN(POST "Transfer-Encoding: Chunked\r\n" END), HTTP_BODY_CHUNKED,
     KEEP | HTTP_HEAD_FIELDS_EDITED, 0, 2},
    {"chunked with empties is written anew", IN(POST "Transfer-Encoding: , chunked,\r\n" END),
     HTTP_BODY_CHUNKED, KEEP | HTTP_HEAD_FIELDS_EDITED, 0, 2},
    {"expect", IN(POST "Expect: 100-Continue\r\nContent-Length: 1\r\n" END), HTTP_BODY_LENGTH,
     KEEP | HTTP_HEAD_EXPECT_CONTINUE | HTTP_HEAD_HAS_LENGTH, 1, 3},
    {"expect in 1.0 is ignored",
     IN("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n" END), HTTP_BODY_LENGTH,
     EDITED | HTTP_HEAD_HAS_LENGTH, 1, 2},
    {"upgrade", IN(GET H "Connection: Upgrade\r\nUpgrade: websocket\r\n" END), HTTP_BODY_NONE,
     KEEP | HTTP_HEAD_UPGRADE, 0, 3},
    {"upgrade before Connection", IN(GET H "Upgrade: websocket\r\nConnection: upgrade\r\n" END),
     HTTP_BODY_NONE, KEEP | HTTP_HEAD_UPGRADE, 0, 3},
    {"Upgrade that Connection does not list", IN(GET H "Upgrade: websocket\r\n" END),
     HTTP_BODY_NONE, KEEP, 0, 2},
    {"h2c is not honoured", IN(GET H "Connection: upgrade\r\nUpgrade: h2c\r\n" END), HTTP_BODY_NONE,
     KEEP, 0, 3},
    {"upgrade in 1.0 is ignored",
     IN("GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n" END), HTTP_BODY_NONE,
     EDITED, 0, 2},
    {"TE", IN(GET H "TE: gzip, trailers\r\nConnection: te\r\n" END), HTTP_BODY_NONE,
     KEEP | HTTP_HEAD_TE_TRAILERS, 0, 3},
    {"empty Host", IN(GET "Host:\r\n" END), HTTP_BODY_NONE, KEEP, 0, 1},
    {"IPv6 Host", IN(GET "Host: [2001:db8::1]:8080\r\n" END), HTTP_BODY_NONE, KEEP, 0, 1},
    {"percent in Host", IN(GET "Host: a%2db\r\n" END), HTTP_BODY_NONE, KEEP, 0, 1},
    {"empty port", IN(GET "Host: a:\r\n" END), HTTP_BODY_NONE, KEEP, 0, 1},
    {"8-bit text in a value", IN(GET H "X: \xff\x80\r\n" END), HTTP_BODY_NONE, KEEP, 0, 2},
    {"tabs and spaces around a value", IN(GET H "X: \t a\tb \t\r\n" END), HTTP_BODY_NONE, KEEP, 0,
     2},
    {"odd but legal names", IN(GET H "!#$%&'*+-.^_`|~09aZ: x\r\n" END), HTTP_BODY_NONE, KEEP, 0, 2},
    {"odd but legal target", IN("GET /a\"<>\\^`{|}?x=[1]&y HTTP/1.1\r\n" H END), HTTP_BODY_NONE,
     KEEP, 0, 1},
    {"odd method", IN("M-SEARCH / HTTP/1.1\r\n" H END), HTTP_BODY_NONE, KEEP, 0, 1},
    {"OPTIONS *", IN("OPTIONS * HTTP/1.1\r\n" H END), HTTP_BODY_NONE, KEEP, 0, 1},
    {"CONNECT", IN("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n" END), HTTP_BODY_NONE, KEEP, 0, 1},
    {"absolute, other host", IN("GET http://b:81/x?y HTTP/1.1\r\n" H END), HTTP_BODY_NONE,
     KEEP | HTTP_HEAD_FIELDS_EDITED, 0, 1},
    {"absolute, same host", IN("GET HTTPS://a HTTP/1.1\r\n" H END), HTTP_BODY_NONE, KEEP, 0, 1},
    {"absolute in 1.0 gives the host", IN("GET http://a/ HTTP/1.0\r\n" END), HTTP_BODY_NONE,
     EDITED | HTTP_HEAD_FIELDS_EDITED, 0, 1},
    {"16 fields",
     IN(GET H "a:\r\nb:\r\nc:\r\nd:\r\ne:\r\nf:\r\ng:\r\nh:\r\ni:\r\nj:\r\nk:\r\nl:\r\nm:\r\nn:\r\n"
	      "o:\r\n" END),
     HTTP_BODY_NONE, KEEP, 0, 16},
};

static void
test_good(const struct good_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct feed f;
		bool same =
		    feed_all_ways(&f, str_of(rows[i].in, rows[i].n), false, HTTP_METHOD_GET);
		bool ok =
		    f.status == H1_OK && f.parser.consumed == rows[i].n &&
		    f.head.framing == rows[i].framing && (f.head.flags & FLAGS) == rows[i].flags &&
		    f.head.content_length == rows[i].length && f.head.n_fields == rows[i].n_fields;
		OK_MSG(ok, rows[i].what);
		if (!ok)
			printf("# status %d %s at %u, framing %d flags %x fields %u\n", f.status,
			       http_reason(f.parser.reason)->name, f.parser.bad_at, f.head.framing,
			       f.head.flags, f.head.n_fields);
		OK_MSG(same, "and the same however it is cut");
		feed_fini(&f);
	}
}

struct response_row {
	const char *what;
	const char *in;
	size_t n;
	enum http_method method;
	enum http_framing framing;
	bool keep_alive;
	bool length_kept; // Content-Length is still there
};

#define L5 "Content-Length: 5\r\n"
#define TE "Transfer-Encoding: chunked\r\n"

static const struct response_row responses[] = {
    {"length", IN("HTTP/1.1 200 OK\r\n" L5 END), HTTP_METHOD_GET, HTTP_BODY_LENGTH, true, true},
    {"chunked", IN("HTTP/1.1 200 OK\r\n" TE END), HTTP_METHOD_GET, HTTP_BODY_CHUNKED, true, false},
    {"until close", IN("HTTP/1.1 200 OK\r\n" END), HTTP_METHOD_GET, HTTP_BODY_CLOSE, false, false},
    {"1.0", IN("HTTP/1.0 200 OK\r\n" L5 END), HTTP_METHOD_GET, HTTP_BODY_LENGTH, false, true},
    {"1.0 kept", IN("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" L5 END), HTTP_METHOD_GET,
     HTTP_BODY_LENGTH, true, true},
    {"HEAD", IN("HTTP/1.1 200 OK\r\n" L5 END), HTTP_METHOD_HEAD, HTTP_BODY_NONE, true, true},
    {"HEAD, chunked", IN("HTTP/1.1 200 OK\r\n" TE END), HTTP_METHOD_HEAD, HTTP_BODY_NONE, true,
     false},
    {"304", IN("HTTP/1.1 304 Not Modified\r\n" L5 END), HTTP_METHOD_GET, HTTP_BODY_NONE, true,
     true},
    {"204 loses its length", IN("HTTP/1.1 204 No Content\r\n" L5 END), HTTP_METHOD_GET,
     HTTP_BODY_NONE, true, false},
    {"204 loses its coding", IN("HTTP/1.1 204 No Content\r\n" TE END), HTTP_METHOD_GET,
     HTTP_BODY_NONE, true, false},
    {"100", IN("HTTP/1.1 100 Continue\r\n" END), HTTP_METHOD_POST, HTTP_BODY_NONE, true, false},
    {"103 with length", IN("HTTP/1.1 103 Early Hints\r\n" L5 END), HTTP_METHOD_GET, HTTP_BODY_NONE,
     true, false},
    {"101", IN("HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n" END),
     HTTP_METHOD_GET, HTTP_BODY_TUNNEL, false, false},
    {"2xx to CONNECT", IN("HTTP/1.1 200 OK\r\n" L5 END), HTTP_METHOD_CONNECT, HTTP_BODY_TUNNEL,
     false, false},
    {"4xx to CONNECT", IN("HTTP/1.1 403 No\r\n" L5 END), HTTP_METHOD_CONNECT, HTTP_BODY_LENGTH,
     true, true},
    {"empty reason", IN("HTTP/1.1 200 \r\n" L5 END), HTTP_METHOD_GET, HTTP_BODY_LENGTH, true, true},
    {"no space before the empty reason", IN("HTTP/1.1 200\r\n" L5 END), HTTP_METHOD_GET,
     HTTP_BODY_LENGTH, true, true},
    {"8-bit reason", IN("HTTP/1.1 200 \xc3\xa4\r\n" L5 END), HTTP_METHOD_GET, HTTP_BODY_LENGTH,
     true, true},
    {"status 999", IN("HTTP/1.1 999 X\r\n" L5 END), HTTP_METHOD_GET, HTTP_BODY_LENGTH, true, true},
    {"two Hosts in a response are no matter", IN("HTTP/1.1 200 OK\r\n" H H L5 END), HTTP_METHOD_GET,
     HTTP_BODY_LENGTH, true, true},
};

static void
test_responses(void)
{
	for (size_t i = 0; i < ARRAY_LEN(responses); i++) {
		const struct response_row *r = &responses[i];
		struct feed f;
		bool same = feed_all_ways(&f, str_of(r->in, r->n), true, r->method);
		OK_MSG(f.status == H1_OK && f.parser.consumed == r->n &&
			   f.head.framing == r->framing &&
			   !!(f.head.flags & HTTP_HEAD_KEEP_ALIVE) == r->keep_alive &&
			   (http_head_find_id(&f.head, HTTP_FIELD_CONTENT_LENGTH, NULL) != NULL) ==
			       r->length_kept,
		       r->what);
		OK_MSG(same, "and the same however it is cut");
		feed_fini(&f);
	}
}

static void
test_slices(void)
{
	struct feed f;
	struct str in = STR("\r\nDELETE /a?b HTTP/1.1\r\nHOST: x:1\r\nX-Y:  v \r\n\r\nbody");
	feed_init(&f, in, in.n, in.n, false, HTTP_METHOD_GET);
	OK(f.status == H1_OK && f.parser.consumed == in.n - 4);
	OK(f.head.method == HTTP_METHOD_DELETE && str_eq(f.head.method_text, STR("DELETE")));
	OK(str_eq(f.head.target, STR("/a?b")) && str_eq(f.head.host, STR("x:1")));
	OK(f.head.raw.p == f.buf + 2 && f.head.raw.n == in.n - 6);
	OK(f.table[0].id == HTTP_FIELD_HOST && f.table[1].id == HTTP_FIELD_OTHER);
	OK(str_eq(str_of(f.table[1].name, f.table[1].name_n), STR("X-Y")));
	OK(str_eq(http_field_value(&f.table[1]), STR("v")));
	OK(memcmp(f.head.fields_end, "\r\nbody", 6) == 0);
	feed_fini(&f);

	in = STR("HTTP/1.1 404 Not  Found\r\n\r\n");
	feed_init(&f, in, in.n, in.n, true, HTTP_METHOD_GET);
	OK(f.status == H1_OK && f.head.status == 404 && str_eq(f.head.reason, STR("Not  Found")));
	feed_fini(&f);
}

// The buffer moves while the head is under way, and once more when it is complete.
static void
test_rebase(void)
{
	struct str in = STR("GET /x HTTP/1.1\r\nHost: a\r\nB: c\r\n\r\n");
	char *first = mem_alloc(30), *second = mem_alloc(in.n), *third = mem_alloc(in.n);
	struct feed f = {.buf = first};
	http_head_init(&f.head, f.table, FEED_FIELDS);
	memcpy(first, in.p, 30);
	OK(h1_parse_request(&f.parser, first, 30, &f.head) == H1_MORE);
	memcpy(second, in.p, in.n);
	h1_parser_rebase(&f.parser, &f.head, first, 30, second);
	mem_free(first);
	OK(h1_parse_request(&f.parser, second, in.n, &f.head) == H1_OK);
	memcpy(third, in.p, in.n);
	http_head_rebase(&f.head, second, in.n, third);
	mem_free(second);
	OK(str_eq(f.head.target, STR("/x")) && str_eq(f.head.host, STR("a")));
	OK(str_eq(http_field_value(&f.table[1]), STR("c")) &&
	   f.head.fields_end == third + in.n - 2);
	mem_free(third);
}

static void
test_too_big(void)
{
	struct feed f;
	struct str line = STR("GET /aaaaaaaaaaaaaaaa"), fields = STR("GET / HTTP/1.1\r\nHost: a");
	feed_init(&f, line, line.n, line.n, false, HTTP_METHOD_GET);
	OK(f.status == H1_MORE &&
	   h1_parser_too_big(&f.parser, &f.head) == HTTP_REASON_URI_TOO_LONG);
	feed_fini(&f);
	feed_init(&f, fields, fields.n, fields.n, false, HTTP_METHOD_GET);
	OK(f.status == H1_MORE &&
	   h1_parser_too_big(&f.parser, &f.head) == HTTP_REASON_HEAD_TOO_BIG);
	feed_fini(&f);
}

// A line that comes byte by byte is looked at a bounded number of times: a million bytes of one
// value in steps of one byte end at once, where a parser that begins anew would need hours.
static void
test_no_rescan(void)
{
	size_t n = 1000000;
	struct feed f = {.buf = mem_alloc(n)};
	http_head_init(&f.head, f.table, FEED_FIELDS);
	memset(f.buf, 'a', n);
	memcpy(f.buf, GET "X: ", sizeof(GET) + 2);
	enum h1_status s = H1_MORE;
	for (size_t i = 1; i <= n && s == H1_MORE; i++)
		s = h1_parse_request(&f.parser, f.buf, i, &f.head);
	OK(s == H1_MORE);
	mem_free(f.buf);
}

static void
test_reasons(void)
{
	for (unsigned id = 0; id < HTTP_REASONS; id++) {
		const struct http_reason *r = http_reason(id);
		OK_MSG(r->name != NULL && r->text != NULL && (id == 0 || r->status >= 400),
		       "each refusal has a row");
	}
}

int
main(void)
{
	test_bad(bad_requests, ARRAY_LEN(bad_requests), false);
	test_bad(bad_responses, ARRAY_LEN(bad_responses), true);
	test_good(good_requests, ARRAY_LEN(good_requests));
	test_responses();
	test_slices();
	test_rebase();
	test_too_big();
	test_no_rescan();
	test_reasons();
	return tap_done();
}
