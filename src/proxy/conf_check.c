// SPDX-License-Identifier: MIT
// What can only be judged once all files were read: names that sections give each other, formats
// of logs, and what is missing. Every fault is reported at its line.
#include "base/clock.h"
#include "proxy/bad_message.h"
#include "proxy/action_wait.h"
#include "proxy/conf_cookie.h"
#include "proxy/conf_priv.h"
#include "proxy/retry.h"

// A line by file and number, for messages about what is kept without its words.
static struct conf_line
place(const char *file, int line)
{
	return (struct conf_line){.file = file, .line = line};
}

struct names {
	const struct proxy_set *set;
	size_t at;
};

static const char *
next_backend(void *iter)
{
	struct names *n = iter;
	while (n->at < n->set->n_all) {
		const struct proxy *p = n->set->all[n->at++];
		if (p->caps & PROXY_BACKEND)
			return p->name.p;
	}
	return NULL;
}

static struct proxy *
find_backend(struct conf *conf, const struct proxy_set *set, const struct conf_line *at,
	     struct str name)
{
	struct proxy *b = hash_map_get(&set->backends, name);
	if (b != NULL) {
		b->conf->is_used = true;
		return b;
	}
	struct names iter = {.set = set};
	const char *near = str_suggest(name, next_backend, &iter);
	if (hash_map_get(&set->frontends, name) != NULL)
		conf_error(conf, at, "'%.*s' is a frontend, not a backend", STR_ARG(name));
	else
		conf_error(conf, at, "there is no backend '%.*s'%s%s%s", STR_ARG(name),
			   near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
			   near != NULL ? "'?" : "");
	return NULL;
}

static void
check_mode(struct conf *conf, const struct conf_line *at, const struct proxy *p,
	   const struct proxy *b)
{
	if (b != NULL && b->mode != p->mode)
		conf_error(conf, at, "backend '%.*s' has mode %s, '%.*s' has mode %s",
			   STR_ARG(b->name), proxy_mode_name(b->mode), STR_ARG(p->name),
			   proxy_mode_name(p->mode));
}

// What needs requests does nothing where there are none.
static void
check_tcp(struct conf *conf, struct proxy *p)
{
	const struct rule_list *const http[] = {&p->http_request, &p->redirects, &p->http_response,
						&p->http_after_response};
	p->at_accept =
	    p->mode == PROXY_TCP || p->tcp_connection.first != NULL || p->tcp_session.first != NULL;
	for (const struct bind *b = p->binds; b != NULL; b = b->next)
		p->at_accept |= b->accept_proxy;
	if (p->mode != PROXY_TCP)
		return;
	if (p->backend != NULL)
		p->backend->reuse = BACKEND_REUSE_NEVER;
	p->retry_on = RETRY_CONNECTING;
	if (p->options & PROXY_OPT_HTTPLOG) {
		conf_warn(conf, p->conf->logfmt_line,
			  "'%.*s' has mode tcp: 'option tcplog' takes the place of httplog",
			  STR_ARG(p->name));
		p->logfmt_text = STR(LOGFMT_TCP);
	}
	for (size_t i = 0; i < ARRAY_LEN(http); i++) {
		if (http[i]->first == NULL)
			continue;
		struct conf_line at = place(http[i]->first->file, http[i]->first->line);
		conf_warn(conf, &at, "rules on HTTP have no effect: '%.*s' has mode tcp",
			  STR_ARG(p->name));
	}
}

