// SPDX-License-Identifier: MIT
// show sess, shutdown session(s): transactions belong to their workers, so each worker is asked by
// a message, writes what it has to say into a buffer of its own, and the keeper prints them all.
#include "proxy/cli_proxy_priv.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/sbuf.h"
#include "net/addr.h"
#include "net/worker.h"
#include "proxy/conns.h"
#include "proxy/txn.h"
#include "proxy/worker.h"

#define SESS_CAP_BYTES ((size_t)256 << 10) // of one worker's lines

// One question to all workers. Read-only for them but `found` and their own lines.
struct asking {
	struct cli_ref ref;
	unsigned n_workers;
	uint64_t id;                 // 0: all
	const struct server *server; // NULL: any
	bool detail, kill;
	_Atomic unsigned found;
	struct sbuf lines[]; // one a worker, written by it alone
};

static size_t
print_address(const struct sample_addr *a, char *text, size_t room)
{
	struct sample ip = {.type = a->family == 4 ? SMP_IP4 : SMP_IP6};
	if (a->family <= 1)
		return (size_t)snprintf(text, room, "unix:0");
	memcpy(ip.ip, a->ip, sizeof(ip.ip));
	size_t n = sample_print_ip(&ip, text, room);
	return n + (size_t)snprintf(text + n, room - n, ":%u", a->port);
}

static unsigned long long
ms_since(uint64_t then_ns, uint64_t now_ns)
{
	return then_ns != 0 && now_ns > then_ns ? (now_ns - then_ns) / NS_PER_MS : 0;
}

static void
print_txn(const struct txn *t, unsigned worker, uint64_t now_ns, struct sbuf *out)
{
	char src[ADDR_TEXT_BYTES];
	size_t n = print_address(t->ctx.src, src, sizeof(src));
	bool known = txn_has_request(t);
	sbuf_printf(out,
		    "0x%llx: proto=%s src=%.*s fe=%.*s be=%.*s srv=%.*s worker=%u "
		    "step=%s age=%llums rq=\"%.*s %.*s\"\n",
		    (unsigned long long)t->id, t->flags & TXN_TCP ? "tcp" : "http", (int)n, src,
		    STR_ARG(t->frontend->name),
		    STR_ARG(t->backend != NULL ? t->backend->name : STR("<NONE>")),
		    STR_ARG(t->server != NULL ? t->server->name : STR("<none>")), worker,
		    t->step != NULL ? t->step->name : "-", ms_since(t->times.idle_ns, now_ns),
		    STR_ARG(known ? t->req.method_text : STR("-")),
		    STR_ARG(known ? t->req.target : STR("-")));
}

static void
print_conn(const char *name, const struct conn *c, struct sbuf *out)
{
	sbuf_printf(out, "  %s: fd=%d%s%s%s unread=%u\n", name, c->fd,
		    conn_receiving(c) ? " receiving" : "", conn_sending(c) ? " sending" : "",
		    conn_closing(c) ? " closing" : "", conn_unread(c));
}

// The lines below a transaction's first one.
static void
print_detail(const struct txn *t, uint64_t now_ns, struct sbuf *out)
{
	char text[ADDR_TEXT_BYTES];
	const struct txn_times *at = &t->times;
	size_t n = print_address(t->ctx.dst, text, sizeof(text));
	sbuf_printf(out, "  frontend=%.*s (id=%u) dst=%.*s requests=%u connection-age=%llums\n",
		    STR_ARG(t->frontend->name), t->frontend->id, (int)n, text,
		    t->client->n_requests, ms_since(at->accept_ns, now_ns));
	print_conn("client", &t->client->conn, out);
	if (t->backend != NULL)
		sbuf_printf(out, "  backend=%.*s (id=%u) retries=%u%s%s\n",
			    STR_ARG(t->backend->name), t->backend->id, t->retries,
			    t->flags & TXN_REUSED ? " reused" : "",
			    t->flags & TXN_REDISPATCHED ? " redispatched" : "");
	if (t->server != NULL) {
		n = print_address(&t->server_peer, text, sizeof(text));
		sbuf_printf(out, "  server=%.*s (id=%u) addr=%.*s\n", STR_ARG(t->server->name),
			    (unsigned)t->server->id, (int)n, text);
	}
	if (t->server_conn != NULL)
		print_conn("server", &t->server_conn->conn, out);
	sbuf_printf(out, "  since: head=%llums queue=%llums connected=%llums response=%llums\n",
		    ms_since(at->head_ns, now_ns), ms_since(at->queue_ns, now_ns),
		    ms_since(at->connected_ns, now_ns), ms_since(at->response_ns, now_ns));
	sbuf_printf(out, "  bytes: in=%llu out=%llu status=%u flags=0x%x\n",
		    (unsigned long long)(t->bytes_in + t->up.bytes),
		    (unsigned long long)(t->bytes_out + t->down.bytes), t->res.status, t->flags);
}

