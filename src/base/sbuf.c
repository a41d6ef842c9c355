// SPDX-License-Identifier: MIT
// The growing buffer behind answers, logs and rendered text.
#include "base/sbuf.h"

#include <stdio.h>

#include "base/mem.h"

void
sbuf_init(struct sbuf *b, size_t cap)
{
	*b = (struct sbuf){.cap = cap};
}

void
sbuf_fini(struct sbuf *b)
{
	mem_free(b->p);
	*b = (struct sbuf){.cap = b->cap};
}

void
sbuf_clear(struct sbuf *b)
{
	b->n = 0;
	b->full = false;
}

bool
sbuf_reserve(struct sbuf *b, size_t more)
{
	if (b->full || more > b->cap || b->n > b->cap - more) {
		b->full = true;
		return false;
	}
	size_t need = b->n + more + 1;
	if (need <= b->room)
		return true;
	size_t room = MAX(need, MAX(b->room * 2, (size_t)256));
	char *p = mem_try_realloc(b->p, room);
	if (p == NULL) {
		b->full = true;
		return false;
	}
	b->p = p;
	b->room = room;
	return true;
}

void
sbuf_add(struct sbuf *b, struct str s)
{
	if (!sbuf_reserve(b, s.n))
		return;
	if (s.n > 0)
		memcpy(b->p + b->n, s.p, s.n);
	b->n += s.n;
	b->p[b->n] = '\0';
}

void
sbuf_add_byte(struct sbuf *b, char c)
{
	sbuf_add(b, str_of(&c, 1));
}

void
sbuf_vprintf(struct sbuf *b, const char *fmt, va_list ap)
{
	va_list again;
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	if (n >= 0 && sbuf_reserve(b, (size_t)n)) {
		(void)vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again); // sized by the first pass
		b->n += (size_t)n;
	}
	va_end(again);
}

void
sbuf_printf(struct sbuf *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	sbuf_vprintf(b, fmt, ap);
	va_end(ap);
}

// Length of the UTF-8 sequence at p (RFC 3629: no overlong forms, no surrogates), or 0.
static size_t
utf8_len(const unsigned char *p, size_t n)
{
	static const struct {
		unsigned char lo, hi, second_lo, second_hi, len;
	} forms[] = {
	    {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
	    {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
	    {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
	};
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		if (p[0] < forms[i].lo || p[0] > forms[i].hi)
			continue;
		if (n < forms[i].len)
			return 0;
		if (forms[i].len > 1 && (p[1] < forms[i].second_lo || p[1] > forms[i].second_hi))
			return 0;
		for (size_t k = 2; k < forms[i].len; k++)
			if ((p[k] & 0xc0) != 0x80)
				return 0;
		return forms[i].len;
	}
	return 0;
}

void
sbuf_add_json(struct sbuf *b, struct str s)
{
	sbuf_add_byte(b, '"');
	for (size_t i = 0; i < s.n;) {
		unsigned char c = (unsigned char)s.p[i];
		size_t len = utf8_len((const unsigned char *)s.p + i, s.n - i);
		if (len == 0)
			sbuf_add(b, STR("\xef\xbf\xbd"));
		else if (c == '"' || c == '\\')
			sbuf_printf(b, "\\%c", c);
		else if (c < 0x20)
			sbuf_printf(b, "\\u%04x", c);
		else
			sbuf_add(b, str_of(s.p + i, len));
		i += MAX(len, (size_t)1);
	}
	sbuf_add_byte(b, '"');
}
