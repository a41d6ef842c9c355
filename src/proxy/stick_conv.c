// SPDX-License-Identifier: MIT
// Converters that look a value up as a key: table_X(TABLE), in_table(TABLE); and how full a table
// is. Looking up writes nothing and makes no key.
#include "base/module.h"
#include "proxy/conf_priv.h"
#include "proxy/stick_priv.h"

// The table's argument: the first NAME.
static struct expr_arg *
table_arg(struct expr_arg *args)
{
	while (args->type != ARG_NAME)
		args++;
	return args;
}

static bool
link_table(struct expr_arg *args, struct conf *conf, struct err *err)
{
	struct expr_arg *a = table_arg(args);
	a->ptr = proxy_table_find(conf_bound(conf, "proxy"), a->s, err);
	return a->ptr != NULL;
}

enum answer { VALUE, KBYTES, DEFAULT, PRESENT };

// False: the value is no key, or the table does not store it.
static bool
look_up(const struct proxy_table *pt, unsigned data, unsigned i, struct sample_ctx *ctx,
	struct sample *smp, bool *found, uint64_t *v)
{
	struct stick_key k;
	enum stick_data stored = (enum stick_data)data;
	if ((data < STICK_N_DATA && !stick_def_has(&pt->def, &stored, &i)) ||
	    !proxy_table_key(pt->table, smp, ctx, &k))
		return false;
	*v = 0;
	*found = stick_value_of(pt->table, &k, data < STICK_N_DATA ? stored : data, i,
				stick_now(pt->table, ctx->now_boot_ns), v);
	return true;
}

// args: [index,] table [,default]
static bool
convert(enum answer how, unsigned data, const struct expr_arg *args, struct sample_ctx *ctx,
	struct sample *smp)
{
	const struct expr_arg *a = table_arg((struct expr_arg *)(uintptr_t)args);
	unsigned i = a != args ? (unsigned)args[0].i : 0;
	bool found;
	uint64_t v;
	if (!look_up(a->ptr, data, i, ctx, smp, &found, &v)) {
		if (how == PRESENT)
			sample_set_bool(smp, false);
		return how == PRESENT;
	}
	if (how == PRESENT) {
		sample_set_bool(smp, found);
		return true;
	}
	if (how == DEFAULT && !found && !a[1].given)
		return false;
	v = how == KBYTES ? v >> 10 : how == DEFAULT && !found ? (uint64_t)a[1].i : v;
	sample_set_int(smp, (int64_t)v);
	return true;
}

static const struct arg_spec args_table[] = {
    {.type = ARG_NAME, .name = "table", .flags = ARG_NOT_EMPTY}, {.type = ARG_END}};
static const struct arg_spec args_at[] = {
    {.type = ARG_INT, .name = "index", .min = 0, .max = STICK_MAX_ARRAY - 1},
    {.type = ARG_NAME, .name = "table", .flags = ARG_NOT_EMPTY},
    {.type = ARG_END}};
static const struct arg_spec args_default[] = {
    {.type = ARG_NAME, .name = "table", .flags = ARG_NOT_EMPTY},
    {.type = ARG_INT, .name = "default", .flags = ARG_OPTIONAL},
    {.type = ARG_END}};

