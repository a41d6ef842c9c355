// SPDX-License-Identifier: MIT
// A growing byte buffer with a cap, for answers, logs and rendered text: append, then read
// .p/.n. An append that would pass the cap, or finds no memory, marks the buffer `full` and
// appends nothing, so a writer may ignore each result and check `full` once at the end.
#pragma once

#include <stdarg.h>

#include "base/str.h"

struct sbuf {
	char *p; // NUL-terminated behind .n once anything was appended
	size_t n;
	size_t room; // allocated
	size_t cap;  // most bytes it may hold
	bool full;
};

void sbuf_init(struct sbuf *b, size_t cap);
void sbuf_fini(struct sbuf *b);
void sbuf_clear(struct sbuf *b); // keeps the memory
bool sbuf_reserve(struct sbuf *b, size_t more);
void sbuf_add(struct sbuf *b, struct str s);
void sbuf_add_byte(struct sbuf *b, char c);
void sbuf_printf(struct sbuf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void sbuf_vprintf(struct sbuf *b, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
// JSON string with quotes; bytes that are not UTF-8 become U+FFFD.
void sbuf_add_json(struct sbuf *b, struct str s);

static inline struct str
sbuf_str(const struct sbuf *b)
{
	return (struct str){b->p != NULL ? b->p : "", b->n};
}
