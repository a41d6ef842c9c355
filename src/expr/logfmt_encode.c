// SPDX-License-Identifier: MIT
// Values of log formats as JSON (RFC 8259) and CBOR (RFC 8949). A value keeps its type: numbers
// and booleans are written as such, what is missing as null. A whole line is one object of the
// items that have a name, as HAProxy 3.0 has it. Bytes that are no UTF-8 become U+FFFD in JSON and
// a byte string in CBOR, so that what is written can always be read.

#include <endian.h>
#include <math.h>
#include <stdio.h>

#include "expr/logfmt_priv.h"

// ---- values

// Text of an alias as it stands without quotes and escapes.
static struct str
alias_text(const struct logfmt_piece *p, struct sample_ctx *ctx, const struct log_values *v)
{
	struct logfmt_out o = {.arena = ctx->arena, .mode = LOGFMT_VALUE};
	struct logfmt_piece bare = *p;
	bare.flags &= LOGFMT_HEX;
	p->alias->put(&o, &bare, ctx, v);
	ctx->failed |= o.full;
	return str_of(o.p, o.n);
}

// False: there is no value. A number that will still grow ("+34") is that number.
static bool
alias_value(const struct logfmt_piece *p, struct sample_ctx *ctx, const struct log_values *v,
	    struct sample *s)
{
	struct str text = alias_text(p, ctx, v);
	int64_t n;
	if (text.n == 0)
		return false;
	sample_set_str(s, text);
	if (p->alias->type == SMP_INT && !(p->flags & LOGFMT_HEX) &&
	    str_to_int(str_slice(text, text.p[0] == '+', text.n), &n))
		sample_set_int(s, n);
	return true;
}

static bool
value_of(const struct logfmt_piece *p, struct sample_ctx *ctx, const struct log_values *v,
	 struct sample *s)
{
	*s = (struct sample){0};
	bool there =
	    p->kind == LOGFMT_EXPR ? expr_eval(p->expr, ctx, s) : alias_value(p, ctx, v, s);
	if (!there || !sample_cast(s, (enum sample_type)p->cast, ctx))
		return false;
	struct str text;
	if (s->type == SMP_IP4 || s->type == SMP_IP6 || s->type == SMP_METH) {
		if (!sample_text(s, ctx, &text))
			return false;
		sample_set_str(s, text);
	}
	return true;
}

// ---- JSON

static void
json_string(struct logfmt_out *o, struct str s)
{
	size_t from = 0;
	logfmt_put(o, "\"", 1);
	for (size_t i = 0; i < s.n;) {
		unsigned char c = (unsigned char)s.p[i];
		size_t len = str_utf8_len(str_slice(s, i, s.n));
		if (len > 0 && c >= 0x20 && c != '"' && c != '\\') {
			i += len;
			continue;
		}
		char text[8];
		int n = len == 0   ? snprintf(text, sizeof(text), "\xef\xbf\xbd")
			: c < 0x20 ? snprintf(text, sizeof(text), "\\u%04x", c)
				   : snprintf(text, sizeof(text), "\\%c", c);
		logfmt_put(o, s.p + from, i - from);
		logfmt_put(o, text, (size_t)n);
		from = ++i;
	}
	logfmt_put(o, s.p + from, s.n - from);
	logfmt_put(o, "\"", 1);
}

static void
json_value(struct logfmt_out *o, const struct sample *s)
{
	char text[32];
	int n;
	switch (s->type) {
	case SMP_BOOL:
		n = snprintf(text, sizeof(text), "%s", s->b ? "true" : "false");
		break;
	case SMP_INT:
		n = s->flags & SMP_FRACTION && isfinite(s->f)
			? snprintf(text, sizeof(text), "%.14g", s->f)
			: snprintf(text, sizeof(text), "%lld", (long long)s->i);
		break;
	case SMP_STR:
	case SMP_BIN:
		json_string(o, s->s);
		return;
	default:
		n = snprintf(text, sizeof(text), "null");
	}
	logfmt_put(o, text, (size_t)n);
}

// ---- CBOR

