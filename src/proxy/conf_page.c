// SPDX-License-Identifier: MIT
// Error pages: errorfile (a whole response as a file), errorloc (a redirect), http-error, and
// errorfiles, which takes those of a section http-errors. A file is taken apart when it is read, so
// that a page goes out with the framing and persistence of the connection at hand, whatever the
// file's author thought of them. A section may stand behind those that take from it: lines are kept
// as settings and become pages once all files are read.
#include "proxy/conf_priv.h"

#include "base/module.h"
#include "http/names.h"
#include "proxy/txn.h"

// The statuses whose page can be set, as haproxy 2.6 has them and those tidegate answers beside.
static const uint16_t statuses[] = {200, 400, 401, 403, 404, 405, 407, 408, 410, 413, 414,
				    421, 422, 425, 429, 431, 500, 501, 502, 503, 504, 505};

// A section http-errors.
struct http_errors {
	struct http_errors *next;
	struct str name;
	const struct conf_line *line;
	const struct reply *replies[ARRAY_LEN(statuses)]; // as statuses; NULL: none
};

// One line that sets pages. The list belongs to a section and goes on with that of its defaults.
struct page_setting {
	const struct page_setting *older;
	const struct conf_line *line;
	uint32_t which;            // bits, as statuses
	bool named;                // each of them by the line
	const struct reply *reply; // NULL: the section's
	struct str section;
};
_Static_assert(ARRAY_LEN(statuses) <= 32, "page_setting.which has a bit for each");
_Static_assert(ARRAY_LEN(statuses) <= PROXY_MAX_ERROR_PAGES, "a proxy has room for all pages");

static bool
parse_status(struct str text, size_t *which, struct err *err)
{
	int64_t n;
	if (!str_to_int(text, &n))
		return err_set(err, "'%.*s' is no status", STR_ARG(text));
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
		if (statuses[i] != n)
			continue;
		*which = i;
		return true;
	}
	return err_set(err,
		       "status %lld has no error page: 200, 400, 401, 403, 404, 405, 407, 408, "
		       "410, 413, 414, 421, 422, 425, 429, 431, 500, 501, 502, 503, 504 and "
		       "505 have",
		       (long long)n);
}

// One line without its end, LF or CRLF; false when there is none.
static bool
next_line(struct str *rest, struct str *line)
{
	size_t n = str_find_byte(*rest, '\n');
	if (n == SIZE_MAX)
		return false;
	*line = str_slice(*rest, 0, n);
	if (line->n > 0 && line->p[line->n - 1] == '\r')
		line->n--;
	*rest = str_slice(*rest, n + 1, rest->n);
	return true;
}

static bool
parse_status_line(struct str line, struct reply *r, struct err *err)
{
	int64_t status;
	if (line.n < 12 || !str_starts(line, STR("HTTP/1.")) || line.p[8] != ' ' ||
	    !str_to_int(str_slice(line, 9, 12), &status) || status < 200 || status > 599 ||
	    (line.n > 12 && line.p[12] != ' '))
		return err_set(err, "it does not begin with a status line such as 'HTTP/1.1 503 "
				    "Service Unavailable'");
	r->status = (uint16_t)status;
	r->reason = str_trim(str_slice(line, 13, line.n));
	if (!http_is_field_value(r->reason))
		return err_set(err, "its reason phrase holds a control character");
	return true;
}

static bool
is_ours(struct str name)
{
	static const char *const ours[] = {"connection", "keep-alive", "transfer-encoding",
					   "proxy-connection"};
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		if (str_eq_nocase(name, str_from_c(ours[i])))
			return true;
	return false;
}

static bool
parse_fields(struct conf *conf, struct str *rest, struct reply *r, int64_t *length, struct err *err)
{
	struct str line;
	struct reply_header *first = NULL, *last = NULL;
	while (next_line(rest, &line)) {
		if (line.n == 0) {
			r->headers = first;
			return true;
		}
		size_t colon = str_find_byte(line, ':');
		struct str name = str_slice(line, 0, colon == SIZE_MAX ? 0 : colon);
		struct str value = str_trim(str_slice(line, name.n + 1, line.n));
		if (!http_is_token(name) || !http_is_field_value(value))
			return err_set(err, "'%.*s' is no header field", STR_ARG(line));
		if (str_eq_nocase(name, STR("content-length"))) {
			if (!str_to_int(value, length) || *length < 0)
				return err_set(err, "its Content-Length '%.*s' is no number",
					       STR_ARG(value));
			continue;
		}
		if (is_ours(name))
			continue;
		struct reply_header *h = CONF_NEW(conf, struct reply_header);
		*h = (struct reply_header){.name = name, .value = value};
		if (first == NULL)
			first = h;
		else
			last->next = h;
		last = h;
	}
	return err_set(err, "no empty line ends its header");
}

