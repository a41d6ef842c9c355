// SPDX-License-Identifier: MIT
// A command that a worker process answers, for a session of the master's socket.
#pragma once

#include "base/err.h"

struct child;
struct cli_session;
struct sbuf;

// The session waits then, and gets all that comes. Takes the line over in any case.
bool relay_start(struct cli_session *s, struct child *c, struct sbuf *line, struct err *err);
