// SPDX-License-Identifier: MIT
// The parts of kept see each other here.
//     kept.c          the ledger: made, joined to those before, freed; what found no place
//     kept_objects.c  which objects lie in it, of which kinds, under which names, in which blocks
//     kept_states.c   states as words: their layout, and each change written down
//     kept_health.c   the same of what checks have found
//     kept_take.c     states of the process before, taken over where they still count
#pragma once

#include "base/hash.h"
#include "base/sbuf.h"
#include "metrics/ledger.h"
#include "proxy/kept.h"
#include "proxy/server_addr.h"

// The refusals by reason have no row of their own for renderers.
struct kept {
	bool made;
	struct ledger *ledger;
	struct ledger **before;
	const struct ledger *last; // of them: whose states count
	size_t n_before, cap_before;
	struct metric_row *process_rows;
	char *process_names;
	struct ledger_kind process;
	struct ledger_object *objects;
	size_t n_objects, cap_objects;
	struct hash_map servers, listeners, rules; // names of theirs
	struct sbuf lost, set;                     // names, for the log
	unsigned n_lost, n_set;
};

// --- kept_objects.c ------------------------------------------------------------------------------

void kept_object_add(struct kept *k, const struct ledger_kind *kind, struct str name,
		     struct metric_blocks *blocks);
// Everything of the set.
void kept_objects_add(struct kept *k, struct proxy_set *set);
void kept_objects_free(struct kept *k);
// Of those that no ledger has made.
void kept_blocks_init_rest(struct proxy_set *set, unsigned n_workers);
void kept_blocks_fini(struct proxy_set *set);

// --- kept_states.c -------------------------------------------------------------------------------

// An address as text, filled up with zeros.
#define ADDR_WORDS (ADDR_TEXT_BYTES / sizeof(struct metric))

// What was set, and what the configuration said. A process may be killed while it writes, or
// another read meanwhile: of the two places of an address, the one that addr_turn's last bit names
// is whole.
struct server_state {
	struct metric admin, weight, maxconn;
	struct metric conf_admin, conf_weight, conf_maxconn;
	struct metric changed_real_ns;
	struct metric addr_turn;
	struct metric addr_0[ADDR_WORDS], addr_1[ADDR_WORDS]; // empty: as configured
	struct metric conf_addr[ADDR_WORDS];                  // as written
};

struct frontend_state {
	struct metric maxconn, conf_maxconn;
	struct metric disabled, conf_disabled;
};

extern const struct ledger_kind kept_server_kind, kept_frontend_kind;

// The one block of a state: the first worker's, whoever writes.
void *kept_state_of(const struct metric_blocks *b);
// What the configuration says, from which every change is told. Before kept_states_take.
void kept_states_note(struct proxy_set *set);
// What the configuration says of the address: a name that stands for another address by now is not
// another word. One too long to be kept is known by its address.
const char *kept_written_addr(const struct server *s, char text[ADDR_TEXT_BYTES]);

// --- kept_health.c -------------------------------------------------------------------------------

extern const struct ledger_kind kept_check_kind, kept_check_state_kind, kept_backend_check_kind,
    kept_agent_state_kind;
// Of a server that is checked: what the configuration says, then what the process before found.
void kept_health_note(const struct server *s);
void kept_health_take(struct kept *k, const struct ledger_object *o);
void kept_agent_take(struct kept *k, const struct ledger_object *o);
void kept_backend_take(struct kept *k, const struct ledger_object *o);

// --- kept_take.c ---------------------------------------------------------------------------------

// From k->last.
void kept_states_take(struct kept *k);
