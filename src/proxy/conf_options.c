// SPDX-License-Identifier: MIT
// Keywords of sections defaults, frontend, backend and listen that set how connections are treated
// and what is logged of them: timeouts, options, log formats and unique ids.
#include "base/clock.h"
#include "base/module.h"
#include "http/names.h"
#include "proxy/conf_priv.h"

#define MAX_TIME ((int64_t)INT32_MAX * 1000000) // haproxy's bound: 2^31-1 milliseconds

// --- timeouts ----------------------------------------------------------------------------------

#define TIME(m) offsetof(struct proxy_timeouts, m)
static const struct {
	const char *name;
	unsigned caps;
	size_t offset;
} timeouts[] = {
    {"client", PROXY_FRONTEND, TIME(client_ns)},
    {"server", PROXY_BACKEND, TIME(server_ns)},
    {"connect", PROXY_BACKEND, TIME(connect_ns)},
    {"queue", PROXY_BACKEND, TIME(queue_ns)},
    {"http-request", PROXY_FRONTEND | PROXY_BACKEND, TIME(http_request_ns)},
    {"http-keep-alive", PROXY_FRONTEND | PROXY_BACKEND, TIME(http_keep_alive_ns)},
    {"tarpit", PROXY_FRONTEND | PROXY_BACKEND, TIME(tarpit_ns)},
    {"tunnel", PROXY_BACKEND, TIME(tunnel_ns)},
    {"client-fin", PROXY_FRONTEND, TIME(client_fin_ns)},
    {"server-fin", PROXY_BACKEND, TIME(server_fin_ns)},
};

static bool
parse_timeout(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	struct proxy *p = conf_proxy_of(obj);
	for (size_t i = 0; i < ARRAY_LEN(timeouts); i++) {
		if (!str_eq(line->argv[1], str_from_c(timeouts[i].name)))
			continue;
		if (!conf_proxy_is(p, timeouts[i].caps))
			conf_warn(conf, line, "'timeout %s' has no effect in a %s section",
				  timeouts[i].name,
				  p->caps & PROXY_FRONTEND ? "frontend" : "backend");
		uint64_t ns = line->values[0].u;
		memcpy((char *)&p->timeouts + timeouts[i].offset, &ns, sizeof(ns));
		return true;
	}
	return err_set(err, "there is no timeout '%.*s'", STR_ARG(line->argv[1]));
}

static const struct conf_arg time_args[] = {
    {.name = "time",
     .type = CONF_TIME,
     .min = 0,
     .max = MAX_TIME,
     .unit = "ms",
     .help = "A number with us, ms, s, m, h or d; 0: no limit."},
    {.type = CONF_END}};

// --- options -------------------------------------------------------------------------------------

static const struct {
	const char *name;
	unsigned bit;
	unsigned excludes;
} options[] = {
    {"dontlognull", PROXY_OPT_DONTLOGNULL, 0},
    {"dontlog-normal", PROXY_OPT_DONTLOG_NORMAL, 0},
    {"logasap", PROXY_OPT_LOGASAP, 0},
    {"log-separate-errors", PROXY_OPT_LOG_SEPARATE_ERRORS, 0},
    {"httpclose", PROXY_OPT_HTTP_CLOSE, PROXY_OPT_HTTP_SERVER_CLOSE},
    {"http-server-close", PROXY_OPT_HTTP_SERVER_CLOSE, PROXY_OPT_HTTP_CLOSE},
    {"http-keep-alive", 0, PROXY_OPT_HTTP_CLOSE | PROXY_OPT_HTTP_SERVER_CLOSE},
    {"persist", PROXY_OPT_PERSIST, 0},
    {"abortonclose", PROXY_OPT_ABORTONCLOSE, 0},
    {"http-buffer-request", PROXY_OPT_BUFFER_REQUEST, 0},
    {"socket-stats", PROXY_OPT_SOCKET_STATS, 0},
};

