// SPDX-License-Identifier: MIT
// Where a transaction meets the counters: one function for each thing that is counted, so that
// steps say what happened and not which columns it raises. On the transaction's worker; each is
// a few plain adds.
#pragma once

#include "http/reason.h"

struct client;
struct txn;

void count_connection(const struct client *c);     // accepted
void count_connection_end(const struct client *c); // closed
void count_request(const struct txn *t);           // its head is complete
void count_routed(const struct txn *t);            // a backend was chosen
void count_queued(const struct txn *t, int64_t n); // +1: waits for a server; -1: no more
void count_server_take(const struct txn *t, bool reused);
void count_server_give(const struct txn *t);
void count_connect_failure(const struct txn *t);
void count_retry(const struct txn *t);
void count_response_error(const struct txn *t);
// Refused by the codec; offset of the offending byte, for show errors.
void count_bad_request(struct txn *t, enum http_reason_id why, uint64_t offset);
void count_bad_response(const struct txn *t, enum http_reason_id why, uint64_t offset);
void count_end(const struct txn *t); // status class, bytes, times