static void
resolve_switching(struct conf *conf, struct proxy_set *set, struct proxy *p)
{
	const struct switch_rule *always = NULL;
	for (struct switch_rule *r = p->switching; r != NULL; r = r->next) {
		struct conf_line at = place(r->file, r->line);
		if (always != NULL)
			conf_warn(conf, &at,
				  "this use_backend is never reached: the one at %s:%d has no "
				  "condition",
				  always->file, always->line);
		if (r->dynamic == NULL)
			r->backend = find_backend(conf, set, &at, r->name);
		check_mode(conf, &at, p, r->backend);
		if (r->cond == NULL && r->dynamic == NULL && always == NULL)
			always = r;
	}
	if (p->default_backend_name.n > 0)
		p->default_backend =
		    find_backend(conf, set, p->conf->default_backend_line, p->default_backend_name);
	check_mode(conf, p->conf->default_backend_line, p, p->default_backend);
}

struct server_names {
	const struct backend *b;
	size_t at;
};

static const char *
next_server(void *iter)
{
	struct server_names *n = iter;
	return n->at < n->b->n_servers ? n->b->servers[n->at++]->name.p : NULL;
}

static void
resolve_serving(struct conf *conf, struct proxy *p)
{
	for (struct switch_rule *r = p->serving; r != NULL; r = r->next) {
		struct conf_line at = place(r->file, r->line);
		if (r->dynamic == NULL)
			r->server = backend_find_server(p->backend, r->name);
		if (r->dynamic != NULL || r->server != NULL)
			continue;
		struct server_names iter = {.b = p->backend};
		const char *near = str_suggest(r->name, next_server, &iter);
		conf_error(conf, &at, "there is no server '%.*s' in '%.*s'%s%s%s", STR_ARG(r->name),
			   STR_ARG(p->name), near != NULL ? "; did you mean '" : "",
			   near != NULL ? near : "", near != NULL ? "'?" : "");
	}
}

// --- formats ---------------------------------------------------------------------------------

#define LOGFMT_DEFAULT "Connect from %ci:%cp to %fi:%fp (%f/HTTP)"

static struct logfmt *
compile(struct conf *conf, const struct proxy *p, const struct conf_line *line, struct str text,
	const struct expr_place *where)
{
	struct err err = {0};
	struct expr_env env = conf_proxy_env(p, line, where);
	struct logfmt *f = logfmt_parse(&env, text, &err);
	if (f == NULL)
		conf_error(conf, line, "%s", err.text);
	return f;
}

static void
compile_formats(struct conf *conf, const struct proxy_set *set, struct proxy *p)
{
	const struct proxy_conf *c = p->conf;
	if (c->unique_id_text.n > 0)
		p->unique_id =
		    compile(conf, p, c->unique_id_line, c->unique_id_text, &EXPR_AT_REQUEST);
	bool has_target = p->logs != NULL || (p->log_global && set->global.logs != NULL);
	if (p->log_global && set->global.logs == NULL)
		conf_warn(conf, c->begin,
			  "'log global' has no effect: section global names no log");
	if (!has_target)
		return;
	bool given = p->logfmt_text.n > 0;
	p->logfmt = compile(conf, p, given ? c->logfmt_line : c->begin,
			    given ? p->logfmt_text : STR(LOGFMT_DEFAULT), &EXPR_AT_LOG);
	if (p->logfmt_error_text.n > 0)
		p->logfmt_error = compile(conf, p, c->begin, p->logfmt_error_text, &EXPR_AT_LOG);
	if (p->logfmt_sd_text.n > 0)
		p->logfmt_sd = compile(conf, p, c->begin, p->logfmt_sd_text, &EXPR_AT_LOG);
	const struct logfmt *const made[] = {p->logfmt, p->logfmt_error, p->logfmt_sd};
	for (size_t i = 0; i < ARRAY_LEN(made); i++)
		p->logs_server_end |= made[i] != NULL && logfmt_needs(made[i]) & SMP_NEED_BC;
}

// --- what is missing -------------------------------------------------------------------------

static bool
list_answers(const struct rule_list *list)
{
	static const char *const goes_on[] = {"allow", "accept"};
	for (const struct rule *r = list->first; r != NULL; r = r->next) {
		if (r->cond != NULL || !(r->action->flags & ACTION_FINAL))
			continue;
		bool answers = true;
		for (size_t i = 0; i < ARRAY_LEN(goes_on); i++)
			answers &= strcmp(r->action->name, goes_on[i]) != 0;
		return answers; // what stands behind an allow is not reached
	}
	return false;
}

