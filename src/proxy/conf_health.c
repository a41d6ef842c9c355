// SPDX-License-Identifier: MIT
// Options of health checks, and how lines and options become the plan of a backend.
#include "proxy/conf_health.h"

#include <stdio.h>

#include "backend/agent.h"
#include "base/clock.h"
#include "base/module.h"
#include "http/names.h"
#include "proxy/cli_proxy_priv.h"
#include "proxy/conf_priv.h"

static const struct health_request plain_request = {.method = {"OPTIONS", 7},
						    .uri = {"/", 1},
						    .version = {"HTTP/1.0", 8}};

void
conf_health_defaults(struct health_conf *h, struct health_words *w)
{
	*h = (struct health_conf){0};
	h->request = plain_request;
	*w = (struct health_words){.inter_ns = CHECK_INTER_NS,
				   .rise = 2,
				   .fall = 3,
				   .on_error = OBSERVE_FAIL_CHECK,
				   .error_limit = 10};
}

void
conf_health_take_over(struct health_conf *to, const struct health_conf *from)
{
	*to = *from;
	to->http.inherited = to->http.first != NULL;
	to->tcp.inherited = to->tcp.first != NULL;
}

// --- option httpchk ------------------------------------------------------------------------------

static bool
is_version(struct str s)
{
	return s.n == 8 && str_starts(s, STR("HTTP/")) && s.p[5] >= '0' && s.p[5] <= '9' &&
	       s.p[6] == '.' && s.p[7] >= '0' && s.p[7] <= '9';
}

static bool
is_target(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 0x7f)
			return false;
	return s.n > 0;
}

bool
conf_health_header(struct conf *conf, struct health_request *r, struct str name, struct str value,
		   struct err *err)
{
	value = str_trim(value);
	if (!http_is_token(name))
		return err_set(err, "'%.*s' is no header name", STR_ARG(name));
	for (size_t i = 0; i < value.n; i++)
		if (((unsigned char)value.p[i] < ' ' && value.p[i] != '\t') || value.p[i] == 0x7f)
			return err_set(err, "the value of header '%.*s' has a control character",
				       STR_ARG(name));
	char *lower = (char *)(uintptr_t)conf_strdup(conf, name).p;
	for (size_t i = 0; i < name.n; i++)
		lower[i] = (char)byte_lower((unsigned char)lower[i]);
	// These follow from the body alone.
	if (strcmp(lower, "content-length") == 0 || strcmp(lower, "transfer-encoding") == 0)
		return true;
	r->has_host |= strcmp(lower, "host") == 0;
	r->has_connection |= strcmp(lower, "connection") == 0;
	r->headers = str_from_c(
	    conf_printf(conf, "%.*s%s: %.*s\r\n", STR_ARG(r->headers), lower, STR_ARG(value)));
	return true;
}

// The old way of adding headers: "HTTP/1.1\r\nHost: www".
static bool
take_version(struct conf *conf, const struct conf_line *line, struct health_request *r,
	     struct str word, struct err *err)
{
	size_t at = str_find(word, STR("\r\n"));
	r->version = str_slice(word, 0, at);
	if (at == SIZE_MAX)
		return true;
	conf_warn(conf, line, "headers behind the version are better given to 'http-check send'");
	while (at < word.n) {
		struct str rest = str_slice(word, at + 2, word.n);
		size_t next = str_find(rest, STR("\r\n"));
		struct str field = str_slice(rest, 0, next), name;
		if (field.n == 0) { // then the body
			r->body = str_slice(rest, next == SIZE_MAX ? rest.n : 2, rest.n);
			return true;
		}
		if (!str_next(&field, ':', &name) || field.p == NULL)
			return err_set(err, "'%.*s' is no header line", STR_ARG(rest));
		if (!conf_health_header(conf, r, name, field, err))
			return false;
		if (next == SIZE_MAX)
			return true;
		at += 2 + next;
	}
	return true;
}

static bool
check_request(const struct health_request *r, struct err *err)
{
	if (!http_is_token(r->method))
		return err_set(err, "'%.*s' is no method", STR_ARG(r->method));
	if (!is_target(r->uri))
		return err_set(err, "'%.*s' is no target of a request", STR_ARG(r->uri));
	return is_version(r->version) ||
	       err_set(err, "'%.*s' is no version: HTTP/1.0 and HTTP/1.1 are", STR_ARG(r->version));
}

static bool
parse_httpchk(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	struct health_conf *h = &conf_proxy_of(obj)->conf->health;
	struct health_request r = plain_request;
	int n = line->argc - line->args;
	const struct str *w = line->argv + line->args;
	h->line = line;
	if (line->flags & CONF_LINE_NO) {
		h->kind = CHECK_KIND_CONNECT;
		return true;
	}
	if (n > 3)
		return err_set(err,
			       "'%.*s' is one word too many: option httpchk [[METHOD] URI "
			       "[VERSION]]; blanks in VERSION are written '\\ '",
			       STR_ARG(w[3]));
	if (n == 1) {
		r.uri = w[0];
	} else if (n > 1) {
		r.method = w[0];
		r.uri = w[1];
	}
	if (n > 2 && !take_version(conf, line, &r, w[2], err))
		return false;
	h->kind = CHECK_KIND_HTTP;
	h->request = r;
	return check_request(&r, err);
}

