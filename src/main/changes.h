// SPDX-License-Identifier: MIT
// What a reload changes, in a few lines for the log: sections, variables and scripts by name. The
// texts are compared, comments and white space left out.
#pragma once

#include "base/str.h"

struct changes;

struct changes *changes_new(void);
void changes_free(struct changes **c);
// A file of the configuration; of the one before, or the new one.
void changes_add_config(struct changes *c, bool is_new, struct str text);
// A script that is live; of the process before, or in this one.
void changes_add_script(struct changes *c, bool is_new, struct str policy, struct str text);
// Logs what differs.
void changes_log(const struct changes *c);
