// SPDX-License-Identifier: MIT
// Fetches that know their answer when they are parsed: constants, and the environment, which
// does not change while a process runs.

#include "expr/expr_priv.h"

static bool
fetch_true(const struct expr_arg *args UNUSED, struct sample_ctx *ctx UNUSED, struct sample *out)
{
	sample_set_bool(out, true);
	return true;
}

static bool
fetch_false(const struct expr_arg *args UNUSED, struct sample_ctx *ctx UNUSED, struct sample *out)
{
	sample_set_bool(out, false);
	return true;
}

static bool
check_bool(struct expr_arg *args, struct expr_env *env UNUSED, enum sample_type *out UNUSED,
	   struct err *err)
{
	bool b;
	if (!str_to_bool(args[0].s, &b))
		return err_set(err, "'%.*s' is neither true nor false", STR_ARG(args[0].s));
	args[0].i = b;
	return true;
}

static bool
fetch_bool(const struct expr_arg *args, struct sample_ctx *ctx UNUSED, struct sample *out)
{
	sample_set_bool(out, args[0].i != 0);
	return true;
}

static bool
fetch_int(const struct expr_arg *args, struct sample_ctx *ctx UNUSED, struct sample *out)
{
	sample_set_int(out, args[0].i);
	return true;
}

static bool
fetch_str(const struct expr_arg *args, struct sample_ctx *ctx UNUSED, struct sample *out)
{
	sample_set_str(out, args[0].s);
	return true;
}

// The text becomes the bytes themselves.
static bool
check_bin(struct expr_arg *args, struct expr_env *env, enum sample_type *out UNUSED,
	  struct err *err)
{
	struct str text = args[0].s;
	char *p = arena_alloc(expr_set_arena(env->set), text.n / 2 + 1, 1);
	ASSERT(p != NULL);
	if (text.n == 0)
		return err_set(err, "a hexadecimal number is missing");
	if (text.n % 2 != 0)
		return err_set(err, "'%.*s' has an odd number of digits", STR_ARG(text));
	if (!str_unhex(text, p))
		return err_set(err, "'%.*s' is not hexadecimal", STR_ARG(text));
	args[0].s = str_of(p, text.n / 2);
	return true;
}

static bool
fetch_bin(const struct expr_arg *args, struct sample_ctx *ctx UNUSED, struct sample *out)
{
	out->type = SMP_BIN;
	out->s = args[0].s;
	return true;
}

static bool
fetch_ipv4(const struct expr_arg *args, struct sample_ctx *ctx UNUSED, struct sample *out)
{
	out->type = SMP_IP4;
	memcpy(out->ip, args[0].ip, 4);
	return true;
}

static bool
fetch_ipv6(const struct expr_arg *args, struct sample_ctx *ctx UNUSED, struct sample *out)
{
	out->type = SMP_IP6;
	memcpy(out->ip, args[0].ip, 16);
	return true;
}

static bool
fetch_meth(const struct expr_arg *args, struct sample_ctx *ctx UNUSED, struct sample *out)
{
	out->type = SMP_METH;
	out->meth = 0;
	out->s = args[0].s;
	return true;
}

// .given tells whether there is a value, .s and .i what it is.
static bool
check_env(struct expr_arg *args, struct expr_env *env, enum sample_type *out UNUSED,
	  struct err *err UNUSED)
{
	args[0].given = expr_env_get(env->set, args[0].s, &args[0].s);
	return true;
}

static bool
check_env_int(struct expr_arg *args, struct expr_env *env, enum sample_type *out UNUSED,
	      struct err *err)
{
	struct str name = args[0].s;
	args[0].given = expr_env_get(env->set, name, &args[0].s);
	if (args[0].given && !str_to_int(args[0].s, &args[0].i))
		return err_set(err, "%.*s=%.*s is not an integer", STR_ARG(name),
			       STR_ARG(args[0].s));
	return true;
}

static bool
fetch_env(const struct expr_arg *args, struct sample_ctx *ctx UNUSED, struct sample *out)
{
	sample_set_str(out, args[0].s);
	return args[0].given;
}

static bool
fetch_env_int(const struct expr_arg *args, struct sample_ctx *ctx UNUSED, struct sample *out)
{
	sample_set_int(out, args[0].i);
	return args[0].given;
}

static const struct arg_spec args_bool[] = {{ARG_STR, .name = "bool"}, {.type = ARG_END}};
static const struct arg_spec args_int[] = {{ARG_INT, .name = "integer"}, {.type = ARG_END}};
static const struct arg_spec args_str[] = {{ARG_STR, .name = "string"}, {.type = ARG_END}};
static const struct arg_spec args_hex[] = {{ARG_STR, .name = "hex"}, {.type = ARG_END}};
static const struct arg_spec args_ip4[] = {{ARG_IP4, .name = "ipv4"}, {.type = ARG_END}};
static const struct arg_spec args_ip6[] = {{ARG_IP6, .name = "ipv6"}, {.type = ARG_END}};
static const struct arg_spec args_meth[] = {{ARG_STR, .name = "method", .flags = ARG_NOT_EMPTY},
					    {.type = ARG_END}};
static const struct arg_spec args_env[] = {{ARG_STR, .name = "name", .flags = ARG_NOT_EMPTY},
					   {.type = ARG_END}};

#define CONST_ROW(n, a, o, f, c, h)                                                          \
	{                                                                                    \
		.name = (n), .args = (a), .out = (o), .flags = ROW_PURE_CONST, .fetch = (f), \
		.check = (c), .help = (h)                                                    \
	}

const struct fetch_row expr_fetches_const[] = {
    CONST_ROW("always_true", NULL, SMP_BOOL, fetch_true, NULL, "true"),
    CONST_ROW("always_false", NULL, SMP_BOOL, fetch_false, NULL, "false"),
    CONST_ROW("bool", args_bool, SMP_BOOL, fetch_bool, check_bool,
	      "the given boolean: true, false, 1, 0, on, off"),
    CONST_ROW("int", args_int, SMP_INT, fetch_int, NULL, "the given signed integer"),
    CONST_ROW("str", args_str, SMP_STR, fetch_str, NULL, "the given text"),
    CONST_ROW("bin", args_hex, SMP_BIN, fetch_bin, check_bin, "the bytes given in hexadecimal"),
    CONST_ROW("ipv4", args_ip4, SMP_IP4, fetch_ipv4, NULL, "the given IPv4 address"),
    CONST_ROW("ipv6", args_ip6, SMP_IP6, fetch_ipv6, NULL, "the given IPv6 address"),
    CONST_ROW("meth", args_meth, SMP_METH, fetch_meth, NULL, "the given HTTP method"),
    CONST_ROW("env", args_env, SMP_STR, fetch_env, check_env,
	      "an environment variable, or what -s NAME=VALUE said; none when neither is "
	      "set"),
    CONST_ROW("env_int", args_env, SMP_INT, fetch_env_int, check_env_int,
	      "an environment variable (or -s NAME=VALUE) as an integer; none when not set, "
	      "refused at start when it is no integer"),
    {.name = NULL},
};
