// SPDX-License-Identifier: MIT
// The verbs of tidectl as a table, and how each becomes a line of the runtime socket. Pure but for
// reading the file or standard input that an argument names.
#pragma once

#include "base/err.h"
#include "base/sbuf.h"

#define VERB_MAX_ARGS 64

// What was asked for, apart from how it is carried: to a socket or to a file of variables.
struct request {
	const struct verb *verb;
	int argc;
	const char *argv[VERB_MAX_ARGS + 1];
	// --ttl, --for, --reason, --owner; NULL when not given.
	const char *ttl, *for_time, *reason, *owner;
	bool json, config, force;    // --json, --config, --force
	char *value;                 // what was read for "-"
	char *copies[VERB_MAX_ARGS]; // of request_copy; NULL ends them
	// What build made.
	struct sbuf line;    // without newline
	struct sbuf payload; // empty, or lines; then delimiter ends it
	char delimiter[32];
	bool has_payload;
	bool native_json; // the answer is JSON already
	bool endless;     // print as it comes, no time-out
};

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
void request_init(struct request *r);
void request_fini(struct request *r);
// Splits the words behind the verb into arguments and options and checks their number.
bool request_parse(struct request *r, const struct verb *verb, int argc, char **argv,
		   struct err *err);
// Fills line and payload.
bool request_build(struct request *r, struct err *err);
// A line as the user typed it, or words to be quoted one by one.
bool request_raw(struct request *r, int argc, char **argv, struct err *err);
// The word as the runtime socket reads it back; false when it holds a newline or a NUL.
bool quote_word(struct sbuf *out, struct str word);
// Who takes a hold when nobody is named: the user, as the runtime socket knows it too.
const char *default_owner(void);
// A copy that may be altered and lives as long as r; at most VERB_MAX_ARGS of them.
char *request_copy(struct request *r, const char *text);
// Reads standard input into r->payload.
bool request_read_payload(struct request *r, struct err *err);
// "-" is standard input, less its last newline; anything else itself. Lives as long as r.
bool request_value(struct request *r, const char *arg, const char **value, struct err *err);
