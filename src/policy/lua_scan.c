// SPDX-License-Identifier: MIT
// Reads the bytecode that lua_dump gives (Lua 5.4, the layout of ldump.c) for OP_SETUPVAL, the one
// instruction that assigns to a local of an enclosing function, and for the two that do anything
// with one but read a field of it. A function inside that assigns to
// an upvalue it got from the function's own upvalues counts as the function's assignment; one
// that assigns to the function's locals does not. Of one table it also finds the fields that are
// named, by following the registers that hold it along the code.
#include "policy/lua_scan.h"

#include <lauxlib.h>
#include <lua.h>
#include <string.h>

#include "base/mem.h"
#include "base/sbuf.h"

// lopcodes.h
#define OP_MOVE     0u
#define OP_LOADK    3u
#define OP_LOADNIL  8u
#define OP_GETUPVAL 9u
#define OP_SETUPVAL 10u
#define OP_GETTABUP 11u
#define OP_GETFIELD 14u
#define OP_SETTABUP 15u
#define OP_SETFIELD 18u
#define OP_SELF     20u
#define OP_MMBIN    46u
#define OP_MMBINK   48u
#define OP_CONCAT   53u
#define OP_CLOSE    54u
#define OP_TBC      55u
#define OP_JMP      56u
#define OP_EQ       57u
#define OP_TEST     66u
#define OP_TESTSET  67u
#define OP_CALL     68u
#define OP_TAILCALL 69u
#define OP_RETURN1  72u
#define OP_FORLOOP  73u
#define OP_TFORLOOP 77u
#define OP_SETLIST  78u
#define OP_VARARG   80u
#define OP_EXTRAARG 82u
#define ABSLINEINFO 0x80u // ldebug.h: the line stands in the list of absolute ones
#define MAX_DEPTH   210   // of nested functions; the compiler allows 200 C levels
#define HEADER_TAIL 1u    // number of upvalues of the outermost function

struct reader {
	const unsigned char *at, *end;
	bool bad;
	const struct lua_scan_sink *sink; // or NULL
};

// Upvalues of one function, -1: none.
struct scope {
	int env;   // _ENV
	int table; // the table whose fields are told
};

// What is read of one function before it can be told of: names stand behind the code, lines behind
// everything.
struct function {
	const unsigned char *code, *constants, *lines, *absolute;
	size_t n_code, n_constants, n_lines;
	int first_line;
	struct scope scope;
	bool is_vararg;
};

static const unsigned char *
take(struct reader *r, size_t n)
{
	const unsigned char *p = r->at;
	if (n > (size_t)(r->end - r->at)) {
		r->bad = true;
		return NULL;
	}
	r->at += n;
	return p;
}

static unsigned
take_byte(struct reader *r)
{
	const unsigned char *p = take(r, 1);
	return p != NULL ? *p : 0;
}

// Seven bits a byte, the highest first, the last byte marked.
static size_t
take_size(struct reader *r)
{
	size_t x = 0;
	for (int i = 0; i < 10 && !r->bad; i++) {
		unsigned b = take_byte(r);
		x = x << 7 | (b & 0x7f);
		if (b & 0x80)
			return x;
	}
	r->bad = true;
	return 0;
}

static void
skip_string(struct reader *r)
{
	size_t n = take_size(r);
	if (n > 0)
		(void)take(r, n - 1);
}

static void
skip_constants(struct reader *r, struct function *f)
{
	f->n_constants = take_size(r);
	f->constants = r->at;
	for (size_t n = f->n_constants; n > 0 && !r->bad; n--) {
		unsigned type = take_byte(r);
		switch (type & 0x0f) {
		case LUA_TNIL:
		case LUA_TBOOLEAN:
			break;
		case LUA_TNUMBER:
			(void)take(r, 8);
			break;
		case LUA_TSTRING:
			skip_string(r);
			break;
		default:
			r->bad = true;
		}
	}
}

static struct str
take_string(struct reader *r)
{
	size_t n = take_size(r);
	const unsigned char *p = n > 0 ? take(r, n - 1) : NULL;
	return p != NULL ? str_of((const char *)p, n - 1) : STR_NULL;
}

// The constant i when it is a string; the constants were read through once and are sound.
static struct str
constant(const struct reader *whole, const struct function *f, size_t i)
{
	struct reader r = {.at = f->constants, .end = whole->end};
	for (size_t k = 0; k < f->n_constants && k <= i; k++) {
		unsigned type = take_byte(&r) & 0x0f;
		struct str s = type == LUA_TSTRING ? take_string(&r) : STR_NULL;
		if (type == LUA_TNUMBER)
			(void)take(&r, 8);
		if (k == i)
			return s;
	}
	return STR_NULL;
}

