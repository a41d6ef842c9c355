// SPDX-License-Identifier: MIT
// maxconn of section global, of frontends and of bind lines. All of it on the worker's thread.
#pragma once

#include "proxy/worker.h"

// In front of a bind's acceptor; see gate.c.
struct gate {
	const struct bind *bind;
	int fd;                    // of the connection that waits; -1: none does
	struct limit_waits *waits; // what it waits for; NULL: nothing
};

// Told when the process, or a frontend, at its limit may have room again.
struct gatekeeper {
	struct limit_waker waker;
	struct proxy_worker *worker;
	struct limit_waits *waits;
	size_t turn; // the gate that is looked at first
};

// Before the acceptors start; freed when all threads have ended.
void gates_start(struct proxy_worker *w);
void gates_free(struct proxy_worker *w);
// True: the connection has room; *places is to be given back when it ends. False: it is kept, and
// comes to client_open later.
bool gate_enter(struct proxy_worker *w, const struct bind *b, int fd, uint8_t *places);
void gate_give(const struct proxy_set *set, const struct bind *b, uint8_t places);
// Serves who waits though there be no room, so that no connection is lost by a stop.
void gates_empty(struct proxy_worker *w);
