// SPDX-License-Identifier: MIT
// Log formats: the parser that cuts a format into pieces, and the rendering of pieces. The
// aliases are rows in logfmt_alias.c.

#include "expr/logfmt.h"

#include "base/mem.h"
#include "expr/logfmt_priv.h"

struct logfmt {
	const struct logfmt_piece *pieces;
	uint32_t n_pieces;
	unsigned needs;
	bool has_alias;
};

// ---- writing

static bool
arena_room(struct logfmt_out *o, size_t more)
{
	size_t cap = MAX(o->cap * 2, (size_t)128);
	if (o->cap - o->n >= more)
		return true;
	while (cap - o->n < more)
		cap *= 2;
	char *p = arena_alloc(o->arena, cap, 1);
	if (p == NULL) {
		o->full = true;
		return false;
	}
	if (o->n > 0)
		memcpy(p, o->p, o->n);
	o->p = p;
	o->cap = cap;
	return true;
}

void
logfmt_put(struct logfmt_out *o, const char *p, size_t n)
{
	if (n == 0)
		return;
	o->after_space = false;
	if (o->sbuf != NULL) {
		sbuf_add(o->sbuf, str_of(p, n));
	} else if (arena_room(o, n)) {
		memcpy(o->p + o->n, p, n);
		o->n += n;
	}
}

// The prefix for a byte that must not stand as it is; 0: it may.
static char
escape_of(const struct logfmt_out *o, unsigned char c, unsigned flags)
{
	if (o->mode == LOGFMT_HEADER)
		return (c < 0x20 && c != '\t') || c == 0x7f ? '%' : 0;
	if (o->mode == LOGFMT_LOG && (c < 0x20 || c == 0x7f))
		return '#';
	if (o->mode == LOGFMT_LOG && flags & (LOGFMT_URL | LOGFMT_CAPTURE) &&
	    (c > 0x7f || c == '"' || c == '#'))
		return '#';
	if (o->mode == LOGFMT_LOG && flags & LOGFMT_CAPTURE && (c == '{' || c == '|' || c == '}'))
		return '#';
	if ((flags & LOGFMT_ESCAPE) && (c == '"' || c == '\\' || c == ']'))
		return '\\';
	return 0;
}

static void
put_encoded(struct logfmt_out *o, struct str s, unsigned flags)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t from = 0;
	if (s.n == 0)
		return;
	if (o->mode == LOGFMT_VALUE && !(flags & LOGFMT_ESCAPE)) {
		logfmt_put(o, s.p, s.n);
		return;
	}
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		char prefix = escape_of(o, c, flags);
		if (prefix == 0)
			continue;
		logfmt_put(o, s.p + from, i - from);
		char bytes[3] = {prefix, hex[c >> 4], hex[c & 15]};
		if (prefix == '\\')
			bytes[1] = (char)c;
		logfmt_put(o, bytes, prefix == '\\' ? 2 : 3);
		from = i + 1;
	}
	logfmt_put(o, s.p + from, s.n - from);
}

void
logfmt_put_value(struct logfmt_out *o, struct str s, unsigned flags)
{
	if (s.n == 0 && o->mode == LOGFMT_LOG && !(flags & LOGFMT_QUOTE)) {
		logfmt_put(o, "-", 1);
		return;
	}
	if (flags & LOGFMT_QUOTE)
		logfmt_put(o, "\"", 1);
	put_encoded(o, s, flags);
	if (flags & LOGFMT_QUOTE)
		logfmt_put(o, "\"", 1);
}

static void
put_space(struct logfmt_out *o, struct str spaces)
{
	if (o->mode != LOGFMT_LOG) {
		logfmt_put(o, spaces.p, spaces.n);
	} else if (!o->after_space) {
		logfmt_put(o, " ", 1);
		o->after_space = true;
	}
}

static void
put_expr(struct logfmt_out *o, const struct logfmt_piece *p, struct sample_ctx *ctx)
{
	struct sample s;
	struct str text;
	if (!expr_eval(p->expr, ctx, &s) || !sample_text(&s, ctx, &text))
		text = STR("");
	logfmt_put_value(o, text, p->flags);
}

static void
render(const struct logfmt *f, struct sample_ctx *ctx, struct logfmt_out *o)
{
	static const struct log_values nothing;
	const struct log_values *v = NULL;
	if (f->has_alias && ctx->host != NULL && ctx->host->log != NULL)
		v = ctx->host->log(ctx);
	for (const struct logfmt_piece *p = f->pieces, *end = p + f->n_pieces; p < end; p++) {
		switch (p->kind) {
		case LOGFMT_TEXT:
			logfmt_put(o, p->text.p, p->text.n);
			break;
		case LOGFMT_SPACE:
			put_space(o, p->text);
			break;
		case LOGFMT_EXPR:
			put_expr(o, p, ctx);
			break;
		case LOGFMT_ALIAS:
			p->alias->put(o, p, ctx, v != NULL ? v : &nothing);
			break;
		}
	}
}

