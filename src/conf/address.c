// SPDX-License-Identifier: MIT
// Reads addresses in HAProxy's forms. A prefix before '@' fixes the family; without one a '/'
// means a unix socket and anything else a host with a port behind the last colon.
#include "conf/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/un.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"

#define MAX_HOST_BYTES 255u

struct parse {
	struct str text;
	unsigned flags;
	struct conf_addr *out;
	struct err *err;
};

static bool
refuse(const struct parse *p, const char *what)
{
	return err_set(p->err, "'%.*s': %s", (int)MIN(p->text.n, 200), p->text.p, what);
}

// ------------------------------------------------------------ ports

static bool
port_number(struct str s, int64_t *port)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return s.n > 0 && str_to_int(s, port) && *port <= 65535;
}

static bool
parse_port_range(const struct parse *p, struct str low_text, struct str high_text)
{
	int64_t low, high;
	if (!port_number(low_text, &low) || !port_number(high_text, &high))
		return refuse(p, "a port is a number from 0 to 65535");
	if (high < low)
		return refuse(p, "the port range ends before it begins");
	if (high > low && !(p->flags & CONF_ADDR_RANGE))
		return refuse(p, "a port range is not permitted here");
	p->out->port_low = (int32_t)low;
	p->out->port_high = (int32_t)high;
	p->out->has_port = true;
	return true;
}

static bool
parse_port_offset(const struct parse *p, struct str s)
{
	int64_t offset;
	if (!(p->flags & CONF_ADDR_OFFSET))
		return refuse(p, "a port offset is not permitted here");
	if (!port_number(str_slice(s, 1, s.n), &offset))
		return refuse(p, "a port offset is + or - and a number up to 65535");
	p->out->port_low = p->out->port_high = (int32_t)(s.p[0] == '-' ? -offset : offset);
	p->out->port_is_offset = true;
	p->out->has_port = true;
	return true;
}

static bool
parse_port(const struct parse *p, struct str s, bool given)
{
	if (!given || s.n == 0) {
		if (p->flags & CONF_ADDR_PORT)
			return refuse(p, "missing port number, expected <address>:<port>");
		return !given || refuse(p, "no port behind the colon");
	}
	if (!(p->flags & (CONF_ADDR_PORT | CONF_ADDR_PORT_OPTIONAL)))
		return refuse(p, "a port is not permitted here");
	if (s.p[0] == '+' || s.p[0] == '-')
		return parse_port_offset(p, s);
	size_t dash = str_find_byte(s, '-');
	if (dash == SIZE_MAX)
		return parse_port_range(p, s, s);
	return parse_port_range(p, str_slice(s, 0, dash), str_slice(s, dash + 1, s.n));
}

static void
set_port(struct conf_addr *a, in_port_t port)
{
	if (a->sa.ss_family == AF_INET)
		((struct sockaddr_in *)&a->sa)->sin_port = htons(port);
	else if (a->sa.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&a->sa)->sin6_port = htons(port);
}

// ------------------------------------------------------------ hosts

static bool
set_v4(struct conf_addr *a, const char *host)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	if (inet_pton(AF_INET, host, &in.sin_addr) != 1)
		return false;
	memcpy(&a->sa, &in, sizeof(in));
	a->sa_len = sizeof(in);
	return true;
}

static bool
set_v6(struct conf_addr *a, const char *host)
{
	struct sockaddr_in6 in = {.sin6_family = AF_INET6};
	if (inet_pton(AF_INET6, host, &in.sin6_addr) != 1)
		return false;
	memcpy(&a->sa, &in, sizeof(in));
	a->sa_len = sizeof(in);
	return true;
}

