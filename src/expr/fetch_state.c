// SPDX-License-Identifier: MIT
// Fetches of variables, time, chance and the process; and acl(), which asks named ACLs.

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "expr/expr_priv.h"

static bool
fetch_var(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out)
{
	if (var_get(&args[0].var, ctx, out))
		return true;
	sample_set_str(out, args[1].s);
	return args[1].given;
}

static bool
check_var_age(struct expr_arg *args, struct expr_env *env UNUSED, enum sample_type *out UNUSED,
	      struct err *err)
{
	if (args[0].var.scope != VAR_SHM)
		return err_set(err, "only variables of shm. know when they were written");
	return true;
}

static bool
fetch_var_age(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out)
{
	return var_shm_age(&args[0].var, ctx, out);
}

static bool
fetch_acl(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out)
{
	bool all = true;
	for (; args->given && all; args++) {
		enum acl_result r = acl_eval(args->acl, ctx);
		if (r == ACL_MISS) {
			out->flags |= SMP_MAY_CHANGE;
			return false;
		}
		all = (r == ACL_PASS) != args->negated;
	}
	sample_set_bool(out, all);
	return true;
}

enum unit { UNIT_S, UNIT_MS, UNIT_US };

static bool
check_date(struct expr_arg *args, struct expr_env *env UNUSED, enum sample_type *out UNUSED,
	   struct err *err)
{
	static const struct str units[] = {{"s", 1}, {"ms", 2}, {"us", 2}};
	if (!args[1].given)
		return true;
	for (int i = UNIT_S; i <= UNIT_US; i++) {
		if (str_eq(args[1].s, units[i])) {
			args[1].i = i;
			return true;
		}
	}
	return err_set(err, "unit '%.*s' is none of s, ms, us", STR_ARG(args[1].s));
}

// The offset is in the unit asked for.
static bool
fetch_date(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out)
{
	uint64_t per = args[1].i == UNIT_S ? NS_PER_S : args[1].i == UNIT_MS ? NS_PER_MS : 1000;
	sample_set_int(out, (int64_t)(ctx->now_real_ns / per) + args[0].i);
	return true;
}

static bool
fetch_date_us(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	sample_set_int(out, (int64_t)(ctx->now_real_ns / 1000 % 1000000));
	return true;
}

