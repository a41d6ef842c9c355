// SPDX-License-Identifier: MIT
// The `vars` section: where the shared table lives and which variables it has. The section's
// rows are in expr_module; main opens the table once everything was read.
#pragma once

#include "base/base.h"

struct conf;
struct expr_set;
struct tidevars;

// What stands in the table is kept: -s is not written again.
struct vars_before {
	int fd; // of its table, where that is memory or a file that was removed; -1: by its path
};

// Opens the table that the section described (without one: memory of this process, any name
// allowed), declares its variables, writes those that -s NAME=VALUE named, and makes it known to
// the set (expr_set_shm). After conf_load, before expr_set_link. Faults are collected in conf
// with file and line; false if any, *out is then NULL.
// `before`: of the process of this service that this one follows; NULL: it is the first.
bool expr_vars_open(struct conf *conf, struct expr_set *set, const struct vars_before *before,
		    struct tidevars **out);
// The table's file, where the configuration names none. One that cannot be used shall not keep the
// service down: where `rescue`, a damaged one is put aside by another name, else the table is
// memory; both are told in the log. Before expr_vars_open.
void expr_vars_default_file(struct conf *conf, const char *path, bool rescue);
// The table is memory of this process, whatever the configuration says. Before expr_vars_open.
void expr_vars_private(struct conf *conf);
// The table is memory of this process, but what its file stores is compared with what is declared;
// nothing is written, and a file that is not there is none the less right. Before expr_vars_open.
void expr_vars_check_only(struct conf *conf);
// The process serves: its declarations stand. Else those of a table in use are put back as they
// were before expr_vars_open. Once, before the table is closed.
void expr_vars_settle(struct conf *conf, struct tidevars *t, bool serves);
// The table's file; NULL: it is memory.
const char *expr_vars_file(struct conf *conf);
