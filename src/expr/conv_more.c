// SPDX-License-Identifier: MIT
// Converters that ask: is there a control character, what has a form for a name, is this the
// secret, did it go wrong. And debug, which tells.

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "expr/expr_priv.h"
#include "http/head.h"

// ---- has_ctl

static bool
check_has_ctl(struct expr_arg *args, struct expr_env *env UNUSED, enum sample_type *out UNUSED,
	      struct err *err)
{
	char *end;
	args[0].i = UINT32_MAX;
	if (!args[0].given)
		return true;
	args[0].i = (int64_t)strtoull(args[0].s.p, &end, 0); // arguments are NUL-terminated
	return (*end == '\0' && args[0].i > 0 && args[0].i <= UINT32_MAX) ||
	       err_set(err, "'%.*s' is no mask of bits 0 to 31", STR_ARG(args[0].s));
}

static bool
conv_has_ctl(const struct expr_arg *args, struct sample_ctx *ctx UNUSED, struct sample *smp)
{
	bool found = false;
	for (size_t i = 0; i < smp->s.n && !found; i++) {
		uint8_t c = (uint8_t)smp->s.p[i];
		found = c < 32 && ((uint64_t)args[0].i >> c & 1);
	}
	sample_set_bool(smp, found);
	return true;
}

// ---- param

static bool
conv_param(const struct expr_arg *args, struct sample_ctx *ctx UNUSED, struct sample *smp)
{
	struct str value;
	if (!http_query_param(smp->s, args[0].s, args[1].s, &value))
		return false;
	sample_set_str(smp, value);
	return true;
}

// ---- secure_memcmp

// As long for any text of the variable's length.
static bool
conv_secure_memcmp(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *smp)
{
	struct sample other = {.flags = 0};
	uint8_t differs = 0;
	if (!var_get(&args[0].var, ctx, &other) || !sample_cast(&other, SMP_BIN, ctx))
		return false;
	bool same_length = smp->s.n == other.s.n;
	for (size_t i = 0; same_length && i < smp->s.n; i++)
		differs |= (uint8_t)(smp->s.p[i] ^ other.s.p[i]);
	sample_set_bool(smp, same_length && differs == 0);
	return true;
}

// ---- base2

static bool
conv_base2(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *smp)
{
	char *p = sample_room(ctx, smp->s.n * 8);
	if (p == NULL)
		return false;
	for (size_t i = 0; i < smp->s.n * 8; i++)
		p[i] = (uint8_t)smp->s.p[i / 8] & (0x80 >> i % 8) ? '1' : '0';
	sample_set_str(smp, str_of(p, smp->s.n * 8));
	return true;
}

// ---- date

#define DATE_BYTES 64

// The three forms of RFC 9110 section 5.6.7.
static bool
conv_date(const struct expr_arg *args UNUSED, struct sample_ctx *ctx UNUSED, struct sample *smp)
{
	static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S GMT",
					    "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"};
	char text[DATE_BYTES];
	if (smp->s.n == 0 || smp->s.n >= sizeof(text))
		return false;
	memcpy(text, smp->s.p, smp->s.n);
	text[smp->s.n] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		struct tm tm = {.tm_isdst = 0};
		const char *end = strptime(text, forms[i], &tm);
		if (end == NULL || *end != '\0')
			continue;
		sample_set_int(smp, timegm(&tm));
		return true;
	}
	return false;
}

// ---- when

enum when { WHEN_ACL, WHEN_ERROR, WHEN_NORMAL, WHEN_STOPPING, WHEN_FORWARDED, WHEN_N };

static bool
check_when_acl(struct expr_arg *args, struct expr_env *env, struct err *err)
{
	struct str name = args[1].s;
	if (!args[1].given)
		return err_set(err, "when(acl,NAME): the name is missing");
	if (env->set->frozen)
		return err_set(err, "when(acl,NAME) can be used in the configuration only");
	args[1].negated = str_starts(name, STR("!"));
	args[1].acl = acl_find(env, str_slice(name, args[1].negated, name.n), err);
	args[1].type = ARG_ACL; // so that what the ACL needs is asked of the place
	return args[1].acl != NULL;
}

static bool
check_when(struct expr_arg *args, struct expr_env *env, enum sample_type *out UNUSED,
	   struct err *err)
{
	static const char *const words[] = {"acl", "error", "normal", "stopping", "forwarded"};
	struct str word = args[0].s;
	args[0].negated = str_starts(word, STR("!"));
	word = str_slice(word, args[0].negated, word.n);
	for (int i = 0; i < WHEN_N; i++) {
		if (!str_eq(word, str_from_c(words[i])))
			continue;
		args[0].i = i;
		return i != WHEN_ACL || check_when_acl(args, env, err);
	}
	return err_set(err, "condition '%.*s' is none of acl, error, normal, stopping, forwarded",
		       STR_ARG(word));
}

