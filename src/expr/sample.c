// SPDX-License-Identifier: MIT
// Samples: the table of casts between types, and text to addresses and back.

#include "expr/sample.h"

#include <arpa/inet.h>
#include <stdio.h>

typedef bool (*cast_f)(struct sample *s, struct sample_ctx *ctx);

static const char *const type_names[SMP_N_TYPES] = {
    [SMP_ANY] = "any",    [SMP_BOOL] = "bool", [SMP_INT] = "int",
    [SMP_ADDR] = "addr",  [SMP_IP4] = "ip4",   [SMP_IP6] = "ip6",
    [SMP_STR] = "string", [SMP_BIN] = "bin",   [SMP_METH] = "method",
};

const char *
sample_type_name(enum sample_type t)
{
	ASSERT(t < SMP_N_TYPES);
	return type_names[t];
}

static bool
arena_text(struct sample *s, struct sample_ctx *ctx, const char *p, size_t n)
{
	struct str copy = str_copy(ctx->arena, str_of(p, n));
	if (copy.p == NULL) {
		ctx->failed = true;
		return false;
	}
	sample_set_str(s, copy);
	return true;
}

static bool
cast_none(struct sample *s UNUSED, struct sample_ctx *ctx UNUSED)
{
	return true;
}

static bool
bool_to_int(struct sample *s, struct sample_ctx *ctx UNUSED)
{
	sample_set_int(s, s->b);
	return true;
}

static bool
int_to_bool(struct sample *s, struct sample_ctx *ctx UNUSED)
{
	sample_set_bool(s, s->i != 0);
	return true;
}

static bool
int_to_str(struct sample *s, struct sample_ctx *ctx)
{
	char digits[32], *p = digits + sizeof(digits);
	if (UNLIKELY(s->flags & SMP_FRACTION) && s->type == SMP_INT) {
		s->flags &= (uint8_t)~SMP_FRACTION;
		return arena_text(s, ctx, digits,
				  (size_t)snprintf(digits, sizeof(digits), "%.14g", s->f));
	}
	int64_t value = s->type == SMP_BOOL ? s->b : s->i;
	uint64_t u = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	do
		*--p = (char)('0' + u % 10);
	while ((u /= 10) != 0);
	if (value < 0)
		*--p = '-';
	return arena_text(s, ctx, p, (size_t)(digits + sizeof(digits) - p));
}

static bool
int_to_ip4(struct sample *s, struct sample_ctx *ctx UNUSED)
{
	uint32_t net = htonl((uint32_t)s->i);
	s->type = SMP_IP4;
	memcpy(s->ip, &net, 4);
	return true;
}

static bool
ip4_to_ip6(struct sample *s, struct sample_ctx *ctx UNUSED)
{
	s->type = SMP_IP6;
	memcpy(s->ip + 12, s->ip, 4);
	memset(s->ip, 0, 10);
	memset(s->ip + 10, 0xff, 2);
	return true;
}

static bool
int_to_ip6(struct sample *s, struct sample_ctx *ctx)
{
	return int_to_ip4(s, ctx) && ip4_to_ip6(s, ctx);
}

static bool
ip4_to_int(struct sample *s, struct sample_ctx *ctx UNUSED)
{
	uint32_t net;
	memcpy(&net, s->ip, 4);
	sample_set_int(s, ntohl(net));
	return true;
}

// Only what stands for an IPv4 address: ::ffff:a.b.c.d and ::a.b.c.d.
static bool
ip6_to_ip4(struct sample *s, struct sample_ctx *ctx UNUSED)
{
	static const uint8_t zero[10];
	if (memcmp(s->ip, zero, sizeof(zero)) != 0)
		return false;
	if (!(s->ip[10] == 0xff && s->ip[11] == 0xff) && !(s->ip[10] == 0 && s->ip[11] == 0))
		return false;
	memcpy(s->ip, s->ip + 12, 4);
	s->type = SMP_IP4;
	return true;
}

