// SPDX-License-Identifier: MIT
// Socket addresses: TCP over IPv4 and IPv6, and unix paths (abstract ones begin with a NUL), as
// one value with its text form. No name resolution here. Values; any thread.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/str.h"

struct err;

// "[0123:...:255.255.255.255%4294967295]:65535" or "unix@" and 107 bytes, and the NUL.
#define ADDR_TEXT_BYTES 120

struct addr {
	socklen_t len; // bytes of the union in use; 0: no address
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	};
};

// "127.0.0.1:80", "[::1]:80", "::1:80" (the last colon parts the port, as HAProxy has it),
// ":80" and "*:80" (0.0.0.0), "ipv4@..", "ipv6@..", "unix@/path", "abns@name", "/path". Without
// a port the port is `port`. False with a cause on a host name or rubbish.
bool addr_parse(struct addr *a, struct str text, uint16_t port, struct err *err);
// From a numeric host ("10.0.0.1", "::1", with or without brackets) alone.
bool addr_parse_ip(struct addr *a, struct str host, uint16_t port);
// NUL-terminated into at least ADDR_TEXT_BYTES; returns `out`. No address gives "-".
const char *addr_text(const struct addr *a, char *out);
// The host alone, without brackets or port; a unix address gives "unix".
const char *addr_host_text(const struct addr *a, char *out);
uint16_t addr_port(const struct addr *a); // host order; 0 for unix
void addr_set_port(struct addr *a, uint16_t port);
// Same family, host and port (or path).
bool addr_eq(const struct addr *a, const struct addr *b);
// <0, 0, >0: a total order, by family, host bytes, port.
int addr_cmp(const struct addr *a, const struct addr *b);
// Of a socket; len 0 when it cannot be told. ::ffff:1.2.3.4 becomes plain 1.2.3.4.
void addr_of_peer(struct addr *a, int fd);
void addr_of_local(struct addr *a, int fd);

static inline bool
addr_is_unix(const struct addr *a)
{
	return a->len != 0 && a->sa.sa_family == AF_UNIX;
}
