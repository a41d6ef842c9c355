// SPDX-License-Identifier: MIT
// Start, drain and stop: listeners are bound first (so that a port in use changes nothing), then
// each worker thread makes its own pools, tables and acceptors.
#include "proxy/worker.h"

#include "base/mem.h"
#include "net/listener.h"
#include "net/worker.h"
#include "policy/policy.h"
#include "proxy/accesslog.h"
#include "proxy/auth_priv.h"
#include "proxy/conns.h"
#include "proxy/effects.h"
#include "proxy/expiry.h"
#include "proxy/explain.h"
#include "proxy/frontend.h"
#include "proxy/gate.h"
#include "proxy/health.h"
#include "proxy/lua_cli.h"
#include "proxy/lua_socket.h"
#include "proxy/offline.h"
#include "proxy/policy_host.h"
#include "proxy/kept.h"
#include "proxy/txn.h"
#include "proxy/rule_count.h"
#include "proxy/setup.h"

#define PROXY_WORKER_MAGIC 0x7c5a0004
#define LOG_LINE_CAP       16384

// --- one worker ------------------------------------------------------------------------------

// Every worker has its own socket of each bind; those that a process with more workers left behind
// go round.
static void
start_acceptors_of(struct proxy_worker *w, struct bind *b)
{
	struct acceptor **a = w->acceptors + b->index * w->acceptors_each;
	unsigned n = MAX(listener_n_sockets(b->listener), w->set->n_workers);
	for (unsigned i = w->id; i < n; i += w->set->n_workers)
		*a++ = acceptor_start(b->listener, i, w->loop, client_accept, b);
	if (frontend_is_closed(b->frontend)) // before this process
		proxy_worker_pause(w, b->index, true);
}

static void
start_acceptors(struct proxy_worker *w)
{
	struct proxy_set *set = w->set;
	w->acceptors_each = 1;
	for (size_t i = 0; i < set->n_all; i++)
		for (struct bind *b = set->all[i]->binds; b != NULL; b = b->next) {
			size_t n = listener_n_sockets(b->listener) + set->n_workers - 1;
			w->acceptors_each = MAX(w->acceptors_each, n / set->n_workers);
		}
	w->n_acceptors = set->n_binds * w->acceptors_each;
	w->acceptors = mem_zalloc(w->n_acceptors * sizeof(*w->acceptors));
	for (size_t i = 0; i < set->n_all; i++)
		for (struct bind *b = set->all[i]->binds; b != NULL; b = b->next)
			start_acceptors_of(w, b);
}

void
proxy_worker_pause(struct proxy_worker *w, size_t bind_index, bool pause)
{
	struct acceptor **a = w->acceptors + bind_index * w->acceptors_each;
	for (size_t i = 0; i < w->acceptors_each && a[i] != NULL; i++)
		(pause ? acceptor_pause : acceptor_resume)(a[i]);
}

void
proxy_worker_deafen(struct proxy_worker *w, size_t bind_index)
{
	struct acceptor **a = w->acceptors + bind_index * w->acceptors_each;
	for (size_t i = 0; i < w->acceptors_each; i++)
		acceptor_stop(&a[i]);
}

static void
stop_acceptors(struct proxy_worker *w)
{
	if (w->n_acceptors > 0)
		gates_empty(w);
	for (size_t i = 0; i < w->n_acceptors; i++)
		acceptor_stop(&w->acceptors[i]);
	w->n_acceptors = 0;
}

static void
start_backend(struct proxy_worker *w, struct backend *b)
{
	backend_worker_init(&w->backends[b->index], b, w->id);
	backend_queue_init(&w->backends[b->index], w->loop);
}

static void
start_backends(struct proxy_worker *w)
{
	struct proxy_set *set = w->set;
	w->backends = mem_zalloc(set->n_backends * sizeof(*w->backends));
	for (size_t i = 0; i < set->n_all; i++) {
		struct backend *b = set->all[i]->backend;
		if (b != NULL)
			start_backend(w, b);
	}
}

