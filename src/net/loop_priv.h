// SPDX-License-Identifier: MIT
// What the loop and its two engines share. An engine moves bytes for conns, waits, and marks what
// is done with conn_post; the loop delivers. All of it belongs to the loop's thread but the inbox,
// `asleep` and `stopping`.
#pragma once

#include "net/conn.h"
#include "net/loop.h"
#include "net/timer.h"

struct acceptor;

#define LOOP_MAGIC  0x6c6f6f70u
#define WATCH_MAGIC 0x77617463u

// What is done and not yet delivered: bits of conn.flags, in the order of delivery.
enum conn_pending {
	CONN_P_CONNECTED = CONN_F_ENGINE << 0,
	CONN_P_SENT = CONN_F_ENGINE << 1,
	CONN_P_SEND_FAILED = CONN_F_ENGINE << 2,
	CONN_P_RECV = CONN_F_ENGINE << 3,
	CONN_P_EOF = CONN_F_ENGINE << 4,
	CONN_P_ERROR = CONN_F_ENGINE << 5,
	CONN_P_TIMEOUT = CONN_F_ENGINE << 6,
	CONN_P_CLOSED = CONN_F_ENGINE << 7,
};
#define CONN_P_ALL (0xffu * CONN_F_ENGINE)

// watch.state
enum watch_state { WATCH_OFF, WATCH_ON, WATCH_STOPPING };

// Pointers in the kernel's hands carry their kind in the low three bits.
enum tag { TAG_NONE, TAG_RECV, TAG_SEND, TAG_CONNECT, TAG_WATCH, TAG_ACCEPT };
#define TAG_MASK 7u

struct loop_engine {
	enum net_engine kind;
	int socket_flags; // SOCK_NONBLOCK where connect() itself must not wait
	bool (*init)(struct loop *l, const struct net_config *cfg, struct err *err);
	void (*fini)(struct loop *l);
	// Submits, waits at most wait_ns, and dispatches what is done.
	void (*wait)(struct loop *l, uint64_t wait_ns);
	void (*open)(struct conn *c);
	// Starts connecting c->fd; a failure known at once is posted.
	void (*connect)(struct conn *c, const struct addr *to);
	void (*recv)(struct conn *c);
	void (*send)(struct conn *c);
	// Gives up what is under way; calls loop_conn_gone when nothing is, now or later.
	void (*close)(struct conn *c);
	// Before the events of a ready conn are delivered: what could be done at once is done here.
	void (*ready)(struct conn *c);
	void (*watch)(struct watch *w);
	void (*unwatch)(struct watch *w);
	// An acceptor wants connections (or not, any more).
	void (*accept_on)(struct acceptor *a);
	void (*accept_off)(struct acceptor *a);
};

extern const struct loop_engine loop_uring;
extern const struct loop_engine loop_epoll;

struct loop {
	uint32_t magic;
	const struct loop_engine *engine;
	void *state; // the engine's
	uint64_t now_ns;
	uint64_t real_ns, boot_ns; // read when first asked for in a turn; 0: not yet
	struct conn *ready_head, **ready_tail;
	struct watch *stopped_watches; // to be told; linked through watch.next
	_Atomic unsigned n_acceptors;  // not freed yet; others read
	struct list acceptors;
	bool acceptor_gone; // at least one is to be freed
	uint32_t n_conns;   // open or closing
	struct rbuf_pool rbufs;
	struct rbuf_pool bulk; // for bodies in full flow
	struct timer trim;     // set: memory goes back to the system then
	uint32_t n_trimmed;    // of rbufs' n_returned
	struct timer_wheel wheel;
	struct loop_stats stats;
	struct watch wake;
	alignas(CACHE_LINE) _Atomic(struct msg *) inbox; // newest first; others push
	_Atomic bool asleep;                             // may be waiting in the kernel
	_Atomic bool stopping;
};

// The event bits happened: c is put into the ready list.
void conn_post(struct conn *c, uint32_t pending);
// A buffer for the receive under way, empty, becomes c->in; false: no memory.
bool conn_lend(struct conn *c);
// For what is under way when the engine has just finished it inside its dispatch: delivers now.
void conn_deliver(struct conn *c);
// Nothing of c is in the kernel any more: closes the fd and posts CONN_CLOSED.
void conn_gone(struct conn *c);
void conn_fail_recv(struct conn *c, const struct reason *why);
void conn_fail_send(struct conn *c, const struct reason *why);
void conn_fail_connect(struct conn *c, int err);
// n bytes of the iovec were taken by the kernel; true when that was the last.
bool conn_advance(struct conn *c, size_t n);
// The loop's turn is over the watch: on_stopped may be called.
void watch_gone(struct watch *w);
// The engine came back from waiting: reads the clock.
void loop_woken(struct loop *l);

static inline void
stat_add(_Atomic uint64_t *stat, uint64_t n)
{
	uint64_t now = atomic_load_explicit(stat, memory_order_relaxed);
	atomic_store_explicit(stat, now + n, memory_order_relaxed);
}
