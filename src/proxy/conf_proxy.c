// SPDX-License-Identifier: MIT
// Sections defaults, frontend, backend, listen: how one begins, what it takes over from defaults,
// and the helpers that the keyword functions of the neighbouring files share. A defaults section
// is a struct proxy that nobody serves: later sections copy its settings, and lines that make
// rules or ACLs are kept and performed again in each section built from it.
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "proxy/conf_priv.h"
#include "proxy/retry.h"

#define PROXY_MAGIC 0x7c5a0102

struct proxy *
conf_proxy_of(void *obj)
{
	struct proxy *p = obj;
	CHECK_MAGIC(p, PROXY_MAGIC);
	return p;
}

struct expr_env
conf_proxy_env(const struct proxy *p, const struct conf_line *line, const struct expr_place *place)
{
	return (struct expr_env){
	    .set = p->conf->setup->exprs,
	    .acls = p->conf->acls,
	    .place = place,
	    .file = line->file,
	    .line = line->line,
	};
}

bool
conf_proxy_cond(const struct proxy *p, const struct conf_line *line, int at,
		const struct expr_place *place, struct cond **cond, struct err *err)
{
	*cond = NULL;
	if (at >= line->argc)
		return true;
	struct str word = line->argv[at];
	if (!str_eq(word, STR("if")) && !str_eq(word, STR("unless")))
		return err_set(err,
			       "'%.*s' is not expected here: 'if', 'unless' or the end of the "
			       "line is",
			       STR_ARG(word));
	struct expr_env env = conf_proxy_env(p, line, place);
	*cond = cond_parse(&env, line->argc - at, line->argv + at, err);
	return *cond != NULL;
}

bool
conf_proxy_keep(struct proxy *p, const struct conf_line *line,
		bool (*parse)(struct conf *, void *, const struct conf_line *, struct err *),
		struct err *err)
{
	if (p->name.n == 0)
		return err_set(err,
			       "'%.*s' is not allowed in an anonymous 'defaults' section: give the "
			       "section a name",
			       STR_ARG(line->argv[0]));
	struct kept_line *k = CONF_NEW(p->conf->setup->conf, struct kept_line);
	*k = (struct kept_line){.line = line, .parse = parse};
	*p->conf->kept_tail = k;
	p->conf->kept_tail = &k->next;
	return true;
}

void
conf_addr_to_addr(const struct conf_addr *from, struct addr *to)
{
	ASSERT(from->kind == CONF_ADDR_INET || from->kind == CONF_ADDR_UNIX ||
	       from->kind == CONF_ADDR_ABNS);
	*to = (struct addr){.len = from->sa_len};
	size_t room = sizeof(*to) - offsetof(struct addr, sa);
	ASSERT(from->sa_len <= room);
	memcpy(&to->sa, &from->sa, from->sa_len);
}

