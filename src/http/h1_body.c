// SPDX-License-Identifier: MIT
// Body framing (RFC 9112 sections 6 and 7): a state machine that takes a byte at a time through
// chunk lines and trailers and whole stretches of data at once. Scanning and decoding are the same
// machine; decoding stops behind each stretch. Chunk lines are taken by the grammar's letter:
// white space, extensions and line ends that two readers could understand differently are refused.
#include "http/h1.h"

#include "http/names_priv.h"
#include "http/scan_priv.h"

const struct h1_limits h1_limits_default = {
    .max_trailers_bytes = 8192,
    .max_trailers = 32,
    .max_chunk_ext_bytes = 256,
};

enum state {
	DONE, // h1_body_is_done knows it as 0
	DATA,
	UNTIL_CLOSE,
	FAILED,
	SIZE,
	EXT_OR_END,  // behind a size or an extension's end
	EXT,         // behind white space: only ';' may come
	EXT_NAME,    // its first byte
	EXT_IN_NAME, // the others
	EXT_EQUALS,  // behind white space behind a name
	EXT_VALUE,
	EXT_IN_VALUE,
	EXT_QUOTED,
	EXT_QUOTED_PAIR,
	SIZE_LF,
	CHUNK_DATA,
	CHUNK_CR,
	CHUNK_LF,
	TRAILER, // first byte of a line
	TRAILER_NAME,
	TRAILER_VALUE,
	TRAILER_LF,
	END_LF,
};

// Fields that frame, route, authenticate or describe the content must not come late (RFC 9110
// section 6.5.1).
#define BIT(id) (UINT64_C(1) << (id))
#define FORBIDDEN_TRAILERS                                                                        \
	(BIT(HTTP_FIELD_TRANSFER_ENCODING) | BIT(HTTP_FIELD_CONTENT_LENGTH) |                     \
	 BIT(HTTP_FIELD_HOST) | BIT(HTTP_FIELD_CONNECTION) | BIT(HTTP_FIELD_TE) |                 \
	 BIT(HTTP_FIELD_UPGRADE) | BIT(HTTP_FIELD_TRAILER) | BIT(HTTP_FIELD_KEEP_ALIVE) |         \
	 BIT(HTTP_FIELD_PROXY_CONNECTION) | BIT(HTTP_FIELD_EXPECT) |                              \
	 BIT(HTTP_FIELD_MAX_FORWARDS) | BIT(HTTP_FIELD_AUTHORIZATION) |                           \
	 BIT(HTTP_FIELD_PROXY_AUTHORIZATION) | BIT(HTTP_FIELD_PROXY_AUTHENTICATE) |               \
	 BIT(HTTP_FIELD_WWW_AUTHENTICATE) | BIT(HTTP_FIELD_COOKIE) | BIT(HTTP_FIELD_SET_COOKIE) | \
	 BIT(HTTP_FIELD_CONTENT_ENCODING) | BIT(HTTP_FIELD_CONTENT_TYPE) |                        \
	 BIT(HTTP_FIELD_CONTENT_RANGE) | BIT(HTTP_FIELD_CACHE_CONTROL) | BIT(HTTP_FIELD_RANGE) |  \
	 BIT(HTTP_FIELD_LOCATION) | BIT(HTTP_FIELD_AGE) | BIT(HTTP_FIELD_DATE) |                  \
	 BIT(HTTP_FIELD_EXPIRES) | BIT(HTTP_FIELD_VARY) | BIT(HTTP_FIELD_IF_MATCH) |              \
	 BIT(HTTP_FIELD_IF_NONE_MATCH) | BIT(HTTP_FIELD_IF_MODIFIED_SINCE) |                      \
	 BIT(HTTP_FIELD_IF_RANGE))

void
h1_body_init_framing(struct h1_body *b, enum http_framing framing, uint64_t length,
		     const struct h1_limits *limits)
{
	static const uint8_t first[] = {
	    [HTTP_BODY_NONE] = DONE,          [HTTP_BODY_LENGTH] = DATA,
	    [HTTP_BODY_CHUNKED] = SIZE,       [HTTP_BODY_CLOSE] = UNTIL_CLOSE,
	    [HTTP_BODY_TUNNEL] = UNTIL_CLOSE,
	};
	b->left = framing == HTTP_BODY_LENGTH ? length : 0;
	b->total = 0;
	b->limits = limits != NULL ? limits : &h1_limits_default;
	b->framing = (uint8_t)framing;
	b->state = first[framing];
	if (framing == HTTP_BODY_LENGTH && length == 0)
		b->state = DONE;
	b->reason = HTTP_REASON_NONE;
	b->digits = b->name_n = 0;
	b->ext = b->n_trailers = 0;
	b->trailer_bytes = 0;
}

