// SPDX-License-Identifier: MIT
// Keywords of sections defaults, frontend, backend and listen, as rows, with the functions of the
// small ones. Words of HAProxy's language that tidegate does not perform yet have rows too: they
// are accepted with a warning where that is harmless and refused by name where it is not.
#include "base/clock.h"
#include "http/names.h"
#include "proxy/conf_priv.h"

#define ALL      "defaults frontend backend listen"
#define FRONT    "defaults frontend listen"
#define BACK     "defaults backend listen"
#define LATER    "it is known to HAProxy and comes in a later tidegate"
#define MAX_TIME ((int64_t)INT32_MAX * 1000000) // haproxy's bound: 2^31-1 milliseconds

// --- names and simple settings ---------------------------------------------------------------

static bool
parse_mode(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	(void)conf;
	struct proxy *p = conf_proxy_of(obj);
	struct str word = line->values[0].s;
	if (str_eq(word, STR("http"))) {
		p->mode = PROXY_HTTP;
		return true;
	}
	if (str_eq(word, STR("tcp")) || str_eq(word, STR("health")))
		return err_set(err,
			       "mode %.*s comes in a later tidegate; only 'mode http' is served "
			       "now",
			       STR_ARG(word));
	return err_set(err, "'%.*s' is no mode: http is", STR_ARG(word));
}

static bool
parse_id(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	(void)conf;
	struct proxy *p = conf_proxy_of(obj);
	const struct proxy_set *set = p->conf->setup->set;
	for (size_t i = 0; i < set->n_all; i++)
		if (set->all[i] != p && set->all[i]->id == (uint32_t)line->values[0].i)
			return err_set(err, "id %lld is that of '%.*s' at %s:%d",
				       (long long)line->values[0].i, STR_ARG(set->all[i]->name),
				       set->all[i]->file, set->all[i]->line);
	p->id = (uint32_t)line->values[0].i;
	return true;
}

static bool
parse_enabled(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	(void)conf;
	(void)err;
	conf_proxy_of(obj)->disabled = str_eq(line->argv[0], STR("disabled"));
	return true;
}

static bool
parse_maxconn(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	(void)conf;
	(void)err;
	conf_proxy_of(obj)->maxconn = (uint32_t)line->values[0].i;
	return true;
}

static bool
parse_retries(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	(void)conf;
	(void)err;
	conf_proxy_of(obj)->retries = (uint32_t)line->values[0].i;
	return true;
}

static bool
parse_monitor_uri(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	(void)conf;
	struct str uri = line->values[0].s;
	if (uri.n == 0 || (uri.p[0] != '/' && uri.p[0] != '*'))
		return err_set(err, "'%.*s' is no path: it begins with '/'", STR_ARG(uri));
	conf_proxy_of(obj)->monitor_uri = uri;
	return true;
}

static bool
parse_balance(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	struct proxy *p = conf_proxy_of(obj);
	struct str word = line->values[0].s;
	static const char *const later[] = {"leastconn", "first",  "source",     "uri",
					    "url_param", "random", "rdp-cookie", "hash"};
	if (str_eq(word, STR("roundrobin")) || str_eq(word, STR("static-rr"))) {
		p->conf->balance = word;
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(later); i++)
		if (str_eq(word, str_from_c(later[i])) || str_starts(word, STR("hdr(")) ||
		    str_starts(word, STR("random(")))
			return err_set(err,
				       "balance %.*s comes in a later tidegate; roundrobin and "
				       "static-rr are there now",
				       STR_ARG(word));
	(void)conf;
	return err_set(err, "'%.*s' is no way to balance: roundrobin and static-rr are",
		       STR_ARG(word));
}

static const char *const reuse_words[] = {"never", "safe", "aggressive", "always", NULL};

