// SPDX-License-Identifier: MIT
// Typed values: from a word to a checked value, from a value to the setting's place in its
// object, and the sentence that says what was expected.
#include "conf/conf_priv.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

// Appends to a fixed buffer, cutting at its end.
struct text {
	char *p;
	size_t room;
};

static void PRINTF_LIKE(2, 3) text_add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(t->p, t->room, fmt, ap);
	va_end(ap);
	size_t used = n > 0 ? MIN((size_t)n, t->room - 1) : 0;
	t->p += used;
	t->room -= used;
}

struct scale {
	int64_t factor;
	const char *unit;
};

static const struct scale time_scales[] = {
    {CONF_S(86400), "d"}, {CONF_S(3600), "h"}, {CONF_S(60), "m"}, {CONF_S(1), "s"},
    {CONF_MS(1), "ms"},   {CONF_US(1), "us"},  {1, "ns"},         {0, NULL}};
static const struct scale size_scales[] = {
    {1 << 30, "g"}, {1 << 20, "m"}, {1 << 10, "k"}, {1, ""}, {0, NULL}};
static const struct scale no_scale[] = {{1, ""}, {0, NULL}};

// In the greatest unit that divides it.
static void
text_add_scaled(struct text *t, int64_t v, const struct scale *scales)
{
	while (scales[1].factor > 0 && (v == 0 || v % scales->factor != 0))
		scales++;
	text_add(t, "%" PRId64 "%s", v / scales->factor, v != 0 ? scales->unit : "");
}

static bool
has_lower(const struct conf_arg *arg)
{
	return arg->min != 0 || arg->max > arg->min;
}

static bool
has_upper(const struct conf_arg *arg)
{
	return arg->max >= arg->min && (arg->min != 0 || arg->max != 0) && arg->max != INT64_MAX;
}

static void
text_add_bounds(struct text *t, const struct conf_arg *arg, const struct scale *scales)
{
	if (has_lower(arg) && (arg->min != 0 || arg->type == CONF_INT) && arg->min != INT64_MIN) {
		text_add(t, has_upper(arg) ? " from " : " of at least ");
		text_add_scaled(t, arg->min, scales);
		if (has_upper(arg))
			text_add(t, " to ");
	} else if (has_upper(arg)) {
		text_add(t, " up to ");
	}
	if (has_upper(arg))
		text_add_scaled(t, arg->max, scales);
}

static void
describe_enum(struct text *t, const char *const *words)
{
	text_add(t, words[0] != NULL && words[1] != NULL ? "one of" : "the word");
	for (size_t i = 0; words[i] != NULL; i++)
		text_add(t, "%s '%s'", i > 0 ? "," : "", words[i]);
}

void
conf_describe_type(const struct conf_arg *arg, char *buf, size_t room)
{
	struct text t = {buf, room};
	buf[0] = '\0';
	switch (arg->type) {
	case CONF_INT:
		text_add(&t, "a whole number");
		text_add_bounds(&t, arg, no_scale);
		if (arg->unit != NULL)
			text_add(&t, " (%s)", arg->unit);
		break;
	case CONF_TIME:
		text_add(&t, "a time");
		text_add_bounds(&t, arg, time_scales);
		text_add(&t, " with unit us, ms, s, m, h or d (without one: %s)",
			 arg->unit != NULL ? arg->unit : "ms");
		break;
	case CONF_SIZE:
		text_add(&t, "a size in bytes");
		text_add_bounds(&t, arg, size_scales);
		text_add(&t, ", k, m and g allowed");
		break;
	case CONF_STR:
		text_add(&t, "a text");
		text_add_bounds(&t, arg, no_scale);
		if (has_lower(arg) || has_upper(arg))
			text_add(&t, " bytes");
		break;
	case CONF_BOOL:
		text_add(&t, "on or off");
		break;
	case CONF_ENUM:
		describe_enum(&t, arg->words);
		break;
	case CONF_FLAG:
		text_add(&t, "the word '%s'", arg->name);
		break;
	case CONF_ADDR:
		text_add(&t, arg->addr_flags & CONF_ADDR_PORT ? "an address with a port"
							      : "an address");
		break;
	case CONF_REST:
		text_add(&t, "the rest of the line");
		break;
	case CONF_END:
		ASSERT(arg->type != CONF_END);
	}
}

static const char *
next_word(void *iter)
{
	const char *const **it = iter;
	return **it != NULL ? *(*it)++ : NULL;
}

static bool
expected(const struct conf_arg *arg, struct str text, struct err *err)
{
	char want[512];
	conf_describe_type(arg, want, sizeof(want));
	const char *const *words = arg->words;
	const char *near = arg->type == CONF_ENUM ? str_suggest(text, next_word, &words) : NULL;
	struct str shown = str_slice(text, 0, 128);
	if (near != NULL)
		return err_set(err, "<%s> is '%.*s', expected %s; did you mean '%s' maybe ?",
			       arg->name, STR_ARG(shown), want, near);
	return err_set(err, "<%s> is '%.*s', expected %s", arg->name, STR_ARG(shown), want);
}

