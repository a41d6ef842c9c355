// SPDX-License-Identifier: MIT
// The lines http-check and tcp-check, one step each. Their words are rows: each knows how many
// words it takes and where it puts them.
#include "expr/pattern.h"
#include "http/names.h"
#include "proxy/conf_health.h"
#include "proxy/conf_priv.h"

// A line being read.
struct reader {
	struct conf *conf;
	const struct conf_line *line;
	int at;
	bool http;
	struct check_step *step;
	struct health_request *request; // http-check send
	struct err *err;
};

static bool
more(const struct reader *r)
{
	return r->at < r->line->argc;
}

// The next word, which `what` needs.
static bool
take(struct reader *r, const char *what, struct str *out)
{
	if (!more(r))
		return err_set(r->err, "'%s' needs a value", what);
	*out = r->line->argv[r->at++];
	return true;
}

static bool
take_int(struct reader *r, const char *what, int64_t min, int64_t max, int64_t *out)
{
	struct str word = STR("");
	if (!take(r, what, &word))
		return false;
	return (str_to_int(word, out) && *out >= min && *out <= max) ||
	       err_set(r->err, "'%s %.*s': a number from %lld to %lld is expected", what,
		       STR_ARG(word), (long long)min, (long long)max);
}

// Where HAProxy takes a log format, a text without expressions is taken.
static bool
take_text(struct reader *r, const char *what, struct str *out)
{
	if (!take(r, what, out))
		return false;
	return str_find_byte(*out, '%') == SIZE_MAX ||
	       err_set(r->err, "'%s %.*s': expressions of log formats are not evaluated in checks",
		       what, STR_ARG(*out));
}

struct word {
	const char *name;
	bool (*parse)(struct reader *r, const char *name);
};

static bool
parse_comment(struct reader *r, const char *name)
{
	return take(r, name, &r->step->comment);
}

static bool
refuse(struct reader *r, const char *name)
{
	return err_set(r->err, "'%s' comes in a later tidegate", name);
}

static const struct word *
find_word(const struct word *row, struct str word)
{
	while (row->name != NULL && !str_eq(word, str_from_c(row->name)))
		row++;
	return row->name != NULL ? row : NULL;
}

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
unknown(struct reader *r, struct str word, struct names names)
{
	const char *near = str_suggest(word, next_name, &names);
	return err_set(r->err, "'%.*s' is not known here%s%s%s", STR_ARG(word),
		       near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
		       near != NULL ? "'?" : "");
}

// Walks the rest of the line by rows; a word of none is an error.
static bool
parse_words(struct reader *r, const struct word *rows)
{
	while (more(r)) {
		const struct word *row = find_word(rows, r->line->argv[r->at]);
		if (row == NULL)
			return unknown(r, r->line->argv[r->at],
				       (struct names){&rows->name, sizeof(*rows)});
		r->at++;
		if (!row->parse(r, row->name))
			return false;
	}
	return true;
}

// --- connect -------------------------------------------------------------------------------------

static bool
parse_port(struct reader *r, const char *name)
{
	int64_t port;
	if (!take_int(r, name, 1, UINT16_MAX, &port))
		return false;
	r->step->port = (uint16_t)port;
	return true;
}

static bool
parse_addr(struct reader *r, const char *name)
{
	struct str word = STR("");
	struct conf_addr a;
	if (!take(r, name, &word) || !conf_addr_parse(word, CONF_ADDR_FOR_SERVER, &a, r->err))
		return false;
	conf_addr_to_addr(&a, &r->step->addr);
	return true;
}

static bool
parse_default(struct reader *r, const char *name)
{
	(void)r; // nothing but the server's own is there to be taken
	(void)name;
	return true;
}

static const struct word connect_words[] = {
    {"default", parse_default},
    {"port", parse_port},
    {"addr", parse_addr},
    {"comment", parse_comment},
    {"linger", parse_default},
    {"ssl", refuse},
    {"sni", refuse},
    {"alpn", refuse},
    {"proto", refuse},
    {"send-proxy", refuse},
    {"via-socks4", refuse},
    {NULL, NULL},
};

static bool
parse_connect(struct reader *r)
{
	r->step->action = CHECK_CONNECT;
	return parse_words(r, connect_words);
}

// --- send ----------------------------------------------------------------------------------------

static bool
parse_meth(struct reader *r, const char *name)
{
	return take(r, name, &r->request->method);
}

static bool
parse_uri(struct reader *r, const char *name)
{
	return take(r, name, &r->request->uri);
}

static bool
parse_ver(struct reader *r, const char *name)
{
	return take(r, name, &r->request->version);
}

