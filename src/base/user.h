// SPDX-License-Identifier: MIT
// The name of a user, as writes are charged to and holds are owned by.
#pragma once

#include <stddef.h>
#include <stdint.h>

// The name of the user with that number, or "uid N" where the system knows none; NUL-terminated and
// cut to `room` (at least 16). May read /etc/passwd: not for a worker.
void user_name(uint32_t uid, char *out, size_t room);
