// SPDX-License-Identifier: MIT
// Headers of the PROXY protocol, any bytes. Asserted: a prefix of what is understood is not enough
// yet, what is refused stays refused with more behind it, bytes behind a header change nothing,
// slices lie inside it; and what is said of one, written again in either version, says the same.
#include "base/mem.h"
#include "net/proxy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool
same(const struct proxy_header *a, const struct proxy_header *b)
{
	return a->bytes == b->bytes && (a->src.len == 0) == (b->src.len == 0) &&
	       (a->src.len == 0 || (addr_eq(&a->src, &b->src) && addr_eq(&a->dst, &b->dst))) &&
	       str_eq(a->tlvs, b->tlvs);
}

// The first n bytes, in memory of that very size, against what all of them gave.
static void
check_prefix(const uint8_t *data, size_t n, enum proxy_header_status whole,
	     const struct proxy_header *h)
{
	struct proxy_header cut;
	char *p = mem_alloc(n > 0 ? n : 1);
	if (n > 0)
		memcpy(p, data, n);
	enum proxy_header_status st = proxy_header_parse(str_of(p, n), &cut);
	if (st == PROXY_HEADER_OK)
		ASSERT(whole == st && same(&cut, h) && cut.bytes <= n);
	else if (whole == PROXY_HEADER_OK)
		ASSERT(st == PROXY_HEADER_MORE && n < h->bytes);
	else
		ASSERT(st == PROXY_HEADER_MORE || st == whole);
	mem_free(p);
}

static void
check_written(const struct proxy_header *h, unsigned version)
{
	struct proxy_header_out o = {.version = version,
				     .crc32c = version == 2,
				     .src = h->src,
				     .dst = h->dst,
				     .unique_id = proxy_header_tlv(h->tlvs, PROXY_TLV_UNIQUE_ID),
				     .authority = proxy_header_tlv(h->tlvs, PROXY_TLV_AUTHORITY)};
	struct proxy_header again;
	char *p = mem_alloc(PROXY_HEADER_OUT_BYTES);
	size_t n = proxy_header_write(&o, p);
	ASSERT(n <= PROXY_HEADER_OUT_BYTES);
	ASSERT(proxy_header_parse(str_of(p, n), &again) == PROXY_HEADER_OK && again.bytes == n);
	ASSERT((h->src.len == 0) == (again.src.len == 0));
	if (h->src.len != 0) {
		ASSERT(addr_eq(&h->src, &again.src) && addr_eq(&h->dst, &again.dst));
		ASSERT(version == 1 ||
		       str_eq(o.unique_id, proxy_header_tlv(again.tlvs, PROXY_TLV_UNIQUE_ID)));
	}
	mem_free(p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct proxy_header h = {0};
	if (n > 4096)
		return 0;
	char *p = mem_alloc(n > 0 ? n : 1);
	if (n > 0)
		memcpy(p, data, n);
	enum proxy_header_status st = proxy_header_parse(str_of(p, n), &h);
	for (size_t cut = 0; cut <= n; cut += n > 256 ? n / 128 : 1)
		check_prefix(data, cut, st, &h);
	if (st == PROXY_HEADER_OK) {
		ASSERT(h.tlvs.n == 0 || (h.tlvs.p > p && h.tlvs.p + h.tlvs.n == p + h.bytes));
		check_written(&h, 1);
		check_written(&h, 2);
	}
	mem_free(p);
	return 0;
}
