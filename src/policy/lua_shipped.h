// SPDX-License-Identifier: MIT
// The Lua that ships with the program (lua/).
#pragma once

#include "base/str.h"

// lua/haproxy.lua. For ever.
struct str policy_shipped_haproxy(void);