static bool
parse_hdr(struct reader *r, const char *name)
{
	struct str header = STR(""), value = STR("");
	return take(r, name, &header) && take_text(r, name, &value) &&
	       conf_health_header(r->conf, r->request, header, value, r->err);
}

static bool
parse_body(struct reader *r, const char *name)
{
	return take(r, name, &r->request->body);
}

static const struct word send_words[] = {
    {"meth", parse_meth}, {"uri", parse_uri},   {"ver", parse_ver},
    {"hdr", parse_hdr},   {"body", parse_body}, {"comment", parse_comment},
    {"uri-lf", refuse},   {"body-lf", refuse},  {NULL, NULL},
};

static bool
parse_http_send(struct reader *r)
{
	r->step->action = CHECK_SEND;
	r->step->made_of = r->request;
	return parse_words(r, send_words);
}

static bool
from_hex(struct reader *r, const char *what, struct str hex, struct str *out)
{
	char *to = conf_alloc(r->conf, hex.n / 2 + 1);
	if (hex.n == 0 || hex.n % 2 != 0)
		return err_set(r->err, "'%s' expects an even number of hexadecimal digits", what);
	for (size_t i = 0; i < hex.n; i++) {
		unsigned char c = byte_lower((unsigned char)hex.p[i]);
		unsigned digit = c >= '0' && c <= '9'   ? (unsigned)c - '0'
				 : c >= 'a' && c <= 'f' ? c - 'a' + 10u
							: 16u;
		if (digit > 15)
			return err_set(r->err, "'%s': '%c' is no hexadecimal digit", what,
				       hex.p[i]);
		to[i / 2] = (char)((unsigned)(unsigned char)to[i / 2] << 4 | digit);
	}
	*out = str_of(to, hex.n / 2);
	return true;
}

static const struct word comment_word[] = {{"comment", parse_comment}, {NULL, NULL}};

static bool
parse_tcp_send(struct reader *r)
{
	r->step->action = CHECK_SEND;
	return take(r, "send", &r->step->bytes) && parse_words(r, comment_word);
}

static bool
parse_tcp_send_binary(struct reader *r)
{
	struct str hex = STR("");
	r->step->action = CHECK_SEND;
	return take(r, "send-binary", &hex) && from_hex(r, "send-binary", hex, &r->step->bytes) &&
	       parse_words(r, comment_word);
}

// --- expect --------------------------------------------------------------------------------------

static bool
take_regex(struct reader *r, const char *what, struct check_text *t)
{
	if (!take(r, what, &t->text))
		return false;
	t->how = CHECK_MATCH_REG;
	t->regex = expr_set_regex(conf_bound(r->conf, "expr"), t->text, false, r->err);
	return t->regex != NULL;
}

// "200,300-310"
static bool
parse_status(struct reader *r, const char *name)
{
	struct check_expect *e = &r->step->expect;
	struct str word = STR(""), piece;
	if (!take(r, name, &word))
		return false;
	struct check_range *ranges = conf_alloc(r->conf, (word.n / 2 + 1) * sizeof(*ranges));
	while (str_next(&word, ',', &piece)) {
		struct str rest = piece, low;
		int64_t from, to;
		(void)str_next(&rest, '-', &low); // piece as a whole, if there is none
		if (!str_to_int(low, &from) || !str_to_int(rest.p != NULL ? rest : low, &to) ||
		    from < 100 || to > 999 || from > to)
			return err_set(r->err, "'%.*s' is no status and no range of them",
				       STR_ARG(piece));
		ranges[e->n_ranges++] = (struct check_range){(uint16_t)from, (uint16_t)to};
	}
	e->ranges = ranges;
	e->kind = CHECK_EXPECT_STATUS;
	return e->n_ranges > 0 || err_set(r->err, "'status' needs a number");
}

static bool
parse_rstatus(struct reader *r, const char *name)
{
	r->step->expect.kind = CHECK_EXPECT_RSTATUS;
	return take_regex(r, name, &r->step->expect.text);
}

static const struct {
	const char *word;
	enum check_match how;
} matches[] = {
    {"str", CHECK_MATCH_STR}, {"beg", CHECK_MATCH_BEG}, {"end", CHECK_MATCH_END},
    {"sub", CHECK_MATCH_SUB}, {"reg", CHECK_MATCH_REG},
};