static bool
ip_to_str(struct sample *s, struct sample_ctx *ctx)
{
	char text[INET6_ADDRSTRLEN];
	size_t n = sample_print_ip(s, text, sizeof(text));
	return arena_text(s, ctx, text, n);
}

static bool
ip_to_bin(struct sample *s, struct sample_ctx *ctx)
{
	size_t n = s->type == SMP_IP4 ? 4 : 16;
	uint8_t bytes[16];
	memcpy(bytes, s->ip, sizeof(bytes));
	if (!arena_text(s, ctx, (const char *)bytes, n))
		return false;
	s->type = SMP_BIN;
	return true;
}

// Eight bytes, the highest first.
static bool
int_to_bin(struct sample *s, struct sample_ctx *ctx)
{
	uint64_t value = s->type == SMP_BOOL ? s->b : (uint64_t)s->i;
	char bytes[8];
	for (int i = 7; i >= 0; i--, value >>= 8)
		bytes[i] = (char)(value & 255);
	if (!arena_text(s, ctx, bytes, sizeof(bytes)))
		return false;
	s->type = SMP_BIN;
	return true;
}

// As HAProxy's read_int64: leading digits count, the rest does not, "abc" is 0, "" nothing;
// limits hold.
static bool
str_to_int64(struct sample *s, struct sample_ctx *ctx UNUSED)
{
	struct str t = s->s;
	size_t i = 0;
	bool negative = false;
	if (t.n == 0)
		return false;
	int64_t value = 0;
	if (t.n > 0 && (t.p[0] == '-' || t.p[0] == '+')) {
		negative = t.p[0] == '-';
		i++;
	}
	for (; i < t.n && t.p[i] >= '0' && t.p[i] <= '9'; i++) {
		int digit = t.p[i] - '0';
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_sub_overflow(value, digit, &value)) {
			value = INT64_MIN;
			break;
		}
	}
	sample_set_int(s, negative ? value : value == INT64_MIN ? INT64_MAX : -value);
	return true;
}

static bool
str_to_bool_value(struct sample *s, struct sample_ctx *ctx)
{
	return str_to_int64(s, ctx) && int_to_bool(s, ctx);
}

static bool
str_to_addr(struct sample *s, struct sample_ctx *ctx UNUSED)
{
	return sample_parse_ip(s->s, s);
}

static bool
str_to_ip4(struct sample *s, struct sample_ctx *ctx)
{
	return sample_parse_ip(s->s, s) && (s->type == SMP_IP4 || ip6_to_ip4(s, ctx));
}

static bool
str_to_ip6(struct sample *s, struct sample_ctx *ctx)
{
	return sample_parse_ip(s->s, s) && (s->type == SMP_IP6 || ip4_to_ip6(s, ctx));
}

static bool
to_text_type(struct sample *s, struct sample_ctx *ctx UNUSED)
{
	s->type = SMP_STR;
	return true;
}

static bool
to_meth_type(struct sample *s, struct sample_ctx *ctx UNUSED)
{
	s->type = SMP_METH;
	s->meth = 0;
	return true;
}

// The bytes as they are, up to the first NUL, as HAProxy has it; the converter hex prints them all.
static bool
bin_to_str(struct sample *s, struct sample_ctx *ctx UNUSED)
{
	size_t nul = str_find_byte(s->s, '\0');
	s->type = SMP_STR;
	s->s.n = MIN(s->s.n, nul);
	return true;
}

