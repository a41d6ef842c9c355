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

void
sbuf_add_json(struct sbuf *b, struct str s)
{
	sbuf_add_byte(b, '"');
	for (size_t i = 0; i < s.n;) {
		unsigned char c = (unsigned char)s.p[i];
		size_t len = str_utf8_len(str_slice(s, i, s.n));
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
