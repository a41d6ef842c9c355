// SPDX-License-Identifier: MIT
// Rules that track a key, and count for what is tracked; and what is counted of sessions, requests
// and responses, when. A rule on a connection tracks for the session, others for their request.
#include "proxy/action_priv.h"
#include "proxy/conf_priv.h"
#include "proxy/conns.h"
#include "proxy/host.h"
#include "proxy/stick_priv.h"

// --- what is tracked -----------------------------------------------------------------------------

struct txn *
stick_txn_of(const struct sample_ctx *ctx)
{
	return ctx->host == &proxy_sample_host ? ctx->host_data : NULL;
}

static inline struct stick_refs *
of_session(const struct txn *t)
{
	return t->client != NULL && t->client->session != NULL ? &t->client->session->tracked
							       : NULL;
}

const struct stick_ref *
stick_tracked(const struct txn *t, unsigned i)
{
	if (t->tracked != NULL && t->tracked->r[i].entry != NULL)
		return &t->tracked->r[i];
	const struct stick_refs *s = of_session(t);
	return s != NULL && s->r[i].entry != NULL ? &s->r[i] : NULL;
}

// Where a rule tracks; NULL: no memory.
static struct stick_refs *
refs_of(const struct rule *r, struct txn *t)
{
	if (r->where & (RULE_TCP_CONNECTION | RULE_TCP_SESSION)) {
		(void)session_vars(t->client);
		return of_session(t);
	}
	if (t->tracked == NULL)
		t->tracked =
		    arena_zalloc(&t->arena, sizeof(*t->tracked), alignof(struct stick_refs));
	return t->tracked;
}

// --- counting ------------------------------------------------------------------------------------

static inline void
count_data(const struct stick_ref *r, enum stick_data data, uint64_t n, uint64_t now)
{
	if (data != STICK_N_DATA && stick_table_def(r->table)->data[data].n > 0)
		stick_add(r, data, 0, n, now);
}

void
stick_count_one(const struct stick_ref *r, enum stick_data count, enum stick_data rate, uint64_t n,
		uint64_t now)
{
	count_data(r, count, n, now);
	count_data(r, rate, n, now);
}

static uint64_t
now_of(const struct stick_ref *r, const struct txn *t)
{
	return stick_now(r->table, loop_boot_ns(t->worker->loop));
}

// For all that is tracked.
static void
count_all(struct txn *t, enum stick_data count, enum stick_data rate, uint64_t n)
{
	const struct stick_ref *r;
	for (unsigned i = 0; i < STICK_COUNTERS; i++)
		if ((r = stick_tracked(t, i)) != NULL)
			stick_count_one(r, count, rate, n, now_of(r, t));
}

void
stick_count_session(struct client *c)
{
	const struct stick_refs *s = c->session != NULL ? &c->session->tracked : NULL;
	for (unsigned i = 0; s != NULL && i < STICK_COUNTERS; i++)
		if (s->r[i].entry != NULL)
			stick_count_one(&s->r[i], STICK_SESS_CNT, STICK_SESS_RATE, 1,
					stick_now(s->r[i].table, loop_boot_ns(c->worker->loop)));
}

void
stick_count_request(struct txn *t)
{
	if (t->flags & TXN_TRACKED_REQUEST)
		return; // a rule waited
	t->flags |= TXN_TRACKED_REQUEST;
	count_all(t, STICK_HTTP_REQ_CNT, STICK_HTTP_REQ_RATE, 1);
}

void
stick_count_refused(struct txn *t)
{
	count_all(t, STICK_HTTP_ERR_CNT, STICK_HTTP_ERR_RATE, 1);
}

void
stick_count_bad_request(struct txn *t)
{
	stick_count_request(t);
	stick_count_refused(t);
}

void
stick_count_failed(struct txn *t)
{
	count_all(t, STICK_HTTP_FAIL_CNT, STICK_HTTP_FAIL_RATE, 1);
}

static bool
is_clients_fault(unsigned status)
{
	return status >= 400 && status < 500;
}

// What a server has not, or does not speak, is no failure of it.
static bool
is_servers_fault(unsigned status)
{
	return status >= 500 && status < 600 && status != 501 && status != 505;
}

