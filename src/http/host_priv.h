// SPDX-License-Identifier: MIT
// "host[:port]" taken apart and checked.
#pragma once

#include "base/str.h"

struct http_host {
	struct str name; // IP literals with their brackets; may be empty
	struct str port; // .p NULL without ':'; may be empty; at most 65535
};

// SIZE_MAX when well-formed, else the index of the first byte that is not.
size_t http_host_check(struct str s, struct http_host *out);
