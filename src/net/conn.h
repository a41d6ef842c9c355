// SPDX-License-Identifier: MIT
// A stream connection as operations that complete: "receive", "send", "connect" start, and the
// owner's on_event is told when each is done. It moves bytes and knows no protocol.
//
// - Embedded by value in its owner (CONTAINER_OF finds it back). One thread: the loop's.
// - on_event is called only from the loop's turn, never from inside a conn_* call. The callback
//   may start operations, close this and other conns. Memory may be reused only from CONN_CLOSED
//   on.
// - At most one receive and one send (or one connect) under way at a time, both directions
//   independent. Starting a second of a kind is a mistake of the owner (ASSERT).
// - Every operation started ends in exactly one event of its kind, unless conn_close came first.
// - An error is told by the operation it meets: a conn with nothing under way hears nothing. Keep
//   a receive pending on an idle conn to hear that the peer has left.
// - Idle costs nothing but this struct: with in == NULL a pending receive holds no buffer.
#pragma once

#include <sys/uio.h>

#include "net/rbuf.h"
#include "net/timer.h"

struct addr;
struct conn;
struct loop;
struct reason;

#define CONN_MAGIC 0x636f6e6eu

enum conn_event {
	// The connect is done; sends and receives may start.
	CONN_CONNECTED,
	// The receive is done: at least one new byte stands before in_end.
	CONN_RECV,
	// The send is done: every byte of the iovec was given to the kernel.
	CONN_SENT,
	// The receive is done: the peer closed its side, no byte will follow; the other direction
	// still works. why: REASON_PEER_CLOSED. Do not receive again.
	CONN_EOF,
	// The connect or the receive failed: nothing more will come from the peer. Close it.
	CONN_ERROR,
	// The send failed: nothing more can be sent. What the peer sent before may still be
	// received (an early answer); a receive under way goes on.
	CONN_SEND_FAILED,
	// The deadline passed. It is off until set again; operations go on.
	CONN_TIMEOUT,
	// After conn_close: all operations have come back, the fd is closed. The last event.
	CONN_CLOSED,
};

// `why` is set for EOF, ERROR, SEND_FAILED and TIMEOUT, else NULL.
typedef void (*conn_event_f)(struct conn *c, enum conn_event event, const struct reason *why);

// Unread bytes are in->data[in_at .. in_end); the owner may move in_at (conn_consume), nobody but
// the calls below writes the rest. in_end <= in->cap. in == NULL means no byte is unread.
struct conn {
	uint32_t magic;
	int fd; // -1 before connect and after close
	struct loop *loop;
	conn_event_f on_event; // the owner may change it any time
	struct rbuf *in;
	uint32_t in_at, in_end;
	// The engine's from here.
	uint32_t flags;  // enum conn_flag
	uint16_t n_ops;  // operations the kernel holds
	uint16_t out_n;  // iovecs left to send
	uint32_t out_at; // bytes of out[0] already sent
	uint32_t engine; // engine's own word
	const struct iovec *out;
	struct conn *ready_next;
	struct rbuf *backlog; // received before it was asked for, oldest first
	const struct reason *why;
	const struct reason *send_why;
	struct timer timer;
};

// Bits of conn.flags. Owners may read them through the functions below.
enum conn_flag {
	CONN_F_RECV = 1u << 0,        // owner waits for a receive
	CONN_F_SEND = 1u << 1,        // owner waits for a send
	CONN_F_CONNECT = 1u << 2,     // owner waits for a connect
	CONN_F_CLOSING = 1u << 3,     // conn_close was called
	CONN_F_READY = 1u << 4,       // in the loop's ready list
	CONN_F_EOF = 1u << 5,         // the peer's end was seen
	CONN_F_BROKEN = 1u << 6,      // receive direction failed
	CONN_F_SEND_BROKEN = 1u << 7, // send direction failed
	CONN_F_SHUT = 1u << 8,        // conn_shutdown was called
	CONN_F_MORE = 1u << 9,        // the present send will be followed by another
	CONN_F_BULK = 1u << 10,       // lend a large buffer for the receive
	CONN_F_ENGINE = 1u << 16,     // this bit and above: the engine's
};

// send flags
#define CONN_SEND_MORE 1u // more follows at once: the kernel may wait to fill a packet

// A conn without a socket. Never fails.
void conn_init(struct conn *c, struct loop *loop, conn_event_f on_event);
// Takes over a connected stream socket (accepted, inherited, one of a pair), blocking or not. No
// event follows; operations may start at once.
void conn_open(struct conn *c, int fd);
// Starts connecting a TCP or unix socket, from the address `from` unless NULL. Ends in
// CONN_CONNECTED or CONN_ERROR, also when the failure is known at once. Both addresses may go
// when the call returns.
void conn_connect(struct conn *c, const struct addr *to, const struct addr *from);