void
stick_count_response(struct txn *t)
{
	if (is_clients_fault(t->server_status))
		stick_count_refused(t);
	if (is_servers_fault(t->server_status))
		stick_count_failed(t);
}

void
stick_refs_let_go(struct stick_refs *refs, uint64_t boot_ns)
{
	for (unsigned i = 0; i < STICK_COUNTERS; i++)
		if (refs->r[i].entry != NULL)
			stick_let_go(&refs->r[i], stick_now(refs->r[i].table, boot_ns));
}

void
stick_count_bytes(struct txn *t)
{
	count_all(t, STICK_BYTES_IN_CNT, STICK_BYTES_IN_RATE, t->bytes_in);
	count_all(t, STICK_BYTES_OUT_CNT, STICK_BYTES_OUT_RATE, t->bytes_out);
}

void
stick_txn_end(struct txn *t)
{
	if (LIKELY(t->tracked == NULL))
		return;
	stick_refs_let_go(t->tracked, loop_boot_ns(t->worker->loop));
	t->tracked = NULL;
}

// --- track-sc ------------------------------------------------------------------------------------

struct track_args {
	unsigned counter;
	struct expr *key;
	struct str name; // of the table; empty: this section's
	const struct rule *rule;
	struct proxy_table *table;
};

static bool
find_table(struct conf *conf, void *arg, struct err *err)
{
	struct track_args *a = arg;
	const struct proxy_set *set = conf_bound(conf, "proxy");
	const struct proxy *p = a->rule->proxy;
	if (a->name.p == NULL && p->table == NULL)
		return err_set(err, "%s: this section has no stick table, and no 'table' is named",
			       a->rule->action->name);
	a->table = a->name.p == NULL ? p->table : proxy_table_find(set, a->name, err);
	if (a->table == NULL)
		return false;
	enum stick_key_type type = a->table->def.type;
	return sample_can_cast(expr_type(a->key), stick_sample_types[type]) ||
	       err_set(err, "%s: '%.*s' cannot be a key of table '%.*s', which are of type %s",
		       a->rule->action->name, STR_ARG(expr_source(a->key)), STR_ARG(a->table->name),
		       stick_key_names[type]);
}

static bool
parse_track(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
	    struct err *err)
{
	struct track_args *a = r->args = CONF_NEW(conf, struct track_args);
	a->rule = r;
	a->counter = (unsigned)(r->action->name[sizeof("track-sc") - 1] - '0');
	a->key = action_expr(r, line, at, err);
	if (a->key == NULL)
		return false;
	if (*at < line->argc && str_eq(line->argv[*at], STR("table"))) {
		++*at;
		if (!action_word(line, at, "a table's name", &a->name, err))
			return false;
	}
	conf_defer(conf, line, find_table, a);
	return true;
}

// Tracked first by a rule on HTTP: the request has been counted for nobody here yet, nor has its
// response.
static void
count_first(const struct rule *r, const struct txn *t, const struct stick_ref *ref, uint64_t now)
{
	stick_count_one(ref, STICK_CONN_CNT, STICK_CONN_RATE, 1, now);
	if (!(r->where & (RULE_HTTP_REQUEST | RULE_HTTP_RESPONSE)))
		return;
	stick_count_one(ref, STICK_HTTP_REQ_CNT, STICK_HTTP_REQ_RATE, 1, now);
	if (r->where == RULE_HTTP_RESPONSE && is_clients_fault(t->res.status))
		stick_count_one(ref, STICK_HTTP_ERR_CNT, STICK_HTTP_ERR_RATE, 1, now);
	if (r->where == RULE_HTTP_RESPONSE && is_servers_fault(t->res.status))
		stick_count_one(ref, STICK_HTTP_FAIL_CNT, STICK_HTTP_FAIL_RATE, 1, now);
}

