// SPDX-License-Identifier: MIT
// The master's own runtime socket (-S): its commands, and the way to the workers' commands. The
// master's thread.
#pragma once

#include "base/err.h"

struct master;
struct master_cli;

// `where` is an address with HAProxy's words behind it: "PATH[,level admin][,mode 600]" with commas
// for blanks. NULL with a cause.
struct master_cli *master_cli_new(struct master *m, const char *where, struct err *err);
// Listens again where its path was removed.
void master_cli_look(struct master_cli *c);
// A successor listens there.
void master_cli_retire(struct master_cli *c);
void master_cli_free(struct master_cli **c);
