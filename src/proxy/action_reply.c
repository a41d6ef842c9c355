// SPDX-License-Identifier: MIT
// Actions that end a rule list: allow, deny, reject, return, redirect. Answers are put into
// txn->reply; what is constant was made when the configuration was read.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "proxy/action_priv.h"
#include "proxy/conf_priv.h"
#include "proxy/conns.h"
#include "proxy/stats.h"
#include "proxy/worker.h"

#define REQUEST  RULE_HTTP_REQUEST
#define RESPONSE RULE_HTTP_RESPONSE
#define AFTER    RULE_HTTP_AFTER_RESPONSE

static enum rule_verdict
run_allow(const struct rule *r, struct txn *txn)
{
	(void)r;
	(void)txn;
	return RULE_ALLOW;
}

// --- reject, silent-drop ----------------------------------------------------------------------

static enum rule_verdict
run_reject(const struct rule *r, struct txn *txn)
{
	action_count_denied(r, txn);
	txn->reply.denied = true;
	return RULE_CUT;
}

// The server's connection goes; what it has said by now still reaches the client.
static enum rule_verdict
run_close(const struct rule *r, struct txn *txn)
{
	if (!(txn->flags & TXN_TUNNEL)) {
		txn_error_page(txn, 502);
		return RULE_REPLY;
	}
	(void)r;
	txn->flags |= TXN_RULE_CLOSES | TXN_CLIENT_LINGER;
	txn->down.eof = true;
	return RULE_ALLOW;
}

// Under repair (with CAP_NET_ADMIN) a socket is closed without a word. Else the reset that ends the
// connection dies at the first router, so that the client waits in vain; one on the same network
// segment still sees it.
static enum rule_verdict
run_silent_drop(const struct rule *r, struct txn *txn)
{
	int fd = txn->client->conn.fd, one = 1;
	bool v6 = txn->client->src.family == 6;
	// Where both fail, as on a unix socket, the client just sees the end.
	if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &one, sizeof(one)) != 0)
		(void)setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
				 v6 ? IPV6_UNICAST_HOPS : IP_TTL, &one, sizeof(one));
	txn->flags |= TXN_RESET_CLIENT;
	txn->reply.denied = true;
	action_count_denied(r, txn);
	return RULE_CUT;
}

// --- return, deny ----------------------------------------------------------------------------

struct reply_field {
	struct reply_field *next;
	struct str name;
	struct action_text value;
};

struct reply_args {
	uint16_t status;
	bool status_given, has_body, default_page;
	struct str content_type;
	const struct http_field *type_line;
	struct action_text body;
	struct reply_field *fields, **tail;
	const struct reply_header *fixed; // the fields, when all are constant
	const struct reply *page;         // errorfile
};

static bool
parse_status(struct str word, unsigned low, struct reply_args *a, struct err *err)
{
	int64_t n;
	if (!str_to_int(word, &n) || n < low || n > 599)
		return err_set(err, "'%.*s' is no status between %u and 599", STR_ARG(word), low);
	a->status = (uint16_t)n;
	a->status_given = true;
	return true;
}

static bool
take_body(struct reply_args *a, struct str word, struct err *err)
{
	if (a->has_body || a->page != NULL || a->default_page)
		return err_set(err, "'%.*s': there is a body already", STR_ARG(word));
	a->has_body = true;
	return true;
}

#define MAX_FILE_BYTES ((size_t)16 << 20)

static bool
parse_body(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
	   struct str word, struct err *err)
{
	struct reply_args *a = r->args;
	struct str path;
	if (!take_body(a, word, err))
		return false;
	if (str_eq(word, STR("string")))
		return action_word(line, at, "the text", &a->body.text, err);
	if (str_eq(word, STR("lf-string")))
		return action_text_word(r, line, at, "the text", &a->body, err);
	if (!action_word(line, at, "a file", &path, err) ||
	    !conf_read_file(conf, path, MAX_FILE_BYTES, &a->body.text, err))
		return false;
	if (str_eq(word, STR("file")))
		return true;
	struct expr_env env = action_env(r, line);
	struct str text = a->body.text;
	while (text.n > 0 && text.p[text.n - 1] == '\n')
		text.n--;
	a->body.format = logfmt_parse(&env, text, err);
	return a->body.format != NULL || err_wrap(err, "%.*s", STR_ARG(path));
}

