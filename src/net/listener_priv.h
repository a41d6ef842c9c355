// SPDX-License-Identifier: MIT
// An acceptor, as the engines see it. One thread: its loop's.
#pragma once

#include "net/listener.h"
#include "net/timer.h"

#define ACCEPTOR_MAGIC 0x61636370u

struct acceptor {
	uint32_t magic;
	int fd; // the listener's
	struct listener *listener;
	struct loop *loop;
	accept_f fn;
	void *arg;
	struct list node;   // in loop.acceptors
	struct timer retry; // ends `starved`
	bool paused;        // by the owner
	bool starved;       // out of descriptors for a moment, or the socket was shut
	bool shut;          // the latter
	bool stopping;      // acceptor_stop was called
	bool gone;          // the engine has let go of it: the loop may free it
	bool on;            // engine: registered, or an operation is in the kernel
	bool cancelling;    // engine: that operation has been called back
	uint64_t tell_ns;   // the log was told of it: not again before
	bool polls;         // engine: the socket is non-blocking, so readiness and accept4
	int *held;          // taken while paused, oldest first
	uint32_t n_held, cap_held;
};

// Whether connections are wanted now.
static inline bool
acceptor_wants(const struct acceptor *a)
{
	return !a->paused && !a->starved && !a->stopping;
}

// The engine has taken a connection, or an accept failed with err > 0.
void acceptor_took(struct acceptor *a, int fd);
void acceptor_failed(struct acceptor *a, int err);
// accept4 until the queue is empty or nothing is wanted any more.
void acceptor_drain(struct acceptor *a);
// The engine holds it no more (after accept_off of a stopping one).
void acceptor_gone(struct acceptor *a);
void acceptor_free(struct acceptor *a);
