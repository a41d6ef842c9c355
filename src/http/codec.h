// SPDX-License-Identifier: MIT
// The one door between a transaction and a wire format: bytes become heads and body pieces, heads
// and pieces become iovecs. A transaction holds a `struct http_codec *` per side and never names
// a format. HTTP/1 is `http_codec_h1`. No I/O, no allocation. One worker.
#pragma once

#include <sys/uio.h>

#include "http/h1.h"
#include "http/head.h"
#include "http/reason.h"

enum codec_status { CODEC_OK, CODEC_MORE, CODEC_BAD };

// What one side of one transaction remembers of what it reads. Embedded by value.
struct codec_in {
	struct h1_parser head;
	struct h1_body body;
	uint64_t body_at; // body bytes taken so far, framing included
	bool decode;      // pieces without framing are wanted
};

// What one side remembers of what it writes.
struct codec_out {
	struct h1_write head;
	char chunk[H1_CHUNK_HEADER_BYTES];
	bool chunked;     // body pieces are framed here
	bool chunk_begun; // some chunk was written
};

// A piece of body. In raw mode `wire` bytes go to a peer of the same codec and framing as they are.
struct codec_piece {
	size_t used;     // bytes taken off the input
	struct str data; // decode: without framing; raw: all used bytes, framing included
};

struct http_codec {
	const char *name;

	void (*begin)(struct codec_in *in); // before each head
	enum codec_status (*read_request)(struct codec_in *in, const char *p, size_t n,
					  struct http_head *head);
	enum codec_status (*read_response)(struct codec_in *in, const char *p, size_t n,
					   struct http_head *head, enum http_method request);
	size_t (*head_bytes)(const struct codec_in *in); // consumed by the head, after CODEC_OK
	enum http_reason_id (*too_big)(const struct codec_in *in, const struct http_head *head);
	void (*moved)(struct codec_in *in, struct http_head *head, const char *from, size_t n,
		      const char *to); // the input buffer's bytes moved

	void (*begin_body)(struct codec_in *in, const struct http_head *head, bool decode);
	enum codec_status (*read_body)(struct codec_in *in, const char *p, size_t n,
				       struct codec_piece *piece);
	bool (*end_of_input)(const struct codec_in *in); // peer closed: may the body end here?

	// Fault of the last CODEC_BAD, and its offset from the first byte of the head or of
	// the body.
	enum http_reason_id (*reason)(const struct codec_in *in, uint64_t *offset);

	// Entries used, 0 when max is too small (H1_WRITE_IOV). out->head.flags and .extra are the
	// caller's to set before.
	size_t (*write_request)(struct codec_out *out, const struct http_head *head,
				struct iovec *iov, size_t max);
	size_t (*write_response)(struct codec_out *out, const struct http_head *head,
				 struct iovec *iov, size_t max);
	// Frames decoded data (needs 2 entries) and ends such a body (1 entry, or 0 when the
	// framing has no end mark). Raw pieces are sent as they are, without these.
	size_t (*write_data)(struct codec_out *out, struct str data, struct iovec *iov, size_t max);
	size_t (*write_end)(struct codec_out *out, struct iovec *iov, size_t max);
};

extern const struct http_codec http_codec_h1;
