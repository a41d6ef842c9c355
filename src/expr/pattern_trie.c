// SPDX-License-Identifier: MIT
// Beginnings, ends, parts and words: all texts of a list in one compressed trie, entered wherever
// a match may begin. A lookup follows at most one path for each such place, so its cost does not
// grow with the number of texts. On the way down only the bytes that tell entries apart are looked
// at; one comparison with an entry below then says how far the path was right, and a second walk
// over the same nodes, now in the cache, visits the entries that end within that length.
//
// A reference is an index into the pool, or a leaf: LEAF, seven bits that most other texts have
// not, and the number of the only item below. A node is
//     number of kids, and ENDS when an item ends here
//     how many bytes all below have in common: the next one tells the kids apart
//     number of some item below
//     number of the item that ends here, with ENDS
//     up to eight kids: their labels in two words, a reference for each label
//     more: a reference for each class of bytes; a byte that stands in no text has class 0

#include <stdlib.h>

#include "base/mem.h"
#include "expr/pattern_priv.h"

#define LEAF        0x80000000u
#define ITEM_MASK   0x00ffffffu
#define CHECK_SHIFT 24
#define CHECK_NONE  0x7fu // too few bytes are left to be checked
#define CHECK_BYTES 3u
#define ENDS        0x200u
#define FEW_KIDS    8u
#define LABEL_WORDS 2u
#define HEAD_WORDS  3u

_Static_assert(PATTERN_MAX_TRIE == ITEM_MASK + 1, "a leaf holds an item's number");

#define HEAD_BYTES 8u

// Texts of less than eight bytes have one tree, under pool[0]. The others have one for each first
// eight bytes, found by a hash behind a filter of two bits a head: a miss of the cache instead of
// one for each of the upper levels, and mostly none for a text that is not there.
struct pattern_trie {
	uint8_t class[256];
	uint32_t n_classes; // class 0 included
	uint32_t *pool;
	unsigned shift; // of a hash to a place in the table
	struct place {
		uint64_t head;
		uint32_t ref; // 0: free
	} * table;
	uint64_t *filter;
};

// ---- building

struct sorted {
	uint64_t head; // first eight bytes, big endian: most comparisons end here
	uint32_t item;
};

struct task {
	uint32_t from, to, depth; // of the sorted items; what they have in common at least
	uint32_t slot;            // of the pool, where the reference goes, or
	struct place *place;      // of the table
};

struct builder {
	struct pattern_list *l;
	struct pattern_trie *trie;
	struct sorted *v;
	struct task *tasks;
	size_t n_tasks, cap_tasks;
	uint32_t *pool;
	size_t n_pool, cap_pool;
};

static inline uint8_t
byte_at(struct str s, size_t i, bool from_end)
{
	return (uint8_t)s.p[from_end ? s.n - 1 - i : i];
}

static bool
from_end(const struct pattern_list *l)
{
	return l->opts.match == PAT_END;
}

static uint64_t
head_of(struct str s, bool back)
{
	uint64_t head = 0;
	for (size_t i = 0; i < HEAD_BYTES; i++)
		head = head << 8 | (i < s.n ? byte_at(s, i, back) : 0);
	return head;
}

// How many bytes a and b have in common, `least` being known.
static size_t
common(struct str a, struct str b, size_t least, bool back)
{
	size_t n = MIN(a.n, b.n), i = least;
	while (i < n && byte_at(a, i, back) == byte_at(b, i, back))
		i++;
	return i;
}

static struct str
text_of(const struct builder *b, uint32_t at)
{
	return b->l->items[b->v[at].item].text;
}

static int
by_text(const void *a, const void *b, void *list)
{
	const struct sorted *x = a, *y = b;
	const struct pattern_list *l = list;
	bool back = from_end(l);
	struct str s = l->items[x->item].text, t = l->items[y->item].text;
	if ((s.n < HEAD_BYTES) != (t.n < HEAD_BYTES))
		return s.n < HEAD_BYTES ? -1 : 1;
	if (x->head != y->head)
		return x->head < y->head ? -1 : 1;
	size_t n = common(s, t, 0, back);
	if (n < s.n && n < t.n)
		return byte_at(s, n, back) < byte_at(t, n, back) ? -1 : 1;
	if (s.n != t.n)
		return s.n < t.n ? -1 : 1;
	return (x->item > y->item) - (x->item < y->item); // the first of the list stays first
}

