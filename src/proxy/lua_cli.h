// SPDX-License-Identifier: MIT
// Commands that scripts register (core.register_cli).
#pragma once

struct cli;
struct proxy_setup;
struct proxy_worker;

// After proxy_setup_link and before the engine starts: notes what the scripts registered.
void lua_commands_collect(struct proxy_setup *s);
// Adds them to the command line, behind the rows of the modules.
void lua_commands_add(const struct proxy_setup *s, struct cli *cli);
// Those that wait on a worker that ends.
void lua_commands_end(struct proxy_worker *w);