// [-m METHOD] TEXT
static bool
take_match(struct reader *r, const char *what, struct check_text *t)
{
	t->how = CHECK_MATCH_STR;
	struct str word = STR("");
	if (more(r) && str_eq(r->line->argv[r->at], STR("-m"))) {
		r->at++;
		size_t i = 0;
		if (!take(r, "-m", &word))
			return false;
		while (i < ARRAY_LEN(matches) && !str_eq(word, str_from_c(matches[i].word)))
			i++;
		if (i == ARRAY_LEN(matches))
			return err_set(r->err, "'-m %.*s': str, beg, end, sub and reg are there",
				       STR_ARG(word));
		t->how = matches[i].how;
	}
	if (t->how == CHECK_MATCH_REG)
		return take_regex(r, what, t);
	return take(r, what, &t->text);
}

// hdr name [-m METHOD] NAME [value [-m METHOD] VALUE]
static bool
parse_header(struct reader *r, const char *name)
{
	struct check_expect *e = &r->step->expect;
	struct str word = STR("");
	e->kind = CHECK_EXPECT_HEADER;
	e->full = name[0] == 'f';
	if (!take(r, name, &word) || !str_eq(word, STR("name")))
		return err_set(r->err, "'%s' is followed by 'name [-m METHOD] NAME'", name);
	if (!take_match(r, "name", &e->name))
		return false;
	char *lower = (char *)(uintptr_t)conf_strdup(r->conf, e->name.text).p;
	for (size_t i = 0; i < e->name.text.n; i++)
		lower[i] = (char)byte_lower((unsigned char)lower[i]);
	e->name.text.p = lower;
	if (!more(r) || !str_eq(r->line->argv[r->at], STR("value")))
		return true;
	r->at++;
	return take_match(r, "value", &e->text);
}

static bool
parse_string(struct reader *r, const char *name)
{
	struct check_expect *e = &r->step->expect;
	e->kind = r->http ? CHECK_EXPECT_BODY : CHECK_EXPECT_BYTES;
	e->text.how = CHECK_MATCH_SUB;
	if (!take(r, name, &e->text.text))
		return false;
	e->shown = e->text.text;
	return e->text.text.n > 0 || err_set(r->err, "'%s' needs a text", name);
}

static bool
parse_rstring(struct reader *r, const char *name)
{
	r->step->expect.kind = r->http ? CHECK_EXPECT_BODY : CHECK_EXPECT_BYTES;
	r->step->expect.word = "regex";
	return take_regex(r, name, &r->step->expect.text);
}

static bool
parse_binary(struct reader *r, const char *name)
{
	struct check_expect *e = &r->step->expect;
	struct str hex = STR("");
	e->kind = CHECK_EXPECT_BYTES;
	e->text.how = CHECK_MATCH_SUB;
	e->word = "binary";
	return take(r, name, &hex) && from_hex(r, name, hex, &e->text.text);
}

// A regex on the bytes' hexadecimal digits.
static bool
parse_rbinary(struct reader *r, const char *name)
{
	struct check_expect *e = &r->step->expect;
	e->kind = CHECK_EXPECT_BYTES;
	e->in_hex = true;
	e->word = "binary regex";
	return take_regex(r, name, &e->text);
}

// Which side of the protocol knows which way to compare.
static const struct kind {
	const char *name;
	bool http, tcp;
	bool (*parse)(struct reader *r, const char *name);
} kinds[] = {
    {"status", true, false, parse_status}, {"rstatus", true, false, parse_rstatus},
    {"hdr", true, false, parse_header},    {"fhdr", true, false, parse_header},
    {"string", true, true, parse_string},  {"rstring", true, true, parse_rstring},
    {"binary", false, true, parse_binary}, {"rbinary", false, true, parse_rbinary},
    {"string-lf", true, true, refuse},     {"binary-lf", false, true, refuse},
};

static bool
take_status_word(struct reader *r, const char *name, enum health_status *out)
{
	struct str word = STR("");
	if (!take(r, name, &word))
		return false;
	return health_status_parse(word, out) ||
	       err_set(r->err, "'%s %.*s': there is no such status", name, STR_ARG(word));
}

static bool
parse_ok_status(struct reader *r, const char *name)
{
	return take_status_word(r, name, &r->step->expect.ok);
}

static bool
parse_error_status(struct reader *r, const char *name)
{
	return take_status_word(r, name, &r->step->expect.error);
}

static bool
parse_tout_status(struct reader *r, const char *name)
{
	return take_status_word(r, name, &r->step->expect.tout);
}

static bool
parse_on_success(struct reader *r, const char *name)
{
	return take_text(r, name, &r->step->expect.on_success);
}

static bool
parse_on_error(struct reader *r, const char *name)
{
	return take_text(r, name, &r->step->expect.on_error);
}

