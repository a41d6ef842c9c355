// SPDX-License-Identifier: MIT
// For the tests of stick tables.
#pragma once

#include "stick/table.h"
#include "tap.h"

// A number as a key.
static struct stick_key
number(const struct stick_table *t, uint32_t n)
{
	struct stick_key k;
	stick_key_make(t, str_of((const char *)&n, sizeof(n)), &k);
	return k;
}
