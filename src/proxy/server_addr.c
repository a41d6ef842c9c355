// SPDX-License-Identifier: MIT
// An address is published by its pointer. The one before is freed once every worker has had a turn
// since: none keeps the pointer from turn to turn.
#include "proxy/server_addr.h"

#include "base/log.h"
#include "base/mem.h"
#include "conf/address.h"
#include "net/worker.h"
#include "proxy/conf_priv.h"
#include "proxy/conns.h"
#include "proxy/kept.h"
#include "proxy/proxy.h"

// --- what stands for one -------------------------------------------------------------------------

static bool
is_unspecified(const struct addr *a)
{
	if (a->sa.sa_family == AF_INET)
		return a->in.sin_addr.s_addr == htonl(INADDR_ANY);
	return a->sa.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&a->in6.sin6_addr);
}

static bool
take_port(const struct server *s, struct str port, struct addr *a, struct err *err)
{
	int64_t n = addr_port(&server_addr(s)->addr);
	if (addr_is_unix(a))
		return port.n == 0 || err_set(err, "a unix socket has no port");
	if (port.n == 0 && n == 0)
		return err_set(err, "the server is at %s and has no port so far: add 'port PORT'",
			       server_addr(s)->text);
	if (port.n > 0 && (!str_to_int(port, &n) || n < 1 || n > UINT16_MAX))
		return err_set(err, "'%.*s' is no port: 1 to 65535", (int)MIN(port.n, 40), port.p);
	addr_set_port(a, (uint16_t)n);
	return true;
}

// A path goes into lines of answers and logs.
static bool
is_printable(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f)
			return false;
	return true;
}

// The one reading of an address, with its port or without.
static bool
parse(struct str text, unsigned port_flag, struct addr *out, struct err *err)
{
	struct conf_addr a;
	if (!is_printable(text))
		return err_set(err, "a blank or control character has no place in an address");
	if (!conf_addr_parse(text, CONF_ADDR_UNIX_OK | port_flag, &a, err))
		return false;
	conf_addr_to_addr(&a, out);
	return !is_unspecified(out) ||
	       err_set(err, "'%.*s': the address of no server", STR_ARG(text));
}

bool
server_addr_parse(const struct server *s, struct str address, struct str port, struct addr *out,
		  struct err *err)
{
	struct err why;
	if (!parse(address, 0, out, &why))
		return err_set(err,
			       "Invalid addr format: %s; expected an IPv4 or IPv6 address or "
			       "unix@PATH, and 'port PORT' apart",
			       why.text);
	return take_port(s, port, out, err);
}

bool
server_addr_parse_text(struct str text, struct addr *out, struct err *err)
{
	if (!parse(text, CONF_ADDR_PORT, out, err))
		return false;
	return addr_is_unix(out) || addr_port(out) > 0 ||
	       err_set(err, "'%.*s': 0 is the port of no server", STR_ARG(text));
}

bool
server_addr_suits(const struct server *s, const struct addr *a, struct err *err)
{
	char from[ADDR_TEXT_BYTES], text[ADDR_TEXT_BYTES];
	const struct addr *source = server_source(s, a);
	return source == NULL || a->sa.sa_family == source->sa.sa_family ||
	       err_set(
		   err,
		   "source %s cannot connect to server '%.*s' at %s: one is IPv4, the other IPv6",
		   addr_host_text(source, from), STR_ARG(s->name), addr_text(a, text));
}

// --- changing it ---------------------------------------------------------------------------------

struct move {
	struct server *server;
	const struct server_addr *before;
	const struct backend_cookies *cookies; // they depended on it
	void (*done)(void *arg);
	void *arg;
};

static void
close_idle(struct worker *w, void *arg)
{
	const struct move *m = arg;
	if (w->slot[WORKER_SLOT_PROXY] != NULL)
		server_conn_close_moved(w->slot[WORKER_SLOT_PROXY], m->server);
}

static void
moved(struct worker *keeper UNUSED, void *arg)
{
	struct move *m = arg;
	server_addr_free(m->server, m->before);
	backend_cookies_free(m->cookies);
	if (m->done != NULL)
		m->done(m->arg);
	mem_free(m);
}

bool
server_addr_set(const struct proxy_set *set, struct server *s, const struct addr *a, struct str who,
		void (*done)(void *arg), void *arg)
{
	if (addr_eq(&server_addr(s)->addr, a))
		return false;
	struct move *m = MEM_NEW(struct move);
	*m = (struct move){.server = s, .done = done, .arg = arg};
	m->before = server_addr_publish(s, a);
	if (s->backend->cookie_making.dynamic)
		m->cookies = backend_cookies_publish(s->backend);
	kept_server_addr(s);
	log_msg(LOG_WARNING, "Server %.*s/%.*s is at %s, before at %s, set by %.*s",
		STR_ARG(s->backend->name), STR_ARG(s->name), server_addr(s)->text, m->before->text,
		STR_ARG(who));
	worker_broadcast(set->threads, close_idle, moved, m);
	return true;
}
