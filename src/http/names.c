// SPDX-License-Identifier: MIT
// The tables behind names.h. Slots and multiplier of the perfect hash are printed by names.py;
// the unit test looks up every name.
#include "http/names.h"

#include "http/names_priv.h"

#define FIELD(name)                    \
	{                              \
		name, sizeof(name) - 1 \
	}

// Names of letters and '-' only: name_is relies on it.
const struct http_name_row http_name_rows[HTTP_FIELDS] = {
    [HTTP_FIELD_HOST] = FIELD("Host"),
    [HTTP_FIELD_CONNECTION] = FIELD("Connection"),
    [HTTP_FIELD_CONTENT_LENGTH] = FIELD("Content-Length"),
    [HTTP_FIELD_TRANSFER_ENCODING] = FIELD("Transfer-Encoding"),
    [HTTP_FIELD_EXPECT] = FIELD("Expect"),
    [HTTP_FIELD_UPGRADE] = FIELD("Upgrade"),
    [HTTP_FIELD_TE] = FIELD("TE"),
    [HTTP_FIELD_TRAILER] = FIELD("Trailer"),
    [HTTP_FIELD_KEEP_ALIVE] = FIELD("Keep-Alive"),
    [HTTP_FIELD_PROXY_CONNECTION] = FIELD("Proxy-Connection"),
    [HTTP_FIELD_ACCEPT] = FIELD("Accept"),
    [HTTP_FIELD_ACCEPT_CHARSET] = FIELD("Accept-Charset"),
    [HTTP_FIELD_ACCEPT_ENCODING] = FIELD("Accept-Encoding"),
    [HTTP_FIELD_ACCEPT_LANGUAGE] = FIELD("Accept-Language"),
    [HTTP_FIELD_ACCEPT_RANGES] = FIELD("Accept-Ranges"),
    [HTTP_FIELD_AGE] = FIELD("Age"),
    [HTTP_FIELD_ALLOW] = FIELD("Allow"),
    [HTTP_FIELD_AUTHORIZATION] = FIELD("Authorization"),
    [HTTP_FIELD_CACHE_CONTROL] = FIELD("Cache-Control"),
    [HTTP_FIELD_CONTENT_ENCODING] = FIELD("Content-Encoding"),
    [HTTP_FIELD_CONTENT_RANGE] = FIELD("Content-Range"),
    [HTTP_FIELD_CONTENT_TYPE] = FIELD("Content-Type"),
    [HTTP_FIELD_COOKIE] = FIELD("Cookie"),
    [HTTP_FIELD_DATE] = FIELD("Date"),
    [HTTP_FIELD_ETAG] = FIELD("ETag"),
    [HTTP_FIELD_EXPIRES] = FIELD("Expires"),
    [HTTP_FIELD_FORWARDED] = FIELD("Forwarded"),
    [HTTP_FIELD_IF_MATCH] = FIELD("If-Match"),
    [HTTP_FIELD_IF_MODIFIED_SINCE] = FIELD("If-Modified-Since"),
    [HTTP_FIELD_IF_NONE_MATCH] = FIELD("If-None-Match"),
    [HTTP_FIELD_IF_RANGE] = FIELD("If-Range"),
    [HTTP_FIELD_LAST_MODIFIED] = FIELD("Last-Modified"),
    [HTTP_FIELD_LOCATION] = FIELD("Location"),
    [HTTP_FIELD_MAX_FORWARDS] = FIELD("Max-Forwards"),
    [HTTP_FIELD_ORIGIN] = FIELD("Origin"),
    [HTTP_FIELD_PRAGMA] = FIELD("Pragma"),
    [HTTP_FIELD_PROXY_AUTHENTICATE] = FIELD("Proxy-Authenticate"),
    [HTTP_FIELD_PROXY_AUTHORIZATION] = FIELD("Proxy-Authorization"),
    [HTTP_FIELD_RANGE] = FIELD("Range"),
    [HTTP_FIELD_REFERER] = FIELD("Referer"),
    [HTTP_FIELD_RETRY_AFTER] = FIELD("Retry-After"),
    [HTTP_FIELD_SERVER] = FIELD("Server"),
    [HTTP_FIELD_SET_COOKIE] = FIELD("Set-Cookie"),
    [HTTP_FIELD_STRICT_TRANSPORT_SECURITY] = FIELD("Strict-Transport-Security"),
    [HTTP_FIELD_USER_AGENT] = FIELD("User-Agent"),
    [HTTP_FIELD_VARY] = FIELD("Vary"),
    [HTTP_FIELD_VIA] = FIELD("Via"),
    [HTTP_FIELD_WWW_AUTHENTICATE] = FIELD("WWW-Authenticate"),
    [HTTP_FIELD_X_FORWARDED_FOR] = FIELD("X-Forwarded-For"),
    [HTTP_FIELD_X_FORWARDED_HOST] = FIELD("X-Forwarded-Host"),
    [HTTP_FIELD_X_FORWARDED_PROTO] = FIELD("X-Forwarded-Proto"),
    [HTTP_FIELD_X_REAL_IP] = FIELD("X-Real-IP"),
    [HTTP_FIELD_X_REQUEST_ID] = FIELD("X-Request-ID"),
};

