// SPDX-License-Identifier: MIT
// Fetches of what is tracked (sc_X(COUNTER), sc0_X ... sc2_X) and of the client's address in a
// table (src_X). FAMILY names each X once; every prefix makes its rows of it. With a table's name a
// counter's key is looked up there. What a table does not store, and a counter that tracks nothing,
// is no sample; a key that the table does not have counts 0, as in HAProxy.
#include "base/clock.h"
#include "base/module.h"
#include "proxy/conf_priv.h"
#include "proxy/conns.h"
#include "proxy/stick_priv.h"

enum source { FROM_SC, FROM_SC0, FROM_SC1, FROM_SC2, FROM_SRC };
enum op { READ, KBYTES, READ_AT, INC, INC_AT, CLEAR, CLEAR_AT, TRACKED, TRACKERS };

struct what {
	enum source source;
	enum op op;
	enum stick_data data, rate;
};

// --- arguments: [index,] [counter,] [table] ------------------------------------------------------

#define INDEX_ARG                                                                      \
	{                                                                              \
		.type = ARG_INT, .name = "index", .min = 0, .max = STICK_MAX_ARRAY - 1 \
	}
#define COUNTER_ARG                                                                     \
	{                                                                               \
		.type = ARG_INT, .name = "counter", .min = 0, .max = STICK_COUNTERS - 1 \
	}
#define TABLE_ARG                                                        \
	{                                                                \
		.type = ARG_NAME, .name = "table", .flags = ARG_OPTIONAL \
	}
static const struct arg_spec args_sc[] = {COUNTER_ARG, TABLE_ARG, {.type = ARG_END}};
static const struct arg_spec args_sc_at[] = {INDEX_ARG, COUNTER_ARG, TABLE_ARG, {.type = ARG_END}};
static const struct arg_spec args_table[] = {TABLE_ARG, {.type = ARG_END}};
static const struct arg_spec args_table_at[] = {INDEX_ARG, TABLE_ARG, {.type = ARG_END}};

static const struct expr_arg *
table_arg(const struct expr_arg *args)
{
	while (args->type != ARG_NAME)
		args++;
	return args;
}

// Which section this is, for link.
bool
stick_check_section(struct expr_arg *args, struct expr_env *env, enum sample_type *out UNUSED,
		    struct err *err UNUSED)
{
	((struct expr_arg *)(uintptr_t)table_arg(args))->ptr = env->acls;
	return true;
}

static bool
link_named(struct expr_arg *args, struct conf *conf, struct err *err)
{
	struct expr_arg *a = (struct expr_arg *)(uintptr_t)table_arg(args);
	if (!a->given)
		return true;
	a->ptr = proxy_table_find(conf_bound(conf, "proxy"), a->s, err);
	return a->ptr != NULL;
}

// Without a name this section's own.
bool
stick_link_section(struct expr_arg *args, struct conf *conf, struct err *err)
{
	struct expr_arg *a = (struct expr_arg *)(uintptr_t)table_arg(args);
	const struct proxy_set *set = conf_bound(conf, "proxy");
	const struct acl_scope *section = a->ptr;
	if (a->given)
		return link_named(args, conf, err);
	a->ptr = NULL;
	for (size_t i = 0; section != NULL && i < set->n_all; i++)
		if (set->all[i]->conf->acls == section)
			a->ptr = set->all[i]->table;
	return a->ptr != NULL || err_set(err, "this section has no stick table: name one");
}

// --- the entry -----------------------------------------------------------------------------------

// What is asked about: an entry that is tracked, or a key of a table.
struct subject {
	struct stick_table *table;
	const struct stick_ref *tracked; // NULL: look the key up
	struct stick_key key;
	bool absent; // that table's keys are of another type
	uint64_t now;
};

static unsigned
counter_of(const struct what *w, const struct expr_arg *args)
{
	if (w->source != FROM_SC)
		return (unsigned)(w->source - FROM_SC0);
	return (unsigned)table_arg(args)[-1].i; // which stands before it
}

static bool
src_subject(const struct proxy_table *pt, struct sample_ctx *ctx, struct subject *s)
{
	struct sample ip = {0};
	if (ctx->src == NULL || (ctx->src->family != 4 && ctx->src->family != 6))
		return false;
	ip.type = ctx->src->family == 4 ? SMP_IP4 : SMP_IP6;
	__builtin_memcpy(ip.ip, ctx->src->ip, sizeof(ip.ip));
	s->table = pt->table;
	s->tracked = NULL;
	s->absent = false;
	return proxy_table_key(pt->table, &ip, ctx, &s->key);
}

