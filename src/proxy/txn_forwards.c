// SPDX-License-Identifier: MIT
// Max-Forwards of TRACE and OPTIONS (RFC 9110 section 7.6.2): lowered by one on its way, and at 0
// the request ends here: we answer as its final recipient.
#include "proxy/txn.h"

#include <stdio.h>

// The most that we pass on; beyond it any number means "without end".
#define MOST_FORWARDS 1000000

// A TRACE's answer is the request as it stands, without what a script in a browser must not
// learn (section 9.3.8). .p NULL: no room.
static struct str
reflect(struct txn *t)
{
	static const uint64_t secret = UINT64_C(1) << HTTP_FIELD_COOKIE |
				       UINT64_C(1) << HTTP_FIELD_AUTHORIZATION |
				       UINT64_C(1) << HTTP_FIELD_PROXY_AUTHORIZATION;
	const struct http_head *h = &t->req;
	size_t room = h->method_text.n + h->target.n + sizeof(" HTTP/1.1\r\n\r\n");
	for (size_t i = 0; i < h->n_fields; i++)
		room += (size_t)h->field[i].name_n + h->field[i].value_n + 4;
	char *text = arena_alloc(&t->arena, room, 1);
	if (text == NULL)
		return STR_NULL;
	int n = snprintf(text, room, "%.*s %.*s HTTP/1.%d\r\n", STR_ARG(h->method_text),
			 STR_ARG(h->target), h->version);
	for (size_t i = 0; i < h->n_fields; i++) {
		const struct http_field *f = &h->field[i];
		if (f->flags & HTTP_FIELD_DROP || secret >> f->id & 1)
			continue;
		n += snprintf(text + n, room - (size_t)n, "%.*s: %.*s\r\n", (int)f->name_n, f->name,
			      (int)f->value_n, f->value);
	}
	n += snprintf(text + n, room - (size_t)n, "\r\n");
	return str_of(text, (size_t)n);
}

static enum step_verdict
answer_ourselves(struct txn *t)
{
	static const struct reply_header allow = {
	    .name = {"allow", 5},
	    .value = {"GET, HEAD, POST, PUT, DELETE, CONNECT, OPTIONS, TRACE, PATCH", 60},
	};
	if (t->req.method == HTTP_METHOD_OPTIONS) {
		t->reply = (struct reply){.status = 200, .headers = &allow};
		return txn_reply(t, "LR");
	}
	t->reply =
	    (struct reply){.status = 200, .content_type = STR("message/http"), .body = reflect(t)};
	return t->reply.body.p != NULL ? txn_reply(t, "LR") : txn_fail(t, 431, "PR");
}

bool
txn_lower_max_forwards(struct txn *t, enum step_verdict *verdict)
{
	struct http_field *f = http_head_find_id(&t->req, HTTP_FIELD_MAX_FORWARDS, NULL);
	if (f == NULL)
		return true;
	struct str value = http_field_value(f);
	int64_t left = MOST_FORWARDS + 1;
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] < '0' || value.p[i] > '9')
			left = -1;
	if (value.n == 0 || left < 0 || http_head_find_id(&t->req, HTTP_FIELD_MAX_FORWARDS, f)) {
		*verdict = txn_fail(t, 400, "PR");
		return false;
	}
	if (str_to_int(value, &left) && left == 0) {
		*verdict = answer_ourselves(t);
		return false;
	}
	char text[24];
	int n = snprintf(text, sizeof(text), "%d", (int)MIN(left - 1, MOST_FORWARDS));
	if (http_head_replace(&t->req, &t->arena, f, str_of(text, (size_t)n)) == HTTP_EDIT_OK)
		return true;
	*verdict = txn_fail(t, 431, "PR");
	return false;
}
