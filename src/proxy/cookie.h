// SPDX-License-Identifier: MIT
// Cookies that bind a client to a server (`cookie`), and one that is kept for the log (`capture
// cookie`). The client's cookie is read before a server is chosen, and names it; the server's
// Set-Cookie fields are read behind the http-response rules, and what the client is to remember is
// added there. Whoever neither persists nor captures pays one branch for it.
#pragma once

#include "base/str.h"

struct cond;
struct txn;

// `cookie` of a backend. All 0 but the name: passive, cookies are read and nothing is changed.
struct cookie_conf {
	struct str name;
	struct str tail; // of cookies inserted: "; domain=...; HttpOnly", or empty
	bool rewrite, insert, prefix;
	bool indirect, nocache, postonly, preserve, dynamic;
	uint64_t maxidle_s, maxlife_s; // 0: without
};

// `capture cookie` of a frontend.
struct cookie_capture {
	struct str name; // what "name=value" begins with
	uint32_t len;    // most bytes kept; 0: nothing is
};

// force-persist, ignore-persist: the first whose condition holds decides.
struct persist_rule {
	struct persist_rule *next;
	struct cond *cond;
	bool force;
};

// What became of them in a transaction, in its arena; HAProxy's letters of the log.
struct txn_cookies {
	// N: none; I: no such server; D: of one that is down; V: valid; E: too long idle;
	// O: too old; U: not used
	char client;
	// N: none; P: the server's, as it is; D: the server's, deleted; I: inserted; R: rewritten;
	// U: its date updated
	char server;
	uint32_t last_date, first_date; // of the client's: seconds since 1970 modulo 2^32; 0: none
	struct str in, out;             // captured; .p NULL: nothing
};

// force-persist and ignore-persist of its backend. False: no room.
bool cookie_judge_persistence(struct txn *t);
// Before a server is chosen, or, for the log alone, where a rule denies the request. False: no
// room.
bool cookie_read_request(struct txn *t);
// On a final response, a server's or a service's. False: no room.
bool cookie_judge_response(struct txn *t);
// A cookie's server could not be connected to: whether another is tried now.
bool cookie_gives_up_server(struct txn *t);
// Another server serves than the one that was tried first.
void cookie_server_changed(struct txn *t);
// The two letters; "--" where its backend does not persist by cookies.
void cookie_letters(const struct txn *t, char out[2]);
