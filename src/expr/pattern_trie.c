// SPDX-License-Identifier: MIT
// Beginnings, ends, parts and words: all texts of a list in one compressed trie, entered wherever
// a match may begin. A lookup follows at most one path for each such place, so its cost does not
// grow with the number of texts. On the way down only the bytes that tell entries apart are looked
// at; one comparison with an entry below then says how far the path was right, and a second walk
// over the same nodes, now in the cache, visits the entries that end within that length.
//
// Where many texts part, eight bytes are gone at once: a wide node leads by a hash of them, and of
// itself, straight to what follows, which mostly is a single text: two misses of the cache where
// a step for each byte would be one a step. Texts that end within the eight bytes have a tree of
// their own there. The root is such a node.
//
// A reference is an index into the pool, or a leaf: LEAF, seven bits that most other texts have
// not, and the number of the only item below. A node is
//     number of kids, and ENDS when an item ends here; or WIDE
//     how many bytes all below have in common: the next one tells the kids apart
//     number of some item below
//     ENDS: number of the item that ends here; WIDE: the tree of short texts, and no more
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
#define WIDE        0x400u
#define FEW_KIDS    8u
#define LABEL_WORDS 2u
#define HEAD_WORDS  3u
#define HEAD_BYTES  8u  // that a wide node takes
#define WIDE_FROM   256 // items
#define AHEAD       32  // places that are looked at while the cache fetches for the first of them

_Static_assert(PATTERN_MAX_TRIE == ITEM_MASK + 1, "a leaf holds an item's number");

struct pattern_trie {
	uint8_t class[256];
	uint32_t n_classes; // class 0 included
	uint32_t *pool;
	uint32_t root;
	struct pattern_index heads; // what follows eight bytes behind a wide node
	uint64_t *filter;           // sub: three bits for each of them, in a word for eight slots
};

// ---- building

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

// The eight bytes from `at` on.
static inline uint64_t
head_at(struct str s, size_t at, bool back)
{
	uint64_t head;
	memcpy(&head, s.p + (back ? s.n - at - HEAD_BYTES : at), HEAD_BYTES);
	bool little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
	return little == back ? head : __builtin_bswap64(head);
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

static inline uint64_t
hash_head(uint64_t head, uint32_t wide)
{
	head = (head ^ wide) * UINT64_C(0x9e3779b97f4a7c15);
	head = (head ^ head >> 32) * UINT64_C(0xd6e8feb86659fd93);
	return head ^ head >> 32;
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
	return item_text(&b->l->items[b->v[at].item]);
}

static int
by_text(const void *a, const void *b, void *list)
{
	const struct sorted *x = a, *y = b;
	const struct pattern_list *l = list;
	bool back = from_end(l);
	struct str s = item_text(&l->items[x->item]), t = item_text(&l->items[y->item]);
	if (x->head != y->head)
		return x->head < y->head ? -1 : 1;
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

static inline uint64_t
filter_bits(uint64_t hash)
{
	return UINT64_C(1) << (hash & 63) | UINT64_C(1) << (hash >> 6 & 63) |
	       UINT64_C(1) << (hash >> 12 & 63);
}

static inline size_t
filter_place(const struct pattern_trie *trie, uint64_t hash)
{
	return index_place(&trie->heads, hash) >> 3;
}

static void
make_index(struct builder *b)
{
	struct pattern_trie *trie = b->trie;
	pattern_index_init(&trie->heads, b->n_heads);
	if (b->l->opts.match == PAT_SUB)
		trie->filter = mem_large((SIZE_MAX >> trie->heads.shift) + 1);
	for (size_t i = 0; i < b->n_heads; i++) {
		uint64_t hash = b->heads[i].hash;
		pattern_index_add(&trie->heads, hash, b->heads[i].ref);
		if (trie->filter != NULL)
			trie->filter[filter_place(trie, hash)] |= filter_bits(hash);
	}
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
	make_index(&b);
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
		mem_free((*trie)->heads.slot);
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

// All from a wide node on.
static bool
look_from(struct look *k, uint32_t wide)
{
	const struct pattern_trie *trie = k->l->trie;
	while (wide != 0) {
		const uint32_t *node = trie->pool + wide;
		size_t depth = node[1];
		uint32_t next = 0, ref;
		if (node[HEAD_WORDS] != 0 && look_in(k, node[HEAD_WORDS], depth, &next))
			return true;
		if (k->rest.n < depth + HEAD_BYTES)
			return false;
		uint64_t hash = hash_head(head_at(k->rest, depth, k->back), wide);
		if (!may_follow(trie, hash))
			return false;
		size_t at = index_place(&trie->heads, hash);
		for (wide = 0; (ref = index_next(&trie->heads, hash, &at)) != 0;) {
			if (look_in(k, ref, depth + HEAD_BYTES, &next))
				return true;
			if (wide != 0 && look_from(k, next)) // two of nearly the same hash
				return true;
			wide = wide != 0 ? wide : next;
		}
	}
	return false;
}

// The next places from *i on where a text of the list may begin, at most AHEAD: the cache fetches
// what each needs first. Returns how many.
static size_t
gather(const struct look *k, struct str t, size_t *i, size_t *place)
{
	const struct pattern_trie *trie = k->l->trie;
	bool any_short = trie->pool[trie->root + HEAD_WORDS] != 0;
	size_t n = 0;
	for (; n < AHEAD && (*i < t.n || *i == 0); ++*i) {
		if (k->words && *i > 0 && !is_delim(t.p[*i - 1], k->dom))
			continue;
		bool may = any_short;
		if (*i + HEAD_BYTES <= t.n) {
			uint64_t hash = hash_head(head_at(t, *i, false), trie->root);
			if (may_follow(trie, hash)) {
				index_prefetch(&trie->heads, hash);
				may = true;
			}
		}
		place[n] = *i;
		n += may;
	}
	return n;
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
	size_t place[AHEAD], i = 0, n;
	if (l->trie->root == 0)
		return NULL;
	if (m == PAT_BEG || m == PAT_END) {
		(void)look_from(&k, l->trie->root);
		return k.best;
	}
	while ((n = gather(&k, t, &i, place)) > 0) {
		for (size_t at = 0; at < n; at++) {
			k.rest = str_slice(t, place[at], t.n);
			if (look_from(&k, l->trie->root))
				return k.best;
		}
	}
	return k.best;
}
