// SPDX-License-Identifier: MIT
// The runtime sockets: `stats socket` lines of section global, bound at start by the main thread
// and served by the keeper, one session per connection.
#pragma once

#include "base/err.h"
#include "cli/cli.h"
#include "conf/address.h"

struct conf;
struct listener_keeper;
struct loop;
struct cli_server;

struct cli_socket_conf {
	struct cli_socket_conf *next;
	struct conf_addr addr;
	enum cli_level level;
	uint32_t mode;    // unix: permissions; 0: as umask says
	int64_t uid, gid; // unix: owner; -1: unchanged
	struct str name;
};

struct cli_conf {
	struct cli_socket_conf *first, *last;    // in the order of the lines
	uint64_t timeout_ns;                     // `stats timeout`, default 10 s
	int64_t maxconn;                         // `stats maxconn`, default 10
	const struct listener_keeper *listeners; // main's; NULL: sockets end with this process
	uint64_t max_payload; // `tune.cli.max-payload-size`, default CLI_PAYLOAD_BYTES
};

// What the configuration says; made with its defaults at the first call. Lives as long as conf.
struct cli_conf *cli_conf_of(struct conf *conf);
// A socket beside those of the configuration, such as the default one of tidectl.
struct cli_socket_conf *cli_conf_add(struct conf *conf);

// Binds and listens. Both must outlive the server. Before privileges are dropped.
struct cli_server *cli_server_new(struct cli *cli, const struct cli_conf *conf, struct err *err);
// Accepts from now on; on the keeper's thread, as is stop.
void cli_server_start(struct cli_server *srv, struct loop *loop);
// A session on a connected socket that somebody else brings, with level and peer. Takes fd over.
// Keeper's thread.
void cli_server_adopt(struct cli_server *srv, int fd, enum cli_level level,
		      const struct cli_peer *peer);
// Sessions that are open. Any thread.
unsigned cli_server_sessions(const struct cli_server *srv);
// See acceptor_look. Keeper's thread.
void cli_server_look(struct cli_server *srv);
// Listens anew where a unix path was removed; what cannot be is logged. Keeper's thread.
void cli_server_relisten(struct cli_server *srv);
// Another process serves the sockets from now on: accepts no more, sessions go on. Keeper's thread.
void cli_server_retire(struct cli_server *srv);
// Closes the listening sockets; paths that another process keeps stay. Once the loop has no
// acceptors of a retired server's any more. Keeper's thread.
void cli_server_close_sockets(struct cli_server *srv);
// Closes all sessions and turns the loop until their connections are gone.
void cli_server_stop(struct cli_server *srv);
// Closes the listening sockets and removes their paths. Stopped servers only. NULL is fine.
void cli_server_free(struct cli_server **srv);
