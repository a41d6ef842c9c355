// SPDX-License-Identifier: MIT
// Converters of time, addresses, JSON and variables.

#include <jansson.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "expr/expr_priv.h"
#include "http/date.h"

// ---- variables

static bool
check_set_var(struct expr_arg *args, struct expr_env *env UNUSED, enum sample_type *out UNUSED,
	      struct err *err)
{
	unsigned mask = 0;
	for (int i = 1; args[i].given; i++) {
		if (!var_cond_parse(args[i].s, &mask, err))
			return false;
	}
	args[1].i = mask;
	return true;
}

static bool
conv_set_var(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *smp)
{
	if (!var_set_if(&args[0].var, (unsigned)args[1].i, ctx, smp))
		ctx->failed = true;
	return true;
}

static bool
conv_unset_var(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *smp UNUSED)
{
	(void)var_unset(&args[0].var, ctx); // an absent one is unset
	return true;
}

// ---- time

static const int64_t per_unit[] = {1, 1000, 1000000};

static bool
check_http_date(struct expr_arg *args, struct expr_env *env UNUSED, enum sample_type *out UNUSED,
		struct err *err)
{
	static const struct str units[] = {{"s", 1}, {"ms", 2}, {"us", 2}};
	for (int i = 0; i < 3; i++) {
		if (!args[1].given || str_eq(args[1].s, units[i])) {
			args[1].i = i;
			return true;
		}
	}
	return err_set(err, "unit '%.*s' is none of s, ms, us", STR_ARG(args[1].s));
}

// The offset is added in the unit of the number.
static bool
conv_http_date(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *smp)
{
	int64_t s;
	if (__builtin_add_overflow(smp->i, args[0].i, &s))
		return false;
	s /= per_unit[args[1].i];
	char *p = sample_room(ctx, HTTP_DATE_BYTES);
	if (p == NULL || s < 0 || s > INT64_C(253402300799)) // the year 9999
		return false;
	http_date_format(p, (uint64_t)s);
	sample_set_str(smp, str_of(p, HTTP_DATE_BYTES));
	return true;
}

#define TIME_TEXT_BYTES 512
#define FRACTION_DIGITS 6

// "%N" of the format becomes the digits of the second's fraction.
static bool
put_fraction(struct str format, int64_t fraction, int digits, char *out, size_t room)
{
	size_t n = 0;
	for (size_t i = 0; i < format.n; i++) {
		bool pair = format.p[i] == '%' && i + 1 < format.n;
		if (n + FRACTION_DIGITS + 2 >= room)
			return false;
		if (pair && format.p[i + 1] == 'N' && digits > 0) {
			n += (size_t)snprintf(out + n, room - n, "%0*lld", digits,
					      (long long)fraction);
			i++;
			continue;
		}
		out[n++] = format.p[i];
		if (pair)
			out[n++] = format.p[++i]; // "%%N" is no fraction
	}
	out[n] = '\0';
	return true;
}

static bool
give_time(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *smp, bool local,
	  int digits)
{
	static const int64_t per_second[] = {[0] = 1, [3] = 1000, [6] = 1000000};
	struct tm tm;
	char format[TIME_TEXT_BYTES];
	int64_t per = per_second[digits], stamp;
	if (__builtin_add_overflow(smp->i, args[1].i, &stamp))
		return false;
	int64_t fraction = (stamp % per + per) % per;
	time_t t = stamp / per - (stamp % per < 0); // rounded down
	if (!put_fraction(args[0].s, fraction, digits, format, sizeof(format)))
		return false;
	if ((local ? localtime_r(&t, &tm) : gmtime_r(&t, &tm)) == NULL)
		return false;
	char *p = sample_room(ctx, TIME_TEXT_BYTES);
	if (p == NULL)
		return false;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	size_t n = strftime(p, TIME_TEXT_BYTES, format, &tm);
#pragma GCC diagnostic pop
	sample_set_str(smp, str_of(p, n));
	return true;
}

#define TIME_CONV(name, local, digits)                                               \
	static bool conv_##name(const struct expr_arg *args, struct sample_ctx *ctx, \
				struct sample *smp)                                  \
	{                                                                            \
		return give_time(args, ctx, smp, local, digits);                     \
	}
