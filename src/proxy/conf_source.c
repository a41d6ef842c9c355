// SPDX-License-Identifier: MIT
// A backend's line counts for its servers wherever it stands, so it is applied at the end. An
// address of another family than the server's would fail at each connection: that is told at once.
#include "proxy/conf_source.h"

#include "backend/check.h"
#include "base/module.h"
#include "proxy/conf_priv.h"
#include "proxy/server_addr.h"

#define ADDR_FLAGS (CONF_ADDR_PORT_OPTIONAL | CONF_ADDR_ANY | CONF_ADDR_RESOLVE)

const struct addr *
conf_source_of(struct conf *conf, const struct conf_addr *a, struct err *err)
{
	if (a->kind != CONF_ADDR_INET || a->port_is_offset) {
		err_set(err, "'%.*s' is no address to connect from", STR_ARG(a->text));
		return NULL;
	}
	struct addr *source = CONF_NEW(conf, struct addr);
	conf_addr_to_addr(a, source);
	return source;
}

struct waiting {
	const struct proxy *proxy;
	struct server *server;
	const struct addr *own;
};

// 0.0.0.0 and :: without a port leave all to the system.
static bool
says_nothing(const struct addr *a)
{
	if (addr_port(a) != 0)
		return false;
	return a->sa.sa_family == AF_INET ? a->in.sin_addr.s_addr == INADDR_ANY
					  : IN6_IS_ADDR_UNSPECIFIED(&a->in6.sin6_addr);
}

// One without an address of its own asks the server's.
static bool
suits_check(const struct server *s, const struct check *c, struct err *err)
{
	return c == NULL || c->conf.addr.len == 0 || server_addr_suits(s, &c->conf.addr, err) ||
	       err_wrap(err, c->agent != NULL ? "agent-addr" : "addr");
}

static bool
apply(struct conf *conf, void *arg, struct err *err)
{
	const struct waiting *w = arg;
	const struct addr *source = w->own != NULL ? w->own : w->proxy->conf->source;
	(void)conf;
	if (source == NULL || says_nothing(source))
		return true;
	w->server->source = source;
	return server_addr_suits(w->server, &server_addr(w->server)->addr, err) &&
	       suits_check(w->server, w->server->check, err) &&
	       suits_check(w->server, w->server->agent, err);
}

void
conf_source_server(struct conf *conf, const struct conf_line *line, const struct proxy *p,
		   struct server *s, const struct addr *own)
{
	struct waiting *w = CONF_NEW(conf, struct waiting);
	*w = (struct waiting){.proxy = p, .server = s, .own = own};
	conf_defer(conf, line, apply, w);
}

static bool
parse_source(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	struct proxy *p = conf_proxy_of(obj);
	if (line->argc > line->args + 1)
		return err_set(err, "'%.*s' is not there: only an address and a port are",
			       STR_ARG(line->argv[line->args + 1]));
	p->conf->source = conf_source_of(conf, line->values[0].addr, err);
	return p->conf->source != NULL;
}

static const struct conf_arg source_args[] = {{.name = "address",
					       .type = CONF_ADDR,
					       .addr_flags = ADDR_FLAGS,
					       .help =
						   "ADDRESS[:PORT]; 0.0.0.0 and :: leave it to the "
						   "system."},
					      {.type = CONF_END}};

static const struct conf_keyword keywords[] = {
    {.sections = BACK,
     .words = "source",
     .args = source_args,
     .parse = parse_source,
     .flags = CONF_EXTRA,
     .help = "Connections to servers, checks among them, come from this address, unless the server "
	     "has one of its own. 'usesrc' and 'interface' are not there."},
    {.sections = NULL},
};

const struct module proxy_source_module = {
    .name = "proxy-source",
    .keywords = keywords,
};
