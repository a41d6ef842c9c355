// SPDX-License-Identifier: MIT
// Version 1 is a line of text, version 2 a block of bytes with its length in front; their first
// bytes tell them apart. A line is taken apart only once its end is there, a block once all of it
// is. Addresses and ports are read strictly: HAProxy 2.6 takes 1.2.3.256 for 1.2.4.0.
#include "net/proxy_header.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/hash_text.h"

#define LINE_BEGIN STR("PROXY ")
#define SIGNATURE  str_of("\r\n\r\n\0\r\nQUIT\n", 12)
#define V2_BYTES   16
#define TLV_BYTES  3

enum { V2_LOCAL = 0x20, V2_PROXY = 0x21 };
enum { V2_UNSPEC = 0x00, V2_TCP4 = 0x11, V2_TCP6 = 0x21 };
enum { ADDRS_4 = 12, ADDRS_6 = 36, ADDRS_UNIX = 216 };

static unsigned
byte_at(struct str s, size_t i)
{
	return (unsigned char)s.p[i];
}

static unsigned
number_at(struct str s, size_t i)
{
	return byte_at(s, i) << 8 | byte_at(s, i + 1);
}

// --- version 1 -----------------------------------------------------------------------------------

static bool
take_ip(struct str word, int family, struct addr *a)
{
	char text[INET6_ADDRSTRLEN];
	if (word.n >= sizeof(text))
		return false;
	memcpy(text, word.p, word.n);
	text[word.n] = '\0';
	*a = (struct addr){0};
	if (family == AF_INET) {
		a->len = sizeof(a->in);
		a->in.sin_family = AF_INET;
		return inet_pton(AF_INET, text, &a->in.sin_addr) == 1;
	}
	a->len = sizeof(a->in6);
	a->in6.sin6_family = AF_INET6;
	return inet_pton(AF_INET6, text, &a->in6.sin6_addr) == 1;
}

static bool
take_port(struct str word, struct addr *a)
{
	unsigned port = 0;
	for (size_t i = 0; i < word.n; i++) {
		if (i == 5 || word.p[i] < '0' || word.p[i] > '9')
			return false;
		port = port * 10 + (unsigned)(word.p[i] - '0');
	}
	if (word.n == 0 || port > UINT16_MAX)
		return false;
	addr_set_port(a, (uint16_t)port);
	return true;
}

// "SRC DST SPORT DPORT", with one blank between two.
static bool
take_ends(struct str rest, int family, struct proxy_header *h)
{
	struct str word[4];
	for (size_t i = 0; i < ARRAY_LEN(word); i++)
		if (!str_next(&rest, ' ', &word[i]))
			return false;
	return rest.p == NULL && take_ip(word[0], family, &h->src) &&
	       take_ip(word[1], family, &h->dst) && take_port(word[2], &h->src) &&
	       take_port(word[3], &h->dst);
}

static enum proxy_header_status
parse_line(struct str line, struct proxy_header *h)
{
	struct str rest = str_slice(line, LINE_BEGIN.n, line.n - 2), protocol;
	*h = (struct proxy_header){.bytes = line.n};
	if (line.p[line.n - 2] != '\r' || str_find_byte(rest, '\r') != SIZE_MAX)
		return PROXY_HEADER_BAD;
	if (!str_next(&rest, ' ', &protocol))
		return PROXY_HEADER_BAD_PROTOCOL;
	if (str_eq(protocol, STR("UNKNOWN"))) // whatever stands behind it does not count
		return PROXY_HEADER_OK;
	bool v6 = str_eq(protocol, STR("TCP6"));
	if (!v6 && !str_eq(protocol, STR("TCP4")))
		return PROXY_HEADER_BAD_PROTOCOL;
	return take_ends(rest, v6 ? AF_INET6 : AF_INET, h) ? PROXY_HEADER_OK : PROXY_HEADER_BAD;
}

static enum proxy_header_status
parse_v1(struct str s, struct proxy_header *h)
{
	size_t end = str_find_byte(str_slice(s, 0, PROXY_HEADER_V1_BYTES), '\n');
	if (end == SIZE_MAX)
		return s.n < PROXY_HEADER_V1_BYTES ? PROXY_HEADER_MORE : PROXY_HEADER_BAD;
	return parse_line(str_slice(s, 0, end + 1), h);
}

// --- version 2 -----------------------------------------------------------------------------------

// The address block's bytes; 0: addresses of no family, which nobody can pass over. -1: wrong.
static int
addresses_of(unsigned family)
{
	static const int bytes[] = {0, ADDRS_4, ADDRS_6, ADDRS_UNIX};
	unsigned high = family >> 4, low = family & 15;
	if (high >= ARRAY_LEN(bytes) || low > 2)
		return -1;
	return low == 0 ? 0 : bytes[high];
}

