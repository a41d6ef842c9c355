// SPDX-License-Identifier: MIT
// The service's own log: levels as HAProxy prints them ("[NOTICE]   (pid) : text"), to stderr, to
// the journal or to syslog, or to a sink. Any thread. Not the access log, and not for the way of a
// request except behind log_rate_ok.
#pragma once

#include <stdarg.h>

#include "base/base.h"

enum log_level {
	LOG_ALERT,
	LOG_WARNING,
	LOG_NOTICE,
	LOG_INFO,
	LOG_DEBUG,
	LOG_DOING, // log_doing
};

// A sink gets one finished line without newline. Called from any thread.
typedef void (*log_sink_f)(enum log_level level, const char *line, void *arg);

void log_set_sink(log_sink_f sink, void *arg);          // NULL: none
void log_write(enum log_level level, const char *line); // what is done without a sink

// Where log_write writes. TIDEGATE_LOG in the environment says it: "stderr", "journal" (stderr with
// priorities, as sd-daemon(3) has them), "syslog" or "syslog:PATH"; without it, it is the journal
// where that reads stderr (JOURNAL_STREAM), else stderr. Before threads.
void log_choose_place(void);
#define LOG_PLACE_ENV "TIDEGATE_LOG"
// There is no stderr any more: syslog, unless the environment says otherwise. Once, by one thread
// while others log.
void log_leave_stderr(void);
void log_set_level(enum log_level most); // default LOG_INFO
const char *log_level_name(enum log_level level);
void log_msg(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);
void log_vmsg(enum log_level level, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
// The same of what a request or a script had a hand in: one line, whatever it holds, so that none
// of it passes for a line of ours.
void log_line(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

// No line of the log: what this process turns to, and may be held up by (a name that does not
// resolve, a file that does not come). For a sink alone, at level LOG_DOING.
void log_doing(const char *fmt, ...) PRINTF_LIKE(1, 2);

// At most `burst` messages a second from one place. Owned by one thread or zeroed static of one
// caller; counts what it withheld and tells through log_rate_missed once the second is over.
struct log_rate {
	uint64_t second;
	uint32_t n;
	uint32_t missed;
};
bool log_rate_ok(struct log_rate *r, uint64_t now_ns, uint32_t burst);
// Number withheld since the last call; resets.
uint32_t log_rate_missed(struct log_rate *r);
