// SPDX-License-Identifier: MIT
// Users and their passwords: sections userlist, the fetches that look into Authorization, and the
// action that asks for it. A crypted password costs its scheme's time on the worker (yescrypt and
// bcrypt: milliseconds), so each worker remembers a few that were right; a wrong one is computed
// each time. Only scheme Basic (RFC 7617) is checked against a list.
#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/module.h"
#include "conf/conf.h"
#include "expr/fetch.h"
#include "proxy/action_priv.h"
#include "proxy/auth_priv.h"
#include "proxy/conf_priv.h"
#include "proxy/host.h"
#include "proxy/stick.h"
#include "proxy/worker.h"

#define MOST_CREDENTIALS 512u // bytes in base64; longer ones name nobody
#define REMEMBERED       64u
#define REMEMBERED_BYTES 96u // longer passwords are computed each time

struct auth_group {
	struct auth_group *next;
	struct str name, members; // members: of the `group` line's `users`, by comma
	const struct conf_line *line;
};

struct auth_user {
	struct auth_user *next;
	struct str name, password, groups; // groups: of the `user` line, by comma
	bool plain;
	const struct conf_line *line;
};

struct userlist {
	struct userlist *next;
	struct str name;
	struct auth_user *users;
	struct auth_group *groups;
};

// Passwords that were right, a worker's own; direct-mapped.
struct auth_cache {
	struct {
		const struct auth_user *user; // NULL: empty
		size_t n;
		char password[REMEMBERED_BYTES];
	} right[REMEMBERED];
	struct crypt_data scratch; // 32 KiB, too much for a stack
};

struct auth_cache *
auth_cache_new(const struct proxy_set *set)
{
	return set->userlists != NULL ? MEM_NEW(struct auth_cache) : NULL;
}

void
auth_cache_free(struct auth_cache **c)
{
	if (*c != NULL)
		OPENSSL_cleanse(*c, sizeof(**c));
	mem_free(*c);
	*c = NULL;
}

// --- what the client sent --------------------------------------------------------------------

struct credentials {
	struct str scheme, rest; // "Basic", what stands behind it
	struct str user, password;
};

static bool
read_header(struct sample_ctx *ctx, struct credentials *c)
{
	const struct http_field *f =
	    ctx->req != NULL ? http_head_find_id(ctx->req, HTTP_FIELD_AUTHORIZATION, NULL) : NULL;
	if (f == NULL)
		return false;
	struct str value = http_field_value(f);
	size_t space = str_find_byte(value, ' ');
	if (space == SIZE_MAX || space == 0)
		return false;
	c->scheme = str_slice(value, 0, space);
	c->rest = str_trim(str_slice(value, space, value.n));
	return true;
}

static bool
read_basic(struct sample_ctx *ctx, struct credentials *c)
{
	if (!read_header(ctx, c) || !str_eq_nocase(c->scheme, STR("Basic")) || c->rest.n == 0 ||
	    c->rest.n > MOST_CREDENTIALS || c->rest.n % 4 != 0)
		return false;
	char *text = arena_alloc(ctx->arena, c->rest.n, 1);
	ctx->failed |= text == NULL;
	if (text == NULL)
		return false;
	int n = EVP_DecodeBlock((unsigned char *)text, (const unsigned char *)c->rest.p,
				(int)c->rest.n);
	if (n < 0)
		return false;
	for (size_t i = c->rest.n; i > c->rest.n - 2 && c->rest.p[i - 1] == '='; i--)
		n--;
	struct str pair = str_of(text, (size_t)n);
	size_t colon = str_find_byte(pair, ':');
	if (colon == SIZE_MAX)
		return false;
	c->user = str_slice(pair, 0, colon);
	c->password = str_slice(pair, colon + 1, pair.n);
	return true;
}

// --- checking --------------------------------------------------------------------------------

// In a time that does not tell where they differ.
static bool
same(struct str a, struct str b)
{
	return a.n == b.n && CRYPTO_memcmp(a.p, b.p, a.n) == 0;
}

static bool
crypts_to(struct auth_cache *cache, const struct auth_user *u, struct str password)
{
	char text[MOST_CREDENTIALS];
	if (password.n >= sizeof(text) || memchr(password.p, '\0', password.n) != NULL)
		return false;
	memcpy(text, password.p, password.n);
	text[password.n] = '\0';
	const char *made = crypt_r(text, u->password.p, &cache->scratch);
	bool ok = made != NULL && made[0] != '*' && same(str_from_c(made), u->password);
	OPENSSL_cleanse(text, sizeof(text));
	return ok;
}

