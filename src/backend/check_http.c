// SPDX-License-Identifier: MIT
// Answers to HTTP checks, read by the codec that reads all others, in the connection's one receive
// buffer: what does not fit is not waited for.
#include <stdio.h>

#include "backend/backend.h"
#include "backend/check.h"
#include "base/mem.h"
#include "base/sbuf.h"
#include "expr/pattern.h"
#include "http/codec.h"

#define MOST_FIELDS 101
#define BODY_BYTES  65536u

// Slices of the head point into the receive buffer, which stays while an answer is read.
struct check_answer {
	struct codec_in in;
	struct http_head head;
	bool has_head, whole; // whole: no byte of the body is missing
	size_t body_at;       // in the receive buffer: what is not decoded yet
	struct sbuf body;
	struct http_field fields[MOST_FIELDS];
};

static const struct http_codec *const codec = &http_codec_h1;

static struct check_answer *
new_answer(void)
{
	struct check_answer *a = MEM_NEW(struct check_answer);
	http_head_init(&a->head, a->fields, MOST_FIELDS);
	codec->begin(&a->in);
	sbuf_init(&a->body, BODY_BYTES);
	return a;
}

void
check_answer_free(struct check_answer **a)
{
	if (*a == NULL)
		return;
	sbuf_fini(&(*a)->body);
	mem_free(*a);
	*a = NULL;
}

bool
check_text_matches(const struct check_text *t, struct str s)
{
	switch (t->how) {
	case CHECK_MATCH_ANY:
		return true;
	case CHECK_MATCH_STR:
		return str_eq(s, t->text);
	case CHECK_MATCH_BEG:
		return str_starts(s, t->text);
	case CHECK_MATCH_END:
		return str_ends(s, t->text);
	case CHECK_MATCH_SUB:
		return str_find(s, t->text) != SIZE_MAX;
	case CHECK_MATCH_REG:
		return regex_match(t->regex, s, NULL);
	}
	return false;
}

// --- reading -------------------------------------------------------------------------------------

static bool
no_more_comes(const struct check *c)
{
	return c->at_end || (c->conn.in != NULL && conn_room(&c->conn) == 0);
}

// False: it is no HTTP.
static bool
read_head(struct check *c, struct check_answer *a, const struct check_step *sent)
{
	enum http_method method =
	    sent != NULL && sent->head_only ? HTTP_METHOD_HEAD : HTTP_METHOD_GET;
	switch (codec->read_response(&a->in, conn_data(&c->conn), conn_unread(&c->conn), &a->head,
				     method)) {
	case CODEC_OK:
		break;
	case CODEC_MORE:
		return !no_more_comes(c);
	case CODEC_BAD:
		return false;
	}
	a->has_head = true;
	a->body_at = codec->head_bytes(&a->in);
	c->code = a->head.status;
	codec->begin_body(&a->in, &a->head, true);
	return true;
}

// A body that is cut or wrong is judged by what was good of it.
static void
read_body(struct check *c, struct check_answer *a)
{
	size_t n = conn_unread(&c->conn);
	enum codec_status st = CODEC_MORE;
	while (!a->whole && (st == CODEC_MORE && a->body_at < n)) {
		struct codec_piece piece = {0};
		st = codec->read_body(&a->in, conn_data(&c->conn) + a->body_at, n - a->body_at,
				      &piece);
		a->body_at += piece.used;
		sbuf_add(&a->body, piece.data);
		if (st != CODEC_MORE)
			a->whole = true;
		else if (piece.used == 0)
			break;
	}
	if (no_more_comes(c) || a->head.framing == HTTP_BODY_NONE || a->body.full)
		a->whole = true;
}

// --- judging -------------------------------------------------------------------------------------

static bool
has_status(const struct check_expect *e, unsigned status)
{
	for (size_t i = 0; i < e->n_ranges; i++)
		if (status >= e->ranges[i].from && status <= e->ranges[i].to)
			return true;
	return false;
}

static bool
has_status_text(const struct check_expect *e, unsigned status)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%u", status);
	return check_text_matches(&e->text, str_of(text, (size_t)n));
}

static bool
value_matches(const struct check_expect *e, const struct http_field *f)
{
	struct str value = http_field_value(f), piece;
	if (e->full || e->text.how == CHECK_MATCH_ANY)
		return check_text_matches(&e->text, value);
	while (str_next(&value, ',', &piece))
		if (check_text_matches(&e->text, str_trim(piece)))
			return true;
	return false;
}

