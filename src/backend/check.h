// SPDX-License-Identifier: MIT
// Health checks. A backend has one plan: a list of steps (connect, send, expect), made while the
// configuration is read; each checked server has a struct check that walks them, over and over, on
// the keeper's loop: plain connects, HTTP and TCP dialogues are the same machine with other steps.
// What a check finds goes into the server's health (health.h); where that turns the server, its
// bits and the backend's epoch change, which is all that workers see.
// Everything here is the keeper's, or happens before the threads.
//
// What a server sends is bounded: one receive buffer and the time of one check.
#pragma once

#include "backend/health.h"
#include "backend/observe.h"
#include "net/addr.h"
#include "net/conn.h"

struct agent;
struct checks;
struct check_answer;
struct http_name;
struct loop;
struct regex;
struct server;

// --- steps ---------------------------------------------------------------------------------------

enum check_action { CHECK_CONNECT, CHECK_SEND, CHECK_EXPECT, CHECK_ACTIONS };

// How a text is compared.
enum check_match {
	CHECK_MATCH_ANY,
	CHECK_MATCH_STR,
	CHECK_MATCH_BEG,
	CHECK_MATCH_END,
	CHECK_MATCH_SUB,
	CHECK_MATCH_REG
};
struct check_text {
	enum check_match how;
	struct str text;
	struct regex *regex; // CHECK_MATCH_REG
};

struct check_range {
	uint16_t from, to;
};

struct check_expect {
	enum check_expect_kind {
		CHECK_EXPECT_STATUS,  // HTTP: one of `ranges`
		CHECK_EXPECT_RSTATUS, // HTTP: the status as text
		CHECK_EXPECT_HEADER,  // HTTP: a field's name and value
		CHECK_EXPECT_BODY,    // HTTP: the body
		CHECK_EXPECT_BYTES,   // all that was received
		CHECK_EXPECT_KINDS
	} kind;
	bool negated;
	bool full;   // HEADER: whole values, not elements of lists
	bool in_hex; // BYTES: it is their digits that are compared
	struct check_text text, name;
	const struct check_range *ranges;
	size_t n_ranges;
	uint32_t min_recv; // BYTES: none is judged before so many came
	// HEALTH_UNKNOWN: what it is by itself.
	enum health_status ok, error, tout;
	struct str on_success, on_error; // info; empty: what it is by itself
	const char *word;                // "string", "regex", "binary": for messages
	struct str shown;                // the text, in those that show it
};

struct check_step {
	struct check_step *next;
	enum check_action action;
	unsigned number; // from 1, connects that nobody wrote not counted; 0: such a one
	struct str comment;
	// CHECK_CONNECT
	uint16_t port;    // 0: the server's
	struct addr addr; // len 0: the server's
	bool as_server;   // with a PROXY header if the check's configuration says so
	bool send_proxy;  // with one
	// CHECK_SEND
	struct str bytes;
	size_t state_at;     // where the state's header line goes in; SIZE_MAX: nowhere
	bool head_only;      // the method was HEAD: no body answers it
	const void *made_of; // the configuration's
	// CHECK_EXPECT
	struct check_expect expect;
};

struct check_plan {
	enum check_kind {
		CHECK_KIND_CONNECT,
		CHECK_KIND_TCP,
		CHECK_KIND_HTTP,
		CHECK_KIND_AGENT
	} kind;
	struct check_step *first;
	bool disable_on_404;
	uint64_t connect_ns, check_ns; // time-outs; 0: none
};

// --- a server's ----------------------------------------------------------------------------------

#define CHECK_INTER_NS UINT64_C(2000000000)

// As configured.
struct check_conf {
	uint64_t inter_ns, fastinter_ns, downinter_ns; // the latter two 0: inter_ns
	struct addr addr;                              // len 0: the server's
	uint16_t port;                                 // 0: the server's
	bool send_proxy;                               // a PROXY header stands in front
};

