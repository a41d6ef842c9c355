// SPDX-License-Identifier: MIT
// Keywords of persistence: cookie, dynamic-cookie-key, capture cookie, force-persist,
// ignore-persist, option redispatch.
#include "proxy/conf_cookie.h"

#include "base/clock.h"
#include "base/module.h"
#include "proxy/conf_priv.h"

#define MOST_AGE    ((int64_t)INT32_MAX * 1000000000) // 2^31-1 seconds, haproxy's bound
#define MOST_LENGTH 65535

// --- cookie --------------------------------------------------------------------------------------

// Its words as they come; the tail is put together of them.
struct cookie_words {
	struct cookie_conf c;
	uint64_t maxidle_ns, maxlife_ns;
	struct str domains, attrs; // each with "; " in front
	bool httponly, secure;
};
#define OPT(member) offsetof(struct cookie_words, member)

static struct str
join(struct conf *conf, struct str before, const char *name, struct str value)
{
	return str_from_c(conf_printf(conf, "%.*s; %s%.*s", STR_ARG(before), name, STR_ARG(value)));
}

// Letters, digits, '-', '_', '.' and ':' of a name of hosts.
static bool
is_of_domain(unsigned char c)
{
	return (c >= '0' && c <= '9') || (byte_lower(c) >= 'a' && byte_lower(c) <= 'z') ||
	       c == '-' || c == '_' || c == '.';
}

static bool
parse_domain(struct conf *conf, void *obj, const struct conf_line *line, struct conf_value *value,
	     struct err *err)
{
	struct cookie_words *w = obj;
	struct str s = value->s;
	for (size_t i = 0; i < s.n; i++)
		if (!is_of_domain((unsigned char)s.p[i]))
			return err_set(err,
				       "'%.*s' is no domain: letters, digits, '-', '_' and "
				       "'.' are",
				       STR_ARG(s));
	if (str_find_byte(str_slice(s, 1, s.n), '.') == SIZE_MAX)
		conf_warn(conf, line,
			  "domain '%.*s' contains no embedded dot: browsers refuse such cookies "
			  "(RFC 6265 section 5.2.3)",
			  STR_ARG(s));
	w->domains = join(conf, w->domains, "domain=", s);
	return true;
}

static bool
parse_attr(struct conf *conf, void *obj, const struct conf_line *line UNUSED,
	   struct conf_value *value, struct err *err)
{
	struct cookie_words *w = obj;
	if (!http_is_field_value(value->s) || str_find_byte(value->s, ';') != SIZE_MAX)
		return err_set(err,
			       "'%.*s' is no attribute: control characters and ';' are not "
			       "permitted",
			       STR_ARG(value->s));
	w->attrs = join(conf, w->attrs, "", value->s);
	return true;
}

#define FLAG(word, member, text)                                                     \
	{                                                                            \
		.name = word, .type = CONF_FLAG, .offset = OPT(member), .help = text \
	}
#define AGE(word, member, text)                                                          \
	{                                                                                \
		.name = word, .type = CONF_TIME, .min = 0, .max = MOST_AGE, .unit = "s", \
		.offset = OPT(member), .help = text                                      \
	}

static const struct conf_word cookie_words[] = {
    FLAG("rewrite", c.rewrite, "Where the server sets it, its value becomes the server's name."),
    FLAG("insert", c.insert, "It is added to responses whose client lacks it."),
    FLAG("prefix", c.prefix,
	 "The server's name and '~' stand in front of the value that the server sets."),
    FLAG("indirect", c.indirect,
	 "No cookie for a client that has a valid one; with insert, servers never see it."),
    FLAG("nocache", c.nocache,
	 "A response that a cache may keep gets 'cache-control: private' with it."),
    FLAG("postonly", c.postonly, "Inserted on responses to POST only."),
    FLAG("preserve", c.preserve, "What the server sets itself is left alone."),
    FLAG("httponly", httponly, "Inserted ones have the attribute HttpOnly."),
    FLAG("secure", secure, "Inserted ones have the attribute Secure."),
    {.name = "domain",
     .type = CONF_STR,
     .min = 1,
     .max = 255,
     .parse = parse_domain,
     .help = "Inserted ones have this attribute Domain; may stand several times."},
    AGE("maxidle", maxidle_ns, "One that was last refreshed longer ago is ignored."),
    AGE("maxlife", maxlife_ns, "One that was first given longer ago is ignored."),
    FLAG("dynamic", c.dynamic,
	 "A server without a name gets one, made of its address and the dynamic-cookie-key."),
    {.name = "attr",
     .type = CONF_STR,
     .min = 1,
     .max = 1024,
     .parse = parse_attr,
     .help = "Inserted ones have this attribute; may stand several times."},
    {.name = NULL},
};

