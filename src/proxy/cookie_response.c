// SPDX-License-Identifier: MIT
// The server's Set-Cookie fields, and the one that we add. Where the server sets the backend's
// cookie itself, `rewrite` and `prefix` write the server's name into it, `insert` takes it out for
// ours.
#include "http/cookie.h"
#include "proxy/cookie_priv.h"
#include "proxy/proxy.h"
#include "proxy/txn.h"

#define DATE_STEP_S 4

// A server is the one that the client's cookie asked for.
static bool
is_direct(const struct txn *t)
{
	return t->wanted != NULL;
}

// --- the server's own ----------------------------------------------------------------------------

// Writes the field again without spaces around '=', `prefix` and `rest` as its value and what
// follows. False: no room.
static bool
write_again(struct txn *t, struct http_field *f, const struct http_cookie *k, struct str prefix,
	    struct str rest)
{
	struct str in = http_field_value(f);
	struct str parts[] = {str_slice(in, 0, k->name_end), STR("="), prefix, rest};
	char *out = http_head_replace_begin(&t->arena, f, in.n + prefix.n);
	size_t n = 0;
	if (out == NULL)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (parts[i].n > 0)
			memcpy(out + n, parts[i].p, parts[i].n);
		n += parts[i].n;
	}
	http_head_replace_end(&t->res, f, out, n);
	return true;
}

// What becomes of the backend's cookie.
static bool
judge_own(struct txn *t, const struct cookie_conf *conf, struct http_field *f,
	  const struct http_cookie *k)
{
	struct txn_cookies *c = t->cookies;
	struct str in = http_field_value(f), name = STR(""), rest;
	if (t->server != NULL)
		name = server_cookie(t->server);
	c->server = 'P';
	if (conf->preserve)
		return true;
	if ((conf->insert && t->server != NULL) || (conf->indirect && is_direct(t))) {
		c->server = 'D';
		http_head_drop(&t->res, f);
		return true;
	}
	if (name.n == 0 || !(conf->rewrite || conf->prefix))
		return true;
	c->server = 'R';
	rest = str_slice(in, conf->rewrite ? k->value_end : k->value, in.n);
	if (conf->rewrite)
		return write_again(t, f, k, name, rest);
	char *prefix = arena_printf(&t->arena, "%.*s~", STR_ARG(name));
	return prefix != NULL && write_again(t, f, k, str_from_c(prefix), rest);
}

static bool
judge_field(struct txn *t, const struct cookie_conf *conf, struct http_field *f)
{
	struct http_cookie k;
	struct str in = http_field_value(f);
	struct txn_cookies *c = cookie_note(t);
	if (c == NULL)
		return false;
	if (!http_cookie_set(in, &k) || k.equal == k.value_end)
		return true;
	if (!cookie_capture(t, in, &k, &c->out))
		return false;
	if (http_cookie_is_loose(&k) &&
	    !write_again(t, f, &k, STR(""), str_slice(in, k.value, in.n)))
		return false;
	bool own = conf != NULL && !(t->flags & TXN_IGNORE_PERSIST) &&
		   str_eq(http_cookie_name(in, &k), conf->name);
	if (!own)
		return true;
	(void)http_cookie_set(http_field_value(f), &k); // where its parts are by now
	return judge_own(t, conf, f, &k);
}

// --- ours ----------------------------------------------------------------------------------------

// The client lacks it, or its dates are to change.
static bool
is_to_insert(const struct txn *t, const struct cookie_conf *conf)
{
	static const struct txn_cookies none = {.server = 'N'};
	const struct txn_cookies *c = t->cookies != NULL ? t->cookies : &none;
	if (!conf->insert || t->server == NULL || t->flags & TXN_IGNORE_PERSIST ||
	    (conf->preserve && c->server == 'P') ||
	    (conf->postonly && t->asked_method != HTTP_METHOD_POST))
		return false;
	if (!is_direct(t) || (conf->maxlife_s != 0) != (c->first_date != 0))
		return true;
	if (conf->maxidle_s == 0 && c->last_date == 0)
		return false;
	return c->last_date == 0 || (int32_t)(c->last_date - cookie_now_s(t)) < 0;
}

// "|LAST|FIRST", as far as they are asked for.
static struct str
make_dates(const struct txn *t, const struct cookie_conf *conf, char *out)
{
	uint32_t now = cookie_now_s(t) + DATE_STEP_S - 1, first = t->cookies->first_date;
	if (conf->maxidle_s == 0 && conf->maxlife_s == 0)
		return STR("");
	out[0] = '|';
	cookie_put_date(now, out + 1);
	if (conf->maxlife_s == 0)
		return str_of(out, 1 + COOKIE_DATE_BYTES);
	out[1 + COOKIE_DATE_BYTES] = '|';
	cookie_put_date(first != 0 ? first : now, out + 2 + COOKIE_DATE_BYTES);
	return str_of(out, 2 + 2 * COOKIE_DATE_BYTES);
}

