// SPDX-License-Identifier: MIT
// Reads heads line by line. A line is parsed in one go; when the input ends inside it, the parser
// remembers where it began and how far it has no control byte, and the next call looks only at
// what is new until a control byte (its CR, or a fault) makes the line worth parsing again. So a
// verdict on a line falls exactly when its first control byte is there, however the input was cut.
#include "http/h1_priv.h"

#include "http/host_priv.h"
#include "http/names_priv.h"
#include "http/scan_priv.h"

enum stage { STAGE_START, STAGE_FIELDS };

void
h1_parser_init(struct h1_parser *p)
{
	*p = (struct h1_parser){0};
}

// The line is not complete; the first `upto` bytes of the buffer need no second look.
static enum h1_status
more(struct h1_parser *p, size_t upto)
{
	p->scanned = (uint32_t)upto;
	return H1_MORE;
}

// Refuses the line under way, or waits for its first control byte.
static enum h1_status
refuse(struct h1_parser *p, const char *buf, size_t n, const char *at, enum http_reason_id why)
{
	if (scan_text(buf + p->line, buf + n, buf) == buf + n)
		return more(p, n);
	return h1_bad(p, (size_t)(at - buf), why);
}

// The byte at `at` is not what the grammar wants: says why, in the most telling words.
static enum h1_status
fault(struct h1_parser *p, const char *buf, size_t n, const char *at, enum http_reason_id why)
{
	const char *end = buf + n;
	if (at == end)
		return more(p, n);
	if (*at == '\r' && at + 1 == end)
		return more(p, n - 1);
	if (*at == '\n')
		why = HTTP_REASON_BARE_LF;
	else if (*at == '\r' && at[1] != '\n')
		why = HTTP_REASON_BARE_CR;
	else if (*at == '\0')
		why = HTTP_REASON_NUL;
	else if (*at != '\r' && byte_is_control(*at))
		why = HTTP_REASON_CONTROL;
	return refuse(p, buf, n, at, why);
}

// --- fields ----------------------------------------------------------------------------------

// The name's bytes are no known name and perhaps no token.
static enum h1_status
bad_name(struct h1_parser *p, const char *buf, size_t n, const char *at)
{
	const char *end = buf + n, *line = buf + p->line;
	if (at == end || (*at != ' ' && *at != '\t')) {
		enum http_reason_id why = HTTP_REASON_FIELD_NAME;
		if (at < end && *at == '\r')
			why = HTTP_REASON_NO_COLON;
		else if (at < end && *at == ':')
			why = HTTP_REASON_FIELD_NAME_EMPTY;
		return fault(p, buf, n, at, why);
	}
	if (at == line)
		return refuse(p, buf, n, at, HTTP_REASON_OBS_FOLD);
	const char *behind = at;
	while (behind < end && (*behind == ' ' || *behind == '\t'))
		behind++;
	bool colon = behind < end && *behind == ':';
	return refuse(p, buf, n, at,
		      colon ? HTTP_REASON_SPACE_BEFORE_COLON : HTTP_REASON_FIELD_NAME);
}

// First byte that is no tchar. Names consist of letters, digits and '-', which a vector tells; the
// other tchars are looked up one by one.
static const char *
scan_token(const char *p, const char *end)
{
	while (p < end) {
		if (LIKELY(end - p >= 16)) {
			uint32_t odd = odd_in_name_mask(vec16_load(p));
			if (odd == 0) {
				p += 16;
				continue;
			}
			p += __builtin_ctz(odd);
		}
		if (!char_is(*p, CHAR_TOKEN))
			break;
		p++;
	}
	return p;
}

// The end of the name that begins at `line`, its colon; *id is what the name is. NULL when the
// bytes up to the first colon are no name.
static inline const char *
parse_name(const char *line, const char *end, unsigned *id, const char **stopped)
{
	*id = HTTP_FIELD_OTHER;
	if (LIKELY(end - line >= 16)) {
		vec16 v = vec16_load(line);
		uint32_t colons = vec16_mask(vec16_eq(v, ':'));
		uint32_t below = (colons - 1) & ~colons;
		if (LIKELY(colons >> 4 != 0 && below >= 0xf)) {
			size_t n = (size_t)__builtin_ctz(colons);
			*id = name_lookup_near(line, n, v, below);
			if (LIKELY(*id != HTTP_FIELD_OTHER || (odd_in_name_mask(v) & below) == 0))
				return line + n;
		}
	}
	const char *limit = end - line > UINT16_MAX ? line + UINT16_MAX : end;
	const char *colon = scan_token(line, limit);
	*stopped = colon;
	if (colon == limit || *colon != ':' || colon == line)
		return NULL;
	*id = name_lookup(line, (size_t)(colon - line));
	return colon;
}

