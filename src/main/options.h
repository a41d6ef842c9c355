// SPDX-License-Identifier: MIT
// The command line. Flags are HAProxy's where the meaning is the same.
#pragma once

#include "base/err.h"
#include "base/str.h"

struct setting {
	const char *name, *value; // -s, --var NAME=VALUE
};

enum options_task {
	TASK_RUN,
	TASK_CHECK,     // -c
	TASK_CONDITION, // -cc COND
	TASK_VERSION,   // -v
	TASK_BUILD,     // -vv
	TASK_KEYWORDS,  // -dK...
	TASK_REFERENCE, // --reference
	TASK_TEST,      // test [FILE...]
	TASK_EVAL,      // eval
	TASK_HELP,
	TASK_HELP_EVAL, // eval -h
	TASK_HELP_TEST,
};

struct options {
	enum options_task task;
	const char **files; // -f, and what stands behind --
	size_t n_files, cap_files;
	const char **scripts; // of test: files and folders
	size_t n_scripts, cap_scripts;
	bool tap, coverage;   // of test
	int64_t coverage_min; // percent; 0: whatever it is
	struct setting *settings;
	size_t n_settings, cap_settings;
	struct setting *vars; // --var
	size_t n_vars, cap_vars;
	const char *request, *src, *frontend; // of eval
	int64_t status;                       // of the response; 0: none
	struct setting *fields;               // --response-header
	size_t n_fields, cap_fields;
	const char *condition, *pidfile, *folder, *local_name, *keywords;
	int64_t maxconn;             // -n; 0: not given
	bool daemon;                 // -D
	bool foreground;             // -db, -d: overrides daemon
	bool verbose, quiet;         // -V, -q
	bool diagnose;               // -dD
	bool no_warnings;            // -dW: a warning is an error
	bool master;                 // -W, -Ws
	bool systemd;                // -Ws
	const char *master_cli;      // -S
	bool take_over, end_at_once; // -sf, -st, -x; -st
	int64_t *pids;               // behind -sf, -st
	size_t n_pids, cap_pids;
};

// False: *err says what is wrong with which word. argv must outlive *o.
bool options_parse(struct options *o, int argc, char **argv, struct err *err);
void options_fini(struct options *o);
// The value of -s NAME=..., or NULL.
const char *options_setting(const struct options *o, const char *name);
// Of the task: TASK_EVAL, TASK_TEST, else the service.
void options_print_usage(const char *program, enum options_task task);
