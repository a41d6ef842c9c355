// SPDX-License-Identifier: MIT
// What master and worker process say to each other: one message is one packet of a socket pair,
// with a text and at most one descriptor. The master never waits for a worker: a packet that does
// not fit is an error, and the channel is then closed.
#pragma once

#include "base/err.h"

enum channel_type {
	// from the worker
	CHANNEL_LOG,        // a line of its log while it starts; number: its level
	CHANNEL_MADE,       // an item of the heritage: kind, number (slot), text (name), descriptor
	CHANNEL_TAKEN,      // the same of one that it was given, without the descriptor
	CHANNEL_READY,      // it serves; text: what it has, in a few words
	CHANNEL_STATUS,     // what it is doing, or what holds it; text
	CHANNEL_DEAF,       // it accepts no more
	CHANNEL_ASK_RELOAD, // an operator wants one; number: for the answer
	CHANNEL_ASK_STOP,   // an operator wants the service to stop gracefully
	// from the master
	CHANNEL_RETIRE, // another serves: drain and end
	CHANNEL_LOOK,   // somebody let go of the sockets: see acceptor_look
	CHANNEL_ANSWER, // to each ASK_RELOAD up to number: kind: 1 done, 0 failed; text: the log
	CHANNEL_CLI,    // a session on the runtime commands; number: level, text: a struct cli_peer
	// from a successor (instance.h)
	CHANNEL_TAKE, // hand all over; kind: 1 with -st
	// What came later: numbers stay what they were, for a master that is older than its worker.
	CHANNEL_TERMS, // from the worker, before READY; text: a struct link_terms
	CHANNEL_TYPES,
};

#define CHANNEL_TEXT_MAX 16384

struct channel_msg {
	uint32_t type, kind, number;
	int fd; // -1: none; received ones are the receiver's
	struct str text;
	char room[CHANNEL_TEXT_MAX]; // received text
};

enum channel_status {
	CHANNEL_GOT,
	CHANNEL_NOTHING,
	CHANNEL_CLOSED, // the other end is gone
	CHANNEL_LOST,   // a packet that is none of ours, or whose descriptor found no room here
};

// ends[0]: master's, ends[1]: worker's. Close-on-exec.
bool channel_pair(int ends[2], struct err *err);
// Text beyond CHANNEL_TEXT_MAX is cut. Any thread. `wait`: until there is room.
bool channel_send(int fd, const struct channel_msg *m, bool wait);
// Never waits. After LOST the next packet can be received; it means that this process has no
// descriptor left (RLIMIT_NOFILE), or that the other end is no tidegate.
enum channel_status channel_receive(int fd, struct channel_msg *m);
