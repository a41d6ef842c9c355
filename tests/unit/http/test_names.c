// SPDX-License-Identifier: MIT
// http/names: every known name is found in any case and nothing else is.
#include "http/names.h"

#include "tap.h"

static void
test_fields(void)
{
	for (unsigned id = 1; id < HTTP_FIELDS; id++) {
		struct str name = http_field_name((enum http_field_id)id);
		char upper[32], wrong[33];
		memcpy(wrong, name.p, name.n);
		for (size_t i = 0; i < name.n; i++) {
			char c = name.p[i];
			upper[i] = c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
		}
		OK(name.n > 0 && http_field_id_of(name) == id);
		OK(http_field_id_of(str_of(upper, name.n)) == id);
		bool found = false;
		for (size_t i = 0; i < name.n;
		     i++) // one bit off at each place, but for a letter's case
			for (unsigned bit = 1; bit < 256; bit <<= 1) {
				char c = name.p[i];
				if (bit == 0x20 && c != '-')
					continue;
				wrong[i] = (char)(c ^ (char)bit);
				found |= http_field_id_of(str_of(wrong, name.n)) == id;
				wrong[i] = c;
			}
		OK_MSG(!found, "a name that differs in one bit is another");
		wrong[name.n] = 'x';
		OK(http_field_id_of(str_of(wrong, name.n + 1)) == HTTP_FIELD_OTHER);
		OK(http_field_id_of(str_of(wrong, name.n - 1)) != id);
	}
	OK(http_field_id_of(STR("")) == HTTP_FIELD_OTHER);
	OK(http_name_of(STR("x-custom")).id == HTTP_FIELD_OTHER);
	OK(http_name_of(STR("te")).id == HTTP_FIELD_TE);
}

static void
test_methods(void)
{
	for (unsigned m = 1; m < HTTP_METHODS; m++)
		OK(http_method_of(http_method_name((enum http_method)m)) == m);
	OK(http_method_of(STR("get")) == HTTP_METHOD_OTHER);
	OK(http_method_of(STR("")) == HTTP_METHOD_OTHER);
	OK(http_method_is_idempotent(HTTP_METHOD_PUT));
	OK(!http_method_is_idempotent(HTTP_METHOD_POST));
	OK(!http_method_is_idempotent(HTTP_METHOD_OTHER));
}

static void
test_words(void)
{
	OK(str_eq(http_status_reason(503), STR("Service Unavailable")));
	OK(str_eq(http_status_reason(299), STR("Success")));
	OK(str_eq(http_status_reason(599), STR("Server Error")));
	OK(str_eq(http_status_reason(600), STR("Unknown")));
	OK(http_is_token(STR("!#$%&'*+-.^_`|~aZ09")));
	OK(!http_is_token(STR("")) && !http_is_token(STR("a b")) && !http_is_token(STR("a:")));
	OK(http_is_field_value(STR("a\tb \xff")) && http_is_field_value(STR("")));
	OK(!http_is_field_value(STR("a\r\nb")) && !http_is_field_value(STR("\0")));
	OK(!http_is_field_value(STR("\x7f")));
}

int
main(void)
{
	test_fields();
	test_methods();
	test_words();
	return tap_done();
}