// By its rules, or by a `redirect` line behind them.
static bool
always_answers(const struct proxy *p)
{
	if (p->mode == PROXY_TCP)
		return list_answers(&p->tcp_content);
	return list_answers(&p->http_request) || list_answers(&p->redirects);
}

static void
warn_timeouts(struct conf *conf, const struct proxy *p)
{
	const struct proxy_timeouts *t = &p->timeouts;
	bool front = (p->caps & PROXY_FRONTEND) && t->client_ns == 0;
	bool back = (p->caps & PROXY_BACKEND) && p->backend->n_servers > 0 &&
		    (t->server_ns == 0 || t->connect_ns == 0);
	if ((front || back) && conf_n_errors(conf) == 0) // a misspelt line is no missing one
		conf_warn(conf, p->conf->begin,
			  "missing timeouts: '%.*s' needs%s%s%s; without them a silent peer holds "
			  "a connection for ever",
			  STR_ARG(p->name), front ? " 'timeout client'" : "",
			  back && t->connect_ns == 0 ? " 'timeout connect'" : "",
			  back && t->server_ns == 0 ? " 'timeout server'" : "");
}

// Whether a use_backend line takes what the lines before it leave.
static bool
always_switches(const struct proxy *p)
{
	for (const struct switch_rule *r = p->switching; r != NULL; r = r->next)
		if (r->cond == NULL)
			return true;
	return false;
}

static void
check_frontend(struct conf *conf, const struct proxy *p)
{
	if (p->binds == NULL && !p->disabled)
		conf_error(conf, p->conf->begin,
			   "'%.*s' has no 'bind': it would serve nobody (write 'disabled' if that "
			   "is meant)",
			   STR_ARG(p->name));
	if (!(p->caps & PROXY_BACKEND) && p->default_backend == NULL && !always_switches(p) &&
	    p->default_backend_name.n == 0 && !always_answers(p))
		conf_warn(conf, p->conf->begin, "'%.*s' has %s: what no rule answers%s %s",
			  STR_ARG(p->name),
			  p->switching == NULL ? "neither default_backend nor use_backend"
					       : "no default_backend",
			  p->switching == NULL ? "" : " and no use_backend chooses",
			  p->mode == PROXY_TCP ? "is closed" : "gets 503");
}

static void
check_backend(struct conf *conf, const struct proxy *p)
{
	if (p->backend->n_servers == 0 && p->conf->is_used && !p->disabled && !always_answers(p) &&
	    conf_n_errors(conf) == 0) // a server whose line has a fault is one
		conf_warn(conf, p->conf->begin, "backend '%.*s' has no server: %s",
			  STR_ARG(p->name),
			  p->mode == PROXY_TCP ? "connections are closed"
					       : "requests that no rule answers get 503");
}

static const struct bind *
same_address(const struct proxy_set *set, const struct bind *b)
{
	for (size_t i = 0; i < set->n_all; i++)
		for (const struct bind *o = set->all[i]->binds; o != NULL; o = o->next) {
			if (o == b)
				return NULL; // told once, at the later of the two
			if (o->inherited_fd < 0 && b->inherited_fd < 0 &&
			    addr_port(&b->addr) != 0 && addr_eq(&o->addr, &b->addr))
				return o;
		}
	return NULL;
}

static void
check_binds(struct conf *conf, const struct proxy_set *set, const struct proxy *p)
{
	for (const struct bind *b = p->binds; b != NULL; b = b->next) {
		const struct bind *o = same_address(set, b);
		if (o == NULL)
			continue;
		struct conf_line at = place(b->file, b->line);
		conf_error(conf, &at, "'%.*s' is bound by '%.*s' at %s:%d already",
			   STR_ARG(b->text), STR_ARG(o->frontend->name), o->file, o->line);
	}
}

