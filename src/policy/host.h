// SPDX-License-Identifier: MIT
// What the policy engine and whoever runs it say to each other: values, the host's functions, and
// messages between threads. policy.h includes this.
#pragma once

#include "base/str.h"

struct arena;
struct err;
struct policy_msg; // from thread to thread, carried by the host
struct policy;
struct policy_run; // one call that may wait (run.h)

// ---- values ---------------------------------------------------------------------------------

enum policy_type {
	POLICY_T_NIL,
	POLICY_T_BOOL,
	POLICY_T_INT,
	POLICY_T_DOUBLE,
	POLICY_T_STR,
	POLICY_T_IP,
};

// .s is lent: by the caller for an argument, by the host for the time of one host call, by the
// arena for a result.
struct policy_value {
	uint8_t type;   // enum policy_type
	uint8_t family; // POLICY_T_IP: 4 or 6
	union {
		bool b;
		int64_t i;
		double d;
		struct str s;
		uint8_t ip[16]; // network order; IPv4 in the first four
	};
};

// ---- the host -------------------------------------------------------------------------------

enum policy_what {
	POLICY_FIELD,   // txn.NAME: method path query host src dst version url port ...; no args
	POLICY_HEADER,  // txn.headers[NAME]; arg: the same name
	POLICY_COOKIE,  // txn.cookies[x]; arg: x as written; one handle, name is empty
	POLICY_VAR,     // txn:get_var(x); likewise
	POLICY_FETCH,   // txn.f:NAME(args...)
	POLICY_CONV,    // txn.c:NAME(input, args...); the first arg is the input
	POLICY_BACKEND, // backends.NAME: no txn needed; arg: what is asked ("sessions")
	POLICY_OP,      // what changes or lists something ("req_set_header"); args: its own
};

struct policy_field {
	struct str name, value;
};

// The text that a POLICY_FIELD or POLICY_HEADER was answered with; name: the argument of `call`.
struct policy_answer {
	struct str name, text;
	int handle;
};

// A request made from `t.txn {...}` of a self-test. Missing texts have .p == NULL.
struct policy_test_request {
	struct str method, path, query, host, version;
	struct policy_value src, dst; // POLICY_T_IP or NIL
	const struct policy_field *headers, *cookies;
	size_t n_headers, n_cookies;
};

// What runs a policy sees of its surroundings. Functions marked W run on workers inside a call,
// with stops postponed: they must be short, must not block and must not call policies. `data`
// is the host's. Any member but post may be NULL: "not there".
struct policy_host {
	// A name to a handle >= 0 that stays valid; -1 with a cause (and a suggestion). Not there
	// without `call`. W, once a name and state.
	int (*resolve)(void *data, enum policy_what what, struct str name, struct err *err);
	// Asks the handle. False: err says why (a script error). True with out NIL: no sample, or
	// with a string, whose .p is not NULL. W.
	bool (*call)(void *data, void *txn, int handle, const struct policy_value *args, unsigned n,
		     struct policy_value *out, struct err *err);
	// Those of `set` (a bit for each of `answers`) that would be other ones in this request.
	// NULL: no answer is kept. W, between calls of Lua.
	unsigned (*changed)(void *data, void *txn, const struct policy_answer *answers,
			    unsigned set);
	// A request to be passed as txn to `call`, in memory of the arena; NULL with a cause.
	// Without it self-tests answer fields, headers and cookies from the table itself, and
	// fetches are refused there.
	void *(*test_txn)(void *data, const struct policy_test_request *req, struct arena *arena,
			  struct err *err);
	// Changes a server of the backend behind a POLICY_BACKEND handle: `what` is "state" (to
	// ready, drain or maint), "weight" ("50", "50%") or "address" ("10.0.0.1:80"), `who`
	// stands in the log. Keeper.
	bool (*set_server)(void *data, int backend, struct str server, struct str what,
			   struct str value, const char *who, struct err *err);
	// The request in a line of plain text, as a sample beside an error; returns its length,
	// less than `room`. May be NULL. W.
	size_t (*describe)(void *data, void *txn, char *buf, size_t room);
	// What is doubtful in a script that loads, and where; lent for the call. NULL: it is
	// logged. Whoever loads: keeper, or set-up.
	void (*remark)(void *data, const char *file, int line, const char *text);
	// Another generation of the policy is live. May be NULL. Keeper.
	void (*published)(void *data, const struct policy *p);
	// New effects are due: policy_effects_run shall be called soon. NULL: whoever runs the
	// engine asks by itself. Keeper.
	void (*effects_due)(void *data);
	// Runs policy_msg_run(m) soon on the thread `to` (0.. workers, POLICY_KEEPER), between
	// transactions, in order per sender and target. Any thread.
	void (*post)(void *data, int to, struct policy_msg *m);
	// Calls run->woken(run) on this thread, which is a worker's, at that monotonic time, in a
	// later turn of its loop; an earlier request for the same run is forgotten. 0: not at all,
	// and the run's memory may go when this returns. NULL: calls cannot wait.
	void (*wake_at)(void *data, struct policy_run *run, uint64_t mono_ns);
	// The run will not go on: what it holds of the host's may go. On its worker, outside of
	// Lua. May be NULL.
	void (*run_over)(void *data, struct policy_run *run);
};

#define POLICY_KEEPER (-1)

// A message on its way; memory of the engine. `host` is for the host's own link while it carries.
struct policy_msg {
	alignas(16) unsigned char host[64];
	void (*run)(struct policy_msg *m);
	int to;
};

static inline void
policy_msg_run(struct policy_msg *m)
{
	m->run(m);
}
