// SPDX-License-Identifier: MIT
// tidectl --file: the verbs on variables, performed on the table itself, with or without a proxy.
#pragma once

#include "tidectl/verbs.h"

// Gives the exit status.
int file_perform(const char *path, struct request *r);