const uint8_t http_name_slots[256] = {
    [9] = HTTP_FIELD_VARY,
    [12] = HTTP_FIELD_FORWARDED,
    [13] = HTTP_FIELD_ETAG,
    [18] = HTTP_FIELD_IF_NONE_MATCH,
    [31] = HTTP_FIELD_CONNECTION,
    [34] = HTTP_FIELD_PRAGMA,
    [39] = HTTP_FIELD_ACCEPT_RANGES,
    [46] = HTTP_FIELD_LAST_MODIFIED,
    [49] = HTTP_FIELD_EXPIRES,
    [51] = HTTP_FIELD_X_REAL_IP,
    [65] = HTTP_FIELD_IF_MODIFIED_SINCE,
    [68] = HTTP_FIELD_CONTENT_LENGTH,
    [74] = HTTP_FIELD_EXPECT,
    [76] = HTTP_FIELD_UPGRADE,
    [78] = HTTP_FIELD_COOKIE,
    [81] = HTTP_FIELD_PROXY_CONNECTION,
    [82] = HTTP_FIELD_WWW_AUTHENTICATE,
    [85] = HTTP_FIELD_TRANSFER_ENCODING,
    [90] = HTTP_FIELD_ACCEPT,
    [92] = HTTP_FIELD_ORIGIN,
    [93] = HTTP_FIELD_CONTENT_RANGE,
    [98] = HTTP_FIELD_CONTENT_TYPE,
    [99] = HTTP_FIELD_DATE,
    [111] = HTTP_FIELD_STRICT_TRANSPORT_SECURITY,
    [114] = HTTP_FIELD_LOCATION,
    [121] = HTTP_FIELD_USER_AGENT,
    [126] = HTTP_FIELD_CONTENT_ENCODING,
    [129] = HTTP_FIELD_ALLOW,
    [142] = HTTP_FIELD_IF_MATCH,
    [143] = HTTP_FIELD_MAX_FORWARDS,
    [145] = HTTP_FIELD_RETRY_AFTER,
    [165] = HTTP_FIELD_PROXY_AUTHENTICATE,
    [166] = HTTP_FIELD_X_REQUEST_ID,
    [167] = HTTP_FIELD_RANGE,
    [169] = HTTP_FIELD_X_FORWARDED_FOR,
    [176] = HTTP_FIELD_KEEP_ALIVE,
    [180] = HTTP_FIELD_HOST,
    [185] = HTTP_FIELD_TRAILER,
    [197] = HTTP_FIELD_X_FORWARDED_HOST,
    [213] = HTTP_FIELD_PROXY_AUTHORIZATION,
    [217] = HTTP_FIELD_IF_RANGE,
    [218] = HTTP_FIELD_ACCEPT_CHARSET,
    [219] = HTTP_FIELD_SERVER,
    [223] = HTTP_FIELD_ACCEPT_LANGUAGE,
    [232] = HTTP_FIELD_CACHE_CONTROL,
    [234] = HTTP_FIELD_X_FORWARDED_PROTO,
    [235] = HTTP_FIELD_REFERER,
    [238] = HTTP_FIELD_AUTHORIZATION,
    [242] = HTTP_FIELD_ACCEPT_ENCODING,
    [243] = HTTP_FIELD_SET_COOKIE,
};

#define T CHAR_TOKEN
#define H CHAR_HOST
#define X CHAR_HEX
#define D CHAR_DIGIT
const uint8_t http_char_class[256] = {
    ['!'] = T | H,
    ['#'] = T,
    ['$'] = T | H,
    ['%'] = T,
    ['&' ... '\''] = T | H,
    ['(' ... ')'] = H,
    ['*' ... '+'] = T | H,
    [','] = H,
    ['-' ... '.'] = T | H,
    ['0' ... '9'] = T | H | X | D,
    [';'] = H,
    ['='] = H,
    ['A' ... 'F'] = T | H | X,
    ['G' ... 'Z'] = T | H,
    ['^'] = T,
    ['_'] = T | H,
    ['`'] = T,
    ['a' ... 'f'] = T | H | X,
    ['g' ... 'z'] = T | H,
    ['|'] = T,
    ['~'] = T | H,
};
#undef T
#undef H
#undef X
#undef D

