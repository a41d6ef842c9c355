// SPDX-License-Identifier: MIT
// Times to live of shared variables that pass: readers see the default at once by themselves;
// the keeper stores it, logs it and counts it soon after. Keeper's thread.
#pragma once

struct expiry;
struct proxy_set;
struct worker;

struct expiry *expiry_start(struct proxy_set *set, struct worker *keeper);
// NULL is fine.
void expiry_stop(struct expiry **e);