// First byte of a value: behind the colon and white space.
static inline const char *
skip_blanks(const char *p, const char *end)
{
	if (LIKELY(end - p >= 2 && p[0] == ' ' && (unsigned char)p[1] > ' '))
		return p + 1;
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	return p;
}

// One field line into *f. *next is its start, with H1_OK that of the line behind it.
static inline enum h1_status
parse_field(struct h1_parser *p, const char *buf, size_t n, struct http_field *f, const char **next)
{
	const char *end = buf + n, *line = *next, *stopped = line;
	unsigned id;
	const char *colon = parse_name(line, end, &id, &stopped);
	if (UNLIKELY(colon == NULL))
		return bad_name(p, buf, n, stopped);
	const char *value = skip_blanks(colon + 1, end);
	const char *eol = scan_text(value, end, buf);
	if (UNLIKELY(end - eol < 2 || memcmp(eol, "\r\n", 2) != 0))
		return fault(p, buf, n, eol, HTTP_REASON_BARE_CR);
	*next = eol + 2;
	if (UNLIKELY(eol > value && (unsigned char)eol[-1] <= ' '))
		while (eol > value && (eol[-1] == ' ' || eol[-1] == '\t'))
			eol--;
	*f = (struct http_field){.name = line,
				 .value = value,
				 .value_n = (uint32_t)(eol - value),
				 .name_n = (uint16_t)(colon - line),
				 .id = (uint8_t)id};
	return H1_OK;
}

// H1_OK: the empty line was found; p->line is its offset.
static enum h1_status
parse_fields(struct h1_parser *p, const char *buf, size_t n, struct http_head *h)
{
	const char *line = buf + p->line, *end = buf + n;
	struct http_field *f = h->field + h->n_fields, *table_end = h->field + h->max_fields;
	while (end - line >= 2 && *line != '\r') {
		if (UNLIKELY(f == table_end))
			return refuse(p, buf, n, line, HTTP_REASON_TOO_MANY_FIELDS);
		enum h1_status s = parse_field(p, buf, n, f, &line);
		if (UNLIKELY(s != H1_OK))
			return s;
		p->line = (uint32_t)(line - buf);
		unsigned id = f->id;
		h->present |= UINT64_C(1) << id;
		h->n_fields++;
		f++;
		if (h1_is_noted(id) && h1_note_field(p, buf, h) != H1_OK)
			return H1_BAD;
	}
	if (end - line >= 2 && line[1] == '\n')
		return H1_OK;
	if (end - line >= 1 && !byte_is_control(*line))
		return more(p, n);
	return fault(p, buf, n, line, HTTP_REASON_BARE_CR);
}

// --- start lines -----------------------------------------------------------------------------

// "HTTP/1.x" at c. H1_OK: *minor is its last digit and c + 8 is readable or the end.
static enum h1_status
parse_version(struct h1_parser *p, const char *buf, size_t n, const char *c, unsigned *minor)
{
	static const char form[] = "HTTP/0.0";
	const char *end = buf + n;
	if (LIKELY(end - c >= 8 && memcmp(c, "HTTP/1.1", 8) == 0)) {
		*minor = 1;
		return H1_OK;
	}
	for (unsigned i = 0; i < 8; i++) {
		bool good =
		    c + i < end && (form[i] == '0' ? char_is(c[i], CHAR_DIGIT) : c[i] == form[i]);
		if (!good)
			return fault(p, buf, n, c + i,
				     i == 0 ? HTTP_REASON_START_LINE : HTTP_REASON_VERSION);
	}
	if (c[5] != '1')
		return refuse(p, buf, n, c + 5, HTTP_REASON_VERSION_UNSUPPORTED);
	*minor = (unsigned)(c[7] - '0');
	return H1_OK;
}

static void
set_version(struct http_head *h, unsigned minor)
{
	h->version = minor > 0;
	if (minor != 1)
		h->flags |= HTTP_HEAD_LINE_EDITED;
}

