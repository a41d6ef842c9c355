// SPDX-License-Identifier: MIT
// Rows called with arguments that are known only when they run: what Lua's txn.f:NAME(...),
// txn.c:NAME(...) and txn:get_var(NAME) stand on. Arguments come as texts and are typed and
// bounded by the row as in the configuration. Any thread may call; a call looks only at what
// stood when the struct expr_calls was made, so the keeper may go on parsing meanwhile.
#pragma once

#include "expr/expr.h"
#include "expr/pattern.h"

struct expr_calls;
struct pattern_ref;
struct pattern_use;

#define EXPR_CALL_MAX_ARGS       12
#define EXPR_CALL_MAX_TEXT_BYTES 4096 // all arguments of one call

// Once, after all files were read and the shared table is open. Lives as long as the set.
// `conf` is what rows' link functions look into; it lives as long.
const struct expr_calls *expr_calls_new(struct expr_set *set, struct conf *conf);

// By name or alias; '_' in `name` stands for '.', '-' and '+' too ("req_hdr"). -1 with a cause
// and a suggestion: unknown, or a row that cannot be called at run time.
int expr_calls_find_fetch(const struct expr_calls *calls, struct str name, struct err *err);
int expr_calls_find_conv(const struct expr_calls *calls, struct str name, struct err *err);

enum expr_call_result {
	EXPR_CALL_BAD,     // err says why: arguments, or ctx->arena is too small
	EXPR_CALL_NOTHING, // no sample
	EXPR_CALL_SAMPLE,  // *smp
};

// ctx->arena serves arguments and result; it needs 32 KiB free. A text with .p == NULL is an
// argument left out. ctx->iter is ignored.
enum expr_call_result expr_calls_fetch(const struct expr_calls *calls, int row,
				       const struct str *args, size_t n, struct sample_ctx *ctx,
				       struct sample *smp, struct err *err);
// *smp is the input and the result.
enum expr_call_result expr_calls_conv(const struct expr_calls *calls, int row,
				      const struct str *args, size_t n, struct sample_ctx *ctx,
				      struct sample *smp, struct err *err);
// "txn.name", "shm.name"...; a proc. name that the configuration does not mention has no value.
enum expr_call_result expr_calls_var(const struct expr_calls *calls, struct str name,
				     struct sample_ctx *ctx, struct sample *smp, struct err *err);
// Sets it, or unsets it where value is NULL; conds: enum var_cond bits. 1: done, or the conditions
// said no; 0: there is no room, no such proc. variable, or the name is none (HAProxy has it so);
// -1: one of a shared variable that is none, err says why. The name is kept in ctx->arena, as is
// the value.
int expr_calls_set_var(const struct expr_calls *calls, struct str name, unsigned conds,
		       struct sample_ctx *ctx, const struct sample *value, struct err *err);
// The map of that file, looked up by that match; good for ever. `loading` (the thread that sets up,
// before the workers run) loads it when nothing used it before; later only what is there is found.
const struct pattern_use *expr_calls_map(const struct expr_calls *calls, bool loading,
					 struct str file, enum pat_match match, struct err *err);
// The map or list of that name or number, or NULL. None is added once the workers run.
struct pattern_ref *expr_calls_patterns(const struct expr_calls *calls, struct str name);