static inline bool
find_subject(const struct what *w, const struct expr_arg *args, struct sample_ctx *ctx,
	     struct subject *s)
{
	const struct proxy_table *pt = table_arg(args)->ptr;
	const struct txn *t = stick_txn_of(ctx);
	if (t == NULL)
		return false;
	if (w->source == FROM_SRC)
		return src_subject(pt, ctx, s);
	s->tracked = stick_tracked(t, counter_of(w, args));
	if (s->tracked == NULL)
		return false;
	s->table = s->tracked->table;
	if (LIKELY(pt == NULL || pt->table == s->table))
		return true;
	const struct stick_def *to = &pt->def, *from = stick_table_def(s->table);
	s->absent = to->type != from->type;
	char bytes[STICK_KEY_BYTES];
	stick_ref_key(s->tracked, &s->key);
	struct str key = stick_key_bytes(s->table, s->key.words, bytes);
	s->table = pt->table;
	s->tracked = NULL;
	stick_key_make(s->table, key, &s->key);
	return true;
}

// --- what is asked -------------------------------------------------------------------------------

static uint64_t
value_of(const struct subject *s, unsigned data, unsigned i)
{
	uint64_t v;
	if (LIKELY(s->tracked != NULL))
		return stick_value(s->tracked, data, i, s->now);
	return !s->absent && stick_value_of(s->table, &s->key, data, i, s->now, &v) ? v : 0;
}

// Nor is a key that is not there asked what it stores: 0 is its answer.
static SELDOM bool
not_stored(const struct what *w, const struct subject *s, struct sample *out)
{
	uint64_t v;
	bool counts = w->op == INC_AT || (w->op == INC && w->rate != STICK_N_DATA);
	if (counts) {
		sample_set_int(out, 0);
		return true;
	}
	if (s->tracked != NULL ||
	    (!s->absent && stick_value_of(s->table, &s->key, STICK_TRACKERS, 0, s->now, &v)))
		return false;
	sample_set_int(out, 0);
	return true;
}

// What is to be changed: a value, and its rate, where the table stores it.
struct cell {
	enum stick_data data;
	unsigned i;
	enum stick_data rate;
	unsigned rate_i;
};

static int64_t
change(const struct stick_ref *r, const struct what *w, struct cell c, uint64_t now)
{
	if (w->op == CLEAR || w->op == CLEAR_AT) {
		uint64_t was = stick_value(r, c.data, c.i, now);
		stick_set(r, c.data, c.i, 0, now);
		return (int64_t)was;
	}
	if (c.rate != STICK_N_DATA && stick_def_has(stick_table_def(r->table), &c.rate, &c.rate_i))
		stick_add(r, c.rate, c.rate_i, 1, now);
	return (int64_t)stick_add_get(r, c.data, c.i, 1, now);
}

static bool
write(const struct what *w, const struct subject *s, struct cell c, struct sample *out)
{
	struct stick_ref r;
	bool make = w->source == FROM_SRC && w->op != CLEAR && w->op != CLEAR_AT;
	int64_t n = 0;
	if (s->tracked != NULL) {
		n = change(s->tracked, w, c, s->now);
	} else if (!s->absent && stick_pin(s->table, &s->key, make, s->now, &r)) {
		n = change(&r, w, c, s->now);
		stick_unpin(&r);
	}
	sample_set_int(out, n);
	return true;
}

static bool
run_seldom(const struct what *w, const struct expr_arg *args, struct sample_ctx *ctx,
	   struct sample *out)
{
	struct subject s;
	bool found = find_subject(w, args, ctx, &s);
	if (w->op == TRACKED) {
		sample_set_bool(out, found);
		return true;
	}
	if (!found)
		return false;
	s.now = stick_now(s.table, ctx->now_boot_ns);
	if (w->op == TRACKERS) {
		sample_set_int(out, (int64_t)value_of(&s, STICK_TRACKERS, 0));
		return true;
	}
	enum stick_data data = w->data, rate = w->rate;
	unsigned at =
	    args[0].type == ARG_INT && (w->op == INC_AT || w->op == CLEAR_AT || w->op == READ_AT)
		? (unsigned)args[0].i
		: 0;
	unsigned i = at;
	if (!stick_def_has(stick_table_def(s.table), &data, &i)) {
		// Of a count and its rate one may be stored alone.
		i = at;
		data = rate;
		if (rate == STICK_N_DATA || !stick_def_has(stick_table_def(s.table), &data, &i))
			return not_stored(w, &s, out);
		rate = STICK_N_DATA;
	}
	if (w->op != KBYTES && w->op != READ_AT)
		return write(w, &s, (struct cell){data, i, rate, at}, out);
	uint64_t v = value_of(&s, data, i);
	sample_set_int(out, (int64_t)(w->op == KBYTES ? v >> 10 : v));
	return true;
}