static bool
parse_option(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	(void)conf;
	struct proxy *p = conf_proxy_of(obj);
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		if (!str_eq(line->argv[1], str_from_c(options[i].name)))
			continue;
		p->options &= ~(options[i].bit | options[i].excludes);
		p->no_options &= ~(options[i].bit | options[i].excludes);
		if (line->flags & CONF_LINE_NO)
			p->no_options |= options[i].bit;
		else if (!(line->flags & CONF_LINE_DEFAULT))
			p->options |= options[i].bit;
		return true;
	}
	return err_set(err, "there is no option '%.*s'", STR_ARG(line->argv[1]));
}

static bool
parse_httplog(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	struct proxy *p = conf_proxy_of(obj);
	bool tcp = str_eq(line->argv[1], STR("tcplog"));
	bool https = str_eq(line->argv[1], STR("httpslog"));
	p->options &= ~(unsigned)(PROXY_OPT_HTTPLOG | PROXY_OPT_TCPLOG);
	if (line->flags & CONF_LINE_NO) {
		p->logfmt_text = STR_NULL;
		return true;
	}
	struct str word = line->argc > line->args ? line->argv[line->args] : STR("");
	if (word.n > 0 && (tcp || https || !str_eq(word, STR("clf"))))
		return err_set(err, "'%.*s' is not expected here%s", STR_ARG(word),
			       tcp || https ? "" : ": 'clf' or the end of the line is");
	if (p->conf->logfmt_given)
		conf_warn(conf, line, "'option %.*s' replaces the log format set above",
			  STR_ARG(line->argv[1]));
	p->options |= tcp ? PROXY_OPT_TCPLOG : PROXY_OPT_HTTPLOG;
	p->logfmt_text = tcp          ? STR(LOGFMT_TCP)
			 : https      ? STR(LOGFMT_HTTPS)
			 : word.n > 0 ? STR(LOGFMT_HTTP_CLF)
				      : STR(LOGFMT_HTTP);
	p->conf->logfmt_line = line;
	return true;
}

static bool
parse_http_via(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	(void)conf;
	struct proxy *p = conf_proxy_of(obj);
	p->options &= ~(unsigned)PROXY_OPT_HTTP_VIA;
	if (line->flags & CONF_LINE_NO)
		return true;
	struct str name = line->argc > line->args ? line->argv[line->args] : STR("tidegate");
	if (!http_is_token(name))
		return err_set(err, "'%.*s' is no pseudonym for Via (RFC 9110 section 7.6.3)",
			       STR_ARG(name));
	p->options |= PROXY_OPT_HTTP_VIA;
	p->via_name = str_from_c(conf_printf(conf, "1.1 %.*s", STR_ARG(name)));
	return true;
}

// "10.0.0.0/8" into a range.
static bool
parse_network(struct conf *conf, struct str text, const struct address_range **list,
	      struct err *err)
{
	size_t slash = str_find_byte(text, '/');
	struct str host = slash == SIZE_MAX ? text : str_slice(text, 0, slash);
	struct sample ip;
	if (!sample_parse_ip(host, &ip))
		return err_set(err, "'%.*s' is no address or network", STR_ARG(text));
	int64_t most = ip.type == SMP_IP4 ? 32 : 128, prefix = most;
	if (slash != SIZE_MAX && (!str_to_int(str_slice(text, slash + 1, text.n), &prefix) ||
				  prefix < 0 || prefix > most))
		return err_set(err, "'%.*s' is no network: the prefix is a number up to %d",
			       STR_ARG(text), (int)most);
	struct address_range *r = CONF_NEW(conf, struct address_range);
	r->family = ip.type == SMP_IP4 ? 4 : 6;
	r->prefix = (uint8_t)prefix;
	memcpy(r->ip, ip.ip, sizeof(r->ip));
	r->next = *list;
	*list = r;
	return true;
}