static bool
resolve(const struct parse *p, const char *host, int family)
{
	struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM}, *found = NULL;
	log_doing("resolving '%s'", host);
	int rc = getaddrinfo(host, NULL, &hints, &found);
	// RFC 6761 6.3: this name is the loopback address, also where no hosts file says so.
	if (rc != 0 && strcasecmp(host, "localhost") == 0)
		rc = getaddrinfo(family == AF_INET6 ? "::1" : "127.0.0.1", NULL, &hints, &found);
	if (rc != 0)
		return err_set(p->err, "could not resolve address '%s': %s", host,
			       gai_strerror(rc));
	bool good = found->ai_addrlen <= sizeof(p->out->sa);
	if (good) {
		memcpy(&p->out->sa, found->ai_addr, found->ai_addrlen);
		p->out->sa_len = found->ai_addrlen;
	}
	freeaddrinfo(found);
	return good || refuse(p, "its address is of an unknown kind");
}

static bool
is_hostname(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char b = byte_lower((unsigned char)s.p[i]);
		if (!((b >= 'a' && b <= 'z') || (b >= '0' && b <= '9') || b == '-' || b == '.' ||
		      b == '_'))
			return false;
	}
	return s.n > 0;
}

static bool
parse_hostname(const struct parse *p, struct str host, const char *c_host, int family)
{
	if (!(p->flags & (CONF_ADDR_RESOLVE | CONF_ADDR_HOSTNAME)) || !is_hostname(host))
		return refuse(p, family == AF_INET    ? "not an IPv4 address"
				 : family == AF_INET6 ? "not an IPv6 address"
						      : "not an IP address");
	p->out->name = host;
	if (p->flags & CONF_ADDR_RESOLVE)
		return resolve(p, c_host, family);
	p->out->kind = CONF_ADDR_NAMED;
	return true;
}

static bool
parse_host(const struct parse *p, struct str host, int family)
{
	char c_host[MAX_HOST_BYTES + 1];
	struct conf_addr *a = p->out;
	a->kind = CONF_ADDR_INET;
	if (host.n == 0 || str_eq(host, STR("*"))) {
		if (!(p->flags & CONF_ADDR_ANY))
			return refuse(p, "an address must be given");
		return family == AF_INET6 ? set_v6(a, "::") : set_v4(a, "0.0.0.0");
	}
	bool bracket = host.p[0] == '[';
	if (bracket) {
		if (host.p[host.n - 1] != ']')
			return refuse(p, "missing ']' behind the IPv6 address");
		host = str_slice(host, 1, host.n - 1);
	}
	if (host.n > MAX_HOST_BYTES || host.n == 0)
		return refuse(p, "not an address");
	memcpy(c_host, host.p, host.n);
	c_host[host.n] = '\0';
	if (family != AF_INET6 && !bracket && set_v4(a, c_host))
		return true;
	if (family != AF_INET && set_v6(a, c_host))
		return true;
	if (bracket)
		return refuse(p, "not an IPv6 address");
	return parse_hostname(p, host, c_host, family);
}

// Index of the colon in front of the port, or SIZE_MAX.
static size_t
port_colon(struct str s)
{
	for (size_t i = s.n; i > 0 && s.p[i - 1] != ']'; i--)
		if (s.p[i - 1] == ':')
			return i - 1;
	return SIZE_MAX;
}

static bool
parse_inet(const struct parse *p, struct str s, int family)
{
	bool no_port = !(p->flags & (CONF_ADDR_PORT | CONF_ADDR_PORT_OPTIONAL));
	size_t colon = port_colon(s);
	// Where no port may stand, "::1" is an address as it is.
	if (no_port && colon != SIZE_MAX && family != AF_INET && parse_host(p, s, AF_INET6))
		return true;
	if (!parse_host(p, str_slice(s, 0, MIN(colon, s.n)), family) ||
	    !parse_port(p, str_slice(s, colon == SIZE_MAX ? s.n : colon + 1, s.n),
			colon != SIZE_MAX))
		return false;
	if (!p->out->port_is_offset)
		set_port(p->out, (in_port_t)p->out->port_low);
	return true;
}

// ------------------------------------------------------------ other kinds

