// SPDX-License-Identifier: MIT
// How a Lua function, and the functions inside it, use its upvalues. Private to policy.
#pragma once

#include "base/base.h"
#include "base/str.h"

#define LUA_SCAN_UPVALUES 256

struct lua_State;

enum {
	LUA_SCAN_ASSIGNED = 1, // the upvalue is assigned to
	LUA_SCAN_EXPOSED = 2,  // it is used otherwise than by reading its fields: UP.name
};

// Told of the function and of those inside it; members may be NULL.
struct lua_scan_sink {
	// Each global that is read by name, which ends with the call.
	void (*global)(void *arg, struct str name, int line);
	void (*assigned)(void *arg, struct str name, int line); // likewise, that is assigned to
	int env; // the upvalue (from 0) through which globals are reached; -1: none
	// Each field of the table `table` that is read or written by a constant name, which ends
	// with the call. Only what some path of the code reaches with that table is told; what goes
	// through a variable that was assigned elsewhere may be missed.
	void (*field)(void *arg, struct str name, int line);
	struct str table;  // the global's name
	int table_upvalue; // the upvalue (from 0) that is this table; -1: none
	// Likewise a field that is named by a constant as the first argument of one of these
	// functions of the global `library`. NULL ends them.
	struct str library;
	const char *const *functions; // or NULL
	// Each line with an instruction other than those that begin and end every function;
	// lines come again and again.
	void (*line)(void *arg, int line);
	void *arg;
};

// The Lua function on top of the stack; uses[i] gets what is done with its upvalue i (from 0).
// False when the bytecode is not of the layout known here. Takes memory outside the state: stops
// must be postponed. [-0, +0, -]
bool lua_scan_upvalues(struct lua_State *L, uint8_t uses[LUA_SCAN_UPVALUES],
		       const struct lua_scan_sink *sink);
