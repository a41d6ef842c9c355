// SPDX-License-Identifier: MIT
// The reader of TLS hellos on any bytes. Asserted: a prefix of what is understood is either not
// enough yet or understood as the same; what is refused stays refused with more behind it; slices
// lie inside the bytes or the arena; bytes behind a message change nothing.
#include "base/arena.h"
#include "base/mem.h"
#include "expr/tls_hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
touch(struct str s)
{
	unsigned sum = 0;
	for (size_t i = 0; i < s.n; i++)
		sum += (unsigned char)s.p[i];
	*(volatile unsigned *)&sum = sum; // read for the sanitizer
}

static bool
same_text(struct str a, struct str b)
{
	return (a.p == NULL) == (b.p == NULL) && str_eq(a, b);
}

static bool
same(const struct tls_hello *a, const struct tls_hello *b)
{
	return a->type == b->type && a->version == b->version && a->has_ec == b->has_ec &&
	       a->ticket == b->ticket && same_text(a->sni, b->sni) && same_text(a->alpn, b->alpn) &&
	       same_text(a->ciphers, b->ciphers) && same_text(a->groups, b->groups) &&
	       same_text(a->sigalgs, b->sigalgs);
}

// The first n bytes, in memory of that very size, against what all of them gave.
static void
check_prefix(const uint8_t *data, size_t n, enum tls_hello_status whole, const struct tls_hello *h)
{
	struct arena arena;
	struct tls_hello cut;
	char *p = mem_alloc(n > 0 ? n : 1);
	if (n > 0)
		memcpy(p, data, n);
	arena_init(&arena, 1 << 18);
	enum tls_hello_status st = tls_hello_parse(str_of(p, n), &arena, &cut);
	ASSERT(st == TLS_HELLO_MORE || st == whole);
	if (st == TLS_HELLO_OK)
		ASSERT(same(&cut, h));
	arena_fini(&arena);
	mem_free(p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena arena;
	struct tls_hello h;
	if (n > 4096)
		return 0;
	arena_init(&arena, 1 << 18);
	char *p = mem_alloc(n > 0 ? n : 1);
	if (n > 0)
		memcpy(p, data, n);
	enum tls_hello_status st = tls_hello_parse(str_of(p, n), &arena, &h);
	const struct str all[] = {h.sni, h.alpn, h.ciphers, h.groups, h.sigalgs};
	for (size_t i = 0; st == TLS_HELLO_OK && i < ARRAY_LEN(all); i++)
		touch(all[i]);
	for (size_t cut = 0; cut <= n; cut += n > 256 ? n / 128 : 1)
		check_prefix(data, cut, st, &h);
	arena_fini(&arena);
	mem_free(p);
	return 0;
}