// "scheme://authority" at the target's start; sets host. Path and query are left to
// http_head_split_target.
static enum http_reason_id
check_absolute(struct http_head *h, size_t *bad)
{
	struct str t = h->target;
	size_t scheme = t.n >= 8 && name_is(t.p, 5, "https") ? 5 : 4;
	*bad = 0;
	if (t.n < scheme + 3 || !name_is(t.p, 4, "http") || memcmp(t.p + scheme, "://", 3) != 0)
		return HTTP_REASON_TARGET_FORM;
	size_t from = scheme + 3, to = from;
	while (to < t.n && t.p[to] != '/' && t.p[to] != '?' && t.p[to] != '@')
		to++;
	if (to < t.n && t.p[to] == '@') {
		*bad = to;
		return HTTP_REASON_TARGET_USERINFO;
	}
	struct http_host parts;
	h->host = str_slice(t, from, to);
	size_t off = http_host_check(h->host, &parts);
	*bad = from + (off == SIZE_MAX ? 0 : off);
	return off == SIZE_MAX && parts.name.n > 0 ? HTTP_REASON_NONE : HTTP_REASON_HOST_INVALID;
}

// CONNECT: host and port, both needed (RFC 9110 section 9.3.6).
static enum http_reason_id
check_authority(struct http_head *h, size_t *bad)
{
	struct http_host parts;
	h->host = h->target;
	*bad = 0;
	size_t off = http_host_check(h->target, &parts);
	if (off == SIZE_MAX && parts.name.n > 0 && parts.port.n > 0)
		return HTTP_REASON_NONE;
	*bad = off == SIZE_MAX ? 0 : off;
	return HTTP_REASON_TARGET_FORM;
}

// Which of the four forms the target has, and whether the method allows it.
static enum h1_status
classify_target(struct h1_parser *p, const char *buf, struct http_head *h)
{
	enum http_reason_id why = HTTP_REASON_NONE;
	size_t bad = 0;
	if (h->method == HTTP_METHOD_CONNECT) {
		h->form = HTTP_FORM_AUTHORITY;
		why = check_authority(h, &bad);
	} else if (h->target.p[0] == '/') {
		h->form = HTTP_FORM_ORIGIN;
	} else if (h->target.n == 1 && h->target.p[0] == '*') {
		h->form = HTTP_FORM_ASTERISK;
		if (h->method != HTTP_METHOD_OPTIONS)
			why = HTTP_REASON_TARGET_FORM;
	} else {
		h->form = HTTP_FORM_ABSOLUTE;
		why = check_absolute(h, &bad);
	}
	if (why != HTTP_REASON_NONE)
		return h1_bad(p, (size_t)(h->target.p - buf) + bad, why);
	return H1_OK;
}

// The three methods of nearly all requests by one comparison; others by their table.
static const char *
parse_method(const char *c, const char *end, struct http_head *h)
{
	const char *sp;
	if (end - c >= 5 && memcmp(c, "GET ", 4) == 0) {
		h->method = HTTP_METHOD_GET;
		sp = c + 3;
	} else if (end - c >= 5 && memcmp(c, "POST ", 5) == 0) {
		h->method = HTTP_METHOD_POST;
		sp = c + 4;
	} else {
		sp = scan_token(c, end);
		h->method = (uint8_t)http_method_of(str_of(c, (size_t)(sp - c)));
	}
	h->method_text = str_of(c, (size_t)(sp - c));
	return sp;
}

static enum h1_status
parse_request_line(struct h1_parser *p, const char *buf, size_t n, struct http_head *h)
{
	const char *end = buf + n;
	if (p->line == 0 && n >= 2 && buf[0] == '\r' && buf[1] == '\n')
		p->line = 2; // RFC 9112 section 2.2: one empty line before a request is ignored
	const char *c = buf + p->line;
	const char *sp = parse_method(c, end, h);
	if (sp == end || *sp != ' ' || sp == c)
		return fault(p, buf, n, sp, HTTP_REASON_METHOD);
	c = sp + 1;
	sp = scan_target(c, end, buf);
	if (sp == end || *sp != ' ' || sp == c)
		return fault(p, buf, n, sp,
			     sp < end && *sp == '\r' ? HTTP_REASON_START_LINE : HTTP_REASON_TARGET);
	h->target = str_of(c, (size_t)(sp - c));
	c = sp + 1;
	unsigned minor;
	enum h1_status s = parse_version(p, buf, n, c, &minor);
	if (UNLIKELY(s != H1_OK)) {
		if (s == H1_BAD && p->reason == HTTP_REASON_VERSION_UNSUPPORTED &&
		    str_eq(h->method_text, STR("PRI")))
			p->reason = HTTP_REASON_H2_PREFACE;
		return s;
	}
	c += 8;
	if (end - c < 2 || c[0] != '\r' || c[1] != '\n')
		return fault(p, buf, n, c, HTTP_REASON_VERSION);
	set_version(h, minor);
	s = classify_target(p, buf, h);
	h->raw.p = buf + p->line;
	p->line = (uint32_t)(c + 2 - buf);
	return s;
}