// Numbers from 2, as HAProxy counts, leaving out those that `id` gave.
static void
number_proxies(struct proxy_set *set)
{
	uint32_t next = 2;
	for (size_t i = 0; i < set->n_all; i++) {
		if (set->all[i]->id != 0)
			continue;
		for (bool taken = true; taken;) {
			taken = false;
			for (size_t j = 0; j < set->n_all; j++)
				taken |= set->all[j]->id == next;
			next += taken;
		}
		set->all[i]->id = next++;
	}
	for (size_t i = 0; i < set->n_all; i++)
		if (set->all[i]->backend != NULL)
			set->all[i]->backend->id = set->all[i]->id;
}

static bool
may_choose(const struct proxy *f, const struct proxy *b)
{
	bool may = f == b || f->default_backend == b;
	for (const struct switch_rule *r = f->switching; r != NULL && !may; r = r->next)
		may = r->backend == b;
	return may && f->caps & PROXY_FRONTEND;
}

// fullconn of a backend whose servers have a minconn: unless it is given, HAProxy's guess.
static void
set_full_conn(const struct proxy_set *set, const struct proxy *b)
{
	uint64_t most = 0;
	for (size_t i = 0; i < set->n_all; i++) {
		const struct proxy *f = set->all[i];
		if (may_choose(f, b) && !f->disabled)
			most += f->maxconn != 0 ? f->maxconn : set->global.maxconn;
	}
	uint32_t tenth = (uint32_t)MIN((most + 9) / 10, (uint64_t)UINT32_MAX);
	b->backend->full_conn = b->fullconn != 0 ? b->fullconn : tenth != 0 ? tenth : 10;
}

static bool
has_dynamic_switch(const struct proxy_set *set)
{
	for (size_t i = 0; i < set->n_all; i++)
		for (const struct switch_rule *r = set->all[i]->switching; r != NULL; r = r->next)
			if (r->dynamic != NULL)
				return true;
	return false;
}

static void
disable(struct proxy *p)
{
	// A disabled frontend listens nowhere.
	if (p->disabled) {
		p->binds = NULL;
		p->binds_tail = &p->binds;
	}
}

bool
conf_check_proxies(struct conf *conf, void *setup, struct err *err)
{
	(void)err; // faults are reported one by one
	struct proxy_setup *s = setup;
	struct proxy_set *set = s->set;
	number_proxies(set);
	for (size_t i = 0; i < set->n_all; i++) {
		disable(set->all[i]);
		conf_resolve_pages(conf, set, set->all[i]);
		bad_message_init(conf, set->all[i]);
		resolve_switching(conf, set, set->all[i]);
		resolve_serving(conf, set->all[i]);
		check_tcp(conf, set->all[i]);
		compile_formats(conf, set, set->all[i]);
		conf_health_plan(conf, set->all[i]);
		conf_balance_apply(conf, set->all[i]);
		conf_cookie_apply(conf, set, set->all[i]);
	}
	bool any = has_dynamic_switch(set);
	for (size_t i = 0; i < set->n_all; i++) {
		struct proxy *p = set->all[i];
		p->conf->is_used |= any || (p->caps & PROXY_FRONTEND);
		if (p->disabled)
			continue;
		warn_timeouts(conf, p);
		if (p->options & PROXY_OPT_BUFFER_REQUEST)
			action_wait_for_body_first(conf, p);
		if (p->caps & PROXY_FRONTEND)
			check_frontend(conf, p);
		if (p->caps & PROXY_BACKEND)
			check_backend(conf, p);
		if (p->caps & PROXY_BACKEND && p->backend->ramps)
			set_full_conn(set, p);
		check_binds(conf, set, p);
	}
	return true;
}