static bool
parse_page(struct conf *conf, struct str text, struct reply *r, struct err *err)
{
	struct str rest = text, line;
	int64_t length = -1;
	if (!next_line(&rest, &line))
		return err_set(err, "it has no status line");
	if (!parse_status_line(line, r, err) || !parse_fields(conf, &rest, r, &length, err))
		return false;
	r->body = rest;
	if (length >= 0 && (uint64_t)length != rest.n)
		return err_set(err, "its Content-Length says %lld but %zu bytes follow the header",
			       (long long)length, rest.n);
	return true;
}

const struct reply *
conf_page_of_file(struct conf *conf, struct str path, size_t max_bytes, struct err *err)
{
	struct str text;
	if (!conf_read_file(conf, path, max_bytes, &text, err))
		return NULL;
	struct reply *r = CONF_NEW(conf, struct reply);
	if (parse_page(conf, text, r, err))
		return r;
	err_wrap(err, "'%.*s' is no HTTP response", STR_ARG(path));
	return NULL;
}

static struct page_setting *
add_setting(struct conf *conf, struct proxy *p, const struct conf_line *line)
{
	struct page_setting *s = CONF_NEW(conf, struct page_setting);
	*s = (struct page_setting){.older = p->page_settings, .line = line};
	p->page_settings = s;
	return s;
}

static void
set_page(struct conf *conf, struct proxy *p, const struct conf_line *line, size_t which,
	 const struct reply *r)
{
	struct page_setting *s = add_setting(conf, p, line);
	s->which = (uint32_t)1 << which;
	s->reply = r;
}

#define MAX_PAGE_BYTES ((size_t)1 << 20)

static size_t
most_bytes(const struct proxy *p)
{
	return MAX(p->conf->setup->set->global.bufsize, MAX_PAGE_BYTES);
}

bool
conf_parse_errorfile(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	struct proxy *p = conf_proxy_of(obj);
	size_t which;
	if (!parse_status(line->values[0].s, &which, err))
		return false;
	const struct reply *r = conf_page_of_file(conf, line->values[1].s, most_bytes(p), err);
	if (r != NULL)
		set_page(conf, p, line, which, r);
	return r != NULL;
}

bool
conf_parse_errorloc(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	struct proxy *p = conf_proxy_of(obj);
	size_t which;
	struct str url = line->values[1].s;
	if (!parse_status(line->values[0].s, &which, err))
		return false;
	if (!http_is_field_value(url))
		return err_set(err, "'%.*s' is no URL", STR_ARG(url));
	struct reply *r = CONF_NEW(conf, struct reply);
	struct reply_header *h = CONF_NEW(conf, struct reply_header);
	*h = (struct reply_header){.name = STR("location"), .value = url};
	r->status = str_eq(line->argv[0], STR("errorloc303")) ? 303 : 302;
	r->headers = h;
	set_page(conf, p, line, which, r);
	return true;
}

// --- http-error ----------------------------------------------------------------------------------

static bool
parse_http_error_words(struct conf *conf, const struct proxy *p, const struct conf_line *line,
		       struct reply *r, struct page_setting *s, struct err *err)
{
	const struct reply_header **tail = &r->headers;
	for (int at = line->args + 2; at < line->argc;) {
		struct str word = line->argv[at];
		if (at + 1 >= line->argc)
			return err_set(err, "'%.*s' needs a value", STR_ARG(word));
		struct str value = line->argv[at + 1];
		at += 2;
		if (str_eq(word, STR("content-type"))) {
			r->content_type = value;
		} else if (str_eq(word, STR("string"))) {
			r->body = value;
		} else if (str_eq(word, STR("file"))) {
			if (!conf_read_file(conf, value, most_bytes(p), &r->body, err))
				return false;
		} else if (str_eq(word, STR("errorfile"))) {
			s->reply = conf_page_of_file(conf, value, most_bytes(p), err);
			if (s->reply == NULL)
				return false;
		} else if (str_eq(word, STR("errorfiles"))) {
			s->reply = NULL;
			s->section = value;
		} else if (str_eq(word, STR("hdr")) && at < line->argc) {
			struct reply_header *h = CONF_NEW(conf, struct reply_header);
			*h = (struct reply_header){.name = value, .value = line->argv[at++]};
			if (!http_is_token(h->name) || !http_is_field_value(h->value))
				return err_set(err, "'%.*s: %.*s' is no header field",
					       STR_ARG(h->name), STR_ARG(h->value));
			*tail = h;
			tail = &h->next;
		} else {
			return err_set(err,
				       "'%.*s' is not known here: content-type, string, file, "
				       "errorfile, errorfiles and hdr NAME VALUE are (formats "
				       "come in a later tidegate)",
				       STR_ARG(word));
		}
	}
	return true;
}

bool
conf_parse_http_error(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	struct proxy *p = conf_proxy_of(obj);
	size_t which;
	if (!str_eq(line->values[0].s, STR("status")))
		return err_set(err, "'%.*s' is not expected here: 'status CODE' is",
			       STR_ARG(line->values[0].s));
	if (!parse_status(line->values[1].s, &which, err))
		return false;
	struct reply *r = CONF_NEW(conf, struct reply);
	struct page_setting *s = add_setting(conf, p, line);
	r->status = statuses[which];
	*s = (struct page_setting){.older = s->older,
				   .line = line,
				   .which = (uint32_t)1 << which,
				   .named = true,
				   .reply = r};
	return parse_http_error_words(conf, p, line, r, s, err);
}

