// SPDX-License-Identifier: MIT
// vars/declare, vars/index, vars/text: names, definitions that change, what another opener of the
// table sees of it, and values as text.
#include "table.h"

static void
test_names(struct tidevars *t)
{
	struct tidevars_error err;
	uint32_t h;
	static const char *const bad[] = {"", "1a", ".a", "a b", "a-b", "\xc3\xa4", NULL};
	for (size_t i = 0; bad[i] != NULL; i++) {
		struct tidevars_decl d = {.name = bad[i], .type = TIDEVARS_INT};
		IS_INT(tidevars_declare(t, &d, &h, &err), TIDEVARS_BAD_NAME);
		OK(h == TIDEVARS_NO_HANDLE);
	}
	char name[66];
	memset(name, 'a', 65);
	name[64] = '\0';
	OK(!tidevars_name_ok(name, 64) && tidevars_name_ok(name, 63));
	OK(tidevars_name_ok("_a.B9", 5));
	uint32_t m = test_declare(t, "maint", TIDEVARS_HOLD);
	IS_INT(tidevars_find(t, "maint", 5, &h, &err), TIDEVARS_OK);
	IS_INT(h, m);
	IS_INT(tidevars_find(t, "maimt", 5, &h, &err), TIDEVARS_UNKNOWN);
	IS_STR(err.text, "no variable is named 'maimt'; did you mean 'maint'?");
	IS_INT(tidevars_find(t, "zzzzzzzz", 8, &h, &err), TIDEVARS_UNKNOWN);
	IS_STR(err.text, "no variable is named 'zzzzzzzz'");
	IS_STR(tidevars_name(t, m), "maint");
	OK(tidevars_name(t, 63) == NULL && tidevars_name(t, UINT32_MAX) == NULL);
}

static void
test_refusals(struct tidevars *t)
{
	struct tidevars_error err;
	struct tidevars_decl d = {.name = "x", .type = TIDEVARS_INT};
	d.flags = TIDEVARS_HAS_MIN | TIDEVARS_HAS_MAX;
	d.min = test_int(5);
	d.max = test_int(4);
	IS_INT(tidevars_declare(t, &d, NULL, &err), TIDEVARS_BOUNDS);
	d.max = test_int(9);
	IS_INT(tidevars_declare(t, &d, NULL, &err), TIDEVARS_BOUNDS); // the default, 0, is below
	d = (struct tidevars_decl){.name = "x", .type = TIDEVARS_STRING};
	d.flags = TIDEVARS_HAS_MIN;
	IS_INT(tidevars_declare(t, &d, NULL, &err), TIDEVARS_TYPE);
	d = (struct tidevars_decl){.name = "x", .type = TIDEVARS_COUNTER, .ttl_ns = 1};
	IS_INT(tidevars_declare(t, &d, NULL, &err), TIDEVARS_TYPE);
	d = (struct tidevars_decl){.name = "x", .type = TIDEVARS_INT, .half_life_ns = 1};
	IS_INT(tidevars_declare(t, &d, NULL, &err), TIDEVARS_TYPE);
	d = (struct tidevars_decl){.name = "x", .type = 99};
	IS_INT(tidevars_declare(t, &d, NULL, &err), TIDEVARS_TYPE);
	OK(tidevars_find(t, "x", 1, &d.type, NULL) == TIDEVARS_UNKNOWN);
}

static void
test_change(struct tidevars *t, struct tidevars *other)
{
	struct tidevars_error err;
	struct tidevars_info info;
	uint32_t h, h2;
	struct tidevars_decl d = {.name = "share",
				  .type = TIDEVARS_INT,
				  .initial = test_int(5),
				  .description = "percent of visitors"};
	IS_INT(tidevars_declare(t, &d, &h, &err), TIDEVARS_OK);
	IS_INT(tidevars_find(other, "share", 5, &h2, &err), TIDEVARS_OK);
	IS_INT(h2, h);
	IS_INT(test_read(other, h, 1).u.i, 5);
	d.initial = test_int(6);
	IS_INT(tidevars_declare(t, &d, &h2, &err), TIDEVARS_OK);
	IS_INT(h2, h);
	IS_INT(test_read(t, h, 1).u.i, 6);
	OK_MSG(test_read(other, h, 1).u.i == 6, "another opener sees the new default");
	struct tidevars_value v = test_int(150);
	IS_INT(tidevars_set(other, h, &v, 0, NULL, &err), TIDEVARS_OK);
	IS_INT(tidevars_declare(t, &d, &h2, &err), TIDEVARS_OK);
	OK_MSG(test_read(t, h, 1).u.i == 150, "the stored value wins over the default");
	d.flags = TIDEVARS_HAS_MAX;
	d.max = test_int(100);
	IS_INT(tidevars_declare(t, &d, &h2, &err), TIDEVARS_CONFLICT);
	OK(strstr(err.text, "150 is above max 100") != NULL && strstr(err.text, "unset") != NULL);
	IS_INT(tidevars_info(t, h, 1, &info, &err), TIDEVARS_OK);
	OK(info.flags == 0 && info.initial.u.i == 6 && info.value.u.i == 150);
	IS_STR(info.description, "percent of visitors");
	IS_STR(info.who, "test_declare");
	d = (struct tidevars_decl){.name = "share", .type = TIDEVARS_STRING};
	IS_INT(tidevars_declare(t, &d, &h2, &err), TIDEVARS_CONFLICT);
	OK(strstr(err.text, "stores it as int") != NULL &&
	   strstr(err.text, "declare it as int") != NULL);
	d.flags = TIDEVARS_REPLACE;
	d.initial = test_text("a text");
	IS_INT(tidevars_declare(t, &d, &h2, &err), TIDEVARS_OK);
	OK(h2 != h);
	IS_STR(test_read(t, h2, 1).text, "a text");
	IS_INT(tidevars_find(other, "share", 5, &h2, &err), TIDEVARS_OK);
	OK_MSG(h2 != h && tidevars_type(other, h2) == TIDEVARS_STRING,
	       "a new variable, elsewhere too");
	OK(test_read(other, h, 1).type == TIDEVARS_INT && test_read(other, h, 1).u.i == 6);
	IS_INT(tidevars_set(other, h, &v, 0, NULL, &err), TIDEVARS_UNKNOWN);
	IS_INT(tidevars_info(other, h, 1, &info, &err), TIDEVARS_UNKNOWN);
	d = (struct tidevars_decl){.name = "share",
				   .type = TIDEVARS_STRING,
				   .flags = TIDEVARS_UNDECLARED};
	IS_INT(tidevars_declare(t, &d, &h2, &err), TIDEVARS_OK);
	OK_MSG(strcmp(test_read(t, h2, 1).text, "a text") == 0, "undeclared keeps the definition");
}

