// SPDX-License-Identifier: MIT
// config.c's rows, for cli_module.
#pragma once

#include "conf/conf.h"

extern const struct conf_keyword cli_keywords[];
