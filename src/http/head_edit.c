// SPDX-License-Identifier: MIT
// Edits of a head: each new field is written into the arena as the line "Name: value CRLF" that
// will go out, so that the writer treats received and added lines alike.
#include "base/arena.h"
#include "http/head.h"
#include "http/host_priv.h"
#include "http/names_priv.h"

#define FRAMING_IDS \
	(UINT64_C(1) << HTTP_FIELD_CONTENT_LENGTH | UINT64_C(1) << HTTP_FIELD_TRANSFER_ENCODING)

static bool
is_framing(unsigned id)
{
	return (FRAMING_IDS >> id) & 1;
}

// "Name: value\r\n" in the arena; NULL at its cap.
static char *
make_line(struct arena *a, struct str name, struct str value)
{
	char *p = arena_alloc(a, name.n + value.n + 4, 1);
	if (p == NULL)
		return NULL;
	memcpy(p, name.p, name.n);
	memcpy(p + name.n, ": ", 2);
	if (value.n > 0)
		memcpy(p + name.n + 2, value.p, value.n);
	memcpy(p + name.n + 2 + value.n, "\r\n", 2);
	return p;
}

static enum http_edit
append(struct http_head *h, struct http_field f)
{
	h->field[h->n_fields++] = f;
	h->present |= UINT64_C(1) << f.id;
	h->flags |= HTTP_HEAD_FIELDS_EDITED;
	if (f.id == HTTP_FIELD_HOST)
		h->host = http_field_value(&f);
	return HTTP_EDIT_OK;
}

enum http_edit
http_head_add(struct http_head *h, struct arena *a, struct str name, struct str value)
{
	enum http_field_id id = http_field_id_of(name);
	value = str_trim(value);
	if (!http_is_token(name) || name.n > UINT16_MAX || value.n > UINT32_MAX ||
	    !http_is_field_value(value) || is_framing(id))
		return HTTP_EDIT_INVALID;
	if (h->n_fields == h->max_fields)
		return HTTP_EDIT_FULL;
	char *line = make_line(a, name, value);
	if (line == NULL)
		return HTTP_EDIT_FULL;
	return append(h, (struct http_field){.name = line,
					     .value = line + name.n + 2,
					     .value_n = (uint32_t)value.n,
					     .name_n = (uint16_t)name.n,
					     .id = (uint8_t)id,
					     .flags = HTTP_FIELD_ADDED});
}

struct http_field
http_field_of_line(struct str line)
{
	size_t colon = str_find_byte(line, ':');
	ASSERT(colon != SIZE_MAX && str_ends(line, STR("\r\n")));
	struct str value = str_trim(str_slice(line, colon + 1, line.n - 2));
	return (struct http_field){
	    .name = line.p,
	    .value = value.p,
	    .value_n = (uint32_t)value.n,
	    .name_n = (uint16_t)colon,
	    .id = (uint8_t)http_field_id_of(str_of(line.p, colon)),
	    .flags = HTTP_FIELD_ADDED,
	};
}

enum http_edit
http_head_add_made(struct http_head *h, const struct http_field *made)
{
	return h->n_fields < h->max_fields ? append(h, *made) : HTTP_EDIT_FULL;
}

void
http_head_drop(struct http_head *h, struct http_field *f)
{
	f->flags |= HTTP_FIELD_DROP;
	h->flags |= HTTP_HEAD_FIELDS_EDITED;
}

static unsigned
drop_all(struct http_head *h, const struct http_name *name, const struct http_field *but)
{
	unsigned n = 0;
	struct http_field *f = NULL;
	while ((f = http_head_find(h, name, f)) != NULL)
		if (f != but) {
			http_head_drop(h, f);
			n++;
		}
	return n;
}

unsigned
http_head_del(struct http_head *h, const struct http_name *name)
{
	if (is_framing(name->id))
		return 0;
	unsigned n = drop_all(h, name, NULL);
	if (name->id != HTTP_FIELD_OTHER)
		h->present &= ~(UINT64_C(1) << name->id);
	return n;
}

enum http_edit
http_head_set(struct http_head *h, struct arena *a, const struct http_name *name, struct str value)
{
	enum http_edit e = http_head_add(h, a, name->text, value);
	if (e == HTTP_EDIT_OK)
		(void)drop_all(h, name, &h->field[h->n_fields - 1]); // the number is of no interest
	return e;
}

char *
http_head_replace_begin(struct arena *a, const struct http_field *f, size_t most)
{
	char *line = arena_alloc(a, f->name_n + most + 4, 1);
	if (line == NULL)
		return NULL;
	memcpy(line, f->name, f->name_n);
	memcpy(line + f->name_n, ": ", 2);
	return line + f->name_n + 2;
}

void
http_head_replace_end(struct http_head *h, struct http_field *f, char *value, size_t n)
{
	memcpy(value + n, "\r\n", 2);
	f->name = value - f->name_n - 2;
	f->value = value;
	f->value_n = (uint32_t)n;
	f->flags = HTTP_FIELD_ADDED;
	h->flags |= HTTP_HEAD_FIELDS_EDITED;
	if (f->id == HTTP_FIELD_HOST)
		h->host = http_field_value(f);
}

