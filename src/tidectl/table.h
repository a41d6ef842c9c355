// SPDX-License-Identifier: MIT
// tidectl vars check|dump|restore: a table of variables as a JSON text and back, so that it can be
// kept in version control or moved to another machine.
#pragma once

#include "tidectl/verbs.h"

// r has two arguments or three: check FILE, dump FILE, restore FILE [JSON]. Gives the exit status.
int table_perform(struct request *r);