// The line of the next instruction.
static int
next_line(const struct function *f, size_t i, int line, struct reader *absolute)
{
	if (i >= f->n_lines)
		return line;
	if (f->lines[i] != ABSLINEINFO)
		return line + (signed char)f->lines[i];
	(void)take_size(absolute); // its place, which is i
	return (int)take_size(absolute);
}

static void
tell_global(const struct reader *r, const struct function *f, uint32_t word, int line)
{
	unsigned op = word & 0x7f, a = word >> 7 & 0xff, b = word >> 16 & 0xff;
	bool reads = op == OP_GETTABUP && (int)b == f->scope.env;
	bool assigns = op == OP_SETTABUP && (int)a == f->scope.env;
	struct str name = reads     ? constant(r, f, word >> 24)
			  : assigns ? constant(r, f, b)
				    : STR_NULL;
	void (*tell)(void *arg, struct str name, int line) =
	    reads ? r->sink->global : r->sink->assigned;
	if (name.p != NULL && tell != NULL)
		tell(r->sink->arg, name, line);
}

// ---- the fields of one table ----------------------------------------------------------------

// What registers hold, on the way straight through the code: each such way is one that a call can
// take, as conditions fall.
enum holds { HOLDS_OTHER, HOLDS_TABLE, HOLDS_LIBRARY, HOLDS_FUNCTION, HOLDS_CONSTANT };
struct held {
	uint8_t in[256];        // enum holds
	uint32_t constant[256]; // HOLDS_CONSTANT: which
	unsigned op;            // before
};

// What an instruction writes where it is not its register A alone.
enum effect { WRITES_A, WRITES_NOTHING, WRITES_FROM_A, ENDS };
static const struct {
	unsigned char first, last;
	enum effect effect;
} effects[] = {
    {OP_LOADNIL, OP_LOADNIL, WRITES_FROM_A},    {OP_SETUPVAL, OP_SETUPVAL, WRITES_NOTHING},
    {OP_SETTABUP, OP_SETFIELD, WRITES_NOTHING}, {OP_SELF, OP_SELF, WRITES_FROM_A},
    {OP_MMBIN, OP_MMBINK, WRITES_NOTHING},      {OP_CONCAT, OP_CONCAT, WRITES_FROM_A},
    {OP_CLOSE, OP_TBC, WRITES_NOTHING},         {OP_EQ, OP_TEST, WRITES_NOTHING},
    {OP_CALL, OP_CALL, WRITES_FROM_A},          {OP_TAILCALL, OP_RETURN1, ENDS},
    {OP_FORLOOP, OP_TFORLOOP, WRITES_FROM_A},   {OP_SETLIST, OP_SETLIST, WRITES_NOTHING},
    {OP_VARARG, OP_VARARG, WRITES_FROM_A},      {OP_VARARG + 1, OP_EXTRAARG, WRITES_NOTHING},
};

// A jump that no condition stands before ends the way.
static enum effect
effect_of(unsigned op, unsigned before)
{
	if (op == OP_JMP)
		return before >= OP_EQ && before <= OP_TESTSET ? WRITES_NOTHING : ENDS;
	for (size_t i = 0; i < ARRAY_LEN(effects); i++)
		if (op >= effects[i].first && op <= effects[i].last)
			return effects[i].effect;
	return WRITES_A;
}

static void
forget(struct held *h, unsigned op, unsigned a)
{
	enum effect effect = effect_of(op, h->op);
	unsigned from = effect == ENDS ? 0 : a;
	unsigned n = effect == WRITES_NOTHING ? 0 : effect == WRITES_A ? 1 : 256 - from;
	memset(h->in + from, 0, n);
	h->op = op;
}

// The name of a field that the instruction uses; .p NULL: none.
static struct str
field_of(const struct reader *r, const struct function *f, const struct held *h, uint32_t word)
{
	unsigned op = word & 0x7f, a = word >> 7 & 0xff, b = word >> 16 & 0xff, c = word >> 24;
	bool up_a = (int)a == f->scope.table, up_b = (int)b == f->scope.table;
	if ((op == OP_GETFIELD && h->in[b] == HOLDS_TABLE) || (op == OP_GETTABUP && up_b))
		return constant(r, f, c);
	if ((op == OP_SETFIELD && h->in[a] == HOLDS_TABLE) || (op == OP_SETTABUP && up_a))
		return constant(r, f, b);
	bool calls = (op == OP_CALL || op == OP_TAILCALL) && b != 1; // with arguments
	if (calls && a < 255 && h->in[a] == HOLDS_FUNCTION && h->in[a + 1] == HOLDS_CONSTANT)
		return constant(r, f, h->constant[a + 1]);
	return STR_NULL;
}

