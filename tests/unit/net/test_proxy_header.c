// SPDX-License-Identifier: MIT
// Headers of the PROXY protocol: cut at every byte, with bytes behind, and written and read again.
// What each is worth is compared with haproxy in the scenario N010.
#include "net/proxy_header.h"

#include "base/mem.h"
#include "tap.h"

#define S(text)                        \
	{                              \
		text, sizeof(text) - 1 \
	}
#define SIG  "\r\n\r\n\0\r\nQUIT\n"
#define ENDS "\1\2\3\4\5\6\7\10\4\127\10\256" // 1.2.3.4:1111 5.6.7.8:2222

static const struct {
	struct str bytes;
	enum proxy_header_status status;
	const char *src; // NULL: the connection's own
} rows[] = {
    {S("PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\r\n"), PROXY_HEADER_OK, "1.2.3.4:1111"},
    {S("PROXY TCP6 2001:db8::1 ::2 0 65535\r\n"), PROXY_HEADER_OK, "[2001:db8::1]:0"},
    {S("PROXY UNKNOWN\r\n"), PROXY_HEADER_OK, NULL},
    {S("PROXY UNKNOWN x\r\n"), PROXY_HEADER_OK, NULL},
    {S("PROXY \r\n"), PROXY_HEADER_BAD_PROTOCOL, NULL},
    {S("PROXY TCP4 1.2.3.4 5.6.7.8 1111 65536\r\n"), PROXY_HEADER_BAD, NULL},
    {S("PROXY TCP4 1.2.3.4 5.6.7.8 1111 22222222222222222222\r\n"), PROXY_HEADER_BAD, NULL},
    {S("PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222 \r\n"), PROXY_HEADER_BAD, NULL},
    {S("PROXY TCP4 1.2.3.4 5.6.7.8 1111\r\n"), PROXY_HEADER_BAD, NULL},
    {S("PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\n"), PROXY_HEADER_BAD, NULL},
    {S("PROXY\r\n"), PROXY_HEADER_NONE, NULL},
    {S(SIG "\x21\x11\0\x0c" ENDS), PROXY_HEADER_OK, "1.2.3.4:1111"},
    {S(SIG "\x21\x11\0\x12" ENDS "\5\0\3uid"), PROXY_HEADER_OK, "1.2.3.4:1111"},
    {S(SIG "\x21\x11\0\x12" ENDS "\5\0\4uid"), PROXY_HEADER_BAD, NULL},
    {S(SIG "\x21\x11\0\x0b" ENDS), PROXY_HEADER_BAD, NULL},
    {S(SIG "\x20\0\0\0"), PROXY_HEADER_OK, NULL},
    {S(SIG "\x21\x12\0\x0c" ENDS), PROXY_HEADER_OK, NULL},
    {S(SIG "\x22\x11\0\x0c" ENDS), PROXY_HEADER_BAD, NULL},
    {S(SIG "\x11\x11\0\x0c" ENDS), PROXY_HEADER_NONE, NULL},
};

// In memory of that very size, for the sanitizer's sake.
static enum proxy_header_status
parse(struct str s, struct proxy_header *h)
{
	char *p = mem_alloc(s.n > 0 ? s.n : 1);
	memcpy(p, s.p, s.n);
	enum proxy_header_status st = proxy_header_parse(str_of(p, s.n), h);
	mem_free(p);
	return st;
}

static void
test_rows(void)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct proxy_header h = {0};
		char text[ADDR_TEXT_BYTES];
		struct str s = rows[i].bytes;
		OK(parse(s, &h) == rows[i].status);
		if (rows[i].status != PROXY_HEADER_OK)
			continue;
		IS_INT(h.bytes, s.n);
		OK((h.src.len != 0) == (rows[i].src != NULL) && h.src.len == h.dst.len);
		IS_STR(addr_text(&h.src, text), rows[i].src != NULL ? rows[i].src : "-");
	}
}

