// SPDX-License-Identifier: MIT
// Socket addresses: parsing, printing, comparing.
#include "net/addr.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/err.h"

static bool
set_unix(struct addr *a, struct str path, bool abstract)
{
	size_t room = sizeof(a->un.sun_path) - 1;
	if (path.n == 0 || path.n > room)
		return false;
	*a = (struct addr){0};
	a->un.sun_family = AF_UNIX;
	memcpy(a->un.sun_path + (abstract ? 1 : 0), path.p, path.n);
	// An abstract name has its length only; a path has its NUL too.
	a->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.n + 1);
	return true;
}

static bool
set_ip(struct addr *a, struct str host, uint16_t port, bool want4, bool want6)
{
	char text[INET6_ADDRSTRLEN + 1];
	if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		host = str_slice(host, 1, host.n - 1);
	if (host.n == 0 || str_eq(host, STR("*")))
		host = want4 ? STR("0.0.0.0") : STR("::");
	if (host.n >= sizeof(text))
		return false;
	memcpy(text, host.p, host.n);
	text[host.n] = '\0';
	*a = (struct addr){0};
	if (want4 && inet_pton(AF_INET, text, &a->in.sin_addr) == 1) {
		a->in.sin_family = AF_INET;
		a->in.sin_port = htons(port);
		a->len = sizeof(a->in);
		return true;
	}
	if (want6 && inet_pton(AF_INET6, text, &a->in6.sin6_addr) == 1) {
		a->in6.sin6_family = AF_INET6;
		a->in6.sin6_port = htons(port);
		a->len = sizeof(a->in6);
		return true;
	}
	return false;
}

bool
addr_parse_ip(struct addr *a, struct str host, uint16_t port)
{
	return host.n > 0 && !str_eq(host, STR("*")) && set_ip(a, host, port, true, true);
}

static bool
cut_prefix(struct str *s, struct str prefix)
{
	if (!str_starts(*s, prefix))
		return false;
	*s = str_slice(*s, prefix.n, s->n);
	return true;
}

// Cuts ":port" off the end of *host. An IPv6 address without port must stand in brackets.
static bool
cut_port(struct str *host, uint16_t *port)
{
	size_t colon = host->n;
	int64_t value;
	while (colon > 0 && host->p[colon - 1] != ':' && host->p[colon - 1] != ']')
		colon--;
	if (colon == 0 || host->p[colon - 1] == ']')
		return true;
	if (!str_to_int(str_slice(*host, colon, host->n), &value) || value < 0 || value > 65535)
		return false;
	*port = (uint16_t)value;
	*host = str_slice(*host, 0, colon - 1);
	return true;
}

bool
addr_parse(struct addr *a, struct str text, uint16_t port, struct err *err)
{
	struct str s = text;
	bool want4 = true, want6 = true;
	if (cut_prefix(&s, STR("unix@")) || (s.n > 0 && s.p[0] == '/')) {
		if (set_unix(a, s, false))
			return true;
		return err_set(err, "unix path '%.*s' is empty or longer than 107 bytes",
			       STR_ARG(s));
	}
	if (cut_prefix(&s, STR("abns@"))) {
		if (set_unix(a, s, true))
			return true;
		return err_set(err, "abstract name '%.*s' is empty or longer than 107 bytes",
			       STR_ARG(s));
	}
	if (cut_prefix(&s, STR("ipv4@")) || cut_prefix(&s, STR("tcp4@")))
		want6 = false;
	else if (cut_prefix(&s, STR("ipv6@")) || cut_prefix(&s, STR("tcp6@")))
		want4 = false;
	else
		(void)cut_prefix(&s, STR("tcp@"));
	if (!cut_port(&s, &port))
		return err_set(err, "'%.*s': the port is not a number from 0 to 65535",
			       STR_ARG(text));
	if (set_ip(a, s, port, want4, want6))
		return true;
	return err_set(err, "'%.*s' is not an address (1.2.3.4:80, [::1]:80, *:80, unix@/path)",
		       STR_ARG(text));
}

