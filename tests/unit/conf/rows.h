// SPDX-License-Identifier: MIT
// Rows of an invented daemon, for the tests of the framework and its fuzz target: every type,
// every flag, and objects whose begin and end are counted.
#pragma once

#include <stdio.h>

#include "base/err.h"
#include "base/module.h"
#include "conf/address.h"
#include "conf/conf.h"

struct demo_server {
	struct str name;
	struct conf_addr addr;
	int64_t weight;
	uint64_t inter_ns;
	struct str id;
	bool backup, check;
	int proto;
	int64_t sum; // of the words behind "sum"
};

struct demo {
	int64_t maxconn;
	uint64_t timeout_ns, grace_ns, bufsize, limit;
	struct str log, rest;
	bool daemon, strict, httplog, tagged;
	int mode;
	struct conf_addr addr;
	struct str proxy_name, from;
	unsigned n_begun, n_ended, n_parsed;
	int last_given; // value.given of "maybe"
	struct demo_server server[8];
	unsigned n_servers;
};

static const char *const demo_modes[] = {"tcp", "http", NULL};
static const char *const demo_protos[] = {"h1", "h2", NULL};

static void *
demo_begin(struct conf *c, const struct conf_line *line, struct str name, struct err *err)
{
	struct demo *d = c->user;
	if (str_eq(name, STR("taken"))) {
		(void)err_set(err, "'%s' is taken", name.p);
		return NULL;
	}
	d->n_begun++;
	d->proxy_name = name;
	if (line->args + 1 < line->argc && str_eq(line->argv[line->args], STR("from")))
		d->from = line->argv[line->args + 1];
	return d;
}

static bool
demo_end(struct conf *c, void *obj, struct err *err)
{
	(void)c;
	struct demo *d = obj;
	d->n_ended++;
	if (str_eq(d->proxy_name, STR("unfinished")))
		return err_set(err, "proxy '%s' has no server", d->proxy_name.p);
	return true;
}

static bool
demo_check_server(struct conf *c, void *arg, struct err *err)
{
	(void)c;
	struct demo_server *s = arg;
	if (s->weight == 13)
		return err_set(err, "server '%s' has an unlucky weight", s->name.p);
	return true;
}

static bool
demo_parse_sum(struct conf *c, void *obj, const struct conf_line *line, struct conf_value *value,
	       struct err *err)
{
	(void)c;
	struct demo_server *s = obj;
	int64_t v;
	s->sum += value->i;
	while (value->at + value->used < line->argc &&
	       str_to_int(line->argv[value->at + value->used], &v)) {
		s->sum += v;
		value->used++;
	}
	return s->sum < 1000000 ? true : err_set(err, "the sum is too large");
}

static const struct conf_word demo_words[] = {
    {.name = "weight",
     .type = CONF_INT,
     .max = 256,
     .dflt = "1",
     .offset = offsetof(struct demo_server, weight),
     .help = "Share of the load."},
    {.name = "inter",
     .type = CONF_TIME,
     .min = CONF_MS(1),
     .dflt = "2s",
     .offset = offsetof(struct demo_server, inter_ns),
     .help = "Between checks."},
    {.name = "id",
     .type = CONF_STR,
     .min = 1,
     .max = 8,
     .offset = offsetof(struct demo_server, id),
     .help = "Its number."},
    {.name = "backup",
     .type = CONF_FLAG,
     .flags = CONF_WORD_NO,
     .offset = offsetof(struct demo_server, backup),
     .help = "Used when the others are down."},
    {.name = "check",
     .type = CONF_FLAG,
     .flags = CONF_WORD_IGNORED,
     .offset = offsetof(struct demo_server, check),
     .help = "Health checks."},
    {.name = "slowstart", .type = CONF_TIME, .flags = CONF_WORD_IGNORED, .help = CONF_NOT_YET},
    {.name = "ssl",
     .type = CONF_FLAG,
     .flags = CONF_WORD_REFUSED,
     .help = "traffic would go unencrypted"},
    {.name = "proto",
     .type = CONF_ENUM,
     .words = demo_protos,
     .offset = offsetof(struct demo_server, proto),
     .help = "Its protocol."},
    {.name = "sum", .type = CONF_INT, .parse = demo_parse_sum, .help = "Numbers to add."},
    {0}};

static bool
demo_parse_server(struct conf *c, void *obj, const struct conf_line *line, struct err *err)
{
	struct demo *d = obj;
	if (d->n_servers == 8)
		return err_set(err, "more than 8 servers");
	struct demo_server *s = &d->server[d->n_servers++];
	s->name = line->values[0].s;
	s->addr = *line->values[1].addr;
	conf_apply_word_defaults(c, demo_words, s);
	conf_defer(c, line, demo_check_server, s);
	return conf_parse_words(c, line, line->args + 2, demo_words, s, err);
}

static bool
demo_parse_maybe(struct conf *c, void *obj, const struct conf_line *line, struct err *err)
{
	struct demo *d = obj;
	(void)c;
	d->n_parsed++;
	d->last_given = line->values[0].given;
	if (line->flags & CONF_LINE_NO)
		d->last_given = -1;
	if (line->values[0].i == 7)
		return err_set(err, "'maybe' dislikes 7");
	return true;
}