static bool
worker_start(struct worker *net, void *arg, struct err *err)
{
	struct proxy_set *set = arg;
	if (net->id == 0) {
		set->threads = net->all; // before any loop turns
		set->expiry = expiry_start(set, net);
		if (set->policies != NULL && set->offline == NULL)
			set->effects = effects_start(set, net);
		if (set->offline == NULL)
			health_start(set, net);
		return set->keeper_start == NULL || set->keeper_start(set, net, err);
	}
	struct proxy_worker *w = mem_aligned(CACHE_LINE, sizeof(*w));
	const struct proxy_global *g = &set->global;
	w->magic = PROXY_WORKER_MAGIC;
	w->id = net->id - 1;
	w->set = set;
	w->net = net;
	w->loop = net->loop;
	w->applied = rule_counts_of(set, w->id);
	size_t txn_bytes = sizeof(struct txn) + 2 * g->max_headers * sizeof(struct http_field);
	pool_init(&w->clients, sizeof(struct client), 4096);
	pool_init(&w->sessions, sizeof(struct session), 256);
	pool_init(&w->server_conns, sizeof(struct server_conn), 1024);
	pool_init(&w->txns, txn_bytes, 256);
	list_init(&w->all_clients);
	list_init(&w->all_txns);
	list_init(&w->lua_commands);
	list_init(&w->lua_sockets);
	sbuf_init(&w->log_line, LOG_LINE_CAP);
	sbuf_init(&w->log_head, LOG_LINE_CAP);
	start_backends(w);
	gates_start(w);
	w->auth = auth_cache_new(set);
	if (set->policies != NULL) {
		w->policy = policy_worker_of(set->policies, w->id);
		policy_worker_enter(w->policy);
		w->policy_scratch = mem_alloc(POLICY_SCRATCH_BYTES);
	}
	net->slot[WORKER_SLOT_PROXY] = w;
	set->workers[w->id] = w;
	if (set->offline != NULL)
		offline_judge(set->offline, w);
	else
		start_acceptors(w);
	return true;
}

static bool
has_connections(const struct proxy_worker *w)
{
	return w->n_clients > 0 || w->n_server_conns > 0 || w->n_lua_sockets > 0;
}

// Turns until what was closed has come back, bounded: a kernel that does not answer must not keep
// the process.
static void
settle(struct proxy_worker *w)
{
	for (int i = 0; i < 1000 && has_connections(w); i++)
		loop_turn(w->loop, NS_PER_MS);
}

static void
worker_stop(struct worker *net, void *arg)
{
	struct proxy_set *set = arg;
	if (net->id == 0) {
		health_stop(set);
		expiry_stop(&set->expiry);
		effects_stop(&set->effects);
		if (set->keeper_stop != NULL)
			set->keeper_stop(set, net);
		return;
	}
	struct proxy_worker *w = net->slot[WORKER_SLOT_PROXY];
	if (w == NULL)
		return;
	CHECK_MAGIC(w, PROXY_WORKER_MAGIC);
	w->draining = true;
	stop_acceptors(w);
	LIST_FOREACH_SAFE (it, &w->all_txns)
		txn_abort(LIST_ENTRY(it, struct txn, in_worker), 'K');
	client_close_all(w);
	server_conn_close_idle(w);
	lua_sockets_end(w);
	settle(w);
	lua_commands_end(w);
	if (w->policy != NULL)
		policy_worker_leave(w->policy);
	for (size_t i = 0; i < set->n_backends; i++)
		backend_worker_fini(&w->backends[i]);
	auth_cache_free(&w->auth);
	mem_free(w->policy_scratch);
	mem_free(w->acceptors);
	explain_ring_free(&w->explain_ring);
	sbuf_fini(&w->log_line);
	sbuf_fini(&w->log_head);
	if (w->n_clients == 0 && w->n_server_conns == 0) {
		pool_fini(&w->clients);
		pool_fini(&w->sessions);
		pool_fini(&w->server_conns);
		txn_pool_fini(&w->txns);
	}
}