enum http_edit
http_head_replace(struct http_head *h, struct arena *a, struct http_field *f, struct str value)
{
	value = str_trim(value);
	if (!http_is_field_value(value) || value.n > UINT32_MAX || is_framing(f->id))
		return HTTP_EDIT_INVALID;
	char *to = http_head_replace_begin(a, f, value.n);
	if (to == NULL)
		return HTTP_EDIT_FULL;
	if (value.n > 0)
		memcpy(to, value.p, value.n);
	http_head_replace_end(h, f, to, value.n);
	return HTTP_EDIT_OK;
}

// --- start line ------------------------------------------------------------------------------

enum http_edit
http_head_set_method(struct http_head *h, struct arena *a, struct str method)
{
	enum http_method id = http_method_of(method);
	// A change to or from CONNECT or TRACE would change what target and body mean.
	bool special = id == HTTP_METHOD_CONNECT || id == HTTP_METHOD_TRACE ||
		       h->method == HTTP_METHOD_CONNECT ||
		       (h->form == HTTP_FORM_ASTERISK && id != HTTP_METHOD_OPTIONS);
	if (!http_is_token(method) || special)
		return HTTP_EDIT_INVALID;
	struct str copy = str_copy(a, method);
	if (copy.p == NULL)
		return HTTP_EDIT_FULL;
	h->method_text = copy;
	h->method = (uint8_t)id;
	h->flags |= HTTP_HEAD_LINE_EDITED;
	return HTTP_EDIT_OK;
}

static bool
is_target(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)(s.p[i] - 0x21) > 0x7e - 0x21 || s.p[i] == '#')
			return false;
	return true;
}

// An origin-form target "path[?query]" from its parts; query.p == NULL: none.
static enum http_edit
set_origin(struct http_head *h, struct arena *a, struct str path, struct str query)
{
	if (h->form == HTTP_FORM_AUTHORITY || path.n == 0 || path.p[0] != '/' || !is_target(path) ||
	    !is_target(query))
		return HTTP_EDIT_INVALID;
	size_t n = path.n + (query.p != NULL ? 1 + query.n : 0);
	char *p = arena_alloc(a, n, 1);
	if (p == NULL)
		return HTTP_EDIT_FULL;
	memcpy(p, path.p, path.n);
	if (query.p != NULL) {
		p[path.n] = '?';
		if (query.n > 0)
			memcpy(p + path.n + 1, query.p, query.n);
	}
	h->target = str_of(p, n);
	h->form = HTTP_FORM_ORIGIN;
	h->flags = (uint16_t)((h->flags & ~HTTP_HEAD_PARTS) | HTTP_HEAD_LINE_EDITED);
	return HTTP_EDIT_OK;
}

enum http_edit
http_head_set_path(struct http_head *h, struct arena *a, struct str path)
{
	if (str_find_byte(path, '?') != SIZE_MAX)
		return HTTP_EDIT_INVALID;
	return set_origin(h, a, path, http_head_query(h));
}

enum http_edit
http_head_set_pathq(struct http_head *h, struct arena *a, struct str pathq)
{
	size_t mark = str_find_byte(pathq, '?');
	struct str query = mark != SIZE_MAX ? str_slice(pathq, mark + 1, pathq.n) : STR_NULL;
	return set_origin(h, a, str_slice(pathq, 0, mark), query);
}

enum http_edit
http_head_set_query(struct http_head *h, struct arena *a, struct str query)
{
	return set_origin(h, a, http_head_path(h), query.n > 0 ? query : STR_NULL);
}

// "http[s]://authority..." of HTTP's own two schemes; *host is the authority.
static bool
split_absolute(struct str uri, struct str *host, struct str *pathq)
{
	size_t scheme = uri.n >= 8 && str_eq_nocase(str_slice(uri, 0, 8), STR("https://"))  ? 8
			: uri.n >= 7 && str_eq_nocase(str_slice(uri, 0, 7), STR("http://")) ? 7
											    : 0;
	size_t to = scheme;
	while (to < uri.n && uri.p[to] != '/' && uri.p[to] != '?')
		to++;
	struct http_host parts;
	*host = str_slice(uri, scheme, to);
	*pathq = str_slice(uri, to, uri.n);
	return scheme > 0 && http_host_check(*host, &parts) == SIZE_MAX && parts.name.n > 0;
}

