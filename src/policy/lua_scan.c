// SPDX-License-Identifier: MIT
// Reads the bytecode that lua_dump gives (Lua 5.4, the layout of ldump.c) for OP_SETUPVAL, the one
// instruction that assigns to a local of an enclosing function, and for the two that do anything
// with one but read a field of it. A function inside that assigns to
// an upvalue it got from the function's own upvalues counts as the function's assignment; one
// that assigns to the function's locals does not.
#include "policy/lua_scan.h"

#include <lauxlib.h>
#include <lua.h>
#include <string.h>

#include "base/mem.h"
#include "base/sbuf.h"

// lopcodes.h
#define OP_GETUPVAL 9u
#define OP_SETUPVAL 10u
#define OP_SETTABUP 15u
#define MAX_DEPTH   210 // of nested functions; the compiler allows 200 C levels
#define HEADER_TAIL 1u  // number of upvalues of the outermost function

struct reader {
	const unsigned char *at, *end;
	bool bad;
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
skip_constants(struct reader *r)
{
	for (size_t n = take_size(r); n > 0 && !r->bad; n--) {
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

static void
skip_debug(struct reader *r)
{
	(void)take(r, take_size(r)); // a line difference per instruction
	for (size_t n = take_size(r); n > 0 && !r->bad; n--) {
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
scan_code(struct reader *r, uint8_t *uses)
{
	size_t n = take_size(r);
	const unsigned char *code = n < SIZE_MAX / 4 ? take(r, n * 4) : NULL;
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

// Marks in `outer` what this function assigns to by way of the outer function's upvalues.
static void
scan_function(struct reader *r, uint8_t *uses, uint8_t *outer, int depth)
{
	if (depth > MAX_DEPTH) {
		r->bad = true;
		return;
	}
	skip_string(r); // source
	(void)take_size(r);
	(void)take_size(r);
	(void)take(r, 3); // parameters, vararg, stack
	scan_code(r, uses);
	skip_constants(r);
	size_t n = take_size(r);
	const unsigned char *upvalues = n <= LUA_SCAN_UPVALUES ? take(r, n * 3) : NULL;
	if (upvalues == NULL && n > 0)
		r->bad = true;
	for (size_t inner = take_size(r); inner > 0 && !r->bad; inner--) {
		uint8_t its[LUA_SCAN_UPVALUES] = {0};
		scan_function(r, its, uses, depth + 1);
	}
	skip_debug(r);
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
lua_scan_upvalues(lua_State *L, uint8_t uses[LUA_SCAN_UPVALUES])
{
	struct sbuf b;
	sbuf_init(&b, (size_t)64 << 20);
	bool dumped = lua_dump(L, write_dump, &b, 0) == 0;
	struct reader r = {.at = (const unsigned char *)b.p,
			   .end = (const unsigned char *)b.p + b.n,
			   .bad = b.p == NULL};
	bool ok = dumped && !r.bad && take_header(&r);
	if (ok)
		scan_function(&r, uses, NULL, 0);
	ok = ok && !r.bad && r.at == r.end;
	sbuf_fini(&b);
	return ok;
}
