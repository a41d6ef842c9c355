// SPDX-License-Identifier: MIT
// What a lookup in a large set of patterns costs, how long the set takes to build and what memory
// it holds: for each match a million entries (or as many as are asked for), half of the lookups
// hits.
// Build by hand:
//   gcc -O2 -std=gnu17 -D_GNU_SOURCE -Iinclude -Isrc tests/bench/patterns.c build/libtidegate.a
//       -pthread -lpcre2-8 -lxxhash -lm ...   (the libraries of the Makefile's LIBS)
// and run it with [ENTRIES [MATCH...]]. Under callgrind give a small number of entries.
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "expr/pattern.h"

#define LOOKUPS 400000
#define TEXTS   65536 // different texts asked for, so that caches do not hold all paths

static uint64_t seed = 88172645463325252u;

static uint64_t
next(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	return seed ^= seed << 17;
}

static size_t
word(char *p)
{
	size_t n = 3 + next() % 8;
	for (size_t i = 0; i < n; i++)
		p[i] = (char)('a' + next() % 26);
	return n;
}

// A text as the match is used on: domains, paths, addresses.
static struct str
text_for(enum pat_match m, struct arena *a)
{
	char buf[128];
	size_t n = 0;
	if (m == PAT_IP) {
		uint64_t r = next();
		n = (size_t)snprintf(buf, sizeof(buf), "%u.%u.%u.%u", (unsigned)(r & 223),
				     (unsigned)(r >> 8 & 255), (unsigned)(r >> 16 & 255),
				     (unsigned)(r >> 24 & 255));
		return str_copy(a, str_of(buf, n));
	}
	bool path = m == PAT_BEG || m == PAT_DIR;
	for (int i = 0; i < 3; i++) {
		if (path || i > 0)
			buf[n++] = path ? '/' : '.';
		n += word(buf + n);
	}
	return str_copy(a, str_of(buf, n));
}

// What is asked: the entry with something around it that still matches, or another text.
static struct str
ask_for(enum pat_match m, struct str entry, struct arena *a)
{
	const char *before = m == PAT_SUB   ? "xx"
			     : m == PAT_DIR ? "/y/z"
			     : m == PAT_DOM ? "www."
					    : "";
	const char *after = m == PAT_SUB || m == PAT_BEG ? "yy" : m == PAT_DIR ? "/q" : "";
	if (m == PAT_END)
		before = "www.";
	return str_from_c(arena_printf(a, "%s%.*s%s", before, STR_ARG(entry), after));
}

static size_t
heap_bytes(void)
{
	struct mallinfo2 i = mallinfo2();
	return i.uordblks + i.hblkhd;
}

static void
measure(enum pat_match m, size_t entries)
{
	struct arena arena;
	struct err err;
	struct pattern_opts opts = {.match = m, .map = true};
	struct sample asks[2][TEXTS];
	arena_init(&arena, SIZE_MAX);
	size_t before = heap_bytes();
	struct pattern_list *l = pattern_list_new(&arena, &opts);
	for (size_t i = 0; i < entries; i++) {
		struct str t = text_for(m, &arena);
		if (m == PAT_REG)
			t = str_from_c(arena_printf(&arena, "^%.*s$", STR_ARG(t)));
		if (!pattern_list_add(l, t, STR("v"), &err))
			abort();
	}
	uint64_t start = clock_mono_ns();
	if (!pattern_list_build(l, &err))
		abort();
	double build_ms = (double)(clock_mono_ns() - start) / 1e6;
	double mib = (double)(heap_bytes() - before) / 1048576;
	for (size_t i = 0; i < TEXTS; i++) {
		struct str key = pattern_list_at(l, next() % entries)->key;
		if (m == PAT_REG)
			key = str_slice(key, 1, key.n - 1);
		struct str t[2] = {ask_for(m, key, &arena), text_for(m, &arena)};
		for (int k = 0; k < 2; k++) {
			if (m == PAT_IP)
				(void)sample_parse_ip(t[k], &asks[k][i]);
			else
				sample_set_str(&asks[k][i], t[k]);
		}
	}
	struct sample_ctx ctx = {.arena = &arena};
	double ns[2];
	size_t found[2] = {0, 0}, n = m == PAT_REG ? 4096 : LOOKUPS;
	for (int k = 0; k < 2; k++) {
		start = clock_mono_ns();
		for (size_t i = 0; i < n; i++)
			found[k] += pattern_match(l, &asks[k][i % TEXTS], &ctx) != NULL;
		ns[k] = (double)(clock_mono_ns() - start) / (double)n;
	}
	printf(
	    "%-4s %8zu entries  hit %8.1f ns (%zu of %zu)  miss %8.1f ns (%zu found)  build %7.0f "
	    "ms  %6.0f MiB\n",
	    pat_match_name(m), entries, ns[0], found[0], n, ns[1], found[1], build_ms, mib);
	pattern_list_fini(l);
	arena_fini(&arena);
}

int
main(int argc, char **argv)
{
	static const enum pat_match all[] = {PAT_STR, PAT_IP,  PAT_BEG, PAT_END,
					     PAT_SUB, PAT_DIR, PAT_DOM, PAT_REG};
	size_t entries = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		bool wanted = argc <= 2;
		for (int k = 2; k < argc; k++)
			wanted |= strcmp(argv[k], pat_match_name(all[i])) == 0;
		if (wanted)
			measure(all[i], all[i] == PAT_REG ? MIN(entries, (size_t)1000) : entries);
	}
	return 0;
}