enum http_edit
http_head_set_uri(struct http_head *h, struct arena *a, struct str uri)
{
	static const struct http_name host_name = {.text = {"Host", 4}, .id = HTTP_FIELD_HOST};
	if (uri.n > 0 && uri.p[0] == '/')
		return http_head_set_pathq(h, a, uri);
	struct str host, pathq;
	if (!is_target(uri) || h->form == HTTP_FORM_AUTHORITY ||
	    !split_absolute(uri, &host, &pathq))
		return HTTP_EDIT_INVALID;
	struct str copy = str_copy(a, uri);
	if (copy.p == NULL)
		return HTTP_EDIT_FULL;
	enum http_edit e = http_head_set(h, a, &host_name, host);
	if (e != HTTP_EDIT_OK)
		return e;
	h->target = copy;
	h->form = HTTP_FORM_ABSOLUTE;
	h->flags = (uint16_t)((h->flags & ~HTTP_HEAD_PARTS) | HTTP_HEAD_LINE_EDITED);
	return HTTP_EDIT_OK;
}

// Whoever reads the other status must find the same end of the message: what was no tunnel must not
// look like one, nor the other way round (RFC 9112 section 6.3).
static bool
may_become(const struct http_head *h, unsigned status)
{
	if (status == h->status)
		return true;
	return h->framing != HTTP_BODY_TUNNEL &&
	       (h->method != HTTP_METHOD_CONNECT || status / 100 != 2);
}

enum http_edit
http_head_set_status(struct http_head *h, struct arena *a, unsigned status, struct str reason)
{
	if (status < 100 || status > 999 || !http_is_field_value(reason) || !may_become(h, status))
		return HTTP_EDIT_INVALID;
	bool had_no_body = (h->status == 204 || h->status == 304) && status != h->status;
	struct str text = reason.n > 0 ? str_copy(a, reason) : http_status_reason(status);
	if (text.p == NULL)
		return HTTP_EDIT_FULL;
	h->status = (uint16_t)status;
	h->reason = text;
	h->flags |= HTTP_HEAD_LINE_EDITED;
	if (had_no_body && h->method != HTTP_METHOD_HEAD)
		http_head_set_framing(h, HTTP_BODY_LENGTH, 0); // the new one would have one
	return HTTP_EDIT_OK;
}

// --- framing and hops ------------------------------------------------------------------------

void
http_head_set_framing(struct http_head *h, enum http_framing framing, uint64_t content_length)
{
	for (unsigned i = 0; i < h->n_fields; i++)
		if (is_framing(h->field[i].id))
			http_head_drop(h, &h->field[i]);
	h->present &= ~FRAMING_IDS;
	h->framing = (uint8_t)framing;
	h->content_length = content_length;
	h->flags = (uint16_t)((h->flags & ~HTTP_HEAD_HAS_LENGTH) | HTTP_HEAD_FRAMING_SET |
			      HTTP_HEAD_FIELDS_EDITED);
	if (framing == HTTP_BODY_LENGTH)
		h->flags |= HTTP_HEAD_HAS_LENGTH;
}

#define HOP_IDS                                                                        \
	(UINT64_C(1) << HTTP_FIELD_CONNECTION | UINT64_C(1) << HTTP_FIELD_KEEP_ALIVE | \
	 UINT64_C(1) << HTTP_FIELD_PROXY_CONNECTION | UINT64_C(1) << HTTP_FIELD_TE |   \
	 UINT64_C(1) << HTTP_FIELD_UPGRADE)

// Listed by Connection or not, the next hop needs them.
static bool
is_needed(enum http_field_id id)
{
	return id == HTTP_FIELD_HOST || is_framing(id);
}

// Only what came with that Connection: whoever names a field there must not be able to take away
// what our rules say under the same name.
static void
drop_received(struct http_head *h, const struct http_name *name)
{
	struct http_field *f = NULL;
	bool added = false;
	while ((f = http_head_find(h, name, f)) != NULL) {
		if (f->flags & HTTP_FIELD_ADDED)
			added = true;
		else
			http_head_drop(h, f);
	}
	if (name->id != HTTP_FIELD_OTHER && !added)
		h->present &= ~(UINT64_C(1) << name->id);
}

static void
drop_listed(struct http_head *h, struct http_field *connection)
{
	struct str rest = http_field_value(connection), token;
	while (str_next(&rest, ',', &token)) {
		struct http_name name = http_name_of(str_trim(token));
		if (name.text.n > 0 && !is_needed(name.id) && !(HOP_IDS >> name.id & 1))
			drop_received(h, &name);
	}
}

void
http_head_strip_hop_by_hop(struct http_head *h, bool keep_upgrade)
{
	uint64_t hop = HOP_IDS;
	if (keep_upgrade)
		hop &= ~(UINT64_C(1) << HTTP_FIELD_UPGRADE);
	if (LIKELY(!(h->present & hop)))
		return;
	for (unsigned i = 0; i < h->n_fields; i++) {
		struct http_field *f = &h->field[i];
		if (!(hop >> f->id & 1) || (f->flags & HTTP_FIELD_DROP))
			continue;
		if (f->id == HTTP_FIELD_CONNECTION && (h->flags & HTTP_HEAD_CONN_NAMES))
			drop_listed(h, f);
		http_head_drop(h, f);
	}
	h->present &= ~hop;
}
