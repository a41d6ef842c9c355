// SPDX-License-Identifier: MIT
// The rows of reason.h.
#include "http/reason.h"

static const struct http_reason rows[HTTP_REASONS] = {
    [HTTP_REASON_NONE] = {"none", 0, "no fault"},
    [HTTP_REASON_METHOD] = {"method", 400, "the method is not a token"},
    [HTTP_REASON_TARGET] = {"target", 400, "the request target holds a forbidden byte"},
    [HTTP_REASON_TARGET_FORM] = {"target-form", 400,
				 "the request target has no form that the method allows"},
    [HTTP_REASON_TARGET_USERINFO] = {"target-userinfo", 400,
				     "the request target names a user before the host"},
    [HTTP_REASON_VERSION] = {"version", 400, "the start line has no HTTP version"},
    [HTTP_REASON_VERSION_UNSUPPORTED] = {"version-unsupported", 505, "the HTTP version is not 1.x"},
    [HTTP_REASON_H2_PREFACE] = {"h2-preface", 505,
				"an HTTP/2 connection preface on an HTTP/1 connection"},
    [HTTP_REASON_START_LINE] = {"start-line", 400, "the start line lacks a part"},
    [HTTP_REASON_STATUS] = {"status", 400, "the status is not three digits from 100 on"},
    [HTTP_REASON_BARE_CR] = {"bare-cr", 400, "a CR without LF"},
    [HTTP_REASON_BARE_LF] = {"bare-lf", 400, "an LF without CR"},
    [HTTP_REASON_NUL] = {"nul", 400, "a NUL byte"},
    [HTTP_REASON_CONTROL] = {"control", 400, "a control byte"},
    [HTTP_REASON_OBS_FOLD] = {"obs-fold", 400, "a field line begins with white space"},
    [HTTP_REASON_FIELD_NAME] = {"field-name", 400, "a field name is not a token"},
    [HTTP_REASON_FIELD_NAME_EMPTY] = {"field-name-empty", 400, "a field line has no name"},
    [HTTP_REASON_SPACE_BEFORE_COLON] = {"space-before-colon", 400,
					"white space between a field name and its colon"},
    [HTTP_REASON_NO_COLON] = {"no-colon", 400, "a field line has no colon"},
    [HTTP_REASON_TOO_MANY_FIELDS] = {"too-many-fields", 431, "more fields than allowed"},
    [HTTP_REASON_URI_TOO_LONG] = {"uri-too-long", 414, "the request line does not fit the buffer"},
    [HTTP_REASON_HEAD_TOO_BIG] = {"head-too-big", 431, "the head does not fit the buffer"},
    [HTTP_REASON_HOST_MISSING] = {"host-missing", 400, "an HTTP/1.1 request without Host"},
    [HTTP_REASON_HOST_DUPLICATE] = {"host-duplicate", 400, "more than one Host"},
    [HTTP_REASON_HOST_INVALID] = {"host-invalid", 400, "the host or its port is not well-formed"},
    [HTTP_REASON_LENGTH_INVALID] = {"length-invalid", 400,
				    "Content-Length is not one decimal number"},
    [HTTP_REASON_LENGTH_CONFLICT] = {"length-conflict", 400, "more than one Content-Length"},
    [HTTP_REASON_LENGTH_AND_CODING] = {"length-and-coding", 400,
				       "Content-Length together with Transfer-Encoding"},
    [HTTP_REASON_CODING_UNKNOWN] = {"coding-unknown", 501, "a transfer coding other than chunked"},
    [HTTP_REASON_CODING_NOT_FINAL] = {"coding-not-final", 400,
				      "chunked is not the last transfer coding"},
    [HTTP_REASON_CODING_REPEATED] = {"coding-repeated", 400, "chunked is applied twice"},
    [HTTP_REASON_CODING_IN_HTTP10] = {"coding-in-http10", 400,
				      "Transfer-Encoding in an HTTP/1.0 message"},
    [HTTP_REASON_BODY_FORBIDDEN] = {"body-forbidden", 400,
				    "a body with a method that has none (CONNECT, TRACE)"},
    [HTTP_REASON_CHUNK_SIZE] = {"chunk-size", 400, "a chunk size is not a hexadecimal number"},
    [HTTP_REASON_CHUNK_OVERFLOW] = {"chunk-overflow", 400, "a chunk size is too large"},
    [HTTP_REASON_CHUNK_EXT] = {"chunk-ext", 400, "a chunk extension is not well-formed"},
    [HTTP_REASON_CHUNK_EXT_TOO_BIG] = {"chunk-ext-too-big", 413,
				       "a chunk's extensions are too long"},
    [HTTP_REASON_CHUNK_END] = {"chunk-end", 400, "a chunk's data do not end with CRLF"},
    [HTTP_REASON_TRAILER] = {"trailer", 400, "a trailer field is not well-formed"},
    [HTTP_REASON_TRAILER_FORBIDDEN] = {"trailer-forbidden", 400,
				       "a trailer field that frames, routes or authenticates"},
    [HTTP_REASON_TRAILERS_TOO_BIG] = {"trailers-too-big", 431,
				      "too many or too long trailer fields"},
};

const struct http_reason *
http_reason(enum http_reason_id id)
{
	ASSERT((unsigned)id < HTTP_REASONS);
	return &rows[id];
}