static bool
parse_errorfile(struct conf *conf, const struct conf_line *line, int *at, struct reply_args *a,
		struct err *err)
{
	struct str path;
	if (!take_body(a, STR("errorfile"), err) || !action_word(line, at, "a file", &path, err))
		return false;
	a->has_body = false;
	a->page = conf_page_of_file(conf, path, MAX_FILE_BYTES, err);
	return a->page != NULL;
}

// A rule's page of a section http-errors, which may come further down.
struct section_page {
	struct reply_args *a;
	struct str section;
	const struct conf_line *line;
};

static bool
link_errorfiles(struct conf *conf, void *arg, struct err *err)
{
	const struct section_page *s = arg;
	const struct proxy_set *set = conf_bound(conf, "proxy");
	const struct reply *page;
	if (set == NULL)
		return true;
	if (!conf_page_of_section(set, s->section, s->a->status, &page, err))
		return false;
	if (page == NULL)
		conf_warn(conf, s->line, "http-errors section '%.*s' has no page for %u",
			  STR_ARG(s->section), s->a->status);
	s->a->page = page != NULL ? page : CONF_NEW(conf, struct reply); // nothing but the status
	s->a->default_page = false;
	return true;
}

static bool
parse_errorfiles(struct conf *conf, const struct conf_line *line, int *at, struct reply_args *a,
		 struct err *err)
{
	struct section_page *s = CONF_NEW(conf, struct section_page);
	*s = (struct section_page){.a = a, .line = line};
	if (!take_body(a, STR("errorfiles"), err) ||
	    !action_word(line, at, "the name of a section http-errors", &s->section, err))
		return false;
	a->has_body = false;
	a->default_page = true; // until it is linked
	conf_defer(conf, line, link_errorfiles, s);
	return true;
}

static bool
parse_field(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
	    struct err *err)
{
	struct reply_args *a = r->args;
	struct reply_field *f = CONF_NEW(conf, struct reply_field);
	if (!action_header_word(line, at, &f->name, err) ||
	    !action_text_word(r, line, at, "the header's value", &f->value, err))
		return false;
	if (f->value.format == NULL && !http_is_field_value(f->value.text))
		return err_set(err, "the value of '%.*s' holds a control character",
			       STR_ARG(f->name));
	*a->tail = f;
	a->tail = &f->next;
	return true;
}

static const struct http_field *
make_line(struct conf *conf, struct str name, struct str value)
{
	struct http_field *line = CONF_NEW(conf, struct http_field);
	char *text = conf_printf(conf, "%.*s: %.*s\r\n", STR_ARG(name), STR_ARG(value));
	*line = http_field_of_line(str_from_c(text));
	return line;
}

// Constant headers become the reply's list once and for all.
static void
fix_fields(struct conf *conf, struct reply_args *a)
{
	const struct reply_header **tail = &a->fixed;
	for (const struct reply_field *f = a->fields; f != NULL; f = f->next)
		if (f->value.format != NULL)
			return;
	for (const struct reply_field *f = a->fields; f != NULL; f = f->next) {
		struct reply_header *h = CONF_NEW(conf, struct reply_header);
		*h = (struct reply_header){.line = make_line(conf, f->name, f->value.text)};
		*tail = h;
		tail = &h->next;
	}
	a->fields = NULL;
}

// One word with what belongs to it; false in *known: it is none of ours.
static bool
parse_reply_word(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
		 bool *known, struct err *err)
{
	struct reply_args *a = r->args;
	struct str word = line->argv[(*at)++], value;
	*known = true;
	if (str_eq(word, STR("status")) || str_eq(word, STR("deny_status")))
		return action_word(line, at, "a status", &value, err) &&
		       parse_status(value, 200, a, err);
	if (str_eq(word, STR("content-type")))
		return action_word(line, at, "a content type", &a->content_type, err) &&
		       (http_is_field_value(a->content_type) ||
			err_set(err, "the content type holds a control character"));
	if (str_eq(word, STR("string")) || str_eq(word, STR("lf-string")) ||
	    str_eq(word, STR("file")) || str_eq(word, STR("lf-file")))
		return parse_body(conf, line, at, r, word, err);
	if (str_eq(word, STR("errorfile")))
		return parse_errorfile(conf, line, at, a, err);
	if (str_eq(word, STR("default-errorfiles")))
		return a->default_page = true;
	if (str_eq(word, STR("errorfiles")))
		return parse_errorfiles(conf, line, at, a, err);
	if (str_eq(word, STR("hdr")))
		return parse_field(conf, line, at, r, err);
	(*at)--;
	*known = false;
	return true;
}