static bool
password_fits(struct auth_cache *cache, const struct auth_user *u, struct str password)
{
	if (u->plain)
		return same(password, u->password);
	size_t slot = ((uintptr_t)u / sizeof(*u) + (size_t)hash_str(password)) % REMEMBERED;
	if (cache->right[slot].user == u &&
	    same(str_of(cache->right[slot].password, cache->right[slot].n), password))
		return true;
	if (!crypts_to(cache, u, password))
		return false;
	if (password.n <= REMEMBERED_BYTES) {
		cache->right[slot].user = u;
		cache->right[slot].n = password.n;
		memcpy(cache->right[slot].password, password.p, password.n);
	}
	return true;
}

// The user whose name and password these are, or NULL.
static const struct auth_user *
whose(const struct userlist *l, const struct credentials *c, const struct sample_ctx *ctx)
{
	if (ctx->host != &proxy_sample_host || l == NULL)
		return NULL;
	const struct txn *t = ctx->host_data;
	for (const struct auth_user *u = l->users; u != NULL; u = u->next)
		if (str_eq(u->name, c->user))
			return password_fits(t->worker->auth, u, c->password) ? u : NULL;
	return NULL;
}

static bool
list_has(struct str list, struct str word)
{
	struct str piece;
	while (str_next(&list, ',', &piece))
		if (str_eq(str_trim(piece), word))
			return true;
	return false;
}

static bool
is_member(const struct auth_user *u, const struct auth_group *g)
{
	return list_has(u->groups, g->name) || list_has(g->members, u->name);
}

// --- fetches -----------------------------------------------------------------------------------

static bool
fetch_auth(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out)
{
	struct credentials c;
	if (!read_basic(ctx, &c))
		return false;
	sample_set_bool(out, whose(args[0].ptr, &c, ctx) != NULL);
	return true;
}

// The user's name; to an ACL, each of the user's groups.
static bool
fetch_auth_group(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out)
{
	const struct userlist *l = args[0].ptr;
	struct credentials c;
	const struct auth_user *u = read_basic(ctx, &c) ? whose(l, &c, ctx) : NULL;
	if (u == NULL)
		return false;
	if (!ctx->iter.on) {
		sample_set_str(out, u->name);
		return true;
	}
	uint32_t seen = 0;
	for (const struct auth_group *g = l->groups; g != NULL; g = g->next) {
		if (!is_member(u, g) || seen++ < ctx->iter.field)
			continue;
		ctx->iter.field++;
		sample_set_str(out, g->name);
		out->flags |= SMP_NOT_LAST;
		return true;
	}
	return false;
}

static bool
fetch_auth_type(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	struct credentials c;
	if (read_basic(ctx, &c)) {
		sample_set_str(out, STR("Basic"));
		return true;
	}
	bool bearer =
	    read_header(ctx, &c) && str_eq_nocase(c.scheme, STR("Bearer")) && c.rest.n > 0;
	sample_set_str(out, STR("Bearer"));
	return bearer;
}

static bool
fetch_auth_user(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	struct credentials c;
	if (!read_basic(ctx, &c))
		return false;
	sample_set_str(out, c.user);
	return true;
}

static bool
fetch_auth_pass(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	struct credentials c;
	if (!read_basic(ctx, &c))
		return false;
	sample_set_str(out, c.password);
	return true;
}

// Of Authorization, or of the header that is named.
static bool
fetch_auth_bearer(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out)
{
	struct credentials c;
	if (!args[0].given) {
		if (!read_header(ctx, &c) || !str_eq_nocase(c.scheme, STR("Bearer")))
			return false;
		sample_set_str(out, c.rest);
		return true;
	}
	struct http_name name = http_name_of(args[0].s);
	const struct http_field *f =
	    ctx->req != NULL ? http_head_find(ctx->req, &name, NULL) : NULL;
	if (f == NULL)
		return false;
	struct str value = http_field_value(f);
	if (str_eq_nocase(str_slice(value, 0, 7), STR("Bearer ")))
		value = str_trim(str_slice(value, 7, value.n));
	sample_set_str(out, value);
	return true;
}

struct list_names {
	const struct userlist *at;
};

static const char *
next_list(void *iter)
{
	struct list_names *n = iter;
	const struct userlist *l = n->at;
	if (l == NULL)
		return NULL;
	n->at = l->next;
	return l->name.p;
}

static bool
link_list(struct expr_arg *args, struct conf *conf, struct err *err)
{
	const struct proxy_set *set = conf_bound(conf, "proxy");
	if (set == NULL)
		return true;
	for (struct userlist *l = set->userlists; l != NULL; l = l->next)
		if (str_eq(l->name, args[0].s)) {
			args[0].ptr = l;
			return true;
		}
	struct list_names iter = {set->userlists};
	const char *near = str_suggest(args[0].s, next_list, &iter);
	return err_set(err, "there is no userlist '%.*s'%s%s%s", STR_ARG(args[0].s),
		       near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
		       near != NULL ? "'?" : "");
}

