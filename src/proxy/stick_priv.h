// SPDX-License-Identifier: MIT
// What the files of stick tables share: their rows, and counting that several of them do.
#pragma once

#include "cli/cli.h"
#include "expr/fetch.h"
#include "proxy/stick.h"
#include "proxy/txn.h"

extern const struct action_row stick_actions[];
extern const struct cli_command stick_commands[];
extern const struct fetch_row stick_fetches[], stick_table_fetches[];
extern const struct conv_row stick_convs[];
extern const enum sample_type stick_sample_types[STICK_N_KEYS]; // of keys

// The transaction behind a context, or NULL.
struct txn *stick_txn_of(const struct sample_ctx *ctx);
// One more of `data` (and of `rate`, unless STICK_N_DATA), where the table stores it.
void stick_count_one(const struct stick_ref *r, enum stick_data count, enum stick_data rate,
		     uint64_t n, uint64_t now);
// Of rows whose ARG_NAME is a table; left out, this section's.
bool stick_check_section(struct expr_arg *args, struct expr_env *env, enum sample_type *out,
			 struct err *err);
bool stick_link_section(struct expr_arg *args, struct conf *conf, struct err *err);
