// SPDX-License-Identifier: MIT
// Log formats: the rendering of pieces. The aliases are rows in logfmt_alias.c, the parser is
// logfmt_parse.c.

#include "expr/logfmt.h"

#include "expr/logfmt_priv.h"

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
	v = v != NULL ? v : &nothing;
	o->raw = (f->flags & LOGFMT_RAW) != 0 && o->mode != LOGFMT_HEADER;
	if (f->flags & LOGFMT_ENCODED) {
		logfmt_encode_line(o, f->pieces, f->n_pieces, f->flags, ctx, v);
		return;
	}
	for (const struct logfmt_piece *p = f->pieces, *end = p + f->n_pieces; p < end; p++) {
		if (UNLIKELY(p->flags & LOGFMT_ENCODED)) {
			logfmt_encode_item(o, p, ctx, v);
			continue;
		}
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
			p->alias->put(o, p, ctx, v);
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
	if (f->flags & LOGFMT_ENCODED)
		return false;
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