// Asks for bytes: CONN_RECV, CONN_EOF or CONN_ERROR follows.
// in == NULL: a buffer is lent when bytes arrive (in_at = 0). in != NULL: bytes are appended at
// in_end; conn_room(c) must be > 0 and `in` must stay until the event (do not drop or renew it).
void conn_recv(struct conn *c);
// The next piece of a body: gives the consumed buffer back and receives. When bytes come faster
// than a buffer holds, that is when the last receive filled its own, a buffer of CONN_BULK_BYTES is
// lent: an eighth of the system calls, in pieces that a core's cache holds until they are sent.
void conn_recv_on(struct conn *c);
#define CONN_BULK_BYTES 131072u
// Sends all bytes of iov[0..n): CONN_SENT or CONN_SEND_FAILED follows. The array and the bytes
// must stay valid and unchanged until that event, or until CONN_CLOSED after conn_close. Entries
// of length 0 are allowed, n >= 1 and at least one byte in total. n <= CONN_MAX_IOV.
void conn_send(struct conn *c, const struct iovec *iov, unsigned n, unsigned flags);
#define CONN_MAX_IOV 256

// Sends FIN. No send may be under way. Further sends are a mistake; receives go on.
void conn_shutdown(struct conn *c);
// Ends everything: no event comes any more but CONN_CLOSED, from a later moment of the loop's
// turn. Drops `in`. Calling it twice is harmless. What was given to the kernel is still sent.
void conn_close(struct conn *c);
// The same, but the peer gets RST and unsent bytes are thrown away (no TIME_WAIT on our side).
void conn_abort(struct conn *c);

// CONN_TIMEOUT at the monotonic time mono_ns (loop_now_ns plus a time-out); 0: none. One store
// when it is later than before, so set it as often as you like.
void conn_deadline(struct conn *c, uint64_t mono_ns);

// True while a receive (send, connect) was asked for and its event has not been delivered.
static inline bool
conn_receiving(const struct conn *c)
{
	return (c->flags & CONN_F_RECV) != 0;
}

static inline bool
conn_sending(const struct conn *c)
{
	return (c->flags & CONN_F_SEND) != 0;
}

static inline bool
conn_connecting(const struct conn *c)
{
	return (c->flags & CONN_F_CONNECT) != 0;
}

// Of the send that ended last, when it was of iov: not a byte was given to the kernel.
static inline bool
conn_sent_nothing_of(const struct conn *c, const struct iovec *iov)
{
	return c->out == iov && c->out_at == 0;
}

static inline bool
conn_closing(const struct conn *c)
{
	return (c->flags & CONN_F_CLOSING) != 0;
}

// True when the peer has said nothing that the owner has not taken: no unread byte, no event on its
// way, no end or failure seen. What decides whether a resting connection may be lent.
bool conn_is_quiet(const struct conn *c);
// The same by asking the kernel, one system call: also what the loop has not heard of yet.
bool conn_is_quiet_now(const struct conn *c);

// First unread byte and their number.
static inline const char *
conn_data(const struct conn *c)
{
	return c->in != NULL ? c->in->data + c->in_at : "";
}

static inline uint32_t
conn_unread(const struct conn *c)
{
	return c->in_end - c->in_at;
}

// Free bytes behind in_end; 0 without a buffer.
static inline uint32_t
conn_room(const struct conn *c)
{
	return c->in != NULL ? c->in->cap - c->in_end : 0;
}

// n <= conn_unread(c). The buffer stays, empty or not.
static inline void
conn_consume(struct conn *c, uint32_t n)
{
	ASSERT(n <= c->in_end - c->in_at);
	c->in_at += n;
}

// Gives the buffer back, unread bytes are forgotten. Not while a receive is under way, unless in
// is NULL already. Call it when everything is consumed, so that an idle conn holds none.
void conn_drop_rbuf(struct conn *c);
// Makes room behind the unread bytes: they become the start of a fresh buffer (of the same one,
// moved down, when nobody else refers to it), so pointers into the old one stay valid only for
// whoever holds a reference (rbuf_ref) on it. Not while a receive is under way. False when there
// is no memory or the unread bytes fill a whole buffer: nothing has changed then.
bool conn_new_rbuf(struct conn *c);

// Addresses of both ends: a system call each, so ask once. len 0 when it cannot be told.
void conn_peer(const struct conn *c, struct addr *out);
void conn_local(const struct conn *c, struct addr *out);
