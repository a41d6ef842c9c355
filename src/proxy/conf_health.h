// SPDX-License-Identifier: MIT
// What sections say of health checks: `check` words of servers, options httpchk, tcp-check and
// log-health-checks, and the lines http-check and tcp-check. At the end of reading they become one
// plan for each backend.
#pragma once

#include "backend/check.h"
#include "conf/conf.h"

struct proxy;
struct server;

// A list of steps in the making. A section that has lines of its own forgets those of its defaults.
struct health_steps {
	struct check_step *first, *last;
	bool inherited;
	struct str comment; // of a comment line, for the next one
	unsigned n;         // lines; comments count, as HAProxy numbers them
};

// The request of `option httpchk`, or what a `http-check send` says of one; empty: not said.
struct health_request {
	struct str method, uri, version, headers, body;
	bool has_host, has_connection;
};

struct health_conf {
	enum check_kind kind;
	struct health_steps http, tcp;
	struct health_request request;
	bool disable_on_404, send_state;
	uint64_t timeout_ns;
	const struct conf_line *line; // of the option
};

// The words of a server line.
struct health_words {
	bool check, observe, kills_when_down, kills_backups_when_up;
	int observe_layer, on_error; // enum observe_layer, observe_action
	int64_t error_limit;
	struct str track; // [backend/]server
	uint64_t inter_ns, fastinter_ns, downinter_ns;
	int64_t rise, fall, port;
	struct addr addr;
	bool send_proxy; // check-send-proxy
	bool agent;
	uint64_t agent_inter_ns; // 0: inter_ns
	int64_t agent_port;
	struct addr agent_addr;
	struct str agent_send;
};

void conf_health_defaults(struct health_conf *h, struct health_words *w);
void conf_health_take_over(struct health_conf *to, const struct health_conf *from);
// Once all lines are read: the backend's plan, and that of its servers' checks.
void conf_health_plan(struct conf *conf, struct proxy *p);
// conf_health_server.c: a server's, from its words.
bool conf_health_server(struct conf *conf, const struct conf_line *line, struct proxy *p,
			struct server *s, const struct health_words *w, struct err *err);

bool conf_parse_http_check(struct conf *, void *obj, const struct conf_line *, struct err *);
bool conf_parse_tcp_check(struct conf *, void *obj, const struct conf_line *, struct err *);
// Header lines "name: value\r\n" with lower-case names, checked.
bool conf_health_header(struct conf *conf, struct health_request *r, struct str name,
			struct str value, struct err *err);
