// SPDX-License-Identifier: MIT
// http/codec: a request and its response taken through the vtable alone, as a transaction does.
#include "http/codec.h"

#include "tap.h"

static char wire[512];
static size_t wire_n;

static void
put(const struct iovec *iov, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		memcpy(wire + wire_n, iov[i].iov_base, iov[i].iov_len);
		wire_n += iov[i].iov_len;
	}
	wire[wire_n] = '\0';
}

// A chunked request, decoded and framed anew.
static void
test_reframe(const struct http_codec *codec)
{
	struct str in = STR("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
			    "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: u\r\n\r\nGET");
	struct http_field table[8];
	struct http_head head;
	struct codec_in side;
	struct codec_out out = {0};
	struct iovec iov[H1_WRITE_IOV(8)];
	wire_n = 0;
	http_head_init(&head, table, 8);
	codec->begin(&side);
	OK(codec->read_request(&side, in.p, 20, &head) == CODEC_MORE);
	OK(codec->read_request(&side, in.p, in.n, &head) == CODEC_OK);
	put(iov, codec->write_request(&out, &head, iov, ARRAY_LEN(iov)));
	size_t at = codec->head_bytes(&side);
	codec->begin_body(&side, &head, true);
	enum codec_status s = CODEC_MORE;
	while (s == CODEC_MORE && at < in.n) {
		struct codec_piece piece;
		s = codec->read_body(&side, in.p + at, in.n - at, &piece);
		at += piece.used;
		put(iov, codec->write_data(&out, piece.data, iov, 2));
	}
	put(iov, codec->write_end(&out, iov, 1));
	OK(s == CODEC_OK && at == in.n - 3 && codec->end_of_input(&side));
	IS_STR(wire, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
		     "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
	OK_MSG(codec->write_end(&out, iov, 1) == 0, "a body ends once");
}

// A response with a length, passed on raw; then its fault when cut short.
static void
test_raw(const struct http_codec *codec)
{
	struct str in = STR("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloX");
	struct http_field table[8];
	struct http_head head;
	struct codec_in side;
	struct codec_out out = {0};
	struct codec_piece piece;
	struct iovec iov[2];
	http_head_init(&head, table, 8);
	codec->begin(&side);
	OK(codec->read_response(&side, in.p, in.n, &head, HTTP_METHOD_GET) == CODEC_OK);
	size_t at = codec->head_bytes(&side);
	codec->begin_body(&side, &head, false);
	OK(codec->read_body(&side, in.p + at, 2, &piece) == CODEC_MORE && piece.used == 2);
	OK(!codec->end_of_input(&side));
	OK(codec->read_body(&side, in.p + at + 2, 4, &piece) == CODEC_OK && piece.used == 3);
	OK(codec->write_data(&out, STR("x"), iov, 2) == 1 && codec->write_end(&out, iov, 2) == 0);
}

static void
test_reasons(const struct http_codec *codec)
{
	struct http_field table[8];
	struct http_head head;
	struct codec_in side;
	struct codec_piece piece;
	uint64_t offset;
	http_head_init(&head, table, 8);
	codec->begin(&side);
	OK(codec->read_request(&side, "GET /\n", 6, &head) == CODEC_BAD);
	OK(codec->reason(&side, &offset) == HTTP_REASON_BARE_LF && offset == 5);
	http_head_init(&head, table, 8);
	head.framing = HTTP_BODY_CHUNKED;
	codec->begin(&side);
	codec->begin_body(&side, &head, false);
	OK(codec->read_body(&side, "1\r\nx", 4, &piece) == CODEC_MORE);
	OK(codec->read_body(&side, "\n", 1, &piece) == CODEC_BAD && piece.used == 0);
	OK(codec->reason(&side, &offset) == HTTP_REASON_CHUNK_END && offset == 4);
}

int
main(void)
{
	test_reframe(&http_codec_h1);
	test_raw(&http_codec_h1);
	test_reasons(&http_codec_h1);
	return tap_done();
}
