// SPDX-License-Identifier: MIT
// Expressions: fetch(args),conv(args),... compiled to a flat chain. An expr_set is everything
// that one configuration's expressions share: the rows by name, interned variable names, the
// environment with -s, pattern lists; it lives as long as the configuration. Parsing is for
// set-up (and the keeper); evaluation takes no lock, no allocation except ctx->arena, and looks
// nothing up by name.
#pragma once

#include "expr/fetch.h"

struct module;
struct expr;
struct expr_set;
struct acl_scope;
struct sbuf;

// Where an expression stands: its name for errors, and what is there.
struct expr_place {
	const char *name; // "http-request rule"
	unsigned has;     // enum smp_need
};

extern const struct expr_place EXPR_AT_TCP_CONNECTION; // tcp-request connection: src and dst
extern const struct expr_place EXPR_AT_TCP_SESSION;
extern const struct expr_place EXPR_AT_TCP_CONTENT;
extern const struct expr_place EXPR_AT_REQUEST;  // http-request, use_backend, use-server...
extern const struct expr_place EXPR_AT_RESPONSE; // http-response, http-after-response
extern const struct expr_place EXPR_AT_LOG;
extern const struct expr_place EXPR_AT_CLI;   // set var NAME expr: constants and shared table
extern const struct expr_place EXPR_ANYWHERE; // a declared ACL: checked where it is used

// What a parser needs to know; made on the stack for each directive. file and line are kept.
struct expr_env {
	struct expr_set *set;
	struct acl_scope *acls; // named ACLs of the section; NULL: none
	const struct expr_place *place;
	const char *file;
	int line;
};

// Tables of rows from `modules` (NULL-terminated; expr's own expr_module among them). A name
// given twice is a mistake of ours. Never NULL.
struct expr_set *expr_set_new(const struct module *const *modules);
void expr_set_free(struct expr_set **set);
// The arena in which everything parsed lives.
struct arena *expr_set_arena(struct expr_set *set);
// -s NAME=VALUE: seen by env() and env_int() before the process environment. Copied.
void expr_set_env(struct expr_set *set, struct str name, struct str value);
// False: neither -s nor the environment has it. The text lives as long as the set.
bool expr_env_get(struct expr_set *set, struct str name, struct str *value);
// The shared table, once it is open: var(shm.x) resolves against it. allow_undeclared: unknown
// names that expressions use are made instead of being refused. An expression that names shm.
// before the table is open (the vars section may stand last) is resolved by expr_set_link.
void expr_set_shm(struct expr_set *set, struct tidevars *shm, bool allow_undeclared);
// After all files: resolves shm. names and calls the rows' link functions. Each failure goes to
// report(arg, file, line, text); false if there was any.
typedef void (*expr_report_f)(void *arg, const char *file, int line, const char *text);
bool expr_set_link(struct expr_set *set, struct conf *conf, expr_report_f report, void *arg);
// While a link function runs: where its expression stands, for a remark. *file is lent by the set.
void expr_set_linking(const struct expr_set *set, const char **file, int *line);

// The whole text must be one expression. NULL with *err: what, and at which character.
struct expr *expr_parse(struct expr_env *env, struct str text, struct err *err);
// As it stands between other words, "a configuration line cut at spaces, where an argument in
// parentheses may contain some": takes as many of argv as belong to it and says how many.
struct expr *expr_parse_words(struct expr_env *env, int argc, const struct str *argv, int *used,
			      struct err *err);

// False: no sample; out->flags then tells MAY_CHANGE.
bool expr_eval(const struct expr *e, struct sample_ctx *ctx, struct sample *out);
// The value as text; "" when there is none. False: no sample.
bool expr_eval_text(const struct expr *e, struct sample_ctx *ctx, struct str *out);
enum sample_type expr_type(const struct expr *e); // declared: may be SMP_ANY or SMP_ADDR
unsigned expr_needs(const struct expr *e);
struct str expr_source(const struct expr *e);

// For other users of rows (Lua's txn.f and txn.c): lookup and typed calls by handle.
const struct fetch_row *expr_set_fetch(struct expr_set *set, struct str name);
const struct conv_row *expr_set_conv(struct expr_set *set, struct str name);
// Every row once, for the printed reference; i from 0; NULL at the end.
const struct fetch_row *expr_set_fetch_at(struct expr_set *set, size_t i);
const struct conv_row *expr_set_conv_at(struct expr_set *set, size_t i);

extern const struct module expr_module;
