// SPDX-License-Identifier: MIT
// Reading a TLS hello. Every length is checked against what encloses it through one reader, so a
// wrong one ends the reading and never leaves the bytes.
#include "expr/tls_hello.h"

#include "base/arena.h"

#define RECORD_HEADER 5u
#define HANDSHAKE     22
#define CLIENT_HELLO  1
#define MOST_RECORD   ((1u << 14) + 2048u)
#define MOST_MESSAGE  65536u

enum extension {
	EXT_SERVER_NAME = 0,
	EXT_SUPPORTED_GROUPS = 10,
	EXT_SIGNATURE_ALGORITHMS = 13,
	EXT_ALPN = 16,
	EXT_SESSION_TICKET = 35,
};

// What is left of something with a length. bad: something did not fit into it.
struct reader {
	struct str left;
	bool bad;
};

static struct str
take(struct reader *r, size_t n)
{
	if (n > r->left.n) {
		r->bad = true;
		r->left = STR("");
		return STR("");
	}
	struct str s = {r->left.p, n};
	r->left = str_slice(r->left, n, r->left.n);
	return s;
}

static uint32_t
number(struct reader *r, size_t n_bytes)
{
	struct str s = take(r, n_bytes);
	uint32_t n = 0;
	for (size_t i = 0; i < s.n; i++)
		n = n << 8 | (unsigned char)s.p[i];
	return n;
}

// A vector: its length in n_bytes, then so many.
static struct reader
vector(struct reader *r, size_t n_bytes)
{
	uint32_t n = number(r, n_bytes);
	return (struct reader){.left = take(r, n)};
}

// --- records -------------------------------------------------------------------------------------

// One record's payload. MORE: it is not all there.
static enum tls_hello_status
next_record(struct str *bytes, struct str *payload)
{
	const unsigned char *p = (const unsigned char *)bytes->p;
	if (bytes->n > 0 && p[0] != HANDSHAKE)
		return TLS_HELLO_BAD;
	if (bytes->n > 1 && p[1] < 3)
		return TLS_HELLO_BAD;
	if (bytes->n < RECORD_HEADER)
		return TLS_HELLO_MORE;
	size_t n = (size_t)p[3] << 8 | p[4];
	if (n == 0 || n > MOST_RECORD)
		return TLS_HELLO_BAD;
	if (bytes->n - RECORD_HEADER < n)
		return TLS_HELLO_MORE;
	*payload = str_slice(*bytes, RECORD_HEADER, RECORD_HEADER + n);
	*bytes = str_slice(*bytes, RECORD_HEADER + n, bytes->n);
	return TLS_HELLO_OK;
}

// Copies `need` bytes of the payloads from `first` on; to NULL: whether they are there.
static enum tls_hello_status
copy_records(struct str bytes, struct str first, size_t need, char *to)
{
	enum tls_hello_status st = TLS_HELLO_OK;
	for (struct str piece = first; st == TLS_HELLO_OK; st = next_record(&bytes, &piece)) {
		size_t use = MIN(piece.n, need);
		if (to != NULL) {
			memcpy(to, piece.p, use);
			to += use;
		}
		need -= use;
		if (need == 0)
			break;
	}
	return st;
}

// A message in several records becomes one stretch of the arena, once all of it is there: it is
// asked for again with every few bytes that come.
static enum tls_hello_status
join_records(struct str bytes, struct arena *arena, struct str first, size_t need,
	     struct str *message)
{
	enum tls_hello_status st = copy_records(bytes, first, need, NULL);
	if (st != TLS_HELLO_OK)
		return st;
	char *p = arena != NULL ? arena_alloc(arena, need, 1) : NULL;
	if (p == NULL)
		return TLS_HELLO_BAD;
	*message = str_of(p, need);
	return copy_records(bytes, first, need, p);
}

// The handshake message with its header of four bytes.
static enum tls_hello_status
first_message(struct str bytes, struct arena *arena, struct str *message)
{
	struct str payload;
	enum tls_hello_status st = next_record(&bytes, &payload);
	if (st != TLS_HELLO_OK)
		return st;
	if (payload.n < 4)
		return TLS_HELLO_BAD; // as HAProxy: such a cut helps nobody but who hides
	struct reader r = {.left = payload};
	(void)number(&r, 1); // the type is for later
	size_t need = number(&r, 3) + (size_t)4;
	if (need > MOST_MESSAGE)
		return TLS_HELLO_BAD;
	if (need > payload.n)
		return join_records(bytes, arena, payload, need, message);
	*message = str_slice(payload, 0, need);
	return TLS_HELLO_OK;
}

// --- the client hello ------------------------------------------------------------------------

// The first name of type host_name.
static void
read_server_name(struct reader ext, struct tls_hello *h)
{
	struct reader list = vector(&ext, 2);
	while (list.left.n > 0 && h->sni.p == NULL) {
		uint32_t type = number(&list, 1);
		struct str name = vector(&list, 2).left;
		if (type == 0 && !list.bad)
			h->sni = name;
	}
}

static void
read_alpn(struct reader ext, struct tls_hello *h)
{
	struct reader list = vector(&ext, 2);
	struct str first = vector(&list, 1).left;
	if (!list.bad && first.n > 0)
		h->alpn = first;
}

static void
read_extension(uint32_t type, struct str data, struct tls_hello *h)
{
	struct reader ext = {.left = data};
	switch (type) {
	case EXT_SERVER_NAME:
		read_server_name(ext, h);
		break;
	case EXT_ALPN:
		read_alpn(ext, h);
		break;
	case EXT_SUPPORTED_GROUPS:
		h->has_ec = true;
		h->groups = vector(&ext, 2).left;
		break;
	case EXT_SIGNATURE_ALGORITHMS:
		h->sigalgs = vector(&ext, 2).left;
		break;
	case EXT_SESSION_TICKET:
		h->ticket = data.n > 0 ? 2 : 1;
		break;
	default:
		break;
	}
}

static enum tls_hello_status
read_client_hello(struct reader r, struct tls_hello *h)
{
	h->version = (uint16_t)number(&r, 2);
	(void)take(&r, 32);  // random
	(void)vector(&r, 1); // session id
	h->ciphers = vector(&r, 2).left;
	(void)vector(&r, 1); // compression methods
	if (r.bad || h->version < 0x0300)
		return TLS_HELLO_BAD;
	if (r.left.n == 0)
		return TLS_HELLO_OK; // extensions are optional (SSLv3)
	struct reader list = vector(&r, 2);
	while (list.left.n > 0) {
		uint32_t type = number(&list, 2);
		struct str data = vector(&list, 2).left;
		if (list.bad)
			return TLS_HELLO_BAD;
		read_extension(type, data, h);
	}
	return r.bad ? TLS_HELLO_BAD : TLS_HELLO_OK;
}

enum tls_hello_status
tls_hello_parse(struct str bytes, struct arena *arena, struct tls_hello *h)
{
	struct str message;
	*h = (struct tls_hello){0};
	enum tls_hello_status st = first_message(bytes, arena, &message);
	if (st != TLS_HELLO_OK)
		return st;
	struct reader r = {.left = message};
	h->type = (uint8_t)number(&r, 1);
	(void)number(&r, 3); // its length: all of the message is here
	return h->type == CLIENT_HELLO ? read_client_hello(r, h) : TLS_HELLO_OK;
}
