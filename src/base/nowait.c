// SPDX-License-Identifier: MIT
#include "base/nowait.h"

#include <errno.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

bool
nowait_is_needed(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 &&
	       (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) || isatty(fd) != 0);
}

ssize_t
nowait_writev(int fd, const struct iovec *iov, int n)
{
	ssize_t r = pwritev2(fd, iov, n, -1, RWF_NOWAIT);
	if (r >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL))
		return r;
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	if (poll(&p, 1, 0) == 1)
		return writev(fd, iov, n); // also where nobody reads any more, which it says
	errno = EAGAIN;
	return -1;
}
