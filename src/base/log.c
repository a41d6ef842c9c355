// SPDX-License-Identifier: MIT
// The service's own log. The sink is the one mutable global of the process (style 14): set once
// before threads start.
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log_syslog.h"
#include "base/nowait.h"
#include "base/str.h"

#define LINE_BYTES 2048

enum log_place { LOG_TO_STDERR, LOG_TO_JOURNAL, LOG_TO_SYSLOG };

static struct {
	log_sink_f sink;
	void *arg;
	enum log_level most;
	_Atomic enum log_place place; // relaxed, but released when syslog is set up
	bool may_block;               // stderr has a reader
	_Atomic uint32_t lost;        // lines that he did not take
	struct log_syslog syslog;
} log_state = {.most = LOG_INFO, .syslog.fd = -1};

// Of syslog.
static const int severity[] = {
    [LOG_ALERT] = 1, [LOG_WARNING] = 4, [LOG_NOTICE] = 5, [LOG_INFO] = 6, [LOG_DEBUG] = 7};

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

// One write for one line, so that lines of several threads do not mix. Whoever serves, supervises
// or answers operators never waits for who reads the log.
static bool
write_stderr(const char *text, int n)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)text,
			    .iov_len = MIN((size_t)MAX(n, 0), (size_t)LINE_BYTES + 99)};
	ssize_t r = log_state.may_block ? nowait_writev(STDERR_FILENO, &iov, 1)
					: writev(STDERR_FILENO, &iov, 1);
	return r >= 0 || errno != EAGAIN; // else it cannot be written, and has nowhere to say so
}

static void
put_stderr(const char *text, int n)
{
	char note[100];
	uint32_t lost = atomic_load_explicit(&log_state.lost, memory_order_relaxed);
	if (UNLIKELY(lost > 0)) {
		lost = atomic_exchange_explicit(&log_state.lost, 0, memory_order_relaxed);
		if (lost > 0 && !write_stderr(note, snprintf(note, sizeof(note),
							     "[WARNING]   (%d) : %u lines of this "
							     "log are lost: nobody read it\n",
							     (int)getpid(), lost)))
			atomic_fetch_add_explicit(&log_state.lost, lost, memory_order_relaxed);
	}
	if (!write_stderr(text, n))
		atomic_fetch_add_explicit(&log_state.lost, 1, memory_order_relaxed);
}

void
log_write(enum log_level level, const char *line)
{
	const char *name = log_level_name(level);
	char out[LINE_BYTES + 100];
	int pid = (int)getpid(), pad = (int)(9 - MIN(strlen(name), (size_t)8));
	switch (atomic_load_explicit(&log_state.place, memory_order_acquire)) {
	case LOG_TO_STDERR:
		put_stderr(out, snprintf(out, sizeof(out), "[%s]%*s (%d) : %s\n", name, pad, "",
					 pid, line));
		break;
	case LOG_TO_JOURNAL: // which adds time, process and level
		put_stderr(out, snprintf(out, sizeof(out), "<%d>[%s] %s\n", severity[level], name,
					 line));
		break;
	case LOG_TO_SYSLOG:
		log_send_syslog(&log_state.syslog, severity[level], name, line);
		break;
	}
}

// --- where to ------------------------------------------------------------------------------------

static bool
journal_reads_stderr(void)
{
	const char *text = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;
	return text != NULL && sscanf(text, "%llu:%llu", &dev, &ino) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

static void
set_place(enum log_place place)
{
	atomic_store_explicit(&log_state.place, place, memory_order_release);
}

static void
use_syslog(const char *path)
{
	log_syslog_init(&log_state.syslog, path);
	set_place(LOG_TO_SYSLOG);
}

void
log_choose_place(void)
{
	const char *text = getenv(LOG_PLACE_ENV);
	log_state.may_block = nowait_is_needed(STDERR_FILENO);
	if (text == NULL)
		set_place(journal_reads_stderr() ? LOG_TO_JOURNAL : LOG_TO_STDERR);
	else if (strcmp(text, "journal") == 0)
		set_place(LOG_TO_JOURNAL);
	else if (strcmp(text, "syslog") == 0)
		use_syslog(NULL);
	else if (strncmp(text, "syslog:", 7) == 0)
		use_syslog(text + 7);
}

void
log_leave_stderr(void)
{
	if (getenv(LOG_PLACE_ENV) == NULL)
		use_syslog(NULL);
}

// --- lines ---------------------------------------------------------------------------------------

static void
print(enum log_level level, bool one_line, const char *fmt, va_list ap)
{
	char line[LINE_BYTES];
	if (level > log_state.most && level != LOG_DOING)
		return;
	(void)vsnprintf(line, sizeof(line), fmt, ap); // a longer line is cut
	str_tame(line, one_line ? "" : "\n\t");
	if (log_state.sink != NULL) {
		log_state.sink(level, line, log_state.arg);
		return;
	}
	if (level != LOG_DOING)
		log_write(level, line);
}

void
log_vmsg(enum log_level level, const char *fmt, va_list ap)
{
	print(level, false, fmt, ap);
}

void
log_line(enum log_level level, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	print(level, true, fmt, ap);
	va_end(ap);
}

void
log_msg(enum log_level level, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	log_vmsg(level, fmt, ap);
	va_end(ap);
}

void
log_doing(const char *fmt, ...)
{
	va_list ap;
	if (log_state.sink == NULL)
		return;
	va_start(ap, fmt);
	print(LOG_DOING, true, fmt, ap);
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
