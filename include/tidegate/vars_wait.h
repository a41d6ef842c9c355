// SPDX-License-Identifier: MIT
// Waiting for a change of libtidevars' variables (tidegate/vars.h includes this). What is said
// there of units, errors and threads holds here.
#pragma once

#include "tidegate/vars.h"

#ifdef __cplusplus
extern "C" {
#endif

// Blocks until the variable's version differs from `version` (as read before), or for at most
// timeout_ns: OK or TIMEOUT. TIDEVARS_NO_HANDLE waits for any commit; version is then the last
// tidevars_epoch. Does not see a time to live pass: bound the timeout by until_boot_ns. It sleeps
// on a futex of the table; since a writer may be killed between its commit and the wake, it looks
// by itself once a second. A table opened READ_ONLY cannot ask to be woken: it looks each 50 ms.
TIDEVARS_API int tidevars_wait(struct tidevars *t, uint32_t handle, uint64_t version,
			       uint64_t timeout_ns);
// The same for whoever looks at several variables: take a ticket, read whatever matters, wait for
// the ticket. Whatever was written (counters too) after the ticket was taken ends the wait: OK,
// else TIMEOUT. Wakes may come without a change: read again.
TIDEVARS_API uint32_t tidevars_ticket(struct tidevars *t);
TIDEVARS_API int tidevars_wait_ticket(struct tidevars *t, uint32_t ticket, uint64_t timeout_ns);
// Ends every wait_ticket of every process now. For whoever wants its own waiting thread to stop.
TIDEVARS_API void tidevars_poke(struct tidevars *t);
// Number of the table's last commit; a number that differs after each commit or declaration.
TIDEVARS_API uint64_t tidevars_epoch(const struct tidevars *t);
TIDEVARS_API uint64_t tidevars_changes(const struct tidevars *t);

#ifdef __cplusplus
}
#endif
