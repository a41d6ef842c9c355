// SPDX-License-Identifier: MIT
// Lines tcp-request and tcp-response: rules and how long they may wait for bytes.
#include "base/clock.h"
#include "base/module.h"
#include "proxy/conf_priv.h"
#include "proxy/tcp.h"

static bool
parse_tcp_rule(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	static const struct {
		const char *first, *second;
		enum rule_where where;
	} lists[] = {
	    {"tcp-request", "connection", RULE_TCP_CONNECTION},
	    {"tcp-request", "session", RULE_TCP_SESSION},
	    {"tcp-request", "content", RULE_TCP_CONTENT},
	    {"tcp-response", "content", RULE_TCP_RESPONSE},
	};
	struct proxy *p = conf_proxy_of(obj);
	if (p->caps & PROXY_DEFAULTS)
		return conf_proxy_keep(p, line, parse_tcp_rule, err);
	struct conf_line *as_rule = CONF_NEW(conf, struct conf_line);
	*as_rule = *line;
	as_rule->argv = line->argv + 1; // the list's name is two words
	as_rule->argc = line->argc - 1;
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		if (str_eq(line->argv[0], str_from_c(lists[i].first)) &&
		    str_eq(line->argv[1], str_from_c(lists[i].second)))
			return rule_parse(conf, as_rule, p, lists[i].where, err);
	return err_set(err, "'%.*s' is no rule list", STR_ARG(line->argv[1]));
}

static bool
parse_inspect_delay(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	(void)conf;
	(void)err;
	struct proxy *p = conf_proxy_of(obj);
	if (str_eq(line->argv[0], STR("tcp-request")))
		p->inspect_request_ns = line->values[0].u;
	else
		p->inspect_response_ns = line->values[0].u;
	return true;
}

static const struct conf_arg delay_args[] = {{.name = "time",
					      .type = CONF_TIME,
					      .min = 0,
					      .max = CONF_MS(INT32_MAX),
					      .unit = "ms",
					      .help = "A number with us, ms, s, m, h or d."},
					     {.type = CONF_END}};

#define RULE_ROW(where, word, text)                                                             \
	{                                                                                       \
		.sections = where, .words = word, .parse = parse_tcp_rule, .flags = CONF_EXTRA, \
		.help = word " ACTION [args] [if|unless CONDITION]: " text                      \
	}
#define DELAY_ROW(where, word, text)                                  \
	{                                                             \
		.sections = where, .words = word, .args = delay_args, \
		.parse = parse_inspect_delay, .help = text            \
	}

static const struct conf_keyword keywords[] = {
    RULE_ROW(FRONT, "tcp-request connection", "a rule on a connection just accepted."),
    RULE_ROW(FRONT, "tcp-request session", "the same, behind those of connection."),
    RULE_ROW(ALL, "tcp-request content",
	     "a rule on the client's first bytes, before a server is chosen; in mode http on each "
	     "request, before http-request."),
    RULE_ROW(BACK, "tcp-response content",
	     "a rule on the server's first bytes; in mode http on each response, before "
	     "http-response."),
    DELAY_ROW(ALL, "tcp-request inspect-delay",
	      "Longest wait for bytes that a tcp-request content rule needs; without it a rule "
	      "sees what is there."),
    DELAY_ROW(BACK, "tcp-response inspect-delay",
	      "Longest wait for bytes that a tcp-response content rule needs."),
    {.sections = NULL},
};

const struct module proxy_tcp_module = {
    .name = "proxy-tcp",
    .keywords = keywords,
};