const char *
addr_host_text(const struct addr *a, char *out)
{
	const char *done = NULL;
	if (a->len == 0)
		return memcpy(out, "-", 2);
	if (a->sa.sa_family == AF_UNIX)
		return memcpy(out, "unix", 5);
	if (a->sa.sa_family == AF_INET)
		done = inet_ntop(AF_INET, &a->in.sin_addr, out, ADDR_TEXT_BYTES);
	else if (a->sa.sa_family == AF_INET6)
		done = inet_ntop(AF_INET6, &a->in6.sin6_addr, out, ADDR_TEXT_BYTES);
	return done != NULL ? done : memcpy(out, "-", 2);
}

static const char *
unix_text(const struct addr *a, char *out)
{
	size_t n = a->len - offsetof(struct sockaddr_un, sun_path);
	if (a->len <= offsetof(struct sockaddr_un, sun_path))
		return memcpy(out, "unix@", 6);
	if (a->un.sun_path[0] == '\0')
		(void)snprintf(out, ADDR_TEXT_BYTES, "abns@%.*s", (int)n - 1, a->un.sun_path + 1);
	else
		(void)snprintf(out, ADDR_TEXT_BYTES, "unix@%.*s", (int)n, a->un.sun_path);
	return out;
}

const char *
addr_text(const struct addr *a, char *out)
{
	char host[ADDR_TEXT_BYTES];
	if (addr_is_unix(a))
		return unix_text(a, out);
	(void)addr_host_text(a, host);
	if (a->len == 0)
		return memcpy(out, "-", 2);
	(void)snprintf(out, ADDR_TEXT_BYTES,
		       a->sa.sa_family == AF_INET6 ? "[%.80s]:%u" : "%.80s:%u", host, addr_port(a));
	return out;
}

uint16_t
addr_port(const struct addr *a)
{
	if (a->len == 0)
		return 0;
	if (a->sa.sa_family == AF_INET)
		return ntohs(a->in.sin_port);
	return a->sa.sa_family == AF_INET6 ? ntohs(a->in6.sin6_port) : 0;
}

void
addr_set_port(struct addr *a, uint16_t port)
{
	if (a->len != 0 && a->sa.sa_family == AF_INET)
		a->in.sin_port = htons(port);
	else if (a->len != 0 && a->sa.sa_family == AF_INET6)
		a->in6.sin6_port = htons(port);
}

int
addr_cmp(const struct addr *a, const struct addr *b)
{
	int c;
	if (a->len == 0 || b->len == 0)
		return (a->len != 0) - (b->len != 0);
	if (a->sa.sa_family != b->sa.sa_family)
		return a->sa.sa_family < b->sa.sa_family ? -1 : 1;
	if (a->sa.sa_family == AF_UNIX) {
		size_t head = offsetof(struct sockaddr_un, sun_path);
		return str_cmp(str_of(a->un.sun_path, MAX(a->len, head) - head),
			       str_of(b->un.sun_path, MAX(b->len, head) - head));
	}
	if (a->sa.sa_family == AF_INET)
		c = memcmp(&a->in.sin_addr, &b->in.sin_addr, sizeof(a->in.sin_addr));
	else
		c = memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, sizeof(a->in6.sin6_addr));
	return c != 0 ? c : (int)addr_port(a) - (int)addr_port(b);
}

bool
addr_eq(const struct addr *a, const struct addr *b)
{
	return addr_cmp(a, b) == 0;
}

static void
unmap_v4(struct addr *a)
{
	struct in_addr v4;
	uint16_t port = a->in6.sin6_port;
	if (a->sa.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr))
		return;
	memcpy(&v4, a->in6.sin6_addr.s6_addr + 12, sizeof(v4));
	*a = (struct addr){.len = sizeof(a->in)};
	a->in.sin_family = AF_INET;
	a->in.sin_port = port;
	a->in.sin_addr = v4;
}

static void
ask_name(struct addr *a, int fd, bool peer)
{
	*a = (struct addr){0};
	socklen_t len = sizeof(a->un);
	int r = peer ? getpeername(fd, &a->sa, &len) : getsockname(fd, &a->sa, &len);
	if (r != 0)
		return;
	a->len = MIN(len, (socklen_t)sizeof(a->un));
	unmap_v4(a);
}

void
addr_of_peer(struct addr *a, int fd)
{
	ask_name(a, fd, true);
}

void
addr_of_local(struct addr *a, int fd)
{
	ask_name(a, fd, false);
}
