// SPDX-License-Identifier: MIT
// tidectl's way to the runtime socket: connect, send one request, print its answer as it comes.
#pragma once

#include "base/err.h"
#include "base/sbuf.h"

enum { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_UNREACHABLE = 3 };

struct request;

// $TIDEGATE_SOCKET, else $XDG_RUNTIME_DIR/tidegate.sock if it is there, else
// /run/tidegate/tidegate.sock where there is one, else /run/tidegate.sock. Into buf.
const char *link_default_path(char *buf, size_t room);
// A connected blocking socket, or -1 with a cause that says how to go on.
int link_connect(const char *path, struct err *err);
bool link_send(int fd, struct str bytes);

// Splits what the socket sends in `set severity-output line` into answers and lines.
struct answers {
	struct sbuf line;                // being read
	unsigned ended;                  // answers that are complete
	unsigned refused;                // lines of severity error
	struct sbuf *out;                // NULL: standard output, as it comes
	struct sbuf *refusals;           // NULL: standard error
	bool out_terminal, err_terminal; // those two are a person's
};
void answers_init(struct answers *a);
void answers_fini(struct answers *a);
void answers_feed(struct answers *a, struct str bytes);

// Sends, keeps the answer's lines, and gives the exit status.
int link_collect(const char *path, struct request *r, int timeout_ms, struct sbuf *out);
// Sends, prints, and gives the exit status. timeout_ms < 0: waits for ever.
int link_perform(const char *path, struct request *r, int timeout_ms);