static bool
has_field(const struct check_expect *e, const struct http_head *h)
{
	char name[256];
	for (unsigned i = 0; i < h->n_fields; i++) {
		const struct http_field *f = &h->field[i];
		size_t n = f->name_n;
		if (n > sizeof(name))
			continue;
		for (size_t j = 0; j < n; j++)
			name[j] = (char)byte_lower((unsigned char)f->name[j]);
		if (check_text_matches(&e->name, str_of(name, n)) && value_matches(e, f))
			return true;
	}
	return false;
}

static enum check_verdict
decide(struct check *c, const struct check_step *step, enum health_status status, struct str info,
       struct health_finding *f)
{
	const struct check_expect *e = &step->expect;
	char text[HEALTH_INFO_BYTES];
	f->code = c->code;
	if (e->on_error.n > 0)
		info = e->on_error;
	int n = snprintf(text, sizeof(text), "%.*s%s%.*s", STR_ARG(info),
			 step->comment.n > 0 ? " comment: " : "", STR_ARG(step->comment));
	health_say(f, e->error != HEALTH_UNKNOWN ? e->error : status,
		   str_of(text, MIN((size_t)n, sizeof(text) - 1)));
	return CHECK_DECIDED;
}

static enum check_verdict
judge_head(struct check *c, const struct check_step *step, bool holds, struct health_finding *f)
{
	if (holds != step->expect.negated)
		return CHECK_MATCHES;
	return decide(c, step, HEALTH_L7STS, c->answer->head.reason, f);
}

static enum check_verdict
judge_body(struct check *c, const struct check_step *step, struct health_finding *f)
{
	struct check_answer *a = c->answer;
	const struct check_expect *e = &step->expect;
	read_body(c, a);
	bool holds = a->body.n > 0 && check_text_matches(&e->text, sbuf_str(&a->body));
	if (!holds && !a->whole)
		return CHECK_WAITS;
	if (a->body.n == 0)
		return decide(c, step, HEALTH_L7RSP,
			      STR("HTTP content check could not find a response body"), f);
	if (holds != e->negated)
		return CHECK_MATCHES;
	return decide(c, step, HEALTH_L7RSP,
		      holds ? STR("HTTP check matched unwanted content")
			    : STR("HTTP content check did not match"),
		      f);
}

static enum check_verdict
judge(struct check *c, const struct check_step *step, struct health_finding *f)
{
	const struct check_expect *e = &step->expect;
	const struct http_head *h = &c->answer->head;
	switch (e->kind) {
	case CHECK_EXPECT_STATUS:
		return judge_head(c, step, has_status(e, h->status), f);
	case CHECK_EXPECT_RSTATUS:
		return judge_head(c, step, has_status_text(e, h->status), f);
	case CHECK_EXPECT_HEADER:
		return judge_head(c, step, has_field(e, h), f);
	case CHECK_EXPECT_BODY:
	case CHECK_EXPECT_BYTES:
	case CHECK_EXPECT_KINDS:
		break;
	}
	return judge_body(c, step, f);
}

// 404 of a server that serves: it wants no new requests.
static bool
is_leaving(const struct check *c)
{
	uint32_t bits = atomic_load_explicit(&c->server->admin, memory_order_relaxed);
	return c->plan->disable_on_404 && c->code == 404 && !(bits & SERVER_DOWN);
}

static const struct check_step *
last_sent(const struct check *c)
{
	const struct check_step *sent = NULL;
	for (const struct check_step *s = c->plan->first; s != c->step; s = s->next)
		if (s->action == CHECK_SEND)
			sent = s;
	return sent;
}

enum check_verdict
check_http_judge(struct check *c, const struct check_step *step, struct health_finding *f)
{
	if (c->answer == NULL)
		c->answer = new_answer();
	if (!c->answer->has_head && !read_head(c, c->answer, last_sent(c))) {
		health_say(f, HEALTH_L7RSP, STR(""));
		return CHECK_DECIDED;
	}
	if (!c->answer->has_head)
		return CHECK_WAITS;
	if (is_leaving(c)) {
		f->code = c->code;
		health_say(f, HEALTH_L7OKC, STR(""));
		return CHECK_DECIDED;
	}
	return judge(c, step, f);
}
