// SPDX-License-Identifier: MIT
// What the files of expr/ share and nobody else sees.
#pragma once

#include "base/hash.h"
#include "base/log.h"
#include "expr/acl.h"
#include "expr/expr.h"
#include "expr/logfmt.h"
#include "expr/pattern.h"
#include "expr/var.h"

#define EXPR_SET_MAGIC   0x45585053u
#define EXPR_ARENA_BYTES ((size_t)4 << 30)
#define EXPR_MAX_ARGS    12
#define EXPR_MAX_CONVS   32

// One converter of a chain.
struct expr_step {
	conv_f conv;
	const struct expr_arg *args;
	enum sample_type in;
	const struct conv_row *row;
};

// Immutable once parsed and linked.
struct expr {
	fetch_f fetch;
	const struct expr_arg *args;
	const struct expr_step *steps;
	uint16_t n_steps;
	uint8_t out; // enum sample_type
	unsigned needs, flags;
	const struct fetch_row *row;
	struct str source;
	const char *file;
	int line;
};

// Something that waits for the end of parsing: a row's link function, or a name of shm.
struct expr_pending {
	struct expr_pending *next;
	const char *file, *what;
	int line;
	row_link_f link;
	struct expr_arg *args;
	struct var_ref *shm;
};

struct expr_env_var {
	struct expr_env_var *next;
	struct str name, value;
};

struct expr_calls; // call.h
struct pattern_refs;
struct pattern_use;

struct expr_set {
	uint32_t magic;
	struct arena arena;
	struct hash_map fetches, convs; // names and aliases to rows
	const struct fetch_row **fetch_rows;
	const struct conv_row **conv_rows;
	size_t n_fetch_rows, n_conv_rows, cap_fetch_rows, cap_conv_rows;
	struct expr_env_var *env; // of -s
	struct hash_map var_ids;  // "txn.x" to 1-based numbers, proc. and shm. apart
	uint32_t n_var_ids;
	struct hash_map procs; // name to struct var_proc
	struct tidevars *shm;
	bool shm_open, allow_undeclared;
	bool frozen; // a copy for calls at run time (call.c): names are looked up, none is added
	struct expr_calls *calls; // of which that copy is a part
	struct vars_rate *rates;  // of var_rate(), vars_rate.c
	struct rates *rates_timer;
	struct log_rate refusals; // of the commands on variables; keeper
	struct expr_pending *pending, **pending_tail;
	const struct expr_pending *linking; // the one whose link function runs, or NULL
	bool linked;                        // all names stand
	struct acl_scope *builtin_acls;     // where no section is
	struct acl_memo memo;
	uint8_t n_memo; // ACLs in it
	struct acl_scope **scopes;
	size_t n_scopes, cap_scopes;
	struct pattern_refs *refs;   // named sets of patterns
	struct pattern_list **lists; // to be freed with the set
	size_t n_lists, cap_lists;
	struct regex **regexes;
	size_t n_regexes, cap_regexes;
};

void expr_set_defer(struct expr_env *env, const char *what, row_link_f link, struct expr_arg *args);
void expr_set_defer_shm(struct expr_env *env, struct var_ref *ref);
void expr_fold(struct expr_set *set, struct expr *e); // fold.c
void expr_set_own_list(struct expr_set *set, struct pattern_list *l);
// Resolves ref->name in the open table.
bool var_shm_get(const struct var_ref *ref, struct sample_ctx *ctx, struct sample *out);
// Milliseconds since the last write.
bool var_shm_age(const struct var_ref *ref, struct sample_ctx *ctx, struct sample *out);
bool var_shm_resolve(struct expr_set *set, struct var_ref *ref, struct err *err);
// vars_rate.c: the row var_rate.
bool expr_check_var_rate(struct expr_arg *args, struct expr_env *env, enum sample_type *out,
			 struct err *err);
bool expr_link_var_rate(struct expr_arg *args, struct conf *conf, struct err *err);
bool expr_fetch_var_rate(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out);

// "needs the response head" and the like: refuses what `place` does not have.
bool expr_check_place(const struct expr_place *place, struct str what, unsigned needs,
		      struct err *err);

// Cuts the arguments between "(" and ")" and types them. *at stands on "(" and moves behind ")".
struct expr_arg *expr_parse_args(struct expr_env *env, struct str text, size_t *at,
				 const struct arg_spec *specs, struct err *err);
void expr_calls_free(struct expr_calls *c); // NULL is fine
// Types n texts, which live as long as the result, by the rows' specs; ends with ARG_END.
struct expr_arg *expr_fill_args(struct expr_env *env, const struct arg_spec *specs,
				const struct str *texts, size_t n, struct err *err);
// Compares for a suggestion among the names of a map.
const char *expr_suggest(const struct hash_map *m, struct str word);

typedef const struct pattern_entry *(*pattern_match_f)(const struct pattern_list *l,
						       const struct sample *s,
						       struct sample_ctx *ctx);
void acl_scope_fini(struct acl_scope *s);
// While parsing only: the entry whose value gets its type.
struct pattern_entry *pattern_list_edit(struct pattern_list *l, size_t i);
// Ends an entry while others look; a list over named sets.
void pattern_list_kill(struct pattern_list *l, size_t i);
bool pattern_list_is_named(const struct pattern_list *l); // commands may change it
void pattern_list_use(struct pattern_list *l, struct pattern_use *const *uses, size_t n);
// From now on `u`, which was made of them, stands for the list's own items. While others look.
void pattern_list_turn(struct pattern_list *l, const struct pattern_use *u);
// The first regex that matches, with its groups.
const struct pattern_entry *pattern_match_groups(const struct pattern_list *l, struct str text,
						 struct regex_groups *groups);

extern const struct fetch_row expr_fetches_const[], expr_fetches_conn[], expr_fetches_http[],
    expr_fetches_state[], expr_fetches_target[], expr_fetches_block[], expr_fetches_payload[];
extern const struct conv_row expr_convs_text[], expr_convs_int[], expr_convs_code[],
    expr_convs_hash[], expr_convs_misc[], expr_convs_map[], expr_convs_http[], expr_convs_more[],
    expr_convs_forwarded[];
