// SPDX-License-Identifier: MIT
// `bind`: where a frontend listens.
#include <errno.h>
#include <grp.h>
#include <pwd.h>

#include "proxy/conf_priv.h"

struct bind_options {
	struct str name, mode, user, group;
	int64_t backlog, maxconn, id, uid, gid;
	bool v6only, v4v6, transparent, accept_proxy;
};

#define OPT(member) offsetof(struct bind_options, member)
#define NO_TLS      "TLS comes in a later tidegate; until then let a TLS terminator stand in front"

const struct conf_word conf_bind_words[] = {
    {.name = "name", .type = CONF_STR, .offset = OPT(name), .help = "Name in so_name and stats."},
    {.name = "id",
     .type = CONF_INT,
     .min = 1,
     .max = INT32_MAX,
     .offset = OPT(id),
     .help = "Number in so_id and stats; default counts from 1."},
    {.name = "backlog",
     .type = CONF_INT,
     .min = 1,
     .max = 1 << 20,
     .offset = OPT(backlog),
     .help = "Connections that the kernel keeps waiting for us."},
    {.name = "maxconn",
     .type = CONF_INT,
     .min = 0,
     .max = INT32_MAX,
     .offset = OPT(maxconn),
     .help = "Most connections at once on this address; 0: the frontend's."},
    {.name = "mode",
     .type = CONF_STR,
     .offset = OPT(mode),
     .help = "Permission bits of a unix socket, octal: 660."},
    {.name = "user", .type = CONF_STR, .offset = OPT(user), .help = "Owner of a unix socket."},
    {.name = "group", .type = CONF_STR, .offset = OPT(group), .help = "Group of a unix socket."},
    {.name = "uid",
     .type = CONF_INT,
     .min = -1,
     .max = INT32_MAX,
     .dflt = "-1",
     .offset = OPT(uid),
     .help = "Owner of a unix socket, by number."},
    {.name = "gid",
     .type = CONF_INT,
     .min = -1,
     .max = INT32_MAX,
     .dflt = "-1",
     .offset = OPT(gid),
     .help = "Group of a unix socket, by number."},
    {.name = "v6only",
     .type = CONF_FLAG,
     .offset = OPT(v6only),
     .help = "An IPv6 address takes no IPv4 connections."},
    {.name = "v4v6",
     .type = CONF_FLAG,
     .offset = OPT(v4v6),
     .help = "An IPv6 wildcard takes IPv4 connections too."},
    {.name = "process",
     .type = CONF_STR,
     .flags = CONF_WORD_IGNORED,
     .help = "All workers serve all addresses."},
    {.name = "thread",
     .type = CONF_STR,
     .flags = CONF_WORD_IGNORED,
     .help = "All workers serve all addresses."},
    {.name = "shards",
     .type = CONF_STR,
     .flags = CONF_WORD_IGNORED,
     .help = "There is one socket per worker anyway."},
    {.name = "nice", .type = CONF_INT, .flags = CONF_WORD_IGNORED, .help = "No priorities."},
    {.name = "tfo",
     .type = CONF_FLAG,
     .flags = CONF_WORD_IGNORED,
     .help = "TCP Fast Open is not performed yet."},
    {.name = "defer-accept", .type = CONF_FLAG, .flags = CONF_WORD_IGNORED, .help = CONF_NOT_YET},
    {.name = "tcp-ut", .type = CONF_STR, .flags = CONF_WORD_IGNORED, .help = CONF_NOT_YET},
    {.name = "mss", .type = CONF_STR, .flags = CONF_WORD_IGNORED, .help = CONF_NOT_YET},
    {.name = "level",
     .type = CONF_STR,
     .flags = CONF_WORD_REFUSED,
     .help = "it belongs to 'stats socket'"},
    {.name = "ssl", .type = CONF_FLAG, .flags = CONF_WORD_REFUSED, .help = NO_TLS},
    {.name = "crt", .type = CONF_STR, .flags = CONF_WORD_REFUSED, .help = NO_TLS},
    {.name = "ca-file", .type = CONF_STR, .flags = CONF_WORD_REFUSED, .help = NO_TLS},
    {.name = "verify", .type = CONF_STR, .flags = CONF_WORD_REFUSED, .help = NO_TLS},
    {.name = "alpn", .type = CONF_STR, .flags = CONF_WORD_REFUSED, .help = NO_TLS},
    {.name = "proto",
     .type = CONF_STR,
     .flags = CONF_WORD_REFUSED,
     .help = "other protocols than HTTP/1 come in a later tidegate"},
    {.name = "accept-proxy",
     .type = CONF_FLAG,
     .offset = OPT(accept_proxy),
     .help = "Connections begin with a header of the PROXY protocol, version 1 or 2, that says who "
	     "the client is; others are refused."},
    {.name = "interface",
     .type = CONF_STR,
     .flags = CONF_WORD_REFUSED,
     .help = "it comes in a later tidegate; bind the interface's address instead"},
    {.name = "namespace",
     .type = CONF_STR,
     .flags = CONF_WORD_REFUSED,
     .help = "it comes in a later tidegate"},
    {.name = "transparent",
     .type = CONF_FLAG,
     .flags = CONF_WORD_REFUSED,
     .help = "it comes in a later tidegate"},
    {.name = NULL},
};