static bool
parse_tcp_check_option(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	struct health_conf *h = &conf_proxy_of(obj)->conf->health;
	(void)conf;
	(void)err;
	h->line = line;
	h->kind = line->flags & CONF_LINE_NO ? CHECK_KIND_CONNECT : CHECK_KIND_TCP;
	return true;
}

static bool
parse_log_option(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	struct proxy *p = conf_proxy_of(obj);
	(void)conf;
	(void)err;
	p->options &= ~(unsigned)PROXY_OPT_LOG_HEALTH;
	if (!(line->flags & (CONF_LINE_NO | CONF_LINE_DEFAULT)))
		p->options |= PROXY_OPT_LOG_HEALTH;
	return true;
}

static bool
parse_timeout_check(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	(void)conf;
	(void)err;
	conf_proxy_of(obj)->conf->health.timeout_ns = line->values[0].u;
	return true;
}

// --- the plan ------------------------------------------------------------------------------------

static void
render_request(struct conf *conf, const struct health_request *r, bool send_state,
	       struct check_step *s)
{
	s->head_only = str_eq(r->method, STR("HEAD"));
	struct str head =
	    str_from_c(conf_printf(conf, "%.*s %.*s %.*s\r\n%.*s", STR_ARG(r->method),
				   STR_ARG(r->uri), STR_ARG(r->version), STR_ARG(r->headers)));
	char length[48] = "";
	if (r->body.n > 0)
		(void)snprintf(length, sizeof(length), "content-length: %zu\r\n",
			       r->body.n); // fits
	bool close = !str_eq(r->version, STR("HTTP/1.0")) && !r->has_connection;
	s->state_at = send_state ? head.n : SIZE_MAX;
	s->bytes = str_from_c(conf_printf(conf, "%.*s%s%s\r\n%.*s", STR_ARG(head), length,
					  close ? "connection: close\r\n" : "", STR_ARG(r->body)));
}

static void
lay_over(struct str *under, struct str over)
{
	if (over.n > 0)
		*under = over;
}

// The first request is that of the option, with what a line adds; others say all by themselves.
static struct health_request
request_of(struct conf *conf, const struct health_conf *h, const struct health_request *own,
	   bool first)
{
	struct health_request r = first ? h->request : plain_request;
	if (own == NULL)
		return r;
	lay_over(&r.method, own->method);
	lay_over(&r.uri, own->uri);
	lay_over(&r.version, own->version);
	lay_over(&r.body, own->body);
	r.headers =
	    str_from_c(conf_printf(conf, "%.*s%.*s", STR_ARG(r.headers), STR_ARG(own->headers)));
	r.has_host |= own->has_host;
	r.has_connection |= own->has_connection;
	return r;
}

static void
make_requests(struct conf *conf, const struct health_conf *h, struct check_step *s)
{
	struct err err;
	for (bool first = true; s != NULL; s = s->next) {
		if (s->action != CHECK_SEND)
			continue;
		struct health_request r = request_of(conf, h, s->made_of, first);
		if (!check_request(&r, &err))
			conf_error(conf, h->line, "checks: %s", err.text);
		if (str_eq(r.version, STR("HTTP/1.1")) && !r.has_host)
			conf_warn(conf, h->line,
				  "checks of HTTP/1.1 want a Host: add 'http-check send hdr Host "
				  "NAME' (RFC 9112 section 3.2)");
		render_request(conf, &r, h->send_state, s);
		first = false;
	}
}

static struct check_step *
copy_step(struct conf *conf, const struct check_step *from)
{
	struct check_step *s = CONF_NEW(conf, struct check_step);
	*s = *from;
	s->next = NULL;
	return s;
}

static struct check_step *
new_step(struct conf *conf, enum check_action action)
{
	struct check_step *s = CONF_NEW(conf, struct check_step);
	s->action = action;
	s->state_at = SIZE_MAX;
	return s;
}

// 2xx and 3xx are good, where nothing else is asked for.
static struct check_step *
good_status(struct conf *conf)
{
	static const struct check_range good = {200, 399};
	struct check_step *s = new_step(conf, CHECK_EXPECT);
	s->expect = (struct check_expect){.kind = CHECK_EXPECT_STATUS,
					  .ranges = &good,
					  .n_ranges = 1,
					  .word = "status"};
	return s;
}

struct chain {
	struct check_plan *plan;
	struct check_step *last;
};

static void
chain_add(struct chain *c, struct check_step *s)
{
	*(c->last != NULL ? &c->last->next : &c->plan->first) = s;
	c->last = s;
}

static void
begin_chain(struct conf *conf, struct chain *c, const struct check_step *first)
{
	if (first == NULL || first->action != CHECK_CONNECT)
		chain_add(c, new_step(conf, CHECK_CONNECT));
}

