// SPDX-License-Identifier: MIT
// What a feature contributes to the program, as tables of rows: a folder exports one
// `const struct module`, src/main/modules.c lists them in order, and the frameworks (conf, expr,
// cli, metrics) walk the rows without naming a feature. Row types are defined by their
// framework; here they are only pointed at. Each table ends with a row whose name is NULL.
#pragma once

#include "base/base.h"

struct conf_section; // conf/conf.h
struct conf_keyword; // conf/conf.h
struct fetch_row;    // expr/fetch.h
struct conv_row;     // expr/fetch.h
struct action_row;   // proxy/action.h
struct cli_command;  // cli/cli.h
struct metric_row;   // metrics/metrics.h

struct module {
	const char *name;
	const struct conf_section *sections;
	const struct conf_keyword *keywords;
	const struct fetch_row *fetches;
	const struct conv_row *convs;
	const struct action_row *actions;
	const struct cli_command *commands;
	const struct metric_row *metrics;
};
