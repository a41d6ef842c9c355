// SPDX-License-Identifier: MIT
// Frontends and backends as configured: what a transaction reads and nobody writes once the
// workers run (counters and servers' states aside, which are atomics of their own). Built by
// conf_*.c from the configuration, held by struct proxy_set, which lives as long as the process.
#pragma once

#include "backend/backend.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"
#include "metrics/metrics.h"
#include "net/addr.h"
#include "net/loop.h"
#include "proxy/capture.h"
#include "proxy/cookie.h"
#include "proxy/rule.h"

struct acl_memo;
struct bad_message;
struct counted_rules;
struct cond;
struct logfmt;
struct policy;
struct policy_engine;
struct tidevars;
struct listener;
struct userlist;
struct worker;
struct workers;
struct proxy_conf;
struct proxy_table;
struct reply;

enum proxy_caps { PROXY_FRONTEND = 1, PROXY_BACKEND = 2, PROXY_DEFAULTS = 4 };
enum proxy_mode { PROXY_HTTP, PROXY_TCP };

static inline const char *
proxy_mode_name(enum proxy_mode mode)
{
	return mode == PROXY_TCP ? "tcp" : "http";
}

enum proxy_options {
	PROXY_OPT_HTTPLOG = 1 << 0,
	PROXY_OPT_TCPLOG = 1 << 1,
	PROXY_OPT_DONTLOGNULL = 1 << 2,
	PROXY_OPT_FORWARDFOR = 1 << 3,
	PROXY_OPT_FORWARDFOR_IF_NONE = 1 << 4,
	PROXY_OPT_ORIGINALTO = 1 << 5,
	PROXY_OPT_HTTP_CLOSE = 1 << 6,        // httpclose: both sides close after each response
	PROXY_OPT_HTTP_SERVER_CLOSE = 1 << 7, // the server side closes
	PROXY_OPT_HTTP_VIA = 1 << 8,          // add Via, RFC 9110 7.6.3
	PROXY_OPT_REDISPATCH = 1 << 9,
	PROXY_OPT_LOGASAP = 1 << 10,
	PROXY_OPT_DONTLOG_NORMAL = 1 << 11,
	PROXY_OPT_LOG_SEPARATE_ERRORS = 1 << 12,
	PROXY_OPT_ABORTONCLOSE = 1 << 13, // a client's half-close ends its request
	PROXY_OPT_BUFFER_REQUEST = 1 << 14,
	PROXY_OPT_SOCKET_STATS = 1 << 15, // listeners are shown one by one
	PROXY_OPT_PERSIST = 1 << 17,      // a cookie's server is tried though it is down
	PROXY_OPT_LOG_HEALTH = 1 << 16,   // each check that says something new is logged
};

// Nanoseconds; 0: no limit.
struct proxy_timeouts {
	uint64_t client_ns, server_ns, connect_ns, queue_ns, http_request_ns, http_keep_alive_ns,
	    tarpit_ns, tunnel_ns, client_fin_ns, server_fin_ns;
};

// One listening address of a frontend.
struct bind {
	struct bind *next;
	struct proxy *frontend;
	struct str text;            // as configured
	struct str name;            // so_name
	struct str stat_name;       // name or text, unique in its frontend; set at start
	struct metric_blocks stats; // proxy/stats.h: struct listener_counters; likewise
	struct addr addr;           // for inherited descriptors: what getsockname says
	int inherited_fd;           // -1: we create the sockets
	bool addr_is_exact;         // no wildcard: what clients connected to; set at start
	struct listener *listener;  // set at start
	uint32_t id;
	uint32_t unix_mode;     // permission bits, 0: umask decides
	int unix_uid, unix_gid; // -1: unchanged
	uint32_t backlog;
	uint32_t index;      // over all binds; indexes per-worker tables
	struct limit *limit; // of maxconn
	bool v6only;
	bool accept_proxy; // connections begin with a header of the PROXY protocol
	const char *file;
	int line;
};

// use_backend, use-server: the first whose condition holds, and whose server serves, decides.
struct switch_rule {
	struct switch_rule *next;
	struct cond *cond;      // NULL: always
	bool of_servers;        // use-server
	struct proxy *backend;  // static targets, resolved after parsing; NULL when dynamic
	struct server *server;  // of use-server
	struct str name;        // as written
	struct logfmt *dynamic; // %[...]: a name looked up at run time
	const char *file;
	int line;
	uint32_t number; // as a rule's
	uint64_t words;
};

