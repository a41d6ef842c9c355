// SPDX-License-Identifier: MIT
// Building the trie of pattern_trie.h: items are sorted by text and cut, from above, into what
// follows each node. Where items stand is decided at the end, when it is known which of them are
// found by a hash alone.

#include <stdlib.h>

#include "base/mem.h"
#include "expr/pattern_trie.h"

struct sorted {
	uint64_t head; // first eight bytes, big endian: most comparisons end here
	uint32_t item;
};

#define NO_HEAD SIZE_MAX
struct task {
	uint32_t from, to, depth; // of the sorted items; what they have in common at least
	uint32_t slot;            // of the pool, where the reference goes, or
	size_t head;              // of the heads
	bool is_short;            // nowhere wide
};

struct builder {
	struct pattern_list *l;
	struct pattern_trie *trie;
	struct sorted *v;
	struct task *tasks;
	size_t n_tasks, cap_tasks;
	uint32_t *pool;
	size_t n_pool, cap_pool;
	struct head {
		uint64_t hash;
		uint32_t ref;
	} * heads;
	size_t n_heads, cap_heads;
};

static bool
from_end(const struct pattern_list *l)
{
	return l->opts.match == PAT_END;
}

// The first eight, of a short text with zeroes behind.
static uint64_t
first_head(struct str s, bool back)
{
	uint64_t head = 0;
	for (size_t i = 0; i < HEAD_BYTES; i++)
		head = head << 8 | (i < s.n ? byte_at(s, i, back) : 0);
	return head;
}

static struct str
text_of(const struct builder *b, uint32_t at)
{
	return item_text(&b->l->items[b->v[at].item]);
}

static int
by_text(const void *a, const void *b, void *list)
{
	const struct sorted *x = a, *y = b;
	const struct pattern_list *l = list;
	bool back = from_end(l);
	if (x->head != y->head)
		return x->head < y->head ? -1 : 1;
	struct str s = item_text(&l->items[x->item]), t = item_text(&l->items[y->item]);
	size_t n = common(s, t, 0, back);
	if (n < s.n && n < t.n)
		return byte_at(s, n, back) < byte_at(t, n, back) ? -1 : 1;
	if (s.n != t.n)
		return s.n < t.n ? -1 : 1;
	return (x->item > y->item) - (x->item < y->item); // the first of the list stays first
}

// Sorts; of equal texts one stays, from which the others are reached. Words must
// have bytes.
static uint32_t
sort_items(struct builder *b)
{
	struct pattern_list *l = b->l;
	bool words = l->opts.match == PAT_DIR || l->opts.match == PAT_DOM;
	uint32_t n = 0, kept = 0;
	b->v = mem_alloc((l->n_items + 1) * sizeof(*b->v));
	for (uint32_t i = 0; i < l->n_items; i++) {
		struct str t = item_text(&l->items[i]);
		if (t.n > 0 || !words)
			b->v[n++] = (struct sorted){first_head(t, from_end(l)), i};
	}
	qsort_r(b->v, n, sizeof(*b->v), by_text, l);
	for (uint32_t i = 0, last = 0; i < n; last = b->v[i++].item) {
		struct pattern_item *item = &l->items[b->v[i].item], *before = &l->items[last];
		if (kept > 0 && str_eq(item_text(before), item_text(item)))
			atomic_init(&before->same, b->v[i].item + 1);
		else
			b->v[kept++] = b->v[i];
	}
	return kept;
}

static void
push(struct builder *b, struct task t)
{
	VEC_GROW(b->tasks, b->cap_tasks, b->n_tasks);
	b->tasks[b->n_tasks++] = t;
}

static uint32_t *
add_words(struct builder *b, size_t n)
{
	while (b->n_pool + n > b->cap_pool) {
		b->cap_pool = b->cap_pool > 0 ? b->cap_pool * 2 : 64;
		b->pool = mem_realloc(b->pool, b->cap_pool * sizeof(*b->pool));
	}
	uint32_t *p = b->pool + b->n_pool;
	memset(p, 0, n * sizeof(*p));
	b->n_pool += n;
	return p;
}

static uint32_t
count_kids(const struct builder *b, const struct task *t, uint32_t depth)
{
	uint32_t n = 0;
	int last = -1;
	for (uint32_t i = t->from; i < t->to; i++) {
		uint8_t label = byte_at(text_of(b, i), depth, from_end(b->l));
		n += label != last;
		last = label;
	}
	return n;
}

static uint32_t
leaf_of(const struct builder *b, const struct task *t)
{
	uint32_t check = check_of(text_of(b, t->from), t->depth, from_end(b->l));
	return LEAF | check << CHECK_SHIFT | b->v[t->from].item;
}