static void
take_addresses(struct str block, unsigned family, struct proxy_header *h)
{
	if (family == V2_TCP4) {
		h->src.len = h->dst.len = sizeof(h->src.in);
		h->src.in.sin_family = h->dst.in.sin_family = AF_INET;
		memcpy(&h->src.in.sin_addr, block.p, 4);
		memcpy(&h->dst.in.sin_addr, block.p + 4, 4);
	} else {
		h->src.len = h->dst.len = sizeof(h->src.in6);
		h->src.in6.sin6_family = h->dst.in6.sin6_family = AF_INET6;
		memcpy(&h->src.in6.sin6_addr, block.p, 16);
		memcpy(&h->dst.in6.sin6_addr, block.p + 16, 16);
	}
	addr_set_port(&h->src, (uint16_t)number_at(block, block.n - 4));
	addr_set_port(&h->dst, (uint16_t)number_at(block, block.n - 2));
}

// The next one, whose type is *type. False: none is left, or the rest is none (*list not empty).
static bool
next_tlv(struct str *list, unsigned *type, struct str *value)
{
	if (list->n < TLV_BYTES || number_at(*list, 1) > list->n - TLV_BYTES)
		return false;
	*type = byte_at(*list, 0);
	*value = str_slice(*list, TLV_BYTES, TLV_BYTES + number_at(*list, 1));
	*list = str_slice(*list, TLV_BYTES + value->n, list->n);
	return true;
}

// Of the whole header, with zeros in its own place (section 2.2.3).
static uint32_t
checksum(struct str header, const char *own)
{
	size_t at = (size_t)(own - header.p);
	uint32_t crc = hash_crc32c(str_slice(header, 0, at));
	crc = hash_crc32c_more(crc, str_of("\0\0\0\0", 4));
	return hash_crc32c_more(crc, str_slice(header, at + 4, header.n));
}

static bool
tlv_is_good(struct str header, unsigned type, struct str value)
{
	switch (type) {
	case PROXY_TLV_AUTHORITY:
		return value.n <= PROXY_AUTHORITY_BYTES;
	case PROXY_TLV_UNIQUE_ID:
		return value.n <= PROXY_UNIQUE_ID_BYTES;
	case PROXY_TLV_CRC32C:
		return value.n == 4 &&
		       checksum(header, value.p) ==
			   ((uint32_t)number_at(value, 0) << 16 | number_at(value, 2));
	default:
		return true;
	}
}

static bool
tlvs_are_good(struct str header, struct str list)
{
	unsigned type;
	struct str value;
	bool summed = false;
	while (next_tlv(&list, &type, &value)) {
		// One sum is enough, and many would be dear to check.
		if ((summed && type == PROXY_TLV_CRC32C) || !tlv_is_good(header, type, value))
			return false;
		summed |= type == PROXY_TLV_CRC32C;
	}
	return list.n == 0;
}

static enum proxy_header_status
parse_block(struct str s, struct proxy_header *h)
{
	unsigned command = byte_at(s, 12), family = byte_at(s, 13);
	struct str rest = str_slice(s, V2_BYTES, s.n);
	*h = (struct proxy_header){.bytes = s.n};
	if (command == V2_LOCAL)
		return PROXY_HEADER_OK;
	int n = addresses_of(family);
	if (command != V2_PROXY || n < 0 || rest.n < (size_t)n)
		return PROXY_HEADER_BAD;
	if (n == 0)
		return PROXY_HEADER_OK;
	if (family == V2_TCP4 || family == V2_TCP6)
		take_addresses(str_slice(rest, 0, (size_t)n), family, h);
	h->tlvs = str_slice(rest, (size_t)n, rest.n);
	return tlvs_are_good(s, h->tlvs) ? PROXY_HEADER_OK : PROXY_HEADER_BAD;
}

static enum proxy_header_status
parse_v2(struct str s, struct proxy_header *h)
{
	if (s.n > 12 && byte_at(s, 12) >> 4 != 2)
		return PROXY_HEADER_NONE;
	if (s.n < V2_BYTES)
		return PROXY_HEADER_MORE;
	size_t n = V2_BYTES + number_at(s, 14);
	return s.n < n ? PROXY_HEADER_MORE : parse_block(str_slice(s, 0, n), h);
}

// --- both ----------------------------------------------------------------------------------------

// As far as both reach.
static bool
begins_as(struct str s, struct str with)
{
	size_t n = MIN(s.n, with.n);
	return str_eq(str_slice(s, 0, n), str_slice(with, 0, n));
}

enum proxy_header_status
proxy_header_parse(struct str s, struct proxy_header *h)
{
	if (begins_as(s, LINE_BEGIN))
		return s.n < LINE_BEGIN.n ? PROXY_HEADER_MORE : parse_v1(s, h);
	return begins_as(s, SIGNATURE) ? parse_v2(s, h) : PROXY_HEADER_NONE;
}

struct str
proxy_header_tlv(struct str tlvs, uint8_t type)
{
	struct str found = STR_NULL, value;
	unsigned t;
	while (next_tlv(&tlvs, &t, &value))
		if (t == type)
			found = value;
	return found;
}