struct log_target {
	struct log_target *next;
	enum log_target_kind { LOG_TO_FD, LOG_TO_UNIX, LOG_TO_UDP } kind;
	enum log_target_format {
		LOG_RFC3164,
		LOG_LOCAL,
		LOG_RFC5424,
		LOG_PRIORITY,
		LOG_SHORT,
		LOG_TIMED,
		LOG_ISO,
		LOG_RAW,
	} format;
	// LOG_TO_FD: the descriptor; else the datagram socket, non-blocking, opened at start.
	int fd;
	bool may_block; // LOG_TO_FD: a pipe or a socket, written without waiting
	struct addr addr;
	struct str text;
	int facility; // 0..23
	int level_max, level_min;
	uint32_t len_max;     // longest line in bytes
	uint32_t sample_size; // sample RANGES:SIZE; 0: all lines
	uint64_t sample_mask; // bit i: line i of each `sample_size`
	_Atomic uint64_t sample_at;
	uint32_t rate;                     // rate-limit: lines a second; 0: any number
	_Atomic uint64_t rate_window;      // the second and how many lines it has had, 32 bits each
	_Atomic uint64_t dropped, limited; // lines that it did not take; that were too many
};

// A network: addresses whose first `prefix` bits are the same.
struct address_range {
	const struct address_range *next;
	uint8_t family; // 4 or 6
	uint8_t prefix;
	uint8_t ip[16];
};

// A page of our own (errorfile, errorloc, http-error), read and taken apart at start: framing and
// persistence are the connection's business, not the page's.
struct error_page {
	uint16_t status;
	const struct reply *reply;
};
#define PROXY_MAX_ERROR_PAGES 24

// Why a frontend takes no new connections (frontend.h).
enum frontend_closed {
	FRONTEND_DISABLED = 1, // until it is enabled
	FRONTEND_SHUT = 2      // as long as this process lives
};

struct proxy {
	uint32_t magic;
	uint32_t index; // 0.. over all proxies
	uint32_t id;    // `id N` or position, from 2 as HAProxy counts
	unsigned caps;  // enum proxy_caps
	struct str name;
	const char *file;
	int line;
	enum proxy_mode mode;
	unsigned options, no_options; // enum proxy_options; explicitly set / unset
	struct proxy_timeouts timeouts;
	uint32_t maxconn;  // frontend, as configured; 0: the process's
	uint32_t fullconn; // backend, likewise; 0: by the frontends that may choose it
	struct conn_limit {
		struct limit conns;
		struct limit_waits waits; // for room here; a frontend's: or at a bind of its
		_Atomic uint32_t closed;  // a frontend's: enum frontend_closed bits; keeper writes
	} * limit;
	uint32_t retries;
	unsigned retry_on;        // enum retry_on bits
	int32_t redispatch_every; // option redispatch N; cookie.c
	bool disabled;
	bool looks_at_cookies; // it persists by them, or captures one
	bool at_accept;        // tcp_enter wants to see its connections
	struct str forwardfor_header, originalto_header, via_name, monitor_uri, log_tag;
	const struct address_range *forwardfor_except, *originalto_except;
	struct rule_list http_request, redirects, http_response, http_after_response;
	struct rule_list tcp_connection, tcp_session, tcp_content, tcp_response;
	uint64_t inspect_request_ns, inspect_response_ns; // inspect-delay; 0: none
	struct switch_rule *switching, **switching_tail;
	struct switch_rule *serving, **serving_tail; // use-server
	struct str default_backend_name;
	struct proxy *default_backend;
	const struct page_setting *page_settings; // conf_page.c, newest first; become pages
	struct error_page pages[PROXY_MAX_ERROR_PAGES];
	size_t n_pages;
	struct bind *binds, **binds_tail;
	struct log_target *logs, **logs_tail;
	bool log_global;             // `log global`
	struct logfmt *logfmt;       // NULL: no access log
	struct logfmt *logfmt_error; // error-log-format: of what was no request; NULL: logfmt
	struct logfmt *logfmt_sd;    // log-format-sd: structured data of rfc5424; NULL: "-"
	bool logs_server_end;        // one of them shows our end of the server's connection
	struct str logfmt_text;      // of log-format, until compiled
	struct str logfmt_error_text, logfmt_sd_text;
	struct str unique_id_header;
	struct logfmt *unique_id;
	struct backend *backend;                         // with PROXY_BACKEND
	struct proxy_table *table;                       // stick.h; NULL: none
	struct stick_rule *sticking, *sticking_response; // stick_rule.c, in their order
	struct proxy_conf *conf;                         // what only the reading of the files needs
	struct metric_blocks fe_stats, be_stats;         // proxy/stats.h; made at start
	struct metric_blocks fe_state;                   // proxy/kept.c: what was set; likewise
	struct capture_list request_captures, response_captures;
	const struct cookie_conf *cookie; // NULL: none
	struct cookie_capture cookie_capture;
	struct str cookie_key; // dynamic-cookie-key; may be empty
	struct persist_rule *persist_rules;
	struct bad_message *bad_request, *bad_response; // bad_message.h
};