static bool
when_holds(const struct expr_arg *args, struct sample_ctx *ctx)
{
	const struct sample_host *host = ctx->host;
	struct str s = STR_NULL;
	int64_t n = 0;
	switch ((enum when)args[0].i) {
	case WHEN_ACL:
		return (acl_eval(args[1].acl, ctx) == ACL_PASS) != args[1].negated;
	case WHEN_ERROR:
	case WHEN_NORMAL:
		if (host != NULL && host->text != NULL)
			s = host->text(ctx, SMP_TEXT_TERM_STATE);
		return (s.n > 0 && s.p[0] != '-') == (args[0].i == WHEN_ERROR);
	case WHEN_STOPPING:
		return host != NULL && host->number != NULL &&
		       host->number(ctx, SMP_NUM_STOPPING, &n) && n != 0;
	case WHEN_FORWARDED:
		return host != NULL && host->text != NULL &&
		       host->text(ctx, SMP_TEXT_SERVER).p != NULL;
	case WHEN_N:
		break;
	}
	return false;
}

static bool
conv_when(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *smp UNUSED)
{
	return when_holds(args, ctx) != args[0].negated;
}

// ---- debug

#define DEBUG_A_SECOND 10

static bool
check_debug(struct expr_arg *args, struct expr_env *env, enum sample_type *out UNUSED,
	    struct err *err)
{
	if (args[1].given && !str_eq(args[1].s, STR("stderr")))
		return err_set(err, "'%.*s': stderr is the only place to tell it",
			       STR_ARG(args[1].s));
	args[0].ptr = ARENA_NEW(expr_set_arena(env->set), _Atomic uint64_t);
	return args[0].ptr != NULL;
}

// The second in the high half, how many were told in it in the low one.
static bool
may_tell(_Atomic uint64_t *told, uint64_t now_ns)
{
	uint64_t second = now_ns / NS_PER_S << 32;
	uint64_t seen = atomic_load_explicit(told, memory_order_relaxed);
	if (seen >> 32 != second >> 32)
		seen = second;
	// relaxed: two workers at once may tell one more
	atomic_store_explicit(told, seen + 1, memory_order_relaxed);
	return (uint32_t)seen < DEBUG_A_SECOND;
}

static bool
conv_debug(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *smp)
{
	struct sample copy = *smp;
	struct str text;
	if (may_tell(args[0].ptr, ctx->now_mono_ns) && sample_text(&copy, ctx, &text))
		log_line(LOG_NOTICE, "%.*s%stype=%s <%.*s>", STR_ARG(args[0].s),
			 args[0].given ? ": " : "debug: ", sample_type_name(smp->type),
			 (int)MIN(text.n, (size_t)1024), text.p != NULL ? text.p : "");
	return true;
}

// ---- rows

static const struct arg_spec args_mask[] = {{ARG_STR, .name = "mask", .flags = ARG_OPTIONAL},
					    {.type = ARG_END}};
static const struct arg_spec args_param[] = {{ARG_STR, .name = "name", .flags = ARG_NOT_EMPTY},
					     {ARG_STR, .name = "delim", .flags = ARG_OPTIONAL},
					     {.type = ARG_END}};
static const struct arg_spec args_var[] = {{ARG_VAR, .name = "var"}, {.type = ARG_END}};
static const struct arg_spec args_when[] = {{ARG_STR, .name = "condition", .flags = ARG_NOT_EMPTY},
					    {ARG_STR, .name = "acl", .flags = ARG_OPTIONAL},
					    {.type = ARG_END}};
static const struct arg_spec args_debug[] = {{ARG_STR, .name = "prefix", .flags = ARG_OPTIONAL},
					     {ARG_STR, .name = "destination",
					      .flags = ARG_OPTIONAL},
					     {.type = ARG_END}};

#define ROW(n, a, i, o, fl, f, c, h)                                                         \
	{                                                                                    \
		.name = (n), .args = (a), .in = (i), .out = (o), .flags = (fl), .conv = (f), \
		.check = (c), .help = (h)                                                    \
	}

const struct conv_row expr_convs_more[] = {
    ROW("has_ctl", args_mask, SMP_STR, SMP_BOOL, 0, conv_has_ctl, check_has_ctl,
	"true when there is a control character of the mask, whose bits are bytes 0 to 31"),
    ROW("param", args_param, SMP_STR, SMP_STR, 0, conv_param, NULL,
	"the first parameter of that name in name=value&..., or between the bytes of delim"),
    ROW("secure_memcmp", args_var, SMP_BIN, SMP_BOOL, 0, conv_secure_memcmp, NULL,
	"true when a variable holds the same bytes; takes as long when it does not"),
    ROW("base2", NULL, SMP_BIN, SMP_STR, 0, conv_base2, NULL, "bytes as binary digits"),
    ROW("date", NULL, SMP_STR, SMP_INT, 0, conv_date, NULL,
	"seconds since 1970 of a date as HTTP writes it"),
    ROW("when", args_when, SMP_ANY, SMP_ANY, ROW_VOLATILE, conv_when, check_when,
	"the value only while acl,NAME / error / normal / stopping / forwarded holds ('!': does "
	"not)"),
    ROW("debug", args_debug, SMP_ANY, SMP_ANY, ROW_VOLATILE, conv_debug, check_debug,
	"tells the value on stderr, ten times a second at most, and passes it on"),
    {.name = NULL},
};
