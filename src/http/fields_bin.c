// SPDX-License-Identifier: MIT
// Lengths below 240 are one byte; of others the four low bits come first, with 240 in them, and the
// rest, less 15, in sevens, least first, with 128 in all but the last.
#include "http/fields_bin.h"

size_t
fields_bin_put_length(char *p, uint64_t v)
{
	size_t n = 0;
	if (v < 240) {
		p[0] = (char)v;
		return 1;
	}
	p[n++] = (char)(v | 240);
	for (v = (v - 240) >> 4; v >= 128; v = (v - 128) >> 7)
		p[n++] = (char)(v | 128);
	p[n++] = (char)v;
	return n;
}

// No length that memory could hold needs a shift beyond 32.
static bool
take_length(struct str *list, uint64_t *length)
{
	const unsigned char *p = (const unsigned char *)list->p;
	size_t at = 0;
	if (list->n == 0)
		return false;
	*length = p[at++];
	for (unsigned shift = 4; *length >= 240 && (at == 1 || p[at - 1] >= 128); shift += 7) {
		if (at == list->n || shift > 32)
			return false;
		*length += (uint64_t)p[at++] << shift;
	}
	*list = str_slice(*list, at, list->n);
	return true;
}

static bool
take_text(struct str *list, struct str *text)
{
	uint64_t n;
	if (!take_length(list, &n) || n > list->n)
		return false;
	*text = str_slice(*list, 0, (size_t)n);
	*list = str_slice(*list, (size_t)n, list->n);
	return true;
}

enum fields_bin_status
fields_bin_next(struct str *list, struct str *name, struct str *value)
{
	if (list->n == 0)
		return FIELDS_BIN_END;
	if (!take_text(list, name) || !take_text(list, value))
		return FIELDS_BIN_BAD;
	if (name->n > 0)
		return FIELDS_BIN_FIELD;
	return value->n == 0 ? FIELDS_BIN_END : FIELDS_BIN_BAD;
}