static bool
parse_address_words(struct conf *conf, struct proxy *p, const struct conf_line *line,
		    bool forwarded, struct err *err)
{
	for (int at = line->args; at < line->argc; at++) {
		struct str word = line->argv[at];
		if (forwarded && str_eq(word, STR("if-none"))) {
			p->options |= PROXY_OPT_FORWARDFOR_IF_NONE;
			continue;
		}
		if (++at >= line->argc)
			return err_set(err,
				       "'%.*s' needs a value or is not known here: except "
				       "NETWORK, header NAME%s are",
				       STR_ARG(word), forwarded ? ", if-none" : "");
		struct str value = line->argv[at];
		if (str_eq(word, STR("header"))) {
			if (!http_is_token(value))
				return err_set(err, "'%.*s' is no header name", STR_ARG(value));
			*(forwarded ? &p->forwardfor_header : &p->originalto_header) = value;
		} else if (str_eq(word, STR("except"))) {
			if (!parse_network(conf, value,
					   forwarded ? &p->forwardfor_except
						     : &p->originalto_except,
					   err))
				return false;
		} else {
			return err_set(err,
				       "'%.*s' is not known here: except NETWORK, header "
				       "NAME%s are",
				       STR_ARG(word), forwarded ? ", if-none" : "");
		}
	}
	return true;
}

bool
conf_parse_address_option(struct conf *conf, void *obj, const struct conf_line *line,
			  struct err *err)
{
	struct proxy *p = conf_proxy_of(obj);
	bool forwarded = str_eq(line->argv[1], STR("forwardfor"));
	unsigned bit = forwarded ? PROXY_OPT_FORWARDFOR : PROXY_OPT_ORIGINALTO;
	p->options &= ~bit;
	if (line->flags & CONF_LINE_NO)
		return true;
	p->options |= bit;
	if (forwarded) {
		p->options &= ~(unsigned)PROXY_OPT_FORWARDFOR_IF_NONE;
		p->forwardfor_except = NULL;
		p->forwardfor_header = STR("X-Forwarded-For");
	} else {
		p->originalto_except = NULL;
		p->originalto_header = STR("X-Original-To");
	}
	return parse_address_words(conf, p, line, forwarded, err);
}

// --- logs and ids --------------------------------------------------------------------------------

static bool
parse_log_format(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	(void)conf;
	(void)err;
	struct proxy *p = conf_proxy_of(obj);
	p->logfmt_text = line->values[0].s;
	p->conf->logfmt_line = line;
	p->conf->logfmt_given = true;
	return true;
}

static bool
parse_unique_id_format(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	(void)conf;
	(void)err;
	struct proxy *p = conf_proxy_of(obj);
	p->conf->unique_id_text = line->values[0].s;
	p->conf->unique_id_line = line;
	return true;
}

static bool
parse_unique_id_header(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	(void)conf;
	if (!http_is_token(line->values[0].s))
		return err_set(err, "'%.*s' is no header name", STR_ARG(line->values[0].s));
	conf_proxy_of(obj)->unique_id_header = line->values[0].s;
	return true;
}

// --- rows
// ------------------------------------------------------------------------------------------

static const struct conf_arg header_arg[] = ARG_STR1("header", "Name of the header.");
static const struct conf_arg format_arg[] = ARG_STR1("format", "A log format.");
static const struct conf_arg tag_arg[] = ARG_STR1("tag", "Program name in syslog lines.");

#define OPTION(where, word, text)                                                  \
	{                                                                          \
		.sections = where, .words = "option " word, .parse = parse_option, \
		.flags = CONF_NO | CONF_DEFAULT, .help = text                      \
	}
#define TIMEOUT(word, text)                                                   \
	{                                                                     \
		.sections = ALL, .words = "timeout " word, .args = time_args, \
		.parse = parse_timeout, .help = text                          \
	}

