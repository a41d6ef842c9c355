// SPDX-License-Identifier: MIT
// What children say, each with where it goes.
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "master/master_priv.h"

// At the end of the service clients shall be refused, not wait in a queue that nobody serves.
static void
nobody_listens(struct child *c)
{
	struct master *m = c->owner;
	master_let_go(m, c);
	if (m->given_away)
		instance_deaf(m->instance);
	if (m->end == MASTER_GOES_ON || c != m->serving)
		return;
	for (size_t i = m->kept.n; i-- > 0;)
		if (m->kept.items[i].kind == HERITAGE_SOCKET)
			heritage_drop(&m->kept, i, true);
}

// What it made has not arrived: a start is not whole then.
static void
message_lost(struct child *c)
{
	struct rlimit r = {0};
	(void)getrlimit(RLIMIT_NOFILE, &r); // valid arguments
	log_msg(LOG_ALERT,
		"a message of worker process %u (%d) is lost: the limit of %llu file descriptors "
		"is too low for the master (ulimit -n)",
		c->number, (int)c->pid, (unsigned long long)r.rlim_cur);
	if (c->state == CHILD_STARTING)
		master_end_child(c);
}

void
master_child_says(struct child *c, struct channel_msg *msg)
{
	struct master *m = c->owner;
	if (msg == NULL) {
		message_lost(c);
		return;
	}
	switch ((enum channel_type)msg->type) {
	case CHANNEL_LOG:
		sbuf_printf(&c->log, "[%s] %.*s\n",
			    log_level_name(MIN(msg->number, (uint32_t)LOG_DEBUG)),
			    STR_ARG(msg->text));
		break;
	case CHANNEL_MADE:
		master_child_made(c, msg);
		break;
	case CHANNEL_TAKEN:
		master_child_took(c, msg);
		break;
	case CHANNEL_TERMS:
		if (c->state == CHILD_STARTING && msg->text.n == sizeof(c->terms))
			memcpy(&c->terms, msg->text.p, sizeof(c->terms));
		break;
	case CHANNEL_READY:
		master_start_ready(c, msg->text);
		break;
	case CHANNEL_STATUS:
		sbuf_clear(&c->status);
		sbuf_add(&c->status, msg->text);
		break;
	case CHANNEL_DEAF:
		nobody_listens(c);
		break;
	case CHANNEL_ASK_RELOAD:
		master_child_asks_reload(c, msg);
		break;
	case CHANNEL_ASK_STOP:
		master_stop(m, MASTER_DRAINS);
		break;
	case CHANNEL_RETIRE:
	case CHANNEL_LOOK:
	case CHANNEL_TAKE:
	case CHANNEL_ANSWER:
	case CHANNEL_CLI:
	case CHANNEL_TYPES:
		break; // nothing that a worker says
	}
	if (msg->fd >= 0)
		(void)close(msg->fd); // not asked for
}