static bool
parse_reply(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
	    struct err *err)
{
	struct reply_args *a = r->args;
	a->tail = &a->fields;
	bool known = true;
	while (*at < line->argc && known)
		if (!parse_reply_word(conf, line, at, r, &known, err))
			return false;
	fix_fields(conf, a);
	if (a->has_body && a->content_type.n == 0)
		a->content_type = STR("text/plain");
	if (a->content_type.n > 0)
		a->type_line = make_line(conf, STR("content-type"), a->content_type);
	if (a->status == 204 && a->has_body)
		return err_set(err, "status 204 has no body");
	bool page = a->page != NULL || a->default_page;
	if (page && (a->fields != NULL || a->fixed != NULL || a->content_type.n > 0))
		return err_set(err, "an error page brings its own header: neither 'hdr' nor "
				    "'content-type' can be given beside it");
	if (a->page != NULL && !a->status_given)
		a->status = a->page->status;
	return true;
}

static bool
parse_return(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
	     struct err *err)
{
	struct reply_args *a = r->args = CONF_NEW(conf, struct reply_args);
	a->status = 200;
	return parse_reply(conf, line, at, r, err);
}

static bool
parse_deny(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
	   struct err *err)
{
	struct reply_args *a = r->args = CONF_NEW(conf, struct reply_args);
	a->status = r->where == REQUEST ? 403 : 502;
	return parse_reply(conf, line, at, r, err);
}

static bool
render_fields(const struct reply_args *a, struct txn *txn)
{
	const struct reply_header **tail = &txn->reply.headers;
	for (const struct reply_field *f = a->fields; f != NULL; f = f->next) {
		struct reply_header *h = ARENA_NEW(&txn->arena, struct reply_header);
		if (h == NULL || !action_field_get(&f->value, txn, &h->value))
			return false;
		h->name = f->name;
		*tail = h;
		tail = &h->next;
	}
	return true;
}

static enum rule_verdict
reply_with(const struct rule *r, struct txn *txn)
{
	const struct reply_args *a = r->args;
	if (a->default_page || (!a->has_body && a->page == NULL && a->status >= 400 &&
				a->fields == NULL && a->fixed == NULL)) {
		txn_error_page(txn, a->status);
		return RULE_REPLY;
	}
	if (a->page != NULL) {
		txn->reply = *a->page;
		txn->reply.status = a->status;
	} else {
		txn->reply = (struct reply){.status = a->status,
					    .type_line = a->type_line,
					    .headers = a->fixed};
		if (a->has_body && !action_text_get(&a->body, txn, &txn->reply.body))
			return RULE_FAIL;
	}
	return render_fields(a, txn) ? RULE_REPLY : RULE_FAIL;
}

static enum rule_verdict
run_return(const struct rule *r, struct txn *txn)
{
	return reply_with(r, txn);
}

void
action_count_denied(const struct rule *r, const struct txn *txn)
{
	unsigned w = txn->worker->id;
	bool request = (r->where & RULE_IN_REQUEST) != 0;
	if (r->proxy->caps & PROXY_FRONTEND) {
		struct fe_counters *c = metrics_of(&r->proxy->fe_stats, w);
		struct listener_counters *l = txn->listener;
		METRIC_ADD(request ? &c->denied_req : &c->denied_res, 1);
		METRIC_ADD(request ? &l->denied_req : &l->denied_res, 1);
	} else {
		struct be_counters *c = metrics_of(&r->proxy->be_stats, w);
		METRIC_ADD(request ? &c->denied_req : &c->denied_res, 1);
	}
}

static enum rule_verdict
run_deny(const struct rule *r, struct txn *txn)
{
	action_count_denied(r, txn);
	enum rule_verdict v = reply_with(r, txn);
	txn->reply.denied = true;
	return v;
}