TIME_CONV(ltime, true, 0)
TIME_CONV(utime, false, 0)
TIME_CONV(ms_ltime, true, 3)
TIME_CONV(ms_utime, false, 3)
TIME_CONV(us_ltime, true, 6)
TIME_CONV(us_utime, false, 6)

// ---- addresses

// Without a mask for IPv6 such an address gives no sample, as in HAProxy.
static bool
conv_ipmask(const struct expr_arg *args, struct sample_ctx *ctx UNUSED, struct sample *smp)
{
	const struct expr_arg *mask = smp->type == SMP_IP4 ? &args[0] : &args[1];
	if (!mask->given)
		return false;
	for (size_t i = 0; i < (smp->type == SMP_IP4 ? 4 : 16); i++)
		smp->ip[i] &= mask->ip[i];
	return true;
}

// ---- JSON

enum json_input { JSON_ASCII, JSON_UTF8, JSON_UTF8S, JSON_UTF8P, JSON_UTF8PS };

static bool
check_json(struct expr_arg *args, struct expr_env *env UNUSED, enum sample_type *out UNUSED,
	   struct err *err)
{
	static const char *const names[] = {"ascii", "utf8", "utf8s", "utf8p", "utf8ps"};
	for (size_t i = 0; args[0].given && i < ARRAY_LEN(names); i++) {
		if (str_eq(args[0].s, str_from_c(names[i]))) {
			args[0].i = (int64_t)i;
			return true;
		}
	}
	return !args[0].given || err_set(err,
					 "input '%.*s' is none of ascii, utf8, utf8s, utf8p, "
					 "utf8ps",
					 STR_ARG(args[0].s));
}

// One code point; bytes used, 0 when malformed.
static size_t
utf8_next(struct str s, uint32_t *code)
{
	size_t n = str_utf8_len(s);
	if (n == 0)
		return 0;
	*code = n == 1 ? (uint8_t)s.p[0] : (uint8_t)s.p[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++)
		*code = *code << 6 | ((uint8_t)s.p[i] & 0x3f);
	return n;
}

static size_t
json_put(char *p, uint32_t code)
{
	static const char from[] = "\"\\/\b\f\n\r\t", to[] = "\"\\/bfnrt";
	const char *known = code != 0 && code < 0x80 ? strchr(from, (int)code) : NULL;
	if (known != NULL) {
		p[0] = '\\';
		p[1] = to[known - from];
		return 2;
	}
	if (code >= 0x20 && code < 0x7f) {
		p[0] = (char)code;
		return 1;
	}
	if (code >= 0x10000) {
		code -= 0x10000;
		return json_put(p, 0xd800 + (code >> 10)) +
		       json_put(p + 6, 0xdc00 + (code & 0x3ff));
	}
	static const char hex[] = "0123456789abcdef";
	p[0] = '\\';
	p[1] = 'u';
	for (int i = 0; i < 4; i++)
		p[2 + i] = hex[(code >> (12 - 4 * i)) & 15];
	return 6;
}

// Malformed input: utf8 and utf8p give no sample, utf8s and utf8ps leave the byte out.
static bool
conv_json(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *smp)
{
	struct str s = smp->s;
	size_t n = 0;
	char *p = sample_room(ctx, s.n * 6);
	if (p == NULL)
		return false;
	for (size_t i = 0; i < s.n;) {
		uint32_t code = (uint8_t)s.p[i];
		size_t used = args[0].i == JSON_ASCII ? 1 : utf8_next(str_slice(s, i, s.n), &code);
		if (used == 0 && (args[0].i == JSON_UTF8 || args[0].i == JSON_UTF8P))
			return false;
		i += used == 0 ? 1 : used;
		if (used > 0)
			n += json_put(p + n, code);
	}
	sample_set_str(smp, str_of(p, n));
	return true;
}

#define JSON_MAX_STEPS 32

