// SPDX-License-Identifier: MIT
// Error pages: errorfile (a whole response as a file), errorloc (a redirect) and http-error. A file
// is taken apart when it is read, so that a page goes out with the framing and persistence of the
// connection at hand, whatever the file's author thought of them.
#include "proxy/conf_priv.h"

#include "http/names.h"
#include "proxy/txn.h"

// The statuses whose page can be set, as haproxy 2.6 has them and those tidegate answers beside.
static const uint16_t statuses[] = {200, 400, 401, 403, 404, 405, 407, 408, 410, 413, 414,
				    421, 422, 425, 429, 431, 500, 501, 502, 503, 504, 505};

static bool
parse_status(struct str text, unsigned *status, struct err *err)
{
	int64_t n;
	if (!str_to_int(text, &n))
		return err_set(err, "'%.*s' is no status", STR_ARG(text));
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
		if (statuses[i] != n)
			continue;
		*status = (unsigned)n;
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

static bool
set_page(struct proxy *p, unsigned status, const struct reply *r, struct err *err)
{
	struct error_page *page = NULL;
	for (size_t i = 0; i < p->n_pages; i++)
		if (p->pages[i].status == status)
			page = &p->pages[i];
	if (page == NULL) {
		if (p->n_pages == PROXY_MAX_ERROR_PAGES)
			return err_set(err, "more than %d error pages", PROXY_MAX_ERROR_PAGES);
		page = &p->pages[p->n_pages++];
	}
	*page = (struct error_page){.status = (uint16_t)status, .reply = r};
	return true;
}

static size_t
most_bytes(const struct proxy *p)
{
	return MAX(p->conf->setup->set->global.bufsize, (uint32_t)1 << 20);
}

bool
conf_parse_errorfile(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	struct proxy *p = conf_proxy_of(obj);
	unsigned status;
	if (!parse_status(line->values[0].s, &status, err))
		return false;
	const struct reply *r = conf_page_of_file(conf, line->values[1].s, most_bytes(p), err);
	return r != NULL && set_page(p, status, r, err);
}

bool
conf_parse_errorloc(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	struct proxy *p = conf_proxy_of(obj);
	unsigned status;
	struct str url = line->values[1].s;
	if (!parse_status(line->values[0].s, &status, err))
		return false;
	if (!http_is_field_value(url))
		return err_set(err, "'%.*s' is no URL", STR_ARG(url));
	struct reply *r = CONF_NEW(conf, struct reply);
	struct reply_header *h = CONF_NEW(conf, struct reply_header);
	*h = (struct reply_header){.name = STR("location"), .value = url};
	r->status = str_eq(line->argv[0], STR("errorloc303")) ? 303 : 302;
	r->headers = h;
	return set_page(p, status, r, err);
}

// --- http-error ----------------------------------------------------------------------------------

static bool
parse_http_error_words(struct conf *conf, const struct proxy *p, const struct conf_line *line,
		       struct reply *r, const struct reply **file_page, struct err *err)
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
			*file_page = conf_page_of_file(conf, value, most_bytes(p), err);
			if (*file_page == NULL)
				return false;
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
				       "errorfile and hdr NAME VALUE are (formats come in a "
				       "later tidegate)",
				       STR_ARG(word));
		}
	}
	return true;
}

bool
conf_parse_http_error(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	struct proxy *p = conf_proxy_of(obj);
	unsigned status;
	if (!str_eq(line->values[0].s, STR("status")))
		return err_set(err, "'%.*s' is not expected here: 'status CODE' is",
			       STR_ARG(line->values[0].s));
	if (!parse_status(line->values[1].s, &status, err))
		return false;
	struct reply *r = CONF_NEW(conf, struct reply);
	const struct reply *file_page = NULL;
	r->status = (uint16_t)status;
	if (!parse_http_error_words(conf, p, line, r, &file_page, err))
		return false;
	return set_page(p, status, file_page != NULL ? file_page : r, err);
}
