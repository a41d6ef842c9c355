// SPDX-License-Identifier: MIT
// Looking into the trie of pattern_trie.h.

#include "expr/pattern_trie.h"

// The reference behind `label`; 0: none.
static inline uint32_t
kid_of(const struct pattern_trie *trie, const uint32_t *node, uint8_t label)
{
	uint32_t n = node[0] & ~ENDS;
	const uint32_t *kids = node + HEAD_WORDS + (node[0] & ENDS ? 1 : 0);
	if (n > FEW_KIDS)
		return kids[trie->class[label]];
	// the byte that is 0 behind the exclusive or, found without a branch
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t x = (kids[0] | (uint64_t)kids[1] << 32) ^ ones * label;
	uint64_t zero = (x - ones) & ~x & ones << 7;
	uint32_t i = zero != 0 ? (uint32_t)__builtin_ctzll(zero) / 8 : n;
	return i < n ? kids[LABEL_WORDS + i] : 0;
}

// A lookup under way: the text from one place on.
struct look {
	const struct pattern_list *l;
	struct str rest;
	bool back, longest, words, dom;
	const struct pattern_entry *best;
};

enum { DIR = 1, DOM = 2 };
static const uint8_t delims[256] = {['/'] = DIR | DOM, ['?'] = DIR | DOM, ['.'] = DOM, [':'] = DOM};

static inline bool
is_delim(char c, bool dom)
{
	return delims[(unsigned char)c] & (dom ? DOM : DIR);
}

// The first living item of this text, if it counts: it is the longest so far, or the first in the
// list. True: no other one is needed.
static bool
visit(struct look *k, uint32_t at)
{
	const struct pattern_item *item = &k->l->items[at];
	size_t n = item->n_text;
	if (k->words && n < k->rest.n && !is_delim(k->rest.p[n], k->dom))
		return false;
	if ((item = item_living(k->l, item)) == NULL)
		return false;
	if (k->best == NULL || k->longest || item->entry.id < k->best->id)
		k->best = &item->entry;
	return !k->l->opts.map;
}

// Items that end on the way from `ref` to a wide node, as far as it was right.
static bool
visit_path(struct look *k, uint32_t ref, size_t right)
{
	const struct pattern_trie *trie = k->l->trie;
	while (ref != 0 && !(ref & LEAF)) {
		const uint32_t *node = trie->pool + ref;
		if (node[1] > right || node[0] & WIDE)
			return false;
		if (node[0] & ENDS && visit(k, node[3]))
			return true;
		if (node[1] == k->rest.n)
			return false;
		ref = kid_of(trie, node, byte_at(k->rest, node[1], k->back));
	}
	uint32_t item = ref & ITEM_MASK;
	return ref != 0 && k->l->items[item].n_text <= right && visit(k, item);
}

// Every item of one tree that the rest of the text begins with; *wide: where more may follow, 0:
// nowhere. Most texts end their way at a missing kid or a leaf that checks out differently: no item
// is looked at.
static bool
look_in(struct look *k, uint32_t root, size_t at, uint32_t *wide)
{
	const struct pattern_trie *trie = k->l->trie;
	uint32_t ref = root, ends = 0, some = 0;
	*wide = 0;
	while (ref != 0 && !(ref & LEAF)) {
		const uint32_t *node = trie->pool + ref;
		at = node[1];
		if (at > k->rest.n)
			break;
		ends |= node[0] & ENDS;
		some = node[2];
		if (node[0] & WIDE) {
			*wide = ref;
			break;
		}
		ref = at < k->rest.n ? kid_of(trie, node, byte_at(k->rest, at, k->back)) : 0;
		at++;
	}
	uint32_t check = ref >> CHECK_SHIFT & CHECK_NONE;
	bool leaf = ref & LEAF && (check == CHECK_NONE || check == check_of(k->rest, at, k->back));
	if (!leaf && !ends)
		return false;
	if (leaf)
		some = ref & ITEM_MASK;
	const struct pattern_item *item = &k->l->items[some];
	__builtin_prefetch(&item->entry.value);
	size_t right = common(k->rest, item_text(item), 0, k->back);
	if (ends)
		return visit_path(k, root, right);
	return item->n_text <= right && visit(k, some);
}

static inline bool
may_follow(const struct pattern_trie *trie, uint64_t hash)
{
	uint64_t bits = filter_bits(hash);
	return trie->filter == NULL || (trie->filter[filter_place(trie, hash)] & bits) == bits;
}

// The items that are found by the hash alone. What passed the filter needs no look at the tags.
static bool
look_single(struct look *k, struct rank_range r, uint64_t hash)
{
	bool filtered = k->l->trie->filter != NULL && r.n == 1;
	for (uint32_t i = r.first; i < r.first + r.n; i++) {
		if (!filtered && !ranks_tag_is(&k->l->ranks, i, hash))
			continue;
		struct str text = item_text(&k->l->items[i]);
		if ((k->back ? str_ends(k->rest, text) : str_starts(k->rest, text)) && visit(k, i))
			return true;
	}
	return false;
}

