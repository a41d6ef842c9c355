// SPDX-License-Identifier: MIT
// What scripts do of their own accord, on the keeper: every(seconds, fn) and
// on_change("name", fn). Private to policy; everything here is for the keeper's thread.
//
// A generation that asks for effects has one more Lua state, which serves them alone. They begin
// when its last worker has confirmed the generation, and end with the next generation that is
// confirmed. Each call has a budget of its own; a function that fails is counted and logged and
// comes round again, one that keeps using up its budget backs off as a predicate's circuit does.
#pragma once

#include "policy/policy_priv.h"
#include "tidegate/vars.h"

#define POLICY_MAX_EFFECTS   256
#define POLICY_EVERY_MIN_NS  UINT64_C(10000000) // 10 ms
#define POLICY_EVERY_MAX_S   UINT64_C(31622400) // a year
#define POLICY_LOCK_WAIT_MS  10                 // an effect's wait for the table's lock
#define POLICY_EFFECTS_PER_S 5                  // error lines a second and policy

enum policy_effect_kind { POLICY_EVERY, POLICY_ON_CHANGE };

struct policy_effect {
	enum policy_effect_kind kind;
	char where[80];                    // "load.lua:12"
	char name[TIDEVARS_NAME_MAX + 32]; // "every 1s", "on_change maint"
	uint64_t every_ns;                 // EVERY
	uint64_t due_mono_ns;              // EVERY: when it runs next; ON_CHANGE: not before
	uint32_t handle;                   // ON_CHANGE: of the variable
	struct tidevars_value last;        // ON_CHANGE: the reading the function knows
	struct policy_fn_count count;
};

struct policy_effects {
	struct policy_state *state;
	struct policy_effect **item; // in the order of the script
	size_t n, cap;
	bool complete;                  // all items are there: the state is being rebuilt
	size_t turn;                    // the one to look at first, so that all have theirs
	struct log_rate rate, log_rate; // of failures, of tide.log
};

// ---- effects.c

// Builds the state that serves the generation's effects; nothing when there are none.
bool policy_effects_build(struct policy_gen *gen, struct guard *guard, struct err *err);
// The generation's effects begin, those of the policy's earlier one end.
void policy_effects_swap(struct policy *p, struct policy_gen *gen);
// With its state. Nulls; NULL is fine.
void policy_effects_free(struct policy_effects **fx);
void policy_effects_show(const struct policy *p, bool json, struct sbuf *out);

// ---- lua_effects.c

// Calls the function of effect i (from 0) of the state; on_change's with `now` and the reading
// before it.
enum policy_error policy_state_effect(struct policy_state *s, size_t i,
				      const struct tidevars_value *now, uint64_t budget_ns);