static bool
check_modes(const struct cookie_conf *c, struct err *err)
{
	if (c->rewrite && c->indirect)
		return err_set(err, "cookie 'rewrite' and 'indirect' modes are incompatible.");
	if (c->rewrite + c->insert + c->prefix > 1)
		return err_set(err,
			       "cookie 'rewrite', 'insert' and 'prefix' modes are incompatible.");
	if (c->preserve && !c->insert && !c->indirect)
		return err_set(err, "cookie 'preserve' requires at least 'insert' or 'indirect'.");
	return true;
}

static bool
parse_cookie(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	struct proxy *p = conf_proxy_of(obj);
	struct cookie_words w = {.c.name = line->values[0].s, .domains = STR(""), .attrs = STR("")};
	if (!http_is_token(w.c.name))
		return err_set(err, "'%.*s' is no name of a cookie", STR_ARG(w.c.name));
	if (!conf_parse_words(conf, line, line->args + 1, cookie_words, &w, err) ||
	    !check_modes(&w.c, err))
		return false;
	w.c.maxidle_s = w.maxidle_ns / NS_PER_S;
	w.c.maxlife_s = w.maxlife_ns / NS_PER_S;
	w.c.tail = str_from_c(conf_printf(conf, "%.*s%s%s%.*s", STR_ARG(w.domains),
					  w.httponly ? "; HttpOnly" : "",
					  w.secure ? "; Secure" : "", STR_ARG(w.attrs)));
	struct cookie_conf *c = CONF_NEW(conf, struct cookie_conf);
	*c = w.c;
	p->cookie = c;
	return true;
}

// --- what is captured ----------------------------------------------------------------------------

static bool
parse_capture(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	(void)conf;
	(void)err;
	struct cookie_capture *c = &conf_proxy_of(obj)->cookie_capture;
	c->name = line->values[0].s;
	c->len = (uint32_t)line->values[2].i;
	return true;
}

// --- whose persistence counts --------------------------------------------------------------------

static bool
parse_persist(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	struct proxy *p = conf_proxy_of(obj);
	struct persist_rule *r = CONF_NEW(conf, struct persist_rule);
	if (line->args >= line->argc)
		return err_set(err,
			       "'%.*s' requires either 'if' or 'unless' followed by a condition.",
			       STR_ARG(line->argv[0]));
	if (!conf_proxy_cond(p, line, line->args, &EXPR_AT_REQUEST, &r->cond, err))
		return false;
	r->force = str_eq(line->argv[0], STR("force-persist"));
	struct persist_rule **at = &p->persist_rules;
	while (*at != NULL)
		at = &(*at)->next;
	*at = r;
	return true;
}

// "option redispatch [N]", "no option redispatch".
static bool
parse_redispatch(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	(void)conf;
	struct proxy *p = conf_proxy_of(obj);
	int64_t every = -1;
	if (line->args < line->argc &&
	    (!str_to_int(line->argv[line->args], &every) || every < INT16_MIN ||
	     every > INT16_MAX || line->args + 1 < line->argc))
		return err_set(err, "'option redispatch' expects a number of attempts, not '%.*s'",
			       STR_ARG(line->argv[line->args]));
	p->options &= ~(unsigned)PROXY_OPT_REDISPATCH;
	p->redispatch_every = (int32_t)every;
	if (!(line->flags & (CONF_LINE_NO | CONF_LINE_DEFAULT)))
		p->options |= PROXY_OPT_REDISPATCH;
	return true;
}

