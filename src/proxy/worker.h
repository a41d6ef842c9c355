// SPDX-License-Identifier: MIT
// The proxy's part of a worker thread: its connections, pools, idle server connections and
// counters. Everything here belongs to that worker; the only things it shares with others are
// atomics (servers' states), the variable table and messages. proxy_start .. proxy_stop are for
// main.
#pragma once

#include "backend/backend.h"
#include "base/list.h"
#include "base/log.h"
#include "base/clock.h"
#include "base/pool.h"
#include "base/sbuf.h"
#include "http/date.h"
#include "net/worker.h"
#include "proxy/proxy.h"

struct acceptor;
struct auth_cache;
struct explain_ring;
struct loop;
struct policy_worker;
struct txn;
struct worker;

struct proxy_worker {
	uint32_t magic;
	uint32_t id; // 0..; metrics_of(..., id)
	struct proxy_set *set;
	struct worker *net;
	struct loop *loop;
	struct pool clients, sessions, server_conns, txns;
	struct backend_worker *backends; // by struct backend's index
	struct list all_clients, all_txns;
	_Atomic uint32_t n_clients; // written by this worker, relaxed
	uint32_t n_txns, n_server_conns;
	bool draining; // soft stop: no new connection, answers say Connection: close
	bool stopping; // the same announced: monitor-uri fails
	struct http_date_cache date;
	uint64_t next_txn;            // low bits of transaction ids
	struct policy_worker *policy; // NULL without policies
	struct auth_cache *auth;      // auth_priv.h; NULL without userlists
	char *policy_scratch;         // policy_host.h; likewise
	struct list lua_commands;     // lua_cli.c: under way here
	struct list lua_sockets;      // lua_socket.c: open, or closing
	uint32_t n_lua_sockets;
	int64_t last_lua_socket;           // the newest one's number
	struct sbuf log_line, log_head;    // scratch
	uint32_t explain_every;            // explain.h; 0: off
	uint32_t explain_count;            // transactions since that was set
	struct explain_ring *explain_ring; // NULL until it was first on
	struct log_rate refused_writes;    // of rules to variables
	struct metric *applied;            // rule_count.h: by rules' numbers
	struct acceptor **acceptors;       // `acceptors_each` for each bind; NULL beyond its last
	struct gate *gates;                // likewise
	struct gatekeeper *gatekeepers;    // one for each frontend, and the process's
	size_t n_acceptors, acceptors_each;
};

// Of one bind, by its index; see acceptor_pause.
void proxy_worker_pause(struct proxy_worker *w, size_t bind_index, bool pause);
// Likewise, see acceptor_stop.
void proxy_worker_deafen(struct proxy_worker *w, size_t bind_index);

// Listeners are bound, workers run, when it returns true. False: what could not be bound and why;
// then nothing runs. Main thread; the set stays the caller's.
bool proxy_start(struct proxy_set *set, struct err *err);
// How its threads' loops will be made, but for the engine.
struct net_config proxy_net_config(const struct proxy_set *set);
// The end is near: monitor-uri fails and connections are not kept, but new ones are still served.
void proxy_announce_stop(struct proxy_set *set);
// Of proxy_set.leaving. LEAVES: no new connections, said by who stops; LEFT: workers know, and the
// keeper is done with the listeners.
enum proxy_leaving { PROXY_STAYS, PROXY_LEAVES, PROXY_LEFT };
// No new connections; idle ones are told at their next request; returns at once. Any thread.
void proxy_soft_stop(struct proxy_set *set);
// After a soft stop: true once no worker accepts any more and nothing that was accepted is on its
// way. Then the listeners may be closed: newcomers are refused by the kernel instead of waiting in
// a queue that nobody serves. Main thread.
bool proxy_is_deaf(const struct proxy_set *set);
void proxy_close_listeners(struct proxy_set *set);
// Sockets may have lost who else waited for them (acceptor_look). Any thread.
void proxy_look(struct proxy_set *set);
// True once no client connection is left. Any thread.
bool proxy_drained(const struct proxy_set *set);
// Ends all connections and joins the threads. Main thread.
void proxy_stop(struct proxy_set *set);

// Sums over workers, any thread, relaxed.
uint64_t proxy_current_connections(const struct proxy_set *set);
uint64_t proxy_frontend_connections(const struct proxy *p);