// One step of "$.a.b[2]": a member's name or an element's index. False at the end or a mistake.
static bool
json_step(struct str *path, struct str *name, int64_t *index)
{
	*name = STR_NULL;
	if (path->n > 1 && path->p[0] == '.') {
		size_t end = 1;
		while (end < path->n && path->p[end] != '.' && path->p[end] != '[')
			end += path->p[end] == '\\' && end + 1 < path->n ? 2 : 1;
		*name = str_slice(*path, 1, end);
		*path = str_slice(*path, end, path->n);
		return name->n > 0;
	}
	size_t close = path->n > 2 && path->p[0] == '[' ? str_find_byte(*path, ']') : SIZE_MAX;
	if (close == SIZE_MAX || !str_to_int(str_slice(*path, 1, close), index) || *index < 0)
		return false;
	*path = str_slice(*path, close + 1, path->n);
	return true;
}

static bool
check_json_query(struct expr_arg *args, struct expr_env *env UNUSED, enum sample_type *out,
		 struct err *err)
{
	struct str path = args[0].s, name;
	int64_t index;
	bool good = path.n > 0 && path.p[0] == '$';
	for (path = str_slice(path, 1, path.n); good && path.n > 0;)
		good = json_step(&path, &name, &index);
	if (!good)
		return err_set(err, "'%.*s' is no path of the form $.name[index]...",
			       STR_ARG(args[0].s));
	if (args[1].given && !str_eq(args[1].s, STR("int")))
		return err_set(err, "output type '%.*s' can only be int", STR_ARG(args[1].s));
	if (args[1].given)
		*out = SMP_INT;
	return true;
}

// A member's name without its backslashes ("a\.b").
static const json_t *
json_member(const json_t *at, struct str name)
{
	char key[256];
	size_t n = 0;
	for (size_t i = 0; i < name.n && n < sizeof(key); i++) {
		if (name.p[i] == '\\' && i + 1 < name.n)
			i++;
		key[n++] = name.p[i];
	}
	return n < sizeof(key) ? json_object_getn(at, key, n) : NULL;
}

static const json_t *
json_walk(const json_t *at, struct str path)
{
	struct str name;
	int64_t index = 0;
	for (path = str_slice(path, 1, path.n); path.n > 0 && at != NULL;) {
		if (!json_step(&path, &name, &index))
			return NULL;
		at = name.p != NULL ? json_member(at, name) : json_array_get(at, (size_t)index);
	}
	return at;
}