// Sorts, short ones first; of equal texts one stays, from which the others are reached. Words must
// have bytes.
static uint32_t
sort_items(struct builder *b)
{
	struct pattern_list *l = b->l;
	bool words = l->opts.match == PAT_DIR || l->opts.match == PAT_DOM;
	uint32_t n = 0, kept = 0;
	b->v = mem_alloc((l->n_items + 1) * sizeof(*b->v));
	for (uint32_t i = 0; i < l->n_items; i++) {
		struct str t = l->items[i].text;
		if (t.n > 0 || !words)
			b->v[n++] = (struct sorted){head_of(t, from_end(l)), i};
	}
	qsort_r(b->v, n, sizeof(*b->v), by_text, l);
	for (uint32_t i = 0, last = 0; i < n; last = b->v[i++].item) {
		struct pattern_item *item = &l->items[b->v[i].item];
		if (kept > 0 && str_eq(l->items[last].text, item->text))
			l->items[last].next_same = b->v[i].item + 1;
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
check_of(struct str s, size_t depth, bool back)
{
	if (s.n < depth + CHECK_BYTES)
		return CHECK_NONE;
	uint32_t h = byte_at(s, depth, back) * 31u + byte_at(s, depth + 1, back);
	h = h * 31u + byte_at(s, depth + 2, back);
	return (h * 2654435761u >> 16) % CHECK_NONE;
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

// The node of two items or more.
static uint32_t
make_node(struct builder *b, struct task t)
{
	bool back = from_end(b->l);
	struct str first = text_of(b, t.from);
	uint32_t depth = (uint32_t)common(first, text_of(b, t.to - 1), t.depth, back);
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
		push(b, (struct task){from, to, depth + 1, kid_slot(b, kids, n, i, label), NULL});
	}
	return at;
}

static void
make_classes(struct pattern_trie *trie, const struct pattern_list *l)
{
	bool seen[256] = {false};
	for (size_t i = 0; i < l->n_items; i++)
		for (size_t k = 0; k < l->items[i].text.n; k++)
			seen[(uint8_t)l->items[i].text.p[k]] = true;
	trie->n_classes = 1;
	for (int c = 0; c < 256 && trie->n_classes < 256; c++)
		if (seen[c])
			trie->class[c] = (uint8_t)trie->n_classes++;
	// When each byte is used there is none for class 0: the last byte shares it with nobody.
}

static inline uint64_t
hash_of(uint64_t head)
{
	head ^= head >> 32;
	return head * UINT64_C(0x9e3779b97f4a7c15);
}

static inline uint64_t
filter_bits(uint64_t hash)
{
	return UINT64_C(1) << (hash & 63) | UINT64_C(1) << (hash >> 6 & 63);
}

// The place of a head in the table, or the free one where it would stand.
static inline uint32_t
place_of(const struct pattern_trie *trie, uint64_t head, uint64_t hash)
{
	uint32_t mask = (uint32_t)((UINT64_C(1) << (64 - trie->shift)) - 1);
	uint32_t at = (uint32_t)(hash >> trie->shift);
	while (trie->table[at].ref != 0 && trie->table[at].head != head)
		at = (at + 1) & mask;
	return at;
}

static void
make_table(struct builder *b, uint32_t n)
{
	struct pattern_trie *trie = b->trie;
	unsigned bits = 4;
	while (bits < 31 && (UINT64_C(1) << bits) < (uint64_t)n * 2)
		bits++;
	trie->shift = 64 - bits;
	trie->table = mem_zalloc(sizeof(*trie->table) << bits);
	trie->filter = mem_zalloc(((size_t)1 << bits >> 3) * sizeof(uint64_t));
}

// A tree for each head among the items from..n, which are long.
static void
push_heads(struct builder *b, uint32_t from, uint32_t n)
{
	struct pattern_trie *trie = b->trie;
	for (uint32_t to; from < n; from = to) {
		uint64_t head = b->v[from].head, hash = hash_of(head);
		for (to = from + 1; to < n && b->v[to].head == head;)
			to++;
		struct place *place = &trie->table[place_of(trie, head, hash)];
		*place = (struct place){head, LEAF}; // taken, until the task is done
		trie->filter[hash >> trie->shift >> 3] |= filter_bits(hash);
		push(b, (struct task){from, to, HEAD_BYTES, 0, place});
	}
}

void
pattern_trie_build(struct pattern_list *l)
{
	struct builder b = {.l = l, .trie = MEM_NEW(struct pattern_trie)};
	make_classes(b.trie, l);
	uint32_t n = sort_items(&b);
	(void)add_words(&b, 1); // the root's reference
	uint32_t n_short = 0;
	while (n_short < n && text_of(&b, n_short).n < HEAD_BYTES)
		n_short++;
	make_table(&b, n - n_short);
	if (n_short > 0)
		push(&b, (struct task){.to = n_short});
	push_heads(&b, n_short, n);
	while (b.n_tasks > 0) {
		struct task t = b.tasks[--b.n_tasks];
		uint32_t ref = t.to - t.from == 1 ? leaf_of(&b, &t) : make_node(&b, t);
		if (t.place != NULL)
			t.place->ref = ref;
		else
			b.pool[t.slot] = ref;
	}
	b.trie->pool = b.pool;
	l->trie = b.trie;
	mem_free(b.v);
	mem_free(b.tasks);
}

void
pattern_trie_free(struct pattern_trie **trie)
{
	if (*trie != NULL) {
		mem_free((*trie)->pool);
		mem_free((*trie)->table);
		mem_free((*trie)->filter);
	}
	mem_free(*trie);
	*trie = NULL;
}

// ---- looking

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

static bool
is_delim(char c, bool dom)
{
	return c == '/' || c == '?' || (dom && (c == '.' || c == ':'));
}

// The first living item of this text, if it counts: it is the longest so far, or the first in the
// list. True: no other one is needed.
static bool
visit(struct look *k, uint32_t at)
{
	const struct pattern_item *item = &k->l->items[at];
	size_t n = item->text.n;
	if (k->words && n < k->rest.n && !is_delim(k->rest.p[n], k->dom))
		return false;
	while (!item_is_live(item)) {
		if (item->next_same == 0)
			return false;
		item = &k->l->items[item->next_same - 1];
	}
	if (k->best == NULL || k->longest || item->entry.id < k->best->id)
		k->best = &item->entry;
	return !k->l->opts.map;
}

// Items that end on the way from `ref`, as far as it was right.
static bool
visit_path(struct look *k, uint32_t ref, size_t right)
{
	const struct pattern_trie *trie = k->l->trie;
	while (ref != 0 && !(ref & LEAF)) {
		const uint32_t *node = trie->pool + ref;
		if (node[1] > right)
			return false;
		if (node[0] & ENDS && visit(k, node[3]))
			return true;
		if (node[1] == k->rest.n)
			return false;
		ref = kid_of(trie, node, byte_at(k->rest, node[1], k->back));
	}
	uint32_t item = ref & ITEM_MASK;
	return ref != 0 && k->l->items[item].text.n <= right && visit(k, item);
}

// Every item of one tree that the rest of the text begins with. Most texts end their way at a
// missing kid or a leaf that checks out differently: no item is looked at.
static bool
look_in(struct look *k, uint32_t root, size_t at)
{
	const struct pattern_trie *trie = k->l->trie;
	uint32_t ref = root, ends = 0, some = 0;
	while (ref != 0 && !(ref & LEAF)) {
		const uint32_t *node = trie->pool + ref;
		at = node[1];
		if (at > k->rest.n)
			break;
		ends |= node[0] & ENDS;
		some = node[2];
		ref = at < k->rest.n ? kid_of(trie, node, byte_at(k->rest, at, k->back)) : 0;
		at++;
	}
	uint32_t check = ref >> CHECK_SHIFT & CHECK_NONE;
	bool leaf = ref & LEAF && (check == CHECK_NONE || check == check_of(k->rest, at, k->back));
	if (!leaf && !ends)
		return false;
	if (leaf)
		some = ref & ITEM_MASK;
	struct str text = k->l->items[some].text;
	size_t right = common(k->rest, text, 0, k->back);
	if (ends)
		return visit_path(k, root, right);
	return text.n <= right && visit(k, some);
}

static inline bool
look_here(struct look *k)
{
	const struct pattern_trie *trie = k->l->trie;
	if (trie->pool[0] != 0 && look_in(k, trie->pool[0], 0))
		return true;
	if (k->rest.n < HEAD_BYTES)
		return false;
	uint64_t head = head_of(k->rest, k->back), hash = hash_of(head);
	uint64_t bits = filter_bits(hash);
	if ((trie->filter[hash >> trie->shift >> 3] & bits) != bits)
		return false;
	uint32_t ref = trie->table[place_of(trie, head, hash)].ref;
	return ref != 0 && look_in(k, ref, HEAD_BYTES);
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
	if (m == PAT_BEG || m == PAT_END) {
		(void)look_here(&k);
		return k.best;
	}
	for (size_t i = 0; i < t.n || i == 0; i++) {
		k.rest = str_slice(t, i, t.n);
		if (k.words && i > 0 && !is_delim(t.p[i - 1], k.dom))
			continue;
		if (look_here(&k))
			break;
	}
	return k.best;
}
