// SPDX-License-Identifier: MIT
// The header is a send of its own, made once the server has accepted: for HTTP the kernel is told
// that the head follows, so that both travel in one packet.
#include "proxy/server_header.h"

#include "net/proxy_header.h"
#include "proxy/client_header.h"
#include "proxy/conns.h"
#include "proxy/host.h"
#include "proxy/tcp.h"
#include "proxy/txn.h"

static bool
same_end(const struct sample_addr *a, const struct sample_addr *b)
{
	size_t n = a->family == 4 ? 4 : a->family == 6 ? 16 : 0;
	return a->family == b->family && a->port == b->port && memcmp(a->ip, b->ip, n) == 0;
}

static bool
speaks_for(const struct server_conn *sc, const void *arg)
{
	const struct txn *t = arg;
	return same_end(&sc->for_src, t->ctx.src) && same_end(&sc->for_dst, t->ctx.dst);
}

// Which options apply, and what they say of this transaction.
static void
fill(const struct txn *t, struct proxy_header_out *o)
{
	const struct server *s = t->server;
	const struct client_header *h = t->client->header;
	*o = (struct proxy_header_out){.version = s->proxy_version,
				       .crc32c = s->proxy_options & SERVER_PROXY_CRC32C};
	client_addr_of(t->ctx.src, &o->src);
	client_addr_of(t->ctx.dst, &o->dst);
	if (s->proxy_options & SERVER_PROXY_UNIQUE_ID)
		o->unique_id = proxy_unique_id(t);
	if (s->proxy_options & SERVER_PROXY_AUTHORITY && h != NULL)
		o->authority = proxy_header_tlv(h->tlvs, PROXY_TLV_AUTHORITY);
}

// Such a header is for one request alone.
static bool
says_more(const struct proxy_header_out *o)
{
	return o->unique_id.n > 0 || o->authority.n > 0;
}

struct server_conn *
server_header_from_pool(struct txn *t, struct server *s, bool ask)
{
	struct proxy_header_out o;
	fill(t, &o);
	return says_more(&o) ? NULL : server_conn_find_idle(t->worker, s, ask, speaks_for, t);
}

static enum step_verdict
run_header_sent(struct txn *t)
{
	enum step_verdict verdict;
	if (!txn_connect_goes_on(t, &verdict))
		return verdict;
	if (conn_sending(&t->server_conn->conn))
		return STEP_WAIT;
	return txn_go(t, t->flags & TXN_TCP ? &step_tcp_begin : &step_send_head);
}

static const struct txn_step step_header_sent = {"header-sent", run_header_sent};

static enum step_verdict
run_send_header(struct txn *t)
{
	struct server_conn *sc = t->server_conn;
	struct proxy_header_out o;
	char *p = arena_alloc(&t->arena, PROXY_HEADER_OUT_BYTES, 1);
	if (p == NULL)
		return txn_fail(t, 503, "RC");
	fill(t, &o);
	sc->for_src = *t->ctx.src;
	sc->for_dst = *t->ctx.dst;
	sc->for_one = says_more(&o);
	t->iov[0] = (struct iovec){p, proxy_header_write(&o, p)};
	// It is connected: a time-out that came due in this very turn is none.
	uint64_t limit = TXN_TIMEOUT(t, t->backend, connect_ns);
	conn_deadline(&sc->conn, limit != 0 ? loop_now_ns(t->worker->loop) + limit : 0);
	conn_send(&sc->conn, t->iov, 1, t->flags & TXN_TCP ? 0 : CONN_SEND_MORE);
	t->step = &step_header_sent;
	return STEP_WAIT;
}

const struct txn_step step_send_header = {"send-header", run_send_header};
