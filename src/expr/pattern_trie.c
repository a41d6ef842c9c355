// SPDX-License-Identifier: MIT
// Looking into the trie of pattern_trie.h.

#include "base/vec16.h"
#include "expr/pattern_trie.h"

#define SPOTS 32u // texts that are waited for together
#define CHUNK 64u // places that are looked at before waiting

enum { DIR = 1, DOM = 2 };
static const uint8_t delims[256] = {['/'] = DIR | DOM, ['?'] = DIR | DOM, ['.'] = DOM, [':'] = DOM};

// A lookup under way.
struct look {
	const struct pattern_list *l;
	const struct pattern_trie *trie;
	const struct pattern_entry *best;
	uint32_t best_n; // bytes of its text
	uint8_t delim;   // DIR, DOM; 0: no words
	bool back, longest;
	bool done; // no other one is needed
	uint32_t n_spots;
	struct spot { // where an item may be
		struct str rest;
		const struct pattern_item *item;
	} spot[SPOTS];
};

static inline bool
is_delim(const struct look *k, char c)
{
	return delims[(unsigned char)c] & k->delim;
}

// Whether the item would count: it is longer than what is known, or earlier in the list, as those
// of the same text that it leads to are not.
static inline bool
is_better(const struct look *k, const struct pattern_item *item)
{
	if (k->best == NULL)
		return true;
	return k->longest ? item->n_text > k->best_n : item->entry.id < k->best->id;
}

// Is the item there, and does it live? It may be any one: a filter errs.
static void
visit(struct look *k, struct str rest, const struct pattern_item *item)
{
	struct str text = item_text(item);
	if (!is_better(k, item) || !(k->back ? str_ends(rest, text) : str_starts(rest, text)))
		return;
	if (k->delim != 0 && text.n < rest.n && !is_delim(k, rest.p[text.n]))
		return;
	if ((item = item_living(k->l, item)) == NULL || !is_better(k, item))
		return;
	k->best = &item->entry;
	k->best_n = item->n_text;
	k->done = !k->l->opts.map;
}

// From the end, for of one place the longest mostly stand last.
static void
visit_spots(struct look *k)
{
	uint32_t n = k->n_spots;
	k->n_spots = 0;
	for (; n > 0 && !k->done; n--)
		visit(k, k->spot[n - 1].rest, k->spot[n - 1].item);
}

static inline void
add_item(struct look *k, struct str rest, uint32_t i)
{
	const struct pattern_item *item = &k->l->items[i];
	item_prefetch(item);
	if (UNLIKELY(k->n_spots == SPOTS))
		visit_spots(k);
	k->spot[k->n_spots++] = (struct spot){rest, item};
}

// What passed the filter needs no look at the tags, but where they tell which of some it is.
static inline void
add_name(struct look *k, struct str rest, uint64_t hash)
{
	struct rank_range r = ranks_find(&k->l->ranks, hash);
	if (LIKELY(r.n == 1)) {
		add_item(k, rest, r.first);
		return;
	}
	for (uint32_t i = r.first; i < r.first + r.n; i++)
		if (ranks_tag_is(&k->l->ranks, i, hash))
			add_item(k, rest, i);
}

// Texts that end with fewer bytes than a step behind `depth`.
static void
look_ends(struct look *k, struct str rest, size_t depth, uint64_t hash, unsigned lengths)
{
	size_t left = rest.n - depth;
	if (left < STEP)
		lengths &= (2u << left) - 1;
	if (lengths == 0)
		return;
	uint64_t step =
	    left >= STEP ? step_at(rest, depth, k->back) : few_at(rest, depth, left, k->back);
	for (; lengths != 0; lengths &= lengths - 1) {
		unsigned n = (unsigned)__builtin_ctz(lengths);
		if (k->delim != 0 && n < left && !is_delim(k, rest.p[depth + n]))
			continue;
		uint64_t end = hash_step(hash, step_cut(step, n, k->back), n);
		if (filter_has_item(k->trie->filter, end))
			add_name(k, rest, end);
	}
}

// All behind the first step, whose hash the filter knows.
static void
look_behind(struct look *k, struct str rest, uint64_t hash)
{
	const struct pattern_trie *trie = k->trie;
	for (uint32_t steps = 1;; steps++) {
		uint64_t word = *filter_word(trie->filter, hash), any = filter_any(hash);
		size_t depth = (size_t)steps * STEP;
		if ((word & any) != any)
			return;
		if (word & filter_item(hash))
			add_name(k, rest, hash);
		if ((word & filter_on(hash)) != filter_on(hash) || steps == trie->n_steps)
			return;
		look_ends(k, rest, depth, hash, trie->ends[steps]);
		if (rest.n < depth + STEP)
			return;
		hash = hash_step(hash, step_at(rest, depth, k->back), STEP);
	}
}

static inline unsigned
first_ends(const struct look *k, struct str t)
{
	if (t.n < 2)
		return k->trie->ends[0];
	return k->trie->lead[lead_place(byte_at(t, 0, k->back), byte_at(t, 1, k->back))];
}