#define CHECK_MAGIC_VALUE 0xba5e0010u
struct check {
	uint32_t magic;
	struct server *server;
	const struct check_plan *plan;
	struct check_conf conf;
	struct health health;
	struct agent *agent; // agent.h: its plan, if it asks an agent; or NULL
	bool enabled;        // operators stop and resume it
	bool running;        // between its first step and its finding
	bool is_open;        // conn has not been closed yet
	bool wants_connect;  // once it is
	bool connected;
	bool at_end;   // the peer sends no more
	uint16_t code; // of the last answer
	const struct check_step *step;
	uint64_t begun_ns;  // loop's time
	struct checks *all; // NULL: not started, or stopped
	struct list in_all;
	struct timer timer; // of the next check
	struct conn conn;
	struct check_answer *answer; // while HTTP is read
	struct iovec iov[3];         // being sent
	char *state_line;            // being sent; or NULL
	char *header;                // likewise: of the PROXY protocol
};

// rise and fall at least 1. The plan must outlive it.
struct check *check_new(struct server *s, const struct check_conf *conf, uint32_t rise,
			uint32_t fall, const struct check_plan *plan);
// NULL is fine. Its connection must have been closed.
void check_free(struct check **c);
// When the next one is due after this one, by what it found: inter, fastinter or downinter.
uint64_t check_inter_ns(const struct check *c);
// The port and address that it connects to, unless a step says otherwise.
void check_target(const struct check *c, const struct check_step *step, struct addr *out);

// --- all of them ---------------------------------------------------------------------------------

struct checks_host {
	void *arg;
	// A check has ended; `moved`: its points changed. Before what it makes of the server.
	void (*ended)(void *arg, const struct check *c, bool moved, enum health_status before);
	// Its server's bits changed, they were `before`; `why`: who said so, or NULL for the check.
	void (*turned)(void *arg, const struct check *c, enum health_says to, uint32_t before,
		       const char *why);
	// A line "x-haproxy-server-state: ...\r\n".
	void (*state)(void *arg, const struct server *s, struct sbuf *out);
};

struct checks *checks_new(struct loop *loop, const struct checks_host *host);
// Each check of each server, then checks_start: the first ones are spread over their interval.
void checks_add(struct checks *all, struct check *c);
void checks_start(struct checks *all);
// No check begins from here on, and those under way are dropped.
void checks_stop(struct checks *all);
// Stops, and turns the loop until all connections are closed; bounded.
void checks_free(struct checks **all);
// Not to be checked (maintenance, disabled): what is under way is dropped.
void check_drop(struct check *c);

// `n` requests in a row have failed, lately by `last` (observe.h).
void check_observed(struct check *c, uint32_t n, enum observe_what last,
		    enum observe_action action);
// An operator's word on the health: HEALTH_SAYS_UP, _STOPPING, _DOWN.
void check_force(struct check *c, enum health_says says, const char *who);

// --- check.c to checks.c and the readers of answers ----------------------------------------------

void check_begin(struct check *c);
void check_let_go(struct check *c); // nothing is under way any more; its connection closes
void check_event(struct conn *conn, enum conn_event ev, const struct reason *why);
// checks.c: it has ended so.
void check_found(struct check *c, const struct health_finding *f);
void check_closed(struct check *c);
const struct checks_host *checks_host_of(const struct checks *all);
struct loop *checks_loop_of(const struct checks *all);

enum check_verdict {
	CHECK_WAITS,   // for more bytes
	CHECK_MATCHES, // go on with the next step
	CHECK_DECIDED, // *f is the end of the check
};
// What has been received so far, against the step; `f` is to be filled with a failure.
enum check_verdict check_http_judge(struct check *c, const struct check_step *step,
				    struct health_finding *f);
enum check_verdict check_bytes_judge(struct check *c, const struct check_step *step,
				     struct health_finding *f);
// The peer sends no more, or there is no room for more.
bool check_no_more_comes(const struct check *c);
void check_answer_free(struct check_answer **a);
bool check_text_matches(const struct check_text *t, struct str s);
void health_say(struct health_finding *f, enum health_status status, struct str info);
