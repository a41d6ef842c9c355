// SPDX-License-Identifier: MIT
// tidectl without arguments on a terminal: a prompt with history and completion.
#pragma once

int console_run(const char *path);
