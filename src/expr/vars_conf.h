// SPDX-License-Identifier: MIT
// The `vars` section: where the shared table lives and which variables it has. The section's
// rows are in expr_module; main opens the table once everything was read.
#pragma once

#include "base/base.h"

struct conf;
struct expr_set;
struct tidevars;

// Opens the table that the section described (without one: memory of this process, any name
// allowed), declares its variables, writes those that -s NAME=VALUE named, and makes it known to
// the set (expr_set_shm). After conf_load, before expr_set_link. Faults are collected in conf
// with file and line; false if any, *out is then NULL.
bool expr_vars_open(struct conf *conf, struct expr_set *set, struct tidevars **out);
