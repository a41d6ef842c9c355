// SPDX-License-Identifier: MIT
// The rows of reasons, and which row an errno belongs to for each kind of operation.
#include "net/reason.h"

#include <errno.h>

const struct reason reason_rows[REASON_N] = {
    [REASON_NONE] = {REASON_NONE, false, false, 500, "none", "no reason"},
    [REASON_REFUSED] = {REASON_REFUSED, false, true, 503, "connection-refused",
			"connection refused"},
    [REASON_UNREACHABLE] = {REASON_UNREACHABLE, false, true, 503, "unreachable",
			    "network or host unreachable"},
    [REASON_CONNECT] = {REASON_CONNECT, false, true, 503, "connect-failed", "cannot connect"},
    [REASON_NO_PORTS] = {REASON_NO_PORTS, false, true, 503, "no-local-ports",
			 "no local port or address is left"},
    [REASON_NO_FDS] = {REASON_NO_FDS, false, true, 503, "no-descriptors",
		       "out of file descriptors"},
    [REASON_NO_MEMORY] = {REASON_NO_MEMORY, false, false, 503, "no-memory", "out of memory"},
    [REASON_RESET] = {REASON_RESET, false, false, 502, "connection-reset",
		      "connection reset by peer"},
    [REASON_PEER_CLOSED] = {REASON_PEER_CLOSED, false, false, 502, "peer-closed",
			    "peer closed the connection"},
    [REASON_SEND_RESET] = {REASON_SEND_RESET, false, false, 502, "send-reset",
			   "peer closed the connection while we sent"},
    [REASON_TIMEOUT] = {REASON_TIMEOUT, true, false, 504, "timeout", "timed out"},
    [REASON_IO] = {REASON_IO, false, false, 502, "io-error", "input/output error"},
};

const struct reason *
reason_of_connect(int err)
{
	switch (err) {
	case ECONNREFUSED:
	case ENOENT: // unix path
		return &reason_rows[REASON_REFUSED];
	case ETIMEDOUT: // the kernel's own retries ran out
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EHOSTDOWN:
	case ENETDOWN:
		return &reason_rows[REASON_UNREACHABLE];
	case EADDRNOTAVAIL:
	case EADDRINUSE:
	case EAGAIN: // unix: the listener's queue is full; inet: ports ran out
		return &reason_rows[REASON_NO_PORTS];
	case EMFILE:
	case ENFILE:
		return &reason_rows[REASON_NO_FDS];
	case ENOMEM:
	case ENOBUFS:
		return &reason_rows[REASON_NO_MEMORY];
	default:
		return &reason_rows[REASON_CONNECT];
	}
}

const struct reason *
reason_of_recv(int err)
{
	switch (err) {
	case ECONNRESET:
	case ECONNABORTED:
	case EPIPE:
	case ETIMEDOUT: // keep-alive probes or retransmissions ran out
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ECONNREFUSED:
		return &reason_rows[REASON_RESET];
	case ENOMEM:
	case ENOBUFS:
		return &reason_rows[REASON_NO_MEMORY];
	default:
		return &reason_rows[REASON_IO];
	}
}

const struct reason *
reason_of_send(int err)
{
	switch (err) {
	case ENOMEM:
	case ENOBUFS:
		return &reason_rows[REASON_NO_MEMORY];
	case EPIPE:
	case ECONNRESET:
	case ECONNABORTED:
	case ETIMEDOUT:
	case EHOSTUNREACH:
	case ENETUNREACH:
		return &reason_rows[REASON_SEND_RESET];
	default:
		return &reason_rows[REASON_IO];
	}
}
