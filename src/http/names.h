// SPDX-License-Identifier: MIT
// HTTP's known words as small numbers: methods, field names, status reasons. A known field name
// is found by a perfect hash over its length and last bytes, so a head's fields carry an
// id and later lookups compare bytes of one, not strings. Constant tables; any thread.
#pragma once

#include "base/str.h"

enum http_method {
	HTTP_METHOD_OTHER, // any other token; the text stands in the head
	HTTP_METHOD_GET,
	HTTP_METHOD_HEAD,
	HTTP_METHOD_POST,
	HTTP_METHOD_PUT,
	HTTP_METHOD_DELETE,
	HTTP_METHOD_CONNECT,
	HTTP_METHOD_OPTIONS,
	HTTP_METHOD_TRACE,
	HTTP_METHOD_PATCH,
	HTTP_METHODS
};

// At most 63 known names: an id is also a bit in http_head.present. 0 is every other name.
enum http_field_id {
	HTTP_FIELD_OTHER,
	// those that the codec itself reads or writes
	HTTP_FIELD_HOST,
	HTTP_FIELD_CONNECTION,
	HTTP_FIELD_CONTENT_LENGTH,
	HTTP_FIELD_TRANSFER_ENCODING,
	HTTP_FIELD_EXPECT,
	HTTP_FIELD_UPGRADE,
	HTTP_FIELD_TE,
	HTTP_FIELD_TRAILER,
	HTTP_FIELD_KEEP_ALIVE,
	HTTP_FIELD_PROXY_CONNECTION,
	// those that rules, fetches and logs often name
	HTTP_FIELD_ACCEPT,
	HTTP_FIELD_ACCEPT_CHARSET,
	HTTP_FIELD_ACCEPT_ENCODING,
	HTTP_FIELD_ACCEPT_LANGUAGE,
	HTTP_FIELD_ACCEPT_RANGES,
	HTTP_FIELD_AGE,
	HTTP_FIELD_ALLOW,
	HTTP_FIELD_AUTHORIZATION,
	HTTP_FIELD_CACHE_CONTROL,
	HTTP_FIELD_CONTENT_ENCODING,
	HTTP_FIELD_CONTENT_RANGE,
	HTTP_FIELD_CONTENT_TYPE,
	HTTP_FIELD_COOKIE,
	HTTP_FIELD_DATE,
	HTTP_FIELD_ETAG,
	HTTP_FIELD_EXPIRES,
	HTTP_FIELD_FORWARDED,
	HTTP_FIELD_IF_MATCH,
	HTTP_FIELD_IF_MODIFIED_SINCE,
	HTTP_FIELD_IF_NONE_MATCH,
	HTTP_FIELD_IF_RANGE,
	HTTP_FIELD_LAST_MODIFIED,
	HTTP_FIELD_LOCATION,
	HTTP_FIELD_MAX_FORWARDS,
	HTTP_FIELD_ORIGIN,
	HTTP_FIELD_PRAGMA,
	HTTP_FIELD_PROXY_AUTHENTICATE,
	HTTP_FIELD_PROXY_AUTHORIZATION,
	HTTP_FIELD_RANGE,
	HTTP_FIELD_REFERER,
	HTTP_FIELD_RETRY_AFTER,
	HTTP_FIELD_SERVER,
	HTTP_FIELD_SET_COOKIE,
	HTTP_FIELD_STRICT_TRANSPORT_SECURITY,
	HTTP_FIELD_USER_AGENT,
	HTTP_FIELD_VARY,
	HTTP_FIELD_VIA,
	HTTP_FIELD_WWW_AUTHENTICATE,
	HTTP_FIELD_X_FORWARDED_FOR,
	HTTP_FIELD_X_FORWARDED_HOST,
	HTTP_FIELD_X_FORWARDED_PROTO,
	HTTP_FIELD_X_REAL_IP,
	HTTP_FIELD_X_REQUEST_ID,
	HTTP_FIELDS
};

// Methods are case-sensitive (RFC 9110 section 9.1).
enum http_method http_method_of(struct str s);
struct str http_method_name(enum http_method m); // empty for OTHER
// May be repeated without harm when the connection broke before any answer (RFC 9110
// section 9.2.2).
static inline bool
http_method_is_idempotent(enum http_method m)
{
	switch (m) {
	case HTTP_METHOD_GET:
	case HTTP_METHOD_HEAD:
	case HTTP_METHOD_PUT:
	case HTTP_METHOD_DELETE:
	case HTTP_METHOD_OPTIONS:
	case HTTP_METHOD_TRACE:
		return true;
	default:
		return false;
	}
}

// HTTP_FIELD_OTHER when not known; any case.
enum http_field_id http_field_id_of(struct str name);
struct str http_field_name(enum http_field_id id); // usual spelling; empty for OTHER

// "Service Unavailable"; the class's general word for a status without a row ("Server Error").
struct str http_status_reason(unsigned status);

// A field name looked up once, when the configuration is read, and used for each request.
struct http_name {
	struct str text; // as given; must outlive the struct
	enum http_field_id id;
};
struct http_name http_name_of(struct str text);

// tchar of RFC 9110 section 5.6.2.
bool http_is_token(struct str s); // false when empty
// field-value: no NUL, CR, LF or other control except HTAB; 0x80-0xff allowed.
bool http_is_field_value(struct str s);