// The items behind label number i of the node whose kids begin at `at`: where their reference goes.
static uint32_t
kid_slot(struct builder *b, uint32_t at, uint32_t n, uint32_t i, uint8_t label)
{
	if (n > FEW_KIDS)
		return at + b->trie->class[label];
	b->pool[at + i / 4] |= (uint32_t)label << (8 * (i % 4));
	return at + LABEL_WORDS + i;
}

// Those that end within eight bytes of `depth` come before the others; both stay sorted. Returns
// where the others begin.
static uint32_t
part_short(struct builder *b, const struct task *t, uint32_t depth)
{
	struct sorted *longer = mem_alloc((t->to - t->from) * sizeof(*longer));
	uint32_t n_short = t->from, n = 0;
	for (uint32_t i = t->from; i < t->to; i++) {
		if (text_of(b, i).n < depth + HEAD_BYTES)
			b->v[n_short++] = b->v[i];
		else
			longer[n++] = b->v[i];
	}
	memcpy(b->v + n_short, longer, n * sizeof(*longer));
	mem_free(longer);
	return n_short;
}

static uint32_t
make_wide(struct builder *b, const struct task *t, uint32_t depth)
{
	bool back = from_end(b->l);
	uint32_t at = (uint32_t)b->n_pool, *p = add_words(b, HEAD_WORDS + 1);
	p[0] = WIDE;
	p[1] = depth;
	p[2] = b->v[t->from].item;
	uint32_t from = part_short(b, t, depth);
	if (from > t->from)
		push(b, (struct task){t->from, from, depth, at + HEAD_WORDS, NO_HEAD, true});
	for (uint32_t to; from < t->to; from = to) {
		uint64_t head = head_at(text_of(b, from), depth, back);
		for (to = from + 1; to < t->to && head_at(text_of(b, to), depth, back) == head;)
			to++;
		VEC_GROW(b->heads, b->cap_heads, b->n_heads);
		b->heads[b->n_heads].hash = hash_head(head, at);
		push(b, (struct task){from, to, depth + HEAD_BYTES, 0, b->n_heads++, false});
	}
	return at;
}

// The node of two items or more.
static uint32_t
make_node(struct builder *b, struct task t)
{
	bool back = from_end(b->l);
	struct str first = text_of(b, t.from);
	uint32_t depth = (uint32_t)common(first, text_of(b, t.to - 1), t.depth, back);
	if (!t.is_short && t.to - t.from >= WIDE_FROM)
		return make_wide(b, &t, depth);
	uint32_t at = (uint32_t)b->n_pool, rep = b->v[t.from].item;
	bool ends = first.n == depth;
	t.from += ends;
	uint32_t n = count_kids(b, &t, depth);
	uint32_t kids = at + HEAD_WORDS + ends;
	uint32_t *p = add_words(b, HEAD_WORDS + ends +
				       (n <= FEW_KIDS ? LABEL_WORDS + n : b->trie->n_classes));
	p[0] = n | (ends ? ENDS : 0);
	p[1] = depth;
	p[2] = rep;
	if (ends)
		p[3] = rep;
	for (uint32_t i = 0, from = t.from, to; i < n; i++, from = to) {
		uint8_t label = byte_at(text_of(b, from), depth, back);
		for (to = from + 1; to < t.to; to++)
			if (byte_at(text_of(b, to), depth, back) != label)
				break;
		uint32_t slot = kid_slot(b, kids, n, i, label);
		push(b, (struct task){from, to, depth + 1, slot, NO_HEAD, t.is_short});
	}
	return at;
}

static void
make_classes(struct pattern_trie *trie, const struct pattern_list *l)
{
	bool seen[256] = {false};
	for (size_t i = 0; i < l->n_items; i++)
		for (size_t k = 0; k < l->items[i].n_text; k++)
			seen[(uint8_t)item_text(&l->items[i]).p[k]] = true;
	trie->n_classes = 1;
	for (int c = 0; c < 256 && trie->n_classes < 256; c++)
		if (seen[c])
			trie->class[c] = (uint8_t)trie->n_classes++;
	// When each byte is used there is none for class 0: the last byte shares it with nobody.
}

// ---- where items stand

