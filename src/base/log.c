// SPDX-License-Identifier: MIT
// The service's own log. The sink is the one mutable global of the process (style 14): set once
// before threads start.
#include "base/log.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

static struct {
	log_sink_f sink;
	void *arg;
	enum log_level most;
} log_state = {.most = LOG_NOTICE};

void
log_set_sink(log_sink_f sink, void *arg)
{
	log_state.sink = sink;
	log_state.arg = arg;
}

void
log_set_level(enum log_level most)
{
	log_state.most = most;
}

const char *
log_level_name(enum log_level level)
{
	static const char *const names[] = {"ALERT", "WARNING", "NOTICE", "INFO", "DEBUG"};
	ASSERT((size_t)level < ARRAY_LEN(names));
	return names[level];
}

void
log_to_stderr(enum log_level level, const char *line)
{
	const char *name = log_level_name(level);
	// One write for one line, so that lines of several threads do not mix.
	char out[2100];
	int n = snprintf(out, sizeof(out), "[%s]%*s (%d) : %s\n", name,
			 (int)(9 - MIN((int)__builtin_strlen(name), 8)), "", (int)getpid(), line);
	if (n > 0) {
		ssize_t r = write(STDERR_FILENO, out, MIN((size_t)n, sizeof(out) - 1));
		(void)r; // a log that cannot be written has nowhere to say so
	}
}

void
log_vmsg(enum log_level level, const char *fmt, va_list ap)
{
	char line[2048];
	if (level > log_state.most)
		return;
	(void)vsnprintf(line, sizeof(line), fmt, ap); // a longer line is cut
	if (log_state.sink != NULL) {
		log_state.sink(level, line, log_state.arg);
		return;
	}
	log_to_stderr(level, line);
}

void
log_msg(enum log_level level, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	log_vmsg(level, fmt, ap);
	va_end(ap);
}

bool
log_rate_ok(struct log_rate *r, uint64_t now_ns, uint32_t burst)
{
	uint64_t second = now_ns / NS_PER_S;
	if (second != r->second) {
		r->second = second;
		r->n = 0;
	}
	if (r->n++ < burst)
		return true;
	r->missed++;
	return false;
}

uint32_t
log_rate_missed(struct log_rate *r)
{
	uint32_t n = r->missed;
	r->missed = 0;
	return n;
}