static inline bool
run(const struct what *w, const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out)
{
	struct subject s;
	enum stick_data data = w->data;
	unsigned i = 0;
	if (w->op != READ)
		return run_seldom(w, args, ctx, out);
	if (!find_subject(w, args, ctx, &s))
		return false;
	s.now = stick_now(s.table, ctx->now_boot_ns);
	if (UNLIKELY(!stick_def_has(stick_table_def(s.table), &data, &i)))
		return not_stored(w, &s, out);
	sample_set_int(out, (int64_t)value_of(&s, data, i));
	return true;
}

// --- rows ----------------------------------------------------------------------------------------

// R(prefix, name, op, data, rate, flags of the effect, help)
#define FAMILY(R, P)                                                                              \
	R(P, bytes_in_rate, READ, BYTES_IN_RATE, N_DATA, 0, "Bytes received in the last period.") \
	R(P, bytes_out_rate, READ, BYTES_OUT_RATE, N_DATA, 0, "Bytes sent in the last period.")   \
	R(P, clr_gpc0, CLEAR, GPC0, N_DATA, EFFECT, "Clears gpc0; what it was.")                  \
	R(P, clr_gpc1, CLEAR, GPC1, N_DATA, EFFECT, "Clears gpc1; what it was.")                  \
	R(P, conn_cnt, READ, CONN_CNT, N_DATA, 0, "How often the key was tracked.")               \
	R(P, conn_cur, READ, CONN_CUR, N_DATA, 0, "How many track the key now.")                  \
	R(P, conn_rate, READ, CONN_RATE, N_DATA, 0,                                               \
	  "How often the key was tracked in the last period.")                                    \
	R(P, get_gpc0, READ, GPC0, N_DATA, 0, "gpc0: what rules counted.")                        \
	R(P, get_gpc1, READ, GPC1, N_DATA, 0, "gpc1: what rules counted.")                        \
	R(P, get_gpt0, READ, GPT0, N_DATA, 0, "gpt0: what rules set.")                            \
	R(P, gpc0_rate, READ, GPC0_RATE, N_DATA, 0, "How much gpc0 grew in the last period.")     \
	R(P, gpc1_rate, READ, GPC1_RATE, N_DATA, 0, "How much gpc1 grew in the last period.")     \
	R(P, http_err_cnt, READ, HTTP_ERR_CNT, N_DATA, 0,                                         \
	  "Requests that were invalid, denied or answered 4xx.")                                  \
	R(P, http_err_rate, READ, HTTP_ERR_RATE, N_DATA, 0, "Those of the last period.")          \
	R(P, http_fail_cnt, READ, HTTP_FAIL_CNT, N_DATA, 0,                                       \
	  "Requests that servers failed to answer, or answered 5xx but 501 and 505.")             \
	R(P, http_fail_rate, READ, HTTP_FAIL_RATE, N_DATA, 0, "Those of the last period.")        \
	R(P, http_req_cnt, READ, HTTP_REQ_CNT, N_DATA, 0, "Requests.")                            \
	R(P, http_req_rate, READ, HTTP_REQ_RATE, N_DATA, 0, "Requests in the last period.")       \
	R(P, inc_gpc0, INC, GPC0, GPC0_RATE, EFFECT, "Adds one to gpc0; what it is then.")        \
	R(P, inc_gpc1, INC, GPC1, GPC1_RATE, EFFECT, "Adds one to gpc1; what it is then.")        \
	R(P, kbytes_in, KBYTES, BYTES_IN_CNT, N_DATA, 0, "KiB received.")                         \
	R(P, kbytes_out, KBYTES, BYTES_OUT_CNT, N_DATA, 0, "KiB sent.")                           \
	R(P, sess_cnt, READ, SESS_CNT, N_DATA, 0, "Sessions: connections that rules let in.")     \
	R(P, sess_rate, READ, SESS_RATE, N_DATA, 0, "Sessions of the last period.")
#define FAMILY_AT(R, P)                                                                    \
	R(P, clr_gpc, CLEAR_AT, GPC, N_DATA, EFFECT, "Clears one of gpc(N); what it was.") \
	R(P, get_gpc, READ_AT, GPC, N_DATA, 0, "One of gpc(N).")                           \
	R(P, get_gpt, READ_AT, GPT, N_DATA, 0, "One of gpt(N).")                           \
	R(P, gpc_rate, READ_AT, GPC_RATE, N_DATA, 0,                                       \
	  "How much one of gpc(N) grew in the last "                                       \
	  "period.")                                                                       \
	R(P, inc_gpc, INC_AT, GPC, GPC_RATE, EFFECT, "Adds one to one of gpc(N); what it is then.")
