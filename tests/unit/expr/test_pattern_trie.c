// SPDX-License-Identifier: MIT
// Beginnings, ends, parts and words of many texts against a plain loop over them: texts that hold
// each other, equal ones, ones that ended, every byte.

#include "expr/expr_priv.h"
#include "expr_fixture.h"

#define TEXTS 400
#define ASKS  3000

static uint32_t state = 12345;

static uint32_t
below(uint32_t n)
{
	state = state * 1664525 + 1013904223;
	return (state >> 8) % n;
}

// Few letters and shared beginnings, so that many texts are parts of others.
static struct str
make_text(struct arena *a, size_t most, bool bytes)
{
	static const char *const starts[] = {"", "", "/static/", "/static/img/", "abababab"};
	static const char letters[] = "ab/.?:";
	char p[128];
	size_t n = 0;
	for (const char *s = starts[below(5)]; *s != '\0'; s++)
		p[n++] = *s;
	for (size_t more = below((uint32_t)most); more > 0; more--)
		p[n++] = bytes && below(4) == 0 ? (char)below(256) : letters[below(6)];
	return str_copy(a, str_of(p, n));
}

static bool
delim_at(struct str t, size_t i, bool dom)
{
	return t.p[i] == '/' || t.p[i] == '?' || (dom && (t.p[i] == '.' || t.p[i] == ':'));
}

static bool
plain_word(struct str t, struct str part, bool dom)
{
	for (size_t i = 0; part.n > 0 && i + part.n <= t.n; i++)
		if (memcmp(t.p + i, part.p, part.n) == 0 && (i == 0 || delim_at(t, i - 1, dom)) &&
		    (i + part.n == t.n || delim_at(t, i + part.n, dom)))
			return true;
	return false;
}

static struct str
stripped(struct str s, bool dom)
{
	while (s.n > 0 && delim_at(s, 0, dom))
		s = str_slice(s, 1, s.n);
	while (s.n > 0 && delim_at(s, s.n - 1, dom))
		s.n--;
	return s;
}

static bool
plain_match(enum pat_match m, struct str t, struct str key)
{
	switch (m) {
	case PAT_BEG:
		return str_starts(t, key);
	case PAT_END:
		return str_ends(t, key);
	case PAT_SUB:
		return str_find(t, key) != SIZE_MAX;
	default:
		return plain_word(t, stripped(key, m == PAT_DOM), m == PAT_DOM);
	}
}

struct model {
	struct str key[TEXTS];
	bool dead[TEXTS];
};

static int64_t
plain_find(const struct model *model, enum pat_match m, struct str t)
{
	int64_t best = -1;
	for (int i = 0; i < TEXTS; i++) {
		if (model->dead[i] || !plain_match(m, t, model->key[i]))
			continue;
		if (best < 0 || (m == PAT_BEG && model->key[i].n > model->key[best].n))
			best = i;
	}
	return best;
}

static void
test_match(enum pat_match m, bool map, bool bytes)
{
	struct arena arena;
	struct model model = {.dead = {false}};
	struct err err = {{0}};
	struct pattern_opts opts = {.match = m, .map = map};
	size_t wrong = 0, found = 0;
	arena_init(&arena, SIZE_MAX);
	struct pattern_list *l = pattern_list_new(&arena, &opts);
	for (int i = 0; i < TEXTS; i++) {
		model.key[i] = i > 0 && below(8) == 0 ? model.key[below((uint32_t)i)]
						      : make_text(&arena, 9, bytes);
		// an empty text would match everything in most runs
		if (model.key[i].n == 0 && below(4) != 0)
			model.key[i] = STR("a");
		wrong += !pattern_list_add(l, model.key[i], STR_NULL, &err);
	}
	OK(pattern_list_build(l, &err));
	for (int i = 0; i < ASKS; i++) {
		if (i % 6 == 0) { // all are gone before the end
			uint32_t k = (uint32_t)i / 6 * 7 % TEXTS;
			model.dead[k] = true;
			pattern_list_kill(l, k);
		}
		struct sample s;
		struct sample_ctx ctx = {.arena = &arena};
		sample_set_str(&s, make_text(&arena, 40, bytes));
		int64_t want = plain_find(&model, m, s.s);
		const struct pattern_entry *e = pattern_match(l, &s, &ctx);
		found += e != NULL;
		wrong += (e != NULL) != (want >= 0) || (map && e != NULL && e->id != want);
	}
	OK_MSG(wrong == 0, pat_match_name(m));
	OK(found > 10 && found < ASKS);
	pattern_list_fini(l);
	arena_fini(&arena);
}

int
main(void)
{
	static const enum pat_match all[] = {PAT_BEG, PAT_END, PAT_SUB, PAT_DIR, PAT_DOM};
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		for (int k = 0; k < 4; k++)
			test_match(all[i], k & 1, k & 2);
	return tap_done();
}