static bool
parse_tarpit(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
	     struct err *err)
{
	struct reply_args *a = r->args = CONF_NEW(conf, struct reply_args);
	a->status = 500;
	return parse_reply(conf, line, at, r, err);
}

static enum rule_verdict
run_tarpit(const struct rule *r, struct txn *txn)
{
	enum rule_verdict v = run_deny(r, txn);
	txn->reply.tarpit = true;
	return v;
}

// --- redirect ----------------------------------------------------------------------------------

struct redirect_args {
	enum { REDIRECT_LOCATION, REDIRECT_PREFIX, REDIRECT_SCHEME } kind;
	struct action_text target;
	uint16_t code;
	bool has_target, drop_query, append_slash, ignore_empty;
	const struct reply_header *cookie; // NULL: none
};

// Whether the word says what kind the target is, which stands behind it.
static bool
take_redirect_kind(struct str word, struct redirect_args *a)
{
	static const char *const kinds[] = {[REDIRECT_LOCATION] = "location",
					    [REDIRECT_PREFIX] = "prefix",
					    [REDIRECT_SCHEME] = "scheme"};
	for (unsigned i = 0; i < ARRAY_LEN(kinds); i++) {
		if (!str_eq(word, str_from_c(kinds[i])))
			continue;
		a->kind = i;
		a->has_target = true;
		return true;
	}
	return false;
}

static bool
parse_code(struct str word, struct redirect_args *a, struct err *err)
{
	int64_t n;
	if (!str_to_int(word, &n) || (n != 301 && n != 302 && n != 303 && n != 307 && n != 308))
		return err_set(err, "code '%.*s' is none of 301, 302, 303, 307 and 308",
			       STR_ARG(word));
	a->code = (uint16_t)n;
	return true;
}

static bool
parse_cookie(struct conf *conf, struct str word, bool clear, struct redirect_args *a,
	     struct err *err)
{
	struct reply_header *h = CONF_NEW(conf, struct reply_header);
	if (word.n == 0 || !http_is_field_value(word))
		return err_set(err, "'%.*s' is no cookie", STR_ARG(word));
	h->name = STR("set-cookie");
	h->value = str_from_c(conf_printf(conf, "%.*s%s; path=/%s;", STR_ARG(word),
					  str_find_byte(word, '=') == SIZE_MAX ? "=" : "",
					  clear ? "; Max-Age=0" : ""));
	a->cookie = h;
	return true;
}

static bool
parse_redirect(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
	       struct err *err)
{
	struct redirect_args *a = r->args = CONF_NEW(conf, struct redirect_args);
	a->code = 302;
	// The target may stand behind the other words, as in HAProxy.
	for (; *at < line->argc; (*at)++) {
		struct str word = line->argv[*at], value = STR("");
		bool more = *at + 1 < line->argc;
		if (more)
			value = line->argv[*at + 1];
		if (take_redirect_kind(word, a)) {
			int target = ++*at;
			if (!action_text_word(r, line, &target, "the target", &a->target, err))
				return false;
		} else if (str_eq(word, STR("drop-query"))) {
			a->drop_query = true;
		} else if (str_eq(word, STR("append-slash"))) {
			a->append_slash = true;
		} else if (str_eq(word, STR("ignore-empty"))) {
			a->ignore_empty = true;
		} else if (str_eq(word, STR("code"))) {
			++*at;
			if (!parse_code(value, a, err))
				return false;
		} else if (str_eq(word, STR("set-cookie")) || str_eq(word, STR("clear-cookie"))) {
			++*at;
			if (!parse_cookie(conf, value, str_eq(word, STR("clear-cookie")), a, err))
				return false;
		} else {
			break;
		}
	}
	if (a->has_target)
		return true;
	if (*at >= line->argc)
		return err_set(err, "'location', 'prefix' or 'scheme' is missing");
	return err_set(err, "'%.*s' is not expected here: 'location', 'prefix' or 'scheme' is",
		       STR_ARG(line->argv[*at]));
}

