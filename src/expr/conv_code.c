// SPDX-License-Identifier: MIT
// Converters between encodings: hexadecimal, base64 in both alphabets, percent-encoding, and
// bytes as numbers.

#include "expr/expr_priv.h"

static const char hex_digits[] = "0123456789ABCDEF";

static bool
conv_hex(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *smp)
{
	char *p = sample_room(ctx, 2 * smp->s.n);
	if (p == NULL)
		return false;
	for (size_t i = 0; i < smp->s.n; i++) {
		p[2 * i] = hex_digits[(uint8_t)smp->s.p[i] >> 4];
		p[2 * i + 1] = hex_digits[(uint8_t)smp->s.p[i] & 15];
	}
	sample_set_str(smp, str_of(p, 2 * smp->s.n));
	return true;
}

static bool
conv_hex2i(const struct expr_arg *args UNUSED, struct sample_ctx *ctx UNUSED, struct sample *smp)
{
	uint64_t value = 0;
	for (size_t i = 0; i < smp->s.n; i++) {
		int digit = byte_hex(smp->s.p[i]);
		if (digit < 0)
			return false;
		value = value << 4 | (unsigned)digit;
	}
	sample_set_int(smp, (int64_t)value);
	return true;
}

// ---- base64

static const char base64_std[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64_url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static bool
encode(struct sample_ctx *ctx, struct sample *smp, const char *alphabet, bool pad)
{
	size_t n = 0;
	char *p = sample_room(ctx, (smp->s.n + 2) / 3 * 4);
	if (p == NULL)
		return false;
	for (size_t i = 0; i < smp->s.n; i += 3) {
		size_t left = smp->s.n - i;
		uint32_t v = (uint32_t)(uint8_t)smp->s.p[i] << 16;
		if (left > 1)
			v |= (uint32_t)(uint8_t)smp->s.p[i + 1] << 8;
		if (left > 2)
			v |= (uint8_t)smp->s.p[i + 2];
		for (size_t k = 0; k < 4; k++) {
			if (k <= left)
				p[n++] = alphabet[(v >> (18 - 6 * k)) & 63];
			else if (pad)
				p[n++] = '=';
		}
	}
	sample_set_str(smp, str_of(p, n));
	return true;
}

static int
digit_of(char c, const char *alphabet)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == alphabet[62] ? 62 : c == alphabet[63] ? 63 : -1;
}

// padded: the text is whole groups of four with '=' at the end; else it has none.
static bool
decode(struct sample_ctx *ctx, struct sample *smp, const char *alphabet, bool padded)
{
	struct str s = smp->s;
	if (padded && s.n % 4 != 0)
		return false;
	for (int i = 0; padded && i < 2 && s.n > 0 && s.p[s.n - 1] == '='; i++)
		s.n--;
	char *p = sample_room(ctx, s.n);
	size_t n = 0;
	uint32_t bits = 0;
	unsigned n_bits = 0;
	if (p == NULL || s.n % 4 == 1)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		int digit = digit_of(s.p[i], alphabet);
		if (digit < 0)
			return false;
		bits = bits << 6 | (uint32_t)digit;
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			p[n++] = (char)(bits >> n_bits);
		}
	}
	smp->type = SMP_BIN;
	smp->s = str_of(p, n);
	return true;
}

static bool
conv_base64(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *smp)
{
	return encode(ctx, smp, base64_std, true);
}

static bool
conv_b64dec(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *smp)
{
	return decode(ctx, smp, base64_std, true);
}

static bool
conv_ub64enc(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *smp)
{
	return encode(ctx, smp, base64_url, false);
}

static bool
conv_ub64dec(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *smp)
{
	return decode(ctx, smp, base64_url, false);
}

// ---- percent-encoding

