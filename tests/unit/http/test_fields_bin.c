// SPDX-License-Identifier: MIT
// http/fields_bin: lengths of every size there and back, and lists cut at every byte.
#include "http/fields_bin.h"

#include "base/base.h"
#include "base/mem.h"
#include "tap.h"

#define S(text)                        \
	{                              \
		text, sizeof(text) - 1 \
	}

static void
test_lengths(void)
{
	static const struct {
		uint64_t n;
		struct str bytes;
	} rows[] = {
	    {0, S("\x00")},
	    {239, S("\xef")},
	    {240, S("\xf0\x00")},
	    {255, S("\xff\x00")},
	    {256, S("\xf0\x01")},
	    {2287, S("\xff\x7f")},
	    {2288, S("\xf0\x80\x00")},
	    {2304, S("\xf0\x81\x00")},
	    {264431, S("\xff\xff\x7f")},
	    {264432, S("\xf0\x80\x80\x00")},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char p[FIELDS_BIN_LENGTH_BYTES];
		size_t n = fields_bin_put_length(p, rows[i].n);
		OK(str_eq(str_of(p, n), rows[i].bytes));
	}
	char p[FIELDS_BIN_LENGTH_BYTES];
	OK(fields_bin_put_length(p, UINT64_MAX) == FIELDS_BIN_LENGTH_BYTES);
}

// A list of one field: name "n", a value of so many bytes.
static size_t
put_field(char *p, size_t value_n)
{
	size_t n = fields_bin_put_length(p, 1);
	p[n++] = 'n';
	n += fields_bin_put_length(p + n, value_n);
	memset(p + n, 'v', value_n);
	return n + value_n;
}

// In memory of that very size, for the sanitizer's sake.
static enum fields_bin_status
next_of(const char *p, size_t n, struct str *value, size_t *left)
{
	char *own = mem_alloc(n > 0 ? n : 1);
	struct str list = str_of(own, n), name;
	memcpy(own, p, n);
	enum fields_bin_status st = fields_bin_next(&list, &name, value);
	*left = list.n;
	mem_free(own);
	return st;
}

static void
test_values(void)
{
	static const size_t sizes[] = {0, 1, 239, 240, 255, 256, 2287, 2288, 70000, 264432};
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		char *p = mem_alloc(sizes[i] + 32);
		size_t n = put_field(p, sizes[i]), left, wrong = 0;
		struct str value;
		OK(next_of(p, n, &value, &left) == FIELDS_BIN_FIELD && value.n == sizes[i] &&
		   left == 0);
		OK(next_of(p, n + 2, &value, &left) == FIELDS_BIN_FIELD && left == 2);
		OK(next_of(p, 0, &value, &left) == FIELDS_BIN_END);
		for (size_t cut = 1; cut < n; cut += n < 1000 ? 1 : 997)
			wrong += next_of(p, cut, &value, &left) != FIELDS_BIN_BAD;
		IS_INT(wrong, 0);
		mem_free(p);
	}
}

static void
test_ends(void)
{
	static const struct {
		struct str list;
		enum fields_bin_status status;
	} rows[] = {
	    {S("\x00\x00"), FIELDS_BIN_END},
	    {S("\x00\x00more"), FIELDS_BIN_END},
	    {S("\x00"), FIELDS_BIN_BAD},
	    {S("\x00\x01v"), FIELDS_BIN_BAD},
	    {S("\xf0"), FIELDS_BIN_BAD},
	    {S("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), FIELDS_BIN_BAD},
	    {S("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x00"), FIELDS_BIN_BAD},
	    {S("\x01n\xff\xff\xff\xff\xff\x7f"), FIELDS_BIN_BAD},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str value;
		size_t left;
		OK(next_of(rows[i].list.p, rows[i].list.n, &value, &left) == rows[i].status);
	}
}

int
main(void)
{
	test_lengths();
	test_values();
	test_ends();
	return tap_done();
}
