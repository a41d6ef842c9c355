// SPDX-License-Identifier: MIT
// One check: its steps one after the other, driven by what happens on its connection.
#include "backend/check.h"

#include "backend/agent.h"
#include "backend/backend.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/sbuf.h"
#include "net/loop.h"
#include "net/proxy_header.h"
#include "net/reason.h"

#define STATE_LINE_BYTES 1024
#define INFO_BYTES       1024

struct check *
check_new(struct server *s, const struct check_conf *conf, uint32_t rise, uint32_t fall,
	  const struct check_plan *plan)
{
	struct check *c = MEM_NEW(struct check);
	c->magic = CHECK_MAGIC_VALUE;
	c->server = s;
	c->conf = *conf;
	c->plan = plan;
	c->enabled = true;
	health_init(&c->health, rise, fall);
	list_init(&c->in_all);
	return c;
}

void
check_free(struct check **c)
{
	if (*c == NULL)
		return;
	CHECK_MAGIC(*c, CHECK_MAGIC_VALUE);
	ASSERT(!(*c)->is_open);
	(*c)->magic = 0;
	agent_free(&(*c)->agent);
	mem_free((*c)->state_line);
	mem_free((*c)->header);
	mem_free(*c);
	*c = NULL;
}

uint64_t
check_inter_ns(const struct check *c)
{
	uint64_t other = 0;
	if (c->health.points == 0)
		other = c->conf.downinter_ns;
	else if (!health_is_full(&c->health))
		other = c->conf.fastinter_ns;
	return other != 0 ? other : c->conf.inter_ns;
}

void
check_target(const struct check *c, const struct check_step *step, struct addr *out)
{
	*out = server_addr(c->server)->addr;
	if (c->conf.addr.len != 0) {
		uint16_t port = addr_port(out);
		*out = c->conf.addr;
		if (!addr_is_unix(out) && addr_port(out) == 0)
			addr_set_port(out, port);
	}
	if (step->addr.len != 0) {
		uint16_t port = addr_port(out);
		*out = step->addr;
		if (!addr_is_unix(out) && addr_port(out) == 0)
			addr_set_port(out, port);
	}
	uint16_t port = step->port != 0 ? step->port : c->conf.port;
	if (port != 0 && !addr_is_unix(out))
		addr_set_port(out, port);
}

void
health_say(struct health_finding *f, enum health_status status, struct str info)
{
	f->status = status;
	size_t n = MIN(info.n, sizeof(f->info) - 1);
	if (n > 0)
		memcpy(f->info, info.p, n);
	f->info[n] = '\0';
}

// --- the end -------------------------------------------------------------------------------------

static uint64_t
now_of(const struct check *c)
{
	return loop_now_ns(checks_loop_of(c->all));
}

void
check_let_go(struct check *c)
{
	c->running = c->wants_connect = false;
	check_answer_free(&c->answer);
	if (c->is_open)
		conn_abort(&c->conn); // thousands of them leave no TIME_WAIT
}

static void
end(struct check *c, struct health_finding *f)
{
	uint64_t now = now_of(c);
	f->duration_ms = (int64_t)((now - c->begun_ns) / NS_PER_MS);
	check_let_go(c);
	check_found(c, f);
}

static void
end_by(struct check *c, enum health_status status, struct str info)
{
	struct health_finding f = {.code = c->code};
	health_say(&f, status, info);
	end(c, &f);
}

static void
add_step(struct sbuf *out, const struct check_step *s)
{
	const struct check_expect *e = &s->expect;
	if (s->action == CHECK_SEND)
		sbuf_add(out, STR(" (send)"));
	else if (s->action == CHECK_CONNECT && s->port != 0)
		sbuf_printf(out, " (connect port %u)", s->port);
	else if (s->action == CHECK_CONNECT)
		sbuf_add(out, STR(" (connect)"));
	else if (e->text.how == CHECK_MATCH_REG)
		sbuf_printf(out, " (expect %s)", e->word);
	else // binary too, up to what would end a text
		sbuf_printf(out, " (expect %s '%.*s')", e->word,
			    (int)strnlen(e->text.text.p, e->text.text.n), e->text.text.p);
}

