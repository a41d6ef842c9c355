// SPDX-License-Identifier: MIT
// Packets: a head of fixed size, then the text.
#include "master/channel.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define PACKET_MAGIC 0x74c40001u

struct packet_head {
	uint32_t magic, type, kind, number;
};

union fd_control {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

bool
channel_pair(int ends[2], struct err *err)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return err_set(err, "socketpair: %s", strerror(errno));
	return true;
}

bool
channel_send(int fd, const struct channel_msg *m, bool wait)
{
	struct packet_head head = {PACKET_MAGIC, m->type, m->kind, m->number};
	struct iovec iov[2] = {
	    {.iov_base = &head, .iov_len = sizeof(head)},
	    {.iov_base = (void *)(uintptr_t)m->text.p, .iov_len = MIN(m->text.n, CHANNEL_TEXT_MAX)},
	};
	union fd_control control = {{0}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
	if (m->fd >= 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &m->fd, sizeof(int));
	}
	ssize_t n;
	do
		n = sendmsg(fd, &msg, MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT));
	while (n < 0 && errno == EINTR);
	return n >= 0;
}

static int
fd_of(struct msghdr *msg)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	int fd = -1;
	if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(c), sizeof(int));
	return fd;
}

enum channel_status
channel_receive(int fd, struct channel_msg *m)
{
	struct packet_head head;
	struct iovec iov[2] = {
	    {.iov_base = &head, .iov_len = sizeof(head)},
	    {.iov_base = m->room, .iov_len = sizeof(m->room)},
	};
	union fd_control control = {{0}};
	struct msghdr msg = {.msg_iov = iov,
			     .msg_iovlen = 2,
			     .msg_control = control.bytes,
			     .msg_controllen = sizeof(control.bytes)};
	ssize_t n;
	do
		n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? CHANNEL_NOTHING : CHANNEL_CLOSED;
	if (n == 0)
		return CHANNEL_CLOSED;
	int got = fd_of(&msg);
	if ((size_t)n < sizeof(head) || head.magic != PACKET_MAGIC || head.type >= CHANNEL_TYPES ||
	    msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		if (got >= 0)
			(void)close(got); // nobody's
		return CHANNEL_LOST;
	}
	m->type = head.type;
	m->kind = head.kind;
	m->number = head.number;
	m->fd = got;
	m->text = str_of(m->room, (size_t)n - sizeof(head));
	return CHANNEL_GOT;
}
