// SPDX-License-Identifier: MIT
// What the rows say, printed: doc/reference.md, -dKall.
#pragma once

struct sbuf;

void reference_print_markdown(struct sbuf *out);
// what: "all", or "cfg", "acl"/"smp", "cnv", "act", "cli" as HAProxy's -dK; empty: all.
void reference_print_lists(const char *what, struct sbuf *out);
