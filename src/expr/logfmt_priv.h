// SPDX-License-Identifier: MIT
// Inside of log formats: pieces, the place they are written to, the rows of aliases.
#pragma once

#include "base/sbuf.h"
#include "expr/expr_priv.h"

enum logfmt_flag {
	LOGFMT_QUOTE = 1 << 0,   // Q: in double quotes
	LOGFMT_HEX = 1 << 1,     // X: numbers and addresses in hexadecimal
	LOGFMT_URL = 1 << 3,     // of a target: in a log '"', '#' and bytes beyond ASCII are #XX
	LOGFMT_CAPTURE = 1 << 4, // of a captured header: these, and what parts captures
	LOGFMT_ESCAPE = 1 << 2,  // E: '"', '\' and ']' behind a backslash
	LOGFMT_JSON = 1 << 5,    // json: as a JSON value
	LOGFMT_CBOR = 1 << 6,    // cbor: as a CBOR value, printed in hexadecimal
	LOGFMT_RAW = 1 << 7,     // bin: as its bytes
	LOGFMT_ENCODED = LOGFMT_JSON | LOGFMT_CBOR,
};

// LOG: empty is "-", controls are #XX, runs of spaces are one. VALUE: bytes as they are.
// HEADER: controls but tabs are %XX.
enum logfmt_mode { LOGFMT_LOG, LOGFMT_VALUE, LOGFMT_HEADER };

// Where text goes: an sbuf, or a growing stretch of an arena.
struct logfmt_out {
	struct sbuf *sbuf;
	struct arena *arena;
	char *p;
	size_t n, cap;
	bool full;
	bool raw;         // CBOR as bytes
	bool after_space; // LOG: the last byte written is a separating space
	enum logfmt_mode mode;
};

struct logfmt_alias;

enum logfmt_kind { LOGFMT_TEXT, LOGFMT_SPACE, LOGFMT_EXPR, LOGFMT_ALIAS };

struct logfmt_piece {
	enum logfmt_kind kind;
	unsigned flags;  // enum logfmt_flag
	uint8_t cast;    // enum sample_type of an encoded value; SMP_ANY: its own
	struct str name; // of %(name)...; empty: it has none
	struct str text; // TEXT; SPACE: as many as there were
	const struct expr *expr;
	const struct logfmt_alias *alias;
};

struct logfmt {
	const struct logfmt_piece *pieces; // with ENCODED flags: those that have a name
	uint32_t n_pieces;
	unsigned needs;
	unsigned flags; // enum logfmt_flag of the whole: ENCODED, RAW
	bool has_alias;
};

// A row: %name.
struct logfmt_alias {
	const char *name;
	void (*put)(struct logfmt_out *out, const struct logfmt_piece *p, struct sample_ctx *ctx,
		    const struct log_values *v);
	enum sample_type type; // SMP_INT or SMP_STR: what it is when encoded
	const char *help;
	unsigned needs; // enum smp_need, told to whoever renders; an alias may stand anywhere
};
// The alias whose name is all the letters that `text` begins with, or NULL.
const struct logfmt_alias *logfmt_alias_find(struct str text);

void logfmt_put(struct logfmt_out *o, const char *p, size_t n);
// A value: quoted, escaped and encoded as flags and mode want; "-" when empty in a log.
void logfmt_put_value(struct logfmt_out *o, struct str s, unsigned flags);

// logfmt_encode.c. A value as p->flags say, JSON or CBOR.
void logfmt_encode_item(struct logfmt_out *o, const struct logfmt_piece *p, struct sample_ctx *ctx,
			const struct log_values *v);
// One object of n pieces that have names. how: LOGFMT_JSON or LOGFMT_CBOR.
void logfmt_encode_line(struct logfmt_out *o, const struct logfmt_piece *p, size_t n, unsigned how,
			struct sample_ctx *ctx, const struct log_values *v);
