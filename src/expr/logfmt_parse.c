// SPDX-License-Identifier: MIT
// Log formats: the parser that cuts a format into pieces.

#include <ctype.h>

#include "base/mem.h"
#include "expr/logfmt_priv.h"

struct parser {
	struct expr_env *env;
	struct str text;
	size_t at;
	struct logfmt_piece *pieces;
	size_t n, cap;
	unsigned defaults; // set by %{...}o
	struct logfmt *made;
};

static struct logfmt_piece *
add_piece(struct parser *p, enum logfmt_kind kind)
{
	VEC_GROW(p->pieces, p->cap, p->n);
	struct logfmt_piece *piece = &p->pieces[p->n++];
	*piece = (struct logfmt_piece){.kind = kind};
	return piece;
}

static struct str
kept(struct parser *p, struct str s)
{
	struct str copy = str_copy(&p->env->set->arena, s);
	ASSERT(copy.p != NULL);
	return copy;
}

// Text that follows text is one piece ("100%%").
static void
add_text(struct parser *p, struct str s)
{
	struct logfmt_piece *last = p->n > 0 ? &p->pieces[p->n - 1] : NULL;
	if (p->made->flags & LOGFMT_ENCODED)
		return;
	if (last == NULL || last->kind != LOGFMT_TEXT) {
		add_piece(p, LOGFMT_TEXT)->text = kept(p, s);
		return;
	}
	char *joined = arena_alloc(&p->env->set->arena, last->text.n + s.n + 1, 1);
	ASSERT(joined != NULL);
	memcpy(joined, last->text.p, last->text.n);
	memcpy(joined + last->text.n, s.p, s.n);
	last->text = str_of(joined, last->text.n + s.n);
}

// "+Q,-X,E" on top of the defaults.
static bool
parse_flags(struct parser *p, unsigned *flags, struct err *err)
{
	static const struct {
		struct str name;
		unsigned bit, instead_of;
	} known[] = {
	    {{"Q", 1}, LOGFMT_QUOTE, 0},
	    {{"X", 1}, LOGFMT_HEX, 0},
	    {{"E", 1}, LOGFMT_ESCAPE, 0},
	    {{"json", 4}, LOGFMT_JSON, LOGFMT_CBOR},
	    {{"cbor", 4}, LOGFMT_CBOR, LOGFMT_JSON},
	    {{"bin", 3}, LOGFMT_RAW, 0},
	};
	size_t close = str_find_byte(str_slice(p->text, p->at, p->text.n), '}'), i;
	struct str list, word;
	if (close == SIZE_MAX)
		return err_set(err, "'}' is missing behind character %zu", p->at + 1);
	list = str_slice(p->text, p->at, p->at + close);
	while (str_next(&list, ',', &word)) {
		bool off = word.n > 0 && word.p[0] == '-';
		if (word.n > 0 && (off || word.p[0] == '+'))
			word = str_slice(word, 1, word.n);
		for (i = 0; i < ARRAY_LEN(known) && !str_eq(word, known[i].name); i++)
			;
		if (i == ARRAY_LEN(known))
			return err_set(err,
				       "unknown flag '%.*s' at character %zu; Q X E json cbor bin "
				       "are known",
				       STR_ARG(word), p->at + 1);
		*flags &= ~(known[i].bit | known[i].instead_of);
		*flags |= off ? 0 : known[i].bit;
	}
	p->at += close + 1;
	return true;
}

