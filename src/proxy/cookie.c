// SPDX-License-Identifier: MIT
// The client's cookie: whom it names, and whether the server sees it. A Cookie field is read once,
// from its first piece to its last.
#include "proxy/cookie.h"

#include "base/clock.h"
#include "expr/acl.h"
#include "http/cookie.h"
#include "proxy/conns.h"
#include "proxy/cookie_priv.h"
#include "proxy/proxy.h"
#include "proxy/retry.h"
#include "proxy/txn.h"

#define PREFIX_END '~' // NAME=SERVER~VALUE
#define DATE_BEGIN '|' // NAME=SERVER|LAST|FIRST
#define A_DAY_S    86400

struct txn_cookies *
cookie_note(struct txn *t)
{
	if (t->cookies != NULL)
		return t->cookies;
	struct txn_cookies *c = t->cookies = ARENA_NEW(&t->arena, struct txn_cookies);
	if (c != NULL)
		*c = (struct txn_cookies){.client = 'N', .server = 'N'};
	return c;
}

// The first one counts. False: no room.
bool
cookie_capture(struct txn *t, struct str field, const struct http_cookie *k, struct str *out)
{
	const struct cookie_capture *c = &t->frontend->cookie_capture;
	if (c->len == 0 || out->p != NULL || !http_cookie_begins(field, k, c->name))
		return true;
	size_t most = MIN(c->len, (size_t)(k->value_end - k->name));
	char *copy = arena_alloc(&t->arena, most + 1, 1);
	if (copy == NULL)
		return false;
	*out = str_of(copy, http_cookie_copy(field, k, copy, most));
	return true;
}

// --- whom it names -------------------------------------------------------------------------------

uint32_t
cookie_now_s(const struct txn *t)
{
	return (uint32_t)(loop_real_ns(t->worker->loop) / NS_PER_S);
}

#define BASE64 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

void
cookie_put_date(uint32_t seconds, char out[COOKIE_DATE_BYTES])
{
	for (int i = 0; i < COOKIE_DATE_BYTES; i++)
		out[i] = BASE64[(seconds >> 2) >> (24 - 6 * i) & 63];
}

// Quarters of four seconds, in five digits to the base of 64. False: it is no date.
static bool
get_date(struct str s, uint32_t *seconds)
{
	uint32_t n = 0;
	for (size_t i = 0; i < COOKIE_DATE_BYTES; i++) {
		size_t digit = str_find_byte(STR(BASE64), s.p[i]);
		if (digit == SIZE_MAX)
			return false;
		n = n << 6 | (uint32_t)digit;
	}
	if (n == 0)
		return false;
	*seconds = n << 2;
	return true;
}

// Takes the dates off a value; what is none changes nothing.
static struct str
read_dates(struct txn_cookies *c, struct str value)
{
	size_t bar = str_find_byte(value, DATE_BEGIN);
	if (bar == SIZE_MAX)
		return value;
	struct str dates = str_slice(value, bar + 1, value.n);
	if (dates.n >= COOKIE_DATE_BYTES)
		(void)get_date(dates, &c->last_date);
	size_t second = str_find_byte(dates, DATE_BEGIN);
	if (second != SIZE_MAX && dates.n - second > COOKIE_DATE_BYTES)
		(void)get_date(str_slice(dates, second + 1, dates.n), &c->first_date);
	return str_slice(value, 0, bar);
}

// More than `most` seconds ago, or more than a day ahead: clocks differ, but not by that.
static bool
is_over(uint32_t date, uint64_t most_s, uint32_t now)
{
	return date != 0 && most_s != 0 &&
	       ((int32_t)(now - date) > (int32_t)most_s || (int32_t)(date - now) > A_DAY_S);
}

static bool
has_expired(struct txn *t, const struct cookie_conf *conf, struct txn_cookies *c)
{
	uint32_t now = cookie_now_s(t);
	char why = is_over(c->first_date, conf->maxlife_s, now)  ? 'O'
		   : is_over(c->last_date, conf->maxidle_s, now) ? 'E'
								 : 0;
	if (why == 0)
		return false;
	c->client = why;
	c->first_date = c->last_date = 0;
	return true;
}

static bool
is_unused(const struct txn *t)
{
	return t->flags & TXN_IGNORE_PERSIST || t->wanted != NULL;
}

