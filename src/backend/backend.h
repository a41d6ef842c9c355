// SPDX-License-Identifier: MIT
// A backend's servers and how one is chosen. The configuration builds struct backend and struct
// server once; afterwards names are read-only, while `admin` and `weight` are
// atomics that the keeper stores (CLI, health checks, Lua) and workers load. Each store
// is followed by backend_changed(), which raises `epoch`; a worker that sees another epoch
// rebuilds its own private turn table. So no operator command stalls a request and no request
// takes a lock.
#pragma once

#include "backend/balance.h"
#include "backend/cookies.h"
#include "backend/slowstart.h"
#include "base/err.h"
#include "base/list.h"
#include "base/str.h"
#include "metrics/metrics.h"
#include "net/addr.h"
#include "net/limit.h"

#define BACKEND_WEIGHT_MAX 256

// Bits of server->admin. A server takes new requests only when none stands.
enum server_admin {
	SERVER_MAINT = 1 << 0,    // closed by an operator or `disabled`
	SERVER_DRAIN = 1 << 1,    // finishes what it has, gets nothing new
	SERVER_DOWN = 1 << 2,     // failed its checks
	SERVER_STOPPING = 1 << 3, // its checks pass, but ask for no new requests (404)
	// The same of the server that it tracks.
	SERVER_MAINT_VIA = 1 << 4,
	SERVER_DRAIN_VIA = 1 << 5,
};
#define SERVER_ADMIN_BITS  (SERVER_MAINT | SERVER_DRAIN)                   // an operator's
#define SERVER_HEALTH_BITS (SERVER_DOWN | SERVER_STOPPING)                 // the checks'
#define SERVER_OUT_BITS    (SERVER_MAINT | SERVER_DOWN | SERVER_MAINT_VIA) // does not serve at all

// What its checks have counted, for as long as counters live.
struct check_counters {
	struct metric failures;        // that took a point of its health
	struct metric downs;           // times it left service
	struct metric down_ms;         // out of service, up to the last time that it came back
	struct metric observed;        // times that requests failed too often in a row
	struct metric changed_real_ns; // a gauge: the last of these turns
};

// Where a server is. Never changed: another address is another object, which the keeper publishes
// by its pointer, so nobody sees half of one.
struct server_addr {
	struct addr addr;
	uint32_t epoch; // how many of this server were before it, modulo 2^32
	char text[ADDR_TEXT_BYTES];
};

// What a PROXY header of version 2 says besides the client's ends.
enum server_proxy_option {
	SERVER_PROXY_UNIQUE_ID = 1 << 0,
	SERVER_PROXY_AUTHORITY = 1 << 1,
	SERVER_PROXY_CRC32C = 1 << 2
};

#define SERVER_MAGIC 0xba5e0002u
struct server {
	uint32_t magic;
	uint32_t id;    // 1.. within its backend, as HAProxy numbers them
	uint32_t index; // 0.. within its backend; indexes per-worker tables
	struct str name;
	struct backend *backend;
	_Atomic(const struct server_addr *) addr; // server_addr()
	const struct server_addr *addr_configured;
	const struct addr *source; // that connections to it come from; NULL: any
	struct str
	    addr_written; // in the configuration: a host's name may stand for another address
	bool is_backup;
	bool ramps;            // its maxconn moves: by minconn or slowstart
	bool non_stick;        // no key of a stick table is to remember it
	uint8_t proxy_version; // of the PROXY protocol's header in front of a connection; 0: none
	uint8_t proxy_options; // enum server_proxy_option bits
	uint32_t weight_configured; // 0..256
	uint32_t max_queue;         // maxqueue: most that wait for it alone; 0: any
	uint32_t max_requests;      // max-reuse: that a connection may serve, one more than it
	uint32_t min_conn;          // minconn; 0: its maxconn stands still
	_Atomic uint32_t n_queued;  // that wait for it alone, of all workers; relaxed
	struct limit limit;         // maxconn: requests at once, of all workers
	_Atomic uint32_t weight;    // 0..256; keeper writes, workers read, relaxed
	_Atomic uint32_t admin;     // enum server_admin bits; likewise
	_Atomic uint64_t changed_real_ns;       // when admin last changed
	struct metric_blocks stats;             // proxy/stats.h: struct be_counters; made at start
	struct metric_blocks state;             // proxy/kept.c: what was set; likewise
	struct check *check;                    // check.h; NULL: it is not checked. The keeper's
	struct check *agent;                    // agent.h; NULL: it has none. Likewise
	struct server *track;                   // whose state is its own too; NULL: nobody's
	struct server *trackers, *next_tracker; // who tracks it; the next who tracks the same
	bool kills_when_down, kills_backups_when_up; // on-marked-down, on-marked-up
	struct observed *observed;    // observe.h; NULL: its requests tell nothing of its health
	struct metric_blocks checked; // struct check_counters; made at start, keeper writes
	struct metric_blocks checked_state, agent_state; // proxy/kept_health.c; likewise
	struct slowstart slowstart;
	struct limit_waits waits; // workers with requests that want this very server
	struct str cookie;        // as configured; empty: none. server_cookie() has what counts
};

