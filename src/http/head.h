// SPDX-License-Identifier: MIT
// A request's or response's head as the rest of the program sees it, whatever the wire format: a
// start line and a table of fields, all slices into the receive buffer (as received) or into the
// transaction's arena (edited). Dropping a field sets a flag, so positions stay and what nobody
// touched goes out as it came in. The struct and its field table belong to the caller; the
// received bytes must stay where they are (or be moved with http_head_rebase) while it is used.
// One worker.
//
// Invariant: field[0..n_fields) are in wire order; `present` has the bit of each field's id
// (bit 0: some unknown name); a bit may stay set when the last such field was dropped.
#pragma once

#include "base/str.h"
#include "http/names.h"

struct arena;

#define HTTP_FIELD_DROP     0x01 // not to be written, invisible to every lookup
#define HTTP_FIELD_ADDED    0x02 // not as received: added or its value replaced
#define HTTP_FIELD_DETACHED 0x04 // name and value do not stand in one line "name: value CRLF"

struct http_field {
	const char *name;
	const char *value; // without surrounding whitespace
	uint32_t value_n;
	uint16_t name_n;
	uint8_t id; // enum http_field_id
	uint8_t flags;
};

enum http_framing {
	HTTP_BODY_NONE, // no body follows, whatever Content-Length says (HEAD, 204, 304), or it is
			// 0
	HTTP_BODY_LENGTH,  // content_length bytes
	HTTP_BODY_CHUNKED, // chunked, then trailers
	HTTP_BODY_CLOSE,   // until the server closes (responses only)
	HTTP_BODY_TUNNEL,  // 101, or 2xx to CONNECT: bytes in both directions until close
};

enum http_form { // of the request target, RFC 9112 section 3.2
	HTTP_FORM_ORIGIN,
	HTTP_FORM_ABSOLUTE,
	HTTP_FORM_AUTHORITY,
	HTTP_FORM_ASTERISK,
};

// http_head.flags
#define HTTP_HEAD_RESPONSE        0x0001
#define HTTP_HEAD_KEEP_ALIVE      0x0002 // the sender lets the connection persist
#define HTTP_HEAD_EXPECT_CONTINUE 0x0004 // Expect: 100-continue, HTTP/1.1 or later
#define HTTP_HEAD_UPGRADE         0x0008 // Connection lists upgrade and there is an Upgrade field
#define HTTP_HEAD_TE_TRAILERS     0x0010 // TE lists trailers
#define HTTP_HEAD_CONN_NAMES      0x0020 // Connection lists more than close, keep-alive, upgrade, te
#define HTTP_HEAD_LINE_EDITED     0x0040 // start line is not as received
#define HTTP_HEAD_FIELDS_EDITED   0x0080 // some field is dropped, added or replaced
#define HTTP_HEAD_PARTS           0x0100 // path, query below are computed
#define HTTP_HEAD_HAS_LENGTH      0x0200 // content_length was given (also where no body follows)
#define HTTP_HEAD_FRAMING_SET     0x0400 // the writer adds the line of `framing`

struct http_head {
	struct http_field *field; // the caller's table
	uint16_t n_fields;
	uint16_t max_fields;
	uint8_t method;  // enum http_method; in a response that of its request
	uint8_t framing; // enum http_framing
	uint8_t form;    // enum http_form
	uint8_t version; // minor of HTTP/1.x as received: 0, or 1 for every higher
	uint16_t status; // responses
	uint16_t flags;
	uint64_t present;        // bit per enum http_field_id
	uint64_t content_length; // HAS_LENGTH
	struct str method_text;
	struct str target; // as received or set; CONNECT: the authority
	struct str reason; // responses; may be empty
	struct str
	    host; // effective: from the target's authority, else Host; with port; may be empty
	struct str
	    raw; // the whole head as received, through the empty line; .p NULL when made here
	const char *fields_end; // the empty line's CRLF in raw
	struct str path,
	    query; // valid with HTTP_HEAD_PARTS; use http_head_path(), http_head_query()
};

enum http_edit {
	HTTP_EDIT_OK,
	HTTP_EDIT_FULL,    // the arena or the field table is at its cap; the head is unchanged
	HTTP_EDIT_INVALID, // a name, value or target with forbidden bytes; the head is unchanged
};

// An empty head over the caller's table, to be parsed into or filled by http_head_add.
void http_head_init(struct http_head *h, struct http_field *table, uint16_t max_fields);
// Makes a response of our own: status, reason from the table, no fields, kept alive.
void http_head_init_response(struct http_head *h, struct http_field *table, uint16_t max_fields,
			     unsigned status);
// The received bytes moved from `from` (`n` bytes) to `to`; slices into the arena stay.
void http_head_rebase(struct http_head *h, const char *from, size_t n, const char *to);

static inline struct str
http_field_value(const struct http_field *f)
{
	return str_of(f->value, f->value_n);
}

// --- the target's parts; slices, computed on first use --------------------------------------

void http_head_split_target(struct http_head *h);

// "/a/b" without query; "/" for an absolute-form without path; empty for CONNECT; "*" for "*".
static inline struct str
http_head_path(struct http_head *h)
{
	if (!(h->flags & HTTP_HEAD_PARTS))
		http_head_split_target(h);
	return h->path;
}

// Behind the '?'; .p is NULL when there is no '?', not when it is empty.
static inline struct str
http_head_query(struct http_head *h)
{
	if (!(h->flags & HTTP_HEAD_PARTS))
		http_head_split_target(h);
	return h->query;
}

