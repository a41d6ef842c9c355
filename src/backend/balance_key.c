// SPDX-License-Identifier: MIT
// What of a request is hashed: the bytes that HAProxy takes, so that both choose the same server.
#include "backend/balance_priv.h"
#include "base/hash_text.h"
#include "expr/expr.h"
#include "expr/sample.h"
#include "http/head.h"

// The key is a number already. What is no digit ends it.
static uint32_t
hash_none(struct str s)
{
	uint32_t n = 0;
	for (size_t i = 0; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++)
		n = n * 10 + (uint32_t)(s.p[i] - '0');
	return n;
}

const struct balance_hash balance_hashes[] = {
    {{"sdbm", 4}, hash_sdbm},   {{"djb2", 4}, hash_djb2}, {{"wt6", 3}, hash_wt6},
    {{"crc32", 5}, hash_crc32}, {{"none", 4}, hash_none}, {{NULL, 0}, NULL},
};

bool
balance_hash_of(const struct balance *how, struct sample_ctx *ctx, uint32_t *hash)
{
	if (!how->row->key(how, ctx, hash))
		return false;
	if (how->avalanche)
		*hash = hash_avalanche(*hash);
	return true;
}

// Its words, xored; no hash function.
bool
balance_key_source(const struct balance *how UNUSED, struct sample_ctx *ctx, uint32_t *hash)
{
	const struct sample_addr *a = ctx->src;
	if (a == NULL || (a->family != 4 && a->family != 6))
		return false;
	*hash = 0;
	for (size_t i = 0; i < (a->family == 4 ? 4u : 16u); i++)
		*hash ^= (uint32_t)a->ip[i] << (24 - i % 4 * 8);
	return true;
}

bool
balance_key_uri(const struct balance *how, struct sample_ctx *ctx, uint32_t *hash)
{
	if (ctx->req == NULL)
		return false;
	struct str uri = how->path_only ? http_head_pathq(ctx->req) : ctx->req->target;
	if (how->path_only && (uri.n == 0 || uri.p[0] != '/'))
		return false;
	if (how->len != 0)
		uri.n = MIN(uri.n, how->len);
	uint32_t slashes = 0;
	size_t n = 0;
	for (; n < uri.n; n++) {
		if (uri.p[n] == '?' && !how->whole)
			break;
		// The first one does not count.
		if (uri.p[n] == '/' && slashes++ == how->depth && how->depth != 0)
			break;
	}
	*hash = how->hash(str_slice(uri, 0, n));
	return true;
}

bool
balance_key_param(const struct balance *how, struct sample_ctx *ctx, uint32_t *hash)
{
	struct str name = how->param;
	if (ctx->req == NULL)
		return false;
	size_t at = str_find_byte(ctx->req->target, '?');
	if (at == SIZE_MAX)
		return false;
	struct str rest = str_slice(ctx->req->target, at + 1, ctx->req->target.n);
	while (rest.n > name.n) {
		size_t end = str_find_byte(rest, '&');
		struct str param = str_slice(rest, 0, end == SIZE_MAX ? rest.n : end);
		if (param.n > name.n && param.p[name.n] == '=' && str_starts(param, name)) {
			*hash = how->hash(str_slice(param, name.n + 1, param.n));
			return true;
		}
		if (end == SIZE_MAX)
			return false;
		rest = str_slice(rest, end + 1, rest.n);
	}
	return false;
}

// "www.example.com:80": "example".
static struct str
domain_of(struct str host)
{
	size_t end = host.n;
	while (end > 1 && host.p[end - 1] != '.')
		end--;
	if (end <= 1) // no dot, or none but in front
		return host;
	size_t start = --end;
	start -= start > 0;
	while (start > 0 && host.p[start - 1] != '.')
		start--;
	return str_slice(host, start, end);
}

bool
balance_key_header(const struct balance *how, struct sample_ctx *ctx, uint32_t *hash)
{
	struct str value;
	if (ctx->req == NULL || !http_value_at(ctx->req, &how->header, false, 1, &value) ||
	    value.n == 0)
		return false;
	*hash = how->hash(how->domain_only ? domain_of(value) : value);
	return true;
}

bool
balance_key_expr(const struct balance *how, struct sample_ctx *ctx, uint32_t *hash)
{
	struct sample smp = {0};
	if (!expr_eval(how->expr, ctx, &smp) || !sample_cast(&smp, SMP_BIN, ctx))
		return false;
	*hash = how->hash(smp.s);
	return true;
}
