// SPDX-License-Identifier: MIT
// Rows: what a fetch or a converter is. A folder that has some exports them through its
// `struct module`; expr_set_new gathers the rows of all modules by name. A row says its typed
// arguments with bounds, its type, where it can be used, and its help: the reference is printed
// from them.
#pragma once

#include "base/err.h"
#include "expr/sample.h"

struct conf;
struct expr_env;
struct acl;
struct regex;

// Where an expression may stand: bits a fetch needs and a place has (struct expr_place, expr.h).
enum smp_need {
	SMP_NEED_CONN = 1 << 0,  // a client connection: src, dst
	SMP_NEED_TXN = 1 << 1,   // a request under way: txn variables, names of its backend
	SMP_NEED_REQ = 1 << 2,   // the request head
	SMP_NEED_RES = 1 << 3,   // the response head
	SMP_NEED_LOG = 1 << 4,   // final numbers, known once the transaction ends
	SMP_NEED_SHM = 1 << 5,   // the shared table
	SMP_NEED_BC = 1 << 7,    // our end of the server's connection; with RES
	SMP_NEED_WRITE = 1 << 6, // has an effect (set-var): not where only predicates may stand
};

// ARG_VAR: a variable's name, interned. ARG_REGEX: compiled. ARG_ACL: a named ACL of the section,
// "!" in front allowed. ARG_ENV: an environment variable's name. ARG_NAME: text that row->link
// turns into .ptr once all sections are known (a backend, a server, a script's function).
enum arg_type {
	ARG_END,
	ARG_STR,
	ARG_INT,
	ARG_TIME_US, // 5, 5s, 5ms: without a unit, row's .unit_us each
	ARG_IP4,
	ARG_IP6,
	ARG_MASK4, // 24 or 255.255.255.0
	ARG_MASK6, // 64
	ARG_VAR,
	ARG_REGEX,
	ARG_ACL,
	ARG_NAME,
	ARG_REST, // any number of further ARG_STR
};

enum arg_flag {
	ARG_OPTIONAL = 1 << 0,
	ARG_NOT_EMPTY = 1 << 1, // an empty string is refused
	ARG_ICASE = 1 << 2,     // ARG_REGEX: ignore case (set by a row's own check instead: "i")
};

// One argument of a row. The list ends with type ARG_END. When min == max == 0 an integer has no
// bounds of its own.
struct arg_spec {
	enum arg_type type;
	const char *name; // as help prints it
	unsigned flags;
	int64_t min, max;
	uint32_t unit_us;
};

struct var_proc;

// Immutable after linking.
struct var_ref {
	uint8_t scope;         // enum var_scope_id
	uint32_t id;           // interned number; VAR_SHM: handle of the shared table
	struct str name;       // without the scope
	struct var_proc *proc; // VAR_PROC
};

// An argument as the function sees it. given == false: left out; .i and .s are then zero. The
// array a function gets has always one element per spec (ARG_REST: as many as were given) and
// ends with one whose type is ARG_END.
struct expr_arg {
	uint8_t type; // enum arg_type
	bool given;
	bool negated; // ARG_ACL
	struct str s; // the text as written, after unquoting; NUL-terminated; configuration's life
	union {
		int64_t i;      // INT, TIME_US
		uint8_t ip[16]; // IP4, IP6, MASK4, MASK6
		struct var_ref var;
		const struct regex *regex;
		const struct acl *acl;
	};
	void *ptr; // made by link or check
};

// False: no sample. out->type must be one of the real types.
typedef bool (*fetch_f)(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out);
// Changes *smp, which has the row's in type. False: no sample.
typedef bool (*conv_f)(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *smp);
// While parsing: looks at the typed arguments, may set .ptr (memory of env's configuration
// arena), and refuse. May narrow *out for this use (0 stays as declared).
typedef bool (*row_check_f)(struct expr_arg *args, struct expr_env *env, enum sample_type *out,
			    struct err *err);
// After all files were read: resolve names into .ptr. Of a row that is ROW_LINK_LOOKS it is called
// by workers later, with names that scripts give.
typedef bool (*row_link_f)(struct expr_arg *args, struct conf *conf, struct err *err);

enum row_flag {
	ROW_VOLATILE = 1 << 0,    // never folded, never kept: rand, date, scripts, ...
	ROW_PURE_CONST = 1 << 1,  // depends on its arguments alone: int, str, bool...
	ROW_ITERATES = 1 << 3,    // may have several values; an ACL tries them all (ctx->iter)
	ROW_CHANGES = 1 << 4,     // a converter whose answer commands may change: never folded
	ROW_VERSION = 1 << 5,     // INT: an ACL's values may be written as versions: 3.1
	ROW_LETS_GO = 1 << 6,     // VOLATILE, yet nothing holds on to what it made in the arena
	ROW_LINK_LOOKS = 1 << 7,  // link only looks names up: scripts' calls make use of it too
	ROW_ACL_ALIASES = 1 << 2, // hdr -> hdr_beg, hdr_dom, ...: text fetches with these aliases
};

// `aliases`: further names, separated by spaces ("req.hdr" has "hdr").
struct fetch_row {
	const char *name;
	const char *aliases;
	const struct arg_spec *args; // NULL: none
	enum sample_type out;
	unsigned needs; // enum smp_need
	unsigned flags; // enum row_flag
	fetch_f fetch;
	row_check_f check;
	row_link_f link;
	const char *help;
};

struct conv_row {
	const char *name;
	const char *aliases;
	const struct arg_spec *args;
	enum sample_type in, out;
	unsigned needs, flags;
	conv_f conv;
	row_check_f check;
	row_link_f link;
	const char *help;
};
