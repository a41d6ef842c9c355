// SPDX-License-Identifier: MIT
// Clocks, in nanoseconds. A loop reads the clock once a turn and passes the time on; only
// set-up and the keeper call these freely.
#pragma once

#include "base/base.h"

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

uint64_t clock_mono_ns(void);   // CLOCK_MONOTONIC
uint64_t clock_boot_ns(void);   // CLOCK_BOOTTIME: goes on while suspended; for deadlines in files
uint64_t clock_real_ns(void);   // CLOCK_REALTIME since 1970
uint64_t clock_thread_ns(void); // CPU time of the calling thread
