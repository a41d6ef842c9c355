// SPDX-License-Identifier: MIT
// `balance` and `hash-type`: each algorithm's words by a row; what both say together is put into
// the backend once all files are read.
#include "proxy/conf_priv.h"

#define MOST_DRAWS 1000

// Behind the algorithm's name; at: argv's next word.
struct words {
	struct conf *conf;
	const struct proxy *proxy;
	const struct conf_line *line;
	struct str inner; // between the parentheses of the algorithm; .p NULL: there are none
	int at;
	struct balance *to;
};

static bool
more_words(const struct words *w)
{
	return w->at < w->line->argc;
}

static bool
take_word(struct words *w, const char *word)
{
	if (!more_words(w) || !str_eq(w->line->argv[w->at], str_from_c(word)))
		return false;
	w->at++;
	return true;
}

static bool
take_count(struct words *w, const char *word, uint32_t *to, struct err *err)
{
	int64_t n = 0;
	struct str text = more_words(w) ? w->line->argv[w->at] : STR("");
	if (!str_to_int(text, &n) || n < 1 || n > INT32_MAX)
		return err_set(err, "'%s' expects a positive number, not '%.*s'", word,
			       STR_ARG(text));
	w->at++;
	*to = (uint32_t)n;
	return true;
}

static bool
parse_uri(struct words *w, struct err *err)
{
	bool ok = true;
	while (ok && more_words(w)) {
		if (take_word(w, "whole"))
			w->to->whole = true;
		else if (take_word(w, "path-only"))
			w->to->path_only = true;
		else if (take_word(w, "len"))
			ok = take_count(w, "len", &w->to->len, err);
		else if (take_word(w, "depth"))
			ok = take_count(w, "depth", &w->to->depth, err);
		else
			ok = err_set(err,
				     "'balance uri' takes whole, path-only, len N and depth N, not "
				     "'%.*s'",
				     STR_ARG(w->line->argv[w->at]));
	}
	return ok;
}

static bool
parse_url_param(struct words *w, struct err *err)
{
	int64_t n;
	if (!more_words(w) || w->line->argv[w->at].n == 0)
		return err_set(err, "'balance url_param' expects the name of a parameter");
	w->to->param = w->line->argv[w->at++];
	if (!take_word(w, "check_post"))
		return true;
	// HAProxy ignores a number here since it has no use for it.
	w->at += more_words(w) && str_to_int(w->line->argv[w->at], &n);
	conf_warn(w->conf, w->line,
		  "check_post is not performed: a parameter counts in the query, not in a body; "
		  "requests without it take turns");
	return true;
}

static bool
parse_hdr(struct words *w, struct err *err)
{
	if (!http_is_token(w->inner))
		return err_set(err, "'%.*s' is no header name: write 'balance hdr(NAME)'",
			       STR_ARG(w->inner));
	w->to->header = http_name_of(w->inner);
	w->to->domain_only = take_word(w, "use_domain_only");
	return true;
}

static bool
parse_random(struct words *w, struct err *err)
{
	int64_t n = 2;
	if (w->inner.p != NULL && (!str_to_int(w->inner, &n) || n < 1 || n > MOST_DRAWS))
		return err_set(err, "'balance random(N)' expects 1 to %d draws, not '%.*s'",
			       MOST_DRAWS, STR_ARG(w->inner));
	w->to->draws = (uint32_t)n;
	return true;
}

static bool
parse_hash(struct words *w, struct err *err)
{
	const struct expr_place *place =
	    w->proxy->mode == PROXY_TCP ? &EXPR_AT_TCP_CONTENT : &EXPR_AT_REQUEST;
	struct expr_env env = conf_proxy_env(w->proxy, w->line, place);
	int used = 0;
	if (!more_words(w))
		return err_set(err, "'balance hash' expects an expression, such as req.cook(id)");
	w->to->expr =
	    expr_parse_words(&env, w->line->argc - w->at, w->line->argv + w->at, &used, err);
	w->at += used;
	if (w->to->expr == NULL)
		return false;
	return sample_can_cast(expr_type(w->to->expr), SMP_BIN) ||
	       err_set(err, "'%.*s' gives no bytes to be hashed",
		       STR_ARG(expr_source(w->to->expr)));
}

// What stands behind an algorithm's name. Those without a row take nothing.
static const struct {
	const char *name;
	bool (*parse)(struct words *w, struct err *err);
	enum { INNER_NONE, INNER_OPTIONAL, INNER_NEEDED } inner;
} algorithm_words[] = {
    {"uri", parse_uri, INNER_NONE},           {"url_param", parse_url_param, INNER_NONE},
    {"hdr", parse_hdr, INNER_NEEDED},         {"hash", parse_hash, INNER_NONE},
    {"random", parse_random, INNER_OPTIONAL},
};

