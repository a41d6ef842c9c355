// SPDX-License-Identifier: MIT
// Converters on integers and booleans. The operand of add, sub, ... is a number or the name of a
// variable. Results beyond 64 bits stay at the limit.

#include "expr/expr_priv.h"

// A number, else a variable's name: then .ptr points at the reference.
static bool
check_operand(struct expr_arg *args, struct expr_env *env, enum sample_type *out UNUSED,
	      struct err *err)
{
	if (str_to_int(args[0].s, &args[0].i))
		return true;
	args[0].type = ARG_VAR;
	args[0].ptr = &args[0].var;
	if (!var_parse(env, args[0].s, &args[0].var, err))
		return err_wrap(err, "'%.*s' is no integer", STR_ARG(args[0].s));
	return true;
}

static bool
operand(const struct expr_arg *args, struct sample_ctx *ctx, int64_t *out)
{
	struct sample s = {.flags = 0};
	if (args[0].ptr == NULL) {
		*out = args[0].i;
		return true;
	}
	if (!var_get(&args[0].var, ctx, &s) || !sample_cast(&s, SMP_INT, ctx))
		return false;
	*out = s.i;
	return true;
}

static int64_t
do_add(int64_t a, int64_t b)
{
	int64_t r;
	return __builtin_add_overflow(a, b, &r) ? (a < 0 ? INT64_MIN : INT64_MAX) : r;
}

static int64_t
do_sub(int64_t a, int64_t b)
{
	int64_t r;
	return __builtin_sub_overflow(a, b, &r) ? (a < 0 ? INT64_MIN : INT64_MAX) : r;
}

static int64_t
do_mul(int64_t a, int64_t b)
{
	int64_t r;
	return __builtin_mul_overflow(a, b, &r) ? ((a < 0) != (b < 0) ? INT64_MIN : INT64_MAX) : r;
}

static int64_t
do_div(int64_t a, int64_t b)
{
	if (b == 0)
		return INT64_MAX;
	return a == INT64_MIN && b == -1 ? INT64_MAX : a / b;
}

static int64_t
do_mod(int64_t a, int64_t b)
{
	return b == 0 || b == -1 ? 0 : a % b;
}

static int64_t
do_and(int64_t a, int64_t b)
{
	return a & b;
}

static int64_t
do_or(int64_t a, int64_t b)
{
	return a | b;
}

static int64_t
do_xor(int64_t a, int64_t b)
{
	return a ^ b;
}

#define OPERATION(name)                                                              \
	static bool conv_##name(const struct expr_arg *args, struct sample_ctx *ctx, \
				struct sample *smp)                                  \
	{                                                                            \
		int64_t b;                                                           \
		if (!operand(args, ctx, &b))                                         \
			return false;                                                \
		smp->i = do_##name(smp->i, b);                                       \
		return true;                                                         \
	}
OPERATION(add)
OPERATION(sub)
OPERATION(mul)
OPERATION(div)
OPERATION(mod)
OPERATION(and)
OPERATION(or)
OPERATION(xor)

static bool
conv_neg(const struct expr_arg *args UNUSED, struct sample_ctx *ctx UNUSED, struct sample *smp)
{
	smp->i = do_sub(0, smp->i);
	return true;
}

static bool
conv_cpl(const struct expr_arg *args UNUSED, struct sample_ctx *ctx UNUSED, struct sample *smp)
{
	smp->i = ~smp->i;
	return true;
}

static bool
conv_bool(const struct expr_arg *args UNUSED, struct sample_ctx *ctx UNUSED, struct sample *smp)
{
	sample_set_bool(smp, smp->i != 0);
	return true;
}

static bool
conv_not(const struct expr_arg *args UNUSED, struct sample_ctx *ctx UNUSED, struct sample *smp)
{
	sample_set_bool(smp, smp->i == 0);
	return true;
}

static bool
conv_even(const struct expr_arg *args UNUSED, struct sample_ctx *ctx UNUSED, struct sample *smp)
{
	sample_set_bool(smp, (smp->i & 1) == 0);
	return true;
}

static bool
conv_odd(const struct expr_arg *args UNUSED, struct sample_ctx *ctx UNUSED, struct sample *smp)
{
	sample_set_bool(smp, (smp->i & 1) != 0);
	return true;
}

static bool
conv_iif(const struct expr_arg *args, struct sample_ctx *ctx UNUSED, struct sample *smp)
{
	sample_set_str(smp, smp->b ? args[0].s : args[1].s);
	return true;
}

static const struct arg_spec args_value[] = {{ARG_STR, .name = "value", .flags = ARG_NOT_EMPTY},
					     {.type = ARG_END}};
static const struct arg_spec args_iif[] = {{ARG_STR, .name = "true"},
					   {ARG_STR, .name = "false"},
					   {.type = ARG_END}};

#define OP_ROW(n, f, h)                                                                      \
	{                                                                                    \
		.name = (n), .args = args_value, .in = SMP_INT, .out = SMP_INT, .conv = (f), \
		.check = check_operand, .help = (h)                                          \
	}
#define INT_ROW(n, o, f, h)                                                      \
	{                                                                        \
		.name = (n), .in = SMP_INT, .out = (o), .conv = (f), .help = (h) \
	}

const struct conv_row expr_convs_int[] = {
    OP_ROW("add", conv_add, "adds a number or a variable"),
    OP_ROW("sub", conv_sub, "subtracts a number or a variable"),
    OP_ROW("mul", conv_mul, "multiplies by a number or a variable"),
    OP_ROW("div", conv_div, "divides by a number or a variable; by 0: the largest integer"),
    OP_ROW("mod", conv_mod, "the remainder of a division; by 0: 0"),
    OP_ROW("and", conv_and, "bitwise and"),
    OP_ROW("or", conv_or, "bitwise or"),
    OP_ROW("xor", conv_xor, "bitwise exclusive or"),
    INT_ROW("neg", SMP_INT, conv_neg, "the opposite number"),
    INT_ROW("cpl", SMP_INT, conv_cpl, "the ones-complement"),
    INT_ROW("bool", SMP_BOOL, conv_bool, "true when it is not 0"),
    INT_ROW("not", SMP_BOOL, conv_not, "true when it is 0 or false"),
    INT_ROW("even", SMP_BOOL, conv_even, "true when it is even"),
    INT_ROW("odd", SMP_BOOL, conv_odd, "true when it is odd"),
    {.name = "iif",
     .args = args_iif,
     .in = SMP_BOOL,
     .out = SMP_STR,
     .conv = conv_iif,
     .help = "the first text when true, the second when false"},
    {.name = NULL},
};