static bool
read_all(int fd, char *buf, size_t n, struct str path, struct err *err)
{
	size_t at = 0;
	while (at < n) {
		ssize_t got = read(fd, buf + at, n - at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return err_set(err, "cannot read '%.*s': %s", STR_ARG(path),
				       got < 0 ? strerror(errno) : "it became shorter");
		at += (size_t)got;
	}
	return true;
}

bool
conf_read_file(struct conf *conf, struct str path, size_t max_bytes, struct str *out,
	       struct err *err)
{
	const char *name = conf_strdup(conf, path).p;
	log_doing("reading '%s'", name);
	int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a pipe shall not hold us up
	if (fd < 0)
		return err_set(err, "cannot open '%s': %s", name, strerror(errno));
	struct stat st;
	bool ok = false;
	if (fstat(fd, &st) != 0)
		err_set(err, "cannot read '%s': %s", name, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		err_set(err, "'%s' is not a regular file", name);
	else if ((uint64_t)st.st_size > max_bytes)
		err_set(err, "'%s' has %lld bytes, at most %zu are allowed", name,
			(long long)st.st_size, max_bytes);
	else {
		char *text = conf_alloc(conf, (size_t)st.st_size + 1);
		*out = str_of(text, (size_t)st.st_size);
		ok = read_all(fd, text, out->n, path, err);
	}
	(void)close(fd); // only read from
	return ok;
}

// --- how a section begins ----------------------------------------------------------------------

static struct log_target *
copy_log_target(struct conf *conf, const struct log_target *from)
{
	struct log_target *t = CONF_NEW(conf, struct log_target);
	*t = *from; // nothing was opened or counted yet
	t->next = NULL;
	return t;
}

static void
take_over(struct proxy *p, const struct proxy *d)
{
	p->mode = d->mode;
	p->options = d->options;
	p->no_options = d->no_options;
	p->timeouts = d->timeouts;
	p->maxconn = d->maxconn;
	p->fullconn = d->fullconn;
	p->retries = d->retries;
	p->retry_on = d->retry_on;
	p->redispatch_every = d->redispatch_every;
	p->cookie = d->cookie;
	p->cookie_key = d->cookie_key;
	p->inspect_request_ns = d->inspect_request_ns;
	p->inspect_response_ns = d->inspect_response_ns;
	p->disabled = d->disabled;
	p->forwardfor_header = d->forwardfor_header;
	p->originalto_header = d->originalto_header;
	p->forwardfor_except = d->forwardfor_except;
	p->originalto_except = d->originalto_except;
	p->via_name = d->via_name;
	p->monitor_uri = d->monitor_uri;
	p->log_tag = d->log_tag;
	p->default_backend_name = d->default_backend_name;
	p->page_settings = d->page_settings;
	p->log_global = d->log_global;
	p->logfmt_text = d->logfmt_text;
	p->logfmt_error_text = d->logfmt_error_text;
	p->logfmt_sd_text = d->logfmt_sd_text;
	p->unique_id_header = d->unique_id_header;
	struct proxy_conf *c = p->conf, *from = d->conf;
	c->default_server = from->default_server;
	conf_health_take_over(&c->health, &from->health);
	c->source = from->source;
	c->reuse = from->reuse;
	c->balance = from->balance;
	c->balance_line = from->balance_line;
	c->hashing = from->hashing;
	c->default_backend_line = from->default_backend_line;
	c->logfmt_line = from->logfmt_line;
	c->unique_id_line = from->unique_id_line;
	c->unique_id_text = from->unique_id_text;
	for (const struct log_target *t = d->logs; t != NULL; t = t->next) {
		*p->logs_tail = copy_log_target(c->setup->conf, t);
		p->logs_tail = &(*p->logs_tail)->next;
	}
}

static void
set_built_in_defaults(struct proxy *p)
{
	// HAProxy begins with tcp; this is a proxy for HTTP.
	p->mode = PROXY_HTTP;
	p->retries = 3;
	p->retry_on = RETRY_CONNECTING;
	p->redispatch_every = -1;
	p->forwardfor_header = STR("X-Forwarded-For");
	p->originalto_header = STR("X-Original-To");
	p->conf->reuse = BACKEND_REUSE_SAFE;
	conf_balance_defaults(p->conf);
	conf_server_defaults(&p->conf->default_server);
	conf_health_defaults(&p->conf->health, &p->conf->default_server.health);
}

static struct proxy *
new_proxy(struct proxy_setup *s, const struct conf_line *line, struct str name, unsigned caps)
{
	struct proxy *p = CONF_NEW(s->conf, struct proxy);
	p->magic = PROXY_MAGIC;
	p->name = conf_strdup(s->conf, name);
	p->caps = caps;
	p->file = line->file;
	p->line = line->line;
	p->binds_tail = &p->binds;
	p->logs_tail = &p->logs;
	p->switching_tail = &p->switching;
	p->serving_tail = &p->serving;
	rule_list_init(&p->http_request);
	rule_list_init(&p->redirects);
	rule_list_init(&p->http_response);
	rule_list_init(&p->http_after_response);
	rule_list_init(&p->tcp_connection);
	rule_list_init(&p->tcp_session);
	rule_list_init(&p->tcp_content);
	rule_list_init(&p->tcp_response);
	p->limit = CONF_NEW(s->conf, struct conn_limit);
	p->conf = CONF_NEW(s->conf, struct proxy_conf);
	p->conf->setup = s;
	p->conf->begin = line;
	p->conf->kept_tail = &p->conf->kept;
	p->conf->acls = acl_scope_new(s->exprs);
	set_built_in_defaults(p);
	return p;
}

static bool
is_name(struct str name)
{
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];
		bool ok = (c >= '0' && c <= '9') ||
			  (byte_lower(c) >= 'a' && byte_lower(c) <= 'z') ||
			  strchr("_-.:", c) != NULL;
		if (!ok || c == '\0')
			return false;
	}
	return name.n > 0;
}

