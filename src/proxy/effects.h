// SPDX-License-Identifier: MIT
// The keeper's clock of the policies' effects: every() and on_change().
#pragma once

struct effects;
struct proxy_set;
struct worker;

// On the keeper. The set has policies.
struct effects *effects_start(struct proxy_set *set, struct worker *keeper);
// A generation came live: looks at once what it asks for. Keeper.
void effects_wake(struct effects *e);
// Nulls; NULL is fine. Keeper.
void effects_stop(struct effects **e);