// What broke the walk off, and where: HAProxy says it of the steps of tcp-check alone.
static void
end_at_step(struct check *c, enum health_status status, struct str what)
{
	const struct check_step *s = c->step;
	struct sbuf info;
	if (c->plan->kind != CHECK_KIND_TCP) {
		end_by(c, status, what);
		return;
	}
	sbuf_init(&info, INFO_BYTES);
	sbuf_add(&info, what);
	if (s->number == 0) {
		sbuf_add(&info, STR(" at initial connection step of tcp-check"));
	} else {
		sbuf_printf(&info, " at step %u of tcp-check", s->number);
		add_step(&info, s);
		if (s->comment.n > 0)
			sbuf_printf(&info, " comment: '%.*s'", STR_ARG(s->comment));
	}
	end_by(c, status, sbuf_str(&info));
	sbuf_fini(&info);
}

// All steps went well: the last one says what that is called.
static void
end_well(struct check *c)
{
	const struct check_step *last = c->plan->first;
	for (const struct check_step *s = last; s != NULL; s = s->next)
		last = s;
	const struct check_expect *e = &last->expect; // of another action it is empty
	struct str info = e->on_success;
	enum health_status good = last->action == CHECK_CONNECT ? HEALTH_L4OK : HEALTH_L7OK;
	if (info.n == 0 && c->plan->kind == CHECK_KIND_TCP && last->number > 0)
		info = STR("(tcp-check)");
	end_by(c, e->ok != HEALTH_UNKNOWN ? e->ok : good, info);
}

// --- connect -------------------------------------------------------------------------------------

enum walk { WALK_ON, WALK_WAITS, WALK_ENDED };

// The time for the whole check, or, with `timeout check`, for connecting alone.
static uint64_t
connect_deadline(const struct check *c)
{
	const struct check_plan *p = c->plan;
	uint64_t now = now_of(c), ns = c->conf.inter_ns;
	if (p->check_ns != 0 && p->connect_ns != 0)
		ns = MIN(ns, p->connect_ns);
	return now + ns;
}

static enum walk
connect_begin(struct check *c)
{
	struct addr to;
	if (c->is_open) { // an earlier one
		c->wants_connect = true;
		if (!conn_closing(&c->conn))
			conn_abort(&c->conn);
		return WALK_WAITS;
	}
	check_answer_free(&c->answer); // it stood in the buffer of the one before
	c->wants_connect = c->connected = c->at_end = false;
	c->is_open = true;
	check_target(c, c->step, &to);
	conn_init(&c->conn, checks_loop_of(c->all), check_event);
	conn_connect(&c->conn, &to, server_source(c->server, &to));
	conn_deadline(&c->conn, connect_deadline(c));
	return WALK_WAITS;
}

static void
connected(struct check *c)
{
	c->connected = true;
	if (c->plan->check_ns != 0)
		conn_deadline(&c->conn, now_of(c) + c->plan->check_ns);
}

// Whose addresses: a connection of our own, which version 1 tells by its two ends. False: none is
// sent.
static bool
send_header(struct check *c)
{
	const struct check_step *s = c->step;
	bool own = (s->number == 0 || s->as_server) && c->conf.send_proxy;
	if (!own && !s->send_proxy)
		return false;
	struct proxy_header_out o = {.version = c->server->proxy_version == 2 ? 2 : 1,
				     .local = true,
				     .crc32c = c->server->proxy_options & SERVER_PROXY_CRC32C};
	conn_local(&c->conn, &o.src);
	conn_peer(&c->conn, &o.dst);
	if (c->header == NULL)
		c->header = mem_alloc(PROXY_HEADER_OUT_BYTES);
	c->iov[0] = (struct iovec){c->header, proxy_header_write(&o, c->header)};
	conn_send(&c->conn, c->iov, 1, 0);
	return true;
}

// --- send ----------------------------------------------------------------------------------------

static char *
make_state_line(const struct check *c, size_t *n)
{
	const struct checks_host *h = checks_host_of(c->all);
	struct sbuf line;
	sbuf_init(&line, STATE_LINE_BYTES);
	h->state(h->arg, c->server, &line);
	*n = line.full ? 0 : line.n;
	return line.p; // ours now
}

static enum walk
send_begin(struct check *c)
{
	const struct check_step *s = c->step;
	if (c->agent != NULL)
		agent_use_send(c->agent);
	size_t cut = MIN(s->state_at, s->bytes.n), n = 0;
	// An answer to what was sent before is not one to this.
	check_answer_free(&c->answer);
	if (!conn_receiving(&c->conn))
		conn_drop_rbuf(&c->conn);
	mem_free(c->state_line);
	c->state_line = s->state_at <= s->bytes.n ? make_state_line(c, &n) : NULL;
	c->iov[0] = (struct iovec){(void *)(uintptr_t)s->bytes.p, cut};
	c->iov[1] = (struct iovec){c->state_line, n};
	c->iov[2] = (struct iovec){(void *)(uintptr_t)(s->bytes.p + cut), s->bytes.n - cut};
	if (s->bytes.n == 0)
		return WALK_ON;
	conn_send(&c->conn, c->iov, ARRAY_LEN(c->iov), 0);
	return WALK_WAITS;
}