struct backend {
	uint32_t magic;
	uint32_t index; // 0.. over all backends; indexes per-worker tables
	uint32_t id;
	struct str name;
	struct server **servers;
	size_t n_servers, cap_servers;
	_Atomic uint32_t epoch; // raised by every change of a server's weight or admin bits
	enum backend_reuse {
		BACKEND_REUSE_NEVER,
		BACKEND_REUSE_SAFE,
		BACKEND_REUSE_AGGRESSIVE,
		BACKEND_REUSE_ALWAYS
	} reuse;
	struct balance balance;
	struct cookie_making cookie_making;
	_Atomic(const struct backend_cookies *) cookies; // NULL: not published yet
	uint32_t pool_max_idle; // idle connections kept per server and worker
	uint64_t pool_purge_ns; // idle ones older than this are closed; 0: never
	atomic_bool limited;    // places are taken: a server has, or had, a maxconn, or all count
	struct limit_waits waits;
	void (*changed)(const struct backend *b); // told of changes; NULL: nobody. Any thread
	_Atomic uint32_t n_queued;                // requests that wait, of all workers
	uint32_t full_conn; // fullconn: with so many requests its servers have their maxconn
	bool ramps;         // n_requests is kept: a server has a minconn
	_Atomic uint32_t n_requests;      // that it has now, of all workers; relaxed
	const struct check_plan *plan;    // how its servers are checked; never NULL in use
	const struct backend_host *host;  // told of what happens; NULL: nobody. Keeper
	_Atomic uint32_t n_usable;        // when last told
	_Atomic uint64_t changed_real_ns; // when the last went, or the first came back
	struct metric_blocks checked;     // struct check_counters; made at start, keeper writes
};

enum server_set_by { SERVER_SET_BY_OPERATOR, SERVER_SET_BY_TRACKING, SERVER_SET_BY_AGENT };

// Who is told of the turns of servers, on the keeper's thread.
struct backend_host {
	void *arg;
	struct loop *loop;                                   // the keeper's
	void (*emptied)(void *arg, const struct backend *b); // none of its servers takes requests
	void (*left)(void *arg, const struct server *s);     // it serves no more
	void (*returned)(void *arg, const struct server *s); // it serves again
	// Somebody's word, or the server that it tracks, gave it other bits than before.
	void (*set)(void *arg, const struct server *s, uint32_t before, enum server_set_by by);
};

struct backend *backend_new(struct str name, uint32_t index);
// With its servers. Nulls; NULL is fine.
void backend_free(struct backend **b);
// A duplicate name within the backend is an error.
struct server *backend_add_server(struct backend *b, struct str name, const struct addr *addr,
				  struct err *err);
struct server *backend_find_server(const struct backend *b, struct str name);
// Announces a change of any server's weight or admin bits. Any thread.
void backend_changed(struct backend *b);
// state.c to backend.c: how many take requests is the backend's own state.
void backend_note_usable(struct backend *b);
// Servers that would take a request now (backups counted only when no other is up). Any thread.
uint32_t backend_usable_servers(const struct backend *b);
bool server_is_usable(const struct server *s);
// Operator's commands, the keeper or before the threads. set_state: "ready", "drain" or "maint". A
// server that comes back from maintenance has the health of the beginning.
bool server_set_state(struct server *s, struct str state, struct err *err);
// The same words in any case of letters, of its agent; nothing happens when it is so already.
void server_set_state_by_agent(struct server *s, struct str state);
// "N" (0..256) or "N%" of the configured weight.
bool server_set_weight(struct server *s, struct str weight, struct err *err);
const char *server_state_name(const struct server *s); // "UP", "DRAIN", "MAINT", "DOWN", "NOLB"
// Neither in maintenance nor down. Any thread.
static inline bool
server_is_up(const struct server *s)
{
	return (atomic_load_explicit(&s->admin, memory_order_relaxed) & SERVER_OUT_BITS) == 0;
}
// ---- state.c: keeper, or before the threads
// The bits that its state is, and what follows for its counters and its last change; then
// server_announce.
void server_put_bits(struct server *s, uint32_t bits);
// Turns who tracks it, and tells the workers.
void server_announce(struct server *s);
// The bits that it has by whom it tracks, and that one by its own; nobody is told. Start.
void server_follow_quietly(struct server *s);
void server_count_failure(struct server *s);
void server_count_observed(struct server *s);
// Milliseconds out of service so far. Any thread.
uint64_t server_down_ms(const struct server *s);
uint64_t backend_down_ms(const struct backend *b);
// One of the counters, with those of earlier processes; 0 before they are made. Any thread.
#define check_count(blocks, member) \
	check_count_at((blocks), offsetof(struct check_counters, member))
