// SPDX-License-Identifier: MIT
// The socket is connected once, so that a later root folder does not hide the daemon; when it was
// started anew, the address is tried again.
#include "base/log_syslog.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FACILITY   (3 << 3) // daemon
#define LINE_BYTES 2300

void
log_syslog_init(struct log_syslog *s, const char *path)
{
	tzset(); // while its file can be read
	s->to = (struct sockaddr_un){.sun_family = AF_UNIX};
	(void)snprintf(s->to.sun_path, sizeof(s->to.sun_path), "%s",
		       path != NULL ? path : "/dev/log"); // a longer one leads nowhere
	s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd >= 0)
		(void)connect(s->fd, (struct sockaddr *)&s->to, sizeof(s->to)); // or later
}

void
log_send_syslog(const struct log_syslog *s, int severity, const char *level, const char *line)
{
	char text[LINE_BYTES], when[32];
	time_t now = time(NULL);
	struct tm tm;
	if (s->fd < 0 || localtime_r(&now, &tm) == NULL)
		return;
	(void)strftime(when, sizeof(when), "%b %e %H:%M:%S", &tm); // it fits
	int n = snprintf(text, sizeof(text), "<%d>%s tidegate[%d]: [%s] %s", FACILITY | severity,
			 when, (int)getpid(), level, line);
	size_t size = MIN((size_t)MAX(n, 0), sizeof(text) - 1);
	if (send(s->fd, text, size, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
		return;
	// The daemon may be another by now; a second failure has nowhere to be told.
	if (connect(s->fd, (const struct sockaddr *)&s->to, sizeof(s->to)) == 0)
		(void)send(s->fd, text, size, MSG_NOSIGNAL | MSG_DONTWAIT);
}
