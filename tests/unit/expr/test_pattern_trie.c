// SPDX-License-Identifier: MIT
// Beginnings, ends, parts and words of many texts against a plain loop over them: texts that hold
// each other, equal ones, ones that ended, every byte.

#include "expr/expr_priv.h"
#include "expr_fixture.h"

#define MAX_TEXTS 4000

// Few letters and shared beginnings and ends, so that many texts are parts of others.
static struct str
make_text(struct arena *a, size_t most, bool bytes)
{
	static const char *const shared[] = {"",         "",
					     "/static/", "/static/img/",
					     "abababab", "/static/img/logos.example.com"};
	static const char letters[] = "ab/.?:";
	char p[192];
	size_t n = 0;
	for (uint32_t times = fix_below(3); times > 0; times--)
		for (const char *s = shared[fix_below(6)]; *s != '\0'; s++)
			p[n++] = *s;
	for (size_t more = fix_below((uint32_t)most); more > 0; more--)
		p[n++] = bytes && fix_below(4) == 0 ? (char)fix_below(256) : letters[fix_below(6)];
	for (const char *s = shared[fix_below(6)]; *s != '\0'; s++)
		p[n++] = *s;
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
	int n;
	struct str key[MAX_TEXTS];
	bool dead[MAX_TEXTS];
};

static int64_t
plain_find(const struct model *model, enum pat_match m, struct str t)
{
	int64_t best = -1;
	for (int i = 0; i < model->n; i++) {
		if (model->dead[i] || !plain_match(m, t, model->key[i]))
			continue;
		if (best < 0 || (m == PAT_BEG && model->key[i].n > model->key[best].n))
			best = i;
	}
	return best;
}

// A text that holds the key, mostly where the match wants it.
static struct str
around(struct arena *a, enum pat_match m, struct str key)
{
	struct str before = m == PAT_BEG ? STR_NULL : make_text(a, 12, false);
	struct str after = m == PAT_END ? STR_NULL : make_text(a, 12, false);
	const char *delim = m == PAT_DIR || m == PAT_DOM ? "/" : "";
	return str_from_c(arena_printf(a, "%.*s%s%.*s%s%.*s", STR_ARG(before), delim, STR_ARG(key),
				       delim, STR_ARG(after)));
}

static void
test_match(enum pat_match m, bool map, bool bytes, int texts, int asks)
{
	struct arena arena;
	static struct model model;
	struct err err = {{0}};
	struct pattern_opts opts = {.match = m, .map = map};
	size_t wrong = 0, found = 0;
	int gone = 0;
	arena_init(&arena, SIZE_MAX);
	struct pattern_list *l = pattern_list_new(&arena, &opts);
	model = (struct model){.n = texts};
	for (int i = 0; i < texts; i++) {
		model.key[i] = i > 0 && fix_below(8) == 0 ? model.key[fix_below((uint32_t)i)]
							  : make_text(&arena, 9, bytes);
		// an empty text would match everything in most runs
		if (model.key[i].n == 0 && fix_below(4) != 0)
			model.key[i] = STR("a");
		wrong += !pattern_list_add(l, model.key[i], STR_NULL, &err);
	}
	OK(pattern_list_build(l, &err));
	for (int i = 0; i < asks; i++) {
		for (; gone < (i + 1) * texts / asks; gone++) { // all, at the end
			uint32_t k = (uint32_t)gone * 7 % (uint32_t)texts;
			model.dead[k] = true;
			pattern_list_kill(l, k);
		}
		struct sample s;
		struct sample_ctx ctx = {.arena = &arena};
		struct str key = model.key[fix_below((uint32_t)texts)], text;
		text = fix_below(2) == 0 ? make_text(&arena, 40, bytes) : around(&arena, m, key);
		sample_set_str(&s, text);
		int64_t want = plain_find(&model, m, s.s);
		const struct pattern_entry *e = pattern_match(l, &s, &ctx);
		found += e != NULL;
		wrong += (e != NULL) != (want >= 0) || (map && e != NULL && e->id != want);
	}
	OK_MSG(wrong == 0, pat_match_name(m));
	OK(found > (size_t)asks / 10 && found < (size_t)asks);
	pattern_list_fini(l);
	arena_fini(&arena);
}

// A hash that is another text's by chance leads to any text, of those that are there too: the
// longest counts all the same. Hashes differ in each list.
static void
test_longest(void)
{
	static struct model model;
	struct err err = {{0}};
	struct pattern_opts opts = {.match = PAT_BEG, .map = true};
	unsigned wrong = 0;
	for (int round = 0; round < 200; round++) {
		struct arena arena;
		arena_init(&arena, SIZE_MAX);
		struct pattern_list *l = pattern_list_new(&arena, &opts);
		model = (struct model){.n = 24};
		for (int i = 0; i < model.n; i++) {
			char p[8];
			for (size_t k = 0; k < sizeof(p); k++)
				p[k] = fix_below(4) == 0 ? 'b' : 'a';
			model.key[i] = str_copy(&arena, str_of(p, 1 + fix_below(7)));
			wrong += !pattern_list_add(l, model.key[i], STR_NULL, &err);
		}
		wrong += !pattern_list_build(l, &err);
		for (unsigned i = 0; i < 256; i++) {
			char p[8];
			struct sample s;
			struct sample_ctx ctx = {.arena = &arena};
			for (size_t k = 0; k < sizeof(p); k++)
				p[k] = "ab"[i >> k & 1];
			sample_set_str(&s, str_of(p, sizeof(p)));
			const struct pattern_entry *e = pattern_match(l, &s, &ctx);
			wrong += (e != NULL ? e->id : -1) != plain_find(&model, PAT_BEG, s.s);
		}
		pattern_list_fini(l);
		arena_fini(&arena);
	}
	IS_INT(wrong, 0);
}

int
main(void)
{
	// as many as have nodes of every kind below each other
	static const int sizes[][2] = {{30, 600}, {400, 3000}, {MAX_TEXTS, 1000}};
	static const enum pat_match all[] = {PAT_BEG, PAT_END, PAT_SUB, PAT_DIR, PAT_DOM};
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		for (int k = 0; k < 4; k++)
			for (int size = 0; size < 3; size++)
				test_match(all[i], k & 1, k & 2, sizes[size][0], sizes[size][1]);
	test_longest();
	return tap_done();
}
