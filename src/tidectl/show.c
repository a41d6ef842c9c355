// SPDX-License-Identifier: MIT
// Bytes that need nothing pass in one piece.
#include "tidectl/show.h"

// How many bytes of a UTF-8 character begin at p; 0: none does.
static size_t
utf8_length(struct str p)
{
	unsigned char c = (unsigned char)p.p[0];
	size_t n = c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
	if (n > p.n)
		return 0;
	for (size_t i = 1; i < n; i++)
		if (((unsigned char)p.p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

// How many bytes at p may be shown; 0: the first one may not.
static size_t
harmless(struct str p)
{
	unsigned char c = (unsigned char)p.p[0];
	if (c < 0x80)
		return (c >= ' ' && c != 0x7f) || c == '\n' || c == '\t';
	size_t n = utf8_length(p);
	return n == 2 && c == 0xc2 && (unsigned char)p.p[1] < 0xa0 ? 0 : n;
}

void
show_text(FILE *stream, struct str text)
{
	size_t from = 0, at = 0;
	while (at < text.n) {
		size_t n = harmless(str_slice(text, at, text.n));
		if (n > 0) {
			at += n;
			continue;
		}
		fwrite(text.p + from, 1, at - from, stream);
		fprintf(stream, "\\x%02x", (unsigned char)text.p[at]);
		from = ++at;
	}
	fwrite(text.p + from, 1, text.n - from, stream);
}
