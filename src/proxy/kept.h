// SPDX-License-Identifier: MIT
// What of the objects outlives the process, by their names: counters, and what operators and
// scripts have set of servers and frontends while it ran. It all lies in one ledger
// (metrics/ledger.h), which main hands on. Set-up, then whoever changes.
#pragma once

#include "proxy/stats.h"

struct err;
struct ledger;
struct proxy;
struct server;

struct ledger_kind;
struct metric_blocks;

// One more object for the ledger, before kept_init; kind, name and blocks live until kept_fini.
void kept_add(struct proxy_set *set, const struct ledger_kind *kind, struct str name,
	      struct metric_blocks *blocks);
// Makes every block of the set, in a ledger in the file that set->kept_file makes, if it is there.
bool kept_init(struct proxy_set *set, unsigned n_workers, struct err *err);
void kept_fini(struct proxy_set *set);
// Of an earlier process, which kept_init's set then owns; the eldest first. `over`: it has ended.
// `last`: the one before this, whose states are taken over where the configuration says the same as
// it said then. What found no place is logged.
void kept_take(struct proxy_set *set, struct ledger **before, bool over, bool last);
// Something of it was set. Any thread.
void kept_frontend(const struct proxy *p);
// Another address was published (server_addr.h). Keeper, or before the threads.
void kept_server_addr(const struct server *s);
// A check of it has ended, or an operator judged its health. Keeper.
void kept_health(const struct server *s);
extern const struct metric_row kept_check_rows[]; // of struct check_counters
