// SPDX-License-Identifier: MIT
// The configuration rows of the runtime sockets.
#include "cli/config_priv.h"

#include <grp.h>
#include <pwd.h>

#include "cli/server.h"
#include "conf/conf.h"

#define CONF_KEY "cli"

struct cli_conf *
cli_conf_of(struct conf *conf)
{
	struct cli_conf *c = conf_bound(conf, CONF_KEY);
	if (c != NULL)
		return c;
	c = CONF_NEW(conf, struct cli_conf);
	c->timeout_ns = CONF_S(10);
	c->maxconn = 10;
	c->max_payload = CLI_PAYLOAD_BYTES;
	conf_bind(conf, CONF_KEY, c);
	return c;
}

struct cli_socket_conf *
cli_conf_add(struct conf *conf)
{
	struct cli_conf *c = cli_conf_of(conf);
	struct cli_socket_conf *s = CONF_NEW(conf, struct cli_socket_conf);
	s->level = CLI_OPERATOR;
	s->uid = s->gid = -1;
	if (c->last != NULL)
		c->last->next = s;
	else
		c->first = s;
	c->last = s;
	return s;
}

static bool
parse_mode(struct conf *c, void *obj, const struct conf_line *line, struct conf_value *value,
	   struct err *err)
{
	(void)c;
	(void)line;
	struct cli_socket_conf *s = obj;
	uint32_t mode = 0;
	for (size_t i = 0; i < value->s.n; i++) {
		char b = value->s.p[i];
		if (b < '0' || b > '7' || i >= 4)
			return err_set(err, "'mode': '%.*s' is not an octal permission like 600",
				       STR_ARG(value->s));
		mode = mode * 8 + (uint32_t)(b - '0');
	}
	s->mode = mode;
	return true;
}

static bool
parse_user(struct conf *c, void *obj, const struct conf_line *line, struct conf_value *value,
	   struct err *err)
{
	(void)c;
	(void)line;
	struct passwd *pw = getpwnam(value->s.p);
	if (pw == NULL)
		return err_set(err, "there is no user '%.*s'", STR_ARG(value->s));
	((struct cli_socket_conf *)obj)->uid = (int64_t)pw->pw_uid;
	return true;
}

static bool
parse_group(struct conf *c, void *obj, const struct conf_line *line, struct conf_value *value,
	    struct err *err)
{
	(void)c;
	(void)line;
	struct group *gr = getgrnam(value->s.p);
	if (gr == NULL)
		return err_set(err, "there is no group '%.*s'", STR_ARG(value->s));
	((struct cli_socket_conf *)obj)->gid = (int64_t)gr->gr_gid;
	return true;
}

static const char *const level_words[] = {"user", "operator", "admin", NULL};

static const struct conf_word socket_words[] = {
    {.name = "level",
     .type = CONF_ENUM,
     .words = level_words,
     .dflt = "operator",
     .offset = offsetof(struct cli_socket_conf, level),
     .help = "what sessions of this socket may do"},
    {.name = "mode",
     .type = CONF_STR,
     .parse = parse_mode,
     .help = "permissions of a unix socket, octal"},
    {.name = "user",
     .type = CONF_STR,
     .parse = parse_user,
     .help = "owner of a unix socket, by name"},
    {.name = "group",
     .type = CONF_STR,
     .parse = parse_group,
     .help = "group of a unix socket, by name"},
    {.name = "uid",
     .type = CONF_INT,
     .max = INT32_MAX,
     .offset = offsetof(struct cli_socket_conf, uid),
     .help = "owner of a unix socket, by number"},
    {.name = "gid",
     .type = CONF_INT,
     .max = INT32_MAX,
     .offset = offsetof(struct cli_socket_conf, gid),
     .help = "group of a unix socket, by number"},
    {.name = "name",
     .type = CONF_STR,
     .offset = offsetof(struct cli_socket_conf, name),
     .help = "a name for this socket"},
    {.name = "expose-fd",
     .type = CONF_STR,
     .flags = CONF_WORD_IGNORED,
     .help = "listeners are handed over by inheritance instead"},
    {.name = NULL},
};

static const struct conf_arg socket_args[] = {
    {.name = "address",
     .type = CONF_ADDR,
     .addr_flags =
	 CONF_ADDR_PORT | CONF_ADDR_ANY | CONF_ADDR_RESOLVE | CONF_ADDR_FD_OK | CONF_ADDR_UNIX_OK,
     .help = "path, address:port or fd@N"},
    {.type = CONF_END},
};

static bool
parse_socket(struct conf *c, void *obj, const struct conf_line *line, struct err *err)
{
	(void)obj;
	struct cli_socket_conf *s = cli_conf_add(c);
	s->addr = *line->values[0].addr;
	return conf_parse_words(c, line, line->values[0].at + 1, socket_words, s, err);
}

static const struct conf_arg timeout_args[] = {
    {.name = "timeout",
     .type = CONF_TIME,
     .unit = "ms",
     .min = CONF_MS(1),
     .max = CONF_S(86400 * 24),
     .help = "idle time"},
    {.type = CONF_END},
};

static bool
parse_timeout(struct conf *c, void *obj, const struct conf_line *line, struct err *err)
{
	(void)obj;
	(void)err;
	cli_conf_of(c)->timeout_ns = line->values[0].u;
	return true;
}

static const struct conf_arg maxconn_args[] = {
    {.name = "number", .type = CONF_INT, .min = 1, .max = 100000, .help = "sessions at a time"},
    {.type = CONF_END},
};

static bool
parse_maxconn(struct conf *c, void *obj, const struct conf_line *line, struct err *err)
{
	(void)obj;
	(void)err;
	cli_conf_of(c)->maxconn = line->values[0].i;
	return true;
}

static const struct conf_arg payload_args[] = {
    {.name = "size", .type = CONF_SIZE, .min = 1024, .max = 1 << 26, .help = "bytes"},
    {.type = CONF_END},
};

static bool
parse_payload(struct conf *c, void *obj, const struct conf_line *line, struct err *err)
{
	(void)obj;
	(void)err;
	cli_conf_of(c)->max_payload = line->values[0].u;
	return true;
}

const struct conf_keyword cli_keywords[] = {
    {.sections = "global",
     .words = "stats socket",
     .args = socket_args,
     .options = socket_words,
     .parse = parse_socket,
     .flags = CONF_EXTRA,
     .help = "a runtime socket for commands; may be given several times"},
    {.sections = "global",
     .words = "stats timeout",
     .args = timeout_args,
     .parse = parse_timeout,
     .help = "idle time after which a session of the runtime socket is closed, default 10s"},
    {.sections = "global",
     .words = "stats maxconn",
     .args = maxconn_args,
     .parse = parse_maxconn,
     .help = "most sessions on the runtime sockets at a time, default 10"},
    {.sections = "global",
     .words = "tune.cli.max-payload-size",
     .args = payload_args,
     .parse = parse_payload,
     .help = "longest payload of a command, default 1m"},
    {.words = NULL},
};
