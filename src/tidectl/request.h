// SPDX-License-Identifier: MIT
// One call of tidectl: a verb's words, and the line that says it to the runtime socket. Pure but
// for reading the file or standard input that an argument names.
#pragma once

#include "base/err.h"
#include "base/sbuf.h"

struct verb;

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

void request_init(struct request *r);
void request_fini(struct request *r);
// Splits the words behind the verb into arguments and options and checks their number.
bool request_parse(struct request *r, const struct verb *verb, int argc, char **argv,
		   struct err *err);
// Fills line and payload.
bool request_build(struct request *r, struct err *err);
// A line as the user typed it, or words to be quoted one by one.
bool request_raw(struct request *r, int argc, char **argv, struct err *err);
// Adds a quoted word to the line, behind a space unless the line ends with a '.' ("shm.").
bool request_add_word(struct request *r, const char *word, struct err *err);
// Reads a file, or standard input (NULL), into r->payload.
bool request_read_payload(struct request *r, const char *path, struct err *err);
// "-" is standard input, less its last newline; anything else itself. Lives as long as r.
bool request_value(struct request *r, const char *arg, const char **value, struct err *err);
// A copy that may be altered and lives as long as r; at most VERB_MAX_ARGS of them.
char *request_copy(struct request *r, const char *text);
// The word as the runtime socket reads it back; false when it holds a newline or a NUL.
bool quote_word(struct sbuf *out, struct str word);
// Who takes a hold when nobody is named: the user, as the runtime socket knows it too.
const char *default_owner(void);