static bool
json_give_text(const json_t *v, struct sample_ctx *ctx, struct sample *smp)
{
	size_t n = json_is_string(v) ? json_string_length(v)
				     : json_dumpb(v, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
	char *p = sample_room(ctx, n);
	if (p == NULL)
		return false;
	if (json_is_string(v))
		memcpy(p, json_string_value(v), n);
	else
		(void)json_dumpb(v, p, n, JSON_COMPACT | JSON_ENCODE_ANY); // n as just said
	sample_set_str(smp, str_of(p, n));
	return true;
}

static bool
json_give(const json_t *v, bool as_int, struct sample_ctx *ctx, struct sample *smp)
{
	if (v == NULL || json_is_null(v))
		return false;
	if (as_int) {
		if (!json_is_number(v))
			return false;
		double d = json_number_value(v);
		if (json_is_real(v) && !(d > -9.2e18 && d < 9.2e18))
			return false;
		sample_set_int(smp, json_is_real(v) ? (int64_t)d : json_integer_value(v));
		return true;
	}
	if (json_is_boolean(v)) {
		sample_set_bool(smp, json_is_true(v));
		return true;
	}
	return json_give_text(v, ctx, smp);
}

// jansson allocates; this is for the rules that must look into a JSON value.
static bool
conv_json_query(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *smp)
{
	json_error_t error;
	json_t *root = json_loadb(smp->s.n > 0 ? smp->s.p : "", smp->s.n, JSON_DECODE_ANY, &error);
	if (root == NULL)
		return false;
	bool found = json_give(json_walk(root, args[0].s), args[1].given, ctx, smp);
	json_decref(root);
	return found;
}

// ---- rows

static const struct arg_spec args_set_var[] = {{ARG_VAR, .name = "var"},
					       {ARG_STR, .name = "cond", .flags = ARG_OPTIONAL},
					       {ARG_STR, .name = "cond", .flags = ARG_OPTIONAL},
					       {ARG_STR, .name = "cond", .flags = ARG_OPTIONAL},
					       {ARG_STR, .name = "cond", .flags = ARG_OPTIONAL},
					       {.type = ARG_END}};
static const struct arg_spec args_unset_var[] = {{ARG_VAR, .name = "var"}, {.type = ARG_END}};
static const struct arg_spec args_http_date[] = {{ARG_INT, .name = "offset", .flags = ARG_OPTIONAL},
						 {ARG_STR, .name = "unit", .flags = ARG_OPTIONAL},
						 {.type = ARG_END}};
static const struct arg_spec args_time[] = {{ARG_STR, .name = "format", .flags = ARG_NOT_EMPTY},
					    {ARG_INT, .name = "offset", .flags = ARG_OPTIONAL},
					    {.type = ARG_END}};
static const struct arg_spec args_ipmask[] = {{ARG_MASK4, .name = "mask4"},
					      {ARG_MASK6, .name = "mask6", .flags = ARG_OPTIONAL},
					      {.type = ARG_END}};
static const struct arg_spec args_json[] = {{ARG_STR, .name = "input-code", .flags = ARG_OPTIONAL},
					    {.type = ARG_END}};
static const struct arg_spec args_json_query[] = {{ARG_STR, .name = "path", .flags = ARG_NOT_EMPTY},
						  {ARG_STR, .name = "output_type",
						   .flags = ARG_OPTIONAL},
						  {.type = ARG_END}};

#define TIME_ROW(word, text)                                                     \
	{                                                                        \
		.name = #word, .args = args_time, .in = SMP_INT, .out = SMP_STR, \
		.conv = conv_##word, .help = (text)                              \
	}

const struct conv_row expr_convs_misc[] = {
    {.name = "set-var",
     .args = args_set_var,
     .in = SMP_ANY,
     .out = SMP_ANY,
     .needs = SMP_NEED_WRITE,
     .flags = ROW_VOLATILE,
     .conv = conv_set_var,
     .check = check_set_var,
     .help = "stores the value in a variable, if the conditions hold, and passes it on"},
    {.name = "unset-var",
     .args = args_unset_var,
     .in = SMP_ANY,
     .out = SMP_ANY,
     .needs = SMP_NEED_WRITE,
     .flags = ROW_VOLATILE,
     .conv = conv_unset_var,
     .help = "unsets a variable and passes the value on"},
    {.name = "http_date",
     .args = args_http_date,
     .in = SMP_INT,
     .out = SMP_STR,
     .conv = conv_http_date,
     .check = check_http_date,
     .help = "a time since 1970 as HTTP writes dates; in s, ms or us"},
    TIME_ROW(ltime, "seconds since 1970 in local time, by strftime's format"),
    TIME_ROW(utime, "seconds since 1970 in UTC, by strftime's format"),
    TIME_ROW(ms_ltime, "milliseconds since 1970 in local time; %N in the format: their fraction"),
    TIME_ROW(ms_utime, "milliseconds since 1970 in UTC; %N in the format: their fraction"),
    TIME_ROW(us_ltime, "microseconds since 1970 in local time; %N in the format: their fraction"),
    TIME_ROW(us_utime, "microseconds since 1970 in UTC; %N in the format: their fraction"),
    {.name = "ipmask",
     .args = args_ipmask,
     .in = SMP_ADDR,
     .out = SMP_ADDR,
     .conv = conv_ipmask,
     .help = "an address without its host part"},
    {.name = "json",
     .args = args_json,
     .in = SMP_STR,
     .out = SMP_STR,
     .conv = conv_json,
     .check = check_json,
     .help = "text escaped for a JSON string (without the quotes)"},
    {.name = "json_query",
     .args = args_json_query,
     .in = SMP_STR,
     .out = SMP_ANY,
     .conv = conv_json_query,
     .check = check_json_query,
     .help = "the value at a path like $.a.b[0] of a JSON text"},
    {.name = NULL},
};
