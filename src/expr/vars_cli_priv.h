// SPDX-License-Identifier: MIT
// What the commands on variables share: one command at work, and the transaction of a session.
#pragma once

#include "expr/vars_conf_priv.h"
#include "tidegate/vars.h"

#define VARS_VALUE_BYTES (TIDEVARS_TEXT_MAX * 6 + 64) // any value as text or JSON

// What stands behind the fixed words: "ttl 30m reason why".
struct vars_options {
	uint64_t ttl_ns;
	const char *owner, *reason;
};

// One command at work.
struct vars_command {
	struct cli_session *s;
	const struct cli_args *args;
	struct expr_set *set;
	struct tidevars *table;
	struct str name; // without the scope
	bool proc;
	uint32_t handle;
	struct vars_options options;
	struct tidevars_writer writer;
	char who[TIDEVARS_WHO_MAX + 1];
	struct err err;
};

// Fills all but the name; `fixed` words belong to the command itself. False: see err.
bool vars_command_init(struct vars_command *c, struct cli_session *s, const struct cli_args *args,
		       int fixed);
// "shm.maint", "maint" or "proc.x"; false: see err, handle is then TIDEVARS_NO_HANDLE.
bool vars_command_find(struct vars_command *c, struct str name);
// Both, the name being the first word.
bool vars_command_begin(struct vars_command *c, struct cli_session *s, const struct cli_args *args,
			int fixed);
// Answers err; an open transaction cannot be committed any more.
enum cli_status vars_command_refuse(struct vars_command *c);
// Performs the operation, or keeps it for `commit`.
enum cli_status vars_command_perform(struct vars_command *c, struct tidevars_op *op);
// The answer for a commit's status; who may not write is logged.
enum cli_status vars_command_finish(struct vars_command *c, int status,
				    const struct tidevars_error *why);
// Sets the writer's group to the one that writable-by names, if the peer is in it.
void vars_command_as_group(struct vars_command *c, uint32_t handle);

// ---- vars_tx.c

struct vars_tx;
struct vars_tx *vars_tx_of(struct cli_session *s); // NULL: none is open
// Keeps the operation; an answer only when it cannot.
enum cli_status vars_tx_add(struct vars_command *c, struct vars_tx *tx,
			    const struct tidevars_op *op);
void vars_tx_spoil(struct vars_tx *tx);
enum cli_status vars_run_begin(struct cli_session *s, const struct cli_args *args);
enum cli_status vars_run_commit(struct cli_session *s, const struct cli_args *args);
enum cli_status vars_run_abort(struct cli_session *s, const struct cli_args *args);

// ---- vars_list.c, vars_watch_cli.c, vars_rate.c

enum cli_status vars_run_show(struct cli_session *s, const struct cli_args *args);
enum cli_status vars_run_show_one(struct cli_session *s, const struct cli_args *args);
enum cli_status vars_run_show_log(struct cli_session *s, const struct cli_args *args);
enum cli_status vars_run_show_holds(struct cli_session *s, const struct cli_args *args);
enum cli_status vars_run_watch(struct cli_session *s, const struct cli_args *args);
enum cli_status vars_run_rate(struct cli_session *s, const struct cli_args *args);
