// SPDX-License-Identifier: MIT
// base/str: comparing, cutting and parsing at their edges.
#include "base/str.h"

#include "base/arena.h"
#include "tap.h"

static void
test_numbers(void)
{
	int64_t v;
	OK(str_to_int(STR("9223372036854775807"), &v) && v == INT64_MAX);
	OK(str_to_int(STR("-9223372036854775808"), &v) && v == INT64_MIN);
	OK(!str_to_int(STR("9223372036854775808"), &v));
	OK(!str_to_int(STR("-9223372036854775809"), &v));
	OK(!str_to_int(STR(""), &v));
	OK(!str_to_int(STR("-"), &v));
	OK(!str_to_int(STR("1 "), &v));
	OK(str_to_int(STR("+7"), &v) && v == 7);
	uint64_t us;
	OK(str_to_time_us(STR("30m"), 1000, &us) && us == 1800000000);
	OK(str_to_time_us(STR("250"), 1000, &us) && us == 250000);
	OK(!str_to_time_us(STR("3 s"), 1000, &us));
	OK(!str_to_time_us(STR("99999999999999d"), 1000, &us));
	OK(!str_to_time_us(STR("s"), 1000, &us));
	OK(str_to_size(STR("16k"), &us) && us == 16384);
	double d;
	OK(str_to_double(STR("0.5"), &d) && d == 0.5);
	OK(!str_to_double(STR("inf"), &d));
	OK(!str_to_double(STR("1e999"), &d));
	OK(!str_to_double(STR("0x10"), &d));
}

static void
test_cutting(void)
{
	struct str rest = STR("a,,b"), piece;
	OK(str_next(&rest, ',', &piece) && str_eq(piece, STR("a")));
	OK(str_next(&rest, ',', &piece) && piece.n == 0);
	OK(str_next(&rest, ',', &piece) && str_eq(piece, STR("b")));
	OK(!str_next(&rest, ',', &piece));
	OK(str_eq(str_trim(STR(" \t x y ")), STR("x y")));
	OK(str_eq(str_slice(STR("abc"), 1, 99), STR("bc")));
	OK(str_slice(STR("abc"), 5, 2).n == 0);
	OK(str_eq_nocase(STR("Host"), STR("hOST")));
	OK(!str_eq_nocase(STR("k["), STR("K{"))); // differ only by 0x20 but are no letters
	OK(str_find(STR("hello"), STR("ll")) == 2);
	OK(str_find(STR("hello"), STR("lll")) == SIZE_MAX);
}

static const char *
next_word(void *iter)
{
	const char ***at = iter;
	return *(*at) != NULL ? *(*at)++ : NULL;
}

static void
test_tame(void)
{
	char text[] = "a\x1b[2J\n\x7f\tb \xc3\xa9\xc2\x9b\xc2\xa0\xc2";
	str_tame(text, "");
	IS_STR(text, "a?[2J???b \xc3\xa9??\xc2\xa0\xc2");
}

static void
test_suggest(void)
{
	const char *words[] = {"frontend", "backend", "listen", NULL};
	const char **at = words;
	IS_STR(str_suggest(STR("fronted"), next_word, &at), "frontend");
	at = words;
	IS_STR(str_suggest(STR("bakcedn"), next_word, &at), "backend"); // two swaps: two edits
	at = words;
	OK(str_suggest(STR("zzzzzz"), next_word, &at) == NULL);
}

static void
test_arena(void)
{
	struct arena a;
	arena_init(&a, 8192);
	OK(arena_alloc(&a, 9000, 8) == NULL);
	size_t got = 0;
	while (arena_alloc(&a, 100, 8) != NULL)
		got++;
	OK_MSG(got >= 70 && got <= 81, "an arena hands out nearly its cap and no more");
	arena_reset(&a);
	OK(arena_alloc(&a, 100, 64) != NULL);
	OK(((uintptr_t)arena_alloc(&a, 1, 64) & 63) == 0);
	IS_STR(arena_printf(&a, "%d-%s", 7, "x"), "7-x");
	arena_fini(&a);
}

static void
test_hex(void)
{
	char out[4] = "....";
	OK(byte_hex('0') == 0 && byte_hex('9') == 9 && byte_hex('a') == 10 && byte_hex('F') == 15);
	OK(byte_hex('/') < 0 && byte_hex(':') < 0 && byte_hex('g') < 0 && byte_hex('@') < 0);
	OK(byte_hex('\x10') < 0 && byte_hex('\xe1') < 0);
	OK(str_unhex(STR("00fFA1"), out) && memcmp(out, "\x00\xff\xa1.", 4) == 0);
	OK(str_unhex(STR(""), out) && !str_unhex(STR("123"), out) && !str_unhex(STR("1x"), out));
}

int
main(void)
{
	test_numbers();
	test_hex();
	test_cutting();
	test_tame();
	test_suggest();
	test_arena();
	return tap_done();
}