static bool
conv_url_dec(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *smp)
{
	bool in_form = args[0].i != 0;
	struct str s = smp->s;
	char *p = sample_room(ctx, s.n);
	size_t n = 0;
	if (p == NULL)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c == '%') {
			int high = i + 2 < s.n ? byte_hex(s.p[i + 1]) : -1;
			int low = i + 2 < s.n ? byte_hex(s.p[i + 2]) : -1;
			if (high < 0 || low < 0)
				return false;
			c = (char)(high * 16 + low);
			i += 2;
		} else if (c == '+' && in_form) {
			c = ' ';
		} else if (c == '?') {
			in_form = true;
		}
		p[n++] = c;
	}
	sample_set_str(smp, str_of(p, n));
	return true;
}

static bool
is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

static bool
conv_url_enc(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *smp)
{
	char *p = sample_room(ctx, 3 * smp->s.n);
	size_t n = 0;
	if (p == NULL)
		return false;
	for (size_t i = 0; i < smp->s.n; i++) {
		char c = smp->s.p[i];
		if (is_unreserved(c)) {
			p[n++] = c;
			continue;
		}
		p[n++] = '%';
		p[n++] = hex_digits[(uint8_t)c >> 4];
		p[n++] = hex_digits[(uint8_t)c & 15];
	}
	sample_set_str(smp, str_of(p, n));
	return true;
}

static bool
check_url_enc(struct expr_arg *args, struct expr_env *env UNUSED, enum sample_type *out UNUSED,
	      struct err *err)
{
	if (args[0].given && !str_eq(args[0].s, STR("query")))
		return err_set(err, "encoding '%.*s' is not known, only query is",
			       STR_ARG(args[0].s));
	return true;
}

// ---- bytes as numbers

// Chunks of `size` bytes as decimal numbers; the last one may be shorter unless cut.
static bool
chunks_to_dec(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *smp, bool little)
{
	struct str sep = args[0].s, s = smp->s;
	size_t size = (size_t)args[1].i, n = 0;
	size_t n_chunks = args[2].i != 0 ? s.n / size : (s.n + size - 1) / size;
	char *p = sample_room(ctx, n_chunks * (sep.n + 20) + 24);
	if (p == NULL)
		return false;
	for (size_t k = 0; k < n_chunks; k++) {
		struct str chunk = str_slice(s, k * size, (k + 1) * size);
		uint64_t v = 0;
		char digits[24], *d = digits + sizeof(digits);
		for (size_t i = 0; i < chunk.n; i++)
			v = v << 8 | (uint8_t)chunk.p[little ? chunk.n - 1 - i : i];
		do
			*--d = (char)('0' + v % 10);
		while ((v /= 10) != 0);
		if (k > 0 && sep.n > 0) {
			memcpy(p + n, sep.p, sep.n);
			n += sep.n;
		}
		memcpy(p + n, d, (size_t)(digits + sizeof(digits) - d));
		n += (size_t)(digits + sizeof(digits) - d);
	}
	sample_set_str(smp, str_of(p, n));
	return true;
}

static bool
conv_be2dec(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *smp)
{
	return chunks_to_dec(args, ctx, smp, false);
}

static bool
conv_le2dec(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *smp)
{
	return chunks_to_dec(args, ctx, smp, true);
}

static bool
conv_be2hex(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *smp)
{
	struct str sep = args[0].s, s = smp->s;
	size_t size = args[1].given ? (size_t)args[1].i : 1, n = 0;
	if (args[2].i != 0)
		s.n -= s.n % size;
	char *p = sample_room(ctx, s.n * 2 + (s.n / size) * sep.n);
	if (p == NULL)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (i > 0 && i % size == 0 && sep.n > 0) {
			memcpy(p + n, sep.p, sep.n);
			n += sep.n;
		}
		p[n++] = hex_digits[(uint8_t)s.p[i] >> 4];
		p[n++] = hex_digits[(uint8_t)s.p[i] & 15];
	}
	sample_set_str(smp, str_of(p, n));
	return true;
}