// What stands behind the prefix or the host.
static struct str
redirect_path(const struct redirect_args *a, struct txn *txn)
{
	struct str path = a->drop_query ? http_head_path(&txn->req) : http_head_pathq(&txn->req);
	if (path.n == 0 || path.p[0] != '/')
		path = STR("/"); // of OPTIONS *, and CONNECT
	// HAProxy appends it behind a query as well, where nobody wants it: see drop-query.
	if (!a->append_slash || path.p[path.n - 1] == '/')
		return path;
	char *p = arena_printf(&txn->arena, "%.*s/", STR_ARG(path));
	return str_from_c(p);
}

static struct str
redirect_target(const struct redirect_args *a, struct txn *txn, struct str target)
{
	if (a->kind == REDIRECT_LOCATION)
		return target;
	struct str path = redirect_path(a, txn);
	if (path.p == NULL)
		return STR_NULL;
	if (a->kind == REDIRECT_SCHEME)
		return str_from_c(arena_printf(&txn->arena, "%.*s://%.*s%.*s", STR_ARG(target),
					       STR_ARG(txn->req.host), STR_ARG(path)));
	// "prefix /" only makes the path absolute, which it is.
	if (str_eq(target, STR("/")))
		return path;
	return str_from_c(arena_printf(&txn->arena, "%.*s%.*s", STR_ARG(target), STR_ARG(path)));
}

static enum rule_verdict
run_redirect(const struct rule *r, struct txn *txn)
{
	const struct redirect_args *a = r->args;
	struct str target;
	if (!action_field_get(&a->target, txn, &target))
		return RULE_FAIL;
	if (a->ignore_empty && target.n == 0)
		return RULE_NEXT;
	target = redirect_target(a, txn, target);
	struct reply_header *h = ARENA_NEW(&txn->arena, struct reply_header);
	if (h == NULL || target.p == NULL || !http_is_field_value(target))
		return RULE_FAIL;
	*h = (struct reply_header){.next = a->cookie, .name = STR("location"), .value = target};
	txn->reply = (struct reply){.status = a->code, .headers = h};
	return RULE_REPLY;
}

#define REPLY_WORDS                                                                               \
	"[content-type <type>] [default-errorfiles | errorfile <file> | "                         \
	"errorfiles <name> | file <file> | lf-file <file> | string <text> | lf-string <format>] " \
	"[hdr <name> <format>]*"

const struct action_row actions_reply[] = {
    {"allow", REQUEST | RESPONSE | AFTER, NULL, run_allow, ACTION_FINAL, "allow",
     "Leaves the rule list; the message goes on."},
    {"accept", REQUEST | RESPONSE | AFTER | RULE_TCP, NULL, run_allow, ACTION_FINAL, "accept",
     "As allow."},
    {"deny", REQUEST | RESPONSE, parse_deny, run_deny, ACTION_FINAL,
     "deny [deny_status <status>] " REPLY_WORDS,
     "Refuses the message: 403 for a request, 502 for a response, with the error page of that "
     "status unless told otherwise."},
    {"reject", REQUEST | RULE_TCP, NULL, run_reject, ACTION_FINAL, "reject",
     "Closes the connection without an answer."},
    {"close", RULE_TCP_RESPONSE, NULL, run_close, ACTION_FINAL, "close",
     "Closes the connection to the server: in mode tcp what it sent by then still goes to the "
     "client, in mode http the answer is 502."},
    {"silent-drop", REQUEST | RESPONSE | RULE_TCP, NULL, run_silent_drop, ACTION_FINAL,
     "silent-drop", "Closes the connection so that a client behind a router does not hear of it."},
    {"tarpit", REQUEST, parse_tarpit, run_tarpit, ACTION_FINAL,
     "tarpit [deny_status <status>] " REPLY_WORDS,
     "Refuses the request as deny does, 500 unless told otherwise, once 'timeout tarpit' has "
     "passed (else 'timeout connect')."},
    {"return", REQUEST | RESPONSE, parse_return, run_return, ACTION_FINAL,
     "return [status <status>] " REPLY_WORDS, "Answers the request without a server."},
    {"redirect", REQUEST | RESPONSE | RULE_REDIRECT, parse_redirect, run_redirect, ACTION_FINAL,
     "redirect location|prefix|scheme <format> [code 301|302|303|307|308] [drop-query] "
     "[append-slash] [set-cookie <name>[=<value>]] [clear-cookie <name>[=]] [ignore-empty]",
     "Sends the client elsewhere."},
    {.name = NULL},
};
