// SPDX-License-Identifier: MIT
// http/cookie: the pieces of Cookie and Set-Cookie fields, and what is left of a field when one
// cookie is taken out of it. That this is what HAProxy leaves is for scenario B080.
#include "http/cookie.h"

#include "base/arena.h"
#include "tap.h"

// "name|value" of each piece in brackets; without '=': "name".
static const char *
pieces(struct str field)
{
	static char text[256];
	struct http_cookie c;
	size_t n = 0;
	for (bool more = http_cookie_first(field, &c); more; more = http_cookie_next(field, &c)) {
		struct str name = http_cookie_name(field, &c), value = http_cookie_value(field, &c);
		OK(c.from <= c.name && c.name <= c.name_end && c.name_end <= c.equal &&
		   c.equal <= c.value && c.value <= c.value_end && c.value_end <= c.to &&
		   c.to <= field.n);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "[%.*s%s%.*s]", STR_ARG(name),
				      http_cookie_has_value(&c) ? "|" : "", STR_ARG(value));
	}
	text[n] = '\0';
	return text;
}

static void
test_pieces(void)
{
	static const struct {
		const char *field, *pieces;
	} rows[] = {
	    {"", ""},
	    {"a=b", "[a|b]"},
	    {"a=b; c=d", "[a|b][c|d]"},
	    {"a=b,c=d", "[a|b][c|d]"},
	    {" a = b ;c\t=\td ", "[a|b][c|d]"},
	    {"a", "[a]"},
	    {"a b", "[a b]"},
	    {"a b = c d ;", "[a b|c d][]"},
	    {"a=", "[a|]"},
	    {"=b", "[|b]"},
	    {"=", "[|]"},
	    {";", "[][]"},
	    {";a=b", "[][a|b]"},
	    {"a=b;;c=d", "[a|b][][c|d]"},
	    {"a=\"b;c,d\";e=f", "[a|\"b;c,d\"][e|f]"},
	    {"a=\"b\\\";c\";e=f", "[a|\"b\\\";c\"][e|f]"},
	    {"a=\"b;c=d", "[a|\"b;c=d]"},
	    {"a=\"b\\", "[a|\"b\\]"},
	    {"a=b\\;c=d", "[a|b\\][c|d]"},
	    {"a=b=c", "[a|b=c]"},
	    {"\"a;b\"=c", "[\"a][b\"|c]"},
	    {"$Version=1; a=b; $Path=/", "[$Version|1][a|b][$Path|/]"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		IS_STR(pieces(str_from_c(rows[i].field)), rows[i].pieces);
}

static void
test_set(void)
{
	struct http_cookie c;
	struct str s = STR("a,b = c,d ; Path=/");
	OK(http_cookie_set(s, &c));
	OK(str_eq(http_cookie_name(s, &c), STR("a,b")));
	OK(str_eq(http_cookie_value(s, &c), STR("c"))); // as HAProxy reads it
	OK(http_cookie_is_loose(&c));
	OK(!http_cookie_set(STR(""), &c));
	s = STR("a; b=c");
	OK(http_cookie_set(s, &c) && !http_cookie_has_value(&c) && c.to == 1);
}

static void
test_text(void)
{
	struct http_cookie c;
	char out[16];
	struct str s = STR("name \t= value ;b=c");
	OK(http_cookie_first(s, &c));
	OK(http_cookie_begins(s, &c, STR("")) && http_cookie_begins(s, &c, STR("na")) &&
	   http_cookie_begins(s, &c, STR("name=")) && http_cookie_begins(s, &c, STR("name=val")) &&
	   http_cookie_begins(s, &c, STR("name=value")));
	OK(!http_cookie_begins(s, &c, STR("name ")) && !http_cookie_begins(s, &c, STR("nam=")) &&
	   !http_cookie_begins(s, &c, STR("name=value ")));
	OK(http_cookie_copy(s, &c, out, sizeof(out)) == 10 && memcmp(out, "name=value", 10) == 0);
	OK(http_cookie_copy(s, &c, out, 6) == 6 && memcmp(out, "name=v", 6) == 0);
	OK(http_cookie_copy(s, &c, out, 0) == 0);
}

// The field without the cookies of the name S, and without the first byte of those of the name P.
static const char *
without(struct arena *a, const char *field)
{
	struct http_field table[2];
	struct http_head h;
	struct http_cookie_edit e;
	struct http_cookie c;
	http_head_init(&h, table, 2);
	OK(http_head_add(&h, a, STR("Cookie"), str_from_c(field)) == HTTP_EDIT_OK);
	http_cookie_edit_init(&e, a, &table[0]);
	for (bool more = http_cookie_first(e.in, &c); more; more = http_cookie_next(e.in, &c)) {
		struct str name = http_cookie_name(e.in, &c);
		uint32_t cut = str_eq(name, STR("P")) && c.value < c.value_end;
		if (http_cookie_is_attribute(e.in, &c))
			http_cookie_follow(&e, &c);
		else if (http_cookie_has_value(&c) && str_eq(name, STR("S")))
			http_cookie_drop(&e);
		else
			http_cookie_keep(&e, &c, c.value, c.value + cut);
	}
	OK(http_cookie_edit_end(&e, &h) == HTTP_EDIT_OK);
	if (table[0].flags & HTTP_FIELD_DROP)
		return "dropped";
	OK(memcmp(table[0].name, "Cookie: ", 8) == 0);
	OK(memcmp(table[0].value + table[0].value_n, "\r\n", 2) == 0);
	return arena_printf(a, "%.*s", STR_ARG(http_field_value(&table[0])));
}

static void
test_edits(void)
{
	static const struct {
		const char *field, *left;
	} rows[] = {
	    {"a=b; c=d", "a=b; c=d"},
	    {"S=1", "dropped"},
	    {"S=1; S=2", "dropped"},
	    {"S=1; $Path=/; S=2", "dropped"},
	    {"$Version=1; S=1", "dropped"},
	    {"S=1;", "dropped"},
	    {"S=1; a=b", "a=b"},
	    {"S=1 ;\t a=b", "a=b"},
	    {"a=b; S=1", "a=b"},
	    {"a=b; S=1; c=d", "a=b; c=d"},
	    {"a=b;S=1;c=d", "a=b; c=d"},
	    {"a=b ;S=1,c=d", "a=b, c=d"},
	    {"a=b; S=1; S=2; c=d", "a=b; c=d"},
	    {"S=1; a=b; S=2; c=d; S=3", "a=b; c=d"},
	    {"a=b; S=1; $Path=/; c=d", "a=b; c=d"},
	    {"$Version=1; S=1; a=b", "$Version=1; a=b"},
	    {"a = b; S = 1", "a=b"},
	    {"S=1; a", "a"},
	    {"S=1; ;c=d", ";c=d"},
	    {"P=xy; a=b", "P=y; a=b"},
	    {"a=b; P = xy", "a=b; P=y"},
	    {"S=1; P=xy", "P=y"},
	    {"P=x", "P="},
	    {";S=1;a=b", "a=b"},
	    {"s=1; SS=2", "s=1; SS=2"},
	    {"S=\"1;2\";a=b", "a=b"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct arena a;
		arena_init(&a, 4096);
		IS_STR(without(&a, rows[i].field), rows[i].left);
		arena_fini(&a);
	}
}

// Without room for the line the field stays as it was.
static void
test_no_room(void)
{
	struct arena a, small;
	struct http_field table[2];
	struct http_head h;
	struct http_cookie_edit e;
	struct http_cookie c;
	arena_init(&a, 4096);
	arena_init(&small, 8);
	http_head_init(&h, table, 2);
	OK(http_head_add(&h, &a, STR("Cookie"), STR("S=1; a=bcdefghijkl")) == HTTP_EDIT_OK);
	http_cookie_edit_init(&e, &small, &table[0]);
	OK(http_cookie_first(e.in, &c));
	http_cookie_drop(&e);
	OK(http_cookie_next(e.in, &c));
	http_cookie_keep(&e, &c, c.value, c.value);
	OK(http_cookie_edit_end(&e, &h) == HTTP_EDIT_FULL);
	OK(str_eq(http_field_value(&table[0]), STR("S=1; a=bcdefghijkl")));
	arena_fini(&small);
	arena_fini(&a);
}

int
main(void)
{
	test_pieces();
	test_set();
	test_text();
	test_edits();
	test_no_room();
	return tap_done();
}
