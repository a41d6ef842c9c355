// SPDX-License-Identifier: MIT
// Agents: a second check of a server asks a program beside it, which answers with a line of words
// on weight, maxconn, administrative state and health. The reading is pure; what follows from it is
// done on the keeper, and only what differs from what is: an agent that says the same over and
// over costs workers nothing.
#pragma once

#include "backend/check.h"

#define AGENT_INTER_NS CHECK_INTER_NS

// Words of one line; slices of it. Of several of a kind the last one counts, but the first unknown
// one. Empty: not said.
struct agent_line {
	struct str health;          // up, down, stopped, fail
	enum health_status status;  // what that is; HEALTH_CHECKED: nothing is said
	struct str state;           // ready, drain, maint
	struct str weight, maxconn; // "75%"; what stands behind "maxconn:"
	struct str unknown;
	struct str text; // behind a "#"
};

// Of the bytes received so far, the first line, ended by CR or LF. False: it is not whole yet; a
// NUL ends what can be read.
bool agent_read(struct str bytes, struct agent_line *out);
// "75%" of `configured`, at most 256 (BACKEND_WEIGHT_MAX). NULL, or what is wrong.
const char *agent_weight(struct str word, uint32_t configured, uint32_t *out);
// Of "maxconn:30" what follows the colon.
const char *agent_maxconn(struct str word, uint32_t *out);
// How such a check has ended. warning: of weight or maxconn; or NULL.
void agent_finding(const struct agent_line *a, const char *warning, struct health_finding *f);

// A server's agent: up until it says otherwise. It connects to conf.addr, port conf.port, sends
// `send` (copied) if that is not empty, and reads a line; time-outs: those of health checks.
struct check *agent_new(struct server *s, const struct check_conf *conf, struct str send);
void agent_set_timeouts(struct check *c, uint64_t connect_ns, uint64_t check_ns);
// From the next check on. Keeper.
void agent_set_send(struct check *c, struct str send);

// ---- check.c to agent.c
struct agent;
void agent_free(struct agent **a);
// What is to be sent now, when nothing of what was before is under way any more.
void agent_use_send(struct agent *a);
enum check_verdict check_agent_judge(struct check *c, const struct check_step *step,
				     struct health_finding *f);
