// SPDX-License-Identifier: MIT
// The service from its configuration to its end: load, start, wait for signals, stop. Main thread.
#pragma once

#include "cli/server.h"
#include "main/options.h"
#include "proxy/setup.h"

struct tidevars;

struct service {
	const struct options *options;
	struct conf *conf;
	struct expr_set *exprs;
	struct proxy_setup *setup;
	struct proxy_set *set;
	struct cli *cli;
	struct cli_server *cli_server;
	bool wrote_pidfile;
	int ready_fd; // daemon: the parent waits for a byte here; -1
};

// Reads the configuration, opens the table, loads the policies. All faults were printed when it
// returns false.
bool service_load(struct service *s, const struct options *o);
// Listens and serves; returns the exit status once a signal ended it.
int service_run(struct service *s);
void service_free(struct service *s);
// Any frontend that listens?
bool service_listens(const struct service *s);

// daemon.c
// Forks; the parent ends when the child is ready or fails. Sets s->ready_fd in the child.
bool service_daemonise(struct service *s, struct err *err);
void service_tell_ready(struct service *s);
// Raises the limit of descriptors to what maxconn needs, or lowers maxconn to what it allows.
bool service_raise_limits(struct service *s, struct err *err);
// Writes the pidfile, then becomes the configured user in the configured root.
bool service_settle_down(struct service *s, struct err *err);