static bool
parse_reuse(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	(void)conf;
	(void)err;
	struct proxy *p = conf_proxy_of(obj);
	p->conf->reuse = (enum backend_reuse)line->values[0].i;
	if (p->backend != NULL)
		p->backend->reuse = p->conf->reuse;
	return true;
}

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
    {"redispatch", PROXY_OPT_REDISPATCH, 0},
    {"abortonclose", PROXY_OPT_ABORTONCLOSE, 0},
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
	p->options &= ~(unsigned)(PROXY_OPT_HTTPLOG | PROXY_OPT_TCPLOG);
	if (line->flags & CONF_LINE_NO) {
		p->logfmt_text = STR_NULL;
		return true;
	}
	struct str word = line->argc > line->args ? line->argv[line->args] : STR("");
	if (word.n > 0 && (tcp || !str_eq(word, STR("clf"))))
		return err_set(err, "'%.*s' is not expected here%s", STR_ARG(word),
			       tcp ? "" : ": 'clf' or the end of the line is");
	if (p->conf->logfmt_given)
		conf_warn(conf, line, "'option %.*s' replaces the log format set above",
			  STR_ARG(line->argv[1]));
	p->options |= tcp ? PROXY_OPT_TCPLOG : PROXY_OPT_HTTPLOG;
	p->logfmt_text = tcp          ? STR(LOGFMT_TCP)
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

// --- routing and rules ---------------------------------------------------------------------------

static bool
parse_default_backend(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	(void)conf;
	(void)err;
	struct proxy *p = conf_proxy_of(obj);
	p->default_backend_name = line->values[0].s;
	p->conf->default_backend_line = line;
	return true;
}

static bool
parse_use_backend(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	struct proxy *p = conf_proxy_of(obj);
	struct switch_rule *r = CONF_NEW(conf, struct switch_rule);
	r->backend_name = line->values[0].s;
	r->file = line->file;
	r->line = line->line;
	if (!conf_proxy_cond(p, line, line->args + 1, &EXPR_AT_REQUEST, &r->cond, err))
		return false;
	if (str_find(r->backend_name, STR("%[")) != SIZE_MAX) {
		struct expr_env env = conf_proxy_env(p, line, &EXPR_AT_REQUEST);
		r->dynamic = logfmt_parse(&env, r->backend_name, err);
		if (r->dynamic == NULL)
			return false;
	}
	*p->switching_tail = r;
	p->switching_tail = &r->next;
	return true;
}

static bool
parse_acl(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	(void)conf;
	struct proxy *p = conf_proxy_of(obj);
	if (p->caps & PROXY_DEFAULTS)
		return conf_proxy_keep(p, line, parse_acl, err);
	struct expr_env env = conf_proxy_env(p, line, &EXPR_ANYWHERE);
	return acl_declare(&env, line->argc - line->args, line->argv + line->args, err);
}

static bool
parse_rule(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	static const struct {
		struct str word;
		enum rule_where where;
	} lists[] = {
	    {{"http-request", 12}, RULE_HTTP_REQUEST},
	    {{"http-response", 13}, RULE_HTTP_RESPONSE},
	    {{"http-after-response", 19}, RULE_HTTP_AFTER_RESPONSE},
	};
	struct proxy *p = conf_proxy_of(obj);
	if (p->caps & PROXY_DEFAULTS)
		return conf_proxy_keep(p, line, parse_rule, err);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		if (str_eq(line->argv[0], lists[i].word))
			return rule_parse(conf, line, p, lists[i].where, err);
	return err_set(err, "'%.*s' is no rule list", STR_ARG(line->argv[0]));
}

// `redirect ...` is the old form of `http-request redirect ...`, tried when no rule answered.
static bool
parse_redirect(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	struct proxy *p = conf_proxy_of(obj);
	if (p->caps & PROXY_DEFAULTS)
		return conf_proxy_keep(p, line, parse_redirect, err);
	struct conf_line *as_rule = CONF_NEW(conf, struct conf_line);
	*as_rule = *line;
	as_rule->argc = line->argc + 1;
	as_rule->argv = conf_alloc(conf, (size_t)as_rule->argc * sizeof(*as_rule->argv));
	as_rule->argv[0] = STR("http-request");
	for (int i = 0; i < line->argc; i++)
		as_rule->argv[i + 1] = line->argv[i];
	return rule_parse(conf, as_rule, p, RULE_REDIRECT, err);
}