static void
plan_tcp(struct conf *conf, struct chain *c, const struct health_conf *h)
{
	const struct check_step *s = h->kind == CHECK_KIND_TCP ? h->tcp.first : NULL;
	begin_chain(conf, c, s);
	for (; s != NULL; s = s->next)
		chain_add(c, copy_step(conf, s));
}

static bool
sends(const struct check_step *s)
{
	while (s != NULL && s->action != CHECK_SEND)
		s = s->next;
	return s != NULL;
}

static void
plan_http(struct conf *conf, struct chain *c, const struct health_conf *h)
{
	const struct check_step *s = h->http.first;
	begin_chain(conf, c, s);
	if (s != NULL && s->action == CHECK_CONNECT) {
		chain_add(c, copy_step(conf, s));
		s = s->next;
	}
	if (!sends(s))
		chain_add(c, new_step(conf, CHECK_SEND));
	for (; s != NULL; s = s->next)
		chain_add(c, copy_step(conf, s));
	if (c->last->action != CHECK_EXPECT)
		chain_add(c, good_status(conf));
	make_requests(conf, h, c->plan->first);
}

// A step that nothing leads to is better told than tried.
static void
check_chain(struct conf *conf, const struct health_conf *h, const struct check_plan *plan)
{
	bool sent = plan->kind != CHECK_KIND_HTTP;
	for (const struct check_step *s = plan->first; s != NULL; s = s->next) {
		if (s->action == CHECK_CONNECT) // on another connection
			sent = plan->kind != CHECK_KIND_HTTP;
		sent |= s->action == CHECK_SEND;
		if (s->action == CHECK_EXPECT && !sent) {
			conf_error(conf, h->line,
				   "'http-check expect' stands before anything is "
				   "sent");
			return;
		}
	}
}

void
conf_health_plan(struct conf *conf, struct proxy *p)
{
	const struct health_conf *h = &p->conf->health;
	if (p->backend == NULL)
		return;
	struct check_plan *plan = CONF_NEW(conf, struct check_plan);
	struct chain c = {.plan = plan};
	plan->kind = h->kind;
	plan->disable_on_404 = h->disable_on_404;
	plan->connect_ns = p->timeouts.connect_ns;
	plan->check_ns = h->timeout_ns;
	(h->kind == CHECK_KIND_HTTP ? plan_http : plan_tcp)(conf, &c, h);
	check_chain(conf, h, plan);
	p->backend->plan = plan;
	for (size_t i = 0; i < p->backend->n_servers; i++) {
		const struct server *s = p->backend->servers[i];
		if (s->check != NULL)
			s->check->plan = plan;
		if (s->agent != NULL)
			agent_set_timeouts(s->agent, plan->connect_ns, plan->check_ns);
	}
}

// --- rows ----------------------------------------------------------------------------------------

static const struct conf_arg time_args[] = {
    {.name = "time",
     .type = CONF_TIME,
     .min = 0,
     .max = (int64_t)INT32_MAX * 1000000,
     .unit = "ms",
     .help = "A number with us, ms, s, m, h or d; 0: the interval of the checks."},
    {.type = CONF_END}};

static const struct conf_keyword health_keywords[] = {
    {.sections = ALL,
     .words = "timeout check",
     .args = time_args,
     .parse = parse_timeout_check,
     .help = "Longest time of a health check once it is connected; connecting then takes at most "
	     "'timeout connect'. Without it a check may take its interval."},
    {.sections = BACK,
     .words = "option httpchk",
     .parse = parse_httpchk,
     .flags = CONF_NO | CONF_EXTRA,
     .help = "option httpchk [[METHOD] URI [VERSION]]: checks ask this; OPTIONS / HTTP/1.0 when it "
	     "is not said. 2xx and 3xx are good, unless 'http-check expect' says otherwise."},
    {.sections = BACK,
     .words = "option tcp-check",
     .parse = parse_tcp_check_option,
     .flags = CONF_NO,
     .help = "Checks do what the 'tcp-check' lines say; without any they connect."},
    {.sections = BACK,
     .words = "option log-health-checks",
     .parse = parse_log_option,
     .flags = CONF_NO | CONF_DEFAULT,
     .help = "Each check that moves a server's health or ends otherwise than the one before is "
	     "logged."},
    {.sections = BACK,
     .words = "http-check",
     .parse = conf_parse_http_check,
     .flags = CONF_EXTRA,
     .help = "http-check connect|send|expect|comment|disable-on-404|send-state ...: what checks of "
	     "'option httpchk' do, in this order."},
    {.sections = BACK,
     .words = "tcp-check",
     .parse = conf_parse_tcp_check,
     .flags = CONF_EXTRA,
     .help = "tcp-check connect|send|send-binary|expect|comment ...: what checks of 'option "
	     "tcp-check' do, in this order."},
    {.sections = NULL},
};

const struct module proxy_health_module = {
    .name = "proxy-health",
    .keywords = health_keywords,
    .commands = cli_health_commands,
};