enum cbor_major { CBOR_UINT = 0x00, CBOR_NEGATIVE = 0x20, CBOR_BYTES = 0x40, CBOR_TEXT = 0x60 };
enum cbor_simple {
	CBOR_FALSE = 0xf4,
	CBOR_TRUE = 0xf5,
	CBOR_NULL = 0xf6,
	CBOR_DOUBLE = 0xfb,
	CBOR_MAP = 0xbf, // of no announced length
	CBOR_END = 0xff,
};

// Two digits each, unless bytes are asked for.
static void
cbor_bytes(struct logfmt_out *o, const void *bytes, size_t n)
{
	static const char hex[] = "0123456789ABCDEF";
	const unsigned char *b = bytes;
	if (o->raw)
		logfmt_put(o, bytes, n);
	for (size_t i = 0; i < n && !o->raw; i++)
		logfmt_put(o, (char[]){hex[b[i] >> 4], hex[b[i] & 15]}, 2);
}

static void
cbor_byte(struct logfmt_out *o, unsigned byte)
{
	cbor_bytes(o, &(unsigned char){(unsigned char)byte}, 1);
}

// The shortest form of a major type with its number (section 3).
static void
cbor_head(struct logfmt_out *o, enum cbor_major major, uint64_t n)
{
	unsigned log2 = n <= UINT8_MAX ? 0 : n <= UINT16_MAX ? 1 : n <= UINT32_MAX ? 2 : 3;
	if (n < 24) {
		cbor_byte(o, major | (unsigned)n);
		return;
	}
	cbor_byte(o, major | (24 + log2));
	for (int shift = (8 << log2) - 8; shift >= 0; shift -= 8)
		cbor_byte(o, (unsigned)(n >> shift) & 0xff);
}

static void
cbor_string(struct logfmt_out *o, struct str s, bool bytes)
{
	for (size_t i = 0, len; i < s.n && !bytes; i += len)
		bytes |= (len = str_utf8_len(str_slice(s, i, s.n))) == 0;
	cbor_head(o, bytes ? CBOR_BYTES : CBOR_TEXT, s.n);
	cbor_bytes(o, s.p, s.n);
}

static void
cbor_number(struct logfmt_out *o, const struct sample *s)
{
	uint64_t bits;
	if (!(s->flags & SMP_FRACTION)) {
		cbor_head(o, s->i < 0 ? CBOR_NEGATIVE : CBOR_UINT,
			  s->i < 0 ? ~(uint64_t)s->i : (uint64_t)s->i);
		return;
	}
	memcpy(&bits, &s->f, sizeof(bits));
	bits = htobe64(bits);
	cbor_byte(o, CBOR_DOUBLE);
	cbor_bytes(o, &bits, sizeof(bits));
}

static void
cbor_value(struct logfmt_out *o, const struct sample *s)
{
	switch (s->type) {
	case SMP_BOOL:
		cbor_byte(o, s->b ? CBOR_TRUE : CBOR_FALSE);
		return;
	case SMP_INT:
		cbor_number(o, s);
		return;
	case SMP_STR:
	case SMP_BIN:
		cbor_string(o, s->s, s->type == SMP_BIN);
		return;
	default:
		cbor_byte(o, CBOR_NULL);
	}
}

// ---- items and lines

void
logfmt_encode_item(struct logfmt_out *o, const struct logfmt_piece *p, struct sample_ctx *ctx,
		   const struct log_values *v)
{
	struct sample s;
	if (!value_of(p, ctx, v, &s))
		s = (struct sample){.type = SMP_ANY};
	(p->flags & LOGFMT_JSON ? json_value : cbor_value)(o, &s);
}

void
logfmt_encode_line(struct logfmt_out *o, const struct logfmt_piece *p, size_t n, unsigned how,
		   struct sample_ctx *ctx, const struct log_values *v)
{
	bool json = (how & LOGFMT_JSON) != 0;
	if (json)
		logfmt_put(o, "{", 1);
	else
		cbor_byte(o, CBOR_MAP);
	for (size_t i = 0; i < n; i++) {
		if (json && i > 0)
			logfmt_put(o, ", ", 2);
		if (json)
			json_string(o, p[i].name);
		else
			cbor_string(o, p[i].name, false);
		if (json)
			logfmt_put(o, ": ", 2);
		logfmt_encode_item(o, &p[i], ctx, v);
	}
	if (json)
		logfmt_put(o, "}", 1);
	else
		cbor_byte(o, CBOR_END);
}
