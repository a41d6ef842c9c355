// SPDX-License-Identifier: MIT
// The header that the PROXY protocol has in front of a connection's bytes (HAProxy's
// doc/proxy-protocol.txt, versions 1 and 2): who the client is that a proxy speaks for. Bytes in,
// slices and a status out, and back; nothing is allocated. Any thread.
#pragma once

#include "net/addr.h"

enum proxy_header_status {
	PROXY_HEADER_OK,
	PROXY_HEADER_MORE,        // what is there may be the beginning of one
	PROXY_HEADER_NONE,        // it is not one
	PROXY_HEADER_BAD,         // it is one, and wrong
	PROXY_HEADER_BAD_PROTOCOL // of version 1, for a protocol that is not known
};

// The longest line of version 1, with its CRLF (section 2.1).
#define PROXY_HEADER_V1_BYTES 107
// Whatever a sender says, a header ends here.
#define PROXY_HEADER_MOST_BYTES (16 + 65535)

// What one says. Slices into its bytes.
struct proxy_header {
	size_t bytes;         // of the header itself
	struct addr src, dst; // len 0: the connection's own count (LOCAL, UNKNOWN, other protocols)
	struct str tlvs;      // of version 2, checked: proxy_header_tlv finds one; may be empty
};

// Types of TLVs, section 2.2; a few have a name.
#define PROXY_TLV_ALPN        0x01
#define PROXY_TLV_AUTHORITY   0x02
#define PROXY_TLV_CRC32C      0x03
#define PROXY_TLV_UNIQUE_ID   0x05
#define PROXY_AUTHORITY_BYTES 255 // the most that HAProxy takes
#define PROXY_UNIQUE_ID_BYTES 128 // likewise, section 2.2.5

// Reads the header that these bytes begin with; *h is set with OK. What is refused stays refused
// with more behind it.
enum proxy_header_status proxy_header_parse(struct str bytes, struct proxy_header *h);
// The value of the last TLV of that type; .p NULL: there is none.
struct str proxy_header_tlv(struct str tlvs, uint8_t type);
// "AUTHORITY", or a number from 0 to 255 as C writes them; -1: neither.
int proxy_header_tlv_type(struct str text);

// What to write. Addresses that are not both of one family of IP make it UNKNOWN, or LOCAL.
struct proxy_header_out {
	unsigned version;                // 1 or 2
	bool local;                      // version 2: a connection of our own
	bool crc32c;                     // version 2: with its checksum
	struct addr src, dst;            // len 0: not known
	struct str unique_id, authority; // version 2; empty: none. Cut where they are too long
};
#define PROXY_HEADER_OUT_BYTES (16 + 36 + 7 + 3 + PROXY_UNIQUE_ID_BYTES + 3 + PROXY_AUTHORITY_BYTES)
// Into at least PROXY_HEADER_OUT_BYTES; how many were written.
size_t proxy_header_write(const struct proxy_header_out *o, char *out);
