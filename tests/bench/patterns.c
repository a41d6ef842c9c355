// SPDX-License-Identifier: MIT
// What a lookup in a large set of patterns costs, how long the set takes to build and what memory
// it holds: for each match a million entries (or as many as are asked for). Of what is found, each
// entry is asked for equally often, or by Zipf's law, the k-th 1/k as often as the first; and texts
// are asked for that no entry matches. "wait": each lookup begins when the one before has given its
// value, as a request's does; "flow": they do not depend on each other, so the processor works on
// some at once, as most measurements of tables do. What is asked stands in the first cache, as the
// head of a request that was just parsed does; the entries of 262,144 lookups do not. CPU time of
// the best of some rounds, since others may use the machine. Beside it: what one miss of the caches
// costs here, on small pages and on large ones, by which the other figures are to be read.
// Build by hand:
//   gcc -O2 -std=gnu17 -D_GNU_SOURCE -Iinclude -Isrc tests/bench/patterns.c build/libtidegate.a
//       -pthread -lpcre2-8 -lxxhash -lm ...   (the libraries of the Makefile's LIBS)
// and run it with [ENTRIES [MATCH...]]; a MATCH "beg+" has texts that begin (or end) alike, "ip+"
// networks of 14 to 28 bits instead of hosts. Under callgrind give a small number of entries.
#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "expr/pattern.h"

