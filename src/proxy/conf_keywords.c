// SPDX-License-Identifier: MIT
// Keywords of sections defaults, frontend, backend and listen, as rows, with the functions of the
// small ones: names, limits, routing, rules, servers and pages. Options and what is logged stand in
// conf_options.c, words that are not performed yet in conf_later.c.
#include "proxy/conf_priv.h"
#include "proxy/retry.h"

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
	if (str_eq(word, STR("tcp"))) {
		p->mode = PROXY_TCP;
		return true;
	}
	return err_set(err, "'%.*s' is no mode: http and tcp are", STR_ARG(word));
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
parse_fullconn(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	(void)conf;
	(void)err;
	conf_proxy_of(obj)->fullconn = (uint32_t)line->values[0].i;
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

// NULL with *err.
static struct switch_rule *
switch_rule_new(struct conf *conf, struct proxy *p, const struct conf_line *line, struct err *err)
{
	struct switch_rule *r = CONF_NEW(conf, struct switch_rule);
	r->name = line->values[0].s;
	r->file = line->file;
	r->line = line->line;
	r->words = rule_words(line);
	if (!conf_proxy_cond(p, line, line->args + 1, &EXPR_AT_REQUEST, &r->cond, err))
		return NULL;
	if (str_find(r->name, STR("%[")) != SIZE_MAX) {
		struct expr_env env = conf_proxy_env(p, line, &EXPR_AT_REQUEST);
		r->dynamic = logfmt_parse(&env, r->name, err);
		if (r->dynamic == NULL)
			return NULL;
	}
	return r;
}

static bool
parse_use_backend(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	struct proxy *p = conf_proxy_of(obj);
	struct switch_rule *r = switch_rule_new(conf, p, line, err);
	if (r == NULL)
		return false;
	*p->switching_tail = r;
	p->switching_tail = &r->next;
	return true;
}

static bool
parse_use_server(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	struct proxy *p = conf_proxy_of(obj);
	if (line->args + 1 >= line->argc)
		return err_set(err, "'use-server' requires either 'if' or 'unless' followed by a "
				    "condition.");
	struct switch_rule *r = switch_rule_new(conf, p, line, err);
	if (r == NULL)
		return false;
	r->of_servers = true;
	*p->serving_tail = r;
	p->serving_tail = &r->next;
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

static const struct conf_arg name_arg[] = ARG_STR1("name", "Name of a backend.");
static const struct conf_arg server_arg[] = ARG_STR1("name", "Name of a server.");
static const struct conf_arg mode_arg[] = ARG_STR1("mode", "http or tcp.");
static const struct conf_arg path_arg[] = ARG_STR1("path", "Path of requests answered with 200.");
static const char *const hash_methods[] = {"map-based", "consistent", NULL};
static const struct conf_arg hash_args[] = {{.name = "method",
					     .type = CONF_ENUM,
					     .words = hash_methods,
					     .help = "How a hash becomes a server."},
					    {.type = CONF_END}};
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
     .addr_flags = (CONF_ADDR_FOR_SERVER & ~(unsigned)CONF_ADDR_RESOLVE) | CONF_ADDR_HOSTNAME,
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

const struct conf_keyword conf_proxy_keywords[] = {
    {ALL, "mode", mode_arg, NULL, parse_mode, 0, 0,
     "http (default): requests and responses; tcp: connections are relayed as bytes."},
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
    {.sections = "backend listen",
     .words = "use-server",
     .args = server_arg,
     .parse = parse_use_server,
     .flags = CONF_EXTRA,
     .help = "use-server NAME|%[EXPR] if|unless CONDITION: the server of the first that holds and "
	     "is up (or down, with option persist or force-persist); none: the cookie's, or by "
	     "balance."},
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
     .parse = conf_parse_balance,
     .flags = CONF_EXTRA,
     .help = "How a server is chosen. By turns: 'roundrobin' (default) and 'static-rr'. By load: "
	     "'leastconn'; 'random' or 'random(N)', the least busy of N (2) drawn; 'first', the "
	     "lowest id with room below its maxconn. By a hash, so that the same goes to the same: "
	     "'source'; 'uri [whole] [path-only] [len N] [depth N]'; 'url_param NAME'; 'hdr(NAME) "
	     "[use_domain_only]'; 'hash EXPR'; what has no such key takes turns. All obey weights "
	     "but 'first'."},
    {.sections = BACK,
     .words = "hash-type",
     .args = hash_args,
     .parse = conf_parse_hash_type,
     .flags = CONF_EXTRA,
     .help = "hash-type METHOD [sdbm|djb2|wt6|crc32|none] [avalanche]: map-based (default): even "
	     "shares, but most keys change servers when one leaves; consistent: only those of the "
	     "one that left. The function is sdbm, for consistent with avalanche; none: the key is "
	     "a number."},
    {.sections = BACK,
     .words = "http-reuse",
     .args = reuse_arg,
     .parse = parse_reuse,
     .help = "When a request may travel on a server connection that served another client; "
	     "default safe: not a connection's first request."},
    {.sections = BACK,
     .words = "fullconn",
     .args = count_arg,
     .parse = parse_fullconn,
     .help = "With so many requests in the backend its servers with 'minconn' have their maxconn; "
	     "0 (the default): a tenth of the maxconn of the frontends that name it."},
    {.sections = BACK,
     .words = "retries",
     .args = retries_arg,
     .parse = parse_retries,
     .help = "Attempts beyond the first, at connecting and of retry-on; default 3."},
    {.sections = BACK,
     .words = "retry-on",
     .parse = conf_parse_retry_on,
     .flags = CONF_EXTRA,
     .help = "retry-on none | WORD...: which failures send a request once more, 'retries' times: "
	     "conn-failure (the default), empty-response, junk-response, response-timeout, "
	     "0rtt-rejected, the statuses 401 403 404 408 425 500 501 502 503 504; "
	     "all-retryable-errors: the words and 500 502 503 504. With others than conn-failure a "
	     "server may perform a request twice. A request with a body is sent again when all of "
	     "it was there as its head was first sent ('option http-buffer-request')."},
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
    {.sections = NULL},
};