static void
test_cut(void)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct proxy_header h;
		struct str s = rows[i].bytes;
		char behind[256];
		size_t wrong = 0;
		for (size_t n = 0; n < s.n; n++) {
			enum proxy_header_status st = parse(str_slice(s, 0, n), &h);
			wrong += st != PROXY_HEADER_MORE &&
				 (rows[i].status == PROXY_HEADER_OK || st != rows[i].status);
		}
		IS_INT(wrong, 0);
		memset(behind, 'x', sizeof(behind));
		memcpy(behind, s.p, s.n);
		OK(parse(str_of(behind, sizeof(behind)), &h) == rows[i].status);
		OK(rows[i].status != PROXY_HEADER_OK || h.bytes == s.n);
	}
}

static void
test_long_line(void)
{
	char line[PROXY_HEADER_V1_BYTES + 1];
	struct proxy_header h;
	memset(line, 'x', sizeof(line));
	memcpy(line, "PROXY UNKNOWN ", 14);
	OK(parse(str_of(line, sizeof(line) - 2), &h) == PROXY_HEADER_MORE);
	OK(parse(str_of(line, sizeof(line) - 1), &h) == PROXY_HEADER_BAD);
	memcpy(line + sizeof(line) - 3, "\r\n", 2);
	OK(parse(str_of(line, sizeof(line)), &h) == PROXY_HEADER_OK &&
	   h.bytes == PROXY_HEADER_V1_BYTES);
	memcpy(line + sizeof(line) - 3, "x\r\n", 3);
	OK(parse(str_of(line, sizeof(line)), &h) == PROXY_HEADER_BAD);
}

static void
test_written(void)
{
	char long_text[400], *out = mem_alloc(PROXY_HEADER_OUT_BYTES);
	struct proxy_header h;
	struct proxy_header_out o = {.version = 2, .crc32c = true};
	memset(long_text, 'a', sizeof(long_text));
	o.unique_id = o.authority = str_of(long_text, sizeof(long_text));
	OK(addr_parse_ip(&o.src, STR("2001:db8::1"), 1) &&
	   addr_parse_ip(&o.dst, STR("::2"), 65535));
	size_t n = proxy_header_write(&o, out);
	IS_INT(n, PROXY_HEADER_OUT_BYTES);
	OK(proxy_header_parse(str_of(out, n), &h) == PROXY_HEADER_OK && addr_eq(&h.src, &o.src) &&
	   addr_eq(&h.dst, &o.dst));
	IS_INT(proxy_header_tlv(h.tlvs, PROXY_TLV_AUTHORITY).n, PROXY_AUTHORITY_BYTES);
	IS_INT(proxy_header_tlv(h.tlvs, PROXY_TLV_UNIQUE_ID).n, PROXY_UNIQUE_ID_BYTES);
	OK(proxy_header_tlv(h.tlvs, PROXY_TLV_ALPN).p == NULL);
	size_t refused = 0;
	for (size_t i = 16; i < n; i++) { // no bit of it may change unseen
		out[i] = (char)(out[i] ^ 1);
		refused += proxy_header_parse(str_of(out, n), &h) == PROXY_HEADER_BAD;
		out[i] = (char)(out[i] ^ 1);
	}
	// But in the type of the checksum itself, which is then another TLV.
	IS_INT(refused, n - 16 - 1);
	o.version = 1;
	n = proxy_header_write(&o, out);
	OK(str_eq(str_of(out, n), STR("PROXY TCP6 2001:db8::1 ::2 1 65535\r\n")));
	o.dst.len = 0;
	n = proxy_header_write(&o, out);
	OK(str_eq(str_of(out, n), STR("PROXY UNKNOWN\r\n")));
	mem_free(out);
}

static void
test_types(void)
{
	IS_INT(proxy_header_tlv_type(STR("authority")), PROXY_TLV_AUTHORITY);
	IS_INT(proxy_header_tlv_type(STR("0xE0")), 0xe0);
	IS_INT(proxy_header_tlv_type(STR("255")), 255);
	static const struct str bad[] = {S("256"), S("0x100"), S(""),   S("0x"),
					 S("-1"),  S("E0"),    S("1 "), S("0000000001")};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		IS_INT(proxy_header_tlv_type(bad[i]), -1);
}

int
main(void)
{
	test_rows();
	test_cut();
	test_long_line();
	test_written();
	test_types();
	return tap_done();
}