struct names {
	const struct hash_map *map;
	size_t at;
};

static const char *
next_name(void *iter)
{
	struct names *n = iter;
	while (n->at < n->map->n_slots) {
		const struct hash_slot *s = &n->map->slots[n->at++];
		if (s->key.p != NULL)
			return s->key.p;
	}
	return NULL;
}

// The defaults section that this line starts from: the one behind "from", else the last one.
static bool
find_defaults(struct proxy_setup *s, const struct conf_line *line, int at, struct proxy **out,
	      struct err *err)
{
	*out = s->last_defaults;
	if (at >= line->argc)
		return true;
	if (!str_eq(line->argv[at], STR("from")) || at + 2 != line->argc)
		return err_set(err,
			       "'%.*s' is not expected here: 'from NAME' or the end of the "
			       "line is",
			       STR_ARG(line->argv[at]));
	struct str name = line->argv[at + 1];
	*out = hash_map_get(&s->defaults, name);
	if (*out != NULL)
		return true;
	struct names iter = {.map = &s->defaults};
	const char *near = str_suggest(name, next_name, &iter);
	return err_set(err, "there is no 'defaults %.*s' before this line%s%s%s", STR_ARG(name),
		       near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
		       near != NULL ? "'?" : "");
}

static void *
begin_defaults(struct conf *conf, const struct conf_line *line, struct str name, struct err *err)
{
	struct proxy_setup *s = conf_bound(conf, "setup");
	int at = 2;
	if (str_eq(name, STR("from")) && line->argc == 3) {
		name = STR("");
		at = 1;
	}
	struct proxy *from;
	if (name.n > 0 && !is_name(name)) {
		err_set(err, "'%.*s' is no name: letters, digits, '_', '-', '.' and ':' are",
			STR_ARG(name));
		return NULL;
	}
	if (!find_defaults(s, line, at, &from, err))
		return NULL;
	struct proxy *p = new_proxy(s, line, name, PROXY_DEFAULTS);
	// Without "from" a defaults section starts from nothing, not from the one before.
	if (at < line->argc) {
		take_over(p, from);
		for (const struct kept_line *k = from->conf->kept; k != NULL; k = k->next)
			if (!conf_proxy_keep(p, k->line, k->parse, err))
				return NULL;
	}
	if (name.n > 0 && !hash_map_put(&s->defaults, p->name, p)) {
		const struct proxy *first = hash_map_get(&s->defaults, name);
		err_set(err, "'defaults %.*s' was declared at %s:%d already", STR_ARG(name),
			first->file, first->line);
		return NULL;
	}
	s->last_defaults = p;
	return p;
}

static bool
register_name(struct hash_map *map, struct proxy *p, const char *what, struct err *err)
{
	if (hash_map_put(map, p->name, p))
		return true;
	const struct proxy *first = hash_map_get(map, p->name);
	return err_set(err, "there is a %s '%.*s' already, declared at %s:%d", what,
		       STR_ARG(p->name), first->file, first->line);
}

static bool
perform_kept(struct proxy *p, const struct proxy *from, struct err *err)
{
	for (const struct kept_line *k = from->conf->kept; k != NULL; k = k->next)
		if (!k->parse(p->conf->setup->conf, p, k->line, err))
			return err_wrap(err, "%s:%d, taken over from 'defaults %.*s'",
					k->line->file, k->line->line, STR_ARG(from->name));
	return true;
}

