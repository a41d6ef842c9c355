// SPDX-License-Identifier: MIT
// A list of fields as bytes, as HAProxy's req.hdrs_bin and SPOE have it: of each field the length
// of its name, the name, the length of its value, the value; an empty name with an empty value ends
// the list. Lengths are HAProxy's variable-length integers (doc/SPOE.txt, "varint"). Bytes in,
// slices out; any thread.
#pragma once

#include "base/str.h"

// Most bytes of one length.
#define FIELDS_BIN_LENGTH_BYTES 10

// Writes n at p, where FIELDS_BIN_LENGTH_BYTES have room; the number of bytes.
size_t fields_bin_put_length(char *p, uint64_t n);

enum fields_bin_status {
	FIELDS_BIN_FIELD, // *name, which is not empty, and *value are there; *list is the rest
	FIELDS_BIN_END, // the end's mark, or no byte left: bytes behind the mark are not looked at
	FIELDS_BIN_BAD, // a length beyond the bytes or beyond 2^32, or a value without a name
};

// The next field of a list; slices into it.
enum fields_bin_status fields_bin_next(struct str *list, struct str *name, struct str *value);
