// SPDX-License-Identifier: MIT
// A sample is one typed value on its way from a fetch through converters into a match, a header
// or a log line; the sample context is everything a fetch may look at. A fetch never sees a
// transaction: whoever evaluates (the proxy, a test, `tidegate eval`) fills a context. Nothing
// here allocates except from ctx->arena. One thread.
#pragma once

#include "base/arena.h"
#include "base/str.h"

struct http_head;
struct tidevars;
struct tidevars_value;
struct var_scope;
struct log_values;
struct acl_memo;
struct sample_ctx;

// The type of a value. SMP_ANY and SMP_ADDR are declared types only: "decided when it runs" and
// "ip4 or ip6"; a sample in hand always has one of the others.
enum sample_type {
	SMP_ANY,
	SMP_BOOL,
	SMP_INT,
	SMP_ADDR,
	SMP_IP4,
	SMP_IP6,
	SMP_STR,
	SMP_BIN,
	SMP_METH,
	SMP_N_TYPES,
};

enum sample_flag {
	SMP_MAY_CHANGE = 1 << 0, // with a failed fetch: data may still come (MISS, not FAIL)
	SMP_NOT_LAST = 1 << 1,   // the fetch has more values: an ACL asks again (ctx->iter)
	SMP_VOLATILE = 1 << 2,   // the next evaluation may differ
	SMP_FRACTION = 1 << 3,   // INT: .f has the value with its fraction, .i rounded to zero
};

// Bytes of .s live as long as the message, the variable's scope, the arena or the configuration:
// at least until the end of the rule that evaluated. They are not NUL-terminated.
struct sample {
	uint8_t type;  // enum sample_type
	uint8_t flags; // enum sample_flag
	uint8_t meth;  // SMP_METH: enum http_method; the word itself is .s
	union {
		bool b;
		struct {
			int64_t i;
			double f; // only with SMP_FRACTION; text is made of it
		};
		struct str s;   // STR, BIN, METH
		uint8_t ip[16]; // network order; IP4 uses the first four
	};
};

// An endpoint as fetches see it. family: 4, 6, 1 (unix socket) or 0 (unknown).
struct sample_addr {
	uint8_t family;
	uint16_t port;  // host order
	uint8_t ip[16]; // network order
};

// What only the host of an evaluation knows. Each returns false (or .p == NULL) for "no sample".
enum sample_text {
	SMP_TEXT_FRONTEND,
	SMP_TEXT_BACKEND,
	SMP_TEXT_SERVER,
	SMP_TEXT_LISTENER, // so_name
	SMP_TEXT_UNIQUE_ID,
	SMP_TEXT_RULE_FILE, // the last rule that ended a rule set
	SMP_TEXT_TERM_STATE,
	SMP_TEXT_DEFAULT_BACKEND,
	SMP_TEXT_HOSTNAME, // the process's, from gethostname at start
};
enum sample_number {
	SMP_NUM_RULE_LINE,
	SMP_NUM_FIRST_REQUEST, // 1: the connection's first request
	SMP_NUM_WORKER,        // from 1
	SMP_NUM_FRONTEND_ID,
	SMP_NUM_BACKEND_ID,
	SMP_NUM_SERVER_ID,
	SMP_NUM_LISTENER_ID,
	SMP_NUM_RETRIES,
	SMP_NUM_REDISPATCHED,
	SMP_NUM_BYTES_IN,
	SMP_NUM_BYTES_OUT,
	SMP_NUM_UPTIME_S,
	SMP_NUM_STOPPING,
	SMP_NUM_ACT_CONN,
	SMP_NUM_LOG_COUNT,     // lines that the frontend logged before this one
	SMP_NUM_SERVER_STATUS, // status as received; `status` is what goes to the client
};
// A write to the shared table that could not take its lock at once, or is asked for by a rule.
struct sample_host {
	struct str (*text)(const struct sample_ctx *ctx, enum sample_text what);
	bool (*number)(const struct sample_ctx *ctx, enum sample_number what, int64_t *out);
	// Values for log aliases, filled once per line and kept until the rendering is over.
	const struct log_values *(*log)(const struct sample_ctx *ctx);
	// A rule writes the shared variable `handle`, or adds to it; the host tries the lock once,
	// else posts to the keeper. value NULL: unset. False: refused (type, bounds), counted by
	// the host.
	bool (*shm_write)(const struct sample_ctx *ctx, uint32_t handle, const struct sample *value,
			  bool add);
	// The session's variables, made at their first write. NULL: no memory, or no session.
	struct var_scope *(*session)(const struct sample_ctx *ctx);
	// An end of the connection to the server. False: there is none.
	bool (*server_end)(const struct sample_ctx *ctx, bool local, struct sample_addr *out);
	// What the client (or the server) has sent so far, while it is judged and not yet relayed.
	bool (*payload)(const struct sample_ctx *ctx, bool response, struct str *bytes);
};

