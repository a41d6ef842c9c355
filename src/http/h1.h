// SPDX-License-Identifier: MIT
// HTTP/1.0 and 1.1 (RFC 9112) on bytes: heads into struct http_head, body framing checked or
// decoded, heads back into iovecs. No I/O, no allocation; all state in the caller's structs; one
// worker. Each answer is a function of the bytes alone: fed whole or byte by byte, the same input
// gives the same head, the same refusal, at the same offset. Nothing is scanned twice but the
// line in which the input ended.
#pragma once

#include <sys/uio.h>

#include "base/str.h"
#include "http/head.h"
#include "http/reason.h"

enum h1_status { H1_OK, H1_MORE, H1_BAD };

struct h1_limits {
	uint32_t max_trailers_bytes;  // all trailer lines of a body
	uint16_t max_trailers;        // number of trailer fields
	uint16_t max_chunk_ext_bytes; // extensions of one chunk
};
extern const struct h1_limits h1_limits_default; // 8 KiB, 32, 256

struct h1_parser {
	uint32_t line;     // offset of the line under way
	uint32_t scanned;  // up to here the line has no control byte
	uint32_t bad_at;   // offset of the offending byte, with H1_BAD
	uint16_t seen;     // what the fields said so far
	uint8_t stage;     // start line, fields
	uint8_t reason;    // enum http_reason_id, with H1_BAD
	uint32_t consumed; // bytes of the head including a tolerated leading CRLF, with H1_OK
};

void h1_parser_init(struct h1_parser *p);

// [buf, buf+n) are all bytes of the message so far, from its first; call again with the same
// start and more bytes after H1_MORE. H1_OK: `head` is filled, the body starts at p->consumed.
// H1_BAD: answer http_reason(p->reason)->status and close; the head holds what was understood.
// An input of only CRLF consumes nothing yet. A full buffer with H1_MORE: h1_parser_too_big.
enum h1_status h1_parse_request(struct h1_parser *p, const char *buf, size_t n,
				struct http_head *head);
// request_method decides whether a body follows (HEAD, CONNECT). 1xx heads are given like others:
// framing NONE (101: TUNNEL); parse the next head after them with a fresh parser.
enum h1_status h1_parse_response(struct h1_parser *p, const char *buf, size_t n,
				 struct http_head *head, enum http_method request_method);
// The buffer moved while a head was under way.
void h1_parser_rebase(struct h1_parser *p, struct http_head *head, const char *from, size_t n,
		      const char *to);
// Why a buffer can be full with H1_MORE: 414 in the request line, 431 in the fields, 502.
enum http_reason_id h1_parser_too_big(const struct h1_parser *p, const struct http_head *head);

// --- body in -------------------------------------------------------------------------------

struct h1_body {
	uint64_t left;  // of the length, or of the chunk's data
	uint64_t total; // body bytes without framing so far
	const struct h1_limits *limits;
	uint32_t trailer_bytes;
	uint16_t ext; // bytes of the chunk's extensions so far
	uint16_t n_trailers;
	uint8_t framing; // enum http_framing
	uint8_t state;   // 0: done
	uint8_t reason;  // enum http_reason_id, with H1_BAD
	uint8_t digits;  // of the chunk size so far
	uint8_t name_n;  // trailer name so far, for the forbidden ones
	char name[32];
};

// From a parsed head. limits may be NULL for the default; they must outlive the body.
void h1_body_init(struct h1_body *b, const struct http_head *head, const struct h1_limits *limits);
void h1_body_init_framing(struct h1_body *b, enum http_framing framing, uint64_t length,
			  const struct h1_limits *limits);

// Forwarding without a copy: looks at the next n bytes; *used of them belong to this body, are
// well-formed, and may be passed on as they are. H1_OK: that was the body's end, and what follows
// is the next message. H1_MORE: all n used. H1_BAD: *used bytes before the offending one are
// good. CLOSE and TUNNEL never answer H1_OK: the end is the peer's close (h1_body_eof).
// A response whose body is refused is the server's fault: 502, whatever the reason's row says.
enum h1_status h1_body_scan(struct h1_body *b, const char *p, size_t n, size_t *used);

// Decoding: as h1_body_scan, but stops behind each slice of data: *data is the next piece
// without framing (empty when none came), inside [p, p+*used). Trailers are checked and dropped.
// H1_MORE with *used < n: there is more to take, call again behind it. H1_OK may come with data.
enum h1_status h1_body_next(struct h1_body *b, const char *p, size_t n, size_t *used,
			    struct str *data);
// The peer closed: true when the body may end here (CLOSE, TUNNEL, or already whole).
bool h1_body_eof(const struct h1_body *b);
static inline bool
h1_body_is_done(const struct h1_body *b)
{
	return b->state == 0;
}

// --- out ------------------------------------------------------------------------------------

// h1_write.flags
#define H1_WRITE_CLOSE      0x01 // Connection: close
#define H1_WRITE_KEEP_ALIVE 0x02 // Connection: keep-alive (to an HTTP/1.0 client that asked)
#define H1_WRITE_UPGRADE    0x04 // Connection: upgrade; the Upgrade field is in the head

struct h1_write {
	unsigned flags;
	struct str extra; // ready lines with CRLF to put behind the fields, e.g. X-Forwarded-For
	char length_line[40]; // the writer's: Content-Length of http_head_set_framing
	char status_line[16]; // the writer's: "HTTP/1.1 503 "
};

// Most entries a head of n fields can need; give at least so many to be sure.
#define H1_WRITE_IOV(n_fields) (8 + 4 * (size_t)(n_fields))

// The head as an iovec, HTTP/1.1 always: 1 entry when nothing is touched; runs of untouched lines
// are one entry each. A request in absolute-form goes out in origin-form. Number of entries used,
// or 0 when max is too small. Entries point into received bytes, arena, *w and statics: all must
// live until they are sent.
size_t h1_write_request(const struct http_head *head, struct h1_write *w, struct iovec *iov,
			size_t max);
size_t h1_write_response(const struct http_head *head, struct h1_write *w, struct iovec *iov,
			 size_t max);

// Chunk header "size CRLF" for re-framing, with `first` false also the CRLF that ends the data of
// the chunk before. buf holds H1_CHUNK_HEADER_BYTES. Returns its length.
#define H1_CHUNK_HEADER_BYTES 20
size_t h1_chunk_header(char *buf, uint64_t size, bool first);
// The end of a chunked body without trailers: behind the last chunk's data, or when there was none.
#define H1_CHUNK_END       STR("\r\n0\r\n\r\n")
#define H1_CHUNK_END_EMPTY STR("0\r\n\r\n")
