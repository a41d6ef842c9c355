// SPDX-License-Identifier: MIT
// What the files of the Lua module share. Functions with a stack effect [-pops, +pushes, e] may
// raise (e); a status other than TIDEVARS_OK has its text in err.
#pragma once

#include <lauxlib.h>
#include <lua.h>

#include <stdbool.h>

#include "tidegate/vars.h"

#define LUA_TIDEVARS "tidegate.tidevars"

// Its uservalue is a table of names and handles found so far, while nobody declares anything.
struct lua_table {
	struct tidevars *t; // NULL once closed
	uint64_t declared;  // tidevars_declared() of those handles
};

// ---- lua_values.c
// nil, the text, the status' name; 3. [-0, +3, m]
int tv_push_failure(lua_State *L, int status, const char *text);
// true, or a failure; how many. [-0, +1 or 3, m]
int tv_push_result(lua_State *L, int status, const struct tidevars_error *err);
// The open table at 1. [-0, +0, e]
struct tidevars *tv_check_table(lua_State *L);
// Looks up the name at 2. [-0, +0, e]
int tv_find_arg(lua_State *L, struct tidevars *t, uint32_t *handle, struct tidevars_error *err);
// The field of the options table at idx, or nil; its type. [-0, +1, e]
int tv_push_option(lua_State *L, int idx, const char *name);
// Seconds of an option in nanoseconds; 0 when it is absent. [-0, +0, e]
uint64_t tv_option_ns(lua_State *L, int idx, const char *name);
// A text option, or NULL; it stays on the stack so that the string lives. [-0, +1, e]
const char *tv_keep_text(lua_State *L, int idx, const char *name);
// The options who and reason, which stay on the stack. [-0, +2, e]
struct tidevars_writer tv_option_writer(lua_State *L, int idx);
// The Lua value at idx as a value of `type`; a string is parsed. [-0, +0, e]
int tv_to_value(lua_State *L, int idx, uint32_t type, struct tidevars_value *v,
		struct tidevars_error *err);

// ---- lua_read.c, lua_write.c: their methods, into the table on top; below it the metatable of
// tables. [-0, +0, m]
void tv_add_readers(lua_State *L);
void tv_add_writers(lua_State *L);