void
h1_body_init(struct h1_body *b, const struct http_head *head, const struct h1_limits *limits)
{
	h1_body_init_framing(b, head->framing, head->content_length, limits);
}

static enum h1_status
bad(struct h1_body *b, enum http_reason_id why)
{
	b->state = FAILED;
	b->reason = (uint8_t)why;
	return H1_BAD;
}

// The byte does not fit the grammar: a control byte is named as such, else `why`.
static enum h1_status
bad_byte(struct h1_body *b, char c, enum http_reason_id why)
{
	if (c == '\n')
		why = HTTP_REASON_BARE_LF;
	else if (c == '\0')
		why = HTTP_REASON_NUL;
	return bad(b, why);
}

static unsigned
hex_value(char c)
{
	return (unsigned char)c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

// One byte inside chunk extensions, whose grammar is
// *( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] ). FAILED when it does not fit.
static enum state
ext_byte(enum state s, char c)
{
	switch (s) {
	case EXT_OR_END:
		return c == ';' ? EXT_NAME : is_blank(c) ? EXT : c == '\r' ? SIZE_LF : FAILED;
	case EXT:
		return c == ';' ? EXT_NAME : is_blank(c) ? EXT : FAILED;
	case EXT_NAME:
		return is_blank(c) ? EXT_NAME : char_is(c, CHAR_TOKEN) ? EXT_IN_NAME : FAILED;
	case EXT_IN_NAME:
		if (char_is(c, CHAR_TOKEN))
			return EXT_IN_NAME;
		return c == '='      ? EXT_VALUE
		       : c == ';'    ? EXT_NAME
		       : is_blank(c) ? EXT_EQUALS
		       : c == '\r'   ? SIZE_LF
				     : FAILED;
	case EXT_EQUALS:
		return c == '='      ? EXT_VALUE
		       : c == ';'    ? EXT_NAME
		       : is_blank(c) ? EXT_EQUALS
				     : FAILED;
	case EXT_VALUE:
		if (c == '"')
			return EXT_QUOTED;
		return is_blank(c) ? EXT_VALUE : char_is(c, CHAR_TOKEN) ? EXT_IN_VALUE : FAILED;
	case EXT_IN_VALUE:
		return char_is(c, CHAR_TOKEN) ? EXT_IN_VALUE : ext_byte(EXT_OR_END, c);
	case EXT_QUOTED:
		if (byte_is_control(c))
			return FAILED;
		return c == '"' ? EXT_OR_END : c == '\\' ? EXT_QUOTED_PAIR : EXT_QUOTED;
	case EXT_QUOTED_PAIR:
		return byte_is_control(c) ? FAILED : EXT_QUOTED;
	default:
		return FAILED;
	}
}

static enum h1_status
take_ext(struct h1_body *b, char c)
{
	enum state next = ext_byte(b->state, c);
	if (next == FAILED)
		return bad_byte(b, c, HTTP_REASON_CHUNK_EXT);
	if (next != SIZE_LF && ++b->ext > b->limits->max_chunk_ext_bytes)
		return bad(b, HTTP_REASON_CHUNK_EXT_TOO_BIG);
	b->state = (uint8_t)next;
	return H1_MORE;
}

static enum h1_status
take_size(struct h1_body *b, char c)
{
	if (char_is(c, CHAR_HEX)) {
		if (b->digits == 16 || b->left > INT64_MAX >> 4)
			return bad(b, HTTP_REASON_CHUNK_OVERFLOW);
		b->left = b->left << 4 | hex_value(c);
		b->digits++;
		return H1_MORE;
	}
	if (b->digits == 0)
		return bad_byte(b, c, HTTP_REASON_CHUNK_SIZE);
	b->state = EXT_OR_END;
	b->ext = 0;
	enum h1_status s = take_ext(b, c);
	if (s == H1_BAD && b->reason == HTTP_REASON_CHUNK_EXT)
		b->reason = HTTP_REASON_CHUNK_SIZE;
	return s;
}

// Behind the size line's CR.
static enum h1_status
take_size_lf(struct h1_body *b, char c)
{
	if (c != '\n')
		return bad(b, HTTP_REASON_BARE_CR);
	b->state = b->left > 0 ? CHUNK_DATA : TRAILER;
	b->digits = 0;
	return H1_MORE;
}

static enum h1_status
take_chunk_end(struct h1_body *b, char c)
{
	if (c != (b->state == CHUNK_CR ? '\r' : '\n'))
		return bad(b, HTTP_REASON_CHUNK_END);
	b->state = b->state == CHUNK_CR ? CHUNK_LF : SIZE;
	return H1_MORE;
}

// The trailer's name is complete.
static enum h1_status
take_trailer_colon(struct h1_body *b)
{
	enum http_field_id id = HTTP_FIELD_OTHER;
	if (b->name_n <= sizeof(b->name))
		id = name_lookup(b->name, b->name_n);
	if (FORBIDDEN_TRAILERS & ~BIT(HTTP_FIELD_OTHER) & BIT(id))
		return bad(b, HTTP_REASON_TRAILER_FORBIDDEN);
	b->state = TRAILER_VALUE;
	return H1_MORE;
}

static enum h1_status
take_trailer_name(struct h1_body *b, char c)
{
	if (b->state == TRAILER && c == '\r') {
		b->state = END_LF;
		return H1_MORE;
	}
	if (b->state == TRAILER) {
		b->name_n = 0;
		if (++b->n_trailers > b->limits->max_trailers)
			return bad(b, HTTP_REASON_TRAILERS_TOO_BIG);
	}
	if (b->state == TRAILER_NAME && c == ':')
		return take_trailer_colon(b);
	if (!char_is(c, CHAR_TOKEN))
		return bad_byte(b, c, HTTP_REASON_TRAILER);
	if (b->name_n < sizeof(b->name))
		b->name[b->name_n] = c;
	b->name_n = (uint8_t)MIN(b->name_n + 1, 255);
	b->state = TRAILER_NAME;
	return H1_MORE;
}

static enum h1_status
take_trailer(struct h1_body *b, char c)
{
	if (++b->trailer_bytes > b->limits->max_trailers_bytes)
		return bad(b, HTTP_REASON_TRAILERS_TOO_BIG);
	if (b->state == TRAILER || b->state == TRAILER_NAME)
		return take_trailer_name(b, c);
	if (b->state == TRAILER_VALUE) {
		if (c != '\r' && byte_is_control(c))
			return bad_byte(b, c, HTTP_REASON_TRAILER);
		if (c == '\r')
			b->state = TRAILER_LF;
		return H1_MORE;
	}
	if (c != '\n')
		return bad(b, HTTP_REASON_BARE_CR);
	b->state = b->state == END_LF ? DONE : TRAILER;
	return b->state == DONE ? H1_OK : H1_MORE;
}

// One byte of framing.
static enum h1_status
take(struct h1_body *b, char c)
{
	switch ((enum state)b->state) {
	case SIZE:
		return take_size(b, c);
	case SIZE_LF:
		return take_size_lf(b, c);
	case CHUNK_CR:
	case CHUNK_LF:
		return take_chunk_end(b, c);
	case TRAILER:
	case TRAILER_NAME:
	case TRAILER_VALUE:
	case TRAILER_LF:
	case END_LF:
		return take_trailer(b, c);
	default:
		return take_ext(b, c);
	}
}

// A stretch of data of at most n bytes; its length. The state moves on when the data end.
static size_t
take_data(struct h1_body *b, size_t n)
{
	size_t took = b->state == UNTIL_CLOSE ? n : (size_t)MIN(b->left, (uint64_t)n);
	b->total += took;
	if (b->state == UNTIL_CLOSE)
		return took;
	b->left -= took;
	if (b->left == 0)
		b->state = b->state == DATA ? DONE : CHUNK_CR;
	return took;
}

static bool
in_data(const struct h1_body *b)
{
	return b->state == DATA || b->state == CHUNK_DATA || b->state == UNTIL_CLOSE;
}

// Runs over the input; with `data` only up to the end of the first stretch of data.
static enum h1_status
run(struct h1_body *b, const char *p, size_t n, size_t *used, struct str *data)
{
	size_t at = 0;
	enum h1_status s = H1_MORE;
	while (at < n && b->state != DONE && s == H1_MORE) {
		if (in_data(b)) {
			size_t took = take_data(b, n - at);
			at += took;
			if (data != NULL) {
				*data = str_of(p + at - took, took);
				break;
			}
		} else {
			s = b->state == FAILED ? H1_BAD : take(b, p[at]);
			at += s != H1_BAD;
		}
	}
	*used = at;
	if (b->state == FAILED)
		return H1_BAD;
	return b->state == DONE ? H1_OK : H1_MORE;
}

enum h1_status
h1_body_scan(struct h1_body *b, const char *p, size_t n, size_t *used)
{
	return run(b, p, n, used, NULL);
}

enum h1_status
h1_body_next(struct h1_body *b, const char *p, size_t n, size_t *used, struct str *data)
{
	*data = str_of(p, 0);
	return run(b, p, n, used, data);
}

bool
h1_body_eof(const struct h1_body *b)
{
	return b->state == DONE || b->state == UNTIL_CLOSE;
}