int
proxy_header_tlv_type(struct str text)
{
	static const struct {
		const char *name;
		int type;
	} names[] = {{"ALPN", PROXY_TLV_ALPN},
		     {"AUTHORITY", PROXY_TLV_AUTHORITY},
		     {"CRC32C", PROXY_TLV_CRC32C},
		     {"NOOP", 0x04},
		     {"SSL", 0x20},
		     {"UNIQUE_ID", PROXY_TLV_UNIQUE_ID},
		     {"NETNS", 0x30}};
	int type = 0;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_eq_nocase(text, str_from_c(names[i].name)))
			return names[i].type;
	bool hex = str_starts(text, STR("0x"));
	text = str_slice(text, hex ? 2 : 0, text.n);
	if (text.n == 0 || text.n > 3)
		return -1;
	for (size_t i = 0; i < text.n; i++) {
		int c = byte_lower((unsigned char)text.p[i]);
		int digit = c >= '0' && c <= '9'          ? c - '0'
			    : hex && c >= 'a' && c <= 'f' ? c - 'a' + 10
							  : -1;
		if (digit < 0)
			return -1;
		type = type * (hex ? 16 : 10) + digit;
	}
	return type <= UINT8_MAX ? type : -1;
}

// --- writing -------------------------------------------------------------------------------------

static unsigned
family_of(const struct proxy_header_out *o)
{
	if (o->src.len == 0 || o->dst.len == 0 || o->src.sa.sa_family != o->dst.sa.sa_family)
		return V2_UNSPEC;
	return o->src.sa.sa_family == AF_INET    ? V2_TCP4
	       : o->src.sa.sa_family == AF_INET6 ? V2_TCP6
						 : V2_UNSPEC;
}

static size_t
write_line(const struct proxy_header_out *o, char *out)
{
	char src[ADDR_TEXT_BYTES], dst[ADDR_TEXT_BYTES];
	unsigned family = family_of(o);
	int n =
	    family == V2_UNSPEC
		? snprintf(out, PROXY_HEADER_OUT_BYTES, "PROXY UNKNOWN\r\n")
		: snprintf(out, PROXY_HEADER_OUT_BYTES, "PROXY TCP%d %s %s %u %u\r\n",
			   family == V2_TCP4 ? 4 : 6, addr_host_text(&o->src, src),
			   addr_host_text(&o->dst, dst), addr_port(&o->src), addr_port(&o->dst));
	return (size_t)n;
}

static char *
put_number(char *p, unsigned n)
{
	*p++ = (char)(n >> 8);
	*p++ = (char)n;
	return p;
}

static char *
put_addresses(char *p, const struct proxy_header_out *o, unsigned family)
{
	size_t n = family == V2_TCP4 ? 4 : 16;
	const void *ends[] = {&o->src.in6.sin6_addr, &o->dst.in6.sin6_addr};
	if (family == V2_TCP4) {
		ends[0] = &o->src.in.sin_addr;
		ends[1] = &o->dst.in.sin_addr;
	}
	for (size_t i = 0; i < ARRAY_LEN(ends); i++, p += n)
		memcpy(p, ends[i], n);
	p = put_number(p, addr_port(&o->src));
	return put_number(p, addr_port(&o->dst));
}

static char *
put_tlv(char *p, unsigned type, struct str value)
{
	*p++ = (char)type;
	p = put_number(p, (unsigned)value.n);
	memcpy(p, value.p, value.n);
	return p + value.n;
}

size_t
proxy_header_write(const struct proxy_header_out *o, char *out)
{
	if (o->version == 1)
		return write_line(o, out);
	unsigned family = o->local ? V2_UNSPEC : family_of(o);
	char *p = out, *sum = NULL;
	memcpy(p, SIGNATURE.p, SIGNATURE.n);
	p += SIGNATURE.n;
	*p++ = family == V2_UNSPEC ? V2_LOCAL : V2_PROXY;
	*p++ = (char)family;
	char *length = p;
	p += 2;
	if (family != V2_UNSPEC)
		p = put_addresses(p, o, family);
	if (o->crc32c) {
		sum = p + TLV_BYTES;
		p = put_tlv(p, PROXY_TLV_CRC32C, str_of("\0\0\0\0", 4));
	}
	if (o->authority.n > 0)
		p = put_tlv(p, PROXY_TLV_AUTHORITY,
			    str_slice(o->authority, 0, PROXY_AUTHORITY_BYTES));
	if (o->unique_id.n > 0)
		p = put_tlv(p, PROXY_TLV_UNIQUE_ID,
			    str_slice(o->unique_id, 0, PROXY_UNIQUE_ID_BYTES));
	(void)put_number(length, (unsigned)(p - length - 2));
	if (sum != NULL) {
		uint32_t crc = hash_crc32c(str_of(out, (size_t)(p - out)));
		(void)put_number(put_number(sum, crc >> 16), crc & UINT16_MAX);
	}
	return (size_t)(p - out);
}
