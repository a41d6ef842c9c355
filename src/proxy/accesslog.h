// SPDX-License-Identifier: MIT
// The access log: one line for each transaction, rendered on its worker and handed to the kernel
// without ever waiting; a line that cannot go out at once is dropped and counted.
#pragma once

#include "base/err.h"
#include "base/str.h"

struct client;
struct log_target;
struct log_values;
struct proxy;
struct proxy_set;
struct txn;

// Opens the datagram sockets of all targets. False: which one, and why.
bool accesslog_open(struct proxy_set *set, struct err *err);
void accesslog_close(struct proxy_set *set);
void accesslog_write(struct txn *t);
// A line that is about no transaction (a server's health), to the proxy's targets. syslog's level,
// 0 to 7. Any thread, but not on the way of a request.
void accesslog_event(const struct proxy_set *set, const struct proxy *p, int level,
		     struct str line);
// How many lines of the frontend all workers wrote so far, whatever became of them.
uint64_t accesslog_count(const struct proxy *frontend);
// A connection that was refused before its first request: HAProxy's line of the error, or that of
// error-log-format.
void accesslog_write_refused(struct client *c, struct str error);
// do-log: a line more, now.
void accesslog_write_more(struct txn *t);
// option logasap: now instead of at its end; what is not known yet is marked '+'.
void accesslog_write_early(struct txn *t);
// Fills v from a transaction that ends or has ended; strings live as long as the transaction.
void accesslog_values(const struct txn *t, struct log_values *v);
