// SPDX-License-Identifier: MIT
// Writing to what others read (a pipe, a terminal, a socket) without waiting for them, though the
// descriptor is shared with other programs and must stay as it is for them (no O_NONBLOCK).
#pragma once

#include <sys/uio.h>

#include "base/base.h"

// Can a write to it wait for somebody? Not to a file.
bool nowait_is_needed(int fd);
// As writev. -1 with EAGAIN: there is no room now. Any thread. Where the kernel cannot be asked for
// it (before Linux 6.4 of pipes), a write of up to a page after a look: several processes that
// write to one full pipe in the same instant may wait then.
ssize_t nowait_writev(int fd, const struct iovec *iov, int n);
