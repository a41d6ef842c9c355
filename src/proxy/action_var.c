// SPDX-License-Identifier: MIT
// Actions that write variables, timeouts and the strictness of the rules behind them.
#include "base/clock.h"
#include "proxy/action_priv.h"
#include "proxy/conf_priv.h"

#define REQUEST  RULE_HTTP_REQUEST
#define RESPONSE RULE_HTTP_RESPONSE
#define AFTER    RULE_HTTP_AFTER_RESPONSE
#define ANY      (REQUEST | RESPONSE | AFTER)

struct var_args {
	struct var_ref ref;
	unsigned conds;
	struct expr *expr;
	struct action_text text;
};

// "set-var(txn.name,ifnotexists)": what stands in parentheses.
static bool
parse_target(const struct conf_line *line, struct rule *r, struct err *err)
{
	struct var_args *a = r->args;
	struct str word = line->argv[1];
	size_t open = str_find_byte(word, '(');
	if (open == SIZE_MAX || word.p[word.n - 1] != ')')
		return err_set(err, "write '%.*s(SCOPE.NAME)'", STR_ARG(str_slice(word, 0, open)));
	struct str rest = str_slice(word, open + 1, word.n - 1), piece;
	struct expr_env env = action_env(r, line);
	if (!str_next(&rest, ',', &piece) || !var_parse(&env, str_trim(piece), &a->ref, err))
		return false;
	while (str_next(&rest, ',', &piece))
		if (!var_cond_parse(str_trim(piece), &a->conds, err))
			return false;
	return true;
}

static bool
parse_set_var(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
	      struct err *err)
{
	struct var_args *a = r->args = CONF_NEW(conf, struct var_args);
	if (!parse_target(line, r, err))
		return false;
	a->expr = action_expr(r, line, at, err);
	return a->expr != NULL;
}

static enum rule_verdict
run_set_var(const struct rule *r, struct txn *txn)
{
	const struct var_args *a = r->args;
	struct sample s;
	// No sample: the variable stays as it is.
	if (!expr_eval(a->expr, &txn->ctx, &s))
		return RULE_NEXT;
	return var_set_if(&a->ref, a->conds, &txn->ctx, &s) ? RULE_NEXT : action_failed(r, txn);
}

static bool
parse_add_var(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
	      struct err *err)
{
	if (!parse_set_var(conf, line, at, r, err))
		return false;
	const struct var_args *a = r->args;
	return (a->ref.scope == VAR_SHM && a->conds == 0) ||
	       err_set(err, "it adds to variables of shm., without conditions; others: "
			    "set-var(NAME) var(NAME,0),add(N)");
}

static enum rule_verdict
run_add_var(const struct rule *r, struct txn *txn)
{
	const struct var_args *a = r->args;
	struct sample s;
	if (!expr_eval(a->expr, &txn->ctx, &s))
		return RULE_NEXT;
	return var_add(&a->ref, &txn->ctx, &s) ? RULE_NEXT : action_failed(r, txn);
}

static bool
parse_set_var_fmt(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
		  struct err *err)
{
	struct var_args *a = r->args = CONF_NEW(conf, struct var_args);
	return parse_target(line, r, err) &&
	       action_text_word(r, line, at, "a format", &a->text, err);
}

static enum rule_verdict
run_set_var_fmt(const struct rule *r, struct txn *txn)
{
	const struct var_args *a = r->args;
	struct sample s = {.type = SMP_STR};
	if (!action_text_get(&a->text, txn, &s.s))
		return action_failed(r, txn);
	return var_set_if(&a->ref, a->conds, &txn->ctx, &s) ? RULE_NEXT : action_failed(r, txn);
}

static bool
parse_unset_var(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
		struct err *err)
{
	(void)at;
	r->args = CONF_NEW(conf, struct var_args);
	return parse_target(line, r, err);
}

static enum rule_verdict
run_unset_var(const struct rule *r, struct txn *txn)
{
	const struct var_args *a = r->args;
	(void)var_unset(&a->ref, &txn->ctx); // false: it was not set
	return RULE_NEXT;
}

// --- set-timeout -----------------------------------------------------------------------------

struct timeout_args {
	size_t offset; // in struct proxy_timeouts
	uint64_t ns;
	struct expr *expr; // milliseconds
};

static bool
timeout_of(struct str name, size_t *offset, struct err *err)
{
	static const struct {
		const char *name;
		size_t offset;
	} known[] = {
	    {"client", offsetof(struct proxy_timeouts, client_ns)},
	    {"server", offsetof(struct proxy_timeouts, server_ns)},
	    {"connect", offsetof(struct proxy_timeouts, connect_ns)},
	    {"queue", offsetof(struct proxy_timeouts, queue_ns)},
	    {"tarpit", offsetof(struct proxy_timeouts, tarpit_ns)},
	    {"tunnel", offsetof(struct proxy_timeouts, tunnel_ns)},
	};
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		*offset = known[i].offset;
		if (str_eq(name, str_from_c(known[i].name)))
			return true;
	}
	return err_set(err,
		       "a rule cannot set the time-out '%.*s': client, server, connect, queue, "
		       "tarpit and tunnel it can",
		       STR_ARG(name));
}