static bool
find_user(struct str name, int64_t *uid, struct err *err)
{
	if (name.n == 0)
		return true;
	errno = 0;
	const struct passwd *pw = getpwnam(name.p);
	if (pw == NULL)
		return err_set(err, "there is no user '%.*s'%s%s", STR_ARG(name),
			       errno != 0 ? ": " : "", errno != 0 ? strerror(errno) : "");
	*uid = pw->pw_uid;
	return true;
}

static bool
find_group(struct str name, int64_t *gid, struct err *err)
{
	if (name.n == 0)
		return true;
	errno = 0;
	const struct group *gr = getgrnam(name.p);
	if (gr == NULL)
		return err_set(err, "there is no group '%.*s'%s%s", STR_ARG(name),
			       errno != 0 ? ": " : "", errno != 0 ? strerror(errno) : "");
	*gid = gr->gr_gid;
	return true;
}

static bool
parse_mode(struct str text, uint32_t *mode, struct err *err)
{
	*mode = 0;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '7' || *mode > 07777 / 8)
			return err_set(err, "mode '%.*s' is no octal number up to 7777",
				       STR_ARG(text));
		*mode = *mode * 8 + (uint32_t)(text.p[i] - '0');
	}
	return true;
}

static bool
fill_address(struct bind *b, const struct conf_addr *a, struct err *err)
{
	b->inherited_fd = -1;
	switch (a->kind) {
	case CONF_ADDR_FD:
		b->inherited_fd = a->fd;
		addr_of_local(&b->addr, a->fd);
		if (b->addr.len == 0)
			return err_set(err,
				       "'%.*s': descriptor %d is no socket that was handed to us",
				       STR_ARG(a->text), a->fd);
		return true;
	case CONF_ADDR_INET:
	case CONF_ADDR_UNIX:
	case CONF_ADDR_ABNS:
		conf_addr_to_addr(a, &b->addr);
		return true;
	default:
		return err_set(err, "'%.*s' is no address to listen on", STR_ARG(a->text));
	}
}

static bool
add_bind(struct conf *conf, struct proxy *p, const struct conf_line *line,
	 const struct conf_addr *a, const struct bind_options *o, struct err *err)
{
	struct bind *b = CONF_NEW(conf, struct bind);
	uint32_t last_id = 0;
	for (const struct bind *it = p->binds; it != NULL; it = it->next)
		last_id = MAX(last_id, it->id);
	char text[ADDR_TEXT_BYTES + 32];
	conf_addr_format(a, text, sizeof(text));
	b->frontend = p;
	b->text = conf_strdup(conf, str_from_c(text));
	b->id = o->id > 0 ? (uint32_t)o->id : last_id + 1;
	b->name = o->name;
	b->backlog = (uint32_t)o->backlog;
	b->limit = CONF_NEW(conf, struct limit);
	atomic_init(&b->limit->max, (uint32_t)o->maxconn);
	b->unix_uid = (int)o->uid;
	b->unix_gid = (int)o->gid;
	b->v6only = o->v6only && !o->v4v6;
	b->accept_proxy = o->accept_proxy;
	b->file = line->file;
	b->line = line->line;
	if (!parse_mode(o->mode, &b->unix_mode, err) || !fill_address(b, a, err))
		return false;
	*p->binds_tail = b;
	p->binds_tail = &b->next;
	return true;
}

bool
conf_parse_bind(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	struct proxy *p = conf_proxy_of(obj);
	struct bind_options o = {0};
	conf_apply_word_defaults(conf, conf_bind_words, &o);
	struct conf_addr *addrs;
	size_t n;
	if (!conf_addr_parse_list(conf, line->argv[line->args], CONF_ADDR_FOR_BIND, &addrs, &n,
				  err) ||
	    !conf_parse_words(conf, line, line->args + 1, conf_bind_words, &o, err) ||
	    !find_user(o.user, &o.uid, err) || !find_group(o.group, &o.gid, err))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!add_bind(conf, p, line, &addrs[i], &o, err))
			return false;
	return true;
}
