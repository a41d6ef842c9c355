// SPDX-License-Identifier: MIT
// HTTP/1 behind the codec's vtable: each function hands on to h1.h.
#include "http/codec.h"

_Static_assert((int)CODEC_OK == (int)H1_OK && (int)CODEC_MORE == (int)H1_MORE &&
		   (int)CODEC_BAD == (int)H1_BAD,
	       "the codec's answers are those of h1");

static void
begin(struct codec_in *in)
{
	h1_parser_init(&in->head);
	in->body.state = 0;
	in->body.reason = HTTP_REASON_NONE;
	in->body_at = 0;
}

static enum codec_status
read_request(struct codec_in *in, const char *p, size_t n, struct http_head *head)
{
	return (enum codec_status)h1_parse_request(&in->head, p, n, head);
}

static enum codec_status
read_response(struct codec_in *in, const char *p, size_t n, struct http_head *head,
	      enum http_method request)
{
	return (enum codec_status)h1_parse_response(&in->head, p, n, head, request);
}

static size_t
head_bytes(const struct codec_in *in)
{
	return in->head.consumed;
}

static enum http_reason_id
too_big(const struct codec_in *in, const struct http_head *head)
{
	return h1_parser_too_big(&in->head, head);
}

static void
moved(struct codec_in *in, struct http_head *head, const char *from, size_t n, const char *to)
{
	h1_parser_rebase(&in->head, head, from, n, to);
}

static void
begin_body(struct codec_in *in, const struct http_head *head, bool decode)
{
	h1_body_init(&in->body, head, NULL);
	in->decode = decode;
}

static enum codec_status
read_body(struct codec_in *in, const char *p, size_t n, struct codec_piece *piece)
{
	enum h1_status s;
	if (in->decode) {
		s = h1_body_next(&in->body, p, n, &piece->used, &piece->data);
	} else {
		s = h1_body_scan(&in->body, p, n, &piece->used);
		piece->data = str_of(p, piece->used);
	}
	in->body_at += piece->used;
	return (enum codec_status)s;
}

static bool
end_of_input(const struct codec_in *in)
{
	return h1_body_eof(&in->body);
}

static enum http_reason_id
reason(const struct codec_in *in, uint64_t *offset)
{
	if (in->head.reason != HTTP_REASON_NONE) {
		*offset = in->head.bad_at;
		return in->head.reason;
	}
	*offset = in->body_at;
	return in->body.reason;
}

static size_t
write_request(struct codec_out *out, const struct http_head *head, struct iovec *iov, size_t max)
{
	out->chunked = head->framing == HTTP_BODY_CHUNKED;
	out->chunk_begun = false;
	return h1_write_request(head, &out->head, iov, max);
}

static size_t
write_response(struct codec_out *out, const struct http_head *head, struct iovec *iov, size_t max)
{
	out->chunked = head->framing == HTTP_BODY_CHUNKED;
	out->chunk_begun = false;
	return h1_write_response(head, &out->head, iov, max);
}

static size_t
write_data(struct codec_out *out, struct str data, struct iovec *iov, size_t max)
{
	struct iovec bytes = {.iov_base = (void *)(uintptr_t)data.p, .iov_len = data.n};
	if (data.n == 0 || max < 2)
		return 0;
	if (!out->chunked) {
		iov[0] = bytes;
		return 1;
	}
	iov[0].iov_base = out->chunk;
	iov[0].iov_len = h1_chunk_header(out->chunk, data.n, !out->chunk_begun);
	iov[1] = bytes;
	out->chunk_begun = true;
	return 2;
}

static size_t
write_end(struct codec_out *out, struct iovec *iov, size_t max)
{
	if (!out->chunked || max < 1)
		return 0;
	struct str end = out->chunk_begun ? H1_CHUNK_END : H1_CHUNK_END_EMPTY;
	iov[0] = (struct iovec){.iov_base = (void *)(uintptr_t)end.p, .iov_len = end.n};
	out->chunked = false;
	return 1;
}

const struct http_codec http_codec_h1 = {
    .name = "h1",
    .begin = begin,
    .read_request = read_request,
    .read_response = read_response,
    .head_bytes = head_bytes,
    .too_big = too_big,
    .moved = moved,
    .begin_body = begin_body,
    .read_body = read_body,
    .end_of_input = end_of_input,
    .reason = reason,
    .write_request = write_request,
    .write_response = write_response,
    .write_data = write_data,
    .write_end = write_end,
};
