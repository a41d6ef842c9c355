// SPDX-License-Identifier: MIT
// What a stick table may store of a key, and how a table is defined: HAProxy's data types as rows,
// in the order in which `show table` prints them.
#pragma once

#include "base/err.h"

// X(CONSTANT, "name", kind, array): array: "name(N)" stores N of them.
#define STICK_DATA_ROWS(X)                               \
	X(SERVER_ID, "server_id", VALUE, false)          \
	X(GPT0, "gpt0", VALUE, false)                    \
	X(GPC0, "gpc0", VALUE, false)                    \
	X(GPC0_RATE, "gpc0_rate", RATE, false)           \
	X(CONN_CNT, "conn_cnt", VALUE, false)            \
	X(CONN_RATE, "conn_rate", RATE, false)           \
	X(CONN_CUR, "conn_cur", CURRENT, false)          \
	X(SESS_CNT, "sess_cnt", VALUE, false)            \
	X(SESS_RATE, "sess_rate", RATE, false)           \
	X(HTTP_REQ_CNT, "http_req_cnt", VALUE, false)    \
	X(HTTP_REQ_RATE, "http_req_rate", RATE, false)   \
	X(HTTP_ERR_CNT, "http_err_cnt", VALUE, false)    \
	X(HTTP_ERR_RATE, "http_err_rate", RATE, false)   \
	X(BYTES_IN_CNT, "bytes_in_cnt", WIDE, false)     \
	X(BYTES_IN_RATE, "bytes_in_rate", RATE, false)   \
	X(BYTES_OUT_CNT, "bytes_out_cnt", WIDE, false)   \
	X(BYTES_OUT_RATE, "bytes_out_rate", RATE, false) \
	X(GPC1, "gpc1", VALUE, false)                    \
	X(GPC1_RATE, "gpc1_rate", RATE, false)           \
	X(SERVER_KEY, "server_key", NAME, false)         \
	X(HTTP_FAIL_CNT, "http_fail_cnt", VALUE, false)  \
	X(HTTP_FAIL_RATE, "http_fail_rate", RATE, false) \
	X(GPT, "gpt", VALUE, true)                       \
	X(GPC, "gpc", VALUE, true)                       \
	X(GPC_RATE, "gpc_rate", RATE, true)

enum stick_data {
#define ROW(constant, name, kind, array) STICK_##constant,
	STICK_DATA_ROWS(ROW)
#undef ROW
	    STICK_N_DATA
};

enum stick_kind {
	STICK_VALUE,   // 32 bits, as HAProxy has it
	STICK_WIDE,    // 64 bits
	STICK_RATE,    // events in the last period
	STICK_CURRENT, // how many hold the entry now
	STICK_NAME,    // the hash of a name
};

struct stick_data_row {
	const char *name;
	enum stick_kind kind;
	bool array;
};
extern const struct stick_data_row stick_data_rows[STICK_N_DATA];

enum stick_key_type { STICK_IP, STICK_IPV6, STICK_INT, STICK_STRING, STICK_BINARY, STICK_N_KEYS };
extern const char *const stick_key_names[STICK_N_KEYS]; // "ip"

#define STICK_KEY_BYTES  1024u // the longest string or binary
#define STICK_MAX_ARRAY  100u
#define STICK_MAX_SIZE   (1u << 28)
#define STICK_MAX_PERIOD INT32_MAX // ms

struct stick_def {
	enum stick_key_type type;
	uint32_t key_bytes; // strings: at most; others: exactly
	uint32_t size;      // entries, 1..STICK_MAX_SIZE
	bool nopurge;       // a full table takes no new key
	uint64_t expire_ms; // since the last use; 0: never
	struct stick_stored {
		uint32_t n;         // 0: not stored; more than 1: an array
		uint32_t period_ms; // of a rate
	} data[STICK_N_DATA];
};

// "gpc0", "http_req_rate". STICK_N_DATA: there is none of that name.
enum stick_data stick_data_find(struct str name);
// One element of "gpc0,conn_rate(10s),gpc(3)": added to the definition.
bool stick_def_store(struct stick_def *d, struct str element, struct err *err);
// What excludes each other, once all is known.
bool stick_def_check(const struct stick_def *d, struct err *err);
// Arrays stand for their first elements: gpc0 for gpc(N). False: not stored. *i: which of it.
bool stick_def_has_part(const struct stick_def *d, enum stick_data *data, unsigned *i);
static inline bool
stick_def_has(const struct stick_def *d, enum stick_data *data, unsigned *i)
{
	return LIKELY(*i < d->data[*data].n) || stick_def_has_part(d, data, i);
}