// The first server of that value which may be used is the one.
static void
look_up(struct txn *t, struct txn_cookies *c, struct str name)
{
	bool down = false;
	const struct proxy *b = cookie_backend_of(t);
	bool down_too = b->options & PROXY_OPT_PERSIST || t->flags & TXN_FORCE_PERSIST;
	struct server *s = NULL;
	if (!is_unused(t))
		s = backend_cookie_find(b->backend, name, down_too, &down);
	if (s != NULL) {
		t->wanted = s;
		c->client = server_is_up(s) ? 'V' : 'D';
	} else if (down) {
		c->client = 'D';
	} else if (c->client == 'N') {
		c->client = is_unused(t) ? 'U' : 'I';
	}
}

// --- a request -----------------------------------------------------------------------------------

// Ours: whom it names, and whether it goes on to the server.
static void
take_own(struct txn *t, struct http_cookie_edit *e, const struct cookie_conf *conf,
	 const struct http_cookie *k)
{
	struct txn_cookies *c = t->cookies;
	struct str value = http_cookie_value(e->in, k), name = value;
	if (conf->prefix)
		name = str_slice(value, 0, str_find_byte(value, PREFIX_END));
	else
		name = read_dates(c, value);
	uint32_t behind = k->value + (uint32_t)name.n + 1; // PREFIX_END
	bool has_prefix = conf->prefix && name.n < value.n;
	if (has_expired(t, conf, c))
		name.n = 0;
	look_up(t, c, name);
	if (has_prefix)
		http_cookie_keep(e, k, k->value, behind);
	else if (conf->insert && conf->indirect)
		http_cookie_drop(e);
	else
		http_cookie_keep(e, k, k->value, k->value);
}

// False: no room.
static bool
take_piece(struct txn *t, struct http_cookie_edit *e, const struct http_cookie *k)
{
	const struct cookie_conf *conf = cookie_backend_of(t)->cookie;
	if (http_cookie_is_attribute(e->in, k)) {
		http_cookie_follow(e, k);
		return true;
	}
	if (!http_cookie_has_value(k)) {
		http_cookie_keep(e, k, k->value, k->value);
		return true;
	}
	if (conf != NULL && str_eq(http_cookie_name(e->in, k), conf->name))
		take_own(t, e, conf, k);
	else
		http_cookie_keep(e, k, k->value, k->value);
	return cookie_capture(t, e->in, k, &t->cookies->in);
}

static bool
read_field(struct txn *t, struct http_field *f)
{
	struct http_cookie_edit e;
	struct http_cookie k;
	http_cookie_edit_init(&e, &t->arena, f);
	for (bool more = http_cookie_first(e.in, &k); more; more = http_cookie_next(e.in, &k))
		if (!take_piece(t, &e, &k))
			return false;
	return http_cookie_edit_end(&e, &t->req) == HTTP_EDIT_OK;
}

bool
cookie_read_request(struct txn *t)
{
	struct http_field *f = NULL;
	while ((f = http_head_find_id(&t->req, HTTP_FIELD_COOKIE, f)) != NULL)
		if (cookie_note(t) == NULL || !read_field(t, f))
			return false;
	return true;
}

// --- persistence ---------------------------------------------------------------------------------

bool
cookie_judge_persistence(struct txn *t)
{
	const struct persist_rule *r = t->backend->persist_rules;
	while (r != NULL && !cond_pass(r->cond, &t->ctx))
		r = r->next;
	if (r != NULL)
		t->flags |= r->force ? TXN_FORCE_PERSIST : TXN_IGNORE_PERSIST;
	return !t->ctx.failed;
}

// `option redispatch N`: with each Nth attempt, or, below zero, with the Nth from the end.
static bool
is_turn_to_redispatch(const struct txn *t)
{
	int64_t every = t->backend->redispatch_every;
	if (every < 0)
		every += 1 + (int64_t)retry_most(t, t->backend->retries);
	return every > 0 && t->retries % every == 0;
}

bool
cookie_gives_up_server(struct txn *t)
{
	bool may = t->backend->options & PROXY_OPT_REDISPATCH && !(t->flags & TXN_FORCE_PERSIST);
	if (!may || (server_is_up(t->wanted) && !is_turn_to_redispatch(t)))
		return false;
	t->wanted = NULL;
	return true;
}

void
cookie_server_changed(struct txn *t)
{
	t->wanted = NULL;
	if (t->cookies != NULL && t->cookies->client == 'V')
		t->cookies->client = 'D';
}

void
cookie_letters(const struct txn *t, char out[2])
{
	const struct cookie_conf *c = cookie_backend_of(t)->cookie;
	bool persists = c != NULL && (c->rewrite || c->insert || c->prefix || c->indirect);
	const struct txn_cookies *k = t->cookies;
	out[0] = out[1] = '-';
	if (!persists || !txn_has_request(t))
		return;
	out[0] = k != NULL ? k->client : 'N';
	out[1] = k != NULL ? k->server : 'N';
}