static const struct arg_spec list_arg[] = {
    {.type = ARG_NAME, .name = "userlist", .flags = ARG_NOT_EMPTY}, {.type = ARG_END}};
static const struct arg_spec header_arg[] = {
    {.type = ARG_STR, .name = "header", .flags = ARG_OPTIONAL | ARG_NOT_EMPTY}, {.type = ARG_END}};

#define FETCH(word, spec, type, flag, function, linker, text)                                  \
	{                                                                                      \
		.name = word, .args = spec, .out = type, .needs = SMP_NEED_TXN | SMP_NEED_REQ, \
		.flags = flag, .fetch = function, .link = linker, .help = text                 \
	}

static const struct fetch_row auth_fetches[] = {
    FETCH(
	"http_auth", list_arg, SMP_BOOL, ROW_VOLATILE | ROW_LINK_LOOKS, fetch_auth, link_list,
	"whether Authorization bears a user of that list with the right password; none without any "
	"of scheme Basic"),
    FETCH("http_auth_group", list_arg, SMP_STR, ROW_VOLATILE | ROW_ITERATES | ROW_LINK_LOOKS,
	  fetch_auth_group, link_list, "that user's name; in an ACL each group of the user"),
    FETCH("http_auth_type", NULL, SMP_STR, 0, fetch_auth_type, NULL,
	  "Basic or Bearer, as the scheme of Authorization, if what stands behind it is readable"),
    FETCH("http_auth_user", NULL, SMP_STR, 0, fetch_auth_user, NULL,
	  "the user in Authorization, scheme Basic, unchecked"),
    FETCH("http_auth_pass", NULL, SMP_STR, 0, fetch_auth_pass, NULL,
	  "the password in Authorization, scheme Basic, unchecked"),
    FETCH("http_auth_bearer", header_arg, SMP_STR, 0, fetch_auth_bearer, NULL,
	  "the token in Authorization, scheme Bearer, or in the header named"),
    {.name = NULL},
};

// --- sections userlist -------------------------------------------------------------------------

static void *
begin_userlist(struct conf *conf, const struct conf_line *line UNUSED, struct str name,
	       struct err *err)
{
	struct proxy_set *set = conf_bound(conf, "proxy");
	for (const struct userlist *l = set->userlists; l != NULL; l = l->next)
		if (str_eq(l->name, name)) {
			err_set(err, "there is a userlist '%.*s' already", STR_ARG(name));
			return NULL;
		}
	struct userlist *l = CONF_NEW(conf, struct userlist);
	l->name = name;
	l->next = set->userlists;
	set->userlists = l;
	return l;
}

static bool
parse_group(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	struct userlist *l = obj;
	struct auth_group *g = CONF_NEW(conf, struct auth_group);
	*g = (struct auth_group){.name = line->values[0].s, .line = line};
	for (const struct auth_group *o = l->groups; o != NULL; o = o->next)
		if (str_eq(o->name, g->name))
			return err_set(err, "there is a group '%.*s' already", STR_ARG(g->name));
	int at = line->args + 1;
	if (at + 1 < line->argc && str_eq(line->argv[at], STR("users"))) {
		g->members = line->argv[at + 1];
		at += 2;
	}
	if (at < line->argc)
		return err_set(err, "'%.*s' is not expected here: 'users <user>,...' is",
			       STR_ARG(line->argv[at]));
	g->next = l->groups;
	l->groups = g;
	return true;
}

// What crypt() does not know, or cannot have made (any two letters are a salt of DES), would refuse
// the user for ever.
static bool
is_crypted(struct str password)
{
	struct crypt_data *scratch = MEM_NEW(struct crypt_data);
	const char *made = crypt_r("", password.p, scratch);
	bool ok = made != NULL && made[0] != '*' && strlen(made) == password.n;
	mem_free(scratch);
	return ok;
}

static bool
parse_user(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	struct userlist *l = obj;
	struct auth_user *u = CONF_NEW(conf, struct auth_user);
	*u = (struct auth_user){.name = line->values[0].s, .line = line};
	for (const struct auth_user *o = l->users; o != NULL; o = o->next)
		if (str_eq(o->name, u->name))
			return err_set(err, "there is a user '%.*s' already", STR_ARG(u->name));
	for (int at = line->args + 1; at < line->argc; at += 2) {
		struct str word = line->argv[at];
		bool crypted = str_eq(word, STR("password"));
		if (at + 1 >= line->argc)
			return err_set(err, "a value is missing behind '%.*s'", STR_ARG(word));
		if (crypted || str_eq(word, STR("insecure-password"))) {
			u->password = line->argv[at + 1];
			u->plain = !crypted;
		} else if (str_eq(word, STR("groups"))) {
			u->groups = line->argv[at + 1];
		} else {
			return err_set(err,
				       "'%.*s' is not expected here: password, "
				       "insecure-password and groups are",
				       STR_ARG(word));
		}
	}
	if (u->password.p == NULL)
		return err_set(err, "user '%.*s' has no password", STR_ARG(u->name));
	if (!u->plain && !is_crypted(u->password))
		return err_set(err,
			       "the password of '%.*s' is in no form that crypt(5) knows; one in "
			       "clear text is an 'insecure-password'",
			       STR_ARG(u->name));
	u->next = l->users;
	l->users = u;
	return true;
}

