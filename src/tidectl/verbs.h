// SPDX-License-Identifier: MIT
// The verbs of tidectl as a table: what words each takes, and how they become a line of the runtime
// socket.
#pragma once

#include "base/err.h"
#include "tidectl/request.h"

enum verb_option {
	OPT_TTL = 1,
	OPT_FOR = 2,
	OPT_REASON = 4,
	OPT_OWNER = 8,
	OPT_CONFIG = 16,
	OPT_FORCE = 32
};

struct verb {
	const char *name;
	const char *usage; // after the name
	int min_args, max_args;
	unsigned options; // enum verb_option
	const char *line; // "set var shm.$1 $2": $N quoted argument, $N? may be absent
	const char *json; // the line when --json was given; NULL: the answer is wrapped
	bool (*build)(struct request *r, struct err *err); // instead of `line`
	bool endless;
	bool in_file; // works with --file
	const char *help;
};

extern const struct verb verbs[]; // ends with name == NULL

const struct verb *verb_find(const char *name);
// The closest name, or NULL.
const char *verb_suggest(const char *word);
