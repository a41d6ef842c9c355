// SPDX-License-Identifier: MIT
// Commands on servers' health, answered in HAProxy's words.
#include "proxy/cli_proxy_priv.h"

#include "backend/agent.h"
#include "base/log.h"
#include "proxy/conf_priv.h"
#include "proxy/health.h"
#include "proxy/kept.h"
#include "proxy/proxy.h"
#include "proxy/server_addr.h"

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

// --- agents, and where checks go -----------------------------------------------------------------

static enum cli_status
set_agent(struct cli_session *s, struct check *c, const struct cli_args *a)
{
	struct str word = a->argv[2];
	bool up = str_eq(word, STR("up"));
	if (!up && !str_eq(word, STR("down")))
		return cli_error(s, "'set server <srv> agent' expects 'up' or 'down'.");
	check_force(c, up ? HEALTH_SAYS_UP : HEALTH_SAYS_DOWN, "changed from CLI");
	kept_health(c->server);
	return CLI_DONE;
}

static bool
take_port(struct cli_session *s, struct str word, uint16_t *out)
{
	int64_t n;
	if (!str_to_int(word, &n)) {
		cli_error(s, "provided port is not an integer");
		return false;
	}
	if (n < 1 || n > UINT16_MAX) {
		cli_error(s, "provided port is invalid: 1 to 65535 are");
		return false;
	}
	*out = (uint16_t)n;
	return true;
}

// What is under way goes on; the next one is asked there.
static enum cli_status
set_target(struct cli_session *s, struct check *c, const struct addr *addr, uint16_t port)
{
	char text[ADDR_TEXT_BYTES] = "";
	struct str who = cli_who(s);
	if (addr != NULL)
		c->conf.addr = *addr;
	if (port != 0)
		c->conf.port = port;
	kept_health(c->server);
	if (c->conf.addr.len != 0)
		(void)addr_host_text(&c->conf.addr, text);
	log_msg(LOG_WARNING, "%s of server %.*s/%.*s is asked at %s%sport %u, set by %.*s",
		c->agent != NULL ? "Agent" : "Health", STR_ARG(c->server->backend->name),
		STR_ARG(c->server->name), text, text[0] != '\0' ? " " : "its own address, ",
		c->conf.port, STR_ARG(who));
	return CLI_DONE;
}

static enum cli_status
set_check_addr(struct cli_session *s, struct check *c, const struct cli_args *a)
{
	struct conf_addr parsed;
	struct addr addr;
	struct err err;
	uint16_t port = 0;
	bool with_port = a->argc == 5 && str_eq(a->argv[3], STR("port"));
	if (a->argc != 3 && !with_port)
		return cli_error(
		    s, "set server <b>/<s> %.*s requires an address and optionally a port.",
		    STR_ARG(a->argv[1]));
	if (!conf_addr_parse(a->argv[2], 0, &parsed, &err))
		return cli_error(s, "invalid addr '%.*s'", STR_ARG(a->argv[2]));
	conf_addr_to_addr(&parsed, &addr);
	if (!server_addr_suits(c->server, &addr, &err))
		return cli_error(s, "%s.", err.text);
	if (with_port && !take_port(s, a->argv[4], &port))
		return CLI_DONE;
	return set_target(s, c, &addr, port);
}

static enum cli_status
set_check_port(struct cli_session *s, struct check *c, const struct cli_args *a)
{
	uint16_t port;
	return take_port(s, a->argv[2], &port) ? set_target(s, c, NULL, port) : CLI_DONE;
}

static enum cli_status
set_agent_send(struct cli_session *s, struct check *c, const struct cli_args *a)
{
	(void)s;
	agent_set_send(c, a->argv[2]);
	return CLI_DONE;
}

static const struct {
	const char *word;
	bool agent;
	int most_args;
	enum cli_status (*set)(struct cli_session *s, struct check *c, const struct cli_args *a);
} check_rows[] = {
    {"agent", true, 3, set_agent},
    {"agent-addr", true, 5, set_check_addr},
    {"agent-port", true, 3, set_check_port},
    {"agent-send", true, 3, set_agent_send},
    {"check-addr", false, 5, set_check_addr},
    {"check-port", false, 3, set_check_port},
};

bool
cli_set_server_check(struct cli_session *s, struct server *srv, const struct cli_args *a,
		     enum cli_status *status)
{
	for (size_t i = 0; i < ARRAY_LEN(check_rows); i++) {
		if (!str_eq(a->argv[1], str_from_c(check_rows[i].word)))
			continue;
		struct check *c = check_rows[i].agent ? srv->agent : srv->check;
		if (a->argc > check_rows[i].most_args)
			*status = cli_usage(s, a);
		else if (c == NULL || !c->enabled)
			*status = cli_error(s, "%s checks are not enabled on this server.",
					    check_rows[i].agent ? "agent" : "health");
		else
			*status = check_rows[i].set(s, c, a);
		return true;
	}
	return false;
}

// --- asking and not asking -----------------------------------------------------------------------

static enum cli_status
set_enabled(struct cli_session *s, struct check *c, bool to)
{
	if (c->enabled == to)
		return CLI_DONE;
	const struct server *srv = c->server;
	struct str who = cli_who(s);
	c->enabled = to;
	if (!to)
		check_drop(c);
	kept_health(srv);
	log_msg(LOG_WARNING, "%s %.*s/%.*s is %s %s, set by %.*s",
		c->agent != NULL ? "Agent of server" : "Server", STR_ARG(srv->backend->name),
		STR_ARG(srv->name), to ? "again" : "no longer",
		c->agent != NULL ? "asked" : "checked", STR_ARG(who));
	return CLI_DONE;
}

static enum cli_status
set_health_enabled(struct cli_session *s, const struct cli_args *a, bool to)
{
	struct server *srv = cli_find_server(s, a->argv[0]);
	if (srv == NULL)
		return CLI_DONE;
	if (srv->check == NULL)
		return to ? cli_error(s, NOT_CHECKED, "enable") : CLI_DONE;
	return set_enabled(s, srv->check, to);
}

static enum cli_status
run_enable_health(struct cli_session *s, const struct cli_args *a)
{
	return set_health_enabled(s, a, true);
}

static enum cli_status
run_disable_health(struct cli_session *s, const struct cli_args *a)
{
	return set_health_enabled(s, a, false);
}

static enum cli_status
set_agent_enabled(struct cli_session *s, const struct cli_args *a, bool to)
{
	struct server *srv = cli_find_server(s, a->argv[0]);
	if (srv == NULL)
		return CLI_DONE;
	if (srv->agent == NULL)
		return to ? cli_error(s, "Agent was not configured on this server, cannot enable.")
			  : CLI_DONE;
	return set_enabled(s, srv->agent, to);
}

static enum cli_status
run_enable_agent(struct cli_session *s, const struct cli_args *a)
{
	return set_agent_enabled(s, a, true);
}

static enum cli_status
run_disable_agent(struct cli_session *s, const struct cli_args *a)
{
	return set_agent_enabled(s, a, false);
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
    {.words = "enable agent",
     .level = CLI_ADMIN,
     .args = "BACKEND/SERVER",
     .min_args = 1,
     .max_args = 1,
     .flags = CLI_CHANGES,
     .run = run_enable_agent,
     .help = "ask a server's agent again"},
    {.words = "disable agent",
     .level = CLI_ADMIN,
     .args = "BACKEND/SERVER",
     .min_args = 1,
     .max_args = 1,
     .flags = CLI_CHANGES,
     .run = run_disable_agent,
     .help = "ask a server's agent no longer; what it has set stays"},
    {.words = NULL},
};