static void
ask_here(struct worker *w, void *arg)
{
	struct asking *a = arg;
	const struct proxy_worker *p = w->slot[WORKER_SLOT_PROXY];
	struct sbuf *out = &a->lines[w->id - 1];
	if (p == NULL)
		return;
	LIST_FOREACH_SAFE (it, &p->all_txns) {
		struct txn *t = LIST_ENTRY(it, struct txn, in_worker);
		if ((a->id != 0 && t->id != a->id) || (a->server != NULL && t->server != a->server))
			continue;
		atomic_fetch_add_explicit(&a->found, 1, memory_order_relaxed);
		if (a->kill) {
			txn_abort(t, 'K');
			continue;
		}
		print_txn(t, w->id, loop_now_ns(w->loop), out);
		if (a->detail)
			print_detail(t, loop_now_ns(w->loop), out);
	}
}

static void
asked(struct worker *keeper, void *arg)
{
	(void)keeper;
	struct asking *a = arg;
	struct cli_session *s = cli_deref(a->ref);
	unsigned found = atomic_load_explicit(&a->found, memory_order_relaxed);
	for (unsigned i = 0; i < a->n_workers; i++) {
		if (s != NULL)
			cli_add(s, sbuf_str(&a->lines[i]));
		if (s != NULL && a->lines[i].full)
			cli_warn(s, "worker %u has more than fit here", i + 1);
		sbuf_fini(&a->lines[i]);
	}
	if (s != NULL && a->id != 0 && found == 0)
		cli_error(s, "No such session (use 'show sess').");
	else if (s != NULL && a->kill)
		cli_msg(s, "%u ended", found);
	mem_free(a);
	if (s != NULL)
		cli_done(s);
}

static enum cli_status
ask(struct cli_session *s, const struct asking *question)
{
	const struct proxy_set *set = cli_bound(s, "proxy");
	ASSERT(set != NULL);
	struct asking *a = mem_zalloc(sizeof(*a) + set->n_workers * sizeof(a->lines[0]));
	a->id = question->id;
	a->server = question->server;
	a->detail = question->detail;
	a->kill = question->kill;
	a->ref = cli_ref(s);
	a->n_workers = set->n_workers;
	for (unsigned i = 0; i < a->n_workers; i++)
		sbuf_init(&a->lines[i], SESS_CAP_BYTES);
	worker_broadcast(set->threads, ask_here, asked, a);
	return CLI_WAIT;
}

bool
cli_parse_txn_id(struct str text, uint64_t *id)
{
	uint64_t n = 0;
	if (text.n < 3 || text.n > 18 || !str_starts(text, STR("0x")))
		return false;
	for (size_t i = 2; i < text.n; i++) {
		int digit = byte_hex(text.p[i]);
		if (digit < 0)
			return false;
		n = n << 4 | (unsigned)digit;
	}
	*id = n;
	return n != 0;
}

enum cli_status
cli_show_sess(struct cli_session *s, const struct cli_args *a)
{
	struct asking q = {.detail = a->argc > 0};
	if (a->argc > 0 && !str_eq(a->argv[0], STR("all")) && !cli_parse_txn_id(a->argv[0], &q.id))
		return cli_usage(s, a);
	return ask(s, &q);
}

enum cli_status
cli_shutdown_session(struct cli_session *s, const struct cli_args *a)
{
	struct asking q = {.kill = true};
	return cli_parse_txn_id(a->argv[0], &q.id)
		   ? ask(s, &q)
		   : cli_error(s, "'%.*s' is no session: 'show sess' prints them.",
			       STR_ARG(a->argv[0]));
}

enum cli_status
cli_shutdown_sessions(struct cli_session *s, const struct cli_args *a)
{
	struct asking q = {.kill = true, .server = cli_find_server(s, a->argv[0])};
	return q.server != NULL ? ask(s, &q) : CLI_DONE;
}