static bool look_from(struct look *k, uint32_t wide);

// All behind the eight bytes at `depth`.
static bool
look_behind(struct look *k, size_t depth, struct rank_range r, uint64_t hash)
{
	const struct pattern_trie *trie = k->l->trie;
	size_t at = index_place(&trie->nodes, hash);
	uint32_t ref, wide;
	if (look_single(k, r, hash))
		return true;
	while (trie->any_nodes && (ref = index_next(&trie->nodes, hash, &at)) != 0) {
		if (look_in(k, ref, depth + HEAD_BYTES, &wide) || look_from(k, wide))
			return true;
	}
	return false;
}

// All from a wide node on.
static bool
look_from(struct look *k, uint32_t wide)
{
	const struct pattern_list *l = k->l;
	const uint32_t *node = l->trie->pool + wide;
	size_t depth = node[1];
	uint32_t next;
	if (wide == 0)
		return false;
	if (node[HEAD_WORDS] != 0 && look_in(k, node[HEAD_WORDS], depth, &next))
		return true;
	if (k->rest.n < depth + HEAD_BYTES)
		return false;
	uint64_t hash = hash_head(head_at(k->rest, depth, k->back), wide);
	if (!may_follow(l->trie, hash))
		return false;
	struct rank_range r = ranks_find(&l->ranks, hash);
	items_prefetch(l, r, hash);
	return look_behind(k, depth, r, hash);
}

// A place of the text where one of the list may begin.
struct spot {
	uint64_t hash; // of the eight bytes there
	size_t at;
	bool may; // something may begin with them
	struct rank_range r;
};
#define SPOTS 32 // that are looked at together, the cache fetching for the first of them meanwhile

// The next places from *i on, at most SPOTS. Returns how many. What a word's hash leads to is
// fetched with the filter; where each byte begins a place, only what the filter lets through.
static size_t
gather(const struct look *k, struct str t, size_t *i, struct spot *restrict v)
{
	const struct pattern_list *l = k->l;
	const struct pattern_trie *trie = l->trie;
	bool any_short = trie->pool[trie->root + HEAD_WORDS] != 0;
	size_t n = 0, at = *i;
	for (; n < SPOTS && (at < t.n || at == 0); at++) {
		if (k->words && at > 0 && !is_delim(t.p[at - 1], k->dom))
			continue;
		bool may = at + HEAD_BYTES <= t.n;
		if (may) {
			uint64_t hash = hash_head(head_at(t, at, false), trie->root);
			if (k->words)
				ranks_prefetch(&l->ranks, hash);
			may = may_follow(trie, hash);
			v[n].hash = hash;
		}
		v[n].at = at;
		v[n].may = may;
		n += may || any_short;
	}
	*i = at;
	return n;
}

static void
fetch_items(const struct pattern_list *l, struct spot *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!v[i].may)
			continue;
		if (l->trie->any_nodes)
			index_prefetch(&l->trie->nodes, v[i].hash);
		v[i].r = ranks_find(&l->ranks, v[i].hash);
		items_prefetch(l, v[i].r, v[i].hash);
	}
}

static bool
look_at(struct look *k, const struct spot *s)
{
	const struct pattern_trie *trie = k->l->trie;
	uint32_t ends = trie->pool[trie->root + HEAD_WORDS], next;
	if (ends != 0 && look_in(k, ends, 0, &next))
		return true;
	return s->may && look_behind(k, 0, s->r, s->hash);
}

// HAProxy takes the longest beginning from its tree, but the first in order where it keeps a
// list: ends, parts, words, and whatever ignores case. A map shows the difference.
const struct pattern_entry *
pattern_trie_match(const struct pattern_list *l, struct str t)
{
	enum pat_match m = l->opts.match;
	struct look k = {.l = l,
			 .rest = t,
			 .back = m == PAT_END,
			 .longest = m == PAT_BEG && !l->opts.icase,
			 .words = m == PAT_DIR || m == PAT_DOM,
			 .dom = m == PAT_DOM};
	struct spot spots[SPOTS];
	size_t i = 0, n;
	if (l->trie->root == 0)
		return NULL;
	if (m == PAT_BEG || m == PAT_END) {
		(void)look_from(&k, l->trie->root);
		return k.best;
	}
	while ((n = gather(&k, t, &i, spots)) > 0) {
		fetch_items(l, spots, n);
		for (size_t at = 0; at < n; at++) {
			k.rest = str_slice(t, spots[at].at, t.n);
			if (look_at(&k, &spots[at]))
				return k.best;
		}
	}
	return k.best;
}