// The single texts behind heads come first, as their hashes say, then the others.
static void
order_items(struct builder *b, struct rank_key *single, size_t n_single, size_t n_sorted)
{
	struct pattern_list *l = b->l;
	uint32_t *from = mem_alloc((l->n_items + 1) * sizeof(*from));
	bool *seen = mem_zalloc(l->n_items + 1);
	size_t n = 0;
	for (size_t i = 0; i < n_single; i++)
		seen[from[n++] = single[i].item] = true;
	for (size_t i = 0; i < n_sorted; i++) {
		if (!seen[b->v[i].item])
			seen[from[n++] = b->v[i].item] = true;
	}
	for (size_t i = 0; i < l->n_items; i++) {
		if (!seen[i])
			from[n++] = (uint32_t)i;
	}
	pattern_list_order(l, from);
	mem_free(from);
	mem_free(seen);
}

static void
moved(const uint32_t *place, uint32_t *ref)
{
	if (*ref & LEAF)
		*ref = (*ref & ~ITEM_MASK) | place[*ref & ITEM_MASK];
}

// The items of all nodes are those that stand elsewhere now.
static void
move_refs(struct builder *b)
{
	const uint32_t *place = b->l->place;
	for (size_t at = 1; at < b->n_pool;) {
		uint32_t *p = b->pool + at, n = p[0] & ~ENDS, ends = p[0] & ENDS ? 1 : 0;
		p[2] = place[p[2]];
		at += HEAD_WORDS;
		if (p[0] & WIDE) {
			moved(place, &b->pool[at++]);
			continue;
		}
		if (ends)
			p[3] = p[2];
		at += ends + (n <= FEW_KIDS ? LABEL_WORDS : 0);
		for (uint32_t i = n <= FEW_KIDS ? n : b->trie->n_classes; i > 0; i--)
			moved(place, &b->pool[at++]);
	}
}

static void
make_filter(struct builder *b)
{
	struct pattern_trie *trie = b->trie;
	trie->n_filter = (uint32_t)(b->n_heads / 5 + 1);
	trie->filter = mem_large(trie->n_filter * sizeof(*trie->filter));
	for (size_t i = 0; i < b->n_heads; i++) {
		uint64_t hash = b->heads[i].hash;
		trie->filter[filter_place(trie, hash)] |= filter_bits(hash);
	}
}

static void
make_index(struct builder *b, size_t n_sorted)
{
	struct pattern_trie *trie = b->trie;
	struct rank_key *single = mem_alloc((b->n_heads + 1) * sizeof(*single));
	size_t n = 0;
	for (size_t i = 0; i < b->n_heads; i++)
		if (b->heads[i].ref & LEAF)
			single[n++] = (struct rank_key){.hash = b->heads[i].hash,
							.item = b->heads[i].ref & ITEM_MASK};
	pattern_index_init(&trie->nodes, b->n_heads - n);
	trie->any_nodes = n < b->n_heads;
	for (size_t i = 0; i < b->n_heads; i++)
		if (!(b->heads[i].ref & LEAF))
			pattern_index_add(&trie->nodes, b->heads[i].hash, b->heads[i].ref);
	pattern_ranks_sort(&b->l->ranks, single, n);
	pattern_ranks_fill(&b->l->ranks, single, n);
	order_items(b, single, n, n_sorted);
	move_refs(b);
	mem_free(single);
	if (b->l->opts.match != PAT_BEG && b->l->opts.match != PAT_END)
		make_filter(b);
}

// The pool as long as it is used, where lookups are fast.
static void
keep_pool(struct builder *b)
{
	b->trie->pool = mem_large(b->n_pool * sizeof(*b->pool));
	memcpy(b->trie->pool, b->pool, b->n_pool * sizeof(*b->pool));
	mem_free(b->pool);
}

void
pattern_trie_build(struct pattern_list *l)
{
	struct builder b = {.l = l, .trie = MEM_NEW(struct pattern_trie)};
	make_classes(b.trie, l);
	struct task all = {.to = sort_items(&b)};
	(void)add_words(&b, 1); // 0 is no reference
	b.trie->root = all.to > 0 ? make_wide(&b, &all, 0) : 0;
	while (b.n_tasks > 0) {
		struct task t = b.tasks[--b.n_tasks];
		uint32_t ref = t.to - t.from == 1 ? leaf_of(&b, &t) : make_node(&b, t);
		if (t.head != NO_HEAD)
			b.heads[t.head].ref = ref;
		else
			b.pool[t.slot] = ref;
	}
	make_index(&b, all.to);
	keep_pool(&b);
	l->trie = b.trie;
	mem_free(b.v);
	mem_free(b.tasks);
	mem_free(b.heads);
}

void
pattern_trie_free(struct pattern_trie **trie)
{
	if (*trie != NULL) {
		mem_free((*trie)->pool);
		mem_free((*trie)->nodes.slot);
		mem_free((*trie)->filter);
	}
	mem_free(*trie);
	*trie = NULL;
}