// Once all threads have ended: a worker that still serves reads the others' numbers and wakes
// their queues.
static void
free_workers(struct proxy_set *set)
{
	for (uint32_t i = 0; i < set->n_workers; i++) {
		struct proxy_worker *w = set->workers[i];
		if (w == NULL)
			continue;
		CHECK_MAGIC(w, PROXY_WORKER_MAGIC);
		w->magic = 0;
		gates_free(w);
		for (size_t b = 0; w->backends != NULL && b < set->n_backends; b++)
			backend_queue_fini(&w->backends[b]);
		mem_free(w->backends);
		mem_free(w);
	}
	mem_free(set->workers);
	set->workers = NULL;
	mem_free(set->limit);
	set->limit = NULL;
}

// --- all of them -------------------------------------------------------------------------------

static bool
is_wildcard(const struct addr *a)
{
	if (a->len == 0)
		return true;
	if (a->sa.sa_family == AF_INET)
		return a->in.sin_addr.s_addr == INADDR_ANY;
	if (a->sa.sa_family == AF_INET6)
		return IN6_IS_ADDR_UNSPECIFIED(&a->in6.sin6_addr);
	return false;
}

static bool
listen_on(struct proxy_set *set, struct bind *b, struct err *err)
{
	struct listener_spec spec = {
	    .addr = b->addr,
	    .inherited_fd = b->inherited_fd,
	    .n_slots = set->n_workers,
	    .backlog = (int)b->backlog,
	    .v6only = b->v6only,
	    .mode = b->unix_mode,
	    .uid = b->unix_uid,
	    .gid = b->unix_gid,
	    .keeper = set->listeners,
	    .patience_ns = LISTENER_PATIENCE_NS,
	};
	b->listener = listener_new(&spec, err);
	if (b->listener == NULL)
		return err_wrap(err, "%s:%d: frontend '%.*s'", b->file, b->line,
				STR_ARG(b->frontend->name));
	b->addr = *listener_addr(b->listener);
	b->addr_is_exact = !is_wildcard(&b->addr);
	return true;
}

static bool
listen_on_all(struct proxy_set *set, struct err *err)
{
	for (size_t i = 0; i < set->n_all; i++) {
		struct proxy *p = set->all[i];
		atomic_store_explicit(&p->limit->conns.max, p->maxconn, memory_order_relaxed);
		for (struct bind *b = p->binds; b != NULL; b = b->next) {
			b->index = (uint32_t)set->n_binds++;
			if (set->offline == NULL && !listen_on(set, b, err))
				return false;
		}
	}
	return true;
}

void
proxy_close_listeners(struct proxy_set *set)
{
	for (size_t i = 0; i < set->n_all; i++)
		for (struct bind *b = set->all[i]->binds; b != NULL; b = b->next)
			listener_free(&b->listener);
}

struct net_config
proxy_net_config(const struct proxy_set *set)
{
	return (struct net_config){.nbthread = set->n_workers != 0 ? set->n_workers
								   : proxy_setup_workers(set),
				   .bufsize = set->global.bufsize,
				   .gather_ns = set->global.gather_ns,
				   .or_epoll = str_eq(set->global.io_engine, STR("auto"))};
}

// A command of the first moment finds them.
static void
note_threads(struct workers *ws, void *arg)
{
	struct proxy_set *set = arg;
	set->threads = ws;
}

// Once addresses are those that commands of an earlier process gave.
static void
publish_cookies(struct proxy_set *set)
{
	for (size_t i = 0; i < set->n_all; i++)
		if (set->all[i]->backend != NULL && set->all[i]->cookie != NULL)
			backend_cookies_free(backend_cookies_publish(set->all[i]->backend));
}

