// SPDX-License-Identifier: MIT
// The same relay as the floors, written on src/net: what the loop, conns and buffers cost above
// the floor of their engine, before any HTTP is looked at.
// Usage: net_relay uring|epoll PORT ORIGIN_PORT    (127.0.0.1; ends on SIGTERM)
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "net/addr.h"
#include "net/conn.h"
#include "net/listener.h"
#include "net/loop.h"

struct pair {
	struct side {
		struct conn c;
		struct iovec iov;
		struct rbuf *sending; // of the other side, until it is sent
		struct pair *of;
	} client, server;
	int n_closed;
};

static struct addr origin;

static void
on_event(struct conn *c, enum conn_event event, const struct reason *why)
{
	struct side *from = CONTAINER_OF(c, struct side, c);
	struct pair *p = from->of;
	struct side *to = from == &p->client ? &p->server : &p->client;
	(void)why;
	switch (event) {
	case CONN_CONNECTED:
		conn_recv(&p->client.c);
		conn_recv(&p->server.c);
		break;
	case CONN_RECV:
		to->iov = (struct iovec){(void *)(uintptr_t)conn_data(c), conn_unread(c)};
		to->sending = rbuf_ref(c->in);
		conn_drop_rbuf(c);
		conn_deadline(c, loop_now_ns(c->loop) + 30000000000u);
		conn_send(&to->c, &to->iov, 1, 0);
		break;
	case CONN_SENT:
		rbuf_unref(&from->sending);
		conn_recv(&to->c);
		break;
	case CONN_CLOSED:
		rbuf_unref(&from->sending);
		if (++p->n_closed == 2)
			mem_free(p);
		break;
	default:
		conn_close(&p->client.c);
		conn_close(&p->server.c);
	}
}

static void
on_accept(struct acceptor *a, int fd)
{
	struct pair *p = MEM_NEW(struct pair);
	p->client.of = p->server.of = p;
	conn_init(&p->client.c, acceptor_loop(a), on_event);
	conn_init(&p->server.c, acceptor_loop(a), on_event);
	conn_open(&p->client.c, fd);
	conn_connect(&p->server.c, &origin, NULL);
}

int
main(int argc, char **argv)
{
	struct err err = {{0}};
	struct net_config cfg = {0};
	struct listener_spec spec = {.inherited_fd = -1, .n_slots = 1};
	struct listener *l = NULL;
	struct loop *loop = NULL;
	if (argc != 4 || !net_engine_parse(argv[1], &cfg.engine) ||
	    !addr_parse_ip(&spec.addr, STR("127.0.0.1"), (uint16_t)atoi(argv[2])) ||
	    !addr_parse_ip(&origin, STR("127.0.0.1"), (uint16_t)atoi(argv[3])) ||
	    (l = listener_new(&spec, &err)) == NULL || (loop = loop_new(&cfg, &err)) == NULL) {
		fprintf(stderr, "net_relay uring|epoll PORT ORIGIN_PORT: %s\n", err.text);
		return 1;
	}
	(void)acceptor_start(l, 0, loop, on_accept, NULL);
	loop_run(loop);
	return 0;
}