static bool
parse_min_recv(struct reader *r, const char *name)
{
	int64_t n;
	if (!take_int(r, name, -1, INT32_MAX, &n))
		return false;
	r->step->expect.min_recv = n > 0 ? (uint32_t)n : 0;
	return true;
}

static const struct word expect_words[] = {
    {"min-recv", parse_min_recv},
    {"comment", parse_comment},
    {"ok-status", parse_ok_status},
    {"error-status", parse_error_status},
    {"tout-status", parse_tout_status},
    {"on-success", parse_on_success},
    {"on-error", parse_on_error},
    {"status-code", refuse},
    {NULL, NULL},
};

// "!" may stand by itself or before the word.
static struct str
take_negation(struct reader *r)
{
	struct str word = more(r) ? r->line->argv[r->at] : STR("");
	while (word.n > 0 && word.p[0] == '!') {
		r->step->expect.negated = !r->step->expect.negated;
		word = str_slice(word, 1, word.n);
		if (word.n == 0) {
			r->at++;
			word = more(r) ? r->line->argv[r->at] : STR("");
		}
	}
	return word;
}

static bool
parse_kind(struct reader *r, struct str word)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const struct kind *k = &kinds[i];
		if (!(r->http ? k->http : k->tcp) || !str_eq(word, str_from_c(k->name)))
			continue;
		r->at++;
		r->step->expect.word = k->name;
		return k->parse(r, k->name);
	}
	return err_set(r->err, "'%.*s' is not known here: %s are", STR_ARG(word),
		       r->http ? "status, rstatus, hdr, fhdr, string and rstring"
			       : "string, rstring, binary and rbinary");
}

// What to look for stands among the words, once.
static bool
parse_expect(struct reader *r)
{
	r->step->action = CHECK_EXPECT;
	while (more(r)) {
		const struct word *row = find_word(expect_words, r->line->argv[r->at]);
		if (row != NULL)
			r->at++;
		else if (r->step->expect.word != NULL)
			return err_set(r->err, "'%.*s' is not expected behind the pattern",
				       STR_ARG(r->line->argv[r->at]));
		if (!(row != NULL ? row->parse(r, row->name) : parse_kind(r, take_negation(r))))
			return false;
	}
	return r->step->expect.word != NULL ||
	       err_set(r->err, "'expect' needs something to look for");
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
	bool (*parse)(struct reader *r);
};

static bool
parse_line(struct reader *r, struct health_steps *list, const struct line_row *rows)
{
	struct str word = STR("");
	if (!take(r, r->http ? "http-check" : "tcp-check", &word))
		return false;
	if (list->inherited)
		*list = (struct health_steps){0};
	if (str_eq(word, STR("comment"))) {
		list->n++;
		return take(r, "comment", &list->comment);
	}
	for (const struct line_row *row = rows; row->word != NULL; row++) {
		if (!str_eq(word, str_from_c(row->word)))
			continue;
		r->step->state_at = SIZE_MAX;
		if (!row->parse(r))
			return false;
		if (r->step->action == CHECK_CONNECT && list->first != NULL &&
		    list->first->action != CHECK_CONNECT)
			return err_set(r->err, "where a 'connect' stands, the first step is one");
		append(list, r->step);
		return true;
	}
	return unknown(r, word, (struct names){&rows->word, sizeof(*rows)});
}

bool
conf_parse_http_check(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	static const struct line_row rows[] = {{"connect", parse_connect},
					       {"send", parse_http_send},
					       {"expect", parse_expect},
					       {NULL, NULL}};
	struct health_conf *h = &conf_proxy_of(obj)->conf->health;
	struct str word = line->argc > line->args ? line->argv[line->args] : STR("");
	if (line->argc == line->args + 1 && str_eq(word, STR("disable-on-404")))
		return h->disable_on_404 = true;
	if (line->argc == line->args + 1 && str_eq(word, STR("send-state")))
		return h->send_state = true;
	struct reader r = {.conf = conf,
			   .line = line,
			   .at = line->args,
			   .http = true,
			   .step = CONF_NEW(conf, struct check_step),
			   .request = CONF_NEW(conf, struct health_request),
			   .err = err};
	return parse_line(&r, &h->http, rows);
}

bool
conf_parse_tcp_check(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	static const struct line_row rows[] = {{"connect", parse_connect},
					       {"send", parse_tcp_send},
					       {"send-binary", parse_tcp_send_binary},
					       {"expect", parse_expect},
					       {NULL, NULL}};
	struct reader r = {.conf = conf,
			   .line = line,
			   .at = line->args,
			   .step = CONF_NEW(conf, struct check_step),
			   .err = err};
	return parse_line(&r, &conf_proxy_of(obj)->conf->health.tcp, rows);
}
