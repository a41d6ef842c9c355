// SPDX-License-Identifier: MIT
// Captures: numbered slots of a frontend that headers or samples of a transaction are kept in, for
// its log line (%hr, %hs) and for capture.req.hdr() and capture.res.hdr(). Slots are declared when
// the configuration is read; a transaction's array stands in its arena, made by the first capture.
#pragma once

#include "http/names.h"

#define CAPTURE_MOST_SLOTS 256u

struct proxy;
struct txn;

struct capture_slot {
	struct capture_slot *next;
	struct http_name name; // .text empty: only a rule fills it
	uint32_t len;          // most bytes kept
};

struct capture_list {
	struct capture_slot *first; // slot 0
	uint16_t n;
};

// The header captures of the head that was just read; only when the list has slots.
void capture_headers(struct txn *t, bool response);
