// SPDX-License-Identifier: MIT
// Rows of the vars section and of the commands on variables, for module.c.
#pragma once

#include "cli/cli.h"
#include "conf/conf.h"
#include "expr/expr_priv.h"

extern const struct conf_section expr_sections[];
extern const struct conf_keyword expr_keywords[];
extern const struct cli_command expr_commands[];

// What -s said; the environment is not asked.
bool expr_env_overlay(struct expr_set *set, struct str name, struct str *value);
