// SPDX-License-Identifier: MIT
// The lines http-check and tcp-check, one step each. Their words are rows: each knows how many
// words it takes and where it puts them.
#include "proxy/conf_health_priv.h"
#include "proxy/conf_priv.h"

struct names {
	const char *const *at; // in the first row
	size_t row_bytes;
};

static const char *
next_name(void *iter)
{
	struct names *n = iter;
	const char *name = *n->at;
	n->at = (const void *)((const char *)n->at + n->row_bytes);
	return name;
}

static bool
unknown(struct check_line *l, struct str word, struct names names)
{
	const char *near = str_suggest(word, next_name, &names);
	return err_set(l->err, "'%.*s' is not known here%s%s%s", STR_ARG(word),
		       near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
		       near != NULL ? "'?" : "");
}

// Walks the rest of the line by rows; a word of none is an error.
static bool
parse_words(struct check_line *l, const struct check_word *rows)
{
	while (check_line_more(l)) {
		const struct check_word *row = check_line_find(rows, l->line->argv[l->at]);
		if (row == NULL)
			return unknown(l, l->line->argv[l->at],
				       (struct names){&rows->name, sizeof(*rows)});
		l->at++;
		if (!row->parse(l, row->name))
			return false;
	}
	return true;
}

// --- connect -------------------------------------------------------------------------------------

static bool
parse_port(struct check_line *l, const char *name)
{
	int64_t port;
	if (!check_line_take_int(l, name, 1, UINT16_MAX, &port))
		return false;
	l->step->port = (uint16_t)port;
	return true;
}

static bool
parse_addr(struct check_line *l, const char *name)
{
	struct str word = STR("");
	struct conf_addr a;
	if (!check_line_take(l, name, &word) ||
	    !conf_addr_parse(word, CONF_ADDR_FOR_SERVER, &a, l->err))
		return false;
	conf_addr_to_addr(&a, &l->step->addr);
	return true;
}

// As the server is connected to, with what 'check-send-proxy' says.
static bool
parse_default(struct check_line *l, const char *name)
{
	(void)name;
	return l->step->as_server = true;
}

static bool
parse_send_proxy(struct check_line *l, const char *name)
{
	(void)name;
	return l->step->send_proxy = true;
}

static bool
parse_nothing(struct check_line *l, const char *name)
{
	(void)l;
	(void)name;
	return true;
}

static const struct check_word connect_words[] = {
    {"default", parse_default},
    {"port", parse_port},
    {"addr", parse_addr},
    {"comment", check_line_comment},
    {"linger", parse_nothing},
    {"ssl", check_line_refuse},
    {"sni", check_line_refuse},
    {"alpn", check_line_refuse},
    {"proto", check_line_refuse},
    {"send-proxy", parse_send_proxy},
    {"via-socks4", check_line_refuse},
    {NULL, NULL},
};

static bool
parse_connect(struct check_line *l)
{
	l->step->action = CHECK_CONNECT;
	return parse_words(l, connect_words);
}

// --- send ----------------------------------------------------------------------------------------

static bool
parse_meth(struct check_line *l, const char *name)
{
	return check_line_take(l, name, &l->request->method);
}

static bool
parse_uri(struct check_line *l, const char *name)
{
	return check_line_take(l, name, &l->request->uri);
}

static bool
parse_ver(struct check_line *l, const char *name)
{
	return check_line_take(l, name, &l->request->version);
}

static bool
parse_hdr(struct check_line *l, const char *name)
{
	struct str header = STR(""), value = STR("");
	return check_line_take(l, name, &header) && check_line_take_text(l, name, &value) &&
	       conf_health_header(l->conf, l->request, header, value, l->err);
}

static bool
parse_body(struct check_line *l, const char *name)
{
	return check_line_take(l, name, &l->request->body);
}

static const struct check_word send_words[] = {
    {"meth", parse_meth},
    {"uri", parse_uri},
    {"ver", parse_ver},
    {"hdr", parse_hdr},
    {"body", parse_body},
    {"comment", check_line_comment},
    {"uri-lf", check_line_refuse},
    {"body-lf", check_line_refuse},
    {NULL, NULL},
};

static bool
parse_http_send(struct check_line *l)
{
	l->step->action = CHECK_SEND;
	l->step->made_of = l->request;
	return parse_words(l, send_words);
}

static const struct check_word comment_word[] = {{"comment", check_line_comment}, {NULL, NULL}};

static bool
parse_tcp_send(struct check_line *l)
{
	l->step->action = CHECK_SEND;
	return check_line_take(l, "send", &l->step->bytes) && parse_words(l, comment_word);
}

static bool
parse_tcp_send_binary(struct check_line *l)
{
	l->step->action = CHECK_SEND;
	return check_line_take_hex(l, "send-binary", &l->step->bytes) &&
	       parse_words(l, comment_word);
}

// --- the lines -----------------------------------------------------------------------------------

static void
append(struct health_steps *list, struct check_step *s)
{
	if (s->comment.n == 0)
		s->comment = list->comment;
	list->comment = STR_NULL;
	s->number = ++list->n;
	*(list->last != NULL ? &list->last->next : &list->first) = s;
	list->last = s;
}

struct line_row {
	const char *word;
	bool (*parse)(struct check_line *l);
};

static bool
parse_line(struct check_line *l, struct health_steps *list, const struct line_row *rows)
{
	struct str word = STR("");
	if (!check_line_take(l, l->http ? "http-check" : "tcp-check", &word))
		return false;
	if (list->inherited)
		*list = (struct health_steps){0};
	if (str_eq(word, STR("comment"))) {
		list->n++;
		return check_line_take(l, "comment", &list->comment);
	}
	for (const struct line_row *row = rows; row->word != NULL; row++) {
		if (!str_eq(word, str_from_c(row->word)))
			continue;
		l->step->state_at = SIZE_MAX;
		if (!row->parse(l))
			return false;
		if (l->step->action == CHECK_CONNECT && list->first != NULL &&
		    list->first->action != CHECK_CONNECT)
			return err_set(l->err, "where a 'connect' stands, the first step is one");
		append(list, l->step);
		return true;
	}
	return unknown(l, word, (struct names){&rows->word, sizeof(*rows)});
}

bool
conf_parse_http_check(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	static const struct line_row rows[] = {{"connect", parse_connect},
					       {"send", parse_http_send},
					       {"expect", check_line_expect},
					       {NULL, NULL}};
	struct health_conf *h = &conf_proxy_of(obj)->conf->health;
	struct str word = line->argc > line->args ? line->argv[line->args] : STR("");
	if (line->argc == line->args + 1 && str_eq(word, STR("disable-on-404")))
		return h->disable_on_404 = true;
	if (line->argc == line->args + 1 && str_eq(word, STR("send-state")))
		return h->send_state = true;
	struct check_line l = {.conf = conf,
			       .line = line,
			       .at = line->args,
			       .http = true,
			       .step = CONF_NEW(conf, struct check_step),
			       .request = CONF_NEW(conf, struct health_request),
			       .err = err};
	return parse_line(&l, &h->http, rows);
}

bool
conf_parse_tcp_check(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	static const struct line_row rows[] = {{"connect", parse_connect},
					       {"send", parse_tcp_send},
					       {"send-binary", parse_tcp_send_binary},
					       {"expect", check_line_expect},
					       {NULL, NULL}};
	struct check_line l = {.conf = conf,
			       .line = line,
			       .at = line->args,
			       .step = CONF_NEW(conf, struct check_step),
			       .err = err};
	return parse_line(&l, &conf_proxy_of(obj)->conf->health.tcp, rows);
}