#define FAMILY_SC(R, P)                                                                    \
	R(P, tracked, TRACKED, N_DATA, N_DATA, 0, "Whether the counter tracks something.") \
	R(P, trackers, TRACKERS, N_DATA, N_DATA, 0, "How many track the same key now.")
#define FAMILY_SRC(R, P) \
	R(P, updt_conn_cnt, INC, CONN_CNT, N_DATA, EFFECT, "Adds one to conn_cnt; what it is then.")

#define EFFECT SMP_NEED_WRITE
#define WHAT(P, name, op, data, rate, effect, help)                                         \
	static bool fetch_##P##_##name(const struct expr_arg *args, struct sample_ctx *ctx, \
				       struct sample *out)                                  \
	{                                                                                   \
		static const struct what w = {FROM_##P, op, STICK_##data, STICK_##rate};    \
		return run(&w, args, ctx, out);                                             \
	}
#define ROW(prefix, P, specs, checker, linker, row_name, row_op, effect, text) \
	{.name = prefix #row_name,                                             \
	 .args = specs,                                                        \
	 .out = row_op == TRACKED ? SMP_BOOL : SMP_INT,                        \
	 .needs = SMP_NEED_CONN | (effect),                                    \
	 .flags = ROW_VOLATILE,                                                \
	 .fetch = fetch_##P##_##row_name,                                      \
	 .check = checker,                                                     \
	 .link = linker,                                                       \
	 .help = text},
#define ROW_SC(P, name, op, data, rate, effect, help) \
	ROW("sc_", P, args_sc, NULL, link_named, name, op, effect, help)
#define ROW_SC_AT(P, name, op, data, rate, effect, help) \
	ROW("sc_", P, args_sc_at, NULL, link_named, name, op, effect, help)
#define ROW_SC0(P, name, op, data, rate, effect, help) \
	ROW("sc0_", P, args_table, NULL, link_named, name, op, effect, help)
#define ROW_SC1(P, name, op, data, rate, effect, help) \
	ROW("sc1_", P, args_table, NULL, link_named, name, op, effect, help)
#define ROW_SC2(P, name, op, data, rate, effect, help) \
	ROW("sc2_", P, args_table, NULL, link_named, name, op, effect, help)
#define ROW_SC0_AT(P, name, op, data, rate, effect, help) \
	ROW("sc0_", P, args_table_at, NULL, link_named, name, op, effect, help)
#define ROW_SC1_AT(P, name, op, data, rate, effect, help) \
	ROW("sc1_", P, args_table_at, NULL, link_named, name, op, effect, help)
#define ROW_SC2_AT(P, name, op, data, rate, effect, help) \
	ROW("sc2_", P, args_table_at, NULL, link_named, name, op, effect, help)
#define ROW_SRC(P, name, op, data, rate, effect, help) \
	ROW("src_", P, args_table, stick_check_section, stick_link_section, name, op, effect, help)
#define ROW_SRC_AT(P, name, op, data, rate, effect, help)                                        \
	ROW("src_", P, args_table_at, stick_check_section, stick_link_section, name, op, effect, \
	    help)

// clang-format off
FAMILY(WHAT, SC) FAMILY_AT(WHAT, SC) FAMILY_SC(WHAT, SC)
FAMILY(WHAT, SC0) FAMILY_AT(WHAT, SC0) FAMILY_SC(WHAT, SC0)
FAMILY(WHAT, SC1) FAMILY_AT(WHAT, SC1) FAMILY_SC(WHAT, SC1)
FAMILY(WHAT, SC2) FAMILY_AT(WHAT, SC2) FAMILY_SC(WHAT, SC2)
FAMILY(WHAT, SRC) FAMILY_AT(WHAT, SRC) FAMILY_SRC(WHAT, SRC)

const struct fetch_row stick_fetches[] = {
    FAMILY(ROW_SC, SC) FAMILY_AT(ROW_SC_AT, SC) FAMILY_SC(ROW_SC, SC)
    FAMILY(ROW_SC0, SC0) FAMILY_AT(ROW_SC0_AT, SC0) FAMILY_SC(ROW_SC0, SC0)
    FAMILY(ROW_SC1, SC1) FAMILY_AT(ROW_SC1_AT, SC1) FAMILY_SC(ROW_SC1, SC1)
    FAMILY(ROW_SC2, SC2) FAMILY_AT(ROW_SC2_AT, SC2) FAMILY_SC(ROW_SC2, SC2)
    FAMILY(ROW_SRC, SRC) FAMILY_AT(ROW_SRC_AT, SRC) FAMILY_SRC(ROW_SRC, SRC)
    {.name = NULL},
};