// splitmix64: its state is one word that any seed fits.
static uint64_t
next_random(struct sample_ctx *ctx)
{
	uint64_t z = ctx->rand_state += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static bool
fetch_rand(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out)
{
	uint32_t r = (uint32_t)(next_random(ctx) >> 32);
	sample_set_int(out,
		       args[0].given ? (int64_t)(((uint64_t)r * (uint64_t)args[0].i) >> 32) : r);
	return true;
}

static bool
fetch_uuid(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	uint64_t a = next_random(ctx), b = next_random(ctx);
	char *p = arena_printf(ctx->arena, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(a >> 32),
			       (unsigned)(a >> 16) & 0xffff, ((unsigned)a & 0xfff) | 0x4000,
			       ((unsigned)(b >> 48) & 0x3fff) | 0x8000,
			       (unsigned long long)(b & UINT64_C(0xffffffffffff)));
	ctx->failed |= p == NULL;
	if (p == NULL)
		return false;
	sample_set_str(out, str_of(p, 36));
	return true;
}

// Asked once, when parsed; .s is the answer.
static bool
check_hostname(struct expr_arg *args, struct expr_env *env, enum sample_type *out UNUSED,
	       struct err *err)
{
	char name[256];
	if (gethostname(name, sizeof(name)) != 0)
		return err_set(err, "the host's name is not known");
	name[sizeof(name) - 1] = '\0';
	args[0].s = str_copy(expr_set_arena(env->set), str_from_c(name));
	return true;
}

static bool
fetch_hostname(const struct expr_arg *args, struct sample_ctx *ctx UNUSED, struct sample *out)
{
	sample_set_str(out, args[0].s);
	return true;
}

static bool
fetch_pid(const struct expr_arg *args UNUSED, struct sample_ctx *ctx UNUSED, struct sample *out)
{
	sample_set_int(out, getpid());
	return true;
}

// HAProxy's number of the process, which is always the first.
static bool
fetch_proc(const struct expr_arg *args UNUSED, struct sample_ctx *ctx UNUSED, struct sample *out)
{
	sample_set_int(out, 1);
	return true;
}

// True once no more data can come: the last chance of an inspection rule.
static bool
fetch_wait_end(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *out)
{
	if (ctx->more) {
		out->flags |= SMP_MAY_CHANGE;
		return false;
	}
	sample_set_bool(out, true);
	return true;
}

static const struct arg_spec args_var[] = {{ARG_VAR, .name = "name"},
					   {ARG_STR, .name = "default", .flags = ARG_OPTIONAL},
					   {.type = ARG_END}};
static const struct arg_spec args_var_age[] = {{ARG_VAR, .name = "name"}, {.type = ARG_END}};
static const struct arg_spec args_var_rate[] = {{ARG_VAR, .name = "name"},
						{ARG_TIME_US, .name = "period",
						 .flags = ARG_OPTIONAL, .unit_us = 1000},
						{.type = ARG_END}};
static const struct arg_spec args_acl[] = {{ARG_ACL, .name = "name"},
					   {ARG_ACL, .name = "name", .flags = ARG_OPTIONAL},
					   {ARG_ACL, .name = "name", .flags = ARG_OPTIONAL},
					   {ARG_ACL, .name = "name", .flags = ARG_OPTIONAL},
					   {ARG_ACL, .name = "name", .flags = ARG_OPTIONAL},
					   {ARG_ACL, .name = "name", .flags = ARG_OPTIONAL},
					   {ARG_ACL, .name = "name", .flags = ARG_OPTIONAL},
					   {ARG_ACL, .name = "name", .flags = ARG_OPTIONAL},
					   {ARG_ACL, .name = "name", .flags = ARG_OPTIONAL},
					   {ARG_ACL, .name = "name", .flags = ARG_OPTIONAL},
					   {ARG_ACL, .name = "name", .flags = ARG_OPTIONAL},
					   {ARG_ACL, .name = "name", .flags = ARG_OPTIONAL},
					   {.type = ARG_END}};
static const struct arg_spec args_date[] = {{ARG_INT, .name = "offset", .flags = ARG_OPTIONAL},
					    {ARG_STR, .name = "unit", .flags = ARG_OPTIONAL},
					    {.type = ARG_END}};
static const struct arg_spec args_rand[] = {{ARG_INT, .name = "range", .flags = ARG_OPTIONAL,
					     .min = 1, .max = UINT32_MAX},
					    {.type = ARG_END}};
static const struct arg_spec args_uuid[] = {{ARG_INT, .name = "version", .flags = ARG_OPTIONAL,
					     .min = 4, .max = 4},
					    {.type = ARG_END}};
static const struct arg_spec args_hidden[] = {{ARG_STR, .name = "unused", .flags = ARG_OPTIONAL},
					      {.type = ARG_END}};

const struct fetch_row expr_fetches_state[] = {
    {.name = "var",
     .args = args_var,
     .out = SMP_ANY,
     .fetch = fetch_var,
     .help = "a variable of proc, sess, txn, req, res or shm (the shared table), else the "
	     "default"},
    {.name = "var_age",
     .args = args_var_age,
     .out = SMP_INT,
     .flags = ROW_VOLATILE,
     .fetch = fetch_var_age,
     .check = check_var_age,
     .help = "milliseconds since a variable of shm was last written, or declared if it never "
	     "was"},
    {.name = "var_rate",
     .args = args_var_rate,
     .out = SMP_INT,
     .flags = ROW_VOLATILE,
     .fetch = expr_fetch_var_rate,
     .check = expr_check_var_rate,
     .link = expr_link_var_rate,
     .help = "by how much a counter or int of shm grew over the last period (default 1s), never "
	     "below 0"},
    {.name = "acl",
     .args = args_acl,
     .out = SMP_BOOL,
     .flags = ROW_VOLATILE,
     .fetch = fetch_acl,
     .help = "true when all named ACLs hold ('!' in front: does not hold)"},
    {.name = "date",
     .args = args_date,
     .out = SMP_INT,
     .flags = ROW_VOLATILE,
     .fetch = fetch_date,
     .check = check_date,
     .help = "the time since 1970 in s (default), ms or us, plus an offset in that unit"},
    {.name = "date_us",
     .out = SMP_INT,
     .flags = ROW_VOLATILE,
     .fetch = fetch_date_us,
     .help = "the microseconds of the present second"},
    {.name = "rand",
     .args = args_rand,
     .out = SMP_INT,
     .flags = ROW_VOLATILE,
     .fetch = fetch_rand,
     .help = "a random integer from 0 to range - 1; without a range of 32 bits"},
    {.name = "uuid",
     .args = args_uuid,
     .out = SMP_STR,
     .flags = ROW_VOLATILE,
     .fetch = fetch_uuid,
     .help = "a random UUID (version 4)"},
    {.name = "hostname",
     .args = args_hidden,
     .out = SMP_STR,
     .fetch = fetch_hostname,
     .check = check_hostname,
     .help = "this host's name"},
    {.name = "pid", .out = SMP_INT, .fetch = fetch_pid, .help = "the process's number"},
    {.name = "proc",
     .out = SMP_INT,
     .fetch = fetch_proc,
     .help = "1, as HAProxy answers for its first process"},
    {.name = "wait_end",
     .out = SMP_BOOL,
     .flags = ROW_VOLATILE,
     .fetch = fetch_wait_end,
     .help = "true once no more data can come"},
    {.name = NULL},
};