// What `global` says.
struct proxy_global {
	uint32_t nbthread; // workers; 0: one per CPU
	uint32_t maxconn;
	uint32_t bufsize, maxrewrite, max_headers;
	uint32_t cookie_len; // most bytes of a captured cookie
	uint64_t gather_ns;
	uint64_t hard_stop_after_ns, grace_ns;
	struct str io_engine; // "auto", "uring", "epoll"
	struct str node, description, log_tag, log_send_hostname, pidfile, chroot, user, group,
	    state_dir;
	struct log_target *logs, **logs_tail;
	bool daemon, quiet, master;
	int64_t most_draining;     // worker processes, after reloads
	uint64_t start_timeout_ns; // of one; 0: no bound
	bool seccomp;              // system calls are filtered
	uint64_t policy_budget_ns;
	uint32_t pool_max_idle;
};

struct proxy_set;
// An empty file with room for so many bytes, which the caller closes; -1 with *err.
typedef int (*kept_file_f)(struct proxy_set *set, uint64_t bytes, struct err *err);

struct proxy_set {
	struct proxy_global global;
	struct proxy **all;
	size_t n_all, cap_all;
	struct hash_map frontends, backends;  // by name
	struct userlist *userlists;           // auth.c
	struct http_errors *http_errors;      // conf_page.c
	size_t n_binds;                       // of all proxies; counted at start
	size_t n_backends;                    // struct backend objects; their `index` < this
	struct tidevars *vars;                // never NULL once started
	const struct acl_memo *acl_memo;      // of the expressions
	struct vars_watch *watch;             // of vars; NULL: nobody is told of changes
	struct policy_engine *policies;       // NULL without a policy section
	uint32_t lua_sockets_most;            // that scripts may have open on one thread
	struct policy_host_data *policy_host; // its data (policy_host.h); NULL without policies
	struct verdict_note *verdict_notes;   // verdict.h, of the functions named
	uint32_t n_verdicts;                  // that somebody asks about
	bool tests_only;                      // main runs self-tests: loading does not
	uint64_t started_real_ns, started_mono_ns;
	struct proxy_table *tables;  // stick.h, of all sections
	struct table_sweep *sweep;   // of them; the keeper's
	struct kept *kept;           // kept.h; made at start
	struct counted_rules *rules; // rule_count.h; likewise
	kept_file_f kept_file;       // where it lies; NULL: memory of this process will do
	struct metric_blocks stats;  // proxy/stats.h: struct proc_counters; made at start
	uint32_t n_workers;
	struct conn_limit *limit; // of global maxconn; once started
	enum net_engine engine;   // as configured until the threads start
	struct str hostname;
	struct checks *checks;                   // health.h; the keeper's
	struct backend_host backend_host;        // likewise
	struct expiry *expiry;                   // the keeper's
	struct effects *effects;                 // likewise
	_Atomic uint64_t vars_expired;           // times to live that passed
	_Atomic uint32_t leaving;                // worker.h: enum proxy_leaving
	_Atomic uint32_t metrics_pages;          // metrics_page.h: under way, of all workers
	struct metrics_writer *metrics_writer;   // likewise; the keeper's
	_Atomic uint32_t shm_writes_posted;      // rules' writes on their way to the keeper
	struct log_rate writes_failed;           // the keeper's, of lines on those that failed
	struct workers *threads;                 // once started
	struct proxy_worker **workers;           // n_workers of them once started
	const struct listener_keeper *listeners; // NULL: sockets end with this process
	struct offline *offline;                 // offline.h: judges instead of serving; or NULL
	void *owner;                             // main's struct service, for the functions below
	// On the main thread, once all addresses are bound and before any thread runs (main: user,
	// root folder, pidfile). May be NULL.
	bool (*before_threads)(struct proxy_set *set, struct err *err);
	// Called on the keeper's thread when its loop stands, and at its end (main: the CLI).
	bool (*keeper_start)(struct proxy_set *set, struct worker *keeper, struct err *err);
	void (*keeper_stop)(struct proxy_set *set, struct worker *keeper);
	// The live source of a policy in an earlier process, until the next call; false: the
	// file's. May be NULL. While the configuration is loaded.
	bool (*kept_policy)(struct proxy_set *set, struct str name, struct str *kept);
	// Another generation is live (keeper), or the first is loaded. May be NULL.
	void (*policy_live)(struct proxy_set *set, const struct policy *p);
};
