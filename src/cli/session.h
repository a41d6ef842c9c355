// SPDX-License-Identifier: MIT
// One client of the runtime socket as bytes in and bytes out, without a socket: server.c puts it
// on a connection, tests and in-process callers feed it by hand. Keeper thread.
//
// The answers depend only on the bytes fed, not on how they were cut. While a command runs, and
// while output waits to be taken, input is not taken: feed again after the next wake.
#pragma once

#include "base/sbuf.h"
#include "cli/cli.h"

// `wake` is called when an asynchronous command added output or ended: take, then feed again.
// Never from inside feed, eof or take. It may close the session.
typedef void (*cli_wake_f)(struct cli_session *s, void *owner);

// peer is copied. wake may be NULL.
struct cli_session *cli_session_open(struct cli *cli, enum cli_level level,
				     const struct cli_peer *peer, cli_wake_f wake, void *owner);
// Ends the command under way, whose refs go stale, and frees. Nulls *s.
void cli_session_close(struct cli_session **s);

// Returns how many of the bytes were taken.
size_t cli_session_feed(struct cli_session *s, struct str bytes);
// The client will send no more; what it sent before is still answered.
void cli_session_eof(struct cli_session *s);
// Moves the output there is into `into`, which must be empty and set up (sbuf_init); then works
// on, so that there may be more at once. False when there was none.
bool cli_session_take(struct cli_session *s, struct sbuf *into);
// Nothing more will come: take the last output, then close.
bool cli_session_over(const struct cli_session *s);
// A command waits for something that is not the client: an idle timeout must not strike.
bool cli_session_waits(const struct cli_session *s);
// `set timeout cli`; 0: unchanged from the server's.
uint64_t cli_session_timeout_ns(const struct cli_session *s);

#define CLI_CHUNK_BYTES  16384u     // output gathered before the client has to take it
#define CLI_ANSWER_BYTES (1u << 20) // most of one answer that does not look at cli_room