// Text counts as binary without a change of type, as in HAProxy: bytes() of text stays text.
// clang-format off
static const cast_f casts[SMP_N_TYPES][SMP_N_TYPES] = {
	[SMP_BOOL] = {[SMP_ANY] = cast_none, [SMP_BOOL] = cast_none, [SMP_INT] = bool_to_int,
		[SMP_STR] = int_to_str, [SMP_BIN] = int_to_bin},
	[SMP_INT] = {[SMP_ANY] = cast_none, [SMP_BOOL] = int_to_bool, [SMP_INT] = cast_none,
		[SMP_ADDR] = int_to_ip4, [SMP_IP4] = int_to_ip4, [SMP_IP6] = int_to_ip6,
		[SMP_STR] = int_to_str, [SMP_BIN] = int_to_bin},
	[SMP_IP4] = {[SMP_ANY] = cast_none, [SMP_INT] = ip4_to_int, [SMP_ADDR] = cast_none,
		[SMP_IP4] = cast_none, [SMP_IP6] = ip4_to_ip6, [SMP_STR] = ip_to_str,
		[SMP_BIN] = ip_to_bin},
	[SMP_IP6] = {[SMP_ANY] = cast_none, [SMP_ADDR] = cast_none, [SMP_IP4] = ip6_to_ip4,
		[SMP_IP6] = cast_none, [SMP_STR] = ip_to_str, [SMP_BIN] = ip_to_bin},
	[SMP_STR] = {[SMP_ANY] = cast_none, [SMP_BOOL] = str_to_bool_value,
		[SMP_INT] = str_to_int64, [SMP_ADDR] = str_to_addr, [SMP_IP4] = str_to_ip4,
		[SMP_IP6] = str_to_ip6, [SMP_STR] = cast_none, [SMP_BIN] = cast_none,
		[SMP_METH] = to_meth_type},
	[SMP_BIN] = {[SMP_ANY] = cast_none, [SMP_STR] = bin_to_str, [SMP_BIN] = cast_none,
		[SMP_METH] = to_meth_type},
	[SMP_METH] = {[SMP_ANY] = cast_none, [SMP_STR] = to_text_type, [SMP_BIN] = to_text_type,
		[SMP_METH] = cast_none},
};
// clang-format on

bool
sample_cast(struct sample *s, enum sample_type to, struct sample_ctx *ctx)
{
	cast_f cast = casts[s->type][to];
	return cast != NULL && cast(s, ctx);
}

bool
sample_can_cast(enum sample_type from, enum sample_type to)
{
	if (from == SMP_ANY || to == SMP_ANY)
		return true;
	if (from == SMP_ADDR)
		return to == SMP_ADDR || casts[SMP_IP4][to] != NULL || casts[SMP_IP6][to] != NULL;
	return casts[from][to] != NULL;
}

bool
sample_text(struct sample *s, struct sample_ctx *ctx, struct str *out)
{
	if (s->type != SMP_STR && s->type != SMP_METH && !sample_cast(s, SMP_STR, ctx))
		return false;
	*out = s->s;
	return true;
}

// A strict dotted quad; returns the bytes used, 0 when it is none.
static bool
parse_ip4(struct str t, uint8_t ip[4])
{
	size_t at = 0;
	for (int part = 0; part < 4; part++) {
		unsigned value = 0;
		size_t from = at;
		for (; at < t.n && t.p[at] >= '0' && t.p[at] <= '9' && at - from < 3; at++)
			value = value * 10 + (unsigned)(t.p[at] - '0');
		if (at == from || value > 255)
			return false;
		ip[part] = (uint8_t)value;
		if (part < 3 && (at == t.n || t.p[at++] != '.'))
			return false;
	}
	return at == t.n;
}

bool
sample_parse_ip(struct str text, struct sample *out)
{
	char c[INET6_ADDRSTRLEN];
	uint8_t ip[16];
	if (text.n == 0 || text.n >= sizeof(c))
		return false;
	if (parse_ip4(text, ip)) {
		out->type = SMP_IP4;
		memcpy(out->ip, ip, 4);
		return true;
	}
	if (memchr(text.p, ':', text.n) == NULL)
		return false;
	memcpy(c, text.p, text.n);
	c[text.n] = '\0';
	if (inet_pton(AF_INET6, c, ip) != 1)
		return false;
	out->type = SMP_IP6;
	memcpy(out->ip, ip, 16);
	return true;
}

size_t
sample_print_ip(const struct sample *s, char *buf, size_t cap)
{
	int family = s->type == SMP_IP4 ? AF_INET : AF_INET6;
	if (inet_ntop(family, s->ip, buf, (socklen_t)cap) == NULL)
		return 0;
	return strlen(buf);
}
