// SPDX-License-Identifier: MIT
// Keys made by somebody who has read the source so that all of them would have one hash, if the
// hashes had no seed of their own: rules may add what clients send. They are spread like others,
// found like others, and no bucket is a list of all of them.

#include "base/hash.h"
#include "expr/expr_priv.h"
#include "expr/pattern_filter.h"
#include "expr/pattern_priv.h"
#include "expr_fixture.h"

#define KEYS       4000
#define KNOWN_ROOT UINT64_C(0x9e3779b97f4a7c15) // what it was
#define MOST       100                          // in a bucket, of four on average

// The texts before `step` have the hash `before`: with it, all of them have the same one.
static uint64_t
step_against(uint64_t before, unsigned n)
{
	return (before + n * UINT64_C(0xa0761d6478bd642f)) ^ 12345;
}

// Each in a /64 of its own.
static struct str
bad_host(struct arena *a, unsigned i)
{
	struct sample s = {.type = SMP_IP6};
	char text[64];
	uint64_t high = UINT64_C(0x20010db800000000) + i;
	uint64_t low = hash_step(KNOWN_ROOT, high, 64) ^ 77;
	for (unsigned k = 0; k < 8; k++) {
		s.ip[k] = (uint8_t)(high >> (56 - 8 * k));
		s.ip[8 + k] = (uint8_t)(low >> (56 - 8 * k));
	}
	return str_copy(a, str_of(text, sample_print_ip(&s, text, sizeof(text))));
}

// Two share their first eight bytes.
static struct str
bad_beginning(struct arena *a, unsigned i)
{
	uint64_t step[2] = {UINT64_C(0x6161616100000000) + i / 2, 0};
	step[1] = i % 2 != 0 ? i : step_against(hash_step(KNOWN_ROOT, step[0], 8), 8);
	return str_copy(a, str_of((const char *)step, sizeof(step)));
}

// What XXH3 multiplies with nothing, whatever follows.
static struct str
bad_text(struct arena *a, unsigned i)
{
	char p[32] = "\xb8\xfe\x6c\x39\x23\xa4\x4b\xbe";
	memcpy(p + 8, &i, sizeof(i));
	return str_copy(a, str_of(p, sizeof(p)));
}

static uint32_t
fullest(const struct pattern_ranks *x)
{
	uint32_t most = 0;
	for (uint32_t i = 0; i < x->n_lines; i++) {
		uint32_t n = x->line[i + 1].first - x->line[i].first, from = 0;
		for (uint32_t k = 0; k < RANK_BUCKETS; k++) {
			uint32_t end = x->line[i].end[k] == RANK_MANY ? n : x->line[i].end[k];
			most = MAX(most, end - from);
			from = end;
		}
	}
	return most;
}

static void
test_spread(enum pat_match m, bool ip, struct str (*make)(struct arena *, unsigned))
{
	struct arena arena;
	struct err err = {{0}};
	struct pattern_opts opts = {.match = m, .map = true};
	unsigned wrong = 0;
	arena_init(&arena, SIZE_MAX);
	struct pattern_list *l = pattern_list_new(&arena, &opts);
	for (unsigned i = 0; i < KEYS; i++)
		wrong += !pattern_list_add(l, make(&arena, i), STR_NULL, &err);
	OK(pattern_list_build(l, &err));
	for (unsigned i = 0; i < KEYS; i++) {
		struct sample s = {0};
		struct sample_ctx ctx = {.arena = &arena};
		struct str key = make(&arena, i);
		if (ip)
			wrong += !sample_parse_ip(key, &s);
		else
			sample_set_str(&s, key);
		const struct pattern_entry *e = pattern_match(l, &s, &ctx);
		wrong += e == NULL || e->id != i;
	}
	IS_INT(wrong, 0);
	OK_MSG(fullest(&l->ranks) < MOST, pat_match_name(m));
	pattern_list_fini(l);
	arena_fini(&arena);
}

// That these keys are what they claim to be.
static void
test_hostile(void)
{
	struct arena arena;
	arena_init(&arena, SIZE_MAX);
	struct str a = bad_text(&arena, 1), b = bad_text(&arena, 2);
	OK(hash_bytes(a.p, a.n, 0) == hash_bytes(b.p, b.n, 0) && !str_eq(a, b));
	OK(hash_bytes(a.p, a.n, 5) != hash_bytes(b.p, b.n, 5));
	OK(hash_seed() != hash_seed());
	uint64_t name[2];
	for (unsigned i = 0; i < 2; i++) {
		uint64_t step[2];
		memcpy(step, bad_beginning(&arena, 2 * i).p, sizeof(step));
		name[i] = hash_step(hash_step(KNOWN_ROOT, step[0], 8), step[1], 8);
	}
	OK(name[0] == name[1]);
	arena_fini(&arena);
}

int
main(void)
{
	test_hostile();
	test_spread(PAT_IP, true, bad_host);
	test_spread(PAT_BEG, false, bad_beginning);
	test_spread(PAT_SUB, false, bad_beginning);
	test_spread(PAT_STR, false, bad_text);
	return tap_done();
}