static const struct conf_keyword option_keywords[] = {
    TIMEOUT("client", "Longest silence of a client while it should send or take data."),
    TIMEOUT("server", "Longest silence of a server while it should answer."),
    TIMEOUT("connect", "Longest wait for a connection to a server."),
    TIMEOUT("queue", "Longest wait for a server with room."),
    TIMEOUT("http-request", "Longest time for a whole request head."),
    TIMEOUT("http-keep-alive", "Longest wait for the next request on a connection."),
    TIMEOUT("tarpit", "How long a tarpitted request is held."),
    TIMEOUT("tunnel", "Longest silence of an upgraded connection in either direction."),
    TIMEOUT("client-fin", "Longest silence of a client once a relayed or upgraded connection is "
			  "closed in one direction."),
    TIMEOUT("server-fin", "The same of the server."),
    {.sections = ALL,
     .words = "log",
     .parse = conf_parse_log,
     .flags = CONF_NO | CONF_EXTRA,
     .help = "log global | TARGET [len N] [format F] [sample RANGES:SIZE] FACILITY [MAX [MIN]]: "
	     "where access lines go; "
	     "'no log' forgets what was set so far."},
    {.sections = FRONT,
     .words = "log-format",
     .args = format_arg,
     .parse = parse_log_format,
     .help = "Text of the access line."},
    {.sections = FRONT,
     .words = "error-log-format",
     .args = format_arg,
     .offset = offsetof(struct proxy, logfmt_error_text),
     .help = "Text of the access line where no request was understood."},
    {.sections = FRONT,
     .words = "log-format-sd",
     .args = format_arg,
     .offset = offsetof(struct proxy, logfmt_sd_text),
     .help = "Structured data of rfc5424 lines, with its brackets."},
    {.sections = ALL,
     .words = "log-tag",
     .args = tag_arg,
     .offset = offsetof(struct proxy, log_tag),
     .help = "Program name in syslog lines."},
    {.sections = FRONT,
     .words = "unique-id-format",
     .args = format_arg,
     .parse = parse_unique_id_format,
     .help = "Text of unique-id."},
    {.sections = FRONT,
     .words = "unique-id-header",
     .args = header_arg,
     .parse = parse_unique_id_header,
     .help = "Request header that carries the unique id."},
    {.sections = FRONT,
     .words = "option httplog",
     .parse = parse_httplog,
     .flags = CONF_NO | CONF_EXTRA,
     .help = "HAProxy's HTTP access line; 'clf': Apache's."},
    {.sections = FRONT,
     .words = "option httpslog",
     .parse = parse_httplog,
     .flags = CONF_NO | CONF_EXTRA,
     .help = "As httplog, with what is known of TLS behind it."},
    {.sections = FRONT,
     .words = "option tcplog",
     .parse = parse_httplog,
     .flags = CONF_NO | CONF_EXTRA,
     .help = "HAProxy's TCP access line."},
    {.sections = ALL,
     .words = "option forwardfor",
     .parse = conf_parse_address_option,
     .flags = CONF_NO | CONF_EXTRA,
     .help = "option forwardfor [except NETWORK] [header NAME] [if-none]: adds X-Forwarded-For."},
    {.sections = ALL,
     .words = "option originalto",
     .parse = conf_parse_address_option,
     .flags = CONF_NO | CONF_EXTRA,
     .help = "option originalto [except NETWORK] [header NAME]: adds X-Original-To."},
    {.sections = ALL,
     .words = "option http-via",
     .parse = parse_http_via,
     .flags = CONF_NO | CONF_EXTRA,
     .help = "option http-via [NAME]: adds Via to requests."},
    OPTION(FRONT, "socket-stats",
	   "show stat and show metrics have a row for each listener of it; all count anyway."),
    OPTION(FRONT, "dontlognull", "Connections on which nothing was sent are not logged."),
    OPTION(FRONT, "dontlog-normal", "Only requests that went wrong are logged."),
    OPTION(FRONT, "logasap", "The line is written when the response begins."),
    OPTION(FRONT, "log-separate-errors", "Lines of failures get level err."),
    OPTION(ALL, "httpclose", "Both connections close after each response."),
    OPTION(ALL, "http-server-close", "The server's connection closes after each response."),
    OPTION(ALL, "http-keep-alive", "Connections are kept; this is the default."),
    OPTION(BACK, "persist",
	   "A request whose cookie names a server that is down is sent there first."),
    OPTION(ALL, "http-buffer-request",
	   "The request's body, or a buffer full of it, is awaited before the http-request rules."),
    OPTION(BACK, "abortonclose",
	   "A client that closes its side behind its request has left: the server is not waited "
	   "for. Without it only a reset counts as leaving."),
    {.sections = NULL},
};

const struct module proxy_options_module = {
    .name = "proxy-options",
    .keywords = option_keywords,
};
