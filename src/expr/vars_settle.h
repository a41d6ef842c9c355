// SPDX-License-Identifier: MIT
// What a table in use had declared, until it is certain that the new declarations stand. Private to
// expr. Start and end of a process only; one thread.
#pragma once

#include "base/base.h"
#include "base/str.h"

struct tidevars;
struct tidevars_error;
struct vars_was;

// Keeps how the variable is declared, if it is; before another declaration of it. Owned by *list.
void vars_note(struct vars_was **list, struct tidevars *t, struct str name);
// Ends the list. `serves`: the declarations since then stand; else those noted are put back, as far
// as the values stored meanwhile allow (else a warning). t NULL: nothing to be put back.
void vars_settle(struct vars_was **list, struct tidevars *t, bool serves);
// Declares in t what `file` has of that name, with a value that bounds may concern, so that
// declaring it otherwise fails in t as it would in the file. Not being there is fine.
bool vars_take(struct tidevars *t, struct tidevars *file, struct str name,
	       struct tidevars_error *why);