static ALWAYS_INLINE void
look_short(struct look *k, struct str rest)
{
	look_ends(k, rest, 0, k->l->seed, first_ends(k, rest));
}

// Where places are few, what leads to an item is fetched beside the filter; where they are many,
// for those that the filter lets through.
static ALWAYS_INLINE void
look_long(struct look *k, struct pattern_filter f, uint64_t root, struct str rest, bool back,
	  bool few)
{
	uint64_t hash = hash_step(root, step_at(rest, 0, back), STEP);
	uint64_t any = filter_any(hash);
	if (few)
		ranks_prefetch(&k->l->ranks, hash);
	if ((*filter_word(f, hash) & any) == any)
		look_behind(k, rest, hash);
}

static void
look_edge(struct look *k, struct str t)
{
	if (k->trie->ends[0] != 0)
		look_short(k, t);
	if (t.n >= STEP)
		look_long(k, k->trie->filter, k->l->seed, t, k->back, true);
	visit_spots(k);
}

static void
look_parts(struct look *k, struct str t)
{
	struct pattern_filter f = k->trie->filter; // in registers
	uint64_t root = k->l->seed;
	if (t.n == 0 && k->trie->ends[0] != 0) // an empty part
		look_short(k, t);
	for (size_t at = 0; at < t.n && !k->done; at += CHUNK) {
		size_t to = MIN(at + CHUNK, t.n);
		for (size_t i = at; k->trie->ends[0] != 0 && i < to; i++)
			look_short(k, str_of(t.p + i, t.n - i));
		for (size_t i = at; i < to && i + STEP <= t.n; i++)
			look_long(k, f, root, str_of(t.p + i, t.n - i), false, false);
		visit_spots(k);
	}
	visit_spots(k);
}

// Bit i: byte at + i is a delimiter.
static uint64_t
delim_mask(const struct look *k, struct str t, size_t at)
{
	uint64_t mask = 0;
	for (size_t i = 0; i < CHUNK && at + i < t.n; i += sizeof(vec16)) {
		size_t left = t.n - at - i, over = 0;
		char few[sizeof(vec16)] = {0};
		const char *p = t.p + at + i;
		if (left < sizeof(vec16) && t.n >= sizeof(vec16)) {
			over = sizeof(vec16) - left;
			p -= over;
		} else if (left < sizeof(vec16)) {
			p = memcpy(few, p, left);
		}
		vec16 v = vec16_load(p), is = vec16_eq(v, '/') | vec16_eq(v, '?');
		if (k->delim == DOM)
			is |= vec16_eq(v, '.') | vec16_eq(v, ':');
		mask |= (uint64_t)(vec16_mask(is) >> over) << i;
	}
	return mask;
}

// Bit i, from 0 to CHUNK - 1: n bytes or more follow.
static inline uint64_t
places_before(struct str t, size_t at, size_t n)
{
	size_t left = t.n - at;
	if (left < n)
		return 0;
	left -= n;
	return left >= CHUNK - 1 ? UINT64_MAX : (UINT64_C(2) << left) - 1;
}

// A word begins behind a delimiter, and not with one.
static void
look_words(struct look *k, struct str t)
{
	struct pattern_filter f = k->trie->filter;
	uint64_t root = k->l->seed;
	bool begins = true;
	for (size_t at = 0; at < t.n && !k->done; at += CHUNK) {
		uint64_t delim = delim_mask(k, t, at);
		uint64_t words = (delim << 1 | begins) & ~delim & places_before(t, at, 1);
		begins = delim >> (CHUNK - 1);
		for (uint64_t x = k->trie->ends[0] != 0 ? words : 0; x != 0; x &= x - 1) {
			size_t i = at + (size_t)__builtin_ctzll(x);
			look_short(k, str_of(t.p + i, t.n - i));
		}
		for (uint64_t x = words & places_before(t, at, STEP); x != 0; x &= x - 1) {
			size_t i = at + (size_t)__builtin_ctzll(x);
			look_long(k, f, root, str_of(t.p + i, t.n - i), false, true);
		}
		visit_spots(k);
	}
}

// HAProxy takes the longest beginning from its tree, but the first in order where it keeps a
// list: ends, parts, words, and whatever ignores case. A map shows the difference.
const struct pattern_entry *
pattern_trie_match(const struct pattern_list *l, struct str t)
{
	enum pat_match m = l->opts.match;
	struct look k;
	k.l = l;
	k.trie = l->trie;
	k.best = NULL;
	k.delim = m == PAT_DIR ? DIR : m == PAT_DOM ? DOM : 0;
	k.back = m == PAT_END;
	k.longest = m == PAT_BEG && !l->opts.icase;
	k.done = false;
	k.n_spots = 0; // the spots stay as they are: clearing them would cost as much as a lookup
	if (m == PAT_BEG || m == PAT_END)
		look_edge(&k, t);
	else if (m == PAT_SUB)
		look_parts(&k, t);
	else
		look_words(&k, t);
	return k.best;
}
