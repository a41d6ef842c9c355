// SPDX-License-Identifier: MIT
// maxconn of frontends and bind lines. All of it on the worker's thread.
#pragma once

#include "proxy/worker.h"

// In front of a bind's acceptor; see gate.c.
struct gate {
	const struct bind *bind;
	int fd; // of the connection that waits; -1: none does
};

// Told when a frontend at its limit may have room again.
struct gatekeeper {
	struct limit_waker waker;
	struct proxy_worker *worker;
	const struct proxy *frontend;
};

// Before the acceptors start; freed when all threads have ended.
void gates_start(struct proxy_worker *w);
void gates_free(struct proxy_worker *w);
// True: the connection has room; *places is to be given back when it ends. False: it is kept, and
// comes to client_open later.
bool gate_enter(struct proxy_worker *w, const struct bind *b, int fd, uint8_t *places);
void gate_give(const struct bind *b, uint8_t places);
bool gate_is_shut(const struct proxy_worker *w, size_t bind_index);
// Serves who waits though there be no room, so that no connection is lost by a stop.
void gates_empty(struct proxy_worker *w);
