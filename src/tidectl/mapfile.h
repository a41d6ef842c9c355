// SPDX-License-Identifier: MIT
// tidectl map save, tidectl acl save.
#pragma once

#include "tidectl/verbs.h"

// Gives the exit status.
int mapfile_perform(const char *socket, struct request *r, int timeout_ms);