static bool
parse_unix(const struct parse *p, struct str path, bool abstract)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	if (!(p->flags & CONF_ADDR_UNIX_OK))
		return refuse(p, "a unix socket is not permitted here");
	if (path.n == 0)
		return refuse(p, "missing path of the unix socket");
	if (path.n > sizeof(un.sun_path) - 1)
		return refuse(p, "path of the unix socket is longer than 107 bytes");
	memcpy(un.sun_path + (abstract ? 1 : 0), path.p, path.n);
	memcpy(&p->out->sa, &un, sizeof(un));
	// Abstract names are padded with zeros to the full length, as HAProxy's are.
	p->out->sa_len = sizeof(un);
	p->out->kind = abstract ? CONF_ADDR_ABNS : CONF_ADDR_UNIX;
	p->out->name = path;
	return true;
}

static bool
parse_fd(const struct parse *p, struct str number)
{
	int64_t fd;
	if (!(p->flags & CONF_ADDR_FD_OK))
		return refuse(p, "a file descriptor is not permitted here");
	if (number.n == 0 || number.p[0] == '-' || !str_to_int(number, &fd) || fd > 1 << 20)
		return refuse(p, "fd@ expects the number of an open file descriptor");
	p->out->kind = CONF_ADDR_FD;
	p->out->fd = (int)fd;
	return true;
}

// What is no host and has no port, where one must be given, or has a '/', may be a relative path.
static bool
suggest_unix(const struct parse *p)
{
	bool port_left_out = (p->flags & CONF_ADDR_PORT) != 0;
	bool like_path = str_find_byte(p->text, '/') != SIZE_MAX;
	if ((p->flags & CONF_ADDR_UNIX_OK) && p->out->sa_len == 0 &&
	    str_find_byte(p->text, ':') == SIZE_MAX && (port_left_out || like_path))
		(void)err_add(p->err, "; a unix socket's path begins with '/' or 'unix@'");
	return false;
}

enum prefix_kind { PREFIX_INET, PREFIX_UNIX, PREFIX_ABNS, PREFIX_FD, PREFIX_REFUSED };

static const struct {
	struct str name;
	enum prefix_kind kind;
	int family;
} prefixes[] = {
    {{"ipv4@", 5}, PREFIX_INET, AF_INET},  {{"ipv6@", 5}, PREFIX_INET, AF_INET6},
    {{"ip@", 3}, PREFIX_INET, AF_UNSPEC},  {{"tcp@", 4}, PREFIX_INET, AF_UNSPEC},
    {{"tcp4@", 5}, PREFIX_INET, AF_INET},  {{"tcp6@", 5}, PREFIX_INET, AF_INET6},
    {{"unix@", 5}, PREFIX_UNIX, 0},        {{"uxst@", 5}, PREFIX_UNIX, 0},
    {{"abns@", 5}, PREFIX_ABNS, 0},        {{"fd@", 3}, PREFIX_FD, 0},
    {{"udp@", 4}, PREFIX_REFUSED, 0},      {{"udp4@", 5}, PREFIX_REFUSED, 0},
    {{"udp6@", 5}, PREFIX_REFUSED, 0},     {{"quic4@", 6}, PREFIX_REFUSED, 0},
    {{"quic6@", 6}, PREFIX_REFUSED, 0},    {{"uxdg@", 5}, PREFIX_REFUSED, 0},
    {{"sockpair@", 9}, PREFIX_REFUSED, 0}, {{"ring@", 5}, PREFIX_REFUSED, 0},
};

static bool
parse_prefixed(const struct parse *p, enum prefix_kind kind, int family, struct str rest)
{
	switch (kind) {
	case PREFIX_INET:
		return parse_inet(p, rest, family);
	case PREFIX_UNIX:
		return parse_unix(p, rest, false);
	case PREFIX_ABNS:
		return parse_unix(p, rest, true);
	case PREFIX_FD:
		return parse_fd(p, rest);
	case PREFIX_REFUSED:
		break;
	}
	return refuse(p, "this kind of address is not supported");
}

