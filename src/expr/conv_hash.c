// SPDX-License-Identifier: MIT
// Converters that hash: checksums, the classic string hashes that HAProxy balances with
// (base/hash_text.h), XXH, and digests of OpenSSL.

#define XXH_INLINE_ALL
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <xxhash.h>

#include "base/hash_text.h"
#include "expr/expr_priv.h"

#define HASH_CONV(name)                                                                   \
	static bool conv_##name(const struct expr_arg *args, struct sample_ctx *c UNUSED, \
				struct sample *smp)                                       \
	{                                                                                 \
		uint32_t h = hash_##name(smp->s);                                         \
		sample_set_int(smp, args[0].i != 0 ? hash_avalanche(h) : h);              \
		return true;                                                              \
	}
HASH_CONV(crc32)
HASH_CONV(crc32c)
HASH_CONV(djb2)
HASH_CONV(sdbm)
HASH_CONV(wt6)

static bool
conv_xxh32(const struct expr_arg *args, struct sample_ctx *ctx UNUSED, struct sample *smp)
{
	sample_set_int(smp, XXH32(smp->s.p, smp->s.n, (uint32_t)args[0].i));
	return true;
}

static bool
conv_xxh64(const struct expr_arg *args, struct sample_ctx *ctx UNUSED, struct sample *smp)
{
	sample_set_int(smp, (int64_t)XXH64(smp->s.p, smp->s.n, (uint64_t)args[0].i));
	return true;
}

static bool
conv_xxh3(const struct expr_arg *args, struct sample_ctx *ctx UNUSED, struct sample *smp)
{
	sample_set_int(smp, (int64_t)XXH3_64bits_withSeed(smp->s.p, smp->s.n, (uint64_t)args[0].i));
	return true;
}

// ---- digests

static bool
give_digest(const EVP_MD *md, struct sample_ctx *ctx, struct sample *smp)
{
	unsigned n = 0;
	unsigned char *p = sample_room(ctx, EVP_MAX_MD_SIZE);
	if (p == NULL || EVP_Digest(smp->s.p, smp->s.n, p, &n, md, NULL) != 1)
		return false;
	smp->type = SMP_BIN;
	smp->s = str_of((char *)p, n);
	return true;
}

static bool
conv_sha1(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *smp)
{
	return give_digest(EVP_sha1(), ctx, smp);
}

// .ptr: the algorithm. OpenSSL's tables are const in fact, not in type.
static bool
check_sha2(struct expr_arg *args, struct expr_env *env UNUSED, enum sample_type *out UNUSED,
	   struct err *err)
{
	const EVP_MD *md = NULL;
	switch (args[0].given ? args[0].i : 256) {
	case 224:
		md = EVP_sha224();
		break;
	case 256:
		md = EVP_sha256();
		break;
	case 384:
		md = EVP_sha384();
		break;
	case 512:
		md = EVP_sha512();
		break;
	default:
		return err_set(err, "%lld is none of 224, 256, 384, 512", (long long)args[0].i);
	}
	args[0].ptr = (void *)(uintptr_t)md;
	return true;
}

static bool
check_digest(struct expr_arg *args, struct expr_env *env, enum sample_type *out UNUSED,
	     struct err *err)
{
	const char *name = str_to_c(expr_set_arena(env->set), args[0].s);
	ASSERT(name != NULL);
	const EVP_MD *md = EVP_get_digestbyname(name);
	args[0].ptr = (void *)(uintptr_t)md;
	return md != NULL || err_set(err, "algorithm '%s' is not known to OpenSSL", name);
}

static bool
conv_digest(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *smp)
{
	return give_digest(args[0].ptr, ctx, smp);
}