static void
test_full(struct tidevars *t)
{
	struct tidevars_error err = {.text = ""};
	uint32_t n = tidevars_count(t), h;
	int status = TIDEVARS_OK;
	char name[16];
	for (; status == TIDEVARS_OK && n < 100; n++) {
		(void)snprintf(name, sizeof(name), "fill%u", n);
		struct tidevars_decl d = {.name = name, .type = TIDEVARS_STRING};
		d.initial = test_text(name); // as much data as a variable can take
		status = tidevars_declare(t, &d, &h, &err);
	}
	IS_INT(status, TIDEVARS_FULL);
	IS_INT(tidevars_count(t), 64);
	OK(strstr(err.text, "64 variables") != NULL);
	struct tidevars_decl d = {.name = "fill63", .type = TIDEVARS_STRING};
	d.initial = test_text("fill63");
	IS_INT(tidevars_declare(t, &d, &h, &err), TIDEVARS_OK);
	IS_STR(test_read(t, h, 1).text, "fill63");
}

static void
round_trip(uint32_t type, const char *in, const char *text, const char *json)
{
	struct tidevars_value v;
	char buf[600];
	IS_INT(tidevars_parse(type, in, strlen(in), &v, NULL), TIDEVARS_OK);
	IS_INT(tidevars_format(&v, buf, sizeof(buf)), strlen(text));
	IS_STR(buf, text);
	IS_INT(tidevars_format_json(&v, buf, sizeof(buf)), strlen(json));
	IS_STR(buf, json);
}

static void
test_text_values(void)
{
	struct tidevars_value v;
	struct tidevars_error err;
	char buf[4];
	round_trip(TIDEVARS_INT, "-9223372036854775808", "-9223372036854775808",
		   "-9223372036854775808");
	round_trip(TIDEVARS_BOOL, "on", "1", "true");
	round_trip(TIDEVARS_HOLD, "yes", "1", "1");
	round_trip(TIDEVARS_FLOAT, "0.1", "0.1", "0.1");
	round_trip(TIDEVARS_GAUGE, "80", "80", "80");
	round_trip(TIDEVARS_STRING, "a \"b\"\n", "a \"b\"\n", "\"a \\\"b\\\"\\u000a\"");
	round_trip(TIDEVARS_STRING, "", "", "\"\"");
	IS_INT(tidevars_parse(TIDEVARS_INT, "1x", 2, &v, &err), TIDEVARS_TYPE);
	IS_STR(err.text, "'1x' is not a whole number");
	IS_INT(tidevars_parse(TIDEVARS_FLOAT, "nan", 3, &v, &err), TIDEVARS_TYPE);
	IS_INT(tidevars_parse(TIDEVARS_NONE, "1", 1, &v, &err), TIDEVARS_TYPE);
	v = test_text("hello");
	OK(tidevars_format(&v, buf, sizeof(buf)) == 5 && strcmp(buf, "hel") == 0);
	OK(tidevars_format(&v, buf, 0) == 5);
	IS_INT(tidevars_type_of("gauge", 5), TIDEVARS_GAUGE);
	IS_INT(tidevars_type_of("gaug", 4), TIDEVARS_NONE);
	IS_STR(tidevars_status_name(TIDEVARS_BAD_CALL), "bad-call");
}

int
main(void)
{
	struct test_dir dir;
	test_dir_make(&dir);
	struct tidevars *t = test_open(dir.file, TIDEVARS_CREATE);
	struct tidevars *other = test_open(dir.file, 0);
	if (t == NULL || other == NULL)
		return 1;
	test_names(t);
	test_refusals(t);
	test_change(t, other);
	test_full(t);
	test_text_values();
	tidevars_close(&t);
	tidevars_close(&other);
	test_dir_remove(&dir);
	return tap_done();
}
