// SPDX-License-Identifier: MIT
// Why a connection failed, as one const row per cause: a failure travels as a pointer to its row
// and whoever answers, counts or logs reads the columns. Rows live for ever; compare by pointer
// or by id. Any thread.
#pragma once

#include "base/base.h"

enum reason_id {
	REASON_NONE,
	REASON_REFUSED,     // connect: nobody listens
	REASON_UNREACHABLE, // connect: no route, network or host down
	REASON_CONNECT,     // connect: any other cause
	REASON_NO_PORTS,    // connect: no local port or address left
	REASON_NO_FDS,      // socket: the process or the system is out of descriptors
	REASON_NO_MEMORY,   // no receive buffer or kernel memory
	REASON_RESET,       // peer sent RST, or the path broke, while we received
	REASON_PEER_CLOSED, // peer closed before what was awaited: CONN_EOF's reason
	REASON_SEND_RESET,  // peer closed or reset while we sent
	REASON_TIMEOUT,     // the owner's deadline passed
	REASON_IO,          // any other error of the kernel
	REASON_N
};

struct reason {
	enum reason_id id;
	bool timeout;     // HAProxy's termination flag is then lower case (c, s) else upper (C, S)
	bool before_sent; // certain that the peer saw no byte of ours: safe to try elsewhere
	uint16_t http_status; // what a client is answered when a server failed so: 502, 503, 504
	const char *name;     // "connection-refused": for metrics and logs
	const char *text;     // "connection refused": for people
};

extern const struct reason reason_rows[REASON_N];

// The row of an id.
static inline const struct reason *
reason_get(enum reason_id id)
{
	return &reason_rows[id];
}

// Rows for what the kernel answered; err > 0 is an errno.
const struct reason *reason_of_connect(int err);
const struct reason *reason_of_recv(int err);
const struct reason *reason_of_send(int err);
