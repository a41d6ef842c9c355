// SPDX-License-Identifier: MIT
// Actions on the client's connection: marks on its packets (set-tos, set-mark), hints sent ahead of
// the answer (early-hint, RFC 8297), and a log line at once (do-log).
#include "proxy/action_conn.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/module.h"
#include "proxy/accesslog.h"
#include "proxy/action_priv.h"
#include "proxy/conf_priv.h"
#include "proxy/conns.h"

// --- set-tos, set-mark -------------------------------------------------------------------------

struct number_args {
	uint32_t n;
	struct expr *expr; // NULL: n is it
};

// A number, decimal or behind "0x", or an expression.
static bool
parse_number(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
	     uint32_t most, struct err *err)
{
	struct number_args *a = r->args = CONF_NEW(conf, struct number_args);
	if (*at >= line->argc)
		return err_set(err, "a number is missing");
	const char *word = line->argv[*at].p; // words are NUL-terminated
	char *end;
	unsigned long long n = strtoull(word, &end, 0);
	if (word[0] >= '0' && word[0] <= '9' && *end == '\0') {
		if (n > most)
			return err_set(err, "%s is not in 0..%u", word, most);
		a->n = (uint32_t)n;
		++*at;
		return true;
	}
	a->expr = action_expr(r, line, at, err);
	return a->expr != NULL;
}

static bool
number_of(const struct number_args *a, struct txn *t, uint32_t most, int *out)
{
	struct sample s = {.i = a->n};
	if (a->expr != NULL && (!expr_eval(a->expr, &t->ctx, &s) ||
				!sample_cast(&s, SMP_INT, &t->ctx) || s.i < 0 || s.i > most))
		return false;
	*out = (int)(uint32_t)s.i;
	return true;
}

static bool
parse_tos(struct conf *conf, const struct conf_line *line, int *at, struct rule *r, struct err *err)
{
	return parse_number(conf, line, at, r, UINT8_MAX, err);
}

static bool
parse_mark(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
	   struct err *err)
{
	return parse_number(conf, line, at, r, UINT32_MAX, err);
}

static enum rule_verdict
run_tos(const struct rule *r, struct txn *t)
{
	int tos;
	bool v6 = t->client->src.family == 6;
	if (!number_of(r->args, t, UINT8_MAX, &tos))
		return RULE_NEXT;
	// Where it fails, as on a unix socket, packets have no such field.
	(void)setsockopt(t->client->conn.fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
			 v6 ? IPV6_TCLASS : IP_TOS, &tos, sizeof(tos));
	return RULE_NEXT;
}

static enum rule_verdict
run_mark(const struct rule *r, struct txn *t)
{
	int mark;
	// Without the right to (CAP_NET_ADMIN) packets stay as they are, as in HAProxy.
	if (number_of(r->args, t, UINT32_MAX, &mark))
		(void)setsockopt(t->client->conn.fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
	return RULE_NEXT;
}

// --- early-hint --------------------------------------------------------------------------------

struct hint_args {
	struct str name;
	struct action_text value;
};

static bool
parse_hint(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
	   struct err *err)
{
	struct hint_args *a = r->args = CONF_NEW(conf, struct hint_args);
	return action_header_word(line, at, &a->name, err) &&
	       action_text_word(r, line, at, "the value", &a->value, err);
}

static enum rule_verdict
send_hint(const struct rule *r, struct txn *t)
{
	const struct hint_args *a = r->args;
	struct conn *c = &t->client->conn;
	struct str value;
	if (!action_field_get(&a->value, t, &value))
		return action_failed(r, t);
	char *text = arena_printf(&t->arena, "HTTP/1.1 103 Early Hints\r\n%.*s: %.*s\r\n\r\n",
				  STR_ARG(a->name), STR_ARG(value));
	if (text == NULL || !http_is_field_value(value))
		return action_failed(r, t);
	uint64_t limit = TXN_TIMEOUT(t, t->frontend, client_ns);
	conn_deadline(c, limit != 0 ? loop_now_ns(t->worker->loop) + limit : 0);
	t->res_iov[0] = (struct iovec){text, strlen(text)};
	t->bytes_out += t->res_iov[0].iov_len;
	t->flags |= TXN_PAUSED;
	conn_send(c, t->res_iov, 1, 0);
	return RULE_WAIT;
}

// HTTP/1.0 knows no interim responses.
static enum rule_verdict
run_hint(const struct rule *r, struct txn *t)
{
	struct conn *c = &t->client->conn;
	if (t->req.version == 0)
		return RULE_NEXT;
	if (t->seen & (SEEN_CLIENT_FAILED | SEEN_CLIENT_TIMEOUT))
		return RULE_CUT;
	if (conn_sending(c))
		return RULE_WAIT;
	if (!(t->flags & TXN_PAUSED))
		return send_hint(r, t);
	t->flags &= ~(uint32_t)TXN_PAUSED;
	conn_deadline(c, 0);
	return RULE_NEXT;
}

// --- do-log ------------------------------------------------------------------------------------

static enum rule_verdict
run_log(const struct rule *r, struct txn *t)
{
	(void)r;
	accesslog_write_more(t);
	return RULE_NEXT;
}

#define HTTP     (RULE_HTTP_REQUEST | RULE_HTTP_RESPONSE | RULE_HTTP_AFTER_RESPONSE)
#define ANYWHERE (HTTP | RULE_TCP)

static const struct action_row actions[] = {
    {"do-log", ANYWHERE, NULL, run_log, ACTION_KEEPS, "do-log",
     "Writes a line to the access log now, beside the one at the end."},
    {"early-hint", RULE_HTTP_REQUEST, parse_hint, run_hint, ACTION_KEEPS,
     "early-hint <name> <format>",
     "Sends the client a response 103 with that header ahead of the answer (RFC 8297); not to "
     "HTTP/1.0."},
    {"set-tos", ANYWHERE, parse_tos, run_tos, ACTION_KEEPS, "set-tos <number>|<expr>",
     "TOS (DSCP) of the packets to the client."},
    {"set-fc-tos", ANYWHERE, parse_tos, run_tos, ACTION_KEEPS, "set-fc-tos <number>|<expr>",
     "As set-tos."},
    {"set-mark", ANYWHERE, parse_mark, run_mark, ACTION_KEEPS, "set-mark <number>|<expr>",
     "Mark of the packets to the client, for routing; needs CAP_NET_ADMIN."},
    {"set-fc-mark", ANYWHERE, parse_mark, run_mark, ACTION_KEEPS, "set-fc-mark <number>|<expr>",
     "As set-mark."},
    {.name = NULL},
};

const struct module proxy_conn_module = {
    .name = "rules on connections",
    .actions = actions,
};