static void *
begin_proxy(struct conf *conf, const struct conf_line *line, struct str name, unsigned caps,
	    struct err *err)
{
	struct proxy_setup *s = conf_bound(conf, "setup");
	struct proxy_set *set = s->set;
	struct proxy *from;
	if (!is_name(name)) {
		err_set(err, "'%.*s' is no name: letters, digits, '_', '-', '.' and ':' are",
			STR_ARG(name));
		return NULL;
	}
	if (!find_defaults(s, line, 2, &from, err))
		return NULL;
	struct proxy *p = new_proxy(s, line, name, caps);
	if (((caps & PROXY_FRONTEND) && !register_name(&set->frontends, p, "frontend", err)) ||
	    ((caps & PROXY_BACKEND) && !register_name(&set->backends, p, "backend", err)))
		return NULL;
	VEC_GROW(set->all, set->cap_all, set->n_all);
	p->index = (uint32_t)set->n_all;
	set->all[set->n_all++] = p;
	if (caps & PROXY_BACKEND) {
		p->backend = backend_new(p->name, (uint32_t)set->n_backends++);
		(void)hash_map_put(&s->backend_objects, p->name, p->backend); // new: see above
	}
	if (from == NULL)
		return p;
	take_over(p, from);
	if (p->backend != NULL)
		p->backend->reuse = p->conf->reuse;
	return perform_kept(p, from, err) ? p : NULL;
}

static void *
begin_frontend(struct conf *conf, const struct conf_line *line, struct str name, struct err *err)
{
	return begin_proxy(conf, line, name, PROXY_FRONTEND, err);
}

static void *
begin_backend(struct conf *conf, const struct conf_line *line, struct str name, struct err *err)
{
	return begin_proxy(conf, line, name, PROXY_BACKEND, err);
}

static void *
begin_listen(struct conf *conf, const struct conf_line *line, struct str name, struct err *err)
{
	return begin_proxy(conf, line, name, PROXY_FRONTEND | PROXY_BACKEND, err);
}

static void *
begin_global(struct conf *conf, const struct conf_line *line, struct str name, struct err *err)
{
	(void)line;
	(void)name;
	(void)err;
	struct proxy_setup *s = conf_bound(conf, "setup");
	return &s->set->global;
}

#define PASSED_OVER(flag, word, why)                                    \
	{                                                               \
		.name = word, .flags = CONF_SECTION_##flag, .help = why \
	}

const struct conf_section conf_proxy_sections[] = {
    {.name = "global",
     .naming = CONF_NAME_NONE,
     .begin = begin_global,
     .help = "Settings of the process as a whole. May stand several times."},
    {.name = "defaults",
     .naming = CONF_NAME_OPTIONAL,
     .flags = CONF_SECTION_ARGS,
     .begin = begin_defaults,
     .help = "Settings that the sections after it start from, until the next 'defaults'; a named "
	     "one also wherever 'from NAME' asks for it. ACLs and rules need a named one."},
    {.name = "frontend",
     .naming = CONF_NAME_REQUIRED,
     .flags = CONF_SECTION_ARGS,
     .begin = begin_frontend,
     .help = "Where clients connect, and which backend serves them. 'frontend NAME [from "
	     "DEFAULTS]'."},
    {.name = "backend",
     .naming = CONF_NAME_REQUIRED,
     .flags = CONF_SECTION_ARGS,
     .begin = begin_backend,
     .help = "Servers that requests are sent to. 'backend NAME [from DEFAULTS]'."},
    {.name = "listen",
     .naming = CONF_NAME_REQUIRED,
     .flags = CONF_SECTION_ARGS,
     .begin = begin_listen,
     .help = "A frontend and a backend of one name in one section."},
    PASSED_OVER(IGNORED, "peers",
		"a stick table outlives reloads by itself; it is not sent to other machines"),
    PASSED_OVER(IGNORED, "resolvers",
		"names are looked up when the configuration is read; 'tidectl addr' moves "
		"a server"),
    PASSED_OVER(IGNORED, "mailers", "no mail is sent; changes of servers are in the log"),
    PASSED_OVER(REFUSED, "cache", CONF_LATER),
    PASSED_OVER(REFUSED, "ring", CONF_LATER),
    PASSED_OVER(REFUSED, "log-forward", CONF_LATER),
    PASSED_OVER(REFUSED, "fcgi-app", CONF_LATER),
    PASSED_OVER(REFUSED, "program", "programs are the service manager's"),
    PASSED_OVER(REFUSED, "crt-store", CONF_NO_TLS),
    PASSED_OVER(REFUSED, "acme", CONF_NO_TLS),
    PASSED_OVER(REFUSED, "log-profile", CONF_LATER),
    PASSED_OVER(IGNORED, "traces", "'tidectl explain on' keeps what decided each transaction"),
    {.name = NULL},
};