enum var_scope_id { VAR_PROC, VAR_SESS, VAR_TXN, VAR_REQ, VAR_RES, VAR_SHM, VAR_N_SCOPES };

// All of it is lent for one evaluation. NULL is always allowed and means "not there": fetches
// that need it then give no sample.
struct sample_ctx {
	struct http_head *req; // not const: parts of the target are found at first use
	struct http_head *res;
	const struct sample_addr *src, *dst; // client's side: peer and local
	struct arena *arena;
	uint64_t now_mono_ns, now_boot_ns, now_real_ns;
	uint64_t rand_state;  // any seed; advanced by rand() and uuid()
	struct tidevars *shm; // VAR_SHM
	// Told what was read there, for explanations; NULL: nobody asks.
	void (*shm_was_read)(const struct sample_ctx *ctx, uint32_t handle,
			     const struct tidevars_value *v);
	struct var_scope *vars[VAR_SHM]; // VAR_SESS, TXN, REQ, RES; proc is found by itself
	const struct sample_host *host;
	void *host_data;
	bool more; // the head or payload may still grow: what is missing now may come (MISS)
	// Answers of ACLs that this transaction asked for already (acl.h).
	const struct acl_memo *memo; // NULL: none is kept
	uint64_t memo_known, memo_pass;
	bool not_http; // with `more`: the bytes so far are no HTTP, so no head will come
	bool failed;   // set when the arena was too small: the result must not be trusted
	// Place in a fetch with several values. on: whoever evaluates tries them all and asks again
	// while SMP_NOT_LAST; off: the fetch gives the one that HAProxy would (usually the last).
	struct sample_iter {
		uint32_t field, at;
		bool on;
	} iter;
};

// n bytes of ctx->arena, and one for a NUL, for a sample's text. NULL where there is no room, which
// ctx->failed then says.
static inline void *
sample_room(struct sample_ctx *ctx, size_t n)
{
	void *p = arena_alloc(ctx->arena, n + 1, 1);
	ctx->failed |= p == NULL;
	return p;
}

const char *sample_type_name(enum sample_type t);

// Turns *s into type `to` in place. False when there is no such cast, or this value has none
// ("abc" to an address; "abc" to int is 0, as HAProxy has it). Text made from numbers comes from
// ctx->arena. To SMP_ANY: nothing to do. To SMP_ADDR: from text, whichever it is.
bool sample_cast(struct sample *s, enum sample_type to, struct sample_ctx *ctx);
// Whether a value declared `from` may be cast to `to`; known when parsing.
bool sample_can_cast(enum sample_type from, enum sample_type to);

// The value as text: what a header, a log line or a string converter sees. STR, BIN (up to its
// first NUL) and METH are not copied; others are printed into the arena. False at the arena's cap.
bool sample_text(struct sample *s, struct sample_ctx *ctx, struct str *out);

static inline void
sample_set_bool(struct sample *s, bool b)
{
	s->type = SMP_BOOL;
	s->b = b;
}

static inline void
sample_set_int(struct sample *s, int64_t i)
{
	s->type = SMP_INT;
	s->i = i;
}

static inline void
sample_set_str(struct sample *s, struct str str)
{
	s->type = SMP_STR;
	s->s = str;
}

// "1.2.3.4" (also HAProxy's short "127.1") or "2001:db8::1". False when it is neither.
// Sets type IP4 or IP6.
bool sample_parse_ip(struct str text, struct sample *out);
// Writes the address as text; returns its length. `cap` at least 46.
size_t sample_print_ip(const struct sample *s, char *buf, size_t cap);