static enum h1_status
parse_status_line(struct h1_parser *p, const char *buf, size_t n, struct http_head *h)
{
	const char *end = buf + n, *c = buf;
	unsigned minor, status = 0;
	enum h1_status s = parse_version(p, buf, n, c, &minor);
	if (s != H1_OK)
		return s;
	c += 8;
	if (c == end || *c != ' ')
		return fault(p, buf, n, c, HTTP_REASON_VERSION);
	c++;
	for (const char *digits = c; c < digits + 3; c++) {
		if (c == end || !char_is(*c, CHAR_DIGIT))
			return fault(p, buf, n, c, HTTP_REASON_STATUS);
		status = status * 10 + (unsigned)(*c - '0');
	}
	if (status < 100)
		return refuse(p, buf, n, c - 3, HTTP_REASON_STATUS);
	if (c == end || (*c != ' ' && *c != '\r'))
		return fault(p, buf, n, c, HTTP_REASON_STATUS);
	// Some servers leave out the space before an empty reason; it is not sent on like that.
	if (*c == ' ')
		c++;
	else
		h->flags |= HTTP_HEAD_LINE_EDITED;
	const char *eol = scan_text(c, end, buf);
	if (end - eol < 2 || eol[0] != '\r' || eol[1] != '\n')
		return fault(p, buf, n, eol, HTTP_REASON_BARE_CR);
	h->status = (uint16_t)status;
	h->reason = str_of(c, (size_t)(eol - c));
	set_version(h, minor);
	h->raw.p = buf;
	p->line = (uint32_t)(eol + 2 - buf);
	return H1_OK;
}

// --- entry -----------------------------------------------------------------------------------

// True when nothing new has come that could complete the line under way.
static bool
still_waiting(struct h1_parser *p, const char *buf, size_t n)
{
	ASSERT(n <= UINT32_MAX / 2);
	if (p->scanned <= p->line)
		return false;
	const char *stop = scan_text(buf + p->scanned, buf + n, buf);
	p->scanned = (uint32_t)(stop - buf);
	return p->scanned == n;
}

static void
complete(struct h1_parser *p, const char *buf, struct http_head *h)
{
	p->consumed = p->line + 2;
	h->fields_end = buf + p->line;
	h->raw.n = (size_t)(buf + p->consumed - h->raw.p);
}

enum h1_status
h1_parse_request(struct h1_parser *p, const char *buf, size_t n, struct http_head *h)
{
	if (still_waiting(p, buf, n))
		return H1_MORE;
	enum h1_status s;
	if (p->stage == STAGE_START) {
		s = parse_request_line(p, buf, n, h);
		if (s != H1_OK)
			return s;
		p->stage = STAGE_FIELDS;
	}
	s = parse_fields(p, buf, n, h);
	if (s != H1_OK)
		return s;
	complete(p, buf, h);
	return h1_finish_request(p, buf, h);
}

enum h1_status
h1_parse_response(struct h1_parser *p, const char *buf, size_t n, struct http_head *h,
		  enum http_method request_method)
{
	if (still_waiting(p, buf, n))
		return H1_MORE;
	enum h1_status s;
	if (p->stage == STAGE_START) {
		h->flags |= HTTP_HEAD_RESPONSE;
		h->method = (uint8_t)request_method;
		s = parse_status_line(p, buf, n, h);
		if (s != H1_OK)
			return s;
		p->stage = STAGE_FIELDS;
	}
	s = parse_fields(p, buf, n, h);
	if (s != H1_OK)
		return s;
	complete(p, buf, h);
	return h1_finish_response(p, buf, h);
}

void
h1_parser_rebase(struct h1_parser *p, struct http_head *head, const char *from, size_t n,
		 const char *to)
{
	(void)p; // holds offsets only
	http_head_rebase(head, from, n, to);
}

enum http_reason_id
h1_parser_too_big(const struct h1_parser *p, const struct http_head *head)
{
	bool line = p->stage == STAGE_START && !(head->flags & HTTP_HEAD_RESPONSE);
	return line ? HTTP_REASON_URI_TOO_LONG : HTTP_REASON_HEAD_TOO_BIG;
}
