// SPDX-License-Identifier: MIT
// A way back out of a call, for the one who made it and for signal handlers on its thread. Signal
// masks stay as they are. JUMP_SET(j): 0, and 1 when somebody came back, to the same call of the
// function that set it, which is still running; its variables are then as they were, if they did
// not change since. JUMP_TO(j) does not return, and is not for the function that set it.
//
// The compiler's own saves what a function needs to find itself, inline; the library's all
// registers in two calls. clang has it on few processors.
#pragma once

#if defined(__x86_64__)

struct jump {
	void *at[5]; // laid down by the compiler
};
#define JUMP_SET(j) __builtin_setjmp((j)->at)
#define JUMP_TO(j)  __builtin_longjmp((j)->at, 1)

#else

#include <setjmp.h>

struct jump {
	sigjmp_buf at;
};
#define JUMP_SET(j) sigsetjmp((j)->at, 0)
#define JUMP_TO(j)  siglongjmp((j)->at, 1)

#endif