// A key that is none, and a table without room for it: nothing is tracked, as in HAProxy.
static enum rule_verdict
run_track(const struct rule *r, struct txn *t)
{
	const struct track_args *a = r->args;
	struct stick_table *table = a->table->table;
	struct stick_refs *refs = refs_of(r, t);
	struct sample s;
	struct stick_key k;
	if (refs == NULL)
		return action_failed(r, t);
	struct stick_ref *ref = &refs->r[a->counter];
	if (ref->entry != NULL || !expr_eval(a->key, &t->ctx, &s) ||
	    !proxy_table_key(table, &s, &t->ctx, &k))
		return RULE_NEXT;
	uint64_t now = stick_now(table, loop_boot_ns(t->worker->loop));
	if (stick_keep(table, &k, now, ref))
		count_first(r, t, ref, now);
	return RULE_NEXT;
}

// --- sc-inc-gpc and its kin ----------------------------------------------------------------------

struct sc_args {
	unsigned i, counter;
	int64_t value;
	struct expr *expr; // NULL: value
};

// "sc-inc-gpc(1,0)", "sc-inc-gpc0(0)".
static bool
parse_sc(struct conf *conf, const struct conf_line *line, struct rule *r, bool indexed,
	 struct err *err)
{
	struct sc_args *a = r->args = CONF_NEW(conf, struct sc_args);
	struct str word = line->argv[1], n;
	size_t open = str_find_byte(word, '(');
	int64_t i = 0, counter = 0;
	if (open == SIZE_MAX || word.p[word.n - 1] != ')')
		return err_set(err, "write '%s(%sCOUNTER)'", r->action->name,
			       indexed ? "INDEX," : "");
	struct str rest = str_slice(word, open + 1, word.n - 1);
	if (indexed && (!str_next(&rest, ',', &n) || !str_to_int(str_trim(n), &i) || i < 0 ||
			i >= STICK_MAX_ARRAY))
		return err_set(err, "an index is 0 to %u", STICK_MAX_ARRAY - 1);
	if (!str_next(&rest, ',', &n) || !str_to_int(str_trim(n), &counter) || counter < 0 ||
	    counter >= STICK_COUNTERS || rest.n > 0)
		return err_set(err, "a counter is 0 to %u", STICK_COUNTERS - 1);
	a->i = (unsigned)i;
	a->counter = (unsigned)counter;
	return true;
}

static bool
parse_value(const struct conf_line *line, int *at, struct rule *r, struct err *err)
{
	struct sc_args *a = r->args;
	if (*at < line->argc && str_to_int(line->argv[*at], &a->value)) {
		++*at;
		return (a->value >= 0 && a->value <= UINT32_MAX) ||
		       err_set(err, "'%.*s' is not 0 to %u", STR_ARG(line->argv[*at - 1]),
			       UINT32_MAX);
	}
	a->expr = action_expr(r, line, at, err);
	return a->expr != NULL;
}

static bool
parse_inc(struct conf *conf, const struct conf_line *line, int *at, struct rule *r, struct err *err)
{
	(void)at;
	return parse_sc(conf, line, r, false, err);
}

static bool
parse_inc_at(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
	     struct err *err)
{
	(void)at;
	return parse_sc(conf, line, r, true, err);
}

static bool
parse_set(struct conf *conf, const struct conf_line *line, int *at, struct rule *r, struct err *err)
{
	return parse_sc(conf, line, r, false, err) && parse_value(line, at, r, err);
}

static bool
parse_set_at(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
	     struct err *err)
{
	return parse_sc(conf, line, r, true, err) && parse_value(line, at, r, err);
}

static void
add(const struct txn *t, const struct sc_args *a, enum stick_data count, enum stick_data rate,
    uint64_t n)
{
	const struct stick_ref *r = stick_tracked(t, a->counter);
	const enum stick_data both[] = {count, rate};
	for (unsigned k = 0; r != NULL && k < 2; k++) {
		enum stick_data data = both[k];
		unsigned i = a->i;
		if (stick_def_has(stick_table_def(r->table), &data, &i))
			stick_add(r, data, i, n, now_of(r, t));
	}
}

static enum rule_verdict
run_inc_gpc0(const struct rule *r, struct txn *t)
{
	add(t, r->args, STICK_GPC0, STICK_GPC0_RATE, 1);
	return RULE_NEXT;
}

static enum rule_verdict
run_inc_gpc1(const struct rule *r, struct txn *t)
{
	add(t, r->args, STICK_GPC1, STICK_GPC1_RATE, 1);
	return RULE_NEXT;
}

