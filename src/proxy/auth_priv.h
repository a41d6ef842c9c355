// SPDX-License-Identifier: MIT
// What a worker keeps for sections userlist: its own, freed with it.
#pragma once

struct auth_cache;
struct proxy_set;

// NULL without a userlist.
struct auth_cache *auth_cache_new(const struct proxy_set *set);
// Wipes it. NULL is fine.
void auth_cache_free(struct auth_cache **c);
