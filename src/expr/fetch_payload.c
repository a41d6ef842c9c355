// SPDX-License-Identifier: MIT
// Fetches on bytes as they came, for rules that judge a connection before anything is relayed:
// lengths, slices, and what the first message of TLS says. What is not there yet may still come:
// then there is no sample so far, and a condition waits (MISS).

#include "expr/expr_priv.h"
#include "expr/tls_hello.h"

// The bytes received so far in that direction. False: there are none to look at, here or ever.
static bool
bytes_of(struct sample_ctx *ctx, bool response, struct str *bytes)
{
	return ctx->host != NULL && ctx->host->payload != NULL &&
	       ctx->host->payload(ctx, response, bytes);
}

static bool
may_grow(struct sample_ctx *ctx, struct sample *out)
{
	if (ctx->more)
		out->flags |= SMP_MAY_CHANGE;
	return false;
}

// --- lengths and slices --------------------------------------------------------------------------

static bool
give_len(struct sample_ctx *ctx, struct sample *out, bool response)
{
	struct str bytes;
	if (!bytes_of(ctx, response, &bytes))
		return false;
	(void)may_grow(ctx, out);
	sample_set_int(out, (int64_t)bytes.n);
	return true;
}

static bool
fetch_req_len(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	return give_len(ctx, out, false);
}

static bool
fetch_res_len(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	return give_len(ctx, out, true);
}

static bool
give_bytes(struct str bytes, size_t from, size_t n, struct sample_ctx *ctx, struct sample *out)
{
	if (from > bytes.n || bytes.n - from < n)
		return may_grow(ctx, out);
	out->type = SMP_BIN;
	out->s = str_slice(bytes, from, from + n);
	return true;
}

// Without a length all that is there, which may become more.
static bool
give_payload(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out, bool response)
{
	struct str bytes;
	size_t from = (size_t)args[0].i, n = (size_t)args[1].i;
	if (!bytes_of(ctx, response, &bytes))
		return false;
	if (n > 0 || from > bytes.n)
		return give_bytes(bytes, from, n, ctx, out);
	(void)may_grow(ctx, out);
	return give_bytes(bytes, from, bytes.n - from, ctx, out);
}

static bool
fetch_req_payload(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out)
{
	return give_payload(args, ctx, out, false);
}

static bool
fetch_res_payload(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out)
{
	return give_payload(args, ctx, out, true);
}

// The third argument: where the bytes begin; with a sign, counted from behind the length.
static bool
check_payload_lv(struct expr_arg *args, struct expr_env *env UNUSED, enum sample_type *out UNUSED,
		 struct err *err)
{
	if (args[1].i == 0)
		return err_set(err, "the length's own length cannot be 0");
	if (!args[2].given)
		return true;
	struct str s = args[2].s;
	bool relative = s.n > 0 && (s.p[0] == '+' || s.p[0] == '-');
	int64_t n, behind = args[0].i + args[1].i;
	if (!str_to_int(s.n > 0 && s.p[0] == '+' ? str_slice(s, 1, s.n) : s, &n) || n > INT32_MAX ||
	    n < -INT32_MAX)
		return err_set(err, "'%.*s' is no offset: a number up to %d is", STR_ARG(s),
			       INT32_MAX);
	args[2].i = relative ? behind + n : n;
	return args[2].i >= 0 || err_set(err, "'%.*s' lies before the first byte", STR_ARG(s));
}

static bool
give_payload_lv(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out,
		bool response)
{
	struct str bytes;
	uint64_t n = 0;
	if (!bytes_of(ctx, response, &bytes))
		return false;
	if (!give_bytes(bytes, (size_t)args[0].i, (size_t)args[1].i, ctx, out))
		return false;
	for (size_t i = 0; i < out->s.n; i++)
		n = n << 8 | (unsigned char)out->s.p[i];
	size_t from = (size_t)(args[2].given ? args[2].i : args[0].i + args[1].i);
	if (n == 0 || n > UINT32_MAX)
		return false;
	return give_bytes(bytes, from, (size_t)n, ctx, out);
}

static bool
fetch_req_payload_lv(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out)
{
	return give_payload_lv(args, ctx, out, false);
}

static bool
fetch_res_payload_lv(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out)
{
	return give_payload_lv(args, ctx, out, true);
}

// --- TLS -----------------------------------------------------------------------------------------

static bool
read_hello(struct sample_ctx *ctx, bool response, struct sample *out, struct tls_hello *h)
{
	struct str bytes;
	if (!bytes_of(ctx, response, &bytes))
		return false;
	enum tls_hello_status st = tls_hello_parse(bytes, ctx->arena, h);
	return st == TLS_HELLO_MORE ? may_grow(ctx, out) : st == TLS_HELLO_OK;
}

static bool
fetch_hello_type(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	struct tls_hello h;
	if (!read_hello(ctx, false, out, &h))
		return false;
	sample_set_int(out, h.type);
	return true;
}

static bool
fetch_server_hello_type(const struct expr_arg *args UNUSED, struct sample_ctx *ctx,
			struct sample *out)
{
	struct tls_hello h;
	if (!read_hello(ctx, true, out, &h))
		return false;
	sample_set_int(out, h.type);
	return true;
}

static bool
client_hello(struct sample_ctx *ctx, struct sample *out, struct tls_hello *h)
{
	return read_hello(ctx, false, out, h) && h->type == 1;
}

static bool
fetch_hello_version(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	struct tls_hello h;
	if (!client_hello(ctx, out, &h))
		return false;
	sample_set_int(out, tls_hello_version(&h));
	return true;
}

