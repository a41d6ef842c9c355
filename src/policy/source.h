// SPDX-License-Identifier: MIT
// Texts of generations: read from files beneath the policy's folder, hashed. Private to policy.
#pragma once

#include "policy/policy.h"

struct policy_chunk;
struct policy_global;

bool policy_source_open(struct policy *p, const char *path, struct err *err);
// More places of modules: templates "DIR/?.lua", NULL-terminated, or NULL.
bool policy_source_paths(struct policy *p, const char *const *paths, struct err *err);
void policy_source_close(struct policy *p); // whether open succeeded or not
// text NULL: reads the configured file.
struct policy_gen *policy_gen_new(struct policy *p, const struct str *text, const char *chunk,
				  struct err *err);
void policy_gen_free(struct policy_gen *gen);
// The module's text, read and recorded at its first use; NULL with a cause.
const struct policy_chunk *policy_gen_module(struct policy_gen *gen, const char *name,
					     struct err *err);
void policy_gen_hash(struct policy_gen *gen);
// NULL: the script defines none of that name.
const struct policy_global *policy_gen_global(const struct policy_gen *gen, const char *function);
bool policy_gen_has(const struct policy_gen *gen, const char *function);

// kept.c: a generation as policy_live_text wrote it, to be checked. NULL with a cause.
struct policy_gen *policy_gen_kept(struct policy *p, struct str kept, struct err *err);
// generation.c: a policy's first generation: what an earlier process kept, or from the file.
struct policy_gen *policy_prepare_first(struct policy *p, struct str kept, struct err *err);