static bool
is_function(const struct lua_scan_sink *sink, struct str name)
{
	for (size_t i = 0; sink->functions != NULL && sink->functions[i] != NULL; i++)
		if (str_eq(name, str_from_c(sink->functions[i])))
			return true;
	return false;
}

// What the instruction's register A holds behind it.
static enum holds
held_by(const struct reader *r, const struct function *f, const struct held *h, uint32_t word)
{
	unsigned op = word & 0x7f, b = word >> 16 & 0xff, c = word >> 24;
	if (op == OP_GETTABUP && (int)b == f->scope.env) {
		struct str name = constant(r, f, c);
		return str_eq(name, r->sink->table)     ? HOLDS_TABLE
		       : str_eq(name, r->sink->library) ? HOLDS_LIBRARY
							: HOLDS_OTHER;
	}
	if (op == OP_GETUPVAL)
		return (int)b == f->scope.table ? HOLDS_TABLE : HOLDS_OTHER;
	if (op == OP_GETFIELD && h->in[b] == HOLDS_LIBRARY)
		return is_function(r->sink, constant(r, f, c)) ? HOLDS_FUNCTION : HOLDS_OTHER;
	return op == OP_MOVE ? (enum holds)h->in[b] : op == OP_LOADK ? HOLDS_CONSTANT : HOLDS_OTHER;
}

static void
tell_field(const struct reader *r, const struct function *f, struct held *h, uint32_t word,
	   int line)
{
	unsigned op = word & 0x7f, a = word >> 7 & 0xff, b = word >> 16 & 0xff;
	struct str name = field_of(r, f, h, word);
	enum holds now = held_by(r, f, h, word);
	uint32_t which = op == OP_MOVE ? h->constant[b] : word >> 15;
	if (name.p != NULL)
		r->sink->field(r->sink->arg, name, line);
	forget(h, op, a);
	if (now == HOLDS_OTHER)
		return;
	h->in[a] = (uint8_t)now;
	h->constant[a] = which;
}

// ---- lines ----------------------------------------------------------------------------------

// Behind a tail call the compiler puts a return, perhaps with the end of a block, that never run;
// they stand in the line of its last argument.
struct idle {
	unsigned op; // before
	int line;
	bool now;
};

static bool
is_idle(struct idle *i, unsigned op, int line)
{
	i->now =
	    i->op == OP_TAILCALL || (i->now && line == i->line && (op == OP_JMP || op == OP_CLOSE));
	i->op = op;
	i->line = line;
	return i->now;
}

static void
tell(const struct reader *r, const struct function *f)
{
	const struct lua_scan_sink *sink = r->sink;
	struct reader absolute = {.at = f->absolute, .end = r->end};
	struct idle idle = {0};
	struct held held = {0};
	int line = f->first_line;
	for (size_t i = 0; i < f->n_code; i++) {
		uint32_t word;
		memcpy(&word, f->code + i * 4, 4);
		line = next_line(f, i, line, &absolute);
		if (sink->global != NULL)
			tell_global(r, f, word, line);
		if (sink->field != NULL)
			tell_field(r, f, &held, word, line);
		// The first of a function with `...` makes it ready; the last returns where no
		// statement does.
		bool runs =
		    !is_idle(&idle, word & 0x7f, line) && i >= f->is_vararg && i + 1 < f->n_code;
		if (runs && sink->line != NULL)
			sink->line(sink->arg, line);
	}
}

// Remembers where the lines are.
static void
skip_debug(struct reader *r, struct function *f)
{
	f->n_lines = take_size(r);
	f->lines = take(r, f->n_lines); // a line difference per instruction
	size_t n_absolute = take_size(r);
	f->absolute = r->at;
	for (size_t n = n_absolute; n > 0 && !r->bad; n--) {
		(void)take_size(r);
		(void)take_size(r);
	}
	for (size_t n = take_size(r); n > 0 && !r->bad; n--) {
		skip_string(r);
		(void)take_size(r);
		(void)take_size(r);
	}
	for (size_t n = take_size(r); n > 0 && !r->bad; n--)
		skip_string(r);
}

