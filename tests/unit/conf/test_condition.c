// SPDX-License-Identifier: MIT
// Conditions of .if and -cc. Except for true, false and strstr the expectations were read off
// haproxy 2.6.12.
#include "conf/conf.h"
#include "tap.h"

static const char *
test_env(void *arg, const char *name)
{
	(void)arg;
	return strcmp(name, "SET") == 0 ? "yes" : strcmp(name, "EMPTY") == 0 ? "" : NULL;
}

static const char *const features[] = {"THREAD", "LUA", NULL};

struct row {
	const char *text;
	bool want;
};

static const struct row good[] = {
    {"", false},
    {"  ", false},
    {"0", false},
    {"1", true},
    {"-1", true},
    {"0x1", true},
    {"00", false},
    {"42", true},
    {"true", true},
    {"false", false},
    {"!0", true},
    {"!!1", true},
    {"! 1", false},
    {"!(0)&&(1)", true},
    {"(1)", true},
    {"( 1 )", true},
    {"((0))", false},
    {"1 && 0", false},
    {"1 || 0 && 0", true},
    {"(1 || 0) && 0", false},
    {"0 || 0 || 1", true},
    {"1&&1||0", true},
    {"defined(SET)", true},
    {"defined(EMPTY)", true},
    {"defined(NOPE)", false},
    {"defined()", false},
    {"defined( SET )", false},
    {"feature(THREAD)", true},
    {"feature(QUIC)", false},
    {"feature()", false},
    {"enabled(epoll)", true},
    {"enabled(QUIC)", false},
    {"openssl_version_atleast(1.1)", false},
    {"openssl_version_before(9)", false},
    {"ssllib_name_startswith(OpenSSL)", false},
    {"streq(a,a)", true},
    {"streq(a b,a b)", true},
    {"streq(a b, a b)", false},
    {"streq(a,)", false},
    {"streq(,)", true},
    {"streq(\"$SET\",yes)", true},
    {"streq(\"$NOPE\",)", true},
    {"strneq(a,b)", true},
    {"strneq(a,a)", false},
    {"streq('\"a,b\"','\"a,b\"')", true},
    {"streq(a\\\\,b)", false},
    {"strstr(abc,b)", true},
    {"strstr(abc,x)", false},
    {"version_atleast(2.6)", true},
    {"version_atleast(2.6-dev4)", true},
    {"version_atleast(2.4-dev19)", true},
    {"version_atleast(2.7)", false},
    {"version_atleast(2.6.1)", false},
    {"version_before(2.6.1)", true},
    {"version_before(2.6)", false},
    {"version_before(3)", true},
    {"version_before(2.10)", true},
    {"version_atleast(x)", true},
    {"defined(SET) && (feature(QUIC) || streq(\"$SET\",yes))", true},
    {"1 # comment", true},
};

static const char *const bad[][2] = {
    {"foo", "unparsable conditional expression 'foo'"},
    {"!", "unparsable conditional expression '!'"},
    {"1 &&", "unparsable conditional expression ''"},
    {"0 && foo", "unparsable conditional expression 'foo'"},
    {"1||foo", "unparsable conditional expression 'foo'"},
    {"-", "unparsable conditional expression '-'"},
    {"1a", "unexpected character 'a' at the end of conditional expression '1a'"},
    {"1 2", "unexpected character '2' at the end of conditional expression '1 2'"},
    {"1)", "unexpected character ')' at the end of conditional expression '1)'"},
    {"1 and 0", "unexpected character 'a' at the end of conditional expression '1 and 0'"},
    {"(1", "expected ')' after conditional expression '(1'"},
    {"()", "unparsable conditional expression ')'"},
    {"defined", "predicate 'defined' expects 1 argument in parentheses"},
    {"streq", "predicate 'streq' expects 2 arguments in parentheses"},
    {"streq (a,b)", "predicate 'streq' expects 2 arguments in parentheses"},
    {"streq(a)", "missing arguments (got 1/2) for predicate 'streq'"},
    {"defined(A,B)", "too many arguments for predicate 'defined', expected 1"},
    {"streq(\"a,b\",a)", "too many arguments for predicate 'streq', expected 2"},
    {"defined(x", "expected ')' in argument 1 of predicate 'defined'"},
    {"defined('\"x)'", "expected ')' in argument 1 of predicate 'defined'"},
    {"True", "unparsable conditional expression 'True'"},
    {"\"$", "forbidden first char in environment variable name at position 3"},
    {"'a", "unmatched quote at position 1"},
};

static void
test_deep(const struct conf_options *opt)
{
	char text[400];
	struct err err;
	bool v;
	memset(text, '(', sizeof(text));
	OK(!conf_eval_condition(opt, str_of(text, sizeof(text)), &v, &err));
	IS_STR(err.text, "more than 64 nested parentheses in the condition");
	memset(text, '!', sizeof(text));
	text[sizeof(text) - 1] = '1';
	OK(conf_eval_condition(opt, str_of(text, sizeof(text)), &v, &err) && !v);
}

int
main(void)
{
	struct conf_options opt = {.env = test_env, .features = features};
	struct err err;
	bool v;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		OK_MSG(conf_eval_condition(&opt, str_from_c(good[i].text), &v, &err), good[i].text);
		OK_MSG(v == good[i].want, good[i].text);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		OK_MSG(!conf_eval_condition(&opt, str_from_c(bad[i][0]), &v, &err), bad[i][0]);
		IS_STR(err.text, bad[i][1]);
	}
	opt.version = "2.4-dev19";
	OK(conf_eval_condition(&opt, STR("version_before(2.4)"), &v, &err) && v);
	OK(conf_eval_condition(&opt, STR("version_atleast(2.4-dev18)"), &v, &err) && v);
	OK(conf_eval_condition(&opt, STR("version_before(2.4-rc1)"), &v, &err) && v);
	OK(conf_eval_condition(NULL, STR("feature(X)"), &v, &err) && !v);
	test_deep(&opt);
	return tap_done();
}