// C(name, how, data, arguments, help)
#define CONVERTERS(C)                                                                              \
	C(in_table, PRESENT, TRACKERS, args_table, "Whether the table has the key.")               \
	C(table_bytes_in_rate, VALUE, BYTES_IN_RATE, args_table,                                   \
	  "Bytes received in the last period.")                                                    \
	C(table_bytes_out_rate, VALUE, BYTES_OUT_RATE, args_table,                                 \
	  "Bytes sent in the last period.")                                                        \
	C(table_conn_cnt, VALUE, CONN_CNT, args_table, "How often the key was tracked.")           \
	C(table_conn_cur, VALUE, CONN_CUR, args_table, "How many track the key now.")              \
	C(table_conn_rate, VALUE, CONN_RATE, args_table,                                           \
	  "How often the key was tracked in the last period.")                                     \
	C(table_expire, DEFAULT, LEFT, args_default,                                               \
	  "Milliseconds until the key expires; without the key the default, or no sample.")        \
	C(table_gpc, VALUE, GPC, args_at, "One of the key's gpc(N).")                              \
	C(table_gpc0, VALUE, GPC0, args_table, "The key's gpc0.")                                  \
	C(table_gpc0_rate, VALUE, GPC0_RATE, args_table, "How much gpc0 grew in the last period.") \
	C(table_gpc1, VALUE, GPC1, args_table, "The key's gpc1.")                                  \
	C(table_gpc1_rate, VALUE, GPC1_RATE, args_table, "How much gpc1 grew in the last period.") \
	C(table_gpc_rate, VALUE, GPC_RATE, args_at,                                                \
	  "How much one of gpc(N) grew in the last period.")                                       \
	C(table_gpt, VALUE, GPT, args_at, "One of the key's gpt(N).")                              \
	C(table_gpt0, VALUE, GPT0, args_table, "The key's gpt0.")                                  \
	C(table_http_err_cnt, VALUE, HTTP_ERR_CNT, args_table,                                     \
	  "Requests that were invalid, denied or answered 4xx.")                                   \
	C(table_http_err_rate, VALUE, HTTP_ERR_RATE, args_table, "Those of the last period.")      \
	C(table_http_fail_cnt, VALUE, HTTP_FAIL_CNT, args_table,                                   \
	  "Requests that servers failed to answer, or answered 5xx but 501 and 505.")              \
	C(table_http_fail_rate, VALUE, HTTP_FAIL_RATE, args_table, "Those of the last period.")    \
	C(table_http_req_cnt, VALUE, HTTP_REQ_CNT, args_table, "Requests.")                        \
	C(table_http_req_rate, VALUE, HTTP_REQ_RATE, args_table, "Requests in the last period.")   \
	C(table_idle, DEFAULT, IDLE, args_default,                                                 \
	  "Milliseconds since the key was used; without the key the default, or no sample.")       \
	C(table_kbytes_in, KBYTES, BYTES_IN_CNT, args_table, "KiB received.")                      \
	C(table_kbytes_out, KBYTES, BYTES_OUT_CNT, args_table, "KiB sent.")                        \
	C(table_server_id, VALUE, SERVER_ID, args_table,                                           \
	  "The id of the server that the key sticks to.")                                          \
	C(table_sess_cnt, VALUE, SESS_CNT, args_table, "Sessions: connections that rules let in.") \
	C(table_sess_rate, VALUE, SESS_RATE, args_table, "Sessions of the last period.")           \
	C(table_trackers, VALUE, TRACKERS, args_table, "How many track the key now.")

#define CONV(name, how, data, specs, text)                                           \
	static bool conv_##name(const struct expr_arg *args, struct sample_ctx *ctx, \
				struct sample *smp)                                  \
	{                                                                            \
		return convert(how, STICK_##data, args, ctx, smp);                   \
	}
CONVERTERS(CONV)

#define CONV_ROW(row_name, how, data, specs, text)   \
	{.name = #row_name,                          \
	 .args = specs,                              \
	 .in = SMP_ANY,                              \
	 .out = how == PRESENT ? SMP_BOOL : SMP_INT, \
	 .flags = ROW_VOLATILE | ROW_CHANGES,        \
	 .conv = conv_##row_name,                    \
	 .link = link_table,                         \
	 .help = text},
const struct conv_row stick_convs[] = {CONVERTERS(CONV_ROW){.name = NULL}};

// --- how full it is ------------------------------------------------------------------------------

static const struct arg_spec args_optional[] = {
    {.type = ARG_NAME, .name = "table", .flags = ARG_OPTIONAL}, {.type = ARG_END}};

static bool
fetch_cnt(const struct expr_arg *args, struct sample_ctx *ctx UNUSED, struct sample *out)
{
	const struct proxy_table *pt = args[0].ptr;
	sample_set_int(out, (int64_t)stick_used(pt->table));
	return true;
}

static bool
fetch_avl(const struct expr_arg *args, struct sample_ctx *ctx UNUSED, struct sample *out)
{
	const struct proxy_table *pt = args[0].ptr;
	int64_t left = (int64_t)pt->def.size - (int64_t)stick_used(pt->table);
	sample_set_int(out, MAX(left, 0));
	return true;
}

const struct fetch_row stick_table_fetches[] = {
    {.name = "table_avl",
     .args = args_optional,
     .out = SMP_INT,
     .flags = ROW_VOLATILE,
     .fetch = fetch_avl,
     .check = stick_check_section,
     .link = stick_link_section,
     .help = "How many more keys a stick table takes."},
    {.name = "table_cnt",
     .args = args_optional,
     .out = SMP_INT,
     .flags = ROW_VOLATILE,
     .fetch = fetch_cnt,
     .check = stick_check_section,
     .link = stick_link_section,
     .help = "How many keys a stick table has."},
    {.name = NULL},
};