// Path with query, as origin-form has it.
struct str http_head_pathq(struct http_head *h);
// Host and path in one slice, in the arena: HAProxy's `base`. .p NULL at its cap.
struct str http_head_base(struct http_head *h, struct arena *a);

// --- lookup ------------------------------------------------------------------------------------

// First field of that name behind `after` (NULL: the first of all), or NULL.
struct http_field *http_head_find(const struct http_head *h, const struct http_name *name,
				  const struct http_field *after);
static inline bool
http_head_has_id(const struct http_head *h, enum http_field_id id)
{
	return (h->present >> id) & 1;
}
static inline struct http_field *
http_head_find_id(const struct http_head *h, enum http_field_id id, const struct http_field *after)
{
	if (!http_head_has_id(h, id))
		return NULL;
	const struct http_field *end = h->field + h->n_fields;
	for (const struct http_field *f = after != NULL ? after + 1 : h->field; f < end; f++)
		if (f->id == id && !(f->flags & HTTP_FIELD_DROP))
			return h->field + (f - h->field);
	return NULL;
}

// Walks the values of a name: each element of comma lists (HAProxy's hdr: a comma inside a quoted
// string does not split) or, `full`, each field's whole value (fhdr).
struct http_values {
	const struct http_head *head;
	const struct http_name *name;
	const struct http_field *field;
	struct str rest; // of the current field; .p NULL: go to the next
	bool full;
};
void http_values_init(struct http_values *it, const struct http_head *h,
		      const struct http_name *name, bool full);
bool http_values_next(struct http_values *it, struct str *value);
// The nth value: 1 is the first, -1 the last, 0 the last too (HAProxy's default). False: no such.
bool http_value_at(const struct http_head *h, const struct http_name *name, bool full, int nth,
		   struct str *value);
unsigned http_value_count(const struct http_head *h, const struct http_name *name, bool full);

// Walks cookies: name=value pairs of Cookie in a request; the first pair of each Set-Cookie in a
// response. Quotes around a value are kept. Only ';' separates (RFC 6265), where HAProxy takes ','
// too.
struct http_cookies {
	const struct http_head *head;
	const struct http_field *field;
	struct str rest;
};
void http_cookies_init(struct http_cookies *it, const struct http_head *h);
bool http_cookies_next(struct http_cookies *it, struct str *name, struct str *value);
// First cookie of that name (case-sensitive).
bool http_cookie_get(const struct http_head *h, struct str name, struct str *value);

// First parameter of that name in a query string whose pairs are separated by any byte of
// `delims` (empty: '&'); not decoded. A name without '=' has an empty value.
bool http_query_param(struct str query, struct str name, struct str delims, struct str *value);

// --- edits ---------------------------------------------------------------------------------

// All copy name and value into the arena in the form in which they are written. Content-Length
// and Transfer-Encoding are not theirs to change: http_head_set_framing.
enum http_edit http_head_add(struct http_head *h, struct arena *a, struct str name,
			     struct str value);
// Removes all of that name, then adds one.
enum http_edit http_head_set(struct http_head *h, struct arena *a, const struct http_name *name,
			     struct str value);
// Number of fields dropped.
unsigned http_head_del(struct http_head *h, const struct http_name *name);
void http_head_drop(struct http_head *h, struct http_field *f);
// In place, keeping the field's position.
enum http_edit http_head_replace(struct http_head *h, struct arena *a, struct http_field *f,
				 struct str value);
// The same in two steps, for a value that is made of what is valid: room for a line of f with a
// value of at most `most` bytes, whose place is returned (NULL: the arena is at its cap), and, once
// it is written there, its n bytes.
char *http_head_replace_begin(struct arena *a, const struct http_field *f, size_t most);
void http_head_replace_end(struct http_head *h, struct http_field *f, char *value, size_t n);
// For what is the same for each request: a line "Name: value\r\n", not checked, is understood once,
// and added to heads that it outlives, not copied. FULL when the table is.
struct http_field http_field_of_line(struct str line);
enum http_edit http_head_add_made(struct http_head *h, const struct http_field *made);

enum http_edit http_head_set_method(struct http_head *h, struct arena *a, struct str method);
enum http_edit http_head_set_path(struct http_head *h, struct arena *a, struct str path);
enum http_edit http_head_set_pathq(struct http_head *h, struct arena *a, struct str pathq);
// The query without '?'; empty removes the '?' too.
enum http_edit http_head_set_query(struct http_head *h, struct arena *a, struct str query);
// Any form that is valid for the method; absolute-form sets the host too.
enum http_edit http_head_set_uri(struct http_head *h, struct arena *a, struct str uri);
// 100..999; an empty reason takes the table's.
enum http_edit http_head_set_status(struct http_head *h, struct arena *a, unsigned status,
				    struct str reason);

// Drops Content-Length and Transfer-Encoding and declares the body anew; the writer adds the
// fitting line. For bodies that are re-framed, and for responses of our own.
void http_head_set_framing(struct http_head *h, enum http_framing framing, uint64_t content_length);
// Marks what ends at this hop (RFC 9110 section 7.6.1): Connection and the fields that it lists,
// Keep-Alive, Proxy-Connection, TE, Upgrade unless `keep_upgrade`. Transfer-Encoding stays, since
// chunked framing is forwarded; nothing that the next hop needs (Host, Content-Length,
// Transfer-Encoding) can be dropped by being listed. Near free when there is none of them.
void http_head_strip_hop_by_hop(struct http_head *h, bool keep_upgrade);