static void
scan_code(struct reader *r, uint8_t *uses, struct function *f)
{
	size_t n = take_size(r);
	const unsigned char *code = n < SIZE_MAX / 4 ? take(r, n * 4) : NULL;
	f->code = code;
	f->n_code = code != NULL ? n : 0;
	for (size_t i = 0; code != NULL && i < n; i++) {
		uint32_t word;
		memcpy(&word, code + i * 4, 4);
		unsigned op = word & 0x7f, a = word >> 7 & 0xff, b = word >> 16 & 0xff;
		if (op == OP_SETUPVAL)
			uses[b] |= LUA_SCAN_ASSIGNED | LUA_SCAN_EXPOSED;
		else if (op == OP_GETUPVAL)
			uses[b] |= LUA_SCAN_EXPOSED;
		else if (op == OP_SETTABUP)
			uses[a] |= LUA_SCAN_EXPOSED;
	}
}

// Which of n upvalues is the outer function's upvalue `of`.
static int
find_upvalue(const unsigned char *upvalues, size_t n, int of)
{
	for (size_t i = 0; of >= 0 && i < n; i++)
		if (!upvalues[i * 3] && upvalues[i * 3 + 1] == of)
			return (int)i;
	return -1;
}

// Marks in `outer` what this function assigns to by way of the outer function's upvalues. `scope`:
// the outer function's; the outermost one's own.
static void
scan_function(struct reader *r, uint8_t *uses, uint8_t *outer, struct scope scope, int depth)
{
	struct function f = {.scope = scope};
	if (depth > MAX_DEPTH) {
		r->bad = true;
		return;
	}
	skip_string(r); // source
	f.first_line = (int)take_size(r);
	(void)take_size(r);
	(void)take_byte(r); // parameters
	f.is_vararg = take_byte(r) != 0;
	(void)take_byte(r); // stack
	scan_code(r, uses, &f);
	skip_constants(r, &f);
	size_t n = take_size(r);
	const unsigned char *upvalues = n <= LUA_SCAN_UPVALUES ? take(r, n * 3) : NULL;
	if (upvalues == NULL && n > 0)
		r->bad = true;
	else if (outer != NULL)
		f.scope = (struct scope){find_upvalue(upvalues, n, scope.env),
					 find_upvalue(upvalues, n, scope.table)};
	for (size_t inner = take_size(r); inner > 0 && !r->bad; inner--) {
		uint8_t its[LUA_SCAN_UPVALUES] = {0};
		scan_function(r, its, uses, f.scope, depth + 1);
	}
	skip_debug(r, &f);
	if (r->sink != NULL && !r->bad)
		tell(r, &f);
	for (size_t i = 0; outer != NULL && !r->bad && i < n; i++)
		if (uses[i] && !upvalues[i * 3]) // not a local of the outer function
			outer[upvalues[i * 3 + 1]] |= uses[i];
}

static bool
take_header(struct reader *r)
{
	static const unsigned char head[] = "\x1bLua\x54\x00\x19\x93\r\n\x1a\n\x04\x08\x08";
	const unsigned char *p = take(r, sizeof(head) - 1);
	(void)take(r, sizeof(lua_Integer) + sizeof(lua_Number) + HEADER_TAIL);
	return !r->bad && memcmp(p, head, sizeof(head) - 1) == 0;
}

static int
write_dump(lua_State *L, const void *p, size_t n, void *arg)
{
	(void)L;
	struct sbuf *b = arg;
	sbuf_add(b, str_of(p, n));
	return b->full;
}

bool
lua_scan_upvalues(lua_State *L, uint8_t uses[LUA_SCAN_UPVALUES], const struct lua_scan_sink *sink)
{
	struct sbuf b;
	sbuf_init(&b, (size_t)64 << 20);
	bool dumped = lua_dump(L, write_dump, &b, 0) == 0;
	struct reader r = {.at = (const unsigned char *)b.p,
			   .end = (const unsigned char *)b.p + b.n,
			   .bad = b.p == NULL,
			   .sink = sink};
	struct scope scope = {-1, -1};
	if (sink != NULL)
		scope = (struct scope){sink->env, sink->table_upvalue};
	bool ok = dumped && !r.bad && take_header(&r);
	if (ok)
		scan_function(&r, uses, NULL, scope, 0);
	ok = ok && !r.bad && r.at == r.end;
	sbuf_fini(&b);
	return ok;
}