// "(name)" or "(name:type)" of an item.
static bool
parse_name(struct parser *p, struct logfmt_piece *item, struct err *err)
{
	static const struct {
		struct str name;
		enum sample_type type;
	} types[] = {
	    {{"str", 3}, SMP_STR},
	    {{"sint", 4}, SMP_INT},
	    {{"int", 3}, SMP_INT},
	    {{"bool", 4}, SMP_BOOL},
	};
	size_t close = str_find_byte(str_slice(p->text, p->at, p->text.n), ')'), i = 0;
	if (close == SIZE_MAX)
		return err_set(err, "')' is missing behind character %zu", p->at + 1);
	struct str all = str_slice(p->text, p->at, p->at + close), type;
	size_t colon = str_find_byte(all, ':');
	struct str name = str_slice(all, 0, colon);
	for (; i < name.n; i++)
		if (!isalnum((unsigned char)name.p[i]) && name.p[i] != '_' && name.p[i] != '-')
			break;
	if (i < name.n || name.n == 0)
		return err_set(err,
			       "'%.*s' at character %zu is no item's name: letters, digits, '_' "
			       "and '-' make one",
			       STR_ARG(name), p->at + 1);
	item->name = kept(p, name);
	p->at += close + 1;
	if (colon == SIZE_MAX)
		return true;
	type = str_slice(all, colon + 1, all.n);
	for (i = 0; i < ARRAY_LEN(types) && !str_eq(type, types[i].name); i++)
		;
	if (i == ARRAY_LEN(types))
		return err_set(err, "type '%.*s' of item '%.*s' is none of str, sint, bool",
			       STR_ARG(type), STR_ARG(name));
	item->cast = (uint8_t)types[i].type;
	return true;
}

// Up to the ']' that ends the expression: quotes and parentheses are stepped over.
static size_t
expr_end(struct str t, size_t at)
{
	char quote = 0;
	int depth = 0;
	for (; at < t.n; at++) {
		char c = t.p[at];
		if (c == '\\' && quote != '\'' && at + 1 < t.n)
			at++;
		else if (quote != 0 ? c == quote : (c == '"' || c == '\''))
			quote = quote != 0 ? 0 : c;
		else if (quote == 0 && c == '(')
			depth++;
		else if (quote == 0 && c == ')' && depth > 0)
			depth--;
		else if (quote == 0 && depth == 0 && c == ']')
			return at;
	}
	return SIZE_MAX;
}

// The piece of an item that was read; in a format that is encoded as a whole only those count
// that have a name.
static void
add_item(struct parser *p, const struct logfmt_piece *item)
{
	if (p->made->flags & LOGFMT_ENCODED && item->name.n == 0)
		return;
	*add_piece(p, item->kind) = *item;
	p->made->has_alias |= item->kind == LOGFMT_ALIAS;
	p->made->needs |= item->kind == LOGFMT_EXPR ? item->expr->needs : item->alias->needs;
}

static bool
parse_expr(struct parser *p, struct logfmt_piece *item, struct err *err)
{
	size_t from = p->at + 1, end = expr_end(p->text, from);
	if (end == SIZE_MAX)
		return err_set(err, "']' is missing behind character %zu", p->at + 1);
	struct expr *e = expr_parse(p->env, str_trim(str_slice(p->text, from, end)), err);
	if (e == NULL)
		return err_wrap(err, "%%[...] at character %zu", p->at);
	if (!sample_can_cast(e->out, item->cast))
		return err_set(err, "item '%.*s' gives %s, which cannot become %s",
			       STR_ARG(item->name), sample_type_name(e->out),
			       sample_type_name(item->cast));
	item->kind = LOGFMT_EXPR;
	item->expr = e;
	add_item(p, item);
	p->at = end + 1;
	return true;
}

static bool
parse_alias(struct parser *p, struct logfmt_piece *item, struct err *err)
{
	struct str rest = str_slice(p->text, p->at, p->text.n);
	const struct logfmt_alias *a = logfmt_alias_find(rest);
	if (a == NULL)
		return err_set(err, "unknown alias '%%%.*s' at character %zu",
			       (int)MIN(rest.n, (size_t)3), rest.p, p->at);
	item->kind = LOGFMT_ALIAS;
	item->alias = a;
	add_item(p, item);
	p->at += strlen(a->name);
	return true;
}

