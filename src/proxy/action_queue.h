// SPDX-License-Identifier: MIT
// A request's place in its backend's queue: set-priority-class, set-priority-offset, their fetches,
// and the actions that HAProxy has for what is left alone here.
#pragma once

#include "base/base.h"

struct module;
struct txn;

// Cut to what HAProxy's queue knows: 2047 classes, and 524,287 ms, to either side.
void txn_set_priority_class(struct txn *t, int64_t class);
void txn_set_priority_offset(struct txn *t, int64_t ms);

extern const struct module proxy_queue_module;