// --- rows ----------------------------------------------------------------------------------------

#define ARG_STR1(n, h)                                    \
	{                                                 \
		{.name = n, .type = CONF_STR, .help = h}, \
		{                                         \
			.type = CONF_END                  \
		}                                         \
	}
static const struct conf_arg name_arg[] = ARG_STR1("name", "Name of a backend.");
static const struct conf_arg mode_arg[] = ARG_STR1("mode", "http");
static const struct conf_arg path_arg[] = ARG_STR1("path", "Path of requests answered with 200.");
static const struct conf_arg header_arg[] = ARG_STR1("header", "Name of the header.");
static const struct conf_arg format_arg[] = ARG_STR1("format", "A log format.");
static const struct conf_arg tag_arg[] = ARG_STR1("tag", "Program name in syslog lines.");
static const struct conf_arg balance_args[] = ARG_STR1("algorithm", "roundrobin or static-rr.");
static const struct conf_arg text_args[] = {
    {.name = "text", .type = CONF_REST, .help = "Any text."}, {.type = CONF_END}};
static const struct conf_arg address_arg[] =
    ARG_STR1("address", "[IP]:PORT, *:PORT, unix@PATH, abns@NAME or fd@N; several with commas.");
static const struct conf_arg id_arg[] = {
    {.name = "id", .type = CONF_INT, .min = 1, .max = INT32_MAX, .help = "Number in stats."},
    {.type = CONF_END}};
static const struct conf_arg count_arg[] = {
    {.name = "number", .type = CONF_INT, .min = 0, .max = INT32_MAX, .help = "How many."},
    {.type = CONF_END}};
static const struct conf_arg retries_arg[] = {{.name = "number",
					       .type = CONF_INT,
					       .min = 0,
					       .max = 100,
					       .help = "Attempts beyond the first."},
					      {.type = CONF_END}};
static const struct conf_arg reuse_arg[] = {
    {.name = "when", .type = CONF_ENUM, .words = reuse_words, .help = "When to reuse."},
    {.type = CONF_END}};
static const struct conf_arg server_args[] = {
    {.name = "name", .type = CONF_STR, .min = 1, .max = 256, .help = "Unique in its backend."},
    {.name = "address",
     .type = CONF_ADDR,
     .addr_flags = CONF_ADDR_FOR_SERVER,
     .help = "HOST:PORT or unix@PATH; a host name is looked up once, at start."},
    {.type = CONF_END}};
static const struct conf_arg page_args[] = {
    {.name = "status", .type = CONF_STR, .help = "Status of the error."},
    {.name = "file", .type = CONF_STR, .help = "A whole HTTP response."},
    {.type = CONF_END}};
static const struct conf_arg loc_args[] = {
    {.name = "status", .type = CONF_STR, .help = "Status of the error."},
    {.name = "url", .type = CONF_STR, .help = "Where to send the client."},
    {.type = CONF_END}};
static const struct conf_arg http_error_args[] = {
    {.name = "status", .type = CONF_STR, .help = "The word 'status'."},
    {.name = "code", .type = CONF_STR, .help = "Status of the error."},
    {.type = CONF_END}};

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
#define IGNORED(where, word)                                                                    \
	{                                                                                       \
		.sections = where, .words = word, .flags = CONF_IGNORED | CONF_NO | CONF_EXTRA, \
		.help = "Not performed yet."                                                    \
	}
#define REFUSED(where, word)                                                                    \
	{                                                                                       \
		.sections = where, .words = word, .flags = CONF_REFUSED | CONF_NO | CONF_EXTRA, \
		.help = LATER                                                                   \
	}

