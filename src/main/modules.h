// SPDX-License-Identifier: MIT
// The one list where all modules meet.
#pragma once

#include "base/module.h"

extern const struct module *const main_modules[]; // NULL-terminated
size_t main_n_modules(void);
