// SPDX-License-Identifier: MIT
// Which of a Lua function's upvalues it, or a function inside it, assigns to. Private to policy.
#pragma once

#include "base/base.h"

#define LUA_SCAN_UPVALUES 256

struct lua_State;

// The Lua function on top of the stack; written[i] becomes 1 when its upvalue i (from 0) is
// assigned to. False when the bytecode is not of the layout known here. Takes memory outside the
// state: stops must be postponed. [-0, +0, -]
bool lua_scan_assignments(struct lua_State *L, uint8_t written[LUA_SCAN_UPVALUES]);