uint64_t check_count_at(const struct metric_blocks *blocks, size_t offset);
// As many servers as take requests now are the beginning, of which nobody is told. Before threads.
void backend_begin(struct backend *b);
// Its address now. Any thread; on a worker and on the keeper it is there until their loop's turn
// ends, so keep a copy, not the pointer.
static inline const struct server_addr *
server_addr(const struct server *s)
{
	return atomic_load_explicit(&s->addr, memory_order_acquire);
}
// Where a connection to that address, the server's or one that is checked, comes from; NULL:
// anywhere.
static inline const struct addr *
server_source(const struct server *s, const struct addr *to)
{
	return UNLIKELY(s->source != NULL) && !addr_is_unix(to) ? s->source : NULL;
}
// Publishes another address; returns the one before, for server_addr_free. Keeper, or before the
// threads.
const struct server_addr *server_addr_publish(struct server *s, const struct addr *a);
// Once no thread can still read it: each worker has ended the turn in which another was published.
void server_addr_free(const struct server *s, const struct server_addr *before);

// One worker's view of one backend: turn table and idle connections. Owned by that worker.
struct backend_worker {
	struct backend *backend;
	uint32_t id; // the worker's, from 0
	uint32_t epoch_seen;
	// Its table; which of them is used is the backend's kind of table. n_turn 0: no server.
	uint16_t *turn;   // server indexes in weighted order
	uint64_t *points; // balance_ring.c
	struct balance_loads *loads;
	uint32_t n_turn, at; // how many turns or points; whose it is
	uint64_t random;     // balance random
	struct server_worker {
		struct list idle; // of the owner's server connections, newest first
		uint32_t n_idle;
	} * servers;
	struct backend_queue *queues; // n_servers of those that want one server, then the others'
};

void backend_worker_init(struct backend_worker *w, struct backend *b, uint32_t worker_id);
void backend_worker_fini(struct backend_worker *w);
// The server that this backend's way to balance chooses; NULL when none is usable.
struct server *backend_next(struct backend_worker *w, const struct backend_ask *ask);
// How it balances, once its servers are there. Before the threads.
void backend_set_balance(struct backend *b, const struct balance *how);

// ---- queue.c: servers' maxconn

// Requests of one worker that wait, for any server or for one; who is next first.
struct backend_queue {
	struct list waiters;
	struct backend_worker *worker;
	struct server *server; // NULL: any
	bool serving;
	struct limit_waker waker;
};

// A request's place at a server.
struct backend_place {
	struct server *server;
	bool counted; // to be given back
};
// The same choice, or the server wanted, with a place at it, below its maxconn. One that is wanted
// or that a hash chose is waited for; for the others any with room will do. True with server ==
// NULL: none is usable. False: wait for out->server, or for any when that is NULL; they are full,
// or others wait already.
bool backend_take(struct backend_worker *w, const struct backend_ask *ask,
		  struct backend_place *out);
// Gives a counted place back. Any worker.
void backend_give(struct server *s);

// A request in the queue of its worker; in the owner's memory.
struct backend_waiter {
	struct list in_queue;
	struct backend_queue *queue;
	int16_t class;     // a lower one is served first
	int32_t offset_ms; // in its class it counts as so much younger
	uint64_t due_ns;   // of backend_wait
	struct backend_ask ask;
	struct backend_place place;             // set when ready is called
	void (*ready)(struct backend_waiter *); // out of the queue; from the loop's turn
};
// Behind a backend_take that said false, with the server that it named. Returns how many, of all
// workers, waited by then. Its place is found from the youngest on: at once, unless it is to be
// served before many others.
uint32_t backend_wait(struct backend_worker *w, struct backend_waiter *waiter,
		      const struct server *wanted, uint64_t now_ns);
// Requests that wait now, of all workers. Any thread.
uint32_t backend_queued(const struct backend *b);
// Leaves before its turn.
void backend_wait_end(struct backend_worker *w, struct backend_waiter *waiter);
// So many wait for this server alone that no other may. Any thread; others may come meanwhile.
static inline bool
server_queue_is_full(const struct server *s)
{
	return s->max_queue > 0 &&
	       atomic_load_explicit(&s->n_queued, memory_order_relaxed) >= s->max_queue;
}
// Its maxconn now: between minconn and maxconn, by the backend's requests. 0: none. Any thread.
uint32_t server_maxconn_now(const struct server *s);
// Before the first wait, on the worker's thread. w must live until all threads have ended.
void backend_queue_init(struct backend_worker *w, struct loop *loop);
void backend_queue_fini(struct backend_worker *w); // all threads have ended
// 0: unlimited. Requests that were given out without a limit are not counted. Any thread.
void server_set_maxconn(struct server *s, uint32_t maxconn);
