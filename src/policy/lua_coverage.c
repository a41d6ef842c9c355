// SPDX-License-Identifier: MIT
// Counting lines: a line hook in the throw-away states that run tests, and what each chunk could
// have run. The hook keeps its notes outside the state, so it runs with stops postponed.
#include <string.h>

#include "base/mem.h"
#include "policy/coverage.h"
#include "policy/lua_priv.h"
#include "policy/lua_scan.h"

// ---- notes ----------------------------------------------------------------------------------

static struct coverage_file *
file_of(struct coverage *c, const char *source)
{
	if (source[0] != '@')
		return NULL; // a text made while it ran
	for (size_t i = c->n_files; i-- > 0;)
		if (strcmp(c->files[i].name, source + 1) == 0)
			return &c->files[i];
	VEC_GROW(c->files, c->cap_files, c->n_files);
	c->files[c->n_files] = (struct coverage_file){.name = mem_strdup(source + 1)};
	return &c->files[c->n_files++];
}

static void
mark(struct coverage_file *f, int line, uint8_t what)
{
	size_t n = (size_t)line + 1;
	if (f == NULL || line <= 0)
		return;
	if (n > f->n_lines) {
		uint8_t *lines = mem_zalloc(2 * n);
		if (f->n_lines > 0)
			memcpy(lines, f->lines, f->n_lines);
		mem_free(f->lines);
		f->lines = lines;
		f->n_lines = 2 * n;
	}
	f->lines[line] |= what;
}

void
coverage_fini(struct coverage *c)
{
	for (size_t i = 0; i < c->n_files; i++) {
		mem_free(c->files[i].name);
		mem_free(c->files[i].lines);
	}
	mem_free(c->files);
	*c = (struct coverage){0};
}

static bool
counts(const struct coverage_file *f, size_t line)
{
	return (f->lines[line] & (COVERAGE_CODE | COVERAGE_TEST)) == COVERAGE_CODE;
}

void
coverage_count(const struct coverage_file *f, size_t *code, size_t *ran)
{
	*code = *ran = 0;
	for (size_t i = 0; i < f->n_lines; i++) {
		*code += counts(f, i);
		*ran += counts(f, i) && (f->lines[i] & COVERAGE_RAN) != 0;
	}
}

bool
coverage_missed(const struct coverage_file *f, size_t from, size_t *first, size_t *last)
{
	*first = 0;
	for (size_t i = from; i < f->n_lines; i++) {
		bool missed = counts(f, i) && !(f->lines[i] & COVERAGE_RAN);
		if (missed && *first == 0)
			*first = i;
		if (missed)
			*last = i;
		else if (*first != 0 && f->lines[i] != 0)
			break; // it ran, or is a test's
	}
	return *first != 0;
}

// ---- in the state ---------------------------------------------------------------------------

// [-0, +0, -]
static void
line_hook(lua_State *L, lua_Debug *ar)
{
	struct policy_state *s = state_of(L);
	if (s->coverage == NULL || !lua_getinfo(L, "S", ar))
		return;
	bool was_postponed = s->guard->postponed;
	guard_postpone(s->guard);
	struct coverage_file *f = file_of(s->coverage, ar->source);
	mark(f, ar->currentline, COVERAGE_RAN);
	if (!was_postponed)
		guard_resume(s->guard);
}

void
policy_lua_coverage_arm(lua_State *L)
{
	lua_sethook(L, line_hook, LUA_MASKLINE, 0);
}

static void
code_line(void *arg, int line)
{
	mark(arg, line, COVERAGE_CODE);
}

void
policy_lua_coverage_chunk(lua_State *L)
{
	struct policy_state *s = state_of(L);
	uint8_t uses[LUA_SCAN_UPVALUES] = {0};
	lua_Debug ar;
	if (LIKELY(s->coverage == NULL))
		return;
	lua_pushvalue(L, -1);
	lua_getinfo(L, ">S", &ar);
	guard_postpone(s->guard);
	struct lua_scan_sink sink = {.line = code_line,
				     .env = -1,
				     .table_upvalue = -1,
				     .arg = file_of(s->coverage, ar.source)};
	bool understood = lua_scan_upvalues(L, uses, &sink);
	guard_resume(s->guard);
	if (!understood)
		luaL_error(L, "%s: no memory to read its lines", ar.short_src);
}

void
policy_lua_coverage_test(lua_State *L, int index)
{
	struct policy_state *s = state_of(L);
	lua_Debug ar;
	if (LIKELY(s->coverage == NULL))
		return;
	lua_pushvalue(L, index);
	lua_getinfo(L, ">S", &ar);
	guard_postpone(s->guard);
	struct coverage_file *f = file_of(s->coverage, ar.source);
	for (int i = ar.linedefined; i <= ar.lastlinedefined; i++)
		mark(f, i, COVERAGE_TEST);
	guard_resume(s->guard);
}
