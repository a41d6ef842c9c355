// SPDX-License-Identifier: MIT
// Fetches made of a request's target as a whole: hashes of it, and the address it names.

#include "base/hash_text.h"
#include "expr/expr_priv.h"
#include "http/head.h"

static struct http_head *
head_or_miss(struct sample_ctx *ctx, struct sample *out)
{
	if (ctx->req == NULL && ctx->more)
		out->flags |= SMP_MAY_CHANGE;
	return ctx->req;
}

static bool
fetch_baseq(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	struct http_head *h = head_or_miss(ctx, out);
	if (h == NULL)
		return false;
	struct str pathq = http_head_pathq(h);
	if (pathq.n > 0 && pathq.p[0] != '/')
		pathq.n = 0;
	char *p = sample_room(ctx, h->host.n + pathq.n);
	if (p == NULL)
		return false;
	if (h->host.n > 0)
		memcpy(p, h->host.p, h->host.n);
	if (pathq.n > 0)
		memcpy(p + h->host.n, pathq.p, pathq.n);
	sample_set_str(out, str_of(p, h->host.n + pathq.n));
	return true;
}

static uint32_t
hash_base(struct http_head *h)
{
	struct str path = http_head_path(h);
	uint32_t hash = hash_sdbm_more(0, h->host);
	if (path.n > 0 && path.p[0] == '/')
		hash = hash_sdbm_more(hash, path);
	return hash_avalanche(hash);
}

// With the query, unlike base32.
static uint32_t
hash_url(struct http_head *h)
{
	struct str pathq = http_head_pathq(h);
	uint32_t hash = hash_sdbm_more(0, h->host);
	if (pathq.n > 0 && pathq.p[0] == '/')
		hash = hash_sdbm_more(hash, pathq);
	return hash_avalanche(hash);
}

static bool
give_hash(uint32_t (*hash)(struct http_head *), struct sample_ctx *ctx, struct sample *out)
{
	struct http_head *h = head_or_miss(ctx, out);
	if (h == NULL)
		return false;
	sample_set_int(out, hash(h));
	return true;
}

// Four bytes of hash, highest first, and the bytes of the client's address.
static bool
give_hash_and_source(uint32_t (*hash)(struct http_head *), struct sample_ctx *ctx,
		     struct sample *out)
{
	const struct sample_addr *src = ctx->src;
	if (!give_hash(hash, ctx, out) || src == NULL || (src->family != 4 && src->family != 6))
		return false;
	size_t n = src->family == 4 ? 4 : 16;
	uint8_t *p = sample_room(ctx, 4 + n);
	if (p == NULL)
		return false;
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(out->i >> (24 - 8 * i));
	memcpy(p + 4, src->ip, n);
	out->type = SMP_BIN;
	out->s = str_of((char *)p, 4 + n);
	return true;
}

static bool
fetch_base32(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	return give_hash(hash_base, ctx, out);
}

static bool
fetch_url32(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	return give_hash(hash_url, ctx, out);
}

static bool
fetch_base32_src(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	return give_hash_and_source(hash_base, ctx, out);
}

static bool
fetch_url32_src(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	return give_hash_and_source(hash_url, ctx, out);
}

// ---- the address that an absolute target names

// What stands between "scheme://" and the path; empty in other forms.
static struct str
authority_of(struct str target)
{
	size_t colon = str_find_byte(target, ':');
	if (colon == SIZE_MAX || target.p[0] == '/' || target.n < colon + 3 ||
	    target.p[colon + 1] != '/' || target.p[colon + 2] != '/')
		return STR("");
	struct str rest = str_slice(target, colon + 3, target.n);
	size_t end = 0;
	while (end < rest.n && rest.p[end] != '/' && rest.p[end] != '?')
		end++;
	return str_slice(rest, 0, end);
}

// Cuts an authority into host (brackets of IPv6 taken off) and port; 0 when none is written.
static struct str
host_of(struct str authority, int64_t *port)
{
	size_t end = str_find_byte(authority, ']');
	size_t from = end == SIZE_MAX ? 0 : end;
	size_t colon = str_find_byte(str_slice(authority, from, authority.n), ':');
	*port = 0;
	if (colon != SIZE_MAX) {
		(void)str_to_int(str_slice(authority, from + colon + 1, authority.n), port);
		authority.n = from + colon;
	}
	if (authority.n >= 2 && authority.p[0] == '[' && authority.p[authority.n - 1] == ']')
		authority = str_slice(authority, 1, authority.n - 1);
	return authority;
}

static bool
fetch_url_ip(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	struct http_head *h = head_or_miss(ctx, out);
	int64_t port;
	return h != NULL && sample_parse_ip(host_of(authority_of(h->target), &port), out);
}

// As HAProxy, only where the target names an address.
static bool
fetch_url_port(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out)
{
	int64_t port;
	if (!fetch_url_ip(args, ctx, out))
		return false;
	(void)host_of(authority_of(ctx->req->target), &port);
	bool tls = str_starts(ctx->req->target, STR("https:"));
	sample_set_int(out, port != 0 ? port : tls ? 443 : 80);
	return true;
}

#define TARGET(n, o, f, h)                                                                \
	{                                                                                 \
		.name = (n), .out = (o), .needs = SMP_NEED_REQ, .fetch = (f), .help = (h) \
	}

const struct fetch_row expr_fetches_target[] = {
    TARGET("baseq", SMP_STR, fetch_baseq, "host, path and query together"),
    TARGET("base32", SMP_INT, fetch_base32, "32-bit hash of host and path"),
    TARGET("base32+src", SMP_BIN, fetch_base32_src,
	   "the bytes of base32 and of the client's address: a key for both"),
    TARGET("url32", SMP_INT, fetch_url32, "32-bit hash of host, path and query"),
    TARGET("url32+src", SMP_BIN, fetch_url32_src, "the bytes of url32 and of the client's address"),
    TARGET("url_ip", SMP_ADDR, fetch_url_ip, "the address that an absolute target names"),
    TARGET("url_port", SMP_INT, fetch_url_port,
	   "the port beside that address, its scheme's when none is written"),
    {.name = NULL},
};