// --- expect --------------------------------------------------------------------------------------

static const struct {
	enum check_verdict (*judge)(struct check *c, const struct check_step *step,
				    struct health_finding *f);
} judges[] = {
    [CHECK_KIND_CONNECT] = {check_bytes_judge},
    [CHECK_KIND_TCP] = {check_bytes_judge},
    [CHECK_KIND_HTTP] = {check_http_judge},
    [CHECK_KIND_AGENT] = {check_agent_judge},
};

static enum walk
expect_more(struct check *c)
{
	struct health_finding f = {0};
	switch (judges[c->plan->kind].judge(c, c->step, &f)) {
	case CHECK_WAITS:
		if (!conn_receiving(&c->conn))
			conn_recv(&c->conn);
		return WALK_WAITS;
	case CHECK_MATCHES:
		return WALK_ON;
	case CHECK_DECIDED:
		break;
	}
	end(c, &f);
	return WALK_ENDED;
}

// --- the walk ------------------------------------------------------------------------------------

static const struct {
	enum walk (*begin)(struct check *c);
} actions[CHECK_ACTIONS] = {
    [CHECK_CONNECT] = {connect_begin},
    [CHECK_SEND] = {send_begin},
    [CHECK_EXPECT] = {expect_more},
};

static void
walk(struct check *c)
{
	while (c->step != NULL) {
		if (actions[c->step->action].begin(c) != WALK_ON)
			return;
		c->step = c->step->next;
	}
	end_well(c);
}

static void
next_step(struct check *c)
{
	c->step = c->step->next;
	walk(c);
}

void
check_begin(struct check *c)
{
	ASSERT(!c->running && c->plan->first->action == CHECK_CONNECT);
	c->running = true;
	c->code = 0;
	c->begun_ns = now_of(c);
	c->step = c->plan->first;
	walk(c);
}

// --- what happens on the connection --------------------------------------------------------------

// As HAProxy has it from errno.
static struct str
reason_text(const struct reason *why)
{
	static const struct {
		enum reason_id id;
		const char *text;
	} rows[] = {
	    {REASON_REFUSED, "Connection refused"},
	    {REASON_UNREACHABLE, "No route to host"},
	    {REASON_RESET, "Connection reset by peer"},
	    {REASON_SEND_RESET, "Connection reset by peer"},
	    {REASON_NO_PORTS, "Cannot assign requested address"},
	    {REASON_NO_FDS, "Too many open files"},
	    {REASON_NO_MEMORY, "Cannot allocate memory"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].id == why->id)
			return str_from_c(rows[i].text);
	return str_from_c(why->text);
}

static void
failed(struct check *c, const struct reason *why)
{
	// No answer of the server's: the fault is here.
	bool ours = why->id == REASON_NO_FDS || why->id == REASON_NO_MEMORY;
	end_at_step(c, c->connected || ours ? HEALTH_SOCKERR : HEALTH_L4CON, reason_text(why));
}

static void
timed_out(struct check *c)
{
	enum health_status status = c->connected ? HEALTH_L7TOUT : HEALTH_L4TOUT;
	const struct check_step *s = c->step;
	if (c->connected && s->action == CHECK_EXPECT && s->expect.tout != HEALTH_UNKNOWN)
		status = s->expect.tout;
	end_at_step(c, status, STR(""));
}

static void
closed(struct check *c)
{
	c->is_open = false;
	if (c->running && c->wants_connect)
		walk(c);
	else
		check_closed(c);
}

void
check_event(struct conn *conn, enum conn_event ev, const struct reason *why)
{
	struct check *c = CONTAINER_OF(conn, struct check, conn);
	CHECK_MAGIC(c, CHECK_MAGIC_VALUE);
	switch (ev) {
	case CONN_CONNECTED:
		connected(c);
		if (!send_header(c))
			next_step(c);
		break;
	case CONN_SENT:
		next_step(c);
		break;
	case CONN_EOF:
		c->at_end = true;
		// fall through
	case CONN_RECV:
		ASSERT(c->step->action == CHECK_EXPECT);
		if (expect_more(c) == WALK_ON)
			next_step(c);
		break;
	case CONN_ERROR:
	case CONN_SEND_FAILED:
		failed(c, why);
		break;
	case CONN_TIMEOUT:
		timed_out(c);
		break;
	case CONN_CLOSED:
		closed(c);
		break;
	}
}
