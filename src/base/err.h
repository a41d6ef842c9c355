// SPDX-License-Identifier: MIT
// Errors of set-up and commands: a sentence that says what was wrong and where, wrapped on the
// way up ("policy 'maint': maint.lua:3: ..."). The caller owns the struct, usually on its stack;
// functions that can fail return bool and fill it on false. Not for the way of a request.
#pragma once

#include "base/str.h"

#define ERR_TEXT_BYTES 1024

struct err {
	char text[ERR_TEXT_BYTES]; // NUL-terminated; longer text is cut
};

// All return false, so `return err_set(...)` reads well. err may be NULL.
bool err_set(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
// Puts "fmt: " before what is there.
bool err_wrap(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
// Puts "fmt" behind what is there.
bool err_add(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