#define TEXTS  ((size_t)1 << 18)
#define ROUNDS 5
#define AHEAD  8 // texts that are fetched while others are asked for

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
text_for(enum pat_match m, bool alike, struct arena *a)
{
	char buf[128];
	size_t n = 0;
	if (m == PAT_IP) {
		uint64_t r = next();
		n = (size_t)snprintf(buf, sizeof(buf), "%u.%u.%u.%u", (unsigned)(r & 223),
				     (unsigned)(r >> 8 & 255), (unsigned)(r >> 16 & 255),
				     (unsigned)(r >> 24 & 255));
		if (alike)
			n += (size_t)snprintf(buf + n, sizeof(buf) - n, "/%u",
					      14 + (unsigned)(r >> 40) % 15);
		return str_copy(a, str_of(buf, n));
	}
	bool path = m == PAT_BEG || m == PAT_DIR;
	if (alike && path)
		n = (size_t)snprintf(buf, sizeof(buf), "/products/by-name");
	for (int i = 0; i < (alike ? 1 : 3); i++) {
		if (path || i > 0)
			buf[n++] = path ? '/' : '.';
		n += word(buf + n);
	}
	if (alike && !path)
		n += (size_t)snprintf(buf + n, sizeof(buf) - n, ".customers.example.com");
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

static double
cpu_ns(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

// ---- one miss of the caches

#define CHASE_BYTES ((size_t)64 << 20)
#define CHASE_STEPS 1000000

static double
miss_ns(bool large)
{
	size_t n = CHASE_BYTES / CACHE_LINE, step = CACHE_LINE / sizeof(uint32_t);
	uint32_t *v = large ? mem_large(CHASE_BYTES) : mem_zalloc(CHASE_BYTES);
	double best = 1e9;
	for (size_t i = 0; i < n; i++)
		v[i * step] = (uint32_t)i;
	for (size_t i = n - 1; i > 0; i--) { // one cycle through all (Sattolo)
		size_t k = next() % i;
		uint32_t t = v[i * step];
		v[i * step] = v[k * step];
		v[k * step] = t;
	}
	for (int round = 0; round < ROUNDS; round++) {
		double start = cpu_ns();
		uint32_t at = 0;
		for (int i = 0; i < CHASE_STEPS; i++)
			at = v[at * step];
		double ns = (cpu_ns() - start) / CHASE_STEPS;
		best = at < n ? MIN(best, ns) : best;
	}
	mem_free(v);
	return best;
}

// ---- lookups

enum ask { UNIFORM, ZIPF, NOTHING, N_ASKS };
static struct sample asks[N_ASKS][TEXTS + AHEAD * 2];

static double
lookups(const struct pattern_list *l, const struct sample *ask, size_t n, bool wait, size_t *found)
{
	double best = 1e9;
	for (int round = 0; round < ROUNDS; round++) {
		struct sample_ctx ctx = {0};
		double start = cpu_ns();
		*found = 0;
		for (size_t i = 0, at = 0; i < n; i++) {
			__builtin_prefetch(&ask[i + AHEAD * 2], 0, 0);
			__builtin_prefetch(ask[MIN(i + AHEAD, n - 1)].s.p, 0, 0);
			__builtin_prefetch(ask[MIN(i + AHEAD, n - 1)].s.p + CACHE_LINE, 0, 0);
			const struct pattern_entry *e = pattern_match(l, &ask[at], &ctx);
			*found += e != NULL;
			size_t value = e != NULL ? e->value.n : 0;
			at = i + 1 + (wait ? value >> 63 : 0); // none is so long, but who knows
		}
		best = MIN(best, (cpu_ns() - start) / (double)n);
	}
	return best;
}

static struct pattern_list *
build(struct arena *arena, enum pat_match m, bool alike, size_t entries, double *ms)
{
	struct pattern_opts opts = {.match = m, .map = true};
	struct pattern_list *l = pattern_list_new(arena, &opts);
	struct err err;
	double start = cpu_ns(), spent;
	pattern_list_reserve(l, entries);
	*ms = (cpu_ns() - start) / 1e6;
	for (size_t i = 0; i < entries; i++) {
		struct str t = text_for(m, alike, arena);
		if (m == PAT_REG)
			t = str_from_c(arena_printf(arena, "^%.*s$", STR_ARG(t)));
		if (!pattern_list_add(l, t, STR("v"), &err))
			abort();
	}
	start = cpu_ns();
	if (!pattern_list_build(l, &err))
		abort();
	spent = cpu_ns() - start;
	*ms += spent / 1e6;
	return l;
}

static size_t
entry_for(enum ask kind, size_t n)
{
	double part = (double)(next() >> 11) / (double)(UINT64_C(1) << 53);
	return kind == ZIPF ? (size_t)pow((double)n, part) - 1 : (size_t)(part * (double)n);
}

static void
make_asks(const struct pattern_list *l, enum pat_match m, bool alike, enum ask kind,
	  struct arena *arena)
{
	for (size_t i = 0; i < TEXTS; i++) {
		size_t n = pattern_list_count(l);
		struct str t = text_for(m, alike, arena);
		if (kind != NOTHING) {
			struct str key = pattern_list_at(l, entry_for(kind, n))->key;
			if (m == PAT_REG)
				key = str_slice(key, 1, key.n - 1);
			t = ask_for(m, key, arena);
		}
		if (m == PAT_IP)
			t = str_slice(t, 0, str_find_byte(t, '/'));
		if (m == PAT_IP)
			(void)sample_parse_ip(t, &asks[kind][i]);
		else
			sample_set_str(&asks[kind][i], t);
	}
}

static void
measure(enum pat_match m, bool alike, size_t entries)
{
	struct arena arena;
	double ms, ns[N_ASKS][2];
	size_t found[N_ASKS], n = m == PAT_REG ? 4096 : TEXTS;
	arena_init(&arena, SIZE_MAX);
	size_t before = heap_bytes();
	struct pattern_list *l = build(&arena, m, alike, entries, &ms);
	double bytes = (double)(heap_bytes() - before) / (double)entries;
	for (int kind = 0; kind < N_ASKS; kind++) {
		make_asks(l, m, alike, kind, &arena);
		for (int wait = 0; wait < 2; wait++)
			ns[kind][wait] = lookups(l, asks[kind], n, wait, &found[kind]);
	}
	printf("%4s%c %8zu |", pat_match_name(m), alike ? '+' : ' ', entries);
	for (int kind = 0; kind < N_ASKS; kind++)
		printf(" %5.0f %5.0f |", ns[kind][1], ns[kind][0]);
	printf(" %6.0f ms %5.0f bytes | %3.0f %3.0f %3.0f %%\n", ms, bytes,
	       100.0 * (double)found[0] / (double)n, 100.0 * (double)found[1] / (double)n,
	       100.0 * (double)found[2] / (double)n);
	pattern_list_fini(l);
	arena_fini(&arena);
}

int
main(int argc, char **argv)
{
	static const enum pat_match all[] = {PAT_STR, PAT_IP,  PAT_BEG, PAT_END,
					     PAT_SUB, PAT_DIR, PAT_DOM, PAT_REG};
	size_t entries = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
	printf("a miss of the caches: %.1f ns, on large pages %.1f ns\n", miss_ns(false),
	       miss_ns(true));
	printf(
	    "ns a lookup        |   uniform   |    Zipf     |   nothing   |  each entry:\n"
	    "match      entries |  wait  flow |  wait  flow |  wait  flow |     build    memory | "
	    "found\n");
	for (size_t i = 0; i < ARRAY_LEN(all) * 2; i++) {
		enum pat_match m = all[i / 2];
		size_t n = strlen(pat_match_name(m));
		bool alike = i & 1, wanted = argc <= 2;
		for (int k = 2; k < argc; k++)
			wanted |= strncmp(argv[k], pat_match_name(m), n) == 0 &&
				  (argv[k][n] == '+') == alike;
		if (wanted && !(alike && m == PAT_REG))
			measure(m, alike, m == PAT_REG ? MIN(entries, (size_t)1000) : entries);
	}
	return 0;
}
