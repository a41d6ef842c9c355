// SPDX-License-Identifier: MIT
// Addresses as bind and server lines write them: "host:port", "*:80", ":80", "[::1]:80",
// "ipv4@...", "ipv6@...", "unix@/path", "/path", "abns@name", "fd@3", with port ranges and comma
// lists. Pure text work, except that CONF_ADDR_RESOLVE asks getaddrinfo for a host name.
#pragma once

#include <sys/socket.h>

#include "base/err.h"
#include "base/str.h"

struct conf;

enum conf_addr_kind {
	CONF_ADDR_NONE,
	CONF_ADDR_INET,  // sa is sockaddr_in or sockaddr_in6
	CONF_ADDR_UNIX,  // sa is sockaddr_un; name is the path
	CONF_ADDR_ABNS,  // sa is sockaddr_un in the abstract namespace; name without the NUL
	CONF_ADDR_FD,    // fd
	CONF_ADDR_NAMED, // name is a host name that was not resolved
};

enum conf_addr_flag {
	CONF_ADDR_PORT = 1,          // a port must be given (for kinds that have ports)
	CONF_ADDR_PORT_OPTIONAL = 2, // a port may be given; neither flag: none may
	CONF_ADDR_RANGE = 4,         // "80-90" is allowed
	CONF_ADDR_OFFSET = 8,        // "+10", "-10" is allowed
	CONF_ADDR_ANY = 16,          // "*" and an empty host are allowed
	CONF_ADDR_RESOLVE = 32,      // a host name is looked up here, else its kind is NAMED
	CONF_ADDR_HOSTNAME = 64,     // a host name is allowed (implied by RESOLVE)
	CONF_ADDR_FD_OK = 128,       // "fd@" is allowed
	CONF_ADDR_UNIX_OK = 256,     // unix and abstract sockets are allowed
};
#define CONF_ADDR_FOR_BIND                                                                        \
	(CONF_ADDR_PORT | CONF_ADDR_RANGE | CONF_ADDR_ANY | CONF_ADDR_RESOLVE | CONF_ADDR_FD_OK | \
	 CONF_ADDR_UNIX_OK)
#define CONF_ADDR_FOR_SERVER \
	(CONF_ADDR_PORT_OPTIONAL | CONF_ADDR_OFFSET | CONF_ADDR_RESOLVE | CONF_ADDR_UNIX_OK)

#define CONF_ADDR_MAX_LIST 65536u // elements of one comma list

struct conf_addr {
	enum conf_addr_kind kind;
	int fd;
	struct sockaddr_storage sa;
	socklen_t sa_len;
	bool has_port;
	bool port_is_offset;         // port_low is added to the client's port
	int32_t port_low, port_high; // equal unless a range; also in sa, unless an offset
	struct str name;             // slice of the parsed text
	struct str text;             // as written
};

// One address. False with err, which quotes the text.
bool conf_addr_parse(struct str text, unsigned flags, struct conf_addr *out, struct err *err);
// A comma list, ranges unrolled to one element for each port. The array is in the conf's arena.
bool conf_addr_parse_list(struct conf *c, struct str text, unsigned flags, struct conf_addr **out,
			  size_t *n, struct err *err);
// "127.0.0.1:80", "[::1]:80", "unix@/path", "abns@name", "fd@3", NUL-terminated and cut to fit.
void conf_addr_format(const struct conf_addr *a, char *buf, size_t room);
