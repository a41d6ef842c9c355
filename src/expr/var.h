// SPDX-License-Identifier: MIT
// Variables of rules: proc., sess., txn., req., res. and shm. Names become small numbers when
// the configuration is parsed; at run time a scope is a short array searched by number, backed
// by an arena of its owner (transaction: its arena; session: the connection's). proc. variables
// belong to the process and are read without a lock; shm. is the shared table (vars/).
#pragma once

#include "base/err.h"
#include "expr/fetch.h"

struct expr_set;

#define VAR_PROC_BYTES 1024 // longest text of a proc. variable

struct var_slot {
	uint32_t id;
	uint32_t room; // bytes at value.s.p that this slot owns and may reuse
	struct sample value;
};

// One thread; embedded by its owner. A zero struct plus an arena is an empty scope. Values die
// with the arena: clear the scope when it is reset.
struct var_scope {
	struct arena *arena;
	struct var_slot *slots;
	uint16_t n, cap;
};

static inline void
var_scope_init(struct var_scope *v, struct arena *arena)
{
	*v = (struct var_scope){.arena = arena};
}

const char *var_scope_name(enum var_scope_id id);
// "txn.name" to a reference. Unknown scope or bad name: an error. Names of shm. are resolved by
// expr_set_link when the table is not open yet: *out must live as long as the set.
bool var_parse(struct expr_env *env, struct str name, struct var_ref *out, struct err *err);
// False: not set. Text stays valid as long as the scope; of proc. and shm., in ctx->arena.
bool var_get(const struct var_ref *ref, struct sample_ctx *ctx, struct sample *out);
// Copies the value. False: the arena is full, the scope absent, or shm. refused it.
bool var_set(const struct var_ref *ref, struct sample_ctx *ctx, const struct sample *value);
// Adds to a number of shm., of no other scope; no addition of another request is lost.
bool var_add(const struct var_ref *ref, struct sample_ctx *ctx, const struct sample *value);
bool var_unset(const struct var_ref *ref, struct sample_ctx *ctx);

// Conditions of set-var(name,cond...): ifexists, ifnotexists, ifempty, ifnotempty, ifset,
// ifnotset, ifgt, iflt. Bits of a mask; 0: always.
enum var_cond {
	VAR_IF_EXISTS = 1 << 0,
	VAR_IF_NOT_EXISTS = 1 << 1,
	VAR_IF_EMPTY = 1 << 2,
	VAR_IF_NOT_EMPTY = 1 << 3,
	VAR_IF_SET = 1 << 4,
	VAR_IF_NOT_SET = 1 << 5,
	VAR_IF_GT = 1 << 6,
	VAR_IF_LT = 1 << 7,
};
bool var_cond_parse(struct str word, unsigned *mask, struct err *err);
// True when it was set or the conditions said no; false as var_set. HAProxy's rule action
// set-var and converter set-var both go through this.
bool var_set_if(const struct var_ref *ref, unsigned conds, struct sample_ctx *ctx,
		const struct sample *value);
