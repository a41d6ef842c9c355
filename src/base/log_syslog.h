// SPDX-License-Identifier: MIT
// Lines to the system's log daemon: one datagram each, as syslog(3) sends them (RFC 3164), but
// without ever waiting for it. Any thread once it is set up; a line that it does not take is lost.
#pragma once

#include <sys/un.h>

#include "base/base.h"

struct log_syslog {
	int fd; // -1: none
	struct sockaddr_un to;
};

// path NULL: /dev/log. Nothing is opened where nobody listens; each line then tries again.
void log_syslog_init(struct log_syslog *s, const char *path);
// `severity` as syslog counts, 0 to 7; of facility daemon.
void log_send_syslog(const struct log_syslog *s, int severity, const char *level, const char *line);