static const char *
next_name(void *at)
{
	const struct balance_row **row = at;
	return (*row)->name != NULL ? (*row)++->name : NULL;
}

static bool
refuse_algorithm(struct str word, struct err *err)
{
	const struct balance_row *at = balance_rows;
	const char *near = str_suggest(word, next_name, &at);
	if (str_starts(word, STR("rdp-cookie")))
		return err_set(err, "balance rdp-cookie comes in a later tidegate; balance hash "
				    "and source are there now");
	return err_set(err,
		       "'%.*s' is no way to balance: roundrobin, static-rr, leastconn, first, "
		       "random, source, uri, url_param, hdr(NAME) and hash are%s%s%s",
		       STR_ARG(word), near != NULL ? "; did you mean '" : "",
		       near != NULL ? near : "", near != NULL ? "'?" : "");
}

static bool
parse_words_of(struct words *w, struct str name, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(algorithm_words); i++) {
		if (!str_eq(name, str_from_c(algorithm_words[i].name)))
			continue;
		if (algorithm_words[i].inner == INNER_NEEDED && w->inner.p == NULL)
			w->inner = STR("");
		if (algorithm_words[i].inner == INNER_NONE && w->inner.p != NULL)
			break;
		return algorithm_words[i].parse(w, err);
	}
	return w->inner.p == NULL ||
	       err_set(err, "'balance %.*s' takes nothing in parentheses", STR_ARG(name));
}

bool
conf_parse_balance(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	struct proxy *p = conf_proxy_of(obj);
	struct str word = line->args < line->argc ? line->argv[line->args] : STR("roundrobin");
	struct balance how = {.row = balance_rows};
	struct words w = {.conf = conf, .proxy = p, .line = line, .at = line->args + 1, .to = &how};
	size_t open = str_find_byte(word, '(');
	struct str name = str_slice(word, 0, open == SIZE_MAX ? word.n : open);
	if (open != SIZE_MAX && word.p[word.n - 1] == ')')
		w.inner = str_slice(word, open + 1, word.n - 1);
	else if (open != SIZE_MAX)
		return err_set(err, "'%.*s' lacks its ')'", STR_ARG(word));
	while (how.row->name != NULL && !str_eq(str_from_c(how.row->name), name))
		how.row++;
	if (how.row->name == NULL)
		return refuse_algorithm(word, err);
	if (!parse_words_of(&w, name, err))
		return false;
	if (more_words(&w))
		return err_set(err, "'%.*s' is not expected behind 'balance %.*s'",
			       STR_ARG(line->argv[w.at]), STR_ARG(word));
	p->conf->balance = how;
	p->conf->balance_line = line;
	return true;
}

// Consistent hashing without a function spreads by the avalanche too, as in HAProxy.
bool
conf_parse_hash_type(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	(void)conf;
	struct balance_hashing *h = &conf_proxy_of(obj)->conf->hashing;
	const struct balance_hash *f = balance_hashes;
	int at = line->args + 1;
	bool consistent = line->values[0].i == 1;
	bool avalanche = consistent && at >= line->argc;
	if (at < line->argc) {
		while (f->name.p != NULL && !str_eq(f->name, line->argv[at]))
			f++;
		if (f->name.p == NULL)
			return err_set(
			    err,
			    "'%.*s' is no hash function: sdbm, djb2, wt6, crc32 and none "
			    "are",
			    STR_ARG(line->argv[at]));
		at++;
	}
	if (at < line->argc && str_eq(line->argv[at], STR("avalanche"))) {
		avalanche = true;
		at++;
	}
	if (at < line->argc)
		return err_set(err,
			       "'%.*s' is not expected here: 'avalanche' or the end of the line is",
			       STR_ARG(line->argv[at]));
	*h =
	    (struct balance_hashing){consistent ? &balance_ring : &balance_map, f->hash, avalanche};
	return true;
}

void
conf_balance_defaults(struct proxy_conf *c)
{
	c->balance.row = balance_rows;
	c->hashing = (struct balance_hashing){&balance_map, balance_hashes[0].hash, false};
}

void
conf_balance_apply(struct conf *conf, struct proxy *p)
{
	struct balance *how = &p->conf->balance;
	const struct balance_hashing *h = &p->conf->hashing;
	if (p->backend == NULL)
		return;
	if (p->mode == PROXY_TCP && how->row->needs_http) {
		conf_warn(conf, p->conf->balance_line,
			  "'%.*s' has mode tcp: 'balance %s' needs requests; roundrobin takes its "
			  "place",
			  STR_ARG(p->name), how->row->name);
		how->row = balance_rows;
	}
	how->table = how->row->table != NULL ? how->row->table : h->table;
	how->hash = h->hash;
	how->avalanche = h->avalanche;
	backend_set_balance(p->backend, how);
}