// --- sections http-errors ------------------------------------------------------------------------

static struct http_errors *
find_errors(const struct proxy_set *set, struct str name)
{
	struct http_errors *e = set->http_errors;
	while (e != NULL && !str_eq(e->name, name))
		e = e->next;
	return e;
}

static void *
begin_errors(struct conf *conf, const struct conf_line *line, struct str name, struct err *err)
{
	struct proxy_set *set = conf_bound(conf, "proxy");
	const struct http_errors *known = find_errors(set, name);
	if (known != NULL) {
		err_set(err, "there is an http-errors section '%.*s' already, at %s:%d",
			STR_ARG(name), known->line->file, known->line->line);
		return NULL;
	}
	struct http_errors *e = CONF_NEW(conf, struct http_errors);
	*e = (struct http_errors){.next = set->http_errors, .name = name, .line = line};
	set->http_errors = e;
	return e;
}

static bool
parse_section_page(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	struct http_errors *e = obj;
	size_t which;
	if (!parse_status(line->values[0].s, &which, err))
		return false;
	e->replies[which] = conf_page_of_file(conf, line->values[1].s, MAX_PAGE_BYTES, err);
	return e->replies[which] != NULL;
}

static bool
parse_errorfiles(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	struct page_setting *s = add_setting(conf, conf_proxy_of(obj), line);
	s->section = line->values[0].s;
	for (int at = line->args + 1; at < line->argc; at++) {
		size_t which;
		if (!parse_status(line->argv[at], &which, err))
			return false;
		s->which |= (uint32_t)1 << which;
	}
	s->named = s->which != 0;
	if (!s->named)
		s->which = UINT32_MAX;
	return true;
}

static bool
errors_unknown(const struct proxy_set *set, struct str name, struct err *err)
{
	struct str near = set->http_errors != NULL ? set->http_errors->name : STR("");
	return err_set(err, "there is no http-errors section '%.*s'%s%.*s%s", STR_ARG(name),
		       near.n > 0 ? "; there is '" : "", STR_ARG(near), near.n > 0 ? "'" : "");
}

bool
conf_page_of_section(const struct proxy_set *set, struct str name, unsigned status,
		     const struct reply **out, struct err *err)
{
	const struct http_errors *e = find_errors(set, name);
	*out = NULL;
	if (e == NULL)
		return errors_unknown(set, name, err);
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
		if (statuses[i] == status)
			*out = e->replies[i];
	return true;
}

// The newest line that has something for a status decides.
void
conf_resolve_pages(struct conf *conf, const struct proxy_set *set, struct proxy *p)
{
	uint32_t have = 0;
	struct err err = {.text = ""};
	for (const struct page_setting *s = p->page_settings; s != NULL; s = s->older)
		for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
			const struct reply *r = s->reply;
			if (!(s->which >> i & 1))
				continue;
			if (r == NULL &&
			    !conf_page_of_section(set, s->section, statuses[i], &r, &err)) {
				conf_error(conf, s->line, "%s", err.text);
				break;
			}
			if (r == NULL && s->named)
				conf_warn(conf, s->line,
					  "http-errors section '%.*s' has no page for %u",
					  STR_ARG(s->section), statuses[i]);
			if (r == NULL || (have >> i & 1))
				continue;
			have |= (uint32_t)1 << i;
			p->pages[p->n_pages++] = (struct error_page){statuses[i], r};
		}
}

static const struct conf_section page_sections[] = {
    {.name = "http-errors",
     .naming = CONF_NAME_REQUIRED,
     .begin = begin_errors,
     .help = "Error pages that sections and rules take with errorfiles."},
    {.name = NULL},
};

static const struct conf_arg section_page_args[] = {
    {.name = "status", .type = CONF_STR, .help = "Status of the error."},
    {.name = "file", .type = CONF_STR, .help = "A whole HTTP response."},
    {.type = CONF_END}};
static const struct conf_arg errorfiles_args[] = {
    {.name = "name", .type = CONF_STR, .min = 1, .max = 256, .help = "Of a section http-errors."},
    {.type = CONF_END}};

static const struct conf_keyword page_keywords[] = {
    {.sections = "http-errors",
     .words = "errorfile",
     .args = section_page_args,
     .parse = parse_section_page,
     .help = "The answer to an error, from a file read at start."},
    {.sections = "defaults frontend backend listen",
     .words = "errorfiles",
     .args = errorfiles_args,
     .parse = parse_errorfiles,
     .flags = CONF_EXTRA,
     .help = "errorfiles NAME [STATUS...]: the pages of section http-errors NAME, all or those "
	     "named. Of several lines for one status, errorfile and its like among them, the last "
	     "one counts."},
    {.sections = NULL},
};

const struct module proxy_pages_module = {
    .name = "pages",
    .sections = page_sections,
    .keywords = page_keywords,
};
