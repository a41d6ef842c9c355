// SPDX-License-Identifier: MIT
// How variables, holds and the write log are told to people and programs: one line of text or one
// JSON object each, the same from the runtime socket and from tidectl --file. Appends to `out`;
// `now` is of CLOCK_BOOTTIME. Times are given in UTC; texts are cleared of control bytes.
#pragma once

#include "base/sbuf.h"
#include "tidegate/vars.h"

#define VARS_LIST_BYTES ((size_t)64 * 1024) // a variable with all its holds, and more

// A line with its end, of a hold one line more per hold; or an object without.
void vars_list_info(struct sbuf *out, struct tidevars *t, uint32_t handle,
		    const struct tidevars_info *info, uint64_t now, bool json);
// One hold of the variable `name`.
void vars_list_hold(struct sbuf *out, const char *name, const struct tidevars_hold *h, uint64_t now,
		    bool json);
void vars_list_entry(struct sbuf *out, struct tidevars *t, const struct tidevars_log_entry *e,
		     bool json);
// {"name":...,"value":...} and the line's end.
void vars_list_value(struct sbuf *out, const char *name, const struct tidevars_value *v);