void
logfmt_render_log(const struct logfmt *f, struct sample_ctx *ctx, struct sbuf *out)
{
	struct logfmt_out o = {.sbuf = out, .mode = LOGFMT_LOG, .after_space = true};
	render(f, ctx, &o);
}

static bool
render_arena(const struct logfmt *f, struct sample_ctx *ctx, enum logfmt_mode mode, struct str *out)
{
	struct logfmt_out o = {.arena = ctx->arena, .mode = mode};
	if (logfmt_is_const(f, out))
		return true;
	render(f, ctx, &o);
	ctx->failed |= o.full;
	*out = str_of(o.n > 0 ? o.p : "", o.n);
	return !o.full;
}

bool
logfmt_render(const struct logfmt *f, struct sample_ctx *ctx, struct str *out)
{
	return render_arena(f, ctx, LOGFMT_VALUE, out);
}

bool
logfmt_render_header(const struct logfmt *f, struct sample_ctx *ctx, struct str *out)
{
	return render_arena(f, ctx, LOGFMT_HEADER, out);
}

bool
logfmt_is_const(const struct logfmt *f, struct str *text)
{
	*text = STR("");
	if (f->n_pieces == 0)
		return true;
	*text = f->pieces[0].text;
	return f->n_pieces == 1 && (f->pieces[0].kind == LOGFMT_TEXT);
}

unsigned
logfmt_needs(const struct logfmt *f)
{
	return f->needs;
}

// ---- parsing

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
	size_t close = str_find_byte(str_slice(p->text, p->at, p->text.n), '}');
	struct str list, word;
	if (close == SIZE_MAX)
		return err_set(err, "'}' is missing behind character %zu", p->at + 1);
	list = str_slice(p->text, p->at, p->at + close);
	while (str_next(&list, ',', &word)) {
		bool off = word.n > 0 && word.p[0] == '-';
		if (word.n > 0 && (off || word.p[0] == '+'))
			word = str_slice(word, 1, word.n);
		unsigned bit = str_eq(word, STR("Q"))   ? LOGFMT_QUOTE
			       : str_eq(word, STR("X")) ? LOGFMT_HEX
			       : str_eq(word, STR("E")) ? LOGFMT_ESCAPE
							: 0;
		if (bit == 0)
			return err_set(err, "unknown flag '%.*s' at character %zu; Q X E are known",
				       STR_ARG(word), p->at + 1);
		*flags = off ? *flags & ~bit : *flags | bit;
	}
	p->at += close + 1;
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

static bool
parse_expr(struct parser *p, unsigned flags, struct err *err)
{
	size_t from = p->at + 1, end = expr_end(p->text, from);
	if (end == SIZE_MAX)
		return err_set(err, "']' is missing behind character %zu", p->at + 1);
	struct expr *e = expr_parse(p->env, str_trim(str_slice(p->text, from, end)), err);
	if (e == NULL)
		return err_wrap(err, "%%[...] at character %zu", p->at);
	struct logfmt_piece *piece = add_piece(p, LOGFMT_EXPR);
	piece->expr = e;
	piece->flags = flags;
	p->made->needs |= e->needs;
	p->at = end + 1;
	return true;
}

static bool
parse_alias(struct parser *p, unsigned flags, struct err *err)
{
	struct str rest = str_slice(p->text, p->at, p->text.n);
	const struct logfmt_alias *a = logfmt_alias_find(rest);
	if (a == NULL)
		return err_set(err, "unknown alias '%%%.*s' at character %zu",
			       (int)MIN(rest.n, (size_t)3), rest.p, p->at);
	struct logfmt_piece *piece = add_piece(p, LOGFMT_ALIAS);
	piece->alias = a;
	piece->flags = flags;
	p->made->has_alias = true;
	p->at += strlen(a->name);
	return true;
}

// Behind '%'.
static bool
parse_percent(struct parser *p, struct err *err)
{
	unsigned flags = p->defaults;
	if (p->at < p->text.n && p->text.p[p->at] == '%') {
		add_text(p, STR("%"));
		p->at++;
		return true;
	}
	if (p->at < p->text.n && p->text.p[p->at] == '{') {
		p->at++;
		if (!parse_flags(p, &flags, err))
			return false;
	}
	if (p->at == p->text.n)
		return err_set(err, "nothing stands behind '%%' at the end");
	if (p->text.p[p->at] == '[')
		return parse_expr(p, flags, err);
	if (p->text.p[p->at] == 'o') { // prints nothing: its flags hold from here on
		p->defaults = flags;
		p->at++;
		return true;
	}
	return parse_alias(p, flags, err);
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
		if (c == ' ')
			add_piece(p, LOGFMT_SPACE)->text = kept(p, str_slice(p->text, from, p->at));
		else
			add_text(p, str_slice(p->text, from, p->at));
	}
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