static bool
names_group(const struct userlist *l, struct str name)
{
	for (const struct auth_group *g = l->groups; g != NULL; g = g->next)
		if (str_eq(g->name, name))
			return true;
	return false;
}

static bool
names_user(const struct userlist *l, struct str name)
{
	for (const struct auth_user *u = l->users; u != NULL; u = u->next)
		if (str_eq(u->name, name))
			return true;
	return false;
}

// Users and groups may name each other in any order.
static bool
end_userlist(struct conf *conf, void *obj, struct err *err UNUSED)
{
	struct userlist *l = obj;
	struct str piece;
	for (const struct auth_user *u = l->users; u != NULL; u = u->next)
		for (struct str rest = u->groups; str_next(&rest, ',', &piece);)
			if (!names_group(l, str_trim(piece)))
				conf_error(conf, u->line,
					   "there is no group '%.*s' in userlist '%.*s'",
					   STR_ARG(piece), STR_ARG(l->name));
	for (const struct auth_group *g = l->groups; g != NULL; g = g->next)
		for (struct str rest = g->members; str_next(&rest, ',', &piece);)
			if (!names_user(l, str_trim(piece)))
				conf_error(conf, g->line,
					   "there is no user '%.*s' in userlist '%.*s'",
					   STR_ARG(piece), STR_ARG(l->name));
	return true;
}

static const struct conf_section auth_sections[] = {
    {.name = "userlist",
     .naming = CONF_NAME_REQUIRED,
     .begin = begin_userlist,
     .end = end_userlist,
     .help = "Users, passwords and groups, for http_auth() and http_auth_group()."},
    {.name = NULL},
};

static const struct conf_arg name_arg[] = {{.name = "name", .type = CONF_STR, .min = 1, .max = 256},
					   {.type = CONF_END}};

static const struct conf_keyword auth_keywords[] = {
    {.sections = "userlist",
     .words = "group",
     .args = name_arg,
     .parse = parse_group,
     .flags = CONF_EXTRA,
     .help = "group NAME [users USER,...]"},
    {.sections = "userlist",
     .words = "user",
     .args = name_arg,
     .parse = parse_user,
     .flags = CONF_EXTRA,
     .help = "user NAME password CRYPTED|insecure-password TEXT [groups GROUP,...]: CRYPTED as "
	     "crypt(5) and `mkpasswd` make it. Checking one takes as long as its scheme wants, "
	     "on the worker; right ones are remembered."},
    {.sections = NULL},
};

// --- http-request auth -------------------------------------------------------------------------

static bool
parse_auth(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
	   struct err *err)
{
	struct reply_header *h = r->args = CONF_NEW(conf, struct reply_header);
	struct str realm = r->proxy->name;
	if (*at < line->argc && str_eq(line->argv[*at], STR("realm"))) {
		++*at;
		if (!action_word(line, at, "the realm", &realm, err))
			return false;
	}
	if (!http_is_field_value(realm) || str_find_byte(realm, '"') != SIZE_MAX ||
	    str_find_byte(realm, '\\') != SIZE_MAX)
		return err_set(err,
			       "realm '%.*s' holds a control character, a quote or a backslash",
			       STR_ARG(realm));
	h->name = STR("www-authenticate");
	h->value = str_from_c(conf_printf(conf, "Basic realm=\"%.*s\"", STR_ARG(realm)));
	return true;
}

static enum rule_verdict
run_auth(const struct rule *r, struct txn *txn)
{
	txn_error_page(txn, 401);
	struct reply_header *h = ARENA_NEW(&txn->arena, struct reply_header);
	if (h == NULL)
		return RULE_FAIL;
	*h = *(const struct reply_header *)r->args;
	h->next = txn->reply.headers;
	txn->reply.headers = h;
	if (txn->worker->set->tables != NULL)
		stick_count_refused(txn);
	return RULE_REPLY;
}

static const struct action_row auth_actions[] = {
    {"auth", RULE_HTTP_REQUEST, parse_auth, run_auth, ACTION_FINAL, "auth [realm <realm>]",
     "Asks for a user and password: 401 with a challenge, scheme Basic; the realm is the "
     "section's name unless given."},
    {.name = NULL},
};

const struct module proxy_auth_module = {
    .name = "auth",
    .sections = auth_sections,
    .keywords = auth_keywords,
    .fetches = auth_fetches,
    .actions = auth_actions,
};