bool
proxy_start(struct proxy_set *set, struct err *err)
{
	struct workers_spec spec = {
	    .net = proxy_net_config(set),
	    .start = worker_start,
	    .stop = worker_stop,
	    .made = note_threads,
	    .arg = set,
	};
	char engine[16];
	ASSERT(set->n_workers > 0 && set->global.io_engine.n < sizeof(engine));
	memcpy(engine, set->global.io_engine.p, set->global.io_engine.n);
	engine[set->global.io_engine.n] = '\0';
	bool known = net_engine_parse(engine, &set->engine);
	ASSERT(known);
	set->workers = mem_zalloc(set->n_workers * sizeof(struct proxy_worker *));
	set->limit = mem_aligned(CACHE_LINE, sizeof(*set->limit));
	atomic_store_explicit(&set->limit->conns.max, set->global.maxconn, memory_order_relaxed);
	if (!kept_init(set, set->n_workers, err) || !accesslog_open(set, err)) {
		free_workers(set);
		return false;
	}
	if (listen_on_all(set, err) &&
	    (set->before_threads == NULL || set->before_threads(set, err))) {
		publish_cookies(set);
		spec.net.engine = set->engine;
		if (workers_start(&spec, err) != NULL)
			return true;
	}
	free_workers(set);
	proxy_close_listeners(set);
	accesslog_close(set);
	return false;
}

static void
announce_stop(struct worker *net, void *arg UNUSED)
{
	struct proxy_worker *w = net->slot[WORKER_SLOT_PROXY];
	w->stopping = true;
}

void
proxy_announce_stop(struct proxy_set *set)
{
	worker_broadcast(set->threads, announce_stop, NULL, NULL);
}

static void
begin_drain(struct worker *net, void *arg)
{
	(void)arg;
	struct proxy_worker *w = net->slot[WORKER_SLOT_PROXY];
	w->draining = w->stopping = true;
	stop_acceptors(w);
	server_conn_close_idle(w);
}

// On the keeper, once all have: from here on it leaves the listeners alone, so that main may close
// them.
static void
drain_begun(struct worker *keeper UNUSED, void *arg)
{
	struct proxy_set *set = arg;
	atomic_store_explicit(&set->leaving, PROXY_LEFT, memory_order_release);
}

void
proxy_soft_stop(struct proxy_set *set)
{
	atomic_store_explicit(&set->leaving, PROXY_LEAVES, memory_order_relaxed);
	worker_broadcast(set->threads, begin_drain, drain_begun, set);
}

bool
proxy_is_deaf(const struct proxy_set *set)
{
	if (atomic_load_explicit(&set->leaving, memory_order_acquire) != PROXY_LEFT)
		return false;
	for (uint32_t i = 0; i < set->n_workers; i++)
		if (loop_n_acceptors(set->workers[i]->loop) > 0)
			return false;
	return true;
}

static void
look(struct worker *net, void *arg UNUSED)
{
	struct proxy_worker *w = net->slot[WORKER_SLOT_PROXY];
	for (size_t i = 0; i < w->n_acceptors; i++)
		if (w->acceptors[i] != NULL)
			acceptor_look(w->acceptors[i]);
}

void
proxy_look(struct proxy_set *set)
{
	worker_broadcast(set->threads, look, NULL, NULL);
}

uint64_t
proxy_current_connections(const struct proxy_set *set)
{
	uint64_t n = 0;
	for (uint32_t i = 0; i < set->n_workers; i++)
		n += atomic_load_explicit(&set->workers[i]->n_clients, memory_order_relaxed);
	return n;
}

uint64_t
proxy_frontend_connections(const struct proxy *p)
{
	uint64_t n = 0;
	for (unsigned w = 0; w < p->fe_stats.n_workers; w++) {
		const struct fe_counters *c = metrics_of(&p->fe_stats, w);
		n += METRIC_GET(&c->conns_now);
	}
	return n;
}

bool
proxy_drained(const struct proxy_set *set)
{
	return proxy_current_connections(set) == 0;
}

void
proxy_stop(struct proxy_set *set)
{
	workers_stop(&set->threads);
	proxy_close_listeners(set);
	accesslog_close(set);
	free_workers(set);
}