const struct conf_keyword conf_proxy_keywords[] = {
    {ALL, "mode", mode_arg, NULL, parse_mode, 0, 0, "Protocol: http."},
    {ALL, "description", text_args, NULL, NULL, 0, CONF_IGNORED,
     "A comment; nothing shows it yet."},
    {.sections = "frontend backend listen",
     .words = "id",
     .args = id_arg,
     .parse = parse_id,
     .help = "Number of this section in fe_id, be_id and stats; default counts from 2."},
    {.sections = ALL,
     .words = "disabled",
     .parse = parse_enabled,
     .help = "The frontend does not listen, the backend serves nobody."},
    {.sections = ALL,
     .words = "enabled",
     .parse = parse_enabled,
     .help = "Undoes an inherited 'disabled'."},
    {.sections = "frontend listen",
     .words = "bind",
     .args = address_arg,
     .options = conf_bind_words,
     .parse = conf_parse_bind,
     .flags = CONF_EXTRA,
     .help = "An address to listen on."},
    {.sections = FRONT,
     .words = "maxconn",
     .args = count_arg,
     .parse = parse_maxconn,
     .help = "Most client connections at once in this frontend; 0: the process's."},
    {.sections = FRONT,
     .words = "monitor-uri",
     .args = path_arg,
     .parse = parse_monitor_uri,
     .help = "Requests for this target are answered 200 by tidegate itself and not logged."},
    {.sections = FRONT,
     .words = "default_backend",
     .args = name_arg,
     .parse = parse_default_backend,
     .help = "Serves what no use_backend chose."},
    {.sections = "frontend listen",
     .words = "use_backend",
     .args = name_arg,
     .parse = parse_use_backend,
     .flags = CONF_EXTRA,
     .help = "use_backend NAME|%[EXPR] [if|unless CONDITION]: the first that holds decides; a "
	     "name made at run time that no backend has falls through."},
    {.sections = ALL,
     .words = "acl",
     .parse = parse_acl,
     .flags = CONF_EXTRA,
     .help = "acl NAME CRITERION [flags] [operator] [values]: a named test; the same name again "
	     "adds a further test (or)."},
    {.sections = ALL,
     .words = "http-request",
     .parse = parse_rule,
     .flags = CONF_EXTRA,
     .help = "http-request ACTION [args] [if|unless CONDITION]: a rule on the request."},
    {.sections = ALL,
     .words = "http-response",
     .parse = parse_rule,
     .flags = CONF_EXTRA,
     .help = "http-response ACTION [args] [if|unless CONDITION]: a rule on a server's response."},
    {.sections = ALL,
     .words = "http-after-response",
     .parse = parse_rule,
     .flags = CONF_EXTRA,
     .help = "http-after-response ACTION [args] [if|unless CONDITION]: a rule on every response, "
	     "tidegate's own too."},
    {.sections = "frontend backend listen",
     .words = "redirect",
     .parse = parse_redirect,
     .flags = CONF_EXTRA,
     .help = "Old form of 'http-request redirect', tried behind all http-request rules."},
    {.sections = "backend listen",
     .words = "server",
     .args = server_args,
     .options = conf_server_words,
     .parse = conf_parse_server,
     .flags = CONF_EXTRA,
     .help = "A server of the backend."},
    {.sections = BACK,
     .words = "default-server",
     .options = conf_server_words,
     .parse = conf_parse_default_server,
     .flags = CONF_EXTRA,
     .help = "Words that the servers after it start from."},
    {.sections = BACK,
     .words = "balance",
     .args = balance_args,
     .parse = parse_balance,
     .flags = CONF_EXTRA,
     .help = "How a server is chosen: roundrobin by weight."},
    {.sections = BACK,
     .words = "http-reuse",
     .args = reuse_arg,
     .parse = parse_reuse,
     .help = "When a request may travel on a server connection that served another client; "
	     "default safe: not a connection's first request."},
    {.sections = BACK,
     .words = "retries",
     .args = retries_arg,
     .parse = parse_retries,
     .help = "Attempts to connect beyond the first; default 3."},
    TIMEOUT("client", "Longest silence of a client while it should send or take data."),
    TIMEOUT("server", "Longest silence of a server while it should answer."),
    TIMEOUT("connect", "Longest wait for a connection to a server."),
    TIMEOUT("queue", "Longest wait for a server with room."),
    TIMEOUT("http-request", "Longest time for a whole request head."),
    TIMEOUT("http-keep-alive", "Longest wait for the next request on a connection."),
    TIMEOUT("tarpit", "How long a tarpitted request is held."),
    TIMEOUT("tunnel", "Longest silence of an upgraded connection in either direction."),
    {ALL, "timeout check", time_args, NULL, NULL, 0, CONF_IGNORED,
     "Health checks come in a later tidegate."},
    {ALL, "timeout client-fin", time_args, NULL, NULL, 0, CONF_IGNORED,
     "Not performed yet: 'timeout client' stands for it."},
    {ALL, "timeout server-fin", time_args, NULL, NULL, 0, CONF_IGNORED,
     "Not performed yet: 'timeout server' stands for it."},
    {.sections = ALL,
     .words = "log",
     .parse = conf_parse_log,
     .flags = CONF_NO | CONF_EXTRA,
     .help = "log global | TARGET [len N] [format F] FACILITY [MAX [MIN]]: where access lines go; "
	     "'no log' forgets what was set so far."},
    {.sections = FRONT,
     .words = "log-format",
     .args = format_arg,
     .parse = parse_log_format,
     .help = "Text of the access line."},
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
    OPTION(FRONT, "dontlognull", "Connections on which nothing was sent are not logged."),
    OPTION(FRONT, "dontlog-normal", "Only requests that went wrong are logged."),
    OPTION(FRONT, "logasap", "The line is written when the response begins."),
    OPTION(FRONT, "log-separate-errors", "Lines of failures get level err."),
    OPTION(ALL, "httpclose", "Both connections close after each response."),
    OPTION(ALL, "http-server-close", "The server's connection closes after each response."),
    OPTION(ALL, "http-keep-alive", "Connections are kept; this is the default."),
    {.sections = BACK,
     .words = "option redispatch",
     .parse = parse_option,
     .flags = CONF_NO | CONF_DEFAULT | CONF_EXTRA,
     .help = "A repeated attempt may go to another server."},
    OPTION(BACK, "abortonclose",
	   "A client that closes its side behind its request has left: the server is not waited "
	   "for. Without it only a reset counts as leaving."),
    {.sections = ALL,
     .words = "errorfile",
     .args = page_args,
     .parse = conf_parse_errorfile,
     .help = "The answer to an error, from a file read at start."},
    {.sections = ALL,
     .words = "errorloc",
     .args = loc_args,
     .parse = conf_parse_errorloc,
     .help = "Answers an error with a redirect, 302."},
    {.sections = ALL,
     .words = "errorloc302",
     .args = loc_args,
     .parse = conf_parse_errorloc,
     .help = "Answers an error with a redirect, 302."},
    {.sections = ALL,
     .words = "errorloc303",
     .args = loc_args,
     .parse = conf_parse_errorloc,
     .help = "Answers an error with a redirect, 303."},
    {.sections = ALL,
     .words = "http-error",
     .args = http_error_args,
     .parse = conf_parse_http_error,
     .flags = CONF_EXTRA,
     .help = "http-error status CODE [content-type T] [string S|file F|errorfile F] [hdr NAME "
	     "VALUE]...: the answer to an error."},
    IGNORED(ALL, "fullconn"),
    IGNORED(ALL, "grace"),
    IGNORED(ALL, "backlog"),
    IGNORED(ALL, "bind-process"),
    IGNORED(ALL, "hash-type"),
    IGNORED(ALL, "load-server-state-from-file"),
    IGNORED(ALL, "server-state-file-name"),
    IGNORED(ALL, "retry-on"),
    IGNORED(ALL, "cookie"),
    IGNORED(ALL, "dynamic-cookie-key"),
    IGNORED(ALL, "http-check"),
    IGNORED(ALL, "email-alert"),
    IGNORED(ALL, "option httpchk"),
    IGNORED(ALL, "option tcp-check"),
    IGNORED(ALL, "option log-health-checks"),
    IGNORED(ALL, "option allbackups"),
    IGNORED(ALL, "option checkcache"),
    IGNORED(ALL, "option clitcpka"),
    IGNORED(ALL, "option srvtcpka"),
    IGNORED(ALL, "option tcpka"),
    IGNORED(ALL, "option contstats"),
    IGNORED(ALL, "option disable-h2-upgrade"),
    IGNORED(ALL, "option http-buffer-request"),
    IGNORED(ALL, "option http-ignore-probes"),
    IGNORED(ALL, "option http-no-delay"),
    IGNORED(ALL, "option http-pretend-keepalive"),
    IGNORED(ALL, "option http-use-htx"),
    IGNORED(ALL, "option http-use-proxy-header"),
    IGNORED(ALL, "option idle-close-on-response"),
    IGNORED(ALL, "option independent-streams"),
    IGNORED(ALL, "option nolinger"),
    IGNORED(ALL, "option persist"),
    IGNORED(ALL, "option prefer-last-server"),
    IGNORED(ALL, "option socket-stats"),
    IGNORED(ALL, "option splice-auto"),
    IGNORED(ALL, "option splice-request"),
    IGNORED(ALL, "option splice-response"),
    IGNORED(ALL, "option tcp-smart-accept"),
    IGNORED(ALL, "option tcp-smart-connect"),
    IGNORED(ALL, "option h1-case-adjust-bogus-client"),
    IGNORED(ALL, "option h1-case-adjust-bogus-server"),
    {ALL, "option accept-invalid-http-request", NULL, NULL, NULL, 0, CONF_REFUSED | CONF_NO,
     "messages that are not HTTP are refused, without exception"},
    {ALL, "option accept-invalid-http-response", NULL, NULL, NULL, 0, CONF_REFUSED | CONF_NO,
     "messages that are not HTTP are refused, without exception"},
    {ALL, "option http_proxy", NULL, NULL, NULL, 0, CONF_REFUSED | CONF_NO,
     "HAProxy has removed it"},
    {ALL, "option transparent", NULL, NULL, NULL, 0, CONF_REFUSED | CONF_NO, LATER},
    REFUSED(ALL, "stats"),
    REFUSED(ALL, "capture cookie"),
    REFUSED(ALL, "compression"),
    REFUSED(ALL, "dispatch"),
    REFUSED(ALL, "error-log-format"),
    REFUSED(ALL, "errorfiles"),
    REFUSED(ALL, "external-check"),
    REFUSED(ALL, "filter"),
    REFUSED(ALL, "force-persist"),
    REFUSED(ALL, "ignore-persist"),
    REFUSED(ALL, "http-send-name-header"),
    REFUSED(ALL, "log-format-sd"),
    REFUSED(ALL, "max-keep-alive-queue"),
    REFUSED(ALL, "max-session-srv-conns"),
    REFUSED(ALL, "monitor"),
    REFUSED(ALL, "persist"),
    REFUSED(ALL, "rate-limit"),
    REFUSED(ALL, "server-template"),
    REFUSED(ALL, "source"),
    REFUSED(ALL, "stick"),
    REFUSED(ALL, "stick-table"),
    REFUSED(ALL, "tcp-check"),
    REFUSED(ALL, "tcp-request"),
    REFUSED(ALL, "tcp-response"),
    REFUSED(ALL, "transparent"),
    REFUSED(ALL, "use-fcgi-app"),
    REFUSED(ALL, "use-server"),
    REFUSED(ALL, "option ldap-check"),
    REFUSED(ALL, "option mysql-check"),
    REFUSED(ALL, "option pgsql-check"),
    REFUSED(ALL, "option redis-check"),
    REFUSED(ALL, "option smtpchk"),
    REFUSED(ALL, "option ssl-hello-chk"),
    REFUSED(ALL, "option spop-check"),
    REFUSED(ALL, "option httpslog"),
    REFUSED(ALL, "option external-check"),
    REFUSED(ALL, "option http-restrict-req-hdr-names"),
    {.sections = NULL},
};