// --- once all files are read ---------------------------------------------------------------------

void
conf_cookie_apply(struct conf *conf, const struct proxy_set *set, struct proxy *p)
{
	struct cookie_capture *c = &p->cookie_capture;
	if (c->len > set->global.cookie_len) {
		conf_warn(conf, p->conf->begin,
			  "the cookie captured in '%.*s' is cut to %u bytes (tune.http.cookielen)",
			  STR_ARG(p->name), set->global.cookie_len);
		c->len = set->global.cookie_len;
	}
	if (p->mode == PROXY_TCP && (p->cookie != NULL || c->len > 0)) {
		conf_warn(conf, p->conf->begin, "cookies have no effect: '%.*s' has mode tcp",
			  STR_ARG(p->name));
		p->cookie = NULL;
		c->len = 0;
	}
	if (p->backend == NULL)
		p->cookie = NULL; // of a defaults section
	if (p->cookie != NULL) {
		p->backend->cookie_making.dynamic = p->cookie->dynamic;
		p->backend->cookie_making.key = p->cookie_key;
	}
	p->looks_at_cookies = p->cookie != NULL || c->len > 0;
}

// --- rows ----------------------------------------------------------------------------------------

static const char *const len_words[] = {"len", NULL};

static const struct conf_arg cookie_args[] = {
    {.name = "name", .type = CONF_STR, .min = 1, .max = 256, .help = "The cookie's name."},
    {.type = CONF_END}};
static const struct conf_arg capture_args[] = {
    {.name = "name",
     .type = CONF_STR,
     .min = 1,
     .max = 256,
     .help = "What its name begins with, or the name and '='."},
    {.name = "len", .type = CONF_ENUM, .words = len_words, .help = "The word 'len'."},
    {.name = "bytes",
     .type = CONF_INT,
     .min = 1,
     .max = MOST_LENGTH,
     .help = "Most bytes kept; at most tune.http.cookielen."},
    {.type = CONF_END}};
static const struct conf_arg key_args[] = {
    {.name = "key", .type = CONF_STR, .min = 1, .max = COOKIE_KEY_MAX, .help = "A secret."},
    {.type = CONF_END}};

static const struct conf_keyword cookie_keywords[] = {
    {.sections = BACK,
     .words = "cookie",
     .args = cookie_args,
     .options = cookie_words,
     .parse = parse_cookie,
     .flags = CONF_EXTRA,
     .help = "Clients return to the server that this cookie names, by the server's 'cookie'."},
    {.sections = BACK,
     .words = "dynamic-cookie-key",
     .args = key_args,
     .offset = offsetof(struct proxy, cookie_key),
     .help = "Key of the names that 'cookie ... dynamic' makes."},
    {.sections = "frontend listen",
     .words = "capture cookie",
     .args = capture_args,
     .parse = parse_capture,
     .help = "Keeps the first such cookie of a request and of its response, for %CC and %CS."},
    {.sections = "backend listen",
     .words = "force-persist",
     .parse = parse_persist,
     .flags = CONF_EXTRA,
     .help = "force-persist if|unless CONDITION: a cookie's server is used though it is down."},
    {.sections = "backend listen",
     .words = "ignore-persist",
     .parse = parse_persist,
     .flags = CONF_EXTRA,
     .help = "ignore-persist if|unless CONDITION: cookies do not choose the server."},
    {.sections = BACK,
     .words = "option redispatch",
     .parse = parse_redispatch,
     .flags = CONF_NO | CONF_DEFAULT | CONF_EXTRA,
     .help = "option redispatch [N]: a request whose cookie's server cannot be reached may go to "
	     "another, with each Nth attempt, or below zero with the Nth from the end; -1 when not "
	     "given."},
    {.sections = NULL},
};

const struct module proxy_cookie_module = {
    .name = "cookie",
    .keywords = cookie_keywords,
};
