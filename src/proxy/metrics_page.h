// SPDX-License-Identifier: MIT
// `http-request use-service prometheus-exporter`: what `show metrics` says, as an answer. The
// keeper writes it, as it does for the runtime socket, while its transaction waits in its rule; a
// page is the message that goes to the keeper and comes back.
#pragma once

#include "proxy/rule.h"

struct metrics_page;
struct proxy_set;
struct txn;

// What takes the place of a rule's action when it names this service.
extern const struct action_row metrics_page_action;

// The transaction is going: nulls its page, which is freed at once, or when it has come back.
void metrics_page_leave(struct txn *t);
// The keeper writes no more of them; all workers have ended.
void metrics_page_stop(struct proxy_set *set);