static bool
parse_set_timeout(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
		  struct err *err)
{
	struct timeout_args *a = r->args = CONF_NEW(conf, struct timeout_args);
	struct str which, value;
	if (!action_word(line, at, "a time-out's name", &which, err) ||
	    !timeout_of(which, &a->offset, err))
		return false;
	if (*at >= line->argc)
		return err_set(err, "a time is missing");
	value = line->argv[*at];
	uint64_t us;
	if (str_to_time_us(value, 1000, &us) && us <= UINT64_C(2147483647000)) {
		++*at;
		a->ns = us * 1000;
		return true;
	}
	a->expr = action_expr(r, line, at, err);
	return a->expr != NULL;
}

static enum rule_verdict
run_set_timeout(const struct rule *r, struct txn *txn)
{
	const struct timeout_args *a = r->args;
	uint64_t ns = a->ns;
	struct sample s;
	if (a->expr != NULL) {
		if (!expr_eval(a->expr, &txn->ctx, &s) || !sample_cast(&s, SMP_INT, &txn->ctx) ||
		    s.i <= 0 || s.i > INT32_MAX)
			return RULE_NEXT;
		ns = (uint64_t)s.i * NS_PER_MS;
	}
	if (txn->own_timeouts == NULL)
		txn->own_timeouts = arena_zalloc(&txn->arena, sizeof(*txn->own_timeouts),
						 alignof(struct proxy_timeouts));
	if (txn->own_timeouts == NULL)
		return action_failed(r, txn);
	memcpy((char *)txn->own_timeouts + a->offset, &ns, sizeof(ns));
	return RULE_NEXT;
}

// --- set-retries -----------------------------------------------------------------------------

#define MOST_RETRIES 254 // what the transaction's counter holds

static enum rule_verdict
run_set_retries(const struct rule *r, struct txn *txn)
{
	struct sample s;
	if (expr_eval(r->args, &txn->ctx, &s) && sample_cast(&s, SMP_INT, &txn->ctx) && s.i >= 0)
		txn->own_retries = (uint16_t)(MIN(s.i, MOST_RETRIES) + 1);
	return RULE_NEXT;
}

// --- set-log-level ---------------------------------------------------------------------------

static bool
parse_set_log_level(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
		    struct err *err)
{
	static const char *const levels[] = {"emerg",   "alert",  "crit", "err",
					     "warning", "notice", "info", "debug"};
	int8_t *level = r->args = CONF_NEW(conf, int8_t);
	struct str word;
	if (!action_word(line, at, "a level", &word, err))
		return false;
	*level = str_eq(word, STR("silent")) ? TXN_LOG_SILENT : 0;
	for (size_t i = 0; i < ARRAY_LEN(levels); i++)
		if (str_eq(word, str_from_c(levels[i])))
			*level = (int8_t)(i + 1);
	return *level != 0 ||
	       err_set(err,
		       "'%.*s' is no level: emerg, alert, crit, err, warning, notice, info, debug "
		       "and silent are",
		       STR_ARG(word));
}

static enum rule_verdict
run_set_log_level(const struct rule *r, struct txn *txn)
{
	txn->log_level = *(const int8_t *)r->args;
	return RULE_NEXT;
}

// --- set-src and its kin ---------------------------------------------------------------------

static bool
parse_expr(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
	   struct err *err)
{
	(void)conf;
	r->args = action_expr(r, line, at, err);
	return r->args != NULL;
}

// What the transaction believes about its ends; the connection's own stay as they are. NULL: no
// room.
static struct sample_addr *
own_address(struct txn *txn, const struct sample_addr **address)
{
	struct sample_addr *a = ARENA_NEW(&txn->arena, struct sample_addr);
	if (a == NULL)
		return NULL;
	*a = **address;
	*address = a;
	return a;
}

static enum rule_verdict
set_ip(const struct rule *r, struct txn *txn, const struct sample_addr **address)
{
	struct sample s;
	if (!expr_eval(r->args, &txn->ctx, &s) || !sample_cast(&s, SMP_ADDR, &txn->ctx))
		return RULE_NEXT;
	struct sample_addr *a = own_address(txn, address);
	if (a == NULL)
		return action_failed(r, txn);
	if (a->family == 1)
		a->port = 0; // of a unix socket
	a->family = s.type == SMP_IP6 ? 6 : 4;
	memcpy(a->ip, s.ip, sizeof(a->ip));
	return RULE_NEXT;
}

