// SPDX-License-Identifier: MIT
// What every file may assume: fixed-width types, small helpers, and ASSERT. Included by all
// other base headers; includes nothing of ours.
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)    ((a) < (b) ? (a) : (b))
#define MAX(a, b)    ((a) > (b) ? (a) : (b))

// The struct that embeds `member` at `ptr`.
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define LIKELY(x)         __builtin_expect(!!(x), 1)
#define UNLIKELY(x)       __builtin_expect(!!(x), 0)
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define NORETURN          __attribute__((noreturn))
#define MUST_CHECK        __attribute__((warn_unused_result))
#define CACHE_LINE        64
#define UNUSED            __attribute__((unused))
// A build whose sanitizer starts threads, traces itself and so on.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif
#define ALWAYS_INLINE inline __attribute__((always_inline)) // where a request passes each time
#define SELDOM        __attribute__((cold, noinline))       // kept out of its callers' way

// A mistake of ours, never of a user, a peer or a file. On in release builds: prints what was
// believed, where, and what the current worker was doing, then aborts.
#define ASSERT(cond) (LIKELY(cond) ? (void)0 : panic_assert(#cond, __FILE__, __LINE__, __func__))

// Structs that cross a void * begin with `uint32_t magic`; entry points check it with this.
#define CHECK_MAGIC(ptr, value) ASSERT((ptr) != NULL && (ptr)->magic == (value))

// What this thread is doing, for panics and logs. Owned and written by the thread alone; strings
// are static or outlive the thread's use of them.
struct thread_context {
	const char *thread; // "worker 1", "keeper", "main"
	const char *step;   // the transaction step under way, or NULL
	uint64_t txn_id;    // 0 when none
};

extern _Thread_local struct thread_context thread_context;

// Names the calling thread, for panics and for people (top -H, gdb, perf). `name` of at most 15
// bytes stays valid as long as the thread runs.
void thread_name(const char *name);

NORETURN void panic_assert(const char *cond, const char *file, int line, const char *func);
NORETURN void panic_oom(size_t bytes);
// In a handler of SIGABRT on the thread that does not come back.
NORETURN void panic_stuck(void);
// Something else of which the system has no more; code is an errno.
NORETURN void panic_lack(const char *what, int code);
