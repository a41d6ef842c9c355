// SPDX-License-Identifier: MIT
// The service from its configuration to its end: load, start, wait for signals, stop. Main thread.
#pragma once

#include "cli/server.h"
#include "main/options.h"
#include "main/rights.h"
#include "master/link.h"
#include "net/loop.h"
#include "proxy/setup.h"

struct link;
struct sbuf;

struct service {
	const struct options *options;
	struct conf *conf;
	struct expr_set *exprs;
	struct proxy_setup *setup;
	struct proxy_set *set;
	struct cli *cli;
	struct cli_server *cli_server;
	struct link *link;            // to the master; NULL: there is none
	unsigned n_sources;           // of the configuration, read so far
	struct keep_maps *maps;       // NULL: no master
	struct keep_numbers *numbers; // likewise
	struct changes *changes;      // while a reload is loaded; else NULL
	struct str kept_policy;       // read last
	struct reload_asker *askers;  // who waits for a reload; the keeper's, as are the next three
	size_t n_askers, cap_askers;
	unsigned last_asker;
	atomic_bool asked;       // there are some; relaxed: a hint for the main thread
	uint64_t last_answer_ns; // the main thread's
	bool master_gone;
	int signal_fd;
	struct msg retire, close;
	enum { CLI_SERVED, CLI_RETIRED, CLI_CLOSED } cli_state; // the main thread's
	bool wrote_pidfile;
};

// What the configuration says to a master.
struct link_terms service_terms(const struct service *s);
// Reads the configuration, opens the table, loads the policies. All faults were printed when it
// returns false.
bool service_load(struct service *s, const struct options *o, struct link *link);
// Listens and serves; returns the exit status once a signal ended it.
int service_run(struct service *s);
void service_free(struct service *s);
// Is this process to be a master, as configuration or options have it?
bool service_supervises(const struct service *s);
// Any frontend that listens?
bool service_listens(const struct service *s);

// ops.c: commands on the service itself.
extern const struct module service_module;
struct channel_msg;
// The master's word, on the main thread: a session that it brings, and how a reload ended.
void ops_adopt(struct service *s, struct channel_msg *m);
void ops_look(struct service *s);
void ops_answer(struct service *s, const struct channel_msg *m);

// describe.c: for `tidegate -vv -f FILE`, what the configuration asks of the system and leaves
// itself.
void service_describe(const struct service *s, struct sbuf *out);

// keep.c: the state directory, or -1.
int keep_dir(const struct link *l);
// A new file of that many bytes there, or, without such a folder or room in it, of memory; in the
// latter case the log says `instead`. The caller's; -1 with a cause: no memory either.
int keep_new_file(const struct service *s, const char *name, uint64_t bytes, const char *instead,
		  struct err *err);
// Before and behind the making of counters.
void keep_begin(struct service *s);
void keep_take_over(struct service *s);
// A file of the state directory that cannot be used, for an operator to look at; "" for one of
// memory. Told in the log.
#define UNUSABLE "unusable-"
void keep_put_aside(const struct service *s, const char *file, const char *why);

// keep_tables.c: those of earlier processes, or new ones. Before anything is evaluated.
bool keep_tables_open(struct service *s, struct err *err);

// daemon.c
// Forks; the parent ends when the child is ready or fails. Sets *ready_fd in the child.
bool daemon_begin(int *ready_fd, struct err *err);
// The child is ready: lets go of the terminal and of the parent, where *ready_fd is one.
void daemon_ready(int *ready_fd);
bool daemon_write_pidfile(struct str path, struct err *err);
// Sets the limit of descriptors to what maxconn needs, or lowers maxconn to what it allows; that of
// locked memory to what io_uring needs, as far as the rights go.
bool service_raise_limits(struct service *s, struct err *err);
uint64_t service_maxconn_for(const struct service *s, uint64_t limit);
// What the service would lock with io_uring, at a time of reloads, and other services of its user.
uint64_t service_locked_bytes(const struct service *s);
// Writes the pidfile, then becomes the configured user in the configured root.
bool service_settle_down(struct service *s, struct err *err);
// What the configuration leaves the process when it serves.
struct rights service_rights(const struct service *s);

// What the master process is told, by main, which has read the configuration.
struct daemon_master {
	bool background, systemd, quiet;
	struct link_terms terms;
	char *pidfile;   // NULL: none
	const char *cli; // -S; NULL: none
	char *state_dir; // NULL: none
	const struct options *options;
	char **argv;
};
// Becomes the master; the exit status at its end.
int daemon_master(struct daemon_master *d);
