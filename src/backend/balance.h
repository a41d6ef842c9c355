// SPDX-License-Identifier: MIT
// How a backend chooses its servers: a row says what of the request is hashed, if anything, and in
// which kind of table the server is found; a kind of table is how it is made of the servers that
// take requests and how one of them is chosen. Each worker has its own table (struct
// backend_worker), made again when the backend's epoch changes, so choosing takes no lock and
// allocates nothing.
#pragma once

#include "base/str.h"
#include "http/names.h"

struct backend_worker;
struct balance;
struct expr;
struct sample_ctx;
struct server;

// What a choice is asked with. In the memory of who asks.
struct backend_ask {
	const struct server *avoid; // another one, when there is a choice; NULL: any
	struct server *wanted;      // this one, whatever its weight; NULL: whom balancing chooses
	bool faithful;              // to `wanted` when it is down too
	uint32_t hash;              // of the request's key
	bool has_hash;              // false: no key, or none is used; then they take turns
};

// A server that takes requests.
struct balance_candidate {
	uint16_t index;  // in its backend
	uint32_t weight; // 1..256
	uint32_t parts;  // of 16: what it has of that in slowstart; for tables that can follow it
	int64_t score;   // room for who builds
};

struct balance_table {
	// From n >= 1 candidates, in the order of the configuration. Replaces what the worker has.
	void (*build)(struct backend_worker *w, struct balance_candidate *c, size_t n);
	// O(1) or O(log n). Never NULL. May be called with no request in it (ask->has_hash false).
	struct server *(*choose)(struct backend_worker *w, const struct backend_ask *ask);
	bool counts; // needs the number of requests that each server has (limit_used)
};
extern const struct balance_table balance_turns, balance_map, balance_ring, balance_order,
    balance_random, balance_loads;

// A way to balance, as the configuration names it.
struct balance_row {
	const char *name; // and in the column "algo"
	// The bytes that are hashed; *hash is the key itself where nothing is (source). False: the
	// request has no key. NULL: none is used.
	bool (*key)(const struct balance *how, struct sample_ctx *ctx, uint32_t *hash);
	const struct balance_table *table; // NULL: map-based or consistent, as hash-type says
	bool needs_http;
};
// The last row's name is NULL. The first is the default.
extern const struct balance_row balance_rows[];

// The functions of hash-type. The last row's name is NULL; the first is the default.
struct balance_hash {
	struct str name;
	uint32_t (*hash)(struct str key);
};
extern const struct balance_hash balance_hashes[];

// One backend's. Read-only once the threads run.
struct balance {
	const struct balance_row *row;
	const struct balance_table *table;
	uint32_t (*hash)(struct str key);
	bool avalanche;
	bool whole, path_only; // uri
	uint32_t len, depth;   // uri; 0: no bound
	bool domain_only;      // hdr
	uint32_t draws;        // random
	struct str param;      // url_param
	struct http_name header;
	const struct expr *expr; // hash
};

// How many sixteenths of its weight a server has now (slowstart.h); all where tables stand still.
uint32_t balance_parts(const struct server *s);
// The request's hash, if this backend balances by one and the request has its key.
bool balance_hash_of(const struct balance *how, struct sample_ctx *ctx, uint32_t *hash);
// By HAProxy's smooth order of map-based hashing and static-rr; total is the weights' sum, score is
// 0 and is used. O(total log n).
void balance_fill_map(uint16_t *turn, uint32_t total, struct balance_candidate *c, size_t n);
