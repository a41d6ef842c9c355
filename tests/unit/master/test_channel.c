// SPDX-License-Identifier: MIT
// Messages between master and worker: whole, with their descriptor, never waiting; foreign packets,
// and descriptors without room, are told from the end.
#include "master/channel.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "tap.h"

static struct channel_msg got;

static void
there_and_back(int ends[2])
{
	int pipes[2];
	char byte;
	OK(channel_receive(ends[0], &got) == CHANNEL_NOTHING);
	OK(pipe(pipes) == 0);
	struct channel_msg m = {
	    .type = CHANNEL_MADE, .kind = 3, .number = 9, .fd = pipes[1], .text = STR("name")};
	OK(channel_send(ends[1], &m, false));
	OK(channel_receive(ends[0], &got) == CHANNEL_GOT);
	OK(got.type == CHANNEL_MADE && got.kind == 3 && got.number == 9);
	OK(str_eq(got.text, STR("name")));
	OK(got.fd >= 0 && got.fd != pipes[1] && write(got.fd, "x", 1) == 1);
	OK(read(pipes[0], &byte, 1) == 1 && byte == 'x');
	(void)close(got.fd);
	(void)close(pipes[0]);
	(void)close(pipes[1]);
}

static void
long_texts(int ends[2])
{
	char *text = mem_zalloc(2 * CHANNEL_TEXT_MAX);
	struct channel_msg m = {.type = CHANNEL_LOG,
				.fd = -1,
				.text = str_of(text, 2 * CHANNEL_TEXT_MAX)};
	OK(channel_send(ends[1], &m, false));
	OK(channel_receive(ends[0], &got) == CHANNEL_GOT && got.text.n == CHANNEL_TEXT_MAX);
	unsigned n = 0;
	while (n < 100000 && channel_send(ends[1], &m, false))
		n++;
	OK_MSG(n > 0 && n < 100000, "a full channel refuses instead of waiting");
	while (channel_receive(ends[0], &got) == CHANNEL_GOT)
		n--;
	IS_INT(n, 0);
	mem_free(text);
}

static void
foreign_packets(void)
{
	static const struct {
		const char *p;
		size_t n;
	} bad[] = {{"x", 1}, {"0123456789abcdef0123", 20}, {"\x01\x00\xc4\x74\xff\xff\xff\xff", 8}};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		int ends[2];
		struct err err;
		OK(channel_pair(ends, &err));
		OK(send(ends[1], bad[i].p, bad[i].n, 0) == (ssize_t)bad[i].n);
		OK(channel_receive(ends[0], &got) == CHANNEL_LOST);
		OK(channel_receive(ends[0], &got) == CHANNEL_NOTHING);
		(void)close(ends[0]);
		(void)close(ends[1]);
	}
}

int
main(void)
{
	int ends[2];
	struct err err;
	OK(channel_pair(ends, &err));
	there_and_back(ends);
	long_texts(ends);
	(void)close(ends[1]);
	OK(channel_receive(ends[0], &got) == CHANNEL_CLOSED);
	struct channel_msg m = {.type = CHANNEL_READY, .fd = -1};
	OK_MSG(!channel_send(ends[0], &m, true), "a closed channel is no signal, but an error");
	(void)close(ends[0]);
	foreign_packets();
	return tap_done();
}
