// SPDX-License-Identifier: MIT
// Where a server is: the address on its line as it stands, or a host's name, looked up once, at
// start, in the ways that `init-addr` names, one after the other until one finds an address.
#include "proxy/conf_priv.h"

#define BOTH (CONF_ADDR_FOR_SERVER | CONF_ADDR_HOSTNAME)

// Its address is asked of the system; the family that is preferred first, where the other will do.
static bool
ask_system(struct conf *conf, struct str text, int prefer, struct conf_addr *a, struct err *err)
{
	static const char *const families[] = {"", "ipv4@", "ipv6@"};
	struct err ignored = {0};
	if (prefer != 0) {
		struct str one =
		    str_from_c(conf_printf(conf, "%s%.*s", families[prefer], STR_ARG(text)));
		if (conf_addr_parse(one, BOTH, a, &ignored))
			return true;
	}
	return conf_addr_parse(text, BOTH, a, err);
}

// The address that init-addr gives, with the port of the line.
static bool
take_given(struct conf *conf, struct str given, const struct conf_addr *written,
	   struct conf_addr *a, struct err *err)
{
	const char *text =
	    conf_printf(conf, memchr(given.p, ':', given.n) != NULL ? "[%.*s]:%d" : "%.*s:%d",
			STR_ARG(given), written->port_low);
	if (!conf_addr_parse(str_from_c(text), CONF_ADDR_PORT, a, err))
		return false;
	a->text = written->text;
	return true;
}

static bool
is_ip(struct str word)
{
	struct sample ip;
	return sample_parse_ip(word, &ip);
}

bool
conf_parse_init_addr(struct conf *conf, void *obj, const struct conf_line *line,
		     struct conf_value *value, struct err *err)
{
	struct str rest = value->s, word;
	(void)conf;
	(void)line;
	while (str_next(&rest, ',', &word))
		if (!str_eq(word, STR("last")) && !str_eq(word, STR("libc")) &&
		    !str_eq(word, STR("none")) && !is_ip(word))
			return err_set(err, "'%.*s' is none of last, libc, none and an IP address",
				       STR_ARG(word));
	((struct server_options *)obj)->init_addr = value->s;
	return true;
}

bool
conf_parse_resolve_prefer(struct conf *conf, void *obj, const struct conf_line *line,
			  struct conf_value *value, struct err *err)
{
	(void)conf;
	(void)line;
	(void)err;
	((struct server_options *)obj)->resolve_prefer = 1 + (int)value->i;
	return true;
}

// A name's address. What an operator set before a reload (`last`) is put in its place later.
static bool
resolve(struct conf *conf, const struct conf_addr *written, struct server_options *o,
	struct conf_addr *a, struct err *err)
{
	struct str rest = o->init_addr.n > 0 ? o->init_addr : STR("libc"), word;
	bool asked = false;
	while (str_next(&rest, ',', &word)) {
		if (str_eq(word, STR("libc"))) {
			asked = true;
			if (ask_system(conf, written->text, o->resolve_prefer, a, err))
				return true;
		} else if (str_eq(word, STR("none"))) {
			o->disabled = true; // 0.0.0.0 would be this machine
			return take_given(conf, STR("0.0.0.0"), written, a, err);
		} else if (!str_eq(word, STR("last"))) {
			return take_given(conf, word, written, a, err);
		}
	}
	return asked ? false
		     : err_set(err, "no way of init-addr '%.*s' finds an address for '%.*s'",
			       STR_ARG(o->init_addr), STR_ARG(written->text));
}

bool
conf_server_addr(struct conf *conf, const struct conf_addr *written, struct server_options *o,
		 struct addr *to, struct err *err)
{
	struct conf_addr a = *written;
	if (a.port_is_offset)
		return err_set(err,
			       "'%.*s': a port relative to the client's comes in a later tidegate",
			       STR_ARG(a.text));
	if ((a.kind == CONF_ADDR_INET || a.kind == CONF_ADDR_NAMED) && !a.has_port)
		return err_set(err,
			       "'%.*s' has no port: write 'ADDRESS:PORT' (the client's port as "
			       "default comes in a later tidegate)",
			       STR_ARG(a.text));
	if (a.kind == CONF_ADDR_NAMED && !resolve(conf, written, o, &a, err))
		return false;
	if (a.kind != CONF_ADDR_INET && a.kind != CONF_ADDR_UNIX && a.kind != CONF_ADDR_ABNS)
		return err_set(err, "'%.*s' is no address of a server", STR_ARG(a.text));
	conf_addr_to_addr(&a, to);
	return true;
}