// "%{flags}o" prints nothing: its flags hold from here on. An encoding is that of the whole.
static bool
parse_defaults(struct parser *p, const struct logfmt_piece *item, struct err *err)
{
	const unsigned whole = LOGFMT_ENCODED | LOGFMT_RAW;
	if (item->name.n > 0)
		return err_set(err, "%%o at character %zu takes no name", p->at);
	if (p->n > 0 && (item->flags & whole) != (p->made->flags & whole))
		return err_set(err, "json, cbor and bin concern the whole: write %%{...}o first");
	p->defaults = item->flags;
	p->made->flags = item->flags & whole;
	p->at++;
	return true;
}

static char
next_char(const struct parser *p)
{
	return p->at < p->text.n ? p->text.p[p->at] : '\0';
}

// Behind '%'.
static bool
parse_percent(struct parser *p, struct err *err)
{
	struct logfmt_piece item = {.flags = p->defaults};
	if (next_char(p) == '%') {
		add_text(p, STR("%"));
		p->at++;
		return true;
	}
	if (next_char(p) == '(') {
		p->at++;
		if (!parse_name(p, &item, err))
			return false;
	}
	if (next_char(p) == '{') {
		p->at++;
		if (!parse_flags(p, &item.flags, err))
			return false;
	}
	if (p->at == p->text.n)
		return err_set(err, "nothing stands behind '%%' at the end");
	if (next_char(p) == '[')
		return parse_expr(p, &item, err);
	if (next_char(p) == 'o')
		return parse_defaults(p, &item, err);
	return parse_alias(p, &item, err);
}

static bool
parse_all(struct parser *p, struct err *err)
{
	while (p->at < p->text.n) {
		size_t from = p->at;
		char c = p->text.p[from];
		if (c == '%') {
			p->at++;
			if (!parse_percent(p, err))
				return false;
			continue;
		}
		while (p->at < p->text.n && p->text.p[p->at] != '%' &&
		       (p->text.p[p->at] == ' ') == (c == ' '))
			p->at++;
		if (p->made->flags & LOGFMT_ENCODED)
			continue;
		if (c == ' ')
			add_piece(p, LOGFMT_SPACE)->text = kept(p, str_slice(p->text, from, p->at));
		else
			add_text(p, str_slice(p->text, from, p->at));
	}
	if (p->made->flags & LOGFMT_ENCODED && p->n == 0)
		return err_set(err, "an encoded format holds the items that have a name, and none "
				    "has: write %%(name)...");
	return true;
}

// A format without anything to evaluate is one text, spaces included.
static void
fold_const(struct parser *p)
{
	size_t n = 0, at = 0;
	for (size_t i = 0; i < p->n; i++) {
		if (p->pieces[i].kind != LOGFMT_TEXT && p->pieces[i].kind != LOGFMT_SPACE)
			return;
		n += p->pieces[i].text.n;
	}
	if (p->n < 2)
		return;
	char *all = arena_alloc(&p->env->set->arena, n + 1, 1);
	ASSERT(all != NULL);
	for (size_t i = 0; i < p->n; at += p->pieces[i].text.n, i++)
		memcpy(all + at, p->pieces[i].text.p, p->pieces[i].text.n);
	all[n] = '\0';
	p->n = 1;
	p->pieces[0] = (struct logfmt_piece){.kind = LOGFMT_TEXT, .text = str_of(all, n)};
}

struct logfmt *
logfmt_parse(struct expr_env *env, struct str text, struct err *err)
{
	struct arena *arena = &env->set->arena;
	struct parser p = {.env = env, .text = text};
	p.made = ARENA_NEW(arena, struct logfmt);
	ASSERT(p.made != NULL);
	if (!parse_all(&p, err)) {
		mem_free(p.pieces);
		return NULL;
	}
	fold_const(&p);
	struct logfmt_piece *pieces =
	    arena_zalloc(arena, (p.n + 1) * sizeof(*pieces), alignof(struct logfmt_piece));
	ASSERT(pieces != NULL);
	if (p.n > 0)
		memcpy(pieces, p.pieces, p.n * sizeof(*pieces));
	p.made->pieces = pieces;
	p.made->n_pieces = (uint32_t)p.n;
	mem_free(p.pieces);
	return p.made;
}