// A client that comes from another server to one without a name forgets.
static bool
insert(struct txn *t, const struct cookie_conf *conf)
{
	char dates[2 + 2 * COOKIE_DATE_BYTES], *text;
	struct str name = server_cookie(t->server);
	struct txn_cookies *c = cookie_note(t);
	if (c == NULL)
		return false;
	struct str date = make_dates(t, conf, dates);
	if (name.n == 0)
		text = arena_printf(&t->arena,
				    "%.*s=; Expires=Thu, 01-Jan-1970 00:00:01 GMT; path=/%.*s",
				    STR_ARG(conf->name), STR_ARG(conf->tail));
	else
		text = arena_printf(&t->arena, "%.*s=%.*s%.*s; path=/%.*s", STR_ARG(conf->name),
				    STR_ARG(name), STR_ARG(date), STR_ARG(conf->tail));
	c->server = name.n > 0 && is_direct(t) ? 'U' : 'I';
	return text != NULL && http_head_add(&t->res, &t->arena, STR("set-cookie"),
					     str_from_c(text)) == HTTP_EDIT_OK;
}

// --- caches --------------------------------------------------------------------------------------

// What the words of Cache-Control leave of it.
struct cachable {
	bool may, fresh;
};

static bool
starts(struct str word, struct str with)
{
	return str_eq_nocase(str_slice(word, 0, with.n), with);
}

static void
weigh(struct cachable *c, struct str word)
{
	static const struct str forbids[] = {
	    {"private", 7}, {"no-cache", 8}, {"no-store", 8}, {"max-age=0", 9}, {"s-maxage=0", 10}};
	if (str_eq_nocase(word, STR("public")))
		c->may = true;
	for (size_t i = 0; i < ARRAY_LEN(forbids); i++)
		if (str_eq_nocase(word, forbids[i])) {
			c->may = false;
			return;
		}
	c->fresh |= starts(word, STR("s-maxage")) || starts(word, STR("max-age"));
}

// By default: a safe method's answer with one of these (RFC 9110 section 15.1).
static bool
is_cachable(unsigned method, unsigned status)
{
	static const uint16_t statuses[] = {200, 203, 204, 206, 300, 301, 404, 405, 410, 414, 501};
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
		if (statuses[i] == status)
			return method == HTTP_METHOD_GET || method == HTTP_METHOD_HEAD ||
			       method == HTTP_METHOD_OPTIONS || method == HTTP_METHOD_TRACE;
	return false;
}

// A cache may keep this response, as HAProxy judges it: allowed by Cache-Control and Pragma, and
// with a word on how long or by what it is known to be fresh.
static bool
may_be_cached(const struct txn *t)
{
	static const struct http_name control = {.text = {"cache-control", 13},
						 .id = HTTP_FIELD_CACHE_CONTROL};
	const struct http_head *h = &t->res;
	struct cachable c = {.may = is_cachable(t->asked_method, t->server_status)};
	struct http_values it;
	struct str word;
	const struct http_field *p = http_head_find_id(h, HTTP_FIELD_PRAGMA, NULL);
	if (p != NULL && str_eq_nocase(http_field_value(p), STR("no-cache")))
		return false;
	http_values_init(&it, h, &control, false);
	while (http_values_next(&it, &word))
		weigh(&c, word);
	return c.may && (c.fresh || http_head_find_id(h, HTTP_FIELD_EXPIRES, NULL) != NULL ||
			 http_head_find_id(h, HTTP_FIELD_ETAG, NULL) != NULL ||
			 http_head_find_id(h, HTTP_FIELD_LAST_MODIFIED, NULL) != NULL);
}

bool
cookie_judge_response(struct txn *t)
{
	const struct cookie_conf *conf = cookie_backend_of(t)->cookie;
	struct http_field *f = NULL;
	if (conf == NULL && t->frontend->cookie_capture.len == 0)
		return true;
	while ((f = http_head_find_id(&t->res, HTTP_FIELD_SET_COOKIE, f)) != NULL)
		if (!judge_field(t, conf, f))
			return false;
	if (conf == NULL || !is_to_insert(t, conf))
		return true;
	if (!insert(t, conf))
		return false;
	return !conf->nocache || !may_be_cached(t) ||
	       http_head_add(&t->res, &t->arena, STR("cache-control"), STR("private")) ==
		   HTTP_EDIT_OK;
}