#define DEMO_AT(member) .offset = offsetof(struct demo, member)
#define DEMO_ARGS(...)            \
	(const struct conf_arg[]) \
	{                         \
		__VA_ARGS__,      \
		{                 \
			0         \
		}                 \
	}

static const struct conf_section demo_sections[] = {
    {"global", CONF_NAME_NONE, 0, demo_begin, demo_end, "The process."},
    {"defaults", CONF_NAME_OPTIONAL, CONF_SECTION_ARGS, demo_begin, demo_end, "For proxies."},
    {"frontend", CONF_NAME_REQUIRED, CONF_SECTION_ARGS, demo_begin, demo_end, "Accepts."},
    {"backend", CONF_NAME_REQUIRED, 0, demo_begin, demo_end, "Sends."},
    {.name = "ring", .flags = CONF_SECTION_REFUSED, .help = "none here"},
    {.name = "mailers", .flags = CONF_SECTION_IGNORED, .help = "no mail"},
    {0}};

static const struct conf_keyword demo_keywords[] = {
    {.sections = "global frontend",
     .words = "maxconn",
     .args = DEMO_ARGS({.name = "n",
			.type = CONF_INT,
			.min = 1,
			.max = 100000,
			.dflt = "100",
			.help = "Connections."}),
     DEMO_AT(maxconn),
     .flags = CONF_NO,
     .help = "Most connections at once."},
    {.sections = "defaults frontend backend",
     .words = "timeout client",
     .args = DEMO_ARGS({.name = "time", .type = CONF_TIME, .min = CONF_MS(1), .max = CONF_S(3600)}),
     DEMO_AT(timeout_ns),
     .help = "Idle clients."},
    {.sections = "defaults frontend backend",
     .words = "timeout grace",
     .args = DEMO_ARGS({.name = "time", .type = CONF_TIME, .unit = "s"}),
     DEMO_AT(grace_ns),
     .help = "Grace."},
    {.sections = "global",
     .words = "bufsize",
     .args = DEMO_ARGS({.name = "bytes", .type = CONF_SIZE, .min = 1024, .max = 1 << 20}),
     DEMO_AT(bufsize),
     .help = "Buffers."},
    {.sections = "global",
     .words = "limit",
     .args = DEMO_ARGS({.name = "bytes", .type = CONF_SIZE}),
     DEMO_AT(limit),
     .help = "No bounds."},
    {.sections = "global", .words = "daemon", DEMO_AT(daemon), .help = "Background."},
    {.sections = "global",
     .words = "strict",
     .args = DEMO_ARGS({.name = "switch", .type = CONF_BOOL}),
     DEMO_AT(strict),
     .help = "Strictness."},
    {.sections = "global",
     .words = "log",
     .args = DEMO_ARGS({.name = "where", .type = CONF_STR, .min = 1, .max = 16},
		       {.name = "tagged",
			.type = CONF_FLAG,
			.offset = offsetof(struct demo, tagged) - offsetof(struct demo, log)}),
     DEMO_AT(log),
     .help = "Log target."},
    {.sections = "global",
     .words = "description",
     .args = DEMO_ARGS({.name = "text", .type = CONF_REST}),
     DEMO_AT(rest),
     .help = "Words."},
    {.sections = "global",
     .words = "listen-on",
     .args = DEMO_ARGS({.name = "address",
			.type = CONF_ADDR,
			.addr_flags = CONF_ADDR_FOR_BIND & ~CONF_ADDR_RESOLVE}),
     DEMO_AT(addr),
     .help = "One address."},
    {.sections = "defaults frontend backend",
     .words = "mode",
     .args = DEMO_ARGS({.name = "mode", .type = CONF_ENUM, .words = demo_modes, .dflt = "http"}),
     DEMO_AT(mode),
     .help = "Protocol."},
    {.sections = "defaults frontend backend",
     .words = "option httplog",
     DEMO_AT(httplog),
     .flags = CONF_NO | CONF_DEFAULT,
     .help = "HTTP log."},
    {.sections = "frontend",
     .words = "maybe",
     .args = DEMO_ARGS({.name = "n", .type = CONF_INT, .flags = CONF_ARG_OPTIONAL}),
     .parse = demo_parse_maybe,
     .flags = CONF_NO,
     .help = "Optional argument."},
    {.sections = "backend",
     .words = "server",
     .args = DEMO_ARGS({.name = "name", .type = CONF_STR, .min = 1},
		       {.name = "address",
			.type = CONF_ADDR,
			.addr_flags = CONF_ADDR_FOR_SERVER & ~CONF_ADDR_RESOLVE}),
     .options = demo_words,
     .parse = demo_parse_server,
     .flags = CONF_EXTRA,
     .help = "A server."},
    {.sections = "global",
     .words = "oldword",
     DEMO_AT(daemon),
     .flags = CONF_DEPRECATED,
     .help = "use 'daemon'"},
    {.sections = "global", .words = "chroot", .flags = CONF_IGNORED, .help = "Jail."},
    {.sections = "global", .words = "ssl-engine", .flags = CONF_REFUSED, .help = "no TLS here"},
    {0}};

static const struct module demo_module = {.name = "demo",
					  .sections = demo_sections,
					  .keywords = demo_keywords};
static const struct module *const demo_modules[] = {&demo_module, NULL};
