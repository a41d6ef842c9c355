// SPDX-License-Identifier: MIT
// Named pattern sets beyond their process: a set that was changed at run time as a text, and back.
// What the file gave is told apart by its hash: where the file has changed since, it counts.
#pragma once

#include "base/err.h"
#include "expr/pattern_ref.h"

struct sbuf;

typedef void (*pattern_changed_f)(void *arg, struct pattern_ref *r, bool by_rules);

// Once all sets are loaded: notes what their files gave.
void pattern_kept_begin(struct expr_set *set);
// The set's live entries. Keeper.
void pattern_kept_write(const struct pattern_ref *r, struct sbuf *out);
// What is written stands in a set again; else *err says why, and the set is as its file says. After
// pattern_kept_begin, before the threads.
enum pattern_kept {
	PATTERN_KEPT_READ,
	PATTERN_KEPT_OLD,     // the set is no more, or its file has changed
	PATTERN_KEPT_DAMAGED, // the text is none of ours, or an entry does not fit
};
enum pattern_kept pattern_kept_read(struct expr_set *set, struct str text, struct err *err);
// Told of each set that changes from now on, by an operator or a script, or by rules of requests.
// Keeper.
void pattern_kept_watch(struct expr_set *set, pattern_changed_f changed, void *arg);
size_t pattern_kept_entries(const struct pattern_ref *r);
// What messages call it: its name; of an ACL's words the number, with the line it stands in unless
// -u chose it.
struct str pattern_kept_title(const struct pattern_ref *r);
// The same of the set that a text is of; null: the text is none of ours.
struct str pattern_kept_title_of(struct str text);
// A name for files: of the set's own, the same in each process.
#define PATTERN_KEPT_NAME_BYTES 17
void pattern_kept_name(const struct pattern_ref *r, char out[PATTERN_KEPT_NAME_BYTES]);