// The key is base64, or a variable that holds base64.
static bool
conv_hmac(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *smp)
{
	unsigned n = 0;
	unsigned char *p = sample_room(ctx, EVP_MAX_MD_SIZE + args[1].s.n);
	if (p == NULL)
		return false;
	if (HMAC(args[0].ptr, args[1].s.p, (int)args[1].s.n, (const unsigned char *)smp->s.p,
		 smp->s.n, p, &n) == NULL)
		return false;
	smp->type = SMP_BIN;
	smp->s = str_of((char *)p, n);
	return true;
}

static bool
check_hmac(struct expr_arg *args, struct expr_env *env, enum sample_type *out, struct err *err)
{
	if (!check_digest(args, env, out, err))
		return false;
	struct str key = args[1].s;
	unsigned char *p = arena_alloc(expr_set_arena(env->set), key.n + 4, 1);
	ASSERT(p != NULL);
	int n = key.n % 4 == 0 ? EVP_DecodeBlock(p, (const unsigned char *)key.p, (int)key.n) : -1;
	if (n < 0)
		return err_set(err, "the key is not base64");
	for (size_t i = key.n; i > 0 && key.p[i - 1] == '=' && n > 0; i--)
		n--;
	args[1].s = str_of((char *)p, (size_t)n);
	return true;
}

static const struct arg_spec args_avalanche[] = {{ARG_INT, .name = "avalanche",
						  .flags = ARG_OPTIONAL, .min = 0, .max = 1},
						 {.type = ARG_END}};
static const struct arg_spec args_seed[] = {{ARG_INT, .name = "seed", .flags = ARG_OPTIONAL},
					    {.type = ARG_END}};
static const struct arg_spec args_bits[] = {{ARG_INT, .name = "bits", .flags = ARG_OPTIONAL},
					    {.type = ARG_END}};
static const struct arg_spec args_digest[] = {{ARG_STR, .name = "algorithm"}, {.type = ARG_END}};
static const struct arg_spec args_hmac[] = {{ARG_STR, .name = "algorithm"},
					    {ARG_STR, .name = "key"},
					    {.type = ARG_END}};

#define HASH_ROW(n, a, o, f, c, h)                                                              \
	{                                                                                       \
		.name = (n), .args = (a), .in = SMP_BIN, .out = (o), .conv = (f), .check = (c), \
		.help = (h)                                                                     \
	}

const struct conv_row expr_convs_hash[] = {
    HASH_ROW("crc32", args_avalanche, SMP_INT, conv_crc32, NULL, "the CRC32 checksum"),
    HASH_ROW("crc32c", args_avalanche, SMP_INT, conv_crc32c, NULL, "the CRC32C checksum"),
    HASH_ROW("djb2", args_avalanche, SMP_INT, conv_djb2, NULL, "the DJB2 hash"),
    HASH_ROW("sdbm", args_avalanche, SMP_INT, conv_sdbm, NULL, "the SDBM hash"),
    HASH_ROW("wt6", args_avalanche, SMP_INT, conv_wt6, NULL, "HAProxy's WT6 hash"),
    HASH_ROW("xxh32", args_seed, SMP_INT, conv_xxh32, NULL, "the 32-bit XXHash"),
    HASH_ROW("xxh64", args_seed, SMP_INT, conv_xxh64, NULL, "the 64-bit XXHash"),
    HASH_ROW("xxh3", args_seed, SMP_INT, conv_xxh3, NULL, "the 64-bit XXH3 hash"),
    HASH_ROW("sha1", NULL, SMP_BIN, conv_sha1, NULL, "the SHA-1 digest"),
    HASH_ROW("sha2", args_bits, SMP_BIN, conv_digest, check_sha2,
	     "the SHA-2 digest of 224, 256 (default), 384 or 512 bits"),
    HASH_ROW("digest", args_digest, SMP_BIN, conv_digest, check_digest,
	     "a digest by OpenSSL's name: md5, sha256, ..."),
    HASH_ROW("hmac", args_hmac, SMP_BIN, conv_hmac, check_hmac,
	     "the HMAC by a digest's name and a key in base64"),
    {.name = NULL},
};