static bool
conv_htonl(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *smp)
{
	uint32_t v = (uint32_t)smp->i;
	char bytes[] = {(char)(v >> 24), (char)(v >> 16), (char)(v >> 8), (char)v};
	struct str copy = str_copy(ctx->arena, str_of(bytes, sizeof(bytes)));
	ctx->failed |= copy.p == NULL;
	smp->type = SMP_BIN;
	smp->s = copy;
	return copy.p != NULL;
}

static const struct arg_spec args_form[] = {{ARG_INT, .name = "in_form", .flags = ARG_OPTIONAL,
					     .min = 0, .max = 1},
					    {.type = ARG_END}};
static const struct arg_spec args_enc[] = {{ARG_STR, .name = "enc_type", .flags = ARG_OPTIONAL},
					   {.type = ARG_END}};
static const struct arg_spec args_dec_chunks[] = {{ARG_STR, .name = "separator"},
						  {ARG_INT, .name = "chunk_size", .min = 1,
						   .max = 8},
						  {ARG_INT, .name = "truncate",
						   .flags = ARG_OPTIONAL, .min = 0, .max = 1},
						  {.type = ARG_END}};
static const struct arg_spec args_hex_chunks[] = {
    {ARG_STR, .name = "separator", .flags = ARG_OPTIONAL},
    {ARG_INT, .name = "chunk_size", .flags = ARG_OPTIONAL, .min = 1, .max = INT32_MAX},
    {ARG_INT, .name = "truncate", .flags = ARG_OPTIONAL, .min = 0, .max = 1},
    {.type = ARG_END}};

#define CODE_ROW(n, a, i, o, f, c, h)                                                       \
	{                                                                                   \
		.name = (n), .args = (a), .in = (i), .out = (o), .conv = (f), .check = (c), \
		.help = (h)                                                                 \
	}

const struct conv_row expr_convs_code[] = {
    CODE_ROW("hex", NULL, SMP_BIN, SMP_STR, conv_hex, NULL, "bytes as hexadecimal text"),
    CODE_ROW("hex2i", NULL, SMP_STR, SMP_INT, conv_hex2i, NULL, "hexadecimal text as an integer"),
    CODE_ROW("base64", NULL, SMP_BIN, SMP_STR, conv_base64, NULL, "bytes as base64"),
    CODE_ROW("b64dec", NULL, SMP_STR, SMP_BIN, conv_b64dec, NULL, "base64 as bytes"),
    CODE_ROW("ub64enc", NULL, SMP_BIN, SMP_STR, conv_ub64enc, NULL,
	     "bytes as base64url without padding"),
    CODE_ROW("ub64dec", NULL, SMP_STR, SMP_BIN, conv_ub64dec, NULL, "base64url as bytes"),
    CODE_ROW("url_dec", args_form, SMP_STR, SMP_STR, conv_url_dec, NULL,
	     "percent-decoded; '+' is a space behind '?', with in_form 1 everywhere"),
    CODE_ROW("url_enc", args_enc, SMP_STR, SMP_STR, conv_url_enc, check_url_enc,
	     "percent-encoded for a query"),
    CODE_ROW("be2dec", args_dec_chunks, SMP_BIN, SMP_STR, conv_be2dec, NULL,
	     "chunks of big endian bytes as decimal numbers"),
    CODE_ROW("le2dec", args_dec_chunks, SMP_BIN, SMP_STR, conv_le2dec, NULL,
	     "chunks of little endian bytes as decimal numbers"),
    CODE_ROW("be2hex", args_hex_chunks, SMP_BIN, SMP_STR, conv_be2hex, NULL,
	     "chunks of bytes as hexadecimal text"),
    CODE_ROW("htonl", NULL, SMP_INT, SMP_BIN, conv_htonl, NULL,
	     "the lowest 32 bits of an integer as four bytes, the highest first"),
    {.name = NULL},
};
