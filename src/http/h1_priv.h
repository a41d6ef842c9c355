// SPDX-License-Identifier: MIT
// Between the HTTP/1 parser's two halves: h1_parse.c reads lines, h1_fields.c knows what the few
// fields mean that concern a connection or a body's framing.
#pragma once

#include "http/h1.h"

// h1_parser.seen
#define H1_SEEN_HOST          0x0001
#define H1_SEEN_LENGTH        0x0002
#define H1_SEEN_CHUNKED       0x0004 // the last coding so far is chunked
#define H1_SEEN_CODING        0x0008 // another coding
#define H1_SEEN_CHUNKED_TWICE 0x0010
#define H1_SEEN_CHUNKED_EARLY 0x0020 // a coding behind chunked
#define H1_SEEN_CODING_FIELD  0x0040
#define H1_SEEN_CODING_ODD    0x0080 // not spelt exactly "chunked": is written anew
#define H1_SEEN_CLOSE         0x0100
#define H1_SEEN_KEEP_ALIVE    0x0200
#define H1_SEEN_UPGRADE       0x0400 // Connection lists it
#define H1_SEEN_UPGRADE_FIELD 0x0800
#define H1_SEEN_UPGRADE_H2C   0x1000

// The fields of which h1_note_field must hear stand first in enum http_field_id.
static inline bool
h1_is_noted(enum http_field_id id)
{
	return (unsigned)id - 1 < HTTP_FIELD_TE;
}

// Takes note of the head's last field. On H1_BAD p->reason and p->bad_at are set.
enum h1_status h1_note_field(struct h1_parser *p, const char *buf, struct http_head *h);
// All fields are known: host, framing, persistence.
enum h1_status h1_finish_request(struct h1_parser *p, const char *buf, struct http_head *h);
enum h1_status h1_finish_response(struct h1_parser *p, const char *buf, struct http_head *h);

static inline enum h1_status
h1_bad(struct h1_parser *p, size_t at, enum http_reason_id why)
{
	p->reason = (uint8_t)why;
	p->bad_at = (uint32_t)at;
	return H1_BAD;
}
