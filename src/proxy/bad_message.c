// SPDX-License-Identifier: MIT
// Keeping and printing refused messages, in the form of HAProxy's `show errors`.
#include "proxy/bad_message.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "conf/conf.h"
#include "proxy/conns.h"
#include "proxy/proxy.h"
#include "proxy/txn.h"

#define DUMP_COLUMNS 70u // of bytes as printed, behind the offset

void
bad_message_init(struct conf *conf, struct proxy *p)
{
	p->bad_request = CONF_NEW(conf, struct bad_message);
	p->bad_response = CONF_NEW(conf, struct bad_message);
}

static bool
take(struct bad_message *m)
{
	return !atomic_exchange_explicit(&m->busy, true, memory_order_acquire);
}

static void
give(struct bad_message *m)
{
	atomic_store_explicit(&m->busy, false, memory_order_release);
}

void
bad_message_keep(const struct txn *t, bool response, enum http_reason_id why, uint64_t at)
{
	const struct conn *c = response ? &t->server_conn->conn : &t->client->conn;
	struct bad_message *m = response ? t->backend->bad_response : t->frontend->bad_request;
	if (m == NULL || !take(m))
		return;
	uint32_t n = conn_unread(c);
	m->from = at > BAD_MESSAGE_BYTES - 256 && at <= n ? at - (BAD_MESSAGE_BYTES - 256) : 0;
	m->n = (uint32_t)MIN(n - m->from, (uint64_t)BAD_MESSAGE_BYTES);
	memcpy(m->bytes, conn_data(c) + m->from, m->n);
	m->total = n;
	m->at = at;
	m->why = why;
	m->real_ns = t->ctx.now_real_ns;
	m->txn_id = t->id;
	m->number++;
	m->src = *t->ctx.src;
	m->frontend = t->frontend;
	m->backend = t->backend;
	m->server = t->server != NULL ? t->server->name : STR_NULL;
	give(m);
}

// One byte as HAProxy writes it; hostile bytes do nothing to a terminal.
static size_t
print_byte(char *text, size_t room, unsigned char c)
{
	static const char *const named[] = {
	    ['\t'] = "\\t", ['\n'] = "\\n", ['\r'] = "\\r", ['\033'] = "\\e", ['\\'] = "\\\\"};
	if (c < ARRAY_LEN(named) && named[c] != NULL)
		return (size_t)snprintf(text, room, "%s", named[c]);
	if (c >= ' ' && c < 0x7f)
		return (size_t)snprintf(text, room, "%c", c);
	return (size_t)snprintf(text, room, "\\x%02X", c);
}

// Lines with the offset of their first byte; '+': the line above goes on.
static void
dump(struct cli_session *s, const struct bad_message *m)
{
	bool goes_on = false;
	for (uint32_t i = 0; i < m->n;) {
		char line[DUMP_COLUMNS + 8];
		size_t n = 0;
		uint32_t from = i;
		bool ends = false;
		while (i < m->n && n < DUMP_COLUMNS - 4 && !ends) {
			ends = m->bytes[i] == '\n';
			n += print_byte(line + n, sizeof(line) - n, (unsigned char)m->bytes[i++]);
		}
		cli_printf(s, "  %05llu%c %.*s\n", (unsigned long long)(m->from + from),
			   goes_on ? '+' : ' ', (int)n, line);
		goes_on = !ends;
	}
}

static void
print_head(struct cli_session *s, const struct bad_message *m, bool response)
{
	const struct proxy *own = response ? m->backend : m->frontend;
	char date[40] = "", src[64] = "unix";
	struct tm tm;
	time_t at_s = (time_t)(m->real_ns / NS_PER_S);
	struct sample ip = {.type = m->src.family == 4 ? SMP_IP4 : SMP_IP6};
	memcpy(ip.ip, m->src.ip, sizeof(ip.ip));
	if (m->src.family > 1)
		src[sample_print_ip(&ip, src, sizeof(src))] = '\0';
	if (localtime_r(&at_s, &tm) != NULL)
		(void)strftime(date, sizeof(date), "%d/%b/%Y:%H:%M:%S", &tm);
	cli_printf(s, "[%s.%03u] %s %.*s (#%u): invalid %s\n", date,
		   (unsigned)(m->real_ns / NS_PER_MS % 1000), response ? "backend" : "frontend",
		   STR_ARG(own->name), own->id, response ? "response" : "request");
	cli_printf(s,
		   "  src %s:%u, session 0x%llx, frontend %.*s (#%u), backend %.*s, server %.*s, "
		   "event #%llu\n",
		   src, m->src.port, (unsigned long long)m->txn_id, STR_ARG(m->frontend->name),
		   m->frontend->id, STR_ARG(m->backend != NULL ? m->backend->name : STR("<NONE>")),
		   STR_ARG(m->server.n > 0 ? m->server : STR("<NONE>")),
		   (unsigned long long)m->number);
	cli_printf(s, "  %u bytes in hand, error at position %llu: %s (%s)\n\n", m->total,
		   (unsigned long long)m->at, http_reason(m->why)->text, http_reason(m->why)->name);
}

static void
print_one(struct cli_session *s, struct bad_message *m, bool response)
{
	if (m == NULL || !take(m))
		return; // a worker writes it: the next call shows that
	if (m->real_ns != 0) {
		print_head(s, m, response);
		dump(s, m);
		cli_add(s, STR("\n"));
	}
	give(m);
}

void
bad_message_print(struct cli_session *s, const struct proxy *p, bool request, bool response)
{
	if (request)
		print_one(s, p->bad_request, false);
	if (response)
		print_one(s, p->bad_response, true);
}
