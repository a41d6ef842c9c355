// SPDX-License-Identifier: MIT
// What others read is written to without waiting for them, whatever it is.
#include "base/nowait.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tap.h"

static ssize_t
put(int fd, size_t n)
{
	static char bytes[4096];
	memset(bytes, 'x', sizeof(bytes));
	struct iovec iov = {.iov_base = bytes, .iov_len = n};
	return nowait_writev(fd, &iov, 1);
}

// The test's clock ends it should it wait after all.
static void
fill(int fd, const char *what)
{
	size_t n = 0;
	ssize_t r;
	(void)alarm(20);
	while ((r = put(fd, 100)) > 0 && n < (64u << 20))
		n += (size_t)r;
	(void)alarm(0);
	OK_MSG(nowait_is_needed(fd), what);
	OK_MSG(n > 0 && r == -1 && errno == EAGAIN, what);
}

static void
check_ends(const int ends[2], const char *what)
{
	char bytes[65536];
	fill(ends[1], what);
	while (read(ends[0], bytes, sizeof(bytes)) == (ssize_t)sizeof(bytes))
		;
	OK_MSG(put(ends[1], 100) == 100, what);
	(void)close(ends[0]);
	OK_MSG(put(ends[1], 100) == -1 && errno != EAGAIN, what);
	(void)close(ends[1]);
}

static void
check_terminal(void)
{
	int ends[2];
	ends[0] = posix_openpt(O_RDWR | O_NOCTTY);
	OK(ends[0] >= 0 && grantpt(ends[0]) == 0 && unlockpt(ends[0]) == 0);
	ends[1] = open(ptsname(ends[0]), O_RDWR | O_NOCTTY);
	OK(ends[1] >= 0);
	fill(ends[1], "terminal");
	(void)close(ends[0]);
	(void)close(ends[1]);
}

int
main(void)
{
	int ends[2];
	(void)signal(SIGPIPE, SIG_IGN);
	OK(pipe(ends) == 0 && fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
	check_ends(ends, "pipe");
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 &&
	   fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
	check_ends(ends, "socket");
	check_terminal();
	FILE *f = tmpfile();
	OK(f != NULL && !nowait_is_needed(fileno(f)) && !nowait_is_needed(-1));
	OK(put(fileno(f), 4096) == 4096);
	int null = open("/dev/null", O_WRONLY);
	OK(!nowait_is_needed(null));
	(void)close(null);
	(void)fclose(f);
	return tap_done();
}
