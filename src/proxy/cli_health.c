// SPDX-License-Identifier: MIT
// Commands on servers' health, answered in HAProxy's words.
#include "proxy/cli_proxy_priv.h"

#include "base/log.h"
#include "proxy/health.h"
#include "proxy/kept.h"
#include "proxy/proxy.h"

#define NOT_CHECKED "Health check was not configured on this server, cannot %s."

enum cli_status
cli_set_server_health(struct cli_session *s, struct server *srv, struct str value)
{
	static const struct {
		const char *word;
		enum health_says says;
	} rows[] = {{"up", HEALTH_SAYS_UP},
		    {"stopping", HEALTH_SAYS_STOPPING},
		    {"down", HEALTH_SAYS_DOWN}};
	if (srv->track != NULL)
		return cli_error(s, "cannot change health on a tracking server.");
	if (srv->check == NULL)
		return cli_error(s, NOT_CHECKED " Give it 'check', or use 'set server state'.",
				 "change");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (!str_eq(value, str_from_c(rows[i].word)))
			continue;
		check_force(srv->check, rows[i].says, "changed from CLI");
		kept_health(srv);
		return CLI_DONE;
	}
	return cli_error(s, "'set server <srv> health' expects 'up', 'stopping', or 'down'.");
}

static enum cli_status
set_enabled(struct cli_session *s, const struct cli_args *a, bool to)
{
	struct server *srv = cli_find_server(s, a->argv[0]);
	if (srv == NULL)
		return CLI_DONE;
	if (srv->check == NULL)
		return to ? cli_error(s, NOT_CHECKED, "enable") : CLI_DONE;
	if (srv->check->enabled == to)
		return CLI_DONE;
	struct str who = cli_who(s);
	srv->check->enabled = to;
	if (!to)
		check_drop(srv->check);
	kept_health(srv);
	log_msg(LOG_WARNING, "Server %.*s/%.*s is %s checked, set by %.*s",
		STR_ARG(srv->backend->name), STR_ARG(srv->name), to ? "again" : "no longer",
		STR_ARG(who));
	return CLI_DONE;
}

static enum cli_status
run_enable_health(struct cli_session *s, const struct cli_args *a)
{
	return set_enabled(s, a, true);
}

static enum cli_status
run_disable_health(struct cli_session *s, const struct cli_args *a)
{
	return set_enabled(s, a, false);
}

const struct cli_command cli_health_commands[] = {
    {.words = "enable health",
     .level = CLI_ADMIN,
     .args = "BACKEND/SERVER",
     .min_args = 1,
     .max_args = 1,
     .flags = CLI_CHANGES,
     .run = run_enable_health,
     .help = "check a server again"},
    {.words = "disable health",
     .level = CLI_ADMIN,
     .args = "BACKEND/SERVER",
     .min_args = 1,
     .max_args = 1,
     .flags = CLI_CHANGES,
     .run = run_disable_health,
     .help = "check a server no longer; its state stays until 'set server health' or 'enable "
	     "health'"},
    {.words = NULL},
};