static enum rule_verdict
run_inc_gpc(const struct rule *r, struct txn *t)
{
	add(t, r->args, STICK_GPC, STICK_GPC_RATE, 1);
	return RULE_NEXT;
}

// False: there is none, or it is negative.
static bool
value_of(const struct sc_args *a, struct txn *t, uint64_t *out)
{
	struct sample s = {.type = SMP_INT, .i = a->value};
	if (a->expr != NULL &&
	    (!expr_eval(a->expr, &t->ctx, &s) || !sample_cast(&s, SMP_INT, &t->ctx)))
		return false;
	*out = (uint64_t)s.i;
	return s.i >= 0;
}

static enum rule_verdict
run_add_gpc(const struct rule *r, struct txn *t)
{
	uint64_t n;
	if (value_of(r->args, t, &n))
		add(t, r->args, STICK_GPC, STICK_GPC_RATE, n);
	return RULE_NEXT;
}

static void
set(struct txn *t, const struct sc_args *a, enum stick_data data)
{
	const struct stick_ref *r = stick_tracked(t, a->counter);
	unsigned i = a->i;
	uint64_t n;
	if (r != NULL && stick_def_has(stick_table_def(r->table), &data, &i) && value_of(a, t, &n))
		stick_set(r, data, i, n, now_of(r, t));
}

static enum rule_verdict
run_set_gpt0(const struct rule *r, struct txn *t)
{
	set(t, r->args, STICK_GPT0);
	return RULE_NEXT;
}

static enum rule_verdict
run_set_gpt(const struct rule *r, struct txn *t)
{
	set(t, r->args, STICK_GPT);
	return RULE_NEXT;
}

// Nobody keeps what a fetch of these says (ROW_VOLATILE), so there is nothing to forget.
#define TRACK (RULE_TCP_REQUEST | RULE_HTTP_REQUEST | RULE_HTTP_RESPONSE)
#define SC    (RULE_TCP | RULE_HTTP_REQUEST | RULE_HTTP_RESPONSE | RULE_HTTP_AFTER_RESPONSE)
#define TRACK_ROW(n)                                                                             \
	{                                                                                        \
		"track-sc" #n, TRACK, parse_track, run_track, ACTION_KEEPS,                      \
		    "track-sc" #n " <key> [table <name>]",                                       \
		    "Counts for a key from here on, in this section's stick table or another "   \
		    "one's: of a connection in tcp-request connection and session, else of the " \
		    "request. A counter that tracks already goes on with its key."               \
	}

const struct action_row stick_actions[] = {
    TRACK_ROW(0),
    TRACK_ROW(1),
    TRACK_ROW(2),
    {"sc-inc-gpc0", SC, parse_inc, run_inc_gpc0, ACTION_KEEPS, "sc-inc-gpc0(<counter>)",
     "Adds one to gpc0 of what the counter tracks, and to gpc0_rate."},
    {"sc-inc-gpc1", SC, parse_inc, run_inc_gpc1, ACTION_KEEPS, "sc-inc-gpc1(<counter>)",
     "Adds one to gpc1 of what the counter tracks, and to gpc1_rate."},
    {"sc-inc-gpc", SC, parse_inc_at, run_inc_gpc, ACTION_KEEPS, "sc-inc-gpc(<index>,<counter>)",
     "Adds one to that of the gpc(N) of what the counter tracks, and of its gpc_rate(N)."},
    {"sc-add-gpc", SC, parse_set_at, run_add_gpc, ACTION_KEEPS,
     "sc-add-gpc(<index>,<counter>) <int>|<expr>",
     "Adds a number to that of the gpc(N) of what the counter tracks, and to its gpc_rate(N)."},
    {"sc-set-gpt0", SC, parse_set, run_set_gpt0, ACTION_KEEPS,
     "sc-set-gpt0(<counter>) <int>|<expr>", "Sets the tag gpt0 of what the counter tracks."},
    {"sc-set-gpt", SC, parse_set_at, run_set_gpt, ACTION_KEEPS,
     "sc-set-gpt(<index>,<counter>) <int>|<expr>",
     "Sets that of the tags gpt(N) of what the counter tracks."},
    {.name = NULL},
};