static bool
fetch_has_ec(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	struct tls_hello h;
	if (!client_hello(ctx, out, &h) || !h.has_ec)
		return false;
	sample_set_bool(out, true);
	return true;
}

static bool
fetch_ticket(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	struct tls_hello h;
	if (!client_hello(ctx, out, &h))
		return false;
	sample_set_int(out, h.ticket);
	return true;
}

#define HELLO_FETCH(name, field, smp_type)                                                 \
	static bool fetch_##name(const struct expr_arg *args UNUSED, struct sample_ctx *c, \
				 struct sample *out)                                       \
	{                                                                                  \
		struct tls_hello h;                                                        \
		if (!client_hello(c, out, &h) || h.field.p == NULL)                        \
			return false;                                                      \
		out->type = smp_type;                                                      \
		out->s = h.field;                                                          \
		return true;                                                               \
	}
HELLO_FETCH(sni, sni, SMP_STR)
HELLO_FETCH(alpn, alpn, SMP_STR)
HELLO_FETCH(ciphers, ciphers, SMP_BIN)
HELLO_FETCH(groups, groups, SMP_BIN)
HELLO_FETCH(sigalgs, sigalgs, SMP_BIN)

// --- rows ----------------------------------------------------------------------------------------

static const struct arg_spec args_payload[] = {{ARG_INT, .name = "offset", .max = INT32_MAX},
					       {ARG_INT, .name = "length", .max = INT32_MAX},
					       {.type = ARG_END}};
static const struct arg_spec args_payload_lv[] = {{ARG_INT, .name = "offset1", .max = INT32_MAX},
						  {ARG_INT, .name = "length", .min = 1, .max = 8},
						  {ARG_STR, .name = "offset2",
						   .flags = ARG_OPTIONAL},
						  {.type = ARG_END}};

// Asked each time that bytes come, so their conditions must not fill the arena.
#define BYTES_FLAGS (ROW_VOLATILE | ROW_LETS_GO)

#define BYTES(n, al, a, o, f, c, h)                                                             \
	{                                                                                       \
		.name = (n), .aliases = (al), .args = (a), .out = (o), .needs = SMP_NEED_TXN,   \
		.flags = BYTES_FLAGS | ROW_ACL_ALIASES, .fetch = (f), .check = (c), .help = (h) \
	}

const struct fetch_row expr_fetches_payload[] = {
    BYTES("req.len", "req_len", NULL, SMP_INT, fetch_req_len, NULL,
	  "how many bytes the client has sent so far, in tcp mode"),
    BYTES("res.len", NULL, NULL, SMP_INT, fetch_res_len, NULL,
	  "how many bytes the server has sent so far, in tcp mode"),
    BYTES("req.payload", "payload", args_payload, SMP_BIN, fetch_req_payload, NULL,
	  "bytes from the client; length 0: all that are there"),
    BYTES("res.payload", NULL, args_payload, SMP_BIN, fetch_res_payload, NULL,
	  "bytes from the server; length 0: all that are there"),
    BYTES(
	"req.payload_lv", "payload_lv", args_payload_lv, SMP_BIN, fetch_req_payload_lv,
	check_payload_lv,
	"bytes from the client whose number stands at offset1 in so many bytes; they begin behind "
	"it, or at offset2 (with a sign: from there)"),
    BYTES("res.payload_lv", NULL, args_payload_lv, SMP_BIN, fetch_res_payload_lv, check_payload_lv,
	  "the same of the server's bytes"),
    BYTES("req.ssl_hello_type", "req_ssl_hello_type", NULL, SMP_INT, fetch_hello_type, NULL,
	  "type of the first TLS message of the client: 1 is a client hello"),
    BYTES("res.ssl_hello_type", "rep_ssl_hello_type", NULL, SMP_INT, fetch_server_hello_type, NULL,
	  "type of the first TLS message of the server: 2 is a server hello"),
    BYTES("req.ssl_sni", "req_ssl_sni", NULL, SMP_STR, fetch_sni, NULL,
	  "the server name of a TLS client hello that passes through"),
    {.name = "req.ssl_ver",
     .aliases = "req_ssl_ver",
     .out = SMP_INT,
     .needs = SMP_NEED_TXN,
     .flags = BYTES_FLAGS | ROW_VERSION,
     .fetch = fetch_hello_version,
     .help = "the version that a TLS client hello states, major * 65536 + minor; an ACL's values "
	     "may be 3.1 or 3.0:3.3"},
    BYTES("req.ssl_alpn", NULL, NULL, SMP_STR, fetch_alpn, NULL,
	  "the protocol that a TLS client hello offers first"),
    BYTES("req.ssl_ec_ext", NULL, NULL, SMP_BOOL, fetch_has_ec, NULL,
	  "true when a TLS client hello names elliptic curves"),
    BYTES("req.ssl_st_ext", NULL, NULL, SMP_INT, fetch_ticket, NULL,
	  "session tickets of a TLS client hello: 0 none, 1 asked for, 2 brought"),
    BYTES("req.ssl_cipherlist", NULL, NULL, SMP_BIN, fetch_ciphers, NULL,
	  "the cipher suites of a TLS client hello, two bytes each"),
    BYTES("req.ssl_supported_groups", NULL, NULL, SMP_BIN, fetch_groups, NULL,
	  "the groups of a TLS client hello, two bytes each"),
    BYTES("req.ssl_sigalgs", NULL, NULL, SMP_BIN, fetch_sigalgs, NULL,
	  "the signature algorithms of a TLS client hello, two bytes each"),
    {.name = NULL},
};