static enum rule_verdict
set_port(const struct rule *r, struct txn *txn, const struct sample_addr **address)
{
	struct sample s;
	if (!expr_eval(r->args, &txn->ctx, &s) || !sample_cast(&s, SMP_INT, &txn->ctx) || s.i < 0 ||
	    s.i > UINT16_MAX)
		return RULE_NEXT;
	struct sample_addr *a = own_address(txn, address);
	if (a == NULL)
		return action_failed(r, txn);
	a->port = (uint16_t)s.i;
	return RULE_NEXT;
}

static enum rule_verdict
run_set_src(const struct rule *r, struct txn *txn)
{
	return set_ip(r, txn, &txn->ctx.src);
}

static enum rule_verdict
run_set_dst(const struct rule *r, struct txn *txn)
{
	return set_ip(r, txn, &txn->ctx.dst);
}

static enum rule_verdict
run_set_src_port(const struct rule *r, struct txn *txn)
{
	return set_port(r, txn, &txn->ctx.src);
}

static enum rule_verdict
run_set_dst_port(const struct rule *r, struct txn *txn)
{
	return set_port(r, txn, &txn->ctx.dst);
}

// --- strict-mode -----------------------------------------------------------------------------

static bool
parse_strict_mode(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
		  struct err *err)
{
	(void)conf;
	struct str word;
	bool on;
	if (!action_word(line, at, "on or off", &word, err))
		return false;
	if (!str_to_bool(word, &on))
		return err_set(err, "'%.*s' is neither on nor off", STR_ARG(word));
	if (*at < line->argc)
		return err_set(err, "it takes no condition: it holds for the rules that follow it");
	unsigned *lenient = &r->proxy->conf->lenient;
	*lenient = on ? *lenient & ~(unsigned)r->where : *lenient | r->where;
	return true;
}

static enum rule_verdict
run_nothing(const struct rule *r, struct txn *txn)
{
	(void)r;
	(void)txn;
	return RULE_NEXT;
}

const struct action_row actions_var[] = {
    {"set-var", ANY | RULE_TCP, parse_set_var, run_set_var, ACTION_KEEPS,
     "set-var(<name>[,<cond>]) <expr>",
     "Sets a variable; without a sample it stays as it is. Conditions: ifexists, ifnotexists, "
     "ifempty, ifnotempty, ifset, ifnotset, ifgt, iflt."},
    {"add-var", ANY | RULE_TCP, parse_add_var, run_add_var, ACTION_KEEPS,
     "add-var(shm.<name>) <expr>",
     "Adds to a counter or another number of the shared table; without a sample nothing. To a "
     "counter: without a lock and without an entry in the write log."},
    {"set-var-fmt", ANY | RULE_TCP, parse_set_var_fmt, run_set_var_fmt, ACTION_KEEPS,
     "set-var-fmt(<name>[,<cond>]) <format>", "Sets a variable to a text."},
    {"unset-var", ANY | RULE_TCP, parse_unset_var, run_unset_var, ACTION_KEEPS, "unset-var(<name>)",
     "Forgets a variable."},
    {"set-timeout", REQUEST | RESPONSE, parse_set_timeout, run_set_timeout, ACTION_KEEPS,
     "set-timeout client|server|connect|queue|tarpit|tunnel <time>|<expr>",
     "This transaction's own time-out; an expression gives milliseconds."},
    {"set-retries", REQUEST | RULE_TCP_CONTENT, parse_expr, run_set_retries, ACTION_KEEPS,
     "set-retries <expr>", "How often connecting to a server may be tried again for this request."},
    {"set-log-level", ANY | RULE_TCP_CONTENT | RULE_TCP_RESPONSE, parse_set_log_level,
     run_set_log_level, ACTION_KEEPS, "set-log-level <level>",
     "The level of the access log's line: emerg, alert, crit, err, warning, notice, info, debug; "
     "silent: no line."},
    {"set-src", RULE_IN_REQUEST, parse_expr, run_set_src, 0, "set-src <expr>",
     "The client's address from here on: in src, logs and X-Forwarded-For. No address: as it was."},
    {"set-dst", RULE_IN_REQUEST, parse_expr, run_set_dst, 0, "set-dst <expr>",
     "The address that the client wanted, in dst and X-Original-To."},
    {"set-src-port", RULE_IN_REQUEST, parse_expr, run_set_src_port, 0, "set-src-port <expr>",
     "The client's port from here on."},
    {"set-dst-port", RULE_IN_REQUEST, parse_expr, run_set_dst_port, 0, "set-dst-port <expr>",
     "The port that the client wanted."},
    {"strict-mode", ANY, parse_strict_mode, run_nothing, ACTION_KEEPS, "strict-mode on|off",
     "Off: an edit of a rule behind it that finds no room is skipped instead of failing the "
     "transaction."},
    {.name = NULL},
};
