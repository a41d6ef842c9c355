// SPDX-License-Identifier: MIT
// What checks have found of one server: HAProxy's status words and its way of counting. A server
// has points, from 0 to rise + fall - 1, and is up from `rise` on: each failure takes one, each
// success adds one, and crossing the line goes to the far end of the other side, so that it takes
// `fall` failures in a row to go down and `rise` successes to come back. Pure: no clock, no I/O.
// One thread: the keeper's.
#pragma once

#include "base/str.h"

struct sbuf;

// The numbers are those of HAProxy's `show servers state`.
enum health_status {
	HEALTH_UNKNOWN = 0,
	HEALTH_INI = 1,     // no check has ended yet
	HEALTH_CHECKED = 3, // an agent has answered, and said nothing of health
	HEALTH_HANA = 4,
	HEALTH_SOCKERR = 5,
	HEALTH_L4OK = 6,
	HEALTH_L4TOUT = 7,
	HEALTH_L4CON = 8,
	HEALTH_L6OK = 9,
	HEALTH_L6TOUT = 10,
	HEALTH_L6RSP = 11,
	HEALTH_L7TOUT = 12,
	HEALTH_L7RSP = 13,
	HEALTH_L7OK = 15, // this one and those below have a code of the answer's
	HEALTH_L7OKC = 16,
	HEALTH_L7STS = 17,
	HEALTH_STATUSES
};

enum health_result {
	HEALTH_NOT_KNOWN = 0,
	HEALTH_NEUTRAL = 1,
	HEALTH_FAILED = 2,
	HEALTH_PASSED = 3,
	HEALTH_COND_PASSED = 4, // good, but it asks for no new requests
};

struct health_status_row {
	const char *word; // "L7OK"
	const char *text; // "Layer7 check passed"
	enum health_result result;
};
extern const struct health_status_row health_status_rows[HEALTH_STATUSES];

static inline bool
health_has_code(enum health_status s)
{
	return s >= HEALTH_L7OK;
}
// "L7OK" and its like; false: there is none of that name.
bool health_status_parse(struct str word, enum health_status *out);

#define HEALTH_INFO_BYTES 128

// How one check ended.
struct health_finding {
	enum health_status status;
	uint16_t code;                // of the answer; 0: none
	int64_t duration_ms;          // -1: it took no time of its own
	char info[HEALTH_INFO_BYTES]; // bytes of the server's among them; may be empty
};

struct health {
	uint32_t rise, fall; // at least 1
	uint32_t points;
	// It is an agent's: only what that says counts, not that it could not be asked.
	bool by_agent;
	struct health_finding last;
};

#define HEALTH_MOST_COUNT 10000 // of rise and of fall

// Up, but the first failure takes it down, as HAProxy begins.
void health_init(struct health *h, uint32_t rise, uint32_t fall);
// Counts it. True: the points changed.
bool health_take(struct health *h, const struct health_finding *f);

enum health_says { HEALTH_SAYS_NOTHING, HEALTH_SAYS_DOWN, HEALTH_SAYS_UP, HEALTH_SAYS_STOPPING };
// What the last finding makes of the server.
enum health_says health_says(const struct health *h);
// An operator's word, in place of checks': all points, or none.
void health_force(struct health *h, enum health_says says);

static inline bool
health_is_up(const struct health *h)
{
	return h->points >= h->rise;
}
static inline bool
health_is_full(const struct health *h)
{
	return h->points == h->rise + h->fall - 1;
}
// "2/3" of the way: down from `fall`, or up to `rise`.
void health_part(const struct health *h, uint32_t *part, uint32_t *of);
// ", reason: ..., code: ..., info: "...", check duration: ...ms" of the last finding.
void health_explain(const struct health *h, struct sbuf *out);
