// SPDX-License-Identifier: MIT
// One socket pair for each command: the worker process gets one end as a session of its own, and
// what it says on it is the answer.
#include "master/relay.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/sbuf.h"
#include "cli/cli.h"
#include "master/child.h"
#include "master/master_priv.h"
#include "net/conn.h"

#define RELAY_MAGIC 0x74c40005u

struct relay {
	uint32_t magic;
	struct conn conn;
	struct cli_ref who;
	struct sbuf line;
	struct iovec iov;
	bool answered;
};

static void
answer(struct relay *r, const char *fault)
{
	struct cli_session *s = r->answered ? NULL : cli_deref(r->who);
	r->answered = true;
	if (s == NULL)
		return;
	if (fault != NULL)
		(void)cli_error(s, "%s", fault);
	cli_done(s);
}

// An answer ends with an empty line, which the session here adds itself.
static void
pass_on(struct relay *r)
{
	struct cli_session *s = cli_deref(r->who);
	struct str got = str_of((const char *)conn_data(&r->conn), conn_unread(&r->conn));
	if (s != NULL && !r->answered) {
		cli_add(s, got);
		cli_flush(s);
	}
	conn_drop_rbuf(&r->conn);
	if (s != NULL)
		conn_recv(&r->conn);
	else
		conn_close(&r->conn); // the operator hung up
}

static void
on_event(struct conn *c, enum conn_event ev, const struct reason *why UNUSED)
{
	struct relay *r = CONTAINER_OF(c, struct relay, conn);
	CHECK_MAGIC(r, RELAY_MAGIC);
	switch (ev) {
	case CONN_RECV:
		pass_on(r);
		return;
	case CONN_SENT:
		conn_shutdown(c);
		return;
	case CONN_EOF:
		answer(r, NULL);
		conn_close(c);
		return;
	case CONN_CLOSED:
		sbuf_fini(&r->line);
		r->magic = 0;
		mem_free(r);
		return;
	case CONN_CONNECTED:
	case CONN_ERROR:
	case CONN_SEND_FAILED:
	case CONN_TIMEOUT:
		answer(r, "The worker process went away.");
		if (!conn_closing(c))
			conn_close(c);
		return;
	}
}

bool
relay_start(struct cli_session *s, struct child *c, struct sbuf *line, struct err *err)
{
	struct master *m = c->owner;
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
		sbuf_fini(line);
		return err_set(err, "socketpair: %s", strerror(errno));
	}
	struct channel_msg msg = {.type = CHANNEL_CLI,
				  .number = cli_level(s),
				  .fd = ends[1],
				  .text =
				      str_of((const char *)cli_peer(s), sizeof(struct cli_peer))};
	bool sent = channel_send(c->channel, &msg, false);
	(void)close(ends[1]); // the worker's
	if (!sent) {
		(void)close(ends[0]); // unused
		sbuf_fini(line);
		return err_set(err, "The worker process does not listen.");
	}
	struct relay *r = MEM_NEW(struct relay);
	r->magic = RELAY_MAGIC;
	r->who = cli_ref(s);
	r->line = *line;
	r->iov = (struct iovec){.iov_base = r->line.p, .iov_len = r->line.n};
	conn_init(&r->conn, m->loop, on_event);
	conn_open(&r->conn, ends[0]);
	conn_send(&r->conn, &r->iov, 1, 0);
	conn_recv(&r->conn);
	return true;
}
