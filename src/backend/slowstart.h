// SPDX-License-Identifier: MIT
// slowstart: a server that serves again gets its share of requests, and its maxconn, little by
// little: sixteenths of its weight, the first at once, and hundredths of its maxconn. Not at the
// process's start.
#pragma once

#include <stdatomic.h>

#include "base/base.h"
#include "net/timer.h"

struct server;

#define SLOWSTART_WHOLE 16 // parts of a weight

// In a server. The keeper writes; workers read since_ns, relaxed.
struct slowstart {
	uint64_t ns;               // how long it takes; 0: none
	_Atomic uint64_t since_ns; // monotonic; 0: it has all
	struct timer timer;        // of the next part; the keeper's
};

// It has left or returned. Keeper; before that is announced.
void slowstart_turn(struct server *s, bool out);
// Before the keeper's loop goes.
void slowstart_stop(struct server *s);
// How many sixteenths of its weight it has: 1..16. Any thread.
uint32_t slowstart_parts(const struct server *s);
// What is left of a maxconn above 0: at least 1. Any thread.
uint32_t slowstart_maxconn(const struct server *s, uint32_t max);
