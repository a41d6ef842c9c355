// SPDX-License-Identifier: MIT
// The first message of a TLS connection, read without answering it: what a client offers before
// anything is encrypted (RFC 8446 section 4.1.2, RFC 6066 section 3, RFC 7301). Bytes in, slices
// and a status out; no I/O. Slices point into the bytes, or into the arena when the message came
// in several records.
#pragma once

#include "base/str.h"

struct arena;

enum tls_hello_status { TLS_HELLO_OK, TLS_HELLO_MORE, TLS_HELLO_BAD };

struct tls_hello {
	uint8_t type;                        // handshake type: 1 client hello, 2 server hello, ...
	uint16_t version;                    // 0x0303: as the client hello says, not the record
	struct str sni;                      // host_name; .p NULL: none
	struct str alpn;                     // the protocol offered first; .p NULL: none
	struct str ciphers, groups, sigalgs; // lists as they stand; .p NULL: none
	bool has_ec;                         // supported_groups
	uint8_t ticket;                      // session ticket: 0 none, 1 asked for, 2 resumed
};

// Only the type is read of other messages than a client hello.
enum tls_hello_status tls_hello_parse(struct str bytes, struct arena *arena, struct tls_hello *h);
// The version that stands there, as HAProxy counts it: major << 16 | minor.
static inline int64_t
tls_hello_version(const struct tls_hello *h)
{
	return (int64_t)(h->version >> 8) << 16 | (h->version & 0xff);
}
