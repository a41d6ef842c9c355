// SPDX-License-Identifier: MIT
// The predecessor's side: hands all over to who asks, and lets go when that one serves.
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "master/instance_priv.h"

#define SEND_S 5

static void
after_stopped(struct watch *w)
{
	struct instance *in = CONTAINER_OF(w, struct instance, on_after);
	struct err err;         // it listened before
	(void)close(in->after); // he hung up
	in->after = -1;
	// He had it say that he listens; we do.
	(void)instance_listen(in, &err);
	in->asked = in->handed = false;
	in->hooks.stays(in->hooks.arg);
	instance_accept(in);
}

static bool
send_item(const struct instance *in, enum heritage_kind kind, unsigned slot, struct str name,
	  int fd)
{
	struct channel_msg m = {
	    .type = CHANNEL_MADE, .kind = kind, .number = slot, .fd = fd, .text = name};
	return channel_send(in->after, &m, true);
}

void
instance_hand_over(struct instance *in)
{
	if (!in->asked)
		return;
	in->asked = false;
	in->handed = true;
	bool good = send_item(in, HERITAGE_LOCK, 0, STR_NULL, in->lock) &&
		    send_item(in, HERITAGE_CONTROL, 0, STR_NULL, in->control);
	for (size_t i = 0; good && i < in->kept->n; i++) {
		const struct heritage_item *it = &in->kept->items[i];
		good = send_item(in, it->kind, it->slot, str_from_c(it->name), it->fd);
	}
	struct channel_msg m = {.type = CHANNEL_READY, .fd = -1};
	if (!good || !channel_send(in->after, &m, true))
		log_msg(LOG_WARNING, "a tidegate that wants to take over does not listen");
}

static void
control_stopped(struct watch *w)
{
	struct instance *in = CONTAINER_OF(w, struct instance, on_control);
	(void)close(in->control); // the successor's own is another
	in->control = -1;
}

// Whoever comes after a successor that dies shall not wait for us, who may drain for long.
static void
let_go(struct instance *in)
{
	(void)close(in->lock); // stays locked by the successor's
	in->lock = -1;
	if (!in->remaking)
		loop_unwatch(&in->on_control, control_stopped);
}

static void
on_after(struct watch *w)
{
	struct instance *in = CONTAINER_OF(w, struct instance, on_after);
	struct channel_msg m;
	enum channel_status s;
	CHECK_MAGIC(in, INSTANCE_MAGIC);
	while ((s = channel_receive(in->after, &m)) == CHANNEL_GOT || s == CHANNEL_LOST) {
		if (s == CHANNEL_LOST)
			continue; // brings a descriptor, which is none of his business
		if (m.fd >= 0)
			(void)close(m.fd); // not asked for
		if (m.type == CHANNEL_TAKE) {
			in->asked = true;
			if (!in->hooks.starts(in->hooks.arg))
				instance_hand_over(in);
		} else if (m.type == CHANNEL_RETIRE && !in->given_away) {
			in->given_away = true;
			let_go(in);
			in->hooks.taken(in->hooks.arg, m.kind != 0);
		}
	}
	if (s == CHANNEL_CLOSED && !in->given_away)
		loop_unwatch(w, after_stopped);
}

// One at a time: the next one takes over from whom this one makes the holder.
void
instance_accept(struct instance *in)
{
	static const struct timeval bound = {.tv_sec = SEND_S};
	struct ucred cred;
	while (in->control >= 0 && in->after < 0 && in->serving && !in->given_away) {
		int fd = accept4(in->control, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			return;
		if (!instance_peer(fd, &cred) || (cred.uid != geteuid() && cred.uid != 0)) {
			(void)close(fd); // no business of his
			continue;
		}
		// He could stop reading; a failure only means that we may wait longer for him.
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof(bound));
		in->after = fd;
		loop_watch(in->loop, &in->on_after, fd, on_after);
	}
}

bool
instance_is_handing_over(const struct instance *in)
{
	return in->handed && !in->given_away;
}

void
instance_on_control(struct watch *w)
{
	instance_accept(CONTAINER_OF(w, struct instance, on_control));
}