static const struct str methods[HTTP_METHODS] = {
    [HTTP_METHOD_OTHER] = {"", 0},          [HTTP_METHOD_GET] = {"GET", 3},
    [HTTP_METHOD_HEAD] = {"HEAD", 4},       [HTTP_METHOD_POST] = {"POST", 4},
    [HTTP_METHOD_PUT] = {"PUT", 3},         [HTTP_METHOD_DELETE] = {"DELETE", 6},
    [HTTP_METHOD_CONNECT] = {"CONNECT", 7}, [HTTP_METHOD_OPTIONS] = {"OPTIONS", 7},
    [HTTP_METHOD_TRACE] = {"TRACE", 5},     [HTTP_METHOD_PATCH] = {"PATCH", 5},
};

enum http_method
http_method_of(struct str s)
{
	for (unsigned m = HTTP_METHOD_GET; m < HTTP_METHODS; m++)
		if (str_eq(methods[m], s))
			return (enum http_method)m;
	return HTTP_METHOD_OTHER;
}

struct str
http_method_name(enum http_method m)
{
	return methods[m];
}

enum http_field_id
http_field_id_of(struct str name)
{
	return name_lookup(name.p, name.n);
}

struct str
http_field_name(enum http_field_id id)
{
	return str_of(http_name_rows[id].text, http_name_rows[id].n);
}

struct http_name
http_name_of(struct str text)
{
	return (struct http_name){.text = text, .id = http_field_id_of(text)};
}

struct status_row {
	uint16_t status;
	struct str reason;
};

#define STATUS(code, text)                     \
	{                                      \
		code,                          \
		{                              \
			text, sizeof(text) - 1 \
		}                              \
	}

static const struct status_row statuses[] = {
    STATUS(100, "Continue"),
    STATUS(101, "Switching Protocols"),
    STATUS(103, "Early Hints"),
    STATUS(200, "OK"),
    STATUS(201, "Created"),
    STATUS(202, "Accepted"),
    STATUS(203, "Non-Authoritative Information"),
    STATUS(204, "No Content"),
    STATUS(205, "Reset Content"),
    STATUS(206, "Partial Content"),
    STATUS(207, "Multi-Status"),
    STATUS(300, "Multiple Choices"),
    STATUS(301, "Moved Permanently"),
    STATUS(302, "Found"),
    STATUS(303, "See Other"),
    STATUS(304, "Not Modified"),
    STATUS(307, "Temporary Redirect"),
    STATUS(308, "Permanent Redirect"),
    STATUS(400, "Bad Request"),
    STATUS(401, "Unauthorized"),
    STATUS(402, "Payment Required"),
    STATUS(403, "Forbidden"),
    STATUS(404, "Not Found"),
    STATUS(405, "Method Not Allowed"),
    STATUS(406, "Not Acceptable"),
    STATUS(407, "Proxy Authentication Required"),
    STATUS(408, "Request Timeout"),
    STATUS(409, "Conflict"),
    STATUS(410, "Gone"),
    STATUS(411, "Length Required"),
    STATUS(412, "Precondition Failed"),
    STATUS(413, "Content Too Large"),
    STATUS(414, "URI Too Long"),
    STATUS(415, "Unsupported Media Type"),
    STATUS(416, "Range Not Satisfiable"),
    STATUS(417, "Expectation Failed"),
    STATUS(421, "Misdirected Request"),
    STATUS(422, "Unprocessable Content"),
    STATUS(423, "Locked"),
    STATUS(424, "Failed Dependency"),
    STATUS(425, "Too Early"),
    STATUS(426, "Upgrade Required"),
    STATUS(428, "Precondition Required"),
    STATUS(429, "Too Many Requests"),
    STATUS(431, "Request Header Fields Too Large"),
    STATUS(451, "Unavailable For Legal Reasons"),
    STATUS(500, "Internal Server Error"),
    STATUS(501, "Not Implemented"),
    STATUS(502, "Bad Gateway"),
    STATUS(503, "Service Unavailable"),
    STATUS(504, "Gateway Timeout"),
    STATUS(505, "HTTP Version Not Supported"),
    STATUS(507, "Insufficient Storage"),
    STATUS(511, "Network Authentication Required"),
};

struct str
http_status_reason(unsigned status)
{
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
		if (statuses[i].status == status)
			return statuses[i].reason;
	static const struct str classes[] = {{"Informational", 13},
					     {"Success", 7},
					     {"Redirection", 11},
					     {"Client Error", 12},
					     {"Server Error", 12}};
	return status >= 100 && status < 600 ? classes[status / 100 - 1] : STR("Unknown");
}

bool
http_is_token(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!char_is(s.p[i], CHAR_TOKEN))
			return false;
	return s.n > 0;
}

bool
http_is_field_value(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}