static bool
in_bounds(const struct conf_arg *arg, int64_t v)
{
	if (arg->min == 0 && arg->max == 0)
		return true;
	return v >= arg->min && (arg->max < arg->min || v <= arg->max);
}

static bool
unsigned_in_bounds(const struct conf_arg *arg, uint64_t v)
{
	// Beyond int64_t only an unbounded row may go.
	return in_bounds(arg, v > INT64_MAX ? INT64_MAX : (int64_t)v);
}

static bool
parse_time(const struct conf_arg *arg, struct str text, uint64_t *ns)
{
	const char *unit = arg->unit != NULL ? arg->unit : "ms";
	uint64_t us, unit_us = unit[0] == 's' ? 1000000 : unit[0] == 'm' ? 1000 : 1;
	return str_to_time_us(text, unit_us, &us) && !__builtin_mul_overflow(us, 1000u, ns) &&
	       unsigned_in_bounds(arg, *ns);
}

static bool
parse_enum(const struct conf_arg *arg, struct str text, int64_t *out)
{
	for (int64_t i = 0; arg->words[i] != NULL; i++)
		if (str_eq(text, str_from_c(arg->words[i]))) {
			*out = i;
			return true;
		}
	return false;
}

static bool
parse_addr(struct conf *c, const struct conf_arg *arg, struct str text, struct conf_value *out,
	   struct err *err)
{
	out->addr = CONF_NEW(c, struct conf_addr);
	return conf_addr_parse(text, arg->addr_flags, out->addr, err) ||
	       err_wrap(err, "<%s>", arg->name);
}

bool
conf_value_parse(struct conf *c, const struct conf_arg *arg, struct str text,
		 struct conf_value *out, struct err *err)
{
	bool good = true;
	*out = (struct conf_value){.given = true, .at = -1, .used = 1, .s = text};
	switch (arg->type) {
	case CONF_INT:
		good = str_to_int(text, &out->i) && in_bounds(arg, out->i);
		break;
	case CONF_TIME:
		good = parse_time(arg, text, &out->u);
		break;
	case CONF_SIZE:
		good = str_to_size(text, &out->u) && unsigned_in_bounds(arg, out->u);
		break;
	case CONF_STR:
	case CONF_REST:
		good = in_bounds(arg, (int64_t)text.n);
		break;
	case CONF_BOOL:
		good = str_to_bool(text, &out->b);
		break;
	case CONF_ENUM:
		good = parse_enum(arg, text, &out->i);
		break;
	case CONF_FLAG:
		out->b = good = str_eq(text, str_from_c(arg->name));
		break;
	case CONF_ADDR:
		return parse_addr(c, arg, text, out, err);
	case CONF_END:
		ASSERT(arg->type != CONF_END);
	}
	return good || expected(arg, text, err);
}

bool
conf_parse_value(struct conf *c, const struct conf_arg *arg, struct str text,
		 struct conf_value *out, struct err *err)
{
	CHECK_MAGIC(c, CONF_MAGIC);
	return conf_value_parse(c, arg, conf_strdup(c, text), out, err);
}

void
conf_value_default(struct conf *c, const struct conf_arg *arg, struct conf_value *out)
{
	struct err err;
	*out = (struct conf_value){.at = -1, .s = STR("")};
	if (arg->dflt == NULL)
		return;
	// A row whose default its own type refuses is a mistake of ours.
	bool good = conf_value_parse(c, arg, str_from_c(arg->dflt), out, &err);
	ASSERT(good);
	out->given = false;
	out->used = 0;
}

void
conf_value_store(void *obj, size_t offset, enum conf_type type, const struct conf_value *v)
{
	void *at = (char *)obj + offset;
	switch (type) {
	case CONF_INT:
		*(int64_t *)at = v->i;
		break;
	case CONF_TIME:
	case CONF_SIZE:
		*(uint64_t *)at = v->u;
		break;
	case CONF_STR:
	case CONF_REST:
		*(struct str *)at = v->s;
		break;
	case CONF_BOOL:
	case CONF_FLAG:
		*(bool *)at = v->b;
		break;
	case CONF_ENUM:
		*(int *)at = (int)v->i;
		break;
	case CONF_ADDR:
		*(struct conf_addr *)at = v->addr != NULL ? *v->addr : (struct conf_addr){0};
		break;
	case CONF_END:
		ASSERT(type != CONF_END);
	}
}

struct conf_arg
conf_word_as_arg(const struct conf_word *w)
{
	return (struct conf_arg){.name = w->name,
				 .type = w->type,
				 .min = w->min,
				 .max = w->max,
				 .dflt = w->dflt,
				 .unit = w->unit,
				 .words = w->words,
				 .addr_flags = w->addr_flags,
				 .help = w->help};
}