bool
conf_addr_parse(struct str text, unsigned flags, struct conf_addr *out, struct err *err)
{
	struct parse p = {.text = text, .flags = flags, .out = out, .err = err};
	*out = (struct conf_addr){.fd = -1, .text = text};
	if (text.n == 0)
		return refuse(&p, "an address must be given");
	if (memchr(text.p, '\0', text.n) != NULL)
		return refuse(&p, "a NUL has no place in an address");
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
		if (str_starts(text, prefixes[i].name))
			return parse_prefixed(&p, prefixes[i].kind, prefixes[i].family,
					      str_slice(text, prefixes[i].name.n, text.n));
	if (text.p[0] == '/')
		return parse_unix(&p, text, false);
	if (str_find_byte(text, '@') != SIZE_MAX)
		return refuse(&p,
			      "unknown prefix before '@', expected ipv4, ipv6, unix, abns or fd");
	return parse_inet(&p, text, AF_UNSPEC) || suggest_unix(&p);
}

// ------------------------------------------------------------ lists

// The elements of one piece: as many as its range has ports.
static void
unroll(const struct conf_addr *a, struct conf_addr *out)
{
	for (int32_t port = a->port_low; port <= a->port_high; port++, out++) {
		*out = *a;
		if (a->port_is_offset)
			continue;
		out->port_low = out->port_high = port;
		set_port(out, (in_port_t)port);
	}
}

bool
conf_addr_parse_list(struct conf *c, struct str text, unsigned flags, struct conf_addr **out,
		     size_t *n, struct err *err)
{
	struct str rest = text, piece;
	struct conf_addr one;
	size_t total = 0;
	if (text.n == 0)
		return err_set(err, "an address must be given");
	while (str_next(&rest, ',', &piece)) {
		if (!conf_addr_parse(piece, flags, &one, err))
			return false;
		total += (size_t)(one.port_high - one.port_low) + 1;
		if (total > CONF_ADDR_MAX_LIST)
			return err_set(err, "'%.*s' stands for more than %u addresses",
				       (int)MIN(text.n, 200), text.p, CONF_ADDR_MAX_LIST);
	}
	*out = conf_alloc(c, total * sizeof(**out));
	*n = 0;
	rest = text;
	while (str_next(&rest, ',', &piece)) {
		if (!conf_addr_parse(piece, flags, &one, err))
			return false;
		unroll(&one, *out + *n);
		*n += (size_t)(one.port_high - one.port_low) + 1;
	}
	return true;
}

// ------------------------------------------------------------ text

void
conf_addr_format(const struct conf_addr *a, char *buf, size_t room)
{
	char host[INET6_ADDRSTRLEN] = "";
	const char *sign = a->port_is_offset && a->port_low >= 0 ? "+" : "";
	char port[16] = "";
	int n = 0;
	if (a->has_port)
		(void)snprintf(port, sizeof(port), ":%s%d", sign, a->port_low); // fits
	switch (a->kind) {
	case CONF_ADDR_NONE:
		n = snprintf(buf, room, "none");
		break;
	case CONF_ADDR_INET:
		if (a->sa.ss_family == AF_INET6)
			(void)inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)&a->sa)->sin6_addr,
					host, sizeof(host)); // room and family are right
		else
			(void)inet_ntop(AF_INET, &((const struct sockaddr_in *)&a->sa)->sin_addr,
					host, sizeof(host)); // room and family are right
		n = snprintf(buf, room, a->sa.ss_family == AF_INET6 ? "[%s]%s" : "%s%s", host,
			     port);
		break;
	case CONF_ADDR_UNIX:
	case CONF_ADDR_ABNS:
		n = snprintf(buf, room, "%s@%.*s", a->kind == CONF_ADDR_UNIX ? "unix" : "abns",
			     STR_ARG(a->name));
		break;
	case CONF_ADDR_FD:
		n = snprintf(buf, room, "fd@%d", a->fd);
		break;
	case CONF_ADDR_NAMED:
		n = snprintf(buf, room, "%.*s%s", STR_ARG(a->name), port);
		break;
	}
	ASSERT(n >= 0); // cutting is what we want
}
