// SPDX-License-Identifier: MIT
// Commands of proxy/: what cli_proxy.c (servers, and the table) shares with the other cli_*.c.
#pragma once

#include "base/clock.h"
#include "base/log.h"
#include "cli/cli.h"
#include "proxy/proxy.h"

extern const struct cli_command cli_proxy_commands[];

// The server that "backend/server" names; NULL: the session was told.
struct server *cli_find_server(struct cli_session *s, struct str word);
// Likewise of a backend's name.
struct backend *cli_find_backend(struct cli_session *s, struct str name);

// cli_info.c
enum cli_status cli_show_info(struct cli_session *s, const struct cli_args *a);
enum cli_status cli_show_errors(struct cli_session *s, const struct cli_args *a);
enum cli_status cli_show_activity(struct cli_session *s, const struct cli_args *a);
enum cli_status cli_show_logs(struct cli_session *s, const struct cli_args *a);

// cli_rules.c
enum cli_status cli_show_rules(struct cli_session *s, const struct cli_args *a);

// cli_stat.c
enum cli_status cli_show_stat(struct cli_session *s, const struct cli_args *a);
enum cli_status cli_show_metrics(struct cli_session *s, const struct cli_args *a);
// The same text, behind what `out` has. The keeper.
void cli_render_metrics(const struct proxy_set *set, struct sbuf *out);

// cli_addr.c
// Arguments: BACKEND/SERVER addr ADDRESS [port PORT].
enum cli_status cli_set_server_addr(struct cli_session *s, struct server *srv,
				    const struct cli_args *a);
enum cli_status cli_show_servers_conn(struct cli_session *s, const struct cli_args *a);

// cli_sess.c
// "0x1000000000007", as show sess prints it.
bool cli_parse_txn_id(struct str text, uint64_t *id);
enum cli_status cli_shutdown_session(struct cli_session *s, const struct cli_args *a);
enum cli_status cli_shutdown_sessions(struct cli_session *s, const struct cli_args *a);
enum cli_status cli_show_sess(struct cli_session *s, const struct cli_args *a);

// cli_cookie.c
enum cli_status cli_set_cookie_key(struct cli_session *s, const struct cli_args *a);
enum cli_status cli_enable_dynamic_cookie(struct cli_session *s, const struct cli_args *a);
enum cli_status cli_disable_dynamic_cookie(struct cli_session *s, const struct cli_args *a);

// cli_health.c
enum cli_status cli_set_server_health(struct cli_session *s, struct server *srv, struct str value);
// BACKEND/SERVER WHAT VALUE...; false: WHAT is nothing of a check's or agent's.
bool cli_set_server_check(struct cli_session *s, struct server *srv, const struct cli_args *a,
			  enum cli_status *status);
extern const struct cli_command cli_health_commands[];
