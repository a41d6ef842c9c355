// SPDX-License-Identifier: MIT
// The words are HAProxy's, and so is what it says of those that it does not understand.
#include "backend/agent.h"

#include <stdio.h>

#include "backend/backend.h"
#include "base/mem.h"
#include "base/sbuf.h"
#include "net/conn.h"

// --- reading -------------------------------------------------------------------------------------

static const struct {
	struct str word;
	enum health_status status; // HEALTH_CHECKED: an administrative state
} words[] = {
    {{"up", 2}, HEALTH_L7OK},       {{"down", 4}, HEALTH_L7STS},    {{"stopped", 7}, HEALTH_L7STS},
    {{"fail", 4}, HEALTH_L7STS},    {{"ready", 5}, HEALTH_CHECKED}, {{"drain", 5}, HEALTH_CHECKED},
    {{"maint", 5}, HEALTH_CHECKED},
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
take_known(struct agent_line *out, struct str word)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (!str_eq_nocase(word, words[i].word))
			continue;
		if (words[i].status == HEALTH_CHECKED) {
			out->state = word;
		} else {
			out->health = word;
			out->status = words[i].status;
		}
		return true;
	}
	return false;
}

static void
take_word(struct agent_line *out, struct str word)
{
	static const struct str maxconn = {"maxconn:", 8};
	if (take_known(out, word))
		return;
	if (is_digit(word.p[0]) && str_find_byte(word, '%') != SIZE_MAX)
		out->weight = word;
	else if (word.n >= maxconn.n && str_eq_nocase(str_slice(word, 0, maxconn.n), maxconn))
		out->maxconn = str_slice(word, maxconn.n, word.n);
	else if (out->unknown.n == 0)
		out->unknown = word;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct str
behind_blanks(struct str s)
{
	size_t at = 0;
	while (at < s.n && is_blank(s.p[at]))
		at++;
	return str_slice(s, at, s.n);
}

bool
agent_read(struct str bytes, struct agent_line *out)
{
	size_t n = 0, at = 0;
	*out = (struct agent_line){.status = HEALTH_CHECKED};
	while (n < bytes.n && bytes.p[n] != '\0' && bytes.p[n] != '\n' && bytes.p[n] != '\r')
		n++;
	if (n == bytes.n || bytes.p[n] == '\0')
		return false;
	while (at < n) {
		size_t end = at;
		if (bytes.p[at] == '#') {
			out->text = behind_blanks(str_slice(bytes, at + 1, n));
			break;
		}
		while (end < n && !is_blank(bytes.p[end]) && bytes.p[end] != ',')
			end++;
		if (end > at)
			take_word(out, str_slice(bytes, at, end));
		at = end + (end == at);
	}
	return true;
}

// Digits, as far as they go; too many are UINT32_MAX. *rest: what follows them.
static uint32_t
take_digits(struct str s, struct str *rest)
{
	uint64_t v = 0;
	size_t at = 0;
	for (; at < s.n && is_digit(s.p[at]); at++)
		v = MIN(v * 10 + (uint64_t)(s.p[at] - '0'), (uint64_t)UINT32_MAX);
	*rest = str_slice(s, at, s.n);
	return (uint32_t)v;
}

const char *
agent_weight(struct str word, uint32_t configured, uint32_t *out)
{
	struct str rest;
	uint64_t percent = take_digits(word, &rest);
	if (str_eq(rest, STR("%"))) {
		*out = (uint32_t)MIN(configured * percent / 100, (uint64_t)BACKEND_WEIGHT_MAX);
		return NULL;
	}
	return percent > BACKEND_WEIGHT_MAX
		   ? "Absolute weight can only be between 0 and 256 inclusive."
		   : "Trailing garbage in weight string";
}

const char *
agent_maxconn(struct str word, uint32_t *out)
{
	struct str rest;
	uint32_t n = take_digits(word, &rest);
	if (word.n == 0)
		return "Require <maxconn>.";
	if (rest.n == word.n)
		return "maxconn string empty or preceded by garbage";
	if (rest.n > 0)
		return "Trailing garbage in maxconn string";
	if (n > INT32_MAX)
		return "maxconn is at most 2147483647";
	*out = n;
	return NULL;
}

void
agent_finding(const struct agent_line *a, const char *warning, struct health_finding *f)
{
	struct sbuf info;
	struct str odd = a->unknown.n > 0 ? a->unknown : str_from_c(warning != NULL ? warning : "");
	sbuf_init(&info, 4 * HEALTH_INFO_BYTES); // more is cut
	if (a->health.n > 0) {
		bool bad = a->status != HEALTH_L7OK; // then what it says of itself comes first
		struct str text = odd.n == 0 || (bad && a->text.n > 0) ? a->text : odd;
		sbuf_printf(&info, "via agent : %.*s%s%.*s%s", STR_ARG(a->health),
			    text.n > 0 ? " (" : "", (int)MIN(text.n, HEALTH_INFO_BYTES), text.p,
			    text.n > 0 ? ")" : "");
	} else if (odd.n > 0) {
		sbuf_printf(&info, "agent %s : %.*s",
			    a->unknown.n > 0 ? "reports an error" : "warns",
			    (int)MIN(odd.n, HEALTH_INFO_BYTES), odd.p);
	}
	health_say(f, a->status, sbuf_str(&info));
	sbuf_fini(&info);
}

// --- what it has set -----------------------------------------------------------------------------

static const char *
apply_weight(struct server *s, struct str word)
{
	uint32_t weight;
	const char *wrong = agent_weight(word, s->weight_configured, &weight);
	if (wrong != NULL || weight == atomic_load_explicit(&s->weight, memory_order_relaxed))
		return wrong;
	atomic_store_explicit(&s->weight, weight, memory_order_relaxed);
	backend_changed(s->backend);
	return NULL;
}

static const char *
apply_maxconn(struct server *s, struct str word)
{
	uint32_t n;
	const char *wrong = agent_maxconn(word, &n);
	if (wrong != NULL || n == atomic_load_explicit(&s->limit.max, memory_order_relaxed))
		return wrong;
	server_set_maxconn(s, n);
	backend_changed(s->backend);
	return NULL;
}

// The health first: a server that leaves its maintenance comes back as what it is said to be.
static const char *
apply(struct check *c, const struct agent_line *a)
{
	struct server *s = c->server;
	const char *wrong = NULL, *also = NULL;
	if (a->health.n > 0)
		health_force(&c->health,
			     a->status == HEALTH_L7OK ? HEALTH_SAYS_UP : HEALTH_SAYS_DOWN);
	if (a->state.n > 0)
		server_set_state_by_agent(s, a->state);
	if (a->weight.n > 0)
		wrong = apply_weight(s, a->weight);
	if (a->maxconn.p != NULL)
		also = apply_maxconn(s, a->maxconn);
	return wrong != NULL ? wrong : also;
}

// --- its check -----------------------------------------------------------------------------------

struct agent {
	struct check_plan plan;
	struct check_step connect, send, expect;
	char *bytes, *next; // sent; to be sent from the next check on, or NULL
	size_t next_n;
};

struct check *
agent_new(struct server *s, const struct check_conf *conf, struct str send)
{
	struct agent *a = MEM_NEW(struct agent);
	a->connect = (struct check_step){.next = &a->send, .action = CHECK_CONNECT};
	a->send = (struct check_step){.next = &a->expect,
				      .action = CHECK_SEND,
				      .number = 1,
				      .state_at = SIZE_MAX};
	a->expect = (struct check_step){.action = CHECK_EXPECT, .number = 2};
	a->plan = (struct check_plan){.kind = CHECK_KIND_AGENT, .first = &a->connect};
	struct check *c = check_new(s, conf, 1, 1, &a->plan);
	c->agent = a;
	c->health.by_agent = true;
	agent_set_send(c, send);
	return c;
}

void
agent_set_timeouts(struct check *c, uint64_t connect_ns, uint64_t check_ns)
{
	c->agent->plan.connect_ns = connect_ns;
	c->agent->plan.check_ns = check_ns;
}

void
agent_set_send(struct check *c, struct str send)
{
	struct agent *a = c->agent;
	mem_free(a->next);
	a->next = mem_alloc(send.n + 1);
	a->next_n = send.n;
	if (send.n > 0)
		memcpy(a->next, send.p, send.n);
}

void
agent_use_send(struct agent *a)
{
	if (a->next == NULL)
		return;
	mem_free(a->bytes);
	a->bytes = a->next;
	a->next = NULL;
	a->send.bytes = str_of(a->bytes, a->next_n);
}

void
agent_free(struct agent **a)
{
	if (*a == NULL)
		return;
	mem_free((*a)->bytes);
	mem_free((*a)->next);
	mem_free(*a);
	*a = NULL;
}

// What it was, with a word on why it says nothing new.
static void
say_incomplete(const struct check *c, struct health_finding *f)
{
	enum health_status was = c->health.last.status;
	if (health_status_rows[was].result == HEALTH_NOT_KNOWN)
		health_say(f, HEALTH_L7TOUT, STR(""));
	else
		health_say(f, was, STR("Ignoring incomplete line from agent"));
}

enum check_verdict
check_agent_judge(struct check *c, const struct check_step *step, struct health_finding *f)
{
	struct str got = str_of(conn_data(&c->conn), conn_unread(&c->conn));
	struct agent_line line;
	char info[64];
	if (agent_read(got, &line)) {
		agent_finding(&line, apply(c, &line), f);
		return CHECK_DECIDED;
	}
	if (!check_no_more_comes(c))
		return CHECK_WAITS;
	if (got.n > 0) {
		say_incomplete(c, f);
		return CHECK_DECIDED;
	}
	(void)snprintf(info, sizeof(info), "TCPCHK got an empty response at step %u",
		       step->number); // fits
	health_say(f, HEALTH_L7RSP, str_from_c(info));
	return CHECK_DECIDED;
}
