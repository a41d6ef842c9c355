// SPDX-License-Identifier: MIT
// Stick tables of this service's sections, and what sessions and requests track in them. The table
// itself is stick/table.h; this is where HAProxy's words meet it:
//     stick_conf.c    line stick-table; tables by name; samples as keys
//     stick_track.c   rules track-sc*, sc-*; what is counted when
//     stick_fetch.c   fetches sc_*, sc0_*, src_*
//     stick_conv.c    converters table_*, in_table; fetches table_cnt, table_avl
//     stick_cli.c     show, set, clear table
//     stick_rule.c    lines stick: persistence
// Nothing here waits or allocates on the way of a request but from the transaction's arena.
#pragma once

#include "stick/table.h"

struct client;
struct conf;
struct conf_line;
struct err;
struct module;
struct proxy;
struct loop;
struct proxy_set;
struct sample;
struct sample_ctx;
struct txn;

#define STICK_COUNTERS 3 // tracked at once by a session, and by a request

// Of one section; lives as long as the configuration. `table` is opened behind the reading of the
// files (main/keep_tables.c), before anything is evaluated.
struct proxy_table {
	struct proxy_table *next; // of the set, the last first, as HAProxy lists them
	struct str name;          // the section's
	struct stick_def def;
	struct stick_table *table;
	uint64_t swept; // where the sweep goes on; the keeper's
	const char *file;
	int line;
};

struct stick_refs {
	struct stick_ref r[STICK_COUNTERS];
};

// NULL with a cause and a suggestion: no section of that name has a table.
struct proxy_table *proxy_table_find(const struct proxy_set *set, struct str name, struct err *err);
// The key that the table has for it. False: it is none ("abc" for an address).
bool proxy_table_key(const struct stick_table *t, struct sample *s, struct sample_ctx *ctx,
		     struct stick_key *k);
// Private memory for those that have none: what only evaluates. And the end of all.
bool proxy_tables_open_rest(struct proxy_set *set, struct err *err);
void proxy_tables_close(struct proxy_set *set);
// The keeper frees what expired, a part of each table at a time.
void proxy_tables_start(struct proxy_set *set, struct loop *loop);
void proxy_tables_stop(struct proxy_set *set);

// --- counting: on the transaction's worker -------------------------------------------------------

void stick_count_session(struct client *c); // admitted
// A request's head was read, and the frontend's tcp-request content rules are through.
void stick_count_request(struct txn *t);
void stick_count_bad_request(struct txn *t);
void stick_count_refused(struct txn *t);  // the client's fault: denied by a rule
void stick_count_failed(struct txn *t);   // the server's: no valid answer in time
void stick_count_response(struct txn *t); // by its status
// Lets go of all that it tracks.
void stick_refs_let_go(struct stick_refs *refs, uint64_t boot_ns);
void stick_count_bytes(struct txn *t); // at its end
void stick_txn_end(struct txn *t);     // lets go of what it tracks

// Persistence, with lines `stick` in the backend: before a server is chosen, and when it answers.
void stick_choose(struct txn *t);
void stick_store(struct txn *t);

// What a counter tracks: the request's, else its session's. NULL: nothing.
const struct stick_ref *stick_tracked(const struct txn *t, unsigned counter);

extern const struct module proxy_stick_module, proxy_stick_conv_module, proxy_stick_rule_module;
